// SPDX-License-Identifier: MIT
// The session's state, shared by session.c (life and deadlines), session_read.c (what comes in) and
// session_write.c (what goes out).
#ifndef HTTP_SESSION_INNER_H
#define HTTP_SESSION_INNER_H

#include <llhttp.h>

#include "http/head.h"
#include "http/session.h"

#define NEVER INT64_MAX
#define UNARMED INT64_MIN // begins when the next tick tells the time

#define LINGER_MAX ((uint64_t)1024 * 1024) // bytes thrown away after the last answer
#define LINGER_QUIET_US 1000000            // silence after which nothing more is expected
#define RATE_GRACE_US 5000000
#define HOLD_US 20000   // between looks whether a peer has read enough for its next request
#define BLANK_MAX 4     // bytes of empty lines in front of a request (RFC 9112 §2.2)
#define FRAMING_FREE 16 // bytes between a chunk's data and the next that are not counted

enum input {
    INPUT_IDLE,
    INPUT_HEAD,
    INPUT_BODY,
    INPUT_WHOLE,   // the request is complete, or no more of it is wanted
    INPUT_TAKEN,   // the connection is no more HTTP: the taker hears of what comes
    INPUT_DISCARD, // answered, and to be closed: what comes is thrown away
    INPUT_CLOSED,  // out->close was called
};

enum output {
    OUTPUT_NONE, // no request
    OUTPUT_OWED,
    OUTPUT_STREAM,
    OUTPUT_TAKEN,
    OUTPUT_GIVEN, // until `finished` was called
};

struct waiting { // pipelined bytes
    uint8_t *p;
    size_t at, n, cap; // unread: [at, n)
};

// Who has taken a connection over (session_upgrade), from its own thread's calls of the session. It
// ends with session_release or `gone`, whichever comes first.
struct session_taker {
    void (*data)(void *ctx, bytes b);
    void (*end)(void *ctx);          // the peer sends no more
    int64_t (*due)(const void *ctx); // as session_due says it
    void (*tick)(void *ctx);
    void (*drain)(void *ctx);
    void (*gone)(void *ctx); // the connection is
};

struct session {
    const struct http_limits *limits;
    const struct http_handler *handler;
    const struct http_out *out;
    struct http_budget *budget;
    void *handler_ctx, *out_ctx, *request_ctx, *user;
    bytes peer;
    bool tls;
    const struct session_taker *taker; // with INPUT_TAKEN
    void *taker_ctx;
    struct head *head; // while a request is under way
    struct waiting waiting;
    llhttp_t parser;

    int64_t now, input_due, answer_due;
    int64_t since; // when the body or the discarding began
    uint64_t body_n, discard_n;
    uint64_t discard_left;   // until the body that nobody wants is over; UINT64_MAX: unknown
    size_t head_n;           // bytes of this head so far
    size_t gap_n, framing_n; // since the last byte of data; counted towards head_max
    const uint8_t *mark;     // in the piece being parsed: where the gap is counted from
    size_t busy;             // calls of the session under way
    enum input input;
    enum output output;
    enum http_refusal refusal; // why a callback stopped the parser
    uint8_t blank_n;
    bool refusing;        // `refusal` is set
    bool fresh;           // `now` is the time
    bool running;         // bytes are being consumed
    bool in_handler;      // a call of the handler is under way: finished waits
    bool has_ctx;         // finished is owed
    bool keep;            // the connection outlives the request
    bool old;             // HTTP/1.0
    bool bodiless;        // HEAD: no body in the answer
    bool streams_bare;    // the stream has no chunks
    bool wants_continue;  // 100 is owed before the body comes
    bool paused, held;    // reading; until a tick, for the peer does not read or for the taker
    bool ended, draining; // the peer sends no more; we are to close soon
    bool gone;            // session_close was called during a call
};

// session.c
void session_enter(struct session *s);
void session_enter_at(struct session *s, int64_t now_us);
void session_leave(struct session *s); // may free
void session_arm(struct session *s);   // the deadline of the present input state
void session_shut(struct session *s);  // closes after what was written
void session_cut(struct session *s);   // closes at once
// After the answer was given, unless the handler is still inside: finished, then the next request
// or the close.
void session_settle(struct session *s);
void session_discard(struct session *s); // enters INPUT_DISCARD
// That long from now, UNARMED if nobody knows what time it is.
int64_t session_after(const struct session *s, int64_t ms);
// The taker goes: closes after what was written, or at once.
void session_release(struct session *s, bool cut);

// session_write.c
// All parts, as one write where they are small.
void session_write(struct session *s, const bytes *parts, size_t count);
// Answers 101 with these headers to a request without a body, whose `finished` is not called. What
// the peer has sent behind it comes to the taker once the call under way has returned.
void session_upgrade(struct session *s, const char *const *headers, size_t header_count,
                     const struct session_taker *taker, void *ctx);

// session_read.c
void session_resume(struct session *s); // goes on with what waits
void session_drop_waiting(struct session *s);
// Refuses the request under way (or the bytes that do not become one), with its answer.
void session_refuse(struct session *s, enum http_refusal why);
void session_refuse_as(struct session *s, enum http_refusal why, int status, const char *error);

#endif
