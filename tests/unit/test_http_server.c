// SPDX-License-Identifier: MIT
// The server on real sockets, loopback and unix. Server and clients share one thread: the loop is
// run a little at a time until what is awaited has happened.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/metrics.h"
#include "http/server.h"
#include "http/websocket.h"

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST "\r\n"
#define GET_LATER "GET /later HTTP/1.1\r\n" HOST "\r\n"
#define GET_SOCKET                                                                                 \
    "GET /socket HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n"                \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define ROUNDS 5000 // of a few ms, before the test gives up

struct house {
    struct loop *loop;
    struct timer *pause;
    struct server_limits limits;
    struct http_budget budget;
    struct server *server;
    uint16_t port;
    struct session *later; // owes an answer
    struct websocket_limits socket_limits;
    struct websocket *socket;
    int socket_closed;
    int heads, finished, refused, drained;
    enum http_refusal why;
};

// A peer's messages are sent back to him.
static void on_message(void *ctx, bytes text) {
    websocket_send(((struct house *)ctx)->socket, text);
}

static void on_socket_closed(void *ctx) {
    struct house *h = ctx;
    h->socket_closed++;
    h->socket = NULL;
}

static const struct websocket_handler socket_handler = {on_message, on_socket_closed};

static enum http_verdict on_head(void *ctx, struct session *s, const struct http_request *r,
                                 void **request_ctx) {
    struct house *h = ctx;
    h->heads++;
    *request_ctx = h;
    h->later = bytes_equal(r->path, B("/later")) ? s : NULL;
    assert_true(session_peer(s).n > 0);
    if (bytes_equal(r->path, B("/socket"))) {
        struct text why = {0};
        assert_true(websocket_asked(r, &why));
        h->socket = websocket_open(s, r, NULL, &h->socket_limits, &socket_handler, h);
        return HTTP_ANSWERED;
    }
    return HTTP_READ_BODY;
}

static bool on_body(void *request_ctx, struct session *s, bytes piece) { return true; }

static void on_complete(void *request_ctx, struct session *s) {
    struct house *h = request_ctx;
    if (h->later != s)
        session_answer(s, 200, B("text/plain"), NULL, 0, B("hello"));
}

static void on_finished(void *request_ctx) { ((struct house *)request_ctx)->finished++; }

static void on_refused(void *ctx, enum http_refusal why) {
    struct house *h = ctx;
    h->refused++;
    h->why = why;
}

static const struct http_handler handler = {on_head, on_body, on_complete, on_finished, on_refused};

static void on_drained(void *ctx) { ((struct house *)ctx)->drained++; }

static void on_pause(void *ctx) { loop_stop(((struct house *)ctx)->loop); }

static void turn(struct house *h) {
    timer_set(h->pause, 1);
    loop_run(h->loop);
}

#define AWAIT(h_, cond_)                                                                           \
    do {                                                                                           \
        int rounds_ = 0;                                                                           \
        for (; !(cond_) && rounds_ < ROUNDS; rounds_++)                                            \
            turn(h_);                                                                              \
        assert_true(rounds_ < ROUNDS);                                                             \
    } while (0)

static void house_open(struct house *h) {
    *h = (struct house){
        .limits = {.http = {.head_max = 4096,
                            .body_max = 65536,
                            .head_ms = 10000,
                            .body_ms = 10000,
                            .idle_ms = 10000,
                            .rate_min = 100,
                            .answer_ms = 10000},
                   .connections_max = 100,
                   .connections_address_max = 100},
        .budget = {.max = 16 << 20},
        .socket_limits = {.message_max = 1 << 20, .unsent_max = 4 << 20, .silent_ms = 10000},
    };
    metrics_reset();
    assert_true(loop_open(&h->loop) == OK);
    h->pause = timer_open(h->loop, on_pause, h);
}

static void house_listen(struct house *h, const char *address) {
    struct net_address a;
    struct text why = {0};
    if (h->server == NULL)
        h->server = server_open(h->loop, &h->limits, &handler, h, &h->budget);
    assert_true(net_address_parse(bytes_of(address), &a, &why) == OK);
    uint16_t port = 0;
    assert_true(server_listen(h->server, &a, NULL, &port, &why) == OK);
    if (port != 0)
        h->port = port;
    text_drop(&why);
}

static void house_close(struct house *h) {
    server_close(h->server);
    h->server = NULL;
    turn(h);
    assert_true(h->budget.used == 0);
    assert_true(metric_get(METRIC_CONN_OPEN) == 0);
    timer_close(h->pause);
    loop_close(h->loop);
}

