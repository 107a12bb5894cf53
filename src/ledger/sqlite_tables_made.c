// SPDX-License-Identifier: MIT
// Making the tables of Stripe's objects, and bringing them to this program's columns.
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "ledger/sqlite_tables.h"

static result run_text(sqlite3 *db, const struct text *sql) {
    ensure(!sql->failed);
    return sqlite_run(db, text_str(sql));
}

static void digest_columns(const struct object_table *t, struct text *out) {
    OWN(text_drop)
    struct text all = {0};
    text_addf(&all, "%s %s %s %s\n", t->object, t->parent != NULL ? t->parent->name : "",
              t->list != NULL ? t->list : "", t->parent_column != NULL ? t->parent_column : "");
    for (size_t i = 0; i < t->column_count; i++)
        text_addf(&all, "%s %s %s %d\n", t->columns[i].name, t->columns[i].path,
                  t->columns[i].elsewhere != NULL ? t->columns[i].elsewhere : "",
                  t->columns[i].type);
    uint8_t hash[SHA256_SIZE];
    bytes b = text_bytes(&all);
    digest_sha256(&b, 1, hash);
    text_add_hex(out, bytes_from(hash, sizeof hash));
}

// A statement with text parameters.
static result ask(sqlite3 *db, const char *sql, const bytes *values, size_t n, sqlite3_stmt **out) {
    TRY(sqlite_failed(sqlite3_prepare_v2(db, sql, -1, out, NULL)));
    for (size_t i = 0; i < n; i++)
        sqlite_bind_bytes(*out, (int)i + 1, values[i]);
    return OK;
}

static result has_row(sqlite3 *db, const char *sql, const bytes *values, size_t n, bool *has) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(ask(db, sql, values, n, &q));
    int code = sqlite3_step(q);
    *has = code == SQLITE_ROW;
    return sqlite_failed(code);
}

static result is_made(sqlite3 *db, const struct object_table *t, bool *made) {
    OWN(text_drop)
    struct text hash = {0};
    digest_columns(t, &hash);
    bytes values[] = {bytes_of(t->name), text_bytes(&hash)};
    return has_row(db, "SELECT 1 FROM object_table WHERE name = ?1 AND sha256 = ?2", values, 2,
                   made);
}

static result is_there(sqlite3 *db, const struct object_table *t, bool *there) {
    bytes name = bytes_of(t->name);
    return has_row(db,
                   "SELECT 1 FROM sqlite_schema WHERE type = 'table'"
                   " AND name = 'stripe_' || ?1",
                   &name, 1, there);
}

static const char *type_of(enum column_type type) {
    switch (type) {
    case COLUMN_TEXT:
    case COLUMN_ID:
    case COLUMN_DECIMAL:
    case COLUMN_JSON: return "TEXT";
    case COLUMN_INTEGER:
    case COLUMN_TIME:
    case COLUMN_BOOLEAN: return "INTEGER";
    }
    unreachable_code();
}

static result create(sqlite3 *db, const struct object_table *t, bool shadow) {
    OWN(text_drop)
    struct text sql = {0};
    text_adds(&sql, "CREATE TABLE ");
    table_name(t, shadow, &sql);
    text_adds(&sql, " (\"id\" TEXT NOT NULL, \"account\" TEXT NOT NULL, \"livemode\" INTEGER NOT "
                    "NULL, \"owner\" TEXT NOT NULL, ");
    if (t->parent != NULL)
        text_addf(&sql, "\"%s\" TEXT NOT NULL, \"position\" INTEGER NOT NULL, ", t->parent_column);
    else
        text_adds(&sql, "\"created\" INTEGER, \"deleted\" INTEGER NOT NULL, ");
    for (size_t i = 0; i < t->column_count; i++)
        text_addf(&sql, "\"%s\" %s, ", t->columns[i].name, type_of(t->columns[i].type));
    if (t->parent == NULL)
        text_adds(&sql, "\"event_id\" TEXT NOT NULL, \"event_created\" INTEGER NOT NULL, "
                        "\"undecided\" INTEGER NOT NULL, \"incomplete\" INTEGER NOT NULL, "
                        "\"embedded\" INTEGER NOT NULL, \"versions\" TEXT NOT NULL, ");
    text_adds(&sql, "\"data\" TEXT NOT NULL, UNIQUE (");
    if (t->parent != NULL)
        text_addf(&sql, "\"%s\", ", t->parent_column);
    text_adds(&sql, "\"id\", \"account\", \"livemode\", \"owner\"))");
    return run_text(db, &sql);
}

