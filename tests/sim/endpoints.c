// SPDX-License-Identifier: MIT
// Endpoints made through the API: who makes and changes them, and what they are owed, read from all
// records by the prose of rules/endpoint.h over what the simulation knows it has sent.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/seal.h"
#include "rules/record.h"
#include "sim.h"
#include "stripe/event.h"

#define LATE "its endpoint was disabled when its next attempt was due"
#define GONE "its endpoint was deleted"
#define BY_HAND "cancelled by hand"

enum owed_end { OWED_OPEN, OWED_DONE, OWED_DEAD, OWED_LATE, OWED_GONE, OWED_BY_HAND };
static const char *const end_texts[] = {"open", "done", "dead", "late", "gone", "by hand"};

// An event that an endpoint was owed when it was booked. Its next attempt lies within two times.
struct owed {
    size_t event, to;
    uint64_t receipt, delivery;
    uint64_t late; // the record that enabled its endpoint too late for it; 0: none
    int64_t next_from, next_to;
    uint32_t attempts, failures;
    bool unknown; // a cancellation within both times was followed by a retry
    enum owed_end end;
};

struct pointed {
    bool made, gone, livemode, enabled;
    bool failed; // disabled by what its outcomes say
    enum scope scope;
    struct text types; // JSON
    int64_t failing_since;
};

struct pointing {
    struct sim *sim;
    struct pointed at[ENDPOINTS_MAX];
    struct owed *owed;
    size_t owed_count, owed_cap;
    bool booked[EVENTS_MAX];
    uint64_t keys[ENDPOINT_KEYS_MAX]; // the command that has it; 0: none
    struct disabled disabled[DISABLED_MAX];
    size_t disabled_count;
};

bool plan_has_endpoints;

static const char *const type_lists[] = {"[\"*\"]", "[\"customer.created\",\"something.new\"]",
                                         "[\"charge.succeeded\",\"invoice.paid\"]",
                                         "[\"product.created\",\"customer.created\"]"};
enum { TYPE_LISTS = sizeof type_lists / sizeof *type_lists };

void endpoint_name(size_t n, char out[ENDPOINT_NAME_SIZE]) {
    snprintf(out, ENDPOINT_NAME_SIZE, "we_%zu", n);
}

// The number in its name; ENDPOINTS_MAX: it is none of ours.
static size_t number_of(bytes name) {
    for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
        char id[ENDPOINT_NAME_SIZE];
        endpoint_name(i, id);
        if (bytes_equal(name, bytes_of(id)))
            return i;
    }
    return ENDPOINTS_MAX;
}

// Made again under its key it has another id and another seal, as the desk has it.
static void post_create(struct sim *s, const struct endpoint_wish *w, int key, unsigned asked) {
    if (s->endpoint_count == ENDPOINTS_MAX)
        return;
    OWN(text_drop)
    struct text said = {0};
    char id[ENDPOINT_NAME_SIZE];
    uint8_t nonce[SEAL_NONCE_SIZE] = {(uint8_t)s->endpoint_count};
    endpoint_name(s->endpoint_count, id);
    s->endpoint_live[s->endpoint_count++] = w->livemode;
    text_addf(
        &said,
        "{\"do\":\"endpoint_create\",\"endpoint\":{\"id\":\"%s\",\"livemode\":%s,\"enabled\":"
        "true,\"because\":\"\",\"url\":\"https://site.example/%s\",\"types\":%s,\"scope\":\"%s"
        "\",\"payload\":\"snapshot\",\"name\":\"\",\"description\":\"\",\"api_version\":\"\","
        "\"application\":\"\",\"metadata\":{},\"created_s\":1,\"updated_ms\":1,\"sealed\":\"",
        id, w->livemode ? "true" : "false", id, type_lists[w->types], scope_name(w->scope));
    seal_close(node_sealing_key, nonce, bytes_of(id), B(SECRET_SITE), &said);
    text_addf(&said, "\"},\"asked\":\"%064x\"", asked);
    if (key >= 0)
        text_addf(&said, ",\"idempotency_key\":\"endpoint_%d\"", key);
    text_addc(&said, '}');
    node_post(&s->node, RECORD_COMMAND, text_bytes(&said));
}

