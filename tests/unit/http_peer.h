// SPDX-License-Identifier: MIT
// A session with a peer made of memory, for the tests of http: what the handler sees and what goes
// out is written down as one text. Paths say what the handler does:
//   /later   answers when the test says so          /early  answers from inside `head`
//   /mid     answers as soon as 3 bytes of body came  /stream streams two pieces
//   /big     answers with 300 KiB                   others  200 with what came, at once
#ifndef TESTS_HTTP_PEER_H
#define TESTS_HTTP_PEER_H

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "http/session.h"

struct peer {
    struct session *session;
    struct http_limits limits;
    struct http_budget budget;
    struct text trace; // what the handler saw
    struct text wire;  // what went out
    struct text body;  // of the request under way
    bytes path;        // of the request under way; points to path_text
    char path_text[64];
    int64_t now;
    size_t unsent; // what `out` claims
    int closes;
    int64_t linger_ms;
    bool paused;
    bool close_in_head, close_in_body, close_in_complete, close_in_write;
    bool in_body; // the trace's last entry is a piece of body
    int requests, finished, refused;
    enum http_refusal why;
};

static void peer_note(struct peer *p, const char *what) {
    text_adds(&p->trace, p->in_body ? "'\n" : "");
    text_adds(&p->trace, what);
    p->in_body = false;
}

static void peer_gone(struct peer *p) {
    struct session *s = p->session;
    p->session = NULL;
    if (s != NULL)
        session_close(s);
}

static enum http_verdict peer_head(void *ctx, struct session *s, const struct http_request *r,
                                   void **request_ctx) {
    struct peer *p = ctx;
    peer_note(p, "head ");
    text_add(&p->trace, r->method);
    text_addc(&p->trace, ' ');
    text_add(&p->trace, r->path);
    text_addc(&p->trace, '?');
    text_add(&p->trace, r->query);
    for (size_t i = 0; i < r->header_count; i++) {
        text_adds(&p->trace, " | ");
        text_add(&p->trace, r->headers[i].name);
        text_addc(&p->trace, '=');
        text_add(&p->trace, r->headers[i].value);
    }
    text_addc(&p->trace, '\n');
    text_reset(&p->body);
    p->path = bytes_slice(r->path, 0, sizeof p->path_text);
    memcpy(p->path_text, p->path.p, p->path.n);
    p->path.p = (const uint8_t *)p->path_text;
    *request_ctx = p;
    if (p->close_in_head)
        peer_gone(p);
    if (bytes_equal(r->path, B("/early"))) {
        static const char *const allow[] = {"Allow: POST"};
        session_answer(s, 405, B("text/plain"), allow, 1, B("no"));
        return HTTP_ANSWERED;
    }
    p->requests++;
    return HTTP_READ_BODY;
}

static bool peer_body(void *request_ctx, struct session *s, bytes piece) {
    struct peer *p = request_ctx;
    if (!p->in_body)
        peer_note(p, "body '");
    p->in_body = true;
    text_add(&p->trace, piece);
    text_add(&p->body, piece);
    if (p->close_in_body)
        peer_gone(p);
    if (!bytes_equal(p->path, B("/mid")) || p->body.n < 3)
        return true;
    session_answer(s, 400, B("text/plain"), NULL, 0, B("enough"));
    return false;
}

static void peer_complete(void *request_ctx, struct session *s) {
    struct peer *p = request_ctx;
    peer_note(p, "complete\n");
    if (p->close_in_complete)
        peer_gone(p);
    if (bytes_equal(p->path, B("/later")))
        return;
    if (bytes_equal(p->path, B("/stream"))) {
        session_answer_start(s, 200, B("text/plain"));
        session_answer_piece(s, B("one"));
        session_answer_piece(s, NO_BYTES);
        session_answer_piece(s, B("sixteen bytes 16"));
        session_answer_end(s);
        return;
    }
    if (bytes_equal(p->path, B("/big"))) {
        char *big = calloc(300, 1024);
        session_answer(s, 200, B("text/plain"), NULL, 0, bytes_from(big, 300 * 1024));
        free(big);
        return;
    }
    session_answer(s, 200, B("text/plain"), NULL, 0, text_bytes(&p->body));
}

static void peer_finished(void *request_ctx) {
    struct peer *p = request_ctx;
    p->finished++;
    peer_note(p, "finished\n");
}

static void peer_refused(void *ctx, enum http_refusal why) {
    struct peer *p = ctx;
    p->refused++;
    p->why = why;
    peer_note(p, "refused\n");
}

static const struct http_handler peer_handler = {peer_head, peer_body, peer_complete, peer_finished,
                                                 peer_refused};

static void peer_write(void *ctx, bytes b) {
    struct peer *p = ctx;
    text_add(&p->wire, b);
    if (p->close_in_write)
        peer_gone(p);
}

static void peer_out_close(void *ctx, int64_t linger_ms) {
    struct peer *p = ctx;
    p->closes++;
    p->linger_ms = linger_ms;
}

static void peer_pause(void *ctx, bool pause) { ((struct peer *)ctx)->paused = pause; }

static size_t peer_unsent(void *ctx) { return ((struct peer *)ctx)->unsent; }

static const struct http_out peer_out = {peer_write, peer_out_close, peer_pause, peer_unsent};

static void peer_open(struct peer *p) {
    *p = (struct peer){
        .limits = {.head_max = 1024,
                   .body_max = 4096,
                   .head_ms = 10000,
                   .body_ms = 30000,
                   .idle_ms = 60000,
                   .rate_min = 100,
                   .answer_ms = 20000},
        .budget = {.max = 1024 * 1024},
        .now = 1000000000,
    };
    p->session = session_open(&p->limits, &peer_handler, p, &peer_out, p, &p->budget, p->now);
}

static void peer_drop(struct peer *p) {
    peer_gone(p);
    text_drop(&p->trace);
    text_drop(&p->wire);
    text_drop(&p->body);
}

// Each piece comes in memory of its own, so that reading past it is found out.
static void peer_send(struct peer *p, bytes b) {
    if (p->session == NULL)
        return;
    uint8_t *copy = malloc(b.n > 0 ? b.n : 1);
    if (b.n > 0)
        memcpy(copy, b.p, b.n);
    session_data(p->session, bytes_from(copy, b.n), p->now);
    free(copy);
}

static void peer_sends(struct peer *p, const char *s) { peer_send(p, bytes_of(s)); }

static void peer_wait(struct peer *p, int64_t ms) {
    p->now += ms * 1000;
    if (p->session != NULL)
        session_tick(p->session, p->now);
}

#endif
