// SPDX-License-Identifier: MIT
#include "dispatch/dispatch.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "base/random.h"
#include "dispatch/attempt.h"
#include "port/log.h"
#include "rules/record.h"

#define ANSWER_MAX ((size_t)64 << 10)
// Bodies of one take.
#define TAKE_BYTES_MAX ((size_t)4 << 20)
// Jobs in hand for each place, those under way included: so that a place that becomes free need not
// wait for the ledger. More where more ended while the last take was out, at most so many.
#define HANDS 2
#define HANDS_MAX 16
#define ABSENT_PAUSE_US INT64_C(1000000)
#define CREDIT_PAUSE_US INT64_C(100000)
#define UNPOSTED_PAUSE_US INT64_C(500000)
// While it drains, posting is tried so often; a full disk must not keep the gateway from stopping.
#define UNPOSTED_TRIES 10
// Shortages nearer to each other than this are one.
#define EPISODE_US INT64_C(5000000)

static int64_t now_us(const struct dispatch *d) { return clock_mono_us(d->o.clock); }

// Sooner of two times, of which 0 is never.
static int64_t sooner(int64_t a, int64_t b) {
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    return a < b ? a : b;
}

void dispatch_wish_wake(struct dispatch *d) {
    int64_t at = sooner(d->credit_at, d->unposted_at);
    LIST_EACH(it, &d->destinations) {
        const struct destination *to = CONTAINER(it, struct destination, link);
        at = sooner(at, sooner(to->ask_at, to->waiting_count > 0 ? to->begin_at : 0));
    }
    LIST_EACH(it, &d->channels) { at = sooner(at, CONTAINER(it, struct channel, link)->due_at); }
    if (d->draining && !d->told_idle && dispatch_idle(d)) {
        d->told_idle = true;
        at = now_us(d);
    }
    if (at == d->wake_at)
        return;
    d->wake_at = at;
    if (at != 0)
        d->o.wake_at(d->o.wake_ctx, at);
}

struct dispatch *dispatch_open(const struct dispatch_options *o) {
    struct dispatch *d = NEW(struct dispatch);
    d->o = *o;
    if (d->o.answer_max == 0)
        d->o.answer_max = ANSWER_MAX;
    if (d->o.answer_keep == 0)
        d->o.answer_keep = OUTCOME_ANSWER_MAX;
    list_init(&d->destinations);
    list_init(&d->channels);
    list_init(&d->unposted);
    d->random = clock_seed(o->clock);
    return d;
}

static void destination_free(struct dispatch *d, struct destination *to) {
    list_remove(&to->link);
    destination_unpaced(d, to);
    channel_retire(to->channel);
    free((void *)(uintptr_t)to->name.p);
    free(to);
}

static void free_if_left(struct dispatch *d, struct destination *to) {
    if (to->retired && to->open == NULL && to->waiting_count == 0 && to->sending_count == 0)
        destination_free(d, to);
}

static void free_attempts(struct list *attempts) {
    for (struct list *it = attempts->next; it != attempts; it = attempts->next)
        attempt_free(CONTAINER(it, struct attempt, link));
}

static void cancel_all(struct destination *to) {
    LIST_EACH(it, &to->sending) {
        struct attempt *a = CONTAINER(it, struct attempt, link);
        a->channel->carrier->cancel(a->channel, a);
    }
    free_attempts(&to->sending);
    free_attempts(&to->waiting);
}

void dispatch_close(struct dispatch *d) {
    if (d == NULL)
        return;
    ensure(dispatch_out(d) == 0);
    free_attempts(&d->unposted);
    LIST_EACH_SAFE(it, &d->destinations) {
        struct destination *to = CONTAINER(it, struct destination, link);
        cancel_all(to);
        destination_free(d, to);
    }
    LIST_EACH_SAFE(it, &d->channels) {
        struct channel *c = CONTAINER(it, struct channel, link);
        c->carrier->cut(c);
    }
    ensure(d->attempts == 0 && list_empty(&d->channels));
    free(d->allowed);
    free(d);
}

