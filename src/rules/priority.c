// SPDX-License-Identifier: MIT
#include "rules/priority.h"

#include "base/ensure.h"
#include "rules/match.h"

static const char *const names[PRIORITIES] = {"normal", "high", "low"};
static const enum priority order[PRIORITIES] = {PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW};
static const int32_t weights[PRIORITIES] = {
    [PRIORITY_HIGH] = 16, [PRIORITY_NORMAL] = 4, [PRIORITY_LOW] = 1};

const char *priority_name(enum priority p) { return names[p]; }

// How much of a type a pattern says; a type itself says more than any family that it is of.
static size_t says(bytes pattern) {
    return bytes_ends(pattern, B("*")) ? pattern.n - 1 : pattern.n;
}

enum priority priority_of(const struct priority_rule *rule, bytes type, bytes *by) {
    static const enum priority named[] = {PRIORITY_HIGH, PRIORITY_LOW};
    enum priority found = PRIORITY_NORMAL;
    const bytes *best = NULL;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        for (size_t k = 0; k < rule->count[named[i]]; k++) {
            const bytes *p = &rule->types[named[i]][k];
            if (!match_type(*p, type) || (best != NULL && says(*p) <= says(*best)))
                continue;
            best = p;
            found = named[i];
        }
    if (by != NULL)
        *by = best != NULL ? *best : NO_BYTES;
    return found;
}

// Each that waits earns its weight, and who goes pays for all of them. Who has nothing waiting
// neither earns nor owes: what is urgent does not pay for a burst that is over.
enum priority priority_turn(struct priority_turns *t, const bool waits[PRIORITIES]) {
    int32_t sum = 0;
    int turn = -1;
    for (int i = 0; i < PRIORITIES; i++) {
        int p = (int)order[i];
        if (!waits[p]) {
            t->credit[p] = 0;
            continue;
        }
        sum += weights[p];
        t->credit[p] += weights[p];
        if (turn < 0 || t->credit[p] > t->credit[turn])
            turn = p;
    }
    ensure(turn >= 0);
    t->credit[turn] -= sum;
    return (enum priority)turn;
}
