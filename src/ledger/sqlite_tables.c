// SPDX-License-Identifier: MIT
#include "ledger/sqlite_tables.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

result table_failed(int code) {
    if ((code & 0xff) == SQLITE_ERROR)
        FAIL(MISMATCH, "a table of Stripe's objects, or what users added to it, is not as it was "
                       "made");
    return sqlite_failed(code);
}

void table_name(const struct object_table *t, bool shadow, struct text *out) {
    text_addf(out, "\"stripe_%s%s\"", t->name, shadow ? " beside" : "");
}

// Columns as they are bound, those of the key first.
static const char *const row_keys[] = {"id", "account", "livemode", "owner"};
static const char *const row_firsts[] = {"created", "deleted"};
static const char *const row_lasts[] = {"event_id", "event_created", "undecided", "incomplete",
                                        "embedded", "versions",      "data"};
#define COUNT(list_) (sizeof(list_) / sizeof(list_)[0])
#define ROW_KEYS COUNT(row_keys)
#define ROW_FIRSTS COUNT(row_firsts)
#define ROW_LASTS COUNT(row_lasts)
#define LIST_FIRSTS 2 // the column of the object's id, and position

static size_t table_column_count(const struct object_table *t) {
    return ROW_KEYS + t->column_count +
           (t->parent != NULL ? LIST_FIRSTS + 1 : ROW_FIRSTS + ROW_LASTS);
}

// By number from 0, in the order in which they are bound.
static const char *column_named(const struct object_table *t, size_t i) {
    if (i < ROW_KEYS)
        return row_keys[i];
    i -= ROW_KEYS;
    if (t->parent != NULL && i < LIST_FIRSTS)
        return i == 0 ? t->parent_column : "position";
    if (t->parent == NULL && i < ROW_FIRSTS)
        return row_firsts[i];
    i -= t->parent != NULL ? LIST_FIRSTS : ROW_FIRSTS;
    if (i < t->column_count)
        return t->columns[i].name;
    return t->parent != NULL ? "data" : row_lasts[i - t->column_count];
}

static void add_names(const struct object_table *t, struct text *sql) {
    for (size_t i = 0; i < table_column_count(t); i++)
        text_addf(sql, "%s\"%s\"", i > 0 ? ", " : "", column_named(t, i));
}

// "name" = ?7, from one column to before another.
static void add_settings(const struct object_table *t, size_t from, size_t to, struct text *sql) {
    for (size_t i = from; i < to; i++)
        text_addf(sql, "%s\"%s\" = ?%zu", i > from ? ", " : "", column_named(t, i), i + 1);
}

static void add_insert(const struct object_table *t, struct text *sql) {
    text_adds(sql, " (");
    add_names(t, sql);
    text_adds(sql, ") VALUES (");
    for (size_t i = 0; i < table_column_count(t); i++)
        text_addf(sql, "%s?%zu", i > 0 ? ", " : "", i + 1);
    // What it is unique by; other rules are users' own, and refuse it.
    text_adds(sql, ") ON CONFLICT (id, account, livemode, owner");
    if (t->parent != NULL)
        text_addf(sql, ", \"%s\"", t->parent_column);
    text_adds(sql, ") DO ");
}

static void statement_sql(const struct object_table *t, const char *name,
                          enum table_statement which, struct text *sql) {
    size_t n = table_column_count(t);
    switch (which) {
    case TABLE_GET:
        text_addf(sql,
                  "SELECT rowid, deleted, undecided, incomplete, embedded, event_id, "
                  "event_created, versions FROM %s WHERE id = ?1 AND account = ?2 AND livemode = "
                  "?3 AND owner = ?4",
                  name);
        break;
    case TABLE_INSERT:
        text_addf(sql, "INSERT INTO %s", name);
        add_insert(t, sql);
        text_adds(sql, "UPDATE SET ");
        add_settings(t, ROW_KEYS, n, sql);
        break;
    case TABLE_UPDATE:
        text_addf(sql, "UPDATE %s SET ", name);
        add_settings(t, ROW_KEYS, n, sql);
        text_addf(sql, " WHERE rowid = ?%zu", n + 1);
        break;
    case TABLE_NOTE:
        text_addf(sql, "UPDATE %s SET versions = ?1, undecided = ?2 WHERE rowid = ?3", name);
        break;
    case TABLE_FILL:
        text_addf(sql, "UPDATE %s SET \"created\" = ?%zu%s", name, ROW_KEYS + 1,
                  t->column_count > 0 ? ", " : "");
        add_settings(t, ROW_KEYS + ROW_FIRSTS, n - ROW_LASTS, sql);
        text_addf(sql, " WHERE rowid = ?%zu", n + 1);
        break;
    case LIST_CLEAR:
        text_addf(sql,
                  "DELETE FROM %s WHERE \"%s\" = ?1 AND account = ?2 AND livemode = ?3 AND owner "
                  "= ?4",
                  name, t->parent_column);
        break;
    case LIST_ADD:
        text_addf(sql, "INSERT INTO %s", name);
        add_insert(t, sql);
        text_adds(sql, "NOTHING"); // who stands twice in a list is its first
        break;
    case TABLE_STATEMENTS: break;
    }
}

