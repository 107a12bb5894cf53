// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/list.h"
#include "base/memory.h"
#include "ledger/sqlite_links.h"
#include "ledger/sqlite_statements.h"

struct sqlite_store {
    struct store store;
    struct ledger_file file;
    sqlite3_stmt *prepared[STATEMENTS];
    bool begun, marked;
    struct links links;
    size_t links_at_mark;
    // While migrations wait:
    char *path;
    struct sqlite_options options;
    const struct migration *migrations;
    size_t migration_count;
};

static struct sqlite_store *self(struct store *s) {
    return CONTAINER(s, struct sqlite_store, store);
}

static void done(sqlite3_stmt **s) {
    if (*s != NULL)
        sqlite3_reset(*s);
}

// A kept statement, ready to be bound; reset when it goes out of scope.
#define STATEMENT(name_, store_, id_)                                                              \
    OWN(done)                                                                                      \
    sqlite3_stmt *name_ = self(store_)->prepared[id_]

// A write outside of the transaction, because SQLite ended it by itself after a failure, would be
// kept alone.
static result in_transaction(struct sqlite_store *m) {
    ensure(m->begun);
    NEED(!sqlite3_get_autocommit(m->file.db), IO, "the transaction was ended by a failure");
    return OK;
}

static result step(sqlite3_stmt *s) { return sqlite_failed(sqlite3_step(s)); }

static result run(struct store *s, enum statement id) {
    STATEMENT(q, s, id);
    return step(q);
}

static result put(struct store *s, enum statement id, const struct shape *shape, const void *row) {
    TRY(in_transaction(self(s)));
    STATEMENT(q, s, id);
    sqlite_bind_row(q, shape, row);
    return step(q);
}

// The one row of a statement that is bound.
static result one_row(sqlite3_stmt *q, const struct shape *shape, struct arena *a, void *out) {
    int code = sqlite3_step(q);
    TRY(sqlite_failed(code));
    NEED(code == SQLITE_ROW, ABSENT, "there is no such row");
    return sqlite_row(q, 0, shape, a, out);
}

static result get(struct store *s, enum statement id, uint64_t key, const struct shape *shape,
                  struct arena *a, void *out) {
    STATEMENT(q, s, id);
    sqlite3_bind_int64(q, 1, (int64_t)key);
    return one_row(q, shape, a, out);
}

static result text_copy(sqlite3_stmt *q, int column, struct arena *a, bytes *out) {
    bytes b = sqlite_bytes(q, column);
    *out = arena_copy(a, b);
    NEED(b.n == 0 || out->p != NULL, MEMORY, "a text is larger than the arena it was asked into");
    return OK;
}

static result get_text(struct store *s, enum statement id, uint64_t key, struct arena *a,
                       bytes *out) {
    STATEMENT(q, s, id);
    sqlite3_bind_int64(q, 1, (int64_t)key);
    int code = sqlite3_step(q);
    TRY(sqlite_failed(code));
    NEED(code == SQLITE_ROW, ABSENT, "there is no such row");
    return text_copy(q, 0, a, out);
}

static void heap_drop_rows(void *rows) { free(*(void **)rows); }

// All rows of a statement that is bound.
static result all_rows(sqlite3_stmt *q, const struct shape *shape, struct arena *a, void **out,
                       size_t *n) {
    OWN(heap_drop_rows)
    char *rows = NULL;
    size_t count = 0, cap = 0;
    int code;
    *out = NULL;
    *n = 0;
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        if (count == cap) {
            cap = cap > 0 ? cap * 2 : 8;
            rows = memory_grow(rows, cap, shape->size);
        }
        TRY(sqlite_row(q, 0, shape, a, rows + count * shape->size));
        count++;
    }
    TRY(sqlite_failed(code));
    if (count == 0)
        return OK;
    *out = arena_take(a, count * shape->size);
    NEED(*out != NULL, MEMORY, "rows are larger than the arena they were asked into");
    memcpy(*out, rows, count * shape->size);
    *n = count;
    return OK;
}

