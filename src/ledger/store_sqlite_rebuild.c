// SPDX-License-Identifier: MIT
#include "ledger/store_sqlite_internal.h"

static result events_after(struct store *s, uint64_t after, size_t max, struct arena *a,
                           uint64_t **out, size_t *n) {
    STATEMENT(q, s, EVENTS_AFTER);
    return sqlite_numbers(q, after, max, a, out, n);
}

static result rebuild_get(struct store *s, struct arena *a, struct rebuild_row *out) {
    STATEMENT(q, s, REBUILD_GET);
    return sqlite_one(q, &shape_rebuild, a, out);
}

static result rebuild_put(struct store *s, const struct rebuild_row *row) {
    if (row != NULL)
        return sqlite_put(s, REBUILD_PUT, &shape_rebuild, row);
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    return sqlite_run_kept(s, REBUILD_DROP);
}

static result tables_swap(struct store *s, const struct object_table *const *tables, size_t n) {
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    sqlite_beside_forget(sqlite_store_of(s));
    return tables_exchange(sqlite_store_of(s)->file.db, tables, n);
}

static result table_clear(struct store *s, const struct object_table *t, size_t max, size_t *n) {
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    sqlite_beside_forget(sqlite_store_of(s));
    return table_clear_beside(sqlite_store_of(s)->file.db, t, max, n);
}

void sqlite_rebuild_operations(struct store *s) {
    s->events_after = events_after;
    s->rebuild_get = rebuild_get;
    s->rebuild_put = rebuild_put;
    s->tables_swap = tables_swap;
    s->table_clear = table_clear;
}
