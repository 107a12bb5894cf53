// SPDX-License-Identifier: MIT
// /v2/core/event_destinations (https://docs.stripe.com/api/v2/core/event_destinations): the same
// endpoints as those of /v1 (rules/endpoint.h), of thin events too.
#include <string.h>

#include "desk/answers.h"
#include "desk/endpoints.h"
#include "desk/leads.h"
#include "desk/v1.h"
#include "desk/v2.h"
#include "stripe/endpoint_params.h"

#define PATH "/v2/core/event_destinations"
#define PREFIX B("ed_")

// What of an answer is asked for by name.
struct included {
    bool url, secret;
};

static bool is_list(json v, const char *name, struct api_refusal *why) {
    return json_type(v) == JSON_ABSENT || json_type(v) == JSON_ARRAY ||
           api_refuse(why, API_ERROR_INVALID, bytes_of(name), "%s is a list of texts", name);
}

static bool read_included(json list, struct included *out, struct api_refusal *why) {
    json one;
    *out = (struct included){0};
    if (!is_list(list, "include", why))
        return false;
    for (size_t at = 0; json_element(list, &at, &one);) {
        if (bytes_equal(json_string(one), B("webhook_endpoint.url")))
            out->url = true;
        else if (bytes_equal(json_string(one), B("webhook_endpoint.signing_secret")))
            out->secret = true;
        else
            return api_refuse(why, API_ERROR_INVALID, B("include"),
                              "include names webhook_endpoint.url and "
                              "webhook_endpoint.signing_secret alone");
    }
    return true;
}

static void add_where(const struct endpoint *e, const struct included *in, bytes secret,
                      struct text *out) {
    text_adds(out, ",\"webhook_endpoint\":{\"signing_secret\":");
    if (in->secret && secret.n > 0)
        text_add_json(out, secret);
    else
        text_adds(out, "null");
    endpoint_add_text(out, "url", in->url ? e->url : NO_BYTES);
    text_addc(out, '}');
}

static void show(const struct endpoint *e, const struct included *in, bytes secret,
                 struct text *out) {
    text_adds(out, "{\"id\":");
    text_add_json(out, e->id);
    text_adds(out, ",\"object\":\"v2.core.event_destination\",\"created\":\"");
    text_add_time(out, e->created_s * 1000);
    text_adds(out, "\"");
    text_adds(out, ",\"description\":");
    text_add_json(out, e->description);
    text_adds(out, ",\"enabled_events\":[");
    for (size_t i = 0; i < e->type_count; i++) {
        text_adds(out, i > 0 ? "," : "");
        text_add_json(out, e->types[i]);
    }
    text_addf(out, "],\"event_payload\":\"%s\",\"events_from\":[%s%s%s]",
              e->payload == PAYLOAD_THIN ? "thin" : "snapshot",
              e->scope != SCOPE_CONNECT ? "\"@self\"" : "", e->scope == SCOPE_ANY ? "," : "",
              e->scope != SCOPE_ACCOUNT ? "\"@accounts\"" : "");
    text_addf(out, ",\"livemode\":%s,\"metadata\":", e->livemode ? "true" : "false");
    text_add(out, e->metadata);
    endpoint_add_text(out, "name", e->name);
    endpoint_add_text(out, "snapshot_api_version", e->api_version);
    text_addf(out, ",\"status\":\"%s\",\"status_details\":", e->enabled ? "enabled" : "disabled");
    if (e->enabled)
        text_adds(out, "null");
    else
        text_addf(out, "{\"disabled\":{\"reason\":\"%.*s\"}}",
                  BYTES_ARG(e->because.n > 0 ? e->because : B("user")));
    text_adds(out, ",\"type\":\"webhook_endpoint\",\"updated\":\"");
    text_add_time(out, e->updated_ms);
    text_addc(out, '"');
    add_where(e, in, secret, out);
    text_addc(out, '}');
}

static void fail_missing(struct ask *a) {
    OWN(text_drop)
    struct text shown = {0};
    text_add_printable(&shown, a->arg, 64);
    v1_fail(a, API_ERROR_MISSING, "id", "No such event destination: '%s'", text_str(&shown));
}

// What a body says of a destination.
struct wish {
    bytes url, name;
    json types, description, metadata, from;
    bytes version;
    bool thin;
    struct included included;
};

