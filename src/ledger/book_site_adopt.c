// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ledger/book_site_internal.h"

#define PAGE 500

static result name_sites(struct book *b, struct arena *a) {
    struct site_row *rows = NULL;
    size_t n = 0;
    TRY(b->store->sites(b->store, a, &rows, &n));
    int64_t last = (int64_t)n;
    for (size_t i = 0; i < b->plan->site_count; i++) {
        bool known = false;
        for (size_t k = 0; k < n; k++)
            known = known || bytes_equal(rows[k].name, b->plan->sites[i].name);
        if (!known)
            TRY(b->store->site_put(b->store, &(struct site_row){++last, b->plan->sites[i].name}));
    }
    return OK;
}

// All objects' evidence anew, under the claims of the plan in force.
struct relearning {
    struct book *book;
    size_t n;
    int64_t *evidence, *below, *evidence_before, *below_before;
    size_t *above, *above_size; // where in `numbers`
    struct text numbers;
};

static void relearning_drop(struct relearning *l) {
    free(l->evidence);
    free(l->below);
    free(l->evidence_before);
    free(l->below_before);
    free(l->above);
    free(l->above_size);
    text_drop(&l->numbers);
}

static bytes above_of(const void *ctx, size_t i) {
    const struct relearning *l = ctx;
    return bytes_slice(text_bytes(&l->numbers), l->above[i], l->above[i] + l->above_size[i]);
}

// They come in no order: where each one's numbers stand in `numbers`, and how many bytes they are.
static result relearn_row(void *ctx, const struct site_object *row) {
    struct relearning *l = ctx;
    size_t i = row->number;
    NEED(i > 0 && i <= l->n, CORRUPT, "an object's number is beyond the last");
    struct site_object copy = *row;
    struct known k = {.row = &copy};
    site_ask_claims(l->book, &k);
    l->evidence[i] = k.own;
    l->evidence_before[i] = row->evidence;
    l->below_before[i] = row->below;
    l->above[i] = l->numbers.n;
    l->above_size[i] = row->above.n;
    text_add(&l->numbers, row->above);
    return OK;
}

static result relearn_read(struct relearning *l) {
    TRY(l->book->store->objects(l->book->store, relearn_row, l));
    NEED(!l->numbers.failed, MEMORY, "the objects of all events do not fit the memory");
    return OK;
}

static result relearn_write(struct relearning *l) {
    struct store *s = l->book->store;
    for (size_t i = 1; i <= l->n; i++) {
        if (l->evidence[i] == l->evidence_before[i] && l->below[i] == l->below_before[i])
            continue;
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, BOOK_SCRATCH_MAX);
        struct site_object row;
        TRY(s->object_get(s, i, &a, &row));
        row.evidence = l->evidence[i];
        row.below = l->below[i];
        TRY(s->object_put(s, &row));
    }
    return OK;
}

static result relearn(struct book *b) {
    size_t n = b->sites->last;
    OWN(relearning_drop)
    struct relearning l = {
        .book = b,
        .n = n,
        .evidence = memory_new(n + 1, sizeof *l.evidence),
        .below = memory_new(n + 1, sizeof *l.below),
        .evidence_before = memory_new(n + 1, sizeof *l.evidence_before),
        .below_before = memory_new(n + 1, sizeof *l.below_before),
        .above = memory_new(n + 1, sizeof *l.above),
        .above_size = memory_new(n + 1, sizeof *l.above_size),
        .numbers = {.max = SIZE_MAX},
    };
    TRY(relearn_read(&l));
    site_weigh(&(struct site_scales){n, l.evidence, l.below, above_of, &l});
    return relearn_write(&l);
}

// Its object may have a site by now, since all was weighed anew.
static result route_again(struct book *b, uint64_t seq, int64_t now_ms) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, BOOK_SCRATCH_MAX);
    struct event_row row;
    struct known *k;
    size_t site;
    TRY(site_start(b));
    TRY(b->store->event_get(b->store, seq, &a, &row));
    TRY(site_known(b, row.object, &k));
    TRY(site_of(&b->sites->world, &k->node, &site));
    return site == SIZE_MAX || b->plan->sites[site].late_left ? OK
                                                              : site_route(b, seq, site, now_ms);
}

// An unclaimed event is read again: claims that are new may ask for what it says.
static result read_again(struct book *b, uint64_t seq, int64_t now_ms) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, BOOK_SCRATCH_MAX);
    struct store *s = b->store;
    struct event_row row;
    TRY(s->event_get(s, seq, &a, &row));
    OWN(event_drop)
    struct event e = {0};
    TRY(book_event_read(b, seq, &a, &e));
    struct known *k;
    return site_learn(b, &e, row.owner, now_ms, &k);
}

static result each_unclaimed(struct book *b, int64_t now_ms,
                             result (*each)(struct book *b, uint64_t seq, int64_t now_ms)) {
    for (uint64_t after = 0;;) {
        OWN(arena_drop)
        struct arena page;
        arena_init(&page, BOOK_SCRATCH_MAX);
        uint64_t *seqs = NULL;
        size_t n = 0;
        TRY(b->store->unclaimed(b->store, after, PAGE, &page, &seqs, &n));
        for (size_t i = 0; i < n; i++) {
            TRY(each(b, seqs[i], now_ms));
            after = seqs[i];
        }
        if (n < PAGE)
            return OK;
    }
}

result book_sites_adopt(struct book *b, const struct plan *before, int64_t now_ms,
                        struct arena *a) {
    TRY(book_sites_write(b));
    book_sites_forget(b);
    if (b->plan->site_count == 0 || (before != NULL && plan_sites_equal(before, b->plan)))
        return OK;
    TRY(name_sites(b, a));
    TRY(site_ready(b));
    TRY(relearn(b));
    // All is learnt before anybody is routed, or what was routed by one would not be read itself.
    bool any = b->sites->any_unclaimed;
    b->sites->any_unclaimed = false;
    TRY(each_unclaimed(b, now_ms, read_again));
    b->sites->any_unclaimed = any;
    return each_unclaimed(b, now_ms, route_again);
}

result book_site_assign(struct book *b, uint64_t object, bytes site, int64_t now_ms,
                        const char **refused) {
    *refused = NULL;
    if (b->plan == NULL || b->plan->site_count == 0) {
        *refused = "the configuration has no sites";
        return OK;
    }
    TRY(site_ready(b));
    size_t index = plan_site_find(b->plan, site);
    if (site.n > 0 && index == SIZE_MAX) {
        *refused = "the configuration has no site of this name; "
                   "`hookkeep sites list` shows those that it has";
        return OK;
    }
    struct known *k;
    TRY(site_start(b));
    result found = site_known(b, object, &k);
    if (failed_as(found, FAIL_ABSENT)) {
        *refused = "no event has named such an object";
        return OK;
    }
    TRY(found);
    struct site_object row = *k->row;
    int64_t before = row.assigned;
    row.assigned = site.n > 0 ? b->sites->numbers[index] : SITE_NONE;
    TRY(site_replace(b, k, &row));
    TRY(site_settle(b, now_ms));
    if (before == SITE_NONE || before == row.assigned)
        return OK;
    TRY(book_sites_write(b));
    at_hand_drop(&b->sites->at_hand); // what was taught by the former word is taken back everywhere
    TRY(relearn(b));
    return each_unclaimed(b, now_ms, route_again);
}
