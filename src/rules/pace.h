// SPDX-License-Identifier: MIT
// A destination's pace: how many attempts are under way there at once, and when the next one may
// begin. Pure: time comes in (monotonic µs), and what became of attempts. One struct of fixed size
// a destination, kept by dispatch in memory.
//
// Five things decide, and all of them must allow an attempt:
// - The *breaker* (rules/breaker.h).
// - *Retry-After* of a 429 or 503 is heard for the whole destination: nothing begins before it is
//   over. PACE_PAUSE_MAX_MS is believed at most, since sites say anything; the delivery itself
//   waits for as long as it was told (rules/retry.h). A site that says nothing is left alone for
//   0.1 s, doubled up to a minute while it goes on. Afterwards one attempt goes alone, and others
//   follow its answer.
// - The *rate* of the configuration, a token bucket that fills evenly: in any t seconds at most
//   rate × (t + 0.1) + 1 attempts begin.
// - The *learnt rate*. A site that sheds (429, 503) says that this was too much, and what it took
//   in the last second is how much it can. From then on a little less than that begins; slowly
//   more, as long as that stays near to where it shed, and fast beyond, so that a site that has
//   become larger is found out and the rate forgotten.
// - The *level*: how many may be under way. Where min and max are the same it is that number.
//   Otherwise it finds its own way between them: one more for as many answers as there are places
//   (additive increase), and less when attempts fail as the breaker counts it, are shed, or take
//   several times as long as they do when little is asked (multiplicative decrease, once for all
//   that were under way together). It rises only while it is used.
//
// A destination that comes back after its breaker was open is *ramped up*, whatever its level is
// set to: one attempt at a time and PACE_RAMP_RATE a second at first; both grow by what succeeds,
// about threefold a second, and give way again if it fails.
//
// A restart forgets all of this, and that is safe. The level begins at its min and is doubled by
// what succeeds; where the operator has fixed it, it begins as he says. A site that sheds teaches
// its rate anew with the first second. One that is down costs BREAKER_OPENS_AT attempts, or as many
// as are under way at once, until the breaker is open again. The bucket of the configured rate
// begins with no more than those 0.1 s, so that a gateway that restarts in circles goes over it by
// 0.1 s' worth and one each time.
#ifndef RULES_PACE_H
#define RULES_PACE_H

#include <stddef.h>

#include "base/result.h"
#include "rules/breaker.h"
#include "rules/retry.h"

#define PACE_PAUSE_MAX_MS INT64_C(300000)
#define PACE_RAMP_RATE 10

// "50/s", "300/m", "1000/h": a rate as people write it. INVALID.
#define PACE_RATE_MAX 100000
#define PACE_RATE_PER_MAX_MS INT64_C(3600000)
must result pace_rate_parse(bytes b, struct pace_limits *out);

// What an attempt says of its destination.
enum pace_word {
    PACE_WELL,    // it took the event, or will soon (409, 425)
    PACE_ANSWERS, // it is there and did not like the event; says nothing of its load
    PACE_SHEDS,   // 429: too much
    PACE_BUSY,    // 503: too much, or it is down
    PACE_DOWN,    // no connection, no answer in time, another 5xx, a program that failed
};
enum pace_word pace_word_of(enum outcome outcome, int32_t status);

struct pace {
    struct pace_limits limits;
    struct breaker breaker;
    // Level, in thousandths.
    uint32_t level_milli;
    bool slow_start; // it is doubled by each round of successes
    bool ramping;    // it came back, and has not got to its usual level yet
    int64_t cut_us;  // of the last cut; what began before cuts no more
    uint32_t round_count;
    int64_t round_us; // what those of this round took together
    int64_t quick_us; // what they take when little is asked; 0: not known
    // Rates, in thousandths of an attempt a second; 0: none.
    int64_t learnt_milli;
    int64_t shed_milli;  // where it shed
    uint32_t shed_row;   // so many times without a success between
    uint32_t since_shed; // successes
    int64_t next_ns;     // of the bucket: when what has begun would be over at the rate
    // What was taken in the second that began at second_us, and in the last one of before in which
    // anything was.
    int64_t second_us;
    uint32_t second_count, before_count;
    // Retry-After.
    int64_t paused_until_us;
    enum { PACE_TOGETHER, PACE_ALONE_NEXT, PACE_ALONE_OUT } alone;
};

void pace_init(struct pace *p, const struct pace_limits *limits, int64_t now_us);
// The destination has new limits: what is known of it stays, within these.
void pace_adopt(struct pace *p, const struct pace_limits *limits);

// May one more attempt begin, beside those under way? If not, *at_us is when to ask again; 0: when
// an attempt has ended.
bool pace_lets(const struct pace *p, int64_t now_us, size_t under_way, int64_t *at_us);
void pace_begun(struct pace *p, int64_t now_us); // one begins, that it let
// How one ended.
struct pace_end {
    enum pace_word word;
    int64_t began_us, took_us;
    int64_t retry_after_ms; // 0: none; of 429 and 503 only it counts
    size_t under_way;       // itself included
};
enum breaker_change pace_ended(struct pace *p, int64_t now_us, const struct pace_end *e);

// Is it closed, or paused: does one attempt at most begin next?
bool pace_stands(const struct pace *p);
// How many jobs of it are worth having in hand, those under way included: no more than begin soon,
// so that what is more urgent is not behind them.
size_t pace_hand(const struct pace *p, size_t times);
uint32_t pace_level(const struct pace *p);     // attempts at once, now
int64_t pace_rate_milli(const struct pace *p); // the rate that holds, thousandths a second; 0: none

#endif
