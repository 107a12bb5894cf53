// SPDX-License-Identifier: MIT
#include "rules/whatif_sites.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define SCRATCH_MAX ((size_t)1 << 20)
#define OBJECT_MEMORY_MAX 1024 // bytes, on the average; some 100 are usual
#define NO_SITE UINT32_MAX

static void view_open(struct whatif_sites *s, int side, const struct plan *p) {
    if (p == NULL || p->site_count == 0)
        return;
    struct site_view *v = &s->views[s->view_count++];
    v->plan = p;
    v->claims = site_claims_open(p);
    v->numbers = memory_new(p->site_count, sizeof *v->numbers);
    v->all = s;
    s->of[side] = v;
}

void whatif_sites_open(struct whatif_sites *s, const struct plan *before, const struct plan *after,
                       size_t objects_max) {
    s->max = objects_max;
    arena_init(&s->memory, objects_max * OBJECT_MEMORY_MAX);
    arena_init(&s->scratch, SCRATCH_MAX);
    view_open(s, 0, before);
    if (s->of[0] != NULL && plan_sites_equal(before, after))
        s->of[1] = s->of[0];
    else
        view_open(s, 1, after);
}

void whatif_sites_close(struct whatif_sites *s) {
    for (size_t i = 0; i < s->view_count; i++) {
        struct site_view *v = &s->views[i];
        site_claims_close(v->claims);
        free(v->numbers);
        free(v->below);
        free(v->own);
        free(v->node);
    }
    free(s->objects);
    map_drop(&s->named);
    map_drop(&s->types);
    arena_drop(&s->memory);
    arena_drop(&s->scratch);
    text_drop(&s->name);
}

static bytes name_of(struct whatif_sites *s, bytes owner, bool livemode, bytes key) {
    text_reset(&s->name);
    text_add(&s->name, owner);
    text_addc(&s->name, livemode ? '\1' : '\0');
    text_add(&s->name, key);
    return text_bytes(&s->name);
}

static size_t find(struct whatif_sites *s, bytes owner, bool livemode, bytes key) {
    return (size_t)(uintptr_t)map_get(&s->named, name_of(s, owner, livemode, key));
}

static result no_room(void) {
    FAIL(FULL, "what is known of objects takes more memory than it may");
}

static result copy(struct whatif_sites *s, bytes b, bytes *out) {
    *out = arena_copy(&s->memory, b);
    return out->n == b.n ? OK : no_room();
}

static result find_type(struct whatif_sites *s, bytes type, const bytes **out) {
    bytes *known = map_get(&s->types, type);
    if (known == NULL) {
        known = arena_take(&s->memory, sizeof *known);
        if (known == NULL)
            return no_room();
        TRY(copy(s, type, known));
        map_put(&s->types, type, known);
    }
    *out = known;
    return OK;
}

// Numbers up to this one, empty where nothing was taken yet.
static result make_place(struct whatif_sites *s, uint64_t number) {
    NEED(number <= s->max, FULL, "more objects than may be held");
    if (number >= s->cap) {
        size_t before = s->cap;
        while (number >= s->cap)
            s->cap = s->cap > 0 ? 2 * s->cap : 1024;
        s->objects = memory_grow(s->objects, s->cap, sizeof *s->objects);
        memset(&s->objects[before], 0, (s->cap - before) * sizeof *s->objects);
    }
    s->n = number > s->n ? number : s->n;
    return OK;
}

static result take(struct whatif_sites *s, const struct site_object *row) {
    TRY(make_place(s, row->number));
    struct whatif_object o = {.assigned = row->assigned, .key_from = (uint32_t)row->owner.n + 1};
    TRY(find_type(s, row->type, &o.type));
    TRY(copy(s, row->above, &o.above));
    TRY(copy(s, row->claims, &o.claims));
    s->objects[row->number] = o;
    map_put(&s->named, name_of(s, row->owner, row->livemode, row->key),
            (void *)(uintptr_t)row->number);
    return OK;
}

result whatif_sites_add(struct whatif_sites *s, const struct site_object *row) {
    NEED(row->number > 0, CORRUPT, "an object has no number");
    return take(s, row);
}

static result put_below(struct whatif_sites *s, size_t above, size_t below) {
    struct whatif_object *o = &s->objects[below];
    if (site_numbers_have(o->above, above))
        return OK;
    OWN(text_drop)
    struct text numbers = {0};
    text_add(&numbers, o->above);
    site_numbers_add(&numbers, above);
    return copy(s, text_bytes(&numbers), &o->above);
}

static result met(struct whatif_sites *s, size_t number, uint64_t mark, int64_t created) {
    struct whatif_object *o = &s->objects[number];
    OWN(text_drop)
    struct text claims = {0};
    site_met_add(o->claims, &(struct site_met){mark, created}, &claims);
    if (claims.n == 0)
        return OK;
    if (claims.n > o->claims.n)
        return copy(s, text_bytes(&claims), &o->claims);
    memcpy((void *)(uintptr_t)o->claims.p, claims.p, claims.n); // the same one, met later
    return OK;
}

