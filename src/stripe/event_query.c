// SPDX-License-Identifier: MIT
#include "stripe/event_query.h"

#include "stripe/event.h"

#define SHOWN_MAX 64 // bytes of what came, in a sentence

void api_refusal_drop(struct api_refusal *r) {
    text_drop(&r->param);
    text_drop(&r->message);
}

bool api_refuse(struct api_refusal *r, enum api_error e, bytes param, const char *format, ...) {
    r->error = e;
    text_reset(&r->param);
    text_reset(&r->message);
    text_add(&r->param, param);
    va_list args;
    va_start(args, format);
    text_addv(&r->message, format, args);
    va_end(args);
    return false;
}

// "NAME is `what came`; WANTED"
static bool refuse_value(struct api_refusal *why, enum api_error e, bytes name, bytes came,
                         const char *wanted) {
    OWN(text_drop)
    struct text shown = {0};
    text_add_printable(&shown, came, SHOWN_MAX);
    return api_refuse(why, e, name, "%.*s is `%s`; %s", BYTES_ARG(name), text_str(&shown), wanted);
}

bool api_names_known(json params, const char *const *names, struct api_refusal *why) {
    bytes name;
    json value;
    for (size_t at = 0; json_member(params, &at, &name, &value);) {
        bool known = false;
        for (size_t i = 0; names != NULL && names[i] != NULL; i++)
            known = known || bytes_equal(name, bytes_of(names[i]));
        if (known)
            continue;
        OWN(text_drop)
        struct text shown = {0};
        text_add_printable(&shown, name, SHOWN_MAX);
        return api_refuse(why, API_ERROR_PARAMETER_UNKNOWN, text_bytes(&shown),
                          "the parameter %s is unknown here; leave it out", text_str(&shown));
    }
    return true;
}

bool api_text(json params, const char *name, bytes *out, struct api_refusal *why) {
    json v = json_get(params, name);
    *out = json_string(v);
    if (json_type(v) == JSON_ABSENT)
        return true;
    if (json_type(v) != JSON_STRING)
        return api_refuse(why, API_ERROR_INVALID, bytes_of(name),
                          "%s has brackets; it takes one value: %s=VALUE", name, name);
    if (out->n == 0)
        return api_refuse(why, API_ERROR_PARAMETER_EMPTY, bytes_of(name),
                          "%s is empty; give it a value or leave it out", name);
    return true;
}

bool api_bool(json params, const char *name, bool *given, bool *out, struct api_refusal *why) {
    bytes b;
    if (!api_text(params, name, &b, why))
        return false;
    *given = b.n > 0;
    // Python's True, as stripe-python sends it up to version 5 at least.
    *out = bytes_equal(b, B("true")) || bytes_equal(b, B("True"));
    if (*given && !*out && !bytes_equal(b, B("false")) && !bytes_equal(b, B("False")))
        return refuse_value(why, API_ERROR_INVALID, bytes_of(name), b, "true or false is expected");
    return true;
}

static bool take_type(json v, bytes param, struct event_query *out, struct api_refusal *why) {
    bytes type = json_string(v);
    if (type.n == 0)
        return api_refuse(why, API_ERROR_PARAMETER_EMPTY, param,
                          "%.*s is empty, or has more brackets; event types are expected",
                          BYTES_ARG(param));
    size_t stars = 0;
    bool good = type.n <= EVENT_ID_MAX;
    for (size_t i = 0; i < type.n; i++) {
        stars += type.p[i] == '*';
        good = good && stars < 2 && type.p[i] != '?' && type.p[i] != '[';
    }
    if (!good)
        return refuse_value(why, API_ERROR_INVALID, param, type,
                            "an event type is expected, in which one * may stand, as charge.*");
    out->types[out->type_count++] = type;
    return true;
}

static bool read_types(json params, struct event_query *out, struct api_refusal *why) {
    json type = json_get(params, "type"), types = json_get(params, "types"), element;
    if (json_type(type) != JSON_ABSENT && json_type(types) != JSON_ABSENT)
        return api_refuse(why, API_ERROR_PARAMETERS_EXCLUSIVE, B("type"),
                          "type and types do not go together; name them all in types");
    if (json_type(type) != JSON_ABSENT)
        return take_type(type, B("type"), out, why);
    if (json_type(types) == JSON_ABSENT)
        return true;
    if (json_type(types) != JSON_ARRAY || json_size(types) > EVENT_QUERY_TYPES_MAX)
        return api_refuse(why, API_ERROR_INVALID, B("types"),
                          "types takes at most %d event types, as types[]=charge.refunded",
                          EVENT_QUERY_TYPES_MAX);
    for (size_t at = 0; json_element(types, &at, &element);)
        if (!take_type(element, B("types"), out, why))
            return false;
    return true;
}

