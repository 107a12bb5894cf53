// SPDX-License-Identifier: MIT
// Refunds (https://docs.stripe.com/api/refunds). A charge tells how much of it went back.
#include "twin/effects.h"
#include "twin/money.h"

#define LATER_S 60 // a refund that fails or succeeds later does so a minute later
#define BOTH "refund.updated|charge.refund.updated"

// The charge to be refunded. Null: refused.
static struct twin_object *find_charge(struct twin_call *c) {
    bytes charge = twin_param_text(c, "charge"), intent = twin_param_text(c, "payment_intent");
    struct twin_object *o = NULL, *p = NULL;
    if (charge.n == 0 && intent.n == 0) {
        twin_refuse(c, API_ERROR_PARAMETER_MISSING, "payment_intent",
                    "One of the following params should be provided for this request: "
                    "payment_intent or charge.");
        return NULL;
    }
    if (charge.n > 0)
        return twin_ref(c, "charge", charge, "charge");
    p = twin_ref(c, "payment_intent", intent, "payment_intent");
    if (p == NULL)
        return NULL;
    if (bytes_equal(twin_text(p, "status"), B("succeeded")))
        o = twin_get(c, twin_text(p, "latest_charge"));
    if (o == NULL)
        twin_refuse(c, API_ERROR_INVALID, "payment_intent",
                    "This PaymentIntent (%s) does not have a successful charge to refund.", p->id);
    return o;
}

// What of it may go back; false: refused.
static bool read_amount(struct twin_call *c, struct twin_object *charge, int64_t *amount) {
    int64_t left = twin_int(charge, "amount_captured") - twin_int(charge, "amount_refunded");
    if (!twin_true(charge, "captured") || !bytes_equal(twin_text(charge, "status"), B("succeeded")))
        return twin_refuse(c, API_ERROR_INVALID, "charge",
                           "Charge %s has not been captured, or not been paid; it cannot be "
                           "refunded.",
                           charge->id);
    if (twin_true(charge, "disputed") && !twin_true(charge, "$.refundable"))
        return twin_refuse_as(c, 400, "invalid_request_error", "charge_disputed", "charge",
                              NO_BYTES, "Charge %s has been charged back; cannot issue a refund.",
                              charge->id);
    if (left <= 0)
        return twin_refuse_as(c, 400, "invalid_request_error", "charge_already_refunded", NULL,
                              NO_BYTES, "Charge %s has already been refunded.", charge->id);
    *amount = left;
    if (!twin_param_int(c, "amount", amount))
        return false;
    return (*amount >= 1 && *amount <= left) ||
           twin_refuse(c, API_ERROR_INVALID, "amount",
                       "Refund amount (%lld) is greater than unrefunded amount on charge (%lld), "
                       "or not above 0.",
                       (long long)*amount, (long long)left);
}

static void change_refunded(struct twin_call *c, struct twin_object *charge, int64_t by) {
    int64_t refunded = twin_int(charge, "amount_refunded") + by;
    twin_set_int(c, charge, "amount_refunded", refunded);
    twin_set_bool(c, charge, "refunded", refunded == twin_int(charge, "amount_captured"));
}

static struct twin_object *book(struct twin_call *c, struct twin_object *refund, const char *type,
                                int64_t amount) {
    struct balance_entry e = {
        .type = type,
        .category = type,
        .amount = amount,
        .currency = twin_text(refund, "currency"),
        .source = bytes_of(refund->id),
        .description = B("Refund"),
    };
    return balance_book(c, &e);
}

static void describe(struct twin_call *c, struct twin_object *refund, struct twin_object *charge,
                     int64_t amount) {
    OWN(text_drop)
    struct text t = {0};
    static const char *const names[] = {"currency", "customer", "payment_intent", "payment_method"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        money_copy(c, refund, names[i], charge);
    twin_set_int(c, refund, "amount", amount);
    twin_set_str(c, refund, "charge", charge->id);
    money_copy(c, refund, "$.card", charge);
    bytes type = twin_text(charge, "payment_method_details.type");
    if (bytes_equal(type, B("card"))) {
        text_adds(&t, "{\"card\":{\"reference_status\":\"pending\",\"reference_type\":"
                      "\"acquirer_reference_number\",\"type\":\"refund\"},\"type\":\"card\"}");
    } else {
        text_addf(&t, "{\"%.*s\":{},\"type\":\"%.*s\"}", BYTES_ARG(type), BYTES_ARG(type));
    }
    twin_set_json(c, refund, "destination_details", text_bytes(&t));
}

bool effect_refund_go(struct twin_call *c) {
    int64_t amount;
    struct twin_object *refund = c->self, *charge = find_charge(c);
    if (charge == NULL || !read_amount(c, charge, &amount))
        return false;
    const struct card *card = card_of(charge);
    bool cash =
        bytes_equal(twin_text(charge, "payment_method_details.type"), B("customer_balance"));
    bool later = card != NULL && card->end == CARD_REFUND_LATER;
    refund->clock = charge->clock;
    describe(c, refund, charge, amount);
    twin_set_str(c, refund, "status", cash ? "requires_action" : later ? "pending" : "succeeded");
    struct twin_object *entry = book(c, refund, "refund", -amount);
    twin_set_str(c, refund, "balance_transaction", entry->id);
    change_refunded(c, charge, amount);
    if (later || (card != NULL && card->end == CARD_REFUND_FAIL))
        twin_when(c, refund, twin_time(c, refund) + LATER_S, effect_refund_end);
    twin_emit(c, refund, "refund.created");
    twin_emit(c, charge, "charge.refunded");
    return true;
}

// The money is back where it came from.
static void take_back(struct twin_call *c, struct twin_object *refund, const char *status) {
    struct twin_object *charge = twin_get(c, twin_text(refund, "charge"));
    int64_t amount = twin_int(refund, "amount");
    struct twin_object *entry = book(c, refund, "refund_failure", amount);
    twin_set_str(c, refund, "status", status);
    twin_set_str(c, refund, "failure_balance_transaction", entry->id);
    if (charge != NULL)
        change_refunded(c, charge, -amount);
}

// What had been on its way for a time: pending ones succeed, others fail.
bool effect_refund_end(struct twin_call *c) {
    struct twin_object *charge = twin_get(c, twin_text(c->self, "charge"));
    if (bytes_equal(twin_text(c->self, "status"), B("pending"))) {
        twin_set_str(c, c->self, "status", "succeeded");
        twin_emit(c, c->self, BOTH);
        return true;
    }
    take_back(c, c->self, "failed");
    twin_set_str(c, c->self, "failure_reason", "expired_or_canceled_card");
    twin_emit(c, c->self, "refund.updated|charge.refund.updated|refund.failed");
    if (charge != NULL)
        twin_emit(c, charge, "charge.updated");
    return true;
}

bool effect_refund_cancel(struct twin_call *c) {
    struct twin_object *charge = twin_get(c, twin_text(c->self, "charge"));
    take_back(c, c->self, "canceled");
    twin_emit(c, c->self, BOTH);
    if (charge != NULL)
        twin_emit(c, charge, "charge.updated");
    return true;
}
