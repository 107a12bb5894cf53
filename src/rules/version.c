// SPDX-License-Identifier: MIT
#include "rules/version.h"

#include <string.h>

#include "base/ensure.h"
#include "rules/version_same.h"

#define ORDERS_MAX 12 // changes that are weighed in all their orders

enum version_kind version_kind_of(bytes type) {
    if (bytes_equal(type, B("issuing_authorization.request")))
        return VERSION_EMBEDDED;
    if (bytes_ends(type, B(".created")))
        return VERSION_CREATED;
    return bytes_ends(type, B(".deleted")) ? VERSION_DELETED : VERSION_CHANGED;
}

bool version_drops(bytes type) {
    return bytes_ends(type, B(".deleted")) &&
           !bytes_equal(type, B("customer.subscription.deleted"));
}

static const struct {
    bytes object, status;
} ends[] = {
#define ENDS(object, status) {BYTES_INIT(object), BYTES_INIT(status)},
#include "rules/version_ends.def"
#undef ENDS
};

bool version_ends(bytes object, bytes status) {
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (bytes_equal(ends[i].object, object) && bytes_equal(ends[i].status, status))
            return true;
    return false;
}

static bytes status_of(const struct version_state *s) {
    return json_string(json_get(s->data, "status"));
}

static bool is_end(const struct version_state *s) {
    return version_ends(json_string(json_get(s->data, "object")), status_of(s));
}

// Events of one second and kind, by id; each is a set of bits among its fellows.
struct nodes {
    const struct version_state *at[VERSIONS_MAX];
    size_t n;
    uint64_t follows[VERSIONS_MAX]; // those after which it can come directly
};

static uint64_t bit(size_t i) { return UINT64_C(1) << i; }

static size_t greatest(uint64_t set) { return 63 - (size_t)__builtin_clzll(set); }

static bool can_follow(const struct version_fields *fields, const struct version_state *before,
                       const struct version_state *after) {
    if (!version_tells(after) ||
        (is_end(before) && !bytes_equal(status_of(before), status_of(after))))
        return false;
    if (!version_tells(before))
        return version_undone(before->data, after->data, after->previous);
    return version_named(before->data, after->data, after->previous) &&
           version_kept(before->data, after->data, after->previous, fields);
}

static void link_nodes(struct nodes *s) {
    OWN(version_fields_drop)
    struct version_fields fields = {0};
    for (size_t v = 0; v < s->n; v++)
        version_fields_add(&fields, s->at[v]->previous);
    for (size_t v = 0; v < s->n; v++) {
        s->follows[v] = 0;
        for (size_t u = 0; u < s->n; u++)
            if (u != v && can_follow(&fields, s->at[u], s->at[v]))
                s->follows[v] |= bit(u);
    }
}

static bool same_state(const struct version_state *a, const struct version_state *b,
                       enum version_links links) {
    return version_same(a->data, b->data, links);
}

static bool twins(const struct version_state *a, const struct version_state *b) {
    return same_state(a, b, LINKS_ALIKE) && version_same(a->previous, b->previous, LINKS_ALIKE);
}

static void nodes_push(struct nodes *s, const struct version_state *v) {
    size_t at = s->n++;
    for (; at > 0 && bytes_compare(s->at[at - 1]->version.event, v->version.event) > 0; at--)
        s->at[at] = s->at[at - 1];
    s->at[at] = v;
}

// Those of the kind that wins its second.
static void nodes_winning(struct nodes *s, const struct version_state *events, size_t n) {
    enum version_kind kind = VERSION_EMBEDDED;
    for (size_t i = 0; i < n; i++)
        kind = events[i].version.kind > kind ? events[i].version.kind : kind;
    s->n = 0;
    for (size_t i = 0; i < n; i++)
        if (events[i].version.kind == kind)
            nodes_push(s, &events[i]);
}

static void nodes_keep(struct nodes *s, uint64_t keep) {
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if ((keep & bit(i)) != 0)
            s->at[n++] = s->at[i];
    s->n = n;
}

