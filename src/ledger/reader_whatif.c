// SPDX-License-Identifier: MIT
// Feeds rules/whatif.h with what the books hold, in one snapshot, a row at a time.
#include "ledger/reader_internal.h"
#include "rules/whatif.h"

#define OBJECTS_MAX 1000000
#define EVENTS_MAX 1000000
#define COUNTED_MAX ((size_t)64 << 20)
#define ROW_MEMORY_MAX ((size_t)64 << 20)

struct comparison {
    struct reader *reader;
    const struct whatif_question *asked;
    struct whatif *whatif;
    struct plan *now;  // in force; null: none
    struct plan *then; // under which the receipt at hand was taken; null: none, or it is `now`
    sqlite3_stmt *receipts, *body;
    struct event event; // of body `body_seq`, 0: none
    int64_t body_seq, low, high;
    size_t events_max;
    size_t events; // read so far for what they say
};

static void comparison_drop(struct comparison *c) {
    whatif_close(c->whatif);
    plan_free(c->now);
    plan_free(c->then);
    sqlite_statement_drop(&c->receipts);
    sqlite_statement_drop(&c->body);
    event_drop(&c->event);
}

// The fingerprint of the receipt's secret, as it was then.
static result find_fingerprint(struct comparison *c, int64_t generation, bytes source, bytes label,
                               bytes *out) {
    const struct plan *p = c->now;
    *out = NO_BYTES;
    if (p == NULL || p->generation != (uint64_t)generation) {
        if (c->then == NULL || c->then->generation != (uint64_t)generation) {
            plan_free(c->then);
            TRY(reader_plan_read(c->reader, generation, &c->then));
        }
        p = c->then;
    }
    const struct plan_source *s = p == NULL ? NULL : plan_source_find(p, source);
    for (size_t i = 0; s != NULL && i < s->secret_count; i++)
        if (bytes_equal(s->secrets[i].label, label))
            *out = s->secrets[i].fingerprint;
    return OK;
}

static result read_body(struct comparison *c, int64_t seq) {
    if (c->body_seq == seq)
        return OK;
    bool row = false;
    event_drop(&c->event);
    c->event = (struct event){0};
    c->body_seq = 0;
    sqlite3_reset(c->body);
    sqlite3_bind_int64(c->body, 1, seq);
    TRY(reader_step(c->body, &row));
    NEED(row, CORRUPT, "a receipt has no body");
    TRY(event_parse(sqlite_bytes(c->body, 0), &c->event, NULL));
    c->body_seq = seq;
    return OK;
}

typedef result (*receipt_fn)(struct comparison *c, bytes owner, const struct whatif_receipt *r);

static result for_receipts(struct comparison *c, int64_t event, bytes owner, receipt_fn each) {
    bool row = false;
    NEED(!reader_is_over(c->reader), TIMEOUT, "the comparison was ended");
    sqlite3_reset(c->receipts);
    sqlite3_bind_int64(c->receipts, 1, event);
    for (;;) {
        TRY(reader_step(c->receipts, &row));
        if (!row)
            return OK;
        struct whatif_receipt r = {.source = sqlite_bytes(c->receipts, 0),
                                   .secret_label = sqlite_bytes(c->receipts, 1),
                                   .event = &c->event};
        TRY(find_fingerprint(c, sqlite3_column_int64(c->receipts, 2), r.source, r.secret_label,
                             &r.fingerprint));
        TRY(read_body(c, sqlite3_column_int64(c->receipts, 3)));
        TRY(each(c, owner, &r));
    }
}

static result learn_receipt(struct comparison *c, bytes owner, const struct whatif_receipt *r) {
    return whatif_learn(c->whatif, owner, r);
}

static result match_receipt(struct comparison *c, bytes owner, const struct whatif_receipt *r) {
    return whatif_event_receipt(c->whatif, r);
}

