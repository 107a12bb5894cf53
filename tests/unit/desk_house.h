// SPDX-License-Identifier: MIT
// A desk with everything behind it, each room on its own thread (a journal in memory, a ledger in
// SQLite in a folder of its own), and a small client that speaks HTTP/1.1 on blocking sockets.
#ifndef TESTS_UNIT_DESK_HOUSE_H
#define TESTS_UNIT_DESK_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/json.h"
#include "base/list.h"
#include "desk/desk.h"
#include "ledger_world.h"
#include "port/thread.h"
#include "rules/record.h"

#define PATIENCE_S 20

static const uint8_t house_sealing_key[SEAL_KEY_SIZE] = "0123456789abcdef0123456789abcde";

struct house_clock {
    struct clock clock;
    _Atomic int64_t ahead_us; // of the real one
};

struct house {
    struct house_clock clock;
    struct world world;
    struct journal_store *records;
    struct journal *journal;
    struct ledger *ledger;
    struct queries *queries;
    struct desk *desk;
    struct thread *journal_thread, *ledger_thread, *query_thread;
    struct mailbox *answers;
    uint64_t generation;
    bool not_ready;
    char operator_key[DESK_KEY_MAX], viewer_key[DESK_KEY_MAX], revoked_key[DESK_KEY_MAX];
    char test_key[DESK_KEY_MAX], live_key[DESK_KEY_MAX], reading_key[DESK_KEY_MAX];
};

static inline int64_t house_wall(struct clock *c) { return clock_wall_ms(&clock_real); }
static inline int64_t house_mono(struct clock *c) {
    return clock_mono_us(&clock_real) + atomic_load(&((struct house_clock *)c)->ahead_us);
}
static inline void house_entropy(struct clock *c, void *p, size_t n) {
    clock_real.entropy(&clock_real, p, n);
}

static inline void house_durable(void *ctx, uint64_t position) {
    ledger_wake(((struct house *)ctx)->ledger);
}

static inline bool house_ready(void *ctx, const char **why) {
    struct house *h = ctx;
    *why = h->not_ready ? "the journal's tail is not booked yet" : "";
    return !h->not_ready;
}

// Appends one record and waits until it is booked; its position.
static inline uint64_t house_append(struct house *h, uint8_t kind, bytes payload) {
    struct append a = {
        .kind = kind, .generation = h->generation, .payload = payload, .reply = h->answers};
    assert_true(journal_credit_take(h->journal, CREDIT_INNER, payload.n, &a.credit));
    journal_post(h->journal, &a);
    while (mailbox_drain(h->answers) == NULL)
        (void)mailbox_wait(h->answers, -1);
    assert_ok(a.failed);
    struct await w = {.position = a.position, .reply = h->answers};
    ledger_await(h->ledger, &w);
    while (mailbox_drain(h->answers) == NULL)
        (void)mailbox_wait(h->answers, -1);
    assert_ok(w.failed);
    text_drop(&w.answer);
    return a.position;
}

static inline uint64_t house_event(struct house *h, const char *source, const char *body) {
    OWN(text_drop)
    struct text payload = {0};
    struct receipt_record r = {
        .source = bytes_of(source),
        .owner = bytes_of("main"),
        .secret_label = bytes_of("default"),
        .signed_at = 1700000000,
        .body = bytes_of(body),
    };
    receipt_encode(&r, &payload);
    return house_append(h, RECORD_EVENT, text_bytes(&payload));
}

// An event of this id and type; account may be null.
static inline uint64_t house_stripe_event(struct house *h, const char *id, const char *type,
                                          const char *account, bool livemode) {
    char body[1024];
    snprintf(body, sizeof body,
             "{\"id\":\"%s\",\"object\":\"event\",\"type\":\"%s\",\"created\":1700000000,"
             "\"livemode\":%s,\"api_version\":\"2025-03-31.basil\",%s%s%s"
             "\"data\":{\"object\":{\"id\":\"ob_%s\",\"object\":\"thing\"}}}",
             id, type, livemode ? "true" : "false", account == NULL ? "" : "\"account\":\"",
             account == NULL ? "" : account, account == NULL ? "" : "\",", id);
    return house_event(h, "/webhook", body);
}

static inline void house_plan(struct house *h, const char *destinations) {
    OWN(text_drop)
    struct text plan = {0};
    text_addf(&plan,
              "{\"sources\":[{\"path\":\"/webhook\",\"owner\":\"main\",\"livemode\":\"both\","
              "\"tolerance_s\":300,\"secrets\":[{\"label\":\"default\",\"scope\":\"any\","
              "\"fingerprint\":\"0123456789ab\"}]}],\"destinations\":[%s]}",
              destinations);
    h->generation = house_append(h, RECORD_PLAN, text_bytes(&plan));
    if (h->desk != NULL)
        desk_set_generation(h->desk, h->generation);
}

#define DESTINATION(name_, match_)                                                                 \
    "{\"name\":\"" name_ "\",\"kind\":\"http\",\"url\":\"http://127.0.0.1:9/\",\"fingerprint\":"   \
    "\"0123456789ab\",\"livemode\":\"both\",\"match\":" match_                                     \
    ",\"timeout_ms\":1000,\"retry_ms\":[1000],\"concurrency\":1}"
