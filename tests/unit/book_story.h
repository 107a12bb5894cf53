// SPDX-License-Identifier: MIT
// Booking told as a story: each record is booked on a memory store and on a SQLite store, and what
// it changed in the books is written down, a line a row. Positions count from 1, a record a second.
#ifndef TESTS_UNIT_BOOK_STORY_H
#define TESTS_UNIT_BOOK_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger/book.h"
#include "ledger_world.h"
#include "rules/record.h"

#define STORY_START_MS INT64_C(1700000000000)

struct teller {
    struct world world;
    struct book book;
    struct text view, trace;
};

struct story {
    struct teller tellers[2]; // memory, SQLite
    uint64_t position;
    uint64_t generation; // what records say that they were taken under
    uint64_t seed;
    int64_t late_ms;   // added to the time of records
    const char *sites; // JSON of the plan's sites from the next adoption on, or null
};

#define EACH_TELLER(t_, s_) for (struct teller *t_ = (s_)->tellers; t_ < (s_)->tellers + 2; t_++)

static inline void story_touched(void *ctx, uint32_t destination) {}
static inline void story_released(void *ctx, uint64_t delivery) {
    text_addf(&((struct teller *)ctx)->trace, "  taken no more: delivery %llu\n",
              (unsigned long long)delivery);
}

static inline int story_setup(void **state) {
    struct story *s = NEW(struct story);
    *state = s;
    s->tellers[0].world.store = store_memory();
    arena_init(&s->tellers[0].world.arena, 64 << 20);
    if (world_sqlite(&s->tellers[1].world) != 0)
        return -1;
    EACH_TELLER(t, s) {
        t->book = (struct book){.touched = story_touched, .released = story_released, .ctx = t};
        assert_ok(book_open(&t->book, t->world.store));
    }
    return 0;
}

static inline int story_teardown(void **state) {
    struct story *s = *state;
    EACH_TELLER(t, s) {
        book_close(&t->book);
        world_close(&t->world);
        text_drop(&t->view);
        text_drop(&t->trace);
    }
    free(s);
    return 0;
}

// --- the books as lines

static inline void view_event(struct text *v, const struct event_row *e) {
    text_addf(v, "event %llu: %.*s %.*s %s", (unsigned long long)e->seq, (int)e->id.n, e->id.p,
              (int)e->type.n, e->type.p, e->livemode ? "live" : "test");
    if (e->account.n > 0)
        text_addf(v, " of %.*s", (int)e->account.n, e->account.p);
    if (e->site == EVENT_UNCLAIMED)
        text_adds(v, ", unclaimed");
    else if (e->site != 0)
        text_addf(v, ", site %lld", (long long)e->site);
    if (e->thin)
        text_adds(v, ", thin");
    if (e->snapshot_id.n > 0)
        text_addf(v, ", its snapshot is %.*s", (int)e->snapshot_id.n, e->snapshot_id.p);
    text_addf(v, ": %s", event_status_name(e->status));
    if (e->error.n > 0)
        text_addf(v, " (%.*s)", (int)e->error.n, e->error.p);
    text_addc(v, '\n');
}

static inline void view_receipt(struct text *v, const struct receipt_row *r, bytes body) {
    text_addf(v, "receipt %llu: event %llu by %.*s, secret %.*s, generation %llu",
              (unsigned long long)r->seq, (unsigned long long)r->event_seq, (int)r->source.n,
              r->source.p, (int)r->secret_label.n, r->secret_label.p,
              (unsigned long long)r->generation);
    if (r->scope_misfit)
        text_adds(v, ", scope misfit");
    if (r->livemode_misfit)
        text_adds(v, ", livemode misfit");
    if (r->body_seq == r->seq)
        text_addf(v, ", %zu bytes of its own\n", body.n);
    else
        text_addf(v, ", the bytes of %llu\n", (unsigned long long)r->body_seq);
}

