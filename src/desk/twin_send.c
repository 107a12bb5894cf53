// SPDX-License-Identifier: MIT
// The twin's deliveries.
#include <stdlib.h>

#include "base/ensure.h"
#include "base/json_draft.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "desk/twin_inner.h"
#include "port/log.h"
#include "stripe/delivery.h"
#include "stripe/signature.h"

#define OLD_S (2 * 86400) // older than any source tolerates (sources[].tolerance)
#define AWAY_US INT64_C(500000)
#define ANSWER_MAX 65536
#define ANSWER_KEEP 512

static const enum metric fault_metrics[TWIN_FAULTS] = {
    METRIC_TWIN_DUPLICATE, METRIC_TWIN_REORDER,         METRIC_TWIN_DELAY,
    METRIC_TWIN_DROP,      METRIC_TWIN_WRONG_SIGNATURE, METRIC_TWIN_OLD_TIMESTAMP,
    METRIC_TWIN_HUGE_BODY, METRIC_TWIN_DISABLED,
};

static void count_fault(enum twin_fault f) { metric_add(fault_metrics[f], 1); }

static int64_t mono_us(const struct twin_desk *t) { return clock_mono_us(t->desk->o.clock); }

int64_t twin_now(const struct twin_desk *t) { return twin_clock_now(&t->clock, mono_us(t)); }

// --- lines

static bool earlier(const void *a, const void *b) {
    const struct twin_post *x = a, *y = b;
    return x->due_ms != y->due_ms ? x->due_ms < y->due_ms : x->seq < y->seq;
}

static void set_at(void *item, size_t at) { ((struct twin_post *)item)->at = at; }

struct twin_endpoint *twin_endpoint_of(struct twin_desk *t, bytes source, bytes api_version) {
    struct twin_endpoint *e = NULL;
    LIST_EACH(it, &t->endpoints) {
        e = CONTAINER(it, struct twin_endpoint, link);
        if (bytes_equal(text_bytes(&e->source), source))
            break;
        e = NULL;
    }
    if (e == NULL) {
        e = NEW(struct twin_endpoint);
        e->twin = t;
        e->line.less = earlier;
        e->line.set_at = set_at;
        list_init(&e->held);
        text_add(&e->source, source);
        list_push(&t->endpoints, &e->link);
    }
    text_reset(&e->api_version);
    text_add(&e->api_version, api_version);
    return e;
}

void twin_line_push(struct twin_endpoint *e, struct twin_post *p) {
    heap_push(&e->line, p);
    metric_set(METRIC_TWIN_WAITING, (int64_t)e->twin->waiting);
}

void twin_post_drop(struct twin_endpoint *e, struct twin_post *p) {
    if (--p->shared->uses == 0) {
        twin_event_free(p->shared->event);
        free(p->shared);
    }
    list_remove(&p->link);
    free(p);
    e->twin->waiting--;
    metric_set(METRIC_TWIN_WAITING, (int64_t)e->twin->waiting);
}

void twin_lines_drop(struct twin_desk *t) {
    LIST_EACH(it, &t->endpoints) {
        struct twin_endpoint *e = CONTAINER(it, struct twin_endpoint, link);
        if (e->under_way != NULL) {
            t->fetcher->cancel(t->fetcher, e->fetch);
            twin_post_drop(e, e->under_way);
            e->under_way = NULL;
        }
        while (e->line.n > 0)
            twin_post_drop(e, heap_take(&e->line, 0));
        LIST_EACH_SAFE(at, &e->held)
        twin_post_drop(e, CONTAINER(at, struct twin_post, link));
    }
}

// Those that were to come behind another, as one has, or as nobody follows.
static void release_held(struct twin_endpoint *e, uint64_t below) {
    LIST_EACH_SAFE(it, &e->held) {
        struct twin_post *p = CONTAINER(it, struct twin_post, link);
        if (p->seq >= below)
            continue;
        list_remove(&p->link);
        twin_line_push(e, p);
    }
    if (list_empty(&e->held))
        e->held_us = 0;
}

// --- one attempt

static void give_up(struct twin_endpoint *e, struct twin_post *p, enum metric why) {
    metric_add(why, 1);
    e->given_up++;
    log_event(LOG_TWIN_GIVEN_UP, log_b("id", text_bytes(&p->shared->event->id)),
              log_b("type", text_bytes(&p->shared->event->type)),
              log_b("source", text_bytes(&e->source)),
              log_s("why", why == METRIC_TWIN_NO_SOURCE   ? "the source is there no more"
                           : why == METRIC_TWIN_NO_SECRET ? "the source has no secret for it"
                           : why == METRIC_TWIN_DISABLED  ? "the endpoint is disabled"
                                                          : "its schedule ran out"));
    twin_post_drop(e, p);
}

