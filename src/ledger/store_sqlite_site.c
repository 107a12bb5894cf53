// SPDX-License-Identifier: MIT
#include "ledger/store_sqlite_internal.h"

result sqlite_numbers(sqlite3_stmt *q, uint64_t after, size_t max, struct arena *a, uint64_t **out,
                      size_t *n) {
    OWN(numbers_drop)
    struct numbers found = {0};
    int code;
    *out = NULL;
    *n = 0;
    sqlite3_bind_int64(q, 1, (int64_t)after);
    sqlite3_bind_int64(q, 2, sqlite_limit(max));
    while ((code = sqlite3_step(q)) == SQLITE_ROW)
        numbers_add(&found, (uint64_t)sqlite3_column_int64(q, 0));
    TRY(sqlite_failed(code));
    return numbers_take(&found, a, out, n);
}

static result event_site(struct store *s, uint64_t seq, uint64_t object, int64_t site) {
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    STATEMENT(q, s, EVENT_SITE);
    sqlite3_bind_int64(q, 1, (int64_t)seq);
    sqlite3_bind_int64(q, 2, (int64_t)object);
    sqlite3_bind_int64(q, 3, site);
    TRY(sqlite_do(q));
    NEED(sqlite3_changes(sqlite_store_of(s)->file.db) > 0, ABSENT, "there is no such event");
    return OK;
}

static result receipts_later(struct store *s, uint64_t event_seq, struct arena *a, uint64_t **out,
                             size_t *n) {
    STATEMENT(q, s, RECEIPTS_LATER);
    sqlite3_bind_int64(q, 3, (int64_t)event_seq);
    return sqlite_numbers(q, 0, SIZE_MAX, a, out, n);
}

static result unclaimed_of(struct store *s, uint64_t object, uint64_t after, size_t max,
                           struct arena *a, uint64_t **out, size_t *n) {
    STATEMENT(q, s, UNCLAIMED_OF);
    sqlite3_bind_int64(q, 3, (int64_t)object);
    return sqlite_numbers(q, after, max, a, out, n);
}

static result unclaimed(struct store *s, uint64_t after, size_t max, struct arena *a,
                        uint64_t **out, size_t *n) {
    STATEMENT(q, s, UNCLAIMED);
    return sqlite_numbers(q, after, max, a, out, n);
}

static result links_ready(struct store *s) {
    STATEMENT(q, s, LINKS_NEW);
    return links_load(&sqlite_store_of(s)->links, q);
}

static result sort_links_in(struct store *s) {
    struct links *l = &sqlite_store_of(s)->links;
    links_sort(l);
    OWN(text_drop)
    struct text more = {0};
    for (size_t at = 0; at < l->n;) {
        STATEMENT(q, s, LINK_SORTED);
        sqlite3_bind_int64(q, 1, (int64_t)l->at[at].link.above);
        sqlite3_bind_int64(q, 2, (int64_t)l->at[at].link.below);
        text_reset(&more);
        at = links_pack_row(l, at, &more);
        NEED(!more.failed, MEMORY, "a row of links does not fit the memory");
        sqlite3_bind_blob64(q, 3, more.n > 0 ? more.p : "", more.n, SQLITE_STATIC);
        TRY(sqlite_do(q));
    }
    TRY(sqlite_run_kept(s, LINKS_NEW_DROP));
    links_drop(l);
    l->loaded = true;
    return OK;
}

result sqlite_links_write(struct store *s) {
    struct links *l = &sqlite_store_of(s)->links;
    if (l->n == l->stored)
        return OK;
    if (l->n > LINKS_GATHERED_MAX)
        return sort_links_in(s);
    OWN(text_drop)
    struct text pairs = {0};
    links_pack(l, &pairs);
    NEED(!pairs.failed, MEMORY, "a transaction's links do not fit the memory");
    STATEMENT(q, s, LINK_NEW_PUT);
    sqlite3_bind_blob64(q, 1, pairs.p, pairs.n, SQLITE_STATIC);
    TRY(sqlite_do(q));
    l->stored = l->n;
    return OK;
}

static result site_put(struct store *s, const struct site_row *row) {
    return sqlite_put(s, SITE_PUT, &shape_site, row);
}

static result sites(struct store *s, struct arena *a, struct site_row **out, size_t *n) {
    STATEMENT(q, s, SITES);
    return sqlite_all(q, &shape_site, a, (void **)out, n);
}

