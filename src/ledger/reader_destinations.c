// SPDX-License-Identifier: MIT
// Where events go, and what is owed there.
#include <string.h>

#include "base/memory.h"
#include "ledger/reader_internal.h"

#define COUNTED_AT_ONCE 200000
#define METRICS_MEMORY_MAX (8u << 20)

// Room for all destinations that there are.
static result make_room(struct reader *r) {
    int64_t last = 0;
    TRY(sqlite_number(r->db, "SELECT ifnull(max(number), 0) FROM destination", &last));
    size_t n = (size_t)last + 1;
    if (n <= r->totals_n)
        return OK;
    r->totals = memory_grow(r->totals, n, sizeof *r->totals);
    memset(r->totals + r->totals_n, 0, (n - r->totals_n) * sizeof *r->totals);
    r->totals_n = n;
    return OK;
}

// Adds what was counted only once all of a piece was.
static result count_piece(struct reader *r, sqlite3_stmt *q, struct arena *a, int64_t to) {
    uint64_t *piece = arena_take(a, r->totals_n * sizeof *piece);
    NEED(piece != NULL, MEMORY, "the destinations' counts do not fit their memory");
    sqlite3_reset(q);
    sqlite3_bind_int64(q, 1, r->totals_to);
    sqlite3_bind_int64(q, 2, to);
    for (bool row = false;;) {
        TRY(reader_step(q, &row));
        if (!row)
            break;
        int64_t number = sqlite3_column_int64(q, 0);
        if (number >= 0 && (size_t)number < r->totals_n)
            piece[number] += (uint64_t)sqlite3_column_int64(q, 1);
    }
    for (size_t i = 0; i < r->totals_n; i++)
        r->totals[i] += piece[i];
    r->totals_to = to;
    return OK;
}

// Brings the totals up to date, a piece at a time, so that a first count that takes too long goes
// on at the next question.
static result count_deliveries(struct reader *r) {
    int64_t last = 0;
    TRY(make_room(r));
    TRY(sqlite_number(r->db, "SELECT ifnull(max(seq), 0) FROM delivery", &last));
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r,
                       "SELECT destination, count(*) FROM delivery NOT INDEXED"
                       " WHERE seq > ?1 AND seq <= ?2 GROUP BY destination",
                       &q));
    while (r->totals_to < last) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, METRICS_MEMORY_MAX);
        TRY(count_piece(r, q, &a,
                        last - r->totals_to > COUNTED_AT_ONCE ? r->totals_to + COUNTED_AT_ONCE
                                                              : last));
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
    if (number >= 0 && (size_t)number < r->totals_n && r->totals[number] > others)
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
    "SELECT iif(next_at = " LANE_BEHIND_SQL ", 9, state), count(*) FROM delivery INDEXED BY"
    " delivery_due WHERE destination = ?1 AND state IN (0, 2) GROUP BY 1 UNION ALL "
    "SELECT state, count(*) FROM delivery INDEXED BY delivery_given_up"
    " WHERE destination = ?1 AND state >= 4 GROUP BY state";

static const char open_by_priority[] =
    "SELECT priority, count(*) FROM delivery INDEXED BY delivery_due"
    " WHERE destination = ?1 AND state IN (0, 2) GROUP BY priority";

static result add_by_priority(sqlite3_stmt *q, int64_t number, struct text *out) {
    static const enum priority shown[] = {PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW};
    int64_t counts[PRIORITIES] = {0};
    sqlite3_reset(q);
    sqlite3_bind_int64(q, 1, number);
    for (bool row = false;;) {
        TRY(reader_step(q, &row));
        if (!row)
            break;
        int64_t p = sqlite3_column_int64(q, 0);
        NEED(p >= 0 && p < PRIORITIES, CORRUPT, "a delivery's priority is none");
        counts[p] = sqlite3_column_int64(q, 1);
    }
    text_adds(out, ",\"open_by_priority\":{");
    for (size_t i = 0; i < PRIORITIES; i++)
        text_addf(out, "%s\"%s\":%lld", i > 0 ? "," : "", priority_name(shown[i]),
                  (long long)counts[shown[i]]);
    text_addc(out, '}');
    return OK;
}

#define OLDEST_OF(priority_)                                                                       \
    "SELECT min(next_at) AS at FROM delivery INDEXED BY delivery_due WHERE destination = number"   \
    " AND state IN (0, 2) AND priority = " priority_
#define OLDEST_DUE                                                                                 \
    "(SELECT min(at) FROM (" OLDEST_OF("0") " UNION ALL " OLDEST_OF("1") " UNION ALL " OLDEST_OF(  \
        "2") "))"
#define LANES                                                                                      \
    "(SELECT count(DISTINCT lane) FROM lane WHERE destination = number) AS lanes,"                 \
    " (SELECT count(*) FROM lane JOIN delivery ON seq = delivery WHERE lane.destination = number"  \
    " AND state = 2 AND next_at <> " LANE_BEHIND_SQL ") AS lanes_blocked"
