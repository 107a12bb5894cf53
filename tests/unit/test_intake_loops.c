// SPDX-License-Identifier: MIT
#include "port_helpers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "base/digest.h"
#include "base/metrics.h"
#include "intake/intake.h"
#include "port/thread.h"
#include "rules/record.h"

#define ROOM (8 << 20)
#define LIMIT_S 20
#define KEY "whsec_of_the_shop_1"
#define EVENT                                                                                      \
    "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"charge.refunded\",\"created\":1700000000,"  \
    "\"livemode\":false,\"data\":{\"object\":{\"id\":\"ch_1\",\"object\":\"charge\"}}}"

static const char plan_json[] =
    "{\"sources\":[{\"path\":\"/webhook\",\"owner\":\"main\",\"livemode\":\"both\","
    "\"tolerance_s\":300,\"secrets\":[{\"label\":\"platform\",\"scope\":\"account\","
    "\"fingerprint\":\"000000000001\"}]}],\"destinations\":[]}";

struct world {
    struct journal_store *store;
    struct journal *journal;
    struct thread *journal_thread;
    struct plan *plan;
    struct intake *intake;
    struct secret_uses uses;
};

static struct intake_options options_for(struct world *w, const struct net_address *listen,
                                         size_t n, const struct source_secrets *secrets) {
    return (struct intake_options){
        .clock = &clock_real,
        .journal = w->journal,
        .listen = listen,
        .listen_count = n,
        .certificate = in_folder("cert.pem"),
        .key = in_folder("key.pem"),
        .loops = 2,
        .limits = {.http = {.head_max = 16384,
                            .body_max = 4096,
                            .head_ms = 10000,
                            .body_ms = 10000,
                            .idle_ms = 10000,
                            .answer_ms = 10000},
                   .connections_max = 100,
                   .connections_address_max = 100},
        .unverified_max = 1 << 20,
        .drain_ms = 5000,
        .plan = w->plan,
        .secrets = secrets,
        .secret_count = 1,
        .uses = &w->uses,
    };
}

static struct net_address address_of(const char *text) {
    struct net_address a;
    OWN(text_drop)
    struct text why = {0};
    assert_ok(net_address_parse(bytes_of(text), &a, &why));
    return a;
}

static result open_with(struct world *w, const char *const *listen, size_t n,
                        const char *certificate, struct text *why) {
    struct net_address addresses[4];
    for (size_t i = 0; i < n; i++)
        addresses[i] = address_of(listen[i]);
    bytes key = B(KEY);
    struct source_secrets secrets = {B("/webhook"), &key, 1};
    struct intake_options o = options_for(w, addresses, n, &secrets);
    o.certificate = certificate;
    return intake_open(&o, &w->intake, why);
}

static void start(struct world *w, const char *listen) {
    OWN(text_drop)
    struct text why = {0};
    result failed = open_with(w, &listen, 1, in_folder("cert.pem"), &why);
    if (failed != OK)
        fail_msg("%s", text_str(&why));
    assert_ok(intake_start(w->intake));
}

static int set_up(void **state) {
    struct world *w = calloc(1, sizeof *w);
    folder_make();
    w->store = journal_store_memory(ROOM);
    struct journal_options o = {.clock = &clock_real, .store = w->store};
    assert_ok(journal_open(&o, &w->journal));
    assert_ok(thread_start("journal", journal_run, w->journal, &w->journal_thread));
    assert_ok(plan_read(bytes_of(plan_json), 42, &w->plan));
    metrics_reset();
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    struct world *w = *state;
    intake_close(w->intake);
    secret_uses_drop(&w->uses);
    journal_stop(w->journal);
    thread_join(w->journal_thread);
    journal_close(w->journal);
    w->store->close(w->store);
    plan_free(w->plan);
    folder_remove();
    free(w);
    return 0;
}

static int dial_address(const struct sockaddr *a, socklen_t n) {
    int fd = socket(a->sa_family, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    struct timeval limit = {.tv_sec = LIMIT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, a, n) == 0)
        return fd;
    close(fd);
    return -1;
}

