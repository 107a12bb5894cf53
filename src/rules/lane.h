// SPDX-License-Identifier: MIT
// Lanes: deliveries to one destination that keep their order. A destination's `order` says what an
// event's lane goes by; deliveries of one lane go out one after another, in the order in which they
// came to be owed, and lanes go beside each other. An event that lacks what the order goes by has
// no lane: it waits for nothing, and nothing for it. Pure.
//
// What a lane's head does when it fails is `on_failure`:
// - block: the lane waits until the head is done, dead, or cancelled;
// - park: after so many failures the head steps aside, parked, until somebody retries it;
// - skip: the lane goes on at the first failure, and the head goes on beside it, by its schedule.
#ifndef RULES_LANE_H
#define RULES_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum lane_order { LANE_NONE, LANE_OBJECT, LANE_CUSTOMER, LANE_ACCOUNT, LANE_DESTINATION };
enum lane_failure { LANE_BLOCK, LANE_PARK, LANE_SKIP };

struct lane_rule {
    enum lane_order order;
    enum lane_failure on_failure;
    uint32_t park_after; // failures; PARK alone
};
#define LANE_PARK_AFTER 3 // unless the configuration says another
#define LANE_PARK_AFTER_MAX 100

struct lane_event {
    bytes owner, account, object_id; // account empty: the platform's own
    bool livemode;
    bytes body;
};

// Does lane_of look into the body?
static inline bool lane_reads_body(enum lane_order o) { return o == LANE_CUSTOMER; }
// The event's lane at a destination with this order; 0: it has none. Lanes are told apart by 63
// bits of a digest, over 0: two that meet in it wait for each other, which harms nothing but time.
// The customer is that of data.object, or data.object itself.
int64_t lane_of(enum lane_order order, const struct lane_event *e);

// What a failure does to a delivery that is its lane's head, and to the lane.
enum lane_verdict {
    LANE_WAITS,  // the lane, for the head
    LANE_PARKS,  // the head ends parked, the lane goes on
    LANE_LEAVES, // the head leaves the lane, which goes on
};
enum lane_verdict lane_failed(const struct lane_rule *rule, uint32_t failures);

const char *lane_order_name(enum lane_order o); // "none", "object", …
const char *lane_failure_name(enum lane_failure f);
must result lane_order_parse(bytes b, enum lane_order *out);
must result lane_failure_parse(bytes b, enum lane_failure *out);

#endif
