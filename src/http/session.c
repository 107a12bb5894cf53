// SPDX-License-Identifier: MIT
#include "http/session.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "http/session_inner.h"

_Static_assert(sizeof(struct session) < 512, "an idle session must cost little");

struct session *session_open(const struct http_limits *limits, const struct http_handler *handler,
                             void *handler_ctx, const struct http_out *out, void *out_ctx,
                             struct http_budget *budget, int64_t now_us) {
    struct session *s = NEW(struct session);
    s->limits = limits;
    s->handler = handler;
    s->handler_ctx = handler_ctx;
    s->out = out;
    s->out_ctx = out_ctx;
    s->budget = budget;
    s->answer_due = NEVER;
    s->keep = true;
    session_enter_at(s, now_us);
    session_arm(s);
    session_leave(s);
    return s;
}

static void finish(struct session *s) {
    head_close(s->head, s->budget);
    s->head = NULL;
    if (!s->has_ctx)
        return;
    s->has_ctx = false;
    s->handler->finished(s->request_ctx);
}

static void drop(struct session *s) {
    if (s->taker != NULL)
        s->taker->gone(s->taker_ctx);
    bool cut_short = s->input == INPUT_HEAD || s->input == INPUT_BODY;
    if (cut_short && !s->draining)
        s->handler->refused(s->handler_ctx, HTTP_PEER_LEFT);
    finish(s);
    session_drop_waiting(s);
    free(s);
}

void session_enter(struct session *s) { s->busy++; }

void session_enter_at(struct session *s, int64_t now_us) {
    s->busy++;
    s->now = now_us;
    s->fresh = true;
}

void session_leave(struct session *s) {
    ensure(s->busy > 0);
    if (--s->busy > 0)
        return;
    s->fresh = false;
    if (s->gone)
        drop(s);
}

void session_close(struct session *s) {
    s->gone = true;
    session_enter(s);
    session_leave(s);
}

void session_shut(struct session *s) {
    if (s->input == INPUT_CLOSED || s->gone)
        return;
    s->input = INPUT_CLOSED;
    session_drop_waiting(s);
    s->out->close(s->out_ctx, s->limits->answer_ms);
}

void session_cut(struct session *s) {
    if (s->input == INPUT_CLOSED || s->gone)
        return;
    s->input = INPUT_CLOSED;
    session_drop_waiting(s);
    s->out->close(s->out_ctx, 0);
    if (s->output != OUTPUT_NONE)
        s->output = OUTPUT_GIVEN;
    session_settle(s);
}

void session_discard(struct session *s) {
    s->input = INPUT_DISCARD;
    s->keep = false;
    s->discard_n = 0;
    s->input_due = UNARMED;
    session_arm(s);
}

void session_release(struct session *s, bool cut) {
    s->taker = NULL;
    s->output = OUTPUT_GIVEN;
    if (cut)
        session_cut(s);
    else
        session_shut(s);
    session_settle(s);
}

void session_settle(struct session *s) {
    if (s->in_handler)
        return;
    if (s->output == OUTPUT_TAKEN) {
        finish(s);
        s->held = !s->running && (s->ended || s->waiting.at < s->waiting.n);
    }
    if (s->output != OUTPUT_GIVEN)
        return;
    s->output = OUTPUT_NONE;
    finish(s);
    if (s->gone || s->input == INPUT_CLOSED)
        return;
    if (s->input == INPUT_DISCARD) {
        if (s->ended || s->discard_left == 0)
            session_shut(s);
        return;
    }
    ensure(s->input == INPUT_WHOLE);
    if (!s->keep || s->draining) {
        session_shut(s);
        return;
    }
    s->input = INPUT_IDLE;
    s->blank_n = 0;
    session_arm(s);
    session_resume(s);
}

static int64_t after(const struct session *s, int64_t ms) { return s->now + ms * 1000; }

int64_t session_after(const struct session *s, int64_t ms) {
    return s->fresh ? after(s, ms) : UNARMED;
}

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