static inline void view_delivery(struct text *v, const struct delivery_row *d) {
    text_addf(v, "delivery %llu: event %llu to %u: %s", (unsigned long long)d->seq,
              (unsigned long long)d->event_seq, d->destination, delivery_state_name(d->state));
    if (d->replay)
        text_adds(v, ", asked for");
    if (d->receipt_seq != d->event_seq)
        text_addf(v, ", owed by receipt %llu", (unsigned long long)d->receipt_seq);
    if (d->attempts > 0)
        text_addf(v, ", tried %u (failures %u, not yet %u)", d->attempts, d->failures, d->not_yets);
    int64_t at = delivery_state_open(d->state) ? d->next_at : d->ended_at;
    if (at == LANE_BEHIND)
        text_adds(v, ", behind another");
    else
        text_addf(v, ", at %.1f s", (double)(at - STORY_START_MS) / 1000);
    if (d->last_error.n > 0)
        text_addf(v, " (%.*s)", (int)d->last_error.n, d->last_error.p);
    text_addc(v, '\n');
}

static inline void view_position(struct story *s, struct teller *t, uint64_t at, struct text *v) {
    struct store *st = t->world.store;
    struct arena *a = &t->world.arena;
    struct event_row e;
    struct receipt_row r;
    struct delivery_row d;
    struct suspense_row u;
    struct answer_row w;
    bytes b;
    if (st->event_get(st, at, a, &e) == OK)
        view_event(v, &e);
    if (st->receipt_get(st, at, a, &r) == OK) {
        assert_ok(st->body_get(st, at, a, &b));
        view_receipt(v, &r, b);
    }
    if (st->delivery_get(st, at, a, &d) == OK)
        view_delivery(v, &d);
    if (st->suspense_get(st, at, a, &u) == OK)
        text_addf(v, "suspense %llu: %zu bytes, %s (%.*s)\n", (unsigned long long)at, u.payload.n,
                  u.state == SUSPENSE_WAITING  ? "waiting"
                  : u.state == SUSPENSE_BOOKED ? "booked"
                                               : "dropped",
                  (int)u.reason.n, u.reason.p);
    if (st->answer_get(st, at, a, &w) == OK)
        text_addf(v, "answer %llu: %.*s\n", (unsigned long long)at, (int)w.json.n, w.json.p);
}

static inline void view_all(struct story *s, struct teller *t, struct text *v) {
    struct store *st = t->world.store;
    struct destination_row *to = NULL;
    size_t n = 0;
    arena_drop(&t->world.arena);
    if (t->book.state.generation != 0)
        text_addf(v, "in force: plan %llu\n", (unsigned long long)t->book.state.generation);
    assert_ok(st->destinations(st, &t->world.arena, &to, &n));
    for (size_t i = 0; i < n; i++) {
        text_addf(v, "destination %u: %.*s%s", to[i].number, (int)to[i].name.n, to[i].name.p,
                  to[i].present ? "" : ", gone");
        if (to[i].held)
            text_addf(v, ", held (%.*s)", (int)to[i].hold_reason.n, to[i].hold_reason.p);
        text_addc(v, '\n');
    }
    // Deliveries are counted on their own, and there are never many more than records here.
    for (uint64_t at = 1; at <= 2 * s->position + 2; at++)
        view_position(s, t, at, v);
}

static inline bool has_line(bytes all, bytes line) {
    while (all.n > 0)
        if (bytes_equal(bytes_cut(&all, '\n'), line))
            return true;
    return false;
}

static inline void trace_changes(struct story *s, struct teller *t) {
    struct text fresh = {0};
    view_all(s, t, &fresh);
    for (bytes rest = text_bytes(&fresh); rest.n > 0;) {
        bytes line = bytes_cut(&rest, '\n');
        if (!has_line(text_bytes(&t->view), line))
            text_addf(&t->trace, "  %.*s\n", (int)line.n, line.p);
    }
    text_drop(&t->view);
    t->view = fresh;
}

