// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/random.h"
#include "stripe/sample.h"
#include "twin/call.h"

#define OBJECT_ID_MAX 255

static bool due_sooner(const void *a, const void *b) {
    const struct twin_due *x = a, *y = b;
    return x->time_ms != y->time_ms ? x->time_ms < y->time_ms : x->seq < y->seq;
}

static void due_placed(void *item, size_t at) { ((struct twin_due *)item)->at = at; }

struct twin *twin_open(uint64_t seed, int64_t now_ms) {
    struct twin *w = NEW(struct twin);
    w->random = seed;
    w->now_ms = now_ms;
    w->objects.seed = seed;
    w->object_max = TWIN_OBJECTS_MAX;
    w->due = (struct heap){.less = due_sooner, .set_at = due_placed};
    list_init(&w->all);
    list_init(&w->events);
    list_init(&w->keys_by_age);
    list_init(&w->clocked);
    return w;
}

void twin_set_max(struct twin *w, size_t objects) { w->object_max = objects; }

void twin_reset(struct twin *w) {
    LIST_EACH_SAFE(at, &w->all)
    twin_free_object(w, CONTAINER(at, struct twin_object, all));
    for (struct twin_event *e; (e = twin_event_take(w)) != NULL;)
        twin_event_free(e);
    twin_keys_drop(w);
    w->event_count = 0;
}

// A head that was moved here from `old` with its list.
static void relink(struct list *head, const struct list *old) {
    if (head->next == old) {
        list_init(head);
        return;
    }
    head->next->prev = head;
    head->prev->next = head;
}

static void relink_all(struct twin *to, const struct twin *from) {
    relink(&to->all, &from->all);
    relink(&to->events, &from->events);
    relink(&to->clocked, &from->clocked);
    relink(&to->keys_by_age, &from->keys_by_age);
}

void twin_swap(struct twin *a, struct twin *b) {
    struct twin held = *a;
    *a = *b;
    *b = held;
    relink_all(a, b);
    relink_all(b, a);
}

void twin_close(struct twin **w) {
    if (*w == NULL)
        return;
    twin_reset(*w);
    heap_drop(&(*w)->due);
    map_drop(&(*w)->objects);
    map_drop(&(*w)->keys);
    free(*w);
    *w = NULL;
}

struct twin_counts twin_counts(const struct twin *w) {
    size_t due = w->due.n;
    LIST_EACH(at, &w->clocked)
    due++;
    return (struct twin_counts){w->object_count, due, w->key_count, w->event_count};
}

// --- objects

static void add_key(struct text *out, bytes account, bytes id) {
    text_add(out, account);
    text_addc(out, '/');
    text_add(out, id);
}

struct twin_object *twin_find(const struct twin *w, bytes account, bytes id) {
    OWN(text_drop)
    struct text key = {0};
    add_key(&key, account, id);
    return map_get(&w->objects, text_bytes(&key));
}

struct twin_object *twin_add_object(struct twin *w, const struct twin_resource *r, bytes account,
                                    bytes id) {
    OWN(text_drop)
    struct text key = {0};
    struct twin_object *o = NEW(struct twin_object);
    o->resource = r;
    o->id = bytes_strdup(id);
    o->account = bytes_strdup(account);
    list_init(&o->touched);
    list_push(&w->all, &o->all);
    add_key(&key, account, id);
    ensure(map_put(&w->objects, text_bytes(&key), o) == NULL);
    w->object_count++;
    return o;
}

void twin_free_object(struct twin *w, struct twin_object *o) {
    OWN(text_drop)
    struct text key = {0};
    add_key(&key, bytes_of(o->account), bytes_of(o->id));
    ensure(map_remove(&w->objects, text_bytes(&key)) == o);
    twin_due_forget(w, o);
    list_remove(&o->all);
    list_remove(&o->touched);
    json_close(&o->doc);
    json_draft_close(&o->draft);
    json_close(&o->before);
    json_close(&o->told);
    free(o->id);
    free(o->account);
    free(o);
    w->object_count--;
}

static bytes account_of(const struct twin_call *c) {
    if (c->request != NULL)
        return c->request->account;
    return c->self == NULL ? NO_BYTES : bytes_of(c->self->account);
}

struct twin_object *twin_get(struct twin_call *c, bytes id) {
    struct twin_object *o = twin_find(c->w, account_of(c), id);
    return o == NULL || o->gone ? NULL : o;
}

