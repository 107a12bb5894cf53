// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "http/session_inner.h"

static const struct {
    int status;
    const char *error;
} refusals[] = {
    [HTTP_MALFORMED] = {400, "malformed HTTP request"},
    [HTTP_HEAD_LARGE] = {431, "the head, or what frames the chunks, is larger than allowed"},
    [HTTP_BODY_LARGE] = {413, "the body is larger than allowed"},
    [HTTP_SLOW] = {408, "the request came too slowly"},
    [HTTP_EXPECTATION] = {417, "no expectation but 100-continue can be met"},
    [HTTP_NO_MEMORY] = {503, "too many requests at once; send it again"},
    [HTTP_PEER_LEFT] = {400, "the request ended before it was whole"},
    [HTTP_LATE] = {503, "no answer could be given in time; send it again"},
};

void session_refuse(struct session *s, enum http_refusal why) {
    session_refuse_as(s, why, refusals[why].status, refusals[why].error);
}

static struct session *session_of(llhttp_t *p) { return p->data; }

static int stop(struct session *s, enum http_refusal why) {
    s->refusing = true;
    s->refusal = why;
    return HPE_USER;
}

static int stop_unless(struct session *s, enum head_end end) {
    if (end == HEAD_FITS)
        return 0;
    return stop(s, end == HEAD_NO_MEMORY ? HTTP_NO_MEMORY : HTTP_HEAD_LARGE);
}

static int on_url(llhttp_t *p, const char *at, size_t n) {
    struct session *s = session_of(p);
    bytes piece = bytes_from(at, n);
    return stop_unless(s, head_add_target(&s->head, s->budget, s->limits->head_max, piece));
}

// In the trailer too, where nothing is kept.
static int on_header_field(llhttp_t *p, const char *at, size_t n) {
    struct session *s = session_of(p);
    if (s->input != INPUT_HEAD)
        return 0;
    bytes piece = bytes_from(at, n);
    return stop_unless(s, head_add_name(&s->head, s->budget, s->limits->head_max, piece));
}

static int on_header_field_complete(llhttp_t *p) {
    struct session *s = session_of(p);
    if (s->input == INPUT_HEAD)
        head_end_name(s->head);
    return 0;
}

static int on_header_value(llhttp_t *p, const char *at, size_t n) {
    struct session *s = session_of(p);
    if (s->input != INPUT_HEAD)
        return 0;
    bytes piece = bytes_from(at, n);
    return stop_unless(s, head_add_value(&s->head, s->budget, s->limits->head_max, piece));
}

static int on_headers_complete(llhttp_t *p) {
    p->upgrade = 0; // no upgrade is ever accepted: what follows is the body, as framed
    return HPE_PAUSED;
}

static int on_chunk_header(llhttp_t *p) {
    struct session *s = session_of(p);
    if (p->content_length > s->limits->body_max - s->body_n)
        return stop(s, HTTP_BODY_LARGE);
    return 0;
}

// What a chunk's frame has beyond its usual size counts towards head_max: extensions, leading
// zeros, trailers.
static bool framing_fits(const struct session *s, size_t gap) {
    size_t excess = gap > FRAMING_FREE ? gap - FRAMING_FREE : 0;
    return s->framing_n + excess <= s->limits->head_max;
}

static int on_body(llhttp_t *p, const char *at, size_t n) {
    struct session *s = session_of(p);
    size_t gap = s->gap_n + (size_t)((const uint8_t *)at - s->mark);
    if (!framing_fits(s, gap))
        return stop(s, HTTP_HEAD_LARGE);
    s->framing_n += gap > FRAMING_FREE ? gap - FRAMING_FREE : 0;
    s->gap_n = 0;
    s->mark = (const uint8_t *)at + n;
    if (n > s->limits->body_max - s->body_n)
        return stop(s, HTTP_BODY_LARGE);
    s->body_n += n;
    if (s->discard_left != UINT64_MAX)
        s->discard_left -= n;
    s->in_handler = true;
    bool more = s->handler->body(s->request_ctx, s, bytes_from(at, n));
    s->in_handler = false;
    ensure(more == (s->output == OUTPUT_OWED) || s->gone);
    return more && !s->gone ? 0 : HPE_USER;
}

