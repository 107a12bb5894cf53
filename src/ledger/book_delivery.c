// SPDX-License-Identifier: MIT
#include <string.h>

#include "base/ensure.h"
#include "ledger/book_internal.h"

#define CANCEL_PAGE 500
#define HOUR_MS INT64_C(3600000)
#define KNOWN_MEMORY_MAX (64u << 20)

void book_forget_names(struct book *b) {
    if (b->known != NULL)
        arena_drop(&b->known_memory);
    b->known = NULL;
    b->known_count = 0;
}

static result read_known(struct book *b) {
    struct destination_row *rows = NULL;
    size_t n = 0;
    arena_init(&b->known_memory, KNOWN_MEMORY_MAX);
    result failed = b->store->destinations(b->store, &b->known_memory, &rows, &n);
    size_t count = failed == OK && n > 0 ? (size_t)rows[n - 1].number + 1 : 1;
    struct destination_row *known =
        failed == OK ? arena_take(&b->known_memory, count * sizeof *known) : NULL;
    if (failed == OK && known == NULL)
        failed = PLACE(MEMORY, "the destinations do not fit their memory");
    if (failed != OK) {
        arena_drop(&b->known_memory);
        return failed;
    }
    memset(known, 0, count * sizeof *known);
    for (size_t i = 0; i < n; i++)
        known[rows[i].number] = rows[i];
    b->known = known;
    b->known_count = count;
    return OK;
}

static result find_known(struct book *b, uint32_t number, struct destination_row **out) {
    if (b->known == NULL)
        TRY(read_known(b));
    NEED(number < b->known_count && b->known[number].name.n > 0, ABSENT,
         "no destination has this number");
    *out = &b->known[number];
    return OK;
}

result book_destination_name(struct book *b, uint32_t number, bytes *out) {
    struct destination_row *d;
    TRY(find_known(b, number, &d));
    *out = d->name;
    return OK;
}

static result hold(struct book *b, struct destination_row *d, int64_t now_ms) {
    OWN(text_drop)
    struct text why = {0};
    text_adds(&why, "it did nothing but fail for ");
    int64_t long_ms = now_ms - d->failing_since, in_ms = long_ms < HOUR_MS ? 1000 : HOUR_MS;
    text_add_duration(&why, long_ms / in_ms * in_ms);
    struct destination_row held = *d;
    held.held = true;
    held.held_at = now_ms;
    held.hold_reason = text_bytes(&why);
    TRY(b->store->destination_put(b->store, &held));
    b->tally.recalls++;
    b->tally.held++;
    b->touched(b->ctx, d->number);
    book_forget_names(b);
    return OK;
}

result book_destination_ended(struct book *b, uint32_t number, enum outcome outcome,
                              int64_t now_ms) {
    struct destination_row *d;
    TRY(find_known(b, number, &d));
    const struct plan_destination *says =
        b->plan == NULL ? NULL : plan_destination_find(b->plan, d->name);
    if (says == NULL || says->kind == KIND_TABLES || outcome == OUTCOME_NOT_YET)
        return OK;
    bool failed = outcome == OUTCOME_FAILED;
    if (failed != (d->failing_since != 0)) {
        d->failing_since = failed ? now_ms : 0;
        return b->store->destination_put(b->store, d);
    }
    bool over = failed && says->hold_after_ms > 0 && !d->held &&
                now_ms - d->failing_since >= says->hold_after_ms;
    return over ? hold(b, d, now_ms) : OK;
}

// What it is today; null, with the reason: it is not there, or disabled.
static const struct plan_destination *today(const struct book *b, bytes name, const char **why) {
    if (!endpoint_id(name)) {
        *why = "its destination left the configuration";
        return b->plan == NULL ? NULL : plan_destination_find(b->plan, name);
    }
    bool enabled = true;
    const struct plan_destination *d = book_endpoint_as(b, name, &enabled);
    *why = enabled ? "its endpoint was deleted" : "its endpoint is disabled; enable it first";
    return enabled ? d : NULL;
}

bool book_may_deliver(const struct book *b, bytes destination, bool livemode, const char **why) {
    const struct plan_destination *d = today(b, destination, why);
    if (d == NULL)
        return false;
    if (!mode_fits(d->livemode, livemode)) {
        *why = livemode ? "its destination takes test events only, this one is live"
                        : "its destination takes live events only, this one is test";
        return false;
    }
    return true;
}

// By the plan in force; endpoints made through the API say nothing of it.
static enum priority priority_at(const struct book *b, bytes destination, bytes type) {
    const struct plan_destination *d =
        b->plan == NULL ? NULL : plan_destination_find(b->plan, destination);
    return d == NULL ? PRIORITY_NORMAL : priority_of(&d->priority, type, NULL);
}