static result learn_event(struct comparison *c, int64_t seq, bytes owner) {
    NEED(++c->events <= c->events_max, FULL, "more events than may be read");
    return for_receipts(c, seq, owner, learn_receipt);
}

static result match_event(struct comparison *c, int64_t seq, bytes owner) {
    whatif_event_begin(c->whatif, owner);
    TRY(for_receipts(c, seq, owner, match_receipt));
    return whatif_event_end(c->whatif);
}

static result unclaimed_receipt(struct comparison *c, bytes owner, const struct whatif_receipt *r) {
    return OK;
}

static result unclaimed_event(struct comparison *c, int64_t seq, bytes owner) {
    TRY(for_receipts(c, seq, owner, unclaimed_receipt)); // which leaves it in c->event
    return c->body_seq == 0 ? OK : whatif_unclaimed(c->whatif, owner, &c->event);
}

typedef result (*event_fn)(struct comparison *c, int64_t seq, bytes owner);

static result for_events(struct comparison *c, const char *sql, event_fn each) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(c->reader, sql, &q));
    if (sqlite3_bind_parameter_count(q) > 0) {
        sqlite3_bind_int64(q, 1, c->low);
        sqlite3_bind_int64(q, 2, c->high);
    }
    for (;;) {
        TRY(reader_step(q, &row));
        if (!row)
            return OK;
        TRY(each(c, sqlite3_column_int64(q, 0), sqlite_bytes(q, 1)));
    }
}

static const char events_asked[] =
    "SELECT seq, owner FROM event NOT INDEXED WHERE seq > ?1 AND seq < ?2 ORDER BY seq";
static const char events_unclaimed[] =
    "SELECT seq, owner FROM event INDEXED BY event_unclaimed WHERE site = -1 ORDER BY seq";
static const char events_unclaimed_elsewhere[] =
    "SELECT seq, owner FROM event INDEXED BY event_unclaimed WHERE site = -1 AND (seq <= ?1 OR seq"
    " >= ?2) ORDER BY seq";

static result read_sites(struct comparison *c) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    bool row = false;
    TRY(reader_prepare(c->reader, "SELECT number, name FROM site", &q));
    for (;;) {
        TRY(reader_step(q, &row));
        if (!row)
            return OK;
        whatif_site(c->whatif, sqlite3_column_int64(q, 0), sqlite_bytes(q, 1));
    }
}

static result read_objects(struct comparison *c) {
    OWN(sqlite_statement_drop)
    sqlite3_stmt *q = NULL;
    OWN(arena_drop)
    struct arena a;
    bool row = false;
    arena_init(&a, ROW_MEMORY_MAX);
    TRY(sqlite_prepare(c->reader->db, "SELECT {object} FROM object", &q));
    for (;;) {
        struct site_object o;
        arena_reset(&a);
        TRY(reader_step(q, &row));
        if (!row)
            return OK;
        NEED(!reader_is_over(c->reader), TIMEOUT, "the comparison was ended");
        TRY(sqlite_row(q, 0, &shape_object, &a, &o));
        TRY(whatif_object(c->whatif, &o));
    }
}

static result learn(struct comparison *c) {
    if (!whatif_has_sites(c->whatif))
        return OK;
    TRY(read_sites(c));
    TRY(read_objects(c));
    // As booking does when it adopts a plan.
    if (whatif_claims_again(c->whatif))
        TRY(for_events(c, events_unclaimed_elsewhere, learn_event));
    TRY(for_events(c, events_asked, learn_event));
    return whatif_weigh(c->whatif);
}

static result find_bounds(struct comparison *c) {
    int64_t seq = 0;
    c->low = 0;
    c->high = INT64_MAX;
    if (c->asked->since_ms > 0) {
        TRY(reader_event_from(c->reader, c->asked->since_ms, &seq));
        c->low = seq - 1;
    }
    if (c->asked->until_ms > 0)
        TRY(reader_event_from(c->reader, c->asked->until_ms, &c->high));
    return OK;
}

