// SPDX-License-Identifier: MIT
// Time and entropy, the two things that make a run unrepeatable: every room gets them from here,
// the simulation puts its own in place. Any thread may use the real one.
#ifndef PORT_CLOCK_H
#define PORT_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct clock {
    int64_t (*wall_ms)(struct clock *c); // Unix time, UTC, in ms; may jump both ways
    int64_t (*mono_us)(struct clock *c); // never runs back; origin undefined
    void (*entropy)(struct clock *c, void *p,
                    size_t n); // fit for keys; aborts if the system has none
};

extern struct clock clock_real;

// n characters of A-Z a-z 0-9, each as likely as the others: 5.95 bits of entropy each. No NUL.
void clock_token(struct clock *c, char *out, size_t n);

static inline int64_t clock_wall_ms(struct clock *c) { return c->wall_ms(c); }
static inline int64_t clock_mono_us(struct clock *c) { return c->mono_us(c); }
static inline uint64_t clock_seed(struct clock *c) {
    uint64_t v;
    c->entropy(c, &v, sizeof v);
    return v;
}

#endif
