// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/memory.h"
#include "ledger/store_sqlite_internal.h"

#define EVENT_MEMORY_MAX (1u << 20) // of a row

struct span {
    int64_t min, max;
};

static void forget(struct map *m) {
    size_t at = 0;
    bytes key;
    void *span;
    while (map_next(m, &at, &key, &span))
        free(span);
    map_drop(m);
    *m = (struct map){0};
}

static void forget_all(struct type_block *b) {
    for (int i = 0; i < 4; i++)
        forget(&b->types[i / 2][i % 2]);
    for (int i = 0; i < 2; i++) {
        map_drop(&b->whose[i]);
        b->whose[i] = (struct map){0};
    }
}

void sqlite_block_drop(struct sqlite_store *m) {
    forget_all(&m->block);
    m->block.number = -1;
}

void sqlite_block_undone(struct sqlite_store *m) {
    if (m->block.written)
        sqlite_block_drop(m);
    m->block.written = false;
}

static bytes whose(const struct event_row *row) {
    return row->account.n > 0 ? row->account : row->owner;
}

static result put_type(struct store *s, int64_t block, int livemode, int thin, bytes type,
                       struct span created) {
    STATEMENT(q, s, BLOCK_PUT);
    sqlite3_bind_int64(q, 1, block);
    sqlite3_bind_int(q, 2, livemode);
    sqlite3_bind_int(q, 3, thin);
    sqlite_bind_bytes(q, 4, type);
    sqlite3_bind_int64(q, 5, created.min);
    sqlite3_bind_int64(q, 6, created.max);
    return sqlite_do(q);
}

static result put_whose(struct store *s, int64_t block, int livemode, bytes name) {
    STATEMENT(q, s, WHOSE_PUT);
    sqlite3_bind_int64(q, 1, block);
    sqlite3_bind_int(q, 2, livemode);
    sqlite_bind_bytes(q, 3, name);
    return sqlite_do(q);
}

static result write_out(struct store *s, struct type_block *b) {
    bytes key;
    void *value;
    b->written = true;
    for (int i = 0; i < 4; i++)
        for (size_t at = 0; map_next(&b->types[i / 2][i % 2], &at, &key, &value);)
            TRY(put_type(s, b->number, i / 2, i % 2, key, *(const struct span *)value));
    for (int i = 0; i < 2; i++)
        for (size_t at = 0; map_next(&b->whose[i], &at, &key, &value);)
            TRY(put_whose(s, b->number, i, key));
    forget_all(b);
    return OK;
}

// Booking goes by position but for suspended records, so the block before has all but those.
static result add(struct store *s, int64_t block, const struct event_row *row) {
    struct type_block *b = &sqlite_store_of(s)->block;
    if (block > b->number)
        TRY(write_out(s, b));
    b->number = block;
    struct map *types = &b->types[row->livemode][row->thin], *of = &b->whose[row->livemode];
    if (map_get(of, whose(row)) == NULL)
        map_put(of, whose(row), b); // anything but null
    struct span *span = map_get(types, row->type);
    if (span == NULL) {
        span = NEW(struct span);
        *span = (struct span){row->created, row->created};
        map_put(types, row->type, span);
    }
    span->min = row->created < span->min ? row->created : span->min;
    span->max = row->created > span->max ? row->created : span->max;
    return OK;
}

static int64_t block_of(const struct event_row *row) {
    return (int64_t)row->seq >> EVENT_BLOCK_BITS;
}

static result read_again(struct store *s) {
    STATEMENT(open, s, BLOCK_OPEN);
    int code = sqlite3_step(open);
    TRY(sqlite_failed(code));
    STATEMENT(q, s, BLOCK_EVENTS);
    sqlite_store_of(s)->block.number = sqlite3_column_int64(open, 0);
    sqlite3_bind_int64(q, 1, sqlite_store_of(s)->block.number);
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, EVENT_MEMORY_MAX);
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        struct event_row row;
        arena_reset(&a);
        TRY(sqlite_row(q, 0, &shape_event, &a, &row));
        TRY(add(s, block_of(&row), &row));
    }
    return sqlite_failed(code);
}

result sqlite_block_note(struct store *s, const struct event_row *row) {
    struct type_block *b = &sqlite_store_of(s)->block;
    int64_t block = block_of(row);
    if (b->number < 0) { // after a start, or a failure; mostly it is the block at hand
        result failed = read_again(s);
        if (failed != OK)
            sqlite_block_drop(sqlite_store_of(s));
        TRY(failed);
    }
    if (block >= b->number)
        return add(s, block, row);
    struct span created = {row->created, row->created};
    TRY(put_whose(s, block, row->livemode, whose(row)));
    return put_type(s, block, row->livemode, row->thin, row->type, created);
}
