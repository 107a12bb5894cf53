// SPDX-License-Identifier: MIT
// Tables of Stripe's objects, in runs that have them. Products have a life each, and of it nothing
// but a number changes; what their rows must be is read from all events that the books say were
// applied, by trying every order of the newest second (rules/version.h in prose), over what the
// simulation knows that each event said. No JSON, no text of versions, no rules.
#include <stdio.h>
#include <string.h>

#include "ledger/store.h"
#include "sim.h"
#include "stripe/objects.h"

#define NUMBERS 3 // values that a product's number takes
#define SAME_SECOND_MAX 6

bool plan_has_tables;

// The next thing that happens to some product: it is what this event says.
void tables_draw(struct sim *s, struct event_sent *e) {
    struct world *w = &s->world;
    size_t k = world_below(w, PRODUCTS);
    struct product *p = &s->products[k];
    const char *what = "updated";
    bool first = p->life == 0 || p->gone;
    if (p->gone || p->life == 0) {
        *p = (struct product){.life = p->life + 1, .second = p->second + 1};
        p->number = (int)world_below(w, NUMBERS);
    } else if (world_chance(w, 3) || p->in_second == SAME_SECOND_MAX) {
        p->second++;
        p->in_second = 0;
    }
    p->in_second++;
    int was = p->number;
    if (first && !world_chance(w, 4)) { // else its life began before what we know of it
        what = "created";
        was = -1;
    } else if (world_chance(w, 8)) {
        what = "deleted";
        p->gone = true;
        was = -1;
    } else if (world_chance(w, 6)) {
        what = "looked_at";
        was = -1;
    } else {
        p->number = (was + 1 + (int)world_below(w, NUMBERS - 1)) % NUMBERS;
    }
    snprintf(e->type, sizeof e->type, "product.%s", what);
    e->told = (struct told){.type = "product", .was = was, .is = p->number};
    e->told.created = 1790000000 + p->second;
    snprintf(e->told.id, sizeof e->told.id, "prod_%zu_%d", k, p->life);
    e->livemode = k % 2 == 0;
    e->other_owner = false;
    e->account[0] = '\0';
}

static bool is_product(const struct event_sent *e) { return strcmp(e->told.type, "product") == 0; }

static bool same_product(const struct event_sent *a, const struct event_sent *b) {
    return is_product(a) && is_product(b) && strcmp(a->told.id, b->told.id) == 0;
}

// Is it the first that names its product?
static bool is_first(const struct sim *s, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (same_product(&s->events[k], &s->events[i]))
            return false;
    return is_product(&s->events[i]);
}

static bool find_row(struct sim *s, const struct event_sent *e, struct arena *a,
                     struct table_row *row) {
    const struct table_key key = {.table = object_table_of(B("product")),
                                  .owner = B("main"),
                                  .id = bytes_of(e->told.id),
                                  .livemode = e->livemode};
    return s->node.books->table_get(s->node.books, &key, a, row) == OK;
}

// A row never shows an older second than it did, and what was deleted stays so.
void oracle_rows(struct sim *s) {
    for (size_t i = 0; i < s->event_count && plan_has_tables; i++) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, 1 << 20);
        struct table_row row;
        struct shown *was = &s->shown[i];
        if (!is_first(s, i) || !find_row(s, &s->events[i], &a, &row))
            continue;
        if (row.event_created < was->second || (was->deleted && !row.deleted))
            world_broken(&s->world, "tables never go back in time", "%s shows %lld after %lld%s",
                         s->events[i].told.id, (long long)row.event_created, (long long)was->second,
                         was->deleted ? ", and was deleted" : "");
        *was = (struct shown){row.event_created, row.deleted};
    }
}

// Events of one product that were applied, and of those some.
struct said {
    const struct told *at[EVENTS_MAX];
    int rank[EVENTS_MAX];
    size_t n;
};

static int rank_of(const struct event_sent *e) {
    return strcmp(e->type, "product.created") == 0   ? 0
           : strcmp(e->type, "product.deleted") == 0 ? 2
                                                     : 1;
}

bool tables_applied(struct sim *s, const struct event_sent *e) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct store *books = s->node.books;
    struct event_row row;
    struct destination_row to;
    struct delivery_row *all = NULL;
    size_t n = 0;
    bytes owner = e->other_owner ? B("other") : B("main");
    if (books->event_find(books, owner, bytes_of(e->account), e->livemode, bytes_of(e->id), &a,
                          &row) != OK ||
        books->destination_find(books, B("tables"), &a, &to) != OK ||
        books->deliveries_of(books, row.seq, &a, &all, &n) != OK)
        return false;
    for (size_t i = 0; i < n; i++)
        if (all[i].destination == to.number && all[i].state == DELIVERY_DONE)
            return true;
    return false;
}

// A rebuild reads what is stored, whatever became of its delivery.
static bool is_booked(struct sim *s, const struct event_sent *e) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct event_row row;
    struct store *books = s->node.books;
    return books->event_find(books, B("main"), NO_BYTES, e->livemode, bytes_of(e->id), &a, &row) ==
           OK;
}

static void gather(struct sim *s, const struct event_sent *of, struct said *out) {
    out->n = 0;
    for (size_t i = 0; i < s->event_count; i++) {
        const struct event_sent *e = &s->events[i];
        if (!same_product(e, of) ||
            !(s->rebuild == REBUILD_DONE ? is_booked(s, e) : tables_applied(s, e)))
            continue;
        out->rank[out->n] = rank_of(e);
        out->at[out->n++] = &e->told;
    }
}