static bool read_number(bytes b, bytes name, int64_t *out, struct api_refusal *why) {
    if (bytes_to_i64(b, out) == OK)
        return true;
    return refuse_value(why, API_ERROR_PARAMETER_INTEGER, name, b, "an integer is expected");
}

// One bound of created; where none is possible the range becomes empty.
static bool take_bound(bytes key, json v, struct event_query *out, struct api_refusal *why) {
    static const struct bound {
        const char *key, *param;
        bool upper, itself;
    } bounds[] = {
        {"gt", "created[gt]", false, false},
        {"gte", "created[gte]", false, true},
        {"lt", "created[lt]", true, false},
        {"lte", "created[lte]", true, true},
    };
    const struct bound *b = NULL;
    int64_t n;
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        if (bytes_equal(key, bytes_of(bounds[i].key)))
            b = &bounds[i];
    if (b == NULL)
        return refuse_value(why, API_ERROR_PARAMETER_UNKNOWN, B("created"), key,
                            "created takes gt, gte, lt and lte in its brackets");
    if (!read_number(json_string(v), bytes_of(b->param), &n, why))
        return false;
    if (!b->itself && n == (b->upper ? INT64_MIN : INT64_MAX)) {
        out->created_min = INT64_MAX;
        out->created_max = INT64_MIN;
        return true;
    }
    if (!b->itself)
        n += b->upper ? -1 : 1;
    if (b->upper && n < out->created_max)
        out->created_max = n;
    if (!b->upper && n > out->created_min)
        out->created_min = n;
    return true;
}

static bool read_created(json params, struct event_query *out, struct api_refusal *why) {
    json v = json_get(params, "created"), value;
    bytes key;
    out->created_min = INT64_MIN;
    out->created_max = INT64_MAX;
    if (json_type(v) == JSON_ARRAY)
        return api_refuse(why, API_ERROR_INVALID, B("created"),
                          "created is a number, or takes gt, gte, lt and lte in its brackets");
    if (json_type(v) == JSON_STRING) {
        bool read = read_number(json_string(v), B("created"), &out->created_min, why);
        out->created_max = out->created_min;
        return read;
    }
    for (size_t at = 0; json_member(v, &at, &key, &value);)
        if (!take_bound(key, value, out, why))
            return false;
    return true;
}

static bool read_page(json params, struct event_query *out, struct api_refusal *why) {
    bytes limit;
    int64_t n = EVENT_QUERY_LIMIT;
    if (!api_text(params, "limit", &limit, why) ||
        !api_text(params, "starting_after", &out->after, why) ||
        !api_text(params, "ending_before", &out->before, why) ||
        (limit.n > 0 && !read_number(limit, B("limit"), &n, why)))
        return false;
    if (n < 1 || n > EVENT_QUERY_LIMIT_MAX)
        return refuse_value(why, API_ERROR_PARAMETER_INTEGER, B("limit"), limit,
                            "1 to 100 is expected");
    if (out->after.n > 0 && out->before.n > 0)
        return api_refuse(why, API_ERROR_PARAMETERS_EXCLUSIVE, B("starting_after"),
                          "starting_after and ending_before do not go together; give one");
    out->limit = (size_t)n;
    return true;
}

bool event_query_read(json params, struct event_query *out, struct api_refusal *why) {
    static const char *const names[] = {
        "type",          "types",  "created", "delivery_success", "limit", "starting_after",
        "ending_before", "expand", NULL};
    *out = (struct event_query){0};
    bool given, success;
    if (!api_names_known(params, names, why) || !read_types(params, out, why) ||
        !read_created(params, out, why) || !read_page(params, out, why) ||
        !api_bool(params, "delivery_success", &given, &success, why))
        return false;
    if (given)
        out->delivered = success ? DELIVERED : UNDELIVERED;
    return true;
}
