// SPDX-License-Identifier: MIT
#include "http/server.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "port/clock.h"

// Deadlines are looked at all together, this often: a fraction of the shortest, within bounds.
#define LOOK_FRACTION 8
#define LOOK_MIN_MS 10
#define LOOK_MAX_MS 500

struct address { // with connections now
    size_t connections;
    struct http_budget budget; // its part
};

struct link { // one connection
    struct list in_server;
    struct server *server; // null: the server was closed
    struct conn *conn;
    struct session *session;
    struct address *address; // null: not counted
};

struct listening {
    struct listening *next;
    struct listener *listener;
    bool tls;
};

struct server {
    struct loop *loop;
    const struct server_limits *limits;
    const struct http_handler *handler;
    void *handler_ctx;
    struct http_budget *budget;
    struct listening *listening;
    struct tls *tls;
    struct list links;
    struct map addresses;
    size_t connections;
    struct timer *look;
    bool looking;
    int64_t look_ms;
    bool draining;
    int64_t drain_until_us;
    void (*drained)(void *ctx);
    void *drained_ctx;
};

// Of all servers of the process.
static _Atomic int64_t open_connections;

static void count_open(int64_t change) {
    metric_set(METRIC_CONN_OPEN, atomic_fetch_add(&open_connections, change) + change);
}

static void out_write(void *ctx, bytes b) { conn_write(((struct link *)ctx)->conn, b); }

static void out_close(void *ctx, int64_t linger_ms) {
    conn_close(((struct link *)ctx)->conn, linger_ms);
}

static void out_pause(void *ctx, bool pause) { conn_pause(((struct link *)ctx)->conn, pause); }

static size_t out_unsent(void *ctx) { return conn_unsent(((struct link *)ctx)->conn); }

static const struct http_out out_conn = {out_write, out_close, out_pause, out_unsent};

static void look_again(struct server *s, int64_t ms) {
    s->looking = true;
    timer_set(s->look, ms);
}

// False: this address has its share.
static bool take_address(struct server *s, struct link *l) {
    char buffer[NET_NETWORK_MAX];
    bytes network = net_network(conn_peer(l->conn), buffer);
    if (bytes_equal(network, B("unix")))
        return true;
    struct address *a = map_get(&s->addresses, network);
    if ((a == NULL ? 0 : a->connections) >= s->limits->connections_address_max)
        return false;
    if (a == NULL) {
        a = NEW(struct address);
        a->budget.max = s->limits->address_bytes_max;
        a->budget.whole = s->budget;
        map_put(&s->addresses, network, a);
    }
    a->connections++;
    l->address = a;
    return true;
}

static void give_address(struct server *s, struct link *l) {
    if (l->address == NULL || --l->address->connections > 0)
        return;
    char buffer[NET_NETWORK_MAX];
    map_remove(&s->addresses, net_network(conn_peer(l->conn), buffer));
    free(l->address);
}

static void *on_open(void *ctx, struct conn *c) {
    struct server *s = ctx;
    if (s->draining || s->connections >= s->limits->connections_max) {
        metric_add(METRIC_CONN_REFUSED_TOTAL, 1);
        return NULL;
    }
    struct link *l = NEW(struct link);
    l->server = s;
    l->conn = c;
    if (!take_address(s, l)) {
        free(l);
        metric_add(METRIC_CONN_REFUSED_ADDRESS, 1);
        return NULL;
    }
    bool has_part = l->address != NULL && s->limits->address_bytes_max > 0;
    l->session = session_open(&s->limits->http, s->handler, s->handler_ctx, &out_conn, l,
                              has_part ? &l->address->budget : s->budget, loop_now_us(s->loop));
    session_set_peer(l->session, conn_peer(c));
    session_set_tls(l->session, conn_tls(c));
    list_push(&s->links, &l->in_server);
    s->connections++;
    metric_add(METRIC_CONN_ACCEPTED, 1);
    count_open(1);
    if (!s->looking)
        look_again(s, s->look_ms);
    return l;
}

static void on_data(void *conn_ctx, bytes b) {
    struct link *l = conn_ctx;
    if (l->server != NULL)
        session_data(l->session, b, loop_now_us(l->server->loop));
}

static void on_end(void *conn_ctx) {
    struct link *l = conn_ctx;
    if (l->server != NULL)
        session_end(l->session, loop_now_us(l->server->loop));
}

// The session goes and the server forgets the connection, which may live on to send its rest.
static void leave_server(struct link *l) {
    struct server *s = l->server;
    l->server = NULL;
    list_remove(&l->in_server);
    session_close(l->session); // gives back what it took of the address's part
    give_address(s, l);
    s->connections--;
    count_open(-1);
    if (s->draining && s->connections == 0)
        look_again(s, 0);
}

