// SPDX-License-Identifier: MIT
// /v1/webhook_endpoints (https://docs.stripe.com/api/webhook_endpoints): endpoints are the books'
// (rules/endpoint.h); here they are Stripe's objects.
#include <string.h>

#include "desk/answers.h"
#include "desk/endpoints.h"
#include "desk/leads.h"
#include "desk/v1.h"
#include "stripe/endpoint_params.h"

#define PREFIX B("we_")

static bool live(const struct ask *a) { return key_mode_live(a->caller.mode); }

// id, object, and the others by name. `secret`: empty but in the answer to its creation.
static void show(const struct endpoint *e, bytes secret, struct text *out) {
    text_adds(out, "{\"id\":");
    text_add_json(out, e->id);
    text_adds(out, ",\"object\":\"webhook_endpoint\"");
    endpoint_add_text(out, "api_version", e->api_version);
    endpoint_add_text(out, "application", e->application);
    text_addf(out, ",\"created\":%lld", (long long)e->created_s);
    endpoint_add_text(out, "description", e->description);
    text_adds(out, ",\"enabled_events\":[");
    for (size_t i = 0; i < e->type_count; i++) {
        text_adds(out, i > 0 ? "," : "");
        text_add_json(out, e->types[i]);
    }
    text_addf(out, "],\"livemode\":%s,\"metadata\":", e->livemode ? "true" : "false");
    text_add(out, e->metadata);
    if (secret.n > 0)
        endpoint_add_text(out, "secret", secret);
    text_addf(out, ",\"status\":\"%s\"", e->enabled ? "enabled" : "disabled");
    endpoint_add_text(out, "url", e->url);
    text_addc(out, '}');
}

static void fail_missing(struct ask *a) {
    OWN(text_drop)
    struct text shown = {0};
    text_add_printable(&shown, a->arg, 64);
    v1_fail(a, API_ERROR_MISSING, "webhook_endpoint", "No such webhook endpoint: '%s'",
            text_str(&shown));
}

// The books' answer as the object.
static void answered(struct ask *a) {
    OWN(endpoint_answer_drop)
    struct endpoint_answer said = {0};
    if (endpoint_answer_read(a, &said))
        show(&said.endpoint, text_bytes(&said.secret), &a->out);
    ask_send(a);
}

static void deleted(struct ask *a) {
    text_reset(&a->out);
    text_adds(&a->out, "{\"id\":");
    text_add_json(&a->out, a->arg);
    text_adds(&a->out, ",\"object\":\"webhook_endpoint\",\"deleted\":true}");
    ask_send(a);
}

static void create(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    struct endpoint_params p;
    if (a->status != 0 || !endpoint_params_read(json_root(a->doc), true, &p, &why)) {
        ask_send(a);
        return;
    }
    bytes types[ENDPOINT_TYPES_MAX];
    char application[ENDPOINT_ID_RANDOM + 4] = "ca_";
    struct endpoint e = {
        .url = p.url,
        .types = types,
        .scope = p.connect ? SCOPE_CONNECT : SCOPE_ACCOUNT,
        .payload = PAYLOAD_SNAPSHOT,
        .description = json_string(p.description),
        .api_version = p.api_version,
    };
    json one;
    for (size_t at = 0; json_element(p.enabled_events, &at, &one);)
        types[e.type_count++] = json_string(one);
    if (p.connect) { // Stripe's clients take one for a Connect endpoint by this alone
        clock_token(a->desk->o.clock, application + 3, ENDPOINT_ID_RANDOM);
        e.application = bytes_from(application, sizeof application - 1);
    }
    endpoint_make(a, &e, p.metadata, "we_", answered);
}

void v1_endpoints_create(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    struct endpoint_params p;
    if (endpoint_params_read(json_root(a->doc), true, &p, &why))
        leads_check(a, p.url, "url", create);
    else
        v1_refuse(a, &why);
}

static void add_string(struct text *t, const char *key, json v) {
    if (json_type(v) == JSON_ABSENT)
        return;
    text_addf(t, "%s\"%s\":", t->n > 0 && t->p[t->n - 1] != '{' ? "," : "", key);
    json_write(v, t);
}