#define JOINED " FROM destination LEFT JOIN endpoint AS e ON e.destination = number"

#define STANDING JOINED " WHERE ifnull(deleted_at, 0) = 0"

enum { C_NUMBER, C_NAME, C_PRESENT, C_HELD, C_SHOWN = 10, C_ENDPOINT = C_SHOWN, C_DELETED };

static const char rows_sql[] =
    "SELECT number, name, present, held, hold_reason, held_at, max(destination.failing_since,"
    " ifnull(e.failing_since, 0)) AS failing_since, ifnull(" OLDEST_DUE
    ", 0) AS oldest_due_at, " LANES ", CASE WHEN e.id IS NOT NULL THEN json_object("
    "'livemode', iif(e.livemode, 'live', 'test'), 'url', e.json ->> 'url', 'because', e.json ->>"
    " 'because', 'enabled_events', e.json -> 'types', 'scope', e.json ->> 'scope', 'payload',"
    " e.json ->> 'payload', 'name', e.json ->> 'name', 'description', e.json ->> 'description',"
    " 'api_version', e.json ->> 'api_version', 'created', e.json ->> 'created_s', 'failing_since',"
    " e.failing_since, 'deleted_at', deleted_at) END, ifnull(deleted_at, 0)" JOINED
    " WHERE iif(?1 = '', ifnull(deleted_at, 0) = 0, name = ?1)"
    " ORDER BY iif(e.id IS NULL, 0, number), name";

static const char *status_of(sqlite3_stmt *q) {
    bool present = sqlite3_column_int(q, C_PRESENT) != 0;
    if (sqlite3_column_type(q, C_ENDPOINT) == SQLITE_NULL)
        return present ? "configured" : "removed";
    if (sqlite3_column_int64(q, C_DELETED) > 0)
        return "deleted";
    return present ? "enabled" : "disabled";
}

// Of the file's the plan in force knows more; null where it knows none.
static void add_made(sqlite3_stmt *q, const struct plan *plan, struct text *out) {
    bool by_api = sqlite3_column_type(q, C_ENDPOINT) != SQLITE_NULL;
    const struct plan_destination *d =
        by_api || plan == NULL ? NULL : plan_destination_find(plan, sqlite_bytes(q, C_NAME));
    text_addf(out, ",\"made_by\":\"%s\",\"status\":\"%s\",\"kind\":", by_api ? "api" : "file",
              status_of(q));
    if (by_api || d != NULL)
        text_addf(out, "\"%s\"", by_api ? kind_name(KIND_HTTP) : kind_name(d->kind));
    else
        text_adds(out, "null");
    text_adds(out, ",\"endpoint\":");
    text_add(out, by_api ? sqlite_bytes(q, C_ENDPOINT) : B("null"));
}

static result add_row(struct reader *r, sqlite3_stmt *q, sqlite3_stmt *by_state,
                      sqlite3_stmt *by_priority, const struct plan *plan, struct text *out) {
    uint64_t counts[DELIVERY_STATES];
    TRY(counts_of(r, by_state, sqlite3_column_int64(q, C_NUMBER), counts));
    text_addc(out, '{');
    reader_row(q, C_NAME, C_SHOWN, out);
    add_counts(counts, sqlite3_column_int(q, C_HELD) != 0, out);
    TRY(add_by_priority(by_priority, sqlite3_column_int64(q, C_NUMBER), out));
    add_made(q, plan, out);
    text_addc(out, '}');
    return OK;
}

static result add_rows(struct reader *r, const struct plan *plan, bytes name, struct text *out,
                       size_t *n) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    OWN(sqlite_statement_drop)
    sqlite3_stmt *by_state = NULL;
    TRY(count_deliveries(r));
    OWN(sqlite_statement_drop)
    sqlite3_stmt *by_priority = NULL;
    TRY(reader_prepare(r, count_by_state, &by_state));
    TRY(reader_prepare(r, open_by_priority, &by_priority));
    TRY(reader_prepare(r, rows_sql, &q));
    sqlite_bind_bytes(q, 1, name);
    for (bool row = false;; ++*n) {
        TRY(reader_step(q, &row));
        if (!row)
            return OK;
        text_adds(out, *n > 0 ? "," : "");
        TRY(add_row(r, q, by_state, by_priority, plan, out));
    }
}

static result rows(struct reader *r, bytes name, struct text *out, size_t *n) {
    int64_t generation = 0;
    struct plan *plan = NULL;
    TRY(sqlite_number(r->db, "SELECT ifnull(max(generation), 0) FROM state", &generation));
    TRY(reader_plan_read(r, generation, &plan));
    *n = 0;
    result failed = add_rows(r, plan, name, out, n);
    plan_free(plan);
    TRY(failed);
    return reader_said(out);
}

