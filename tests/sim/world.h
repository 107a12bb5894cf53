// SPDX-License-Identifier: MIT
// The simulated world: one seed decides everything. Time passes only when nothing else can happen,
// to the next thing that was planned; what happens at one moment happens in an order drawn from the
// seed.
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/heap.h"
#include "base/text.h"
#include "port/clock.h"

struct world {
    struct clock clock; // first: the rooms' clock is the world's
    uint64_t random;
    int64_t mono_us, wall_offset_ms;
    struct heap plans;
    uint64_t planned;
    bool tracing;
    const char *broken; // first oracle that did not hold; null while all do
    struct text why;
};

void world_open(struct world *w, uint64_t seed, bool tracing);
void world_close(struct world *w);

// Calls `happen(ctx)` after so many virtual µs.
void world_plan(struct world *w, int64_t us, void (*happen)(void *ctx), void *ctx);
// Time passes by so much; what was planned until then happens.
void world_pass(struct world *w, int64_t us);
// Virtual µs to the next planned thing; INT64_MAX: none.
int64_t world_next(const struct world *w);

uint64_t world_below(struct world *w, uint64_t n);
// True once in n times; never if n is 0.
bool world_chance(struct world *w, uint64_t n);

// A line of the trace, printed when tracing.
void world_say(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
// An oracle does not hold: kept with its first reason; the run ends.
void world_broken(struct world *w, const char *oracle, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
