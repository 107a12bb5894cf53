// SPDX-License-Identifier: MIT
// Copies, and whether the books hold together.
#include <string.h>

#include "ledger/reader_internal.h"

#define PROBLEMS_SHOWN 20 // of one kind

// Each row that one of these finds is a problem: its first column says where.
static const struct {
    const char *what, *sql;
} checks[] = {
    {"event %lld has no receipt",
     "SELECT seq FROM event WHERE NOT EXISTS (SELECT 1 FROM receipt AS f WHERE f.seq = event.seq"
     " AND f.event_seq = event.seq) AND NOT EXISTS (SELECT 1 FROM receipt AS l INDEXED BY"
     " receipt_later"
     " WHERE l.event_seq = event.seq AND l.event_seq <> l.seq)"},
    {"receipt %lld has no event", "SELECT seq FROM receipt WHERE NOT EXISTS"
                                  " (SELECT 1 FROM event WHERE seq = receipt.event_seq)"},
    {"body %lld has no receipt",
     "SELECT receipt_seq FROM body WHERE NOT EXISTS (SELECT 1 FROM receipt WHERE seq ="
     " body.receipt_seq AND body_seq = body.receipt_seq)"},
    {"delivery %lld has no event, no receipt of it, or no destination",
     "SELECT seq FROM delivery AS d WHERE NOT EXISTS (SELECT 1 FROM event WHERE seq = d.event_seq)"
     " OR NOT EXISTS (SELECT 1 FROM receipt WHERE seq = d.receipt_seq AND event_seq = d.event_seq)"
     " OR NOT EXISTS (SELECT 1 FROM destination WHERE number = d.destination)"},
    {"delivery %lld is open, but has no time at which it is due",
     "SELECT seq FROM delivery WHERE state IN (0, 2) AND next_at <= 0"},
    {"delivery %lld is not among what the books say was made",
     "SELECT seq FROM delivery WHERE seq >= ifnull((SELECT next_delivery FROM state), 1)"},
    {"attempt of delivery %lld, which there is not",
     "SELECT DISTINCT delivery FROM attempt WHERE NOT EXISTS (SELECT 1 FROM delivery WHERE seq ="
     " attempt.delivery)"},
    {"an answer to who listened to event %lld, which there is not",
     "SELECT DISTINCT event_seq FROM listen_attempt WHERE NOT EXISTS (SELECT 1 FROM event WHERE"
     " seq = listen_attempt.event_seq)"},
    {"receipt %lld lies behind the last position that was booked",
     "SELECT seq FROM receipt WHERE seq > ifnull((SELECT booked FROM state), 0)"},
    {"receipt %lld was taken under a plan that is not kept",
     "SELECT seq FROM receipt WHERE generation > 0 AND NOT EXISTS (SELECT 1 FROM plan WHERE plan."
     "generation = receipt.generation)"},
    {"event %lld is of a type, a time or an account that is not noted of its block",
     "SELECT seq FROM event AS e WHERE seq >> 12 <= (SELECT max(block) FROM event_block) AND NOT"
     " (EXISTS (SELECT 1 FROM event_block AS b WHERE b.block = e.seq >> 12 AND b.livemode ="
     " e.livemode AND b.thin = e.thin AND b.type = e.type AND b.created_min <= e.created AND"
     " b.created_max >= e.created) AND EXISTS (SELECT 1 FROM event_whose AS w WHERE w.block ="
     " e.seq >> 12 AND w.livemode = e.livemode AND w.whose = iif(e.account = '', e.owner,"
     " e.account)))"},
    // What ledger/book_delivery.c makes of an event's deliveries.
    {"event %lld has a status that does not follow from its deliveries",
     "SELECT seq FROM event AS e WHERE status <> CASE"
     " WHEN EXISTS (SELECT 1 FROM delivery WHERE event_seq = e.seq AND state IN (0, 2)) THEN 0"
     " WHEN EXISTS (SELECT 1 FROM delivery AS d WHERE d.event_seq = e.seq AND d.state = 4 AND NOT"
     " EXISTS (SELECT 1 FROM delivery AS l WHERE l.event_seq = e.seq AND l.destination ="
     " d.destination AND l.seq > d.seq)) THEN 2"
     " WHEN EXISTS (SELECT 1 FROM delivery WHERE event_seq = e.seq) THEN 1 ELSE 3 END"},
};

static void add_problem(struct text *out, const char *what, long long seq) {
    const char *place = strstr(what, "%lld");
    text_add(out, bytes_from(what, (size_t)(place - what)));
    text_add_i64(out, seq);
    text_adds(out, place + strlen("%lld"));
    text_addc(out, '\n');
}