static void create(struct sim *s) {
    static const enum scope scopes[] = {SCOPE_ACCOUNT, SCOPE_CONNECT, SCOPE_ANY};
    struct world *w = &s->world;
    struct endpoint_wish wish = {
        .livemode = world_chance(w, 2),
        .types = (int)world_below(w, TYPE_LISTS),
        .scope = scopes[world_below(w, 3)],
    };
    int key = -1;
    if (s->endpoint_keys < ENDPOINT_KEYS_MAX && world_chance(w, 2)) {
        key = (int)s->endpoint_keys++;
        s->endpoint_asked[key] = wish;
    }
    post_create(s, &wish, key, (unsigned)(key + 1));
}

static void create_again(struct sim *s) {
    if (s->endpoint_keys == 0)
        return;
    size_t key = world_below(&s->world, s->endpoint_keys);
    bool other = world_chance(&s->world, 6);
    post_create(s, &s->endpoint_asked[key], (int)key, (unsigned)key + 1 + (other ? 1000 : 0));
}

static void post_set(struct sim *s, size_t n, const char *set) {
    OWN(text_drop)
    struct text said = {0};
    char id[ENDPOINT_NAME_SIZE];
    endpoint_name(n, id);
    text_addf(&said,
              "{\"do\":\"endpoint_update\",\"id\":\"%s\",\"livemode\":%s,\"set\":{%s},\"asked\":"
              "\"%064x\"}",
              id, s->endpoint_live[n] ? "true" : "false", set, 1u);
    node_post(&s->node, RECORD_COMMAND, text_bytes(&said));
}

static void change(struct sim *s) {
    struct world *w = &s->world;
    size_t n = world_below(w, s->endpoint_count);
    OWN(text_drop)
    struct text set = {0};
    char id[ENDPOINT_NAME_SIZE];
    endpoint_name(n, id);
    switch (world_below(w, 5)) {
    case 0: text_addf(&set, "\"url\":\"https://other.example/hooks/%s\"", id); break;
    case 1: text_addf(&set, "\"types\":%s", type_lists[world_below(w, TYPE_LISTS)]); break;
    case 2: text_adds(&set, "\"enabled\":false"); break;
    default: text_adds(&set, "\"enabled\":true"); break;
    }
    post_set(s, n, text_str(&set));
}

static void delete (struct sim *s) {
    OWN(text_drop)
    struct text said = {0};
    char id[ENDPOINT_NAME_SIZE];
    size_t n = world_below(&s->world, s->endpoint_count);
    endpoint_name(n, id);
    text_addf(&said,
              "{\"do\":\"endpoint_delete\",\"id\":\"%s\",\"livemode\":%s,\"asked\":\"%064x\"}", id,
              s->endpoint_live[n] ? "true" : "false", 2u);
    node_post(&s->node, RECORD_COMMAND, text_bytes(&said));
}

void endpoints_command(struct sim *s) {
    struct world *w = &s->world;
    if (!plan_has_endpoints || !world_chance(w, 50))
        return;
    uint64_t what = world_below(w, 10);
    if (s->endpoint_count == 0 || what < 3)
        create(s);
    else if (what < 4)
        create_again(s);
    else if (what < 9)
        change(s);
    else
        delete (s);
}

static bool is_enabled(const struct endpoint_row *row) {
    return bytes_search(row->json, B("\"enabled\":true")) < row->json.n;
}

// What waits at one that is disabled comes to its end by enabling it.
void endpoints_calm(struct sim *s) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct endpoint_row *rows = NULL;
    size_t n = 0;
    if (!plan_has_endpoints || s->node.books->endpoints(s->node.books, &a, &rows, &n) != OK)
        return;
    for (size_t i = 0; i < n; i++)
        if (!is_enabled(&rows[i]))
            post_set(s, number_of(rows[i].id), "\"enabled\":true");
}

