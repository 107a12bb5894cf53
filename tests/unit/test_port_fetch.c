// SPDX-License-Identifier: MIT
#include "port_helpers.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/text.h"
#include "port/clock.h"
#include "port/fetch.h"
#include "port/net.h"

// A server of HTTP, as much as these requests need, and the fetcher, on one loop. What it answers
// stands in the path.
struct world {
    struct loop *loop;
    struct listener *listener;
    struct tls *tls;
    struct fetcher *fetcher;
    int opened, closed, done, piece_count;
    struct text request; // the last one
    struct text base;    // "http://127.0.0.1:PORT"
    // The last answer.
    char failure[16], error[256], retry_after[64];
    int status;
    struct text body, pieces;
    int64_t micros;
    int stop_at;          // stops the loop at so many answers
    struct fetch *victim; // is cancelled by the next piece or answer
    bool close_in_callback, start_in_callback;
    struct fetch_request again;
};

struct peer {
    struct world *world;
    struct conn *conn;
    struct text in;
};

static void *on_open(void *ctx, struct conn *c) {
    struct world *w = ctx;
    struct peer *p = calloc(1, sizeof *p);
    w->opened++;
    *p = (struct peer){.world = w, .conn = c};
    return p;
}

static bool asks(struct peer *p, const char *path) {
    struct text want = {0};
    text_addf(&want, " %s HTTP/1.1\r\n", path);
    bool it_is = bytes_search(text_bytes(&p->in), text_bytes(&want)) < p->in.n;
    text_drop(&want);
    return it_is;
}

