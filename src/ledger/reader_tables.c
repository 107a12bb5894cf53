// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ledger/reader_internal.h"
#include "ledger/sqlite_tables.h"

#define DEAD_LOOKED 10000 // newest dead deliveries that are told by table

// Dead deliveries about a table's objects, and the newest of them.
struct dead {
    uint64_t count;
    int64_t newest;
};

struct tables_reading {
    struct reader *reader;
    struct text *out;
    struct plan *plan;
    int64_t destination; // its number; 0: there is none
    struct dead *dead;   // by object_tables
};

static void reading_drop(struct tables_reading *t) {
    plan_free(t->plan);
    free(t->dead);
}

// Columns of a row as an object; null: there is no row.
static void add_columns(struct tables_reading *t, sqlite3_stmt *row, int first, int end) {
    if (row == NULL) {
        text_adds(t->out, "null");
        return;
    }
    text_addc(t->out, '{');
    reader_row(row, first, end, t->out);
    text_addc(t->out, '}');
}

static result add_destination(struct tables_reading *t) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    int64_t generation = 0;
    TRY(sqlite_number(t->reader->db, "SELECT ifnull(max(generation), 0) FROM state", &generation));
    TRY(reader_plan_read(t->reader, generation, &t->plan));
    const struct plan_destination *d = t->plan == NULL ? NULL : plan_tables(t->plan);
    text_adds(t->out, "{\"destination\":");
    if (d != NULL) {
        TRY(reader_prepare(t->reader, "SELECT number, name, held FROM destination WHERE name = ?1",
                           &q));
        sqlite_bind_bytes(q, 1, d->name);
        TRY(reader_step(q, &row));
    }
    if (row)
        t->destination = sqlite3_column_int64(q, 0);
    add_columns(t, row ? q : NULL, 1, 3);
    return OK;
}

// What it is owed and was not applied yet.
static result add_lag(struct tables_reading *t) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(t->reader,
                       "SELECT n AS events, (SELECT created_at FROM delivery WHERE seq = first) AS"
                       " since FROM (SELECT count(*) AS n, min(seq) AS first FROM delivery INDEXED"
                       " BY delivery_due WHERE destination = ?1 AND state IN (0, 2))",
                       &q));
    sqlite3_bind_int64(q, 1, t->destination);
    TRY(reader_step(q, &row));
    text_adds(t->out, ",\"lag\":{");
    reader_row(q, 0, 2, t->out);
    text_addc(t->out, '}');
    return OK;
}

static result add_rebuild(struct tables_reading *t) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(
        t->reader,
        "SELECT tables, reads, swapped, after, began_at, (SELECT booked FROM state) AS"
        " last FROM rebuild",
        &q));
    TRY(reader_step(q, &row));
    text_adds(t->out, ",\"rebuild\":");
    add_columns(t, row ? q : NULL, 0, 6);
    return OK;
}

static result count_dead(struct tables_reading *t) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(
        t->reader,
        "SELECT d.seq, (SELECT object_type FROM event WHERE seq = d.event_seq) FROM"
        " delivery AS d INDEXED BY delivery_given_up WHERE destination = ?1 AND state"
        " = 4 AND state >= 4 ORDER BY d.seq DESC LIMIT ?2",
        &q));
    sqlite3_bind_int64(q, 1, t->destination);
    sqlite3_bind_int64(q, 2, DEAD_LOOKED);
    for (bool row = false;;) {
        TRY(reader_step(q, &row));
        if (!row)
            return OK;
        struct dead *d = &t->dead[object_table_index(object_table_of(sqlite_bytes(q, 1)))];
        if (d->count++ == 0)
            d->newest = sqlite3_column_int64(q, 0);
    }
}

