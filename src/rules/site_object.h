// SPDX-License-Identifier: MIT
// What is kept of an object of Stripe's, to tell its site: see rules/site.h.
#ifndef RULES_SITE_OBJECT_H
#define RULES_SITE_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/text.h"

// A set of sites: none, one (its number), or more.
#define SITE_NONE INT64_C(0)
#define SITE_MANY INT64_C(-1)
static inline int64_t site_join(int64_t a, int64_t b) {
    return a == SITE_NONE || a == b ? b : b == SITE_NONE ? a : SITE_MANY;
}

// What is kept of an object.
struct site_object {
    uint64_t number; // from 1, in the order in which they were first named
    bytes owner;
    bool livemode;
    bytes key;    // its id; "product:ID", in a connected account "acct_…/product:ID", where users
                  // choose ids
    bytes type;   // as Stripe names it, at first sight
    bytes above;  // numbers: site_numbers_next
    bytes claims; // by what it said: struct site_met, packed; newest `created` last
    int64_t assigned; // a site by hand, or SITE_NONE
    int64_t evidence, below;
};

// A list of numbers, packed.
void site_numbers_add(struct text *packed, uint64_t number);
bool site_numbers_next(bytes *packed, uint64_t *number); // false at the end
bool site_numbers_have(bytes packed, uint64_t number);

// One claim that an object met, by what it said: the claim's mark, and the event's second.
struct site_met {
    uint64_t mark;
    int64_t created;
};
// The claims with this one in; `out` stays empty if it was in.
void site_met_add(bytes packed, const struct site_met *met, struct text *out);
bool site_met_next(bytes *packed, struct site_met *out);

#endif
