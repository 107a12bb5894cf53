// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/memory.h"
#include "ledger/store_sqlite_internal.h"

// Statements are prepared when they are first needed: of most tables none ever is.
static result statement(struct store *s, const struct object_table *t, bool shadow,
                        enum table_statement which, sqlite3_stmt **out) {
    struct sqlite_store *m = sqlite_store_of(s);
    if (m->tables == NULL)
        m->tables = memory_new(object_table_count * 2, sizeof *m->tables);
    sqlite3_stmt **kept = &m->tables[object_table_index(t) * 2 + shadow].kept[which];
    if (*kept == NULL && shadow) // made when it is needed
        TRY(table_make_beside(m->file.db, t));
    if (*kept == NULL)
        TRY(table_prepare(m->file.db, t, shadow, which, kept));
    *out = *kept;
    return OK;
}

static void forget(struct sqlite_store *m, size_t from, size_t each) {
    for (size_t i = from; m->tables != NULL && i < object_table_count * 2; i += each)
        for (size_t k = 0; k < TABLE_STATEMENTS; k++) {
            sqlite3_finalize(m->tables[i].kept[k]);
            m->tables[i].kept[k] = NULL;
        }
}

void sqlite_beside_forget(struct sqlite_store *m) { forget(m, 1, 2); }

void sqlite_tables_forget(struct sqlite_store *m) {
    forget(m, 0, 1);
    free(m->tables);
    m->tables = NULL;
    table_columns_drop(&m->columns);
}

static result tables_ready(struct store *s) {
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    return tables_make(sqlite_store_of(s)->file.db);
}

static result text_copy(sqlite3_stmt *q, int column, struct arena *a, bytes *out) {
    bytes b = sqlite_bytes(q, column);
    *out = arena_copy(a, b);
    NEED(b.n == 0 || out->p != NULL, MEMORY, "a text is larger than the arena it was asked into");
    return OK;
}

static result table_get(struct store *s, const struct table_key *key, struct arena *a,
                        struct table_row *out) {
    sqlite3_stmt *prepared = NULL;
    NEED(!key->shadow || table_is_beside(sqlite_store_of(s)->file.db, key->table), ABSENT,
         "there is no such row");
    TRY(statement(s, key->table, key->shadow, TABLE_GET, &prepared));
    OWN(sqlite_done)
    sqlite3_stmt *q = prepared;
    sqlite_bind_bytes(q, 1, key->id);
    sqlite_bind_bytes(q, 2, key->account);
    sqlite3_bind_int64(q, 3, key->livemode);
    sqlite_bind_bytes(q, 4, key->owner);
    int code = sqlite3_step(q);
    TRY(table_failed(code));
    NEED(code == SQLITE_ROW, ABSENT, "there is no such row");
    *out = (struct table_row){
        .key = *key,
        .handle = sqlite3_column_int64(q, 0),
        .deleted = sqlite3_column_int64(q, 1) != 0,
        .undecided = sqlite3_column_int64(q, 2) != 0,
        .incomplete = sqlite3_column_int64(q, 3) != 0,
        .embedded = sqlite3_column_int64(q, 4) != 0,
        .event_created = sqlite3_column_int64(q, 6),
    };
    TRY(text_copy(q, 5, a, &out->event_id));
    return text_copy(q, 7, a, &out->versions);
}

static result put_row(struct store *s, const struct table_row *row, json object) {
    sqlite3_stmt *prepared = NULL;
    TRY(statement(s, row->key.table, row->key.shadow,
                  row->handle != 0 ? TABLE_UPDATE : TABLE_INSERT, &prepared));
    OWN(sqlite_done)
    sqlite3_stmt *q = prepared;
    TRY(table_bind_row(q, row, object, &sqlite_store_of(s)->columns));
    if (row->handle != 0)
        sqlite3_bind_int64(q, table_row_number_at(row->key.table), row->handle);
    return table_failed(sqlite3_step(q));
}

static result put_lists(struct store *s, const struct table_row *row, json object) {
    const struct object_table *list;
    sqlite3_stmt *clear, *add;
    for (size_t at = 0; (list = object_table_list(row->key.table, &at)) != NULL;) {
        TRY(statement(s, list, row->key.shadow, LIST_CLEAR, &clear));
        TRY(statement(s, list, row->key.shadow, LIST_ADD, &add));
        TRY(table_list_clear(clear, &row->key));
        TRY(table_list_add(add, list, &row->key, object, &sqlite_store_of(s)->columns));
    }
    return OK;
}

static result table_put(struct store *s, const struct table_row *row) {
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (row->object == NULL)
        TRY(json_parse(row->data, &doc));
    json object = row->object != NULL ? *row->object : json_root(doc);
    TRY(put_row(s, row, object));
    return put_lists(s, row, object);
}

static result table_note(struct store *s, const struct table_row *row) {
    TRY(sqlite_in_transaction(sqlite_store_of(s)));
    sqlite3_stmt *prepared = NULL;
    TRY(statement(s, row->key.table, row->key.shadow, TABLE_NOTE, &prepared));
    OWN(sqlite_done)
    sqlite3_stmt *q = prepared;
    sqlite_bind_bytes(q, 1, row->versions);
    sqlite3_bind_int64(q, 2, row->undecided);
    sqlite3_bind_int64(q, 3, row->handle);
    return table_failed(sqlite3_step(q));
}

void sqlite_table_operations(struct store *s) {
    s->tables_ready = tables_ready;
    s->table_get = table_get;
    s->table_put = table_put;
    s->table_note = table_note;
}
