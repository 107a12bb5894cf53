// SPDX-License-Identifier: MIT
// What the files of the SQLite store share. Private to it and its tests.
#ifndef LEDGER_SQLITE_INTERNAL_H
#define LEDGER_SQLITE_INTERNAL_H

#include <sqlite3.h>
#include <stdatomic.h>

#include "ledger/rows.h"
#include "ledger/sqlite.h"

#define LEDGER_APPLICATION_ID 0x486b6b70 // "Hkkp"
#define LEDGER_PAGE_SIZE 16384
#define EVENT_BLOCK_BITS 12 // of positions, as event_object and event_block have them

struct migration {
    int version;
    const char *name, *sql;
};

extern const struct migration ledger_migrations[];
extern const size_t ledger_migration_count;
void migration_sha256(const struct migration *m, struct text *out); // 64 hex digits

// The failure that an SQLite result code means; OK for OK, ROW and DONE.
must result sqlite_failed(int code);
// One or more statements without parameters.
must result sqlite_run(sqlite3 *db, const char *sql);
// The first column of the first row of a statement, as a number; ABSENT if it has no row.
must result sqlite_number(sqlite3 *db, const char *sql, int64_t *out);
// {event} in `sql` becomes event.seq,event.id,…, {event,} seq,id,…, {event?} ?1,?2,…, and {event=}
// seq=excluded.seq,… and {event*} is (?1,?2,…),(…),… for SQLITE_ROWS_AT_ONCE rows.
#define SQLITE_ROWS_AT_ONCE 16
must result sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);
void sqlite_statement_drop(sqlite3_stmt **s); // usable with OWN

void sqlite_bind_bytes(sqlite3_stmt *s, int at, bytes b); // TEXT; must live until the reset
void sqlite_bind_row(sqlite3_stmt *s, const struct shape *shape, const void *row); // from ?1 on
void sqlite_bind_row_at(sqlite3_stmt *s, int before, const struct shape *shape, const void *row);
bytes sqlite_bytes(sqlite3_stmt *s, int column); // until the next step
// The row that begins at this column, its strings copied into the arena.
must result sqlite_row(sqlite3_stmt *s, int column, const struct shape *shape, struct arena *a,
                       void *out);

// As store.dump.
must result sqlite_dump(sqlite3 *db, struct text *out);

// After the commits of `db`, the writer, copies what stands in the WAL into the file at `path`: by
// itself once it is `little`, or by a thread with a connection of its own, so that the next commit
// need not wait: from `much` on, where a reader held that up, and from `little` on while booking
// catches up. The thread goes on until no more than `last` is left, which is the writer's. Where
// more comes than the thread copies the writer rests between its commits.
struct checkpoint_pages {
    int little, much, last;
};
struct checkpoint;
struct checkpoint *checkpoint_open(sqlite3 *db, const char *path,
                                   const struct checkpoint_pages *pages);
void checkpoint_catch_up(struct checkpoint *c, bool does); // as store.catch_up
void checkpoint_close(struct checkpoint *c); // before `db`; waits for the thread; null is allowed

struct file;

// A database that may be used as a ledger: locked, checked, migrated.
struct ledger_file {
    struct file *lock;
    sqlite3 *db;
    struct checkpoint *checkpoint;
    bool waits; // for ledger_migrate, as was asked for
};

// Brings it to the newest version. `stop`, may be null: once it is true, TIMEOUT, and the ledger is
// as it was before the migration under way.
must result ledger_migrate(const struct sqlite_options *o, const struct migration *migrations,
                           size_t n, sqlite3 *db, const atomic_bool *stop, struct text *why);
// As store_sqlite, with these migrations.
must result ledger_file_open(const struct sqlite_options *o, const struct migration *migrations,
                             size_t n, struct ledger_file *out, struct text *why);
void ledger_file_close(struct ledger_file *f);
// The name of the VFS (sqlite3_open_v2) with which the ledger is opened by who writes to the file
// itself. The first call is the main thread's.
const char *paced_files(void);
// For sqlite3_file_control, with a bool: whether who writes through this connection rests after
// each MiB as long as its sync took, since nobody waits for him.
#define PACED_RESTS 1000
// Takes PATH.lock; LOCKED.
must result ledger_lock(const char *path, struct file **out, struct text *why);
// Is it ours, of a version that these migrations know, and made by them? Changes nothing.
must result ledger_check(sqlite3 *db, const char *path, const struct migration *migrations,
                         size_t n, struct text *why);
// A consistent copy at `file`, readable to its user alone, synced, made at a pace that leaves the
// disk to others; EXISTS; TIMEOUT once `stop`, if not null, is set.
must result ledger_copy(sqlite3 *db, const char *file, const atomic_bool *stop, struct text *why);

must result store_sqlite_with(const struct sqlite_options *o, const struct migration *migrations,
                              size_t n, struct store **out, struct text *why);
sqlite3 *store_sqlite_db(struct store *s);

#endif
