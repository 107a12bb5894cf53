// SPDX-License-Identifier: MIT
// Accepting a connection. Inside of port/net.
#ifndef PORT_NET_CONN_H
#define PORT_NET_CONN_H

#include <uv.h>

#include "port/loop_uv.h"
#include "port/net.h"

struct conn_start {
    struct loop *loop;
    struct tls *tls; // null: plain
    const struct net_handler *handler;
    void *ctx;
};

// Takes the connection that waits at this socket and tells the handler.
void conn_accept(uv_stream_t *from, const struct conn_start *start);

#endif
