// SPDX-License-Identifier: MIT
#include "port/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "base/ensure.h"

static int64_t real_wall_ms(struct clock *c) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t real_mono_us(struct clock *c) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void real_entropy(struct clock *c, void *p, size_t n) {
    uint8_t *at = p;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        ensure(got > 0 || (got < 0 && errno == EINTR));
        at += got > 0 ? got : 0;
        n -= got > 0 ? (size_t)got : 0;
    }
}

void clock_token(struct clock *c, char *out, size_t n) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const unsigned base = sizeof digits - 1;
    while (n > 0) {
        uint8_t byte;
        c->entropy(c, &byte, 1);
        // Those above the last whole multiple are thrown away, or some would come more often.
        if (byte < 256 / base * base) {
            *out++ = digits[byte % base];
            n--;
        }
    }
}

struct clock clock_real = {real_wall_ms, real_mono_us, real_entropy};
