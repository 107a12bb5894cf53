// SPDX-License-Identifier: MIT
// Payments with issued cards (https://docs.stripe.com/issuing).
#include "twin/effects.h"

#define ANSWER_S 2 // how long Stripe waits for an answer to issuing_authorization.request

static void add_int(struct text *out, const char *key, int64_t v) {
    text_addf(out, ",\"%s\":%lld", key, (long long)v);
}

static void add_text(struct text *out, const char *key, bytes v) {
    text_addf(out, ",\"%s\":", key);
    text_add_json(out, v);
}

static bool is_active(struct twin_object *o) {
    return bytes_equal(twin_text(o, "card.status"), B("active"));
}

// --- authorizations

// It is asked for this much; `card` lies in it already.
static bool ask(struct twin_call *c, struct twin_object *o, const char *amount_param,
                const char *currency_param) {
    OWN(text_drop)
    struct text asked = {0};
    int64_t amount = 0;
    if (!twin_param_int(c, amount_param, &amount))
        return false;
    if (amount < 0)
        return twin_refuse(c, API_ERROR_INVALID, amount_param, "%s is %lld; it is not below 0.",
                           amount_param, (long long)amount);
    if (twin_given(c, currency_param))
        twin_set(c, o, "currency", twin_param(c, currency_param));
    else
        twin_set(c, o, "currency", twin_at(o, "card.currency"));
    twin_set(c, o, "merchant_currency", twin_at(o, "currency"));
    twin_set(c, o, "cardholder", twin_at(o, "card.cardholder.id"));
    text_addf(&asked, "{\"amount\":%lld,\"amount_details\":null", (long long)amount);
    add_text(&asked, "currency", twin_text(o, "currency"));
    text_adds(&asked, ",\"is_amount_controllable\":");
    text_adds(&asked, twin_param_true(c, "is_amount_controllable") ? "true" : "false");
    add_int(&asked, "merchant_amount", amount);
    add_text(&asked, "merchant_currency", twin_text(o, "currency"));
    text_adds(&asked, ",\"network_risk_score\":null}");
    twin_set_json(c, o, "pending_request", text_bytes(&asked));
    twin_when(c, o, c->now_s + ANSWER_S, effect_issuing_unanswered);
    return true;
}

bool effect_issuing_request(struct twin_call *c) { return ask(c, c->self, "amount", "currency"); }

bool effect_issuing_hold(struct twin_call *c) {
    struct twin_object *card = c->self;
    c->self = twin_make(c, "issuing.authorization");
    twin_set(c, c->self, "card", twin_root(card));
    if (twin_given(c, "authorization_method"))
        twin_set(c, c->self, "authorization_method", twin_param(c, "authorization_method"));
    return ask(c, c->self, "held_amount", "held_currency");
}

static void decide(struct twin_call *c, bool approved, int64_t amount, const char *reason) {
    struct twin_object *o = c->self;
    OWN(text_drop)
    struct text said = {0};
    text_addf(&said, "{\"amount\":%lld,\"amount_details\":null,\"approved\":%s", (long long)amount,
              approved ? "true" : "false");
    text_adds(&said, ",\"authorization_code\":null");
    add_int(&said, "created", twin_time(c, o));
    add_text(&said, "currency", twin_text(o, "currency"));
    add_int(&said, "merchant_amount", amount);
    add_text(&said, "merchant_currency", twin_text(o, "merchant_currency"));
    text_addf(&said, ",\"network_risk_score\":null,\"reason\":\"%s\",\"reason_message\":null",
              reason);
    add_int(&said, "requested_at", twin_int(o, "created"));
    text_addc(&said, '}');
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (json_parse(text_bytes(&said), &doc) == OK)
        twin_push(c, o, "request_history", json_root(doc));
    twin_set_bool(c, o, "approved", approved);
    twin_set_int(c, o, "amount", approved ? amount : 0);
    twin_set_int(c, o, "merchant_amount", approved ? amount : 0);
    twin_set_str(c, o, "status", approved ? "pending" : "closed");
    twin_set_null(c, o, "pending_request");
    twin_when_not(c, o, effect_issuing_unanswered);
    twin_emit(c, o, "issuing_authorization.created");
}

static bool is_asked(struct twin_call *c) {
    return !twin_null(c->self, "pending_request") ||
           twin_refuse(c, API_ERROR_INVALID, NULL,
                       "This authorization waits for no answer: it was approved or declined.");
}

bool effect_issuing_approve(struct twin_call *c) {
    int64_t amount = twin_int(c->self, "pending_request.amount");
    if (!is_asked(c) || !twin_param_int(c, "amount", &amount))
        return false;
    decide(c, true, amount, "webhook_approved");
    return true;
}

bool effect_issuing_decline(struct twin_call *c) {
    if (!is_asked(c))
        return false;
    decide(c, false, twin_int(c->self, "pending_request.amount"), "webhook_declined");
    return true;
}

