// SPDX-License-Identifier: MIT
#include "desk/desk.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "desk/ask.h"
#include "desk/listen_poll.h"
#include "desk/signing.h"
#include "desk/tail.h"
#include "desk/twin.h"
#include "port/thread.h"

// What heads and unfinished bodies of all sessions may hold.
#define BUDGET_MAX (16 << 20)
#define INTERRUPT_MS 50

static void tell_stopped(void *ctx) {
    struct desk *d = ctx;
    d->no_more = true;
    mailbox_post(d->stopped, &d->stopped_mail);
}

static void begin_stop(struct desk *d) {
    d->draining = true;
    tails_end(d, NO_BYTES);
    polls_end(d, NO_BYTES);
    listeners_end(d, NO_BYTES);
    listen_book(d);
    server_drain(d->server, d->o.drain_ms, tell_stopped, d);
}

// Ends the loop once all that was begun has come back; queries are hurried.
static void hurry(void *ctx) {
    struct desk *d = ctx;
    if (list_empty(&d->asks)) {
        loop_stop(d->loop);
        return;
    }
    struct reader *readers[] = {atomic_load(&d->reader), atomic_load(&d->slow_reader)};
    for (size_t i = 0; i < 2; i++)
        if (readers[i] != NULL)
            reader_interrupt(readers[i]);
    timer_set(d->interrupter, INTERRUPT_MS);
}

struct new_tls {
    struct mail mail;
    struct tls *tls;
};

static void take_tls(struct desk *d, struct new_tls *n) {
    server_set_tls(d->server, n->tls);
    free(n);
}

static void take_sources(struct desk *d, struct signing *fresh) {
    signing_close(d->signing);
    d->signing = fresh;
}

struct new_allowed {
    struct mail mail;
    size_t count;
    struct guard_range ranges[];
};

static void copy_allowed(struct desk *d, const struct guard_range *allowed, size_t n) {
    free(d->allowed);
    d->allowed = NEW_ARRAY(struct guard_range, n + 1);
    for (size_t i = 0; i < n; i++)
        d->allowed[i] = allowed[i];
    d->allowed_count = n;
}

static void take_allowed(struct desk *d, struct new_allowed *n) {
    copy_allowed(d, n->ranges, n->count);
    free(n);
}

static void on_mail(void *ctx, struct mail *m) {
    struct desk *d = ctx;
    if (m == &d->stop) {
        begin_stop(d);
        return;
    }
    if (m->kind == DESK_TLS) {
        take_tls(d, CONTAINER(m, struct new_tls, mail));
        return;
    }
    if (m->kind == DESK_SOURCES) {
        take_sources(d, CONTAINER(m, struct signing, mail));
        return;
    }
    if (m == &d->hush) {
        twin_desk_hush(d->twin);
        return;
    }
    if (m->kind == DESK_ALLOWED) {
        take_allowed(d, CONTAINER(m, struct new_allowed, mail));
        return;
    }
    if (m == &d->quit) {
        d->quitting = true;
        atomic_store(&d->interrupted, true);
    } else {
        ask_mail(d, m);
    }
    if (d->quitting)
        hurry(d);
}

static result listen_all(struct desk *d, const struct desk_options *o, struct text *why) {
    d->ports = NEW_ARRAY(uint16_t, o->listen_count + 1);
    d->listen_count = o->listen_count;
    struct tls *tls = NULL;
    if (o->tls.certificate != NULL)
        TRY(tls_open(o->tls.certificate, o->tls.key, &tls, why));
    result listening = OK;
    bool given = false; // the server owns tls once it listens with it
    for (size_t i = 0; i < o->listen_count && listening == OK; i++) {
        const struct net_address *a = &o->listen[i];
        listening = server_listen(d->server, a, a->tls ? tls : NULL, &d->ports[i], why);
        given = given || (a->tls && listening == OK);
    }
    if (!given)
        tls_close(tls);
    return listening;
}

