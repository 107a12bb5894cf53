// SPDX-License-Identifier: MIT
#include "desk/v1.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "desk/twin.h"
#include "desk/v2.h"
#include "stripe/form.h"

#define VERSION_MAX 128
#define ACCOUNT_MAX 64

bool v1_path(bytes path) {
    bytes first = bytes_slice(path, 0, 4);
    return bytes_equal(first, B("/v1/")) || bytes_equal(first, B("/v2/")) ||
           bytes_equal(path, B("/v1"));
}

void v1_fail(struct ask *a, enum api_error e, const char *param, const char *format, ...) {
    OWN(text_drop)
    struct text sentence = {0};
    va_list args;
    va_start(args, format);
    text_addv(&sentence, format, args);
    va_end(args);
    a->status = api_error_status(e);
    a->type = NULL;
    text_reset(&a->out);
    api_error_write(e, bytes_of(param), text_bytes(&sentence), &a->out);
}

void v1_fail_as(struct ask *a, const struct api_refusal *why) {
    v1_fail(a, why->error, text_str(&why->param), "%s", text_str(&why->message));
}

void v1_refuse(struct ask *a, const struct api_refusal *why) {
    v1_fail_as(a, why);
    ask_send(a);
}

void v1_fail_path(struct ask *a, bytes method, bytes path) {
    OWN(text_drop)
    struct text shown = {0};
    text_add_printable(&shown, path, 64);
    v1_fail(a, API_ERROR_PATH_UNKNOWN, NULL,
            "Unrecognized request URL (%.*s: %s). This gateway answers for /v1/events, "
            "/v1/webhook_endpoints, /v2/core/events and /v2/core/event_destinations; %swhat is not "
            "here has to be asked of Stripe itself.",
            BYTES_ARG(ask_short(method)), text_str(&shown), twin_hint(a->desk, path));
}

void v1_fail_key(struct ask *a) {
    if (a->caller.revoked)
        v1_fail(a, API_ERROR_KEY_REVOKED, NULL,
                "This API key was revoked; make another one with "
                "`hookkeep keys create`.");
    else if (a->caller.foreign != NULL)
        v1_fail(a, API_ERROR_KEY_BAD, NULL,
                "Invalid API Key provided: %s**** is none of this gateway's. If it is one of "
                "Stripe's, nothing of it was kept here; this gateway's own come from `hookkeep "
                "keys create --mode test` or live.",
                a->caller.foreign);
    else
        v1_fail(a, API_ERROR_KEY_BAD, NULL,
                "No API key of this gateway's came with the request. Send `Authorization: Bearer "
                "KEY`, or the key as the user name of Basic authentication; `hookkeep keys create "
                "--mode test` or live makes one.");
}

void v1_fail_access(struct ask *a) {
    enum key_mode mode = a->caller.mode;
    if (!key_mode_stripe(mode))
        v1_fail(a, API_ERROR_PERMISSION, NULL,
                "This key is of mode %s, which is for the desk's own API under /api; /v1 takes "
                "one of mode test or live.",
                key_mode_name(mode));
    else
        v1_fail(a, API_ERROR_PERMISSION, NULL,
                "This key may only look (it was made with --read-only); changing anything takes "
                "one without.");
}

static bool is_v2(const struct ask *a) { return bytes_starts(bytes_of(a->route->path), B("/v2/")); }

void v1_fail_command(struct ask *a, bytes why) {
    OWN(text_drop)
    struct text shown = {0}, told = {0};
    text_add_printable(&told, a->told_idempotency_key, 64);
    text_add_printable(&shown, a->arg, 64);
    if (bytes_starts(why, B("there is no such endpoint")))
        v1_fail(a, API_ERROR_MISSING, is_v2(a) ? "id" : "webhook_endpoint", "No such %s: '%s'",
                is_v2(a) ? "event destination" : "webhook endpoint", text_str(&shown));
    else if (bytes_starts(why, B("there are as many endpoints")))
        v1_fail(a, API_ERROR_INVALID, NULL,
                "You have reached the maximum of %s webhook endpoints: %.*s. Delete one, or have "
                "the limit raised.",
                key_mode_live(a->caller.mode) ? "live" : "test", BYTES_ARG(why));
    else if (bytes_starts(why, B("what was answered")))
        v1_fail(a, API_ERROR_INTERNAL, NULL, "The books refuse it: %.*s.", BYTES_ARG(why));
    else if (bytes_starts(why, B("this idempotency key")))
        v1_fail(a, API_ERROR_IDEMPOTENCY, NULL,
                "Keys for idempotent requests can only be used with the same parameters they were "
                "first used with. Try using a key other than '%s' if you meant to execute a "
                "different request.",
                text_str(&told));
    else
        v1_fail(a, API_ERROR_INVALID, NULL, "The books refuse it: %.*s.", BYTES_ARG(why));
}

