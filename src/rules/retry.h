// SPDX-License-Identifier: MIT
// What follows an attempt: done, again later, or dead. Pure; the jitter comes from the record's
// seed.
#ifndef RULES_RETRY_H
#define RULES_RETRY_H

#include "rules/plan.h"

enum outcome {
    OUTCOME_DONE,    // 2xx
    OUTCOME_FAILED,  // anything else
    OUTCOME_NOT_YET, // 425 or 409: ask again soon, no failure
};

#define NOT_YET_MAX 120                     // so many in a row; the next one counts as a failure
#define RETRY_AFTER_MAX_MS (24 * 3600000LL) // a longer Retry-After is heard as this

struct retry_verdict {
    bool dead;       // the schedule ran out
    bool not_yet;    // counts as not yet, not as a failure
    int64_t next_at; // Unix ms of the next attempt, if not dead
};

// `failures` and `not_yets` as before this outcome; `now_ms` the outcome record's time. A failure
// waits schedule[failures], jittered to 80..120 %, dead when the schedule has no such entry; "not
// yet" waits 1 s doubling to 60 s by not_yets; both at least `retry_after_ms` (0: none).
struct retry_verdict retry_decide(const int64_t *schedule_ms, size_t schedule_count,
                                  uint32_t failures, uint32_t not_yets, enum outcome outcome,
                                  int64_t retry_after_ms, uint64_t seed, int64_t now_ms);

// How an HTTP status ends an attempt.
enum outcome outcome_of_status(int status);
const char *outcome_name(enum outcome o); // "done", "failed", "not_yet"

#endif
