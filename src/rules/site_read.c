// SPDX-License-Identifier: MIT
#include <string.h>

#include "rules/site_claims.h"
#include "rules/site_kind.h"

#define DEPTH_MAX 4 // of objects that stand whole inside others

struct reading {
    const struct site_claims *claims;
    const struct event *event;
    struct arena *arena;
    struct site_facts *out;
    size_t met_max;
};

bytes site_key(bytes type, bytes id, bytes account, struct arena *a) {
    const struct site_kind *k = site_kind_find(type);
    if (id.n == 0 || id.n > EVENT_ID_MAX)
        return NO_BYTES;
    if (!k->chosen)
        return arena_copy(a, id);
    size_t n = (account.n > 0 ? account.n + 1 : 0) + k->known_as.n + 1 + id.n;
    uint8_t *p = n <= SITE_KEY_MAX ? arena_take(a, n) : NULL;
    if (p == NULL)
        return NO_BYTES;
    uint8_t *at = p;
    if (account.n > 0) {
        memcpy(at, account.p, account.n);
        at += account.n;
        *at++ = '/';
    }
    memcpy(at, k->known_as.p, k->known_as.n);
    at += k->known_as.n;
    *at++ = ':';
    memcpy(at, id.p, id.n);
    return bytes_from(p, n);
}

bytes site_event_key(const struct event *e, struct arena *a) {
    bool known = e->object_id.n > 0 && e->object_id.n <= EVENT_ID_MAX;
    return site_key(e->object_type, known ? e->object_id : e->id, e->account, a);
}

bytes site_key_id(bytes key) {
    size_t colon = bytes_find(key, ':');
    return colon < key.n ? bytes_slice(key, colon + 1, key.n) : key;
}

// The object's index; SITE_OBJECTS_MAX when there is no room for it.
static size_t name_object(struct reading *r, bytes type, bytes key) {
    struct site_facts *f = r->out;
    for (size_t i = 0; i < f->object_count; i++)
        if (bytes_equal(f->objects[i].key, key))
            return i;
    if (f->object_count == SITE_OBJECTS_MAX) {
        f->cut = true;
        return SITE_OBJECTS_MAX;
    }
    f->objects[f->object_count].type = type;
    f->objects[f->object_count].key = key;
    return f->object_count++;
}

static void name_link(struct reading *r, size_t above, size_t below) {
    struct site_facts *f = r->out;
    if (above == SITE_OBJECTS_MAX || below == SITE_OBJECTS_MAX || above == below)
        return;
    for (size_t i = 0; i < f->link_count; i++)
        if (f->links[i].above == above && f->links[i].below == below)
            return;
    if (f->link_count == SITE_LINKS_MAX) {
        f->cut = true;
        return;
    }
    f->links[f->link_count].above = (uint16_t)above;
    f->links[f->link_count++].below = (uint16_t)below;
}

static void meet(struct reading *r, size_t object, uint64_t mark) {
    struct site_facts *f = r->out;
    for (size_t i = 0; i < f->met_count; i++)
        if (f->met[i].object == object && f->met[i].mark == mark)
            return;
    if (f->met_count == r->met_max) {
        f->cut = true;
        return;
    }
    f->met[f->met_count].object = (uint16_t)object;
    f->met[f->met_count++].mark = mark;
}

static bytes scalar_text(json v) {
    switch (json_type(v)) {
    case JSON_STRING: return json_string(v);
    case JSON_NUMBER: return json_number(v);
    case JSON_BOOL: return json_true(v) ? B("true") : B("false");
    case JSON_NULL: return B("null");
    default: return NO_BYTES;
    }
}

static bool whole_holds(const struct plan_claim *claim, json root, bool inside) {
    for (size_t i = 0; i < claim->where_count; i++) {
        const struct plan_where *w = &claim->wheres[i];
        if (inside && !bytes_starts(w->path, B(SITE_INNER)))
            return false;
        bytes path = inside ? bytes_slice(w->path, sizeof SITE_INNER - 1, w->path.n) : w->path;
        json v = json_path(root, path);
        bool held = false;
        for (size_t k = 0; k < w->value_count && !held; k++)
            held = json_equals_text(v, w->values[k]);
        if (!held)
            return false;
    }
    return true;
}

