// SPDX-License-Identifier: MIT
#include "stripe/endpoint_params.h"

#include "base/url.h"
#include "stripe/types.h"

#define SHOWN_MAX 64

bool endpoint_url_check(bytes url, const char *name, struct api_refusal *why) {
    if (url.n == 0)
        return api_refuse(why, API_ERROR_PARAMETER_EMPTY, bytes_of(name), "%s is empty", name);
    if (url.n > ENDPOINT_URL_MAX)
        return api_refuse(why, API_ERROR_URL, bytes_of(name),
                          "Invalid URL: it has more than %d bytes.", ENDPOINT_URL_MAX);
    if (!bytes_starts(url, B("http://")) && !bytes_starts(url, B("https://")))
        return api_refuse(why, API_ERROR_URL, bytes_of(name),
                          "Invalid URL: An explicit scheme (such as https) must be provided.");
    const char *fault = url_fault(url);
    if (fault != NULL)
        return api_refuse(why, API_ERROR_URL, bytes_of(name), "Invalid URL: %s.", fault);
    return true;
}

// Thin types are all of v2's, and v1's under their names behind "v1."; newer ones than ours come.
static bool event_fits(bytes type, bool thin, bool alone) {
    if (bytes_equal(type, B("*")))
        return alone;
    if (!thin)
        return event_type_known(type);
    bool good = bytes_starts(type, B("v1.")) || bytes_starts(type, B("v2."));
    for (size_t i = 0; i < type.n; i++) {
        uint8_t c = type.p[i];
        good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
                        c == '[' || c == ']');
    }
    return good && type.n > 3 && type.n <= 255;
}

bool endpoint_events_check(json list, const char *name, bool thin, struct api_refusal *why) {
    size_t n = json_type(list) == JSON_ARRAY ? json_size(list) : 0, i = 0;
    json one;
    if (n == 0 || n > ENDPOINT_TYPES_MAX)
        return api_refuse(why, API_ERROR_INVALID, bytes_of(name),
                          "%s is a list of 1 to %d event types, as %s[]=charge.refunded", name,
                          ENDPOINT_TYPES_MAX, name);
    for (size_t at = 0; json_element(list, &at, &one); i++) {
        bytes type = json_string(one);
        if (event_fits(type, thin, n == 1))
            continue;
        bool family = bytes_ends(type, B(".*"));
        const char *near = thin || family ? NULL : event_type_nearest(type);
        OWN(text_drop)
        struct text param = {0}, shown = {0};
        text_addf(&param, "%s[%zu]", name, i);
        text_add_printable(&shown, type, SHOWN_MAX);
        return api_refuse(why, API_ERROR_INVALID, text_bytes(&param),
                          "Invalid %s: must be one of the event types that Stripe documents "
                          "(`hookkeep events types` lists them), or `*` alone for all; `%s` is "
                          "none%s%s%s",
                          text_str(&param), text_str(&shown),
                          near != NULL ? "; did you mean `"
                          : family     ? "; name each of them"
                                       : "",
                          near == NULL ? "" : near, near == NULL ? "." : "`?");
    }
    return true;
}

// JSON can name a member twice.
static bool names_twice(json object, bytes name) {
    bytes other;
    json value;
    size_t n = 0;
    for (size_t at = 0; json_member(object, &at, &other, &value);)
        n += bytes_equal(name, other);
    return n > 1;
}

bool endpoint_metadata_check(json metadata, struct api_refusal *why) {
    bytes key;
    json v;
    if (json_type(metadata) != JSON_OBJECT)
        return api_refuse(why, API_ERROR_INVALID, B("metadata"),
                          "metadata has keys in brackets, as metadata[site]=shop");
    if (json_size(metadata) > ENDPOINT_METADATA_MAX)
        return api_refuse(why, API_ERROR_INVALID, B("metadata"),
                          "metadata has %zu keys, and may have %d", json_size(metadata),
                          ENDPOINT_METADATA_MAX);
    for (size_t at = 0; json_member(metadata, &at, &key, &v);) {
        bool fits = json_type(v) == JSON_STRING || json_type(v) == JSON_NULL;
        if (!fits || key.n == 0 || key.n > ENDPOINT_METADATA_KEY_MAX ||
            json_string(v).n > ENDPOINT_METADATA_VALUE_MAX)
            return api_refuse(why, API_ERROR_INVALID, B("metadata"),
                              "a key of metadata has 1 to %d bytes, and one text of at most %d",
                              ENDPOINT_METADATA_KEY_MAX, ENDPOINT_METADATA_VALUE_MAX);
        if (names_twice(metadata, key))
            return api_refuse(why, API_ERROR_INVALID, B("metadata"),
                              "metadata has a key twice; name it once");
    }
    return true;
}

