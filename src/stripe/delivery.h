// SPDX-License-Identifier: MIT
// The headers of Stripe's deliveries that are the same for each, in its order; Stripe-Signature
// stands behind them. As captured from Stripe: the odd Accept too, and Stripe-Account is none of
// them. Constant.
#ifndef STRIPE_DELIVERY_H
#define STRIPE_DELIVERY_H

#define DELIVERY_HEADERS 5
extern const char *const delivery_headers[DELIVERY_HEADERS]; // "Name: value"

#endif
