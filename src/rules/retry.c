// SPDX-License-Identifier: MIT
#include "rules/retry.h"

#include "base/random.h"

#define NOT_YET_FIRST_MS 1000
#define NOT_YET_MAX_MS 60000
#define NOT_YET_DOUBLINGS 6 // 64 s and so more than the most

static int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

// 80 to 120 % of it.
static int64_t jittered(int64_t wait_ms, uint64_t seed) {
    int64_t fifth = wait_ms / 5;
    int64_t spread = (int64_t)random_below(&seed, 2 * (uint64_t)fifth + 1), sum;
    return __builtin_add_overflow(wait_ms - fifth, spread, &sum) ? INT64_MAX : sum;
}

static int64_t not_yet_wait(uint32_t not_yets) {
    uint32_t doublings = not_yets < NOT_YET_DOUBLINGS ? not_yets : NOT_YET_DOUBLINGS;
    return at_most((int64_t)NOT_YET_FIRST_MS << doublings, NOT_YET_MAX_MS);
}

struct retry_verdict retry_decide(const int64_t *schedule_ms, size_t schedule_count,
                                  uint32_t failures, uint32_t not_yets, enum outcome outcome,
                                  int64_t retry_after_ms, uint64_t seed, int64_t now_ms) {
    if (outcome == OUTCOME_DONE)
        return (struct retry_verdict){0};
    bool not_yet = outcome == OUTCOME_NOT_YET && not_yets < NOT_YET_MAX;
    if (!not_yet && failures >= schedule_count)
        return (struct retry_verdict){.dead = true};
    int64_t wait =
        not_yet ? not_yet_wait(not_yets) : jittered(at_least(schedule_ms[failures], 0), seed);
    wait = at_least(wait, at_most(retry_after_ms, RETRY_AFTER_MAX_MS));
    int64_t next_at;
    if (__builtin_add_overflow(now_ms, wait, &next_at))
        next_at = INT64_MAX;
    return (struct retry_verdict){.not_yet = not_yet, .next_at = next_at};
}

enum outcome outcome_of_status(int status) {
    if (status >= 200 && status <= 299)
        return OUTCOME_DONE;
    return status == 409 || status == 425 ? OUTCOME_NOT_YET : OUTCOME_FAILED;
}

const char *outcome_name(enum outcome o) {
    switch (o) {
    case OUTCOME_DONE: return "done";
    case OUTCOME_FAILED: return "failed";
    case OUTCOME_NOT_YET: return "not_yet";
    }
    return "unknown";
}
