// SPDX-License-Identifier: MIT
#include "base/metrics.h"
#include "desk/ask.h"
#include "desk/listen.h"

#define URL_MAX 1024

static bool any_of(json list, bytes word) {
    json element;
    for (size_t at = 0; json_element(list, &at, &element);) {
        bytes one = json_string(element);
        if (one.n > 0 && bytes_equal_nocase(one, word))
            return true;
    }
    return false;
}

// What `stripe logs tail` may ask for, a member of its filters each; absent and empty: anything.
static bool passes(const struct listener *l, const struct ask *a, int status) {
    OWN(text_drop)
    struct text code = {0}, kind = {0};
    text_addf(&code, "%d", status);
    text_addf(&kind, "%d00", status / 100); // so the CLI writes 4XX
    const struct {
        const char *name;
        bytes is;
    } rows[] = {
        {"filter_account", a->account.n > 0 ? B("connect_in") : B("self")},
        {"filter_http_method", a->method},
        {"filter_ip_address", a->peer},
        {"filter_request_path", a->path},
        {"filter_request_status", status < 400 ? B("SUCCEEDED") : B("FAILED")},
        {"filter_source", B("API")},
        {"filter_status_code", text_bytes(&code)},
        {"filter_status_code_type", text_bytes(&kind)},
    };
    if (l->filters == NULL)
        return true;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json list = json_get(json_root(l->filters), rows[i].name);
        if (json_size(list) > 0 && !any_of(list, rows[i].is))
            return false;
    }
    return true;
}

static void write_error(const struct ask *a, struct text *out) {
    static const char *const names[] = {"type",         "charge",  "code",
                                        "decline_code", "message", "param"};
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (json_parse(text_bytes(&a->out), &doc) != OK)
        return;
    json error = json_get(json_root(doc), "error");
    size_t n = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        json v = json_get(error, names[i]);
        if (json_type(v) != JSON_STRING)
            continue;
        text_addf(out, "%s\"%s\":", n++ == 0 ? ",\"error\":{" : ",", names[i]);
        json_write(v, out);
    }
    text_adds(out, n > 0 ? "}" : "");
}

static void write_log(const struct ask *a, int status, struct text *out) {
    OWN(text_drop)
    struct text payload = {0};
    text_addf(&payload, "{\"created_at\":%lld,\"livemode\":%s,\"method\":",
              (long long)(clock_wall_ms(a->desk->o.clock) / 1000),
              key_mode_live(a->caller.mode) ? "true" : "false");
    text_add_json(&payload, a->method);
    text_addf(&payload, ",\"request_id\":\"%s\",\"status\":%d,\"url\":", a->request_id, status);
    text_add_json(&payload, bytes_slice(a->path, 0, URL_MAX));
    if (status >= 400)
        write_error(a, &payload);
    text_addc(&payload, '}');
    text_addf(out, "{\"type\":\"request_log_event\",\"request_log_id\":\"%s\",\"event_payload\":",
              a->request_id);
    text_add_json(out, text_bytes(&payload));
    text_addc(out, '}');
}

void listen_logs_push(struct listener *l) {
    size_t n = 0;
    while (n < l->log_n && l->socket != NULL && websocket_unsent(l->socket) == 0)
        websocket_send(l->socket, text_bytes(&l->logs[n++]));
    for (size_t i = 0; i < n; i++)
        text_drop(&l->logs[i]);
    for (size_t i = n; i < l->log_n; i++)
        l->logs[i - n] = l->logs[i];
    l->log_n -= n;
}

static void add_log(struct listener *l, bytes message) {
    if (l->log_n == LISTEN_LOGS_MAX) {
        metric_add(METRIC_LISTEN_LOGS_DROPPED, 1);
        return;
    }
    l->logs[l->log_n] = (struct text){0};
    text_add(&l->logs[l->log_n++], message);
    listen_logs_push(l);
}

void listen_log(struct ask *a) {
    int status = a->status == 0 ? 200 : a->status;
    OWN(text_drop)
    struct text message = {0};
    // Nobody knows whose request it was, or it is one of listening itself.
    if (a->caller.id[0] == '\0' || bytes_starts(a->path, B("/v1/stripecli/")))
        return;
    LIST_EACH(it, &a->desk->listeners.all) {
        struct listener *l = CONTAINER(it, struct listener, link);
        if ((l->features & LISTEN_LOGS) == 0 || l->live != key_mode_live(a->caller.mode) ||
            !passes(l, a, status))
            continue;
        if (message.n == 0)
            write_log(a, status, &message);
        add_log(l, text_bytes(&message));
    }
}
