// SPDX-License-Identifier: MIT
// Listeners and their sessions on one loop: accepts, limits connections (in all and for each
// address), drives the sessions' deadlines with one timer that sleeps while there is nothing to
// watch. intake and desk both stand on it.
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "http/session.h"
#include "port/loop.h"
#include "port/net.h"

struct server;

struct server_limits {
    struct http_limits http;
    size_t connections_max;         // of this loop
    size_t connections_address_max; // of one address (net_network: of IPv6 a /64), on this loop;
                                    // unix sockets are not counted
    int64_t address_bytes_max;      // of the budget, for one address on this loop; 0: all of it
};

// `limits`, `handler` and `budget` must live as long as the server.
struct server *server_open(struct loop *l, const struct server_limits *limits,
                           const struct http_handler *handler, void *handler_ctx,
                           struct http_budget *budget);
// `tls` is for https addresses, one for all of them; once this has succeeded the server owns it.
// *port gets the real port, unless it is null. `why` gets the sentence for people.
must result server_listen(struct server *s, const struct net_address *a, struct tls *tls,
                          uint16_t *port, struct text *why);
// A new certificate for connections from now on; takes `tls` over and closes the one before.
void server_set_tls(struct server *s, struct tls *tls);
// Accept no more, let requests under way finish, close idle connections; `drained(ctx)` once none
// is left, at the latest after `limit_ms`, when the rest is cut.
void server_drain(struct server *s, int64_t limit_ms, void (*drained)(void *ctx), void *ctx);
// At once; null is allowed. Not from inside a call of the handler.
void server_close(struct server *s);
size_t server_connections(const struct server *s);

#endif
