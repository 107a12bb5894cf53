// SPDX-License-Identifier: MIT
// The carrier of kind command, mode oneshot: a process an attempt. It gets the stored bytes on its
// standard input and the facts in its environment; how it exits is the outcome.
#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "dispatch/attempt.h"
#include "dispatch/program.h"

#define NOT_YET_STATUS 75 // EX_TEMPFAIL of sysexits.h
// What its keeper could not kill so long after its grace is let go of.
#define UNKILLABLE_MS 5000
#define FACTS 7

struct oneshot_channel {
    struct channel channel;
    struct program program;
    int64_t timeout_ms;
    // Attempts under way by when they are looked at next: those that may run, those asked to end.
    struct list running, stopping;
};

struct oneshot_attempt {
    struct list link;
    struct attempt *attempt;
    struct process *process;
    int64_t began, due_at; // monotonic µs
    bool stopped;
    struct output out, err;
};

static struct oneshot_channel *oneshot_of(struct channel *c) {
    return CONTAINER(c, struct oneshot_channel, channel);
}

static struct channel *oneshot_open(struct dispatch *d, const struct target *t) {
    struct oneshot_channel *o = NEW(struct oneshot_channel);
    channel_init(&o->channel, &carrier_oneshot, d);
    program_init(&o->program, &d->o, t);
    o->timeout_ms = t->timeout_ms;
    list_init(&o->running);
    list_init(&o->stopping);
    return &o->channel;
}

static void oneshot_drop(struct channel *c) {
    struct oneshot_channel *o = oneshot_of(c);
    program_drop(&o->program);
    free(o);
}

static void set_due(struct oneshot_channel *o) {
    const struct list *const both[] = {&o->running, &o->stopping};
    o->channel.due_at = 0;
    for (size_t i = 0; i < 2; i++) {
        if (list_empty(both[i]))
            continue;
        int64_t at = CONTAINER(both[i]->next, struct oneshot_attempt, link)->due_at;
        if (o->channel.due_at == 0 || at < o->channel.due_at)
            o->channel.due_at = at;
    }
}

static void one_free(struct oneshot_channel *o, struct oneshot_attempt *one) {
    list_remove(&one->link);
    output_drop(&one->out);
    output_drop(&one->err);
    free(one);
    set_due(o);
}

static enum outcome outcome_of(const struct oneshot_attempt *one, const struct process_end *end) {
    if (one->stopped || end->failed != NULL || end->signal != 0)
        return OUTCOME_FAILED;
    return end->status == 0                ? OUTCOME_DONE
           : end->status == NOT_YET_STATUS ? OUTCOME_NOT_YET
                                           : OUTCOME_FAILED;
}

static void say_outcome(const struct oneshot_channel *o, const struct oneshot_attempt *one,
                        const struct process_end *end, enum outcome outcome, struct text *out) {
    if (outcome == OUTCOME_DONE)
        return;
    if (one->stopped) {
        text_adds(out, "no end within ");
        text_add_duration(out, o->timeout_ms);
        text_adds(out, ": ");
    }
    process_say_end(end, out);
    if (outcome == OUTCOME_NOT_YET)
        text_adds(out, ": not yet");
}

static void on_wrote(void *ctx, enum process_stream stream, bytes piece) {
    struct oneshot_attempt *one = ctx;
    struct output *o = stream == PROCESS_OUT ? &one->out : &one->err;
    o->pid = one->attempt->dispatch->o.processes->pid(one->process);
    if (piece.n > 0)
        output_add(o, piece);
    else
        output_end(o);
}

static void on_ended(void *ctx, const struct process_end *end) {
    struct oneshot_attempt *one = ctx;
    struct attempt *a = one->attempt;
    struct oneshot_channel *o = oneshot_of(a->channel);
    OWN(text_drop)
    struct text sentence = {0}, tail = {0};
    struct outcome_record r = {
        .outcome = outcome_of(one, end),
        .micros = clock_mono_us(a->dispatch->o.clock) - one->began,
    };
    say_outcome(o, one, end, r.outcome, &sentence);
    if (r.outcome != OUTCOME_DONE)
        text_add(&tail, output_tail(&one->err));
    r.error = text_bytes(&sentence);
    r.answer = text_bytes(&tail);
    one_free(o, one);
    attempt_ended(a, &r);
}

