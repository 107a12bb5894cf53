// SPDX-License-Identifier: MIT
// Priority: what goes out first of what waits for a destination. "Money first, noise last" is
//   priority: {high: [payment_intent.*, invoice.*], low: [customer.updated]}
// and what neither names is normal. Pure.
//
// A delivery's priority follows from its event's type under the plan in force when it came to be
// owed, and stays: a reload orders what comes after it. Where several patterns match, the longest
// decides, so `high: [customer.*], low: [customer.updated]` says what it seems to.
//
// Nobody starves: priorities take turns, by weight. While all three have something due, of 21
// deliveries in a row 16 are high, 4 normal and 1 low, spread evenly; what one does not use, the
// others share by the same weights. So high goes first but for what keeps the others going, however
// long the queue; and low, while it waits, goes at the latest after 40 others.
#ifndef RULES_PRIORITY_H
#define RULES_PRIORITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

// Ledgers hold these numbers.
enum priority { PRIORITY_NORMAL, PRIORITY_HIGH, PRIORITY_LOW, PRIORITIES };
const char *priority_name(enum priority p); // "high", "normal", "low"

// Patterns of event types, as in match rules; those of NORMAL are never looked at.
struct priority_rule {
    bytes *types[PRIORITIES];
    size_t count[PRIORITIES];
};
// `by`, if not null, gets the pattern that decided; empty: none did.
enum priority priority_of(const struct priority_rule *rule, bytes type, bytes *by);

// Of one destination; zero at the start.
struct priority_turns {
    int32_t credit[PRIORITIES];
};
// Whose turn it is, of those for which something waits (at least one); the turn is taken.
enum priority priority_turn(struct priority_turns *t, const bool waits[PRIORITIES]);

#endif
