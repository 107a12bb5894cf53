// SPDX-License-Identifier: MIT
// The ledger as an actor with a journal in memory, a store in memory that fails or dies when told
// to, and a clock that stands still until it is set. Nothing here has threads of its own.
#ifndef TESTS_UNIT_LEDGER_HOUSE_H
#define TESTS_UNIT_LEDGER_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/metrics.h"
#include "ledger/ledger.h"
#include "ledger_world.h"
#include "port/log.h"
#include "rules/record.h"

#define HOUSE_WALL_MS INT64_C(1700000000000)
#define HOUSE_ROOM (4u << 20)

struct house {
    struct clock clock;
    int64_t wall_ms, mono_us;
    struct journal_store *records;
    struct journal *journal;
    struct store *store;
    struct store inner; // what the store did before it was told to fail
    struct ledger *ledger;
    struct mailbox *replies;
    size_t batch_max;
    uint64_t generation, seed;

    result commit_fails; // with this, until it is OK again
    result list_fails;   // the destinations, half read
    result insert_fails; // of an event whose id begins with evt_bad
    size_t commits_fail; // so many after such an insert, too
    size_t failing;      // of them, still to come
    bool deadly;         // inserting an event whose id begins with evt_kill ends this life
    bool deadly_plan;    // so does keeping a plan
    bool dead;           // it ended: nothing can be written
};

// The one house of a test; stores know no context.
static struct house *house_now;

static int64_t house_wall_ms(struct clock *c) { return CONTAINER(c, struct house, clock)->wall_ms; }
static int64_t house_mono_us(struct clock *c) { return CONTAINER(c, struct house, clock)->mono_us; }
static void house_entropy(struct clock *c, void *p, size_t n) { memset(p, 7, n); }

static inline void house_pass(struct house *h, int64_t ms) {
    h->wall_ms += ms;
    h->mono_us += ms * 1000;
}

static result house_commit(struct store *s) {
    struct house *h = house_now;
    result failed = h->dead ? PLACE(IO, "the process is dead") : h->commit_fails;
    if (failed == OK && h->failing > 0) {
        h->failing--;
        failed = h->insert_fails;
    }
    if (failed == OK)
        return h->inner.commit(s);
    h->inner.rollback(s);
    return failed;
}

static result house_event_insert(struct store *s, const struct event_row *row) {
    struct house *h = house_now;
    if (h->deadly && bytes_starts(row->id, B("evt_kill")))
        h->dead = true;
    if (h->dead)
        return PLACE(IO, "the process is dead");
    if (h->insert_fails != OK && bytes_starts(row->id, B("evt_bad"))) {
        h->failing = h->commits_fail;
        return h->insert_fails;
    }
    return h->inner.event_insert(s, row);
}

static result house_plan_put(struct store *s, uint64_t generation, bytes json) {
    struct house *h = house_now;
    h->dead = h->dead || h->deadly_plan;
    return h->dead ? PLACE(IO, "the process is dead") : h->inner.plan_put(s, generation, json);
}

static result house_destinations(struct store *s, struct arena *a, struct destination_row **out,
                                 size_t *n) {
    if (house_now->list_fails == OK)
        return house_now->inner.destinations(s, a, out, n);
    *out = NULL;
    *n = 2;
    return house_now->list_fails;
}

static void house_durable(void *ctx, uint64_t position) {
    struct house *h = ctx;
    if (h->ledger != NULL)
        ledger_wake(h->ledger);
}

static inline void house_start(struct house *h) {
    struct ledger_options o = {
        .clock = &h->clock,
        .store = h->store,
        .journal = h->journal,
        .records = h->records,
        .batch_max = h->batch_max,
    };
    assert_ok(ledger_open(&o, &h->ledger));
}

// Ends a life as kill -9 does, and begins the next one.
static inline void house_die(struct house *h) {
    h->dead = true;
    store_memory_crash(h->store);
    ledger_close(h->ledger);
    h->ledger = NULL;
    h->dead = false;
    house_start(h);
}

static inline int house_setup(void **state) {
    struct house *h = NEW(struct house);
    *state = house_now = h;
    metrics_reset();
    h->clock = (struct clock){house_wall_ms, house_mono_us, house_entropy};
    h->wall_ms = HOUSE_WALL_MS;
    h->records = journal_store_memory(HOUSE_ROOM);
    h->store = store_memory();
    h->inner = *h->store;
    h->store->commit = house_commit;
    h->store->event_insert = house_event_insert;
    h->store->plan_put = house_plan_put;
    h->store->destinations = house_destinations;
    h->replies = mailbox_open(NULL, NULL);
    struct journal_options o = {
        .clock = &h->clock, .store = h->records, .durable = house_durable, .durable_ctx = h};
    assert_ok(journal_open(&o, &h->journal));
    house_start(h);
    return 0;
}

