// SPDX-License-Identifier: MIT
// Generated histories of many sites on one account: what Stripe would post, and whose each event
// is. Bodies carry what site rules read, in today's API shapes for customers of even number and in
// those of before 2025 for the others.
#ifndef TESTS_UNIT_SITE_HISTORY_H
#define TESTS_UNIT_SITE_HISTORY_H

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/text.h"

struct told {
    char *body;
    int site; // whose it is; -1: nobody's alone
};

struct history {
    struct told *at;
    size_t n, cap;
    bool metadata; // customers carry metadata.site
    bool prices;   // each site has a price of its own, else all share one
};

static inline void history_drop(struct history *h) {
    for (size_t i = 0; i < h->n; i++)
        free(h->at[i].body);
    free(h->at);
}

static inline void history_add(struct history *h, int site, const char *type, const char *object,
                               const char *format, ...) __attribute__((format(printf, 5, 6)));

static inline void history_add(struct history *h, int site, const char *type, const char *object,
                               const char *format, ...) {
    struct text t = {0};
    va_list args;
    va_start(args, format);
    text_addf(&t,
              "{\"id\":\"evt_%zu\",\"object\":\"event\",\"api_version\":\"2025-03-31.basil\","
              "\"created\":%zu,\"livemode\":true,\"type\":\"%s\",\"data\":{\"object\":{"
              "\"object\":\"%s\",",
              h->n + 1, 17000 + h->n / 7, type, object);
    text_addv(&t, format, args);
    text_adds(&t, "}}}");
    va_end(args);
    if (h->n == h->cap) {
        h->cap = h->cap > 0 ? 2 * h->cap : 256;
        h->at = memory_grow(h->at, h->cap, sizeof *h->at);
    }
    h->at[h->n++] = (struct told){text_give(&t), site};
}

static inline void history_prices(struct history *h, int sites) {
    int n = h->prices ? sites : 1;
    for (int i = 0; i < n; i++) {
        int site = h->prices ? i : -1;
        history_add(h, site, "product.created", "product", "\"id\":\"prod_%d\"", i);
        history_add(h, site, "price.created", "price",
                    "\"id\":\"price_%d\",\"product\":\"prod_%d\"", i, i);
    }
}

static inline void history_payment(struct history *h, int s, int c, bool today) {
    history_add(h, s, "payment_intent.created", "payment_intent",
                "\"id\":\"pi_%d\",\"customer\":\"cus_%d\"%s", c, c,
                today ? "" : ",\"charges\":{\"data\":[]}");
    history_add(h, s, "charge.succeeded", "charge",
                "\"id\":\"ch_%d\",\"customer\":\"cus_%d\",\"payment_intent\":\"pi_%d\"", c, c, c);
    history_add(h, s, "refund.created", "refund", "\"id\":\"re_%d\",\"charge\":\"ch_%d\"", c, c);
    history_add(h, s, "charge.dispute.created", "dispute", "\"id\":\"dp_%d\",\"charge\":\"ch_%d\"",
                c, c);
    history_add(h, s, "payment_intent.succeeded", "payment_intent",
                "\"id\":\"pi_%d\",\"customer\":\"cus_%d\",\"latest_charge\":\"ch_%d\"", c, c, c);
}

static inline void history_customer(struct history *h, int s, int c) {
    bool today = c % 2 == 0;
    int price = h->prices ? s : 0;
    char site[40] = "";
    if (h->metadata)
        snprintf(site, sizeof site, ",\"metadata\":{\"site\":\"s%d\"}", s);
    history_add(h, s, "customer.created", "customer", "\"id\":\"cus_%d\"%s", c, site);
    history_add(h, s, "setup_intent.created", "setup_intent",
                "\"id\":\"seti_%d\",\"customer\":\"cus_%d\"", c, c);
    history_add(h, s, "payment_method.attached", "payment_method",
                "\"id\":\"pm_%d\",\"customer\":\"cus_%d\"", c, c);
    history_add(h, s, "customer.subscription.created", "subscription",
                "\"id\":\"sub_%d\",\"customer\":\"cus_%d\",\"items\":{\"data\":[{\"id\":\"si_%d\","
                "\"price\":{\"id\":\"price_%d\",\"object\":\"price\"}}]}",
                c, c, c, price);
    if (today)
        history_add(h, s, "invoice.created", "invoice",
                    "\"id\":\"in_%d\",\"customer\":\"cus_%d\",\"parent\":{\"type\":"
                    "\"subscription_details\",\"subscription_details\":{\"subscription\":"
                    "\"sub_%d\"}},\"lines\":{\"data\":[{\"pricing\":{\"price_details\":{\"price\":"
                    "\"price_%d\",\"product\":\"prod_%d\"}}}]}",
                    c, c, c, price, price);
    else
        history_add(h, s, "invoice.created", "invoice",
                    "\"id\":\"in_%d\",\"customer\":\"cus_%d\",\"subscription\":\"sub_%d\","
                    "\"payment_intent\":\"pi_%d\",\"lines\":{\"data\":[{\"price\":{\"id\":"
                    "\"price_%d\",\"object\":\"price\",\"product\":\"prod_%d\"}}]}",
                    c, c, c, c, price, price);
    history_payment(h, s, c, today);
    if (today)
        history_add(h, s, "invoice_payment.paid", "invoice_payment",
                    "\"id\":\"inpay_%d\",\"invoice\":\"in_%d\",\"payment\":{\"type\":"
                    "\"payment_intent\",\"payment_intent\":\"pi_%d\"}",
                    c, c, c);
    history_add(h, s, "credit_note.created", "credit_note",
                "\"id\":\"cn_%d\",\"invoice\":\"in_%d\",\"customer\":\"cus_%d\"", c, c, c);
    history_add(h, s, "checkout.session.completed", "checkout.session",
                "\"id\":\"cs_%d\",\"customer\":\"cus_%d\",\"subscription\":\"sub_%d\"", c, c, c);
    history_add(h, s, "invoice.upcoming", "invoice", // has no id of its own
                "\"customer\":\"cus_%d\",\"subscription\":\"sub_%d\"", c, c);
    history_add(h, s, "entitlements.active_entitlement_summary.updated",
                "entitlements.active_entitlement_summary", "\"customer\":\"cus_%d\"", c);
}

// Customers of all sites come in turns, so that their events are interleaved.
static inline struct history history_of(int sites, int customers_each, bool metadata, bool prices) {
    struct history h = {.metadata = metadata, .prices = prices};
    history_prices(&h, sites);
    for (int c = 0; c < sites * customers_each; c++)
        history_customer(&h, c % sites, c);
    return h;
}

static inline uint64_t history_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static inline void history_shuffle(struct history *h, uint64_t seed) {
    for (size_t i = h->n; i > 1; i--) {
        size_t k = history_random(&seed) % i;
        struct told t = h->at[i - 1];
        h->at[i - 1] = h->at[k];
        h->at[k] = t;
    }
}

#endif
