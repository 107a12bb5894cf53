// SPDX-License-Identifier: MIT
#include "ledger/reader_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "port/clock.h"

#define STEPS_BETWEEN_LOOKS 4000
#define BUSY_MS 1000

bool reader_is_over(struct reader *r) {
    return atomic_load(&r->interrupted) ||
           (r->deadline_us > 0 && clock_mono_us(&clock_real) > r->deadline_us);
}

static int look_at_clock(void *ctx) { return reader_is_over(ctx); }

static result open_file(struct reader *r, struct text *why) {
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    result failed = sqlite_failed(sqlite3_open_v2(r->path, &r->db, flags, NULL));
    if (failed == OK) {
        sqlite3_busy_timeout(r->db, BUSY_MS);
        failed = sqlite_run(r->db, "PRAGMA cache_size = -1024; PRAGMA temp_store = MEMORY;"
                                   "PRAGMA trusted_schema = OFF");
    }
    if (failed != OK) {
        text_addf(why, "%s: the ledger cannot be read (%s)", r->path, sqlite3_errmsg(r->db));
        return failed;
    }
    return ledger_check(r->db, r->path, ledger_migrations, ledger_migration_count, why);
}

result reader_open(const char *path, struct reader **out, struct text *why) {
    struct reader *r = NEW(struct reader);
    r->path = bytes_strdup(bytes_of(path));
    result failed = open_file(r, why);
    if (failed != OK) {
        reader_close(r);
        return failed;
    }
    sqlite3_progress_handler(r->db, STEPS_BETWEEN_LOOKS, look_at_clock, r);
    *out = r;
    return OK;
}

void reader_close(struct reader *r) {
    if (r == NULL)
        return;
    sqlite3_close(r->db);
    free(r->totals);
    free(r->path);
    free(r);
}

void reader_interrupt(struct reader *r) { atomic_store(&r->interrupted, true); }

result reader_begin(struct reader *r, bool limited) {
    atomic_store(&r->interrupted, false);
    r->deadline_us = limited ? clock_mono_us(&clock_real) + READER_LIMIT_US : 0;
    return sqlite_run(r->db, "BEGIN");
}

void reader_end(struct reader *r) {
    r->deadline_us = 0;
    atomic_store(&r->interrupted, false);
    if (!sqlite3_get_autocommit(r->db))
        sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
}

result reader_prepare(struct reader *r, const char *sql, sqlite3_stmt **out) {
    return sqlite_failed(sqlite3_prepare_v2(r->db, sql, -1, out, NULL));
}

result reader_step(sqlite3_stmt *s, bool *row) {
    int code = sqlite3_step(s);
    *row = code == SQLITE_ROW;
    return sqlite_failed(code);
}

static bool says_yes_or_no(const char *name) {
    static const char *const names[] = {"livemode", "thin",         "replay",         "held",
                                        "present",  "scope_misfit", "livemode_misfit"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

void reader_row(sqlite3_stmt *s, int from, int to, struct text *out) {
    for (int i = from; i < to; i++) {
        const char *name = sqlite3_column_name(s, i);
        text_addf(out, "%s\"%s\":", i > from ? "," : "", name);
        switch (sqlite3_column_type(s, i)) {
        case SQLITE_NULL: text_adds(out, "null"); break;
        case SQLITE_TEXT: text_add_json(out, sqlite_bytes(s, i)); break;
        case SQLITE_BLOB:
            text_addc(out, '"');
            text_add_hex(out, sqlite_bytes(s, i));
            text_addc(out, '"');
            break;
        default:
            if (says_yes_or_no(name))
                text_adds(out, sqlite3_column_int(s, i) != 0 ? "true" : "false");
            else
                text_add_i64(out, sqlite3_column_int64(s, i));
        }
    }
}

result reader_rows(sqlite3_stmt *s, size_t limit, struct text *out, bool *more) {
    bool row = false;
    text_addc(out, '[');
    for (size_t n = 0;; n++) {
        TRY(reader_step(s, &row));
        if (!row || n == limit)
            break;
        text_adds(out, n > 0 ? ",{" : "{");
        reader_row(s, 0, sqlite3_column_count(s), out);
        text_addc(out, '}');
    }
    text_addc(out, ']');
    if (more != NULL)
        *more = row;
    return OK;
}

result reader_said(const struct text *out) {
    NEED(!out->failed, MEMORY, "the answer is larger than its text may be");
    return OK;
}

static result list_keys(struct reader *r, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r,
                       "SELECT id, name, mode, created_at, revoked_at FROM api_key ORDER BY "
                       "created_at, id",
                       &q));
    text_adds(out, "{\"data\":");
    TRY(reader_rows(q, SIZE_MAX, out, NULL));
    text_adds(out, ",\"has_more\":false}");
    return reader_said(out);
}

result reader_keys(struct reader *r, struct text *out) {
    TRY(reader_begin(r, true));
    result failed = list_keys(r, out);
    reader_end(r);
    return failed;
}

static result find_key(struct reader *r, bytes hash, struct arena *a, struct key_row *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(sqlite_prepare(
        r->db, "SELECT {api_key} FROM api_key INDEXED BY api_key_hash WHERE hash = ?1", &q));
    sqlite_bind_bytes(q, 1, hash);
    bool row = false;
    TRY(reader_step(q, &row));
    NEED(row, ABSENT, "there is no such key");
    return sqlite_row(q, 0, &shape_key, a, out);
}

