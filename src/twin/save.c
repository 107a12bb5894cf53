// SPDX-License-Identifier: MIT
// The world as a document: {"format":1, "now_ms", "random", "objects": [{"object", "account",
// "id", "clock", "gone", "json"}], "due": [{"account", "id", "effect", "time_ms"}], "events": […]}.
#include <stdlib.h>

#include "base/memory.h"
#include "twin/call.h"

#define FORMAT 1

static void add_text(struct text *out, const char *key, bytes v) {
    text_addf(out, ",\"%s\":", key);
    text_add_json(out, v);
}

static void save_object(const struct twin_object *o, struct text *out) {
    text_addf(out, "{\"object\":\"%s\"", o->resource->object);
    add_text(out, "account", bytes_of(o->account));
    add_text(out, "id", bytes_of(o->id));
    if (o->clock != NULL)
        add_text(out, "clock", bytes_of(o->clock->id));
    text_addf(out, ",\"gone\":%s,\"json\":", o->gone ? "true" : "false");
    json_write(json_root(o->doc), out); // between calls an object is whole
    text_addc(out, '}');
}

static void save_due(const struct twin_due *d, struct text *out) {
    text_addf(out, "{\"effect\":\"%s\",\"time_ms\":%lld", twin_effect_of(d->effect)->name,
              (long long)d->time_ms);
    add_text(out, "account", bytes_of(d->object->account));
    add_text(out, "id", bytes_of(d->object->id));
    text_addc(out, '}');
}

