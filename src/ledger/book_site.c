// SPDX-License-Identifier: MIT
// Objects that were asked for are kept in memory, written ones too, until they are too many or a
// record is undone.
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "ledger/book_site_internal.h"
#include "ledger/rows.h"

#define PAGE 500

static void knowns_push(struct knowns *list, struct known *k) {
    if (list->n == list->cap) {
        list->cap = list->cap > 0 ? list->cap * 2 : 64;
        list->at = memory_grow(list->at, list->cap, sizeof *list->at);
    }
    list->at[list->n++] = k;
}

size_t book_sites_at_hand(const struct book *b) {
    return b->sites == NULL ? 0 : b->sites->at_hand.n;
}

void book_sites_forget(struct book *b) {
    struct book_sites *s = b->sites;
    if (s == NULL)
        return;
    at_hand_drop(&s->at_hand);
    arena_drop(&s->scratch);
    site_claims_close(s->claims);
    free(s->numbers);
    free(s->dirty.at);
    free(s->fresh.at);
    free(s->queue.at);
    free(s->stirred.at);
    free(s->search.at);
    free(s->late);
    free(s);
    b->sites = NULL;
}

size_t site_plan_index(void *ctx, int64_t number) {
    const struct book *b = ctx;
    for (size_t i = 0; i < b->plan->site_count; i++)
        if (b->sites->numbers[i] == number)
            return i;
    return SIZE_MAX;
}

static result world_node(void *ctx, uint64_t number, struct site_node **out);

result site_ready(struct book *b) {
    if (b->sites != NULL)
        return OK;
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, BOOK_SCRATCH_MAX);
    struct site_row *rows = NULL;
    uint64_t *some, last;
    size_t n = 0, some_count = 0;
    TRY(b->store->sites(b->store, &a, &rows, &n));
    TRY(b->store->object_last(b->store, &last));
    TRY(b->store->unclaimed(b->store, 0, 1, &a, &some, &some_count));
    struct book_sites *s = b->sites = NEW(struct book_sites);
    at_hand_drop(&s->at_hand);
    arena_init(&s->scratch, BOOK_SCRATCH_MAX);
    s->last = last;
    s->any_unclaimed = some_count > 0;
    s->claims = site_claims_open(b->plan);
    s->world = (struct site_world){.node = world_node, .site = site_plan_index, .ctx = b};
    s->numbers = memory_new(b->plan->site_count, sizeof *s->numbers);
    for (size_t i = 0; i < b->plan->site_count; i++) {
        s->any_left = s->any_left || b->plan->sites[i].late_left;
        for (size_t k = 0; k < n; k++)
            if (bytes_equal(rows[k].name, b->plan->sites[i].name))
                s->numbers[i] = rows[k].number;
    }
    return OK;
}

static void join_own(void *ctx, size_t site) {
    struct book *b = ((void **)ctx)[0];
    struct known *k = ((void **)ctx)[1];
    k->own = site_join(k->own, b->sites->numbers[site]);
}

void site_ask_claims(struct book *b, struct known *k) {
    k->own = SITE_NONE;
    size_t own = site_claimed(b->sites->claims, k->row, join_own, (void *[]){b, k});
    size_t by_hand =
        k->row->assigned == SITE_NONE ? SIZE_MAX : site_plan_index(b, k->row->assigned);
    if (by_hand != SIZE_MAX) {
        own = by_hand;
        k->own = site_join(k->own, k->row->assigned);
    }
    site_node_init(&k->node, k->row, own);
}

static result take_row(struct book *b, struct site_object **out) {
    *out = arena_take(&b->sites->at_hand.memory, sizeof **out);
    NEED(*out != NULL, MEMORY, "the objects at hand do not fit the memory");
    return OK;
}

// A copy, for as long as objects are kept.
static result copy_row(struct book *b, const struct site_object *row, struct site_object **out) {
    TRY(take_row(b, out));
    return row_copy(&shape_object, row, &b->sites->at_hand.memory, *out);
}

// `row` lives as long as objects are kept.
static result keep(struct book *b, struct site_object *row, struct known **out) {
    struct book_sites *s = b->sites;
    struct known *k = *out = arena_take(&s->at_hand.memory, sizeof *k);
    NEED(k != NULL, MEMORY, "the objects at hand do not fit the memory");
    k->row = row;
    site_ask_claims(b, k);
    at_hand_add(&s->at_hand, k);
    return OK;
}