result reader_key(struct reader *r, bytes hash, struct arena *a, struct key_row *out) {
    TRY(reader_begin(r, true));
    result failed = find_key(r, hash, a, out);
    reader_end(r);
    return failed;
}

static result find_text(struct reader *r, const char *sql, uint64_t key, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r, sql, &q));
    sqlite3_bind_int64(q, 1, (int64_t)key);
    bool row = false;
    TRY(reader_step(q, &row));
    NEED(row, ABSENT, "there is no such row");
    text_add(out, sqlite_bytes(q, 0));
    return reader_said(out);
}

result reader_plan_read(struct reader *r, int64_t generation, struct plan **out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    *out = NULL;
    TRY(reader_prepare(r, "SELECT json FROM plan WHERE generation = ?1", &q));
    sqlite3_bind_int64(q, 1, generation);
    bool row = false;
    TRY(reader_step(q, &row));
    return row ? plan_read(sqlite_bytes(q, 0), (uint64_t)generation, out) : OK;
}

result reader_plan(struct reader *r, uint64_t generation, struct text *plan) {
    TRY(reader_begin(r, true));
    result failed = find_text(r, "SELECT json FROM plan WHERE generation = ?1", generation, plan);
    reader_end(r);
    return failed;
}

static result count_events(struct reader *r) {
    int64_t late = 0, more = 0, last = 0;
    TRY(sqlite_number(r->db, "SELECT count(*) FROM suspended WHERE state = 1", &late));
    if (late != r->events_late)
        r->events = r->events_to = 0;
    r->events_late = late;
    OWN(text_drop)
    struct text sql = {0};
    text_addf(&sql, "SELECT count(*) FROM event NOT INDEXED WHERE seq > %lld",
              (long long)r->events_to);
    TRY(sqlite_number(r->db, "SELECT ifnull(max(seq), 0) FROM event", &last));
    TRY(sqlite_number(r->db, text_str(&sql), &more));
    r->events += more;
    r->events_to = last;
    return OK;
}

void reader_add_label(struct text *out, bytes name) {
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '\n') {
            text_adds(out, "\\n");
        } else {
            if (name.p[i] == '"' || name.p[i] == '\\')
                text_addc(out, '\\');
            text_addc(out, (char)name.p[i]);
        }
}

static result measure(struct reader *r, struct text *out) {
    int64_t waiting = 0, unclaimed = 0;
    TRY(count_events(r));
    TRY(sqlite_number(r->db,
                      "SELECT count(*) FROM event INDEXED BY event_unclaimed WHERE site = -1",
                      &unclaimed));
    TRY(sqlite_number(r->db, "SELECT count(*) FROM suspended WHERE state = 0", &waiting));
    text_addf(out,
              "# HELP hookkeep_ledger_events Events in the ledger.\n"
              "# TYPE hookkeep_ledger_events gauge\nhookkeep_ledger_events %lld\n"
              "# HELP hookkeep_suspended_records Records that could not be booked and wait.\n"
              "# TYPE hookkeep_suspended_records gauge\nhookkeep_suspended_records %lld\n"
              "# HELP hookkeep_unclaimed_events Events without a site, where there are sites.\n"
              "# TYPE hookkeep_unclaimed_events gauge\nhookkeep_unclaimed_events %lld\n",
              (long long)r->events, (long long)waiting, (long long)unclaimed);
    return reader_said(out);
}

static void add_account_row(struct text *out, bytes owner, bytes account, bool livemode,
                            int64_t n) {
    text_adds(out, "hookkeep_account_events_total{owner=\"");
    reader_add_label(out, owner);
    text_adds(out, "\",account=\"");
    reader_add_label(out, account);
    text_addf(out, "\",livemode=\"%s\"} %lld\n", livemode ? "true" : "false", (long long)n);
}

static result measure_accounts(struct reader *r, size_t accounts, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r,
                       "SELECT whose, what, livemode, count FROM sighting NOT INDEXED"
                       " WHERE kind = 2 ORDER BY number",
                       &q));
    text_adds(out, "# HELP hookkeep_account_events_total Events of connected accounts in the "
                   "ledger.\n# TYPE hookkeep_account_events_total counter\n");
    int64_t others[2] = {0, 0};
    size_t n = 0;
    for (bool row = false;; n++) {
        TRY(reader_step(q, &row));
        if (!row)
            break;
        bool livemode = sqlite3_column_int(q, 2) != 0;
        if (n < accounts)
            add_account_row(out, sqlite_bytes(q, 0), sqlite_bytes(q, 1), livemode,
                            sqlite3_column_int64(q, 3));
        else
            others[livemode] += sqlite3_column_int64(q, 3);
    }
    for (int livemode = 0; livemode < 2 && n > accounts; livemode++)
        add_account_row(out, NO_BYTES, B("other"), livemode, others[livemode]);
    return reader_said(out);
}

result reader_metrics(struct reader *r, int64_t now_ms, size_t accounts, size_t endpoints,
                      struct text *out) {
    TRY(reader_begin(r, true));
    result failed = reader_measure_destinations(r, now_ms, endpoints, out);
    if (failed == OK)
        failed = measure(r, out);
    if (failed == OK)
        failed = measure_accounts(r, accounts, out);
    reader_end(r);
    return failed;
}
