// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "sim.h"

#define SPREAD_US 90000000
#define RETRY_US 4000000

static const char *const types[] = {"customer.created", "customer.subscription.updated",
                                    "charge.succeeded", "invoice.paid", "something.new"};
static const char *const paths[SOURCES] = {"/webhook", "/connect", "/other"};

const char *source_path(int source) { return paths[source]; }

static void add_metadata(struct text *t, const char *site) {
    if (site != NULL)
        text_addf(t, ",\n      \"metadata\": {\"site\": \"%s\"}", site);
}

// Where what an object belongs to stands in it, as API versions of before 2025 have it.
static void add_above(struct text *t, const struct told *o, size_t i) {
    const char *type = o->above[i].type, *id = o->above[i].id;
    if (strcmp(type, "price") == 0 && strcmp(o->type, "subscription") == 0)
        text_addf(t,
                  ",\n      \"items\": {\"data\": [{\"price\": {\"id\": \"%s\", \"object\": "
                  "\"price\"}}]}",
                  id);
    else if (strcmp(type, "price") == 0)
        text_addf(t, ",\n      \"lines\": {\"data\": [{\"price\": \"%s\"}]}", id);
    else if (o->above[i].site == NULL)
        text_addf(t, ",\n      \"%s\": \"%s\"", type, id);
    else
        text_addf(t,
                  ",\n      \"%s\": {\"id\": \"%s\", \"object\": \"%s\", \"metadata\": "
                  "{\"site\": \"%s\"}}",
                  type, id, type, o->above[i].site);
}

static void add_object(struct text *t, const struct event_sent *e) {
    const struct told *o = &e->told;
    text_addf(t, "{\n      \"object\": \"%s\",\n      \"owner\": \"%s\"", o->type,
              e->other_owner ? "other" : "main");
    if (o->id[0] != '\0')
        text_addf(t, ",\n      \"id\": \"%s\"", o->id);
    if (strcmp(o->type, "product") == 0)
        text_addf(t, ",\n      \"number\": %d", o->is);
    add_metadata(t, o->site);
    for (size_t i = 0; i < o->above_count; i++)
        add_above(t, o, i);
    text_adds(t, "\n    }");
}

static char *render(const struct event_sent *e, int version) {
    OWN(text_drop)
    struct text t = {0};
    text_addf(&t, "{\n  \"id\": \"%s\",\n  \"object\": \"event\",\n", e->id);
    if (e->account[0] != '\0')
        text_addf(&t, "  \"account\": \"%s\",\n", e->account);
    text_addf(&t,
              "  \"api_version\": \"%s\",\n  \"created\": %lld,\n  \"data\": {\n    \"object\": ",
              version == 0 ? "2025-01-27.acacia" : "2026-10-28.endive", (long long)e->told.created);
    add_object(&t, e);
    if (strcmp(e->type, "product.updated") == 0)
        text_addf(&t, ",\n    \"previous_attributes\": {\"number\": %d}", e->told.was);
    text_addf(&t,
              "\n  },\n  \"livemode\": %s,\n  \"pending_webhooks\": 1,\n  "
              "\"request\": null,\n  \"type\": \"%s\"\n}",
              e->livemode ? "true" : "false", e->type);
    return text_give(&t);
}

static const char *draw_site(struct world *w) {
    static const char *const said[] = {"shop", "school", "nobody"};
    size_t i = world_below(w, 9);
    return i < 3 ? said[i] : NULL;
}

// It belongs, one time in `chance`, to one of so many.
static void draw_above(struct world *w, struct told *o, uint64_t chance, const char *type,
                       const char *prefix, uint64_t many) {
    if (!world_chance(w, chance))
        return;
    size_t i = o->above_count++;
    o->above[i].type = type;
    o->above[i].site = strcmp(type, "customer") == 0 && world_chance(w, 4) ? draw_site(w) : NULL;
    snprintf(o->above[i].id, sizeof o->above[i].id, "%s_%d", prefix, (int)world_below(w, many));
}

