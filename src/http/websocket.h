// SPDX-License-Identifier: MIT
// A WebSocket's server side (RFC 6455), on the connection of a request that asked for one; frames
// are wslay's. Text messages alone, whole; pings are answered by themselves; no extensions. What a
// peer may cost: of the session's budget one message of message_max, as far as it has come, and
// besides unsent_max of what he does not take. Over either the connection is closed (1009, or cut).
// Bytes that are no frames or unmasked ones close it with 1002, messages that are no text with
// 1003, text that is no UTF-8 with 1007, a budget without room with 1013. One thread, the
// session's.
#ifndef HTTP_WEBSOCKET_H
#define HTTP_WEBSOCKET_H

#include "http/session.h"

struct websocket;

struct websocket_handler {
    void (*message)(void *ctx, bytes text); // valid until it returns
    // The peer has sent its Close frame, or is gone without one, or was closed: nothing more is
    // sent. Called once, the last call; the websocket is freed when it returns. Not after
    // websocket_drop.
    void (*closed)(void *ctx);
};

struct websocket_limits {
    size_t message_max; // bytes of a message that comes
    size_t unsent_max;  // bytes that the peer has not taken
    int64_t silent_ms;  // without anything from the peer, pings included; then it is cut
};

#define WEBSOCKET_CLOSE_MS 5000  // how long the peer may take to answer a Close frame
#define WEBSOCKET_REASON_MAX 123 // bytes of websocket_close's reason

// What an answer that refuses a handshake may carry (RFC 6455 §4.4).
#define WEBSOCKET_VERSION "Sec-WebSocket-Version: 13"

// Does this request ask for one (GET of HTTP/1.1 without a body, Upgrade: websocket, Connection:
// Upgrade, Sec-WebSocket-Version 13, a key of 16 bytes)? False with a sentence for its sender.
bool websocket_asked(const struct http_request *r, struct text *why);
// Answers 101 to a request for which that is true, from inside http_handler.head (which then
// returns HTTP_ANSWERED) or later while the answer is owed; `protocol`: the Sec-WebSocket-Protocol
// to answer with, null: none. `finished` of the request's handler is not called: the websocket
// takes its place; outside of `head` r is gone with it. `limits` and `handler` live as long. Null:
// the budget has no room or the session drains; 503 was answered, and `finished` is called as after
// any answer. None of the handler's calls come from within.
struct websocket *websocket_open(struct session *s, const struct http_request *r,
                                 const char *protocol, const struct websocket_limits *limits,
                                 const struct websocket_handler *handler, void *ctx);
// Nothing is sent behind a Close frame. `closed` may come from within.
void websocket_send(struct websocket *w, bytes text);
size_t websocket_unsent(const struct websocket *w);
// Sends a Close frame (1000, 1001, …), and ends the connection when the peer answers it or
// WEBSOCKET_CLOSE_MS later; until then messages still come. Again: nothing. `closed` may come from
// within.
void websocket_close(struct websocket *w, uint16_t code, bytes reason);
// Ends it at once; `closed` is not called. Allowed from inside `message`.
void websocket_drop(struct websocket *w);

#endif