result book_owe(struct book *b, const struct event_row *e, uint64_t receipt,
                const struct destination_row *d, int64_t now_ms, bool replay, uint64_t *seq) {
    struct delivery_row row = {
        .seq = b->state.next_delivery,
        .event_seq = e->seq,
        .receipt_seq = receipt,
        .destination = d->number,
        .state = DELIVERY_DUE,
        .created_at = now_ms,
        .next_at = now_ms,
        .replay = replay,
        .priority = priority_at(b, d->name, e->type),
    };
    const char *why = NULL;
    if (!book_may_deliver(b, d->name, e->livemode, &why)) {
        row.state = DELIVERY_CANCELLED;
        row.ended_at = now_ms;
        row.last_error = bytes_of(why);
    } else {
        TRY(book_lane_join(b, e, d->name, &row));
    }
    *seq = row.seq;
    b->state.next_delivery++;
    b->touched(b->ctx, d->number);
    return b->store->delivery_insert(b->store, &row);
}

result book_over(struct book *b, const struct event_row *e, uint64_t receipt,
                 const struct destination_row *d, int64_t now_ms, const char *dead) {
    struct delivery_row row = {
        .seq = b->state.next_delivery++,
        .event_seq = e->seq,
        .receipt_seq = receipt,
        .destination = d->number,
        .state = dead != NULL ? DELIVERY_DEAD : DELIVERY_DONE,
        .created_at = now_ms,
        .ended_at = now_ms,
        .last_error = bytes_of(dead),
    };
    if (dead != NULL) {
        b->tally.dead++;
        b->tally.last_dead = row.seq;
    }
    return b->store->delivery_insert(b->store, &row);
}

result book_event_misfit(struct book *b, const struct event_row *e, struct arena *a, bool *out) {
    struct receipt_row row;
    uint64_t *later = NULL;
    size_t n = 0;
    *out = false;
    if (e->status != EVENT_IGNORED)
        return OK;
    TRY(b->store->receipt_get(b->store, e->seq, a, &row));
    *out = row.livemode_misfit;
    if (*out)
        TRY(b->store->receipts_later(b->store, e->seq, a, &later, &n));
    for (size_t i = 0; i < n && *out; i++) {
        TRY(b->store->receipt_get(b->store, later[i], a, &row));
        *out = row.livemode_misfit;
    }
    return OK;
}

result book_settle(struct book *b, uint64_t event, struct arena *a) {
    struct delivery_row *all = NULL;
    size_t n = 0;
    TRY(b->store->deliveries_of(b->store, event, a, &all, &n));
    enum event_status status = n > 0 ? EVENT_DONE : EVENT_IGNORED;
    bytes error = NO_BYTES;
    for (size_t i = 0; i < n; i++) {
        if (delivery_state_open(all[i].state))
            return b->store->event_status(b->store, event, EVENT_PENDING, NO_BYTES);
        bool last = true; // to its destination
        for (size_t k = i + 1; k < n; k++)
            last = last && all[k].destination != all[i].destination;
        if (last && (all[i].state == DELIVERY_DEAD || all[i].state == DELIVERY_PARKED)) {
            status = EVENT_FAILED;
            error = all[i].last_error;
        }
    }
    return b->store->event_status(b->store, event, status, error);
}

result book_cancel(struct book *b, struct delivery_row *d, const char *why, int64_t now_ms,
                   struct arena *a) {
    ensure(delivery_state_open(d->state));
    b->tally.recalls++;
    d->state = DELIVERY_CANCELLED;
    d->ended_at = now_ms;
    d->last_error = bytes_of(why);
    TRY(b->store->delivery_update(b->store, d));
    TRY(book_lane_leave(b, d, now_ms, a));
    return book_settle(b, d->event_seq, a);
}

result book_cancel_misfits(struct book *b, const struct destination_row *d, int64_t now_ms) {
    const char *why = NULL;
    if (book_may_deliver(b, d->name, true, &why) && book_may_deliver(b, d->name, false, &why))
        return OK;
    for (uint64_t after = 0;;) {
        OWN(arena_drop)
        struct arena a;
        arena_init(&a, BOOK_SCRATCH_MAX);
        struct delivery_row *open = NULL;
        size_t n = 0;
        TRY(b->store->deliveries_open(b->store, d->number, after, CANCEL_PAGE, &a, &open, &n));
        for (size_t i = 0; i < n; i++) {
            struct event_row e;
            TRY(b->store->event_get(b->store, open[i].event_seq, &a, &e));
            if (!book_may_deliver(b, d->name, e.livemode, &why))
                TRY(book_cancel(b, &open[i], why, now_ms, &a));
            after = open[i].seq;
        }
        if (n < CANCEL_PAGE)
            return OK;
    }
}
