// SPDX-License-Identifier: MIT
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/list.h"
#include "base/memory.h"
#include "journal/gather.h"
#include "journal/store.h"

#define RECORD_COST ((size_t)64)

struct memory_store {
    struct journal_store door;
    uint64_t room, used, slots;
    struct record **slot; // by position, modulo slots
    int64_t time_ms;
    _Atomic uint64_t first, last;
};

struct journal_cursor {
    struct memory_store *store;
    uint64_t after;
};

static struct memory_store *self(struct journal_store *s) {
    return CONTAINER(s, struct memory_store, door);
}

static struct record **slot_of(struct memory_store *m, uint64_t position) {
    return &m->slot[position % m->slots];
}

static size_t memory_cost(struct journal_store *s, size_t payload) { return RECORD_COST + payload; }
static uint64_t memory_room(struct journal_store *s) { return self(s)->room; }
static uint64_t memory_used(struct journal_store *s) { return self(s)->used; }
static size_t memory_payload_max(struct journal_store *s) { return (size_t)(self(s)->room / 8); }
static int64_t memory_time_ms(struct journal_store *s) { return self(s)->time_ms; }
static uint64_t memory_last(struct journal_store *s) { return atomic_load(&self(s)->last); }
static uint64_t memory_first(struct journal_store *s) { return atomic_load(&self(s)->first); }

static result memory_append(struct journal_store *s, struct record *records, size_t n,
                            int64_t wall_ms) {
    struct memory_store *m = self(s);
    uint64_t cost = 0;
    for (size_t i = 0; i < n; i++) {
        ensure(records[i].payload.n <= memory_payload_max(s));
        cost += memory_cost(s, records[i].payload.n);
    }
    NEED(cost <= m->room - m->used, FULL, "the journal in memory is full");
    m->used += cost;
    m->time_ms = wall_ms > m->time_ms ? wall_ms : m->time_ms;
    uint64_t last = memory_last(s);
    for (size_t i = 0; i < n; i++) {
        struct record *r = &records[i];
        r->position = ++last;
        r->time_ms = m->time_ms;
        struct record *kept = memory_new(1, sizeof *kept + r->payload.n);
        *kept = *r;
        kept->payload = bytes_from(kept + 1, r->payload.n);
        if (r->payload.n > 0)
            memcpy(kept + 1, r->payload.p, r->payload.n);
        *slot_of(m, last) = kept;
    }
    atomic_store(&m->last, last);
    return OK;
}

static void memory_release(struct journal_store *s, uint64_t position) {
    struct memory_store *m = self(s);
    ensure(position <= memory_last(s));
    uint64_t first = memory_first(s);
    if (position < first)
        return;
    atomic_store(&m->first, position + 1);
    for (uint64_t p = first; p <= position; p++) {
        struct record *r = *slot_of(m, p);
        m->used -= memory_cost(s, r->payload.n);
        free(r);
        *slot_of(m, p) = NULL;
    }
}

static result memory_cursor_open(struct journal_store *s, uint64_t after,
                                 struct journal_cursor **out) {
    NEED(after + 1 >= memory_first(s), ABSENT, "the journal no longer has that position");
    struct journal_cursor *c = NEW(struct journal_cursor);
    *c = (struct journal_cursor){.store = self(s), .after = after};
    *out = c;
    return OK;
}

static result memory_read(struct journal_cursor *c, size_t max_bytes, struct arena *a,
                          struct record **out, size_t *n) {
    struct memory_store *m = c->store;
    uint64_t last = atomic_load(&m->last);
    NEED(c->after + 1 >= atomic_load(&m->first), ABSENT, "the journal no longer has that position");
    OWN(gather_drop)
    struct gather g = {.arena = a, .left = max_bytes};
    uint64_t next = c->after + 1;
    while (next <= last && gather_add(&g, *slot_of(m, next)))
        next++;
    TRY(gather_finish(&g, next <= last, out, n));
    c->after = next - 1;
    return OK;
}

static void memory_cursor_close(struct journal_cursor *c) { free(c); }

// Nothing can rot here, so there is nothing to compare.
static result memory_verify(struct journal_store *s, struct text *out) {
    text_addf(out, "journal in memory: positions %llu to %llu\n",
              (unsigned long long)memory_first(s), (unsigned long long)memory_last(s));
    return OK;
}

static void memory_close(struct journal_store *s) {
    if (s == NULL)
        return;
    struct memory_store *m = self(s);
    for (uint64_t i = 0; i < m->slots; i++)
        free(m->slot[i]);
    free(m->slot);
    free(m);
}

struct journal_store *journal_store_memory(uint64_t room) {
    struct memory_store *m = NEW(struct memory_store);
    m->door = (struct journal_store){
        .append = memory_append,
        .release = memory_release,
        .cost = memory_cost,
        .room = memory_room,
        .used = memory_used,
        .payload_max = memory_payload_max,
        .last = memory_last,
        .time_ms = memory_time_ms,
        .first = memory_first,
        .cursor_open = memory_cursor_open,
        .read = memory_read,
        .cursor_close = memory_cursor_close,
        .verify = memory_verify,
        .close = memory_close,
    };
    m->room = room;
    m->slots = room / RECORD_COST + 1;
    m->slot = NEW_ARRAY(struct record *, m->slots);
    m->first = 1;
    return &m->door;
}