static inline int house_teardown(void **state) {
    struct house *h = *state;
    log_setup(LOG_TEXT, LOG_INFO);
    ledger_close(h->ledger);
    journal_close(h->journal);
    (void)mailbox_drain(h->replies);
    mailbox_close(h->replies);
    h->store->close(h->store);
    h->records->close(h->records);
    free(h);
    return 0;
}

// --- records, appended at once

static inline uint64_t house_append(struct house *h, uint8_t kind, bytes payload) {
    struct append a = {
        .kind = kind, .generation = h->generation, .seed = h->seed, .payload = payload};
    assert_true(journal_credit_take(h->journal, CREDIT_INNER, payload.n, &a.credit));
    assert_ok(journal_append(h->journal, &a));
    return a.position;
}

// A plan whose destinations get everything.
static inline uint64_t house_plan(struct house *h, size_t n, const char *const *names) {
    OWN(text_drop)
    struct text json = {0};
    text_adds(&json, "{\"sources\":[],\"destinations\":[");
    for (size_t i = 0; i < n; i++)
        text_addf(&json,
                  "%s{\"name\":\"%s\",\"kind\":\"http\",\"url\":\"http://h/\",\"fingerprint\":"
                  "\"\",\"livemode\":\"both\",\"match\":null,\"timeout_ms\":1000,\"retry_ms\":"
                  "[10000],\"concurrency\":4}",
                  i > 0 ? "," : "", names[i]);
    text_adds(&json, "]}");
    h->generation = house_append(h, RECORD_PLAN, text_bytes(&json));
    return h->generation;
}
#define PLAN(h_, ...)                                                                              \
    house_plan(h_, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *),                    \
               (const char *const[]){__VA_ARGS__})

static inline void house_receipt(const char *id, struct text *payload) {
    OWN(text_drop)
    struct text body = {0};
    text_addf(&body,
              "{\"id\":\"%s\",\"object\":\"event\",\"created\":17000,\"livemode\":true,\"type\":"
              "\"invoice.paid\",\"data\":{\"object\":{\"id\":\"in_1\"}}}",
              id);
    receipt_encode(&(struct receipt_record){.source = B("/a"),
                                            .owner = B("main"),
                                            .secret_label = B("ring"),
                                            .body = text_bytes(&body)},
                   payload);
}

static inline uint64_t house_event(struct house *h, const char *id) {
    OWN(text_drop)
    struct text payload = {0};
    house_receipt(id, &payload);
    return house_append(h, RECORD_EVENT, text_bytes(&payload));
}

static inline uint64_t house_outcome(struct house *h, uint64_t delivery, uint32_t attempt,
                                     enum outcome outcome) {
    OWN(text_drop)
    struct text payload = {0};
    outcome_encode(&(struct outcome_record){.delivery = delivery,
                                            .attempt = attempt,
                                            .outcome = outcome,
                                            .status = outcome == OUTCOME_DONE ? 200 : 500,
                                            .error = B("it said so")},
                   &payload);
    return house_append(h, RECORD_OUTCOME, text_bytes(&payload));
}

static inline uint64_t house_ask(struct house *h, const char *json) {
    return house_append(h, RECORD_COMMAND, bytes_of(json));
}

// Steps until nobody has anything to do now.
static inline void house_settle(struct house *h) {
    for (int i = 0; ledger_step(h->ledger); i++)
        assert_true(i < 100000);
}

// --- what the books say

static inline enum delivery_state house_state(struct house *h, uint64_t delivery) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct delivery_row d;
    assert_ok(h->store->delivery_get(h->store, delivery, &a, &d));
    return d.state;
}

static inline bool house_has_event(struct house *h, uint64_t seq) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct event_row e;
    return h->store->event_get(h->store, seq, &a, &e) == OK;
}

static inline bool house_suspended(struct house *h, uint64_t position) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct suspense_row u;
    return h->store->suspense_get(h->store, position, &a, &u) == OK;
}

// --- takes

static inline void house_take(struct house *h, struct take *t, const char *destination) {
    arena_drop(&t->memory);
    *t = (struct take){
        .destination = bytes_of(destination), .max = 8, .max_bytes = 1 << 20, .reply = h->replies};
    ledger_take(h->ledger, t);
}

// The take that came back, or null.
static inline struct take *house_answer(struct house *h) {
    struct mail *m = mailbox_drain(h->replies);
    if (m == NULL)
        return NULL;
    assert_null(m->next);
    return CONTAINER(m, struct take, mail);
}

static inline void house_give_back(struct house *h, uint64_t delivery) {
    struct give_back *g = NEW(struct give_back);
    g->delivery = delivery;
    ledger_give_back(h->ledger, g);
}

#endif
