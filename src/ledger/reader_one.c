// SPDX-License-Identifier: MIT
#include "ledger/reader_internal.h"

#define PARTS_MAX 1000 // receipts or deliveries shown with an event, attempts with a delivery

// The seq of an event by its id (the first of several that share it), or by seq if it is a number.
static result event_seq(struct reader *r, bytes id, int64_t *out) {
    uint64_t seq = 0;
    bool by_seq = id.n > 0 && bytes_to_u64(id, &seq) == OK;
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r,
                       by_seq ? "SELECT seq FROM event WHERE seq = ?1"
                              : "SELECT min(seq) FROM event INDEXED BY event_key WHERE id = ?1",
                       &q));
    if (by_seq)
        sqlite3_bind_int64(q, 1, (int64_t)seq);
    else
        sqlite_bind_bytes(q, 1, id);
    bool row = false;
    TRY(reader_step(q, &row));
    NEED(row && sqlite3_column_type(q, 0) != SQLITE_NULL, ABSENT, "there is no such event");
    *out = sqlite3_column_int64(q, 0);
    return OK;
}

static result add_rows(struct reader *r, const char *name, const char *sql, int64_t key,
                       struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r, sql, &q));
    sqlite3_bind_int64(q, 1, key);
    text_addf(out, ",\"%s\":", name);
    return reader_rows(q, PARTS_MAX, out, NULL);
}

static result add_twin(struct reader *r, int64_t seq, struct text *out) {
    static const char sql[] =
        "SELECT seq, id, type, thin FROM event AS t WHERE seq = ifnull("
        "(SELECT s.seq FROM event AS e JOIN event AS s INDEXED BY event_key ON s.id = e.snapshot_id"
        " AND s.owner = e.owner AND s.livemode = e.livemode"
        " WHERE e.seq = ?1 AND e.snapshot_id <> '' LIMIT 1), "
        "(SELECT s.seq FROM event AS e JOIN event AS s INDEXED BY event_snapshot ON s.snapshot_id ="
        " e.id AND s.snapshot_id <> '' AND s.owner = e.owner AND s.livemode = e.livemode"
        " WHERE e.seq = ?1 LIMIT 1))";
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r, sql, &q));
    sqlite3_bind_int64(q, 1, seq);
    bool row = false;
    TRY(reader_step(q, &row));
    text_adds(out, ",\"twin\":");
    text_adds(out, row ? "{" : "null");
    if (row) {
        reader_row(q, 0, sqlite3_column_count(q), out);
        text_addc(out, '}');
    }
    return OK;
}

static result one(struct reader *r, const char *sql, int64_t key, struct text *out) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r, sql, &q));
    sqlite3_bind_int64(q, 1, key);
    bool row = false;
    TRY(reader_step(q, &row));
    NEED(row, ABSENT, "there is no such row");
    reader_row(q, 0, sqlite3_column_count(q), out);
    return OK;
}

static result show_event(struct reader *r, bytes id, struct text *out) {
    int64_t seq = 0;
    TRY(event_seq(r, id, &seq));
    text_addc(out, '{');
    TRY(one(r,
            "SELECT " EVENT_COLUMNS ", thin, context, object_type, request_id, idempotency_key,"
            " snapshot_id FROM event WHERE seq = ?1",
            seq, out));
    TRY(add_rows(
        r, "receipts",
        "SELECT seq, source, received_at, secret_label, api_version, sha256, scope_misfit,"
        " livemode_misfit, generation, body_seq FROM receipt WHERE seq = ?1 AND event_seq ="
        " ?1 UNION ALL SELECT seq, source, received_at, secret_label, api_version, sha256,"
        " scope_misfit, livemode_misfit, generation, body_seq FROM receipt INDEXED BY"
        " receipt_later WHERE event_seq = ?1 AND event_seq <> seq ORDER BY 1",
        seq, out));
    TRY(add_rows(r, "deliveries",
                 "SELECT " DELIVERY_COLUMNS
                 " FROM delivery AS d INDEXED BY delivery_event" DELIVERY_JOIN
                 " WHERE d.event_seq = ?1 ORDER BY d.seq",
                 seq, out));
    TRY(add_rows(r, "listened",
                 "SELECT number, key_id, device, url, status, started_at, micros, error, answer"
                 " FROM listen_attempts WHERE event_seq = ?1 ORDER BY number",
                 seq, out));
    TRY(add_twin(r, seq, out));
    text_addc(out, '}');
    return reader_said(out);
}

result reader_event(struct reader *r, bytes id, struct text *out) {
    TRY(reader_begin(r, true));
    result failed = show_event(r, id, out);
    reader_end(r);
    return failed;
}

static result show_delivery(struct reader *r, int64_t seq, struct text *out) {
    text_addc(out, '{');
    TRY(one(r, "SELECT " DELIVERY_COLUMNS " FROM delivery AS d" DELIVERY_JOIN " WHERE d.seq = ?1",
            seq, out));
    TRY(add_rows(r, "attempts_made",
                 "SELECT number, started_at, micros, outcome, status, error, answer FROM attempts"
                 " WHERE delivery = ?1 ORDER BY number",
                 seq, out));
    text_addc(out, '}');
    return reader_said(out);
}

result reader_delivery(struct reader *r, uint64_t seq, struct text *out) {
    TRY(reader_begin(r, true));
    result failed = show_delivery(r, (int64_t)seq, out);
    reader_end(r);
    return failed;
}

static result show_suspended(struct reader *r, int64_t position, struct text *out) {
    text_addc(out, '{');
    TRY(one(r,
            "SELECT position, kind, state, reason, received_at, generation, payload FROM suspense"
            " WHERE position = ?1",
            position, out));
    text_addc(out, '}');
    return reader_said(out);
}

result reader_suspended(struct reader *r, uint64_t position, struct text *out) {
    TRY(reader_begin(r, true));
    result failed = show_suspended(r, (int64_t)position, out);
    reader_end(r);
    return failed;
}

static result show_body(struct reader *r, bytes id, uint64_t receipt, struct text *out) {
    int64_t seq = 0;
    TRY(event_seq(r, id, &seq));
    static const char first[] =
        "SELECT payload FROM body WHERE receipt_seq = (SELECT body_seq FROM receipt WHERE seq ="
        " (SELECT min(seq) FROM (SELECT seq FROM receipt WHERE seq = ?1 AND event_seq = ?1"
        " UNION ALL SELECT seq FROM receipt INDEXED BY receipt_later WHERE event_seq = ?1"
        " AND event_seq <>"
        " seq)))";
    static const char named[] = "SELECT payload FROM body WHERE receipt_seq ="
                                " (SELECT body_seq FROM receipt WHERE seq = ?2 AND event_seq = ?1)";
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r, receipt == 0 ? first : named, &q));
    sqlite3_bind_int64(q, 1, seq);
    if (receipt != 0)
        sqlite3_bind_int64(q, 2, (int64_t)receipt);
    bool row = false;
    TRY(reader_step(q, &row));
    NEED(row, ABSENT, "the event has no such receipt");
    text_add(out, sqlite_bytes(q, 0));
    return reader_said(out);
}

result reader_body(struct reader *r, bytes id, uint64_t receipt, struct text *out) {
    TRY(reader_begin(r, true));
    result failed = show_body(r, id, receipt, out);
    reader_end(r);
    return failed;
}