static void write_endless(struct peer *p) {
    conn_write(p->conn, B("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
    for (int i = 0; i < 4000; i++)
        conn_write(p->conn, B("a\r\n0123456789\r\n"));
}

static void answer(struct peer *p) {
    struct conn *c = p->conn;
    text_reset(&p->world->request);
    text_add(&p->world->request, text_bytes(&p->in));
    if (asks(p, "/ok"))
        conn_write(c, B("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"));
    else if (asks(p, "/busy"))
        conn_write(c, B("HTTP/1.1 503 Busy\r\nretry-AFTER:  120 \r\nContent-Length: 2\r\n\r\nno"));
    else if (asks(p, "/interim"))
        conn_write(c, B("HTTP/1.1 103 Early Hints\r\nRetry-After: 1\r\n\r\n"
                        "HTTP/1.1 204 Nothing\r\n\r\n"));
    else if (asks(p, "/moved"))
        conn_write(c, B("HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n"));
    else if (asks(p, "/endless"))
        write_endless(p);
    else if (asks(p, "/cut"))
        conn_write(c, B("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"));
    else if (asks(p, "/noise"))
        conn_write(c, B("what?\r\n\r\n"));
    if (asks(p, "/cut") || asks(p, "/gone") || asks(p, "/noise"))
        conn_close(c, 1000);
    // "/silent" gets nothing.
    text_reset(&p->in);
}

static void on_data(void *ctx, bytes b) {
    struct peer *p = ctx;
    text_add(&p->in, b);
    bytes all = text_bytes(&p->in);
    size_t head = bytes_search(all, B("\r\n\r\n"));
    if (head == all.n)
        return;
    size_t at = bytes_search(all, B("Content-Length: "));
    uint64_t body = 0;
    if (at < head)
        body = strtoull((const char *)all.p + at + 16, NULL, 10);
    if (all.n >= head + 4 + body)
        answer(p);
}

static void on_end(void *ctx) { conn_close(((struct peer *)ctx)->conn, 1000); }

static void on_closed(void *ctx, result failed) {
    struct peer *p = ctx;
    p->world->closed++;
    text_drop(&p->in);
    free(p);
}

static const struct net_handler handler = {on_open, on_data, on_end, on_closed};

static void world_open(struct world *w, const char *address, const struct fetch_options *o) {
    struct text why = {0};
    struct net_address a;
    assert_ok(net_address_parse(bytes_of(address), &a, &why));
    *w = (struct world){.stop_at = 1};
    assert_ok(loop_open(&w->loop));
    if (a.tls)
        assert_ok(tls_open(in_folder("c.pem"), in_folder("k.pem"), &w->tls, &why));
    assert_ok(net_listen(w->loop, &a, w->tls, &handler, w, &w->listener, &why));
    assert_ok(fetcher_open(w->loop, o, &w->fetcher));
    text_addf(&w->base, "http%s://127.0.0.1:%u", a.tls ? "s" : "", listener_port(w->listener));
}

static void world_close(struct world *w) {
    fetcher_close(w->fetcher);
    listener_close(w->listener);
    // Its peers see their ends and go.
    loop_run(w->loop);
    assert_int_equal(w->opened, w->closed);
    loop_close(w->loop);
    tls_close(w->tls);
    text_drop(&w->request);
    text_drop(&w->base);
    text_drop(&w->body);
    text_drop(&w->pieces);
}

static void on_done(void *ctx, const struct fetch_answer *a) {
    struct world *w = ctx;
    w->done++;
    snprintf(w->failure, sizeof w->failure, "%s", a->failed ? fail_name(a->failed->code) : "");
    snprintf(w->error, sizeof w->error, "%s", a->error);
    snprintf(w->retry_after, sizeof w->retry_after, "%.*s", BYTES_ARG(a->retry_after));
    w->status = a->status;
    w->micros = a->micros;
    text_reset(&w->body);
    text_add(&w->body, a->body);
    if (w->victim != NULL)
        w->fetcher->cancel(w->fetcher, w->victim);
    w->victim = NULL;
    if (w->start_in_callback)
        w->fetcher->start(w->fetcher, &w->again, on_done, w);
    w->start_in_callback = false;
    if (w->close_in_callback) {
        fetcher_close(w->fetcher);
        w->fetcher = NULL;
    }
    if (w->done == w->stop_at)
        loop_stop(w->loop);
}

static void on_piece(void *ctx, bytes b) {
    struct world *w = ctx;
    w->piece_count++;
    text_add(&w->pieces, b);
    if (w->victim != NULL)
        w->fetcher->cancel(w->fetcher, w->victim);
    w->victim = NULL;
    if (w->start_in_callback)
        w->fetcher->start(w->fetcher, &w->again, on_done, w);
    w->start_in_callback = false;
    if (w->close_in_callback && w->fetcher != NULL) {
        fetcher_close(w->fetcher);
        w->fetcher = NULL;
        loop_stop(w->loop);
    }
}

static const char *url(struct world *w, const char *path) {
    static char urls[4][128];
    static unsigned at;
    char *p = urls[at++ % 4];
    snprintf(p, sizeof urls[0], "%s%s", text_str(&w->base), path);
    return p;
}

static struct fetch_request get(const char *to) {
    return (struct fetch_request){
        .method = "GET", .url = to, .timeout_ms = 10000, .answer_max = 65536, .answer_keep = 2048};
}

static struct fetch *start(struct world *w, const struct fetch_request *q) {
    int done = w->done;
    struct fetch *f = w->fetcher->start(w->fetcher, q, on_done, w);
    assert_non_null(f);
    assert_int_equal(w->done, done); // never from inside
    return f;
}

static void run(struct world *w, const struct fetch_request *q) {
    w->stop_at = w->done + 1;
    start(w, q);
    loop_run(w->loop);
    assert_int_equal(w->done, w->stop_at);
}

static const struct fetch_options plain = {.connections_kept = 8};

static void an_answer_comes(void **state) {
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    struct fetch_request q = get(url(&w, "/ok"));
    run(&w, &q);
    assert_string_equal(w.failure, "");
    assert_string_equal(w.error, "");
    assert_int_equal(w.status, 200);
    assert_string_equal(text_str(&w.body), "hello");
    assert_true(w.micros > 0 && w.micros < 10000000);
    q = get(url(&w, "/busy"));
    run(&w, &q);
    assert_int_equal(w.status, 503);
    assert_string_equal(w.retry_after, "120");
    assert_string_equal(text_str(&w.body), "no");
    q = get(url(&w, "/interim"));
    run(&w, &q);
    assert_int_equal(w.status, 204);
    assert_string_equal(w.retry_after, "");
    assert_int_equal(w.body.n, 0);
    world_close(&w);
}

// The request's own headers and those that HTTP needs; nothing else.
static void headers_are_exact(void **state) {
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    static const char *const headers[] = {"Stripe-Signature: t=1,v1=ab",
                                          "X-Empty:", "content-type: application/json"};
    struct fetch_request q = get(url(&w, "/ok"));
    q.method = "POST";
    q.body = B("{\"a\":1}\0tail");
    q.headers = headers;
    q.header_count = 3;
    run(&w, &q);
    struct text want = {0};
    text_addf(&want,
              "POST /ok HTTP/1.1\r\nHost: %s\r\nStripe-Signature: t=1,v1=ab\r\nX-Empty:\r\n"
              "content-type: application/json\r\nContent-Length: 12\r\n\r\n",
              text_str(&w.base) + 7);
    text_add(&want, q.body);
    assert_int_equal(w.request.n, want.n);
    assert_memory_equal(w.request.p, want.p, want.n);
    text_reset(&want);
    q = get(url(&w, "/ok"));
    q.method = "POST";
    run(&w, &q);
    text_addf(&want, "POST /ok HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n",
              text_str(&w.base) + 7);
    assert_string_equal(text_str(&w.request), text_str(&want));
    text_reset(&want);
    q = get(url(&w, "/ok"));
    q.method = "DELETE";
    run(&w, &q);
    text_addf(&want, "DELETE /ok HTTP/1.1\r\nHost: %s\r\n\r\n", text_str(&w.base) + 7);
    assert_string_equal(text_str(&w.request), text_str(&want));
    static const char *const forged[] = {"X: a\r\nY: b"};
    q.headers = forged;
    q.header_count = 1;
    run(&w, &q);
    assert_string_equal(w.failure, "system");
    assert_non_null(strstr(w.error, "header"));
    text_drop(&want);
    world_close(&w);
}

static void large_bodies_go_at_once(void **state) {
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    struct fetch_request q = get(url(&w, "/ok"));
    char *body = malloc(3 << 20);
    memset(body, 'x', 3 << 20);
    q.method = "POST";
    q.body = bytes_from(body, 3 << 20);
    run(&w, &q);
    assert_int_equal(w.status, 200);
    assert_true(w.request.n > 3 << 20);
    assert_true(bytes_search(text_bytes(&w.request), B("Expect")) == w.request.n);
    assert_true(w.micros < 900000); // nobody waited for an interim answer
    free(body);
    world_close(&w);
}

static void connections_are_used_again(void **state) {
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    struct fetch_request q = get(url(&w, "/ok"));
    for (int i = 0; i < 50; i++)
        run(&w, &q);
    assert_int_equal(w.opened, 1);
    w.stop_at = w.done + 20;
    for (int i = 0; i < 20; i++)
        start(&w, &q);
    loop_run(w.loop);
    assert_int_equal(w.done, 70);
    assert_string_equal(w.failure, "");
    world_close(&w);
}

static void time_is_limited(void **state) {
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    struct fetch_request q = get(url(&w, "/silent"));
    q.timeout_ms = 50;
    int64_t before = clock_mono_us(&clock_real);
    run(&w, &q);
    int64_t took = clock_mono_us(&clock_real) - before;
    assert_string_equal(w.failure, "timeout");
    assert_true(strlen(w.error) > 0);
    assert_int_equal(w.status, 0);
    assert_true(took >= 45000 && took < 5000000);
    world_close(&w);
}

static void redirects_are_answers(void **state) {
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    struct fetch_request q = get(url(&w, "/moved"));
    run(&w, &q);
    assert_int_equal(w.status, 302);
    assert_non_null(strstr(text_str(&w.request), "/moved"));
    world_close(&w);
}

static void answers_are_bounded(void **state) {
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    struct fetch_request q = get(url(&w, "/endless"));
    q.answer_max = 100;
    q.answer_keep = 15;
    run(&w, &q);
    assert_string_equal(w.failure, "");
    assert_int_equal(w.status, 200);
    assert_string_equal(text_str(&w.body), "012345678901234");
    q.answer_max = 0;
    run(&w, &q);
    assert_int_equal(w.status, 200);
    assert_int_equal(w.body.n, 0);
    q = get(url(&w, "/ok"));
    q.answer_max = 5; // exactly
    run(&w, &q);
    assert_string_equal(text_str(&w.body), "hello");
    world_close(&w);
}

static void pieces_are_handed_on(void **state) {
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    struct fetch_request q = get(url(&w, "/endless"));
    q.piece = on_piece;
    q.answer_max = 12345;
    run(&w, &q);
    assert_string_equal(w.failure, "");
    assert_int_equal(w.pieces.n, 12345);
    assert_memory_equal(w.pieces.p + 12335, "5678901234", 10);
    assert_int_equal(w.body.n, 0);
    q = get(url(&w, "/busy"));
    q.piece = on_piece;
    w.piece_count = 0;
    run(&w, &q);
    assert_int_equal(w.piece_count, 0);
    assert_string_equal(text_str(&w.body), "no");
    world_close(&w);
}

static void broken_answers_fail(void **state) {
    static const struct {
        const char *path, *failure;
    } rows[] = {{"/cut", "closed"}, {"/gone", "closed"}, {"/noise", "system"}};
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fetch_request q = get(url(&w, rows[i].path));
        run(&w, &q);
        assert_string_equal(w.failure, rows[i].failure);
        assert_true(strlen(w.error) > 0);
        assert_int_equal(w.status, 0);
    }
    struct fetch_request q = get("file:///etc/passwd");
    run(&w, &q);
    assert_string_equal(w.failure, "system");
    q = get("http://no.such.host.invalid/");
    run(&w, &q);
    assert_string_equal(w.failure, "closed");
    // Nobody listens there: the port was ours a moment ago.
    q = get(url(&w, "/ok"));
    listener_close(w.listener);
    w.listener = NULL;
    run(&w, &q);
    assert_string_equal(w.failure, "closed");
    world_close(&w);
}

static void certificates_are_verified(void **state) {
    certificate_make(in_folder("c.pem"), in_folder("k.pem"), "IP:127.0.0.1");
    struct fetch_options o = plain;
    static struct world w;
    world_open(&w, "https://127.0.0.1:0", &o); // the system's roots do not know it
    struct fetch_request q = get(url(&w, "/ok"));
    run(&w, &q);
    assert_string_equal(w.failure, "refused");
    assert_true(strlen(w.error) > 0);
    assert_int_equal(w.request.n, 0);
    world_close(&w);
    char ca[128];
    snprintf(ca, sizeof ca, "%s", in_folder("c.pem"));
    o.ca_file = ca;
    world_open(&w, "https://127.0.0.1:0", &o);
    q = get(url(&w, "/ok"));
    for (int i = 0; i < 3; i++)
        run(&w, &q);
    assert_string_equal(w.error, "");
    assert_string_equal(text_str(&w.body), "hello");
    assert_int_equal(w.opened, 1);
    world_close(&w);
    certificate_make(in_folder("c.pem"), in_folder("k.pem"), "DNS:elsewhere.example");
    world_open(&w, "https://127.0.0.1:0", &o);
    q = get(url(&w, "/ok"));
    run(&w, &q);
    assert_string_equal(w.failure, "refused");
    world_close(&w);
}

static void no_proxy_for_this_machine(void **state) {
    struct fetch_options o = {.connections_kept = 2, .user_agent = "test/1"};
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &o);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    unsetenv("no_proxy");
    struct fetch_request q = get(url(&w, "/ok"));
    run(&w, &q);
    assert_int_equal(w.status, 200);
    // A name that only looks like it goes where the environment says: nobody is there.
    q.url = "http://localhost.example:80/ok";
    run(&w, &q);
    unsetenv("http_proxy");
    setenv("no_proxy", "*", 1);
    assert_string_equal(w.failure, "closed");
    world_close(&w);
}