static result begin(struct store *s) {
    ensure(!self(s)->begun);
    TRY(run(s, BEGIN));
    self(s)->begun = true;
    return OK;
}

static void rollback(struct store *s) {
    struct sqlite_store *m = self(s);
    m->begun = m->marked = false;
    links_drop(&m->links);
    for (unsigned i = 0; i < STATEMENTS; i++)
        sqlite3_reset(m->prepared[i]);
    if (!sqlite3_get_autocommit(m->file.db))
        sqlite3_exec(m->file.db, "ROLLBACK", NULL, NULL, NULL);
    ensure(sqlite3_get_autocommit(m->file.db));
}

static result links_ready(struct store *s) {
    STATEMENT(q, s, LINKS_NEW);
    return links_load(&self(s)->links, q);
}

static result sort_links_in(struct store *s) {
    struct links *l = &self(s)->links;
    links_sort(l);
    for (size_t i = 0; i < l->n; i++)
        TRY(put(s, LINK_SORTED, &shape_link, &l->at[i].link));
    TRY(run(s, LINKS_NEW_DROP));
    links_drop(l);
    l->loaded = true;
    return OK;
}

static result write_links(struct store *s) {
    struct links *l = &self(s)->links;
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
    TRY(step(q));
    l->stored = l->n;
    return OK;
}

static result commit(struct store *s) {
    ensure(!self(s)->marked);
    result failed = in_transaction(self(s));
    if (failed == OK)
        failed = write_links(s);
    if (failed == OK)
        failed = run(s, COMMIT);
    if (failed != OK)
        rollback(s);
    self(s)->begun = false;
    return failed;
}

static result mark(struct store *s) {
    ensure(!self(s)->marked);
    TRY(in_transaction(self(s)));
    TRY(run(s, MARK));
    self(s)->marked = true;
    self(s)->links_at_mark = self(s)->links.loaded ? self(s)->links.n : SIZE_MAX;
    return OK;
}

static result unmark(struct store *s) {
    ensure(self(s)->marked);
    self(s)->marked = false;
    TRY(in_transaction(self(s)));
    return run(s, UNMARK);
}

static result undo(struct store *s) {
    ensure(self(s)->marked);
    self(s)->marked = false;
    if (self(s)->links_at_mark == SIZE_MAX)
        links_drop(&self(s)->links);
    else if (self(s)->links_at_mark < self(s)->links.n)
        links_back_to(&self(s)->links, self(s)->links_at_mark);
    TRY(in_transaction(self(s)));
    TRY(run(s, UNDO));
    return run(s, UNMARK);
}

static result state_get(struct store *s, struct store_state *out) {
    struct arena none;
    arena_init(&none, 0);
    STATEMENT(q, s, STATE_GET);
    result failed = one_row(q, &shape_state, &none, out);
    if (!failed_as(failed, FAIL_ABSENT))
        return failed;
    *out = (struct store_state){.next_delivery = 1};
    return OK;
}

static result state_put(struct store *s, const struct store_state *in) {
    return put(s, STATE_PUT, &shape_state, in);
}

static result plan_put(struct store *s, uint64_t generation, bytes json) {
    return put(s, PLAN_PUT, &shape_plan, &(struct blob_row){generation, json});
}

static result plan_get(struct store *s, uint64_t generation, struct arena *a, bytes *json) {
    return get_text(s, PLAN_GET, generation, a, json);
}

static result event_find(struct store *s, bytes owner, bytes account, bool livemode, bytes id,
                         struct arena *a, struct event_row *out) {
    STATEMENT(q, s, EVENT_FIND);
    sqlite_bind_bytes(q, 1, id);
    sqlite_bind_bytes(q, 2, account);
    sqlite_bind_bytes(q, 3, owner);
    sqlite3_bind_int64(q, 4, livemode);
    return one_row(q, &shape_event, a, out);
}

