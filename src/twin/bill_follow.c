// SPDX-License-Identifier: MIT
// Invoices whose intent the customer has paid himself, or a bank that takes its time.
#include "twin/bill.h"
#include "twin/money.h"

#define SUBSCRIPTION "parent.subscription_details.subscription"

static bool is_status(struct twin_object *o, const char *status) {
    return bytes_equal(twin_text(o, "status"), bytes_of(status));
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