static bool read_text(json params, const char *name, bool needed, bytes *out,
                      struct api_refusal *why) {
    if (!api_text(params, name, out, why))
        return false;
    if (out->n > ENDPOINT_TEXT_MAX)
        return api_refuse(why, API_ERROR_INVALID, bytes_of(name), "%s has at most %d bytes", name,
                          ENDPOINT_TEXT_MAX);
    return out->n > 0 || !needed ||
           api_refuse(why, API_ERROR_PARAMETER_MISSING, bytes_of(name),
                      "Missing required param: %s.", name);
}

static bool read_url(json params, bool needed, bytes *out, struct api_refusal *why) {
    static const char *const names[] = {"url", NULL};
    json where = json_get(params, "webhook_endpoint");
    *out = json_string(json_get(where, "url"));
    if (json_type(where) == JSON_ABSENT && !needed)
        return true;
    return api_names_known(where, names, why) &&
           endpoint_url_check(*out, "webhook_endpoint.url", why);
}

// Which kind it is stands in the body of a creation alone.
static bool read_kind(json params, bool new, struct wish *w, struct api_refusal *why) {
    bytes type, payload;
    if (!new)
        return true;
    if (!read_text(params, "type", true, &type, why) ||
        !read_text(params, "event_payload", true, &payload, why) ||
        !read_text(params, "snapshot_api_version", false, &w->version, why))
        return false;
    w->thin = bytes_equal(payload, B("thin"));
    if (!bytes_equal(type, B("webhook_endpoint")))
        return api_refuse(why, API_ERROR_INVALID, B("type"),
                          "type is webhook_endpoint: this gateway brings events to URLs alone");
    return w->thin || bytes_equal(payload, B("snapshot")) ||
           api_refuse(why, API_ERROR_INVALID, B("event_payload"),
                      "event_payload is snapshot or thin");
}

static bool read_from(json params, struct wish *w, struct api_refusal *why) {
    json one;
    w->from = json_get(params, "events_from");
    if (!is_list(w->from, "events_from", why))
        return false;
    for (size_t at = 0; json_element(w->from, &at, &one);)
        if (!bytes_equal(json_string(one), B("@self")) &&
            !bytes_equal(json_string(one), B("@accounts")))
            return api_refuse(why, API_ERROR_INVALID, B("events_from"),
                              "events_from takes @self and @accounts; of organizations nothing is "
                              "known here");
    return true;
}

static bool read_wish(json params, bool new, bool thin, struct wish *w, struct api_refusal *why) {
    static const char *const made[] = {
        "name",     "type",        "event_payload",        "enabled_events",   "description",
        "metadata", "events_from", "snapshot_api_version", "webhook_endpoint", "include",
        NULL};
    static const char *const changed[] = {
        "name", "enabled_events", "description", "metadata", "webhook_endpoint", "include", NULL};
    *w = (struct wish){.thin = thin};
    if (!read_kind(params, new, w, why) || !api_names_known(params, new ? made : changed, why) ||
        !read_text(params, "name", new, &w->name, why) || !read_url(params, new, &w->url, why) ||
        !read_from(params, w, why) ||
        !read_included(json_get(params, "include"), &w->included, why))
        return false;
    w->types = json_get(params, "enabled_events");
    w->description = json_get(params, "description");
    w->metadata = json_get(params, "metadata");
    if ((new || json_type(w->types) != JSON_ABSENT) &&
        !endpoint_events_check(w->types, "enabled_events", w->thin, why))
        return false;
    if (json_type(w->description) != JSON_ABSENT &&
        (json_type(w->description) != JSON_STRING ||
         json_string(w->description).n > ENDPOINT_TEXT_MAX))
        return api_refuse(why, API_ERROR_INVALID, B("description"),
                          "description is a text of at most %d bytes", ENDPOINT_TEXT_MAX);
    return json_type(w->metadata) == JSON_ABSENT || endpoint_metadata_check(w->metadata, why);
}

static void answered(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    OWN(endpoint_answer_drop)
    struct endpoint_answer said = {0};
    struct included in;
    (void)read_included(json_get(json_root(a->doc), "include"), &in, &why);
    if (endpoint_answer_read(a, &said))
        show(&said.endpoint, &in, text_bytes(&said.secret), &a->out);
    ask_send(a);
}

