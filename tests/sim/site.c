// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/list.h"
#include "base/memory.h"
#include "sim.h"
#include "stripe/event.h"

// One request under way to a site; outlives the process that sent it.
struct fetch {
    struct sim *sim;
    uint32_t life;
    bool cancelled;
    void (*done)(void *ctx, const struct fetch_answer *a);
    void *ctx;
    char destination[32];
    char *body;
    char signature[200];
    int64_t timeout_us, began_us;
    bool arrives, accepted, answers;
    int status;
    const char *retry_after;
};

static struct got *got_of(struct fetch *f) {
    OWN(event_drop)
    struct event e = {0};
    ensure(event_parse(bytes_of(f->body), &e, NULL) == OK); // as it was when it arrived
    bool other = json_equals_text(json_path(json_root(e.doc), B("data.object.owner")), B("other"));
    return site_got(f->sim, bytes_of(f->destination), stripe_event(f->sim, e.id, other));
}

static void answer(void *ctx) {
    struct fetch *f = ctx;
    struct sim *s = f->sim;
    s->fetches--;
    bool heard = !f->cancelled && s->node.up && f->life == s->node.lives;
    if (f->accepted) {
        struct got *g = got_of(f);
        if (heard && f->answers)
            g->unrecorded++;
        else
            g->excused++;
    }
    if (heard) {
        moods_heard(s, bytes_of(f->destination), f->began_us, f->answers ? f->status : 0);
        struct fetch_answer a = {
            .failed = f->answers   ? OK
                      : f->arrives ? PLACE(TIMEOUT, "no answer")
                                   : PLACE(CLOSED, "refused"),
            .error = f->answers ? "" : "simulated",
            .status = f->answers ? f->status : 0,
            .body = B("seen"),
            .retry_after = bytes_of(f->retry_after),
            .micros = s->world.mono_us - f->began_us,
        };
        f->done(f->ctx, &a);
    }
    free(f->body);
    free(f);
}

static void check_signature(struct fetch *f) {
    struct sim *s = f->sim;
    bytes secret = B(SECRET_SITE);
    struct signature sig;
    enum signature_verdict v = signature_parse(bytes_of(f->signature), &sig);
    if (v == SIGNATURE_HOLDS) {
        struct signature_ring *ring = signature_ring_open(&secret, 1);
        struct signature_check *c = signature_check_open(ring, &sig);
        signature_check_add(c, bytes_of(f->body));
        size_t which;
        v = signature_check_finish(c, bytes_of(f->body), sig.time, 300, &which);
        signature_ring_close(ring);
    }
    if (v != SIGNATURE_HOLDS)
        world_broken(&s->world, "a site's SDK accepts the delivery", "%s",
                     signature_verdict_text(v));
}

struct got *site_accept(struct sim *s, bytes destination, bytes body, bool works) {
    OWN(event_drop)
    struct event e = {0};
    if (event_parse(body, &e, NULL) != OK) {
        world_broken(&s->world, "the bytes are sacred", "a site got what is no event");
        return NULL;
    }
    bool other = json_equals_text(json_path(json_root(e.doc), B("data.object.owner")), B("other"));
    const struct event_sent *sent = stripe_event(s, e.id, other);
    if (sent == NULL || (!bytes_equal(body, bytes_of(sent->body[0])) &&
                         !bytes_equal(body, bytes_of(sent->body[1])))) {
        world_broken(&s->world, "the bytes are sacred", "a site got bytes that nobody sent");
        return NULL;
    }
    struct got *g = site_got(s, destination, sent);
    g->accepted += works;
    return g;
}

// The site has the request in its hands.
static void arrive(struct fetch *f) {
    check_signature(f);
    bool works = f->status >= 200 && f->status <= 299;
    struct got *g = site_accept(f->sim, bytes_of(f->destination), bytes_of(f->body), works);
    f->accepted = works && g != NULL;
}

static void arrive_planned(void *ctx) {
    struct fetch *f = ctx;
    arrive(f);
    int64_t us = f->answers ? 1 + (int64_t)world_below(&f->sim->world, 200000) : f->timeout_us;
    world_plan(&f->sim->world, us, answer, f);
}