static uint64_t all_of(const struct nodes *s) { return s->n == 64 ? UINT64_MAX : bit(s->n) - 1; }

// Without events that say nothing of before and tell a state that another tells, too.
static void drop_echoes(struct nodes *s) {
    uint64_t keep = all_of(s);
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = 0; j < s->n && !version_tells(s->at[i]); j++)
            if ((keep & bit(j)) != 0 && i != j && (version_tells(s->at[j]) || j > i) &&
                same_state(s->at[i], s->at[j], LINKS_ALIKE))
                keep &= ~bit(i);
    nodes_keep(s, keep);
}

// Without changes that another tells again.
static bool drop_twins(struct nodes *s) {
    uint64_t keep = all_of(s);
    for (size_t i = 0; i < s->n; i++)
        for (size_t j = i + 1; j < s->n; j++)
            if (twins(s->at[i], s->at[j]))
                keep &= ~bit(i);
    bool any = keep != all_of(s);
    nodes_keep(s, keep);
    return any;
}

// What was before a second: one of these, or nothing is known.
struct past {
    const struct version_state *at[VERSIONS_MAX];
    size_t n;
};

static uint64_t beginners(const struct nodes *s, const struct past *past) {
    uint64_t set = 0;
    for (size_t v = 0; v < s->n; v++)
        for (size_t i = 0; i < past->n; i++) {
            const struct version_state *b = past->at[i];
            if (version_tells(s->at[v])
                    ? version_undone(b->data, s->at[v]->data, s->at[v]->previous)
                    : same_state(b, s->at[v], LINKS_ALIKE))
                set |= bit(v);
        }
    return past->n == 0 ? all_of(s) : set;
}

// How an order of some nodes went: its gaps, twice, and one more if one of those with as few has a
// gap inside.
#define NO_ORDER UINT8_MAX
#define INSIDE 1u

static void improve(uint8_t *best, unsigned cost) {
    if (*best == NO_ORDER || (cost | INSIDE) < (*best | INSIDE))
        *best = (uint8_t)cost;
    else if ((cost | INSIDE) == (*best | INSIDE))
        *best |= (uint8_t)(cost & INSIDE);
}

// All orders of up to ORDERS_MAX nodes: for each set of them and its last node the best order.
// Returns the nodes that the best orders of all end with; none if one of those has a gap inside.
static uint64_t search_all(const struct nodes *s, uint64_t begin) {
    static const uint8_t none = NO_ORDER;
    uint8_t best[1u << ORDERS_MAX][ORDERS_MAX];
    size_t full = (size_t)all_of(s);
    memset(best, none, (full + 1) * sizeof best[0]);
    for (size_t v = 0; v < s->n; v++)
        best[bit(v)][v] = (begin & bit(v)) != 0 ? 0 : 2;
    for (size_t set = 1; set < full; set++)
        for (size_t u = 0; u < s->n; u++) {
            if (best[set][u] == NO_ORDER)
                continue;
            for (size_t v = 0; v < s->n; v++)
                if ((set & bit(v)) == 0)
                    improve(&best[set | bit(v)][v], (s->follows[v] & bit(u)) != 0
                                                        ? best[set][u]
                                                        : ((best[set][u] + 2u) | INSIDE));
        }
    uint8_t least = NO_ORDER;
    uint64_t last = 0;
    for (size_t v = 0; v < s->n; v++)
        improve(&least, best[full][v]);
    for (size_t v = 0; v < s->n; v++)
        if ((best[full][v] | INSIDE) == (least | INSIDE))
            last |= bit(v);
    return (least & INSIDE) != 0 ? 0 : last;
}