static enum scope scope_of(json from) {
    bool self = json_type(from) == JSON_ABSENT || json_size(from) == 0, accounts = false;
    json one;
    for (size_t at = 0; json_element(from, &at, &one);) {
        self = self || bytes_equal(json_string(one), B("@self"));
        accounts = accounts || bytes_equal(json_string(one), B("@accounts"));
    }
    return self && accounts ? SCOPE_ANY : accounts ? SCOPE_CONNECT : SCOPE_ACCOUNT;
}

static void create(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    struct wish w;
    bytes types[ENDPOINT_TYPES_MAX];
    json one;
    if (a->status != 0 || !read_wish(json_root(a->doc), true, false, &w, &why)) {
        ask_send(a);
        return;
    }
    struct endpoint e = {
        .url = w.url,
        .types = types,
        .scope = scope_of(w.from),
        .payload = w.thin ? PAYLOAD_THIN : PAYLOAD_SNAPSHOT,
        .name = w.name,
        .description = json_string(w.description),
        .api_version = w.version,
    };
    for (size_t at = 0; json_element(w.types, &at, &one);)
        types[e.type_count++] = json_string(one);
    endpoint_make(a, &e, w.metadata, "ed_", answered);
}

void v2_destinations_create(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    struct wish w;
    if (read_wish(json_root(a->doc), true, false, &w, &why))
        leads_check(a, w.url, "webhook_endpoint.url", create);
    else
        v1_refuse(a, &why);
}

static void add_set(struct text *t, const char *key, json v) {
    if (json_type(v) == JSON_ABSENT)
        return;
    text_addf(t, "%s\"%s\":", t->n > 1 ? "," : "", key);
    json_write(v, t);
}

static void update(struct ask *a) {
    OWN(text_drop)
    struct text set = {0};
    json params = json_root(a->doc), metadata = json_get(params, "metadata");
    if (a->status != 0) {
        ask_send(a);
        return;
    }
    text_addc(&set, '{');
    add_set(&set, "url", json_path(params, B("webhook_endpoint.url")));
    add_set(&set, "types", json_get(params, "enabled_events"));
    add_set(&set, "name", json_get(params, "name"));
    add_set(&set, "description", json_get(params, "description"));
    if (json_type(metadata) != JSON_ABSENT)
        text_adds(&set, set.n > 1 ? "," : "");
    endpoint_set_metadata(metadata, &set);
    text_addc(&set, '}');
    endpoint_change(a, text_bytes(&set), answered);
}

// Is the path's id of a form that these have? False: answered.
static bool arg_fits(struct ask *a) {
    if (bytes_starts(a->arg, PREFIX))
        return true;
    fail_missing(a);
    ask_send(a);
    return false;
}

// Which types fit depends on what it is.
static void look_work(struct ask *a, struct reader *r) {
    OWN(text_drop)
    struct text in = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    struct wish w;
    result read = reader_endpoint(r, key_mode_live(a->caller.mode), a->arg, &in);
    if (read == OK)
        read = json_parse(text_bytes(&in), &doc);
    if (failed_as(read, FAIL_ABSENT)) {
        fail_missing(a);
        return;
    }
    if (read != OK) {
        ask_fail_read(a, read, "no endpoint");
        return;
    }
    bool thin = bytes_equal(json_string(json_get(json_root(doc), "payload")), B("thin"));
    if (!read_wish(json_root(a->doc), false, thin, &w, &why))
        v1_fail_as(a, &why);
}

static void looked(struct ask *a) {
    bytes url = json_string(json_path(json_root(a->doc), B("webhook_endpoint.url")));
    if (a->status == 0 && url.n > 0)
        leads_check(a, url, "webhook_endpoint.url", update);
    else
        update(a);
}

void v2_destinations_update(struct ask *a) {
    if (arg_fits(a))
        ask_query(a, look_work, looked);
}

static void switch_to(struct ask *a, bytes set) {
    static const char *const names[] = {"include", NULL};
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    if (!api_names_known(json_root(a->doc), names, &why))
        v1_refuse(a, &why);
    else if (arg_fits(a))
        endpoint_change(a, set, answered);
}

void v2_destinations_enable(struct ask *a) { switch_to(a, B("{\"enabled\":true}")); }
void v2_destinations_disable(struct ask *a) { switch_to(a, B("{\"enabled\":false}")); }