static int on_message_complete(llhttp_t *p) { return HPE_PAUSED; }

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_chunk_header = on_chunk_header,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

// False if no request can begin yet: the peer does not read what it has asked for.
static bool begin_request(struct session *s, bytes *b) {
    while (b->n > 0 && (b->p[0] == '\r' || b->p[0] == '\n') && s->blank_n < BLANK_MAX) {
        s->blank_n++;
        *b = bytes_slice(*b, 1, b->n);
    }
    if (b->n == 0)
        return true;
    s->held = s->out->unsent(s->out_ctx) > HTTP_UNSENT_HOLD;
    if (s->held)
        return false;
    s->head_n = s->gap_n = s->framing_n = 0;
    s->body_n = 0;
    s->discard_left = UINT64_MAX;
    s->refusing = s->wants_continue = s->bodiless = s->old = false;
    s->keep = true;
    s->head = head_open(s->budget, s->limits->head_max);
    if (s->head == NULL) {
        session_refuse(s, HTTP_NO_MEMORY);
        return true;
    }
    llhttp_init(&s->parser, HTTP_REQUEST, &settings);
    s->parser.data = s;
    s->input = INPUT_HEAD;
    session_arm(s);
    return true;
}

static bool known_version(const struct session *s) {
    return s->parser.http_major == 1 && s->parser.http_minor <= 1;
}