// Objects are asked for in no order. What of them was read once is worth its memory, in a ledger
// that has any.
static result read_widely(struct sqlite_store *m) {
    if (!m->reads_widely)
        TRY(sqlite_run(m->file.db, "PRAGMA cache_size = -65536"));
    m->reads_widely = true;
    return OK;
}

static result object_find(struct store *s, bytes owner, bool livemode, bytes key, struct arena *a,
                          struct site_object *out) {
    TRY(read_widely(sqlite_store_of(s)));
    STATEMENT(q, s, OBJECT_FIND);
    sqlite_bind_bytes(q, 1, key);
    sqlite_bind_bytes(q, 2, owner);
    sqlite3_bind_int64(q, 3, livemode);
    return sqlite_one(q, &shape_object, a, out);
}

static result object_get(struct store *s, uint64_t number, struct arena *a,
                         struct site_object *out) {
    return sqlite_get(s, OBJECT_GET, number, &shape_object, a, out);
}

static result object_put(struct store *s, const struct site_object *row) {
    return sqlite_put(s, OBJECT_PUT, &shape_object, row);
}

// Much of a small row's cost is that of its statement.
static result objects_insert(struct store *s, const struct site_object *const *rows, size_t n) {
    size_t at = 0, columns = shape_object.n;
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    for (; n - at >= SQLITE_ROWS_AT_ONCE; at += SQLITE_ROWS_AT_ONCE) {
        STATEMENT(q, s, OBJECTS_INSERT);
        for (size_t i = 0; i < SQLITE_ROWS_AT_ONCE; i++)
            sqlite_bind_row_at(q, (int)(i * columns), &shape_object, rows[at + i]);
        TRY(sqlite_do(q));
    }
    for (; at < n; at++)
        TRY(sqlite_put(s, OBJECT_INSERT, &shape_object, rows[at]));
    return OK;
}

static result object_last(struct store *s, uint64_t *number) {
    STATEMENT(q, s, OBJECT_LAST);
    TRY(sqlite_do(q));
    *number = (uint64_t)sqlite3_column_int64(q, 0);
    return OK;
}

static result objects(struct store *s, result (*each)(void *ctx, const struct site_object *row),
                      void *ctx) {
    STATEMENT(q, s, OBJECTS);
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    int code;
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        struct site_object row;
        arena_reset(&a);
        TRY(sqlite_row(q, 0, &shape_object, &a, &row));
        TRY(each(ctx, &row));
    }
    return sqlite_failed(code);
}

static result link_put(struct store *s, const struct link_row *row) {
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    TRY(links_ready(s));
    links_add(&sqlite_store_of(s)->links, row);
    return OK;
}

// Whole rows behind the one that begins with *after, until they have about max.
static result links_sorted(struct store *s, uint64_t above, uint64_t *after, size_t max,
                           struct numbers *out) {
    STATEMENT(q, s, LINKS_BELOW);
    sqlite3_bind_int64(q, 1, (int64_t)*after);
    sqlite3_bind_int64(q, 2, (int64_t)above);
    int code = SQLITE_DONE;
    while (out->n < max && (code = sqlite3_step(q)) == SQLITE_ROW) {
        *after = (uint64_t)sqlite3_column_int64(q, 0);
        TRY(links_unpack_row(q, out));
    }
    TRY(sqlite_failed(code));
    if (code == SQLITE_DONE)
        *after = LINKS_END;
    return OK;
}

// Those that are gathered come last.
static result links_below(struct store *s, uint64_t above, uint64_t *after, size_t max,
                          struct arena *a, uint64_t **out, size_t *n) {
    OWN(numbers_drop)
    struct numbers found = {0};
    uint64_t *gathered = NULL;
    size_t gathered_count = 0;
    *n = 0;
    *out = NULL;
    TRY(links_ready(s));
    TRY(links_sorted(s, above, after, max, &found));
    if (*after == LINKS_END)
        TRY(links_gathered(&sqlite_store_of(s)->links, above, a, &gathered, &gathered_count));
    for (size_t i = 0; i < gathered_count; i++)
        numbers_add(&found, gathered[i]);
    return numbers_take(&found, a, out, n);
}

void sqlite_site_operations(struct store *s) {
    s->event_site = event_site;
    s->receipts_later = receipts_later;
    s->unclaimed_of = unclaimed_of;
    s->unclaimed = unclaimed;
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
