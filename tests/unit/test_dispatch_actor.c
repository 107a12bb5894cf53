// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/list.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "dispatch/dispatch.h"
#include "rules/pace.h"
#include "rules/record.h"
#include "stripe/signature.h"

#define NOW_MS INT64_C(1700000000123)
#define ROOM (1 << 20)
#define KEY "whsec_of_the_site"
#define BODY "{\"id\":\"evt_1\"}"

struct fetch { // a request that the fake fetcher was asked to send
    struct list link;
    const struct fetch_request *request;
    void (*done)(void *ctx, const struct fetch_answer *a);
    void *ctx;
};

struct world {
    struct clock clock;
    int64_t wall_ms, mono_us, wake_at;
    struct fetcher fetcher;
    struct list fetches;
    size_t fetch_count, cancelled;
    struct journal_store *store;
    struct journal *journal;
    struct mailbox *mailbox;
    struct dispatch *dispatch;
    struct arena memory; // of outcomes read
};

// The ledger's side, played by the test.
static struct take *takes[8];
static size_t take_count;
static uint64_t given_back[64];
static size_t given_back_count;
static uint64_t recalls; // takes are stamped 0: before the first

uint64_t ledger_recalls(const struct ledger *l) { return recalls; }

void ledger_take(struct ledger *l, struct take *t) {
    assert_true(take_count < 8);
    for (size_t i = 0; i < take_count; i++)
        assert_false(bytes_equal(takes[i]->destination, t->destination));
    takes[take_count++] = t;
}

void ledger_give_back(struct ledger *l, struct give_back *g) {
    given_back[given_back_count++] = g->delivery;
    free(g);
}

static int64_t fake_wall(struct clock *c) { return CONTAINER(c, struct world, clock)->wall_ms; }
static int64_t fake_mono(struct clock *c) { return CONTAINER(c, struct world, clock)->mono_us; }
static void fake_entropy(struct clock *c, void *p, size_t n) { memset(p, 7, n); }

static struct fetch *fake_start(struct fetcher *f, const struct fetch_request *r,
                                void (*done)(void *ctx, const struct fetch_answer *a), void *ctx) {
    struct world *w = CONTAINER(f, struct world, fetcher);
    struct fetch *one = NEW(struct fetch);
    one->request = r;
    one->done = done;
    one->ctx = ctx;
    list_push(&w->fetches, &one->link);
    w->fetch_count++;
    return one;
}

static void fake_cancel(struct fetcher *f, struct fetch *one) {
    struct world *w = CONTAINER(f, struct world, fetcher);
    list_remove(&one->link);
    w->fetch_count--;
    w->cancelled++;
    free(one);
}

static void on_wake_at(void *ctx, int64_t mono_us) { ((struct world *)ctx)->wake_at = mono_us; }

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof *w);
    w->clock = (struct clock){fake_wall, fake_mono, fake_entropy};
    w->wall_ms = NOW_MS;
    w->mono_us = 1;
    w->fetcher = (struct fetcher){fake_start, fake_cancel};
    list_init(&w->fetches);
    w->store = journal_store_memory(ROOM);
    struct journal_options jo = {.clock = &w->clock, .store = w->store};
    assert_null(journal_open(&jo, &w->journal));
    w->mailbox = mailbox_open(NULL, NULL);
    struct dispatch_options o = {
        .clock = &w->clock,
        .fetcher = &w->fetcher,
        .journal = w->journal,
        .mailbox = w->mailbox,
        .wake_at = on_wake_at,
        .wake_ctx = w,
    };
    w->dispatch = dispatch_open(&o);
    arena_init(&w->memory, 1 << 20);
    take_count = given_back_count = 0;
    metrics_reset();
    *state = w;
    return 0;
}

static void hand_mail(struct world *w) {
    for (struct mail *m = mailbox_drain(w->mailbox), *next; m != NULL; m = next) {
        next = m->next;
        dispatch_mail(w->dispatch, m);
    }
}

static void run_journal(struct world *w) {
    while (journal_step(w->journal))
        continue;
    hand_mail(w);
}

static struct take *remove_take(const char *destination) {
    for (size_t i = 0; i < take_count; i++) {
        struct take *t = takes[i];
        if (!bytes_equal(t->destination, bytes_of(destination)))
            continue;
        takes[i] = takes[--take_count];
        return t;
    }
    fail_msg("no open take of %s", destination);
    return NULL;
}

static bool has_take(const char *destination) {
    for (size_t i = 0; i < take_count; i++)
        if (bytes_equal(takes[i]->destination, bytes_of(destination)))
            return true;
    return false;
}

static int tear_down(void **state) {
    struct world *w = *state;
    dispatch_drain(w->dispatch);
    run_journal(w);
    while (take_count > 0) {
        takes[--take_count]->failed = PLACE(CLOSED, "the test ends");
        dispatch_mail(w->dispatch, &takes[take_count]->mail);
    }
    dispatch_close(w->dispatch);
    assert_int_equal(w->fetch_count, 0);
    journal_close(w->journal);
    mailbox_close(w->mailbox);
    w->store->close(w->store);
    arena_drop(&w->memory);
    free(w);
    return 0;
}

// Answers the destination's take with jobs numbered from `first`.
static void serve(struct world *w, const char *destination, uint64_t first, size_t n,
                  const struct job *like) {
    struct take *t = remove_take(destination);
    assert_true(n <= t->max);
    arena_init(&t->memory, 1 << 20);
    t->jobs = arena_take(&t->memory, n * sizeof *t->jobs);
    t->count = n;
    for (size_t i = 0; i < n; i++) {
        t->jobs[i] = *like;
        t->jobs[i].delivery = first + i;
        t->jobs[i].body = arena_copy(&t->memory, like->body);
        t->jobs[i].event_id = arena_copy(&t->memory, like->event_id);
        t->jobs[i].account = arena_copy(&t->memory, like->account);
    }
    dispatch_mail(w->dispatch, &t->mail);
}

