// SPDX-License-Identifier: MIT
#include "port_helpers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "port/clock.h"
#include "port/net.h"
#include "port/thread.h"

#define MEGA ((size_t)1 << 20)
#define BIG (24 * MEGA)

// A server on a thread of its own that does what the first byte of what comes says. The tests are
// its clients and block.
struct server {
    struct loop *loop;
    struct listener *listener;
    struct tls *tls;
    struct thread *thread;
    atomic_int opened, closed, ended, last_code; // -1: without a failure
    atomic_int open_mode;
    atomic_size_t received, unsent;
    char peer[64];
};

enum { OPEN_NORMAL, OPEN_REFUSE, OPEN_SPEAK_FIRST, OPEN_SPEAK_AND_CLOSE, OPEN_PAUSED };

struct session {
    struct server *server;
    struct conn *conn;
    struct timer *timer;
    bool paused, counting;
};

static void resume_session(void *ctx) {
    struct session *s = ctx;
    s->paused = false;
    conn_pause(s->conn, false);
}

static void *on_open(void *ctx, struct conn *c) {
    struct server *v = ctx;
    v->opened++;
    snprintf(v->peer, sizeof v->peer, "%.*s", BYTES_ARG(conn_peer(c)));
    if (v->open_mode == OPEN_REFUSE)
        return NULL;
    struct session *s = calloc(1, sizeof *s);
    *s = (struct session){.server = v, .conn = c};
    s->timer = timer_open(v->loop, resume_session, s);
    if (v->open_mode == OPEN_SPEAK_FIRST || v->open_mode == OPEN_SPEAK_AND_CLOSE)
        conn_write(c, B("welcome"));
    if (v->open_mode == OPEN_SPEAK_AND_CLOSE)
        conn_close(c, 5000);
    if (v->open_mode == OPEN_PAUSED) {
        conn_pause(c, true);
        timer_set(s->timer, 20);
    }
    return s;
}

static void write_big(struct conn *c) {
    char *p = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        p[i] = (char)(i % 251);
    conn_write(c, bytes_from(p, BIG));
    free(p);
}

static void on_data(void *ctx, bytes b) {
    struct session *s = ctx;
    struct conn *c = s->conn;
    assert_false(s->paused);
    s->server->received += b.n;
    if (s->counting)
        return;
    switch (b.p[0]) {
    case 'A': conn_close(c, 0); break;
    case 'B': // big, then closed once it is sent
        write_big(c);
        s->server->unsent = conn_unsent(c);
        conn_close(c, 20000);
        break;
    case 'T': // big, and too little time
        write_big(c);
        conn_close(c, 50);
        break;
    case 'S':
        for (int i = 0; i < 1000; i++)
            conn_write(c, B("0123456789"));
        conn_close(c, 5000);
        conn_write(c, B("never sent"));
        conn_close(c, 4000);
        break;
    case 'C': s->counting = true; break;
    case 'P':
        conn_write(c, b);
        conn_pause(c, true);
        s->paused = true;
        timer_set(s->timer, 30);
        break;
    default: conn_write(c, b);
    }
}

static void on_end(void *ctx) {
    struct session *s = ctx;
    s->server->ended++;
    conn_write(s->conn, B("bye"));
    conn_close(s->conn, 5000);
}

static void on_closed(void *ctx, result failed) {
    struct session *s = ctx;
    // Whatever is done to a connection that is gone has no effect.
    conn_write(s->conn, B("x"));
    conn_pause(s->conn, true);
    conn_close(s->conn, 10);
    assert_int_equal(conn_unsent(s->conn), 0);
    timer_close(s->timer);
    s->server->last_code = failed != OK ? (int)failed->code : -1;
    s->server->closed++;
    free(s);
}

static const struct net_handler handler = {on_open, on_data, on_end, on_closed};

static void run_loop(void *ctx) { loop_run(ctx); }

static void server_start(struct server *v, const char *address) {
    struct text why = {0};
    struct net_address a;
    memset(v, 0, sizeof *v);
    assert_ok(net_address_parse(bytes_of(address), &a, &why));
    assert_ok(loop_open(&v->loop));
    if (a.tls) {
        certificate_make(in_folder("c.pem"), in_folder("k.pem"), "IP:127.0.0.1");
        assert_ok(tls_open(in_folder("c.pem"), in_folder("k.pem"), &v->tls, &why));
    }
    result failed = net_listen(v->loop, &a, v->tls, &handler, v, &v->listener, &why);
    assert_string_equal(text_str(&why), "");
    assert_ok(failed);
    assert_ok(thread_start("server", run_loop, v->loop, &v->thread));
}

