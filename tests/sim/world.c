// SPDX-License-Identifier: MIT
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/memory.h"
#include "base/random.h"

#define FIRST_WALL_MS 1790000000000

struct planned {
    int64_t at_us;
    uint64_t order;
    void (*happen)(void *ctx);
    void *ctx;
};

static int64_t wall_ms(struct clock *c) {
    struct world *w = CONTAINER(c, struct world, clock);
    return FIRST_WALL_MS + w->wall_offset_ms + w->mono_us / 1000;
}

static int64_t mono_us(struct clock *c) { return CONTAINER(c, struct world, clock)->mono_us; }

static void entropy(struct clock *c, void *p, size_t n) {
    struct world *w = CONTAINER(c, struct world, clock);
    uint8_t *to = p;
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)random_next(&w->random);
}

static bool earlier(const void *a, const void *b) {
    const struct planned *x = a, *y = b;
    return x->at_us != y->at_us ? x->at_us < y->at_us : x->order < y->order;
}

static void ignore_place(void *item, size_t at) {
    (void)item;
    (void)at;
}

void world_open(struct world *w, uint64_t seed, bool tracing) {
    *w = (struct world){
        .clock = {wall_ms, mono_us, entropy},
        .random = seed * 0x9e3779b97f4a7c15u + 1,
        .plans = {.less = earlier, .set_at = ignore_place},
        .tracing = tracing,
    };
}

void world_close(struct world *w) {
    while (w->plans.n > 0)
        free(heap_take(&w->plans, 0));
    heap_drop(&w->plans);
    text_drop(&w->why);
}

void world_plan(struct world *w, int64_t us, void (*happen)(void *ctx), void *ctx) {
    struct planned *p = NEW(struct planned);
    *p = (struct planned){w->mono_us + us, ++w->planned, happen, ctx};
    heap_push(&w->plans, p);
}

int64_t world_next(const struct world *w) {
    const struct planned *p = heap_first(&w->plans);
    return p == NULL ? INT64_MAX : p->at_us - w->mono_us;
}

void world_pass(struct world *w, int64_t us) {
    int64_t until = w->mono_us + us;
    for (;;) {
        struct planned *p = heap_first(&w->plans);
        if (p == NULL || p->at_us > until)
            break;
        heap_take(&w->plans, 0);
        if (p->at_us > w->mono_us)
            w->mono_us = p->at_us;
        p->happen(p->ctx);
        free(p);
    }
    w->mono_us = until;
}

uint64_t world_below(struct world *w, uint64_t n) { return random_below(&w->random, n); }
bool world_chance(struct world *w, uint64_t n) { return n != 0 && world_below(w, n) == 0; }

void world_say(struct world *w, const char *format, ...) {
    if (!w->tracing)
        return;
    va_list args;
    va_start(args, format);
    printf("%10.3f  ", (double)w->mono_us / 1e6);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

void world_broken(struct world *w, const char *oracle, const char *format, ...) {
    if (w->broken != NULL)
        return;
    w->broken = oracle;
    va_list args;
    va_start(args, format);
    text_addv(&w->why, format, args);
    va_end(args);
    world_say(w, "BROKEN %s: %s", oracle, text_str(&w->why));
}