static void sockets_of_this_machine(void **state) {
    char address[128];
    struct fetch_options o = {.connections_kept = 2, .user_agent = "test/1"};
    snprintf(address, sizeof address, "unix:%s", in_folder("s.sock"));
    static struct world w;
    world_open(&w, address, &o);
    // A proxy of the environment has no say there.
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    unsetenv("no_proxy");
    struct fetch_request q = get("http://somewhere/ok");
    q.unix_path = in_folder("s.sock");
    run(&w, &q);
    unsetenv("http_proxy");
    setenv("no_proxy", "*", 1);
    assert_string_equal(w.error, "");
    assert_int_equal(w.status, 200);
    assert_non_null(strstr(text_str(&w.request), "Host: somewhere\r\nUser-Agent: test/1\r\n"));
    world_close(&w);
}

static void stop_soon(void *ctx) { loop_stop(((struct world *)ctx)->loop); }

static void run_for(struct world *w, int64_t ms) {
    struct timer *t = timer_open(w->loop, stop_soon, w);
    timer_set(t, ms);
    loop_run(w->loop);
    timer_close(t);
}

static void the_cancelled_are_not_told(void **state) {
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    struct fetch_request silent = get(url(&w, "/silent")), ok = get(url(&w, "/ok"));
    silent.timeout_ms = 30;
    w.fetcher->cancel(w.fetcher, start(&w, &silent)); // before it began
    struct fetch *f = start(&w, &silent);
    run_for(&w, 10);
    w.fetcher->cancel(w.fetcher, f); // under way
    run_for(&w, 50);
    assert_int_equal(w.done, 0);
    // From inside another's answer, both done in one turn or not.
    for (int i = 0; i < 20; i++) {
        w.stop_at = w.done + 1;
        start(&w, &ok);
        w.victim = start(&w, i % 2 ? &ok : &silent);
        loop_run(w.loop);
        run_for(&w, 5);
        assert_int_equal(w.done, w.stop_at);
    }
    assert_string_equal(w.failure, "");
    world_close(&w);
}

