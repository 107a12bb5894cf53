// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/list.h"
#include "base/metrics.h"
#include "intake/receive.h"
#include "rules/record.h"
#include "stripe/signature.h"

#define NOW_S INT64_C(1700000000)
#define ROOM (64 * 1024)
#define BODY_MAX 4096
#define EVENT                                                                                      \
    "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"charge.refunded\",\"created\":1700000000,"  \
    "\"livemode\":false,\"data\":{\"object\":{\"id\":\"ch_1\",\"object\":\"charge\"}}}"

#define SHOP_KEY "whsec_of_the_shop_1"
#define CONNECT_KEY "whsec_of_the_shop_2"
#define OTHER_KEY "whsec_of_the_other_owner"

static const char plan_json[] =
    "{\"sources\":["
    "{\"path\":\"/webhook\",\"owner\":\"acct_shop\",\"livemode\":\"both\",\"tolerance_s\":300,"
    "\"secrets\":[{\"label\":\"platform\",\"scope\":\"account\",\"fingerprint\":\"000000000001\"},"
    "{\"label\":\"c\",\"scope\":\"connect\",\"fingerprint\":\"000000000002\"}]},"
    "{\"path\":\"/other\",\"owner\":\"acct_other\",\"livemode\":\"live\",\"tolerance_s\":10,"
    "\"secrets\":[{\"label\":\"only\",\"scope\":\"any\",\"fingerprint\":\"000000000003\"}]}],"
    "\"destinations\":[]}";

struct world {
    struct clock clock;
    int64_t wall_ms, mono_us;
    struct journal_store *store;
    struct journal *journal;
    struct mailbox *mailbox;
    struct http_budget budget;
    struct receiver receiver;
    struct plan *plan;
    struct secret_uses uses;
};

struct reply { // what done was told
    enum reception_end end;
    int calls;
};

static int64_t fake_wall(struct clock *c) { return CONTAINER(c, struct world, clock)->wall_ms; }
static int64_t fake_mono(struct clock *c) { return CONTAINER(c, struct world, clock)->mono_us; }
static void fake_entropy(struct clock *c, void *p, size_t n) { memset(p, 7, n); }

static struct sources *open_sources(struct world *w, const char *shop_key) {
    bytes shop[] = {bytes_of(shop_key), B(CONNECT_KEY)}, other[] = {B(OTHER_KEY)};
    struct source_secrets secrets[] = {{B("/other"), other, 1}, {B("/webhook"), shop, 2}};
    struct sources *s;
    assert_null(sources_open(w->plan, secrets, 2, &w->uses, &s));
    return s;
}

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof *w);
    w->clock = (struct clock){fake_wall, fake_mono, fake_entropy};
    w->wall_ms = NOW_S * 1000 + 999;
    w->store = journal_store_memory(ROOM);
    struct journal_options o = {.clock = &w->clock, .store = w->store};
    assert_null(journal_open(&o, &w->journal));
    w->mailbox = mailbox_open(NULL, NULL);
    w->budget.max = 1 << 20;
    assert_null(plan_read(bytes_of(plan_json), 42, &w->plan));
    w->receiver = (struct receiver){
        .clock = &w->clock,
        .journal = w->journal,
        .mailbox = w->mailbox,
        .sources = open_sources(w, SHOP_KEY),
        .budget = &w->budget,
        .body_max = BODY_MAX,
    };
    metrics_reset();
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    assert_int_equal(w->receiver.appending, 0);
    assert_int_equal(w->budget.used, 0);
    sources_drop(w->receiver.sources);
    secret_uses_drop(&w->uses);
    plan_free(w->plan);
    journal_close(w->journal);
    mailbox_close(w->mailbox);
    w->store->close(w->store);
    free(w);
    return 0;
}

static void on_done(void *ctx, enum reception_end end) {
    struct reply *r = ctx;
    r->end = end;
    r->calls++;
}

// The journal appends what waits and its answers are handed on.
static void run_journal(struct world *w) {
    while (journal_step(w->journal))
        continue;
    for (struct mail *m = mailbox_drain(w->mailbox), *next; m != NULL; m = next) {
        next = m->next;
        assert_int_equal(m->kind, INTAKE_APPENDED);
        receive_mail(&w->receiver, CONTAINER(m, struct append, mail));
    }
}

static void sign(struct text *out, const char *key, int64_t time_s, bytes body) {
    struct hmac_key h;
    hmac_key_init(&h, bytes_of(key));
    signature_sign(&h, time_s, body, out);
}

static struct http_request post(const char *path, bytes signature, bytes body) {
    struct http_request r = {
        .method = B("POST"),
        .target = bytes_of(path),
        .path = bytes_of(path),
        .headers = {{B("Host"), B("localhost")}, {B("stripe-signature"), signature}},
        .header_count = 2,
        .has_length = true,
        .length = body.n,
    };
    return r;
}