static void add_rest(struct text *out, uint64_t found) {
    if (found > PROBLEMS_SHOWN)
        text_addf(out, "… and %llu more of the kind\n",
                  (unsigned long long)(found - PROBLEMS_SHOWN));
}

static result run_check(struct reader *r, size_t i, struct text *out, uint64_t *problems) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r, checks[i].sql, &q));
    uint64_t found = 0;
    for (bool row = false;; found++) {
        TRY(reader_step(q, &row));
        if (!row)
            break;
        if (found < PROBLEMS_SHOWN)
            add_problem(out, checks[i].what, sqlite3_column_int64(q, 0));
    }
    add_rest(out, found);
    *problems += found;
    return OK;
}

static result check_integrity(struct reader *r, struct text *out, uint64_t *problems) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r, "PRAGMA integrity_check(20)", &q));
    for (bool row = false;;) {
        TRY(reader_step(q, &row));
        if (!row)
            return OK;
        bytes said = sqlite_bytes(q, 0);
        if (bytes_equal(said, B("ok")))
            continue;
        text_adds(out, "SQLite: ");
        text_add_printable(out, said, 500);
        text_addc(out, '\n');
        ++*problems;
    }
}

static result check_bodies(struct reader *r, struct text *out, uint64_t *problems) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    TRY(reader_prepare(r,
                       "SELECT receipt.seq, receipt.sha256, body.payload FROM receipt LEFT JOIN"
                       " body ON body.receipt_seq = receipt.body_seq",
                       &q));
    uint64_t found = 0;
    for (bool row = false;;) {
        TRY(reader_step(q, &row));
        if (!row)
            break;
        const char *what = NULL;
        if (sqlite3_column_type(q, 2) == SQLITE_NULL) {
            what = "receipt %lld has no body";
        } else {
            uint8_t hash[SHA256_SIZE];
            bytes body = sqlite_bytes(q, 2);
            digest_sha256(&body, 1, hash);
            if (!bytes_equal(bytes_from(hash, sizeof hash), sqlite_bytes(q, 1)))
                what = "receipt %lld: its body is not what arrived (SHA-256 differs)";
        }
        if (what != NULL && found++ < PROBLEMS_SHOWN)
            add_problem(out, what, sqlite3_column_int64(q, 0));
    }
    add_rest(out, found);
    *problems += found;
    return OK;
}

static result add_summary(struct reader *r, uint64_t problems, struct text *out) {
    static const char *const tables[] = {"event", "receipt", "body", "delivery", "attempt"};
    static const char *const words[] = {"events", "receipts", "bodies", "deliveries", "attempts"};
    int64_t booked = 0;
    result none = sqlite_number(r->db, "SELECT booked FROM state", &booked);
    if (none != OK && !failed_as(none, FAIL_ABSENT))
        return none;
    text_addf(out, "ledger: %s; booked up to %lld", problems == 0 ? "sound" : "NOT SOUND",
              (long long)booked);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        OWN(text_drop)
        struct text sql = {0};
        int64_t n = 0;
        text_addf(&sql, "SELECT count(*) FROM %s", tables[i]);
        TRY(sqlite_number(r->db, text_str(&sql), &n));
        text_addf(out, ", %lld %s", (long long)n, words[i]);
    }
    text_addf(out, ", %llu problems\n", (unsigned long long)problems);
    return OK;
}

static result verify(struct reader *r, struct text *out) {
    uint64_t problems = 0;
    TRY(check_integrity(r, out, &problems));
    TRY(check_bodies(r, out, &problems));
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        TRY(run_check(r, i, out, &problems));
    TRY(add_summary(r, problems, out));
    NEED(problems == 0, CORRUPT, "the ledger is not sound");
    return reader_said(out);
}

result reader_verify(struct reader *r, struct text *out) {
    TRY(reader_begin(r, false));
    result failed = verify(r, out);
    if (failed != OK && sqlite3_errcode(r->db) != SQLITE_OK &&
        sqlite3_errcode(r->db) != SQLITE_DONE && sqlite3_errcode(r->db) != SQLITE_ROW)
        text_addf(out, "ledger: cannot be checked to its end: %s (SQLite says: %s)\n", failed->text,
                  sqlite3_errmsg(r->db));
    reader_end(r);
    return failed;
}

result reader_backup(struct reader *r, const char *file, struct text *why) {
    atomic_store(&r->interrupted, false);
    int64_t booked = 0;
    result none = sqlite_number(r->db, "SELECT booked FROM state", &booked);
    if (none != OK && !failed_as(none, FAIL_ABSENT))
        return none;
    result failed = ledger_copy(r->db, file, &r->interrupted, why);
    reader_end(r);
    if (failed == OK)
        text_addf(why, "%s has everything up to position %lld", file, (long long)booked);
    return failed;
}
