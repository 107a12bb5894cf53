// SPDX-License-Identifier: MIT
#include "intake/intake.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "port/thread.h"

struct intake_loop {
    struct intake *intake;
    struct loop *loop;
    struct mailbox *mailbox;
    struct server *server; // null once its thread has ended
    struct thread *thread;
    struct receiver receiver;
    struct mail drain;
    bool drained;
};

struct intake {
    struct server_limits limits; // of one loop
    struct http_budget budget;
    struct secret_uses *uses;
    int64_t drain_ms;
    bool has_tls;
    size_t listen_count;
    uint16_t *ports; // of the addresses, as they are
    size_t count;
    struct intake_loop loops[];
};

struct new_sources {
    struct mail mail;
    struct sources *sources;
};

struct new_tls {
    struct mail mail;
    struct tls *tls;
};

static void answer(struct session *s, enum reception_end end) {
    struct reception_answer a;
    reception_answer(end, &a);
    session_answer(s, a.status, B("application/json"), &a.header, a.header != NULL,
                   bytes_of(a.body));
}

static void on_done(void *session, enum reception_end end) { answer(session, end); }

static enum http_verdict on_head(void *ctx, struct session *s, const struct http_request *r,
                                 void **request_ctx) {
    struct intake_loop *l = ctx;
    struct reception *p;
    l->receiver.budget = session_budget(s);
    enum reception_end end = receive_head(&l->receiver, r, on_done, s, &p);
    *request_ctx = p;
    if (p != NULL)
        return HTTP_READ_BODY;
    answer(s, end);
    return HTTP_ANSWERED;
}

static bool on_body(void *request_ctx, struct session *s, bytes piece) {
    return receive_body(request_ctx, piece);
}

static void on_complete(void *request_ctx, struct session *s) { receive_complete(request_ctx); }

static void on_finished(void *request_ctx) { receive_abandon(request_ctx); }

static void on_refused(void *ctx, enum http_refusal why) {
    static const enum metric metrics[] = {
        [HTTP_MALFORMED] = METRIC_REFUSE_BAD_HTTP,    [HTTP_HEAD_LARGE] = METRIC_REFUSE_HEAD_LARGE,
        [HTTP_BODY_LARGE] = METRIC_REFUSE_BODY_LARGE, [HTTP_SLOW] = METRIC_REFUSE_SLOW,
        [HTTP_EXPECTATION] = METRIC_REFUSE_EXPECT,    [HTTP_NO_MEMORY] = METRIC_REFUSE_MEMORY,
        [HTTP_PEER_LEFT] = METRIC_CONN_PEER_LEFT,     [HTTP_LATE] = METRIC_REFUSE_NOT_DURABLE,
    };
    metric_add(metrics[why], 1);
}

static const struct http_handler handler = {on_head, on_body, on_complete, on_finished, on_refused};

// What the journal still holds lies in this loop's memory and comes back to its mailbox.
static void stop_if_through(struct intake_loop *l) {
    if (l->drained && l->receiver.appending == 0)
        loop_stop(l->loop);
}

static void on_drained(void *ctx) {
    struct intake_loop *l = ctx;
    l->drained = true;
    stop_if_through(l);
}

static void take_sources(struct intake_loop *l, struct new_sources *n) {
    sources_drop(l->receiver.sources);
    l->receiver.sources = n->sources;
    free(n);
}

static void take_tls(struct intake_loop *l, struct new_tls *n) {
    if (l->server != NULL)
        server_set_tls(l->server, n->tls);
    else
        tls_close(n->tls);
    free(n);
}

static void on_mail(void *ctx, struct mail *m) {
    struct intake_loop *l = ctx;
    switch ((enum intake_mail)m->kind) {
    case INTAKE_APPENDED:
        receive_mail(&l->receiver, CONTAINER(m, struct append, mail));
        stop_if_through(l);
        break;
    case INTAKE_SOURCES: take_sources(l, CONTAINER(m, struct new_sources, mail)); break;
    case INTAKE_TLS: take_tls(l, CONTAINER(m, struct new_tls, mail)); break;
    case INTAKE_DRAIN:
        l->receiver.stopping = true;
        server_drain(l->server, l->intake->drain_ms, on_drained, l);
        break;
    }
}

static void on_thread(void *ctx) {
    struct intake_loop *l = ctx;
    thread_prompt(); // Stripe waits
    loop_run(l->loop);
    server_close(l->server);
    l->server = NULL;
}

// Every loop listens on every address, but a unix path belongs to one listener: the first loop's.
static result listen_all(struct intake_loop *l, const struct intake_options *o, struct tls *tls,
                         bool *adopted, struct text *why) {
    struct intake *i = l->intake;
    bool first = l == i->loops;
    for (size_t n = 0; n < o->listen_count; n++) {
        struct net_address a = o->listen[n];
        if (a.unix_socket && !first)
            continue;
        a.beside = !first;
        if (!first)
            a.port = i->ports[n];
        TRY(server_listen(l->server, &a, a.tls ? tls : NULL, first ? &i->ports[n] : NULL, why));
        *adopted = *adopted || a.tls;
    }
    return OK;
}

static result listen_loop(struct intake_loop *l, const struct intake_options *o, struct text *why) {
    struct tls *tls = NULL;
    if (l->intake->has_tls)
        TRY(tls_open(o->certificate, o->key, &tls, why));
    bool adopted = false;
    result failed = listen_all(l, o, tls, &adopted, why);
    if (!adopted)
        tls_close(tls);
    return failed;
}