// From the head to the answer; pieces of at most `step` bytes.
static enum reception_end send_all(struct world *w, const struct http_request *head, bytes body,
                                   size_t step) {
    struct reply reply = {0};
    struct reception *p;
    enum reception_end end = receive_head(&w->receiver, head, on_done, &reply, &p);
    if (p == NULL) {
        assert_int_not_equal(end, RECEPTION_ENDS);
        assert_int_equal(reply.calls, 0);
        return end;
    }
    assert_int_equal(end, RECEPTION_ENDS);
    bool more = true;
    for (size_t at = 0; more && at < body.n; at += step)
        more = receive_body(p, bytes_slice(body, at, at + step));
    assert_int_equal(more, reply.calls == 0);
    if (more)
        receive_complete(p);
    run_journal(w);
    assert_int_equal(reply.calls, 1);
    receive_abandon(p);
    return reply.end;
}

static enum reception_end send_signed(struct world *w, const char *path, const char *key,
                                      int64_t time_s, const char *body) {
    OWN(text_drop)
    struct text header = {0};
    sign(&header, key, time_s, bytes_of(body));
    struct http_request head = post(path, text_bytes(&header), bytes_of(body));
    return send_all(w, &head, bytes_of(body), SIZE_MAX / 2);
}

static struct record read_last(struct world *w, struct arena *a) {
    struct journal_cursor *c;
    struct record *records;
    size_t n;
    arena_init(a, 1 << 20);
    uint64_t last = w->store->last(w->store);
    assert_true(last > 0);
    assert_null(w->store->cursor_open(w->store, last - 1, &c));
    assert_null(w->store->read(c, 1 << 20, a, &records, &n));
    w->store->cursor_close(c);
    assert_int_equal(n, 1);
    return records[0];
}

static void assert_bytes(bytes got, bytes wanted) {
    if (!bytes_equal(got, wanted))
        fail_msg("got \"%.*s\", wanted \"%.*s\"", BYTES_ARG(got), BYTES_ARG(wanted));
}

static void an_event_is_journaled_with_its_bytes_and_then_answered(void **state) {
    struct world *w = *state;
    assert_int_equal(send_signed(w, "/webhook", SHOP_KEY, NOW_S - 5, EVENT), RECEPTION_RECEIVED);
    assert_int_equal(metric_get(METRIC_ACK_NEW), 1);
    assert_int_equal(metric_get(METRIC_ANSWER_TIME), 1);
    OWN(arena_drop)
    struct arena a;
    struct record record = read_last(w, &a);
    assert_int_equal(record.kind, RECORD_EVENT);
    assert_int_equal(record.generation, 42);
    assert_int_not_equal(record.seed, 0);
    struct receipt_record r;
    assert_null(receipt_decode(record.payload, &r));
    assert_bytes(r.source, B("/webhook"));
    assert_bytes(r.owner, B("acct_shop"));
    assert_bytes(r.secret_label, B("platform"));
    assert_int_equal(r.secret_scope, SCOPE_ACCOUNT);
    assert_int_equal(r.livemode, MODE_BOTH);
    assert_int_equal(r.signed_at, NOW_S - 5);
    assert_bytes(r.body, B(EVENT));
}

static void no_answer_before_the_journal_has_answered(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text header = {0};
    sign(&header, SHOP_KEY, NOW_S, B(EVENT));
    struct http_request head = post("/webhook", text_bytes(&header), B(EVENT));
    struct reply reply = {0};
    struct reception *p;
    receive_head(&w->receiver, &head, on_done, &reply, &p);
    assert_true(w->budget.used > 0);
    assert_true(receive_body(p, B(EVENT)));
    assert_true(w->budget.used > (int64_t)sizeof EVENT);
    receive_complete(p);
    assert_int_equal(w->budget.used, 0); // the journal's credit counts now
    assert_int_equal(w->receiver.appending, 1);
    assert_true(journal_step(w->journal));
    assert_int_equal(reply.calls, 0);
    run_journal(w);
    assert_int_equal(reply.calls, 1);
    assert_int_equal(reply.end, RECEPTION_RECEIVED);
    receive_abandon(p);
}

static void the_secret_that_matched_is_kept(void **state) {
    struct world *w = *state;
    assert_int_equal(send_signed(w, "/webhook", CONNECT_KEY, NOW_S, EVENT), RECEPTION_RECEIVED);
    OWN(arena_drop)
    struct arena a;
    struct receipt_record r;
    assert_null(receipt_decode(read_last(w, &a).payload, &r));
    assert_bytes(r.secret_label, B("c"));
    assert_int_equal(r.secret_scope, SCOPE_CONNECT);
    assert_bytes(r.body, B(EVENT));
}

