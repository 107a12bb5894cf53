// SPDX-License-Identifier: MIT
#include "rules/endpoint.h"

#include "base/json.h"
#include "stripe/event.h"

#define TIMEOUT_MS INT64_C(30000)
#define MEMBERS 16 // of the JSON
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)

// Stripe publishes no intervals (STRIPE: three days in live mode; thrice in a few hours in test).
static int64_t retry_live_ms[] = {5000,         5 * MINUTE_MS, 30 * MINUTE_MS,
                                  2 * HOUR_MS,  5 * HOUR_MS,   10 * HOUR_MS,
                                  10 * HOUR_MS, 24 * HOUR_MS,  24 * HOUR_MS};
static int64_t retry_test_ms[] = {5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS};

static const char *const payload_names[] = {
    [PAYLOAD_ANY] = "any", [PAYLOAD_SNAPSHOT] = "snapshot", [PAYLOAD_THIN] = "thin"};

bool endpoint_id(bytes name) {
    return bytes_starts(name, B("we_")) || bytes_starts(name, B("ed_"));
}

static result read_text(json in, const char *key, struct arena *a, bytes *out) {
    json v = json_get(in, key);
    NEED(json_type(v) == JSON_STRING, INVALID, "a text of an endpoint is none");
    *out = arena_copy(a, json_string(v));
    NEED(out->n == json_string(v).n, MEMORY, "an endpoint does not fit its memory");
    return OK;
}

static result read_bool(json in, const char *key, bool *out) {
    json v = json_get(in, key);
    NEED(json_type(v) == JSON_BOOL, INVALID, "a truth value of an endpoint is none");
    *out = json_true(v);
    return OK;
}

static result read_payload(json in, enum plan_payload *out) {
    bytes name = json_string(json_get(in, "payload"));
    *out = bytes_equal(name, B("thin")) ? PAYLOAD_THIN : PAYLOAD_SNAPSHOT;
    NEED(bytes_equal(name, bytes_of(payload_names[*out])), INVALID,
         "an endpoint's payload is snapshot or thin");
    return OK;
}

static result read_types(json in, struct arena *a, struct endpoint *e) {
    json list = json_get(in, "types"), one;
    e->type_count = json_size(list);
    NEED(json_type(list) == JSON_ARRAY && e->type_count > 0 && e->type_count <= ENDPOINT_TYPES_MAX,
         INVALID, "an endpoint has a list of types");
    e->types = arena_take(a, e->type_count * sizeof *e->types);
    NEED(e->types != NULL, MEMORY, "an endpoint does not fit its memory");
    for (size_t i = 0, at = 0; json_element(list, &at, &one); i++) {
        e->types[i] = arena_copy(a, json_string(one));
        NEED(e->types[i].n > 0, INVALID, "a type of an endpoint is none");
    }
    return OK;
}

static result read_metadata(json in, struct arena *a, struct endpoint *e) {
    json metadata = json_get(in, "metadata"), v;
    bytes key;
    NEED(json_type(metadata) == JSON_OBJECT && json_size(metadata) <= ENDPOINT_METADATA_MAX,
         INVALID, "an endpoint's metadata is an object of at most 50 texts");
    for (size_t at = 0; json_member(metadata, &at, &key, &v);)
        NEED(json_type(v) == JSON_STRING && json_string(v).n <= ENDPOINT_METADATA_VALUE_MAX &&
                 key.n > 0 && key.n <= ENDPOINT_METADATA_KEY_MAX,
             INVALID, "an endpoint's metadata has keys of 40 bytes and texts of 500");
    OWN(text_drop)
    struct text compact = {0};
    json_write(metadata, &compact);
    e->metadata = arena_copy(a, text_bytes(&compact));
    NEED(e->metadata.n == compact.n, MEMORY, "an endpoint does not fit its memory");
    return OK;
}