static void pieces_may_cancel_and_start(void **state) {
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    struct fetch_request q = get(url(&w, "/endless"));
    q.piece = on_piece;
    q.answer_max = SIZE_MAX;
    w.again = get(url(&w, "/ok"));
    w.start_in_callback = true;
    w.victim = start(&w, &q); // itself
    w.stop_at = 1;
    loop_run(w.loop);
    run_for(&w, 20);
    assert_int_equal(w.done, 1);
    assert_int_equal(w.piece_count, 1);
    assert_string_equal(text_str(&w.body), "hello");
    w.victim = start(&w, &w.again); // another
    start(&w, &q);
    run_for(&w, 20);
    world_close(&w);
}

static void an_answer_may_start_and_close(void **state) {
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    struct fetch_request ok = get(url(&w, "/ok")), silent = get(url(&w, "/silent"));
    w.again = ok;
    w.start_in_callback = true;
    w.stop_at = 2;
    start(&w, &ok);
    loop_run(w.loop);
    assert_int_equal(w.done, 2);
    start(&w, &silent);
    run_for(&w, 5);
    start(&w, &ok);
    start(&w, &ok);
    w.stop_at = 3;
    w.close_in_callback = true;
    loop_run(w.loop);
    run_for(&w, 20);
    assert_int_equal(w.done, 3);
    fetcher_close(NULL);
    world_close(&w);
    world_open(&w, "http://127.0.0.1:0", &plain);
    struct fetch_request q = get(url(&w, "/endless"));
    q.piece = on_piece;
    q.answer_max = SIZE_MAX;
    w.close_in_callback = true;
    start(&w, &q);
    start(&w, &q);
    loop_run(w.loop);
    assert_int_equal(w.done, 0);
    assert_int_equal(w.piece_count, 1);
    world_close(&w);
}