// A request is about to be sent.
void oracle_begins(struct sim *s, bytes destination, const struct event_sent *e) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct destination_row d;
    struct store *books = s->node.books;
    if (!bytes_starts(destination, B("we_")))
        return;
    if (e != NULL)
        site_got(s, destination, e)->began = ledger_booked(s->node.ledger);
    if ((books->destination_find(books, destination, &a, &d) != OK || !d.present))
        world_broken(&s->world, "nothing begins at an endpoint that is off", "an attempt at %.*s",
                     BYTES_ARG(destination));
}

static void note_disabled(struct disabled *list, size_t *n, size_t to, int64_t at_ms) {
    for (size_t i = 0; i < *n; i++)
        if (list[i].endpoint == to && list[i].at_ms == at_ms)
            return;
    if (*n < DISABLED_MAX)
        list[(*n)++] = (struct disabled){to, at_ms};
}

// After a step: which ones the books have disabled by themselves.
void oracle_disabled(struct sim *s) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct endpoint_row *rows = NULL;
    size_t n = 0;
    if (!plan_has_endpoints || s->endpoint_seen == ledger_booked(s->node.ledger) ||
        s->node.books->endpoints(s->node.books, &a, &rows, &n) != OK)
        return;
    s->endpoint_seen = ledger_booked(s->node.ledger);
    for (size_t i = 0; i < n; i++) {
        bytes said = rows[i].json, at = B("\"updated_ms\":");
        if (bytes_search(said, B("\"because\":\"failed\"")) == said.n)
            continue;
        const char *ms = (const char *)said.p + bytes_search(said, at) + at.n;
        note_disabled(s->disabled, &s->disabled_count, number_of(rows[i].id),
                      strtoll(ms, NULL, 10));
    }
}

static bool fits(const struct pointed *p, const struct event_sent *e) {
    OWN(text_drop)
    struct text type = {0};
    text_addf(&type, "\"%s\"", e->type);
    bytes types = text_bytes(&p->types);
    bool typed = bytes_search(types, B("\"*\"")) < types.n ||
                 bytes_search(types, text_bytes(&type)) < types.n;
    bool connect = e->account[0] != '\0';
    return p->made && !p->gone && p->enabled && p->livemode == e->livemode && typed &&
           (p->scope == SCOPE_ANY || (p->scope == SCOPE_CONNECT) == connect);
}

static uint64_t delivery_of(struct sim *s, uint64_t event, size_t to, struct delivery_row *out,
                            struct arena *a) {
    struct store *books = s->node.books;
    struct destination_row d;
    struct delivery_row *all = NULL;
    size_t n = 0;
    char id[ENDPOINT_NAME_SIZE];
    endpoint_name(to, id);
    if (books->destination_find(books, bytes_of(id), a, &d) != OK ||
        books->deliveries_of(books, event, a, &all, &n) != OK)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (all[i].destination == d.number && !all[i].replay) {
            *out = all[i];
            return all[i].seq;
        }
    return 0;
}

static void read_event(struct pointing *p, const struct record *r, int64_t now_ms) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct delivery_row d;
    int event = p->sim->sited[r->position - 1].event;
    if (event < 0 || p->booked[event])
        return;
    p->booked[event] = true;
    for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
        if (!fits(&p->at[i], &p->sim->events[event]))
            continue;
        if (p->owed_count == p->owed_cap) {
            p->owed_cap = p->owed_cap == 0 ? 64 : p->owed_cap * 2;
            p->owed = memory_grow(p->owed, p->owed_cap, sizeof *p->owed);
        }
        p->owed[p->owed_count++] = (struct owed){
            .event = (size_t)event,
            .to = i,
            .receipt = r->position,
            .delivery = delivery_of(p->sim, r->position, i, &d, &a),
            .next_from = now_ms,
            .next_to = now_ms,
        };
    }
}