static void one_owners_secret_opens_no_other_owners_source(void **state) {
    struct world *w = *state;
    assert_int_equal(send_signed(w, "/webhook", OTHER_KEY, NOW_S, EVENT), RECEPTION_NO_MATCH);
    assert_int_equal(send_signed(w, "/other", SHOP_KEY, NOW_S, EVENT), RECEPTION_NO_MATCH);
    assert_int_equal(w->store->last(w->store), 0);
    assert_int_equal(send_signed(w, "/other", OTHER_KEY, NOW_S, EVENT), RECEPTION_RECEIVED);
    OWN(arena_drop)
    struct arena a;
    struct receipt_record r;
    assert_null(receipt_decode(read_last(w, &a).payload, &r));
    assert_bytes(r.owner, B("acct_other"));
    assert_int_equal(r.livemode, MODE_LIVE);
}

static void a_body_may_arrive_in_any_pieces(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text header = {0};
    sign(&header, SHOP_KEY, NOW_S, B(EVENT));
    for (size_t step = 1; step <= sizeof EVENT; step++) {
        struct http_request head = post("/webhook", text_bytes(&header), B(EVENT));
        head.has_length = step % 2 == 0;
        assert_int_equal(send_all(w, &head, B(EVENT), step), RECEPTION_RECEIVED);
        OWN(arena_drop)
        struct arena a;
        struct receipt_record r;
        assert_null(receipt_decode(read_last(w, &a).payload, &r));
        assert_bytes(r.body, B(EVENT));
        journal_booked(w->journal, w->store->last(w->store));
        run_journal(w);
    }
}

// Hashing goes in steps of its own.
static void a_long_body_may_arrive_in_any_pieces(void **state) {
    static const size_t steps[] = {1, 7, 1023, 1024, 1025, 2048, 5000};
    struct world *w = *state;
    w->receiver.body_max = 8192;
    OWN(text_drop)
    struct text body = {0};
    text_add(&body, bytes_slice(B(EVENT), 0, sizeof EVENT - 2));
    text_adds(&body, ",\"pad\":\"");
    for (size_t i = 0; i < 4096; i++)
        text_addc(&body, (char)('a' + i % 26));
    text_adds(&body, "\"}");
    OWN(text_drop)
    struct text header = {0};
    sign(&header, SHOP_KEY, NOW_S, text_bytes(&body));
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct http_request head = post("/webhook", text_bytes(&header), text_bytes(&body));
        assert_int_equal(send_all(w, &head, text_bytes(&body), steps[i]), RECEPTION_RECEIVED);
        journal_booked(w->journal, w->store->last(w->store));
        run_journal(w);
    }
    body.p[body.n / 2] ^= 1;
    struct http_request head = post("/webhook", text_bytes(&header), text_bytes(&body));
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        assert_int_equal(send_all(w, &head, text_bytes(&body), steps[i]), RECEPTION_NO_MATCH);
}

static void a_signature_is_judged_by_time_and_bytes(void **state) {
    static const struct {
        const char *path, *key;
        int64_t time_s;
        const char *body;
        enum reception_end end;
        enum metric metric;
    } cases[] = {
        {"/webhook", SHOP_KEY, NOW_S - 300, EVENT, RECEPTION_RECEIVED, METRIC_ACK_NEW},
        {"/webhook", SHOP_KEY, NOW_S - 301, EVENT, RECEPTION_TOO_OLD, METRIC_REFUSE_TOO_OLD},
        {"/other", OTHER_KEY, NOW_S - 11, EVENT, RECEPTION_TOO_OLD, METRIC_REFUSE_TOO_OLD},
        {"/webhook", SHOP_KEY, NOW_S + 300, EVENT, RECEPTION_RECEIVED, METRIC_ACK_NEW},
        {"/webhook", SHOP_KEY, NOW_S + 301, EVENT, RECEPTION_IN_FUTURE, METRIC_REFUSE_FUTURE},
        {"/webhook", "whsec_nobody_knows", NOW_S, EVENT, RECEPTION_NO_MATCH,
         METRIC_REFUSE_BAD_SIGNATURE},
        // A wrong signature is never told that it is also late.
        {"/webhook", "whsec_nobody_knows", 1, EVENT, RECEPTION_NO_MATCH,
         METRIC_REFUSE_BAD_SIGNATURE},
        {"/webhook", SHOP_KEY, NOW_S, "", RECEPTION_NOT_EVENT, METRIC_REFUSE_NOT_EVENT},
        {"/webhook", SHOP_KEY, NOW_S, "hello", RECEPTION_NOT_EVENT, METRIC_REFUSE_NOT_EVENT},
        {"/webhook", SHOP_KEY, NOW_S, "{\"object\":\"charge\"}", RECEPTION_NOT_EVENT,
         METRIC_REFUSE_NOT_EVENT},
        // Not parsed before it is verified.
        {"/webhook", "whsec_nobody_knows", NOW_S, "hello", RECEPTION_NO_MATCH,
         METRIC_REFUSE_BAD_SIGNATURE},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t before = metric_get(cases[i].metric), kept = w->store->last(w->store);
        enum reception_end end =
            send_signed(w, cases[i].path, cases[i].key, cases[i].time_s, cases[i].body);
        if (end != cases[i].end)
            fail_msg("case %zu: ended %d", i, (int)end);
        assert_int_equal(metric_get(cases[i].metric), before + 1);
        assert_int_equal(w->store->last(w->store), kept + (end == RECEPTION_RECEIVED));
    }
    uint64_t used, size;
    journal_room(w->journal, &used, &size);
    assert_int_equal(used, w->store->used(w->store)); // no credit is left behind
}