// --- records

// As the ledger does it: under a mark; again, if its event cannot be applied to tables; and in
// suspense if it is its own fault.
static inline bool book_marked(struct teller *t, const struct record *r, result *booked) {
    struct store *st = t->world.store;
    struct store_state before = t->book.state;
    struct book_tally tally = t->book.tally;
    assert_ok(st->mark(st));
    *booked = book_record(&t->book, r);
    if (*booked == OK)
        *booked = book_write(&t->book);
    if (*booked == OK) {
        assert_ok(st->unmark(st));
        return true;
    }
    assert_false(book_waits(*booked));
    assert_ok(st->undo(st));
    assert_ok(book_undone(&t->book, &before));
    t->book.tally = tally;
    return false;
}

static inline void book_one(struct teller *t, const struct record *r) {
    struct store *st = t->world.store;
    result booked = OK;
    assert_ok(st->begin(st));
    if (!book_marked(t, r, &booked) && (t->book.unapplied == NULL || !book_marked(t, r, &booked))) {
        text_addf(&t->trace, "  cannot be booked: %s\n", fail_name(booked->code));
        assert_ok(book_suspend(&t->book, r, booked->text));
    }
    assert_ok(book_commit(&t->book));
}

static inline void tell(struct story *s, uint8_t kind, bytes payload, const char *title) {
    struct record r = {
        .position = ++s->position,
        .time_ms = STORY_START_MS + (int64_t)s->position * 1000 + s->late_ms,
        .seed = s->seed,
        .generation = s->generation,
        .kind = kind,
        .payload = payload,
    };
    EACH_TELLER(t, s) {
        text_addf(&t->trace, "%llu %s\n", (unsigned long long)s->position, title);
        book_one(t, &r);
        trace_changes(s, t);
    }
}

// Compares what was told since the last time, and both stores.
static inline void assert_story(struct story *s, const char *expected) {
    OWN(text_drop)
    struct text memory_dump = {0}, sqlite_dump = {0};
    struct store *memory = s->tellers[0].world.store, *sqlite = s->tellers[1].world.store;
    assert_string_equal(text_str(&s->tellers[0].trace), expected);
    assert_string_equal(text_str(&s->tellers[1].trace), expected);
    EACH_TELLER(t, s) text_reset(&t->trace);
    assert_ok(memory->dump(memory, &memory_dump));
    assert_ok(sqlite->dump(sqlite, &sqlite_dump));
    assert_string_equal(text_str(&memory_dump), text_str(&sqlite_dump));
}

// --- what the stories tell of

#define EVENT(id_, type_, more_)                                                                   \
    "{\"id\":\"" id_ "\",\"object\":\"event\",\"api_version\":\"2024-06-20\",\"created\":17000,"   \
    "\"livemode\":true,\"type\":\"" type_ "\"," more_ "\"data\":{\"object\":{\"id\":\"obj_1\"}}}"
#define SIGNED_UP EVENT("evt_1", "customer.created", "")
#define PAID EVENT("evt_2", "invoice.paid", "")
#define TEST_PAID                                                                                  \
    "{\"id\":\"evt_3\",\"object\":\"event\",\"created\":17000,\"livemode\":false,"                 \
    "\"type\":\"invoice.paid\",\"data\":{\"object\":{\"id\":\"obj_1\"}}}"
#define THIN                                                                                       \
    "{\"id\":\"evt_thin\",\"object\":\"v2.core.event\",\"type\":\"v1.customer.created\","          \
    "\"created\":\"2026-11-23T10:00:00Z\",\"livemode\":true,\"snapshot_event\":\"evt_1\","         \
    "\"related_object\":{\"id\":\"cus_1\",\"type\":\"customer\"}}"