static void keep_second(const struct said *all, int64_t second, int rank, struct said *out) {
    out->n = 0;
    for (size_t i = 0; i < all->n; i++)
        if (all->at[i]->created == second && all->rank[i] == rank) {
            out->rank[out->n] = rank;
            out->at[out->n++] = all->at[i];
        }
}

static int last_rank(const struct said *all, int64_t second) {
    int rank = 0;
    for (size_t i = 0; i < all->n; i++)
        if (all->at[i]->created == second && all->rank[i] > rank)
            rank = all->rank[i];
    return rank;
}

static int64_t last_second(const struct said *all, int64_t before) {
    int64_t second = 0;
    for (size_t i = 0; i < all->n; i++)
        if (all->at[i]->created < before && all->at[i]->created > second)
            second = all->at[i]->created;
    return second;
}

// All orders of a second: the fewest gaps, whether one of those is inside, and what they end with.
struct orders {
    unsigned before; // numbers that there may have been before it, as bits; 0: unknown
    int gaps;
    bool inside;
    unsigned ends;
};

static void try_orders(const struct said *s, unsigned used, int last, int gaps, bool inside,
                       struct orders *o) {
    if (used == (1u << s->n) - 1) {
        if (gaps < o->gaps)
            *o = (struct orders){o->before, gaps, false, 0};
        if (gaps == o->gaps) {
            o->inside = o->inside || inside;
            o->ends |= 1u << last;
        }
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct told *t = s->at[i];
        if ((used >> i & 1) != 0)
            continue;
        unsigned from = 1u << (t->was < 0 ? t->is : t->was);
        bool fits =
            used == 0 ? o->before == 0 || (o->before & from) != 0 : t->was >= 0 && t->was == last;
        try_orders(s, used | 1u << i, t->is, gaps + !fits, inside || (used != 0 && !fits), o);
    }
}

static void drop(struct said *s, size_t i) {
    s->n--;
    s->at[i] = s->at[s->n];
    s->rank[i] = s->rank[s->n];
}

// What says nothing of before, and a state that another tells; `all`: twins too.
static void drop_repeated(struct said *s, bool all) {
    for (size_t i = 0; i < s->n;) {
        bool repeated = false;
        for (size_t k = 0; k < s->n; k++)
            if (k != i && s->at[k]->is == s->at[i]->is)
                repeated = repeated || (s->at[i]->was < 0 && (s->at[k]->was >= 0 || k > i)) ||
                           (all && s->at[k]->was == s->at[i]->was);
        if (repeated)
            drop(s, i);
        else
            i++;
    }
}

// The numbers that the second may have ended with, as bits; *sure: one that is known.
static unsigned ends_of(struct said *s, unsigned before, bool *sure) {
    for (int all = 0; all <= 1; all++) {
        struct orders o = {.before = before, .gaps = EVENTS_MAX};
        drop_repeated(s, all);
        try_orders(s, 0, 0, 0, false, &o);
        *sure = !o.inside && (o.ends & (o.ends - 1)) == 0;
        if (!o.inside)
            return o.ends;
    }
    unsigned any = 0;
    for (size_t i = 0; i < s->n; i++)
        any |= 1u << s->at[i]->is;
    return any;
}

static unsigned ends_before(const struct said *all, int64_t second) {
    struct said s;
    bool sure;
    keep_second(all, second, 0, &s);
    if (s.n > 0 && last_rank(all, second) == 1)
        return 1u << s.at[0]->is;
    int64_t older = last_second(all, second);
    if (older == 0)
        return 0;
    keep_second(all, older, last_rank(all, older), &s);
    return ends_of(&s, 0, &sure);
}

static void check_product(struct sim *s, const struct event_sent *e) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, 1 << 20);
    struct said all, newest;
    struct table_row row;
    gather(s, e, &all);
    bool there = find_row(s, e, &a, &row);
    if (all.n == 0 || !there) {
        if (there != (all.n > 0))
            world_broken(&s->world, "rows are what all events say", "%s %s", e->told.id,
                         there ? "is there, of no event" : "is not there");
        return;
    }
    int64_t second = last_second(&all, INT64_MAX);
    int rank = last_rank(&all, second);
    keep_second(&all, second, rank, &newest);
    bool sure = newest.n == 1;
    unsigned ends = 1u << newest.at[0]->is;
    if (!sure)
        ends = ends_of(&newest, rank == 1 ? ends_before(&all, second) : 0, &sure);
    const struct event_sent *shown = stripe_event(s, row.event_id, false);
    if (shown == NULL || row.event_created != second || row.deleted != (rank == 2) ||
        row.undecided == sure || (sure && (ends >> shown->told.is & 1) == 0))
        world_broken(&s->world, "rows are what all events say",
                     "%s shows %.*s of %lld%s%s; of %zu events the last second is %lld, it ends "
                     "with %x, %s",
                     e->told.id, BYTES_ARG(row.event_id), (long long)row.event_created,
                     row.deleted ? ", deleted" : "", row.undecided ? ", undecided" : "", all.n,
                     (long long)second, ends, sure ? "surely" : "perhaps");
}

void oracle_tables(struct sim *s) {
    // What rebuilds of before have read is not known where none could be made in the end.
    bool known = plan_has_tables && s->rebuild != REBUILD_REFUSED;
    for (size_t i = 0; i < s->event_count && known; i++)
        if (is_first(s, i))
            check_product(s, &s->events[i]);
}
