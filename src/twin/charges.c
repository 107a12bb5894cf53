// SPDX-License-Identifier: MIT
// Charges (https://docs.stripe.com/api/charges): each attempt to move money, and how it ends.
#include "twin/effects.h"
#include "twin/money.h"

#define SETTLES_S 2 // an asynchronous capture's money is booked behind the answer
#define PENDING_DAYS 2

// --- payment_method_details

static void add_card(struct text *t, const struct card *k, struct twin_object *method,
                     int64_t amount, bool asked) {
    bool whole = twin_is(method, "payment_method");
    json own = whole ? twin_at(method, "card") : twin_root(method);
    static const char *const names[] = {"country",     "exp_month", "exp_year",
                                        "fingerprint", "funding",   "last4"};
    text_addf(t,
              "{\"card\":{\"amount_authorized\":%lld,\"authorization_code\":null,\"brand\":\"%s\"",
              (long long)amount, k->brand);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        text_addf(t, ",\"%s\":", names[i]);
        json_write(json_get(own, names[i]), t);
    }
    text_adds(t, ",\"checks\":{\"address_line1_check\":null,\"address_postal_code_check\":null,"
                 "\"cvc_check\":\"pass\"},\"extended_authorization\":{\"status\":\"disabled\"},"
                 "\"incremental_authorization\":{\"status\":\"unavailable\"},\"installments\":null,"
                 "\"mandate\":null,\"multicapture\":{\"status\":\"unavailable\"}");
    text_addf(
        t,
        ",\"network\":\"%s\",\"network_token\":{\"used\":false},"
        "\"network_transaction_id\":null,\"overcapture\":{\"maximum_amount_capturable\":%lld,"
        "\"status\":\"unavailable\"},\"regulated_status\":\"unregulated\",\"three_d_secure\":",
        k->brand, (long long)amount);
    text_adds(t, asked ? "{\"authentication_flow\":\"challenge\",\"electronic_commerce_indicator\":"
                         "\"05\",\"exemption_indicator\":null,\"result\":\"authenticated\","
                         "\"result_reason\":null,\"transaction_id\":null,\"version\":\"2.2.0\"}"
                       : "null");
    text_adds(t, ",\"wallet\":null},\"type\":\"card\"}");
}

static void describe(struct twin_call *c, struct twin_object *charge, struct twin_object *method,
                     bool asked) {
    OWN(text_drop)
    struct text t = {0};
    OWN(text_drop)
    struct text type = {0};
    const struct card *card = card_of(method);
    if (card != NULL) {
        add_card(&t, card, method, twin_int(charge, "amount"), asked);
    } else {
        text_add(&type, twin_text(method, "type"));
        text_addf(&t, "{\"%s\":", text_str(&type));
        json_write(twin_at(method, text_str(&type)), &t);
        text_addf(&t, ",\"type\":\"%s\"}", text_str(&type));
    }
    twin_set_json(c, charge, "payment_method_details", text_bytes(&t));
}

// --- making

static void take_method(struct twin_call *c, struct twin_object *charge, struct twin_object *method,
                        bool asked) {
    static const char *const own[] = {"$.card", "$.bank"};
    describe(c, charge, method, asked);
    twin_set_str(c, charge, "payment_method", method->id);
    for (size_t i = 0; i < 2; i++)
        money_copy(c, charge, own[i], method);
    if (twin_is(method, "payment_method"))
        money_copy(c, charge, "billing_details", method);
    if (!twin_is(method, "card"))
        return;
    OWN(text_drop)
    struct text shown = {0};
    twin_show(twin_root(method), &shown);
    twin_set_json(c, charge, "source", text_bytes(&shown));
}

struct twin_object *charge_make(struct twin_call *c, struct twin_object *intent,
                                struct twin_object *method, bool asked) {
    static const char *const names[] = {
        "amount",
        "application_fee_amount",
        "currency",
        "customer",
        "description",
        "metadata",
        "on_behalf_of",
        "receipt_email",
        "shipping",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_data",
        "transfer_group",
    };
    struct twin_object *charge = twin_make(c, "charge");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        money_copy(c, charge, names[i], intent);
    charge->clock = intent->clock;
    twin_set_str(c, charge, "payment_intent", intent->id);
    take_method(c, charge, method, asked);
    twin_set_str(c, intent, "latest_charge", charge->id);
    return charge;
}

