// SPDX-License-Identifier: MIT
#include "ledger/sqlite_internal.h"

#include <string.h>

#include "base/ensure.h"

result sqlite_failed(int code) {
    if (code == SQLITE_IOERR_NOMEM)
        FAIL(MEMORY, "SQLite has no memory");
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return OK;
    case SQLITE_FULL: FAIL(FULL, "the ledger's disk is full");
    case SQLITE_IOERR: FAIL(IO, "the ledger cannot be read, written or synced");
    case SQLITE_CANTOPEN: FAIL(IO, "the ledger cannot be opened");
    case SQLITE_READONLY: FAIL(IO, "the ledger cannot be written");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: FAIL(BUSY, "another program holds the ledger");
    case SQLITE_NOMEM: FAIL(MEMORY, "SQLite has no memory");
    case SQLITE_CORRUPT: FAIL(CORRUPT, "the ledger's file is damaged");
    case SQLITE_NOTADB: FAIL(CORRUPT, "the ledger's file is no SQLite database");
    case SQLITE_INTERRUPT: FAIL(TIMEOUT, "the query took too long");
    case SQLITE_PERM:
    case SQLITE_AUTH: FAIL(REFUSED, "the system does not permit to use the ledger");
    case SQLITE_TOOBIG: FAIL(INVALID, "a text is larger than the ledger keeps");
    case SQLITE_MISMATCH: FAIL(INVALID, "a value is of another type than the ledger keeps");
    case SQLITE_CONSTRAINT: break;
    default: FAIL(SYSTEM, "SQLite failed");
    }
    if (code == SQLITE_CONSTRAINT_PRIMARYKEY || code == SQLITE_CONSTRAINT_UNIQUE ||
        code == SQLITE_CONSTRAINT_ROWID)
        FAIL(EXISTS, "such a row is in the ledger already");
    FAIL(INVALID, "the ledger does not keep such a row");
}

result sqlite_run(sqlite3 *db, const char *sql) {
    return sqlite_failed(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

void sqlite_statement_drop(sqlite3_stmt **s) {
    sqlite3_finalize(*s);
    *s = NULL;
}

result sqlite_number(sqlite3 *db, const char *sql, int64_t *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *s = NULL;
    TRY(sqlite_failed(sqlite3_prepare_v2(db, sql, -1, &s, NULL)));
    int code = sqlite3_step(s);
    TRY(sqlite_failed(code));
    NEED(code == SQLITE_ROW, ABSENT, "there is no such row");
    *out = sqlite3_column_int64(s, 0);
    return OK;
}

static const struct shape *shape_named(bytes name) {
    static const struct shape *const shapes[] = {
        &shape_state,    &shape_plan,    &shape_event,          &shape_receipt,     &shape_body,
        &shape_delivery, &shape_attempt, &shape_listen_attempt, &shape_destination, &shape_suspense,
        &shape_key,      &shape_answer,  &shape_site,           &shape_object,      &shape_link,
        &shape_sighting, &shape_rebuild, &shape_endpoint,       &shape_lane};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        if (bytes_equal(bytes_of(shapes[i]->table), name))
            return shapes[i];
    unreachable_code();
}

static void add_rows(struct text *t, const struct shape *s) {
    for (size_t i = 0; i < SQLITE_ROWS_AT_ONCE * s->n; i++)
        text_addf(t, "%s?%zu%s",
                  i % s->n > 0 ? ","
                  : i > 0      ? ",("
                               : "(",
                  i + 1, i % s->n == s->n - 1 ? ")" : "");
}

static void add_columns(struct text *t, bytes name, char how) {
    const struct shape *s = shape_named(name);
    if (how == '*') {
        add_rows(t, s);
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        const char *column = s->fields[i].name;
        text_adds(t, i > 0 ? "," : "");
        if (how == '?')
            text_addf(t, "?%zu", i + 1);
        else if (how == '=')
            text_addf(t, "%s=excluded.%s", column, column);
        else
            text_addf(t, "%s%s%s", how == ',' ? "" : s->table, how == ',' ? "" : ".", column);
    }
}

result sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out) {
    OWN(text_drop)
    struct text whole = {0};
    for (bytes rest = bytes_of(sql); rest.n > 0;) {
        text_add(&whole, bytes_cut(&rest, '{'));
        if (rest.n == 0)
            break;
        bytes name = bytes_cut(&rest, '}');
        char how = (char)name.p[name.n - 1];
        bool marked = how == '?' || how == '=' || how == ',' || how == '*';
        add_columns(&whole, bytes_slice(name, 0, marked ? name.n - 1 : name.n), how);
    }
    ensure(!whole.failed);
    return sqlite_failed(sqlite3_prepare_v3(db, text_str(&whole), (int)whole.n + 1,
                                            SQLITE_PREPARE_PERSISTENT, out, NULL));
}

void sqlite_bind_bytes(sqlite3_stmt *s, int at, bytes b) {
    sqlite3_bind_text64(s, at, b.n > 0 ? (const char *)b.p : "", b.n, SQLITE_STATIC, SQLITE_UTF8);
}

void sqlite_bind_row(sqlite3_stmt *s, const struct shape *shape, const void *row) {
    sqlite_bind_row_at(s, 0, shape, row);
}

void sqlite_bind_row_at(sqlite3_stmt *s, int before, const struct shape *shape, const void *row) {
    for (size_t i = 0; i < shape->n; i++) {
        const struct field *f = &shape->fields[i];
        int at = before + (int)i + 1;
        if (field_is_number(f)) {
            sqlite3_bind_int64(s, at, field_number(f, row));
        } else if (f->type == FIELD_BYTES) {
            sqlite_bind_bytes(s, at, field_bytes(f, row));
        } else {
            bytes b = field_bytes(f, row);
            sqlite3_bind_blob64(s, at, b.n > 0 ? (const void *)b.p : "", b.n, SQLITE_STATIC);
        }
    }
}

bytes sqlite_bytes(sqlite3_stmt *s, int column) {
    const void *p = sqlite3_column_blob(s, column);
    return bytes_from(p, (size_t)sqlite3_column_bytes(s, column));
}

result sqlite_row(sqlite3_stmt *s, int column, const struct shape *shape, struct arena *a,
                  void *out) {
    memset(out, 0, shape->size);
    for (size_t i = 0; i < shape->n; i++, column++) {
        const struct field *f = &shape->fields[i];
        if (field_is_number(f)) {
            field_set_number(f, out, sqlite3_column_int64(s, column));
            continue;
        }
        bytes b = sqlite_bytes(s, column);
        if (f->type == FIELD_BYTES || f->type == FIELD_BINARY) {
            bytes copy = arena_copy(a, b);
            NEED(b.n == 0 || copy.p != NULL, MEMORY,
                 "a row is larger than the arena it was asked into");
            b = copy;
        }
        TRY(field_set_bytes(f, out, b));
    }
    return OK;
}
