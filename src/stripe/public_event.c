// SPDX-License-Identifier: MIT
#include "hookkeep/event.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "stripe/event.h"
#include "stripe/public.h"

_Static_assert((int)HK_ABSENT == (int)JSON_ABSENT, "kinds are passed on by number");
_Static_assert((int)HK_NULL == (int)JSON_NULL, "likewise");
_Static_assert((int)HK_BOOL == (int)JSON_BOOL, "likewise");
_Static_assert((int)HK_NUMBER == (int)JSON_NUMBER, "likewise");
_Static_assert((int)HK_TEXT == (int)JSON_STRING, "likewise");
_Static_assert((int)HK_LIST == (int)JSON_ARRAY, "likewise");
_Static_assert((int)HK_OBJECT == (int)JSON_OBJECT, "likewise");

struct hk_event {
    struct event read;
    hk_allocator allocator;
    char account[EVENT_ID_MAX + 1]; // a thin event's ends in the middle of its context
};

static void *heap_take(void *ctx, size_t n) { return malloc(n); }
static void *heap_resize(void *ctx, void *p, size_t old_n, size_t n) { return realloc(p, n); }
static void heap_give(void *ctx, void *p) { free(p); }

static bool take_options(const hk_event_options *given, hk_event_options *out) {
    static const hk_event_options defaults = HK_EVENT_OPTIONS_INIT;
    static const hk_allocator heap = {NULL, heap_take, heap_resize, heap_give};
    if (!public_take(given != NULL ? given : &defaults, sizeof *given, out, sizeof *out))
        return false;
    if (out->allocator == NULL)
        out->allocator = &heap;
    const hk_allocator *a = out->allocator;
    return a->take != NULL && a->resize != NULL && a->give != NULL &&
           (out->accept == HK_ACCEPT_SNAPSHOT || out->accept == HK_ACCEPT_THIN ||
            out->accept == HK_ACCEPT_BOTH);
}

static hk_status judge_kind(const struct event *e, hk_accept accept) {
    if (accept == HK_ACCEPT_BOTH || e->thin == (accept == HK_ACCEPT_THIN))
        return HK_OK;
    return e->thin ? HK_THIN_EVENT : HK_SNAPSHOT_EVENT;
}

static hk_status read_body(bytes body, const hk_event_options *o, struct event *out) {
    const hk_allocator *a = o->allocator;
    const struct json_memory memory = {a->take, a->resize, a->give, a->ctx};
    struct json_doc *doc;
    struct event_fault fault;
    result parsed = json_parse_in(&memory, body, &doc);
    if (parsed != OK)
        return failed_as(parsed, FAIL_MEMORY) ? HK_MEMORY : HK_NOT_JSON;
    if (event_read(doc, out, &fault) != OK) {
        if (o->fault != NULL)
            *o->fault = (hk_fault){fault.field, fault.problem};
        return HK_NOT_EVENT;
    }
    return judge_kind(out, o->accept);
}

// The options were looked at, and the body's signature if it needs one.
static hk_status open_event(bytes body, const hk_event_options *o, hk_event **out) {
    OWN(event_drop)
    struct event e = {0};
    hk_status status = body.n == 0 ? HK_NO_BODY : read_body(body, o, &e);
    if (status != HK_OK)
        return status;
    hk_event *event = o->allocator->take(o->allocator->ctx, sizeof *event);
    if (event == NULL)
        return HK_MEMORY;
    *event = (hk_event){.read = e, .allocator = *o->allocator};
    if (e.account.n > 0)
        memcpy(event->account, e.account.p, e.account.n);
    e = (struct event){0};
    *out = event;
    return HK_OK;
}

hk_status hk_event_construct(const hk_receipt *receipt, const hk_event_options *options,
                             hk_event **out) {
    hk_event_options o;
    if (out == NULL)
        return HK_USAGE;
    *out = NULL;
    if (!take_options(options, &o))
        return HK_USAGE;
    hk_status status = hk_verify(receipt, NULL);
    if (status == HK_USAGE)
        return status;
    if (receipt->body_size == 0) // whatever else may be wrong: so says constructEvent
        return HK_NO_BODY;
    if (status != HK_OK)
        return status;
    return open_event(bytes_from(receipt->body, receipt->body_size), &o, out);
}

hk_status hk_event_parse(const void *body, size_t body_size, const hk_event_options *options,
                         hk_event **out) {
    hk_event_options o;
    if (out == NULL)
        return HK_USAGE;
    *out = NULL;
    if (!take_options(options, &o) || (body == NULL && body_size > 0))
        return HK_USAGE;
    return open_event(bytes_from(body, body_size), &o, out);
}

void hk_event_close(hk_event *event) {
    if (event == NULL)
        return;
    hk_allocator a = event->allocator;
    event_drop(&event->read);
    a.give(a.ctx, event);
}

// What JSON gives ends in NUL.
static const char *text_of(bytes b) { return b.p == NULL ? "" : (const char *)b.p; }

const char *hk_event_id(const hk_event *event) { return text_of(event->read.id); }
const char *hk_event_type(const hk_event *event) { return text_of(event->read.type); }
const char *hk_event_account(const hk_event *event) { return event->account; }
const char *hk_event_api_version(const hk_event *event) { return text_of(event->read.api_version); }
const char *hk_event_object_id(const hk_event *event) { return text_of(event->read.object_id); }
const char *hk_event_object_type(const hk_event *event) { return text_of(event->read.object_type); }
time_t hk_event_created(const hk_event *event) { return (time_t)event->read.created; }
int hk_event_livemode(const hk_event *event) { return event->read.livemode; }
int hk_event_thin(const hk_event *event) { return event->read.thin; }

static json at(const hk_event *event, const char *path) {
    return path == NULL ? (json){NULL} : json_path(json_root(event->read.doc), bytes_of(path));
}

static const char *told(bytes b, bool is_there, size_t *size) {
    if (!is_there)
        return NULL;
    if (size != NULL)
        *size = b.n;
    return text_of(b);
}

hk_kind hk_event_kind(const hk_event *event, const char *path) {
    return (hk_kind)json_type(at(event, path));
}

const char *hk_event_text(const hk_event *event, const char *path, size_t *size) {
    json v = at(event, path);
    return told(json_string(v), json_type(v) == JSON_STRING, size);
}

const char *hk_event_number(const hk_event *event, const char *path, size_t *size) {
    json v = at(event, path);
    return told(json_number(v), json_type(v) == JSON_NUMBER, size);
}

int hk_event_integer(const hk_event *event, const char *path, long *value) {
    int64_t read;
    if (json_i64(at(event, path), &read) != OK || read < LONG_MIN || read > LONG_MAX)
        return 0;
    *value = (long)read;
    return 1;
}

int hk_event_is_true(const hk_event *event, const char *path) { return json_true(at(event, path)); }

size_t hk_event_count(const hk_event *event, const char *path) {
    return json_size(at(event, path));
}

int hk_event_equals(const hk_event *event, const char *path, const char *value) {
    return value != NULL && json_equals_text(at(event, path), bytes_of(value));
}