static int by_seq(const void *a, const void *b) {
    const struct twin_due *x = *(struct twin_due *const *)a, *y = *(struct twin_due *const *)b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

// In the order in which they came to be, as that decides among what is due at one time.
static void save_all_due(const struct twin *w, struct text *out) {
    struct twin_due **all = NEW_ARRAY(struct twin_due *, twin_counts(w).due + 1);
    size_t n = 0;
    for (size_t i = 0; i < w->due.n; i++)
        all[n++] = w->due.items[i];
    LIST_EACH(at, &w->clocked)
    all[n++] = CONTAINER(at, struct twin_due, link);
    qsort(all, n, sizeof all[0], by_seq);
    for (size_t i = 0; i < n; i++) {
        text_adds(out, i > 0 ? "," : "");
        save_due(all[i], out);
    }
    free(all);
}

static void save_event(const struct twin_event *e, struct text *out) {
    text_addf(out, "{\"thin\":%s", e->thin ? "true" : "false");
    add_text(out, "id", text_bytes(&e->id));
    add_text(out, "type", text_bytes(&e->type));
    add_text(out, "account", text_bytes(&e->account));
    add_text(out, "about", text_bytes(&e->object));
    text_adds(out, ",\"body\":");
    text_add(out, text_bytes(&e->body));
    text_addc(out, '}');
}

void twin_save(const struct twin *w, struct text *out) {
    bool first = true;
    text_addf(out, "{\"format\":%d,\"now_ms\":%lld,\"random\":\"%llu\",\"made\":%llu,\"objects\":[",
              FORMAT, (long long)w->now_ms, (unsigned long long)w->random,
              (unsigned long long)w->event_count);
    LIST_EACH(at, &w->all) {
        text_adds(out, first ? "\n" : ",\n");
        save_object(CONTAINER(at, struct twin_object, all), out);
        first = false;
    }
    text_adds(out, "],\n\"due\":[");
    save_all_due(w, out);
    text_adds(out, "],\n\"events\":[");
    first = true;
    LIST_EACH(at, &w->events) {
        text_adds(out, first ? "" : ",");
        save_event(CONTAINER(at, struct twin_event, link), out);
        first = false;
    }
    text_adds(out, "]}\n");
}

// --- loading, into a world that is thrown away if it fails

static bytes text_of(json v, const char *key) { return json_string(json_get(v, key)); }

static result load_object(struct twin *w, json in) {
    OWN(text_drop)
    struct text written = {0};
    const struct twin_resource *r = twin_resource_find(text_of(in, "object"));
    json own = json_get(in, "json");
    bytes id = text_of(in, "id"), account = text_of(in, "account");
    NEED(r != NULL, INVALID, "an object is of no type that the twin knows");
    NEED(id.n > 0, INVALID, "an object has no id");
    NEED(json_type(own) == JSON_OBJECT, INVALID, "an object has no `json` with its members");
    NEED(twin_find(w, account, id) == NULL, INVALID, "an object is there twice");
    NEED(w->object_count < w->object_max, INVALID, "there are more objects than it may have");
    struct twin_object *o = twin_add_object(w, r, account, id);
    json_write(own, &written);
    TRY(json_parse(text_bytes(&written), &o->doc));
    o->gone = json_true(json_get(in, "gone"));
    return OK;
}

static result load_clock(struct twin *w, json in) {
    bytes clock = text_of(in, "clock"), account = text_of(in, "account");
    if (clock.n == 0)
        return OK;
    struct twin_object *o = twin_find(w, account, text_of(in, "id"));
    o->clock = twin_find(w, account, clock);
    NEED(o->clock != NULL && twin_is(o->clock, "test_helpers.test_clock"), INVALID,
         "an object lives by a test clock that is not there");
    return OK;
}

static result load_due(struct twin *w, json in) {
    int64_t time_ms;
    bytes effect = text_of(in, "effect");
    struct twin_object *o = twin_find(w, text_of(in, "account"), text_of(in, "id"));
    NEED(o != NULL, INVALID, "something is due for an object that is not there");
    NEED(json_i64(json_get(in, "time_ms"), &time_ms) == OK, INVALID, "something is due at no time");
    for (size_t i = 0; i < twin_effect_count; i++) {
        if (!bytes_equal(bytes_of(twin_effects[i].name), effect))
            continue;
        twin_due_add(w, o, time_ms, twin_effects[i].run);
        return OK;
    }
    FAIL(INVALID, "what is due has no effect that the twin knows");
}

static result load_event(struct twin *w, json in) {
    NEED(json_type(json_get(in, "body")) == JSON_OBJECT, INVALID, "an event has no body");
    struct twin_event *e = NEW(struct twin_event);
    e->thin = json_true(json_get(in, "thin"));
    text_add(&e->id, text_of(in, "id"));
    text_add(&e->type, text_of(in, "type"));
    text_add(&e->account, text_of(in, "account"));
    text_add(&e->object, text_of(in, "about"));
    json_write(json_get(in, "body"), &e->body);
    list_push(&w->events, &e->link);
    return OK;
}

static result load_each(struct twin *w, json list, result (*one)(struct twin *w, json in)) {
    json v;
    for (size_t at = 0; json_element(list, &at, &v);)
        TRY(one(w, v));
    return OK;
}

static result load(struct twin *w, json in) {
    int64_t format = 0, made = 0;
    NEED(json_i64(json_get(in, "format"), &format) == OK && format == FORMAT, INVALID,
         "its `format` is not 1: no snapshot of the twin, or of a newer version");
    NEED(json_i64(json_get(in, "now_ms"), &w->now_ms) == OK, INVALID, "it has no time");
    NEED(bytes_to_u64(text_of(in, "random"), &w->random) == OK, INVALID, "it has no `random`");
    NEED(json_i64(json_get(in, "made"), &made) == OK && made >= 0, INVALID, "it has no `made`");
    w->event_count = (uint64_t)made;
    json objects = json_get(in, "objects");
    TRY(load_each(w, objects, load_object));
    TRY(load_each(w, objects, load_clock));
    TRY(load_each(w, json_get(in, "due"), load_due));
    return load_each(w, json_get(in, "events"), load_event);
}

result twin_load(struct twin *w, bytes in, struct text *why) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(twin_close)
    struct twin *fresh = twin_open(w->objects.seed, w->now_ms);
    twin_set_max(fresh, w->object_max);
    result loaded = json_parse(in, &doc);
    if (loaded != OK)
        text_adds(why, "it is no JSON");
    else if ((loaded = load(fresh, json_root(doc))) != OK)
        text_adds(why, loaded->text);
    if (loaded != OK)
        return loaded;
    // Time does not run back, whatever it was when this was saved.
    if (fresh->now_ms < w->now_ms)
        fresh->now_ms = w->now_ms;
    twin_swap(w, fresh);
    return OK;
}
