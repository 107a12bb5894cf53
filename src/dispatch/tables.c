// SPDX-License-Identifier: MIT
// The carrier of kind tables. There is nowhere to go: booking the outcome applies the event, in the
// transaction that ends its delivery. So an attempt has succeeded as soon as it was begun.
#include <stdlib.h>

#include "base/memory.h"
#include "dispatch/attempt.h"

struct tables_channel {
    struct channel channel;
    struct list asked; // attempts begun since the last tick
};

static struct tables_channel *tables_of(struct channel *c) {
    return CONTAINER(c, struct tables_channel, channel);
}

static struct channel *tables_open(struct dispatch *d, const struct target *t) {
    struct tables_channel *o = NEW(struct tables_channel);
    channel_init(&o->channel, &carrier_tables, d);
    list_init(&o->asked);
    return &o->channel;
}

static void tables_drop(struct channel *c) { free(tables_of(c)); }

static void tables_begin(struct channel *c, struct attempt *a) {
    list_push(&tables_of(c)->asked, &a->asked);
    if (c->due_at == 0)
        c->due_at = clock_mono_us(c->dispatch->o.clock);
}

static void tables_cancel(struct channel *c, struct attempt *a) { list_remove(&a->asked); }

static void tables_tick(struct channel *c) {
    struct tables_channel *o = tables_of(c);
    channel_join(c); // the last attempt may take the channel along
    // Each that ends may let the next one begin.
    while (!list_empty(&o->asked)) {
        struct attempt *a = CONTAINER(list_take(&o->asked), struct attempt, asked);
        attempt_ended(a, &(struct outcome_record){.outcome = OUTCOME_DONE});
    }
    c->due_at = 0;
    channel_leave(c);
}

const struct carrier carrier_tables = {
    .open = tables_open,
    .begin = tables_begin,
    .cancel = tables_cancel,
    .tick = tables_tick,
    .drop = tables_drop,
};