struct client {
    int fd;
    bool closed, reset;
    struct text got;
};

static void client_connect(struct client *c, struct sockaddr *sa, socklen_t n, const char *from) {
    *c = (struct client){.fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_true(c->fd >= 0);
    if (from != NULL) {
        struct sockaddr_in own = {.sin_family = AF_INET};
        inet_pton(AF_INET, from, &own.sin_addr);
        assert_int_equal(0, bind(c->fd, (struct sockaddr *)&own, sizeof own));
    }
    assert_int_equal(0, connect(c->fd, sa, n));
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static void client_tcp(struct client *c, struct house *h, const char *from) {
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(h->port)};
    inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
    client_connect(c, (struct sockaddr *)&sa, sizeof sa, from);
}

static void client_sends(struct client *c, const char *s) {
    assert_int_equal(strlen(s), send(c->fd, s, strlen(s), MSG_NOSIGNAL));
}

static void client_read(struct client *c) {
    char buffer[65536];
    ssize_t n;
    while (!c->closed && (n = recv(c->fd, buffer, sizeof buffer, 0)) != -1) {
        if (n == 0)
            c->closed = true;
        text_add(&c->got, bytes_from(buffer, (size_t)n));
    }
    if (!c->closed && errno != EAGAIN)
        c->closed = c->reset = true;
}

static bool client_got(struct client *c, const char *wanted) {
    client_read(c);
    return c->got.n > 0 && strstr(text_str(&c->got), wanted) != NULL;
}

static bool client_closed(struct client *c) {
    client_read(c);
    return c->closed;
}

static void client_drop(struct client *c) {
    close(c->fd);
    text_drop(&c->got);
}

static void test_answers(void **state) {
    struct house h;
    struct client c;
    house_open(&h);
    house_listen(&h, "http://127.0.0.1:0");
    client_tcp(&c, &h, NULL);
    for (int i = 0; i < 3; i++) {
        text_reset(&c.got);
        client_sends(&c, GET);
        AWAIT(&h, client_got(&c, "\r\n\r\nhello"));
    }
    assert_int_equal(1, server_connections(h.server));
    assert_int_equal(1, metric_get(METRIC_CONN_OPEN));
    client_sends(&c, "GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    AWAIT(&h, client_closed(&c));
    assert_false(c.reset);
    client_drop(&c);
    AWAIT(&h, server_connections(h.server) == 0);
    assert_int_equal(4, h.finished);
    assert_int_equal(1, metric_get(METRIC_CONN_ACCEPTED));
    house_close(&h);
}

static void test_limit_of_all(void **state) {
    struct house h;
    struct client c[4];
    house_open(&h);
    h.limits.connections_max = 3;
    house_listen(&h, "http://127.0.0.1:0");
    for (int i = 0; i < 3; i++)
        client_tcp(&c[i], &h, NULL);
    AWAIT(&h, server_connections(h.server) == 3);
    client_tcp(&c[3], &h, NULL);
    AWAIT(&h, client_closed(&c[3]));
    assert_int_equal(1, metric_get(METRIC_CONN_REFUSED_TOTAL));
    client_drop(&c[3]);
    client_sends(&c[1], GET);
    AWAIT(&h, client_got(&c[1], "hello"));
    client_drop(&c[0]);
    AWAIT(&h, server_connections(h.server) == 2);
    client_tcp(&c[0], &h, NULL);
    client_sends(&c[0], GET);
    AWAIT(&h, client_got(&c[0], "hello"));
    for (int i = 0; i < 3; i++)
        client_drop(&c[i]);
    house_close(&h);
}

static void test_memory_of_an_address(void **state) {
    struct house h;
    struct client c[4], other;
    house_open(&h);
    h.budget.max = 40000;
    h.limits.address_bytes_max = 12000; // two heads under way
    house_listen(&h, "http://127.0.0.1:0");
    for (int i = 0; i < 4; i++) {
        client_tcp(&c[i], &h, NULL);
        client_sends(&c[i], "GET / HTTP/1.1\r\nX: ");
    }
    AWAIT(&h, h.refused == 2);
    assert_int_equal(HTTP_NO_MEMORY, h.why);
    client_tcp(&other, &h, "127.0.0.2");
    client_sends(&other, GET);
    AWAIT(&h, client_got(&other, "hello"));
    for (int i = 0; i < 4; i++)
        client_drop(&c[i]);
    AWAIT(&h, server_connections(h.server) == 1);
    assert_true(h.budget.used == 0);
    client_tcp(&c[0], &h, NULL); // it was given back
    client_sends(&c[0], GET);
    AWAIT(&h, client_got(&c[0], "hello"));
    client_drop(&c[0]);
    client_drop(&other);
    house_close(&h);
}

static void test_limit_of_an_address(void **state) {
    struct house h;
    struct client c[3], other, local[3];
    char dir[] = "/tmp/hookkeep-test-XXXXXX", path[64], address[80];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    snprintf(address, sizeof address, "unix:%s", path);
    house_open(&h);
    h.limits.connections_address_max = 2;
    house_listen(&h, "http://127.0.0.1:0");
    house_listen(&h, address);
    client_tcp(&c[0], &h, NULL);
    client_tcp(&c[1], &h, NULL);
    AWAIT(&h, server_connections(h.server) == 2);
    client_tcp(&c[2], &h, NULL);
    AWAIT(&h, client_closed(&c[2]));
    assert_int_equal(1, metric_get(METRIC_CONN_REFUSED_ADDRESS));
    assert_int_equal(0, metric_get(METRIC_CONN_REFUSED_TOTAL));
    client_tcp(&other, &h, "127.0.0.2");
    client_sends(&other, GET);
    AWAIT(&h, client_got(&other, "hello"));
    for (int i = 0; i < 3; i++) { // unix sockets have no address
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        memcpy(un.sun_path, path, strlen(path));
        client_connect(&local[i], (struct sockaddr *)&un, sizeof un, NULL);
        client_sends(&local[i], GET);
        AWAIT(&h, client_got(&local[i], "hello"));
    }
    client_drop(&c[0]);
    client_drop(&c[2]);
    AWAIT(&h, server_connections(h.server) == 5);
    client_tcp(&c[0], &h, NULL);
    client_sends(&c[0], GET);
    AWAIT(&h, client_got(&c[0], "hello"));
    client_drop(&c[0]);
    client_drop(&c[1]);
    client_drop(&other);
    for (int i = 0; i < 3; i++)
        client_drop(&local[i]);
    house_close(&h);
    assert_int_equal(0, rmdir(dir)); // the socket is gone
}

static void test_drain(void **state) {
    struct house h;
    struct client idle, busy;
    house_open(&h);
    house_listen(&h, "http://127.0.0.1:0");
    client_tcp(&idle, &h, NULL);
    client_tcp(&busy, &h, NULL);
    client_sends(&busy, GET_LATER);
    AWAIT(&h, h.later != NULL && server_connections(h.server) == 2);
    server_drain(h.server, 60000, on_drained, &h);
    AWAIT(&h, client_closed(&idle));
    assert_int_equal(0, h.drained);
    assert_false(client_closed(&busy));
    session_answer(h.later, 200, NO_BYTES, NULL, 0, NO_BYTES);
    AWAIT(&h, client_closed(&busy));
    assert_true(client_got(&busy, "Connection: close"));
    assert_false(busy.reset);
    client_drop(&busy);
    client_drop(&idle);
    AWAIT(&h, h.drained == 1);
    for (int i = 0; i < 20; i++)
        turn(&h);
    assert_int_equal(1, h.drained);
    house_close(&h);
}

static void test_drain_of_nothing(void **state) {
    struct house h;
    house_open(&h);
    house_listen(&h, "http://127.0.0.1:0");
    server_drain(h.server, 60000, on_drained, &h);
    assert_int_equal(0, h.drained);
    AWAIT(&h, h.drained == 1);
    house_close(&h);
}

static void test_drain_has_a_limit(void **state) {
    struct house h;
    struct client c;
    house_open(&h);
    house_listen(&h, "http://127.0.0.1:0");
    client_tcp(&c, &h, NULL);
    client_sends(&c, GET_LATER);
    AWAIT(&h, h.later != NULL);
    server_drain(h.server, 50, on_drained, &h);
    AWAIT(&h, h.drained == 1);
    assert_true(client_closed(&c));
    assert_int_equal(1, h.finished);
    assert_int_equal(0, h.refused);
    client_drop(&c);
    house_close(&h);
}

static void test_close_at_once(void **state) {
    struct house h;
    struct client c[2];
    house_open(&h);
    house_listen(&h, "http://127.0.0.1:0");
    client_tcp(&c[0], &h, NULL);
    client_tcp(&c[1], &h, NULL);
    client_sends(&c[0], GET_LATER);
    AWAIT(&h, h.later != NULL && server_connections(h.server) == 2);
    server_close(h.server);
    h.server = NULL;
    assert_int_equal(1, h.finished);
    AWAIT(&h, client_closed(&c[0]) && client_closed(&c[1]));
    client_drop(&c[0]);
    client_drop(&c[1]);
    house_close(&h);
}

// The whole answer arrives although the body is still being sent.
static void test_refusal_is_read(void **state) {
    struct house h;
    struct client c;
    char piece[4096];
    memset(piece, 'x', sizeof piece);
    house_open(&h);
    house_listen(&h, "http://127.0.0.1:0");
    client_tcp(&c, &h, NULL);
    client_sends(&c, "POST / HTTP/1.1\r\n" HOST "Content-Length: 819200\r\n\r\n");
    for (size_t sent = 0; sent < 819200;) {
        ssize_t n = send(c.fd, piece, sizeof piece, MSG_NOSIGNAL);
        assert_true(n > 0 || errno == EAGAIN);
        sent += n > 0 ? (size_t)n : 0;
        turn(&h);
    }
    AWAIT(&h, client_closed(&c));
    assert_false(c.reset);
    assert_true(client_got(&c, "HTTP/1.1 413 Content Too Large\r\n"));
    assert_int_equal(HTTP_BODY_LARGE, h.why);
    client_drop(&c);
    house_close(&h);
}

static void test_deadlines_run(void **state) {
    struct house h;
    struct client slow, idle;
    house_open(&h);
    h.limits.http.head_ms = 50;
    h.limits.http.idle_ms = 200;
    house_listen(&h, "http://127.0.0.1:0");
    client_tcp(&slow, &h, NULL);
    client_tcp(&idle, &h, NULL);
    client_sends(&slow, "GET / HT");
    AWAIT(&h, client_got(&slow, "HTTP/1.1 408 Request Timeout\r\n"));
    assert_int_equal(HTTP_SLOW, h.why);
    AWAIT(&h, client_closed(&idle));
    assert_int_equal(0, idle.got.n);
    client_drop(&slow);
    client_drop(&idle);
    house_close(&h);
}

// A peer that reads nothing of a large stream is cut; others are served meanwhile.
static void test_peer_that_does_not_read(void **state) {
    struct house h;
    struct client c, other;
    char *piece = calloc(1, 1 << 20);
    house_open(&h);
    h.limits.http.answer_ms = 100;
    house_listen(&h, "http://127.0.0.1:0");
    client_tcp(&c, &h, NULL);
    client_sends(&c, GET_LATER);
    AWAIT(&h, h.later != NULL);
    session_answer_start(h.later, 200, B("text/plain"));
    for (int i = 0; i < 64 && h.finished == 0; i++)
        session_answer_piece(h.later, bytes_from(piece, 1 << 20));
    client_tcp(&other, &h, NULL);
    client_sends(&other, GET);
    AWAIT(&h, client_got(&other, "hello"));
    AWAIT(&h, h.finished == 2 && server_connections(h.server) == 1);
    client_drop(&c);
    client_drop(&other);
    free(piece);
    house_close(&h);
}

#define UNIX_PATH "test_http_server.sock"

static void client_unix(struct client *c) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = UNIX_PATH};
    client_connect(c, (struct sockaddr *)&sa, sizeof sa, NULL);
}