static result refuse(struct text *why, const char *what, size_t max, const char *advice) {
    text_addf(why, "more than %zu %s; %s", max, what, advice);
    FAIL(FULL, "the comparison is larger than it may be");
}

// Before anything is read for nothing.
static result check_limits(struct comparison *c, size_t objects_max, struct text *why) {
    OWN(text_drop)
    struct text sql = {0};
    int64_t n = 0;
    text_addf(&sql,
              "SELECT count(*) FROM (SELECT 1 FROM event NOT INDEXED WHERE seq > %lld AND seq <"
              " %lld LIMIT %zu)",
              (long long)c->low, (long long)c->high, c->events_max + 1);
    TRY(sqlite_number(c->reader->db, text_str(&sql), &n));
    if ((size_t)n > c->events_max)
        return refuse(why, "events are asked for", c->events_max,
                      "ask for a shorter time (since, until)");
    TRY(sqlite_number(c->reader->db, "SELECT ifnull(max(number), 0) FROM object", &n));
    if (whatif_has_sites(c->whatif) && (size_t)n > objects_max)
        return refuse(why, "objects have been learnt, which would take too much memory",
                      objects_max,
                      "compare on a restored backup of fewer events, or without sites");
    return OK;
}

static size_t events_max_of(const struct whatif_question *q) {
    return q->events_max > 0 ? q->events_max : EVENTS_MAX;
}

static size_t objects_max_of(const struct whatif_question *q) {
    return q->objects_max > 0 ? q->objects_max : OBJECTS_MAX;
}

static result compare(struct comparison *c, struct text *out, struct text *why) {
    const struct whatif_question *asked = c->asked;
    struct whatif_limits limits = {objects_max_of(asked), COUNTED_MAX};
    int64_t generation = 0;
    c->events_max = events_max_of(asked);
    TRY(sqlite_number(c->reader->db, "SELECT ifnull(max(generation), 0) FROM state", &generation));
    TRY(reader_plan_read(c->reader, generation, &c->now));
    c->whatif = whatif_open(c->now, asked->plan, &limits);
    TRY(reader_prepare(c->reader,
                       "SELECT source, secret_label, generation, body_seq FROM receipt WHERE seq ="
                       " ?1 AND event_seq = ?1 UNION ALL SELECT source, secret_label, generation,"
                       " body_seq FROM receipt INDEXED BY receipt_later WHERE event_seq = ?1 AND"
                       " event_seq <> seq",
                       &c->receipts));
    TRY(reader_prepare(c->reader, "SELECT payload FROM body WHERE receipt_seq = ?1", &c->body));
    TRY(find_bounds(c));
    TRY(check_limits(c, limits.objects, why));
    TRY(learn(c));
    TRY(for_events(c, events_asked, match_event));
    if (whatif_claims_again(c->whatif))
        TRY(for_events(c, events_unclaimed, unclaimed_event));
    text_addf(out, "{\"generation\":%lld,\"since\":%lld,\"until\":%lld,", (long long)generation,
              (long long)asked->since_ms, (long long)asked->until_ms);
    whatif_write(c->whatif, out);
    text_addc(out, '}');
    return reader_said(out);
}

result reader_whatif(struct reader *r, const struct whatif_question *asked, struct text *out,
                     struct text *why) {
    OWN(comparison_drop)
    struct comparison c = {.reader = r, .asked = asked};
    TRY(reader_begin(r, false));
    result failed = compare(&c, out, why);
    comparison_drop(&c);
    c = (struct comparison){0};
    reader_end(r);
    if (failed_as(failed, FAIL_FULL) && why->n == 0)
        text_addf(why, "%s (%zu events, %zu objects); ask for a shorter time (since, until)",
                  failed->text, events_max_of(asked), objects_max_of(asked));
    return failed;
}
