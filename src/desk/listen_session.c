// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/metrics.h"
#include "desk/answers.h"
#include "desk/listen.h"
#include "desk/v1.h"

#define SOCKET_PATH "/v1/stripecli/listen"
#define PROTOCOL "stripecli-devproxy-v1"
#define ID_PREFIX "cliws_"
#define ID_RANDOM 24
#define TEXT_MAX 2048 // bytes of what a session says of itself, each
#define FILTERS_MAX 4096
#define LOOK_MS 100
#define SILENT_MS 15000 // the CLI pings every 2 s
// What a message may be over the bytes that it carries, which escapes may double.
#define MESSAGE_ROOM ((size_t)256 << 10)

static const struct {
    const char *name;
    enum listen_feature feature;
} features[] = {
    {"webhooks", LISTEN_WEBHOOKS}, {"v2_events", LISTEN_V2}, {"request_logs", LISTEN_LOGS}};
#define FEATURES (sizeof features / sizeof features[0])

static int64_t now_us(const struct desk *d) { return clock_mono_us(d->o.clock); }

bool listener_takes_events(const struct listener *l) {
    return (l->features & (LISTEN_WEBHOOKS | LISTEN_V2)) != 0;
}

static void tick(void *ctx);

void listeners_open(struct desk *d) {
    struct listeners *all = &d->listeners;
    size_t body = (size_t)d->o.limits.http.body_max;
    list_init(&all->all);
    all->timer = timer_open(d->loop, tick, d);
    all->limits = (struct websocket_limits){
        .message_max = 2 * body + MESSAGE_ROOM,
        .unsent_max = 4 * body + 2 * MESSAGE_ROOM, // an event in two flavours
        .silent_ms = SILENT_MS,
    };
}

void listeners_close(struct desk *d) {
    listeners_end(d, NO_BYTES);
    listen_heard_close(d);
    timer_close(d->listeners.timer);
    arena_drop(&d->listeners.batch.memory);
}

static void listener_end(struct listener *l) {
    struct listeners *all = &l->desk->listeners;
    if (l->socket != NULL)
        websocket_drop(l->socket);
    list_remove(&l->link);
    metric_set(METRIC_LISTEN_SESSIONS, (int64_t)--all->n);
    push_window_drop(&l->window);
    hmac_key_wipe(&l->signs);
    hmac_key_wipe(&l->names);
    text_drop(&l->device);
    text_drop(&l->forward_to);
    text_drop(&l->forward_connect_to);
    for (size_t i = 0; i < l->log_n; i++)
        text_drop(&l->logs[i]);
    json_close(&l->filters);
    free(l);
}

void listeners_end(struct desk *d, bytes key_id) {
    LIST_EACH_SAFE(it, &d->listeners.all) {
        struct listener *l = CONTAINER(it, struct listener, link);
        if (key_id.n == 0 || bytes_equal(bytes_of(l->key_id), key_id))
            listener_end(l);
    }
}

// Null: there is none.
static struct listener *listeners_find(struct desk *d, bytes id) {
    LIST_EACH(it, &d->listeners.all) {
        struct listener *l = CONTAINER(it, struct listener, link);
        if (bytes_equal_secret(bytes_of(l->id), id))
            return l;
    }
    return NULL;
}

static void tick(void *ctx) {
    struct desk *d = ctx;
    int64_t now = now_us(d);
    d->listeners.ticking = false;
    LIST_EACH_SAFE(it, &d->listeners.all) {
        struct listener *l = CONTAINER(it, struct listener, link);
        int64_t patience = l->came ? LISTEN_AWAY_US : LISTEN_NEVER_US;
        if (l->socket == NULL && now - l->since_us >= patience) {
            listener_end(l);
            continue;
        }
        size_t unheard = push_window_give_up(&l->window, now, l->socket != NULL);
        metric_add(METRIC_LISTEN_UNHEARD, unheard);
        listen_logs_push(l);
    }
    listen_look(d);
    if (d->listeners.n > 0 && !d->listeners.ticking) {
        d->listeners.ticking = true;
        timer_set(d->listeners.timer, LOOK_MS);
    }
}

// --- making one

struct wish { // points into the parameters
    unsigned features;
    bytes device, forward_to, forward_connect_to, filters;
};

static bool read_features(json list, unsigned *out, struct api_refusal *why) {
    json element;
    for (size_t at = 0; json_element(list, &at, &element);)
        for (size_t i = 0; i < FEATURES; i++)
            if (json_equals_text(element, bytes_of(features[i].name)))
                *out |= features[i].feature;
    if (*out != 0)
        return true;
    bool given = json_size(list) > 0;
    return api_refuse(why, given ? API_ERROR_INVALID : API_ERROR_PARAMETER_MISSING,
                      B("websocket_features"),
                      "A session needs websocket_features[]: webhooks, v2_events or request_logs.");
}

