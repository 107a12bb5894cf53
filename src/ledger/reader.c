// SPDX-License-Identifier: MIT
#include "ledger/reader_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "port/clock.h"

#define STEPS_BETWEEN_LOOKS 4000
#define BUSY_MS 1000
#define COUNTED_AT_ONCE 200000

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
    r->totals = NEW_ARRAY(uint64_t, DESTINATIONS_COUNTED);
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

// Brings the totals up to date, a piece at a time, so that a first count that takes too long goes
// on at the next question.
static result count_deliveries(struct reader *r) {
    int64_t last = 0;
    TRY(sqlite_number(r->db, "SELECT ifnull(max(seq), 0) FROM delivery", &last));
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r,
                       "SELECT destination, count(*) FROM delivery NOT INDEXED"
                       " WHERE seq > ?1 AND seq <= ?2 GROUP BY destination",
                       &q));
    while (r->totals_to < last) {
        int64_t to = r->totals_to + COUNTED_AT_ONCE < last ? r->totals_to + COUNTED_AT_ONCE : last;
        uint64_t piece[DESTINATIONS_COUNTED] = {0};
        sqlite3_reset(q);
        sqlite3_bind_int64(q, 1, r->totals_to);
        sqlite3_bind_int64(q, 2, to);
        bool row = false;
        for (;;) {
            TRY(reader_step(q, &row));
            if (!row)
                break;
            int64_t number = sqlite3_column_int64(q, 0);
            if (number >= 0 && number < DESTINATIONS_COUNTED)
                piece[number] += (uint64_t)sqlite3_column_int64(q, 1);
        }
        for (size_t i = 0; i < DESTINATIONS_COUNTED; i++)
            r->totals[i] += piece[i];
        r->totals_to = to;
    }
    return OK;
}

static result counts_of(struct reader *r, sqlite3_stmt *by_state, int64_t number,
                        uint64_t counts[DELIVERY_STATES]) {
    memset(counts, 0, DELIVERY_STATES * sizeof *counts);
    sqlite3_reset(by_state);
    sqlite3_bind_int64(by_state, 1, number);
    uint64_t others = 0;
    for (bool row = false;;) {
        TRY(reader_step(by_state, &row));
        if (!row)
            break;
        int64_t state = sqlite3_column_int64(by_state, 0);
        NEED(state >= 0 && state < DELIVERY_STATES, CORRUPT, "a delivery's state is none");
        counts[state] += (uint64_t)sqlite3_column_int64(by_state, 1);
        others += (uint64_t)sqlite3_column_int64(by_state, 1);
    }
    if (number >= 0 && number < DESTINATIONS_COUNTED && r->totals[number] > others)
        counts[DELIVERY_DONE] = r->totals[number] - others;
    return OK;
}

static void add_counts(const uint64_t counts[DELIVERY_STATES], bool held, struct text *out) {
    text_adds(out, ",\"deliveries\":{");
    for (unsigned s = 0; s < DELIVERY_STATES; s++) {
        uint64_t n = counts[s];
        if (held && s == DELIVERY_HELD)
            n = counts[DELIVERY_DUE] + counts[DELIVERY_WAITING];
        else if (held && delivery_state_open(s))
            n = 0;
        if (s != DELIVERY_TAKEN)
            text_addf(out, "%s\"%s\":%llu", s > 0 ? "," : "", delivery_state_name(s),
                      (unsigned long long)n);
    }
    text_addc(out, '}');
}

static const char count_by_state[] =
    "SELECT state, count(*) FROM delivery INDEXED BY delivery_due"
    " WHERE destination = ?1 AND state IN (0, 2) GROUP BY state UNION ALL "
    "SELECT state, count(*) FROM delivery INDEXED BY delivery_given_up"
    " WHERE destination = ?1 AND state >= 4 GROUP BY state";

