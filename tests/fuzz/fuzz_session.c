// SPDX-License-Identifier: MIT
// The HTTP session. The input's first 8 characters seed how the rest is cut into pieces and when
// answers are given; the rest is what a peer sends. However it is cut, the handler must see the
// same requests; every request must be finished once, and the budget must come out even.
#include <stdlib.h>

#include "base/random.h"
#include "fuzz.h"
#include "http/session.h"

static const struct http_limits limits = {
    .head_max = 600,
    .body_max = 300,
    .head_ms = 1000,
    .body_ms = 1000,
    .idle_ms = 1000,
    .rate_min = 10,
    .answer_ms = 1000,
};

struct run {
    struct session *session;
    struct http_budget budget;
    struct text trace;
    uint64_t random;
    int64_t now;
    size_t body_n;
    char how; // the path's first letter: late, early, middle, stream, others at once
    bool owed, gone, paused;
    int begun, finished;
};

static void answer(struct run *r) {
    r->owed = false;
    if (r->how == 's') {
        session_answer_start(r->session, 200, B("text/plain"));
        session_answer_piece(r->session, B("piece"));
        session_answer_end(r->session);
    } else {
        session_answer(r->session, 200, B("text/plain"), NULL, 0, B("answer"));
    }
}

static enum http_verdict on_head(void *ctx, struct session *s, const struct http_request *q,
                                 void **request_ctx) {
    struct run *r = ctx;
    *request_ctx = r;
    ensure(q->header_count <= HTTP_HEADERS_MAX);
    text_adds(&r->trace, "\nhead ");
    text_add(&r->trace, q->method);
    text_add(&r->trace, q->path);
    text_add(&r->trace, q->query);
    for (size_t i = 0; i < q->header_count; i++) {
        text_add(&r->trace, q->headers[i].name);
        text_addc(&r->trace, ':');
        text_add(&r->trace, q->headers[i].value);
    }
    text_adds(&r->trace, "\nbody ");
    r->how = q->path.n > 1 ? (char)q->path.p[1] : 0;
    r->body_n = 0;
    if (r->how == 'e') {
        session_answer(s, 405, B("text/plain"), NULL, 0, B("early"));
        return HTTP_ANSWERED;
    }
    r->begun++;
    return HTTP_READ_BODY;
}

static bool on_body(void *request_ctx, struct session *s, bytes piece) {
    struct run *r = request_ctx;
    bool enough = r->how == 'm' && r->body_n + piece.n >= 3;
    text_add(&r->trace, bytes_slice(piece, 0, r->how == 'm' ? 3 - r->body_n : piece.n));
    r->body_n += piece.n;
    ensure(r->body_n <= limits.body_max);
    if (enough)
        session_answer(s, 400, B("text/plain"), NULL, 0, B("enough"));
    return !enough;
}

static void on_complete(void *request_ctx, struct session *s) {
    struct run *r = request_ctx;
    text_adds(&r->trace, "\ncomplete");
    r->owed = true;
    if (r->how != 'l')
        answer(r);
}

static void on_finished(void *request_ctx) {
    struct run *r = request_ctx;
    r->finished++;
    r->owed = false;
}

static void on_refused(void *ctx, enum http_refusal why) {
    text_adds(&((struct run *)ctx)->trace, "\nrefused");
}

static const struct http_handler handler = {on_head, on_body, on_complete, on_finished, on_refused};

static void out_write(void *ctx, bytes b) { ensure(!((struct run *)ctx)->gone); }

static void out_close(void *ctx, int64_t linger_ms) { ((struct run *)ctx)->gone = true; }

static void out_pause(void *ctx, bool pause) { ((struct run *)ctx)->paused = pause; }

static size_t out_unsent(void *ctx) { return 0; }

static const struct http_out out = {out_write, out_close, out_pause, out_unsent};

static void answer_owed(struct run *r) {
    while (r->owed)
        answer(r);
}

static void play(struct run *r, bytes wire, bool cut) {
    r->now = 1000000;
    r->budget.max = 1 << 20;
    r->session = session_open(&limits, &handler, r, &out, r, &r->budget, r->now);
    while (wire.n > 0 && !r->gone) {
        size_t n = cut ? 1 + random_below(&r->random, 40) : wire.n;
        if (cut && r->paused)
            answer_owed(r);
        session_data(r->session, bytes_slice(wire, 0, n), r->now);
        wire = bytes_slice(wire, n, wire.n);
        if (cut && random_below(&r->random, 3) == 0)
            answer_owed(r);
        session_tick(r->session, r->now);
    }
    answer_owed(r);
    if (!r->gone)
        session_end(r->session, r->now);
    answer_owed(r);
    session_tick(r->session, r->now + 10000000);
    session_close(r->session);
    ensure(r->begun == r->finished && r->budget.used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    bytes in = bytes_from(p, n);
    struct run whole = {0}, pieces = {.random = fuzz_number(&in, 8)};
    play(&whole, in, false);
    play(&pieces, in, true);
    ensure(bytes_equal(text_bytes(&whole.trace), text_bytes(&pieces.trace)));
    text_drop(&whole.trace);
    text_drop(&pieces.trace);
    return 0;
}