static void on_closed(void *conn_ctx, result failed) {
    struct link *l = conn_ctx;
    if (failed_as(failed, FAIL_REFUSED))
        metric_add(METRIC_CONN_TLS_FAILED, 1);
    if (l->server != NULL)
        leave_server(l);
    free(l);
}

static const struct net_handler net_side = {on_open, on_data, on_end, on_closed};

static void cut_all(struct server *s) {
    LIST_EACH(it, &s->links) { conn_close(CONTAINER(it, struct link, in_server)->conn, 0); }
}

static void on_look(void *ctx) {
    struct server *s = ctx;
    int64_t now = loop_now_us(s->loop);
    s->looking = false;
    // A tick may close a connection, but `closed` comes in a later turn: the list stays as it is.
    LIST_EACH(it, &s->links) {
        struct link *l = CONTAINER(it, struct link, in_server);
        if (session_due(l->session) <= now)
            session_tick(l->session, now);
    }
    if (s->draining && now >= s->drain_until_us)
        cut_all(s);
    if (s->connections > 0) {
        look_again(s, s->look_ms);
    } else if (s->drained != NULL) {
        void (*drained)(void *) = s->drained;
        s->drained = NULL;
        drained(s->drained_ctx);
    }
}

static int64_t look_interval(const struct http_limits *l) {
    const int64_t all[] = {l->head_ms, l->body_ms, l->idle_ms, l->answer_ms};
    int64_t least = (int64_t)LOOK_MAX_MS * LOOK_FRACTION;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        least = all[i] < least ? all[i] : least;
    return least / LOOK_FRACTION > LOOK_MIN_MS ? least / LOOK_FRACTION : LOOK_MIN_MS;
}

struct server *server_open(struct loop *l, const struct server_limits *limits,
                           const struct http_handler *handler, void *handler_ctx,
                           struct http_budget *budget) {
    struct server *s = NEW(struct server);
    s->loop = l;
    s->limits = limits;
    s->handler = handler;
    s->handler_ctx = handler_ctx;
    s->budget = budget;
    s->addresses.seed = clock_seed(&clock_real);
    s->look = timer_open(l, on_look, s);
    s->look_ms = look_interval(&limits->http);
    list_init(&s->links);
    return s;
}

result server_listen(struct server *s, const struct net_address *a, struct tls *tls, uint16_t *port,
                     struct text *why) {
    ensure(s->tls == NULL || tls == NULL || tls == s->tls);
    struct listener *listener;
    TRY(net_listen(s->loop, a, tls, &net_side, s, &listener, why));
    struct listening *new = NEW(struct listening);
    new->listener = listener;
    new->tls = a->tls;
    new->next = s->listening;
    s->listening = new;
    if (tls != NULL)
        s->tls = tls;
    if (port != NULL)
        *port = listener_port(listener);
    return OK;
}

void server_set_tls(struct server *s, struct tls *tls) {
    for (struct listening *it = s->listening; it != NULL; it = it->next)
        if (it->tls)
            listener_set_tls(it->listener, tls);
    tls_close(s->tls);
    s->tls = tls;
}

static void stop_listening(struct server *s) {
    while (s->listening != NULL) {
        struct listening *it = s->listening;
        s->listening = it->next;
        listener_close(it->listener);
        free(it);
    }
}

void server_drain(struct server *s, int64_t limit_ms, void (*drained)(void *ctx), void *ctx) {
    stop_listening(s);
    s->draining = true;
    s->drained = drained;
    s->drained_ctx = ctx;
    s->drain_until_us = loop_now_us(s->loop) + limit_ms * 1000;
    LIST_EACH(it, &s->links) { session_drain(CONTAINER(it, struct link, in_server)->session); }
    s->look_ms = s->look_ms < limit_ms ? s->look_ms : limit_ms;
    look_again(s, s->connections > 0 ? s->look_ms : 0);
}

void server_close(struct server *s) {
    if (s == NULL)
        return;
    stop_listening(s);
    s->draining = false;
    while (!list_empty(&s->links)) {
        struct link *l = CONTAINER(s->links.next, struct link, in_server);
        session_drain(l->session); // what is cut short now is not the peer's doing
        conn_close(l->conn, 0);
        leave_server(l);
    }
    timer_close(s->look);
    tls_close(s->tls);
    map_drop(&s->addresses);
    free(s);
}

size_t server_connections(const struct server *s) { return s->connections; }