static result event_get(struct store *s, uint64_t seq, struct arena *a, struct event_row *out) {
    return get(s, EVENT_GET, seq, &shape_event, a, out);
}

static result event_insert(struct store *s, const struct event_row *row) {
    return put(s, EVENT_INSERT, &shape_event, row);
}

static result event_status(struct store *s, uint64_t seq, enum event_status status, bytes error) {
    TRY(in_transaction(self(s)));
    STATEMENT(q, s, EVENT_STATUS);
    sqlite3_bind_int64(q, 1, (int64_t)seq);
    sqlite3_bind_int64(q, 2, status);
    sqlite_bind_bytes(q, 3, error);
    TRY(step(q));
    NEED(sqlite3_changes(self(s)->file.db) > 0, ABSENT, "there is no such event");
    return OK;
}

static int64_t limit(size_t max) { return max < INT64_MAX ? (int64_t)max : INT64_MAX; }

// The numbers of a statement's first column, behind ?1 and at most ?2.
static result numbers(sqlite3_stmt *q, uint64_t after, size_t max, struct arena *a, uint64_t **out,
                      size_t *n) {
    OWN(heap_drop_rows)
    uint64_t *rows = NULL;
    size_t count = 0, cap = 0;
    int code;
    *out = NULL;
    *n = 0;
    sqlite3_bind_int64(q, 1, (int64_t)after);
    sqlite3_bind_int64(q, 2, limit(max));
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        if (count == cap) {
            cap = cap > 0 ? cap * 2 : 16;
            rows = memory_grow(rows, cap, sizeof *rows);
        }
        rows[count++] = (uint64_t)sqlite3_column_int64(q, 0);
    }
    TRY(sqlite_failed(code));
    if (count == 0)
        return OK;
    *out = arena_take(a, count * sizeof **out);
    NEED(*out != NULL, MEMORY, "numbers are larger than the arena they were asked into");
    memcpy(*out, rows, count * sizeof **out);
    *n = count;
    return OK;
}

static result event_site(struct store *s, uint64_t seq, uint64_t object, int64_t site) {
    TRY(in_transaction(self(s)));
    STATEMENT(q, s, EVENT_SITE);
    sqlite3_bind_int64(q, 1, (int64_t)seq);
    sqlite3_bind_int64(q, 2, (int64_t)object);
    sqlite3_bind_int64(q, 3, site);
    TRY(step(q));
    NEED(sqlite3_changes(self(s)->file.db) > 0, ABSENT, "there is no such event");
    return OK;
}

static result unclaimed_of(struct store *s, uint64_t object, uint64_t after, size_t max,
                           struct arena *a, uint64_t **out, size_t *n) {
    STATEMENT(q, s, UNCLAIMED_OF);
    sqlite3_bind_int64(q, 3, (int64_t)object);
    return numbers(q, after, max, a, out, n);
}

static result unclaimed(struct store *s, uint64_t after, size_t max, struct arena *a,
                        uint64_t **out, size_t *n) {
    STATEMENT(q, s, UNCLAIMED);
    return numbers(q, after, max, a, out, n);
}

static result receipt_insert(struct store *s, const struct receipt_row *row, bytes body) {
    TRY(put(s, RECEIPT_INSERT, &shape_receipt, row));
    if (row->body_seq != row->seq)
        return OK;
    STATEMENT(q, s, BODY_INSERT);
    sqlite3_bind_int64(q, 1, (int64_t)row->seq);
    sqlite_bind_bytes(q, 2, body);
    return step(q);
}

static result receipt_get(struct store *s, uint64_t seq, struct arena *a, struct receipt_row *out) {
    return get(s, RECEIPT_GET, seq, &shape_receipt, a, out);
}

static result receipt_same(struct store *s, uint64_t event_seq, const uint8_t sha256[SHA256_SIZE],
                           struct arena *a, struct receipt_row *out) {
    STATEMENT(q, s, RECEIPT_SAME);
    sqlite3_bind_int64(q, 1, (int64_t)event_seq);
    sqlite3_bind_blob(q, 2, sha256, SHA256_SIZE, SQLITE_STATIC);
    return one_row(q, &shape_receipt, a, out);
}