// 0 of all where there is no such table yet.
static result count_rows(struct tables_reading *t, const struct object_table *table,
                         int64_t counts[4]) {
    OWN(text_drop)
    struct text name = {0};
    OWN(text_drop)
    struct text sql = {0};
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    memset(counts, 0, 4 * sizeof *counts);
    table_name(table, false, &name);
    text_addf(&sql, "SELECT (SELECT count(*) FROM %s)", text_str(&name));
    if (table->parent == NULL)
        text_addf(&sql,
                  ", (SELECT count(*) FROM %s WHERE deleted), (SELECT count(*) FROM %s WHERE"
                  " undecided), (SELECT count(*) FROM %s WHERE incomplete)",
                  text_str(&name), text_str(&name), text_str(&name));
    int code = sqlite3_prepare_v2(t->reader->db, text_str(&sql), -1, &q, NULL);
    if (code == SQLITE_ERROR)
        return OK;
    TRY(sqlite_failed(code));
    TRY(reader_step(q, &row));
    for (int i = 0; i < sqlite3_column_count(q); i++)
        counts[i] = sqlite3_column_int64(q, i);
    return OK;
}

// When an event about its objects was applied last, and of which second the latest was.
static result add_last(struct tables_reading *t, const struct object_table *table) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(
        t->reader,
        "SELECT nullif(max(created), 0) AS last_created, max(last_at) AS last_at FROM"
        " sighting WHERE kind = ?1 AND what = ?2",
        &q));
    sqlite3_bind_int64(q, 1, SIGHTING_TABLE);
    sqlite_bind_bytes(q, 2, bytes_of(table->name));
    TRY(reader_step(q, &row));
    text_addc(t->out, ',');
    reader_row(q, 0, 2, t->out);
    return OK;
}

static result add_table(struct tables_reading *t, const struct object_table *table, bool *first) {
    int64_t counts[4];
    const struct dead *dead = &t->dead[object_table_index(table)];
    TRY(count_rows(t, table, counts));
    if (counts[0] == 0 && dead->count == 0)
        return OK;
    text_addf(t->out, "%s{\"table\":\"%s\",\"rows\":%lld", *first ? "" : ",", table->name,
              (long long)counts[0]);
    *first = false;
    if (table->parent == NULL) {
        text_addf(t->out, ",\"deleted\":%lld,\"undecided\":%lld,\"incomplete\":%lld",
                  (long long)counts[1], (long long)counts[2], (long long)counts[3]);
        TRY(add_last(t, table));
        text_addf(t->out, ",\"errors\":%llu", (unsigned long long)dead->count);
    }
    text_addc(t->out, '}');
    return OK;
}

static result add_errors(struct tables_reading *t) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool first = true, row = false;
    TRY(reader_prepare(t->reader,
                       "SELECT d.seq AS delivery, d.ended_at AS ended_at, e.id AS event, e.type AS"
                       " type, d.last_error AS why FROM delivery AS d JOIN event AS e ON e.seq ="
                       " d.event_seq WHERE d.seq = ?1",
                       &q));
    text_adds(t->out, ",\"errors\":[");
    for (size_t i = 0; i < object_table_count; i++) {
        if (t->dead[i].count == 0)
            continue;
        sqlite3_reset(q);
        sqlite3_bind_int64(q, 1, t->dead[i].newest);
        TRY(reader_step(q, &row));
        NEED(row, CORRUPT, "a delivery has no event");
        text_addf(t->out, "%s{\"table\":\"%s\",\"errors\":%llu,", first ? "" : ",",
                  object_tables[i].name, (unsigned long long)t->dead[i].count);
        reader_row(q, 0, 5, t->out);
        text_addc(t->out, '}');
        first = false;
    }
    text_addc(t->out, ']');
    return OK;
}

static result read_tables(struct tables_reading *t) {
    bool first = true;
    TRY(add_destination(t));
    TRY(add_lag(t));
    TRY(add_rebuild(t));
    TRY(count_dead(t));
    text_adds(t->out, ",\"data\":[");
    for (size_t i = 0; i < object_table_count; i++)
        TRY(add_table(t, &object_tables[i], &first));
    text_addc(t->out, ']');
    TRY(add_errors(t));
    text_addc(t->out, '}');
    return reader_said(t->out);
}

result reader_tables(struct reader *r, struct text *out) {
    OWN(reading_drop)
    struct tables_reading t = {.reader = r, .out = out};
    t.dead = NEW_ARRAY(struct dead, object_table_count);
    TRY(reader_begin(r, false));
    result failed = read_tables(&t);
    reader_end(r);
    return failed;
}