static struct destination *find(const struct dispatch *d, enum target_set set, bytes name) {
    LIST_EACH(it, &d->destinations) {
        struct destination *to = CONTAINER(it, struct destination, link);
        if (to->set == set && bytes_equal(to->name, name))
            return to;
    }
    return NULL;
}

// Asks the ledger for work when a good part of what may be in hand is free.
static void ask(struct dispatch *d, struct destination *to) {
    size_t in_hand = to->waiting_count + to->sending_count, hands = pace_hand(&to->pace, HANDS);
    size_t most = hands + 2 * to->ended_meanwhile, limit = pace_hand(&to->pace, HANDS_MAX);
    most = most < limit ? most : limit;
    if (d->draining || d->closed || to->retired || to->open != NULL || to->ask_at != 0)
        return;
    if (in_hand >= most || most - in_hand < (hands + HANDS) / (2 * HANDS))
        return;
    struct haul *h = NEW(struct haul);
    h->to = to;
    h->users = 1;
    h->take = (struct take){
        .mail.kind = DISPATCH_TAKE,
        .destination = to->name,
        .max = most - in_hand,
        .max_bytes = TAKE_BYTES_MAX,
        .reply = d->o.mailbox,
    };
    to->open = h;
    to->ended_meanwhile = 0;
    d->asking++;
    ledger_take(d->o.ledger, &h->take);
}

// No room for an outcome, so nothing is sent: to anyone, for a while.
static void wait_for_credit(struct dispatch *d) {
    int64_t now = now_us(d);
    if (now >= d->short_until && !journal_failed(d->o.journal)) {
        log_event(LOG_DISPATCH_WAITS);
        metric_add(METRIC_DISPATCH_NO_CREDIT, 1);
    }
    d->short_until = now + EPISODE_US;
    d->credit_at = now + CREDIT_PAUSE_US;
}

// Begins the next attempt that waits, if there are a place and credit for it. What was handed out
// before a hold or a cancellation goes back instead: it may be meant.
static bool begin_one(struct dispatch *d, struct destination *to) {
    const struct carrier *carrier = to->channel->carrier;
    to->begin_at = 0;
    if (d->credit_at != 0 || to->waiting_count == 0 ||
        !pace_lets(&to->pace, now_us(d), to->sending_count, &to->begin_at))
        return false;
    if (carrier->ready != NULL && !carrier->ready(to->channel))
        return false;
    struct attempt *a = CONTAINER(to->waiting.next, struct attempt, link);
    if (a->haul->take.recalls != ledger_recalls(d->o.ledger)) {
        attempt_give_back(a);
        return true;
    }
    if (!journal_credit_take(d->o.journal, CREDIT_INNER, OUTCOME_RECORD_MAX, &a->credit)) {
        wait_for_credit(d);
        return false;
    }
    attempt_begin(a);
    return true;
}

static void pump(struct dispatch *d, struct destination *to) {
    while (begin_one(d, to))
        continue;
    ask(d, to);
}

// One after the other in turn, so that what credit there is serves all.
static void pump_all(struct dispatch *d) {
    if (!list_empty(&d->destinations))
        list_push(&d->destinations, list_take(&d->destinations));
    for (bool more = true; more;) {
        more = false;
        LIST_EACH(it, &d->destinations) {
            more = begin_one(d, CONTAINER(it, struct destination, link)) || more;
        }
    }
    LIST_EACH(it, &d->destinations) { ask(d, CONTAINER(it, struct destination, link)); }
}

void destination_freed(struct dispatch *d, struct destination *to) {
    to->ended_meanwhile += to->open != NULL;
    pump(d, to);
    free_if_left(d, to);
    dispatch_wish_wake(d);
}

void dispatch_unposted(struct dispatch *d, struct attempt *a) {
    list_push(&d->unposted, &a->link);
    if (d->unposted_at == 0)
        d->unposted_at = now_us(d) + UNPOSTED_PAUSE_US;
}

void destination_give_back(struct destination *to) {
    for (struct list *it = to->waiting.next; it != &to->waiting; it = to->waiting.next)
        attempt_give_back(CONTAINER(it, struct attempt, link));
}