static bool read_text(json params, const char *name, size_t max, bytes *out,
                      struct api_refusal *why) {
    *out = json_string(json_get(params, name));
    return out->n <= max || api_refuse(why, API_ERROR_INVALID, bytes_of(name),
                                       "%s is longer than %zu bytes.", name, max);
}

// What else a CLI says of itself is read over.
static bool read_wish(json params, struct wish *out, struct api_refusal *why) {
    *out = (struct wish){0};
    return read_features(json_get(params, "websocket_features"), &out->features, why) &&
           read_text(params, "device_name", TEXT_MAX, &out->device, why) &&
           read_text(params, "forward_to_url", TEXT_MAX, &out->forward_to, why) &&
           read_text(params, "forward_connect_to_url", TEXT_MAX, &out->forward_connect_to, why) &&
           read_text(params, "filters", FILTERS_MAX, &out->filters, why);
}

static struct listener *listener_new(struct ask *a, const struct wish *w) {
    struct desk *d = a->desk;
    struct listener *l = NEW(struct listener);
    uint8_t key[SHA256_SIZE];
    l->desk = d;
    memcpy(l->id, ID_PREFIX, sizeof ID_PREFIX - 1);
    clock_token(d->o.clock, l->id + sizeof ID_PREFIX - 1, ID_RANDOM);
    memcpy(l->key_id, a->caller.id, sizeof l->key_id);
    l->live = key_mode_live(a->caller.mode);
    l->features = w->features;
    text_add(&l->device, w->device);
    text_add(&l->forward_to, w->forward_to);
    text_add(&l->forward_connect_to, w->forward_connect_to);
    if (w->filters.n > 0)
        (void)!json_parse(w->filters, &l->filters);
    d->o.clock->entropy(d->o.clock, key, sizeof key);
    hmac_key_init(&l->names, bytes_from(key, sizeof key));
    memory_wipe(key, sizeof key);
    l->since_us = now_us(d);
    l->made_ms = clock_wall_ms(d->o.clock);
    push_window_open(&l->window, d->o.listen_window, ledger_booked(d->o.ledger));
    list_push(&d->listeners.all, &l->link);
    metric_set(METRIC_LISTEN_SESSIONS, (int64_t)++d->listeners.n);
    if (!d->listeners.ticking)
        timer_set(d->listeners.timer, LOOK_MS);
    d->listeners.ticking = true;
    return l;
}

static void tell(struct ask *a, struct listener *l, bytes version) {
    char secret[LISTEN_SECRET_MAX];
    listen_secret(a->desk->o.sealing_key, a->caller.hash, secret);
    hmac_key_init(&l->signs, bytes_of(secret));
    a->tells_secret = true;
    text_reset(&a->out);
    text_addf(&a->out, "{\"websocket_url\":\"%s://%.*s" SOCKET_PATH "\",\"websocket_id\":\"%s\"",
              a->tls ? "wss" : "ws", BYTES_ARG(a->host), l->id);
    text_addf(&a->out,
              ",\"websocket_authorized_feature\":\"webhook-payloads\",\"secret\":\"%s\","
              "\"reconnect_delay\":%lld",
              secret, (long long)(a->desk->o.reconnect_delay_ms / 1000));
    memory_wipe(secret, sizeof secret);
    static const char *const names[] = {"default_version", "latest_version"};
    for (size_t i = 0; i < 2 && version.n > 0; i++) {
        text_addf(&a->out, ",\"%s\":", names[i]);
        text_add_json(&a->out, version);
    }
    text_addc(&a->out, '}');
}

static void version_work(struct ask *a, struct reader *r) {
    text_reset(&a->payload);
    result read = reader_version(r, key_mode_live(a->caller.mode), &a->payload);
    if (read != OK)
        text_reset(&a->payload); // it is only shown
}

static void made(struct ask *a) {
    struct wish w;
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    struct desk *d = a->desk;
    if (a->session == NULL)
        return; // gone meanwhile
    if (d->draining) {
        ask_refuse(a, 503, "the gateway is stopping; ask again when it runs");
    } else if (a->epoch != d->keys.epoch) { // its sessions were ended before this one was made
        ask_refuse(a, 503, "a key was revoked meanwhile; ask again");
    } else if (d->listeners.n >= d->o.listeners_max) {
        metric_add(METRIC_LISTEN_TOO_MANY, 1);
        v1_fail(a, API_ERROR_RATE, NULL,
                "%zu sessions of `stripe listen` and `stripe logs tail` are open, and no more are "
                "taken; close some, or raise desk.listeners_max.",
                d->listeners.n);
        ask_send(a);
    } else if (read_wish(json_root(a->doc), &w, &why)) {
        tell(a, listener_new(a, &w), text_bytes(&a->payload));
        ask_send(a);
    }
}

void v1_sessions_create(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    struct wish w;
    if (!read_wish(json_root(a->doc), &w, &why))
        v1_fail_as(a, &why);
    else if (!http_host_formed(a->host))
        v1_fail(a, API_ERROR_INVALID, NULL,
                "The request's Host is none, so there is no URL to come back to.");
    if (a->status == 0) {
        ask_query(a, version_work, made);
        return;
    }
    metric_add(METRIC_LISTEN_BAD_SESSION, 1);
    ask_send(a);
}