static void set_outcome(struct twin_call *c, struct twin_object *charge, const char *network,
                        const char *reason, const char *seller, const char *type) {
    OWN(text_drop)
    struct text t = {0};
    text_addf(&t,
              "{\"advice_code\":null,\"network_advice_code\":null,\"network_decline_code\":null,"
              "\"network_status\":\"%s\",\"reason\":%s%s%s,\"risk_level\":\"normal\","
              "\"risk_score\":12,\"seller_message\":\"%s\",\"type\":\"%s\"}",
              network, reason == NULL ? "" : "\"", reason == NULL ? "null" : reason,
              reason == NULL ? "" : "\"", seller, type);
    twin_set_json(c, charge, "outcome", text_bytes(&t));
}

// --- how it ends

static void book(struct twin_call *c, struct twin_object *charge) {
    const struct card *card = card_of(charge);
    int64_t amount = twin_int(charge, "amount_captured");
    bool waits = card == NULL || card->end != CARD_AVAILABLE;
    int64_t day = twin_time(c, charge) / DAYS_S;
    struct balance_entry e = {
        .type = card != NULL ? "charge" : "payment",
        .category = "charge",
        .amount = amount,
        // Of what is there at once nothing goes off, so that all of it can be sent on: what the
        // CLI's triggers do, in accounts that have more.
        .fee = waits ? balance_fee(amount) : 0,
        .currency = twin_text(charge, "currency"),
        .source = bytes_of(charge->id),
        .description = twin_text(charge, "description"),
        .available_s = waits ? (day + PENDING_DAYS) * DAYS_S : 0,
        .behind = true,
    };
    struct twin_object *entry = balance_book(c, &e);
    twin_set_str(c, charge, "balance_transaction", entry->id);
    connect_share(c, charge);
}

// With capture_method automatic_async the money is booked a little later, which is told then; what
// lives by a test clock, or is to be there at once, does not wait.
static void settle(struct twin_call *c, struct twin_object *charge) {
    const struct card *card = card_of(charge);
    struct twin_object *intent = twin_get(c, twin_text(charge, "payment_intent"));
    bool later = intent != NULL &&
                 bytes_equal(twin_text(intent, "capture_method"), B("automatic_async")) &&
                 charge->clock == NULL && (card == NULL || card->end != CARD_AVAILABLE);
    if (later)
        twin_when(c, charge, twin_time(c, charge) + SETTLES_S, effect_charge_settle);
    else
        book(c, charge);
}

bool effect_charge_settle(struct twin_call *c) {
    book(c, c->self);
    twin_emit(c, c->self, "charge.updated");
    return true;
}

// A charge that was pending tells how it ended with what it was before, as on a test clock both may
// lie in one second.
void charge_succeed(struct twin_call *c, struct twin_object *charge, bool captured) {
    OWN(text_drop)
    struct text url = {0};
    text_addf(&url, "https://pay.stripe.com/receipts/payment/%s", charge->id);
    twin_set_str(c, charge, "status", "succeeded");
    twin_set_bool(c, charge, "paid", true);
    twin_set_bool(c, charge, "captured", captured);
    twin_set_int(c, charge, "amount_captured", captured ? twin_int(charge, "amount") : 0);
    twin_set_text(c, charge, "receipt_url", text_bytes(&url));
    set_outcome(c, charge, "approved_by_network", NULL, "Payment complete.", "authorized");
    if (captured)
        settle(c, charge);
    twin_emit(c, charge, charge->fresh ? "charge.succeeded" : "charge.updated|charge.succeeded");
}

void charge_fail(struct twin_call *c, struct twin_object *charge, const char *code,
                 const char *decline) {
    const struct card *card = card_of(charge);
    bool blocked = card != NULL && card->end == CARD_BLOCK;
    const struct decline *row = decline_of(decline[0] != '\0' ? decline : code);
    twin_set_str(c, charge, "status", "failed");
    twin_set_str(c, charge, "failure_code", code);
    twin_set_str(c, charge, "failure_message", row->message);
    set_outcome(c, charge, blocked ? "not_sent_to_network" : "declined_by_network",
                blocked ? "highest_risk_level" : row->name, row->seller,
                blocked ? "blocked" : "issuer_declined");
    twin_emit(c, charge, charge->fresh ? "charge.failed" : "charge.updated|charge.failed");
}