static void server_stop(struct server *v) {
    loop_stop(v->loop);
    thread_join(v->thread);
    listener_close(v->listener);
    loop_close(v->loop);
    tls_close(v->tls);
    if (v->open_mode != OPEN_REFUSE)
        assert_int_equal(v->opened, v->closed);
}

static void wait_until(atomic_int *what, int value) {
    for (int i = 0; i < 10000 && *what != value; i++)
        poll(NULL, 0, 1);
    assert_int_equal(*what, value);
}

static int dial(int family, uint16_t port) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v6.sin6_addr = in6addr_loopback;
    int fd = socket(family, SOCK_STREAM, 0);
    struct timeval limit = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int err = family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof v4)
                                : connect(fd, (struct sockaddr *)&v6, sizeof v6);
    assert_int_equal(err, 0);
    return fd;
}

static int dial_unix(const char *path) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&un, sizeof un) == 0)
        return fd;
    close(fd);
    return -1;
}

static void say(int fd, const char *what) {
    assert_int_equal(send(fd, what, strlen(what), MSG_NOSIGNAL), strlen(what));
}

static void expect(int fd, const char *what) {
    char got[256] = {0};
    assert_int_equal(recv(fd, got, strlen(what), MSG_WAITALL), strlen(what));
    assert_string_equal(got, what);
}

static void expect_end(int fd) {
    char c;
    assert_int_equal(recv(fd, &c, 1, 0), 0);
}

