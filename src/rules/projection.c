// SPDX-License-Identifier: MIT
#include "rules/projection.h"

#include <string.h>

#define FIRST_ROOM 16
#define NO_PLACE SIZE_MAX

struct walk {
    const bytes *except;
    size_t except_count;
    struct arena *arena;
    struct projection *out;
    size_t room;
    result failed;
};

static bool is_excepted(const struct walk *w, bytes type) {
    for (size_t i = 0; i < w->except_count; i++)
        if (bytes_equal(w->except[i], type))
            return true;
    return false;
}

static bool is_there(const struct projection *p, const struct object_table *t, bytes id) {
    for (size_t i = 0; i < p->count; i++)
        if (p->objects[i].table == t && bytes_equal(p->objects[i].id, id))
            return true;
    return false;
}

static bool make_room(struct walk *w) {
    struct projection *p = w->out;
    if (p->count < w->room)
        return true;
    size_t room = w->room == 0 ? FIRST_ROOM : 2 * w->room;
    struct projected *objects = arena_take(w->arena, room * sizeof *objects);
    if (objects == NULL) {
        w->failed = PLACE(MEMORY, "an event holds more objects than there is room for");
        return false;
    }
    if (p->count > 0)
        memcpy(objects, p->objects, p->count * sizeof *objects);
    p->objects = objects;
    w->room = room;
    return true;
}

// Its place, or NO_PLACE if it has no row.
static size_t add(struct walk *w, const struct object_table *t, bytes type, json data) {
    struct projection *p = w->out;
    if (p->cut) // nor is it looked for: a body may hold very many
        return NO_PLACE;
    bytes id = object_id(t, data);
    if (id.n == 0 || is_excepted(w, type) || is_there(p, t, id))
        return NO_PLACE;
    if (p->count == PROJECTION_OBJECTS_MAX) {
        p->cut = true;
        return NO_PLACE;
    }
    if (!make_room(w))
        return NO_PLACE;
    p->objects[p->count] = (struct projected){.table = t,
                                              .id = id,
                                              .data = data,
                                              .kind = VERSION_EMBEDDED,
                                              .deleted = json_true(json_get(data, "deleted"))};
    return p->count++;
}

static size_t add_embedded(struct walk *w, json v) {
    bytes type = json_string(json_get(v, "object"));
    const struct object_table *t = object_table_of(type);
    return t->object[0] == '\0' ? NO_PLACE : add(w, t, type, v);
}

static bool walk(struct walk *w, json v);

// A member or element with what is in it.
static bool take(struct walk *w, json v) {
    size_t place = w != NULL ? add_embedded(w, v) : NO_PLACE;
    bool cut_short = walk(w, v);
    if (place != NO_PLACE)
        w->out->objects[place].incomplete = cut_short;
    return cut_short;
}

// Takes what is in v, if `w` is not null, and says whether a list there is cut short. Goes at most
// JSON_DEPTH_MAX deep.
static bool walk(struct walk *w, json v) {
    bool cut_short = false;
    size_t at = 0;
    bytes key;
    json member;
    while (json_member(v, &at, &key, &member)) {
        enum json_type type = json_type(member);
        if (type == JSON_BOOL)
            cut_short |= json_true(member) && bytes_equal(key, B("has_more"));
        else if ((type == JSON_OBJECT || type == JSON_ARRAY) && !bytes_equal(key, B("metadata")))
            cut_short |= take(w, member);
    }
    for (at = 0; json_element(v, &at, &member);)
        cut_short |= take(w, member);
    return cut_short;
}

bool projection_incomplete(json object) { return walk(NULL, object); }

result projection_read(const struct event *e, const bytes *except, size_t except_count,
                       struct arena *a, struct projection *out) {
    struct walk w = {.except = except, .except_count = except_count, .arena = a, .out = out};
    *out = (struct projection){0};
    if (e->thin)
        return OK;
    json object = json_path(json_root(e->doc), B("data.object"));
    size_t own = NO_PLACE;
    if (!bytes_equal(e->type, B("invoice.upcoming")))
        own = add(&w, object_table_of(e->object_type), e->object_type, object);
    bool incomplete = walk(&w, object);
    if (own != NO_PLACE) {
        struct projected *p = &out->objects[own];
        p->kind = version_kind_of(e->type);
        p->deleted |= version_drops(e->type);
        p->incomplete = incomplete;
        out->own = true;
    }
    return w.failed;
}
