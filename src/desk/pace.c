// SPDX-License-Identifier: MIT
#include "desk/pace.h"

#include <string.h>

#define SECOND_US INT64_C(1000000)

// The bucket of a key; a new one, which is full, takes the place of that which was asked for
// longest ago.
static struct pace_key *find(struct pace *p, const uint8_t hash[SHA256_SIZE], int64_t now_us) {
    struct pace_key *oldest = &p->keys[0];
    for (size_t i = 0; i < p->n; i++) {
        if (memcmp(p->keys[i].hash, hash, SHA256_SIZE) == 0)
            return &p->keys[i];
        if (p->keys[i].asked_us < oldest->asked_us)
            oldest = &p->keys[i];
    }
    if (p->n < PACE_KEYS)
        oldest = &p->keys[p->n++];
    memcpy(oldest->hash, hash, SHA256_SIZE);
    oldest->us = now_us - SECOND_US;
    return oldest;
}

bool pace_take(struct pace *p, const uint8_t hash[SHA256_SIZE], int64_t now_us) {
    if (p->rate == 0)
        return true;
    struct pace_key *k = find(p, hash, now_us);
    k->asked_us = now_us;
    if (k->us < now_us - SECOND_US)
        k->us = now_us - SECOND_US;
    if (k->us + SECOND_US / p->rate > now_us)
        return false;
    k->us += SECOND_US / p->rate;
    return true;
}
