// SPDX-License-Identifier: MIT
#include "port/net_conn.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/states.h"
#include "port/net_tls.h"

// The loop's buffer in two parts: what TLS read from the socket, and what it made of it. The first
// is small because a connection's TLS keeps as much memory as it once got at a time.
#define TLS_READ_SIZE ((size_t)17 << 10)
#define TLS_PLAIN_AT ((size_t)32 << 10)

enum conn_state { CONN_OPEN, CONN_CLOSING, CONN_LINGERING, CONN_DEAD };

static const struct state_row conn_rows[] = {
    [CONN_OPEN] = {"open", STATE_BIT(CONN_CLOSING) | STATE_BIT(CONN_DEAD)},
    // Sends what is queued; what comes is thrown away, so that the peer gets to reading.
    [CONN_CLOSING] = {"closing", STATE_BIT(CONN_LINGERING) | STATE_BIT(CONN_DEAD)},
    // All is sent and our half closed. Closing the other half while the peer still sends would make
    // the system reset the connection and the peer lose our last bytes.
    [CONN_LINGERING] = {"lingering", STATE_BIT(CONN_DEAD)},
    [CONN_DEAD] = {"dead", 0},
};
static const struct states conn_states = STATES("connection", conn_rows);

struct conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
    uv_timer_t linger;
    uv_write_t write;
    struct text flight, queue; // given to the loop; not yet
    struct text early;         // plain text from before TLS was ready
    struct loop *loop;
    const struct net_handler *handler;
    void *ctx; // null: the handler does not know it
    struct tls_stream *tls;
    result failed;
    struct later later;
    struct guest guest;
    unsigned state;
    uint8_t handles; // not yet closed
    bool paused;
    bool eof;   // the peer's half of the stream is closed
    bool ended; // the handler was told so
    char peer[INET6_ADDRSTRLEN];
};

_Static_assert(sizeof(struct conn) < 1280, "an idle connection must cost little");

static void free_conn(struct later *later) { free(CONTAINER(later, struct conn, later)); }

static void on_closed(uv_handle_t *h) {
    struct conn *c = h->data;
    if (--c->handles > 0)
        return;
    tls_stream_close(c->tls);
    text_drop(&c->flight);
    text_drop(&c->queue);
    text_drop(&c->early);
    guest_left(&c->guest);
    if (c->ctx != NULL)
        c->handler->closed(c->ctx, c->failed);
    // One turn more, so that whoever still holds it in this turn finds it dead.
    c->later.run = free_conn;
    loop_later(c->loop, &c->later);
}

static void kill_conn(struct conn *c, result failed) {
    if (c->state == CONN_DEAD)
        return;
    states_move(&conn_states, &c->state, CONN_DEAD);
    c->failed = failed;
    later_forget(&c->later);
    uv_close(&c->uv.handle, on_closed);
    uv_close((uv_handle_t *)&c->linger, on_closed);
}

size_t conn_unsent(const struct conn *c) {
    if (c->state == CONN_DEAD)
        return 0;
    return c->queue.n + c->early.n + uv_stream_get_write_queue_size(&c->uv.stream);
}

static void cut_conn(struct guest *guest) {
    struct conn *c = CONTAINER(guest, struct conn, guest);
    kill_conn(c, conn_unsent(c) > 0 ? PLACE(CLOSED, "the loop closed before all was sent") : OK);
}

static void start_flight(struct conn *c);

// Goes on with closing once nothing is left to send.
static void close_step(struct conn *c) {
    if (c->state != CONN_CLOSING || conn_unsent(c) > 0 || c->flight.n > 0)
        return;
    uv_os_fd_t fd = -1;
    if (c->eof || uv_fileno(&c->uv.handle, &fd) != 0 || shutdown(fd, SHUT_WR) != 0)
        kill_conn(c, OK);
    else
        states_move(&conn_states, &c->state, CONN_LINGERING);
}

static void on_written(uv_write_t *w, int status) {
    struct conn *c = w->data;
    text_drop(&c->flight);
    if (c->state == CONN_DEAD)
        return;
    if (status < 0) {
        kill_conn(c, PLACE(CLOSED, "the peer is gone before all was sent"));
        return;
    }
    if (c->queue.n > 0)
        start_flight(c);
    else
        text_drop(&c->queue);
    close_step(c);
}

static void start_flight(struct conn *c) {
    c->flight = c->queue;
    c->queue = (struct text){0};
    c->write.data = c;
    uv_buf_t buf = {.base = c->flight.p, .len = c->flight.n};
    if (uv_write(&c->write, &c->uv.stream, &buf, 1, on_written) != 0)
        kill_conn(c, PLACE(CLOSED, "the peer is gone before all was sent"));
}