// Claims by what is said: of the event (root is the event's), or of an object that stands inside.
static void ask_claims(struct reading *r, size_t object, json root, bool inside) {
    const struct site_claims *c = r->claims;
    for (size_t i = 0; i < c->group_count; i++) {
        const struct site_group *g = &c->groups[i];
        if (inside && g->inner.n == 0)
            continue;
        json v = json_path(root, inside ? g->inner : g->path);
        if (json_type(v) == JSON_ABSENT)
            continue;
        for (const struct site_asked *a = map_get(&g->values, scalar_text(v)); a != NULL;
             a = a->next)
            meet(r, object, a->mark);
    }
    for (size_t i = 0; i < c->whole_count; i++)
        if (whole_holds(c->wholes[i].claim, root, inside))
            meet(r, object, c->wholes[i].mark);
}

static void read_object(struct reading *r, size_t index, bytes type, json v, int depth);

struct naming {
    struct reading *r;
    size_t holder;
    int depth;
};

// What stands at the end of a link's path: an id, or the object.
static void read_named(const struct naming *n, const struct site_link *link, json v) {
    struct reading *r = n->r;
    bytes id = json_string(v), type = link->kind;
    bool whole = json_type(v) == JSON_OBJECT;
    if (whole) {
        id = json_string(json_get(v, "id"));
        bytes own = json_string(json_get(v, "object"));
        type = own.n > 0 ? own : type;
    }
    bytes key = site_key(type, id, r->event->account, r->arena);
    if (key.n == 0)
        return;
    size_t before = r->out->object_count, named = name_object(r, type, key);
    if (link->above)
        name_link(r, named, n->holder);
    else
        name_link(r, n->holder, named);
    if (whole && named != SITE_OBJECTS_MAX && n->depth < DEPTH_MAX) {
        ask_claims(r, named, v, true);
        if (named == before)
            read_object(r, named, type, v, n->depth + 1);
    }
}

static void walk_step(const struct naming *n, const struct site_step *step, json v);

// The members that links go through are picked in one walk: objects have many, and links too.
static void walk_members(const struct naming *n, const struct site_step *step, json v) {
    const struct site_claims *c = n->r->claims;
    _Static_assert(SITE_LINKS_EACH_MAX <= JSON_PICK_MAX, "one walk finds them all");
    json values[SITE_LINKS_EACH_MAX];
    json_pick(v, &c->names[step->first], step->members, values);
    for (size_t i = 0; i < step->members; i++)
        if (json_type(values[i]) != JSON_ABSENT)
            walk_step(n, &c->steps[step->first + i], values[i]);
}

static void walk_step(const struct naming *n, const struct site_step *step, json v) {
    json element;
    if (step->here != NULL)
        read_named(n, step->here, v);
    if (step->element != 0)
        for (size_t at = 0; json_element(v, &at, &element) && !n->r->out->cut;)
            walk_step(n, &n->r->claims->steps[step->element], element);
    if (step->members > 0 && json_type(v) == JSON_OBJECT)
        walk_members(n, step, v);
}

static void read_object(struct reading *r, size_t index, bytes type, json v, int depth) {
    size_t count;
    const struct site_link *links = site_links_of(type, &count);
    if (count > 0 && json_type(v) == JSON_OBJECT)
        walk_members(&(struct naming){r, index, depth},
                     &r->claims->steps[r->claims->roots[links - site_links]], v);
}

// Whatever has nothing above it in this event belongs to the connected account.
static void link_account(struct reading *r) {
    struct site_facts *f = r->out;
    bytes account = r->event->account;
    bool has_above[SITE_OBJECTS_MAX] = {false};
    for (size_t i = 0; i < f->link_count; i++)
        has_above[f->links[i].below] = true;
    size_t n = f->object_count;
    size_t owner = name_object(r, B("account"), account);
    for (size_t i = 0; i < n; i++)
        if (!has_above[i])
            name_link(r, owner, i);
}

result site_read(const struct site_claims *c, const struct event *e, struct arena *a,
                 struct site_facts *out) {
    size_t met_max = SITE_OBJECTS_MAX;
    *out = (struct site_facts){
        .objects = arena_take(a, SITE_OBJECTS_MAX * sizeof *out->objects),
        .links = arena_take(a, SITE_LINKS_MAX * sizeof *out->links),
        .met = arena_take(a, met_max * sizeof *out->met),
    };
    NEED(out->objects != NULL && out->links != NULL && out->met != NULL, MEMORY,
         "an event's objects do not fit the arena");
    struct reading r = {c, e, a, out, met_max};
    json root = json_root(e->doc);
    bytes key = site_event_key(e, a);
    NEED(key.n > 0, MEMORY, "an event's objects do not fit the arena");
    name_object(&r, e->object_type, key);
    ask_claims(&r, 0, root, false);
    if (!e->thin)
        read_object(&r, 0, e->object_type, json_path(root, B("data.object")), 0);
    if (e->account.n > 0)
        link_account(&r);
    return OK;
}