static void refuse_parse(struct session *s, llhttp_errno_t e) {
    if (s->refusing)
        session_refuse(s, s->refusal);
    else if (e == HPE_PAUSED_H2_UPGRADE || (e == HPE_INVALID_VERSION && !known_version(s)))
        session_refuse_as(s, HTTP_MALFORMED, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    else
        session_refuse(s, HTTP_MALFORMED);
}

static bool bad_coding(const struct http_request *r, bool old) {
    bytes coding;
    bool twice;
    if (!http_header_get(r, "Transfer-Encoding", &coding, &twice))
        return twice;
    return old || r->has_length || !bytes_equal_nocase(coding, B("chunked"));
}

// RFC 9112 §3.2: exactly one Host; a request of HTTP/1.0 may have none.
static bool bad_host(const struct http_request *r, bool old) {
    bytes host;
    bool twice;
    return !http_header_get(r, "Host", &host, &twice) && (twice || !old);
}

static bool bad_expect(struct session *s, const struct http_request *r) {
    bytes expect;
    bool twice;
    bool there = http_header_get(r, "Expect", &expect, &twice);
    if (s->old || (!there && !twice))
        return false;
    if (twice || !bytes_equal_nocase(expect, B("100-continue")))
        return true;
    s->wants_continue = true;
    return false;
}

// Reads what the parser knows of the head. False: refused.
static bool admit_head(struct session *s) {
    struct http_request *r = &s->head->request;
    r->method = bytes_of(llhttp_method_name((llhttp_method_t)s->parser.method));
    r->has_length = (s->parser.flags & F_CONTENT_LENGTH) != 0;
    r->length = r->has_length ? s->parser.content_length : 0;
    r->old = s->old = s->parser.http_minor == 0;
    s->bodiless = s->parser.method == HTTP_HEAD;
    s->keep = llhttp_should_keep_alive(&s->parser) != 0;
    if (r->has_length)
        s->discard_left = r->length;
    if (!known_version(s))
        refuse_parse(s, HPE_INVALID_VERSION);
    else if (!head_finish(s->head) || bad_coding(r, s->old) || bad_host(r, s->old))
        session_refuse(s, HTTP_MALFORMED);
    else if (bad_expect(s, r))
        session_refuse(s, HTTP_EXPECTATION);
    else if (r->length > s->limits->body_max)
        session_refuse(s, HTTP_BODY_LARGE);
    else
        return true;
    return false;
}

static void complete(struct session *s) {
    s->input = INPUT_WHOLE;
    session_arm(s);
    s->in_handler = true;
    s->handler->complete(s->request_ctx, s);
    s->in_handler = false;
    session_settle(s);
}

static void begin_body(struct session *s) {
    if (!admit_head(s))
        return;
    bool has_body = (s->parser.flags & F_CHUNKED) != 0 || s->head->request.length > 0;
    s->wants_continue = s->wants_continue && has_body;
    s->input = has_body ? INPUT_BODY : INPUT_WHOLE;
    s->output = OUTPUT_OWED;
    session_arm(s);
    s->in_handler = true;
    s->request_ctx = NULL;
    enum http_verdict verdict =
        s->handler->head(s->handler_ctx, s, &s->head->request, &s->request_ctx);
    s->in_handler = false;
    s->has_ctx = verdict == HTTP_READ_BODY;
    bool answered = s->output == OUTPUT_GIVEN || s->output == OUTPUT_TAKEN;
    ensure((verdict == HTTP_ANSWERED) == answered);
    if (s->gone || verdict == HTTP_ANSWERED)
        session_settle(s);
    else if (!has_body)
        complete(s);
}

// Parses one piece of a head; returns what lies behind it.
static bytes feed_head(struct session *s, bytes b) {
    bytes slice = bytes_slice(b, 0, s->limits->head_max - s->head_n);
    llhttp_errno_t e = llhttp_execute(&s->parser, (const char *)slice.p, slice.n);
    if (e == HPE_OK) {
        s->head_n += slice.n;
        if (s->head_n == s->limits->head_max)
            session_refuse(s, HTTP_HEAD_LARGE);
        return bytes_slice(b, slice.n, b.n);
    }
    size_t used = (size_t)((const uint8_t *)llhttp_get_error_pos(&s->parser) - slice.p);
    if (e == HPE_PAUSED) {
        llhttp_resume(&s->parser);
        begin_body(s);
    } else {
        refuse_parse(s, e);
    }
    return bytes_slice(b, used, b.n);
}

static bytes feed_body(struct session *s, bytes b) {
    s->mark = b.p;
    llhttp_errno_t e = llhttp_execute(&s->parser, (const char *)b.p, b.n);
    const uint8_t *end = b.p + b.n;
    if (s->gone)
        return NO_BYTES;
    if (s->output != OUTPUT_OWED) { // answered in the middle: the rest is not wanted
        bytes rest = bytes_from(s->mark, (size_t)(end - s->mark));
        session_settle(s);
        return rest;
    }
    const uint8_t *stopped = e == HPE_OK ? end : (const uint8_t *)llhttp_get_error_pos(&s->parser);
    s->gap_n += (size_t)(stopped - s->mark);
    if ((e == HPE_OK || e == HPE_PAUSED) && !framing_fits(s, s->gap_n))
        session_refuse(s, HTTP_HEAD_LARGE);
    else if (e == HPE_PAUSED)
        complete(s);
    else if (e != HPE_OK)
        refuse_parse(s, e);
    return bytes_from(stopped, (size_t)(end - stopped));
}

static void discard(struct session *s, size_t n) {
    s->discard_n += n;
    if (s->discard_n < s->discard_left && s->discard_n <= LINGER_MAX) {
        session_arm(s);
        return;
    }
    s->input = INPUT_WHOLE;
    if (s->output == OUTPUT_NONE)
        session_shut(s);
}

// Takes as much as can be used now; returns the rest.
static bytes consume(struct session *s, bytes b) {
    s->running = true;
    bool more = true;
    while (more && b.n > 0 && !s->gone) {
        switch (s->input) {
        case INPUT_IDLE: more = begin_request(s, &b); break;
        case INPUT_HEAD: b = feed_head(s, b); break;
        case INPUT_BODY: b = feed_body(s, b); break;
        case INPUT_WHOLE: more = false; break;
        case INPUT_DISCARD:
            discard(s, b.n);
            b = NO_BYTES;
            break;
        case INPUT_TAKEN:
            s->taker->data(s->taker_ctx, b);
            b = NO_BYTES;
            break;
        case INPUT_CLOSED: b = NO_BYTES; break;
        }
    }
    s->running = false;
    if (!s->gone && s->input == INPUT_BODY && s->wants_continue) {
        s->wants_continue = false;
        if (s->body_n == 0 && s->gap_n == 0)
            s->out->write(s->out_ctx, B("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    return b;
}

void session_drop_waiting(struct session *s) {
    if (s->waiting.cap > 0)
        http_budget_give(s->budget, s->waiting.cap);
    free(s->waiting.p);
    s->waiting = (struct waiting){0};
}

static bool wait_room(struct session *s, size_t n) {
    struct waiting *w = &s->waiting;
    if (w->n + n <= w->cap)
        return true;
    size_t cap = w->n + n;
    if (cap > HTTP_WAITING_MAX || !http_budget_take(s->budget, cap - w->cap))
        return false;
    w->p = memory_grow(w->p, cap, 1);
    w->cap = cap;
    return true;
}

static void keep_waiting(struct session *s, bytes b) {
    if (!s->keep)
        return; // the connection ends with the answer under way
    if (!wait_room(s, b.n)) {
        session_drop_waiting(s);
        s->keep = false;
        if (s->output == OUTPUT_NONE)
            session_shut(s);
        return;
    }
    memcpy(s->waiting.p + s->waiting.n, b.p, b.n);
    s->waiting.n += b.n;
    if (!s->paused) {
        s->paused = true;
        s->out->pause(s->out_ctx, true);
    }
}

// No more bytes will come and none wait.
static void at_end(struct session *s) {
    switch (s->input) {
    case INPUT_IDLE: session_shut(s); break;
    case INPUT_HEAD:
    case INPUT_BODY: session_refuse(s, HTTP_PEER_LEFT); break;
    case INPUT_DISCARD:
    case INPUT_WHOLE:
        if (s->output == OUTPUT_STREAM)
            session_cut(s);
        else if (s->output == OUTPUT_NONE)
            session_shut(s);
        break;
    case INPUT_TAKEN: s->taker->end(s->taker_ctx); break;
    case INPUT_CLOSED: break;
    }
}

void session_resume(struct session *s) {
    if (s->running || s->gone)
        return;
    struct waiting *w = &s->waiting;
    s->held = false;
    if (w->at < w->n) {
        bytes rest = consume(s, bytes_from(w->p + w->at, w->n - w->at));
        if (s->gone || s->input == INPUT_CLOSED)
            return;
        w->at = w->n - rest.n;
        if (rest.n > 0)
            return;
    }
    session_drop_waiting(s);
    if (s->ended) {
        at_end(s);
    } else if (s->paused) {
        s->paused = false;
        s->out->pause(s->out_ctx, false);
    }
}

void session_data(struct session *s, bytes b, int64_t now_us) {
    ensure(!s->running);
    session_enter_at(s, now_us);
    if (!s->gone && s->input != INPUT_CLOSED) {
        if (s->waiting.n > 0) {
            keep_waiting(s, b);
        } else {
            bytes rest = consume(s, b);
            if (rest.n > 0 && !s->gone)
                keep_waiting(s, rest);
        }
    }
    session_leave(s);
}

void session_end(struct session *s, int64_t now_us) {
    ensure(!s->running);
    session_enter_at(s, now_us);
    s->ended = true;
    if (!s->gone && s->waiting.n == s->waiting.at)
        at_end(s);
    session_leave(s);
}