static int dial(uint16_t port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return dial_address((struct sockaddr *)&a, sizeof a);
}

static void send_all(int fd, bytes b) { assert_int_equal(send(fd, b.p, b.n, MSG_NOSIGNAL), b.n); }

// One answer: to the end of its body, or of what came before the peer closed.
static void read_answer(int fd, struct text *out) {
    text_reset(out);
    for (;;) {
        char buffer[4096];
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0)
            return;
        text_add(out, bytes_from(buffer, n));
        bytes all = text_bytes(out);
        size_t end = bytes_search(all, B("\r\n\r\n")),
               at = bytes_search(all, B("Content-Length: "));
        if (end == all.n || at >= end)
            continue;
        bytes digits = bytes_slice(all, at + 16, all.n);
        uint64_t length;
        assert_ok(bytes_to_u64(bytes_slice(digits, 0, bytes_find(digits, '\r')), &length));
        if (all.n >= end + 4 + length)
            return;
    }
}

static void write_request(struct text *out, const char *key, const char *body, bool chunked) {
    OWN(text_drop)
    struct text header = {0};
    struct hmac_key h;
    hmac_key_init(&h, bytes_of(key));
    signature_sign(&h, time(NULL), bytes_of(body), &header);
    text_addf(out, "POST /webhook HTTP/1.1\r\nHost: localhost\r\nStripe-Signature: %s\r\n",
              text_str(&header));
    if (chunked)
        text_addf(out, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n%s\r\n0\r\n\r\n", strlen(body),
                  body);
    else
        text_addf(out, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
}

static bool contains(const struct text *t, const char *what) {
    return bytes_search(text_bytes(t), bytes_of(what)) < t->n;
}

static void assert_answer(const struct text *answer, int status, const char *body) {
    OWN(text_drop)
    struct text line = {0};
    text_addf(&line, "HTTP/1.1 %d ", status);
    if (!bytes_starts(text_bytes(answer), text_bytes(&line)) ||
        !bytes_ends(text_bytes(answer), bytes_of(body)))
        fail_msg("wanted %d %s, got: %s", status, body, text_str(answer));
    assert_true(contains(answer, "Content-Type: application/json\r\n"));
}

static void exchange(int fd, const char *key, const char *body, bool chunked, struct text *answer) {
    OWN(text_drop)
    struct text request = {0};
    write_request(&request, key, body, chunked);
    send_all(fd, text_bytes(&request));
    read_answer(fd, answer);
}

static void assert_received(int fd, bool chunked) {
    OWN(text_drop)
    struct text answer = {0};
    exchange(fd, KEY, EVENT, chunked, &answer);
    assert_answer(&answer, 200, "{\"received\":true}");
}

// Whether it comes true before the limit; looked at often, since nobody tells.
#define COMES_TRUE(cond_)                                                                          \
    (__extension__({                                                                               \
        bool true_ = false;                                                                        \
        for (int tries_ = 0; tries_ < LIMIT_S * 1000 && !(true_ = (cond_)); tries_++)              \
            poll(NULL, 0, 1);                                                                      \
        true_;                                                                                     \
    }))

static void events_are_received_by_many_connections_and_loops(void **state) {
    struct world *w = *state;
    start(w, "http://127.0.0.1:0");
    uint16_t port = intake_port(w->intake, 0);
    assert_int_not_equal(port, 0);
    int fds[60]; // more than one loop takes: each has its share of connections_max
    for (int i = 0; i < 60; i++)
        fds[i] = dial(port);
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 60; i++)
            assert_received(fds[i], i % 2 == 0);
    for (int i = 0; i < 60; i++)
        close(fds[i]);
    assert_int_equal(journal_durable(w->journal), 180);
    assert_int_equal(metric_get(METRIC_ACK_NEW), 180);
    assert_true(COMES_TRUE(metric_get(METRIC_STRANGER_BYTES) == 0));
}

