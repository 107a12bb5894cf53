// SPDX-License-Identifier: MIT
#include "rules/plan_lane.h"

static bool has(json object, const char *key) {
    return json_type(json_get(object, key)) != JSON_ABSENT;
}

size_t plan_lane_extra(json destination) {
    return (size_t)has(destination, "order") + has(destination, "on_failure") +
           has(destination, "park_after");
}

result plan_lane_read(json destination, struct plan_destination *d) {
    struct lane_rule *l = &d->lanes;
    int64_t after = LANE_PARK_AFTER;
    *l = (struct lane_rule){.park_after = LANE_PARK_AFTER};
    if (has(destination, "order"))
        TRY(lane_order_parse(json_string(json_get(destination, "order")), &l->order));
    if (has(destination, "on_failure"))
        TRY(lane_failure_parse(json_string(json_get(destination, "on_failure")), &l->on_failure));
    if (has(destination, "park_after"))
        TRY(json_i64(json_get(destination, "park_after"), &after));
    NEED(after >= 1 && after <= LANE_PARK_AFTER_MAX, INVALID,
         "a number in the plan is out of range");
    l->park_after = (uint32_t)after;
    return OK;
}

void plan_lane_write(const struct plan_destination *d, struct text *out) {
    const struct lane_rule *l = &d->lanes;
    if (l->order == LANE_NONE)
        return;
    text_addf(out, ",\"order\":\"%s\"", lane_order_name(l->order));
    if (l->on_failure != LANE_BLOCK)
        text_addf(out, ",\"on_failure\":\"%s\"", lane_failure_name(l->on_failure));
    if (l->on_failure == LANE_PARK && l->park_after != LANE_PARK_AFTER)
        text_addf(out, ",\"park_after\":%u", l->park_after);
}