result site_known(struct book *b, uint64_t number, struct known **out) {
    struct site_object *row;
    *out = at_hand_numbered(&b->sites->at_hand, number);
    if (*out != NULL)
        return OK;
    TRY(take_row(b, &row));
    TRY(b->store->object_get(b->store, number, &b->sites->at_hand.memory, row));
    TRY(keep(b, row, out));
    (*out)->stored = true;
    return OK;
}

static result world_node(void *ctx, uint64_t number, struct site_node **out) {
    struct known *k;
    TRY(site_known(ctx, number, &k));
    *out = &k->node;
    return OK;
}

static void soil(struct book_sites *s, struct known *k) {
    if (!k->dirty)
        knowns_push(&s->dirty, k);
    k->dirty = true;
}

static void enqueue(struct book_sites *s, struct known *k) {
    if (!k->queued)
        knowns_push(&s->queue, k);
    k->queued = true;
}

// Something was learnt of it: whoever waits for its site, or for one below it, may have it now.
static void stir(struct book_sites *s, struct known *k) {
    if (!k->stirred)
        knowns_push(&s->stirred, k);
    k->stirred = true;
}

// By its key; a new one if it was never named.
static result known_named(struct book *b, const struct site_object *named, struct known **out) {
    struct book_sites *s = b->sites;
    struct site_object *row, fresh = *named;
    *out = at_hand_named(&s->at_hand, named);
    if (*out != NULL)
        return OK;
    TRY(take_row(b, &row));
    result found = b->store->object_find(b->store, named->owner, named->livemode, named->key,
                                         &s->at_hand.memory, row);
    if (found == OK) {
        TRY(keep(b, row, out));
        (*out)->stored = true;
        return OK;
    }
    if (!failed_as(found, FAIL_ABSENT))
        return found;
    fresh.number = ++s->last;
    TRY(row_copy(&shape_object, &fresh, &s->at_hand.memory, row));
    TRY(keep(b, row, out));
    (*out)->fresh = true;
    knowns_push(&s->fresh, *out);
    soil(s, *out);
    enqueue(s, *out);
    return OK;
}

// Takes a row with changed bytes in place of the one that is there; nobody else hears of it.
static result renew(struct book *b, struct known *k, const struct site_object *row) {
    TRY(copy_row(b, row, &k->row));
    site_ask_claims(b, k);
    soil(b->sites, k);
    return OK;
}

result site_replace(struct book *b, struct known *k, const struct site_object *row) {
    TRY(renew(b, k, row));
    enqueue(b->sites, k);
    stir(b->sites, k);
    return OK;
}

// An event that repeats what the object says of itself changes its row alone: who is above and
// below it hears nothing new, and may be many.
static result met(struct book *b, struct known *k, uint64_t mark, int64_t created) {
    OWN(text_drop)
    struct text claims = {0};
    site_met_add(k->row->claims, &(struct site_met){mark, created}, &claims);
    if (claims.n == 0)
        return OK;
    struct site_object row = *k->row;
    int64_t own_before = k->own;
    size_t site_before = k->node.own;
    row.claims = text_bytes(&claims);
    TRY(renew(b, k, &row));
    if (k->own == own_before && k->node.own == site_before)
        return OK;
    enqueue(b->sites, k);
    stir(b->sites, k);
    return OK;
}

// Puts an object below all that the event puts it below.
static result put_below(struct book *b, const struct site_facts *f, struct known **known,
                        size_t below) {
    OWN(text_drop)
    struct text numbers = {0};
    struct known *k = known[below];
    bytes before = k->row->above;
    for (size_t i = 0; i < f->link_count; i++) {
        struct known *above = known[f->links[i].above];
        uint64_t number = above->row->number;
        if (f->links[i].below != below || site_numbers_have(before, number))
            continue;
        if (numbers.n == 0)
            text_add(&numbers, before);
        site_numbers_add(&numbers, number);
        above->holds = true;
        TRY(b->store->link_put(b->store, &(struct link_row){number, k->row->number}));
    }
    if (numbers.n == 0)
        return OK;
    struct site_object row = *k->row;
    row.above = text_bytes(&numbers);
    TRY(site_replace(b, k, &row));
    k->linked = true;
    return OK;
}

static void search_on(struct book_sites *s, struct known *k) { knowns_push(&s->search, k); }

