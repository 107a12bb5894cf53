// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/memory.h"
#include "ledger/memory_internal.h"

static result events_after(struct store *s, uint64_t after, size_t max, struct arena *a,
                           uint64_t **out, size_t *n) {
    return table_numbers(&memory_of(s)->tables[EVENTS], key1(after + 1), false, max, a, out, n);
}

static result rebuild_get(struct store *s, struct arena *a, struct rebuild_row *out) {
    return memory_copy(memory_of(s), REBUILD, key1(0), a, out);
}

static result rebuild_put(struct store *s, const struct rebuild_row *row) {
    if (row != NULL || memory_row(memory_of(s), REBUILD, key1(0)) != NULL)
        memory_change(memory_of(s), REBUILD, key1(0), row);
    return OK;
}

// Takes rows of a table out, the first ones first: those beside it, or, if `all`, its own too.
// Returns how many, their keys in *keys.
static size_t take(struct memory *m, const struct object_table *of, bool all, size_t max,
                   const struct table_row **taken) {
    const struct table *t = &m->tables[TABLE_ROWS];
    size_t n = 0;
    for (size_t i = 0; i < t->n && n < max;) {
        const struct table_row *row = t->at[i].row;
        if (row->key.table != of || !(all || row->key.shadow)) {
            i++;
            continue;
        }
        taken[n++] = row; // stays in the log until the commit
        memory_change(m, TABLE_ROWS, t->at[i].key, NULL);
    }
    return n;
}

static result table_clear(struct store *s, const struct object_table *t, size_t max, size_t *n) {
    size_t rows = memory_of(s)->tables[TABLE_ROWS].n;
    const struct table_row **taken = memory_new(rows, sizeof *taken);
    *n = take(memory_of(s), t, false, max, taken);
    free(taken);
    return OK;
}

static void swap(struct store *s, const struct object_table *t) {
    struct memory *m = memory_of(s);
    const struct table_row **taken = memory_new(m->tables[TABLE_ROWS].n, sizeof *taken);
    size_t n = take(m, t, true, SIZE_MAX, taken);
    for (size_t i = 0; i < n; i++) {
        struct table_row row = *taken[i];
        row.key.shadow = !row.key.shadow;
        row.handle = 0;
        memory_table_put(m, row);
    }
    free(taken);
}

static result tables_swap(struct store *s, const struct object_table *const *tables, size_t n) {
    for (size_t i = 0; i < n; i++)
        swap(s, tables[i]);
    return OK;
}

void memory_rebuild_operations(struct store *s) {
    s->events_after = events_after;
    s->rebuild_get = rebuild_get;
    s->rebuild_put = rebuild_put;
    s->tables_swap = tables_swap;
    s->table_clear = table_clear;
}
