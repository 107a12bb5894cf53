// SPDX-License-Identifier: MIT
#include "ledger/reader_internal.h"

#include <string.h>

#include "rules/site.h"

#define LIST_MAX 1000
#define LIST_DEFAULT 100

// The parameters of a list, ?1 to ?13 in this order; a condition names the one it needs.
enum {
    P_LOW = 1,
    P_HIGH,
    P_SINCE,
    P_UNTIL,
    P_ID,
    P_TYPE,
    P_TYPE_END,
    P_ACCOUNT,
    P_OWNER,
    P_OBJECT,
    P_DESTINATION,
    P_EVENT,
    P_SITE
};

static size_t limit_of(const struct list_filter *f) {
    if (f->limit == 0)
        return LIST_DEFAULT;
    return f->limit < LIST_MAX ? f->limit : LIST_MAX;
}

static bool is_family(bytes type) { return type.n > 2 && bytes_ends(type, B(".*")); }

static result add_livemode(const struct list_filter *f, struct text *sql) {
    if (f->livemode.n == 0)
        return OK;
    bool live = bytes_equal(f->livemode, B("true"));
    NEED(live || bytes_equal(f->livemode, B("false")), INVALID, "livemode is true or false");
    text_addf(sql, " AND livemode = %d", live);
    return OK;
}

static result add_status(const struct list_filter *f, struct text *sql) {
    if (f->status.n == 0)
        return OK;
    for (unsigned s = EVENT_PENDING; s <= EVENT_IGNORED; s++)
        if (bytes_equal(f->status, bytes_of(event_status_name(s)))) {
            text_addf(sql, " AND status = %u", s);
            return OK;
        }
    FAIL(INVALID, "status is pending, done, failed or ignored");
}

static void add_order(const struct list_filter *f, const char *seq, struct text *sql) {
    text_addf(sql, " ORDER BY %s%s LIMIT %zu", seq, f->oldest_first ? "" : " DESC",
              limit_of(f) + 1);
}

// The walk is along seq unless a condition finds few rows by an index.
static const char *event_index(const struct list_filter *f) {
    if (f->id.n > 0)
        return "INDEXED BY event_key";
    if (f->object_id.n > 0)
        return "INDEXED BY event_object";
    if (bytes_equal(f->status, B("failed")))
        return "INDEXED BY event_failed";
    if (bytes_equal(f->status, B("pending")))
        return "INDEXED BY event_pending";
    if (bytes_equal(f->site, B(SITE_UNCLAIMED)))
        return "INDEXED BY event_unclaimed";
    return "NOT INDEXED";
}

result reader_events_sql(const struct list_filter *f, struct text *sql) {
    bool by_object = f->object_id.n > 0 && f->id.n == 0;
    if (by_object)
        text_adds(sql, "WITH RECURSIVE block (n) AS (SELECT max(seq) >> 12 FROM event UNION ALL"
                       " SELECT n - 1 FROM block WHERE n > 0) ");
    text_addf(sql,
              "SELECT " EVENT_COLUMNS " FROM %sevent %s WHERE event.seq > ?1 AND event.seq < ?2",
              by_object ? "block CROSS JOIN " : "", event_index(f));
    if (by_object)
        text_adds(sql, " AND event.seq >> 12 = block.n");
    if (f->id.n > 0)
        text_adds(sql, " AND id = ?5");
    if (is_family(f->type))
        text_adds(sql, " AND type >= ?6 AND type < ?7");
    else if (f->type.n > 0)
        text_adds(sql, " AND type = ?6");
    if (f->account.n > 0)
        text_adds(sql, " AND account = ?8");
    if (f->owner.n > 0)
        text_adds(sql, " AND owner = ?9");
    if (f->object_id.n > 0)
        text_adds(sql, " AND object_id = ?10 AND object_id <> ''");
    if (bytes_equal(f->site, B(SITE_UNCLAIMED)))
        text_adds(sql, " AND event.site = -1");
    else if (f->site.n > 0)
        text_adds(sql, " AND event.site = (SELECT number FROM site WHERE name = ?13)");
    TRY(add_livemode(f, sql));
    TRY(add_status(f, sql));
    add_order(f, "event.seq", sql);
    return OK;
}