static result open_loop(struct intake_loop *l, const struct intake_options *o, struct text *why) {
    struct intake *i = l->intake;
    TRY(loop_open(&l->loop));
    l->mailbox = loop_mailbox(l->loop, on_mail, l);
    l->drain.kind = INTAKE_DRAIN;
    l->receiver = (struct receiver){
        .clock = o->clock,
        .journal = o->journal,
        .mailbox = l->mailbox,
        .budget = &i->budget,
        .body_max = i->limits.http.body_max,
    };
    l->server = server_open(l->loop, &i->limits, &handler, l, &i->budget);
    TRY(sources_open(o->plan, o->secrets, o->secret_count, i->uses, &l->receiver.sources));
    return listen_loop(l, o, why);
}

static size_t share(size_t whole, size_t loops) {
    size_t part = (whole + loops - 1) / loops;
    return part > 0 ? part : 1;
}

// One address may hold half of what strangers may hold, or it alone could keep all others out; but
// always two bodies with their heads.
static int64_t address_share(const struct intake_options *o, size_t loops) {
    int64_t part = o->unverified_max / 2 / (int64_t)loops;
    int64_t least = 2 * (int64_t)(o->limits.http.body_max + o->limits.http.head_max) + (64 << 10);
    return part > least ? part : least;
}

result intake_open(const struct intake_options *o, struct intake **out, struct text *why) {
    size_t loops = o->loops > 0 ? o->loops : 1;
    struct intake *i = memory_new(1, sizeof *i + loops * sizeof i->loops[0]);
    *out = NULL;
    i->limits = o->limits;
    i->limits.connections_max = share(o->limits.connections_max, loops);
    i->limits.connections_address_max = share(o->limits.connections_address_max, loops);
    i->limits.address_bytes_max = address_share(o, loops);
    i->uses = o->uses;
    i->budget.max = o->unverified_max;
    i->drain_ms = o->drain_ms;
    i->listen_count = o->listen_count;
    i->ports = NEW_ARRAY(uint16_t, o->listen_count);
    for (size_t n = 0; n < o->listen_count; n++)
        i->has_tls = i->has_tls || o->listen[n].tls;
    result failed = OK;
    while (failed == OK && i->count < loops) {
        struct intake_loop *l = &i->loops[i->count++];
        l->intake = i;
        failed = open_loop(l, o, why);
    }
    if (failed != OK) {
        if (why->n == 0)
            text_adds(why, failed->text);
        intake_close(i);
        return failed;
    }
    *out = i;
    return OK;
}

result intake_start(struct intake *i) {
    for (size_t n = 0; n < i->count; n++) {
        char name[16];
        snprintf(name, sizeof name, "intake-%u", (unsigned)n);
        TRY(thread_start(name, on_thread, &i->loops[n], &i->loops[n].thread));
    }
    return OK;
}

// Mail for each loop, all or none of it made before any is posted.
result intake_set_sources(struct intake *i, const struct plan *plan,
                          const struct source_secrets *secrets, size_t n) {
    struct new_sources **mails = NEW_ARRAY(struct new_sources *, i->count);
    result failed = OK;
    for (size_t k = 0; failed == OK && k < i->count; k++) {
        mails[k] = NEW(struct new_sources);
        mails[k]->mail.kind = INTAKE_SOURCES;
        failed = sources_open(plan, secrets, n, i->uses, &mails[k]->sources);
    }
    for (size_t k = 0; k < i->count && mails[k] != NULL; k++) {
        if (failed == OK) {
            mailbox_post(i->loops[k].mailbox, &mails[k]->mail);
            continue;
        }
        sources_drop(mails[k]->sources);
        free(mails[k]);
    }
    free(mails);
    return failed;
}

result intake_set_tls(struct intake *i, const char *certificate, const char *key,
                      struct text *why) {
    if (!i->has_tls)
        return OK;
    struct new_tls **mails = NEW_ARRAY(struct new_tls *, i->count);
    result failed = OK;
    for (size_t k = 0; failed == OK && k < i->count; k++) {
        mails[k] = NEW(struct new_tls);
        mails[k]->mail.kind = INTAKE_TLS;
        failed = tls_open(certificate, key, &mails[k]->tls, why);
    }
    for (size_t k = 0; k < i->count && mails[k] != NULL; k++) {
        if (failed == OK) {
            mailbox_post(i->loops[k].mailbox, &mails[k]->mail);
            continue;
        }
        tls_close(mails[k]->tls);
        free(mails[k]);
    }
    free(mails);
    return failed;
}

void intake_stop(struct intake *i) {
    for (size_t n = 0; n < i->count; n++)
        if (i->loops[n].thread != NULL)
            mailbox_post(i->loops[n].mailbox, &i->loops[n].drain);
    for (size_t n = 0; n < i->count; n++) {
        thread_join(i->loops[n].thread);
        i->loops[n].thread = NULL;
    }
}

void intake_close(struct intake *i) {
    if (i == NULL)
        return;
    intake_stop(i);
    for (size_t n = 0; n < i->count; n++) {
        struct intake_loop *l = &i->loops[n];
        server_close(l->server);
        l->server = NULL;
        loop_close(l->loop);
        sources_drop(l->receiver.sources);
    }
    free(i->ports);
    free(i);
}

uint16_t intake_port(const struct intake *i, size_t listen) {
    return listen < i->listen_count ? i->ports[listen] : 0;
}
