// SPDX-License-Identifier: MIT
// Test clocks (https://docs.stripe.com/billing/testing/test-clocks). What is due on one is done in
// twin/due.c, between its advance and its arrival.
#include "twin/effects.h"

#define TARGET "status_details.advancing.target_frozen_time"
#define FAR_S ((int64_t)2 * 366 * 24 * 60 * 60) // Stripe goes two intervals at most; a year's here

bool effect_clock_start(struct twin_call *c) {
    twin_set(c, c->self, "created", twin_at(c->self, "frozen_time"));
    twin_set_int(c, c->self, "deletes_after", c->w->now_ms / 1000 + 30 * 24 * 60 * 60);
    return true;
}

bool effect_clock_advance(struct twin_call *c) {
    int64_t to = 0, from = twin_int(c->self, "frozen_time");
    if (!twin_param_int(c, "frozen_time", &to))
        return false;
    if (to <= from || to > from + FAR_S)
        return twin_refuse(c, API_ERROR_INVALID, "frozen_time",
                           "frozen_time is %lld; a clock goes from %lld to a later time, at most "
                           "two years at once.",
                           (long long)to, (long long)from);
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