static bool is_number(bytes b, uint64_t *out) {
    return b.n > 0 && bytes_to_u64(b, out) == OK && *out <= INT64_MAX;
}

static result delivery_state_named(bytes name, enum delivery_state *out) {
    for (unsigned s = 0; s < DELIVERY_STATES; s++)
        if (bytes_equal(name, bytes_of(delivery_state_name(s)))) {
            *out = s;
            return OK;
        }
    FAIL(INVALID, "a delivery has no such state");
}

// Taken is known to the ledger's thread alone: here it is due or waiting.
static void add_state(enum delivery_state s, struct text *sql) {
    if (s == DELIVERY_TAKEN)
        text_adds(sql, " AND d.seq < 0");
    else if (s == DELIVERY_HELD)
        text_adds(sql, " AND d.state IN (0, 2) AND t.held");
    else if (s == DELIVERY_BEHIND)
        text_adds(sql, " AND d.state IN (0, 2) AND d.next_at = " LANE_BEHIND_SQL " AND NOT t.held");
    else if (delivery_state_open(s))
        text_addf(sql,
                  " AND d.state IN (0, 2) AND d.state = %u AND d.next_at <> " LANE_BEHIND_SQL
                  " AND NOT t.held",
                  s);
    else if (s != DELIVERY_DONE)
        text_addf(sql, " AND d.state >= 4 AND d.state = %u", s);
    else
        text_addf(sql, " AND d.state = %u", s);
}

result reader_deliveries_sql(const struct list_filter *f, struct text *sql) {
    enum delivery_state state = DELIVERY_DONE;
    if (f->state.n > 0)
        TRY(delivery_state_named(f->state, &state));
    bool by_state = f->state.n > 0 && state != DELIVERY_DONE && state != DELIVERY_TAKEN;
    const char *index = "NOT INDEXED";
    if (f->event_id.n > 0)
        index = "INDEXED BY delivery_event";
    else if (by_state && delivery_state_open(state))
        index = "INDEXED BY delivery_due";
    else if (by_state)
        index = "INDEXED BY delivery_given_up";
    text_addf(sql,
              "SELECT " DELIVERY_COLUMNS " FROM delivery AS d %s" DELIVERY_JOIN
              " WHERE d.seq > ?1 AND d.seq < ?2",
              index);
    uint64_t number = 0;
    if (is_number(f->event_id, &number))
        text_addf(sql, " AND d.event_seq = %llu", (unsigned long long)number);
    else if (f->event_id.n > 0)
        text_adds(sql, " AND d.event_seq IN (SELECT seq FROM event INDEXED BY event_key"
                       " WHERE id = ?12)");
    if (f->destination.n > 0)
        text_adds(sql, " AND d.destination = (SELECT number FROM destination WHERE name = ?11)");
    else if (by_state && f->event_id.n == 0)
        text_adds(sql, " AND d.destination IN (SELECT number FROM destination)");
    if (f->since_ms > 0)
        text_adds(sql, " AND d.created_at >= ?3");
    if (f->until_ms > 0)
        text_adds(sql, " AND d.created_at < ?4");
    if (f->state.n > 0)
        add_state(state, sql);
    add_order(f, "d.seq", sql);
    return OK;
}

