// SPDX-License-Identifier: MIT
// The carrier of kind command, mode stream, and of kind plugin, whose workers are ours
// (plugin/host.h): a line to a process that stays, and a line back.
#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "dispatch/attempt.h"
#include "dispatch/pool.h"

// Of a handler's sentence, so many bytes.
#define ERROR_MAX 400

struct stream_channel {
    struct channel channel;
    struct program program;
    struct pool *pool;
    size_t counted; // of its processes, in dispatch.staying
};

static struct stream_channel *stream_of(struct channel *c) {
    return CONTAINER(c, struct stream_channel, channel);
}

// What dispatch knows of the pool is made to fit it. The channel stays while a process does.
static void follow(struct stream_channel *s) {
    struct dispatch *d = s->channel.dispatch;
    size_t size = pool_size(s->pool), before = s->counted;
    d->staying = d->staying - before + size;
    s->counted = size;
    s->channel.due_at = pool_due(s->pool);
    if (before == 0 && size > 0)
        channel_join(&s->channel);
    if (before > 0 && size == 0)
        channel_leave(&s->channel);
}

static void end(struct stream_channel *s, struct flight *f, struct outcome_record *r) {
    struct attempt *a = CONTAINER(f, struct attempt, flight);
    r->micros = clock_mono_us(a->dispatch->o.clock) - f->began;
    follow(s);
    attempt_ended(a, r);
}

static void on_answered(void *ctx, struct flight *f, const struct frame_answer *answer) {
    OWN(text_drop)
    struct text sentence = {0};
    struct outcome_record r = {.outcome = answer->outcome};
    if (answer->outcome != OUTCOME_DONE) {
        r.retry_after_ms = answer->retry_after_ms;
        text_addf(&sentence, "answered %s", outcome_name(answer->outcome));
        if (answer->error.n > 0)
            text_adds(&sentence, ": ");
        text_add_printable(&sentence, answer->error, ERROR_MAX);
    }
    r.error = text_bytes(&sentence);
    end(ctx, f, &r);
}

static void on_failed(void *ctx, struct flight *f, bytes why, bytes tail) {
    end(ctx, f, &(struct outcome_record){.outcome = OUTCOME_FAILED, .error = why, .answer = tail});
}

static void on_put_off(void *ctx, struct flight *f) {
    end(ctx, f,
        &(struct outcome_record){.outcome = OUTCOME_NOT_YET,
                                 .error = B("its worker exited with 0, to be replaced: not yet")});
}

static void on_changed(void *ctx) {
    struct stream_channel *s = ctx;
    struct dispatch *d = s->channel.dispatch;
    follow(s);
    dispatch_wish_wake(d);
}

static struct channel *stream_open(struct dispatch *d, const struct target *t) {
    static const struct pool_owner owner = {on_answered, on_failed, on_put_off, on_changed};
    struct stream_channel *s = NEW(struct stream_channel);
    channel_init(&s->channel, &carrier_stream, d);
    program_init(&s->program, &d->o, t);
    s->pool = pool_open(&s->program, &(struct pool_options){
                                         .clock = d->o.clock,
                                         .workers = t->handler.workers,
                                         .one_each = t->kind == KIND_PLUGIN,
                                         .timeout_ms = t->timeout_ms,
                                         .restart_ms = t->handler.restart_ms,
                                         .restart_count = t->handler.restart_count,
                                         .owner = &owner,
                                         .ctx = s,
                                     });
    return &s->channel;
}

static void stream_drop(struct channel *c) {
    struct stream_channel *s = stream_of(c);
    c->dispatch->staying -= s->counted;
    pool_close(s->pool);
    program_drop(&s->program);
    free(s);
}

static bool stream_ready(const struct channel *c) {
    return pool_ready(stream_of((struct channel *)(uintptr_t)c)->pool);
}

static void stream_begin(struct channel *c, struct attempt *a) {
    struct stream_channel *s = stream_of(c);
    const struct job *job = a->job;
    pool_send(s->pool, &a->flight,
              &(struct frame_event){
                  .delivery = job->delivery,
                  .attempt = job->attempt,
                  .destination = s->program.voice.destination,
                  .event = job->event_id,
                  .type = job->type,
                  .account = job->account,
                  .livemode = job->livemode,
                  .payload = job->body,
              });
    follow(s);
}

static void stream_cancel(struct channel *c, struct attempt *a) {
    pool_cancel(stream_of(c)->pool, &a->flight);
}

static void stream_tick(struct channel *c) {
    struct stream_channel *s = stream_of(c);
    // The last of its attempts may take the channel along.
    channel_join(c);
    pool_tick(s->pool);
    follow(s);
    channel_leave(c);
}

static void stream_retire(struct channel *c) {
    pool_retire(stream_of(c)->pool);
    follow(stream_of(c));
}

static void stream_cut(struct channel *c) {
    ensure(c->users == 1); // its processes
    channel_leave(c);
}

const struct carrier carrier_stream = {
    .open = stream_open,
    .ready = stream_ready,
    .begin = stream_begin,
    .cancel = stream_cancel,
    .tick = stream_tick,
    .retire = stream_retire,
    .cut = stream_cut,
    .drop = stream_drop,
};