// Gives bytes to the system, or queues what it does not take.
static void send_raw(struct conn *c, bytes b) {
    if (c->state == CONN_DEAD || b.n == 0)
        return;
    if (c->flight.n == 0) {
        uv_buf_t buf = {.base = (char *)(uintptr_t)b.p, .len = b.n};
        int n = uv_try_write(&c->uv.stream, &buf, 1);
        if (n < 0 && n != UV_EAGAIN) {
            kill_conn(c, PLACE(CLOSED, "the peer is gone before all was sent"));
            return;
        }
        b = bytes_slice(b, n > 0 ? (size_t)n : 0, b.n);
    }
    if (b.n == 0)
        return;
    text_add(&c->queue, b);
    if (c->queue.failed)
        kill_conn(c, PLACE(FULL, "the peer reads too slowly: too much is unsent"));
    else if (c->flight.n == 0)
        start_flight(c);
}

static void flush_tls(struct conn *c) {
    bytes out = tls_stream_out(c->tls);
    if (out.n == 0)
        return;
    send_raw(c, out);
    tls_stream_taken(c->tls);
}

static void send_tls(struct conn *c, bytes b) {
    for (size_t at = 0; at < b.n && c->state != CONN_DEAD; at += TLS_PIECE) {
        if (!tls_stream_write(c->tls, bytes_slice(b, at, at + TLS_PIECE)))
            kill_conn(c, PLACE(REFUSED, "TLS failed"));
        flush_tls(c);
    }
}

void conn_write(struct conn *c, bytes b) {
    if (c->state != CONN_OPEN)
        return;
    if (c->tls == NULL)
        send_raw(c, b);
    else if (tls_stream_ready(c->tls))
        send_tls(c, b);
    else
        text_add(&c->early, b);
    if (c->early.failed)
        kill_conn(c, PLACE(FULL, "too much is unsent before TLS is ready"));
}

static void say_bye(struct conn *c) {
    tls_stream_bye(c->tls);
    flush_tls(c);
}

// What waited for TLS goes out, behind it the goodbye if we are closing.
static void send_early(struct conn *c) {
    struct text early = c->early;
    c->early = (struct text){0};
    send_tls(c, text_bytes(&early));
    text_drop(&early);
    if (c->state == CONN_CLOSING) {
        say_bye(c);
        close_step(c);
    }
}

static void deliver_end(struct conn *c) {
    if (c->state != CONN_OPEN || c->ended)
        return;
    c->ended = true;
    c->handler->end(c->ctx);
}

// Reads on in TLS as far as it goes; what is read after closing began is thrown away.
static void pump_tls(struct conn *c) {
    uint8_t *plain = loop_buffer(c->loop) + TLS_PLAIN_AT;
    while (!c->ended && (c->state == CONN_OPEN ? !c->paused : c->state == CONN_CLOSING)) {
        bool was_ready = tls_stream_ready(c->tls);
        size_t n = 0;
        enum tls_step step = tls_stream_read(c->tls, plain, LOOP_BUFFER_SIZE - TLS_PLAIN_AT, &n);
        flush_tls(c);
        bool ready = tls_stream_ready(c->tls);
        if (ready && !was_ready)
            send_early(c);
        if (step == TLS_FAILED) {
            kill_conn(c, PLACE(REFUSED, "TLS failed"));
        } else if (step == TLS_DATA) {
            if (c->state == CONN_OPEN)
                c->handler->data(c->ctx, bytes_from(plain, n));
        } else if (step == TLS_END || (c->eof && ready)) {
            deliver_end(c);
            return;
        } else {
            if (c->eof)
                kill_conn(c, PLACE(CLOSED, "the peer left before TLS was ready"));
            return;
        }
    }
}

static void pump(struct conn *c) {
    if (c->tls != NULL)
        pump_tls(c);
    else if (c->eof)
        deliver_end(c);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf) {
    struct conn *c = h->data;
    buf->base = (char *)loop_buffer(c->loop);
    buf->len = c->tls != NULL ? TLS_READ_SIZE : LOOP_BUFFER_SIZE;
}