// Calls `each` for all that is below.
static result for_below(struct book *b, const struct known *above,
                        void (*each)(struct book_sites *s, struct known *k)) {
    if (above->fresh && !above->holds)
        return OK;
    for (uint64_t after = 0; after != LINKS_END;) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, BOOK_SCRATCH_MAX);
        uint64_t *numbers = NULL;
        size_t n = 0;
        TRY(b->store->links_below(b->store, above->row->number, &after, PAGE, &a, &numbers, &n));
        for (size_t i = 0; i < n; i++) {
            struct known *k;
            TRY(site_known(b, numbers[i], &k));
            each(b->sites, k);
        }
    }
    return OK;
}

static result push_up(struct book *b, const struct known *k, int64_t told, bool *lands);

// What is told to an object of what is below it. One that is taught keeps none of it, and so costs
// no write, but tells it on. *lands: somebody there is to keep it.
static result tell(struct book *b, struct known *k, int64_t told, bool *lands) {
    struct book_sites *s = b->sites;
    if (k->told == s->tellings || s->depth == SITE_DEPTH_MAX)
        return OK;
    k->told = s->tellings;
    if (k->row->evidence != SITE_NONE)
        return push_up(b, k, told, lands);
    int64_t below = site_join(k->row->below, told);
    *lands = true;
    if (below == k->row->below)
        return OK;
    k->row->below = below;
    soil(s, k);
    stir(s, k);
    return push_up(b, k, below, lands);
}

static result push_up(struct book *b, const struct known *k, int64_t told, bool *lands) {
    uint64_t number;
    result failed = OK;
    b->sites->depth++;
    for (bytes rest = k->row->above; failed == OK && site_numbers_next(&rest, &number);) {
        struct known *above;
        failed = site_known(b, number, &above);
        if (failed == OK)
            failed = tell(b, above, told, lands);
    }
    b->sites->depth--;
    return failed;
}

static result tell_above(struct book *b, const struct known *k, int64_t told, bool *lands) {
    b->sites->tellings++;
    *lands = false;
    return told == SITE_NONE ? OK : push_up(b, k, told, lands);
}

// The evidence of it and of all below it.
static result all_below(struct book *b, struct known *k, int64_t *out) {
    struct book_sites *s = b->sites;
    s->visits++;
    s->search.n = 0;
    *out = SITE_NONE;
    search_on(s, k);
    while (s->search.n > 0 && *out != SITE_MANY) {
        struct known *next = s->search.at[--s->search.n];
        if (next->visit == s->visits)
            continue;
        next->visit = s->visits;
        *out = site_join(*out, site_join(next->row->evidence, next->row->below));
        TRY(for_below(b, next, search_on));
    }
    return OK;
}

// It stands below something new: who is above hears of all that is below it.
static result spread_link(struct book *b, struct known *k) {
    bool lands;
    int64_t told = site_join(k->row->evidence, k->row->below);
    TRY(tell_above(b, k, told, &lands));
    if (!lands || k->row->evidence == SITE_NONE || (k->fresh && !k->holds))
        return OK;
    TRY(all_below(b, k, &told));
    return tell_above(b, k, told, &lands);
}

// Its evidence from what is above it, and what follows for those below and above.
static result spread_one(struct book *b, struct known *k) {
    struct book_sites *s = b->sites;
    int64_t before = k->row->evidence, evidence = site_join(before, k->own);
    bool torn_above = false, lands;
    uint64_t number;
    for (bytes rest = k->row->above; site_numbers_next(&rest, &number);) {
        struct known *above;
        TRY(site_known(b, number, &above));
        evidence = site_join(evidence, above->row->evidence);
        torn_above = torn_above || above->row->evidence == SITE_MANY;
    }
    if (evidence != before) {
        b->tally.contradictions += evidence == SITE_MANY && !torn_above;
        k->row->evidence = evidence;
        k->row->below = SITE_NONE; // those above have heard of it
        soil(s, k);
        stir(s, k);
        TRY(for_below(b, k, enqueue));
        if (!k->linked)
            TRY(tell_above(b, k, evidence, &lands));
    }
    bool linked = k->linked;
    k->linked = false;
    return linked ? spread_link(b, k) : OK;
}

static result spread(struct book *b) {
    struct book_sites *s = b->sites;
    for (size_t i = 0; i < s->queue.n; i++) {
        struct known *k = s->queue.at[i];
        k->queued = false;
        TRY(spread_one(b, k));
    }
    s->queue.n = 0;
    return OK;
}