static result learn_with(struct whatif_sites *s, const struct site_claims *c, bytes owner,
                         const struct event *e) {
    struct site_facts f;
    arena_reset(&s->scratch);
    TRY(site_read(c, e, &s->scratch, &f));
    size_t *numbers = arena_take(&s->scratch, f.object_count * sizeof *numbers);
    NEED(numbers != NULL, MEMORY, "an event's objects do not fit the arena");
    for (size_t i = 0; i < f.object_count; i++) {
        numbers[i] = find(s, owner, e->livemode, f.objects[i].key);
        if (numbers[i] != 0)
            continue;
        struct site_object row = {.number = s->n + 1,
                                  .owner = owner,
                                  .livemode = e->livemode,
                                  .key = f.objects[i].key,
                                  .type = f.objects[i].type};
        TRY(take(s, &row));
        numbers[i] = s->n;
    }
    for (size_t i = 0; i < f.link_count; i++)
        TRY(put_below(s, numbers[f.links[i].above], numbers[f.links[i].below]));
    for (size_t i = 0; i < f.met_count; i++)
        TRY(met(s, numbers[f.met[i].object], f.met[i].mark, e->created));
    return OK;
}

// A claim that is none of a view's counts for nothing there, so both may lie with one object.
result whatif_sites_learn(struct whatif_sites *s, bytes owner, const struct event *e) {
    for (size_t i = 0; i < s->view_count; i++)
        TRY(learn_with(s, s->views[i].claims, owner, e));
    return OK;
}

static void join_site(void *ctx, size_t site) {
    int64_t *evidence = ctx;
    *evidence = site_join(*evidence, (int64_t)site + 1);
}

static uint32_t assigned_site(const struct site_view *v, int64_t number) {
    for (size_t i = 0; number != SITE_NONE && i < v->plan->site_count; i++)
        if (v->numbers[i] == number)
            return (uint32_t)i;
    return NO_SITE;
}

// What claims say of each object itself.
static void ask_claims(struct site_view *v, int64_t *evidence) {
    bytes name;
    void *value;
    for (size_t at = 0; map_next(&v->all->named, &at, &name, &value);) {
        size_t number = (size_t)(uintptr_t)value;
        const struct whatif_object *o = &v->all->objects[number];
        struct site_object row = {.key = bytes_slice(name, o->key_from, name.n),
                                  .claims = o->claims};
        size_t own = site_claimed(v->claims, &row, join_site, &evidence[number]);
        v->own[number] = own == SIZE_MAX ? NO_SITE : (uint32_t)own;
        uint32_t by_hand = assigned_site(v, o->assigned);
        if (by_hand == NO_SITE)
            continue;
        v->own[number] = by_hand;
        join_site(&evidence[number], by_hand);
    }
}

static bytes above_of(const void *ctx, size_t number) {
    return ((const struct whatif_sites *)ctx)->objects[number].above;
}

static result world_node(void *ctx, uint64_t number, struct site_node **out) {
    struct site_view *v = ctx;
    struct whatif_sites *s = v->all;
    *out = v->node[number];
    if (*out != NULL)
        return OK;
    const struct whatif_object *o = &s->objects[number];
    struct site_object *row = arena_take(&s->memory, sizeof *row);
    struct site_node *n = arena_take(&s->memory, sizeof *n);
    if (row == NULL || n == NULL)
        return no_room();
    *row = (struct site_object){.number = number,
                                .type = *o->type,
                                .above = o->above,
                                .claims = o->claims,
                                .below = v->below[number]};
    site_node_init(n, row, v->own[number] == NO_SITE ? SIZE_MAX : v->own[number]);
    *out = v->node[number] = n;
    return OK;
}

static size_t world_site(void *ctx, int64_t number) { return (size_t)(number - 1); }

result whatif_sites_weigh(struct whatif_sites *s) {
    uint64_t above;
    NEED(s->named.n == s->n, CORRUPT, "the numbers of objects have gaps");
    for (size_t i = 1; i <= s->n; i++)
        for (bytes rest = s->objects[i].above; site_numbers_next(&rest, &above);)
            NEED(above > 0 && above <= s->n, CORRUPT, "an object belongs to one that is not there");
    for (size_t i = 0; i < s->view_count; i++) {
        struct site_view *v = &s->views[i];
        int64_t *evidence = memory_new(s->n + 1, sizeof *evidence);
        v->below = memory_new(s->n + 1, sizeof *v->below);
        v->own = memory_new(s->n + 1, sizeof *v->own);
        v->node = memory_new(s->n + 1, sizeof *v->node);
        v->world = (struct site_world){.node = world_node, .site = world_site, .ctx = v};
        ask_claims(v, evidence);
        site_weigh(&(struct site_scales){s->n, evidence, v->below, above_of, s});
        free(evidence);
    }
    return OK;
}

result whatif_sites_of(struct whatif_sites *s, int side, bytes owner, const struct event *e,
                       size_t *out) {
    struct site_view *v = s->of[side];
    *out = SIZE_MAX;
    arena_reset(&s->scratch);
    bytes key = site_event_key(e, &s->scratch);
    size_t number = find(s, owner, e->livemode, key);
    if (number == 0)
        return OK; // nobody took it, so that nothing was learnt of it
    struct site_node *n;
    TRY(world_node(v, number, &n));
    return site_of(&v->world, n, out);
}