// "2026-10-28.endive", and whatever may stand behind it.
static bool version_formed(bytes v) {
    static const char form[] = "dddd-dd-dd";
    for (size_t i = 0; i < v.n; i++) {
        bool digit = v.p[i] >= '0' && v.p[i] <= '9';
        char want = i < sizeof form - 1 ? form[i] : '\0';
        if (want == 'd' ? !digit : want == '-' ? v.p[i] != '-' : v.p[i] < ' ' || v.p[i] > '~')
            return false;
    }
    return v.n >= sizeof form - 1 && v.n <= VERSION_MAX;
}

static bool account_formed(bytes id) {
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] <= ' ' || id.p[i] > '~')
            return false;
    return id.n > 5 && id.n <= ACCOUNT_MAX && bytes_starts(id, B("acct_"));
}

static bool take_version(struct ask *a, const struct http_request *r) {
    bytes v;
    bool twice = false;
    if (!http_header_get(r, "Stripe-Version", &v, &twice) && !twice)
        return true;
    if (!twice && version_formed(v)) {
        a->version = arena_copy(&a->memory, v);
        return true;
    }
    v1_fail(a, API_ERROR_INVALID, NULL,
            "The header Stripe-Version holds no API version; it begins with a date, as "
            "2026-10-28.endive, and stands there once. Events are shown as they were made, "
            "whatever it says.");
    return false;
}

// A context names accounts, the nearest one last: acct_1/acct_2.
static bytes last_segment(bytes context) {
    bytes segment = NO_BYTES;
    while (context.n > 0)
        segment = bytes_cut(&context, '/');
    return segment;
}

static bool take_account(struct ask *a, const struct http_request *r) {
    bytes v;
    bool twice = false;
    bool given = http_header_get(r, "Stripe-Context", &v, &twice);
    if (given && !twice && account_formed(last_segment(v)))
        v = last_segment(v);
    else if (given || twice)
        twice = true;
    else if (!http_header_get(r, "Stripe-Account", &v, &twice) && !twice)
        return true;
    if (!twice && account_formed(v)) {
        a->account = arena_copy(&a->memory, v);
        return true;
    }
    v1_fail(a, API_ERROR_ACCOUNT_INVALID, NULL,
            "The header Stripe-Account, or Stripe-Context, names no account; it takes one id, as "
            "acct_1234.");
    return false;
}

// One key's Idempotency-Keys are no other's.
static void own_idempotency_key(struct ask *a) {
    uint8_t hash[SHA256_SIZE];
    OWN(text_drop)
    struct text own = {0};
    bytes parts[] = {bytes_from(a->caller.hash, SHA256_SIZE), a->idempotency_key};
    digest_sha256(parts, 2, hash);
    text_adds(&own, "v1_");
    text_add_hex(&own, bytes_from(hash, SHA256_SIZE));
    a->told_idempotency_key = a->idempotency_key;
    a->idempotency_key = arena_copy(&a->memory, text_bytes(&own));
}

struct member {
    bytes key;
    json value;
};

static int by_key(const void *x, const void *y) {
    return bytes_compare(((const struct member *)x)->key, ((const struct member *)y)->key);
}

// The parameters with each object's members in order: a client may write them in any.
static void write_sorted(json v, struct text *out) {
    json one;
    if (json_type(v) == JSON_ARRAY) {
        text_addc(out, '[');
        for (size_t at = 0; json_element(v, &at, &one); text_addc(out, ','))
            write_sorted(one, out);
        text_addc(out, ']');
    } else if (json_type(v) == JSON_OBJECT) {
        struct member *members = memory_new(json_size(v) + 1, sizeof *members);
        size_t n = 0;
        for (size_t at = 0; json_member(v, &at, &members[n].key, &members[n].value);)
            n++;
        qsort(members, n, sizeof *members, by_key);
        text_addc(out, '{');
        for (size_t i = 0; i < n; i++) {
            text_add_json(out, members[i].key);
            write_sorted(members[i].value, out);
        }
        text_addc(out, '}');
        free(members);
    } else {
        json_write(v, out);
    }
}