static result list_destinations(struct reader *r, struct text *out) {
    TRY(count_deliveries(r));
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    OWN(sqlite_statement_drop)
    sqlite3_stmt *by_state = NULL;
    TRY(reader_prepare(r, count_by_state, &by_state));
    TRY(reader_prepare(
        r,
        "SELECT number, name, present, held, hold_reason, held_at, ifnull((SELECT next_at FROM"
        " delivery INDEXED BY delivery_due WHERE destination = number AND state IN (0, 2)"
        " ORDER BY next_at LIMIT 1), 0) AS oldest_due_at FROM destination ORDER BY name",
        &q));
    text_adds(out, "{\"data\":[");
    for (bool row = false, first = true;; first = false) {
        TRY(reader_step(q, &row));
        if (!row)
            break;
        uint64_t counts[DELIVERY_STATES];
        TRY(counts_of(r, by_state, sqlite3_column_int64(q, 0), counts));
        text_adds(out, first ? "{" : ",{");
        reader_row(q, 1, sqlite3_column_count(q), out);
        add_counts(counts, sqlite3_column_int(q, 3) != 0, out);
        text_addc(out, '}');
    }
    text_adds(out, "],\"has_more\":false}");
    return reader_said(out);
}

result reader_destinations(struct reader *r, struct text *out) {
    TRY(reader_begin(r, true));
    result failed = list_destinations(r, out);
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

static void add_label(struct text *out, bytes name) {
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '\n') {
            text_adds(out, "\\n");
        } else {
            if (name.p[i] == '"' || name.p[i] == '\\')
                text_addc(out, '\\');
            text_addc(out, (char)name.p[i]);
        }
}

static const struct {
    const char *name, *help;
} destination_gauges[] = {
    {"hookkeep_backlog_deliveries", "Deliveries still owed to a destination."},
    {"hookkeep_oldest_due_seconds", "How long the oldest due delivery of a destination waits."},
    {"hookkeep_destination_held", "1 while a destination is held."},
    {"hookkeep_dead_deliveries", "Deliveries of a destination whose schedule ran out."},
};

static const char measure_destinations[] =
    "SELECT name, (SELECT count(*) FROM delivery INDEXED BY delivery_due WHERE destination ="
    " number AND state IN (0, 2)), (SELECT next_at FROM delivery INDEXED BY delivery_due WHERE"
    " destination = number AND state IN (0, 2) ORDER BY next_at LIMIT 1), held, (SELECT count(*)"
    " FROM delivery INDEXED BY delivery_given_up WHERE destination = number AND state = 4 AND"
    " state >= 4) FROM destination ORDER BY name";

static result measure(struct reader *r, int64_t now_ms, struct text *out) {
    enum { GAUGES = sizeof destination_gauges / sizeof destination_gauges[0] };
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r, measure_destinations, &q));
    for (int g = 0; g < GAUGES; g++) {
        text_addf(out, "# HELP %s %s\n# TYPE %s gauge\n", destination_gauges[g].name,
                  destination_gauges[g].help, destination_gauges[g].name);
        sqlite3_reset(q);
        for (bool row = false;;) {
            TRY(reader_step(q, &row));
            if (!row)
                break;
            int64_t v = sqlite3_column_int64(q, g + 1);
            text_addf(out, "%s{destination=\"", destination_gauges[g].name);
            add_label(out, sqlite_bytes(q, 0));
            if (g == 1) {
                bool waits = sqlite3_column_type(q, 2) != SQLITE_NULL && v < now_ms;
                v = waits ? now_ms - v : 0;
                text_addf(out, "\"} %lld.%03lld\n", (long long)(v / 1000), (long long)(v % 1000));
            } else {
                text_addf(out, "\"} %lld\n", (long long)v);
            }
        }
    }
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
    add_label(out, owner);
    text_adds(out, "\",account=\"");
    add_label(out, account);
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

result reader_metrics(struct reader *r, int64_t now_ms, size_t accounts, struct text *out) {
    TRY(reader_begin(r, true));
    result failed = measure(r, now_ms, out);
    if (failed == OK)
        failed = measure_accounts(r, accounts, out);
    reader_end(r);
    return failed;
}