static void on_gone(struct conn *c, ssize_t status) {
    bool owed = conn_unsent(c) > 0;
    c->eof = true;
    if (status != UV_EOF)
        kill_conn(c, c->state == CONN_OPEN || owed ? PLACE(CLOSED, "the peer reset it") : OK);
    else if (c->state == CONN_LINGERING)
        kill_conn(c, OK);
    else if (c->state == CONN_OPEN || c->early.n > 0)
        pump(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    struct conn *c = stream->data;
    if (n == 0 || c->state == CONN_DEAD)
        return;
    if (n < 0) {
        on_gone(c, n);
        return;
    }
    bytes b = bytes_from(buf->base, (size_t)n);
    bool handshaking = c->tls != NULL && !tls_stream_ready(c->tls);
    if (c->state != CONN_OPEN && !(c->state == CONN_CLOSING && handshaking))
        return;
    if (c->tls == NULL) {
        c->handler->data(c->ctx, b);
        return;
    }
    tls_stream_feed(c->tls, b);
    pump_tls(c);
}

static void resume(struct later *later) { pump(CONTAINER(later, struct conn, later)); }

static void start_reading(struct conn *c) {
    int err = c->eof ? 0 : uv_read_start(&c->uv.stream, on_alloc, on_read);
    if (err != 0 && err != UV_EALREADY)
        kill_conn(c, PLACE(CLOSED, "the peer is gone"));
}

void conn_pause(struct conn *c, bool pause) {
    if (c->state != CONN_OPEN || c->paused == pause)
        return;
    c->paused = pause;
    if (pause) {
        later_forget(&c->later);
        uv_read_stop(&c->uv.stream);
        return;
    }
    start_reading(c);
    // TLS may hold plain text from before the pause; no handler is called from inside this call.
    if (c->state == CONN_OPEN && c->tls != NULL) {
        c->later.run = resume;
        loop_later(c->loop, &c->later);
    }
}

static void on_linger(uv_timer_t *t) {
    struct conn *c = t->data;
    kill_conn(c, conn_unsent(c) > 0 ? PLACE(TIMEOUT, "the peer did not read all in time") : OK);
}

void conn_close(struct conn *c, int64_t linger_ms) {
    if (c->state == CONN_DEAD)
        return;
    if (linger_ms <= 0) {
        kill_conn(c, OK);
        return;
    }
    uint64_t ms = (uint64_t)linger_ms;
    if (c->state == CONN_OPEN || uv_timer_get_due_in(&c->linger) > ms)
        uv_timer_start(&c->linger, on_linger, ms, 0);
    if (c->state != CONN_OPEN)
        return;
    states_move(&conn_states, &c->state, CONN_CLOSING);
    later_forget(&c->later);
    c->guest.cut = cut_conn;
    guest_stays(c->loop, &c->guest);
    start_reading(c);
    if (c->tls != NULL && tls_stream_ready(c->tls))
        say_bye(c);
    close_step(c);
}

bytes conn_peer(const struct conn *c) { return bytes_of(c->peer); }

bool conn_tls(const struct conn *c) { return c->tls != NULL; }

static bool name_peer(struct conn *c) {
    if (c->uv.handle.type == UV_NAMED_PIPE) {
        memcpy(c->peer, "unix", sizeof "unix");
        return true;
    }
    struct sockaddr_storage sa;
    int n = sizeof sa;
    if (uv_tcp_getpeername(&c->uv.tcp, (struct sockaddr *)&sa, &n) != 0)
        return false;
    const void *at = sa.ss_family == AF_INET6
                         ? (const void *)&((struct sockaddr_in6 *)&sa)->sin6_addr
                         : (const void *)&((struct sockaddr_in *)&sa)->sin_addr;
    return inet_ntop(sa.ss_family, at, c->peer, sizeof c->peer) != NULL;
}

static bool take_socket(struct conn *c, uv_stream_t *from) {
    if (uv_accept(from, &c->uv.stream) != 0 || !name_peer(c))
        return false;
    if (c->uv.handle.type == UV_TCP)
        uv_tcp_nodelay(&c->uv.tcp, 1);
    return true;
}

void conn_accept(uv_stream_t *from, const struct conn_start *start) {
    struct conn *c = NEW(struct conn);
    uv_loop_t *uv = loop_uv(start->loop);
    if (from->type == UV_NAMED_PIPE)
        uv_pipe_init(uv, &c->uv.pipe, 0);
    else
        uv_tcp_init(uv, &c->uv.tcp);
    uv_timer_init(uv, &c->linger);
    c->uv.handle.data = c->linger.data = c;
    c->handles = 2;
    c->loop = start->loop;
    c->handler = start->handler;
    bool taken = take_socket(c, from);
    if (taken && start->tls != NULL) {
        c->tls = tls_stream_open(start->tls);
        taken = c->tls != NULL;
    }
    if (taken)
        c->ctx = start->handler->open(start->ctx, c);
    if (c->ctx == NULL)
        kill_conn(c, OK);
    else if (c->state == CONN_OPEN && !c->paused)
        start_reading(c);
}