static const struct job plain = {
    .attempt = 1, .event_id = BYTES_INIT("evt_1"), .livemode = true, .body = BYTES_INIT(BODY)};

static struct target target_of(const char *name, uint32_t concurrency) {
    return (struct target){
        .name = bytes_of(name),
        .url = B("http://127.0.0.1:5001/stripe"),
        .secret = B(KEY),
        .livemode = MODE_BOTH,
        .timeout_ms = 30000,
        .pace = {.min = concurrency, .max = concurrency},
    };
}

static void set_all(struct world *w, struct target *list, size_t n, uint64_t generation) {
    dispatch_set_targets(w->dispatch,
                         &(struct targets){.list = list, .count = n, .generation = generation});
}

static void set_one(struct world *w, const char *name, uint32_t concurrency) {
    struct target t = target_of(name, concurrency);
    set_all(w, &t, 1, 9);
}

static void answer(struct world *w, struct fetch *one, const struct fetch_answer *a) {
    list_remove(&one->link);
    w->fetch_count--;
    one->done(one->ctx, a);
    free(one);
}

static struct fetch *first_fetch(struct world *w) {
    assert_false(list_empty(&w->fetches));
    return CONTAINER(w->fetches.next, struct fetch, link);
}

static void answer_first(struct world *w, int status) {
    struct fetch_answer a = {.error = "", .status = status, .body = B("hi"), .micros = 5000};
    answer(w, first_fetch(w), &a);
}

static struct outcome_record read_outcome(struct world *w, uint64_t position,
                                          struct record *record) {
    struct journal_cursor *c;
    struct record *records;
    size_t n;
    assert_null(w->store->cursor_open(w->store, position - 1, &c));
    assert_null(w->store->read(c, 1, &w->memory, &records, &n));
    w->store->cursor_close(c);
    assert_int_equal(n, 1);
    assert_int_equal(records[0].kind, RECORD_OUTCOME);
    struct outcome_record o;
    assert_null(outcome_decode(records[0].payload, &o));
    if (record != NULL)
        *record = records[0];
    return o;
}

static bytes header_of(const struct fetch_request *r, const char *name) {
    for (size_t i = 0; i < r->header_count; i++) {
        bytes line = bytes_of(r->headers[i]);
        if (bytes_starts(line, bytes_of(name)) && line.p[strlen(name)] == ':')
            return bytes_slice(line, strlen(name) + 2, line.n);
    }
    return NO_BYTES;
}

static void assert_signed(const struct fetch_request *r, const char *key, int64_t now_s) {
    struct signature s;
    assert_int_equal(signature_parse(header_of(r, "Stripe-Signature"), &s), SIGNATURE_HOLDS);
    assert_int_equal(s.time, now_s);
    bytes secret = bytes_of(key);
    struct signature_ring *ring = signature_ring_open(&secret, 1);
    struct signature_check *c = signature_check_open(ring, &s);
    signature_check_add(c, r->body);
    size_t which;
    assert_int_equal(signature_check_finish(c, r->body, now_s, 0, &which), SIGNATURE_HOLDS);
    signature_ring_close(ring);
}

static void older_secrets_sign_too_until_their_overlap_ends(void **state) {
    struct world *w = *state;
    struct target_older older[] = {{B("whsec_of_before"), NOW_MS / 1000 + 60},
                                   {B("whsec_of_long_before"), NOW_MS / 1000}};
    struct target t = target_of("shop", 16);
    t.older = older;
    t.older_count = 2;
    set_all(w, &t, 1, 3);
    for (int64_t late = 0; late < 2; late++) {
        w->wall_ms = NOW_MS + late * 60000;
        serve(w, "shop", 1 + (uint64_t)late, 1, &plain);
        const struct fetch_request *r = first_fetch(w)->request;
        int64_t now_s = w->wall_ms / 1000;
        struct signature s;
        assert_int_equal(signature_parse(header_of(r, "Stripe-Signature"), &s), SIGNATURE_HOLDS);
        assert_int_equal(s.candidate_count, late == 0 ? 2 : 1);
        assert_signed(r, KEY, now_s);
        if (late == 0)
            assert_signed(r, "whsec_of_before", now_s);
        answer_first(w, 200);
        run_journal(w);
    }
}

static void a_job_is_sent_as_stripe_sends_it(void **state) {
    static const char *const wanted[] = {
        "Content-Type: application/json; charset=utf-8",
        "Cache-Control: no-cache",
        "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Accept: */*; q=0.5, application/xml",
        "Accept-Encoding: gzip",
        NULL, // the signature
        "Hookkeep-Event: evt_1",
        "Hookkeep-Attempt: 3",
        "Stripe-Account: acct_9",
    };
    struct world *w = *state;
    set_one(w, "shop", 16);
    struct job job = plain;
    job.attempt = 3;
    job.account = B("acct_9");
    serve(w, "shop", 77, 1, &job);
    const struct fetch_request *r = first_fetch(w)->request;
    assert_string_equal(r->method, "POST");
    assert_string_equal(r->url, "http://127.0.0.1:5001/stripe");
    assert_null(r->unix_path);
    assert_int_equal(r->timeout_ms, 30000);
    assert_int_equal(r->answer_max, 64 * 1024);
    assert_int_equal(r->answer_keep, 2048);
    assert_true(bytes_equal(r->body, B(BODY)));
    assert_int_equal(r->header_count, 9);
    for (size_t i = 0; i < 9; i++)
        if (wanted[i] != NULL)
            assert_string_equal(r->headers[i], wanted[i]);
    assert_signed(r, KEY, NOW_MS / 1000);
    answer_first(w, 200);
    run_journal(w);
}