static result drop(sqlite3 *db, const struct object_table *t, bool shadow) {
    OWN(text_drop)
    struct text sql = {0};
    text_adds(&sql, "DROP TABLE IF EXISTS ");
    table_name(t, shadow, &sql);
    return run_text(db, &sql);
}

static result add_columns(sqlite3 *db, const struct object_table *t) {
    for (size_t i = 0; i < t->column_count; i++) {
        bytes values[] = {bytes_of(t->name), bytes_of(t->columns[i].name)};
        bool has = false;
        TRY(has_row(db,
                    "SELECT 1 FROM pragma_table_info('stripe_' || ?1) WHERE lower(name) = "
                    "lower(?2)",
                    values, 2, &has));
        if (has)
            continue;
        OWN(text_drop)
        struct text sql = {0};
        text_adds(&sql, "ALTER TABLE ");
        table_name(t, false, &sql);
        text_addf(&sql, " ADD COLUMN \"%s\" %s", t->columns[i].name, type_of(t->columns[i].type));
        TRY(run_text(db, &sql));
    }
    return OK;
}

// Objects of its type that had no table of their own.
static result take_over(sqlite3 *db, const struct object_table *t, bool *any) {
    const struct object_table *others = object_table_of(NO_BYTES);
    bool there = false;
    TRY(is_there(db, others, &there));
    if (t == others || !there)
        return OK;
    static const char columns[] = "id, account, livemode, owner, created, deleted, event_id, "
                                  "event_created, undecided, incomplete, embedded, versions, data";
    static const char theirs[] = "CASE WHEN json_valid(data) THEN json_extract(data, '$.object')"
                                 " END";
    OWN(text_drop)
    struct text name = {0}, from = {0}, sql = {0};
    table_name(t, false, &name);
    table_name(others, false, &from);
    text_addf(&sql,
              "INSERT INTO %s (%s) SELECT %s FROM %s WHERE %s = '%s';"
              "DELETE FROM %s WHERE %s = '%s'",
              text_str(&name), columns, columns, text_str(&from), theirs, t->object,
              text_str(&from), theirs, t->object);
    text_drop(&name);
    text_drop(&from);
    TRY(run_text(db, &sql));
    *any = sqlite3_changes(db) > 0;
    return OK;
}

// A walk over the rows of a table by number; what `each` is told lives until it returns.
struct walk {
    sqlite3 *db;
    const struct object_table *t; // whose rows
    const atomic_bool *stop;
    sqlite3_stmt *write; // TABLE_FILL of it, or LIST_ADD
    const struct object_table *list;
    struct table_columns columns;
};

static void walk_drop(struct walk *w) {
    sqlite_statement_drop(&w->write);
    table_columns_drop(&w->columns);
}

static result each_row(struct walk *w, sqlite3_stmt *row) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (json_parse(sqlite_bytes(row, 5), &doc) != OK)
        return OK; // written by somebody else
    if (w->list == NULL) {
        TRY(table_bind_fill(w->write, w->t, sqlite3_column_int64(row, 0), json_root(doc),
                            &w->columns));
        result failed = table_failed(sqlite3_step(w->write));
        sqlite3_reset(w->write);
        return failed;
    }
    struct table_key key = {
        .table = w->t,
        .id = sqlite_bytes(row, 1),
        .account = sqlite_bytes(row, 2),
        .livemode = sqlite3_column_int64(row, 3) != 0,
        .owner = sqlite_bytes(row, 4),
    };
    return table_list_add(w->write, w->list, &key, json_root(doc), &w->columns);
}

static result walk_rows(struct walk *w) {
    OWN(text_drop)
    struct text sql = {0};
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    text_adds(&sql, "SELECT rowid, id, account, livemode, owner, data FROM ");
    table_name(w->t, false, &sql);
    text_adds(&sql, " WHERE rowid > ?1 ORDER BY rowid LIMIT 1");
    TRY(table_failed(sqlite3_prepare_v2(w->db, text_str(&sql), -1, &q, NULL)));
    for (int64_t number = INT64_MIN;;) {
        NEED(w->stop == NULL || !atomic_load(w->stop), TIMEOUT, "it is to end");
        sqlite3_bind_int64(q, 1, number);
        int code = sqlite3_step(q);
        TRY(table_failed(code));
        if (code != SQLITE_ROW)
            return OK;
        number = sqlite3_column_int64(q, 0);
        TRY(each_row(w, q));
        sqlite3_reset(q);
    }
}

