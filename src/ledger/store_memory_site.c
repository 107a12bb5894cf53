// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/memory.h"
#include "ledger/memory_internal.h"

static result site_put(struct store *s, const struct site_row *row) {
    memory_change(memory_of(s), SITES, key1((uint64_t)row->number), row);
    return OK;
}

// Rows of a table from a key on, at most max.
static result rows_from(const struct table *t, const struct shape *shape, struct row_key from,
                        size_t max, struct arena *a, void **out, size_t *n) {
    size_t at = table_from(t, from), count = t->n - at < max ? t->n - at : max;
    const void **rows = memory_new(count, sizeof *rows);
    for (size_t i = 0; i < count; i++)
        rows[i] = t->at[at + i].row;
    result failed = memory_gather(shape, rows, count, a, out);
    *n = failed == OK ? count : 0;
    free(rows);
    return failed;
}

static result sites(struct store *s, struct arena *a, struct site_row **out, size_t *n) {
    return rows_from(&memory_of(s)->tables[SITES], &shape_site, key1(0), SIZE_MAX, a, (void **)out,
                     n);
}

static result object_find(struct store *s, bytes owner, bool livemode, bytes key, struct arena *a,
                          struct site_object *out) {
    const void *row = memory_object(memory_of(s), owner, livemode, key, NULL, false);
    NEED(row != NULL, ABSENT, "there is no such object");
    return row_copy(&shape_object, row, a, out);
}

static result object_get(struct store *s, uint64_t number, struct arena *a,
                         struct site_object *out) {
    return memory_copy(memory_of(s), OBJECTS, key1(number), a, out);
}

static result object_put(struct store *s, const struct site_object *row) {
    memory_change(memory_of(s), OBJECTS, key1(row->number), row);
    return OK;
}

static result objects_insert(struct store *s, const struct site_object *const *rows, size_t n) {
    for (size_t i = 0; i < n; i++)
        TRY(object_put(s, rows[i]));
    return OK;
}

static result object_last(struct store *s, uint64_t *number) {
    const struct table *t = &memory_of(s)->tables[OBJECTS];
    *number = t->n > 0 ? t->at[t->n - 1].key.a : 0;
    return OK;
}

static result objects(struct store *s, result (*each)(void *ctx, const struct site_object *row),
                      void *ctx) {
    const struct table *t = &memory_of(s)->tables[OBJECTS];
    for (size_t i = 0; i < t->n; i++)
        TRY(each(ctx, t->at[i].row));
    return OK;
}

static result link_put(struct store *s, const struct link_row *row) {
    memory_change(memory_of(s), LINKS, key2(row->above, row->below), row);
    return OK;
}

static result links_below(struct store *s, uint64_t above, uint64_t *after, size_t max,
                          struct arena *a, uint64_t **out, size_t *n) {
    TRY(table_numbers(&memory_of(s)->tables[LINKS], key2(above, *after + 1), true, max, a, out, n));
    *after = *n < max ? LINKS_END : (*out)[*n - 1];
    return OK;
}

void memory_site_operations(struct store *s) {
    s->site_put = site_put;
    s->sites = sites;
    s->object_find = object_find;
    s->object_get = object_get;
    s->object_put = object_put;
    s->objects_insert = objects_insert;
    s->object_last = object_last;
    s->objects = objects;
    s->link_put = link_put;
    s->links_below = links_below;
}