static void create_read(struct pointing *p, json fields, uint64_t position) {
    bytes key = json_string(json_get(fields, "idempotency_key"));
    json e = json_get(fields, "endpoint");
    size_t n = number_of(json_string(json_get(e, "id"))), live = 0;
    uint64_t *has = NULL;
    if (key.n > 0) {
        has = &p->keys[strtoul((const char *)key.p + strlen("endpoint_"), NULL, 10)];
        if (*has != 0)
            return;
    }
    bool livemode = json_true(json_get(e, "livemode"));
    for (size_t i = 0; i < ENDPOINTS_MAX; i++)
        live += p->at[i].made && !p->at[i].gone && p->at[i].livemode == livemode;
    if (live >= PLAN_SIM_ENDPOINTS)
        return;
    ensure(n < ENDPOINTS_MAX && !p->at[n].made);
    p->at[n] = (struct pointed){.made = true, .livemode = livemode, .enabled = true};
    ensure(scope_parse(json_string(json_get(e, "scope")), &p->at[n].scope) == OK);
    json_write(json_get(e, "types"), &p->at[n].types);
    if (has != NULL)
        *has = position;
}

// What was due meanwhile is cancelled. Where its time is not known exactly, the books may choose.
static void enable(struct pointing *p, size_t n, uint64_t position, int64_t now_ms) {
    p->at[n].failing_since = 0;
    for (size_t i = 0; i < p->owed_count; i++) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, 1 << 20);
        struct owed *o = &p->owed[i];
        struct delivery_row d;
        if (o->to != n || o->end != OWED_OPEN || o->next_from > now_ms)
            continue;
        bool late = o->next_to <= now_ms;
        if (!late && delivery_of(p->sim, o->receipt, n, &d, &a) != 0)
            late = d.ended_at == now_ms && bytes_equal(d.last_error, B(LATE));
        o->unknown = o->unknown || o->next_to > now_ms;
        o->end = late ? OWED_LATE : OWED_OPEN;
        o->late = late ? position : o->late;
    }
}

static void update_read(struct pointing *p, json fields, uint64_t position, int64_t now_ms) {
    size_t n = number_of(json_string(json_get(fields, "id")));
    json set = json_get(fields, "set"), enabled = json_get(set, "enabled"),
         types = json_get(set, "types");
    struct pointed *e = &p->at[n];
    if (!e->made || e->gone)
        return;
    if (json_type(types) == JSON_ARRAY) {
        text_drop(&e->types);
        e->types = (struct text){0};
        json_write(types, &e->types);
    }
    if (json_type(enabled) != JSON_BOOL) {
        if (e->failed) // it shows as changed now
            note_disabled(p->disabled, &p->disabled_count, n, now_ms);
        return;
    }
    e->failed = false;
    if (json_true(enabled) && !e->enabled)
        enable(p, n, position, now_ms);
    e->enabled = json_true(enabled);
}

static void delete_read(struct pointing *p, json fields) {
    size_t n = number_of(json_string(json_get(fields, "id")));
    if (!p->at[n].made)
        return;
    p->at[n].gone = true;
    for (size_t i = 0; i < p->owed_count; i++)
        if (p->owed[i].to == n && p->owed[i].end == OWED_OPEN)
            p->owed[i].end = OWED_GONE;
}

static struct owed *owed_by(struct pointing *p, uint64_t delivery) {
    for (size_t i = 0; i < p->owed_count; i++)
        if (p->owed[i].delivery == delivery && delivery != 0)
            return &p->owed[i];
    return NULL;
}

static void by_hand(struct pointing *p, json fields, bool cancels, int64_t now_ms) {
    int64_t n = 0;
    (void)!(json_i64(json_get(fields, "delivery"), &n) == OK);
    struct owed *o = owed_by(p, (uint64_t)n);
    if (o == NULL)
        return;
    const struct pointed *e = &p->at[o->to];
    if (cancels) {
        o->end = o->end == OWED_OPEN ? OWED_BY_HAND : o->end;
    } else if (o->end != OWED_DONE && e->enabled && !e->gone) {
        o->end = OWED_OPEN;
        o->failures = 0;
        o->next_from = o->next_to = now_ms;
    }
}