static void draw_fate(struct fetch *f) {
    static const int bad[] = {500, 503, 404, 302, 409, 425, 429};
    struct sim *s = f->sim;
    f->arrives = f->answers = true;
    f->status = 200;
    f->retry_after = "";
    bool endpoint = bytes_starts(bytes_of(f->destination), B("we_"));
    if (s->down != NULL && strcmp(f->destination, s->down) == 0 && !(endpoint && s->calm)) {
        f->status = 500;
        return;
    }
    if (moods_fate(s, bytes_of(f->destination), &f->arrives, &f->answers, &f->status,
                   &f->retry_after))
        return;
    if (s->calm || !s->trouble.network)
        return;
    switch (world_below(&s->world, 12)) {
    case 0: f->arrives = f->answers = false; break;
    case 1: f->answers = false; break;
    case 2:
    case 3: f->status = bad[world_below(&s->world, sizeof bad / sizeof *bad)]; break;
    case 4:
        f->status = 503;
        f->retry_after = "7";
        break;
    default: break;
    }
}

static void copy_header(const struct fetch_request *r, const char *name, char *out, size_t size) {
    bytes want = bytes_of(name);
    for (size_t i = 0; i < r->header_count; i++) {
        bytes rest = bytes_of(r->headers[i]);
        bytes key = bytes_cut(&rest, ':');
        if (!bytes_equal_nocase(key, want))
            continue;
        bytes value = bytes_trim(rest);
        size_t n = value.n < size - 1 ? value.n : size - 1;
        memcpy(out, value.p, n);
        out[n] = '\0';
    }
}

static struct fetch *start(struct fetcher *fetcher, const struct fetch_request *r,
                           void (*done)(void *ctx, const struct fetch_answer *a), void *ctx) {
    struct sim *s = CONTAINER(fetcher, struct sim, fetcher);
    struct fetch *f = NEW(struct fetch);
    f->sim = s;
    f->life = s->node.lives;
    f->done = done;
    f->ctx = ctx;
    f->began_us = s->world.mono_us;
    f->timeout_us = r->timeout_ms * 1000;
    f->body = bytes_strdup(r->body);
    const char *name = strrchr(r->url, '/') + 1;
    memcpy(f->destination, name, strlen(name) + 1);
    moods_begins(s, bytes_of(f->destination));
    copy_header(r, "Stripe-Signature", f->signature, sizeof f->signature);
    draw_fate(f);
    OWN(event_drop)
    struct event e = {0};
    if (event_parse(r->body, &e, NULL) == OK) {
        world_say(&s->world, "send %.*s to %s", BYTES_ARG(e.id), f->destination);
        bool other =
            json_equals_text(json_path(json_root(e.doc), B("data.object.owner")), B("other"));
        oracle_begins(s, bytes_of(f->destination), stripe_event(s, e.id, other));
        bool live_only = strcmp(name, "live") == 0 && s->node.variant < 2;
        if ((live_only && !e.livemode) || (strcmp(name, "platform") == 0 && e.livemode))
            world_broken(&s->world, "test and live stay apart", "%.*s sent to %s", BYTES_ARG(e.id),
                         name);
    }
    s->fetches++;
    if (f->arrives)
        world_plan(&s->world, 1 + (int64_t)world_below(&s->world, 50000), arrive_planned, f);
    else
        world_plan(&s->world, 1000, answer, f);
    return f;
}

static void cancel(struct fetcher *fetcher, struct fetch *one) {
    (void)fetcher;
    one->cancelled = true;
}

void site_open(struct sim *s) { s->fetcher = (struct fetcher){start, cancel}; }

struct got *site_got(struct sim *s, bytes destination, const struct event_sent *e) {
    OWN(text_drop)
    struct text key = {0};
    text_add(&key, destination);
    text_addf(&key, " %s %d", e->id, e->other_owner);
    struct got *g = map_get(&s->got, text_bytes(&key));
    if (g == NULL) {
        g = NEW(struct got);
        map_put(&s->got, text_bytes(&key), g);
    }
    return g;
}

void site_crashed(struct sim *s) {
    size_t at = 0;
    bytes key;
    void *value;
    while (map_next(&s->got, &at, &key, &value)) {
        struct got *g = value;
        g->excused += g->unrecorded;
        g->unrecorded = 0;
    }
}

void site_close(struct sim *s) {
    size_t at = 0;
    bytes key;
    void *value;
    while (map_next(&s->got, &at, &key, &value))
        free(value);
    map_drop(&s->got);
}