static void draw_told(struct world *w, struct told *o, int type) {
    static const struct {
        const char *type, *prefix;
        uint64_t many;
    } kinds[] = {{"customer", "cus", 3},
                 {"subscription", "sub", 3},
                 {"charge", "ch", 5},
                 {"invoice", "in", 4},
                 {"thing", "obj", 2}};
    *o = (struct told){.type = kinds[type].type, .site = draw_site(w)};
    o->created = 1790000000 + (int64_t)world_below(w, 3);
    if (type < 4 || world_chance(w, 2))
        snprintf(o->id, sizeof o->id, "%s_%d", kinds[type].prefix,
                 (int)world_below(w, kinds[type].many));
    if (type >= 1 && type <= 3)
        draw_above(w, o, 2, "customer", "cus", 3);
    if (type == 1 || type == 3)
        draw_above(w, o, 2, "price", "price", 3);
    if (type == 2)
        draw_above(w, o, 2, "invoice", "in", 4);
    if (type == 3)
        draw_above(w, o, 2, "subscription", "sub", 3);
}

static void post_try(void *ctx);

static void post_again(struct post *p) {
    uint64_t us = 1000 + world_below(&p->sim->world, RETRY_US);
    world_plan(&p->sim->world, (int64_t)us, post_try, p);
}

static void post_release(void *ctx) {
    struct post *p = ctx;
    if (p->reception != NULL && p->ended)
        receive_abandon(p->reception);
    if (p->ended)
        p->reception = NULL;
}

static void post_ended(void *ctx, enum reception_end end) {
    struct post *p = ctx;
    struct sim *s = p->sim;
    p->ended = true;
    world_plan(&s->world, 0, post_release, p);
    struct reception_answer answer;
    reception_answer(end, &answer);
    world_say(&s->world, "%s on %s answered %d", p->event->id, paths[p->source], answer.status);
    if (end != RECEPTION_RECEIVED) {
        bool jumped = s->trouble.jumps && (end == RECEPTION_TOO_OLD || end == RECEPTION_IN_FUTURE);
        if (answer.status != 503 && !jumped)
            world_broken(&s->world, "what Stripe signed is taken", "%s: %d %s", p->event->id,
                         answer.status, answer.body);
        post_again(p);
        return;
    }
    oracle_ack(s, p);
    p->ever_acked = true;
    if (s->trouble.network && !s->calm && world_chance(&s->world, 8))
        post_again(p); // the answer was lost on its way
    else
        p->acked = true;
}

static void post_piece(void *ctx) {
    struct post *p = ctx;
    struct sim *s = p->sim;
    if (p->reception == NULL || p->ended || p->life != s->node.lives)
        return;
    bytes body = bytes_of(p->event->body[p->version]);
    size_t n = 1 + world_below(&s->world, body.n);
    bytes piece = bytes_slice(body, p->at, p->at + n);
    if (piece.n > 0 && !receive_body(p->reception, piece))
        return;
    p->at += piece.n;
    if (p->at == body.n)
        receive_complete(p->reception);
    else
        world_plan(&s->world, (int64_t)world_below(&s->world, 20000), post_piece, p);
}

static void sign(struct post *p, struct text *header) {
    struct world *w = &p->sim->world;
    static const char *const secrets[SOURCES] = {SECRET_WEBHOOK, SECRET_CONNECT, SECRET_OTHER};
    struct hmac_key key;
    hmac_key_init(&key, bytes_of(secrets[p->source]));
    signature_sign(&key, clock_wall_ms(&w->clock) / 1000, bytes_of(p->event->body[p->version]),
                   header);
}

