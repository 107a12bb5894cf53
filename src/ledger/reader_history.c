// SPDX-License-Identifier: MIT
#include "ledger/reader_internal.h"

#include "stripe/event_shown.h"

#define CLOCKS_APART_MS (86400 * INT64_C(1000)) // of Stripe's and ours, at most

enum { P_AFTER = 1, P_BEFORE, P_LIVEMODE, P_ACCOUNT, P_MIN, P_MAX, P_ID, P_TYPES };

// Whose events a question sees: a thin one is of another API.
#define SEEN                                                                                       \
    " thin = 0 AND livemode = ?3 AND iif(?4 = '', account = '', account = ?4 OR"                   \
    " (account = '' AND owner = ?4))"

// What book_settle calls pending or failed: to a destination something is owed, or what was owed
// last is dead.
static const char pending_sql[] =
    "SELECT count(DISTINCT d.destination) FROM delivery AS d INDEXED BY delivery_event WHERE"
    " d.event_seq = ?1 AND (d.state IN (0, 2) OR (d.state = 4 AND NOT EXISTS (SELECT 1 FROM"
    " delivery AS l INDEXED BY delivery_event WHERE l.event_seq = d.event_seq AND l.destination ="
    " d.destination AND l.seq > d.seq)))";

static void bind_view(sqlite3_stmt *q, const struct history_view *v) {
    sqlite3_bind_int(q, P_LIVEMODE, v->livemode);
    sqlite_bind_bytes(q, P_ACCOUNT, v->account);
}

static result find(struct reader *r, const struct history_view *v, bytes id, int64_t *seq) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(r,
                       "SELECT seq FROM event INDEXED BY event_key WHERE id = ?7 AND" SEEN
                       " ORDER BY seq LIMIT 1",
                       &q));
    bind_view(q, v);
    sqlite_bind_bytes(q, P_ID, id);
    TRY(reader_step(q, &row));
    NEED(row, ABSENT, "there is no such event");
    *seq = sqlite3_column_int64(q, 0);
    return OK;
}

struct showing {
    sqlite3_stmt *body, *pending;
};

static void showing_drop(struct showing *s) {
    sqlite3_finalize(s->body);
    sqlite3_finalize(s->pending);
}

static result showing_begin(struct reader *r, struct showing *s) {
    TRY(reader_prepare(r, "SELECT payload FROM body WHERE receipt_seq = ?1", &s->body));
    return reader_prepare(r, pending_sql, &s->pending);
}

static result show(struct showing *s, int64_t seq, struct text *out) {
    sqlite3_reset(s->body);
    sqlite3_reset(s->pending);
    sqlite3_bind_int64(s->body, 1, seq);
    sqlite3_bind_int64(s->pending, 1, seq);
    bool has_body = false, counted = false;
    TRY(reader_step(s->pending, &counted));
    TRY(reader_step(s->body, &has_body));
    NEED(has_body && counted, CORRUPT, "an event has no body");
    uint64_t pending = (uint64_t)sqlite3_column_int64(s->pending, 0);
    return event_show(sqlite_bytes(s->body, 0), pending, out);
}

static result one(struct reader *r, const struct history_view *v, bytes id, uint64_t *seq,
                  struct text *out) {
    OWN(showing_drop)
    struct showing s = {0};
    int64_t found = 0;
    TRY(find(r, v, id, &found));
    TRY(showing_begin(r, &s));
    *seq = (uint64_t)found;
    return show(&s, found, out);
}

result reader_history_one(struct reader *r, const struct history_view *v, bytes id, uint64_t *seq,
                          struct text *out) {
    TRY(reader_begin(r, true));
    result failed = one(r, v, id, seq, out);
    reader_end(r);
    return failed;
}

static result sent(struct reader *r, uint64_t seq, bytes destination) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(r,
                       "SELECT 1 FROM delivery INDEXED BY delivery_event WHERE event_seq = ?1 AND"
                       " destination = (SELECT number FROM destination WHERE name = ?2) LIMIT 1",
                       &q));
    sqlite3_bind_int64(q, 1, (int64_t)seq);
    sqlite_bind_bytes(q, 2, destination);
    TRY(reader_step(q, &row));
    NEED(row, ABSENT, "the event was never owed to a destination of this name");
    return OK;
}