static void a_changed_body_does_not_match(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text header = {0};
    sign(&header, SHOP_KEY, NOW_S, B(EVENT));
    char body[] = EVENT;
    body[8] ^= 1;
    struct http_request head = post("/webhook", text_bytes(&header), bytes_of(body));
    assert_int_equal(send_all(w, &head, bytes_of(body), 50), RECEPTION_NO_MATCH);
}

static void a_head_is_refused_at_once(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text header = {0};
    sign(&header, SHOP_KEY, NOW_S, B(EVENT));
    struct http_request good = post("/webhook", text_bytes(&header), B(EVENT));
    struct http_request r = good;
    r.path = B("/webhook/");
    assert_int_equal(send_all(w, &r, B(EVENT), 99), RECEPTION_NO_PATH);
    r.method = B("GET"); // the path is judged first
    assert_int_equal(send_all(w, &r, B(EVENT), 99), RECEPTION_NO_PATH);
    r.path = B("/webhook");
    assert_int_equal(send_all(w, &r, B(EVENT), 99), RECEPTION_METHOD);
    r = good;
    r.header_count = 1;
    assert_int_equal(send_all(w, &r, B(EVENT), 99), RECEPTION_NO_SIGNATURE);
    r = good;
    r.headers[1].value = NO_BYTES;
    assert_int_equal(send_all(w, &r, B(EVENT), 99), RECEPTION_NO_SIGNATURE);
    r.headers[1].value = B("t=1700000000,v1=0");
    assert_int_equal(send_all(w, &r, B(EVENT), 99), RECEPTION_BAD_HEADER);
    r = good;
    r.headers[2] = r.headers[1];
    r.header_count = 3;
    assert_int_equal(send_all(w, &r, B(EVENT), 99), RECEPTION_BAD_HEADER);
    r = good;
    r.length = BODY_MAX + 1;
    assert_int_equal(send_all(w, &r, B(EVENT), 99), RECEPTION_TOO_LARGE);
    w->receiver.stopping = true;
    assert_int_equal(send_all(w, &good, B(EVENT), 99), RECEPTION_STOPPING);
    w->receiver.stopping = false;
    assert_int_equal(send_all(w, &good, B(EVENT), 99), RECEPTION_RECEIVED);
    assert_int_equal(metric_get(METRIC_REFUSE_NO_PATH), 2);
    assert_int_equal(metric_get(METRIC_REFUSE_METHOD), 1);
    assert_int_equal(metric_get(METRIC_REFUSE_NO_SIGNATURE), 2);
    assert_int_equal(metric_get(METRIC_REFUSE_BAD_HEADER), 2);
    assert_int_equal(metric_get(METRIC_REFUSE_BODY_LARGE), 1);
    assert_int_equal(metric_get(METRIC_REFUSE_STOPPING), 1);
}

static void a_body_over_the_cap_is_refused_not_cut(void **state) {
    struct world *w = *state;
    char body[BODY_MAX + 1];
    memset(body, ' ', sizeof body);
    memcpy(body, EVENT, sizeof EVENT - 1);
    for (size_t over = 0; over < 2; over++) {
        bytes b = bytes_from(body, BODY_MAX + over);
        OWN(text_drop)
        struct text header = {0};
        sign(&header, SHOP_KEY, NOW_S, b);
        struct http_request head = post("/webhook", text_bytes(&header), b);
        head.has_length = false;
        assert_int_equal(send_all(w, &head, b, 1000),
                         over ? RECEPTION_TOO_LARGE : RECEPTION_RECEIVED);
    }
}