bool twin_is(const struct twin_object *o, const char *object) {
    bytes rest = bytes_of(object), own = bytes_of(o->resource->object);
    while (rest.n > 0)
        if (bytes_equal(bytes_cut(&rest, '|'), own))
            return true;
    return false;
}

struct twin_object *twin_next(struct twin_call *c, const char *object, struct twin_object *last) {
    struct list *at = last == NULL ? c->w->all.prev : last->all.prev;
    for (; at != &c->w->all; at = at->prev) {
        struct twin_object *o = CONTAINER(at, struct twin_object, all);
        if (!o->gone && twin_is(o, object) && bytes_equal(bytes_of(o->account), account_of(c)))
            return o;
    }
    return NULL;
}

struct twin_object *twin_next_of(struct twin_call *c, const char *object, const char *field,
                                 bytes id, struct twin_object *last) {
    while ((last = twin_next(c, object, last)) != NULL)
        if (bytes_equal(twin_text(last, field), id))
            return last;
    return NULL;
}

// --- values

json twin_root(struct twin_object *o) {
    if (o->doc == NULL)
        ensure(json_draft_finish(o->draft, &o->doc) == OK);
    return json_root(o->doc);
}

json twin_at(struct twin_object *o, const char *path) {
    return json_path(twin_root(o), bytes_of(path));
}

bytes twin_text(struct twin_object *o, const char *path) { return json_string(twin_at(o, path)); }

int64_t twin_int(struct twin_object *o, const char *path) {
    int64_t v;
    return json_i64(twin_at(o, path), &v) == OK ? v : 0;
}

bool twin_true(struct twin_object *o, const char *path) { return json_true(twin_at(o, path)); }

bool twin_null(struct twin_object *o, const char *path) {
    enum json_type t = json_type(twin_at(o, path));
    return t == JSON_NULL || t == JSON_ABSENT;
}

json twin_before(struct twin_object *o, const char *path) {
    if (o->fresh)
        return (json){NULL};
    return o->before == NULL ? twin_at(o, path) : json_path(json_root(o->before), bytes_of(path));
}

static struct json_doc *copy_of(json v) {
    OWN(text_drop)
    struct text t = {0};
    struct json_doc *doc = NULL;
    json_write(v, &t);
    ensure(json_parse(text_bytes(&t), &doc) == OK);
    return doc;
}

void twin_touch(struct twin_call *c, struct twin_object *o) {
    if (!list_empty(&o->touched))
        return;
    list_push(&c->touched, &o->touched);
    o->was_gone = o->gone;
    if (!o->fresh)
        o->before = copy_of(twin_root(o));
}

// The object as what can be changed.
static struct json_draft *change(struct twin_call *c, struct twin_object *o) {
    twin_touch(c, o);
    if (o->draft == NULL) {
        OWN(text_drop)
        struct text t = {0};
        json_write(json_root(o->doc), &t);
        ensure(json_draft_open(text_bytes(&t), &o->draft) == OK);
    }
    json_close(&o->doc);
    return o->draft;
}

// Paths are ours, or were looked at before: they lead somewhere.
void twin_set(struct twin_call *c, struct twin_object *o, const char *path, json value) {
    if (json_type(value) == JSON_ABSENT) {
        twin_set_null(c, o, path);
        return;
    }
    // It may be a value of this very object.
    OWN(json_close)
    struct json_doc *own = copy_of(value);
    size_t at;
    ensure(json_draft_set(change(c, o), bytes_of(path), json_root(own), &at) == OK);
}

void twin_set_json(struct twin_call *c, struct twin_object *o, const char *path, bytes text) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    ensure(json_parse(text, &doc) == OK);
    twin_set(c, o, path, json_root(doc));
}

void twin_set_text(struct twin_call *c, struct twin_object *o, const char *path, bytes v) {
    OWN(text_drop)
    struct text t = {0};
    text_add_json(&t, v);
    twin_set_json(c, o, path, text_bytes(&t));
}

void twin_set_str(struct twin_call *c, struct twin_object *o, const char *path, const char *v) {
    twin_set_text(c, o, path, bytes_of(v));
}

void twin_set_int(struct twin_call *c, struct twin_object *o, const char *path, int64_t v) {
    OWN(text_drop)
    struct text t = {0};
    text_add_i64(&t, v);
    twin_set_json(c, o, path, text_bytes(&t));
}

void twin_set_bool(struct twin_call *c, struct twin_object *o, const char *path, bool v) {
    twin_set_json(c, o, path, v ? B("true") : B("false"));
}