static void an_event_without_account_has_no_such_header(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 16);
    serve(w, "shop", 77, 1, &plain);
    const struct fetch_request *r = first_fetch(w)->request;
    assert_int_equal(r->header_count, 8);
    assert_int_equal(header_of(r, "Stripe-Account").n, 0);
    answer_first(w, 200);
}

// The header keeps the account as it is, only the URL is encoded.
static void an_events_account_stands_in_the_url(void **state) {
    struct world *w = *state;
    struct target t = target_of("shop", 16);
    t.url = B("http://127.0.0.1:5001/of/{account}?site={site}");
    set_all(w, &t, 1, 9);
    struct job job = plain;
    job.account = B("acct_9/..");
    serve(w, "shop", 77, 1, &job);
    const struct fetch_request *r = first_fetch(w)->request;
    assert_string_equal(r->url, "http://127.0.0.1:5001/of/acct_9%2F..?site=unclaimed");
    assert_true(bytes_equal(header_of(r, "Stripe-Account"), B("acct_9/..")));
    answer_first(w, 200);
    run_journal(w);
}

static void each_attempt_is_signed_afresh(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 1);
    serve(w, "shop", 1, 2, &plain);
    assert_signed(first_fetch(w)->request, KEY, NOW_MS / 1000);
    w->wall_ms += 400000;
    answer_first(w, 500);
    assert_signed(first_fetch(w)->request, KEY, NOW_MS / 1000 + 400);
    answer_first(w, 200);
}

static void the_outcome_goes_to_the_journal(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 16);
    serve(w, "shop", 77, 1, &plain);
    w->wall_ms += 1000;
    struct fetch_answer a = {
        .error = "", .status = 503, .body = B("later"), .retry_after = B("20"), .micros = 999};
    answer(w, first_fetch(w), &a);
    assert_false(dispatch_idle(w->dispatch)); // not before it is durable
    assert_int_equal(dispatch_under_way(w->dispatch, B("shop")), 0);
    run_journal(w);
    assert_true(dispatch_idle(w->dispatch));
    struct record record;
    struct outcome_record o = read_outcome(w, 1, &record);
    assert_int_equal(record.generation, 9);
    assert_int_not_equal(record.seed, 0);
    assert_int_equal(o.delivery, 77);
    assert_int_equal(o.attempt, 1);
    assert_int_equal(o.outcome, OUTCOME_FAILED);
    assert_int_equal(o.status, 503);
    assert_int_equal(o.started_at, NOW_MS);
    assert_int_equal(o.micros, 999);
    assert_int_equal(o.retry_after_ms, 20000);
    assert_true(bytes_equal(o.error, B("answered 503")));
    assert_true(bytes_equal(o.answer, B("later")));
    assert_int_equal(metric_get(METRIC_ATTEMPT_FAILED), 1);
    assert_int_equal(metric_get(METRIC_ATTEMPT_TIME), 1);
    uint64_t used, size;
    journal_room(w->journal, &used, &size);
    assert_int_equal(used, w->store->used(w->store)); // nothing stays promised
}

static void a_destination_gets_no_more_at_once_than_it_may(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 3);
    assert_int_equal(takes[0]->max, 6);
    serve(w, "shop", 1, 6, &plain);
    assert_int_equal(w->fetch_count, 3);
    assert_int_equal(dispatch_under_way(w->dispatch, B("shop")), 3);
    assert_false(has_take("shop")); // its hands are full
    answer_first(w, 200);
    assert_int_equal(w->fetch_count, 3);
    answer_first(w, 200);
    assert_true(has_take("shop"));
    assert_int_equal(takes[0]->max, 2);
    for (int i = 0; i < 4; i++)
        answer_first(w, 200);
    assert_int_equal(w->fetch_count, 0);
    serve(w, "shop", 7, 1, &plain);
    // Much ended while that take was out: more is fetched in advance, but not without bound.
    assert_int_equal(w->fetch_count, 1);
    assert_int_equal(takes[0]->max, 6 + 2 * 4 - 1);
    answer_first(w, 200);
    run_journal(w);
    assert_int_equal(w->store->last(w->store), 7);
}

static void what_was_handed_out_before_a_hold_goes_back(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 2);
    serve(w, "shop", 1, 4, &plain);
    assert_int_equal(w->fetch_count, 2);
    recalls = 1;
    answer_first(w, 200);
    // The first two were begun before; the others may be what the hold means.
    assert_int_equal(w->fetch_count, 1);
    assert_int_equal(given_back_count, 2);
    assert_int_equal(given_back[0], 3);
    assert_int_equal(given_back[1], 4);
    answer_first(w, 200);
    recalls = 0;
}

static void a_slow_destination_delays_no_other(void **state) {
    struct world *w = *state;
    struct target both[] = {target_of("dead", 2), target_of("shop", 2)};
    set_all(w, both, 2, 9);
    serve(w, "dead", 1, 4, &plain);
    assert_int_equal(w->fetch_count, 2);
    for (uint64_t i = 0; i < 20; i++) {
        serve(w, "shop", 100 + i, 1, &plain);
        assert_int_equal(w->fetch_count, 3);
        struct fetch *last = CONTAINER(w->fetches.prev, struct fetch, link);
        struct fetch_answer a = {.error = "", .status = 200};
        answer(w, last, &a);
        run_journal(w);
    }
    assert_int_equal(w->store->last(w->store), 20);
    assert_int_equal(dispatch_under_way(w->dispatch, B("dead")), 2);
    for (int i = 0; i < 4; i++)
        answer_first(w, 200);
}