#define MATCH_CHARGES                                                                              \
    "[{\"types\":[\"charge.*\"],\"accounts\":[],\"sources\":[],\"secrets\":[],\"scope\":\"any\","  \
    "\"where\":[]}]"

static inline void house_key(struct house *h, enum key_mode mode, char out[DESK_KEY_MAX]) {
    OWN(text_drop)
    struct text payload = {0};
    desk_key_new(&clock_real, mode, out);
    desk_key_command(bytes_of(out), B("test"), NO_BYTES, &payload);
    house_append(h, RECORD_COMMAND, text_bytes(&payload));
}

static inline void house_keys(struct house *h) {
    house_key(h, KEY_MODE_OPERATOR, h->operator_key);
    house_key(h, KEY_MODE_VIEWER, h->viewer_key);
    house_key(h, KEY_MODE_TEST, h->test_key);
    house_key(h, KEY_MODE_LIVE, h->live_key);
    house_key(h, KEY_MODE_TEST_READ_ONLY, h->reading_key);
    house_key(h, KEY_MODE_OPERATOR, h->revoked_key);
    char id[DESK_KEY_ID_MAX], payload[128];
    desk_key_id(bytes_of(h->revoked_key), id);
    snprintf(payload, sizeof payload, "{\"do\":\"key_revoke\",\"id\":\"%s\",\"by\":\"\"}", id);
    house_append(h, RECORD_COMMAND, bytes_of(payload));
}

static inline void house_desk(struct house *h) {
    OWN(text_drop)
    struct text why = {0};
    struct net_address address;
    assert_ok(net_address_parse(B("http://127.0.0.1:0"), &address, &why));
    // Those that may not sign stand before those that do.
    struct desk_secret secrets[] = {
        {B("whsec_gone"), {.label = B("gone"), .not_after_s = 1}},
        {B("whsec_to_come"), {.label = B("to_come"), .not_before_s = INT64_MAX}},
        {B("whsec_live"), {.label = B("live"), .scope = SCOPE_CONNECT, .livemode = MODE_LIVE}},
        {B("whsec_any"), {.label = B("any")}},
        {B("whsec_connect"), {.label = B("connect"), .scope = SCOPE_CONNECT}},
        {B("whsec_again"), {.label = B("again"), .scope = SCOPE_CONNECT}},
    };
    const struct desk_source source = {B("/webhook"), MODE_TEST, secrets, 6};
    struct desk_options o = {
        .clock = &h->clock.clock,
        .journal = h->journal,
        .records = h->records,
        .ledger = h->ledger,
        .queries = h->queries,
        .listen = &address,
        .listen_count = 1,
        .limits = {.http = {.head_max = 16384,
                            .body_max = 1 << 20,
                            .head_ms = 5000,
                            .body_ms = 5000,
                            .idle_ms = 60000,
                            .rate_min = 0,
                            // Who does not read waits until another has read 20 MB, and
                            // valgrind, TSan and busy machines are slow.
                            .answer_ms = 120000},
                   .connections_max = 100,
                   .connections_address_max = 100},
        .drain_ms = 500,
        .listeners_max = 3,
        .listen_window = 4,
        .reconnect_delay_ms = 7000,
        .sealing_key = house_sealing_key,
        .endpoint_metrics = 1,
        .sources = &source,
        .source_count = 1,
        .source_addresses = "[\"http://127.0.0.1:4242\"]",
        .ready = house_ready,
        .ready_ctx = h,
    };
    assert_ok(desk_open(&o, &h->desk, &why));
    desk_set_generation(h->desk, h->generation);
    assert_ok(desk_start(h->desk));
}

static inline void house_open(struct house *h) {
    OWN(text_drop)
    struct text why = {0};
    *h = (struct house){.clock.clock = {house_wall, house_mono, house_entropy}};
    assert_int_equal(world_sqlite(&h->world), 0);
    h->answers = mailbox_open(NULL, NULL);
    h->records = journal_store_memory(64 << 20);
    struct journal_options jo = {
        .clock = &clock_real, .store = h->records, .durable = house_durable, .durable_ctx = h};
    assert_ok(journal_open(&jo, &h->journal));
    struct ledger_options lo = {.clock = &clock_real,
                                .store = h->world.store,
                                .journal = h->journal,
                                .records = h->records};
    assert_ok(ledger_open(&lo, &h->ledger));
    assert_ok(queries_open(h->world.path, &h->queries, &why));
    assert_ok(thread_start("journal", journal_run, h->journal, &h->journal_thread));
    assert_ok(thread_start("ledger", ledger_run, h->ledger, &h->ledger_thread));
    assert_ok(thread_start("query", queries_run, h->queries, &h->query_thread));
    house_plan(h, DESTINATION("all", "null") "," DESTINATION("charges", MATCH_CHARGES));
    house_keys(h);
    house_desk(h);
}