result reader_destinations(struct reader *r, struct text *out) {
    size_t n;
    TRY(reader_begin(r, true));
    text_adds(out, "{\"data\":[");
    result failed = rows(r, NO_BYTES, out, &n);
    text_adds(out, "],\"has_more\":false}");
    reader_end(r);
    return failed;
}

result reader_destination(struct reader *r, bytes name, struct text *out) {
    size_t n;
    NEED(name.n > 0, ABSENT, "no destination has an empty name");
    TRY(reader_begin(r, true));
    result failed = rows(r, name, out, &n);
    reader_end(r);
    TRY(failed);
    NEED(n == 1, ABSENT, "no destination has this name");
    return OK;
}

static const struct {
    const char *name, *help;
} gauges[] = {
    {"hookkeep_backlog_deliveries", "Deliveries still owed to a destination."},
    {"hookkeep_oldest_due_seconds",
     "How long the oldest due delivery of a destination waits; 0 while it is a disabled endpoint."},
    {"hookkeep_destination_held", "1 while a destination is held."},
    {"hookkeep_dead_deliveries", "Deliveries of a destination whose schedule ran out."},
};
enum { BACKLOG, OLDEST_DUE_MS, HELD, DEAD, GAUGES };

struct measured {
    bytes name;
    int64_t is[GAUGES];
};

static const char measure_sql[] =
    "SELECT (SELECT count(*) FROM delivery INDEXED BY delivery_due WHERE destination = number AND"
    " state IN (0, 2)), iif(present OR e.id IS NULL, " OLDEST_DUE
    ", NULL), held, (SELECT count(*) FROM delivery INDEXED BY"
    " delivery_given_up WHERE destination = number AND state = 4 AND state >= 4), name, e.id IS NOT"
    " NULL" STANDING " ORDER BY iif(e.id IS NULL, 0, number), name";

static void measure_one(sqlite3_stmt *q, int64_t now_ms, struct measured *out) {
    bool waits = sqlite3_column_type(q, OLDEST_DUE_MS) != SQLITE_NULL;
    int64_t since = sqlite3_column_int64(q, OLDEST_DUE_MS);
    for (int g = 0; g < GAUGES; g++)
        out->is[g] = sqlite3_column_int64(q, g);
    out->is[OLDEST_DUE_MS] = waits && since < now_ms ? now_ms - since : 0;
}

static void merge(struct measured *into, const struct measured *one) {
    int64_t oldest = into->is[OLDEST_DUE_MS];
    for (int g = 0; g < GAUGES; g++)
        into->is[g] += one->is[g];
    into->is[OLDEST_DUE_MS] = oldest > one->is[OLDEST_DUE_MS] ? oldest : one->is[OLDEST_DUE_MS];
    into->is[HELD] = into->is[HELD] > 0;
}

static void add_gauges(const struct measured *rows, size_t n, struct text *out) {
    for (int g = 0; g < GAUGES; g++) {
        text_addf(out, "# HELP %s %s\n# TYPE %s gauge\n", gauges[g].name, gauges[g].help,
                  gauges[g].name);
        for (size_t i = 0; i < n; i++) {
            long long v = rows[i].is[g];
            text_addf(out, "%s{destination=\"", gauges[g].name);
            reader_add_label(out, rows[i].name);
            if (g == OLDEST_DUE_MS)
                text_addf(out, "\"} %lld.%03lld\n", v / 1000, v % 1000);
            else
                text_addf(out, "\"} %lld\n", v);
        }
    }
}

static result measure(struct reader *r, int64_t now_ms, size_t endpoints, struct arena *a,
                      struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    int64_t all = 0;
    size_t n = 0, seen = 0;
    TRY(sqlite_number(r->db, "SELECT count(*) + 1" STANDING, &all));
    struct measured *rows = arena_take(a, (size_t)all * sizeof *rows), other = {B("we_other"), {0}};
    NEED(rows != NULL, MEMORY, "the destinations' gauges do not fit their memory");
    TRY(reader_prepare(r, measure_sql, &q));
    for (bool row = false;;) {
        struct measured one = {NO_BYTES, {0}};
        TRY(reader_step(q, &row));
        if (!row)
            break;
        measure_one(q, now_ms, &one);
        seen += sqlite3_column_int(q, GAUGES + 1) != 0;
        if (seen > endpoints) {
            merge(&other, &one);
            continue;
        }
        bytes name = sqlite_bytes(q, GAUGES);
        one.name = arena_copy(a, name);
        NEED(one.name.n == name.n, MEMORY, "the destinations' gauges do not fit their memory");
        rows[n++] = one;
    }
    if (seen > endpoints)
        rows[n++] = other;
    add_gauges(rows, n, out);
    return reader_said(out);
}

result reader_measure_destinations(struct reader *r, int64_t now_ms, size_t endpoints,
                                   struct text *out) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, METRICS_MEMORY_MAX);
    return measure(r, now_ms, endpoints, &a, out);
}