void twin_set_null(struct twin_call *c, struct twin_object *o, const char *path) {
    twin_set_json(c, o, path, B("null"));
}

void twin_unset(struct twin_call *c, struct twin_object *o, const char *path) {
    json_draft_remove(change(c, o), bytes_of(path));
}

void twin_push(struct twin_call *c, struct twin_object *o, const char *path, json value) {
    OWN(text_drop)
    struct text t = {0};
    text_addf(&t, "%s.%zu", path, json_size(twin_at(o, path)));
    twin_set(c, o, text_str(&t), value);
}

// --- making

uint64_t twin_random(struct twin_call *c) { return random_next(&c->w->random); }

void twin_id(struct twin_call *c, const char *prefix, struct text *out) {
    OWN(text_drop)
    struct text word = {0};
    struct sample_options o = {.seed = twin_random(c), .now_s = c->now_s};
    text_addf(&word, "<%s>", prefix);
    sample_fill(text_str(&word), &o, out);
}

// What "new" says: paths and values over the shape.
static void apply_changes(struct twin_call *c, struct twin_object *o, const char *changes,
                          const struct sample_options *words) {
    OWN(text_drop)
    struct text filled = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    bytes path;
    json value;
    sample_fill(changes, words, &filled);
    ensure(json_parse(text_bytes(&filled), &doc) == OK);
    for (size_t at = 0; json_member(json_root(doc), &at, &path, &value);) {
        size_t far;
        ensure(json_draft_set(change(c, o), path, value, &far) == OK);
    }
}

static void find_id(const char *changes, const struct sample_options *words, struct text *out) {
    OWN(text_drop)
    struct text filled = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    sample_fill(changes, words, &filled);
    ensure(json_parse(text_bytes(&filled), &doc) == OK);
    text_add(out, json_string(json_get(json_root(doc), "id")));
}

// Its shape with the words of this draw filled in, and the id that it has by that.
static struct json_doc *draw(struct twin_call *c, const struct twin_resource *r,
                             struct sample_options *words, struct text *id) {
    OWN(text_drop)
    struct text shape = {0};
    struct json_doc *doc = NULL;
    *words = (struct sample_options){.seed = twin_random(c), .now_s = c->now_s};
    if (strcmp(r->object, "account") != 0) // whose id is not that of who makes it
        words->account = account_of(c);
    sample_fill(r->shape, words, &shape);
    ensure(json_parse(text_bytes(&shape), &doc) == OK);
    text_reset(id);
    if (r->changes != NULL)
        find_id(r->changes, words, id); // an id that `new` gives it
    if (id->n == 0)
        text_add(id, json_string(json_get(json_root(doc), "id")));
    return doc;
}

static struct twin_object *make(struct twin_call *c, const struct twin_resource *r, bytes chosen) {
    struct sample_options words;
    OWN(text_drop)
    struct text own = {0};
    struct json_doc *doc = draw(c, r, &words, &own);
    // Somebody may have chosen the id that comes next: of a world with the same seed.
    while (chosen.n == 0 && twin_find(c->w, account_of(c), text_bytes(&own)) != NULL) {
        json_close(&doc);
        doc = draw(c, r, &words, &own);
    }
    struct twin_object *o =
        twin_add_object(c->w, r, account_of(c), chosen.n > 0 ? chosen : text_bytes(&own));
    o->fresh = true;
    o->clock = c->clock;
    o->doc = doc;
    twin_touch(c, o);
    if (r->changes != NULL)
        apply_changes(c, o, r->changes, &words);
    if (chosen.n > 0)
        twin_set_str(c, o, "id", o->id);
    return o;
}

struct twin_object *twin_make(struct twin_call *c, const char *object) {
    const struct twin_resource *r = twin_resource_find(bytes_of(object));
    ensure(r != NULL);
    return make(c, r, NO_BYTES);
}

