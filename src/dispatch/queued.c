// SPDX-License-Identifier: MIT
// The carrier of the kinds that are queues (queue/queue.h). Each channel has a thread, which takes
// all that was begun since it last looked and pushes it at once: the more a round trip or a sync
// takes, the more goes with it. An attempt is lent to the thread whole; nothing here touches it
// until it comes back by mail.
#include <stdatomic.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "dispatch/attempt.h"
#include "port/thread.h"
#include "stripe/event.h"

// Most that go in one push: bounds the memory that a batch is written into.
#define BATCH_MAX 256
#define TARGET_MEMORY_MAX (1u << 20)

struct queued_channel {
    struct channel channel;
    struct arena memory; // of target
    struct queue_target target;
    bytes name;
    char *ca_file;
    struct mailbox *box;
    struct thread *thread;
    struct mail end;
    atomic_bool stop;
    struct queue *queue; // the thread's
};

enum queued_mail { QUEUED_PUSH, QUEUED_END };

static struct queued_channel *queued_of(struct channel *c) {
    return CONTAINER(c, struct queued_channel, channel);
}

static struct attempt *attempt_of(struct mail *m) {
    return CONTAINER(m, struct attempt, queued.mail);
}

static void push_batch(struct queued_channel *o, struct attempt **batch, size_t n) {
    struct queue_job *jobs[BATCH_MAX];
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        jobs[i] = &batch[i]->queued.job;
    queue_push(o->queue, jobs, n);
    for (size_t i = 0; i < n; i++)
        mailbox_post(batch[i]->dispatch->o.mailbox, &batch[i]->queued.mail);
}

static void run(void *ctx) {
    struct queued_channel *o = ctx;
    bool ended = false;
    while (!ended) {
        struct attempt *batch[BATCH_MAX];
        size_t n = 0;
        (void)mailbox_wait(o->box, -1);
        for (struct mail *m = mailbox_drain(o->box), *next; m != NULL; m = next) {
            next = m->next;
            if (m == &o->end) {
                ended = true;
                continue;
            }
            struct attempt *a = attempt_of(m);
            m->kind = DISPATCH_PUSHED;
            batch[n++] = a;
            if (n == BATCH_MAX) {
                push_batch(o, batch, n);
                n = 0;
            }
        }
        push_batch(o, batch, n);
    }
    queue_close(o->queue);
    o->queue = NULL;
}

static void copy_target(struct queued_channel *o, const struct queue_target *t) {
    struct queue_target *own = &o->target;
    *own = *t;
    bytes *all[] = {&own->url,   &own->password, &own->stream, &own->list,
                    &own->queue, &own->prefix,   &own->path};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        *all[i] = arena_copy(&o->memory, *all[i]);
}

static struct channel *queued_open(struct dispatch *d, const struct target *t) {
    struct queued_channel *o = NEW(struct queued_channel);
    channel_init(&o->channel, &carrier_queued, d);
    arena_init(&o->memory, TARGET_MEMORY_MAX);
    copy_target(o, &t->queue);
    o->name = arena_copy(&o->memory, t->name);
    o->ca_file = d->o.ca_file == NULL ? NULL : bytes_strdup(bytes_of(d->o.ca_file));
    o->box = mailbox_open(NULL, NULL);
    o->queue = queue_open(&(struct queue_options){
        .target = &o->target,
        .ca_file = o->ca_file,
        .timeout_ms = t->timeout_ms,
        .stop = &o->stop,
    });
    return &o->channel;
}

// Once it has returned, all that the thread had has been posted back.
static void queued_halt(struct channel *c) {
    struct queued_channel *o = queued_of(c);
    if (o->thread == NULL)
        return;
    atomic_store(&o->stop, true);
    mailbox_post(o->box, &o->end);
    thread_join(o->thread);
    o->thread = NULL;
}

static void queued_drop(struct channel *c) {
    struct queued_channel *o = queued_of(c);
    queued_halt(c);
    queue_close(o->queue);
    mailbox_close(o->box);
    memory_wipe((void *)(uintptr_t)o->target.password.p, o->target.password.n);
    arena_drop(&o->memory);
    free(o->ca_file);
    free(o);
}

static int64_t created_of(bytes body) {
    OWN(event_drop)
    struct event e = {0};
    return event_parse(body, &e, NULL) == OK ? e.created : 0;
}

// The thread is started with its first event, so that a configuration that is only tried starts
// none.
static result start_thread(struct queued_channel *o) {
    return o->thread != NULL ? OK : thread_start("queue", run, o, &o->thread);
}

static void queued_begin(struct channel *c, struct attempt *a) {
    struct queued_channel *o = queued_of(c);
    const struct job *job = a->job;
    struct dispatch *d = c->dispatch;
    a->queued = (struct queued_attempt){
        .mail.kind = QUEUED_PUSH,
        .job = {.destination = o->name,
                .event = job->event_id,
                .type = job->type,
                .account = job->account,
                .delivery = job->delivery,
                .attempt = job->attempt,
                .livemode = job->livemode,
                .created = created_of(job->body),
                .payload = job->body},
    };
    d->pushing++;
    result started = start_thread(o);
    if (started == OK && !d->halted) {
        mailbox_post(o->box, &a->queued.mail);
        return;
    }
    text_adds(&a->queued.job.error, started != OK ? started->text : "the gateway stops");
    a->queued.mail.kind = DISPATCH_PUSHED;
    mailbox_post(d->o.mailbox, &a->queued.mail);
}

void queued_pushed(struct dispatch *d, struct mail *m) {
    struct attempt *a = attempt_of(m);
    OWN(text_drop)
    struct text error = a->queued.job.error;
    a->queued.job.error = (struct text){0};
    d->pushing--;
    // What the stop cut short has no outcome: it is due again at the next start.
    if (d->halted)
        return;
    attempt_ended(a, &(struct outcome_record){
                         .outcome = error.n == 0 ? OUTCOME_DONE : OUTCOME_FAILED,
                         .micros = clock_mono_us(d->o.clock) - a->began_us,
                         .error = text_bytes(&error),
                     });
}

// dispatch_halt came before, so it has come back.
static void queued_cancel(struct channel *c, struct attempt *a) { ensure(c->dispatch->halted); }

const struct carrier carrier_queued = {
    .open = queued_open,
    .begin = queued_begin,
    .cancel = queued_cancel,
    .halt = queued_halt,
    .drop = queued_drop,
};