static void failed_at(struct pointing *p, size_t n, bool failed, int64_t now_ms) {
    struct pointed *e = &p->at[n];
    if (!failed) {
        e->failing_since = 0;
    } else if (e->failing_since == 0) {
        e->failing_since = now_ms;
    } else if (e->enabled && !e->gone && now_ms - e->failing_since >= PLAN_SIM_DISABLE_MS) {
        e->enabled = false;
        e->failed = true;
        note_disabled(p->disabled, &p->disabled_count, n, now_ms);
    }
}

static void read_next(struct owed *o, bool livemode, const struct outcome_record *in,
                      int64_t now_ms) {
    static const int64_t live[] = {5,     300,   1800,  7200, 18000,
                                   36000, 36000, 86400, 86400}; // seconds
    static const int64_t test[] = {300, 1800, 7200};
    size_t most = livemode ? 9 : 3;
    int64_t asked = now_ms + in->retry_after_ms;
    if (in->outcome == OUTCOME_NOT_YET) {
        o->next_from = now_ms;
        o->next_to = now_ms + 72000;
    } else if (o->failures < most) {
        int64_t pause_s = livemode ? live[o->failures] : test[o->failures];
        o->failures++;
        o->next_from = now_ms + pause_s * 800 - 1;
        o->next_to = now_ms + pause_s * 1200 + 1;
    } else {
        o->end = OWED_DEAD;
    }
    o->next_from = o->next_from < asked ? asked : o->next_from;
    o->next_to = o->next_to < asked ? asked : o->next_to;
}

// Replays' outcomes tell of the endpoint as others do.
static void read_outcome(struct pointing *p, const struct record *r, uint32_t *attempts,
                         size_t count) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct outcome_record in;
    struct delivery_row d;
    struct destination_row *rows = NULL;
    size_t n = 0;
    struct store *books = p->sim->node.books;
    if (outcome_decode(r->payload, &in) != OK || in.delivery >= count ||
        in.attempt != attempts[in.delivery] + 1 ||
        books->delivery_get(books, in.delivery, &a, &d) != OK ||
        books->destinations(books, &a, &rows, &n) != OK)
        return;
    attempts[in.delivery]++;
    size_t to = number_of(rows[d.destination - 1].name);
    if (to == ENDPOINTS_MAX)
        return;
    struct owed *o = owed_by(p, in.delivery);
    if (o != NULL && in.outcome == OUTCOME_DONE)
        o->end = OWED_DONE;
    else if (o != NULL && o->end == OWED_OPEN)
        read_next(o, p->at[to].livemode, &in, r->time_ms);
    if (in.outcome != OUTCOME_NOT_YET && !p->at[to].gone)
        failed_at(p, to, in.outcome == OUTCOME_FAILED, r->time_ms);
}

static bool is_done(struct sim *s, uint64_t position) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct answer_row row;
    return s->node.books->answer_get(s->node.books, position, &a, &row) == OK &&
           bytes_search(row.json, B("\"ok\":true")) < row.json.n;
}

// The same was asked under its key before, and is only answered again.
static bool is_repeated(struct sim *s, const struct record *r) {
    if (bytes_search(r->payload, B("\"idempotency_key\"")) == r->payload.n)
        return false;
    for (size_t i = 0; i + 1 < r->position; i++)
        if (s->history[i].kind == RECORD_COMMAND &&
            bytes_equal(s->history[i].payload, r->payload) && is_done(s, i + 1))
            return true;
    return false;
}

static void read_record(struct pointing *p, const struct record *r, uint32_t *attempts,
                        size_t count);

static void read_command(struct pointing *p, const struct record *r, uint32_t *attempts,
                         size_t count) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (json_parse(r->payload, &doc) != OK)
        return;
    json fields = json_root(doc);
    bytes what = json_string(json_get(fields, "do"));
    int64_t position = 0;
    if (bytes_equal(what, B("endpoint_create")))
        create_read(p, fields, r->position);
    else if (bytes_equal(what, B("endpoint_update")))
        update_read(p, fields, r->position, r->time_ms);
    else if (bytes_equal(what, B("endpoint_delete")))
        delete_read(p, fields);
    else if (!is_done(p->sim, r->position) || is_repeated(p->sim, r))
        return;
    else if (bytes_equal(what, B("cancel")) || bytes_equal(what, B("retry")))
        by_hand(p, fields, bytes_equal(what, B("cancel")), r->time_ms);
    else if (bytes_equal(what, B("suspense_book")) &&
             json_i64(json_get(fields, "position"), &position) == OK)
        read_record(p, &p->sim->history[position - 1], attempts, count);
}