void v2_destinations_ping(struct ask *a) {
    v1_fail(a, API_ERROR_INVALID, NULL,
            "This gateway sends no pings: what it delivers came from Stripe. `hookkeep trigger` "
            "sends an event through it.");
    ask_send(a);
}

static void deleted(struct ask *a) {
    text_reset(&a->out);
    text_adds(&a->out, "{\"id\":");
    text_add_json(&a->out, a->arg);
    text_adds(&a->out, ",\"object\":\"v2.core.event_destination\",\"deleted\":true}");
    ask_send(a);
}

void v2_destinations_delete(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    if (!api_names_known(json_root(a->doc), NULL, &why))
        v1_refuse(a, &why);
    else if (arg_fits(a))
        endpoint_remove(a, deleted);
}

static bool show_one(struct ask *a, json in, const struct included *included) {
    OWN(arena_drop)
    struct arena memory;
    struct endpoint e;
    arena_init(&memory, ASK_MEMORY_MAX);
    if (endpoint_read(in, &memory, &e) != OK)
        return false;
    show(&e, included, NO_BYTES, &a->out);
    return true;
}

static bool read_query(struct ask *a, const char *const *names, struct included *in) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    json params = json_root(a->doc);
    if (api_names_known(params, names, &why) &&
        read_included(json_get(params, "include"), in, &why))
        return true;
    v1_fail_as(a, &why);
    return false;
}

static void show_work(struct ask *a, struct reader *r) {
    static const char *const names[] = {"include", NULL};
    struct included in;
    OWN(text_drop)
    struct text row = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (!read_query(a, names, &in))
        return;
    result read = reader_endpoint(r, key_mode_live(a->caller.mode), a->arg, &row);
    if (read == OK)
        read = json_parse(text_bytes(&row), &doc);
    if (failed_as(read, FAIL_ABSENT))
        fail_missing(a);
    else if (read != OK || !show_one(a, json_root(doc), &in))
        ask_fail_read(a, read != OK ? read : PLACE(CORRUPT, "an endpoint of another form"), "");
}

void v2_destinations_show(struct ask *a) {
    if (arg_fits(a))
        ask_query(a, show_work, ask_send);
}

static void list_work(struct ask *a, struct reader *r) {
    static const char *const names[] = {"include", "limit", NULL};
    struct included in;
    struct endpoint_query q = {.livemode = key_mode_live(a->caller.mode),
                               .prefix = PREFIX,
                               .after = a->history.after,
                               .limit = a->history.limit};
    bool more = false;
    OWN(text_drop)
    struct text rows = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (!read_query(a, names, &in))
        return;
    result read = reader_endpoints(r, &q, &rows, &more);
    if (read == OK)
        read = json_parse(text_bytes(&rows), &doc);
    if (failed_as(read, FAIL_ABSENT)) {
        v1_fail(a, API_ERROR_CURSOR_MISSING, "page",
                "page goes on behind a destination that is gone; begin the list anew.");
        return;
    }
    if (read != OK) {
        ask_fail_read(a, read, "no destinations");
        return;
    }
    json one;
    bytes last = NO_BYTES;
    text_adds(&a->out, "{\"data\":[");
    for (size_t at = 0, n = 0; json_element(json_root(doc), &at, &one); n++) {
        text_adds(&a->out, n > 0 ? "," : "");
        if (!show_one(a, one, &in))
            a->out.failed = true;
        last = json_string(json_get(one, "id"));
    }
    text_addc(&a->out, ']');
    v2_page_write(a, PATH, more ? last : NO_BYTES);
}

void v2_destinations_list(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    bytes after, limit;
    int64_t n = EVENT_QUERY_LIMIT;
    if (!v2_page_read(a, &after)) {
        ask_send(a);
        return;
    }
    bool read = api_text(json_root(a->doc), "limit", &limit, &why);
    if (read && limit.n > 0 &&
        (bytes_to_i64(limit, &n) != OK || n < 1 || n > EVENT_QUERY_LIMIT_MAX))
        read = api_refuse(&why, API_ERROR_PARAMETER_INTEGER, B("limit"), "limit is 1 to %d",
                          EVENT_QUERY_LIMIT_MAX);
    a->history.after = after;
    a->history.limit = (size_t)n;
    if (read)
        ask_query(a, list_work, ask_send);
    else
        v1_refuse(a, &why);
}
