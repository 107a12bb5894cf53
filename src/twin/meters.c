// SPDX-License-Identifier: MIT
// Meters of usage (https://docs.stripe.com/billing/subscriptions/usage-based). Usage is looked at
// and forgotten; what cannot be counted is told as Stripe does, by thin events.
#include "twin/effects.h"

#define SESSION_S 900 // how long a token for the stream is good
#define STREAM_MAX 100

static struct twin_object *meter_of(struct twin_call *c, bytes event_name,
                                    const struct twin_object *but) {
    struct twin_object *o = NULL;
    while ((o = twin_next_of(c, "billing.meter", "event_name", event_name, o)) != NULL)
        if (o != but && bytes_equal(twin_text(o, "status"), B("active")))
            return o;
    return NULL;
}

bool effect_meter_alone(struct twin_call *c) {
    OWN(text_drop)
    struct text shown = {0};
    bytes name = twin_text(c->self, "event_name");
    if (meter_of(c, name, c->self) == NULL)
        return true;
    text_add_printable(&shown, name, 64);
    return twin_refuse(c, API_ERROR_INVALID, "event_name",
                       "An active meter has the event_name %s; it has to be deactivated first.",
                       text_str(&shown));
}

static void tell(struct twin_call *c, const char *type, const struct twin_object *meter) {
    OWN(text_drop)
    struct text about = {0};
    if (meter != NULL)
        text_addf(&about,
                  ",\"related_object\":{\"id\":\"%s\",\"type\":\"billing.meter\","
                  "\"url\":\"/v1/billing/meters/%s\"}",
                  meter->id, meter->id);
    twin_emit_thin(c, type, text_bytes(&about));
}

static bool is_number(json v) {
    bytes b = json_type(v) == JSON_STRING ? json_string(v) : json_literal(v);
    size_t digits = 0;
    for (size_t i = 0; i < b.n; i++) {
        bool digit = b.p[i] >= '0' && b.p[i] <= '9';
        if (!digit && b.p[i] != '.' && !(i == 0 && b.p[i] == '-'))
            return false;
        digits += digit;
    }
    return digits > 0;
}

// One report of usage.
static void count(struct twin_call *c, bytes event_name, json payload) {
    struct twin_object *meter = meter_of(c, event_name, NULL);
    if (meter == NULL) {
        tell(c, "v1.billing.meter.no_meter_found", NULL);
        return;
    }
    bytes key = twin_text(meter, "customer_mapping.event_payload_key");
    struct twin_object *customer = twin_get(c, json_string(json_getb(payload, key)));
    json value = json_getb(payload, twin_text(meter, "value_settings.event_payload_key"));
    bool counts = bytes_equal(twin_text(meter, "default_aggregation.formula"), B("count"));
    if (customer == NULL || !twin_is(customer, "customer") || (!counts && !is_number(value)))
        tell(c, "v1.billing.meter.error_report_triggered", meter);
}

bool effect_meter_event(struct twin_call *c) {
    json payload = twin_param(c, "payload"), at = twin_param(c, "timestamp");
    int64_t when = c->now_s;
    OWN(text_drop)
    struct text id = {0};
    if (json_type(payload) != JSON_OBJECT)
        return twin_refuse(c, API_ERROR_INVALID, "payload",
                           "Invalid payload: it is a map of values.");
    if (json_type(at) != JSON_ABSENT && bytes_to_i64(twin_param_text(c, "timestamp"), &when) != OK)
        when = c->now_s;
    twin_id(c, "", &id);
    count(c, twin_param_text(c, "event_name"), payload);
    text_addf(&c->answer, "{\"object\":\"billing.meter_event\",\"created\":%lld,\"event_name\":",
              (long long)c->now_s);
    text_add_json(&c->answer, twin_param_text(c, "event_name"));
    text_adds(&c->answer, ",\"identifier\":");
    text_add_json(&c->answer,
                  twin_given(c, "identifier") ? twin_param_text(c, "identifier") : text_bytes(&id));
    text_adds(&c->answer, ",\"livemode\":false,\"payload\":");
    json_write(payload, &c->answer);
    text_addf(&c->answer, ",\"timestamp\":%lld}", (long long)when);
    return true;
}

bool effect_meter_session(struct twin_call *c) {
    OWN(text_drop)
    struct text id = {0}, token = {0};
    twin_id(c, "mes_test_", &id);
    twin_id(c, "token_", &token);
    text_adds(&c->answer, "{\"id\":");
    text_add_json(&c->answer, text_bytes(&id));
    text_adds(&c->answer, ",\"object\":\"v2.billing.meter_event_session\",\"created\":\"");
    text_add_time(&c->answer, c->w->now_ms);
    text_adds(&c->answer, "\",\"authentication_token\":");
    text_add_json(&c->answer, text_bytes(&token));
    text_adds(&c->answer, ",\"expires_at\":\"");
    text_add_time(&c->answer, c->w->now_ms + SESSION_S * 1000);
    text_adds(&c->answer, "\",\"livemode\":false}");
    return true;
}

bool effect_meter_stream(struct twin_call *c) {
    json events = twin_param(c, "events"), one;
    if (json_size(events) > STREAM_MAX)
        return twin_refuse(c, API_ERROR_INVALID, "events", "There are %zu events; at most %d go.",
                           json_size(events), STREAM_MAX);
    for (size_t at = 0; json_element(events, &at, &one);)
        count(c, json_string(json_get(one, "event_name")), json_get(one, "payload"));
    text_adds(&c->answer, "{}");
    return true;
}
