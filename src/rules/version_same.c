// SPDX-License-Identifier: MIT
#include "rules/version_same.h"

#include <stdlib.h>

#include "base/memory.h"

static bool blank(json v) { return json_type(v) == JSON_ABSENT || json_type(v) == JSON_NULL; }

// A member by its name. Objects that are compared mostly have the same members in the same order,
// so the next one is looked at first.
static json member(json object, size_t *at, bytes key) {
    size_t next = *at;
    bytes name;
    json value;
    if (json_member(object, &next, &name, &value) && bytes_equal(name, key)) {
        *at = next;
        return value;
    }
    return json_getb(object, key);
}

static bool stripe_link(json v) {
    bytes host = json_string(v);
    if (!bytes_starts(host, B("https://")))
        return false;
    host = bytes_slice(host, 8, host.n);
    return bytes_ends(bytes_cut(&host, '/'), B(".stripe.com"));
}

static bool same_strings(json a, json b, enum version_links links) {
    return bytes_equal(json_string(a), json_string(b)) ||
           (links == LINKS_ALIKE && stripe_link(a) && stripe_link(b));
}

static bool same_arrays(json a, json b, enum version_links links) {
    size_t at_a = 0, at_b = 0;
    json one, other;
    if (json_size(a) != json_size(b))
        return false;
    while (json_element(a, &at_a, &one) && json_element(b, &at_b, &other))
        if (!version_same(one, other, links))
            return false;
    return true;
}

// Members of a are the same in b.
static bool same_members(json a, json b, enum version_links links) {
    size_t at = 0, at_b = 0;
    bytes name;
    json value;
    while (json_member(a, &at, &name, &value))
        if (!version_same(value, member(b, &at_b, name), links))
            return false;
    return true;
}

// Members that b has and a has not are null.
static bool no_others(json a, json b) {
    size_t at = 0, at_a = 0;
    bytes name;
    json value;
    while (json_member(b, &at, &name, &value))
        if (!blank(value) && blank(member(a, &at_a, name)))
            return false;
    return true;
}

bool version_same(json a, json b, enum version_links links) {
    if (blank(a) || blank(b))
        return blank(a) && blank(b);
    if (json_type(a) != json_type(b))
        return false;
    switch (json_type(a)) {
    case JSON_STRING: return same_strings(a, b, links);
    case JSON_NUMBER: return bytes_equal(json_number(a), json_number(b));
    case JSON_BOOL: return json_true(a) == json_true(b);
    case JSON_ARRAY: return same_arrays(a, b, links);
    default: return same_members(a, b, links) && no_others(a, b);
    }
}

bool version_tells(const struct version_state *s) {
    return json_type(s->previous) == JSON_OBJECT && json_size(s->previous) > 0;
}

// Does `previous` hold members of an object that is still there, and not what it was as a whole?
static bool partly(json before, json after, json previous) {
    return json_type(previous) == JSON_OBJECT && json_size(previous) > 0 &&
           json_type(after) == JSON_OBJECT && (blank(before) || json_type(before) == JSON_OBJECT);
}

bool version_named(json before, json after, json previous) {
    size_t at = 0, at_before = 0, at_after = 0;
    bytes name;
    json was;
    while (json_member(previous, &at, &name, &was)) {
        json b = member(before, &at_before, name), a = member(after, &at_after, name);
        if (partly(b, a, was) ? !version_named(b, a, was) : !version_same(b, was, LINKS_ALIKE))
            return false;
    }
    return true;
}

// Of the members of `walked`, those that `previous` does not name are the same in both.
static bool rest_same(json walked, json before, json after, json previous) {
    size_t at = 0, at_before = 0, at_after = 0;
    bytes name;
    json value;
    while (json_member(walked, &at, &name, &value)) {
        json b = member(before, &at_before, name), a = member(after, &at_after, name);
        json was = json_getb(previous, name);
        if (json_type(was) == JSON_ABSENT) {
            if (!version_same(b, a, LINKS_ALIKE))
                return false;
        } else if (partly(b, a, was)) {
            if (!rest_same(b, b, a, was) || !rest_same(a, b, a, was))
                return false;
        }
    }
    return true;
}

bool version_undone(json before, json after, json previous) {
    return version_named(before, after, previous) && rest_same(after, before, after, previous) &&
           rest_same(before, before, after, previous);
}

struct version_field {
    bytes name;
    bool whole;         // a change names it as a whole
    size_t below, next; // the first of its members, the next beside it; 0: none
};

void version_fields_drop(struct version_fields *f) { free(f->at); }

static size_t field_new(struct version_fields *f, bytes name) {
    if (f->n == f->cap) {
        f->cap = f->cap > 0 ? 2 * f->cap : 32;
        f->at = memory_grow(f->at, f->cap, sizeof *f->at);
    }
    f->at[f->n] = (struct version_field){.name = name};
    return f->n++;
}

static size_t field_below(struct version_fields *f, size_t above, bytes name) {
    size_t last = 0;
    for (size_t i = f->at[above].below; i != 0; i = f->at[i].next) {
        if (bytes_equal(f->at[i].name, name))
            return i;
        last = i;
    }
    size_t made = field_new(f, name);
    if (last != 0)
        f->at[last].next = made;
    else
        f->at[above].below = made;
    return made;
}

static void fields_add(struct version_fields *f, size_t above, json previous) {
    size_t at = 0;
    bytes name;
    json was;
    while (json_member(previous, &at, &name, &was)) {
        size_t field = field_below(f, above, name);
        if (json_type(was) == JSON_OBJECT && json_size(was) > 0)
            fields_add(f, field, was);
        else
            f->at[field].whole = true;
    }
}

void version_fields_add(struct version_fields *f, json previous) {
    if (f->n == 0)
        field_new(f, NO_BYTES);
    fields_add(f, 0, previous);
}

static bool kept_below(json before, json after, json previous, const struct version_fields *f,
                       size_t above) {
    size_t at_before = 0, at_after = 0;
    for (size_t i = f->at[above].below; i != 0; i = f->at[i].next) {
        const struct version_field *field = &f->at[i];
        json was = json_getb(previous, field->name);
        json b = member(before, &at_before, field->name), a = member(after, &at_after, field->name);
        bool named = json_type(was) != JSON_ABSENT;
        if (named && !partly(b, a, was))
            continue;
        if (!named &&
            (field->whole || json_type(a) != JSON_OBJECT || json_type(b) != JSON_OBJECT)) {
            if (!version_same(b, a, LINKS_ALIKE))
                return false;
        } else if (!kept_below(b, a, was, f, i)) {
            return false;
        }
    }
    return true;
}

bool version_kept(json before, json after, json previous, const struct version_fields *fields) {
    return fields->n == 0 || kept_below(before, after, previous, fields, 0);
}