// Times never run back along seq, so that no index is needed.
result reader_event_from(struct reader *r, int64_t ms, int64_t *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r, "SELECT seq, received_at FROM event WHERE seq >= ?1 ORDER BY seq LIMIT 1",
                       &q));
    int64_t low = 0, high = 0;
    TRY(sqlite_number(r->db, "SELECT ifnull(max(seq), 0) + 1 FROM event", &high));
    int64_t last = high;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        sqlite3_reset(q);
        sqlite3_bind_int64(q, 1, middle);
        bool row = false;
        TRY(reader_step(q, &row));
        if (row && sqlite3_column_int64(q, 1) < ms)
            low = sqlite3_column_int64(q, 0) + 1;
        else
            high = middle;
    }
    *out = low < last ? low : INT64_MAX;
    return OK;
}

static void bind_filter(sqlite3_stmt *q, const struct list_filter *f, int64_t low, int64_t high,
                        char *type_end) {
    bytes type = f->type;
    if (is_family(type)) {
        type = bytes_slice(type, 0, type.n - 1);
        memcpy(type_end, type.p, type.n);
        type_end[type.n - 1] = '.' + 1;
        sqlite_bind_bytes(q, P_TYPE_END, bytes_from(type_end, type.n));
    }
    sqlite3_bind_int64(q, P_LOW, low);
    sqlite3_bind_int64(q, P_HIGH, high);
    sqlite3_bind_int64(q, P_SINCE, f->since_ms);
    sqlite3_bind_int64(q, P_UNTIL, f->until_ms);
    sqlite_bind_bytes(q, P_ID, f->id);
    sqlite_bind_bytes(q, P_TYPE, type);
    sqlite_bind_bytes(q, P_ACCOUNT, bytes_equal(f->account, B("platform")) ? NO_BYTES : f->account);
    sqlite_bind_bytes(q, P_OWNER, f->owner);
    sqlite_bind_bytes(q, P_OBJECT, f->object_id);
    sqlite_bind_bytes(q, P_DESTINATION, f->destination);
    sqlite_bind_bytes(q, P_EVENT, f->event_id);
    sqlite_bind_bytes(q, P_SITE, f->site);
}

static int64_t below(uint64_t cursor) {
    return cursor > 0 && cursor < INT64_MAX ? (int64_t)cursor : INT64_MAX;
}

static result list(struct reader *r, const struct text *sql, const struct list_filter *f,
                   int64_t low, int64_t high, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    char type_end[256];
    bool more = false;
    NEED(f->type.n < sizeof type_end, INVALID, "a type has at most 255 bytes");
    TRY(reader_prepare(r, text_str(sql), &q));
    bind_filter(q, f, low, high, type_end);
    text_adds(out, "{\"data\":");
    TRY(reader_rows(q, limit_of(f), out, &more));
    text_addf(out, ",\"has_more\":%s}", more ? "true" : "false");
    return reader_said(out);
}

static result know_site(struct reader *r, bytes name) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    if (name.n == 0 || bytes_equal(name, B(SITE_UNCLAIMED)))
        return OK;
    TRY(reader_prepare(r, "SELECT 1 FROM site WHERE name = ?1", &q));
    sqlite_bind_bytes(q, 1, name);
    TRY(reader_step(q, &row));
    NEED(row, INVALID, "no site was ever called so; hookkeep sites list shows them");
    return OK;
}

static result list_events(struct reader *r, const struct list_filter *f, struct text *out) {
    OWN(text_drop)
    struct text sql = {0};
    TRY(reader_events_sql(f, &sql));
    TRY(know_site(r, f->site));
    int64_t low = f->after < INT64_MAX ? (int64_t)f->after : INT64_MAX, high = below(f->before);
    int64_t bound = 0;
    if (f->since_ms > 0) {
        TRY(reader_event_from(r, f->since_ms, &bound));
        low = bound - 1 > low ? bound - 1 : low;
    }
    if (f->until_ms > 0) {
        TRY(reader_event_from(r, f->until_ms, &bound));
        high = bound < high ? bound : high;
    }
    return list(r, &sql, f, low, high, out);
}

result reader_events(struct reader *r, const struct list_filter *f, struct text *out) {
    TRY(reader_begin(r, true));
    result failed = list_events(r, f, out);
    reader_end(r);
    return failed;
}