static void nothing_is_sent_without_room_for_the_outcome(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 4);
    size_t held[ROOM / OUTCOME_RECORD_MAX + 1], n = 0;
    while (journal_credit_take(w->journal, CREDIT_INNER, OUTCOME_RECORD_MAX, &held[n]))
        n++;
    serve(w, "shop", 1, 4, &plain);
    assert_int_equal(w->fetch_count, 0);
    assert_int_equal(metric_get(METRIC_DISPATCH_NO_CREDIT), 1);
    assert_true(w->wake_at > w->mono_us);
    w->mono_us = w->wake_at;
    dispatch_tick(w->dispatch);
    assert_int_equal(w->fetch_count, 0);
    assert_int_equal(metric_get(METRIC_DISPATCH_NO_CREDIT), 1); // the same shortage
    journal_credit_give(w->journal, held[--n]);
    w->mono_us = w->wake_at;
    dispatch_tick(w->dispatch);
    assert_int_equal(w->fetch_count, 1);
    while (n > 0)
        journal_credit_give(w->journal, held[--n]);
    w->mono_us = w->wake_at;
    dispatch_tick(w->dispatch);
    assert_int_equal(w->fetch_count, 4);
    for (int i = 0; i < 4; i++)
        answer_first(w, 200);
    run_journal(w);
    assert_int_equal(w->store->last(w->store), 4);
}

static void scarce_room_serves_destinations_in_turn(void **state) {
    struct world *w = *state;
    struct target both[] = {target_of("a", 8), target_of("b", 8)};
    set_all(w, both, 2, 9);
    size_t held[ROOM / OUTCOME_RECORD_MAX + 1], n = 0;
    while (journal_credit_take(w->journal, CREDIT_INNER, OUTCOME_RECORD_MAX, &held[n]))
        n++;
    serve(w, "a", 1, 8, &plain);
    serve(w, "b", 11, 8, &plain);
    for (int i = 0; i < 4; i++)
        journal_credit_give(w->journal, held[--n]);
    w->mono_us = w->wake_at;
    dispatch_tick(w->dispatch);
    assert_int_equal(dispatch_under_way(w->dispatch, B("a")), 2);
    assert_int_equal(dispatch_under_way(w->dispatch, B("b")), 2);
    for (int i = 0; i < 4; i++)
        answer_first(w, 200);
}

static result append_full(struct journal_store *s, struct record *r, size_t n, int64_t wall_ms) {
    FAIL(FULL, "no space left");
}

static result append_io(struct journal_store *s, struct record *r, size_t n, int64_t wall_ms) {
    FAIL(IO, "the sync failed");
}

static void an_outcome_that_found_the_journal_full_is_posted_again(void **state) {
    struct world *w = *state;
    result (*real)(struct journal_store * s, struct record * r, size_t n, int64_t wall_ms) =
        w->store->append;
    set_one(w, "shop", 4);
    serve(w, "shop", 77, 1, &plain);
    answer_first(w, 200);
    for (int i = 0; i < 3; i++) {
        w->store->append = append_full;
        run_journal(w);
        assert_int_equal(w->store->last(w->store), 0);
        assert_false(dispatch_idle(w->dispatch));
        w->mono_us = w->wake_at;
        dispatch_tick(w->dispatch);
    }
    w->store->append = real;
    run_journal(w);
    assert_true(dispatch_idle(w->dispatch));
    assert_int_equal(read_outcome(w, 1, NULL).delivery, 77);
    assert_int_equal(metric_get(METRIC_ATTEMPT_OK), 1); // one attempt, whatever its record met
}

static void an_outcome_lost_with_the_journal_is_let_go(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 1);
    serve(w, "shop", 77, 2, &plain);
    answer_first(w, 200);
    assert_int_equal(w->fetch_count, 1);
    w->store->append = append_io;
    run_journal(w);
    answer_first(w, 200);
    run_journal(w);
    assert_true(dispatch_idle(w->dispatch));
    serve(w, "shop", 80, 1, &plain);
    assert_int_equal(w->fetch_count, 0); // what cannot be recorded is not sent
    assert_int_equal(metric_get(METRIC_DISPATCH_NO_CREDIT), 0);
}

static void an_unposted_outcome_goes_when_the_journal_fails_meanwhile(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 2);
    serve(w, "shop", 77, 2, &plain);
    answer_first(w, 200);
    w->store->append = append_full;
    run_journal(w);
    answer_first(w, 200);
    w->store->append = append_io;
    run_journal(w);
    assert_false(dispatch_idle(w->dispatch));
    w->mono_us = w->wake_at;
    dispatch_tick(w->dispatch);
    assert_true(dispatch_idle(w->dispatch));
}

static void what_does_not_fit_the_livemode_is_never_sent(void **state) {
    struct world *w = *state;
    struct target t = target_of("shop", 4);
    t.livemode = MODE_LIVE;
    set_all(w, &t, 1, 9);
    struct job test = plain;
    test.livemode = false;
    serve(w, "shop", 77, 6, &test);
    assert_int_equal(w->fetch_count, 0);
    run_journal(w);
    assert_int_equal(w->store->last(w->store), 6);
    struct outcome_record o = read_outcome(w, 1, NULL);
    assert_int_equal(o.outcome, OUTCOME_FAILED);
    assert_int_equal(o.status, 0);
    assert_true(bytes_search(o.error, B("a test event")) < o.error.n);
    t.livemode = MODE_TEST;
    set_all(w, &t, 1, 10);
    serve(w, "shop", 87, 1, &plain);
    assert_int_equal(w->fetch_count, 0);
    run_journal(w);
    o = read_outcome(w, 7, NULL);
    assert_true(bytes_search(o.error, B("a live event")) < o.error.n);
}