static void peers_are_counted_by_network(void **state) {
    static const struct {
        const char *peer, *network;
    } rows[] = {
        {"192.0.2.7", "192.0.2.7"},
        {"unix", "unix"},
        {"::1", "::/64"},
        {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
        {"2001:db8:1:2::9", "2001:db8:1:2::/64"},
        {"2001:db8:1:3::9", "2001:db8:1:3::/64"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::/64"},
        {"::ffff:192.0.2.7", "::ffff:192.0.2.7"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[NET_NETWORK_MAX];
        bytes network = net_network(bytes_of(rows[i].peer), out);
        if (!bytes_equal(network, bytes_of(rows[i].network)))
            fail_msg("%s: %.*s", rows[i].peer, BYTES_ARG(network));
    }
}

static void echo_and_half_close(struct server *v, int fd, const char *peer) {
    say(fd, "hello");
    expect(fd, "hello");
    assert_string_equal(v->peer, peer);
    say(fd, "again");
    expect(fd, "again");
    shutdown(fd, SHUT_WR);
    expect(fd, "bye");
    expect_end(fd);
    close(fd);
    wait_until(&v->closed, 1);
    assert_int_equal(v->ended, 1);
    assert_int_equal(v->last_code, -1);
}

static void tcp_echoes(void **state) {
    static struct server v;
    server_start(&v, "http://127.0.0.1:0");
    assert_true(listener_port(v.listener) > 0);
    echo_and_half_close(&v, dial(AF_INET, listener_port(v.listener)), "127.0.0.1");
    server_stop(&v);
}

static void ipv6_echoes(void **state) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool has = fd >= 0 && bind(fd, (struct sockaddr *)&v6, sizeof v6) == 0;
    close(fd);
    if (!has)
        skip();
    static struct server v;
    server_start(&v, "http://[::1]:0");
    echo_and_half_close(&v, dial(AF_INET6, listener_port(v.listener)), "::1");
    server_stop(&v);
}

// Whoever says localhost may mean either address.
static void localhost_is_all_its_addresses(void **state) {
    static struct server v;
    server_start(&v, "http://localhost:0");
    echo_and_half_close(&v, dial(AF_INET, listener_port(v.listener)), "127.0.0.1");
    server_stop(&v);
}

static void unix_echoes(void **state) {
    static struct server v;
    char address[128];
    const char *path = in_folder("s.sock");
    snprintf(address, sizeof address, "unix:%s", path);
    server_start(&v, address);
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_mode & 0007, 0);
    assert_int_equal(listener_port(v.listener), 0);
    echo_and_half_close(&v, dial_unix(path), "unix");
    server_stop(&v);
    assert_int_equal(lstat(path, &st), -1);
}

static result try_listen(struct loop *l, const char *address, struct listener **out,
                         struct text *why) {
    struct net_address a;
    static struct server nobody;
    text_reset(why);
    assert_ok(net_address_parse(bytes_of(address), &a, why));
    return net_listen(l, &a, NULL, &handler, &nobody, out, why);
}

static void a_dead_socket_is_taken_over(void **state) {
    struct loop *l = NULL;
    struct listener *a = NULL, *b = NULL;
    struct text why = {0};
    char address[128];
    struct stat st;
    const char *path = in_folder("s.sock");
    snprintf(address, sizeof address, "unix:%s", path);
    // As a gateway leaves it that was killed.
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    close(fd);
    assert_ok(loop_open(&l));
    assert_ok(try_listen(l, address, &a, &why));
    assert_failed(LOCKED, try_listen(l, address, &b, &why));
    assert_null(b);
    assert_non_null(strstr(text_str(&why), path));
    // One that somebody else put there meanwhile is not ours to remove.
    assert_int_equal(unlink(path), 0);
    assert_ok(try_listen(l, address, &b, &why));
    listener_close(a);
    assert_int_equal(lstat(path, &st), 0);
    listener_close(b);
    assert_int_equal(lstat(path, &st), -1);
    fclose(fopen(path, "w"));
    assert_failed(EXISTS, try_listen(l, address, &b, &why));
    assert_int_equal(lstat(path, &st), 0);
    loop_close(l);
    text_drop(&why);
}

static void ports_are_shared_or_refused(void **state) {
    struct loop *l = NULL;
    struct listener *a = NULL, *b = NULL;
    struct text why = {0};
    char address[64];
    assert_ok(loop_open(&l));
    assert_ok(try_listen(l, "http://127.0.0.1:0", &a, &why));
    snprintf(address, sizeof address, "http://127.0.0.1:%u", listener_port(a));
    // Not unnoticed: another gateway would get half of what comes.
    assert_failed(BUSY, try_listen(l, address, &b, &why));
    struct net_address beside;
    assert_ok(net_address_parse(bytes_of(address), &beside, &why));
    beside.beside = true;
    assert_ok(net_listen(l, &beside, NULL, &handler, NULL, &b, &why));
    assert_int_equal(listener_port(a), listener_port(b));
    listener_close(b);
    listener_close(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET};
    socklen_t n = sizeof sa;
    sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&sa, &n);
    snprintf(address, sizeof address, "http://127.0.0.1:%u", ntohs(sa.sin_port));
    assert_failed(BUSY, try_listen(l, address, &a, &why));
    assert_non_null(strstr(text_str(&why), address));
    assert_non_null(strstr(text_str(&why), "in use"));
    close(fd);
    assert_failed(ABSENT, try_listen(l, "http://192.0.2.77:0", &a, &why));
    assert_failed(ABSENT, try_listen(l, "http://no.such.host.invalid:0", &a, &why));
    assert_failed(INVALID, try_listen(l, "https://127.0.0.1:0", &a, &why));
    listener_close(NULL);
    loop_close(l);
    text_drop(&why);
}

static void read_big(int fd) {
    size_t n = 0;
    static char piece[65536];
    for (;;) {
        ssize_t got = recv(fd, piece, sizeof piece, 0);
        assert_true(got >= 0);
        if (got == 0)
            break;
        for (ssize_t i = 0; i < got; i++)
            if (piece[i] != (char)((n + i) % 251))
                fail_msg("byte %zu is wrong", n + i);
        n += got;
    }
    assert_int_equal(n, BIG);
}

// All arrives, although the reader begins late and the connection was told to close.
static void a_slow_reader_gets_all(void **state) {
    static struct server v;
    server_start(&v, "http://127.0.0.1:0");
    int fd = dial(AF_INET, listener_port(v.listener));
    say(fd, "B");
    // Who reads at once may have all before the server looks at what is unsent.
    for (int i = 0; i < 10000 && v.unsent == 0; i++)
        poll(NULL, 0, 1);
    say(fd, "thrown away"); // what comes while it closes does not cut the answer off
    read_big(fd);
    assert_true(v.unsent > 0 && v.unsent < BIG);
    close(fd);
    wait_until(&v.closed, 1);
    assert_int_equal(v.last_code, -1);
    server_stop(&v);
}

