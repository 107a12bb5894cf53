// SPDX-License-Identifier: MIT
#include "rules/twin_clock.h"

#define MINUTE_MS INT64_C(60000)

static const int64_t retry_waits_ms[] = {5 * MINUTE_MS, 30 * MINUTE_MS, 120 * MINUTE_MS};

void twin_clock_start(struct twin_clock *c, int64_t at_ms, uint32_t speed, int64_t mono_us) {
    *c = (struct twin_clock){speed, at_ms < TWIN_TIME_MAX ? at_ms : TWIN_TIME_MAX, mono_us};
}

int64_t twin_clock_now(const struct twin_clock *c, int64_t mono_us) {
    int64_t passed_us = mono_us > c->base_us ? mono_us - c->base_us : 0, fast_us, now_ms;
    if (__builtin_mul_overflow(passed_us, (int64_t)c->speed, &fast_us) ||
        __builtin_add_overflow(c->base_ms, fast_us / 1000, &now_ms) || now_ms > TWIN_TIME_MAX)
        return TWIN_TIME_MAX;
    return now_ms;
}

void twin_clock_set_speed(struct twin_clock *c, uint32_t speed, int64_t mono_us) {
    twin_clock_start(c, twin_clock_now(c, mono_us), speed, mono_us);
}

void twin_clock_advance(struct twin_clock *c, int64_t ms, int64_t mono_us) {
    int64_t now_ms = twin_clock_now(c, mono_us);
    int64_t room_ms = TWIN_TIME_MAX - now_ms;
    twin_clock_start(c, now_ms + (ms < room_ms ? ms : room_ms), c->speed, mono_us);
}

int64_t twin_clock_wait(const struct twin_clock *c, int64_t due_ms, int64_t mono_us) {
    int64_t now_ms = twin_clock_now(c, mono_us);
    if (due_ms <= now_ms)
        return 0;
    if (c->speed == 0 || due_ms > TWIN_TIME_MAX)
        return INT64_MAX;
    return (due_ms - now_ms - 1) / c->speed + 1;
}

bool twin_retry_wait(unsigned failures, int64_t *wait_ms) {
    if (failures == 0 || failures > sizeof retry_waits_ms / sizeof *retry_waits_ms)
        return false;
    *wait_ms = retry_waits_ms[failures - 1];
    return true;
}