static void a_target_that_left_gives_back_what_was_not_begun(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 2);
    serve(w, "shop", 1, 4, &plain);
    set_all(w, NULL, 0, 10);
    assert_int_equal(given_back_count, 2);
    assert_int_equal(given_back[0], 3);
    assert_int_equal(given_back[1], 4);
    answer_first(w, 200);
    answer_first(w, 200);
    run_journal(w);
    assert_int_equal(w->store->last(w->store), 2);
    assert_false(has_take("shop"));
    assert_int_equal(dispatch_out(w->dispatch), 0);
}

static void a_take_that_answers_too_late_is_given_back(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 2);
    set_all(w, NULL, 0, 10);
    serve(w, "shop", 1, 2, &plain);
    assert_int_equal(given_back_count, 2);
    assert_int_equal(w->fetch_count, 0);
    assert_int_equal(dispatch_out(w->dispatch), 0);
}

static void a_target_that_comes_back_has_one_take(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 2);
    set_all(w, NULL, 0, 10);
    set_one(w, "shop", 2);
    assert_int_equal(take_count, 1);
    serve(w, "shop", 1, 2, &plain);
    assert_int_equal(w->fetch_count, 2);
    answer_first(w, 200);
    answer_first(w, 200);
}

static struct retarget *retarget_to(const char *url, const char *key) {
    struct retarget *r = NEW(struct retarget);
    arena_init(&r->memory, 4096);
    r->mail.kind = DISPATCH_RETARGET;
    struct target *t = arena_take(&r->memory, sizeof *t);
    *t = target_of("shop", 2);
    t->url = arena_copy(&r->memory, bytes_of(url));
    t->secret = arena_copy(&r->memory, bytes_of(key));
    r->targets = (struct targets){.list = t, .count = 1, .generation = 11};
    return r;
}

static void a_new_target_counts_from_the_next_attempt_on(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 1);
    serve(w, "shop", 1, 1, &plain);
    const struct fetch_request *old = first_fetch(w)->request;
    mailbox_post(w->mailbox, &retarget_to("http://127.0.0.1:6/new", "whsec_rolled_over")->mail);
    hand_mail(w);
    assert_string_equal(old->url, "http://127.0.0.1:5001/stripe");
    assert_signed(old, KEY, NOW_MS / 1000);
    answer_first(w, 200);
    serve(w, "shop", 2, 1, &plain);
    assert_string_equal(first_fetch(w)->request->url, "http://127.0.0.1:6/new");
    assert_signed(first_fetch(w)->request, "whsec_rolled_over", NOW_MS / 1000);
    answer_first(w, 200);
    run_journal(w);
    struct record record;
    read_outcome(w, 2, &record);
    assert_int_equal(record.generation, 11);
}

static void set_endpoint(struct world *w, const char *id, const char *url) {
    struct target t = target_of(id, 2);
    t.url = bytes_of(url);
    t.guarded = true;
    dispatch_set_targets(w->dispatch,
                         &(struct targets){.set = TARGETS_ENDPOINTS, .list = &t, .count = 1});
}

static void allow(struct world *w, const char *network) {
    struct guard_range range;
    assert_null(guard_range_parse(bytes_of(network), &range));
    dispatch_set_targets(w->dispatch,
                         &(struct targets){.generation = 9, .allowed = &range, .allowed_count = 1});
}

static const char *judged(const struct fetch *f, uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    const uint8_t address[] = {a, b, c, d};
    return f->request->judge(f->ctx, bytes_from(address, sizeof address));
}

static void each_set_of_targets_is_replaced_by_itself(void **state) {
    struct world *w = *state;
    struct record record;
    set_one(w, "shop", 2);
    set_endpoint(w, "we_1", "https://shop.example/");
    assert_true(has_take("shop") && has_take("we_1"));
    serve(w, "we_1", 1, 1, &plain);
    answer_first(w, 200);
    run_journal(w);
    read_outcome(w, 1, &record);
    assert_int_equal(record.generation, 9); // endpoints say nothing of it
    set_all(w, NULL, 0, 10);
    serve(w, "shop", 2, 1, &plain);
    assert_int_equal(given_back_count, 1);
    serve(w, "we_1", 3, 1, &plain);
    answer_first(w, 200);
    set_one(w, "shop", 2);
    dispatch_set_targets(w->dispatch, &(struct targets){.set = TARGETS_ENDPOINTS});
    serve(w, "shop", 4, 1, &plain);
    answer_first(w, 200);
    if (has_take("we_1"))
        serve(w, "we_1", 5, 1, &plain);
    assert_int_equal(given_back_count, 2);
    assert_int_equal(given_back[1], 5);
    set_endpoint(w, "we_1", "https://shop.example/"); // it comes back
    assert_true(has_take("we_1"));
}

