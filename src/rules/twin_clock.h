// SPDX-License-Identifier: MIT
// The clock of a stand-in for Stripe: it follows the real one, may run faster, stand still, or be
// put on, and never runs back. And when Stripe tries again what an endpoint did not take. Pure.
#ifndef RULES_TWIN_CLOCK_H
#define RULES_TWIN_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TWIN_SPEED_MAX 1000000                 // 0: it stands still
#define TWIN_TIME_MAX INT64_C(253402300799000) // ms; the year 9999, where it stops

struct twin_clock {
    uint32_t speed;  // of its own seconds in a real one
    int64_t base_ms; // what it said at base_us
    int64_t base_us; // of the monotonic clock
};

// From then on it says at_ms (no later than TWIN_TIME_MAX), and goes on from there.
void twin_clock_start(struct twin_clock *c, int64_t at_ms, uint32_t speed, int64_t mono_us);
int64_t twin_clock_now(const struct twin_clock *c, int64_t mono_us);
void twin_clock_set_speed(struct twin_clock *c, uint32_t speed, int64_t mono_us);
void twin_clock_advance(struct twin_clock *c, int64_t ms, int64_t mono_us); // ms not negative
// Real ms, rounded up, until it will say due_ms; 0: it does. INT64_MAX: never by itself.
int64_t twin_clock_wait(const struct twin_clock *c, int64_t due_ms, int64_t mono_us);

// How long Stripe waits in test mode, on that clock, before it tries an event again that failed so
// many times; false: it gives it up. Stripe tells of "three times over a few hours"
// (https://docs.stripe.com/webhooks#automatic-retries) and not when; the waits are ours.
bool twin_retry_wait(unsigned failures, int64_t *wait_ms);

#endif
