// SPDX-License-Identifier: MIT
#include "rules/plan_pace.h"

#include "rules/pace.h"

static bool has(json object, const char *key) {
    return json_type(json_get(object, key)) != JSON_ABSENT;
}

size_t plan_pace_extra(json destination) {
    return (size_t)has(destination, "concurrency_min") + has(destination, "rate") +
           has(destination, "hold_after_ms");
}

static result read_number(json object, const char *key, int64_t max, int64_t *out) {
    TRY(json_i64(json_get(object, key), out));
    NEED(*out > 0 && *out <= max, INVALID, "a number in the plan is out of range");
    return OK;
}

static result read_rate(json rate, struct pace_limits *p) {
    int64_t count;
    NEED(json_type(rate) == JSON_OBJECT && json_size(rate) == 2, INVALID,
         "a rate in the plan has another form");
    TRY(read_number(rate, "count", PACE_RATE_MAX, &count));
    TRY(read_number(rate, "per_ms", PACE_RATE_PER_MAX_MS, &p->rate_per_ms));
    p->rate = (uint32_t)count;
    return OK;
}

result plan_pace_read(json destination, struct plan_destination *d) {
    struct pace_limits *p = &d->pace;
    int64_t min, max;
    TRY(read_number(destination, "concurrency", UINT32_MAX, &max));
    min = max;
    if (has(destination, "concurrency_min")) {
        TRY(read_number(destination, "concurrency_min", max, &min));
        NEED(min < max, INVALID, "a level in the plan that is fixed says its least");
    }
    p->min = (uint32_t)min;
    p->max = (uint32_t)max;
    d->hold_after_ms = PLAN_HOLD_AFTER_MS;
    if (has(destination, "hold_after_ms")) {
        TRY(json_i64(json_get(destination, "hold_after_ms"), &d->hold_after_ms));
        NEED(d->hold_after_ms >= 0, INVALID, "a number in the plan is out of range");
    }
    return has(destination, "rate") ? read_rate(json_get(destination, "rate"), p) : OK;
}

void plan_pace_write(const struct plan_destination *d, struct text *out) {
    const struct pace_limits *p = &d->pace;
    text_addf(out, ",\"concurrency\":%u", p->max);
    if (p->min != p->max)
        text_addf(out, ",\"concurrency_min\":%u", p->min);
    if (p->rate > 0)
        text_addf(out, ",\"rate\":{\"count\":%u,\"per_ms\":%lld}", p->rate,
                  (long long)p->rate_per_ms);
    if (d->hold_after_ms != PLAN_HOLD_AFTER_MS)
        text_addf(out, ",\"hold_after_ms\":%lld", (long long)d->hold_after_ms);
}