static void sets_do_not_meet_where_names_do(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 2);
    struct take *of_one = remove_take("shop");
    set_endpoint(w, "shop", "https://shop.example/");
    struct take *of_other = remove_take("shop");
    assert_ptr_not_equal(of_one, of_other);
    takes[take_count++] = of_one; // to be ended by the teardown
    dispatch_set_targets(w->dispatch, &(struct targets){.set = TARGETS_ENDPOINTS});
    of_other->failed = PLACE(ABSENT, "not there");
    dispatch_mail(w->dispatch, &of_other->mail);
    serve(w, "shop", 1, 1, &plain);
    assert_string_equal(first_fetch(w)->request->url, "http://127.0.0.1:5001/stripe");
    assert_int_equal(dispatch_under_way(w->dispatch, B("shop")), 1);
    answer_first(w, 200);
}

static void the_guard_judges_endpoints_alone(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 2);
    serve(w, "shop", 1, 1, &plain);
    assert_null(first_fetch(w)->request->judge);
    answer_first(w, 200);
    set_endpoint(w, "we_1", "https://shop.example/");
    serve(w, "we_1", 2, 1, &plain);
    assert_null(judged(first_fetch(w), 93, 184, 216, 34));
    assert_string_equal(judged(first_fetch(w), 127, 0, 0, 1), "loopback");
    assert_string_equal(judged(first_fetch(w), 10, 1, 2, 3), "private");
    allow(w, "10.1.0.0/16"); // while it is under way
    assert_null(judged(first_fetch(w), 10, 1, 2, 3));
    assert_string_equal(judged(first_fetch(w), 10, 2, 2, 3), "private");
    set_one(w, "shop", 2); // an exception that is no more
    assert_string_equal(judged(first_fetch(w), 10, 1, 2, 3), "private");
    answer_first(w, 200);
}

static void what_the_guard_refuses_has_failed_and_is_counted(void **state) {
    struct world *w = *state;
    set_endpoint(w, "we_1", "https://shop.example/");
    serve(w, "we_1", 7, 1, &plain);
    struct fetch_answer a = {.failed = PLACE(INVALID, "the judge's"),
                             .error = "not connected to 127.0.0.1: loopback"};
    answer(w, first_fetch(w), &a);
    run_journal(w);
    struct outcome_record o = read_outcome(w, 1, NULL);
    assert_int_equal(o.delivery, 7);
    assert_int_equal(o.outcome, OUTCOME_FAILED);
    assert_true(bytes_equal(o.error, B("not sent: not connected to 127.0.0.1: loopback; "
                                       "desk.allow_private lists the networks that endpoints may "
                                       "lead to all the same")));
    assert_int_equal(metric_get(METRIC_GUARD_REFUSED), 1);
    serve(w, "we_1", 8, 1, &plain);
    a.failed = PLACE(CLOSED, "nobody there");
    answer(w, first_fetch(w), &a);
    assert_int_equal(metric_get(METRIC_GUARD_REFUSED), 1);
}

static void nothing_is_put_into_an_endpoints_url(void **state) {
    struct world *w = *state;
    struct job job = plain;
    job.account = B("acct_9");
    set_endpoint(w, "we_1", "https://shop.example/{account}/{site}");
    serve(w, "we_1", 1, 1, &job);
    assert_string_equal(first_fetch(w)->request->url, "https://shop.example/{account}/{site}");
    answer_first(w, 200);
}

static void an_unknown_destination_is_asked_for_again_later(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 2);
    struct take *t = remove_take("shop");
    t->failed = PLACE(ABSENT, "not booked yet");
    dispatch_mail(w->dispatch, &t->mail);
    assert_int_equal(take_count, 0);
    assert_int_equal(w->wake_at, w->mono_us + 1000000);
    dispatch_tick(w->dispatch); // too early
    assert_int_equal(take_count, 0);
    w->mono_us += 1000000;
    dispatch_tick(w->dispatch);
    assert_int_equal(take_count, 1);
    t = remove_take("shop");
    t->failed = PLACE(ABSENT, "not booked yet");
    dispatch_mail(w->dispatch, &t->mail);
    set_one(w, "shop", 2); // a new plan: at once
    assert_int_equal(take_count, 1);
    t = remove_take("shop");
    t->failed = PLACE(CLOSED, "shutting down");
    dispatch_mail(w->dispatch, &t->mail);
    w->mono_us += 10000000;
    dispatch_tick(w->dispatch);
    assert_int_equal(take_count, 0);
}

static void draining_ends_what_is_under_way_and_begins_nothing(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 2);
    serve(w, "shop", 1, 4, &plain);
    struct mail stop = {.kind = DISPATCH_STOP};
    dispatch_mail(w->dispatch, &stop);
    assert_int_equal(given_back_count, 2);
    assert_false(dispatch_idle(w->dispatch));
    answer_first(w, 200);
    answer_first(w, 500);
    assert_int_equal(w->fetch_count, 0);
    assert_int_equal(take_count, 0);
    assert_false(dispatch_idle(w->dispatch));
    run_journal(w);
    assert_true(dispatch_idle(w->dispatch));
    assert_int_equal(w->store->last(w->store), 2);
}

static void a_journal_that_stays_full_does_not_keep_it_from_stopping(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 2);
    serve(w, "shop", 77, 1, &plain);
    answer_first(w, 200);
    dispatch_drain(w->dispatch);
    w->store->append = append_full;
    int tries = 0;
    for (; !dispatch_idle(w->dispatch); tries++) {
        assert_true(tries < 20);
        run_journal(w);
        w->mono_us = w->wake_at;
        dispatch_tick(w->dispatch);
    }
    assert_true(tries > 5);
}

