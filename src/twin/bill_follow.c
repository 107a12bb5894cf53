// SPDX-License-Identifier: MIT
// What pays an invoice: the record of its payment, and intents that the customer has paid himself,
// or a bank that takes its time.
#include "base/ensure.h"
#include "twin/bill.h"
#include "twin/money.h"

#define SUBSCRIPTION "parent.subscription_details.subscription"

// Shown where `expand` asks for it.
#define PAYMENTS "$.payments"

static bool is_status(struct twin_object *o, const char *status) {
    return bytes_equal(twin_text(o, "status"), bytes_of(status));
}

struct twin_object *bill_payment(struct twin_call *c, struct twin_object *o,
                                 struct twin_object *intent) {
    static const char *const same[][2] = {{"currency", "currency"},
                                          {"amount_requested", "amount_due"}};
    bytes id = bytes_of(intent->id);
    struct twin_object *p = NULL;
    while ((p = twin_next_of(c, "invoice_payment", "invoice", bytes_of(o->id), p)) != NULL)
        if (bytes_equal(twin_text(p, "payment.payment_intent"), id))
            return p;
    OWN(text_drop)
    struct text quoted = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    p = twin_make(c, "invoice_payment");
    twin_set_str(c, p, "invoice", o->id);
    twin_set_str(c, p, "payment.payment_intent", intent->id);
    twin_set_bool(c, p, "is_default", true);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        twin_set(c, p, same[i][0], twin_at(o, same[i][1]));
    text_add_json(&quoted, bytes_of(p->id));
    ensure(json_parse(text_bytes(&quoted), &doc) == OK);
    twin_push(c, o, PAYMENTS ".data", json_root(doc));
    return p;
}

void bill_payment_paid(struct twin_call *c, struct twin_object *o, struct twin_object *intent) {
    struct twin_object *p = bill_payment(c, o, intent);
    twin_set(c, p, "amount_paid", twin_at(o, "amount_due"));
    twin_set_str(c, p, "status", "paid");
    twin_set_int(c, p, "status_transitions.paid_at", twin_time(c, o));
    twin_emit(c, p, "invoice_payment.paid");
}

void bill_payments_end(struct twin_call *c, struct twin_object *o) {
    struct twin_object *p = NULL;
    while ((p = twin_next_of(c, "invoice_payment", "invoice", bytes_of(o->id), p)) != NULL) {
        if (!is_status(p, "open"))
            continue;
        twin_set_str(c, p, "status", "canceled");
        twin_set_int(c, p, "status_transitions.canceled_at", twin_time(c, o));
    }
}

// The method pays the subscription from now on, if that was asked for.
static void keep_method(struct twin_call *c, struct twin_object *sub, struct twin_object *intent) {
    if (!bytes_equal(twin_text(sub, "payment_settings.save_default_payment_method"),
                     B("on_subscription")))
        return;
    twin_set(c, sub, "default_payment_method", twin_at(intent, "payment_method"));
    twin_emit(c, sub, "customer.subscription.updated");
}

void follow_invoice(struct twin_call *c, struct twin_object *intent) {
    struct twin_object *o = twin_get(c, twin_text(intent, "$.invoice"));
    bool paid = is_status(intent, "succeeded");
    if (o == NULL || !is_status(o, "open") ||
        (!paid && !is_status(intent, "requires_payment_method")))
        return;
    bill_attempted(c, o, intent, paid ? PAY_PAID : PAY_DECLINED);
    struct twin_object *sub = twin_get(c, twin_text(o, SUBSCRIPTION));
    if (paid && sub != NULL)
        keep_method(c, sub, intent);
}