static void add_fact(struct text *t, const char *name, bytes value) {
    text_adds(t, name);
    text_add(t, value);
}

static struct process *start(struct oneshot_channel *o, struct oneshot_attempt *one) {
    static const struct process_owner owner = {on_wrote, on_ended};
    const struct job *job = one->attempt->job;
    struct text facts[FACTS] = {0};
    add_fact(&facts[0], "HOOKKEEP_EVENT=", job->event_id);
    add_fact(&facts[1], "HOOKKEEP_TYPE=", job->type);
    add_fact(&facts[2], "HOOKKEEP_ACCOUNT=", job->account);
    add_fact(&facts[3], "HOOKKEEP_LIVEMODE=", job->livemode ? B("true") : B("false"));
    add_fact(&facts[4], "HOOKKEEP_DESTINATION=", o->program.voice.destination);
    text_addf(&facts[5], "HOOKKEEP_ATTEMPT=%u", job->attempt);
    text_addf(&facts[6], "HOOKKEEP_DELIVERY=%llu", (unsigned long long)job->delivery);
    struct process *p = program_start(&o->program, facts, FACTS, &owner, one);
    for (size_t i = 0; i < FACTS; i++)
        text_drop(&facts[i]);
    return p;
}

static void oneshot_begin(struct channel *c, struct attempt *a) {
    struct oneshot_channel *o = oneshot_of(c);
    struct processes *door = o->program.processes;
    struct oneshot_attempt *one = NEW(struct oneshot_attempt);
    one->attempt = a;
    one->out = (struct output){.voice = &o->program.voice, .stream = "stdout"};
    one->err = (struct output){.voice = &o->program.voice, .stream = "stderr"};
    one->began = clock_mono_us(a->dispatch->o.clock);
    one->due_at = one->began + o->timeout_ms * 1000;
    list_push(&o->running, &one->link);
    a->oneshot = one;
    one->process = start(o, one);
    struct text body = {0};
    text_add(&body, a->job->body);
    door->write(one->process, &body);
    door->close_input(one->process);
    set_due(o);
}

static void oneshot_cancel(struct channel *c, struct attempt *a) {
    struct oneshot_channel *o = oneshot_of(c);
    o->program.processes->forget(a->oneshot->process);
    one_free(o, a->oneshot);
}

static struct oneshot_attempt *first_due(const struct list *l, int64_t now) {
    struct oneshot_attempt *one = CONTAINER(l->next, struct oneshot_attempt, link);
    return !list_empty(l) && one->due_at <= now ? one : NULL;
}

static void oneshot_tick(struct channel *c) {
    struct oneshot_channel *o = oneshot_of(c);
    struct processes *door = o->program.processes;
    int64_t now = clock_mono_us(c->dispatch->o.clock);
    struct oneshot_attempt *one;
    while ((one = first_due(&o->running, now)) != NULL) {
        one->stopped = true;
        one->due_at = now + (o->program.spec.grace_ms + UNKILLABLE_MS) * 1000;
        list_remove(&one->link);
        list_push(&o->stopping, &one->link);
        door->stop(one->process, PROCESS_ASK);
    }
    set_due(o);
    // The last of them may take the channel along.
    channel_join(c);
    while ((one = first_due(&o->stopping, now)) != NULL) {
        door->forget(one->process);
        on_ended(one, &(struct process_end){.failed = "it cannot be killed"});
    }
    channel_leave(c);
}

const struct carrier carrier_oneshot = {
    .open = oneshot_open,
    .begin = oneshot_begin,
    .cancel = oneshot_cancel,
    .tick = oneshot_tick,
    .drop = oneshot_drop,
};
