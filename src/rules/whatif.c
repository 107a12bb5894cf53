// SPDX-License-Identifier: MIT
#include "rules/whatif.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "rules/match.h"
#include "rules/whatif_sites.h"
#include "rules/whatif_tally.h"

enum side { BEFORE, AFTER, SIDES };

struct compared {
    bytes name;
    const struct plan_destination *as[SIDES]; // null: that plan has none of this name
    bool gets[SIDES];                         // the event at hand
    struct tally gains, loses;
};

struct move {
    bytes from, to;
    struct tally tally;
};

struct whatif {
    const struct plan *plans[SIDES];
    struct whatif_sites sites;
    struct compared *destinations;
    size_t destination_count;
    struct map moves; // "from\0to": struct move, in the arena
    struct tally received, refused, routed, left;
    uint64_t events, neither;
    struct arena counted;
    // The event at hand.
    bytes owner, id, type;
    bytes site[SIDES]; // its name, "" where the plan has none
    bool took[SIDES];
    struct arena event;
};

#define EVENT_MEMORY_MAX ((size_t)1 << 20)

static void add_destinations(struct whatif *w, enum side side) {
    const struct plan *p = w->plans[side];
    for (size_t i = 0; p != NULL && i < p->destination_count; i++) {
        const struct plan_destination *d = &p->destinations[i];
        struct compared *c = NULL;
        for (size_t k = 0; k < w->destination_count && c == NULL; k++)
            if (bytes_equal(w->destinations[k].name, d->name))
                c = &w->destinations[k];
        if (c == NULL)
            c = &w->destinations[w->destination_count++];
        c->name = d->name;
        c->as[side] = d;
    }
}

struct whatif *whatif_open(const struct plan *before, const struct plan *after,
                           const struct whatif_limits *limits) {
    struct whatif *w = NEW(struct whatif);
    w->plans[BEFORE] = before;
    w->plans[AFTER] = after;
    arena_init(&w->counted, limits->counted);
    arena_init(&w->event, EVENT_MEMORY_MAX);
    whatif_sites_open(&w->sites, before, after, limits->objects);
    size_t n = (before == NULL ? 0 : before->destination_count) + after->destination_count;
    w->destinations = memory_new(n + 1, sizeof *w->destinations);
    add_destinations(w, BEFORE);
    add_destinations(w, AFTER);
    return w;
}

void whatif_close(struct whatif *w) {
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->destination_count; i++) {
        tally_drop(&w->destinations[i].gains);
        tally_drop(&w->destinations[i].loses);
    }
    bytes key;
    void *value;
    for (size_t at = 0; map_next(&w->moves, &at, &key, &value);)
        tally_drop(&((struct move *)value)->tally);
    map_drop(&w->moves);
    tally_drop(&w->received);
    tally_drop(&w->refused);
    tally_drop(&w->routed);
    tally_drop(&w->left);
    whatif_sites_close(&w->sites);
    free(w->destinations);
    arena_drop(&w->counted);
    arena_drop(&w->event);
    free(w);
}

bool whatif_has_sites(const struct whatif *w) { return w->sites.view_count > 0; }

bool whatif_claims_again(const struct whatif *w) {
    return w->sites.of[AFTER] != NULL && w->sites.of[AFTER] != w->sites.of[BEFORE];
}

void whatif_site(struct whatif *w, int64_t number, bytes name) {
    for (size_t i = 0; i < w->sites.view_count; i++) {
        struct site_view *v = &w->sites.views[i];
        size_t at = plan_site_find(v->plan, name);
        if (at != SIZE_MAX)
            v->numbers[at] = number;
    }
}

result whatif_object(struct whatif *w, const struct site_object *row) {
    return whatif_sites_add(&w->sites, row);
}

// The secret of a plan by which it would take this receipt; null: it would not.
static const struct plan_secret *secret_of(const struct plan *p, const struct whatif_receipt *r) {
    const struct plan_source *s = p == NULL ? NULL : plan_source_find(p, r->source);
    const struct plan_secret *best = NULL;
    int best_likeness = 0;
    if (s == NULL || !mode_fits(s->livemode, r->event->livemode))
        return NULL;
    for (size_t i = 0; i < s->secret_count; i++) {
        const struct plan_secret *one = &s->secrets[i];
        bool same = r->fingerprint.n > 0 && bytes_equal(one->fingerprint, r->fingerprint);
        int likeness = 2 * same + bytes_equal(one->label, r->secret_label);
        if (likeness > best_likeness && mode_fits(one->livemode, r->event->livemode)) {
            best = one;
            best_likeness = likeness;
        }
    }
    return best;
}