static result body_get(struct store *s, uint64_t receipt_seq, struct arena *a, bytes *out) {
    return get_text(s, BODY_GET, receipt_seq, a, out);
}

static result delivery_insert(struct store *s, const struct delivery_row *row) {
    NEED(delivery_state_stored(row->state), INVALID, "a delivery's state is not one that is kept");
    return put(s, DELIVERY_INSERT, &shape_delivery, row);
}

static result delivery_update(struct store *s, const struct delivery_row *row) {
    NEED(delivery_state_stored(row->state), INVALID, "a delivery's state is not one that is kept");
    TRY(put(s, DELIVERY_UPDATE, &shape_delivery, row));
    if (sqlite3_changes(self(s)->file.db) > 0)
        return OK;
    STATEMENT(q, s, DELIVERY_GET);
    sqlite3_bind_int64(q, 1, (int64_t)row->seq);
    int code = sqlite3_step(q);
    TRY(sqlite_failed(code));
    NEED(code == SQLITE_ROW, ABSENT, "there is no such delivery");
    FAIL(INVALID, "what a delivery is of never changes");
}

static result delivery_get(struct store *s, uint64_t seq, struct arena *a,
                           struct delivery_row *out) {
    return get(s, DELIVERY_GET, seq, &shape_delivery, a, out);
}

static result deliveries_of(struct store *s, uint64_t event_seq, struct arena *a,
                            struct delivery_row **out, size_t *n) {
    STATEMENT(q, s, DELIVERIES_OF);
    sqlite3_bind_int64(q, 1, (int64_t)event_seq);
    return all_rows(q, &shape_delivery, a, (void **)out, n);
}

// Walks the deliveries by number from the first open one: no index has them in this order, and
// sorting what is open for each page would take the square of its number.
static result deliveries_open(struct store *s, uint32_t destination, uint64_t after, size_t max,
                              struct arena *a, struct delivery_row **out, size_t *n) {
    if (after == 0) {
        STATEMENT(first, s, FIRST_OPEN);
        sqlite3_bind_int64(first, 1, destination);
        TRY(step(first));
        after = (uint64_t)sqlite3_column_int64(first, 0);
        after = after > 0 ? after - 1 : 0;
    }
    STATEMENT(q, s, DELIVERIES_OPEN);
    sqlite3_bind_int64(q, 1, destination);
    sqlite3_bind_int64(q, 2, (int64_t)after);
    sqlite3_bind_int64(q, 3, limit(max));
    return all_rows(q, &shape_delivery, a, (void **)out, n);
}

static result attempt_insert(struct store *s, const struct attempt_row *row) {
    return put(s, ATTEMPT_INSERT, &shape_attempt, row);
}

// False in *fits: there is another body in the rows already and this one is too large.
static result due_row(struct store *s, int64_t seq, struct arena *a, struct due_row *out,
                      size_t *left, bool first, bool *fits) {
    STATEMENT(q, s, DUE_ROW);
    sqlite3_bind_int64(q, 1, seq);
    int code = sqlite3_step(q), at = (int)shape_delivery.n;
    TRY(sqlite_failed(code));
    NEED(code == SQLITE_ROW, CORRUPT, "a delivery has no event or no body");
    size_t size = (size_t)sqlite3_column_bytes(q, at + 5);
    *fits = first || size <= *left;
    if (!*fits)
        return OK;
    *left -= size < *left ? size : *left;
    TRY(sqlite_row(q, 0, &shape_delivery, a, &out->delivery));
    TRY(text_copy(q, at, a, &out->event_id));
    TRY(text_copy(q, at + 1, a, &out->account));
    TRY(text_copy(q, at + 2, a, &out->owner));
    TRY(text_copy(q, at + 3, a, &out->type));
    out->livemode = sqlite3_column_int(q, at + 4) != 0;
    TRY(text_copy(q, at + 6, a, &out->site));
    return text_copy(q, at + 5, a, &out->body);
}

