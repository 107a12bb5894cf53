// SPDX-License-Identifier: MIT
#include "plugin/view.h"

#include <limits.h>

#include "base/ensure.h"
#include "base/list.h"
#include "stripe/event.h"

static struct view *view_of(const hk_handler_event *event) {
    return CONTAINER((hk_handler_event *)(uintptr_t)event, struct view, event);
}

static json at(const hk_handler_event *event, const char *path) {
    return json_path(json_root(view_of(event)->doc), bytes_of(path));
}

// In its memory; null, and 0, where that is used up.
static const char *give(const hk_handler_event *event, bytes b, size_t *size) {
    bytes kept = arena_copy(&view_of(event)->memory, b);
    if (size != NULL)
        *size = kept.n;
    return (const char *)kept.p;
}

static const char *give_text(const hk_handler_event *event, const char *path, size_t *size) {
    json v = at(event, path);
    if (size != NULL)
        *size = 0;
    return json_type(v) == JSON_STRING ? give(event, json_string(v), size) : NULL;
}

static int give_integer(const hk_handler_event *event, const char *path, long *value) {
    int64_t n;
    if (json_i64(at(event, path), &n) != OK || n < LONG_MIN || n > LONG_MAX)
        return 0;
    *value = (long)n;
    return 1;
}

static int give_is_true(const hk_handler_event *event, const char *path) {
    return json_true(at(event, path));
}

static const char *give_json(const hk_handler_event *event, const char *path, size_t *size) {
    OWN(text_drop)
    struct text t = {0};
    json_write(at(event, path), &t);
    if (size != NULL)
        *size = 0;
    return t.n > 0 && !t.failed ? give(event, text_bytes(&t), size) : NULL;
}

static const char *keep(struct view *v, bytes b) {
    bytes kept = arena_copy(&v->memory, b);
    ensure(kept.p != NULL); // a line has room many times
    return (const char *)kept.p;
}

static const char *keep_if_any(struct view *v, bytes b) { return b.n > 0 ? keep(v, b) : NULL; }

result view_init(struct view *v, const struct frame_event *from) {
    struct event e;
    *v = (struct view){0};
    arena_init(&v->memory, VIEW_MEMORY_MAX);
    TRY(event_parse(from->payload, &e, NULL));
    v->doc = e.doc; // taken over
    v->event = (hk_handler_event){
        .id = keep(v, from->event),
        .type = keep(v, from->type),
        .account = keep_if_any(v, from->account),
        .livemode = from->livemode,
        .created = (time_t)e.created,
        .api_version = keep_if_any(v, e.api_version),
        .attempt = from->attempt,
        .destination = keep(v, from->destination),
        .payload = keep(v, from->payload),
        .payload_size = from->payload.n,
        .text = give_text,
        .integer = give_integer,
        .is_true = give_is_true,
        .json = give_json,
    };
    return OK;
}

void view_drop(struct view *v) {
    json_close(&v->doc);
    arena_drop(&v->memory);
}