result whatif_learn(struct whatif *w, bytes owner, const struct whatif_receipt *r) {
    if (secret_of(w->plans[BEFORE], r) == NULL && secret_of(w->plans[AFTER], r) == NULL)
        return OK;
    return whatif_sites_learn(&w->sites, owner, r->event);
}

result whatif_weigh(struct whatif *w) { return whatif_sites_weigh(&w->sites); }

void whatif_event_begin(struct whatif *w, bytes owner) {
    arena_reset(&w->event);
    w->owner = owner;
    w->id = w->type = NO_BYTES;
    w->took[BEFORE] = w->took[AFTER] = false;
    w->site[BEFORE] = w->site[AFTER] = NO_BYTES;
    for (size_t i = 0; i < w->destination_count; i++)
        w->destinations[i].gets[BEFORE] = w->destinations[i].gets[AFTER] = false;
}

// The name of the event's site under one plan.
static result site_name(struct whatif *w, enum side side, const struct event *e, bytes *out) {
    *out = NO_BYTES;
    if (w->sites.of[side] == NULL)
        return OK;
    size_t site;
    TRY(whatif_sites_of(&w->sites, side, w->owner, e, &site));
    if (site != SIZE_MAX)
        *out = w->sites.of[side]->plan->sites[site].name;
    return OK;
}

static result take_receipt(struct whatif *w, enum side side, const struct whatif_receipt *r) {
    const struct event *e = r->event;
    const struct plan_secret *secret = secret_of(w->plans[side], r);
    if (secret == NULL)
        return OK;
    if (!w->took[side])
        TRY(site_name(w, side, e, &w->site[side]));
    w->took[side] = true;
    struct match_facts facts = {.type = e->type,
                                .account = e->account,
                                .livemode = e->livemode,
                                .source = r->source,
                                .secret = secret->label,
                                .site = w->site[side],
                                .event = json_root(e->doc)};
    for (size_t i = 0; i < w->destination_count; i++) {
        struct compared *c = &w->destinations[i];
        if (c->as[side] != NULL && !c->gets[side])
            c->gets[side] = match_destination(c->as[side], &facts, NULL);
    }
    return OK;
}

result whatif_event_receipt(struct whatif *w, const struct whatif_receipt *r) {
    if (w->id.n == 0) {
        w->id = arena_copy(&w->event, r->event->id);
        w->type = arena_copy(&w->event, r->event->type);
    }
    TRY(take_receipt(w, BEFORE, r));
    return take_receipt(w, AFTER, r);
}

// What is said of an event's site: nothing where the plan has none.
static bytes shown_site(const struct whatif *w, enum side side) {
    if (w->sites.of[side] == NULL)
        return NO_BYTES;
    return w->site[side].n > 0 ? w->site[side] : B(SITE_UNCLAIMED);
}

static result count_move(struct whatif *w) {
    bytes from = shown_site(w, BEFORE), to = shown_site(w, AFTER);
    if (!w->took[BEFORE] || !w->took[AFTER] || bytes_equal(from, to))
        return OK;
    OWN(text_drop)
    struct text key = {0};
    text_add(&key, from);
    text_addc(&key, '\0');
    text_add(&key, to);
    struct move *m = map_get(&w->moves, text_bytes(&key));
    if (m == NULL) {
        m = arena_take(&w->counted, sizeof *m);
        NEED(m != NULL, FULL, "too much is counted");
        *m = (struct move){.from = from, .to = to};
        map_put(&w->moves, text_bytes(&key), m);
    }
    return tally_add(&m->tally, w->type, w->id, &w->counted);
}

result whatif_event_end(struct whatif *w) {
    w->events++;
    w->neither += !w->took[BEFORE] && !w->took[AFTER];
    if (w->took[BEFORE] && !w->took[AFTER])
        TRY(tally_add(&w->refused, w->type, w->id, &w->counted));
    if (!w->took[BEFORE] && w->took[AFTER])
        TRY(tally_add(&w->received, w->type, w->id, &w->counted));
    for (size_t i = 0; i < w->destination_count; i++) {
        struct compared *c = &w->destinations[i];
        if (c->gets[BEFORE] == c->gets[AFTER])
            continue;
        struct tally *t = c->gets[AFTER] ? &c->gains : &c->loses;
        TRY(tally_add(t, w->type, w->id, &w->counted));
    }
    return count_move(w);
}