static void post_try(void *ctx) {
    struct post *p = ctx;
    struct sim *s = p->sim;
    if (p->acked || (p->reception != NULL && !p->ended))
        return;
    post_release(p);
    if (!s->node.up) {
        post_again(p);
        return;
    }
    OWN(text_drop)
    struct text header = {0};
    sign(p, &header);
    struct http_request head = {
        .method = B("POST"),
        .target = bytes_of(paths[p->source]),
        .path = bytes_of(paths[p->source]),
        .headers = {{B("Stripe-Signature"), text_bytes(&header)}},
        .header_count = 1,
        .has_length = world_chance(&s->world, 2),
        .length = strlen(p->event->body[p->version]),
    };
    p->ended = false;
    p->at = 0;
    p->life = s->node.lives;
    enum reception_end end = receive_head(&s->node.receiver, &head, post_ended, p, &p->reception);
    if (end != RECEPTION_ENDS) {
        p->reception = NULL;
        p->ended = true;
        post_again(p);
        return;
    }
    post_piece(p);
}

void stripe_crashed(struct sim *s) {
    for (size_t i = 0; i < s->post_count; i++) {
        struct post *p = &s->posts[i];
        if (p->reception == NULL)
            continue;
        bool answered = p->ended;
        receive_abandon(p->reception);
        p->reception = NULL;
        p->ended = true;
        if (!answered)
            post_again(p);
    }
}

static void add_post(struct sim *s, struct event_sent *e, int source) {
    struct post *p = &s->posts[s->post_count++];
    *p = (struct post){.sim = s, .event = e, .source = source, .ended = true};
    p->version = (int)world_below(&s->world, 4) == 0;
    world_plan(&s->world, (int64_t)world_below(&s->world, SPREAD_US), post_try, p);
}

static void add_event(struct sim *s, size_t i) {
    struct event_sent *e = &s->events[i];
    struct world *w = &s->world;
    int type = (int)world_below(w, 5);
    snprintf(e->type, sizeof e->type, "%s", types[type]);
    draw_told(w, &e->told, type);
    e->livemode = world_chance(w, 2);
    e->other_owner = i > 0 && world_chance(w, 8);
    e->poison = s->trouble.poison && world_chance(w, 10);
    e->killer = s->trouble.killer && !e->poison && world_chance(w, 25);
    // Another owner's event may have the id of one of ours.
    size_t name = e->other_owner ? i - 1 : i;
    const char *mark = e->poison ? "poison" : e->killer ? "killer" : "";
    snprintf(e->id, sizeof e->id, "evt_%s%zu", mark, name);
    if (!e->other_owner && world_chance(w, 3))
        snprintf(e->account, sizeof e->account, "acct_%d", (int)world_below(w, 3));
    if (plan_has_tables && !e->other_owner && world_chance(w, 2))
        tables_draw(s, e);
    for (int v = 0; v < 2; v++)
        e->body[v] = render(e, v);
    s->event_count++;
    if (e->other_owner) {
        add_post(s, e, 2);
        return;
    }
    int first = e->account[0] != '\0' ? 1 : (int)world_below(w, 2);
    // Connect's secret alone signs on /connect; the platform's own events come by /webhook too.
    add_post(s, e, first);
    if (world_chance(w, 3))
        add_post(s, e, 1);
    if (world_chance(w, 6))
        add_post(s, e, first);
}

void stripe_plan(struct sim *s) {
    size_t n = 8 + world_below(&s->world, EVENTS_MAX - 8);
    for (size_t i = 0; i < n; i++)
        add_event(s, i);
}

bool stripe_done(const struct sim *s) {
    for (size_t i = 0; i < s->post_count; i++)
        if (!s->posts[i].acked || s->posts[i].reception != NULL)
            return false;
    return true;
}

const struct event_sent *stripe_event(const struct sim *s, bytes id, bool other_owner) {
    for (size_t i = 0; i < s->event_count; i++)
        if (s->events[i].other_owner == other_owner && bytes_equal(bytes_of(s->events[i].id), id))
            return &s->events[i];
    return NULL;
}