struct twin_object *twin_make_as(struct twin_call *c, const struct twin_resource *r, bytes id) {
    if (c->w->object_count >= c->w->object_max) {
        twin_refuse(c, API_ERROR_INVALID, NULL,
                    "The twin holds %zu objects, which is all that it may; `hookkeep twin reset` "
                    "empties it, twin.objects_max lets it hold more.",
                    c->w->object_max);
        return NULL;
    }
    struct twin_object *there = id.n == 0 ? NULL : twin_find(c->w, account_of(c), id);
    if (there == NULL && id.n <= OBJECT_ID_MAX)
        return make(c, r, id);
    if (there != NULL && there->gone && there->resource == r && list_empty(&there->touched)) {
        twin_free_object(c->w, there); // its id may be had again
        return make(c, r, id);
    }
    OWN(text_drop)
    struct text shown = {0};
    text_add_printable(&shown, id, 64);
    if (there == NULL)
        twin_refuse(c, API_ERROR_INVALID, "id", "An id is at most %d bytes long.", OBJECT_ID_MAX);
    else
        twin_refuse_as(c, 400, "invalid_request_error", "resource_already_exists", "id", NO_BYTES,
                       "%s already exists with the id %s.", there->resource->object,
                       text_str(&shown));
    return NULL;
}

static struct twin_object *make_standing(struct twin_call *c, const struct twin_resource *r,
                                         bytes id, json differs) {
    OWN(text_drop)
    struct text changes = {0};
    struct sample_options words = {.seed = twin_random(c), .now_s = c->now_s};
    struct twin_object *o = twin_make_as(c, r, id);
    json_write(differs, &changes);
    if (o != NULL)
        apply_changes(c, o, text_str(&changes), &words);
    return o;
}

struct twin_object *twin_standing(struct twin_call *c, bytes id, const char *kinds) {
    bytes rest = bytes_of(kinds);
    while (rest.n > 0) {
        const struct twin_resource *r = twin_resource_find(bytes_cut(&rest, '|'));
        OWN(json_close)
        struct json_doc *doc = NULL;
        if (r == NULL || r->standing == NULL)
            continue;
        ensure(json_parse(bytes_of(r->standing), &doc) == OK);
        json differs = json_getb(json_root(doc), id);
        if (json_type(differs) == JSON_OBJECT)
            return make_standing(c, r, id, differs);
    }
    return NULL;
}

bool twin_all_standing(struct twin_call *c) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    bytes id;
    json differs;
    if (c->resource->standing == NULL)
        return true;
    ensure(json_parse(bytes_of(c->resource->standing), &doc) == OK);
    for (size_t at = 0; json_member(json_root(doc), &at, &id, &differs);)
        if (twin_get(c, id) == NULL && make_standing(c, c->resource, id, differs) == NULL)
            return false;
    return true;
}

void twin_remove(struct twin_call *c, struct twin_object *o) {
    twin_touch(c, o);
    o->gone = true;
    twin_when_not(c, o, NULL);
}

// --- a call

void twin_begin(struct twin_call *c, struct twin *w, const struct twin_request *r) {
    *c = (struct twin_call){.w = w, .request = r, .now_s = w->now_ms / 1000};
    if (r != NULL)
        c->params = r->params;
    list_init(&c->touched);
    c->events_before = w->events.prev;
    c->due_before = w->due_seq;
}

void twin_live_by(struct twin_call *c, struct twin_object *clock) {
    c->clock = clock;
    c->now_s = clock != NULL ? twin_int(clock, "frozen_time") : c->w->now_ms / 1000;
}

int64_t twin_time(const struct twin_call *c, const struct twin_object *o) {
    if (o->clock == c->clock)
        return c->now_s;
    return o->clock != NULL ? twin_int(o->clock, "frozen_time") : c->w->now_ms / 1000;
}

static void put_back(struct twin_object *o) {
    json_draft_close(&o->draft);
    json_close(&o->doc);
    o->doc = o->before;
    o->before = NULL;
    o->gone = o->was_gone;
}

static void settle(struct twin_object *o) {
    (void)twin_root(o); // the draft has done its part
    json_draft_close(&o->draft);
    json_close(&o->before);
    json_close(&o->told);
    o->fresh = false;
}

void twin_end(struct twin_call *c) {
    bool undone = c->status != 0 && !c->keeps;
    while (undone && c->w->events.prev != c->events_before) {
        struct twin_event *e = CONTAINER(c->w->events.prev, struct twin_event, link);
        list_remove(&e->link);
        twin_event_free(e);
        c->w->event_count--;
    }
    LIST_EACH_SAFE(at, &c->touched) {
        struct twin_object *o = CONTAINER(at, struct twin_object, touched);
        list_remove(&o->touched);
        if (undone && o->fresh) {
            twin_free_object(c->w, o);
            continue;
        }
        if (undone)
            put_back(o);
        settle(o);
    }
    twin_due_settle(c, undone);
    text_drop(&c->answer);
    text_drop(&c->refusal);
}