static result due(struct store *s, uint32_t destination, int64_t now_ms, size_t max,
                  size_t max_bytes, bool (*skip)(void *ctx, uint64_t delivery), void *ctx,
                  struct arena *a, struct due_row **out, size_t *n) {
    OWN(heap_drop_rows)
    struct due_row *rows = NULL;
    STATEMENT(q, s, DUE);
    sqlite3_bind_int64(q, 1, destination);
    sqlite3_bind_int64(q, 2, now_ms);
    int code = SQLITE_DONE;
    size_t count = 0, cap = 0;
    *n = 0;
    *out = NULL;
    while (count < max && (code = sqlite3_step(q)) == SQLITE_ROW) {
        int64_t seq = sqlite3_column_int64(q, 0);
        if (skip != NULL && skip(ctx, (uint64_t)seq))
            continue;
        if (count == cap) {
            cap = cap > 0 ? cap * 2 : 16;
            rows = memory_grow(rows, cap, sizeof *rows);
        }
        bool fits = true;
        TRY(due_row(s, seq, a, &rows[count], &max_bytes, count == 0, &fits));
        if (!fits)
            break;
        count++;
    }
    TRY(sqlite_failed(code));
    if (count == 0)
        return OK;
    *out = arena_take(a, count * sizeof **out);
    NEED(*out != NULL, MEMORY, "due deliveries are larger than the arena");
    memcpy(*out, rows, count * sizeof **out);
    *n = count;
    return OK;
}

static result next_due(struct store *s, uint32_t destination,
                       bool (*skip)(void *ctx, uint64_t delivery), void *ctx, int64_t *out) {
    STATEMENT(q, s, NEXT_DUE);
    sqlite3_bind_int64(q, 1, destination);
    int code = SQLITE_DONE;
    *out = INT64_MAX;
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        if (skip != NULL && skip(ctx, (uint64_t)sqlite3_column_int64(q, 0)))
            continue;
        *out = sqlite3_column_int64(q, 1);
        return OK;
    }
    return sqlite_failed(code);
}

static result destination_find(struct store *s, bytes name, struct arena *a,
                               struct destination_row *out) {
    STATEMENT(q, s, DESTINATION_FIND);
    sqlite_bind_bytes(q, 1, name);
    return one_row(q, &shape_destination, a, out);
}

static result destination_put(struct store *s, const struct destination_row *row) {
    return put(s, DESTINATION_PUT, &shape_destination, row);
}

static result destinations(struct store *s, struct arena *a, struct destination_row **out,
                           size_t *n) {
    STATEMENT(q, s, DESTINATIONS);
    return all_rows(q, &shape_destination, a, (void **)out, n);
}

static result site_put(struct store *s, const struct site_row *row) {
    return put(s, SITE_PUT, &shape_site, row);
}

static result sites(struct store *s, struct arena *a, struct site_row **out, size_t *n) {
    STATEMENT(q, s, SITES);
    return all_rows(q, &shape_site, a, (void **)out, n);
}

static result object_find(struct store *s, bytes owner, bool livemode, bytes key, struct arena *a,
                          struct site_object *out) {
    STATEMENT(q, s, OBJECT_FIND);
    sqlite_bind_bytes(q, 1, key);
    sqlite_bind_bytes(q, 2, owner);
    sqlite3_bind_int64(q, 3, livemode);
    return one_row(q, &shape_object, a, out);
}

static result object_get(struct store *s, uint64_t number, struct arena *a,
                         struct site_object *out) {
    return get(s, OBJECT_GET, number, &shape_object, a, out);
}

static result object_put(struct store *s, const struct site_object *row) {
    return put(s, OBJECT_PUT, &shape_object, row);
}