result whatif_unclaimed(struct whatif *w, bytes owner, const struct event *e) {
    size_t site;
    TRY(whatif_sites_of(&w->sites, AFTER, owner, e, &site));
    if (site == SIZE_MAX)
        return OK;
    bool left = w->plans[AFTER]->sites[site].late_left;
    return tally_add(left ? &w->left : &w->routed, e->type, e->id, &w->counted);
}

static void write_tally(const char *name, const struct tally *t, struct text *out) {
    text_addf(out, ",\"%s\":{", name);
    tally_write(t, out);
    text_addc(out, '}');
}

static void write_destinations(const struct whatif *w, struct text *out) {
    text_adds(out, ",\"destinations\":[");
    for (size_t i = 0; i < w->destination_count; i++) {
        const struct compared *c = &w->destinations[i];
        const char *change = c->as[BEFORE] == NULL  ? "appears"
                             : c->as[AFTER] == NULL ? "goes"
                                                    : "none";
        text_adds(out, i > 0 ? ",{\"name\":" : "{\"name\":");
        text_add_json(out, c->name);
        text_addf(out, ",\"change\":\"%s\"", change);
        write_tally("gains", &c->gains, out);
        write_tally("loses", &c->loses, out);
        text_addc(out, '}');
    }
    text_addc(out, ']');
}

static int by_events(const void *x, const void *y) {
    const struct move *a = *(const struct move *const *)x, *b = *(const struct move *const *)y;
    if (a->tally.events != b->tally.events)
        return a->tally.events < b->tally.events ? 1 : -1;
    int from = bytes_compare(a->from, b->from);
    return from != 0 ? from : bytes_compare(a->to, b->to);
}

static void write_site(bytes name, struct text *out) {
    if (name.n == 0)
        text_adds(out, "null");
    else
        text_add_json(out, name);
}

static void write_moves(const struct whatif *w, struct text *out) {
    const struct move **all = memory_new(w->moves.n + 1, sizeof *all);
    size_t n = 0;
    bytes key;
    void *value;
    for (size_t at = 0; map_next(&w->moves, &at, &key, &value);)
        all[n++] = value;
    qsort(all, n, sizeof *all, by_events);
    text_adds(out, ",\"sites\":[");
    for (size_t i = 0; i < n; i++) {
        text_adds(out, i > 0 ? ",{\"from\":" : "{\"from\":");
        write_site(all[i]->from, out);
        text_adds(out, ",\"to\":");
        write_site(all[i]->to, out);
        text_addc(out, ',');
        tally_write(&all[i]->tally, out);
        text_addc(out, '}');
    }
    text_addc(out, ']');
    free(all);
}

static bool is_same(const struct whatif *w) {
    bool same = w->moves.n == 0 && w->received.events == 0 && w->refused.events == 0 &&
                w->routed.events == 0;
    for (size_t i = 0; i < w->destination_count; i++) {
        const struct compared *c = &w->destinations[i];
        same = same && c->as[BEFORE] != NULL && c->as[AFTER] != NULL && c->gains.events == 0 &&
               c->loses.events == 0;
    }
    return same;
}

void whatif_write(const struct whatif *w, struct text *out) {
    text_addf(out, "\"events\":%llu,\"same\":%s", (unsigned long long)w->events,
              is_same(w) ? "true" : "false");
    write_destinations(w, out);
    write_moves(w, out);
    text_adds(out, ",\"received\":{\"gains\":{");
    tally_write(&w->received, out);
    text_addc(out, '}');
    write_tally("loses", &w->refused, out);
    text_addf(out, ",\"neither\":%llu}", (unsigned long long)w->neither);
    write_tally("routed", &w->routed, out);
    write_tally("left", &w->left, out);
    const struct plan *before = w->plans[BEFORE];
    text_addf(out, ",\"unasked\":%zu",
              before == NULL ? 0 : site_claims_unasked(before, w->plans[AFTER]));
}