static void the_journal_has_the_bytes(void **state) {
    struct world *w = *state;
    start(w, "http://127.0.0.1:0");
    int fd = dial(intake_port(w->intake, 0));
    assert_received(fd, false);
    close(fd);
    struct journal_cursor *c;
    struct record *records;
    size_t n;
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    assert_ok(w->store->cursor_open(w->store, 0, &c));
    assert_ok(w->store->read(c, 1 << 20, &a, &records, &n));
    w->store->cursor_close(c);
    assert_int_equal(n, 1);
    assert_int_equal(records[0].generation, 42);
    struct receipt_record r;
    assert_ok(receipt_decode(records[0].payload, &r));
    assert_true(bytes_equal(r.body, B(EVENT)));
    assert_true(bytes_equal(r.source, B("/webhook")));
}

static void unix_and_ipv6_are_listened_on(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text path = {0}, why = {0};
    text_addf(&path, "unix:%s", in_folder("sock"));
    const char *listen[] = {text_str(&path), "http://[::1]:0"};
    if (open_with(w, listen, 2, NULL, &why) != OK) { // a machine without IPv6
        print_message("%s\n", text_str(&why));
        assert_ok(open_with(w, listen, 1, NULL, &why));
    }
    assert_ok(intake_start(w->intake));
    struct sockaddr_un u = {.sun_family = AF_UNIX};
    memcpy(u.sun_path, in_folder("sock"), strlen(in_folder("sock")));
    int fd = dial_address((struct sockaddr *)&u, sizeof u);
    assert_received(fd, false);
    close(fd);
    if (intake_port(w->intake, 1) == 0)
        return;
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    a.sin6_port = htons(intake_port(w->intake, 1));
    fd = dial_address((struct sockaddr *)&a, sizeof a);
    assert_received(fd, false);
    close(fd);
}

static const struct {
    const char *request;
    int status;
    const char *holds;
    enum metric metric;
} refused[] = {
    {"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 404,
     "{\"error\":\"no source on this path\"}", METRIC_REFUSE_NO_PATH},
    {"GET /webhook HTTP/1.1\r\nHost: a\r\n\r\n", 405, "\r\nAllow: POST\r\n", METRIC_REFUSE_METHOD},
    {"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", 400,
     "{\"error\":\"no Stripe-Signature header\"}", METRIC_REFUSE_NO_SIGNATURE},
    {"POST /webhook HTTP/1.1\r\nHost: a\r\nStripe-Signature: x\r\nContent-Length: 2\r\n\r\n{}", 400,
     "malformed", METRIC_REFUSE_BAD_HEADER},
    {"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n", 413, "",
     METRIC_REFUSE_BODY_LARGE},
    {"POST /webhook HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 2\r\n\r\n", 417, "",
     METRIC_REFUSE_EXPECT},
    {"POST /webhook NONSENSE\r\n\r\n", 400, "", METRIC_REFUSE_BAD_HTTP},
};

static void each_refusal_is_answered_and_counted(void **state) {
    struct world *w = *state;
    start(w, "http://127.0.0.1:0");
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        int fd = dial(intake_port(w->intake, 0));
        OWN(text_drop)
        struct text answer = {0}, line = {0};
        send_all(fd, bytes_of(refused[i].request));
        read_answer(fd, &answer);
        text_addf(&line, "HTTP/1.1 %d ", refused[i].status);
        if (!bytes_starts(text_bytes(&answer), text_bytes(&line)) ||
            !contains(&answer, refused[i].holds))
            fail_msg("case %zu: %s", i, text_str(&answer));
        assert_int_equal(metric_get(refused[i].metric), 1);
        close(fd);
    }
    assert_int_equal(journal_durable(w->journal), 0);
}

static int status_of(uint16_t port, const char *key) {
    OWN(text_drop)
    struct text answer = {0};
    int fd = dial(port);
    exchange(fd, key, EVENT, false, &answer);
    close(fd);
    return bytes_starts(text_bytes(&answer), B("HTTP/1.1 200 ")) ? 200 : 400;
}

