// SPDX-License-Identifier: MIT
// A WebSocket's server side (RFC 6455), on the connection of a request that asked for one; frames
// are wslay's. Text messages alone, whole; pings are answered by themselves; no extensions. What a
// peer may cost: one message of message_max and unsent_max of what he does not take, both of the
// session's budget. Over either the connection is closed (1009, or cut). Bytes that are no frames,
// unmasked ones and text that is no UTF-8 close it with 1002 or 1007. One thread, the session's.
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include "http/session.h"

struct websocket;

struct websocket_handler {
    void (*message)(void *ctx, bytes text); // valid until it returns
    // The peer has sent its Close frame, or is gone without one: nothing more is sent. Called once,
    // the last call; the websocket is freed when it returns. Not after websocket_drop.
    void (*closed)(void *ctx);
};

struct websocket_limits {
    size_t message_max; // bytes of a message that comes
    size_t unsent_max;  // bytes that the peer has not taken
    int64_t silent_ms;  // without anything from the peer, pings included; then it is cut
};

// Does this request ask for one (GET, Upgrade: websocket, Connection: Upgrade,
// Sec-WebSocket-Version 13, a key of 16 bytes)? False with a sentence for its sender.
bool websocket_asked(const struct http_request *r, struct text *why);
// Answers 101 to a request for which that is true, from inside http_handler.head or later while the
// answer is owed; `protocol`: the Sec-WebSocket-Protocol to answer with, null: none. `finished` of
// the request's handler is not called: the websocket takes its place. `limits` and `handler` live
// as long.
struct websocket *websocket_open(struct session *s, const struct http_request *r,
                                 const char *protocol, const struct websocket_limits *limits,
                                 const struct websocket_handler *handler, void *ctx);
void websocket_send(struct websocket *w, bytes text); // `closed` may come from within
size_t websocket_unsent(const struct websocket *w);
// Sends a Close frame (1000, 1001, …), and ends the connection when the peer answers it or 5 s
// later.
void websocket_close(struct websocket *w, uint16_t code, bytes reason);
// Ends it at once; `closed` is not called.
void websocket_drop(struct websocket *w);

#endif