static const struct carrier *carrier_of(const struct target *t) {
    switch (t->kind) {
    case KIND_HTTP: return &carrier_http;
    case KIND_COMMAND: return t->handler.stream ? &carrier_stream : &carrier_oneshot;
    case KIND_TABLES: return &carrier_tables;
    case KIND_PLUGIN: return &carrier_stream;
    case KIND_REDIS:
    case KIND_BULLMQ:
    case KIND_BULL:
    case KIND_FILE: return &carrier_queued;
    }
    unreachable_code();
}

static void set_target(struct dispatch *d, struct destination *to, const struct target *t) {
    struct channel *before = to->channel;
    to->channel = carrier_of(t)->open(d, t);
    channel_retire(before);
    to->livemode = t->livemode;
    destination_paced(d, to, &t->pace);
    to->retired = false;
    to->ask_at = 0;
}

static struct destination *destination_new(struct dispatch *d, enum target_set set, bytes name) {
    struct destination *to = NEW(struct destination);
    to->set = set;
    to->name = bytes_from(bytes_strdup(name), name.n);
    list_init(&to->waiting);
    list_init(&to->sending);
    list_push(&d->destinations, &to->link);
    return to;
}

static void set_configured(struct dispatch *d, const struct targets *t) {
    d->generation = t->generation;
    free(d->allowed);
    d->allowed = NEW_ARRAY(struct guard_range, t->allowed_count + 1);
    for (size_t i = 0; i < t->allowed_count; i++)
        d->allowed[i] = t->allowed[i];
    d->allowed_count = t->allowed_count;
}

void dispatch_set_targets(struct dispatch *d, const struct targets *t) {
    OWN(map_drop)
    struct map known = {.seed = d->random}; // there may be thousands of endpoints
    if (t->set == TARGETS_CONFIGURED)
        set_configured(d, t);
    LIST_EACH(it, &d->destinations) {
        struct destination *to = CONTAINER(it, struct destination, link);
        if (to->set != t->set)
            continue;
        to->retired = true;
        (void)map_put(&known, to->name, to);
    }
    for (size_t i = 0; i < t->count; i++) {
        const struct target *one = &t->list[i];
        ensure(one->pace.min > 0 && one->pace.max >= one->pace.min);
        struct destination *to = map_get(&known, one->name);
        if (to == NULL)
            to = destination_new(d, t->set, one->name);
        (void)map_put(&known, one->name, to);
        set_target(d, to, one);
    }
    LIST_EACH_SAFE(it, &d->destinations) {
        struct destination *to = CONTAINER(it, struct destination, link);
        if (!to->retired)
            continue;
        to->ask_at = 0;
        destination_give_back(to);
        free_if_left(d, to);
    }
    pump_all(d);
    dispatch_wish_wake(d);
}

static void wipe(bytes b) { memory_wipe((void *)(uintptr_t)b.p, b.n); }

void retarget_free(struct retarget *r) {
    for (size_t i = 0; i < r->targets.count; i++) {
        const struct target *t = &r->targets.list[i];
        wipe(t->secret);
        wipe(t->queue.password);
        for (size_t k = 0; k < t->older_count; k++)
            wipe(t->older[k].key);
        for (size_t k = 0; k < t->handler.environment_count; k++)
            wipe(t->handler.environment[k]);
    }
    arena_drop(&r->memory);
    free(r);
}

static void take_retarget(struct dispatch *d, struct retarget *r) {
    dispatch_set_targets(d, &r->targets);
    retarget_free(r);
}

static void give_back_job(struct dispatch *d, const struct job *job) {
    struct give_back *g = NEW(struct give_back);
    g->delivery = job->delivery;
    ledger_give_back(d->o.ledger, g);
}