static void failed(struct twin_endpoint *e, struct twin_post *p, int status, const char *error) {
    int64_t wait_ms = 0;
    e->failed++;
    if (!twin_retry_wait(++p->failures, &wait_ms)) {
        give_up(e, p, METRIC_TWIN_GIVEN_UP);
        return;
    }
    p->due_ms = twin_now(e->twin) + wait_ms;
    log_event(LOG_TWIN_POST_FAILED, log_b("id", text_bytes(&p->shared->event->id)),
              log_b("source", text_bytes(&e->source)), log_i("status", status),
              log_s("error", error), log_i("wait_ms", wait_ms));
    twin_line_push(e, p);
}

// What had to be refused; the event itself comes next.
static void was_fault(struct twin_endpoint *e, struct twin_post *p, int status) {
    if (status / 100 == 2) {
        metric_add(METRIC_TWIN_FAULT_TAKEN, 1);
        log_event(LOG_TWIN_FAULT_TAKEN, log_s("fault", twin_fault_name(e->sending)),
                  log_b("id", text_bytes(&p->shared->event->id)),
                  log_b("source", text_bytes(&e->source)), log_i("status", status),
                  log_i("expected", twin_chaos_status(e->sending)));
    }
    twin_line_push(e, p);
}

static void taken(struct twin_endpoint *e, struct twin_post *p) {
    uint64_t seq = p->seq;
    e->taken++;
    metric_add(METRIC_TWIN_TAKEN, 1);
    if (twin_has(p->faults, TWIN_FAULT_DUPLICATE)) {
        p->faults &= ~(1u << TWIN_FAULT_DUPLICATE);
        count_fault(TWIN_FAULT_DUPLICATE);
        twin_line_push(e, p);
    } else {
        twin_post_drop(e, p);
    }
    release_held(e, seq);
}

static void on_answer(void *ctx, const struct fetch_answer *a) {
    struct twin_endpoint *e = ctx;
    struct twin_desk *t = e->twin;
    struct twin_post *p = e->under_way;
    bool away = a->failed != OK && e->sending == TWIN_FAULTS && failed_as(a->failed, FAIL_CLOSED);
    e->under_way = NULL;
    text_drop(&e->body);
    if (e->sending != TWIN_FAULTS) {
        was_fault(e, p, a->status);
    } else if (away) { // this gateway starts or stops: no failure of the endpoint's
        t->away_us = mono_us(t) + AWAY_US;
        twin_line_push(e, p);
    } else if (a->failed == OK && a->status / 100 == 2) {
        taken(e, p);
    } else {
        metric_add(METRIC_TWIN_FAILED, 1);
        failed(e, p, a->status, a->error);
    }
    twin_changed(t);
    twin_send(t, NULL);
}

static const char *allow_all(void *ctx, bytes address) { return NULL; }

static void post(struct twin_endpoint *e, struct twin_post *p, const struct signer_key *key) {
    struct twin_desk *t = e->twin;
    int64_t now_s = clock_wall_ms(t->desk->o.clock) / 1000;
    struct hmac_key wrong;
    hmac_key_init(&wrong, B("whsec_of_somebody_else"));
    text_reset(&e->url);
    text_add(&e->url, text_bytes(&t->base));
    text_add(&e->url, text_bytes(&e->source));
    text_reset(&e->body);
    e->body.max = SIZE_MAX;
    twin_event_print(p->shared->event, text_bytes(&e->api_version), &e->body);
    while (e->sending == TWIN_FAULT_HUGE_BODY && e->body.n <= t->body_max)
        text_addf(&e->body, "%1024s", "");
    text_reset(&e->signature);
    text_adds(&e->signature, "Stripe-Signature: ");
    signature_sign(e->sending == TWIN_FAULT_WRONG_SIGNATURE ? &wrong : &key->key,
                   e->sending == TWIN_FAULT_OLD_TIMESTAMP ? now_s - OLD_S : now_s,
                   text_bytes(&e->body), &e->signature);
    size_t n = 0;
    for (; n < DELIVERY_HEADERS; n++)
        e->headers[n] = delivery_headers[n];
    e->headers[n++] = text_str(&e->signature);
    bool by_unix = t->unix_path.n > 0;
    e->request = (struct fetch_request){
        .method = "POST",
        .url = text_str(&e->url),
        .unix_path = by_unix ? text_str(&t->unix_path) : NULL,
        .headers = e->headers,
        .header_count = n,
        .body = text_bytes(&e->body),
        .timeout_ms = TWIN_POST_MS,
        .answer_max = ANSWER_MAX,
        .answer_keep = ANSWER_KEEP,
        .judge = by_unix ? NULL : allow_all, // so that no proxy is used
    };
    e->under_way = p;
    e->fetch = t->fetcher->start(t->fetcher, &e->request, on_answer, e);
}

