// SPDX-License-Identifier: MIT
// What the files of the SQLite store share: store_sqlite.c, store_sqlite_site.c,
// store_sqlite_tables.c, store_sqlite_rebuild.c.
#ifndef LEDGER_STORE_SQLITE_INTERNAL_H
#define LEDGER_STORE_SQLITE_INTERNAL_H

#include "base/ensure.h"
#include "base/list.h"
#include "base/map.h"
#include "ledger/sqlite_links.h"
#include "ledger/sqlite_statements.h"
#include "ledger/sqlite_tables.h"

struct table_statements {
    sqlite3_stmt *kept[TABLE_STATEMENTS];
};

// What lies in the block of positions that is being filled: rows of event_block and event_whose
// once it is full. One too many costs a list a look in vain.
struct type_block {
    int64_t number;         // -1: not known
    struct map types[2][2]; // by livemode and thin: lowest and highest `created` of each
    struct map whose[2];    // by livemode: accounts, and owners of events without one
    bool written;           // rows, in this transaction
};

struct sqlite_store {
    struct store store;
    struct ledger_file file;
    sqlite3_stmt *prepared[STATEMENTS];
    bool begun, marked;
    bool reads_widely; // its cache is large
    struct links links;
    size_t links_at_mark;
    struct type_block block;
    struct table_statements *tables; // by number of the table, that beside it behind it; null: none
    struct table_columns columns;    // scratch
    // While migrations wait:
    char *path;
    struct sqlite_options options;
    const struct migration *migrations;
    size_t migration_count;
};

static inline struct sqlite_store *sqlite_store_of(struct store *s) {
    return CONTAINER(s, struct sqlite_store, store);
}

static inline void sqlite_done(sqlite3_stmt **s) {
    if (*s != NULL)
        sqlite3_reset(*s);
}

// A kept statement, ready to be bound; reset when it goes out of scope.
#define STATEMENT(name_, store_, id_)                                                              \
    OWN(sqlite_done)                                                                               \
    sqlite3_stmt *name_ = sqlite_store_of(store_)->prepared[id_]

// A write outside of the transaction, because SQLite ended it by itself after a failure, would be
// kept alone: IO then.
must result sqlite_in_transaction(struct sqlite_store *m);
must result sqlite_do(sqlite3_stmt *s); // a step
must result sqlite_run_kept(struct store *s, enum statement id);
must result sqlite_put(struct store *s, enum statement id, const struct shape *shape,
                       const void *row);
// The one row of a statement that is bound, all of them, or that of a number. ABSENT.
must result sqlite_one(sqlite3_stmt *q, const struct shape *shape, struct arena *a, void *out);
must result sqlite_all(sqlite3_stmt *q, const struct shape *shape, struct arena *a, void **out,
                       size_t *n);
must result sqlite_get(struct store *s, enum statement id, uint64_t key, const struct shape *shape,
                       struct arena *a, void *out);
static inline int64_t sqlite_limit(size_t max) {
    return max < INT64_MAX ? (int64_t)max : INT64_MAX;
}

// store_sqlite_blocks.c: notes of an event that was inserted in which block it lies; forgets what
// it may have written in vain; forgets all.
must result sqlite_block_note(struct store *s, const struct event_row *row);
void sqlite_block_undone(struct sqlite_store *m);
void sqlite_block_drop(struct sqlite_store *m);
// store_sqlite_site.c: writes the links of the transaction, and sets its operations.
must result sqlite_links_write(struct store *s);
void sqlite_site_operations(struct store *s);
// store_sqlite_tables.c: finalizes its statements; sets its operations.
void sqlite_tables_forget(struct sqlite_store *m);
// Those alone of the tables beside, which may be no more.
void sqlite_beside_forget(struct sqlite_store *m);
void sqlite_table_operations(struct store *s);
// store_sqlite_rebuild.c
void sqlite_rebuild_operations(struct store *s);
void sqlite_lane_operations(struct store *s); // store_sqlite_lanes.c
// store_sqlite_site.c: the numbers of a statement's first column, behind ?1 and at most ?2.
must result sqlite_numbers(sqlite3_stmt *q, uint64_t after, size_t max, struct arena *a,
                           uint64_t **out, size_t *n);

#endif