static void read_record(struct pointing *p, const struct record *r, uint32_t *attempts,
                        size_t count) {
    switch ((enum record_kind)r->kind) {
    case RECORD_EVENT: read_event(p, r, r->time_ms); break;
    case RECORD_COMMAND: read_command(p, r, attempts, count); break;
    case RECORD_OUTCOME: read_outcome(p, r, attempts, count); break;
    case RECORD_PLAN: break;
    }
}

static bool ended_so(const struct owed *o, const struct delivery_row *d) {
    static const enum delivery_state states[] = {DELIVERY_WAITING,   DELIVERY_DONE,
                                                 DELIVERY_DEAD,      DELIVERY_CANCELLED,
                                                 DELIVERY_CANCELLED, DELIVERY_CANCELLED};
    const bytes reasons[] = {NO_BYTES, NO_BYTES, NO_BYTES, B(LATE), B(GONE), B(BY_HAND)};
    return d->state == states[o->end] &&
           (reasons[o->end].n == 0 || bytes_equal(d->last_error, reasons[o->end]));
}

static void check_owed(struct sim *s, const struct owed *o) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct delivery_row d;
    const struct event_sent *e = &s->events[o->event];
    char id[ENDPOINT_NAME_SIZE];
    endpoint_name(o->to, id);
    if (delivery_of(s, o->receipt, o->to, &d, &a) == 0) {
        world_broken(&s->world, "an endpoint gets what it is owed", "%s is not owed to %s", e->id,
                     id);
        return;
    }
    if (o->unknown)
        return;
    if (o->late != 0 && e->replays == 0 && s->retries == 0 &&
        site_got(s, bytes_of(id), e)->began >= o->late)
        world_broken(&s->world, "late enabling cancels what was due",
                     "%s to %s began after record %llu", e->id, id, (unsigned long long)o->late);
    bool late = o->end == OWED_LATE || bytes_equal(d.last_error, B(LATE));
    if (!ended_so(o, &d))
        world_broken(
            &s->world,
            late ? "late enabling cancels what was due" : "an endpoint gets what it is owed",
            "%s to %s, delivery %llu: state %d (%.*s), it should be %s", e->id, id,
            (unsigned long long)d.seq, (int)d.state, BYTES_ARG(d.last_error), end_texts[o->end]);
    if (o->end == OWED_DONE && site_got(s, bytes_of(id), e)->accepted == 0)
        world_broken(&s->world, "an endpoint gets what it is owed", "%s never came to %s", e->id,
                     id);
}

// Its receipt is the event's first one.
static void check_delivery(struct sim *s, const struct pointing *p, const struct delivery_row *d,
                           bytes name) {
    bool known = d->replay || !bytes_starts(name, B("we_"));
    for (size_t i = 0; i < p->owed_count && !known; i++)
        known = p->owed[i].delivery == d->seq && p->owed[i].receipt == d->receipt_seq;
    if (!known)
        world_broken(&s->world, "an endpoint gets only what it is owed",
                     "delivery %llu of event %llu to %.*s", (unsigned long long)d->seq,
                     (unsigned long long)d->event_seq, BYTES_ARG(name));
}

static void check_deliveries(struct sim *s, const struct pointing *p) {
    struct store *books = s->node.books;
    OWN(arena_drop)
    struct arena names;
    arena_init(&names, 1 << 20);
    struct destination_row *rows = NULL;
    size_t n = 0;
    ensure(books->destinations(books, &names, &rows, &n) == OK);
    for (uint64_t seq = 1;; seq++) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, 1 << 20);
        struct delivery_row d;
        if (books->delivery_get(books, seq, &a, &d) != OK)
            return;
        check_delivery(s, p, &d, rows[d.destination - 1].name);
    }
}

