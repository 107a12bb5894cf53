// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ledger/store_sqlite_internal.h"

result sqlite_in_transaction(struct sqlite_store *m) {
    ensure(m->begun);
    NEED(!sqlite3_get_autocommit(m->file.db), IO, "the transaction was ended by a failure");
    return OK;
}

result sqlite_do(sqlite3_stmt *s) { return sqlite_failed(sqlite3_step(s)); }

result sqlite_run_kept(struct store *s, enum statement id) {
    STATEMENT(q, s, id);
    return sqlite_do(q);
}

result sqlite_put(struct store *s, enum statement id, const struct shape *shape, const void *row) {
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    STATEMENT(q, s, id);
    sqlite_bind_row(q, shape, row);
    return sqlite_do(q);
}

result sqlite_one(sqlite3_stmt *q, const struct shape *shape, struct arena *a, void *out) {
    int code = sqlite3_step(q);
    TRY(sqlite_failed(code));
    NEED(code == SQLITE_ROW, ABSENT, "there is no such row");
    return sqlite_row(q, 0, shape, a, out);
}

result sqlite_get(struct store *s, enum statement id, uint64_t key, const struct shape *shape,
                  struct arena *a, void *out) {
    STATEMENT(q, s, id);
    sqlite3_bind_int64(q, 1, (int64_t)key);
    return sqlite_one(q, shape, a, out);
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

result sqlite_all(sqlite3_stmt *q, const struct shape *shape, struct arena *a, void **out,
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
    ensure(!sqlite_store_of(s)->begun);
    TRY(sqlite_run_kept(s, BEGIN));
    sqlite_store_of(s)->begun = true;
    sqlite_store_of(s)->block.written = false;
    return OK;
}

static void rollback(struct store *s) {
    struct sqlite_store *m = sqlite_store_of(s);
    m->begun = m->marked = false;
    sqlite_block_undone(m);
    links_drop(&m->links);
    sqlite_beside_forget(m);
    for (unsigned i = 0; i < STATEMENTS; i++)
        sqlite3_reset(m->prepared[i]);
    if (!sqlite3_get_autocommit(m->file.db))
        sqlite3_exec(m->file.db, "ROLLBACK", NULL, NULL, NULL);
    ensure(sqlite3_get_autocommit(m->file.db));
}

static result commit(struct store *s) {
    ensure(!sqlite_store_of(s)->marked);
    result failed = sqlite_in_transaction(sqlite_store_of(s));
    if (failed == OK)
        failed = sqlite_links_write(s);
    if (failed == OK)
        failed = sqlite_run_kept(s, COMMIT);
    if (failed != OK)
        rollback(s);
    sqlite_store_of(s)->begun = false;
    return failed;
}

static void catch_up(struct store *s, bool does) {
    checkpoint_catch_up(sqlite_store_of(s)->file.checkpoint, does);
}

static result mark(struct store *s) {
    ensure(!sqlite_store_of(s)->marked);
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    TRY(sqlite_run_kept(s, MARK));
    sqlite_store_of(s)->marked = true;
    sqlite_store_of(s)->links_at_mark =
        sqlite_store_of(s)->links.loaded ? sqlite_store_of(s)->links.n : SIZE_MAX;
    return OK;
}

static result unmark(struct store *s) {
    ensure(sqlite_store_of(s)->marked);
    sqlite_store_of(s)->marked = false;
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    return sqlite_run_kept(s, UNMARK);
}

static result undo(struct store *s) {
    ensure(sqlite_store_of(s)->marked);
    sqlite_store_of(s)->marked = false;
    sqlite_block_undone(sqlite_store_of(s));
    sqlite_beside_forget(sqlite_store_of(s));
    if (sqlite_store_of(s)->links_at_mark == SIZE_MAX)
        links_drop(&sqlite_store_of(s)->links);
    else if (sqlite_store_of(s)->links_at_mark < sqlite_store_of(s)->links.n)
        links_back_to(&sqlite_store_of(s)->links, sqlite_store_of(s)->links_at_mark);
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    TRY(sqlite_run_kept(s, UNDO));
    return sqlite_run_kept(s, UNMARK);
}

static result state_get(struct store *s, struct store_state *out) {
    struct arena none;
    arena_init(&none, 0);
    STATEMENT(q, s, STATE_GET);
    result failed = sqlite_one(q, &shape_state, &none, out);
    if (!failed_as(failed, FAIL_ABSENT))
        return failed;
    *out = (struct store_state){.next_delivery = 1};
    return OK;
}

static result state_put(struct store *s, const struct store_state *in) {
    return sqlite_put(s, STATE_PUT, &shape_state, in);
}

static result plan_put(struct store *s, uint64_t generation, bytes text) {
    return sqlite_put(s, PLAN_PUT, &shape_plan, &(struct blob_row){generation, text});
}

static result plan_get(struct store *s, uint64_t generation, struct arena *a, bytes *text) {
    return get_text(s, PLAN_GET, generation, a, text);
}

static result event_find(struct store *s, bytes owner, bytes account, bool livemode, bytes id,
                         struct arena *a, struct event_row *out) {
    STATEMENT(q, s, EVENT_FIND);
    sqlite_bind_bytes(q, 1, id);
    sqlite_bind_bytes(q, 2, account);
    sqlite_bind_bytes(q, 3, owner);
    sqlite3_bind_int64(q, 4, livemode);
    return sqlite_one(q, &shape_event, a, out);
}

static result event_get(struct store *s, uint64_t seq, struct arena *a, struct event_row *out) {
    return sqlite_get(s, EVENT_GET, seq, &shape_event, a, out);
}

static result event_insert(struct store *s, const struct event_row *row) {
    TRY(sqlite_put(s, EVENT_INSERT, &shape_event, row));
    return sqlite_block_note(s, row);
}

static result event_status(struct store *s, uint64_t seq, enum event_status status, bytes error) {
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    STATEMENT(q, s, EVENT_STATUS);
    sqlite3_bind_int64(q, 1, (int64_t)seq);
    sqlite3_bind_int64(q, 2, status);
    sqlite_bind_bytes(q, 3, error);
    TRY(sqlite_do(q));
    NEED(sqlite3_changes(sqlite_store_of(s)->file.db) > 0, ABSENT, "there is no such event");
    return OK;
}

static result receipt_insert(struct store *s, const struct receipt_row *row, bytes body) {
    TRY(sqlite_put(s, RECEIPT_INSERT, &shape_receipt, row));
    if (row->body_seq != row->seq)
        return OK;
    STATEMENT(q, s, BODY_INSERT);
    sqlite3_bind_int64(q, 1, (int64_t)row->seq);
    sqlite_bind_bytes(q, 2, body);
    return sqlite_do(q);
}

static result receipt_get(struct store *s, uint64_t seq, struct arena *a, struct receipt_row *out) {
    return sqlite_get(s, RECEIPT_GET, seq, &shape_receipt, a, out);
}

static result receipt_same(struct store *s, uint64_t event_seq, const uint8_t sha256[SHA256_SIZE],
                           struct arena *a, struct receipt_row *out) {
    STATEMENT(q, s, RECEIPT_SAME);
    sqlite3_bind_int64(q, 1, (int64_t)event_seq);
    sqlite3_bind_blob(q, 2, sha256, SHA256_SIZE, SQLITE_STATIC);
    return sqlite_one(q, &shape_receipt, a, out);
}

static result body_get(struct store *s, uint64_t receipt_seq, struct arena *a, bytes *out) {
    return get_text(s, BODY_GET, receipt_seq, a, out);
}

static result delivery_insert(struct store *s, const struct delivery_row *row) {
    NEED(delivery_state_stored(row->state), INVALID, "a delivery's state is not one that is kept");
    NEED(row->priority < PRIORITIES, INVALID, "a delivery's priority is none");
    return sqlite_put(s, DELIVERY_INSERT, &shape_delivery, row);
}

static result delivery_update(struct store *s, const struct delivery_row *row) {
    NEED(delivery_state_stored(row->state), INVALID, "a delivery's state is not one that is kept");
    TRY(sqlite_put(s, DELIVERY_UPDATE, &shape_delivery, row));
    if (sqlite3_changes(sqlite_store_of(s)->file.db) > 0)
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
    return sqlite_get(s, DELIVERY_GET, seq, &shape_delivery, a, out);
}

static result deliveries_of(struct store *s, uint64_t event_seq, struct arena *a,
                            struct delivery_row **out, size_t *n) {
    STATEMENT(q, s, DELIVERIES_OF);
    sqlite3_bind_int64(q, 1, (int64_t)event_seq);
    return sqlite_all(q, &shape_delivery, a, (void **)out, n);
}

// One page has all that is open: then they are found without reading what is over, of which there
// may be millions.
static result fit_a_page(struct store *s, uint32_t destination, size_t max, bool *fit) {
    STATEMENT(q, s, OPEN_SOME);
    size_t n = 0;
    int code;
    sqlite3_bind_int64(q, 1, destination);
    sqlite3_bind_int64(q, 2, sqlite_limit(max < SIZE_MAX ? max + 1 : max));
    while ((code = sqlite3_step(q)) == SQLITE_ROW)
        n++;
    *fit = n <= max;
    return sqlite_failed(code);
}

// Walks the deliveries by number from the first open one: no index has them in this order, and
// sorting what is open for each page would take the square of its number.
static result walk_open(struct store *s, uint32_t destination, uint64_t after, size_t max,
                        struct arena *a, struct delivery_row **out, size_t *n) {
    if (after == 0) {
        STATEMENT(first, s, FIRST_OPEN);
        sqlite3_bind_int64(first, 1, destination);
        TRY(sqlite_do(first));
        after = (uint64_t)sqlite3_column_int64(first, 0) - 1;
    }
    STATEMENT(q, s, DELIVERIES_OPEN);
    sqlite3_bind_int64(q, 1, destination);
    sqlite3_bind_int64(q, 2, (int64_t)after);
    sqlite3_bind_int64(q, 3, sqlite_limit(max));
    return sqlite_all(q, &shape_delivery, a, (void **)out, n);
}

static int by_seq(const void *x, const void *y) {
    uint64_t a = ((const struct delivery_row *)x)->seq, b = ((const struct delivery_row *)y)->seq;
    return a < b ? -1 : a > b;
}

static result deliveries_open(struct store *s, uint32_t destination, uint64_t after, size_t max,
                              struct arena *a, struct delivery_row **out, size_t *n) {
    bool fit = false;
    *n = 0;
    TRY(fit_a_page(s, destination, max, &fit));
    if (!fit)
        return walk_open(s, destination, after, max, a, out, n);
    STATEMENT(q, s, OPEN_FEW);
    sqlite3_bind_int64(q, 1, destination);
    sqlite3_bind_int64(q, 2, (int64_t)after);
    TRY(sqlite_all(q, &shape_delivery, a, (void **)out, n));
    if (*n > 0)
        qsort(*out, *n, sizeof **out, by_seq);
    return OK;
}

static result attempt_insert(struct store *s, const struct attempt_row *row) {
    return sqlite_put(s, ATTEMPT_INSERT, &shape_attempt, row);
}

static result listen_attempt_insert(struct store *s, const struct listen_attempt_row *row) {
    return sqlite_put(s, LISTEN_ATTEMPT_INSERT, &shape_listen_attempt, row);
}

static result listen_attempt_last(struct store *s, uint64_t event_seq, uint32_t *number) {
    STATEMENT(q, s, LISTEN_ATTEMPT_LAST);
    sqlite3_bind_int64(q, 1, (int64_t)event_seq);
    TRY(sqlite_do(q));
    *number = (uint32_t)sqlite3_column_int64(q, 0);
    return OK;
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

// What is due at a destination, as it is walked: the next one of each priority.
struct due_walk {
    sqlite3_stmt *q[PRIORITIES];
    bool waits[PRIORITIES]; // there is a next one
    int64_t seq[PRIORITIES];
};

static void due_walk_done(struct due_walk *w) {
    for (int p = 0; p < PRIORITIES; p++)
        sqlite_done(&w->q[p]);
}

static result walk_on(struct due_walk *w, enum priority p,
                      bool (*skip)(void *ctx, uint64_t delivery), void *ctx) {
    int code;
    do {
        code = sqlite3_step(w->q[p]);
        w->waits[p] = code == SQLITE_ROW;
        w->seq[p] = w->waits[p] ? sqlite3_column_int64(w->q[p], 0) : 0;
    } while (w->waits[p] && skip != NULL && skip(ctx, (uint64_t)w->seq[p]));
    return sqlite_failed(code);
}

static result due(struct store *s, uint32_t destination, int64_t now_ms, size_t max,
                  size_t max_bytes, bool (*skip)(void *ctx, uint64_t delivery), void *ctx,
                  struct priority_turns *turns, struct arena *a, struct due_row **out, size_t *n) {
    OWN(heap_drop_rows)
    struct due_row *rows = NULL;
    OWN(due_walk_done)
    struct due_walk w = {0};
    size_t count = 0, cap = 0;
    *n = 0;
    *out = NULL;
    for (int p = 0; p < PRIORITIES; p++) {
        w.q[p] = sqlite_store_of(s)->prepared[DUE_NORMAL + p];
        sqlite3_bind_int64(w.q[p], 1, destination);
        sqlite3_bind_int64(w.q[p], 2, now_ms);
        TRY(walk_on(&w, (enum priority)p, skip, ctx));
    }
    while (count < max &&
           (w.waits[PRIORITY_HIGH] || w.waits[PRIORITY_NORMAL] || w.waits[PRIORITY_LOW])) {
        struct priority_turns after = *turns;
        enum priority p = priority_turn(&after, w.waits);
        if (count == cap) {
            cap = cap > 0 ? cap * 2 : 16;
            rows = memory_grow(rows, cap, sizeof *rows);
        }
        bool fits = true;
        TRY(due_row(s, w.seq[p], a, &rows[count], &max_bytes, count == 0, &fits));
        if (!fits)
            break;
        *turns = after;
        count++;
        TRY(walk_on(&w, p, skip, ctx));
    }
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
    *out = INT64_MAX;
    for (int p = 0; p < PRIORITIES; p++) {
        STATEMENT(q, s, NEXT_DUE);
        int code;
        sqlite3_bind_int64(q, 1, destination);
        sqlite3_bind_int64(q, 2, p);
        do
            code = sqlite3_step(q);
        while (code == SQLITE_ROW && skip != NULL &&
               skip(ctx, (uint64_t)sqlite3_column_int64(q, 0)));
        TRY(sqlite_failed(code));
        if (code == SQLITE_ROW && sqlite3_column_int64(q, 1) < *out)
            *out = sqlite3_column_int64(q, 1);
    }
    return OK;
}

static result destination_find(struct store *s, bytes name, struct arena *a,
                               struct destination_row *out) {
    STATEMENT(q, s, DESTINATION_FIND);
    sqlite_bind_bytes(q, 1, name);
    return sqlite_one(q, &shape_destination, a, out);
}

static result destination_put(struct store *s, const struct destination_row *row) {
    return sqlite_put(s, DESTINATION_PUT, &shape_destination, row);
}

static result destinations(struct store *s, struct arena *a, struct destination_row **out,
                           size_t *n) {
    STATEMENT(q, s, DESTINATIONS);
    return sqlite_all(q, &shape_destination, a, (void **)out, n);
}

static result endpoint_put(struct store *s, const struct endpoint_row *row) {
    return sqlite_put(s, ENDPOINT_PUT, &shape_endpoint, row);
}

static result endpoints(struct store *s, struct arena *a, struct endpoint_row **out, size_t *n) {
    STATEMENT(q, s, ENDPOINTS);
    return sqlite_all(q, &shape_endpoint, a, (void **)out, n);
}

static result suspense_put(struct store *s, const struct suspense_row *row) {
    return sqlite_put(s, SUSPENSE_PUT, &shape_suspense, row);
}

static result suspense_get(struct store *s, uint64_t position, struct arena *a,
                           struct suspense_row *out) {
    return sqlite_get(s, SUSPENSE_GET, position, &shape_suspense, a, out);
}

static result key_put(struct store *s, const struct key_row *row) {
    return sqlite_put(s, KEY_PUT, &shape_key, row);
}

static result key_get(struct store *s, bytes id, struct arena *a, struct key_row *out) {
    STATEMENT(q, s, KEY_GET);
    sqlite_bind_bytes(q, 1, id);
    return sqlite_one(q, &shape_key, a, out);
}

static result answer_put(struct store *s, const struct answer_row *row) {
    return sqlite_put(s, ANSWER_PUT, &shape_answer, row);
}

static result answer_get(struct store *s, uint64_t position, struct arena *a,
                         struct answer_row *out) {
    return sqlite_get(s, ANSWER_GET, position, &shape_answer, a, out);
}

static result answer_find(struct store *s, bytes idempotency_key, struct arena *a,
                          struct answer_row *out) {
    STATEMENT(q, s, ANSWER_FIND);
    sqlite_bind_bytes(q, 1, idempotency_key);
    return sqlite_one(q, &shape_answer, a, out);
}

static result answers_drop(struct store *s, int64_t before_ms, size_t max) {
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    STATEMENT(q, s, ANSWERS_DROP);
    sqlite3_bind_int64(q, 1, before_ms);
    sqlite3_bind_int64(q, 2, (int64_t)max);
    return sqlite_do(q);
}

static result sighting_add(struct store *s, const struct sighting_row *more) {
    TRY(sqlite_put(s, SIGHTING_ADD, &shape_sighting, more));
    NEED(sqlite3_changes(sqlite_store_of(s)->file.db) > 0, ABSENT, "this was not seen before");
    return OK;
}

static result sighting_insert(struct store *s, const struct sighting_row *row) {
    return sqlite_put(s, SIGHTING_INSERT, &shape_sighting, row);
}

static result sighting_count(struct store *s, enum sighting kind, uint64_t *out) {
    STATEMENT(q, s, SIGHTING_COUNT);
    sqlite3_bind_int64(q, 1, kind);
    TRY(sqlite_do(q));
    *out = (uint64_t)sqlite3_column_int64(q, 0);
    return OK;
}

static result dump(struct store *s, struct text *out) {
    return sqlite_dump(sqlite_store_of(s)->file.db, out);
}

static const char *message(struct store *s) {
    sqlite3 *db = sqlite_store_of(s)->file.db;
    return sqlite3_errcode(db) == SQLITE_OK ? "" : sqlite3_errmsg(db);
}

static void close_sqlite(struct store *s) {
    if (s == NULL)
        return;
    rollback(s);
    sqlite_block_drop(sqlite_store_of(s));
    for (unsigned i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(sqlite_store_of(s)->prepared[i]);
    sqlite_tables_forget(sqlite_store_of(s));
    ledger_file_close(&sqlite_store_of(s)->file);
    free(sqlite_store_of(s)->path);
    free(sqlite_store_of(s));
}

static const struct store operations = {
    .begin = begin,
    .commit = commit,
    .catch_up = catch_up,
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
    .listen_attempt_insert = listen_attempt_insert,
    .listen_attempt_last = listen_attempt_last,
    .due = due,
    .next_due = next_due,
    .destination_find = destination_find,
    .destination_put = destination_put,
    .destinations = destinations,
    .endpoint_put = endpoint_put,
    .endpoints = endpoints,
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

sqlite3 *store_sqlite_db(struct store *s) { return sqlite_store_of(s)->file.db; }

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
    sqlite_site_operations(&m->store);
    sqlite_lane_operations(&m->store);
    sqlite_table_operations(&m->store);
    sqlite_rebuild_operations(&m->store);
    m->path = bytes_strdup(bytes_of(o->path));
    m->options = *o;
    m->options.path = m->path;
    m->migrations = migrations;
    m->migration_count = n;
    m->block.number = -1;
    failed = prepare(m, why);
    if (failed == OK)
        *out = &m->store;
    else
        close_sqlite(&m->store);
    return failed;
}

bool store_sqlite_waits(struct store *s) { return sqlite_store_of(s)->file.waits; }

result store_sqlite_migrate(struct store *s, const atomic_bool *stop, struct text *why) {
    struct sqlite_store *m = sqlite_store_of(s);
    ensure(m->file.waits);
    TRY(ledger_migrate(&m->options, m->migrations, m->migration_count, m->file.db, stop, why));
    m->file.waits = false;
    return prepare(m, why);
}

result store_sqlite(const struct sqlite_options *o, struct store **out, struct text *why) {
    return store_sqlite_with(o, ledger_migrations, ledger_migration_count, out, why);
}