// Together: what events of a batch name again is written once, and what is new in few statements.
result book_sites_write(struct book *b) {
    struct book_sites *s = b->sites;
    if (s == NULL)
        return OK;
    const struct site_object *fresh[PAGE];
    size_t n = 0;
    for (size_t i = 0; i < s->dirty.n; i++) {
        struct known *k = s->dirty.at[i];
        if (k->stored)
            TRY(b->store->object_put(b->store, k->row));
        else
            fresh[n++] = k->row;
        k->dirty = false;
        k->stored = true;
        if (n == PAGE || i + 1 == s->dirty.n) {
            TRY(b->store->objects_insert(b->store, fresh, n));
            n = 0;
        }
    }
    s->dirty.n = 0;
    return OK;
}

static result find_waiting_of(struct book *b, const struct known *k, size_t site) {
    struct book_sites *s = b->sites;
    for (uint64_t after = 0;;) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, BOOK_SCRATCH_MAX);
        uint64_t *seqs = NULL;
        size_t n = 0;
        TRY(b->store->unclaimed_of(b->store, k->row->number, after, PAGE, &a, &seqs, &n));
        for (size_t i = 0; i < n; i++) {
            if (s->late_count == s->late_cap) {
                s->late_cap = s->late_cap > 0 ? s->late_cap * 2 : 16;
                s->late = memory_grow(s->late, s->late_cap, sizeof *s->late);
            }
            s->late[s->late_count++] = (struct late){seqs[i], site};
            after = seqs[i];
        }
        if (n < PAGE)
            return OK;
    }
}

// The unclaimed events whose objects have a site now, among what was stirred and all below it.
static result find_waiting(struct book *b) {
    struct book_sites *s = b->sites;
    s->visits++;
    s->search.n = s->late_count = 0;
    for (size_t i = 0; i < s->stirred.n; i++) {
        s->stirred.at[i]->stirred = false;
        search_on(s, s->stirred.at[i]);
    }
    s->stirred.n = 0;
    while (s->any_unclaimed && s->search.n > 0) {
        struct known *k = s->search.at[--s->search.n];
        size_t site;
        if (k->visit == s->visits || (k->fresh && !k->holds))
            continue;
        k->visit = s->visits;
        TRY(site_of(&s->world, &k->node, &site));
        // One whose site is no more may have hidden another from who waits below, whom it left.
        if (site == SIZE_MAX && !s->any_left)
            continue;
        if (site != SIZE_MAX && !k->fresh && !b->plan->sites[site].late_left)
            TRY(find_waiting_of(b, k, site));
        // What a shared one learnt from below stays with it.
        bool taught = k->node.own != SIZE_MAX || k->node.taught != SIZE_MAX;
        if (!k->node.shared || taught)
            TRY(for_below(b, k, search_on));
    }
    return OK;
}

static int by_seq(const void *x, const void *y) {
    uint64_t a = ((const struct late *)x)->seq, b = ((const struct late *)y)->seq;
    return (a > b) - (a < b);
}

// What one of its receipts owes now: by its source, its secret and its bytes.
static result route_receipt(struct book *b, const struct event_row *row, uint64_t seq, size_t site,
                            int64_t now_ms, bool *owed) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, BOOK_SCRATCH_MAX);
    struct receipt_row receipt;
    OWN(event_drop)
    struct event e = {0};
    TRY(b->store->receipt_get(b->store, seq, &a, &receipt));
    if (receipt.livemode_misfit)
        return OK;
    TRY(book_event_read(b, seq, &a, &e));
    struct match_facts unclaimed = book_facts(&e, receipt.source, receipt.secret_label, NO_BYTES);
    struct match_facts claimed = unclaimed;
    claimed.site = b->plan->sites[site].name;
    struct owing owing = {
        .plan = b->plan,
        .event = row,
        .receipt = seq,
        .now_ms = now_ms,
        .facts = &claimed,
        .except = &unclaimed,
    };
    return book_owe_matching(b, &owing, &a, owed);
}

result site_route(struct book *b, uint64_t seq, size_t site, int64_t now_ms) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, BOOK_SCRATCH_MAX);
    struct store *s = b->store;
    struct event_row row;
    uint64_t *later = NULL;
    size_t n = 0;
    TRY(s->event_get(s, seq, &a, &row));
    if (row.site != EVENT_UNCLAIMED)
        return OK;
    row.site = b->sites->numbers[site];
    TRY(s->event_site(s, seq, row.object, row.site));
    book_site_note(b, &row);
    b->tally.late_routed++;
    bool owed = false;
    TRY(route_receipt(b, &row, seq, site, now_ms, &owed));
    TRY(s->receipts_later(s, seq, &a, &later, &n));
    for (size_t i = 0; i < n; i++)
        TRY(route_receipt(b, &row, later[i], site, now_ms, &owed));
    return owed ? book_settle(b, seq, &a) : OK;
}

