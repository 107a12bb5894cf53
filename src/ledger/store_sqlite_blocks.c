// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/memory.h"
#include "ledger/store_sqlite_internal.h"

struct span {
    int64_t min, max;
};

static void forget_types(struct type_block *b) {
    for (int livemode = 0; livemode < 2; livemode++) {
        size_t at = 0;
        bytes type;
        void *span;
        while (map_next(&b->types[livemode], &at, &type, &span))
            free(span);
        map_drop(&b->types[livemode]);
        b->types[livemode] = (struct map){0};
    }
}

void sqlite_block_drop(struct sqlite_store *m) {
    forget_types(&m->block);
    m->block.number = -1;
}

void sqlite_block_undone(struct sqlite_store *m) {
    if (m->block.written)
        sqlite_block_drop(m);
    m->block.written = false;
}

static result put(struct store *s, int64_t block, bool livemode, bytes type, struct span created) {
    STATEMENT(q, s, BLOCK_PUT);
    sqlite3_bind_int64(q, 1, block);
    sqlite3_bind_int(q, 2, livemode);
    sqlite_bind_bytes(q, 3, type);
    sqlite3_bind_int64(q, 4, created.min);
    sqlite3_bind_int64(q, 5, created.max);
    return sqlite_do(q);
}

static result write_out(struct store *s, struct type_block *b) {
    b->written = true;
    for (int livemode = 0; livemode < 2; livemode++) {
        size_t at = 0;
        bytes type;
        void *span;
        while (map_next(&b->types[livemode], &at, &type, &span))
            TRY(put(s, b->number, livemode, type, *(const struct span *)span));
    }
    forget_types(b);
    return OK;
}

// Booking goes by position but for suspended records, so the block before has all but those.
static result add(struct store *s, int64_t block, bool livemode, bytes type, int64_t created) {
    struct type_block *b = &sqlite_store_of(s)->block;
    if (block > b->number)
        TRY(write_out(s, b));
    b->number = block;
    struct span *span = map_get(&b->types[livemode], type);
    if (span == NULL) {
        span = NEW(struct span);
        *span = (struct span){created, created};
        map_put(&b->types[livemode], type, span);
    }
    span->min = created < span->min ? created : span->min;
    span->max = created > span->max ? created : span->max;
    return OK;
}

static result read_again(struct store *s) {
    STATEMENT(open, s, BLOCK_OPEN);
    int code = sqlite3_step(open);
    TRY(sqlite_failed(code));
    STATEMENT(q, s, BLOCK_EVENTS);
    sqlite_store_of(s)->block.number = sqlite3_column_int64(open, 0);
    sqlite3_bind_int64(q, 1, sqlite_store_of(s)->block.number);
    while ((code = sqlite3_step(q)) == SQLITE_ROW)
        TRY(add(s, sqlite3_column_int64(q, 0), sqlite3_column_int(q, 1) != 0, sqlite_bytes(q, 2),
                sqlite3_column_int64(q, 3)));
    return sqlite_failed(code);
}

result sqlite_block_note(struct store *s, const struct event_row *row) {
    struct type_block *b = &sqlite_store_of(s)->block;
    int64_t block = (int64_t)row->seq >> EVENT_BLOCK_BITS;
    if (b->number < 0) { // after a start, or a failure; mostly it is the block at hand
        result failed = read_again(s);
        if (failed != OK)
            sqlite_block_drop(sqlite_store_of(s));
        TRY(failed);
    }
    if (block < b->number)
        return put(s, block, row->livemode, row->type, (struct span){row->created, row->created});
    return add(s, block, row->livemode, row->type, row->created);
}
