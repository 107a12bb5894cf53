// SPDX-License-Identifier: MIT
// How the tables of Stripe's objects (stripe/objects.h) lie in SQLite: one each, stripe_<name>, and
// while a rebuild fills it another one beside it. Which columns a table was made with is known by a
// digest in `object_table`, so a program with other columns finds out when it opens the ledger, and
// brings it to its own: columns are added, never taken away, and filled anew from `data`; objects
// whose type has got a table of its own move there; rows of lists are made anew. No numbered
// migration: what stands in the tables follows from what is kept in them. Private to the store.
#ifndef LEDGER_SQLITE_TABLES_H
#define LEDGER_SQLITE_TABLES_H

#include "ledger/sqlite_internal.h"
#include "stripe/objects.h"

enum table_statement {
    TABLE_GET,    // by id, account, livemode, owner
    TABLE_INSERT, // or replace
    TABLE_UPDATE, // by number
    TABLE_NOTE,   // versions and undecided, by number
    TABLE_FILL,   // the columns of objects.def alone, by number
    LIST_CLEAR,   // the members of an object, by its id, account, livemode, owner
    LIST_ADD,
    TABLE_STATEMENTS
};

// MISMATCH: there is no such table, or not with these columns.
must result table_prepare(sqlite3 *db, const struct object_table *t, bool shadow,
                          enum table_statement which, sqlite3_stmt **out);
// The failure that a code means where a statement is about tables that users may have changed.
must result table_failed(int code);
void table_name(const struct object_table *t, bool shadow, struct text *out); // quoted

// What the values of a row are made in; must live until the statement is reset.
struct table_columns {
    struct column_value *values;
    size_t cap;
    struct text scratch, data;
};
void table_columns_drop(struct table_columns *c); // usable with OWN; zero-initialised is valid
// INVALID, here and below: larger than a row may be. For TABLE_INSERT and TABLE_UPDATE, this one
// without the row's number; `object` is row->data.
must result table_bind_row(sqlite3_stmt *q, const struct table_row *row, json object,
                           struct table_columns *c);
int table_row_number_at(const struct object_table *t); // its parameter in TABLE_UPDATE
// For TABLE_FILL.
must result table_bind_fill(sqlite3_stmt *q, const struct object_table *t, int64_t number,
                            json object, struct table_columns *c);
// Carry LIST_CLEAR out, and LIST_ADD for each member with an id. They reset the statement.
must result table_list_clear(sqlite3_stmt *q, const struct table_key *key);
must result table_list_add(sqlite3_stmt *q, const struct object_table *list,
                           const struct table_key *key, json object, struct table_columns *c);

// Are there tables, but not as this program makes them?
must result tables_outdated(sqlite3 *db, bool *out);
// Brings them there, a transaction each. `stop`, may be null: once it is true, TIMEOUT, and the
// next try goes on.
must result tables_grow(sqlite3 *db, const atomic_bool *stop);
// The same inside a transaction; those that are missing are made. SYSTEM: users' changes are in
// the way.
must result tables_make(sqlite3 *db);
bool table_is_beside(sqlite3 *db, const struct object_table *t);
// A table beside this one, empty, unless it is there. Inside a transaction, as what follows.
must result table_make_beside(sqlite3 *db, const struct object_table *t);
// Exchanges tables and those of their lists with those beside them; what was not made is empty.
// The indexes and triggers that users have put on them are made again.
must result tables_exchange(sqlite3 *db, const struct object_table *const *tables, size_t n);
// Takes the first objects, at most max, out of those beside; drops these when none is left.
must result table_clear_beside(sqlite3 *db, const struct object_table *t, size_t max, size_t *n);

// As store.dump, of all tables.
must result tables_dump(sqlite3 *db, struct text *out);

#endif
