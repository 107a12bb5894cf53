// SPDX-License-Identifier: MIT
// expand[] (https://docs.stripe.com/api/expanding_objects): an id becomes the object it stands for.
#include "base/ensure.h"
#include "twin/call.h"

#define EXPAND_MAX 20
#define EXPAND_DEPTH 4 // names of a path that lead to an object, as Stripe has it

struct expansion {
    struct twin_call *c;
    struct json_draft *draft;
    bytes path; // as asked, for a refusal
};

static void show_members(json object, struct text *out) {
    bytes key;
    json v;
    bool first = true, shown = json_type(json_get(object, "object")) == JSON_STRING;
    text_addc(out, '{');
    for (size_t at = 0; json_member(object, &at, &key, &v);) {
        if (shown && bytes_equal(key, TWIN_HIDDEN))
            continue;
        text_adds(out, first ? "" : ",");
        text_add_json(out, key);
        text_addc(out, ':');
        if (bytes_equal(key, B("metadata"))) // people's own
            json_write(v, out);
        else
            twin_show(v, out);
        first = false;
    }
    text_addc(out, '}');
}

void twin_show(json object, struct text *out) {
    json one;
    bool first = true;
    if (json_type(object) == JSON_OBJECT)
        show_members(object, out);
    else if (json_type(object) != JSON_ARRAY)
        json_write(object, out);
    if (json_type(object) != JSON_ARRAY)
        return;
    text_addc(out, '[');
    for (size_t at = 0; json_element(object, &at, &one); first = false) {
        text_adds(out, first ? "" : ",");
        twin_show(one, out);
    }
    text_addc(out, ']');
}

static json root_of(struct expansion *e, struct json_doc **doc) {
    json_close(doc);
    ensure(json_draft_finish(e->draft, doc) == OK);
    return json_root(*doc);
}

static bool refuse(struct expansion *e) {
    OWN(text_drop)
    struct text shown = {0};
    text_add_printable(&shown, e->path, 64);
    return twin_refuse(e->c, API_ERROR_INVALID, "expand",
                       "This property cannot be expanded (%s). It leads to no id of another object "
                       "here.",
                       text_str(&shown));
}

// An id at this place becomes its object. What is gone stays an id.
static bool put_object(struct expansion *e, bytes at, json v) {
    size_t far;
    if (json_type(v) != JSON_STRING)
        return json_type(v) == JSON_OBJECT || json_type(v) == JSON_NULL || refuse(e);
    struct twin_object *o = twin_get(e->c, json_string(v));
    if (o != NULL)
        ensure(json_draft_set(e->draft, at, twin_root(o), &far) == OK);
    return true;
}

static bool walk(struct expansion *e, bytes at, bytes rest);

static bool walk_into(struct expansion *e, bytes at, bytes step, bytes rest) {
    OWN(text_drop)
    struct text next = {0};
    text_add(&next, at);
    text_adds(&next, at.n > 0 ? "." : "");
    text_add(&next, step);
    return walk(e, text_bytes(&next), rest);
}

static bool walk_all(struct expansion *e, bytes at, size_t n, bytes rest) {
    for (size_t i = 0; i < n; i++) {
        char index[20];
        size_t digits = bytes_print_u64(i, index);
        if (!walk_into(e, at, bytes_from(index, digits), rest))
            return false;
    }
    return true;
}

// What an object has and does not show unless it is asked for: its line items.
static bool reveal(struct expansion *e, bytes at, bytes step, json hidden) {
    OWN(text_drop)
    struct text path = {0};
    size_t far;
    if (json_type(hidden) != JSON_OBJECT && json_type(hidden) != JSON_NULL)
        return false;
    text_add(&path, at);
    text_adds(&path, at.n > 0 ? "." : "");
    text_add(&path, step);
    ensure(json_draft_set(e->draft, text_bytes(&path), hidden, &far) == OK);
    return true;
}

// What lies at `at` is in the draft; `rest` leads on from it. Depth is bound by the path's.
static bool walk(struct expansion *e, bytes at, bytes rest) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    json v = json_path(root_of(e, &doc), at);
    if (json_type(v) == JSON_ARRAY)
        return walk_all(e, at, json_size(v), rest);
    if (at.n > 0 && !put_object(e, at, v))
        return false;
    if (rest.n == 0)
        return at.n == 0 || json_type(v) != JSON_ABSENT || refuse(e);
    v = json_path(root_of(e, &doc), at);
    bytes step = bytes_cut(&rest, '.');
    if (json_type(v) == JSON_NULL || json_type(v) == JSON_STRING)
        return true;
    if (json_type(json_getb(v, step)) == JSON_ABSENT) {
        json hidden = json_getb(json_getb(v, TWIN_HIDDEN), step);
        if (!reveal(e, at, step, hidden))
            return refuse(e);
        if (rest.n == 0 && bytes_equal(json_string(json_get(hidden, "object")), B("list")))
            rest = B("data"); // it may hold ids
    }
    return walk_into(e, at, step, rest);
}

static bool expand_one(struct expansion *e) {
    size_t depth = 1;
    for (size_t i = 0; i < e->path.n; i++)
        depth +=
            e->path.p[i] == '.' && !bytes_starts(bytes_slice(e->path, i, e->path.n), B(".data"));
    if (depth - (bytes_starts(e->path, B("data."))) > EXPAND_DEPTH)
        return twin_refuse(e->c, API_ERROR_INVALID, "expand",
                           "You cannot expand more than %d levels of a property.", EXPAND_DEPTH);
    return walk(e, NO_BYTES, e->path);
}

bool twin_write(struct twin_call *c, json object, const char *below, struct text *out) {
    json list = twin_param(c, "expand"), one;
    OWN(json_draft_close)
    struct json_draft *draft = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text plain = {0};
    if (json_size(list) == 0) {
        twin_show(object, out);
        return true;
    }
    if (json_size(list) > EXPAND_MAX)
        return twin_refuse(c, API_ERROR_INVALID, "expand",
                           "You cannot expand more than %d "
                           "properties.",
                           EXPAND_MAX);
    json_write(object, &plain);
    ensure(json_draft_open(text_bytes(&plain), &draft) == OK);
    for (size_t at = 0; json_element(list, &at, &one);) {
        struct expansion e = {c, draft, json_string(one)};
        // Of a list's objects: data.customer.
        if (below[0] != '\0' && !bytes_starts(e.path, bytes_of(below)))
            return refuse(&e);
        if (e.path.n == 0 || !expand_one(&e))
            return e.path.n == 0 ? refuse(&e) : false;
    }
    ensure(json_draft_finish(draft, &doc) == OK);
    twin_show(json_root(doc), out);
    return true;
}