static void new_sources_reach_all_loops(void **state) {
    struct world *w = *state;
    start(w, "http://127.0.0.1:0");
    uint16_t port = intake_port(w->intake, 0);
    assert_int_equal(status_of(port, "whsec_rolled_over"), 400);
    struct plan *plan;
    assert_ok(plan_read(bytes_of(plan_json), 43, &plan));
    bytes key = B("whsec_rolled_over");
    struct source_secrets secrets = {B("/elsewhere"), &key, 1};
    assert_failed(INVALID, intake_set_sources(w->intake, plan, &secrets, 1));
    assert_int_equal(status_of(port, KEY), 200); // a bad set changes nothing
    secrets.path = B("/webhook");
    assert_ok(intake_set_sources(w->intake, plan, &secrets, 1));
    plan_free(plan);
    // Each connection falls to some loop: none may know the old secret any more.
    assert_true(COMES_TRUE(status_of(port, "whsec_rolled_over") == 200));
    for (int in_a_row = 0, tries = 0; in_a_row < 20; tries++) {
        assert_true(tries < 1000);
        in_a_row = status_of(port, KEY) == 400 ? in_a_row + 1 : 0;
    }
    assert_int_equal(status_of(port, "whsec_rolled_over"), 200);
}

// Posts an event by TLS; returns its answer's status and the certificate's SHA-256.
static bool post_tls(uint16_t port, unsigned char certificate[32]) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    int fd = dial(port);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    assert_int_equal(SSL_connect(ssl), 1);
    X509 *x = SSL_get1_peer_certificate(ssl);
    unsigned int n;
    assert_int_equal(X509_digest(x, EVP_sha256(), certificate, &n), 1);
    X509_free(x);
    OWN(text_drop)
    struct text request = {0};
    write_request(&request, KEY, EVENT, false);
    assert_int_equal(SSL_write(ssl, request.p, (int)request.n), request.n);
    char answer[1024] = {0};
    int got = SSL_read(ssl, answer, sizeof answer - 1);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    return got > 0 && strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
}

static void tls_is_served_and_its_certificate_reloaded(void **state) {
    struct world *w = *state;
    certificate_make(in_folder("cert.pem"), in_folder("key.pem"), "IP:127.0.0.1");
    start(w, "https://127.0.0.1:0");
    uint16_t port = intake_port(w->intake, 0);
    unsigned char before[32], after[32];
    assert_true(post_tls(port, before));
    OWN(text_drop)
    struct text why = {0};
    assert_non_null(intake_set_tls(w->intake, in_folder("none.pem"), in_folder("key.pem"), &why));
    assert_true(contains(&why, "none.pem"));
    assert_true(post_tls(port, after));
    assert_memory_equal(before, after, 32);
    certificate_make(in_folder("cert2.pem"), in_folder("key2.pem"), "IP:127.0.0.1");
    assert_ok(intake_set_tls(w->intake, in_folder("cert2.pem"), in_folder("key2.pem"), &why));
    for (int in_a_row = 0, tries = 0; in_a_row < 20; tries++) {
        assert_true(tries < 1000);
        assert_true(post_tls(port, after));
        in_a_row = memcmp(before, after, 32) != 0 ? in_a_row + 1 : 0;
    }
}

static void what_cannot_be_opened_is_said(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text why = {0};
    const char *https = "https://127.0.0.1:0";
    assert_non_null(open_with(w, &https, 1, in_folder("none.pem"), &why));
    assert_true(contains(&why, "none.pem"));
    assert_null(w->intake);
    text_reset(&why);
    const char *nowhere = "http://192.0.2.1:1"; // an address for documentation, of no machine
    assert_non_null(open_with(w, &nowhere, 1, NULL, &why));
    assert_true(why.n > 0);
    assert_null(w->intake);
}

static void stop_thread(void *intake) { intake_stop(intake); }

