// SPDX-License-Identifier: MIT
#include "rules/breaker.h"

#define DOUBLINGS 6 // 64 s, and so more than the most

static int64_t probe_wait_us(uint32_t failed) {
    int64_t wait = BREAKER_FIRST_US << (failed < DOUBLINGS ? failed : DOUBLINGS);
    return wait < BREAKER_MAX_US ? wait : BREAKER_MAX_US;
}

bool breaker_lets(const struct breaker *b, int64_t now_us, int64_t *at_us) {
    *at_us = 0;
    if (!b->open)
        return true;
    if (b->probing)
        return false;
    *at_us = b->next_us;
    return now_us >= b->next_us;
}

void breaker_begun(struct breaker *b) { b->probing = b->open; }

static enum breaker_change probe_ended(struct breaker *b, int64_t now_us) {
    b->probing = false;
    b->failures += b->failures < DOUBLINGS;
    b->next_us = now_us + probe_wait_us(b->failures);
    return BREAKER_STAYS;
}

enum breaker_change breaker_ended(struct breaker *b, int64_t now_us, int64_t began_us,
                                  bool failed) {
    bool was_open = b->open;
    if (!failed) {
        *b = (struct breaker){0};
        return was_open ? BREAKER_CLOSES : BREAKER_STAYS;
    }
    if (was_open)
        return b->probing && began_us >= b->next_us ? probe_ended(b, now_us) : BREAKER_STAYS;
    if (++b->failures < BREAKER_OPENS_AT)
        return BREAKER_STAYS;
    *b = (struct breaker){
        .open = true,
        .opened_us = now_us,
        .next_us = now_us + BREAKER_FIRST_US,
    };
    return BREAKER_OPENS;
}

void breaker_nudge(struct breaker *b, int64_t now_us) {
    if (b->open && !b->probing && b->next_us > now_us)
        b->next_us = now_us;
}
