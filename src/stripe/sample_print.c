// SPDX-License-Identifier: MIT
#include "stripe/sample_print.h"

static void new_line(struct text *out, size_t depth) {
    text_addc(out, '\n');
    for (size_t i = 0; i < depth; i++)
        text_adds(out, "  ");
}

static void print_string(bytes b, struct text *out) {
    OWN(text_drop)
    struct text quoted = {0};
    text_add_json(&quoted, b);
    bytes rest = text_bytes(&quoted);
    while (rest.n > 0) {
        size_t at = bytes_find(rest, '&');
        text_add(out, bytes_slice(rest, 0, at));
        if (at < rest.n)
            text_adds(out, "\\u0026");
        rest = bytes_slice(rest, at + 1, rest.n);
    }
}

static int rank(bytes key) {
    return bytes_equal(key, B("id")) ? 0 : bytes_equal(key, B("object")) ? 1 : 2;
}

static int key_order(bytes a, bytes b) {
    return rank(a) != rank(b) ? rank(a) - rank(b) : bytes_compare(a, b);
}

// The member that follows `last` in order; objects are small, so that each walk may be whole.
static bool next_member(json object, const bytes *last, bytes *key, json *value) {
    bool found = false;
    bytes name;
    json v;
    for (size_t at = 0; json_member(object, &at, &name, &v);) {
        if (last != NULL && key_order(name, *last) <= 0)
            continue;
        if (found && key_order(name, *key) >= 0)
            continue;
        found = true;
        *key = name;
        *value = v;
    }
    return found;
}

static void print(json v, size_t depth, struct text *out);

static void print_object(json v, size_t depth, struct text *out) {
    bytes key = NO_BYTES, last;
    json value = {NULL};
    text_addc(out, '{');
    for (bool first = true; next_member(v, first ? NULL : &last, &key, &value); first = false) {
        text_adds(out, first ? "" : ",");
        new_line(out, depth + 1);
        print_string(key, out);
        text_adds(out, ": ");
        print(value, depth + 1, out);
        last = key;
    }
    new_line(out, depth);
    text_addc(out, '}');
}

static void print_array(json v, size_t depth, struct text *out) {
    json value;
    size_t at = 0;
    text_addc(out, '[');
    if (json_size(v) == 0)
        text_addc(out, '\n');
    for (bool first = true; json_element(v, &at, &value); first = false) {
        text_adds(out, first ? "" : ",");
        new_line(out, depth + 1);
        print(value, depth + 1, out);
    }
    new_line(out, depth);
    text_addc(out, ']');
}

// Calls itself at most JSON_DEPTH_MAX deep.
static void print(json v, size_t depth, struct text *out) {
    switch (json_type(v)) {
    case JSON_OBJECT: print_object(v, depth, out); return;
    case JSON_ARRAY: print_array(v, depth, out); return;
    case JSON_STRING: print_string(json_string(v), out); return;
    default: json_write(v, out);
    }
}

void sample_print(json v, struct text *out) { print(v, 0, out); }
