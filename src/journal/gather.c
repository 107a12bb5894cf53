// SPDX-License-Identifier: MIT
#include "journal/gather.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void gather_drop(struct gather *g) {
    free(g->records);
    g->records = NULL;
}

bool gather_add(struct gather *g, const struct record *r) {
    size_t size = sizeof *r + r->payload.n;
    if (g->n > 0 && size > g->left)
        return false;
    bytes payload = r->payload.n == 0 ? NO_BYTES : arena_copy(g->arena, r->payload);
    if (payload.n < r->payload.n)
        return false;
    if (g->n == g->cap) {
        g->cap = g->cap == 0 ? 64 : g->cap * 2;
        g->records = memory_grow(g->records, g->cap, sizeof *g->records);
    }
    g->records[g->n] = *r;
    g->records[g->n++].payload = payload;
    g->left = size < g->left ? g->left - size : 0;
    return true;
}

result gather_finish(struct gather *g, bool wanted_more, struct record **out, size_t *n) {
    *out = NULL;
    *n = 0;
    if (g->n == 0) {
        NEED(!wanted_more, MEMORY, "the arena is too small for one journal record");
        return OK;
    }
    struct record *records = arena_take(g->arena, g->n * sizeof *records);
    NEED(records != NULL, MEMORY, "the arena is too small for the journal records read");
    memcpy(records, g->records, g->n * sizeof *records);
    *out = records;
    *n = g->n;
    return OK;
}
