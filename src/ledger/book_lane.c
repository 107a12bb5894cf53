// SPDX-License-Identifier: MIT
// Lanes (rules/lane.h). A delivery that waits behind another of its lane is due at no time, so that
// whoever looks for what is due never walks past it; booking the end of the one before makes it
// due.
#include "ledger/book_internal.h"

// The rule in force for this destination; null: no order.
static const struct lane_rule *rule_of(const struct book *b, bytes name) {
    const struct plan_destination *d =
        b->plan == NULL || endpoint_id(name) ? NULL : plan_destination_find(b->plan, name);
    return d == NULL || d->lanes.order == LANE_NONE || d->kind == KIND_TABLES ? NULL : &d->lanes;
}

static result find_lane(struct book *b, const struct lane_rule *rule, const struct event_row *e,
                        uint64_t receipt, int64_t *lane) {
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, BOOK_SCRATCH_MAX);
    struct lane_event of = {
        .owner = e->owner,
        .account = e->account,
        .object_id = e->object_id,
        .livemode = e->livemode,
    };
    if (lane_reads_body(rule->order))
        TRY(b->store->body_get(b->store, receipt, &a, &of.body));
    *lane = lane_of(rule->order, &of);
    return OK;
}

result book_lane_join(struct book *b, const struct event_row *e, bytes destination,
                      struct delivery_row *d) {
    const struct lane_rule *rule = rule_of(b, destination);
    struct lane_row row = {.destination = d->destination, .delivery = d->seq};
    uint64_t first;
    if (rule == NULL)
        return OK;
    TRY(find_lane(b, rule, e, d->receipt_seq, &row.lane));
    if (row.lane == 0)
        return OK;
    result found = b->store->lane_first(b->store, d->destination, row.lane, &first);
    if (found == OK)
        d->next_at = LANE_BEHIND;
    else if (!failed_as(found, FAIL_ABSENT))
        return found;
    return b->store->lane_put(b->store, &row);
}

// Its head has left: the next one goes.
static result go_on(struct book *b, const struct lane_row *left, int64_t now_ms, struct arena *a) {
    struct delivery_row next;
    uint64_t first;
    result found = b->store->lane_first(b->store, left->destination, left->lane, &first);
    if (failed_as(found, FAIL_ABSENT))
        return OK;
    TRY(found);
    TRY(b->store->delivery_get(b->store, first, a, &next));
    next.next_at = now_ms;
    b->touched(b->ctx, next.destination);
    return b->store->delivery_update(b->store, &next);
}

result book_lane_leave(struct book *b, const struct delivery_row *d, int64_t now_ms,
                       struct arena *a) {
    struct lane_row row;
    result found = b->store->lane_get(b->store, d->seq, &row);
    if (failed_as(found, FAIL_ABSENT))
        return OK;
    TRY(found);
    TRY(b->store->lane_drop(b->store, &row));
    return d->next_at == LANE_BEHIND ? OK : go_on(b, &row, now_ms, a);
}

result book_lane_failed(struct book *b, const struct lane_rule *rule, struct delivery_row *d,
                        int64_t now_ms, bool *leaves) {
    struct lane_row row;
    result found = b->store->lane_get(b->store, d->seq, &row);
    *leaves = false;
    if (failed_as(found, FAIL_ABSENT))
        return OK;
    TRY(found);
    enum lane_verdict v = lane_failed(rule, d->failures);
    *leaves = v != LANE_WAITS;
    if (v == LANE_PARKS) {
        d->state = DELIVERY_PARKED;
        d->ended_at = now_ms;
        b->tally.parked++;
    }
    return OK;
}