// Its time has come: it is posted, or what becomes of it instead.
static void begin(struct twin_endpoint *e, struct twin_post *p) {
    struct twin_desk *t = e->twin;
    const struct signer *s = signing_find(t->desk->signing, text_bytes(&e->source));
    bool account = p->shared->event->account.n > 0;
    const struct signer_key *key =
        s == NULL ? NULL
                  : signer_key_for(s, account, false, clock_wall_ms(t->desk->o.clock) / 1000);
    if (twin_has(p->faults, TWIN_FAULT_REORDER)) {
        p->faults &= ~(1u << TWIN_FAULT_REORDER);
        count_fault(TWIN_FAULT_REORDER);
        list_push(&e->held, &p->link);
        e->held_us = mono_us(t) + TWIN_REORDER_MS * 1000;
        return;
    }
    if (p->failures > 0 && t->chaos.percent[TWIN_FAULT_DISABLED] == 100) {
        give_up(e, p, METRIC_TWIN_DISABLED);
        return;
    }
    if (key == NULL) {
        give_up(e, p, s == NULL ? METRIC_TWIN_NO_SOURCE : METRIC_TWIN_NO_SECRET);
        return;
    }
    e->sending = twin_chaos_next(&p->faults);
    if (e->sending != TWIN_FAULTS)
        count_fault(e->sending);
    if (e->sending == TWIN_FAULT_DROP)
        failed(e, p, 0, "lost on its way, as twin.chaos wants it");
    else
        post(e, p, key);
}

// --- all of them

static int64_t sooner(int64_t a, int64_t b) { return a < b ? a : b; }

// Posts what is due; ms until there is more to do, as far as is known now.
static int64_t pump(struct twin_endpoint *e) {
    struct twin_desk *t = e->twin;
    int64_t wait_ms = INT64_MAX;
    for (;;) {
        int64_t now_us = mono_us(t);
        if (e->held_us != 0 && e->held_us <= now_us)
            release_held(e, UINT64_MAX);
        wait_ms = e->held_us != 0 ? (e->held_us - now_us + 999) / 1000 : INT64_MAX;
        const struct twin_post *first = heap_first(&e->line);
        if (e->under_way != NULL || first == NULL)
            return wait_ms;
        if (t->away_us > now_us)
            return sooner(wait_ms, (t->away_us - now_us + 999) / 1000);
        int64_t due_ms = twin_clock_wait(&t->clock, first->due_ms, now_us);
        if (due_ms > 0)
            return sooner(wait_ms, due_ms);
        begin(e, heap_take(&e->line, 0));
        twin_changed(t);
    }
}

static void add_post(struct twin_endpoint *e, struct twin_shared *shared,
                     const struct twin_chaos *chaos) {
    struct twin_desk *t = e->twin;
    unsigned faults = twin_chaos_draw(chaos, &t->random);
    if (twin_has(faults, TWIN_FAULT_DISABLED)) {
        count_fault(TWIN_FAULT_DISABLED);
        return;
    }
    if (t->waiting >= t->waiting_max) {
        metric_add(METRIC_TWIN_CROWDED, 1);
        e->given_up++;
        if (!t->crowded)
            log_event(LOG_TWIN_CROWDED, log_i("waiting", (int64_t)t->waiting));
        t->crowded = true;
        return;
    }
    t->crowded = false;
    struct twin_post *p = NEW(struct twin_post);
    list_init(&p->link);
    p->shared = shared;
    p->seq = t->seq;
    p->due_ms = twin_now(t);
    p->faults = faults & ~(1u << TWIN_FAULT_DELAY);
    if (twin_has(faults, TWIN_FAULT_DELAY)) {
        count_fault(TWIN_FAULT_DELAY);
        p->due_ms += chaos->delay_ms;
    }
    shared->uses++;
    t->waiting++;
    twin_line_push(e, p);
}

// A source is an endpoint for what one of its secrets signs.
static bool takes(const struct twin_desk *t, const struct signer *s, const struct twin_event *e) {
    return s != NULL && mode_fits(s->livemode, false) &&
           signer_key_for(s, e->account.n > 0, false, clock_wall_ms(t->desk->o.clock) / 1000) !=
               NULL;
}

