// SPDX-License-Identifier: MIT
// How many requests of Stripe's API a key may make in a second: a token bucket for each of the keys
// that asked last, PACE_KEYS at most, as large as its rate.
#ifndef DESK_PACE_H
#define DESK_PACE_H

#include "base/digest.h"

#define PACE_KEYS 128

struct pace {
    uint32_t rate; // a second; 0: as many as they like
    struct pace_key {
        uint8_t hash[SHA256_SIZE];
        int64_t us; // when the bucket was empty, as filling goes
        int64_t asked_us;
    } keys[PACE_KEYS];
    size_t n;
};

// Takes one; false: there is none.
bool pace_take(struct pace *p, const uint8_t hash[SHA256_SIZE], int64_t now_us);

#endif