static void closing_cuts_what_is_still_under_way(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 2);
    serve(w, "shop", 1, 2, &plain);
    dispatch_drain(w->dispatch);
    assert_int_equal(dispatch_out(w->dispatch), 1); // its take, until the ledger closes
    struct take *t = remove_take("shop");
    t->failed = PLACE(CLOSED, "shutting down");
    dispatch_mail(w->dispatch, &t->mail);
    assert_int_equal(dispatch_out(w->dispatch), 0);
    dispatch_close(w->dispatch);
    assert_int_equal(w->cancelled, 2);
    struct dispatch_options o = {.clock = &w->clock, .wake_at = on_wake_at, .wake_ctx = w};
    w->dispatch = dispatch_open(&o);
}

static void set_tables(struct world *w, uint32_t concurrency) {
    struct target t = target_of("books", concurrency);
    t.kind = KIND_TABLES;
    set_all(w, &t, 1, 9);
}

static void what_is_for_tables_has_succeeded_at_the_next_tick(void **state) {
    struct world *w = *state;
    set_tables(w, 2);
    serve(w, "books", 5, 4, &plain);
    run_journal(w);
    assert_int_equal(w->store->last(w->store), 0);
    assert_int_equal(dispatch_under_way(w->dispatch, B("books")), 2);
    assert_int_equal(w->wake_at, w->mono_us);
    dispatch_tick(w->dispatch);
    run_journal(w);
    assert_int_equal(w->store->last(w->store), 4); // each that ends lets the next one begin
    assert_int_equal(w->fetch_count, 0);
    for (uint64_t i = 0; i < 4; i++) {
        struct outcome_record o = read_outcome(w, i + 1, NULL);
        assert_int_equal(o.delivery, 5 + i);
        assert_int_equal(o.outcome, OUTCOME_DONE);
        assert_int_equal(o.error.n + o.answer.n, 0);
    }
    assert_true(has_take("books"));
    assert_true(dispatch_idle(w->dispatch));
}

static void tables_that_left_end_what_they_have_begun(void **state) {
    struct world *w = *state;
    set_tables(w, 2);
    serve(w, "books", 5, 3, &plain);
    set_all(w, NULL, 0, 10);
    assert_int_equal(given_back_count, 1);
    dispatch_tick(w->dispatch);
    run_journal(w);
    assert_int_equal(w->store->last(w->store), 2);
}

static void closing_cuts_what_tables_have_begun(void **state) {
    struct world *w = *state;
    set_tables(w, 2);
    serve(w, "books", 5, 1, &plain);
    dispatch_drain(w->dispatch);
    struct take *t = remove_take("books");
    t->failed = PLACE(CLOSED, "shutting down");
    dispatch_mail(w->dispatch, &t->mail);
    dispatch_close(w->dispatch);
    struct dispatch_options o = {.clock = &w->clock, .wake_at = on_wake_at, .wake_ctx = w};
    w->dispatch = dispatch_open(&o);
    assert_int_equal(w->store->last(w->store), 0);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)

// --- pace: rules/pace.h says when, here it is done

static void pass(struct world *w, int64_t us) {
    w->mono_us += us;
    w->wall_ms += us / 1000;
    dispatch_tick(w->dispatch);
}

static void answer_all(struct world *w, int status, const char *retry_after) {
    struct fetch_answer a = {.error = "",
                             .status = status,
                             .body = B("hi"),
                             .retry_after = bytes_of(retry_after),
                             .micros = 5000};
    for (size_t n = w->fetch_count; n > 0; n--)
        answer(w, first_fetch(w), &a);
    run_journal(w);
}

static void a_destination_that_only_fails_gets_probes(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 16);
    serve(w, "shop", 1, 32, &plain);
    assert_int_equal(w->fetch_count, 16);
    answer_all(w, 500, "");
    // Seven took the places of the first seven; then the rest went back, and one is asked for.
    assert_int_equal(w->fetch_count, BREAKER_OPENS_AT - 1);
    assert_int_equal(given_back_count, 32 - 16 - (BREAKER_OPENS_AT - 1));
    answer_all(w, 500, "");
    assert_int_equal(w->fetch_count, 0);
    assert_int_equal(metric_get(METRIC_BREAKERS_OPEN), 1);
    assert_int_equal(takes[0]->max, 1);
}

static void a_probe_goes_out_in_time_and_alone(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 8);
    serve(w, "shop", 1, 8, &plain);
    answer_all(w, 500, "");
    serve(w, "shop", 20, 1, &plain);
    assert_int_equal(w->fetch_count, 0);
    assert_int_equal(w->wake_at, w->mono_us + 1000000);
    pass(w, 999999);
    assert_int_equal(w->fetch_count, 0);
    pass(w, 1);
    assert_int_equal(w->fetch_count, 1);
    assert_false(has_take("shop"));
    answer_all(w, 500, "");
    serve(w, "shop", 21, 1, &plain);
    pass(w, 1999999);
    assert_int_equal(w->fetch_count, 0);
    pass(w, 1);
    answer_all(w, 200, "");
    assert_int_equal(metric_get(METRIC_BREAKERS_OPEN), 0);
    assert_int_equal(metric_get(METRIC_PROBES_FAILED), 1);
    assert_int_equal(metric_get(METRIC_PROBES_OK), 1);
    // It came back, and is not trampled.
    serve(w, "shop", 30, 4, &plain);
    assert_in_range(w->fetch_count, 1, 2);
    pass(w, 100000);
    assert_in_range(w->fetch_count, 1, 2);
    answer_all(w, 200, "");
}

static void what_it_was_asked_for_before_goes_back_when_it_is_closed(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 8);
    serve(w, "shop", 1, 8, &plain);
    struct take *late = remove_take("shop");
    assert_true(late->max > 4);
    takes[take_count++] = late;
    answer_all(w, 500, "");
    serve(w, "shop", 20, 4, &plain);
    assert_int_equal(given_back_count, 3);
    assert_int_equal(w->fetch_count, 0);
}