result desk_open(const struct desk_options *o, struct desk **out, struct text *why) {
    struct desk *d = NEW(struct desk);
    *out = NULL;
    d->o = *o;
    ensure(o->sealing_key != NULL);
    d->limits = o->limits;
    d->limits.http.body_max = o->twin != NULL ? TWIN_DOCUMENT_MAX : PLAN_BODY_MAX;
    d->budget.max = BUDGET_MAX + (o->twin != NULL ? TWIN_DOCUMENT_MAX : 0);
    d->pace.rate = o->rate;
    list_init(&d->asks);
    d->stop.kind = DESK_STOP;
    d->quit.kind = DESK_QUIT;
    d->hush.kind = DESK_HUSH;
    d->started_us = clock_mono_us(o->clock);
    if (o->first_key != NULL)
        auth_expect(&d->keys, KEY_MODE_OPERATOR, o->first_key, d->started_us);
    if (o->test_key != NULL)
        auth_expect(&d->keys, KEY_MODE_TEST, o->test_key, d->started_us);
    d->stopped = mailbox_open(NULL, NULL);
    d->signing = signing_open(o->sources, o->source_count);
    copy_allowed(d, o->allowed, o->allowed_count);
    text_adds(&d->addresses, o->source_addresses != NULL ? o->source_addresses : "[]");
    result opened = loop_open(&d->loop);
    if (opened == OK)
        opened = fetcher_open(d->loop, &(struct fetch_options){0}, &d->fetcher);
    if (opened == OK) {
        d->mailbox = loop_mailbox(d->loop, on_mail, d);
        d->interrupter = timer_open(d->loop, hurry, d);
        tails_open(d);
        polls_open(d);
        listeners_open(d);
        d->server = server_open(d->loop, &d->limits, &ask_handler, d, &d->budget);
        opened = listen_all(d, o, why);
    }
    if (opened == OK && o->twin != NULL)
        opened = twin_desk_open(d, &d->twin, why);
    if (opened != OK) {
        desk_close(d);
        return opened;
    }
    *out = d;
    return OK;
}

static void run(void *ctx) {
    struct desk *d = ctx;
    loop_run(d->loop);
}

result desk_start(struct desk *d) { return thread_start("desk", run, d, &d->thread); }

void desk_set_generation(struct desk *d, uint64_t generation) {
    atomic_store(&d->generation, generation);
}

void desk_set_sources(struct desk *d, const struct desk_source *sources, size_t n) {
    mailbox_post(d->mailbox, &signing_open(sources, n)->mail);
}

void desk_set_allowed(struct desk *d, const struct guard_range *allowed, size_t n) {
    struct new_allowed *fresh = memory_new(1, sizeof *fresh + n * sizeof *allowed);
    fresh->mail.kind = DESK_ALLOWED;
    fresh->count = n;
    for (size_t i = 0; i < n; i++)
        fresh->ranges[i] = allowed[i];
    mailbox_post(d->mailbox, &fresh->mail);
}

result desk_set_tls(struct desk *d, const char *certificate, const char *key, struct text *why) {
    struct tls *tls = NULL;
    TRY(tls_open(certificate, key, &tls, why));
    struct new_tls *n = NEW(struct new_tls);
    *n = (struct new_tls){.mail.kind = DESK_TLS, .tls = tls};
    mailbox_post(d->mailbox, &n->mail);
    return OK;
}

void desk_hush(struct desk *d) {
    if (d->thread != NULL && d->twin != NULL)
        mailbox_post(d->mailbox, &d->hush);
}

void desk_stop(struct desk *d) {
    if (d->thread == NULL || d->told_to_stop)
        return;
    d->told_to_stop = true;
    mailbox_post(d->mailbox, &d->stop);
    while (mailbox_drain(d->stopped) == NULL)
        (void)mailbox_wait(d->stopped, -1);
}

void desk_close(struct desk *d) {
    if (d == NULL)
        return;
    if (d->thread != NULL) {
        desk_stop(d);
        mailbox_post(d->mailbox, &d->quit);
        thread_join(d->thread);
    }
    listeners_close(d);
    twin_desk_close(d->twin);
    server_close(d->server);
    ensure(list_empty(&d->asks));
    timer_close(d->interrupter);
    timer_close(d->tail_timer);
    timer_close(d->poll_timer);
    fetcher_close(d->fetcher);
    loop_close(d->loop);
    mailbox_close(d->stopped);
    signing_close(d->signing);
    free(d->allowed);
    text_drop(&d->addresses);
    free(d->ports);
    free(d);
}

uint16_t desk_port(const struct desk *d, size_t listen) {
    ensure(listen < d->listen_count);
    return d->ports[listen];
}