static void strangers_hold_bounded_memory(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text header = {0};
    sign(&header, SHOP_KEY, NOW_S, B(EVENT));
    struct http_request head = post("/webhook", text_bytes(&header), B(EVENT));
    struct reception *p[64];
    struct reply reply[64] = {0};
    w->budget.max = 20000;
    size_t n = 0;
    for (bool more = true; more;) {
        assert_true(n < 63);
        assert_int_equal(receive_head(&w->receiver, &head, on_done, &reply[n], &p[n]),
                         RECEPTION_ENDS);
        more = receive_body(p[n], bytes_slice(B(EVENT), 0, 100));
        assert_true(w->budget.used <= w->budget.max);
        n++;
    }
    assert_true(n > 10);
    assert_int_equal(reply[n - 1].end, RECEPTION_NO_MEMORY);
    w->budget.max = w->budget.used;
    assert_int_equal(send_all(w, &head, B(EVENT), 100), RECEPTION_NO_MEMORY);
    assert_int_equal(metric_get(METRIC_REFUSE_MEMORY), 2);
    w->budget.max = 20000;
    for (size_t i = 0; i < n; i++)
        receive_abandon(p[i]);
    assert_int_equal(w->budget.used, 0);
    assert_int_equal(send_all(w, &head, B(EVENT), 100), RECEPTION_RECEIVED);
}

static void a_length_that_is_only_announced_costs_little(void **state) {
    struct world *w = *state;
    w->receiver.body_max = 1 << 20;
    w->budget.max = 64 << 10;
    OWN(text_drop)
    struct text header = {0};
    sign(&header, SHOP_KEY, NOW_S, B(EVENT));
    struct http_request head = post("/webhook", text_bytes(&header), B(EVENT));
    head.length = 1 << 20;
    struct reply reply = {0};
    struct reception *p;
    assert_int_equal(receive_head(&w->receiver, &head, on_done, &reply, &p), RECEPTION_ENDS);
    assert_true(receive_body(p, B("x")));
    receive_abandon(p);
    assert_int_equal(reply.calls, 0);
}

static void without_room_it_is_sent_again_later(void **state) {
    struct world *w = *state;
    size_t n = 0;
    while (send_signed(w, "/webhook", SHOP_KEY, NOW_S, EVENT) == RECEPTION_RECEIVED)
        assert_true(++n < ROOM);
    assert_true(n > 10);
    assert_int_equal(metric_get(METRIC_REFUSE_NO_CREDIT), 1);
    assert_true(w->receiver.no_room);
    journal_booked(w->journal, w->store->last(w->store));
    run_journal(w);
    assert_int_equal(send_signed(w, "/webhook", SHOP_KEY, NOW_S, EVENT), RECEPTION_RECEIVED);
    assert_true(w->receiver.no_room); // the same episode for a while
    w->mono_us += 5000000;
    assert_int_equal(send_signed(w, "/webhook", SHOP_KEY, NOW_S, EVENT), RECEPTION_RECEIVED);
    assert_false(w->receiver.no_room);
}

static result append_full(struct journal_store *s, struct record *r, size_t n, int64_t wall_ms) {
    FAIL(FULL, "no space left");
}

static result append_io(struct journal_store *s, struct record *r, size_t n, int64_t wall_ms) {
    FAIL(IO, "the sync failed");
}

static void what_is_not_durable_is_not_acknowledged(void **state) {
    struct world *w = *state;
    result (*real)(struct journal_store * s, struct record * r, size_t n, int64_t wall_ms) =
        w->store->append;
    w->store->append = append_full;
    assert_int_equal(send_signed(w, "/webhook", SHOP_KEY, NOW_S, EVENT), RECEPTION_NOT_DURABLE);
    w->store->append = real; // a full disk passes
    assert_int_equal(send_signed(w, "/webhook", SHOP_KEY, NOW_S, EVENT), RECEPTION_RECEIVED);
    w->store->append = append_io;
    assert_int_equal(send_signed(w, "/webhook", SHOP_KEY, NOW_S, EVENT), RECEPTION_NOT_DURABLE);
    w->store->append = real; // a failed sync does not
    assert_int_equal(send_signed(w, "/webhook", SHOP_KEY, NOW_S, EVENT), RECEPTION_NOT_DURABLE);
    assert_int_equal(metric_get(METRIC_REFUSE_NOT_DURABLE), 3);
    assert_int_equal(metric_get(METRIC_ACK_NEW), 1);
    assert_false(w->receiver.no_room);
}

static void a_closed_journal_acknowledges_nothing(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text header = {0};
    sign(&header, SHOP_KEY, NOW_S, B(EVENT));
    struct http_request head = post("/webhook", text_bytes(&header), B(EVENT));
    struct reply reply = {0};
    struct reception *p;
    receive_head(&w->receiver, &head, on_done, &reply, &p);
    assert_true(receive_body(p, B(EVENT)));
    receive_complete(p);
    journal_close(w->journal);
    w->journal = NULL;
    struct mail *m = mailbox_drain(w->mailbox);
    receive_mail(&w->receiver, CONTAINER(m, struct append, mail));
    assert_int_equal(reply.calls, 1);
    assert_int_equal(reply.end, RECEPTION_NOT_DURABLE);
    receive_abandon(p);
}