static void lingering_has_a_limit(void **state) {
    static struct server v;
    server_start(&v, "http://127.0.0.1:0");
    int fd = dial(AF_INET, listener_port(v.listener));
    say(fd, "T");
    wait_until(&v.closed, 1);
    assert_int_equal(v.last_code, FAIL_TIMEOUT);
    close(fd);
    // All was sent, but the peer does not close: not a failure.
    v.open_mode = OPEN_SPEAK_AND_CLOSE;
    fd = dial(AF_INET, listener_port(v.listener));
    expect(fd, "welcome");
    expect_end(fd);
    server_stop(&v); // cuts it
    assert_int_equal(v.last_code, -1);
    close(fd);
}

static void small_writes_keep_their_order(void **state) {
    static struct server v;
    server_start(&v, "http://127.0.0.1:0");
    int fd = dial(AF_INET, listener_port(v.listener));
    say(fd, "S");
    for (int i = 0; i < 1000; i++)
        expect(fd, "0123456789");
    // What we go on to send does not break the connection before we have seen its end.
    for (int i = 0; i < 30; i++) {
        say(fd, "late");
        poll(NULL, 0, 1);
    }
    expect_end(fd);
    close(fd);
    server_stop(&v);
}

static void aborts_are_told(void **state) {
    static struct server v;
    server_start(&v, "http://127.0.0.1:0");
    int fd = dial(AF_INET, listener_port(v.listener));
    say(fd, "A");
    wait_until(&v.closed, 1);
    assert_int_equal(v.last_code, -1);
    close(fd);
    fd = dial(AF_INET, listener_port(v.listener));
    say(fd, "hello");
    expect(fd, "hello");
    struct linger hard = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd); // a reset
    wait_until(&v.closed, 2);
    assert_int_equal(v.last_code, FAIL_CLOSED);
    assert_int_equal(v.ended, 0);
    fd = dial(AF_INET, listener_port(v.listener));
    say(fd, "B");
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 5000);
    close(fd);
    wait_until(&v.closed, 3);
    assert_int_equal(v.last_code, FAIL_CLOSED);
    server_stop(&v);
}

static void the_handler_may_refuse(void **state) {
    static struct server v;
    server_start(&v, "http://127.0.0.1:0");
    v.open_mode = OPEN_REFUSE;
    int fd = dial(AF_INET, listener_port(v.listener));
    expect_end(fd);
    close(fd);
    assert_int_equal(v.opened, 1);
    server_stop(&v);
    assert_int_equal(v.closed, 0);
}

static void pausing_stops_reading(void **state) {
    static struct server v;
    server_start(&v, "http://127.0.0.1:0");
    v.open_mode = OPEN_PAUSED;
    int fd = dial(AF_INET, listener_port(v.listener));
    say(fd, "P");
    expect(fd, "P");
    say(fd, "more"); // the handler checks that none comes while it is paused
    expect(fd, "more");
    close(fd);
    server_stop(&v);
}

static SSL *tls_dial_with(SSL_CTX *ctx, int fd) {
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, fd);
    assert_int_equal(SSL_connect(ssl), 1);
    return ssl;
}

static void tls_drop(SSL *ssl) {
    int fd = SSL_get_fd(ssl);
    SSL_free(ssl);
    close(fd);
}

static void tls_expect(SSL *ssl, const char *what) {
    char got[256] = {0};
    for (size_t n = 0; n < strlen(what);) {
        int more = SSL_read(ssl, got + n, (int)(strlen(what) - n));
        assert_true(more > 0);
        n += more;
    }
    assert_string_equal(got, what);
}

static void tls_expect_end(SSL *ssl) {
    char c;
    int n = SSL_read(ssl, &c, 1);
    assert_int_equal(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN);
}

