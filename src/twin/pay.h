// SPDX-License-Identifier: MIT
// Taking money from a payment method, for what bills by itself: invoices and subscriptions. A
// PaymentIntent and a charge come to be as if a client had made and confirmed them, with their
// events; how it ends is the card's (twin/tokens.h). Inside of the twin.
#ifndef TWIN_PAY_H
#define TWIN_PAY_H

#include "twin/call.h"

enum pay_end {
    PAY_PAID,
    PAY_DECLINED,
    PAY_NEEDS_ACTION, // the customer's, as 3D Secure
    PAY_PROCESSING,   // a bank's: it ends later, by events of the PaymentIntent
    PAY_NO_METHOD,    // there is nothing to pay with; the PaymentIntent waits for one
};

struct pay_order {
    int64_t amount; // over 0
    bytes currency;
    struct twin_object *customer;
    struct twin_object *method; // payment_method, card or bank_account; null: the customer has none
    const char *description;
    bool off_session;            // nobody is there to act
    struct twin_object *invoice; // that it is for; null: none
    // One that was made for it before and is not paid yet, to be confirmed again; null: a new one.
    struct twin_object *intent;
};

// Pays. *intent is the PaymentIntent, in every case. A decline refuses nothing: the call goes on,
// and the PaymentIntent's last_payment_error has the card's words.
enum pay_end twin_pay(struct twin_call *c, const struct pay_order *order,
                      struct twin_object **intent);
// The invoice is void, or its subscription has ended: its PaymentIntent is cancelled.
void twin_pay_cancel(struct twin_call *c, struct twin_object *intent);
// Refuses the call with the intent's last_payment_error, 402, as Stripe does; what was done stays.
bool twin_pay_refuse(struct twin_call *c, struct twin_object *intent);

#endif