struct to {
    const char *name, *livemode, *match; // match: JSON of the rules, or null
    const char *retry;
    const char *except; // of one of kind tables, as JSON; null: of kind http
    const char *lanes;  // more keys, a comma in front; null: none
};
#define SHOP                                                                                       \
    { "shop", "both", NULL, "1000,2000" }
#define BOOKS                                                                                      \
    { "books", "both", RULE("\"invoice.*\"", ""), "1000,2000" }
#define RULE(types_, sources_)                                                                     \
    "[{\"types\":[" types_ "],\"accounts\":[],\"sources\":[" sources_                              \
    "],\"secrets\":[],\"scope\":\"any\",\"where\":[]}]"

#define FOR_SITE(name_)                                                                            \
    {                                                                                              \
        name_, "both",                                                                             \
            "[{\"types\":[],\"accounts\":[],\"sources\":[],\"secrets\":[],\"scope\":\"any\","      \
            "\"where\":[],\"sites\":[\"" name_ "\"]}]",                                            \
            "1000"                                                                                 \
    }

static inline void adopt(struct story *s, const char *title, const struct to *to, size_t n) {
    OWN(text_drop)
    struct text plan = {0};
    text_adds(&plan, "{\"sources\":[],\"destinations\":[");
    for (size_t i = 0; i < n; i++)
        text_addf(&plan,
                  "%s{\"name\":\"%s\",\"kind\":%s%s,\"livemode\":\"%s\",\"match\":%s,"
                  "\"timeout_ms\":1000,\"retry_ms\":[%s],\"concurrency\":4%s}",
                  i > 0 ? "," : "", to[i].name,
                  to[i].except == NULL ? "\"http\",\"url\":\"http://h/\",\"fingerprint\":\"\""
                                       : "\"tables\",\"except\":",
                  to[i].except == NULL ? "" : to[i].except, to[i].livemode,
                  to[i].match == NULL ? "null" : to[i].match, to[i].retry,
                  to[i].lanes == NULL ? "" : to[i].lanes);
    text_adds(&plan, "]");
    if (s->sites != NULL)
        text_addf(&plan, ",\"sites\":%s", s->sites);
    text_adds(&plan, "}");
    tell(s, RECORD_PLAN, text_bytes(&plan), title);
    s->generation = s->position;
}
#define ADOPT(s_, title_, ...)                                                                     \
    adopt(s_, title_, (const struct to[]){__VA_ARGS__},                                            \
          sizeof((const struct to[]){__VA_ARGS__}) / sizeof(struct to))

static inline void receive_by(struct story *s, const char *title, const char *source,
                              enum scope scope, enum mode livemode, const char *body) {
    OWN(text_drop)
    struct text payload = {0};
    receipt_encode(&(struct receipt_record){.source = bytes_of(source),
                                            .owner = B("main"),
                                            .secret_label = B("ring"),
                                            .secret_scope = scope,
                                            .livemode = livemode,
                                            .body = bytes_of(body)},
                   &payload);
    tell(s, RECORD_EVENT, text_bytes(&payload), title);
}

static inline void receive(struct story *s, const char *title, const char *body) {
    receive_by(s, title, "/a", SCOPE_ANY, MODE_BOTH, body);
}

static inline void ends(struct story *s, const char *title, uint64_t delivery, uint32_t attempt,
                        enum outcome outcome, int status) {
    OWN(text_drop)
    struct text payload = {0};
    outcome_encode(
        &(struct outcome_record){.delivery = delivery,
                                 .attempt = attempt,
                                 .outcome = outcome,
                                 .status = status,
                                 .started_at = STORY_START_MS,
                                 .error = outcome == OUTCOME_DONE ? NO_BYTES : B("it said no")},
        &payload);
    tell(s, RECORD_OUTCOME, text_bytes(&payload), title);
}

static inline void ask(struct story *s, const char *command) {
    tell(s, RECORD_COMMAND, bytes_of(command), command);
}

#endif