static result fill(sqlite3 *db, const struct object_table *t, const atomic_bool *stop) {
    OWN(walk_drop)
    struct walk w = {.db = db, .t = t, .stop = stop};
    TRY(table_prepare(db, t, false, TABLE_FILL, &w.write));
    return walk_rows(&w);
}

static result fill_list(sqlite3 *db, const struct object_table *t, const atomic_bool *stop) {
    OWN(text_drop)
    struct text sql = {0};
    text_adds(&sql, "DELETE FROM ");
    table_name(t, false, &sql);
    TRY(run_text(db, &sql));
    OWN(walk_drop)
    struct walk w = {.db = db, .t = t->parent, .stop = stop, .list = t};
    TRY(table_prepare(db, t, false, LIST_ADD, &w.write));
    return walk_rows(&w);
}

bool table_is_beside(sqlite3 *db, const struct object_table *t) {
    OWN(text_drop)
    struct text name = {0};
    text_addf(&name, "stripe_%s beside", t->name);
    return sqlite3_table_column_metadata(db, "main", text_str(&name), NULL, NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}

static result make(sqlite3 *db, const struct object_table *t, const atomic_bool *stop) {
    bool there = false, taken = false;
    TRY(is_there(db, t, &there));
    if (table_is_beside(db, t)) { // a rebuild that fills it with other columns begins again
        TRY(drop(db, t, true));
        TRY(sqlite_run(db, "UPDATE rebuild SET reads = 0 WHERE NOT swapped"));
    }
    TRY(there ? add_columns(db, t) : create(db, t, false));
    if (t->parent != NULL) {
        TRY(fill_list(db, t, stop));
    } else {
        if (!there)
            TRY(take_over(db, t, &taken));
        if (there || taken)
            TRY(fill(db, t, stop));
    }
    OWN(text_drop)
    struct text hash = {0};
    digest_columns(t, &hash);
    bytes values[] = {bytes_of(t->name), text_bytes(&hash)};
    bool any;
    return has_row(db, "REPLACE INTO object_table (name, sha256) VALUES (?1, ?2)", values, 2, &any);
}

static result has_tables(sqlite3 *db, bool *has) {
    return has_row(db, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'object_table'",
                   NULL, 0, has);
}

result tables_outdated(sqlite3 *db, bool *out) {
    bool has = false;
    *out = false;
    TRY(has_tables(db, &has));
    for (size_t i = 0; has && !*out && i < object_table_count; i++) {
        bool made = false;
        TRY(is_made(db, &object_tables[i], &made));
        *out = !made;
    }
    return OK;
}

static result make_alone(sqlite3 *db, const struct object_table *t, const atomic_bool *stop) {
    TRY(sqlite_run(db, "BEGIN IMMEDIATE"));
    result failed = make(db, t, stop);
    if (failed == OK)
        failed = sqlite_run(db, "COMMIT");
    if (failed != OK)
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return failed;
}

// Lists' tables last, since they are filled from their objects'.
static result make_all(sqlite3 *db, bool alone, const atomic_bool *stop) {
    for (int lists = 0; lists < 2; lists++)
        for (size_t i = 0; i < object_table_count; i++) {
            const struct object_table *t = &object_tables[i];
            bool made = (t->parent != NULL) != (lists != 0);
            if (!made)
                TRY(is_made(db, t, &made));
            if (!made)
                TRY(alone ? make_alone(db, t, stop) : make(db, t, stop));
        }
    return OK;
}

// Rows of objects are large, and those of one time lie on many pages.
static result widen_cache(sqlite3 *db) { return sqlite_run(db, "PRAGMA cache_size = -32768"); }

result tables_grow(sqlite3 *db, const atomic_bool *stop) {
    bool has = false;
    TRY(has_tables(db, &has));
    if (!has)
        return OK;
    TRY(widen_cache(db));
    return make_all(db, true, stop);
}

result tables_make(sqlite3 *db) {
    TRY(widen_cache(db));
    TRY(sqlite_run(db, "CREATE TABLE IF NOT EXISTS object_table (name TEXT PRIMARY KEY, sha256 "
                       "TEXT NOT NULL) STRICT, WITHOUT ROWID"));
    result failed = make_all(db, false, NULL);
    // No record's fault: booking waits until somebody has seen to it.
    NEED(!failed_as(failed, FAIL_MISMATCH), SYSTEM,
         "a table of Stripe's objects cannot be brought to this program's columns");
    return failed;
}

// The table itself, then those of its lists.
static const struct object_table *family(const struct object_table *t, size_t *at, bool *first) {
    if (!*first)
        return object_table_list(t, at);
    *first = false;
    return t;
}

// Tables that are exchanged, their names as SQL has them in a list; and what users have put on
// them, as SQL that takes it away and that makes it again.
struct exchange {
    struct text names, away, again;
};

// What users have put on a table, as SQL: that takes it away, and that makes it again.
static result added_to(sqlite3 *db, const struct object_table *t, struct text *away,
                       struct text *again) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bytes name = bytes_of(t->name);
    TRY(ask(db,
            "SELECT 'DROP ' || type || ' \"' || replace(name, '\"', '\"\"') || '\";\n', sql || "
            "';\n' FROM sqlite_schema WHERE tbl_name = 'stripe_' || ?1 AND type IN ('index', "
            "'trigger') AND sql IS NOT NULL ORDER BY rowid",
            &name, 1, &q));
    int code = SQLITE_DONE;
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        text_add(away, sqlite_bytes(q, 0));
        text_add(again, sqlite_bytes(q, 1));
    }
    return sqlite_failed(code);
}