static bool is_owed(const struct pointing *p, size_t event, size_t to) {
    for (size_t i = 0; i < p->owed_count; i++)
        if (p->owed[i].event == event && p->owed[i].to == to)
            return true;
    return false;
}

static void check_accepted(struct sim *s, const struct pointing *p) {
    for (size_t i = 0; i < s->event_count; i++)
        for (size_t to = 0; to < s->endpoint_count; to++) {
            char id[ENDPOINT_NAME_SIZE];
            endpoint_name(to, id);
            const struct event_sent *e = &s->events[i];
            if (!is_owed(p, i, to) && e->replays == 0 && site_got(s, bytes_of(id), e)->accepted > 0)
                world_broken(&s->world, "an endpoint gets only what it is owed", "%s came to %s",
                             e->id, id);
        }
}

static void check_disabled(struct sim *s, const struct pointing *p) {
    for (size_t i = 0; i < s->disabled_count; i++) {
        const struct disabled *d = &s->disabled[i];
        bool found = false;
        for (size_t k = 0; k < p->disabled_count && !found; k++)
            found = p->disabled[k].endpoint == d->endpoint && p->disabled[k].at_ms == d->at_ms;
        if (!found)
            world_broken(&s->world, "only failures disable an endpoint", "we_%zu at %lld",
                         d->endpoint, (long long)d->at_ms);
    }
}

// It waits in suspense, or as a command was answered that it was not tried.
static bool was_suspended(struct sim *s, uint64_t position) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct suspense_row row;
    struct answer_row answer;
    struct store *books = s->node.books;
    return books->suspense_get(books, position, &a, &row) == OK ||
           (books->answer_get(books, position, &a, &answer) == OK &&
            bytes_search(answer.json, B("the process died twice")) < answer.json.n);
}

static void check_keys(struct sim *s, const struct pointing *p) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct endpoint_row *rows = NULL;
    size_t n = 0;
    ensure(s->node.books->endpoints(s->node.books, &a, &rows, &n) == OK);
    for (size_t i = 0; i < n; i++)
        if (!p->at[number_of(rows[i].id)].made)
            world_broken(&s->world, "a key makes one endpoint", "%.*s", BYTES_ARG(rows[i].id));
}

static void check_rows(struct sim *s, const struct pointing *p) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct endpoint_row *rows = NULL;
    size_t n = 0, there = 0;
    ensure(s->node.books->endpoints(s->node.books, &a, &rows, &n) == OK);
    for (size_t i = 0; i < n; i++) {
        size_t at = number_of(rows[i].id);
        const struct pointed *e = &p->at[at];
        if (!e->made || e->gone || e->enabled != is_enabled(&rows[i]) ||
            bytes_search(rows[i].json, text_bytes(&e->types)) == rows[i].json.n)
            world_broken(&s->world, "an endpoint is what was asked", "%.*s",
                         BYTES_ARG(rows[i].json));
    }
    for (size_t i = 0; i < ENDPOINTS_MAX; i++)
        there += p->at[i].made && !p->at[i].gone;
    if (there != n)
        world_broken(&s->world, "an endpoint is what was asked", "there are %zu, not %zu", n,
                     there);
}

void oracle_endpoints(struct sim *s) {
    if (!plan_has_endpoints)
        return;
    struct pointing *p = NEW(struct pointing);
    p->sim = s;
    size_t count = s->distance_count + 1;
    uint32_t *attempts = memory_new(count, sizeof *attempts);
    for (size_t i = 0; i < s->history_count; i++) {
        const struct record *r = &s->history[i];
        if (!was_suspended(s, r->position))
            read_record(p, r, attempts, count);
    }
    check_disabled(s, p);
    check_keys(s, p);
    check_deliveries(s, p);
    for (size_t i = 0; i < p->owed_count; i++)
        check_owed(s, &p->owed[i]);
    check_accepted(s, p);
    check_rows(s, p);
    for (size_t i = 0; i < ENDPOINTS_MAX; i++)
        text_drop(&p->at[i].types);
    free(p->owed);
    free(attempts);
    free(p);
}