static void update(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    OWN(text_drop)
    struct text set = {0};
    struct endpoint_params p;
    json params = json_root(a->doc);
    if (a->status != 0 || !endpoint_params_read(params, false, &p, &why)) {
        ask_send(a);
        return;
    }
    text_addc(&set, '{');
    add_string(&set, "url", json_get(params, "url"));
    add_string(&set, "types", p.enabled_events);
    add_string(&set, "description", p.description);
    if (p.disabled_given)
        text_addf(&set, "%s\"enabled\":%s", set.n > 1 ? "," : "", p.disabled ? "false" : "true");
    if (json_type(p.metadata) != JSON_ABSENT)
        text_adds(&set, set.n > 1 ? "," : "");
    endpoint_set_metadata(p.metadata, &set);
    text_addc(&set, '}');
    endpoint_change(a, text_bytes(&set), answered);
}

void v1_endpoints_update(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    struct endpoint_params p;
    if (!endpoint_params_read(json_root(a->doc), false, &p, &why))
        v1_refuse(a, &why);
    else if (!bytes_starts(a->arg, PREFIX)) {
        fail_missing(a);
        ask_send(a);
    } else if (p.url.n > 0)
        leads_check(a, p.url, "url", update);
    else
        update(a);
}

static bool reads_nothing(struct ask *a) {
    static const char *const names[] = {"expand", NULL};
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    bool good = api_names_known(json_root(a->doc), names, &why);
    if (!good)
        v1_fail_as(a, &why);
    else if (!bytes_starts(a->arg, PREFIX))
        fail_missing(a);
    if (a->status == 0)
        return true;
    ask_send(a);
    return false;
}

void v1_endpoints_delete(struct ask *a) {
    if (reads_nothing(a))
        endpoint_remove(a, deleted);
}

static void show_one(json in, struct text *out) {
    OWN(arena_drop)
    struct arena memory;
    struct endpoint e;
    arena_init(&memory, ASK_MEMORY_MAX);
    if (endpoint_read(in, &memory, &e) == OK)
        show(&e, NO_BYTES, out);
    else
        out->failed = true;
}

static void show_work(struct ask *a, struct reader *r) {
    OWN(text_drop)
    struct text in = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    result read = reader_endpoint(r, live(a), a->arg, &in);
    if (read == OK)
        read = json_parse(text_bytes(&in), &doc);
    if (failed_as(read, FAIL_ABSENT))
        fail_missing(a);
    else if (read != OK)
        ask_fail_read(a, read, "no endpoint");
    else
        show_one(json_root(doc), &a->out);
}

void v1_endpoints_show(struct ask *a) {
    if (reads_nothing(a))
        ask_query(a, show_work, ask_send);
}

static void list_work(struct ask *a, struct reader *r) {
    const struct event_query *page = &a->history;
    struct endpoint_query q = {live(a), PREFIX, page->after, page->before, page->limit};
    bool more = false;
    OWN(text_drop)
    struct text in = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    result read = reader_endpoints(r, &q, &in, &more);
    if (read == OK)
        read = json_parse(text_bytes(&in), &doc);
    if (failed_as(read, FAIL_ABSENT)) {
        v1_fail(a, API_ERROR_CURSOR_MISSING, q.after.n > 0 ? "starting_after" : "ending_before",
                "No such webhook endpoint: '%.*s'; a list begins at one that this key sees.",
                BYTES_ARG(ask_short(q.after.n > 0 ? q.after : q.before)));
        return;
    }
    if (read != OK) {
        ask_fail_read(a, read, "no endpoints");
        return;
    }
    json one;
    text_adds(&a->out, "{\"object\":\"list\",\"data\":[");
    for (size_t at = 0, n = 0; json_element(json_root(doc), &at, &one); n++) {
        text_adds(&a->out, n > 0 ? "," : "");
        show_one(one, &a->out);
    }
    text_addf(&a->out, "],\"has_more\":%s,\"url\":\"/v1/webhook_endpoints\"}",
              more ? "true" : "false");
}

void v1_endpoints_list(struct ask *a) {
    static const char *const names[] = {"limit", "starting_after", "ending_before", "expand", NULL};
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    json params = json_root(a->doc);
    if (api_names_known(params, names, &why) && event_query_read(params, &a->history, &why))
        ask_query(a, list_work, ask_send);
    else
        v1_refuse(a, &why);
}