static void tls_echoes(void **state) {
    static struct server v;
    server_start(&v, "https://127.0.0.1:0");
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_max_proto_version(ctx, version);
        assert_int_equal(SSL_CTX_load_verify_locations(ctx, in_folder("c.pem"), NULL), 1);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
        SSL *ssl = tls_dial_with(ctx, dial(AF_INET, listener_port(v.listener)));
        assert_int_equal(SSL_version(ssl), version);
        assert_int_equal(SSL_write(ssl, "hello", 5), 5);
        tls_expect(ssl, "hello");
        assert_int_equal(SSL_write(ssl, "Pause", 5), 5);
        assert_int_equal(SSL_write(ssl, "more", 4), 4);
        tls_expect(ssl, "Pausemore");
        assert_int_equal(SSL_shutdown(ssl), 0); // half
        tls_expect(ssl, "bye");
        tls_expect_end(ssl);
        tls_drop(ssl);
        // Many end the stream without a word of TLS.
        ssl = tls_dial_with(ctx, dial(AF_INET, listener_port(v.listener)));
        assert_int_equal(SSL_write(ssl, "hello", 5), 5);
        tls_expect(ssl, "hello");
        shutdown(SSL_get_fd(ssl), SHUT_WR);
        tls_expect(ssl, "bye");
        tls_drop(ssl);
        SSL_CTX_free(ctx);
    }
    wait_until(&v.closed, 4);
    assert_int_equal(v.ended, 4);
    assert_int_equal(v.last_code, -1);
    server_stop(&v);
}

static void tls_sends_much(void **state) {
    static struct server v;
    server_start(&v, "https://127.0.0.1:0");
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = tls_dial_with(ctx, dial(AF_INET, listener_port(v.listener)));
    assert_int_equal(SSL_write(ssl, "B", 1), 1);
    size_t n = 0;
    static char piece[65536];
    for (int got = 1; got > 0; n += got > 0 ? got : 0) {
        got = SSL_read(ssl, piece, sizeof piece);
        for (int i = 0; i < got; i++)
            if (piece[i] != (char)((n + i) % 251))
                fail_msg("byte %zu is wrong", n + i);
    }
    assert_int_equal(n, BIG);
    tls_drop(ssl);
    ssl = tls_dial_with(ctx, dial(AF_INET, listener_port(v.listener)));
    assert_int_equal(SSL_write(ssl, "C", 1), 1);
    v.received = 0;
    for (size_t sent = 0; sent < BIG; sent += sizeof piece)
        assert_int_equal(SSL_write(ssl, piece, sizeof piece), sizeof piece);
    SSL_shutdown(ssl);
    tls_expect(ssl, "bye");
    tls_drop(ssl);
    wait_until(&v.closed, 2);
    assert_true(v.received == BIG || v.received == BIG + 1);
    SSL_CTX_free(ctx);
    server_stop(&v);
}

// What was written before the handshake was done follows it.
static void tls_speaks_first(void **state) {
    static struct server v;
    server_start(&v, "https://127.0.0.1:0");
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    for (int mode = OPEN_SPEAK_FIRST; mode <= OPEN_SPEAK_AND_CLOSE; mode++) {
        v.open_mode = mode;
        SSL *ssl = tls_dial_with(ctx, dial(AF_INET, listener_port(v.listener)));
        tls_expect(ssl, "welcome");
        if (mode == OPEN_SPEAK_AND_CLOSE)
            tls_expect_end(ssl);
        tls_drop(ssl);
    }
    SSL_CTX_free(ctx);
    wait_until(&v.closed, 2);
    server_stop(&v);
}

static void tls_refuses(void **state) {
    static struct server v;
    server_start(&v, "https://127.0.0.1:0");
    int fd = dial(AF_INET, listener_port(v.listener));
    say(fd, "GET / HTTP/1.1\r\n\r\n");
    wait_until(&v.closed, 1);
    assert_int_equal(v.last_code, FAIL_REFUSED);
    close(fd);
    close(dial(AF_INET, listener_port(v.listener)));
    wait_until(&v.closed, 2);
    assert_int_equal(v.last_code, FAIL_CLOSED);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, dial(AF_INET, listener_port(v.listener)));
    assert_int_not_equal(SSL_connect(ssl), 1);
    tls_drop(ssl);
    SSL_CTX_free(ctx);
    wait_until(&v.closed, 3);
    assert_int_equal(v.ended, 0);
    assert_int_equal(v.received, 0);
    server_stop(&v);
}

static void certificates_are_checked(void **state) {
    struct tls *t = NULL;
    struct text why = {0};
    certificate_make(in_folder("c.pem"), in_folder("k.pem"), "IP:127.0.0.1");
    certificate_make(in_folder("c2.pem"), in_folder("k2.pem"), "IP:127.0.0.1");
    assert_failed(INVALID, tls_open(in_folder("none.pem"), in_folder("k.pem"), &t, &why));
    assert_non_null(strstr(text_str(&why), "none.pem"));
    text_reset(&why);
    assert_failed(INVALID, tls_open(in_folder("c.pem"), in_folder("c.pem"), &t, &why));
    assert_non_null(tls_open(in_folder("c.pem"), in_folder("k2.pem"), &t, &why));
    assert_null(t);
    text_reset(&why);
    assert_ok(tls_open(in_folder("c2.pem"), in_folder("k2.pem"), &t, &why));
    assert_string_equal(text_str(&why), "");
    tls_close(t);
    tls_close(NULL);
    text_drop(&why);
}