result reader_history_sent(struct reader *r, uint64_t seq, bytes destination) {
    TRY(reader_begin(r, true));
    result failed = sent(r, seq, destination);
    reader_end(r);
    return failed;
}

static void add_types(const struct event_query *f, struct text *sql) {
    for (size_t i = 0; i < f->type_count; i++) {
        bool family = bytes_find(f->types[i], '*') < f->types[i].n;
        text_addf(sql, "%s type %s ?%zu", i == 0 ? " AND (" : " OR", family ? "GLOB" : "=",
                  P_TYPES + i);
    }
    text_adds(sql, f->type_count > 0 ? ")" : "");
}

static void bind_types(sqlite3_stmt *q, const struct event_query *f) {
    for (size_t i = 0; i < f->type_count; i++)
        sqlite_bind_bytes(q, (int)(P_TYPES + i), f->types[i]);
}

void reader_history_sql(const struct event_query *f, struct text *sql) {
    text_adds(sql, "SELECT seq FROM event NOT INDEXED WHERE seq > ?1 AND seq < ?2 AND created >= ?5"
                   " AND created <= ?6 AND" SEEN);
    add_types(f, sql);
    if (f->delivered == UNDELIVERED)
        text_adds(sql, " AND status IN (0, 2)");
    else if (f->delivered == DELIVERED)
        text_adds(sql, " AND status NOT IN (0, 2)");
    text_addf(sql, " ORDER BY seq%s LIMIT %zu", f->before.n > 0 ? "" : " DESC", f->limit + 1);
}

// The cursor's own failure is ABSENT. Of live events none can have come before it was made; test
// clocks make events of other times.
static result bounds(struct reader *r, const struct history_view *v, const struct event_query *f,
                     int64_t *low, int64_t *high) {
    *low = 0;
    *high = INT64_MAX;
    if (f->after.n > 0)
        TRY(find(r, v, f->after, high));
    if (f->before.n > 0)
        TRY(find(r, v, f->before, low));
    int64_t from = 0;
    if (v->livemode && f->created_min > 0 && f->created_min < INT64_MAX / 1000) {
        TRY(reader_event_from(r, f->created_min * 1000 - CLOCKS_APART_MS, &from));
        *low = from - 1 > *low ? from - 1 : *low;
    }
    return OK;
}

static result page(struct reader *r, const struct history_view *v, const struct event_query *f,
                   int64_t *seqs, size_t *n) {
    OWN(text_drop)
    struct text sql = {0};
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    int64_t low, high;
    TRY(bounds(r, v, f, &low, &high));
    reader_history_sql(f, &sql);
    TRY(reader_prepare(r, text_str(&sql), &q));
    bind_view(q, v);
    sqlite3_bind_int64(q, P_AFTER, low);
    sqlite3_bind_int64(q, P_BEFORE, high);
    sqlite3_bind_int64(q, P_MIN, f->created_min);
    sqlite3_bind_int64(q, P_MAX, f->created_max);
    bind_types(q, f);
    for (bool row = true; *n <= f->limit; (*n)++) {
        TRY(reader_step(q, &row));
        if (!row)
            break;
        seqs[*n] = sqlite3_column_int64(q, 0);
    }
    return OK;
}

// Newest first, whichever way it was walked.
static result list(struct reader *r, const struct history_view *v, const struct event_query *f,
                   struct text *out, bool *more) {
    OWN(showing_drop)
    struct showing s = {0};
    int64_t seqs[EVENT_QUERY_LIMIT_MAX + 1];
    size_t n = 0;
    TRY(page(r, v, f, seqs, &n));
    TRY(showing_begin(r, &s));
    *more = n > f->limit;
    n -= *more;
    text_addc(out, '[');
    for (size_t i = 0; i < n; i++) {
        text_adds(out, i > 0 ? "," : "");
        TRY(show(&s, seqs[f->before.n > 0 ? n - 1 - i : i], out));
    }
    text_addc(out, ']');
    return reader_said(out);
}

result reader_history(struct reader *r, const struct history_view *v, const struct event_query *f,
                      struct text *out, bool *more) {
    TRY(reader_begin(r, true));
    result failed = list(r, v, f, out, more);
    reader_end(r);
    return failed;
}
