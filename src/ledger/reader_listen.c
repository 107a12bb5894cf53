// SPDX-License-Identifier: MIT
#include "ledger/reader_internal.h"

// An event that no source takes has nothing but receipts that do not fit.
static const char pushes_sql[] =
    "SELECT seq, thin, id, api_version, (SELECT payload FROM body WHERE receipt_seq = event.seq),"
    " iif(site > 0, (SELECT name FROM site WHERE number = event.site), '')"
    " FROM event NOT INDEXED WHERE seq > ?1 AND seq <= ?2 AND (livemode = ?3 OR ?5)"
    " AND (status <> 3 OR EXISTS (SELECT 1 FROM receipt WHERE seq = event.seq AND NOT"
    " livemode_misfit) OR EXISTS (SELECT 1 FROM receipt INDEXED BY receipt_later WHERE event_seq ="
    " event.seq AND event_seq <> seq AND NOT livemode_misfit)) ORDER BY seq LIMIT ?4";

static result copy(sqlite3_stmt *q, int column, struct arena *a, bytes *out) {
    *out = arena_copy(a, sqlite_bytes(q, column));
    NEED(out->p != NULL || sqlite_bytes(q, column).n == 0, MEMORY, "an event does not fit");
    return OK;
}

static result pushes(struct reader *r, const struct push_question *p, struct arena *a,
                     struct push_event *out, size_t *n, bool *more) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    int64_t from = 0, after = (int64_t)p->after;
    if (p->since_ms > 0)
        TRY(reader_event_from(r, p->since_ms, &from));
    TRY(reader_prepare(r, pushes_sql, &q));
    sqlite3_bind_int64(q, 1, from - 1 > after ? from - 1 : after);
    sqlite3_bind_int64(q, 2, (int64_t)p->upto);
    sqlite3_bind_int(q, 3, p->livemode);
    sqlite3_bind_int(q, 5, p->either);
    sqlite3_bind_int64(q, 4, (int64_t)p->max + 1);
    size_t size = 0;
    for (bool row = false;;) {
        TRY(reader_step(q, &row));
        if (!row)
            return OK;
        size += (size_t)sqlite3_column_bytes(q, 4);
        if (*n == p->max || (*n > 0 && size > p->max_bytes)) {
            *more = true;
            return OK;
        }
        struct push_event *e = &out[*n];
        *e = (struct push_event){.seq = (uint64_t)sqlite3_column_int64(q, 0),
                                 .thin = sqlite3_column_int(q, 1) != 0};
        TRY(copy(q, 2, a, &e->id));
        TRY(copy(q, 3, a, &e->api_version));
        TRY(copy(q, 4, a, &e->body));
        TRY(copy(q, 5, a, &e->site));
        ++*n;
    }
}

result reader_pushes(struct reader *r, const struct push_question *p, struct arena *a,
                     struct push_event **out, size_t *n, bool *more) {
    *n = 0;
    *more = false;
    *out = arena_take(a, (p->max + 1) * sizeof **out);
    NEED(*out != NULL, MEMORY, "so many events do not fit");
    TRY(reader_begin(r, true));
    result failed = pushes(r, p, a, *out, n, more);
    reader_end(r);
    return failed;
}

result reader_version(struct reader *r, bool livemode, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(r,
                       "SELECT what FROM sighting WHERE kind = 4 AND livemode = ?1"
                       " ORDER BY last_at DESC, number DESC LIMIT 1",
                       &q));
    sqlite3_bind_int(q, 1, livemode);
    TRY(reader_step(q, &row));
    if (row)
        text_add(out, sqlite_bytes(q, 0));
    return OK;
}
