// SPDX-License-Identifier: MIT
// A destination's breaker: whether anything is attempted there at all. Pure: time comes in, and
// what became of attempts. One small struct a destination, all zero at the start: closed.
//
// It opens after BREAKER_OPENS_AT attempts in a row that found nobody well: no connection, no
// answer in time, a 5xx, a program that failed. Any other answer says that somebody is there, and
// ends the row, however little he liked the event. While it is open nothing is attempted: what is
// due stays due and uses up nothing of its schedule. Only a probe goes out, one at a time: the next
// delivery that is due, BREAKER_FIRST_US after the opening, and after each probe that failed twice
// as long as before, BREAKER_MAX_US at most. A probe is an attempt as any other, for its delivery
// as well. The first answer that is no failure closes the breaker. What began before it opened and
// fails later says nothing new.
//
// An operator who mended the site need not wait: when the configuration is read again, its
// destinations are probed at once (breaker_nudge).
#ifndef RULES_BREAKER_H
#define RULES_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_OPENS_AT 8
#define BREAKER_FIRST_US INT64_C(1000000)
#define BREAKER_MAX_US INT64_C(60000000)

struct breaker {
    uint32_t failures; // in a row, while closed; of probes in a row, while open
    bool open;
    bool probing;      // a probe is under way
    int64_t opened_us; // while open, monotonic
    int64_t next_us;   // while open: no probe before
};

enum breaker_change { BREAKER_STAYS, BREAKER_OPENS, BREAKER_CLOSES };

// May an attempt begin now? If not, *at_us is when to ask again; 0: when an attempt has ended.
bool breaker_lets(const struct breaker *b, int64_t now_us, int64_t *at_us);
void breaker_begun(struct breaker *b); // one begins, that it let
// One that began at began_us has ended: `failed`, or somebody was there.
enum breaker_change breaker_ended(struct breaker *b, int64_t now_us, int64_t began_us, bool failed);
void breaker_nudge(struct breaker *b, int64_t now_us);

#endif