// Of more nodes: the only order without gaps, if no step of it has a choice.
static uint64_t search_forced(const struct nodes *s) {
    uint64_t left = all_of(s), from = 0;
    for (size_t v = 0; v < s->n; v++)
        if (s->follows[v] == 0)
            from |= bit(v);
    while (__builtin_popcountll(from) == 1) {
        size_t u = greatest(from);
        left &= ~from;
        if (left == 0)
            return from;
        from = 0;
        for (size_t v = 0; v < s->n; v++)
            if ((left & bit(v)) != 0 && (s->follows[v] & bit(u)) != 0)
                from |= bit(v);
    }
    return 0;
}

// Rule 4. Leaves in `s` what was weighed at last, and returns those of them that may be the last
// one, as far as orders tell; none: they do not.
static uint64_t weigh(struct nodes *s, const struct past *past) {
    uint64_t last = 0;
    drop_echoes(s);
    do {
        link_nodes(s);
        last = s->n <= ORDERS_MAX ? search_all(s, beginners(s, past)) : search_forced(s);
    } while (last == 0 && drop_twins(s));
    return last;
}

static bool decided(const struct nodes *s, uint64_t last) {
    for (size_t i = 0; i < s->n; i++)
        if ((last & bit(i)) != 0 && !same_state(s->at[i], s->at[greatest(last)], LINKS_COUNT))
            return false;
    return last != 0;
}

// Rule 5: leaves those with the status that is an end, if there is one such status.
static bool keep_ended(struct nodes *s) {
    const struct version_state *end = NULL;
    uint64_t keep = 0;
    for (size_t i = 0; i < s->n; i++)
        if (is_end(s->at[i])) {
            if (end != NULL && !bytes_equal(status_of(end), status_of(s->at[i])))
                return false;
            end = s->at[i];
            keep |= bit(i);
        }
    if (end != NULL)
        nodes_keep(s, keep);
    return end != NULL;
}

// Rule 6.
static uint64_t not_surely_followed(const struct nodes *s) {
    uint64_t set = 0;
    for (size_t u = 0; u < s->n; u++) {
        bool followed = false;
        for (size_t v = 0; v < s->n; v++)
            followed = followed || ((s->follows[v] & bit(u)) != 0 && (s->follows[u] & bit(v)) == 0);
        if (!followed)
            set |= bit(u);
    }
    return set != 0 ? set : all_of(s);
}

// What a second may have ended with, if nothing before it is known.
static void past_of(const struct version_state *events, size_t n, struct past *out) {
    struct nodes s;
    out->n = 0;
    if (n == 0)
        return;
    nodes_winning(&s, events, n);
    uint64_t last = weigh(&s, &(struct past){.n = 0});
    for (size_t i = 0; i < s.n; i++)
        if (last == 0 || (last & bit(i)) != 0)
            out->at[out->n++] = s.at[i];
}

static void find_past(const struct version_state *newest, size_t n,
                      const struct version_state *before, size_t before_count, struct past *out) {
    out->n = 0;
    for (size_t i = 0; i < n; i++)
        if (newest[i].version.kind == VERSION_CREATED)
            out->at[out->n++] = &newest[i];
    if (out->n == 0)
        past_of(before, before_count, out);
}

struct version_choice version_choose(const struct version_state *newest, size_t n,
                                     const struct version_state *before, size_t before_count,
                                     bool cut) {
    struct nodes s, ended;
    struct past past;
    ensure(n > 0 && n <= VERSIONS_MAX && before_count <= VERSIONS_MAX);
    nodes_winning(&s, newest, n);
    if (s.n == 1)
        return (struct version_choice){(size_t)(s.at[0] - newest), false};
    find_past(newest, n, before, before_count, &past);
    uint64_t last = weigh(&s, &past);
    bool sure = !cut && decided(&s, last);
    nodes_winning(&ended, newest, n);
    if (!sure && keep_ended(&ended)) {
        s = ended;
        last = weigh(&s, &(struct past){.n = 0});
        sure = !cut && decided(&s, last);
    }
    if (!sure)
        last = not_surely_followed(&s);
    return (struct version_choice){(size_t)(s.at[greatest(last)] - newest), !sure};
}