void session_arm(struct session *s) {
    if (!s->fresh) {
        s->input_due = UNARMED;
        return;
    }
    const struct http_limits *l = s->limits;
    switch (s->input) {
    case INPUT_IDLE: s->input_due = after(s, l->idle_ms); break;
    case INPUT_HEAD: s->input_due = after(s, l->head_ms); break;
    case INPUT_BODY:
        s->since = s->now;
        s->input_due = after(s, l->body_ms);
        break;
    case INPUT_DISCARD:
        if (s->input_due == UNARMED)
            s->since = s->now;
        s->input_due = earlier(s->since + l->answer_ms * 1000, s->now + LINGER_QUIET_US);
        break;
    case INPUT_WHOLE: s->input_due = l->owed_ms > 0 ? after(s, l->owed_ms) : NEVER; break;
    case INPUT_TAKEN:
    case INPUT_CLOSED: s->input_due = NEVER; break;
    }
}

// When the body so far falls below the minimum rate.
static int64_t rate_due(const struct session *s) {
    if (s->limits->rate_min == 0)
        return NEVER;
    uint64_t lasts_s = s->body_n / s->limits->rate_min;
    uint64_t rest = s->body_n % s->limits->rate_min;
    int64_t lasts_us = (int64_t)(lasts_s * 1000000 + rest * 1000000 / s->limits->rate_min);
    return s->since + (lasts_us < RATE_GRACE_US ? RATE_GRACE_US : lasts_us + 1);
}

int64_t session_due(const struct session *s) {
    if (s->input == INPUT_CLOSED)
        return NEVER;
    int64_t due = s->input == INPUT_WHOLE && s->output != OUTPUT_OWED ? NEVER : s->input_due;
    if (s->input == INPUT_DISCARD && s->output != OUTPUT_NONE)
        due = NEVER; // a stream is still going out
    if (s->input == INPUT_TAKEN)
        due = s->taker->due(s->taker_ctx);
    if (s->input == INPUT_BODY && due != UNARMED)
        due = earlier(due, rate_due(s));
    if (s->held)
        due = earlier(due, s->now + HOLD_US);
    return earlier(due, s->answer_due);
}

// False if the connection was cut.
static bool watch_answer(struct session *s) {
    if (s->answer_due == NEVER || s->now < s->answer_due)
        return true;
    bool unsent = s->out->unsent(s->out_ctx) > 0;
    if (s->answer_due == UNARMED) {
        s->answer_due = unsent ? after(s, s->limits->answer_ms) : NEVER;
        return true;
    }
    s->answer_due = NEVER;
    if (unsent)
        session_cut(s);
    return !unsent;
}

static void watch_input(struct session *s) {
    if (s->input == INPUT_TAKEN) {
        s->taker->tick(s->taker_ctx);
        return;
    }
    if ((s->input == INPUT_WHOLE && s->output != OUTPUT_OWED) || s->input == INPUT_CLOSED)
        return;
    if (s->input_due == UNARMED) {
        session_arm(s);
        return;
    }
    bool late = s->now >= s->input_due;
    if (s->input == INPUT_BODY)
        late = late || s->now >= rate_due(s);
    if (!late)
        return;
    if (s->input == INPUT_HEAD || s->input == INPUT_BODY)
        session_refuse(s, HTTP_SLOW);
    else if (s->input == INPUT_WHOLE)
        session_refuse(s, HTTP_LATE);
    else if (s->output == OUTPUT_NONE && !s->held)
        session_shut(s);
}

void session_tick(struct session *s, int64_t now_us) {
    session_enter_at(s, now_us);
    if (!s->gone && s->input != INPUT_CLOSED && watch_answer(s)) {
        watch_input(s);
        if (s->held)
            session_resume(s);
    }
    session_leave(s);
}

bool session_idle(const struct session *s) { return s->input == INPUT_IDLE; }

void session_drain(struct session *s) {
    session_enter(s);
    s->draining = true;
    if (s->input == INPUT_IDLE)
        session_shut(s);
    else if (s->input == INPUT_TAKEN)
        s->taker->drain(s->taker_ctx);
    session_leave(s);
}

void session_set_user(struct session *s, void *user) { s->user = user; }

void *session_user(const struct session *s) { return s->user; }

struct http_budget *session_budget(const struct session *s) {
    return s->budget;
}

bytes session_peer(const struct session *s) { return s->peer; }

void session_set_peer(struct session *s, bytes peer) { s->peer = peer; }

bool session_tls(const struct session *s) { return s->tls; }

void session_set_tls(struct session *s, bool tls) { s->tls = tls; }
