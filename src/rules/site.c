// SPDX-License-Identifier: MIT
#include "rules/site.h"

#include <limits.h>

#include "base/ensure.h"
#include "rules/site_kind.h"

void site_numbers_add(struct text *packed, uint64_t number) {
    while (number >= 0x80) {
        text_addc(packed, (char)(0x80 | (number & 0x7f)));
        number >>= 7;
    }
    text_addc(packed, (char)number);
}

bool site_numbers_next(bytes *packed, uint64_t *number) {
    *number = 0;
    for (size_t i = 0; i < packed->n && i < 10; i++) {
        *number |= (uint64_t)(packed->p[i] & 0x7f) << (7 * i);
        if (packed->p[i] < 0x80) {
            *packed = bytes_slice(*packed, i + 1, packed->n);
            return true;
        }
    }
    return false;
}

bool site_numbers_have(bytes packed, uint64_t number) {
    uint64_t there;
    while (site_numbers_next(&packed, &there))
        if (there == number)
            return true;
    return false;
}

static void add_u64(struct text *t, uint64_t v) {
    for (int i = 0; i < 8; i++)
        text_addc(t, (char)(v >> (8 * i)));
}

static uint64_t get_u64(const uint8_t *p) {
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

bool site_met_next(bytes *packed, struct site_met *out) {
    if (packed->n < 16)
        return false;
    *out = (struct site_met){get_u64(packed->p), (int64_t)get_u64(packed->p + 8)};
    *packed = bytes_slice(*packed, 16, packed->n);
    return true;
}

static void met_put(struct text *out, const struct site_met *m) {
    add_u64(out, m->mark);
    add_u64(out, (uint64_t)m->created);
}

// In the order of created, then mark: so that the order of arrival leaves no trace.
static bool met_before(const struct site_met *x, const struct site_met *y) {
    return x->created != y->created ? x->created < y->created : x->mark < y->mark;
}

void site_met_add(bytes packed, const struct site_met *met, struct text *out) {
    struct site_met m;
    for (bytes rest = packed; site_met_next(&rest, &m);)
        if (m.mark == met->mark && m.created >= met->created)
            return;
    bool put = false;
    for (bytes rest = packed; site_met_next(&rest, &m);) {
        if (m.mark == met->mark)
            continue;
        if (!put && met_before(met, &m)) {
            met_put(out, met);
            put = true;
        }
        met_put(out, &m);
    }
    if (!put)
        met_put(out, met);
}

void site_node_init(struct site_node *n, const struct site_object *o, size_t own) {
    const struct site_kind *k = site_kind_find(o->type);
    *n = (struct site_node){.object = o, .own = own, .rank = k->rank, .shared = k->shared};
}

static void enter_walk(const struct site_world *w, struct site_node *n) {
    if (n->walk == w->walk)
        return;
    n->walk = w->walk;
    n->under_way = n->taught_known = n->learnt_known = false;
}

typedef result (*walk_fn)(struct site_world *w, struct site_node *n, size_t *out);

// Of what is above: the lowest rank that has a site, and of its sites the first.
static result from_above(struct site_world *w, const struct site_node *n, walk_fn walk,
                         bool from_shared, size_t *out, uint64_t *from) {
    int rank = INT_MAX;
    uint64_t number;
    *out = SIZE_MAX;
    *from = 0;
    for (bytes rest = n->object->above; site_numbers_next(&rest, &number);) {
        struct site_node *above;
        size_t site;
        TRY(w->node(w->ctx, number, &above));
        if (above->rank > rank || (!from_shared && above->shared))
            continue;
        TRY(walk(w, above, &site));
        if (site == SIZE_MAX || (above->rank == rank && site >= *out))
            continue;
        rank = above->rank;
        *out = site;
        *from = number;
    }
    return OK;
}

// False: it counts as one without a site on this path, and so may what follows from it.
static bool may_enter(struct site_world *w, const struct site_node *n) {
    bool may = !n->under_way && w->depth < SITE_DEPTH_MAX && ++w->steps < SITE_STEPS_MAX;
    w->cut += !may;
    return may;
}

static result walk_above(struct site_world *w, struct site_node *n, walk_fn walk, bool from_shared,
                         size_t *out) {
    uint64_t from;
    n->under_way = true;
    w->depth++;
    result failed = from_above(w, n, walk, from_shared, out, &from);
    w->depth--;
    n->under_way = false;
    return failed;
}

static result taught(struct site_world *w, struct site_node *n, size_t *out) {
    enter_walk(w, n);
    *out = n->own;
    if (n->own != SIZE_MAX || n->taught_known) {
        *out = n->own != SIZE_MAX ? n->own : n->taught;
        return OK;
    }
    uint64_t cut = w->cut;
    if (!may_enter(w, n))
        return OK;
    TRY(walk_above(w, n, taught, true, out));
    n->taught = *out;
    n->taught_known = w->cut == cut; // what a circle cut short holds on this path alone
    return OK;
}

static result learnt(struct site_world *w, struct site_node *n, size_t *out) {
    uint64_t cut = w->cut;
    TRY(taught(w, n, out));
    if (*out != SIZE_MAX || n->under_way)
        return OK;
    if (n->learnt_known) {
        *out = n->learnt;
        return OK;
    }
    if (n->object->below > SITE_NONE)
        *out = w->site(w->ctx, n->object->below);
    else if (n->object->below == SITE_NONE && may_enter(w, n))
        TRY(walk_above(w, n, learnt, false, out));
    n->learnt = *out;
    n->learnt_known = w->cut == cut;
    return OK;
}

result site_of(struct site_world *w, struct site_node *n, size_t *out) {
    w->walk++;
    w->steps = 0;
    return learnt(w, n, out);
}

const char *site_reason_name(enum site_reason r) {
    static const char *const names[] = {"by_hand", "claimed", "taught", "learnt_below",
                                        "learnt_above"};
    ensure(r < sizeof names / sizeof names[0]);
    return names[r];
}

result site_of_why(struct site_world *w, struct site_node *n, size_t *out, enum site_reason *reason,
                   uint64_t *from) {
    TRY(site_of(w, n, out));
    *from = 0;
    bool by_hand = n->object->assigned != SITE_NONE &&
                   w->site(w->ctx, n->object->assigned) != SIZE_MAX; // the site may be gone
    *reason = by_hand ? SITE_BY_HAND : SITE_CLAIMED;
    if (*out == SIZE_MAX || n->own != SIZE_MAX)
        return OK;
    size_t site;
    w->walk++;
    enter_walk(w, n);
    n->under_way = true; // a circle back to it teaches nothing, as in site_of
    *reason = SITE_TAUGHT;
    TRY(from_above(w, n, taught, true, &site, from));
    if (site == SIZE_MAX && n->object->below > SITE_NONE) {
        *reason = SITE_LEARNT_BELOW;
    } else if (site == SIZE_MAX) {
        *reason = SITE_LEARNT_ABOVE;
        TRY(from_above(w, n, learnt, false, &site, from));
    }
    n->under_way = false;
    return OK;
}