// --- connecting

static void on_message(void *ctx, bytes text) {
    struct listener *l = ctx;
    struct desk *d = l->desk;
    if (listen_heard(l, text))
        listen_look(d);
}

static void on_closed(void *ctx) {
    struct listener *l = ctx;
    l->socket = NULL;
    l->since_us = now_us(l->desk);
}

static const struct websocket_handler handler = {on_message, on_closed};

static enum http_verdict refuse(struct session *s, int status, const char *sentence) {
    static const char *const headers[] = {WEBSOCKET_VERSION};
    OWN(text_drop)
    struct text out = {0};
    text_adds(&out, "{\"error\":{\"message\":");
    text_add_json(&out, bytes_of(sentence));
    text_adds(&out, "}}");
    session_answer(s, status, B("application/json"), headers, 1, text_bytes(&out));
    return HTTP_ANSWERED;
}

static bool offers_protocol(const struct http_request *r) {
    bytes list = NO_BYTES;
    (void)http_header_get(r, "Sec-WebSocket-Protocol", &list, NULL);
    while (list.n > 0)
        if (bytes_equal(bytes_trim(bytes_cut(&list, ',')), B(PROTOCOL)))
            return true;
    return false;
}

enum http_verdict listen_connect(struct desk *d, struct session *s, const struct http_request *r) {
    OWN(text_drop)
    struct text why = {0};
    bytes id = NO_BYTES;
    if (d->draining)
        return refuse(s, 503, "the gateway is stopping; ask again when it runs");
    if (!websocket_asked(r, &why)) {
        metric_add(METRIC_LISTEN_BAD_HANDSHAKE, 1);
        return refuse(s, 400, text_str(&why));
    }
    (void)http_header_get(r, "Websocket-Id", &id, NULL);
    struct listener *l = listeners_find(d, id);
    if (l == NULL) {
        metric_add(METRIC_LISTEN_UNKNOWN_ID, 1);
        return refuse(s, 400, "Unknown WebSocket ID."); // then the CLI asks for another session
    }
    if (l->socket != NULL)
        websocket_drop(l->socket);
    l->socket = websocket_open(s, r, offers_protocol(r) ? PROTOCOL : NULL, &d->listeners.limits,
                               &handler, l);
    l->since_us = now_us(d);
    if (l->socket == NULL)
        return HTTP_ANSWERED; // there was no room for it
    l->came = true;
    push_window_again(&l->window);
    listen_logs_push(l);
    listen_look(d);
    return HTTP_ANSWERED;
}

// --- GET /api/listen

static void add_listener(const struct listener *l, int64_t now, struct text *out) {
    text_adds(out, "{\"device\":");
    text_add_json(out, text_bytes(&l->device));
    text_addf(out, ",\"key\":\"%s\",\"livemode\":%s,\"features\":[", l->key_id,
              l->live ? "true" : "false");
    for (size_t i = 0, n = 0; i < FEATURES; i++)
        if ((l->features & features[i].feature) != 0)
            text_addf(out, "%s\"%s\"", n++ > 0 ? "," : "", features[i].name);
    text_adds(out, "],\"forward_to\":");
    text_add_json(out, text_bytes(&l->forward_to));
    text_adds(out, ",\"forward_connect_to\":");
    text_add_json(out, text_bytes(&l->forward_connect_to));
    uint64_t booked = ledger_booked(l->desk->o.ledger);
    bool behind = listener_takes_events(l) && booked > l->window.read;
    text_addf(out,
              ",\"connected\":%s,\"since_ms\":%lld,\"created_at\":%lld,\"after\":%llu,\"behind\":"
              "%llu,\"unacknowledged\":%zu,\"unsent\":%zu,\"pushed\":%llu,\"answered\":%llu}",
              l->socket != NULL ? "true" : "false", (long long)((now - l->since_us) / 1000),
              (long long)l->made_ms, (unsigned long long)l->window.read,
              (unsigned long long)(behind ? booked - l->window.read : 0), l->window.n,
              l->socket == NULL ? (size_t)0 : websocket_unsent(l->socket),
              (unsigned long long)l->pushed, (unsigned long long)l->answered);
}

void listeners_write(const struct desk *d, struct text *out) {
    size_t n = 0;
    text_addc(out, '[');
    LIST_EACH(it, &d->listeners.all) {
        text_adds(out, n++ > 0 ? "," : "");
        add_listener(CONTAINER(it, struct listener, link), now_us(d), out);
    }
    text_addc(out, ']');
}

void listen_show(struct ask *a) {
    text_adds(&a->out, "{\"data\":");
    listeners_write(a->desk, &a->out);
    text_addf(&a->out, ",\"most\":%zu}", a->desk->o.listeners_max);
    ask_send(a);
}
