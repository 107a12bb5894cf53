// SPDX-License-Identifier: MIT
#include "dispatch/output.h"

#include <string.h>

#include "base/metrics.h"
#include "port/log.h"

#define SECOND_US INT64_C(1000000)
// The tail is cut when it is so much too long, so that not every byte moves it.
#define TAIL_SLACK 4096

bool voice_may_say(struct voice *v, int64_t pid) {
    int64_t now = clock_mono_us(v->clock);
    if (v->second == 0 || now - v->second >= SECOND_US) {
        v->second = now;
        v->said = 0;
    }
    if (v->said++ < v->rate)
        return true;
    metric_add(METRIC_HANDLER_LINES_LOST, 1);
    if (v->said == v->rate + 1 && v->rate > 0)
        log_event(LOG_HANDLER_LOUD, log_b("destination", v->destination), log_i("pid", pid),
                  log_i("log_rate", v->rate));
    return false;
}

static void say(void *ctx, bytes line, bool cut) {
    struct output *o = ctx;
    struct voice *v = o->voice;
    if (line.n > 0 && voice_may_say(v, o->pid))
        log_event(LOG_HANDLER_SAYS, log_b("destination", v->destination), log_i("pid", o->pid),
                  log_s("stream", o->stream), log_b("line", line));
}

static void keep_tail(struct text *t, bytes piece) {
    if (piece.n > OUTCOME_ANSWER_MAX)
        piece = bytes_slice(piece, piece.n - OUTCOME_ANSWER_MAX, piece.n);
    text_add(t, piece);
    if (t->n < OUTCOME_ANSWER_MAX + TAIL_SLACK)
        return;
    memmove(t->p, t->p + t->n - OUTCOME_ANSWER_MAX, OUTCOME_ANSWER_MAX);
    t->n = OUTCOME_ANSWER_MAX;
    t->p[t->n] = '\0';
}

void output_add(struct output *o, bytes piece) {
    o->lines.max = OUTPUT_LINE_MAX;
    keep_tail(&o->tail, piece);
    frame_lines_add(&o->lines, piece, say, o);
}

void output_end(struct output *o) { frame_lines_end(&o->lines, say, o); }

bytes output_tail(const struct output *o) {
    bytes all = text_bytes(&o->tail);
    return bytes_slice(all, all.n > OUTCOME_ANSWER_MAX ? all.n - OUTCOME_ANSWER_MAX : 0, all.n);
}

void output_drop(struct output *o) {
    frame_lines_drop(&o->lines);
    text_drop(&o->tail);
}