static void socket_connect(struct client *c, struct house *h, bool by_unix) {
    if (by_unix)
        client_unix(c);
    else
        client_tcp(c, h, NULL);
    client_sends(c, GET_SOCKET);
    AWAIT(h, client_got(c, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"));
    text_reset(&c->got);
    assert_non_null(h->socket);
}

// What is not taken at once is sent as the loop turns.
static void client_sends_all(struct house *h, struct client *c, bytes b) {
    while (b.n > 0) {
        ssize_t n = send(c->fd, b.p, b.n, MSG_NOSIGNAL);
        assert_true(n > 0 || errno == EAGAIN);
        b = bytes_slice(b, n > 0 ? (size_t)n : 0, b.n);
        turn(h);
        client_read(c);
    }
}

// Masked with zeros, so that the payload is as it is.
#define BIG ((size_t)300000)
#define BIG_HEADER "\x81\xff\0\0\0\0\0\x04\x93\xe0\0\0\0\0"
#define PING_FRAME "\x89\x82\0\0\0\0hi"
#define CLOSE_FRAME "\x88\x82\0\0\0\0\x03\xe9"

static void test_websocket(void **state) {
    char *big = calloc(1, BIG + 1);
    memset(big, 'b', BIG);
    for (int by_unix = 0; by_unix <= 1; by_unix++) {
        struct house h;
        struct client c;
        house_open(&h);
        house_listen(&h, by_unix ? "unix:" UNIX_PATH : "http://127.0.0.1:0");
        socket_connect(&c, &h, by_unix);
        client_sends_all(&h, &c, B(BIG_HEADER));
        client_sends_all(&h, &c, bytes_from(big, BIG));
        client_sends_all(&h, &c, B(PING_FRAME));
        AWAIT(&h, (client_read(&c), c.got.n >= 10 + BIG + 4));
        assert_true(bytes_starts(text_bytes(&c.got), B("\x81\x7f\0\0\0\0\0\x04\x93\xe0")));
        assert_memory_equal(big, c.got.p + 10, BIG);
        assert_string_equal("\x8a\x02hi", c.got.p + 10 + BIG);
        client_sends_all(&h, &c, B(CLOSE_FRAME));
        AWAIT(&h, client_closed(&c));
        assert_false(c.reset);
        assert_true(bytes_ends(text_bytes(&c.got), B("\x88\x02\x03\xe9")));
        assert_int_equal(1, h.socket_closed);
        assert_true(h.budget.used == 0);
        client_drop(&c);
        house_close(&h);
        assert_int_equal(1, h.socket_closed);
    }
    free(big);
}

static void test_websocket_peer_does_not_read(void **state) {
    char *big = calloc(1, BIG);
    struct house h;
    struct client c;
    house_open(&h);
    house_listen(&h, "http://127.0.0.1:0");
    socket_connect(&c, &h, false);
    for (int i = 0; h.socket != NULL; i++) {
        assert_true(i < 100 && websocket_unsent(h.socket) <= h.socket_limits.unsent_max);
        websocket_send(h.socket, bytes_from(big, BIG));
        turn(&h);
    }
    assert_int_equal(1, h.socket_closed);
    AWAIT(&h, server_connections(h.server) == 0);
    assert_int_equal(1, metric_get(METRIC_WEBSOCKET_UNREAD));
    AWAIT(&h, client_closed(&c));
    client_drop(&c);
    free(big);
    house_close(&h);
}

static void test_websocket_drain(void **state) {
    for (int answers = 0; answers <= 1; answers++) {
        struct house h;
        struct client c;
        house_open(&h);
        house_listen(&h, "http://127.0.0.1:0");
        socket_connect(&c, &h, false);
        server_drain(h.server, answers ? 60000 : 50, on_drained, &h);
        AWAIT(&h, client_got(&c, "\x88\x02\x03\xe9"));
        if (answers) {
            assert_int_equal(0, h.drained + h.socket_closed);
            client_sends_all(&h, &c, B(CLOSE_FRAME));
        }
        AWAIT(&h, client_closed(&c));
        client_drop(&c);
        AWAIT(&h, h.drained == 1);
        assert_int_equal(1, h.socket_closed);
        house_close(&h);
    }
}

static void test_websocket_ends(void **state) {
    struct house h;
    struct client c;
    house_open(&h); // the server is closed
    house_listen(&h, "http://127.0.0.1:0");
    socket_connect(&c, &h, false);
    server_close(h.server);
    h.server = NULL;
    assert_int_equal(1, h.socket_closed);
    AWAIT(&h, client_closed(&c));
    client_drop(&c);
    house_close(&h);

    house_open(&h); // the peer goes, the peer is silent, and we drop him
    h.socket_limits.silent_ms = 100;
    house_listen(&h, "http://127.0.0.1:0");
    socket_connect(&c, &h, false);
    client_drop(&c);
    AWAIT(&h, h.socket_closed == 1);
    socket_connect(&c, &h, false);
    AWAIT(&h, client_closed(&c));
    assert_int_equal(2, h.socket_closed);
    assert_int_equal(1, metric_get(METRIC_WEBSOCKET_SILENT));
    client_drop(&c);
    socket_connect(&c, &h, false);
    websocket_drop(h.socket);
    AWAIT(&h, client_closed(&c));
    assert_int_equal(2, h.socket_closed);
    client_drop(&c);
    house_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_limit_of_all),
        cmocka_unit_test(test_limit_of_an_address),
        cmocka_unit_test(test_memory_of_an_address),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_of_nothing),
        cmocka_unit_test(test_drain_has_a_limit),
        cmocka_unit_test(test_close_at_once),
        cmocka_unit_test(test_refusal_is_read),
        cmocka_unit_test(test_deadlines_run),
        cmocka_unit_test(test_peer_that_does_not_read),
        cmocka_unit_test(test_websocket),
        cmocka_unit_test(test_websocket_peer_does_not_read),
        cmocka_unit_test(test_websocket_drain),
        cmocka_unit_test(test_websocket_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
