// SPDX-License-Identifier: MIT
// The HTTP session. The input's first 8 characters seed how the rest is cut into pieces and when
// answers are given; the rest is what a peer sends. However it is cut, the handler must see the
// same requests and the peer the same answers; every request must be finished once, the budget must
// come out even, and a request that was whole, written down plainly, must be read as the same.
#include <stdlib.h>

#include "base/random.h"
#include "fuzz.h"
#include "http/session.h"

const struct fuzz_plant fuzz_plants[] = {
    {"lost", PLANT_FUZZED, "the byte behind a piece that ends with a carriage return is lost"},
    {"unfinished", PLANT_FUZZED, "a request that is answered late is not finished"},
    {"budget", PLANT_FUZZED, "what a body of over 7 bytes takes is not given back"},
    {"answer", PLANT_FUZZED, "an answer that waited is not written"},
    {"value", PLANT_FUZZED, "a header's value is read to its comma only"},
    {0},
};

// `head_max` is larger for plain forms, whose lines may be longer than what was sent.
static const struct http_limits limits[2] = {
    {600, 300, 1000, 1000, 1000, 10, 1000, 0},
    {6000, 300, 1000, 1000, 1000, 10, 1000, 0},
};

struct run {
    struct session *session;
    struct http_budget budget;
    struct text trace;   // what the handler saw
    struct text answers; // what the peer saw
    struct text first;   // what the handler saw of the first request, its framing left out
    struct text plain;   // that request as it should be sent
    uint64_t random;
    int64_t now;
    size_t body_n;
    char how; // the path's first letter: late, early, middle, stream, others at once
    bool cut, owed, gone, paused, lose, refused;
    bool whole; // the first request came to its end
    int heads, begun, finished;
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

static bool is_framing(bytes name) {
    static const char *const names[] = {"Content-Length", "Transfer-Encoding",
                                        "Connection",     "Proxy-Connection",
                                        "Expect",         "Upgrade"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (bytes_equal_nocase(name, bytes_of(names[i])))
            return true;
    return false;
}

static void trace_head(struct text *out, const struct http_request *q, bool framing) {
    const bytes line[] = {q->method, q->target, q->path, q->query};
    text_adds(out, "\nhead");
    for (size_t i = 0; i < sizeof line / sizeof line[0]; i++) {
        text_addc(out, ' ');
        text_add(out, line[i]);
    }
    for (size_t i = 0; i < q->header_count; i++) {
        if (!framing && is_framing(q->headers[i].name))
            continue;
        text_addc(out, '\n');
        text_add(out, q->headers[i].name);
        text_addc(out, ':');
        text_add(out, q->headers[i].value);
    }
    text_adds(out, "\nbody ");
}

static void write_plain(struct run *r, const struct http_request *q) {
    text_add(&r->plain, q->method);
    text_addc(&r->plain, ' ');
    text_add(&r->plain, q->target);
    text_adds(&r->plain, " HTTP/1.1\r\n");
    for (size_t i = 0; i < q->header_count; i++) {
        bytes value = q->headers[i].value;
        if (is_framing(q->headers[i].name))
            continue;
        text_add(&r->plain, q->headers[i].name);
        text_adds(&r->plain, ": ");
        text_add(&r->plain, fuzz_planted("value") ? bytes_cut(&value, ',') : value);
        text_adds(&r->plain, "\r\n");
    }
}

static enum http_verdict on_head(void *ctx, struct session *s, const struct http_request *q,
                                 void **request_ctx) {
    struct run *r = ctx;
    bytes host;
    *request_ctx = r;
    ensure(q->header_count <= HTTP_HEADERS_MAX);
    trace_head(&r->trace, q, true);
    if (r->heads++ == 0 && http_header_get(q, "Host", &host, NULL)) { // HTTP/1.0 may have none
        trace_head(&r->first, q, false);
        write_plain(r, q);
    }
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
    if (r->heads == 1)
        text_add(&r->first, piece);
    r->body_n += piece.n;
    ensure(r->body_n <= limits[0].body_max);
    if (enough)
        session_answer(s, 400, B("text/plain"), NULL, 0, B("enough"));
    return !enough;
}

static void on_complete(void *request_ctx, struct session *s) {
    struct run *r = request_ctx;
    text_adds(&r->trace, "\ncomplete");
    r->whole = r->whole || (r->heads == 1 && r->plain.n > 0);
    if (r->heads == 1 && r->body_n > 0)
        text_addf(&r->plain, "Content-Length: %zu\r\n", r->body_n);
    if (fuzz_planted("budget") && r->body_n > 7)
        ensure(http_budget_take(&r->budget, 1));
    r->owed = true;
    if (r->how != 'l')
        answer(r);
}

static void on_finished(void *request_ctx) {
    struct run *r = request_ctx;
    r->finished += !(fuzz_planted("unfinished") && r->how == 'l');
    r->owed = false;
}

// What breaks two rules may be refused for either.
static void on_refused(void *ctx, enum http_refusal why) {
    struct run *r = ctx;
    text_adds(&r->trace, "\nrefused");
    r->refused = true;
}

static const struct http_handler handler = {on_head, on_body, on_complete, on_finished, on_refused};

static void out_write(void *ctx, bytes b) {
    struct run *r = ctx;
    ensure(!r->gone);
    // Whether it is wanted depends on what of the body was there already.
    if (!bytes_starts(b, B("HTTP/1.1 100")) && !r->lose && !r->refused)
        text_add(&r->answers, b);
}

static void out_close(void *ctx, int64_t linger_ms) { ((struct run *)ctx)->gone = true; }

static void out_pause(void *ctx, bool pause) { ((struct run *)ctx)->paused = pause; }

static size_t out_unsent(void *ctx) { return 0; }

static const struct http_out out = {out_write, out_close, out_pause, out_unsent};

static void answer_owed(struct run *r) {
    while (r->owed) {
        r->lose = fuzz_planted("answer") && r->paused && r->cut;
        answer(r);
        r->lose = false;
    }
}

static void play(struct run *r, const struct http_limits *l, bytes wire) {
    r->now = 1000000;
    r->budget.max = 1 << 20;
    r->session = session_open(l, &handler, r, &out, r, &r->budget, r->now);
    while (wire.n > 0 && !r->gone) {
        size_t n = r->cut ? 1 + random_below(&r->random, 40) : wire.n;
        if (r->cut && r->paused)
            answer_owed(r);
        session_data(r->session, bytes_slice(wire, 0, n), r->now);
        if (fuzz_planted("lost") && r->cut && n < wire.n && wire.p[n - 1] == '\r')
            n++;
        wire = bytes_slice(wire, n, wire.n);
        if (r->cut && random_below(&r->random, 3) == 0)
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

static void drop(struct run *r) {
    text_drop(&r->trace);
    text_drop(&r->answers);
    text_drop(&r->first);
    text_drop(&r->plain);
}

static void check_plain(const struct run *r) {
    OWN(drop)
    struct run again = {0};
    OWN(text_drop)
    struct text wire = {0};
    text_add(&wire, text_bytes(&r->plain));
    text_adds(&wire, "\r\n");
    bytes first = text_bytes(&r->first);
    text_add(&wire, bytes_slice(first, bytes_search(first, B("\nbody ")) + 6, first.n));
    play(&again, &limits[1], text_bytes(&wire));
    ensure(again.whole && bytes_equal(text_bytes(&again.first), first));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    bytes in = bytes_from(p, n);
    OWN(drop)
    struct run whole = {0};
    OWN(drop)
    struct run pieces = {.random = fuzz_number(&in, 8), .cut = true};
    play(&whole, &limits[0], in);
    play(&pieces, &limits[0], in);
    ensure(bytes_equal(text_bytes(&whole.trace), text_bytes(&pieces.trace)));
    ensure(bytes_equal(text_bytes(&whole.answers), text_bytes(&pieces.answers)));
    if (whole.whole)
        check_plain(&whole);
    return 0;
}