// Its endpoints, one after the other from *at = 0; null: no more.
static const struct signer *next_endpoint(const struct twin_desk *t, const struct twin_event *e,
                                          size_t *at, bytes *api_version) {
    const struct signing *sources = t->desk->signing;
    bool named = t->configured_count > 0;
    size_t n = named ? t->configured_count : sources->count;
    while (*at < n) {
        const struct desk_twin_endpoint *c = named ? &t->configured[*at] : NULL;
        const struct signer *s = named ? signing_find(sources, c->source) : &sources->signers[*at];
        (*at)++;
        *api_version = named ? c->api_version : t->api_version;
        if (takes(t, s, e))
            return s;
    }
    return NULL;
}

// To how many it goes, as Stripe tells; the world says 1.
static void set_pending(struct twin_event *e, size_t n) {
    OWN(json_draft_close)
    struct json_draft *draft = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL, *number = NULL;
    OWN(text_drop)
    struct text said = {0};
    size_t at;
    if (n == 1 || e->thin)
        return;
    text_addf(&said, "%zu", n);
    ensure(json_draft_open(text_bytes(&e->body), &draft) == OK &&
           json_parse(text_bytes(&said), &number) == OK &&
           json_draft_set(draft, B("pending_webhooks"), json_root(number), &at) == OK &&
           json_draft_finish(draft, &doc) == OK);
    text_reset(&e->body);
    json_write(json_root(doc), &e->body);
}

static void take_event(struct twin_desk *t, struct twin_event *event,
                       const struct twin_chaos *chaos) {
    struct twin_shared *shared = NEW(struct twin_shared);
    const struct signer *s;
    bytes api_version;
    size_t n = 0;
    *shared = (struct twin_shared){event, 1};
    t->seq++;
    for (size_t at = 0; next_endpoint(t, event, &at, &api_version) != NULL;)
        n++;
    set_pending(event, n);
    for (size_t at = 0; (s = next_endpoint(t, event, &at, &api_version)) != NULL;)
        add_post(twin_endpoint_of(t, s->path, api_version), shared, chaos);
    if (--shared->uses == 0) {
        twin_event_free(event);
        free(shared);
    }
}

static void take_events(struct twin_desk *t, const struct twin_chaos *chaos) {
    for (struct twin_event *e; (e = twin_event_take(t->world)) != NULL; twin_changed(t))
        take_event(t, e, chaos);
}

void twin_send(struct twin_desk *t, const struct twin_chaos *chaos) {
    take_events(t, chaos != NULL ? chaos : &t->chaos);
    if (twin_next_ms(t->world) <= twin_now(t)) {
        twin_run(t->world, twin_now(t));
        twin_changed(t);
        take_events(t, &t->chaos);
    }
    metric_set(METRIC_TWIN_OBJECTS, (int64_t)twin_counts(t->world).objects);
    if (t->hushed)
        return;
    int64_t wait_ms = twin_clock_wait(&t->clock, twin_next_ms(t->world), mono_us(t));
    LIST_EACH(it, &t->endpoints)
    wait_ms = sooner(wait_ms, pump(CONTAINER(it, struct twin_endpoint, link)));
    if (wait_ms == INT64_MAX)
        timer_clear(t->timer);
    else
        timer_set(t->timer, sooner(wait_ms, 86400000));
}

// --- where to

// The one to post to: by TCP without TLS if there is such a one, else by a socket.
static bytes choose(json addresses) {
    static const char *const order[] = {"http:", "unix:", "https:"};
    json one;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        for (size_t at = 0; json_element(addresses, &at, &one);)
            if (bytes_starts(json_string(one), bytes_of(order[i])))
                return json_string(one);
    return NO_BYTES;
}

result twin_find_way(struct twin_desk *t, struct text *why) {
    static const char *const any[][2] = {{"://0.0.0.0:", "://127.0.0.1:"},
                                         {"://[::]:", "://[::1]:"}};
    OWN(json_close)
    struct json_doc *doc = NULL;
    TRY(json_parse(text_bytes(&t->desk->addresses), &doc));
    bytes to = choose(json_root(doc));
    if (to.n == 0) {
        text_adds(why, "the twin posts to where sources listen, and there is nothing in `listen`");
        FAIL(INVALID, "there is no address to post to");
    }
    if (bytes_starts(to, B("unix:"))) {
        text_add(&t->unix_path, bytes_slice(to, 5, to.n));
        to = B("http://localhost");
    }
    for (size_t i = 0; i < 2; i++) {
        size_t at = bytes_search(to, bytes_of(any[i][0]));
        if (at == to.n)
            continue;
        text_add(&t->base, bytes_slice(to, 0, at));
        text_adds(&t->base, any[i][1]);
        text_add(&t->base, bytes_slice(to, at + bytes_of(any[i][0]).n, to.n));
        return OK;
    }
    text_add(&t->base, to);
    return OK;
}
