// SPDX-License-Identifier: MIT
// Test clocks (https://docs.stripe.com/billing/testing/test-clocks). What is due on one is done in
// twin/due.c, between its advance and its arrival.
#include "twin/bill.h"
#include "twin/effects.h"

#define TARGET "status_details.advancing.target_frozen_time"
#define FAR_S ((int64_t)2 * 366 * 24 * 60 * 60)
#define INTERVALS_MAX 2 // of the shortest of the clock's subscriptions, as at Stripe

// How far it may go at once: what falls due meanwhile is done in one go.
static int64_t farthest(struct twin_call *c, int64_t from) {
    struct twin_object *sub = NULL;
    int64_t far = from + FAR_S;
    while ((sub = twin_next_of(c, "subscription", "test_clock", bytes_of(c->self->id), sub)) !=
           NULL) {
        json item;
        bytes status = twin_text(sub, "status");
        if (bytes_equal(status, B("canceled")) || bytes_equal(status, B("incomplete_expired")))
            continue;
        for (size_t at = 0; json_element(twin_at(sub, "items.data"), &at, &item);) {
            int64_t count = 1;
            (void)(json_i64(json_path(item, B("plan.interval_count")), &count) == OK);
            int64_t end = bill_period(from, INTERVALS_MAX,
                                      json_string(json_path(item, B("plan.interval"))), count);
            far = end < far ? end : far;
        }
    }
    return far;
}

bool effect_clock_start(struct twin_call *c) {
    twin_set(c, c->self, "created", twin_at(c->self, "frozen_time"));
    twin_set_int(c, c->self, "deletes_after", c->w->now_ms / 1000 + 30 * 24 * 60 * 60);
    return true;
}

bool effect_clock_advance(struct twin_call *c) {
    int64_t to = 0, from = twin_int(c->self, "frozen_time");
    if (!twin_param_int(c, "frozen_time", &to))
        return false;
    int64_t far = farthest(c, from);
    if (to <= from || to > far)
        return twin_refuse(c, API_ERROR_INVALID, "frozen_time",
                           "frozen_time is %lld; a clock goes from %lld to a later time, at most "
                           "%lld: two years, or two intervals of its shortest subscription.",
                           (long long)to, (long long)from, (long long)far);
    twin_set_str(c, c->self, "status", "advancing");
    twin_set_json(c, c->self, "status_details", B("{\"advancing\":{}}"));
    twin_set_int(c, c->self, TARGET, to);
    twin_when(c, c->self, c->now_s, effect_clock_arrive);
    return true;
}

bool effect_clock_arrive(struct twin_call *c) {
    twin_set_int(c, c->self, "frozen_time", twin_int(c->self, TARGET));
    twin_set_str(c, c->self, "status", "ready");
    twin_set_json(c, c->self, "status_details", B("{}"));
    twin_emit(c, c->self, "test_helpers.test_clock.ready");
    return true;
}

// As Stripe does it: its customers are deleted with their subscriptions, without events of theirs.
bool effect_clock_delete(struct twin_call *c) {
    LIST_EACH(at, &c->w->all) {
        struct twin_object *o = CONTAINER(at, struct twin_object, all);
        if (o->clock == c->self && !o->gone)
            twin_remove(c, o);
    }
    return true;
}
