// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "http/answer.h"
#include "http/session_inner.h"

#define JOIN_STACK 4096
#define JOIN_MAX 65536 // larger bodies are written by themselves instead of copied

// Before each write: a peer that has read all of the answer before gets its whole time again.
static void begin_write(struct session *s) {
    if (s->answer_due != NEVER && s->out->unsent(s->out_ctx) == 0)
        s->answer_due = NEVER;
}

static void end_write(struct session *s) {
    if (s->gone || s->answer_due != NEVER || s->out->unsent(s->out_ctx) == 0)
        return;
    s->answer_due = s->fresh ? s->now + s->limits->answer_ms * 1000 : UNARMED;
}

void session_write(struct session *s, const bytes *parts, size_t count) {
    char stack[JOIN_STACK];
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += parts[i].n;
    if (n > JOIN_MAX) {
        for (size_t i = 0; i < count && !s->gone; i++)
            if (parts[i].n > 0)
                s->out->write(s->out_ctx, parts[i]);
        return;
    }
    char *joined = n <= sizeof stack ? stack : memory_grow(NULL, n, 1);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].n > 0)
            memcpy(joined + at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    s->out->write(s->out_ctx, bytes_from(joined, n));
    if (joined != stack)
        free(joined);
}

static void write_answer(struct session *s, struct answer_head *a, bytes body) {
    char stack[1024];
    a->close = !s->keep;
    a->keep_alive = s->old && s->keep;
    size_t room = answer_head_room(a);
    char *head = room <= sizeof stack ? stack : memory_grow(NULL, room, 1);
    size_t n = answer_head_write(a, head);
    begin_write(s);
    session_write(s, (bytes[]){bytes_from(head, n), body}, 2);
    end_write(s);
    if (head != stack)
        free(head);
}

// Decides, before the answer's head goes out, whether the connection outlives it.
static void decide_keep(struct session *s) {
    if (s->input == INPUT_BODY)
        session_discard(s);
    bool last = s->ended && s->waiting.n == s->waiting.at;
    if (s->draining || last)
        s->keep = false;
}

void session_answer(struct session *s, int status, bytes type, const char *const *headers,
                    size_t header_count, bytes body) {
    ensure(s->output == OUTPUT_OWED);
    session_enter(s);
    if (!s->gone && s->input != INPUT_CLOSED) {
        bool no_body = status == 204 || status == 304;
        decide_keep(s);
        struct answer_head a = {.status = status,
                                .type = type,
                                .headers = headers,
                                .header_count = header_count,
                                .framing = no_body ? ANSWER_BARE : ANSWER_SIZED,
                                .body_n = body.n};
        write_answer(s, &a, no_body || s->bodiless ? NO_BYTES : body);
    }
    s->output = OUTPUT_GIVEN;
    session_settle(s);
    session_leave(s);
}

void session_answer_start(struct session *s, int status, bytes type) {
    ensure(s->output == OUTPUT_OWED);
    session_enter(s);
    s->output = OUTPUT_STREAM;
    s->streams_bare = s->old;
    if (s->old)
        s->keep = false;
    if (!s->gone && s->input != INPUT_CLOSED) {
        decide_keep(s);
        struct answer_head a = {
            .status = status, .type = type, .framing = s->old ? ANSWER_BARE : ANSWER_CHUNKED};
        write_answer(s, &a, NO_BYTES);
    }
    session_leave(s);
}

void session_answer_piece(struct session *s, bytes piece) {
    ensure(s->output == OUTPUT_STREAM);
    if (piece.n == 0 || s->bodiless || s->gone || s->input == INPUT_CLOSED)
        return;
    session_enter(s);
    char size[20];
    begin_write(s);
    if (s->streams_bare) {
        session_write(s, &piece, 1);
    } else {
        bytes head = bytes_from(size, answer_chunk_write(piece.n, size));
        session_write(s, (bytes[]){head, piece, B("\r\n")}, 3);
    }
    end_write(s);
    if (!s->gone && s->out->unsent(s->out_ctx) > HTTP_UNSENT_MAX)
        session_cut(s);
    session_leave(s);
}

void session_answer_end(struct session *s) {
    ensure(s->output == OUTPUT_STREAM);
    session_enter(s);
    if (!s->streams_bare && !s->bodiless && !s->gone && s->input != INPUT_CLOSED) {
        begin_write(s);
        s->out->write(s->out_ctx, B("0\r\n\r\n"));
        end_write(s);
    }
    s->output = OUTPUT_GIVEN;
    session_settle(s);
    session_leave(s);
}

void session_upgrade(struct session *s, const char *const *headers, size_t header_count,
                     const struct session_taker *taker, void *ctx) {
    ensure(s->output == OUTPUT_OWED && s->input == INPUT_WHOLE);
    session_enter(s);
    s->taker = taker;
    s->taker_ctx = ctx;
    s->has_ctx = false;
    s->keep = true;
    s->input = INPUT_TAKEN;
    s->output = OUTPUT_TAKEN;
    if (!s->gone) {
        struct answer_head a = {.status = 101,
                                .headers = headers,
                                .header_count = header_count,
                                .framing = ANSWER_BARE};
        write_answer(s, &a, NO_BYTES);
    }
    s->answer_due = NEVER; // how slowly it may be read is the taker's to say
    session_settle(s);
    session_leave(s);
}

size_t session_unsent(const struct session *s) { return s->gone ? 0 : s->out->unsent(s->out_ctx); }

// Refusals need no request under way.
void session_refuse_as(struct session *s, enum http_refusal why, int status, const char *error) {
    static const char *const retry[] = {"Retry-After: 1"};
    char body[256] = "{\"error\":\"";
    size_t n = strlen(body), error_n = strlen(error);
    ensure(n + error_n + 2 <= sizeof body);
    memcpy(body + n, error, error_n);
    memcpy(body + n + error_n, "\"}", 2);
    s->handler->refused(s->handler_ctx, why);
    s->wants_continue = false;
    session_discard(s);
    struct answer_head a = {.status = status,
                            .type = B("application/json"),
                            .headers = retry,
                            .header_count = status == 503 ? 1 : 0,
                            .framing = ANSWER_SIZED,
                            .body_n = n + error_n + 2};
    if (!s->gone)
        write_answer(s, &a, s->bodiless ? NO_BYTES : bytes_from(body, a.body_n));
    s->output = OUTPUT_GIVEN;
    session_settle(s);
}