static void a_peer_that_leaves_is_forgotten(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text header = {0};
    sign(&header, SHOP_KEY, NOW_S, B(EVENT));
    struct http_request head = post("/webhook", text_bytes(&header), B(EVENT));
    for (int stage = 0; stage < 3; stage++) {
        struct reply reply = {0};
        struct reception *p;
        receive_head(&w->receiver, &head, on_done, &reply, &p);
        if (stage > 0)
            assert_true(receive_body(p, B(EVENT)));
        if (stage > 1)
            receive_complete(p);
        receive_abandon(p);
        run_journal(w);
        assert_int_equal(reply.calls, 0);
        assert_int_equal(w->budget.used, 0);
    }
    assert_int_equal(w->store->last(w->store), 1); // it was whole: the journal keeps it
    assert_int_equal(metric_get(METRIC_ACK_NEW), 0);
}

static void a_reload_leaves_what_is_under_way_as_it_began(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text header = {0};
    sign(&header, SHOP_KEY, NOW_S, B(EVENT));
    struct http_request head = post("/webhook", text_bytes(&header), B(EVENT));
    struct reply reply = {0};
    struct reception *p;
    receive_head(&w->receiver, &head, on_done, &reply, &p);
    assert_true(receive_body(p, bytes_slice(B(EVENT), 0, 10)));
    plan_free(w->plan);
    assert_null(plan_read(bytes_of(plan_json), 43, &w->plan));
    sources_drop(w->receiver.sources);
    w->receiver.sources = open_sources(w, "whsec_rolled_over_now");
    assert_int_equal(send_all(w, &head, B(EVENT), 99), RECEPTION_NO_MATCH);
    assert_true(receive_body(p, bytes_slice(B(EVENT), 10, sizeof EVENT)));
    receive_complete(p);
    run_journal(w);
    assert_int_equal(reply.end, RECEPTION_RECEIVED);
    receive_abandon(p);
    OWN(arena_drop)
    struct arena a;
    assert_int_equal(read_last(w, &a).generation, 42);
    assert_int_equal(send_signed(w, "/webhook", "whsec_rolled_over_now", NOW_S, EVENT),
                     RECEPTION_RECEIVED);
    OWN(arena_drop)
    struct arena b;
    assert_int_equal(read_last(w, &b).generation, 43);
}

static void secrets_must_be_those_of_the_plan(void **state) {
    struct world *w = *state;
    bytes keys[] = {B(SHOP_KEY), B(CONNECT_KEY)};
    struct source_secrets both[] = {{B("/webhook"), keys, 2}, {B("/other"), keys, 1}};
    struct sources *s;
    assert_true(failed_as(sources_open(w->plan, both, 1, &w->uses, &s), FAIL_INVALID));
    both[1].count = 0;
    assert_true(failed_as(sources_open(w->plan, both, 2, &w->uses, &s), FAIL_INVALID));
    both[1].count = 2;
    assert_true(failed_as(sources_open(w->plan, both, 2, &w->uses, &s), FAIL_INVALID));
    assert_null(s);
    both[1].count = 1;
    assert_null(sources_open(w->plan, both, 2, &w->uses, &s));
    sources_drop(s);
}

// A plan of one source, whose first secret is limited so, in force from now on.
static void limit_first(struct world *w, const char *source, const char *limits) {
    OWN(text_drop)
    struct text plan = {0};
    plan_free(w->plan);
    text_addf(&plan,
              "{\"sources\":[{\"path\":\"/webhook\",\"owner\":\"main\",\"livemode\":\"%s\","
              "\"tolerance_s\":300,\"secrets\":[{\"label\":\"old\",\"scope\":\"any\",%s"
              "\"fingerprint\":\"01\"},{\"label\":\"new\",\"scope\":\"any\","
              "\"fingerprint\":\"02\"}]}],\"destinations\":[]}",
              source, limits);
    assert_null(plan_read(text_bytes(&plan), 44, &w->plan));
    bytes keys[] = {B(SHOP_KEY), B(CONNECT_KEY)};
    struct source_secrets secrets = {B("/webhook"), keys, 2};
    sources_drop(w->receiver.sources);
    assert_null(sources_open(w->plan, &secrets, 1, &w->uses, &w->receiver.sources));
}