static result object_last(struct store *s, uint64_t *number) {
    STATEMENT(q, s, OBJECT_LAST);
    TRY(step(q));
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
    TRY(in_transaction(self(s)));
    TRY(links_ready(s));
    links_add(&self(s)->links, row);
    return OK;
}

static result links_below(struct store *s, uint64_t above, uint64_t after, size_t max,
                          struct arena *a, uint64_t **out, size_t *n) {
    uint64_t *sorted = NULL, *gathered = NULL;
    size_t sorted_count = 0, gathered_count = 0;
    STATEMENT(q, s, LINKS_BELOW);
    sqlite3_bind_int64(q, 3, (int64_t)above);
    *n = 0;
    TRY(links_ready(s));
    TRY(numbers(q, after, max, a, &sorted, &sorted_count));
    TRY(links_gathered(&self(s)->links, above, after, a, &gathered, &gathered_count));
    size_t count = sorted_count + gathered_count < max ? sorted_count + gathered_count : max;
    *out = count > 0 ? arena_take(a, count * sizeof **out) : NULL;
    NEED(count == 0 || *out != NULL, MEMORY, "numbers are larger than the arena");
    for (size_t i = 0, k = 0; *n < count;) {
        bool first = k == gathered_count || (i < sorted_count && sorted[i] < gathered[k]);
        (*out)[(*n)++] = first ? sorted[i++] : gathered[k++];
    }
    return OK;
}

static result suspense_put(struct store *s, const struct suspense_row *row) {
    return put(s, SUSPENSE_PUT, &shape_suspense, row);
}

static result suspense_get(struct store *s, uint64_t position, struct arena *a,
                           struct suspense_row *out) {
    return get(s, SUSPENSE_GET, position, &shape_suspense, a, out);
}

static result key_put(struct store *s, const struct key_row *row) {
    return put(s, KEY_PUT, &shape_key, row);
}

static result key_get(struct store *s, bytes id, struct arena *a, struct key_row *out) {
    STATEMENT(q, s, KEY_GET);
    sqlite_bind_bytes(q, 1, id);
    return one_row(q, &shape_key, a, out);
}

static result answer_put(struct store *s, const struct answer_row *row) {
    return put(s, ANSWER_PUT, &shape_answer, row);
}

static result answer_get(struct store *s, uint64_t position, struct arena *a,
                         struct answer_row *out) {
    return get(s, ANSWER_GET, position, &shape_answer, a, out);
}

static result answer_find(struct store *s, bytes idempotency_key, struct arena *a,
                          struct answer_row *out) {
    STATEMENT(q, s, ANSWER_FIND);
    sqlite_bind_bytes(q, 1, idempotency_key);
    return one_row(q, &shape_answer, a, out);
}

static result answers_drop(struct store *s, int64_t before_ms, size_t max) {
    TRY(in_transaction(self(s)));
    STATEMENT(q, s, ANSWERS_DROP);
    sqlite3_bind_int64(q, 1, before_ms);
    sqlite3_bind_int64(q, 2, (int64_t)max);
    return step(q);
}

static result sighting_add(struct store *s, const struct sighting_row *more) {
    TRY(put(s, SIGHTING_ADD, &shape_sighting, more));
    NEED(sqlite3_changes(self(s)->file.db) > 0, ABSENT, "this was not seen before");
    return OK;
}

static result sighting_insert(struct store *s, const struct sighting_row *row) {
    return put(s, SIGHTING_INSERT, &shape_sighting, row);
}

static result sighting_count(struct store *s, enum sighting kind, uint64_t *out) {
    STATEMENT(q, s, SIGHTING_COUNT);
    sqlite3_bind_int64(q, 1, kind);
    TRY(step(q));
    *out = (uint64_t)sqlite3_column_int64(q, 0);
    return OK;
}

static result dump(struct store *s, struct text *out) { return sqlite_dump(self(s)->file.db, out); }

static const char *message(struct store *s) {
    sqlite3 *db = self(s)->file.db;
    return sqlite3_errcode(db) == SQLITE_OK ? "" : sqlite3_errmsg(db);
}