result table_prepare(sqlite3 *db, const struct object_table *t, bool shadow,
                     enum table_statement which, sqlite3_stmt **out) {
    OWN(text_drop)
    struct text name = {0}, sql = {0};
    table_name(t, shadow, &name);
    statement_sql(t, text_str(&name), which, &sql);
    text_drop(&name);
    return table_failed(sqlite3_prepare_v3(db, text_str(&sql), (int)sql.n + 1,
                                           SQLITE_PREPARE_PERSISTENT, out, NULL));
}

void table_columns_drop(struct table_columns *c) {
    free(c->values);
    text_drop(&c->scratch);
    text_drop(&c->data);
    *c = (struct table_columns){0};
}

static result bind_columns(sqlite3_stmt *q, int at, const struct object_table *t, json object,
                           struct table_columns *c) {
    if (c->cap < t->column_count) {
        c->cap = t->column_count;
        c->values = memory_grow(c->values, c->cap, sizeof *c->values);
    }
    text_reset(&c->scratch);
    object_columns(t, object, &c->scratch, c->values);
    NEED(!c->scratch.failed, INVALID, "the object is larger than a row may be");
    for (size_t i = 0; i < t->column_count; i++, at++) {
        const struct column_value *v = &c->values[i];
        if (v->kind == VALUE_TEXT)
            sqlite_bind_bytes(q, at, v->text);
        else if (v->kind == VALUE_INTEGER)
            sqlite3_bind_int64(q, at, v->integer);
        else
            sqlite3_bind_null(q, at);
    }
    return OK;
}

static void bind_created(sqlite3_stmt *q, int at, json object) {
    int64_t created = 0;
    if (json_i64(json_get(object, "created"), &created) == OK)
        sqlite3_bind_int64(q, at, created);
    else
        sqlite3_bind_null(q, at);
}

result table_bind_row(sqlite3_stmt *q, const struct table_row *row, json object,
                      struct table_columns *c) {
    int at = 0;
    sqlite_bind_bytes(q, ++at, row->key.id);
    sqlite_bind_bytes(q, ++at, row->key.account);
    sqlite3_bind_int64(q, ++at, row->key.livemode);
    sqlite_bind_bytes(q, ++at, row->key.owner);
    bind_created(q, ++at, object);
    sqlite3_bind_int64(q, ++at, row->deleted);
    TRY(bind_columns(q, at + 1, row->key.table, object, c));
    at += (int)row->key.table->column_count;
    sqlite_bind_bytes(q, ++at, row->event_id);
    sqlite3_bind_int64(q, ++at, row->event_created);
    sqlite3_bind_int64(q, ++at, row->undecided);
    sqlite3_bind_int64(q, ++at, row->incomplete);
    sqlite3_bind_int64(q, ++at, row->embedded);
    sqlite_bind_bytes(q, ++at, row->versions);
    sqlite_bind_bytes(q, ++at, row->data);
    return OK;
}

int table_row_number_at(const struct object_table *t) { return (int)table_column_count(t) + 1; }

result table_bind_fill(sqlite3_stmt *q, const struct object_table *t, int64_t number, json object,
                       struct table_columns *c) {
    bind_created(q, ROW_KEYS + 1, object);
    TRY(bind_columns(q, ROW_KEYS + ROW_FIRSTS + 1, t, object, c));
    sqlite3_bind_int64(q, table_row_number_at(t), number);
    return OK;
}

static result add_member(sqlite3_stmt *q, const struct object_table *list,
                         const struct table_key *key, int64_t position, json member,
                         struct table_columns *c) {
    bytes id = json_string(json_get(member, "id"));
    if (id.n == 0)
        return OK;
    text_reset(&c->data);
    json_write(member, &c->data);
    int at = 0;
    sqlite_bind_bytes(q, ++at, id);
    sqlite_bind_bytes(q, ++at, key->account);
    sqlite3_bind_int64(q, ++at, key->livemode);
    sqlite_bind_bytes(q, ++at, key->owner);
    sqlite_bind_bytes(q, ++at, key->id);
    sqlite3_bind_int64(q, ++at, position);
    TRY(bind_columns(q, at + 1, list, member, c));
    sqlite_bind_bytes(q, at + (int)list->column_count + 1, text_bytes(&c->data));
    result failed = table_failed(sqlite3_step(q));
    sqlite3_reset(q);
    return failed;
}

result table_list_clear(sqlite3_stmt *q, const struct table_key *key) {
    sqlite_bind_bytes(q, 1, key->id);
    sqlite_bind_bytes(q, 2, key->account);
    sqlite3_bind_int64(q, 3, key->livemode);
    sqlite_bind_bytes(q, 4, key->owner);
    result failed = table_failed(sqlite3_step(q));
    sqlite3_reset(q);
    return failed;
}

result table_list_add(sqlite3_stmt *q, const struct object_table *list, const struct table_key *key,
                      json object, struct table_columns *c) {
    json members = json_path(object, bytes_of(list->list)), member;
    int64_t position = 0;
    for (size_t at = 0; json_element(members, &at, &member);)
        TRY(add_member(q, list, key, position++, member, c));
    return OK;
}