static void take_jobs(struct dispatch *d, struct haul *h) {
    struct destination *to = h->to;
    to->open = NULL;
    d->asking--;
    d->closed = d->closed || failed_as(h->take.failed, FAIL_CLOSED);
    bool got = h->take.failed == OK && h->take.count > 0;
    if (!got && !d->closed && !to->retired)
        to->ask_at = now_us(d) + ABSENT_PAUSE_US;
    for (size_t i = 0; got && i < h->take.count; i++) {
        if (to->retired || d->draining || (i > 0 && pace_stands(&to->pace)))
            give_back_job(d, &h->take.jobs[i]);
        else
            attempt_new(d, to, h, &h->take.jobs[i]);
    }
    haul_leave(h);
    pump(d, to);
    free_if_left(d, to);
}

void dispatch_mail(struct dispatch *d, struct mail *m) {
    switch ((enum dispatch_mail)m->kind) {
    case DISPATCH_TAKE: take_jobs(d, CONTAINER(m, struct haul, take.mail)); break;
    case DISPATCH_OUTCOME: attempt_posted(CONTAINER(m, struct attempt, append.mail)); break;
    case DISPATCH_RETARGET: take_retarget(d, CONTAINER(m, struct retarget, mail)); break;
    case DISPATCH_LOOK: dispatch_looked(d, CONTAINER(m, struct dispatch_look, mail)); break;
    case DISPATCH_PUSHED: queued_pushed(d, m); break;
    case DISPATCH_STOP: dispatch_drain(d); break;
    default: unreachable_code();
    }
    dispatch_wish_wake(d);
}

static void repost_all(struct dispatch *d) {
    bool room = true;
    if (d->draining && ++d->unposted_tries > UNPOSTED_TRIES)
        free_attempts(&d->unposted);
    while (room && !list_empty(&d->unposted))
        room = attempt_repost(CONTAINER(d->unposted.next, struct attempt, link));
    d->unposted_at = list_empty(&d->unposted) ? 0 : now_us(d) + UNPOSTED_PAUSE_US;
}

// A tick may drop any channel, so each is looked for anew.
static struct channel *due_channel(const struct dispatch *d, int64_t now) {
    LIST_EACH(it, &d->channels) {
        struct channel *c = CONTAINER(it, struct channel, link);
        if (c->due_at != 0 && now >= c->due_at)
            return c;
    }
    return NULL;
}

void dispatch_tick(struct dispatch *d) {
    int64_t now = now_us(d);
    d->wake_at = 0;
    if (d->unposted_at != 0 && now >= d->unposted_at)
        repost_all(d);
    LIST_EACH(it, &d->destinations) {
        struct destination *to = CONTAINER(it, struct destination, link);
        if (to->ask_at != 0 && now >= to->ask_at)
            to->ask_at = 0;
    }
    for (struct channel *c = due_channel(d, now); c != NULL; c = due_channel(d, now))
        c->carrier->tick(c);
    if (d->credit_at != 0 && now >= d->credit_at)
        d->credit_at = 0;
    pump_all(d);
    dispatch_wish_wake(d);
}

void dispatch_drain(struct dispatch *d) {
    d->draining = true;
    LIST_EACH_SAFE(it, &d->destinations) {
        struct destination *to = CONTAINER(it, struct destination, link);
        to->ask_at = 0;
        destination_give_back(to);
        if (to->channel->carrier->retire != NULL)
            to->channel->carrier->retire(to->channel);
        free_if_left(d, to);
    }
    d->credit_at = 0;
    dispatch_wish_wake(d);
}

bool dispatch_idle(const struct dispatch *d) {
    return d->attempts == 0 && (!d->draining || d->staying == 0);
}

void dispatch_halt(struct dispatch *d) {
    d->halted = true;
    LIST_EACH(it, &d->channels) {
        struct channel *c = CONTAINER(it, struct channel, link);
        if (c->carrier->halt != NULL)
            c->carrier->halt(c);
    }
}

size_t dispatch_out(const struct dispatch *d) { return d->posting + d->asking + d->pushing; }

size_t dispatch_under_way(const struct dispatch *d, bytes destination) {
    size_t n = 0;
    for (enum target_set set = 0; set < TARGET_SETS; set++) {
        const struct destination *to = find(d, set, destination);
        n += to != NULL ? to->sending_count : 0;
    }
    return n;
}