static void a_secret_is_taken_while_it_is_in_force(void **state) {
    static const struct {
        const char *limits;
        enum reception_end end;
    } rows[] = {
        {"", RECEPTION_RECEIVED},
        {"\"not_before_s\":1700000000,\"not_after_s\":1700000001,", RECEPTION_RECEIVED},
        {"\"not_after_s\":1700000000,", RECEPTION_RETIRED},
        {"\"not_before_s\":1700000001,", RECEPTION_RETIRED},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        limit_first(w, "both", rows[i].limits);
        assert_int_equal(send_signed(w, "/webhook", SHOP_KEY, NOW_S, EVENT), rows[i].end);
        assert_int_equal(send_signed(w, "/webhook", CONNECT_KEY, NOW_S, EVENT), RECEPTION_RECEIVED);
    }
    // Counted apart, by label; a stranger learns nothing that a wrong secret would not tell.
    assert_int_equal(metric_get(METRIC_REFUSE_RETIRED), 2);
    assert_int_equal(metric_get(METRIC_REFUSE_BAD_SIGNATURE), 0);
    const struct secret_use *old = secret_uses_find(&w->uses, B("/webhook"), B("old"));
    const struct secret_use *new = secret_uses_find(&w->uses, B("/webhook"), B("new"));
    assert_int_equal(old->retired, 2);
    assert_int_equal(old->retired_at, w->wall_ms);
    assert_int_equal(old->matched, 2);
    assert_int_equal(new->retired, 0);
    assert_int_equal(new->matched, 4);
    assert_int_equal(new->matched_at, w->wall_ms);
    struct reception_answer retired, stranger;
    reception_answer(RECEPTION_RETIRED, &retired);
    reception_answer(RECEPTION_NO_MATCH, &stranger);
    assert_int_equal(retired.status, stranger.status);
    assert_string_equal(retired.body, stranger.body);
    OWN(text_drop)
    struct text metrics = {0};
    secret_uses_metrics(&w->uses, &metrics);
    assert_non_null(strstr(text_str(&metrics), "\nhookkeep_retired_secret_total{source=\"/webhook\""
                                               ",secret=\"old\"} 2\n"));
    assert_non_null(strstr(text_str(&metrics), "\nhookkeep_secret_matches_total{source=\"/webhook\""
                                               ",secret=\"new\"} 4\n"));
}