void charge_take(struct twin_call *c, struct twin_object *charge, int64_t amount) {
    twin_set_bool(c, charge, "captured", true);
    twin_set_int(c, charge, "amount_captured", amount);
    book(c, charge);
    twin_emit(c, charge, "charge.captured");
}

void charge_release(struct twin_call *c, struct twin_object *charge, const char *told) {
    twin_set_int(c, charge, "amount_refunded", twin_int(charge, "amount"));
    twin_set_bool(c, charge, "refunded", true);
    twin_emit(c, charge, told);
}

static void warn(struct twin_call *c, struct twin_object *charge, const char *kind) {
    struct twin_object *o = twin_make(c, "radar.early_fraud_warning");
    twin_set_str(c, o, "charge", charge->id);
    money_copy(c, o, "payment_intent", charge);
    twin_set_str(c, o, "fraud_type", kind);
    twin_emit(c, o, "radar.early_fraud_warning.created");
}

void charge_trouble(struct twin_call *c, struct twin_object *charge) {
    const struct card *card = card_of(charge);
    const struct bank *bank = bank_of(charge);
    if (card == NULL && bank->end == BANK_DISPUTE)
        dispute_open(c, charge, bank->code, false);
    if (card == NULL)
        return;
    if (card->end == CARD_DISPUTE || card->end == CARD_INQUIRY)
        dispute_open(c, charge, card->code, card->end == CARD_INQUIRY);
    if (card->end == CARD_WARNING)
        warn(c, charge, card->code);
}

// --- charges by themselves, without an intent

// What is to be charged: a token, or a customer's card. Null: refused.
static struct twin_object *find_source(struct twin_call *c) {
    struct twin_object *customer = twin_get(c, twin_text(c->self, "customer"));
    bytes id = twin_param_text(c, "source");
    if (id.n == 0 && customer != NULL)
        id = twin_text(customer, "default_source");
    if (id.n > 0)
        return twin_ref(c, "source", id, "card");
    if (customer != NULL)
        twin_refuse_as(c, 402, "card_error", "missing", NULL, NO_BYTES,
                       "Cannot charge a customer that has no active card");
    else
        twin_refuse(c, API_ERROR_INVALID, NULL, "Must provide source or customer.");
    return NULL;
}

static bool declined(struct twin_call *c, const char *code, const char *decline) {
    OWN(text_drop)
    struct text more = {0};
    charge_fail(c, c->self, code, decline);
    text_adds(&more, ",\"charge\":");
    text_add_json(&more, bytes_of(c->self->id));
    c->keeps = true;
    return card_refuse(c, code, decline, NULL, text_bytes(&more));
}

bool effect_charge_go(struct twin_call *c) {
    struct twin_object *source = find_source(c);
    if (source == NULL || !money_is_amount(c, "amount", twin_int(c->self, "amount")))
        return false;
    const struct card *card = card_of(source);
    bool captured = !bytes_equal(twin_param_text(c, "capture"), B("false"));
    take_method(c, c->self, source, false);
    if (card == NULL)
        return twin_refuse(c, API_ERROR_INVALID, "source", "The twin charges test cards alone.");
    switch (card->end) {
    case CARD_DECLINE:
    case CARD_BLOCK:
    case CARD_CHARGE_DECLINE: return declined(c, card->code, card->decline);
    case CARD_ACTION:
    case CARD_ACTION_ONCE:
    case CARD_ACTION_DECLINE: return declined(c, "card_declined", "authentication_required");
    default: break;
    }
    charge_succeed(c, c->self, captured);
    charge_trouble(c, c->self);
    return true;
}

bool effect_charge_capture(struct twin_call *c) {
    int64_t amount = twin_int(c->self, "amount");
    int64_t most = amount;
    if (twin_true(c->self, "refunded"))
        return twin_refuse_as(c, 400, "invalid_request_error", "charge_already_refunded", NULL,
                              NO_BYTES, "Charge %s has already been refunded.", c->self->id);
    if (!twin_param_int(c, "amount", &amount))
        return false;
    if (amount < 1 || amount > most)
        return twin_refuse_as(c, 400, "invalid_request_error", "amount_too_large", "amount",
                              NO_BYTES, "amount is %lld; of this charge 1 to %lld may be captured.",
                              (long long)amount, (long long)most);
    charge_take(c, c->self, amount);
    return true;
}
