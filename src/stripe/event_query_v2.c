// SPDX-License-Identifier: MIT
// GET /v2/core/events: https://docs.stripe.com/api/v2/core/events/list.
#include "stripe/event.h"
#include "stripe/event_query.h"

#define SECOND_MS 1000

// Events are kept by the second: those of the bound's own are in where it may be one of them.
static bool take_bound(bytes key, json v, struct event_query *out, struct api_refusal *why) {
    int64_t ms = 0;
    bool upper = bytes_equal(key, B("lt")) || bytes_equal(key, B("lte"));
    if (!upper && !bytes_equal(key, B("gt")) && !bytes_equal(key, B("gte")))
        return api_refuse(why, API_ERROR_PARAMETER_UNKNOWN, B("created"),
                          "created takes gt, gte, lt and lte in its brackets");
    if (text_parse_time(json_string(v), &ms) != OK)
        return api_refuse(why, API_ERROR_INVALID, B("created"),
                          "created takes times of RFC 3339, as 2026-11-27T12:00:00Z");
    int64_t s = ms / SECOND_MS - (ms % SECOND_MS < 0);
    if (ms % SECOND_MS == 0 && bytes_equal(key, B("lt")))
        s--;
    if (upper && s < out->created_max)
        out->created_max = s;
    if (!upper && s > out->created_min)
        out->created_min = s;
    return true;
}

static bool read_created(json params, struct event_query *out, struct api_refusal *why) {
    json v = json_get(params, "created"), value;
    bytes key;
    out->created_min = INT64_MIN;
    out->created_max = INT64_MAX;
    if (json_type(v) != JSON_ABSENT && json_type(v) != JSON_OBJECT)
        return api_refuse(why, API_ERROR_INVALID, B("created"),
                          "created takes gt, gte, lt and lte in its brackets");
    for (size_t at = 0; json_member(v, &at, &key, &value);)
        if (!take_bound(key, value, out, why))
            return false;
    return true;
}

static bool read_types(json params, struct event_query *out, struct api_refusal *why) {
    json types = json_get(params, "types"), one;
    if (json_type(types) == JSON_ABSENT)
        return true;
    if (json_type(types) != JSON_ARRAY || json_size(types) > EVENT_QUERY_TYPES_MAX)
        return api_refuse(why, API_ERROR_INVALID, B("types"), "types takes at most %d event types",
                          EVENT_QUERY_TYPES_MAX);
    for (size_t at = 0; json_element(types, &at, &one);) {
        bytes type = json_string(one);
        if (type.n == 0 || type.n > EVENT_ID_MAX || bytes_find(type, '*') < type.n ||
            bytes_find(type, '?') < type.n || bytes_find(type, '[') < type.n)
            return api_refuse(
                why, API_ERROR_INVALID, B("types"),
                "types takes names of event types, as v1.billing.meter.no_meter_found");
        out->types[out->type_count++] = type;
    }
    return true;
}

bool event_query_read_v2(json params, struct event_query *out, struct api_refusal *why) {
    static const char *const names[] = {"limit", "object_id", "types", "created", NULL};
    bytes limit;
    int64_t n = EVENT_QUERY_LIMIT;
    *out = (struct event_query){0};
    if (!api_names_known(params, names, why) || !api_text(params, "limit", &limit, why) ||
        !api_text(params, "object_id", &out->object, why) || !read_types(params, out, why) ||
        !read_created(params, out, why))
        return false;
    if ((limit.n > 0 && bytes_to_i64(limit, &n) != OK) || n < 1 || n > EVENT_QUERY_LIMIT_MAX)
        return api_refuse(why, API_ERROR_PARAMETER_INTEGER, B("limit"), "limit is 1 to %d",
                          EVENT_QUERY_LIMIT_MAX);
    out->limit = (size_t)n;
    return true;
}