static void addresses_are_read(void **state) {
    static const struct {
        const char *in, *host;
        int port;
        bool tls, unix_socket, local;
    } good[] = {
        {"http://127.0.0.1:4242", "127.0.0.1", 4242, false, false, true},
        {"https://0.0.0.0:443", "0.0.0.0", 443, true, false, false},
        {"http://[::1]:0", "::1", 0, false, false, true},
        {"http://[::]:80", "::", 80, false, false, false},
        {"https://[fd00::2]:65535", "fd00::2", 65535, true, false, false},
        {"http://localhost:1", "localhost", 1, false, false, true},
        {"http://192.0.2.1:80", "192.0.2.1", 80, false, false, false},
        {"http://no.such.host.invalid:80", "no.such.host.invalid", 80, false, false, false},
        {"unix:a b.sock", "a b.sock", 0, false, true, true},
    };
    static const char *const bad[] = {
        "",
        "127.0.0.1:80",
        "http://",
        "http://host",
        "http://host:",
        "http://:80",
        "http://host:65536",
        "http://host:-1",
        "http://host:80/",
        "http://ho st:80",
        "http://::1:80",
        "http://[::1]",
        "http://[::1]80",
        "http://[::1:80",
        "http://[host]:80",
        "http://[]:80",
        "HTTP://host:80",
        "ftp://host:80",
        "unix:",
        "http://a@b:80",
    };
    struct net_address a;
    struct text why = {0};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_ok(net_address_parse(bytes_of(good[i].in), &a, &why));
        assert_string_equal(a.host, good[i].host);
        assert_int_equal(a.port, good[i].port);
        assert_int_equal(a.tls, good[i].tls);
        assert_int_equal(a.unix_socket, good[i].unix_socket);
        assert_int_equal(net_address_local(&a), good[i].local);
    }
    assert_string_equal(text_str(&why), "");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        text_reset(&why);
        assert_failed(INVALID, net_address_parse(bytes_of(bad[i]), &a, &why));
        assert_non_null(strstr(text_str(&why), "expected"));
    }
    char long_host[400] = "http://";
    memset(long_host + 7, 'a', 300);
    memcpy(long_host + 307, ":80", 4);
    assert_failed(INVALID, net_address_parse(bytes_of(long_host), &a, &why));
    assert_failed(INVALID, net_address_parse(B("unix:a\0b"), &a, &why));
    memcpy(long_host, "unix:/", 6);
    assert_failed(INVALID, net_address_parse(bytes_from(long_host, 5 + 108), &a, &why));
    assert_ok(net_address_parse(bytes_from(long_host, 5 + 107), &a, &why));
    text_drop(&why);
}

static int setup(void **state) {
    folder_make();
    return 0;
}

static int teardown(void **state) {
    folder_remove();
    return 0;
}

#define IN_FOLDER(test_) cmocka_unit_test_setup_teardown(test_, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read),
        cmocka_unit_test(peers_are_counted_by_network),
        IN_FOLDER(tcp_echoes),
        IN_FOLDER(ipv6_echoes),
        IN_FOLDER(localhost_is_all_its_addresses),
        IN_FOLDER(unix_echoes),
        IN_FOLDER(a_dead_socket_is_taken_over),
        IN_FOLDER(ports_are_shared_or_refused),
        IN_FOLDER(a_slow_reader_gets_all),
        IN_FOLDER(lingering_has_a_limit),
        IN_FOLDER(small_writes_keep_their_order),
        IN_FOLDER(aborts_are_told),
        IN_FOLDER(the_handler_may_refuse),
        IN_FOLDER(pausing_stops_reading),
        IN_FOLDER(certificates_are_checked),
        IN_FOLDER(tls_echoes),
        IN_FOLDER(tls_sends_much),
        IN_FOLDER(tls_speaks_first),
        IN_FOLDER(tls_refuses),
    };
    return cmocka_run_group_tests_name("port_net", tests, NULL, NULL);
}
