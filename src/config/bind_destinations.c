// SPDX-License-Identifier: MIT
#include "config/bind.h"
#include "rules/url_names.h"

static const char *port_fault(bytes port) {
    uint64_t n;
    return bytes_to_u64(port, &n) != OK || n == 0 || n > 65535
               ? "its port is none; expected 1 to 65535"
               : NULL;
}

// HOST, HOST:PORT, [IPv6], [IPv6]:PORT
static const char *authority_fault(bytes a) {
    if (bytes_find(a, '@') < a.n)
        return "it has a name or password in front of its host; a destination knows us by its "
               "secret, remove them";
    size_t end = bytes_find(a, ':');
    if (bytes_starts(a, B("["))) {
        end = bytes_find(a, ']') + 1;
        if (end > a.n || end < 4)
            return "its host is no [IPv6 address]";
    }
    bytes host = bytes_slice(a, 0, end), port = bytes_slice(a, end, a.n);
    if (host.n == 0)
        return "it has no host";
    for (size_t i = 0; i < host.n; i++) {
        uint8_t c = host.p[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '-' || c == '_';
        if (!fits && !(host.p[0] == '[' && (c == ':' || c == '[' || c == ']' || c == '%')))
            return "its host has a character that no host has";
    }
    if (port.n == 0)
        return NULL;
    return port.p[0] == ':' ? port_fault(bytes_slice(port, 1, port.n)) : "its port is none";
}

static const char *url_fault(bytes url) {
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] >= 0x7f || url.p[i] == '#')
            return "it has a space, a # or a character that is not ASCII";
    size_t at = bytes_starts(url, B("http://")) ? 7 : bytes_starts(url, B("https://")) ? 8 : 0;
    if (at == 0)
        return "it starts with neither http:// nor https://";
    const char *names = url_names_fault(url);
    if (names != NULL)
        return names;
    bytes rest = bytes_slice(url, at, url.n);
    size_t end = bytes_find(rest, '/'), query = bytes_find(rest, '?');
    return authority_fault(bytes_slice(rest, 0, query < end ? query : end));
}

static void check_http(struct reading *r, struct node *map) {
    const struct node *kind = tree_get(map, KEY_DESTINATION_KIND);
    struct node *url = tree_get(map, KEY_DESTINATION_URL);
    if (kind == NULL || kind->bad)
        return;
    if (url == NULL)
        complain(r, map,
                 "url is missing; a destination of kind http needs one, as "
                 "http://127.0.0.1:5001/stripe");
    if (tree_get(map, KEY_DESTINATION_SECRET) == NULL)
        complain(r, map,
                 "secret is missing; a destination of kind http needs one, the same that "
                 "its site verifies with");
    if (url == NULL || url->bad)
        return;
    const char *fault = url_fault(url->text);
    if (fault != NULL)
        complain(r, url, "this is no URL to deliver to: %s", fault);
}

// Which keys say something to which kind.
static const struct {
    enum key key;
    bool http, oneshot, stream;
} fits[] = {
    {KEY_DESTINATION_URL, .http = true},
    {KEY_DESTINATION_SECRET, .http = true},
    {KEY_DESTINATION_RUN, .oneshot = true, .stream = true},
    {KEY_DESTINATION_MODE, .oneshot = true, .stream = true},
    {KEY_DESTINATION_WORKERS, .stream = true},
    {KEY_DESTINATION_ENVIRONMENT, .oneshot = true, .stream = true},
    {KEY_DESTINATION_DIRECTORY, .oneshot = true, .stream = true},
    {KEY_DESTINATION_USER, .oneshot = true, .stream = true},
    {KEY_DESTINATION_LIMITS, .oneshot = true, .stream = true},
    {KEY_DESTINATION_GRACE, .oneshot = true, .stream = true},
    {KEY_DESTINATION_RESTART, .stream = true},
    {KEY_DESTINATION_LOG_RATE, .oneshot = true, .stream = true},
};

static void check_fits(struct reading *r, const struct node *map, bool command, bool stream) {
    for (size_t i = 0; i < sizeof fits / sizeof fits[0]; i++) {
        struct node *n = tree_get(map, fits[i].key);
        if (n == NULL || n->defaulted)
            continue;
        if (!command && !fits[i].http)
            complain(r, n, "says nothing to kind http; remove it, or say kind: command");
        else if (command && fits[i].http)
            complain(r, n, "says nothing to kind command; remove it, or say kind: http");
        else if (command && !stream && !fits[i].oneshot)
            complain(r, n, "says nothing to mode oneshot; remove it, or say mode: stream");
    }
}

static bool is_choice(const struct node *map, enum key key, const char *word) {
    const struct node *n = tree_get(map, key);
    return n != NULL && !n->bad && bytes_equal(n->text, bytes_of(word));
}

static result bind_destination(struct binding *b, struct node *map, struct config_destination *out,
                               struct plan_destination *plan) {
    const struct node *twin = bind_twin(map, KEY_DESTINATION_NAME);
    if (twin != NULL)
        complain(b->r, tree_get(map, KEY_DESTINATION_NAME),
                 "the destination in %s has the same name; give each its own",
                 tree_place(b->r, twin));
    bool command = is_choice(map, KEY_DESTINATION_KIND, "command");
    out->handler.stream = is_choice(map, KEY_DESTINATION_MODE, "stream");
    check_fits(b->r, map, command, out->handler.stream);
    if (!command)
        check_http(b->r, map);
    TRY(bind_text(b, map, KEY_DESTINATION_NAME, &out->name));
    TRY(bind_text(b, map, KEY_DESTINATION_URL, &out->url));
    TRY(bind_text(b, map, KEY_DESTINATION_SECRET, &out->secret));
    *plan = (struct plan_destination){
        .name = out->name,
        .kind = command ? KIND_COMMAND : KIND_HTTP,
        .url = out->url,
        .fingerprint = bind_fingerprint(b, out->secret),
        .livemode = bind_mode(map, KEY_DESTINATION_LIVEMODE),
        .timeout_ms = bind_number(map, KEY_DESTINATION_TIMEOUT),
        .concurrency = (uint32_t)bind_number(map, KEY_DESTINATION_CONCURRENCY),
    };
    TRY(bind_waits(b, map, KEY_DESTINATION_RETRY, &plan->retry_ms, &plan->retry_count));
    if (command)
        TRY(bind_handler(b, map, &out->handler, plan));
    return bind_rules(b, tree_get(map, KEY_DESTINATION_MATCH), plan);
}

result bind_destinations(struct binding *b) {
    struct node *list = tree_get(b->root, KEY_DESTINATIONS);
    if (list == NULL || list->shape != NODE_LIST)
        return OK;
    struct config *c = b->c;
    c->destination_count = b->plan.destination_count = list->count;
    TRY(bind_take(b, list->count, sizeof(*c->destinations), &c->destinations));
    TRY(bind_take(b, list->count, sizeof(*b->plan.destinations), &b->plan.destinations));
    for (struct node *n = list->first; n != NULL; n = n->next)
        TRY(bind_destination(b, n, &c->destinations[n->index], &b->plan.destinations[n->index]));
    return OK;
}
