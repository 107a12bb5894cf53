// SPDX-License-Identifier: MIT
// One connection's HTTP/1.1 server side (RFC 9110, 9112): parses requests strictly (llhttp, no
// leniency), one at a time, enforces the limits, and writes answers. It knows no socket: bytes come
// in by session_data, go out by `out`, time comes in by session_tick; so that simulation and
// fuzzers drive it as the network does. One thread.
//
// What it refuses itself: malformed requests 400, a head over its cap or with more than
// HTTP_HEADERS_MAX headers 431 (likewise chunk extensions and trailers over head_max together), a
// body over its cap 413 (never cut; at once if Content-Length or a chunk's size says so), too slow
// a head or body 408, no answer from the handler in time 503, an Expect other than 100-continue
// 417, HTTP versions other than 1.0 and 1.1 505, Transfer-Encoding together with Content-Length,
// other than chunked or in HTTP/1.0 400, no Host in HTTP/1.1 or two 400, no room in the budget 503.
// After a refusal it closes: what still comes in is thrown away for a while (at most answer_ms, 1
// MiB, or 1 s of silence), so that the peer reads the answer instead of a reset. While an answer is
// owed, further pipelined bytes wait (reading is paused). A connection that http/websocket.h takes
// over is HTTP no more; the session keeps its socket, budget, time and end.
#ifndef HTTP_SESSION_H
#define HTTP_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "http/request.h"

struct session;

// Memory that strangers may hold, shared by all sessions of the process; or a part of it, shared by
// those of one address, which takes from the whole too.
struct http_budget {
    _Atomic int64_t used;
    int64_t max;
    struct http_budget *whole; // null: this is the whole
};
// False if that would pass the maximum; then nothing was taken. The gauge STRANGER_BYTES follows.
bool http_budget_take(struct http_budget *b, size_t n);
void http_budget_give(struct http_budget *b, size_t n);

struct http_limits {
    size_t head_max;   // bytes of request line and headers
    uint64_t body_max; // bytes of a body
    int64_t head_ms;   // from the first byte of a request to the end of its head
    int64_t body_ms;   // from the end of the head to the end of the body
    int64_t idle_ms;   // without a request under way
    uint64_t rate_min; // bytes a second that a body must keep, averaged from its start, after a
                       // grace of 5 s
    int64_t answer_ms; // how long a peer may take to read an answer
    int64_t owed_ms;   // how long a whole request may wait for its answer; 0: as long as it takes
};

enum http_refusal { // why the session itself refused
    HTTP_MALFORMED,
    HTTP_HEAD_LARGE,
    HTTP_BODY_LARGE,
    HTTP_SLOW,
    HTTP_EXPECTATION,
    HTTP_NO_MEMORY,
    HTTP_PEER_LEFT,
    HTTP_LATE, // owed_ms is over; `finished` is called as if it had been answered
};

enum http_verdict {
    HTTP_READ_BODY, // give me the body's pieces, then `complete`
    HTTP_ANSWERED,  // session_answer was called already; the session closes after it if a body is
                    // still to come
};

struct http_handler {
    // A head is there (valid until `complete` returns or the answer was given, whichever comes
    // later). *request_ctx is handed to the calls below.
    enum http_verdict (*head)(void *ctx, struct session *s, const struct http_request *r,
                              void **request_ctx);
    // A piece of the body, in order. False: session_answer was called; no more pieces.
    bool (*body)(void *request_ctx, struct session *s, bytes piece);
    // The request is whole. Answer now or later with session_answer.
    void (*complete)(void *request_ctx, struct session *s);
    // The request will get no answer, or its answer is written out or lost: request_ctx may go.
    // Called exactly once for each head that returned HTTP_READ_BODY: after the call above in which
    // the answer was given has returned, or else before session_answer (session_answer_end)
    // returns, which then may also begin the next request that waits; session_answer must not be
    // called afterwards.
    void (*finished)(void *request_ctx);
    // The session refused by itself (it answers by itself too). For counters; `ctx` is the
    // server's.
    void (*refused)(void *ctx, enum http_refusal why);
};

// How bytes leave; `ctx` is session_open's. None of these calls session_data, session_end or
// session_tick before it returns, except pause(false); session_close may be called from anywhere.
struct http_out {
    void (*write)(void *ctx, bytes b);
    void (*close)(void *ctx, int64_t linger_ms); // after what was written
    void (*pause)(void *ctx, bool pause);
    size_t (*unsent)(void *ctx);
};

#define HTTP_UNSENT_HOLD ((size_t)256 * 1024)     // over it no further request is begun
#define HTTP_UNSENT_MAX ((size_t)8 * 1024 * 1024) // over it a stream's connection is cut
#define HTTP_WAITING_MAX                                                                           \
    ((size_t)256 * 1024) // pipelined bytes kept; over it they are dropped and the
                         // connection closes after the answer under way

// `limits`, `handler`, `out` and `budget` must live as long as the session.
struct session *session_open(const struct http_limits *limits, const struct http_handler *handler,
                             void *handler_ctx, const struct http_out *out, void *out_ctx,
                             struct http_budget *budget, int64_t now_us);
// The connection is gone: `out` is not called any more, `finished` is, for a request under way.
// Frees the session, at the latest when the call of it that is under way returns.
void session_close(struct session *s);
// Bytes came. May call the handler, which may answer at once.
void session_data(struct session *s, bytes b, int64_t now_us);
// The peer half-closed: whole requests are answered still, half of one is refused, a stream ends.
void session_end(struct session *s, int64_t now_us);
// Enforces deadlines; call it at session_due or later.
void session_tick(struct session *s, int64_t now_us);
// Monotonic µs of the next deadline; INT64_MIN: as soon as it suits, since a deadline begins that
// could not be reckoned without the time; INT64_MAX: none.
int64_t session_due(const struct session *s);
bool session_idle(const struct session *s); // no request under way
// Finish the request under way, then close; close at once when idle. For shutting down.
void session_drain(struct session *s);
// Any value of the user's.
void session_set_user(struct session *s, void *user);
void *session_user(const struct session *s);
struct http_budget *session_budget(const struct session *s);
bytes session_peer(const struct session *s); // address without port, set by the server
void session_set_peer(struct session *s, bytes peer);
bool session_tls(const struct session *s); // likewise: does the peer speak https?
void session_set_tls(struct session *s, bool tls);

// Answers the request under way, at any time after its head: before its body is whole the session
// closes after the answer. `headers` are full lines without line ends, e.g. "Allow: POST";
// Content-Length, Date-less; Connection: close is added when the session will close. `type` may be
// empty for no body.
void session_answer(struct session *s, int status, bytes type, const char *const *headers,
                    size_t header_count, bytes body);
// The same in pieces, by chunked transfer encoding (HTTP/1.0: until the close), for streams: start,
// any number of pieces, end. `finished` may come from within any of them (the peer does not read).
void session_answer_start(struct session *s, int status, bytes type);
void session_answer_piece(struct session *s, bytes piece);
void session_answer_end(struct session *s);
// Bytes written that the peer has not taken yet, so that a stream can wait for a slow reader.
size_t session_unsent(const struct session *s);

// The reason phrase ("Not Found").
const char *http_reason(int status);

#endif