result endpoint_read(json in, struct arena *a, struct endpoint *out) {
    *out = (struct endpoint){0};
    NEED(json_type(in) == JSON_OBJECT && json_size(in) == MEMBERS, INVALID,
         "an endpoint has another form");
    TRY(read_text(in, "id", a, &out->id));
    TRY(read_bool(in, "livemode", &out->livemode));
    TRY(read_bool(in, "enabled", &out->enabled));
    TRY(read_text(in, "because", a, &out->because));
    TRY(read_text(in, "url", a, &out->url));
    TRY(read_types(in, a, out));
    TRY(scope_parse(json_string(json_get(in, "scope")), &out->scope));
    TRY(read_payload(in, &out->payload));
    TRY(read_text(in, "name", a, &out->name));
    TRY(read_text(in, "description", a, &out->description));
    TRY(read_text(in, "api_version", a, &out->api_version));
    TRY(read_text(in, "application", a, &out->application));
    TRY(read_metadata(in, a, out));
    TRY(json_i64(json_get(in, "created_s"), &out->created_s));
    TRY(json_i64(json_get(in, "updated_ms"), &out->updated_ms));
    TRY(read_text(in, "sealed", a, &out->sealed));
    NEED(endpoint_id(out->id) && out->id.n <= EVENT_ID_MAX, INVALID, "an endpoint's id is none");
    NEED(out->url.n > 0 && out->url.n <= ENDPOINT_URL_MAX, INVALID, "an endpoint's URL is none");
    return OK;
}

static void write_text(struct text *t, const char *key, bytes value) {
    text_addf(t, ",\"%s\":", key);
    text_add_json(t, value);
}

void endpoint_write(const struct endpoint *e, struct text *out) {
    text_adds(out, "{\"id\":");
    text_add_json(out, e->id);
    text_addf(out, ",\"livemode\":%s,\"enabled\":%s", e->livemode ? "true" : "false",
              e->enabled ? "true" : "false");
    write_text(out, "because", e->because);
    write_text(out, "url", e->url);
    text_adds(out, ",\"types\":[");
    for (size_t i = 0; i < e->type_count; i++) {
        text_adds(out, i > 0 ? "," : "");
        text_add_json(out, e->types[i]);
    }
    text_addf(out, "],\"scope\":\"%s\",\"payload\":\"%s\"", scope_name(e->scope),
              payload_names[e->payload]);
    write_text(out, "name", e->name);
    write_text(out, "description", e->description);
    write_text(out, "api_version", e->api_version);
    write_text(out, "application", e->application);
    text_adds(out, ",\"metadata\":");
    text_add(out, e->metadata);
    text_addf(out, ",\"created_s\":%lld,\"updated_ms\":%lld", (long long)e->created_s,
              (long long)e->updated_ms);
    write_text(out, "sealed", e->sealed);
    text_addc(out, '}');
}

result endpoint_destination(const struct endpoint *e, struct arena *a,
                            struct plan_destination *out) {
    struct plan_rule *rule = arena_take(a, sizeof *rule);
    NEED(rule != NULL, MEMORY, "an endpoint does not fit its memory");
    *rule = (struct plan_rule){
        .types = e->types,
        .type_count = e->type_count,
        .scope = e->scope,
        .payload = e->payload,
    };
    *out = (struct plan_destination){
        .name = e->id,
        .description = e->description,
        .kind = KIND_HTTP,
        .url = e->url,
        .livemode = e->livemode ? MODE_LIVE : MODE_TEST,
        .rules = rule,
        .rule_count = 1,
        .timeout_ms = TIMEOUT_MS,
        .retry_ms = e->livemode ? retry_live_ms : retry_test_ms,
        .retry_count = e->livemode ? sizeof retry_live_ms / sizeof retry_live_ms[0]
                                   : sizeof retry_test_ms / sizeof retry_test_ms[0],
        .pace = {.min = 1, .max = ENDPOINT_CONCURRENCY},
    };
    return OK;
}