static void close_sqlite(struct store *s) {
    if (s == NULL)
        return;
    rollback(s);
    for (unsigned i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(self(s)->prepared[i]);
    ledger_file_close(&self(s)->file);
    free(self(s)->path);
    free(self(s));
}

static const struct store operations = {
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .mark = mark,
    .unmark = unmark,
    .undo = undo,
    .state_get = state_get,
    .state_put = state_put,
    .plan_put = plan_put,
    .plan_get = plan_get,
    .event_find = event_find,
    .event_get = event_get,
    .event_insert = event_insert,
    .event_status = event_status,
    .event_site = event_site,
    .unclaimed_of = unclaimed_of,
    .unclaimed = unclaimed,
    .receipt_insert = receipt_insert,
    .receipt_get = receipt_get,
    .receipt_same = receipt_same,
    .body_get = body_get,
    .delivery_insert = delivery_insert,
    .delivery_update = delivery_update,
    .delivery_get = delivery_get,
    .deliveries_of = deliveries_of,
    .deliveries_open = deliveries_open,
    .attempt_insert = attempt_insert,
    .due = due,
    .next_due = next_due,
    .destination_find = destination_find,
    .destination_put = destination_put,
    .destinations = destinations,
    .site_put = site_put,
    .sites = sites,
    .object_find = object_find,
    .object_get = object_get,
    .object_put = object_put,
    .object_last = object_last,
    .objects = objects,
    .link_put = link_put,
    .links_below = links_below,
    .suspense_put = suspense_put,
    .suspense_get = suspense_get,
    .key_put = key_put,
    .key_get = key_get,
    .answer_put = answer_put,
    .answer_get = answer_get,
    .answer_find = answer_find,
    .answers_drop = answers_drop,
    .sighting_add = sighting_add,
    .sighting_insert = sighting_insert,
    .sighting_count = sighting_count,
    .dump = dump,
    .message = message,
    .close = close_sqlite,
};

sqlite3 *store_sqlite_db(struct store *s) { return self(s)->file.db; }

// The statements, or the two that every version knows.
static result prepare(struct sqlite_store *m, struct text *why) {
    for (unsigned i = 0; i < STATEMENTS; i++) {
        bool now = !m->file.waits || i == STATE_GET || i == PLAN_GET;
        if (!now || m->prepared[i] != NULL)
            continue;
        result failed = sqlite_prepare(m->file.db, sqlite_statements[i], &m->prepared[i]);
        if (failed == OK)
            continue;
        text_addf(why, "%s: a statement of the ledger cannot be prepared: %s", m->path,
                  sqlite3_errmsg(m->file.db));
        return failed;
    }
    return OK;
}

result store_sqlite_with(const struct sqlite_options *o, const struct migration *migrations,
                         size_t n, struct store **out, struct text *why) {
    struct sqlite_store *m = NEW(struct sqlite_store);
    result failed = ledger_file_open(o, migrations, n, &m->file, why);
    if (failed != OK) {
        free(m);
        return failed;
    }
    m->store = operations;
    m->path = bytes_strdup(bytes_of(o->path));
    m->options = *o;
    m->options.path = m->path;
    m->migrations = migrations;
    m->migration_count = n;
    failed = prepare(m, why);
    if (failed == OK)
        *out = &m->store;
    else
        close_sqlite(&m->store);
    return failed;
}

bool store_sqlite_waits(struct store *s) { return self(s)->file.waits; }

result store_sqlite_migrate(struct store *s, const atomic_bool *stop, struct text *why) {
    struct sqlite_store *m = self(s);
    ensure(m->file.waits);
    TRY(ledger_migrate(&m->options, m->migrations, m->migration_count, m->file.db, stop, why));
    m->file.waits = false;
    return prepare(m, why);
}

result store_sqlite(const struct sqlite_options *o, struct store **out, struct text *why) {
    return store_sqlite_with(o, ledger_migrations, ledger_migration_count, out, why);
}
