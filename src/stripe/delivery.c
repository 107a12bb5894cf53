// SPDX-License-Identifier: MIT
#include "stripe/delivery.h"

const char *const delivery_headers[DELIVERY_HEADERS] = {
    "Content-Type: application/json; charset=utf-8",
    "Cache-Control: no-cache",
    "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    "Accept: */*; q=0.5, application/xml",
    "Accept-Encoding: gzip",
};