static result list_deliveries(struct reader *r, const struct list_filter *f, struct text *out) {
    OWN(text_drop)
    struct text sql = {0};
    TRY(reader_deliveries_sql(f, &sql));
    int64_t low = f->after < INT64_MAX ? (int64_t)f->after : INT64_MAX;
    return list(r, &sql, f, low, below(f->before), out);
}

result reader_deliveries(struct reader *r, const struct list_filter *f, struct text *out) {
    TRY(reader_begin(r, true));
    result failed = list_deliveries(r, f, out);
    reader_end(r);
    return failed;
}

static result list_suspense(struct reader *r, const struct list_filter *f, struct text *out) {
    static const char *const states[] = {[SUSPENSE_WAITING] = "waiting",
                                         [SUSPENSE_BOOKED] = "booked",
                                         [SUSPENSE_DROPPED] = "dropped"};
    OWN(text_drop)
    struct text sql = {0};
    text_adds(&sql, "SELECT position, kind, state, reason, received_at, generation FROM suspense"
                    " WHERE position > ?1 AND position < ?2");
    bool known = f->state.n == 0;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (bytes_equal(f->state, bytes_of(states[i]))) {
            text_addf(&sql, " AND state = '%s'", states[i]);
            known = true;
        }
    NEED(known, INVALID, "a suspended record is waiting, booked or dropped");
    add_order(f, "position", &sql);
    int64_t low = f->after < INT64_MAX ? (int64_t)f->after : INT64_MAX;
    return list(r, &sql, f, low, below(f->before), out);
}

result reader_suspense(struct reader *r, const struct list_filter *f, struct text *out) {
    TRY(reader_begin(r, true));
    result failed = list_suspense(r, f, out);
    reader_end(r);
    return failed;
}

static const char *const sighting_columns[SIGHTING_KINDS] = {
    [SIGHTING_SECRET] = "whose AS source, what AS secret_label, livemode, first_at, last_at,"
                        " count AS receipts",
    [SIGHTING_ACCOUNT] = "whose AS owner, what AS account, livemode, first_at, last_at, count AS"
                         " events, iif(deauthorized >= created, deauthorized, 0) AS deauthorized",
    [SIGHTING_TYPE] = "whose AS source, what AS type, livemode, first_at, last_at,"
                      " count AS receipts",
    [SIGHTING_VERSION] = "whose AS source, what AS api_version, livemode, first_at, last_at,"
                         " count AS receipts",
    [SIGHTING_SITE] = "what AS site, livemode, first_at, last_at, count AS events",
    [SIGHTING_TABLE] = "what AS \"table\", livemode, first_at, last_at, count AS events, created",
};

static result list_sightings(struct reader *r, enum sighting kind, const struct list_filter *f,
                             struct text *out) {
    OWN(text_drop)
    struct text sql = {0};
    NEED(kind == SIGHTING_ACCOUNT || (f->account.n == 0 && f->owner.n == 0), INVALID,
         "account and owner are of accounts");
    text_addf(&sql,
              "SELECT number, %s FROM sighting WHERE kind = %u AND number > ?1 AND"
              " number < ?2",
              sighting_columns[kind], kind);
    if (f->account.n > 0)
        text_adds(&sql, " AND what = ?8");
    if (f->owner.n > 0)
        text_adds(&sql, " AND whose = ?9");
    TRY(add_livemode(f, &sql));
    add_order(f, "number", &sql);
    int64_t low = f->after < INT64_MAX ? (int64_t)f->after : INT64_MAX;
    return list(r, &sql, f, low, below(f->before), out);
}

result reader_sightings(struct reader *r, enum sighting kind, const struct list_filter *f,
                        struct text *out) {
    TRY(reader_begin(r, true));
    result failed = list_sightings(r, kind, f, out);
    reader_end(r);
    return failed;
}