// What the doctor asks: by source, how signatures failed, and how far Stripe's times are from ours.
static void failures_and_times_are_counted_by_source(void **state) {
    struct world *w = *state;
    limit_first(w, "both", "\"not_after_s\":1700000000,");
    OWN(text_drop)
    struct text header = {0};
    sign(&header, CONNECT_KEY, NOW_S, B(EVENT));
    struct http_request r = post("/webhook", text_bytes(&header), B(EVENT));
    r.header_count = 1;
    assert_int_equal(send_all(w, &r, B(EVENT), 99), RECEPTION_NO_SIGNATURE);
    r.header_count = 2;
    r.headers[1].value = B("t=1700000000,v1=0");
    assert_int_equal(send_all(w, &r, B(EVENT), 99), RECEPTION_BAD_HEADER);
    static const struct {
        const char *path, *key, *body;
        int64_t time_s;
        enum reception_end end;
    } rows[] = {
        {"/webhook", "a stranger's secret", EVENT, NOW_S, RECEPTION_NO_MATCH},
        {"/webhook", "a stranger's secret", EVENT, NOW_S, RECEPTION_NO_MATCH},
        {"/webhook", SHOP_KEY, EVENT, NOW_S, RECEPTION_RETIRED},
        {"/webhook", CONNECT_KEY, EVENT, NOW_S - 301, RECEPTION_TOO_OLD},
        {"/webhook", CONNECT_KEY, EVENT, NOW_S + 301, RECEPTION_IN_FUTURE},
        {"/webhook", CONNECT_KEY, "{}", NOW_S, RECEPTION_NOT_EVENT},
        {"/webhook", CONNECT_KEY, EVENT, NOW_S - 80, RECEPTION_RECEIVED},
        {"/webhook", CONNECT_KEY, EVENT, NOW_S, RECEPTION_RECEIVED},
        {"/nowhere", CONNECT_KEY, EVENT, NOW_S, RECEPTION_NO_PATH},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(send_signed(w, rows[i].path, rows[i].key, rows[i].time_s, rows[i].body),
                         rows[i].end);
    OWN(text_drop)
    struct text uses = {0};
    source_uses_json(&w->uses, &uses);
    assert_non_null(strstr(text_str(&uses),
                           "\"/webhook\":{\"received\":2,\"clock_ms\":70999,\"refused\":{"
                           "\"no_signature\":1,\"malformed_signature\":1,\"no_match\":2,"
                           "\"retired\":1,\"too_old\":1,\"in_future\":1,\"not_an_event\":1}}"));
    assert_null(strstr(text_str(&uses), "nowhere"));
}

// Told while it is still used: each day of its last week, each hour of its last day.
static void a_secret_that_ends_soon_is_told_of(void **state) {
    static const struct {
        int64_t left_s, later_s;
        bool told;
    } rows[] = {
        {8 * 86400, 0, false},     {7 * 86400, 0, true},
        {7 * 86400, 86399, false}, {7 * 86400, 1, true},
        {0, 6 * 86400 - 60, true}, {0, 3600, true},
        {0, 3599, false},          {0, 1, true},
    };
    struct secret_uses uses = {0};
    struct secret_use *u = secret_uses_take(&uses, B("/webhook"), B("old"));
    assert_ptr_equal(u, secret_uses_take(&uses, B("/webhook"), B("old")));
    assert_ptr_not_equal(u, secret_uses_take(&uses, B("/other"), B("old")));
    int64_t now_s = NOW_S;
    struct plan_secret s = {.label = B("old")};
    secret_use_matched(u, &s, now_s * 1000);
    assert_int_equal(u->told_expiry_at, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t before = u->told_expiry_at;
        now_s += rows[i].later_s;
        s.not_after_s =
            rows[i].left_s > 0 && rows[i].later_s == 0 ? now_s + rows[i].left_s : s.not_after_s;
        secret_use_matched(u, &s, now_s * 1000);
        if ((u->told_expiry_at != before) != rows[i].told)
            fail_msg("row %zu", i);
    }
    assert_int_equal(u->matched, 1 + sizeof rows / sizeof rows[0]);
    secret_uses_drop(&uses);
}

// It narrows what its source takes; booking ignores what does not fit the record.
static void a_secrets_livemode_narrows_its_sources(void **state) {
    static const struct {
        const char *source, *limits;
        enum mode livemode;
    } rows[] = {
        {"both", "", MODE_BOTH},
        {"both", "\"livemode\":\"live\",", MODE_LIVE},
        {"test", "", MODE_TEST},
        {"test", "\"livemode\":\"test\",", MODE_TEST},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        limit_first(w, rows[i].source, rows[i].limits);
        assert_int_equal(send_signed(w, "/webhook", SHOP_KEY, NOW_S, EVENT), RECEPTION_RECEIVED);
        OWN(arena_drop)
        struct arena a;
        struct receipt_record in;
        assert_null(receipt_decode(read_last(w, &a).payload, &in));
        assert_int_equal(in.livemode, rows[i].livemode);
        assert_bytes(in.secret_label, B("old"));
    }
}

static void each_end_has_an_answer(void **state) {
    for (int end = 0; end < RECEPTION_ENDS; end++) {
        struct reception_answer a;
        reception_answer(end, &a);
        struct json_doc *doc;
        assert_null(json_parse(bytes_of(a.body), &doc));
        const char *key = end == RECEPTION_RECEIVED ? "received" : "error";
        assert_int_not_equal(json_type(json_get(json_root(doc), key)), JSON_ABSENT);
        json_close(&doc);
        assert_int_equal(a.status == 200, end == RECEPTION_RECEIVED);
        if (a.status == 503)
            assert_true(bytes_starts(bytes_of(a.header), B("Retry-After: ")));
        if (a.status == 405)
            assert_string_equal(a.header, "Allow: POST");
    }
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(an_event_is_journaled_with_its_bytes_and_then_answered),
        TEST(no_answer_before_the_journal_has_answered),
        TEST(the_secret_that_matched_is_kept),
        TEST(one_owners_secret_opens_no_other_owners_source),
        TEST(a_body_may_arrive_in_any_pieces),
        TEST(a_long_body_may_arrive_in_any_pieces),
        TEST(a_signature_is_judged_by_time_and_bytes),
        TEST(a_changed_body_does_not_match),
        TEST(a_head_is_refused_at_once),
        TEST(a_body_over_the_cap_is_refused_not_cut),
        TEST(strangers_hold_bounded_memory),
        TEST(a_length_that_is_only_announced_costs_little),
        TEST(without_room_it_is_sent_again_later),
        TEST(what_is_not_durable_is_not_acknowledged),
        TEST(a_closed_journal_acknowledges_nothing),
        TEST(a_peer_that_leaves_is_forgotten),
        TEST(a_reload_leaves_what_is_under_way_as_it_began),
        TEST(secrets_must_be_those_of_the_plan),
        TEST(a_secret_is_taken_while_it_is_in_force),
        TEST(failures_and_times_are_counted_by_source),
        cmocka_unit_test(a_secret_that_ends_soon_is_told_of),
        TEST(a_secrets_livemode_narrows_its_sources),
        cmocka_unit_test(each_end_has_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
