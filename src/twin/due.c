// SPDX-License-Identifier: MIT
// What happens by itself: on the twin's time, in a heap, or on a test clock, when that is advanced.
#include <stdlib.h>

#include "base/memory.h"
#include "twin/call.h"

#define TARGET "status_details.advancing.target_frozen_time"

const struct twin_effect_row *twin_effect_of(twin_effect *run) {
    for (size_t i = 0; i < twin_effect_count; i++)
        if (twin_effects[i].run == run)
            return &twin_effects[i];
    return NULL;
}

void twin_due_add(struct twin *w, struct twin_object *o, int64_t time_ms, twin_effect *effect) {
    struct twin_due *d = NEW(struct twin_due);
    d->seq = ++w->due_seq;
    d->time_ms = time_ms;
    d->object = o;
    d->effect = effect;
    list_init(&d->link);
    if (o->clock != NULL)
        list_push(&w->clocked, &d->link);
    else
        heap_push(&w->due, d);
}

void twin_when(struct twin_call *c, struct twin_object *o, int64_t time_s, twin_effect *effect) {
    twin_due_add(c->w, o, time_s * 1000, effect);
}

static void take_out(struct twin *w, struct twin_due *d) {
    if (list_empty(&d->link))
        heap_take(&w->due, d->at);
    list_remove(&d->link);
    free(d);
}

// Walks all that is due: heap first, the last first, so that who is called may take it out.
static void each(struct twin *w, void (*fn)(void *ctx, struct twin *w, struct twin_due *d),
                 void *ctx) {
    struct twin_due **all = NEW_ARRAY(struct twin_due *, w->due.n + 1);
    size_t n = w->due.n;
    for (size_t i = 0; i < n; i++)
        all[i] = w->due.items[i];
    for (size_t i = 0; i < n; i++)
        fn(ctx, w, all[i]);
    free(all);
    LIST_EACH_SAFE(at, &w->clocked)
    fn(ctx, w, CONTAINER(at, struct twin_due, link));
}

static void forget_one(void *ctx, struct twin *w, struct twin_due *d) {
    if (d->object == ctx)
        take_out(w, d);
}

void twin_due_forget(struct twin *w, struct twin_object *o) { each(w, forget_one, o); }

struct which {
    struct twin_object *object;
    twin_effect *effect;
};

static void drop_one(void *ctx, struct twin *w, struct twin_due *d) {
    const struct which *which = ctx;
    if (d->object == which->object && (which->effect == NULL || which->effect == d->effect))
        d->dropped = w->due_dropped = true;
}

void twin_when_not(struct twin_call *c, struct twin_object *o, twin_effect *effect) {
    struct which which = {o, effect};
    each(c->w, drop_one, &which);
}

struct settling {
    uint64_t since;
    bool undone;
};

static void settle_one(void *ctx, struct twin *w, struct twin_due *d) {
    const struct settling *s = ctx;
    if (s->undone ? d->seq > s->since : d->dropped)
        take_out(w, d);
    else
        d->dropped = false;
}

void twin_due_settle(struct twin_call *c, bool undone) {
    struct settling s = {c->due_before, undone};
    if (c->w->due_dropped || (undone && c->w->due_seq > c->due_before))
        each(c->w, settle_one, &s);
    c->w->due_dropped = false;
}

// --- running

static void run(struct twin *w, struct twin_due *d) {
    struct twin_call c;
    twin_begin(&c, w, NULL);
    c.self = d->object;
    c.resource = d->object->resource;
    c.clock = d->object->clock;
    c.now_s = d->time_ms / 1000;
    twin_effect *effect = d->effect;
    take_out(w, d);
    (void)effect(&c); // what it refuses is undone
    twin_end(&c);
}

static struct twin_due *first_of(struct twin *w, const struct twin_object *clock) {
    struct twin_due *first = NULL;
    LIST_EACH(at, &w->clocked) {
        struct twin_due *d = CONTAINER(at, struct twin_due, link);
        if (d->object->clock == clock && (first == NULL || d->time_ms < first->time_ms))
            first = d;
    }
    return first;
}

// A clock that is to be advanced takes along what hangs on it, before its own effect says that it
// is ready.
static void run_clock(struct twin *w, struct twin_object *clock) {
    int64_t until_ms = twin_int(clock, TARGET) * 1000;
    for (struct twin_due *d; (d = first_of(w, clock)) != NULL && d->time_ms <= until_ms;)
        run(w, d);
}

int64_t twin_next_ms(const struct twin *w) {
    const struct twin_due *first = heap_first(&w->due);
    return first == NULL ? INT64_MAX : first->time_ms;
}

void twin_run(struct twin *w, int64_t now_ms) {
    if (now_ms > w->now_ms)
        w->now_ms = now_ms;
    for (struct twin_due *d; (d = heap_first(&w->due)) != NULL && d->time_ms <= w->now_ms;) {
        if (twin_is(d->object, "test_helpers.test_clock"))
            run_clock(w, d->object);
        run(w, d);
    }
}