// A fetcher with nothing to do does not keep its loop running.
static void an_idle_fetcher_lets_the_loop_end(void **state) {
    static struct world w;
    world_open(&w, "http://127.0.0.1:0", &plain);
    struct fetch_request ok = get(url(&w, "/ok"));
    run(&w, &ok);
    listener_close(w.listener);
    w.listener = NULL;
    fetcher_close(w.fetcher);
    assert_ok(fetcher_open(w.loop, &plain, &w.fetcher));
    loop_run(w.loop);
    world_close(&w);
}

static int setup(void **state) {
    folder_make();
    return 0;
}

static int teardown(void **state) {
    folder_remove();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_comes),
        cmocka_unit_test(headers_are_exact),
        cmocka_unit_test(large_bodies_go_at_once),
        cmocka_unit_test(connections_are_used_again),
        cmocka_unit_test(time_is_limited),
        cmocka_unit_test(redirects_are_answers),
        cmocka_unit_test(answers_are_bounded),
        cmocka_unit_test(pieces_are_handed_on),
        cmocka_unit_test(broken_answers_fail),
        cmocka_unit_test_setup_teardown(certificates_are_verified, setup, teardown),
        cmocka_unit_test(no_proxy_for_this_machine),
        cmocka_unit_test_setup_teardown(sockets_of_this_machine, setup, teardown),
        cmocka_unit_test(the_cancelled_are_not_told),
        cmocka_unit_test(pieces_may_cancel_and_start),
        cmocka_unit_test(an_answer_may_start_and_close),
        cmocka_unit_test(an_idle_fetcher_lets_the_loop_end),
    };
    // The environment of whoever runs the tests must not lead them elsewhere.
    setenv("no_proxy", "*", 1);
    return cmocka_run_group_tests_name("port_fetch", tests, NULL, NULL);
}