static result route_waiting(struct book *b, int64_t now_ms) {
    struct book_sites *s = b->sites;
    if (s->late_count == 0)
        return OK;
    qsort(s->late, s->late_count, sizeof *s->late, by_seq);
    for (size_t i = 0; i < s->late_count; i++)
        TRY(site_route(b, s->late[i].seq, s->late[i].site, now_ms));
    s->late_count = 0;
    return OK;
}

result site_start(struct book *b) {
    struct book_sites *s = b->sites;
    if (at_hand_many(&s->at_hand)) {
        TRY(book_sites_write(b));
        at_hand_forget(&s->at_hand);
    }
    s->queue.n = s->stirred.n = s->fresh.n = 0;
    return OK;
}

result site_settle(struct book *b, int64_t now_ms) {
    struct book_sites *s = b->sites;
    TRY(spread(b));
    TRY(find_waiting(b));
    for (size_t i = 0; i < s->fresh.n; i++)
        s->fresh.at[i]->fresh = s->fresh.at[i]->holds = false;
    s->fresh.n = 0;
    return route_waiting(b, now_ms);
}

result site_learn(struct book *b, const struct event *e, bytes owner, int64_t now_ms,
                  struct known **out) {
    struct site_facts f;
    TRY(site_ready(b));
    TRY(site_start(b));
    struct arena *a = &b->sites->scratch;
    arena_reset(a);
    TRY(site_read(b->sites->claims, e, a, &f));
    struct known **known = arena_take(a, f.object_count * sizeof *known);
    NEED(known != NULL, MEMORY, "an event's objects do not fit the arena");
    b->tally.sites_cut += f.cut;
    for (size_t i = 0; i < f.object_count; i++) {
        struct site_object named = {
            .owner = owner,
            .livemode = e->livemode,
            .key = f.objects[i].key,
            .type = f.objects[i].type,
        };
        TRY(known_named(b, &named, &known[i]));
    }
    for (size_t i = 0; i < f.object_count; i++)
        TRY(put_below(b, &f, known, i));
    for (size_t i = 0; i < f.met_count; i++)
        TRY(met(b, known[f.met[i].object], f.met[i].mark, e->created));
    *out = known[0];
    return site_settle(b, now_ms);
}

static result number_of_site(struct book *b, struct known *k, int64_t *out) {
    size_t site;
    TRY(site_of(&b->sites->world, &k->node, &site));
    *out = site == SIZE_MAX ? EVENT_UNCLAIMED : b->sites->numbers[site];
    return OK;
}

result book_site_learn(struct book *b, const struct event *e, bytes owner, int64_t now_ms,
                       uint64_t *object, int64_t *site) {
    struct known *k;
    *object = 0;
    *site = 0;
    if (b->plan == NULL || b->plan->site_count == 0)
        return OK;
    TRY(site_learn(b, e, owner, now_ms, &k));
    *object = k->row->number;
    TRY(number_of_site(b, k, site));
    b->sites->any_unclaimed = b->sites->any_unclaimed || *site == EVENT_UNCLAIMED;
    return OK;
}

void book_site_note(struct book *b, const struct event_row *e) {
    size_t i = e->site > 0 ? site_plan_index(b, e->site) : SIZE_MAX;
    if (i != SIZE_MAX)
        sightings_note(&b->seen, &(struct sighting_row){
                                     .kind = SIGHTING_SITE,
                                     .what = b->plan->sites[i].name,
                                     .livemode = e->livemode,
                                     .first_at = e->received_at,
                                     .last_at = e->received_at,
                                     .count = 1,
                                 });
}

result book_site_name(struct book *b, int64_t site, struct arena *a, bytes *out) {
    *out = NO_BYTES;
    if (site <= 0)
        return OK;
    if (b->sites != NULL) {
        size_t i = site_plan_index(b, site);
        if (i != SIZE_MAX) {
            *out = b->plan->sites[i].name;
            return OK;
        }
    }
    struct site_row *rows = NULL;
    size_t n = 0;
    TRY(b->store->sites(b->store, a, &rows, &n));
    for (size_t i = 0; i < n; i++)
        if (rows[i].number == site)
            *out = rows[i].name;
    return OK;
}