// A text that may be empty, and then clears.
static bool read_clearing(json params, const char *name, json *out, struct api_refusal *why) {
    *out = json_get(params, name);
    if (json_type(*out) == JSON_ABSENT)
        return true;
    if (json_type(*out) != JSON_STRING || json_string(*out).n > ENDPOINT_TEXT_MAX)
        return api_refuse(why, API_ERROR_INVALID, bytes_of(name),
                          "%s is one text of at most %d bytes", name, ENDPOINT_TEXT_MAX);
    return true;
}

static bool read_metadata(json params, json *out, struct api_refusal *why) {
    *out = json_get(params, "metadata");
    bool clears = json_type(*out) == JSON_STRING && json_string(*out).n == 0;
    return json_type(*out) == JSON_ABSENT || clears || endpoint_metadata_check(*out, why);
}

// 2026-10-28.endive, 2020-08-27
static bool read_version(json params, bytes *out, struct api_refusal *why) {
    static const char form[] = "dddd-dd-dd";
    if (!api_text(params, "api_version", out, why))
        return false;
    bool good = out->n == 0 || (out->n >= sizeof form - 1 && out->n <= 64);
    for (size_t i = 0; i < out->n && good; i++) {
        uint8_t c = out->p[i];
        bool digit = c >= '0' && c <= '9';
        char want = i < sizeof form - 1 ? form[i] : '\0';
        good = want == 'd'   ? digit
               : want == '-' ? c == '-'
                             : digit || c == '.' || c == '_' || (c >= 'a' && c <= 'z');
    }
    return good || api_refuse(why, API_ERROR_INVALID, B("api_version"),
                              "Invalid Stripe API version: it begins with a date, as "
                              "2026-10-28.endive");
}

static bool read_events(json params, bool new, json *out, struct api_refusal *why) {
    *out = json_get(params, "enabled_events");
    if (json_type(*out) == JSON_ABSENT)
        return !new || api_refuse(why, API_ERROR_PARAMETER_MISSING, B("enabled_events"),
                                  "Missing required param: enabled_events.");
    return endpoint_events_check(*out, "enabled_events", false, why);
}

static bool read_url(json params, bool new, bytes *out, struct api_refusal *why) {
    if (!api_text(params, "url", out, why))
        return false;
    if (out->n == 0)
        return !new || api_refuse(why, API_ERROR_PARAMETER_MISSING, B("url"),
                                  "Missing required param: url.");
    return endpoint_url_check(*out, "url", why);
}

bool endpoint_params_read(json params, bool new, struct endpoint_params *out,
                          struct api_refusal *why) {
    static const char *const made[] = {"url",         "enabled_events", "connect", "api_version",
                                       "description", "metadata",       "expand",  NULL};
    static const char *const changed[] = {"url",      "enabled_events", "description", "disabled",
                                          "metadata", "expand",         NULL};
    bool given;
    *out = (struct endpoint_params){0};
    return api_names_known(params, new ? made : changed, why) &&
           read_url(params, new, &out->url, why) &&
           read_events(params, new, &out->enabled_events, why) &&
           read_clearing(params, "description", &out->description, why) &&
           read_metadata(params, &out->metadata, why) &&
           read_version(params, &out->api_version, why) &&
           api_bool(params, "connect", &given, &out->connect, why) &&
           api_bool(params, "disabled", &out->disabled_given, &out->disabled, why);
}