void v1_command_post(struct ask *a, void (*then)(struct ask *a)) {
    OWN(text_drop)
    struct text params = {0};
    uint8_t hash[SHA256_SIZE];
    write_sorted(json_root(a->doc), &params);
    bytes parts[] = {bytes_of(a->route->method),
                     bytes_of(a->route->path),
                     B("\n"),
                     a->arg,
                     B("\n"),
                     a->account,
                     B("\n"),
                     text_bytes(&params)};
    digest_sha256(parts, sizeof parts / sizeof parts[0], hash);
    text_adds(&a->payload, ",\"asked\":\"");
    text_add_hex(&a->payload, bytes_from(hash, sizeof hash));
    text_addc(&a->payload, '"');
    ask_command_post(a, then);
}

void v1_note(struct ask *a, const struct http_request *r) {
    bytes host = NO_BYTES;
    (void)http_header_get(r, "Host", &host, NULL);
    memcpy(a->request_id, "req_", 4);
    clock_token(a->desk->o.clock, a->request_id + 4, REQUEST_ID_RANDOM);
    a->tls = session_tls(a->session);
    a->method = arena_copy(&a->memory, r->method);
    a->path = arena_copy(&a->memory, r->path);
    a->host = arena_copy(&a->memory, host);
    a->peer = arena_copy(&a->memory, session_peer(a->session));
}

bool v1_head(struct ask *a, const struct http_request *r) {
    if (a->idempotency_key.n > 0)
        own_idempotency_key(a);
    return a->status == 0 && take_version(a, r) && take_account(a, r);
}

// Under /v2 a body is JSON.
static bool json_body(struct ask *a) {
    if (json_parse(text_bytes(&a->body), &a->doc) != OK ||
        json_type(json_root(a->doc)) != JSON_OBJECT)
        v1_fail(a, API_ERROR_INVALID, NULL, "The body is no JSON object; /v2 takes one.");
    return a->status == 0;
}

bool v1_params(struct ask *a) {
    if (is_v2(a) && a->body.n > 0)
        return json_body(a);
    if (is_v2(a))
        v2_lists_read(a);
    OWN(text_drop)
    struct text all = {.max = FORM_BYTES_MAX + 1};
    OWN(text_drop)
    struct text read = {0};
    OWN(text_drop)
    struct text why = {0};
    text_add(&all, a->query_text);
    if (a->body.n > 0)
        text_addc(&all, '&');
    text_add(&all, text_bytes(&a->body));
    if (all.failed)
        v1_fail(a, API_ERROR_INVALID, NULL, "The parameters are longer than %zu bytes.",
                FORM_BYTES_MAX);
    else if (form_read(text_bytes(&all), &read, &why) != OK)
        v1_fail(a, API_ERROR_INVALID, NULL, "%s", text_str(&why));
    else if (json_parse(text_bytes(&read), &a->doc) != OK)
        v1_fail(a, API_ERROR_INTERNAL, NULL, "The parameters were read as what is none.");
    return a->status == 0;
}

static const char *line(struct ask *a, const char *name, bytes value) {
    OWN(text_drop)
    struct text t = {0};
    text_addf(&t, "%s: %.*s", name, BYTES_ARG(value));
    text_addc(&t, '\0');
    return (const char *)arena_copy(&a->memory, text_bytes(&t)).p;
}

size_t v1_headers(struct ask *a, const char *lines[V1_HEADERS_MAX]) {
    size_t n = 0;
    lines[n++] = line(a, "Request-Id", bytes_of(a->request_id));
    if (a->version.n > 0)
        lines[n++] = line(a, "Stripe-Version", a->version);
    if (a->told_idempotency_key.n > 0)
        lines[n++] = line(a, "Idempotency-Key", a->told_idempotency_key);
    if (a->replayed)
        lines[n++] = "Idempotent-Replayed: true";
    if (a->status == 429)
        lines[n++] = "Stripe-Should-Retry: true";
    for (size_t i = n; i > 0; i--)
        if (lines[i - 1] == NULL) // the ask's memory is full
            n = i - 1;
    return n;
}