result table_make_beside(sqlite3 *db, const struct object_table *t) {
    return table_is_beside(db, t) ? OK : create(db, t, true);
}

static result has_rows(sqlite3 *db, const struct object_table *t, bool *has) {
    OWN(text_drop)
    struct text sql = {0};
    text_adds(&sql, "SELECT 1 FROM ");
    table_name(t, false, &sql);
    text_adds(&sql, " LIMIT 1");
    return has_row(db, text_str(&sql), NULL, 0, has);
}

// One table that is to be exchanged, if it has something to be exchanged with.
static result add_exchanged(sqlite3 *db, const struct object_table *t, struct exchange *x) {
    bool there = false, rows = false;
    TRY(is_there(db, t, &there));
    if (there && !table_is_beside(db, t))
        TRY(has_rows(db, t, &rows));
    if (!there)
        TRY(create(db, t, false)); // somebody has dropped it
    if (rows)
        TRY(create(db, t, true));
    if (!table_is_beside(db, t))
        return OK;
    TRY(added_to(db, t, &x->away, &x->again));
    text_addf(&x->names, "%s'stripe_%s', 'stripe_%s beside'", x->names.n > 0 ? ", " : "", t->name,
              t->name);
    return OK;
}

// Names are changed as https://www.sqlite.org/lang_altertable.html (7) has it: ALTER TABLE reads
// the whole schema for each table, which takes seconds for as many as these.
static result exchange_names(sqlite3 *db, const struct text *names) {
    OWN(text_drop)
    struct text sql = {0};
    int64_t version = 0;
    TRY(sqlite_number(db, "PRAGMA schema_version", &version));
    text_addf(
        &sql,
        "PRAGMA writable_schema = ON; WITH other (was, now) AS (SELECT name, iif(name LIKE '%% "
        "beside', substr(name, 1, length(name) - 7), name || ' beside') FROM sqlite_schema "
        "WHERE type = 'table' AND name IN (%s)) UPDATE sqlite_schema SET name = iif(type = "
        "'table', now, 'sqlite_autoindex_' || now || substr(name, 18 + length(was))), tbl_name "
        "= now, sql = 'CREATE TABLE \"' || now || '\" ' || substr(sql, instr(sql, '(')) FROM "
        "other WHERE tbl_name = was AND (type = 'table' OR (type = 'index' AND sql IS NULL));"
        "PRAGMA schema_version = %lld; PRAGMA writable_schema = RESET",
        text_str(names), (long long)version + 1);
    result failed = run_text(db, &sql);
    if (failed != OK)
        sqlite3_exec(db, "PRAGMA writable_schema = OFF", NULL, NULL, NULL);
    return failed;
}

static void exchange_drop(struct exchange *x) {
    text_drop(&x->names);
    text_drop(&x->away);
    text_drop(&x->again);
}

result tables_exchange(sqlite3 *db, const struct object_table *const *tables, size_t n) {
    OWN(exchange_drop)
    struct exchange x = {0};
    const struct object_table *each;
    for (size_t i = 0; i < n; i++) {
        bool first = true;
        for (size_t at = 0; (each = family(tables[i], &at, &first)) != NULL;)
            TRY(add_exchanged(db, each, &x));
    }
    if (x.names.n == 0)
        return OK;
    TRY(table_failed(sqlite3_exec(db, text_str(&x.away), NULL, NULL, NULL)));
    TRY(exchange_names(db, &x.names));
    return table_failed(sqlite3_exec(db, text_str(&x.again), NULL, NULL, NULL));
}

