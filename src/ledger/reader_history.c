// SPDX-License-Identifier: MIT
#include "ledger/reader_internal.h"

#include "stripe/event_shown.h"

enum {
    P_AFTER = 1,
    P_BEFORE,
    P_LIVEMODE,
    P_ACCOUNT,
    P_MIN,
    P_MAX,
    P_ID,
    P_THIN,
    P_OBJECT,
    P_BLOCK,
    P_TYPES
};

// Whose events a question sees: thin ones are of another API.
#define SEEN                                                                                       \
    " thin = ?8 AND (?9 = '' OR object_id = ?9) AND livemode = ?3 AND"                             \
    " iif(?4 = '', account = '', account = ?4 OR (account = '' AND owner = ?4))"

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
    sqlite3_bind_int(q, P_THIN, v->thin);
    sqlite_bind_bytes(q, P_OBJECT, v->object);
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
    bool thin; // as it came: it tells no number of deliveries
};

static void showing_drop(struct showing *s) {
    sqlite3_finalize(s->body);
    sqlite3_finalize(s->pending);
}

static result showing_begin(struct reader *r, const struct history_view *v, struct showing *s) {
    s->thin = v->thin;
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
    if (s->thin) {
        text_add(out, sqlite_bytes(s->body, 0));
        return OK;
    }
    uint64_t pending = (uint64_t)sqlite3_column_int64(s->pending, 0);
    return event_show(sqlite_bytes(s->body, 0), pending, out);
}