static inline void house_close(struct house *h) {
    desk_stop(h->desk);
    journal_stop(h->journal);
    thread_join(h->journal_thread);
    ledger_stop(h->ledger);
    thread_join(h->ledger_thread);
    ledger_close(h->ledger);
    journal_close(h->journal);
    desk_close(h->desk);
    queries_stop(h->queries);
    thread_join(h->query_thread);
    queries_close(h->queries);
    h->records->close(h->records);
    mailbox_close(h->answers);
    world_close(&h->world);
}

// --- the client ---

struct reply {
    int status;
    struct text all; // as it came
    bytes head, body;
    struct json_doc *doc; // of the body, if it is JSON
};

static inline void reply_drop(struct reply *r) {
    json_close(&r->doc);
    text_drop(&r->all);
    *r = (struct reply){0};
}

static inline int client_connect(const struct house *h) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(desk_port(h->desk, 0))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    struct timeval patience = {.tv_sec = PATIENCE_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static inline void client_send(int fd, const char *method, const char *target,
                               const char *authorization, bytes body) {
    OWN(text_drop)
    struct text request = {0};
    text_addf(&request, "%s %s HTTP/1.1\r\nHost: desk\r\n", method, target);
    if (authorization != NULL)
        text_addf(&request, "Authorization: %s\r\n", authorization);
    if (body.n > 0)
        text_addf(&request, "Content-Length: %zu\r\n", body.n);
    else if (strcmp(method, "POST") == 0)
        text_adds(&request, "Content-Length: 0\r\n");
    text_adds(&request, "\r\n");
    text_add(&request, body);
    assert_int_equal(send(fd, request.p, request.n, MSG_NOSIGNAL), request.n);
}

// Reads one answer of a known length.
static inline void client_receive(int fd, struct reply *r) {
    size_t head = 0, length = 0;
    while (head == 0 || r->all.n < head + length) {
        char piece[16384];
        ssize_t n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0)
            fail_msg("the answer ended early: %s", text_str(&r->all));
        text_add(&r->all, bytes_from(piece, (size_t)n));
        bytes all = text_bytes(&r->all);
        size_t end = bytes_search(all, B("\r\n\r\n"));
        if (head == 0 && end < all.n) {
            head = end + 4;
            bytes rest = bytes_slice(all, bytes_search(all, B("Content-Length: ")) + 16, all.n);
            uint64_t v = 0;
            assert_ok(bytes_to_u64(bytes_cut(&rest, '\r'), &v));
            length = (size_t)v;
        }
    }
    r->head = bytes_slice(text_bytes(&r->all), 0, head);
    r->body = bytes_slice(text_bytes(&r->all), head, r->all.n);
    uint64_t status = 0;
    assert_ok(bytes_to_u64(bytes_slice(r->head, 9, 12), &status));
    r->status = (int)status;
    (void)!json_parse(r->body, &r->doc);
}

static inline void call_as(const struct house *h, const char *method, const char *target,
                           const char *authorization, const char *body, struct reply *r) {
    int fd = client_connect(h);
    *r = (struct reply){0};
    client_send(fd, method, target, authorization, bytes_of(body));
    client_receive(fd, r);
    close(fd);
}

static inline void call_with(const struct house *h, const char *method, const char *target,
                             const char *key, const char *body, struct reply *r) {
    char bearer[128];
    snprintf(bearer, sizeof bearer, "Bearer %s", key);
    call_as(h, method, target, bearer, body, r);
}

// As the operator.
static inline void call(const struct house *h, const char *method, const char *target,
                        const char *body, struct reply *r) {
    call_with(h, method, target, h->operator_key, body, r);
}

static inline bool reply_says(const struct reply *r, const char *what) {
    return bytes_search(r->body, bytes_of(what)) < r->body.n;
}

static inline json reply_at(const struct reply *r, const char *path) {
    return r->doc == NULL ? (json){NULL} : json_path(json_root(r->doc), bytes_of(path));
}

static inline int64_t reply_number(const struct reply *r, const char *path) {
    int64_t v = -1;
    if (json_i64(reply_at(r, path), &v) != OK)
        fail_msg("no number at %s: %.*s", path, BYTES_ARG(r->body));
    return v;
}

#define assert_status(reply_, status_)                                                             \
    do {                                                                                           \
        if ((reply_)->status != (status_))                                                         \
            fail_msg("%d instead of %d: %.*s", (reply_)->status, (status_),                        \
                     BYTES_ARG((reply_)->body));                                                   \
    } while (0)
#define assert_says(reply_, what_)                                                                 \
    do {                                                                                           \
        if (!reply_says((reply_), (what_)))                                                        \
            fail_msg("no `%s` in: %.*s", (what_), BYTES_ARG((reply_)->body));                      \
    } while (0)

#define HOUSE_TEST(name_) cmocka_unit_test_setup_teardown(name_, house_setup, house_teardown)

static inline int house_setup(void **state) {
    struct house *h = NEW(struct house);
    *state = h;
    house_open(h);
    return 0;
}

static inline int house_teardown(void **state) {
    house_close(*state);
    free(*state);
    return 0;
}

#endif