static result drop_beside(sqlite3 *db, const struct object_table *t) {
    const struct object_table *each;
    bool first = true;
    for (size_t at = 0; (each = family(t, &at, &first)) != NULL;)
        if (table_is_beside(db, each))
            TRY(drop(db, each, true));
    return OK;
}

// The number up to which the first rows stand, and how many these are.
static result first_rows(sqlite3 *db, const char *name, size_t max, int64_t *last, size_t *n) {
    OWN(text_drop)
    struct text sql = {0};
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    text_addf(&sql,
              "SELECT max(n), count(*) FROM (SELECT rowid AS n FROM %s ORDER BY 1 LIMIT %lld)",
              name, max < INT64_MAX ? (long long)max : (long long)INT64_MAX);
    TRY(ask(db, text_str(&sql), NULL, 0, &q));
    TRY(sqlite_failed(sqlite3_step(q)));
    *last = sqlite3_column_int64(q, 0);
    *n = (size_t)sqlite3_column_int64(q, 1);
    return OK;
}

result table_clear_beside(sqlite3 *db, const struct object_table *t, size_t max, size_t *n) {
    OWN(text_drop)
    struct text name = {0};
    OWN(text_drop)
    struct text sql = {0};
    const struct object_table *list;
    int64_t last = 0;
    *n = 0;
    if (!table_is_beside(db, t))
        return drop_beside(db, t); // what is left of its lists'
    table_name(t, true, &name);
    TRY(first_rows(db, text_str(&name), max, &last, n));
    for (size_t at = 0; (list = object_table_list(t, &at)) != NULL;) {
        OWN(text_drop)
        struct text members = {0};
        if (!table_is_beside(db, list))
            continue;
        table_name(list, true, &members);
        text_addf(&sql,
                  "DELETE FROM %s WHERE rowid IN (SELECT l.rowid FROM %s AS o CROSS JOIN %s AS l "
                  "WHERE o.rowid <= %lld AND l.\"%s\" = o.id AND l.account = o.account AND "
                  "l.livemode = o.livemode AND l.owner = o.owner);\n",
                  text_str(&members), text_str(&name), text_str(&members), (long long)last,
                  list->parent_column);
    }
    text_addf(&sql, "DELETE FROM %s WHERE rowid <= %lld", text_str(&name), (long long)last);
    TRY(run_text(db, &sql));
    return *n < max ? drop_beside(db, t) : OK;
}

static result dump_one(sqlite3 *db, const struct object_table *t, bool shadow, struct text *out) {
    OWN(text_drop)
    struct text sql = {0};
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    text_adds(&sql, "SELECT id, account, livemode, owner, deleted, undecided, incomplete, embedded,"
                    " event_id, event_created, versions, data FROM ");
    table_name(t, shadow, &sql);
    text_adds(&sql, " ORDER BY id, account, livemode, owner");
    if (sqlite3_prepare_v2(db, text_str(&sql), -1, &q, NULL) != SQLITE_OK)
        return OK; // there is none
    int code = SQLITE_DONE;
    while ((code = sqlite3_step(q)) == SQLITE_ROW) {
        struct table_row row = {
            .key = {.table = t,
                    .shadow = shadow,
                    .id = sqlite_bytes(q, 0),
                    .account = sqlite_bytes(q, 1),
                    .livemode = sqlite3_column_int64(q, 2) != 0,
                    .owner = sqlite_bytes(q, 3)},
            .deleted = sqlite3_column_int64(q, 4) != 0,
            .undecided = sqlite3_column_int64(q, 5) != 0,
            .incomplete = sqlite3_column_int64(q, 6) != 0,
            .embedded = sqlite3_column_int64(q, 7) != 0,
            .event_id = sqlite_bytes(q, 8),
            .event_created = sqlite3_column_int64(q, 9),
            .versions = sqlite_bytes(q, 10),
            .data = sqlite_bytes(q, 11),
        };
        table_row_dump(&row, out);
    }
    return sqlite_failed(code);
}

result tables_dump(sqlite3 *db, struct text *out) {
    for (size_t i = 0; i < object_table_count; i++)
        if (object_tables[i].parent == NULL)
            for (int shadow = 0; shadow < 2; shadow++)
                TRY(dump_one(db, &object_tables[i], shadow != 0, out));
    return OK;
}
