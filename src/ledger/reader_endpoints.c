// SPDX-License-Identifier: MIT
#include "base/ensure.h"
#include "ledger/reader_internal.h"
#include "rules/endpoint.h"

#define PAGE_MAX 100

enum { P_LIVEMODE = 1, P_PREFIX, P_LOW, P_HIGH, P_ID };

// Nobody who asks the books needs a secret, not even a sealed one.
#define SHOWN "json_set(json, '$.sealed', '')"
#define SEEN " deleted_at = 0 AND livemode = ?1 AND substr(id, 1, length(?2)) = ?2"

static result find(struct reader *r, const struct endpoint_query *q, bytes id, const char *what,
                   sqlite3_stmt **s) {
    OWN(text_drop)
    struct text sql = {0};
    bool row = false;
    text_addf(&sql, "SELECT %s FROM endpoint WHERE id = ?5 AND" SEEN, what);
    TRY(reader_prepare(r, text_str(&sql), s));
    sqlite3_bind_int(*s, P_LIVEMODE, q->livemode);
    sqlite_bind_bytes(*s, P_PREFIX, q->prefix);
    sqlite_bind_bytes(*s, P_ID, id);
    TRY(reader_step(*s, &row));
    NEED(row, ABSENT, "there is no such endpoint");
    return OK;
}

static result bound(struct reader *r, const struct endpoint_query *q, bytes id, int64_t *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *s = NULL;
    if (id.n == 0)
        return OK;
    TRY(find(r, q, id, "destination", &s));
    *out = sqlite3_column_int64(s, 0);
    return OK;
}

// Numbers of destinations, in the direction of the walk, one more than the page has.
static result page(struct reader *r, const struct endpoint_query *q, int64_t *numbers, size_t *n) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *s = NULL;
    OWN(text_drop)
    struct text sql = {0};
    int64_t low = 0, high = INT64_MAX;
    TRY(bound(r, q, q->after, &high));
    TRY(bound(r, q, q->before, &low));
    text_addf(
        &sql,
        "SELECT destination FROM endpoint WHERE destination > ?3 AND destination < ?4 AND" SEEN
        " ORDER BY destination%s",
        q->before.n > 0 ? "" : " DESC");
    TRY(reader_prepare(r, text_str(&sql), &s));
    sqlite3_bind_int(s, P_LIVEMODE, q->livemode);
    sqlite_bind_bytes(s, P_PREFIX, q->prefix);
    sqlite3_bind_int64(s, P_LOW, low);
    sqlite3_bind_int64(s, P_HIGH, high);
    for (bool row = true; *n <= q->limit; (*n)++) {
        TRY(reader_step(s, &row));
        if (!row)
            break;
        numbers[*n] = sqlite3_column_int64(s, 0);
    }
    return OK;
}

static result list(struct reader *r, const struct endpoint_query *q, struct text *out, bool *more) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *s = NULL;
    int64_t numbers[PAGE_MAX + 1];
    size_t n = 0;
    TRY(page(r, q, numbers, &n));
    TRY(reader_prepare(r, "SELECT " SHOWN " FROM endpoint WHERE destination = ?1", &s));
    *more = n > q->limit;
    n -= *more;
    text_addc(out, '[');
    for (size_t i = 0; i < n; i++) {
        bool row = false;
        sqlite3_reset(s);
        sqlite3_bind_int64(s, 1, numbers[q->before.n > 0 ? n - 1 - i : i]);
        TRY(reader_step(s, &row));
        NEED(row, CORRUPT, "an endpoint is gone from a snapshot of the books");
        text_adds(out, i > 0 ? "," : "");
        text_add(out, sqlite_bytes(s, 0));
    }
    text_addc(out, ']');
    return reader_said(out);
}

result reader_endpoints(struct reader *r, const struct endpoint_query *q, struct text *out,
                        bool *more) {
    ensure(q->limit <= PAGE_MAX);
    TRY(reader_begin(r, true));
    result failed = list(r, q, out, more);
    reader_end(r);
    return failed;
}

static result one(struct reader *r, bool livemode, bytes id, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *s = NULL;
    TRY(find(r, &(struct endpoint_query){.livemode = livemode}, id, SHOWN, &s));
    text_add(out, sqlite_bytes(s, 0));
    return reader_said(out);
}

result reader_endpoint(struct reader *r, bool livemode, bytes id, struct text *out) {
    TRY(reader_begin(r, true));
    result failed = one(r, livemode, id, out);
    reader_end(r);
    return failed;
}

static result know_one(sqlite3_stmt *s, struct arena *a, struct endpoint_known *out) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    TRY(json_parse(sqlite_bytes(s, 0), &doc));
    struct endpoint e;
    TRY(endpoint_read(json_root(doc), a, &e));
    *out = (struct endpoint_known){.enabled = e.enabled,
                                   .because = e.because,
                                   .created_s = e.created_s,
                                   .failing_since = sqlite3_column_int64(s, 1)};
    return endpoint_destination(&e, a, &out->as);
}

static result know(struct reader *r, struct arena *a, struct endpoint_known **out, size_t *n) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *s = NULL;
    int64_t count = 0;
    TRY(sqlite_number(r->db, "SELECT count(*) FROM endpoint WHERE deleted_at = 0", &count));
    *n = 0;
    *out = arena_take(a, (size_t)(count + 1) * sizeof **out);
    NEED(*out != NULL, MEMORY, "the endpoints do not fit their memory");
    TRY(reader_prepare(r,
                       "SELECT " SHOWN ", failing_since FROM endpoint WHERE deleted_at = 0"
                       " ORDER BY destination",
                       &s));
    for (bool row = true; *n < (size_t)count; ++*n) {
        TRY(reader_step(s, &row));
        if (!row)
            break;
        result failed = know_one(s, a, &(*out)[*n]);
        NEED(!failed_as(failed, FAIL_INVALID), CORRUPT,
             "an endpoint in the books has another form");
        TRY(failed);
    }
    return OK;
}

result reader_endpoints_known(struct reader *r, struct arena *a, struct endpoint_known **out,
                              size_t *n) {
    *n = 0;
    TRY(reader_begin(r, true));
    result failed = know(r, a, out, n);
    reader_end(r);
    return failed;
}