static void stopping_answers_what_is_under_way(void **state) {
    struct world *w = *state;
    start(w, "http://127.0.0.1:0");
    uint16_t port = intake_port(w->intake, 0);
    int idle = dial(port), busy = dial(port);
    assert_received(idle, false);
    OWN(text_drop)
    struct text request = {0}, answer = {0};
    write_request(&request, KEY, EVENT, false);
    bytes all = text_bytes(&request);
    send_all(busy, bytes_slice(all, 0, all.n - 10));
    assert_true(COMES_TRUE(metric_get(METRIC_STRANGER_BYTES) > 0));
    struct thread *t;
    assert_ok(thread_start("stop", stop_thread, w->intake, &t));
    read_answer(idle, &answer); // the idle one is closed, so both loops may have heard
    assert_int_equal(answer.n, 0);
    send_all(busy, bytes_slice(all, all.n - 10, all.n));
    read_answer(busy, &answer);
    assert_answer(&answer, 200, "{\"received\":true}");
    close(busy);
    close(idle);
    thread_join(t);
    int late = dial(port);
    assert_int_equal(late, -1);
    intake_stop(w->intake); // harmless
}

static void stopping_waits_for_nobody_for_ever(void **state) {
    struct world *w = *state;
    struct net_address a = address_of("http://127.0.0.1:0");
    bytes key = B(KEY);
    struct source_secrets secrets = {B("/webhook"), &key, 1};
    struct intake_options o = options_for(w, &a, 1, &secrets);
    o.drain_ms = 50;
    OWN(text_drop)
    struct text why = {0}, request = {0};
    assert_ok(intake_open(&o, &w->intake, &why));
    assert_ok(intake_start(w->intake));
    int fd = dial(intake_port(w->intake, 0));
    write_request(&request, KEY, EVENT, false);
    send_all(fd, bytes_slice(text_bytes(&request), 0, request.n - 10));
    assert_true(COMES_TRUE(metric_get(METRIC_STRANGER_BYTES) > 0));
    int64_t before = clock_mono_us(&clock_real);
    intake_stop(w->intake);
    assert_true(clock_mono_us(&clock_real) - before < 4000000);
    close(fd);
    assert_int_equal(metric_get(METRIC_STRANGER_BYTES), 0);
}

static void a_peer_that_leaves_is_counted_and_its_memory_given_back(void **state) {
    struct world *w = *state;
    start(w, "http://127.0.0.1:0");
    int fd = dial(intake_port(w->intake, 0));
    OWN(text_drop)
    struct text request = {0};
    write_request(&request, KEY, EVENT, false);
    send_all(fd, bytes_slice(text_bytes(&request), 0, request.n - 10));
    assert_true(COMES_TRUE(metric_get(METRIC_STRANGER_BYTES) > 0));
    close(fd);
    assert_true(COMES_TRUE(metric_get(METRIC_CONN_PEER_LEFT) == 1));
    assert_true(COMES_TRUE(metric_get(METRIC_STRANGER_BYTES) == 0));
    assert_int_equal(journal_durable(w->journal), 0);
}

static void it_can_be_closed_without_having_started(void **state) {
    struct world *w = *state;
    const char *listen = "http://127.0.0.1:0";
    OWN(text_drop)
    struct text why = {0};
    assert_ok(open_with(w, &listen, 1, NULL, &why));
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(events_are_received_by_many_connections_and_loops),
        TEST(the_journal_has_the_bytes),
        TEST(unix_and_ipv6_are_listened_on),
        TEST(each_refusal_is_answered_and_counted),
        TEST(new_sources_reach_all_loops),
        TEST(tls_is_served_and_its_certificate_reloaded),
        TEST(what_cannot_be_opened_is_said),
        TEST(stopping_answers_what_is_under_way),
        TEST(stopping_waits_for_nobody_for_ever),
        TEST(a_peer_that_leaves_is_counted_and_its_memory_given_back),
        TEST(it_can_be_closed_without_having_started),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