static void retry_after_holds_its_destination_alone(void **state) {
    struct world *w = *state;
    struct target both[] = {target_of("shop", 4), target_of("other", 4)};
    set_all(w, both, 2, 9);
    serve(w, "shop", 1, 8, &plain);
    assert_int_equal(w->fetch_count, 4);
    answer_all(w, 429, "7");
    assert_int_equal(given_back_count, 4);
    serve(w, "shop", 20, 1, &plain);
    assert_int_equal(w->fetch_count, 0);
    serve(w, "other", 40, 2, &plain);
    assert_int_equal(w->fetch_count, 2);
    answer_all(w, 200, "");
    assert_int_equal(w->wake_at, w->mono_us + 7000000);
    pass(w, 7000000);
    assert_int_equal(w->fetch_count, 1);
    answer_all(w, 200, "");
    assert_int_equal(metric_get(METRIC_SHED), 4);
}

static void a_rate_is_kept_by_the_clock(void **state) {
    struct world *w = *state;
    struct target t = target_of("shop", 16);
    t.pace.rate = 20;
    t.pace.rate_per_ms = 1000;
    set_all(w, &t, 1, 9);
    // Of 0.1 s and one, at once; and in hand no more than begins in half a second, and one.
    assert_int_equal(takes[0]->max, 11);
    serve(w, "shop", 1, 11, &plain);
    assert_int_equal(w->fetch_count, 3);
    answer_all(w, 200, "");
    assert_int_equal(w->fetch_count, 0);
    for (size_t i = 1; i <= 8; i++) {
        assert_int_equal(w->wake_at, w->mono_us + 50000);
        pass(w, 50000);
        assert_int_equal(w->fetch_count, i);
    }
    answer_all(w, 200, "");
}

static void a_level_rises_as_it_is_answered(void **state) {
    struct world *w = *state;
    struct target t = target_of("shop", 16);
    t.pace.min = 1;
    set_all(w, &t, 1, 9);
    serve(w, "shop", 1, 2, &plain);
    assert_int_equal(w->fetch_count, 1);
    answer_first(w, 200);
    assert_int_equal(w->fetch_count, 1);
    serve(w, "shop", 10, 3, &plain);
    assert_int_equal(w->fetch_count, 2);
    answer_all(w, 200, "");
    assert_int_equal(w->fetch_count, 2); // the last two
    answer_all(w, 200, "");
}

static void a_reload_probes_at_once(void **state) {
    struct world *w = *state;
    set_one(w, "shop", 8);
    serve(w, "shop", 1, 8, &plain);
    answer_all(w, 500, "");
    serve(w, "shop", 20, 1, &plain);
    assert_int_equal(w->fetch_count, 0);
    set_one(w, "shop", 8);
    assert_int_equal(w->fetch_count, 1);
    answer_all(w, 500, "");
    set_all(w, NULL, 0, 10); // who leaves counts no more
    struct take *gone = remove_take("shop");
    gone->failed = PLACE(ABSENT, "it left");
    dispatch_mail(w->dispatch, &gone->mail);
    assert_int_equal(metric_get(METRIC_BREAKERS_OPEN), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(older_secrets_sign_too_until_their_overlap_ends),
        TEST(a_job_is_sent_as_stripe_sends_it),
        TEST(an_event_without_account_has_no_such_header),
        TEST(an_events_account_stands_in_the_url),
        TEST(each_attempt_is_signed_afresh),
        TEST(the_outcome_goes_to_the_journal),
        TEST(a_destination_gets_no_more_at_once_than_it_may),
        TEST(what_was_handed_out_before_a_hold_goes_back),
        TEST(a_slow_destination_delays_no_other),
        TEST(nothing_is_sent_without_room_for_the_outcome),
        TEST(scarce_room_serves_destinations_in_turn),
        TEST(an_outcome_that_found_the_journal_full_is_posted_again),
        TEST(an_outcome_lost_with_the_journal_is_let_go),
        TEST(an_unposted_outcome_goes_when_the_journal_fails_meanwhile),
        TEST(what_does_not_fit_the_livemode_is_never_sent),
        TEST(a_target_that_left_gives_back_what_was_not_begun),
        TEST(a_take_that_answers_too_late_is_given_back),
        TEST(a_target_that_comes_back_has_one_take),
        TEST(a_new_target_counts_from_the_next_attempt_on),
        TEST(each_set_of_targets_is_replaced_by_itself),
        TEST(sets_do_not_meet_where_names_do),
        TEST(the_guard_judges_endpoints_alone),
        TEST(what_the_guard_refuses_has_failed_and_is_counted),
        TEST(nothing_is_put_into_an_endpoints_url),
        TEST(an_unknown_destination_is_asked_for_again_later),
        TEST(draining_ends_what_is_under_way_and_begins_nothing),
        TEST(a_journal_that_stays_full_does_not_keep_it_from_stopping),
        TEST(closing_cuts_what_is_still_under_way),
        TEST(what_is_for_tables_has_succeeded_at_the_next_tick),
        TEST(tables_that_left_end_what_they_have_begun),
        TEST(closing_cuts_what_tables_have_begun),
        TEST(a_destination_that_only_fails_gets_probes),
        TEST(a_probe_goes_out_in_time_and_alone),
        TEST(what_it_was_asked_for_before_goes_back_when_it_is_closed),
        TEST(retry_after_holds_its_destination_alone),
        TEST(a_rate_is_kept_by_the_clock),
        TEST(a_level_rises_as_it_is_answered),
        TEST(a_reload_probes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
