// SPDX-License-Identifier: MIT
#include "ledger/memory_internal.h"

// What a delivery carries; null if its event or its body is not there.
static const struct blob_row *body_of(struct memory *m, const struct delivery_row *d) {
    const struct receipt_row *receipt = memory_row(m, RECEIPTS, key1(d->receipt_seq));
    if (receipt == NULL || memory_row(m, EVENTS, key1(d->event_seq)) == NULL)
        return NULL;
    return memory_row(m, BODIES, key1(receipt->body_seq));
}

static result due_row(struct memory *m, const struct delivery_row *d, bytes body, struct arena *a,
                      struct due_row *out) {
    struct event_row event;
    TRY(row_copy(&shape_delivery, d, a, &out->delivery));
    TRY(memory_copy(m, EVENTS, key1(d->event_seq), a, &event));
    out->event_id = event.id;
    out->account = event.account;
    out->owner = event.owner;
    out->type = event.type;
    out->livemode = event.livemode;
    const struct site_row *site =
        event.site > 0 ? memory_row(m, SITES, key1((uint64_t)event.site)) : NULL;
    out->site = site == NULL ? NO_BYTES : arena_copy(a, site->name);
    NEED(site == NULL || out->site.p != NULL, MEMORY, "a site's name is larger than the arena");
    out->body = arena_copy(a, body);
    NEED(body.n == 0 || out->body.p != NULL, MEMORY, "a body is larger than the arena");
    return OK;
}

// The first one at or behind an index that is open at this destination, of this priority, due by
// then, and not to be skipped; null: there is none.
static const struct delivery_row *open_from(const struct table *t, size_t *at, uint64_t of,
                                            int64_t until_ms,
                                            bool (*skip)(void *ctx, uint64_t delivery), void *ctx) {
    for (; *at < t->n && t->at[*at].key.a == of; ++*at) {
        const struct delivery_row *d = t->at[*at].row;
        if (d->next_at > until_ms)
            return NULL;
        if (skip == NULL || !skip(ctx, d->seq))
            return d;
    }
    return NULL;
}

static result due(struct store *s, uint32_t destination, int64_t now_ms, size_t max,
                  size_t max_bytes, bool (*skip)(void *ctx, uint64_t delivery), void *ctx,
                  struct priority_turns *turns, struct arena *a, struct due_row **out, size_t *n) {
    struct memory *m = memory_of(s);
    size_t at[PRIORITIES];
    const struct delivery_row *next[PRIORITIES];
    *n = 0;
    max = max < m->open.n ? max : m->open.n;
    *out = arena_take(a, max * sizeof **out);
    NEED(max == 0 || *out != NULL, MEMORY, "due deliveries are larger than the arena");
    size_t total = 0, count = 0;
    for (unsigned p = 0; p < PRIORITIES; p++)
        at[p] = table_from(&m->open, key1(memory_open_of(destination, p)));
    while (count < max) {
        bool waits[PRIORITIES], any = false;
        for (unsigned p = 0; p < PRIORITIES; p++) {
            next[p] =
                open_from(&m->open, &at[p], memory_open_of(destination, p), now_ms, skip, ctx);
            waits[p] = next[p] != NULL;
            any = any || waits[p];
        }
        if (!any)
            break;
        struct priority_turns after = *turns;
        enum priority turn = priority_turn(&after, waits);
        const struct delivery_row *d = next[turn];
        const struct blob_row *body = body_of(m, d);
        NEED(body != NULL, CORRUPT, "a delivery has no event or no body");
        total += body->value.n;
        if (count > 0 && total > max_bytes)
            break;
        TRY(due_row(m, d, body->value, a, &(*out)[count]));
        *turns = after;
        at[turn]++;
        count++;
    }
    *n = count;
    return OK;
}

static result next_due(struct store *s, uint32_t destination,
                       bool (*skip)(void *ctx, uint64_t delivery), void *ctx, int64_t *out) {
    const struct table *t = &memory_of(s)->open;
    *out = INT64_MAX;
    for (unsigned p = 0; p < PRIORITIES; p++) {
        uint64_t of = memory_open_of(destination, p);
        size_t at = table_from(t, key1(of));
        const struct delivery_row *d = open_from(t, &at, of, INT64_MAX, skip, ctx);
        if (d != NULL && d->next_at < *out)
            *out = d->next_at;
    }
    return OK;
}

void memory_due_operations(struct store *s) {
    s->due = due;
    s->next_due = next_due;
}
