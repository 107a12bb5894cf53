// SPDX-License-Identifier: MIT
// Rows are read for one who is behind, and then for all who stand between the same events: so many
// who listen cost one question. Who has not taken what he was sent gets nothing more, so that each
// holds at most one event in memory.
#include "base/metrics.h"
#include "desk/ask.h"
#include "desk/listen.h"
#include "stripe/signature.h"

#define EVENTS_AT_ONCE 50
#define BYTES_AT_ONCE ((size_t)1 << 20)
#define BATCH_MEMORY_MAX ((size_t)64 << 20)

static int64_t mono_us(const struct desk *d) { return clock_mono_us(d->o.clock); }

// What Stripe's CLI is told that the event came with.
static const char headers[] =
    "\"Accept\":\"*/*; q=0.5, application/xml\",\"Cache-Control\":\"no-cache\",\"Content-Type\":"
    "\"application/json; charset=utf-8\",\"User-Agent\":\"Stripe/1.0 "
    "(+https://stripe.com/docs/webhooks)\"";

static void write_push(const struct listener *l, const struct push_event *e,
                       enum push_flavour flavour, struct text *out) {
    char name[PUSH_NAME_MAX], conversation[PUSH_NAME_MAX];
    struct push_name says = {clock_wall_ms(l->desk->o.clock), e->seq, flavour};
    bool thin = flavour == PUSH_THIN;
    push_name_write(&l->names, &says, thin ? "ed" : "wh", name);
    push_name_write(&l->names, &says, "wc", conversation);
    text_addf(out, "{\"type\":\"%s\",\"%s\":\"%s\"", thin ? "v2_event" : "webhook_event",
              thin ? "destination_id" : "webhook_id", name);
    if (!thin) {
        text_addf(out, ",\"webhook_conversation_id\":\"%s\",\"endpoint\":{\"api_version\":",
                  conversation);
        if (flavour == PUSH_LATEST)
            text_add_json(out, e->api_version);
        else
            text_adds(out, "null");
        text_addc(out, '}');
    }
    text_addf(out, ",\"http_headers\":{%s,\"Stripe-Signature\":\"", headers);
    signature_sign(&l->signs, says.at_ms > 0 ? says.at_ms / 1000 : 0, e->body, out);
    text_addf(out, "\"},\"%s\":", thin ? "payload" : "event_payload");
    text_add_json(out, e->body);
    text_addc(out, '}');
}

static unsigned flavours_of(const struct listener *l, const struct push_event *e) {
    if (e->thin)
        return (l->features & LISTEN_V2) != 0 ? 1u << PUSH_THIN : 0;
    if ((l->features & LISTEN_WEBHOOKS) == 0)
        return 0;
    return 1u << PUSH_DEFAULT | (e->api_version.n > 0 ? 1u << PUSH_LATEST : 0);
}

static void push(struct listener *l, const struct push_event *e, unsigned flavours) {
    OWN(text_drop)
    struct text message = {.max = l->desk->listeners.limits.unsent_max};
    for (unsigned f = 0; f < PUSH_FLAVOURS && l->socket != NULL; f++) {
        if ((flavours & 1u << f) == 0)
            continue;
        text_reset(&message);
        write_push(l, e, (enum push_flavour)f, &message);
        l->pushed++;
        metric_add(METRIC_LISTEN_PUSHED, 1);
        if (!message.failed)
            websocket_send(l->socket, text_bytes(&message));
    }
}

static bool takes_now(const struct listener *l) {
    return l->socket != NULL && websocket_unsent(l->socket) == 0;
}

static bool waits_for(const struct listener *l) {
    return l->resend_n > 0 ||
           (ledger_booked(l->desk->o.ledger) > l->window.read && push_window_room(&l->window));
}

// --- what was read

static void push_batch(struct listener *l, const struct listen_batch *b) {
    int64_t now = mono_us(l->desk);
    for (size_t i = 0; i < b->n; i++) {
        const struct push_event *e = &b->events[i];
        uint8_t send;
        if (!takes_now(l) ||
            !push_window_offer(&l->window, e->seq, (uint8_t)flavours_of(l, e), now, &send))
            return;
        push(l, e, send);
    }
    push_window_reach(&l->window, b->more ? b->events[b->n - 1].seq : b->question.upto);
}

// One that was asked for by hand; it is in nobody's window.
static void push_resend(struct listener *l, const struct listen_batch *b) {
    for (size_t i = 0; i < l->resend_n; i++) {
        if (l->resends[i] != b->question.upto || !takes_now(l))
            continue;
        l->resends[i] = l->resends[--l->resend_n];
        for (size_t k = 0; k < b->n; k++)
            push(l, &b->events[k], flavours_of(l, &b->events[k]));
        return;
    }
}

static bool stands_there(const struct listener *l, const struct listen_batch *b) {
    return l->window.read >= b->question.after && l->window.read < b->question.upto;
}

static void looked(struct ask *a) {
    struct desk *d = a->desk;
    struct listen_batch *b = &d->listeners.batch;
    d->listeners.asking = false;
    bool good = a->status == 0 && b->failed == OK; // else the timer asks later
    if (good) {
        LIST_EACH(it, &d->listeners.all) {
            struct listener *l = CONTAINER(it, struct listener, link);
            if (l->live != b->question.livemode || !listener_takes_events(l))
                continue;
            if (b->resend)
                push_resend(l, b);
            else if (stands_there(l, b))
                push_batch(l, b);
        }
    }
    arena_drop(&b->memory);
    if (good)
        listen_look(d);
}

static void look_work(struct ask *a, struct reader *r) {
    struct listen_batch *b = &a->desk->listeners.batch;
    b->failed = reader_pushes(r, &b->question, &b->memory, &b->events, &b->n, &b->more);
}

// The one who waited longest for his turn.
static struct listener *next(struct listeners *all) {
    LIST_EACH(it, &all->all) {
        struct listener *l = CONTAINER(it, struct listener, link);
        if (!listener_takes_events(l) || !takes_now(l) || !waits_for(l))
            continue;
        list_remove(&l->link);
        list_push(&all->all, &l->link);
        return l;
    }
    return NULL;
}

void listen_look(struct desk *d) {
    struct listeners *all = &d->listeners;
    if (all->asking || d->draining || d->no_more)
        return;
    struct listener *l = next(all);
    if (l == NULL)
        return;
    struct listen_batch *b = &all->batch;
    *b = (struct listen_batch){.resend = l->resend_n > 0};
    arena_init(&b->memory, BATCH_MEMORY_MAX);
    b->question = (struct push_question){
        .livemode = l->live,
        .after = b->resend ? l->resends[0] - 1 : l->window.read,
        .upto = b->resend ? l->resends[0] : ledger_booked(d->o.ledger),
        .max = EVENTS_AT_ONCE,
        .max_bytes = BYTES_AT_ONCE,
    };
    all->asking = true;
    struct ask *a = ask_inner(d, NULL);
    ask_query(a, look_work, looked);
    ask_release(a);
}

void listen_resend(struct desk *d, bool live, uint64_t event) {
    LIST_EACH(it, &d->listeners.all) {
        struct listener *l = CONTAINER(it, struct listener, link);
        if (l->live != live || !listener_takes_events(l))
            continue;
        if (l->resend_n < LISTEN_RESENDS_MAX)
            l->resends[l->resend_n++] = event;
        else
            metric_add(METRIC_LISTEN_RESENDS_DROPPED, 1);
    }
    listen_look(d);
}