bool effect_issuing_unanswered(struct twin_call *c) {
    bool active = is_active(c->self);
    decide(c, active, twin_int(c->self, "pending_request.amount"),
           active ? "webhook_timeout" : "card_inactive");
    return true;
}

// --- transactions

// What was bought is told by an event of its own, behind the one that it was.
static void tell_receipt(struct twin_call *c, struct twin_object *from, struct twin_object *to) {
    if (twin_null(from, "$.purchase_details"))
        return;
    twin_set(c, to, "purchase_details", twin_at(from, "$.purchase_details"));
    twin_unset(c, from, "$");
    twin_emit(c, to, "issuing_transaction.purchase_details_receipt_updated");
}

static void set_amount(struct twin_call *c, struct twin_object *o, int64_t amount) {
    twin_set_int(c, o, "amount", amount);
    twin_set_int(c, o, "merchant_amount", amount);
    twin_set_str(c, o, "type", amount < 0 ? "capture" : "refund");
}

// A transaction like the one that `self` is, or for the authorization that it is.
static struct twin_object *make_like(struct twin_call *c, int64_t amount) {
    static const char *const same[] = {"currency", "merchant_currency", "cardholder",
                                       "merchant_data"};
    struct twin_object *t = twin_make(c, "issuing.transaction");
    bool held = twin_is(c->self, "issuing.authorization");
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        twin_set(c, t, same[i], twin_at(c->self, same[i]));
    twin_set(c, t, "card", twin_at(c->self, held ? "card.id" : "card"));
    if (held)
        twin_set_str(c, t, "authorization", c->self->id);
    else
        twin_set(c, t, "authorization", twin_at(c->self, "authorization"));
    set_amount(c, t, amount);
    return t;
}

bool effect_issuing_capture(struct twin_call *c) {
    int64_t amount = twin_int(c->self, "amount");
    if (!twin_true(c->self, "approved"))
        return twin_refuse(c, API_ERROR_INVALID, NULL, "This authorization is not approved.");
    if (!twin_param_int(c, "capture_amount", &amount))
        return false;
    if (amount < 1)
        return twin_refuse(c, API_ERROR_INVALID, "capture_amount",
                           "capture_amount is %lld; it is above 0.", (long long)amount);
    struct twin_object *t = make_like(c, -amount);
    twin_emit(c, t, "issuing_transaction.created");
    tell_receipt(c, c->self, t);
    twin_push(c, c->self, "transactions", twin_root(t));
    twin_set_int(c, c->self, "amount", 0);
    twin_set_int(c, c->self, "merchant_amount", 0);
    twin_emit(c, c->self, "issuing_authorization.updated");
    return true;
}

static bool move_money(struct twin_call *c, int sign) {
    int64_t amount = 0;
    struct twin_object *card = twin_get(c, twin_text(c->self, "card"));
    if (!twin_param_int(c, "amount", &amount))
        return false;
    if (amount < 1)
        return twin_refuse(c, API_ERROR_INVALID, "amount", "amount is %lld; it is above 0.",
                           (long long)amount);
    twin_set(c, c->self, "cardholder", twin_at(card, "cardholder.id"));
    if (!twin_given(c, "currency"))
        twin_set(c, c->self, "currency", twin_at(card, "currency"));
    twin_set(c, c->self, "merchant_currency", twin_at(c->self, "currency"));
    set_amount(c, c->self, sign * amount);
    return true;
}

bool effect_issuing_take(struct twin_call *c) { return move_money(c, -1); }

bool effect_issuing_give(struct twin_call *c) { return move_money(c, 1); }

bool effect_issuing_receipt(struct twin_call *c) {
    tell_receipt(c, c->self, c->self);
    return true;
}

bool effect_issuing_refund(struct twin_call *c) {
    int64_t amount = -twin_int(c->self, "amount"), all = amount;
    if (!twin_param_int(c, "refund_amount", &amount))
        return false;
    if (amount < 1 || amount > all)
        return twin_refuse(c, API_ERROR_INVALID, "refund_amount",
                           "refund_amount is %lld; it is from 1 to %lld.", (long long)amount,
                           (long long)all);
    c->self = make_like(c, amount);
    twin_emit(c, c->self, "issuing_transaction.created");
    return true;
}

bool effect_issuing_dispute(struct twin_call *c) {
    struct twin_object *t = twin_get(c, twin_text(c->self, "transaction"));
    if (!twin_null(t, "dispute") || twin_int(t, "amount") >= 0)
        return twin_refuse(c, API_ERROR_INVALID, "transaction",
                           "%s cannot be disputed: it is no capture, or is disputed already.",
                           t->id);
    if (twin_null(c->self, "amount"))
        twin_set_int(c, c->self, "amount", -twin_int(t, "amount"));
    twin_set(c, c->self, "currency", twin_at(t, "currency"));
    twin_set_str(c, t, "dispute", c->self->id);
    return true;
}