static result one(struct reader *r, const struct history_view *v, bytes id, uint64_t *seq,
                  struct text *out) {
    OWN(showing_drop)
    struct showing s = {0};
    int64_t found = 0;
    TRY(find(r, v, id, &found));
    TRY(showing_begin(r, v, &s));
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

void reader_history_sql(const struct history_view *v, const struct event_query *f,
                        struct text *sql) {
    static const char *const where[] = {[DELIVERED_OR_NOT] = "NOT INDEXED WHERE",
                                        [DELIVERED] = "NOT INDEXED WHERE status NOT IN (0, 2) AND"};
    static const char *const undelivered[] = {"INDEXED BY event_pending WHERE status = 0 AND",
                                              "INDEXED BY event_failed WHERE status = 2 AND"};
    static const char of_object[] = "INDEXED BY event_object WHERE seq >> 12 = ?10 AND object_id ="
                                    " ?9 AND object_id <> '' AND";
    bool two = f->delivered == UNDELIVERED, object = v->object.n > 0 && !two;
    for (size_t i = 0; i < 1 + (size_t)two; i++) {
        text_addf(sql,
                  "%sSELECT seq FROM event %s seq > ?1 AND seq < ?2 AND created >= ?5 AND created"
                  " <= ?6 AND" SEEN,
                  i > 0 ? " UNION ALL " : "",
                  two      ? undelivered[i]
                  : object ? of_object
                           : where[f->delivered]);
        if (object && f->delivered == DELIVERED)
            text_adds(sql, " AND status NOT IN (0, 2)");
        add_types(f, sql);
    }
    text_addf(sql, " ORDER BY seq%s LIMIT %zu", f->before.n > 0 ? "" : " DESC", f->limit + 1);
}

// Blocks of positions in which something may pass, in the direction of the walk.
void reader_history_blocks_sql(const struct history_view *v, const struct event_query *f,
                               struct text *sql) {
    (void)v;
    text_adds(sql, "SELECT DISTINCT block FROM event_block WHERE block >= ?1 AND block <= ?2"
                   " AND livemode = ?3 AND thin = ?8 AND created_max >= ?5 AND created_min <= ?6");
    add_types(f, sql);
    text_adds(sql, f->before.n > 0 ? " ORDER BY block" : " ORDER BY block DESC");
}

// Whether a block has anything of an account.
static void whose_sql(const struct history_view *v, const struct event_query *f, struct text *sql) {
    (void)v, (void)f;
    text_adds(sql, "SELECT 1 FROM event_whose WHERE block = ?1 AND livemode = ?3 AND whose = ?4");
}

struct page {
    const struct event_query *f;
    sqlite3_stmt *events, *blocks, *whose; // whose: null where any account is asked for
    int64_t low, high;                     // seqs between these
    int64_t *seqs;
    size_t n;
};

static void page_drop(struct page *p) {
    sqlite3_finalize(p->events);
    sqlite3_finalize(p->blocks);
    sqlite3_finalize(p->whose);
}

static bool is_full(const struct page *p) { return p->n > p->f->limit; }

// What passes of the positions from `first` on, before `end`: a block's, or all.
static result take(struct page *p, int64_t first, int64_t end) {
    if (is_full(p))
        return OK;
    sqlite3_reset(p->events);
    sqlite3_bind_int64(p->events, P_AFTER, first > p->low ? first - 1 : p->low);
    sqlite3_bind_int64(p->events, P_BEFORE, end < p->high ? end : p->high);
    sqlite3_bind_int64(p->events, P_BLOCK, first >> EVENT_BLOCK_BITS);
    for (bool row = true; !is_full(p); p->n++) {
        TRY(reader_step(p->events, &row));
        if (!row)
            break;
        p->seqs[p->n] = sqlite3_column_int64(p->events, 0);
    }
    return OK;
}

static result take_block(struct page *p, int64_t block) {
    return take(p, block << EVENT_BLOCK_BITS, (block + 1) << EVENT_BLOCK_BITS);
}

static result has_whose(struct page *p, int64_t block, bool *has) {
    if (p->whose == NULL)
        return OK;
    sqlite3_reset(p->whose);
    sqlite3_bind_int64(p->whose, P_AFTER, block);
    return reader_step(p->whose, has);
}

// Those of which it is known what lies in them.
static result take_full(struct page *p) {
    sqlite3_bind_int64(p->blocks, P_AFTER, p->low >> EVENT_BLOCK_BITS);
    sqlite3_bind_int64(p->blocks, P_BEFORE, p->high >> EVENT_BLOCK_BITS);
    for (bool row = true; !is_full(p);) {
        TRY(reader_step(p->blocks, &row));
        if (!row)
            break;
        int64_t block = sqlite3_column_int64(p->blocks, 0);
        bool has = true;
        TRY(has_whose(p, block, &has));
        if (has)
            TRY(take_block(p, block));
    }
    return OK;
}

static result take_blocks(struct reader *r, struct page *p) {
    int64_t open = 0, last = 0;
    TRY(sqlite_number(r->db, "SELECT ifnull(max(block), -1) + 1 FROM event_block", &open));
    TRY(sqlite_number(r->db, "SELECT ifnull(max(seq), 0) >> 12 FROM event", &last));
    if (p->f->before.n > 0) {
        TRY(take_full(p));
        for (int64_t block = open; block <= last; block++)
            TRY(take_block(p, block));
        return OK;
    }
    for (int64_t block = last; block >= open; block--)
        TRY(take_block(p, block));
    return take_full(p);
}

static result prepare(struct reader *r, const struct history_view *v, const struct event_query *f,
                      void (*say)(const struct history_view *v, const struct event_query *f,
                                  struct text *sql),
                      sqlite3_stmt **out) {
    OWN(text_drop)
    struct text sql = {0};
    say(v, f, &sql);
    TRY(reader_prepare(r, text_str(&sql), out));
    bind_view(*out, v);
    sqlite3_bind_int64(*out, P_MIN, f->created_min);
    sqlite3_bind_int64(*out, P_MAX, f->created_max);
    bind_types(*out, f);
    return OK;
}

// The cursor's own failure is ABSENT.
static result page(struct reader *r, const struct history_view *v, const struct event_query *f,
                   int64_t *seqs, size_t *n) {
    OWN(page_drop)
    struct page p = {.f = f, .high = INT64_MAX, .seqs = seqs};
    if (f->after.n > 0)
        TRY(find(r, v, f->after, &p.high));
    if (f->before.n > 0)
        TRY(find(r, v, f->before, &p.low));
    TRY(prepare(r, v, f, reader_history_sql, &p.events));
    TRY(prepare(r, v, f, reader_history_blocks_sql, &p.blocks));
    if (v->account.n > 0)
        TRY(prepare(r, v, f, whose_sql, &p.whose));
    bool all = f->type_count == 0 && f->created_min == INT64_MIN && f->created_max == INT64_MAX &&
               v->account.n == 0 && !v->thin && v->object.n == 0;
    TRY(all ? take(&p, 0, INT64_MAX) : take_blocks(r, &p));
    *n = p.n;
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
    TRY(showing_begin(r, v, &s));
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
