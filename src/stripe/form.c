// SPDX-License-Identifier: MIT
#include "stripe/form.h"

#include "base/arena.h"
#include "base/ensure.h"

#define MEMORY_MAX ((size_t)2 << 20) // the bytes once, and a node for each part of a key
#define SHOWN_MAX 64                 // bytes of a name in a sentence

enum kind { UNSAID, VALUE, MAP, LIST }; // LIST: by []

struct node {
    bytes name, value;
    enum kind kind;
    size_t count; // children
    struct node *first, *last, *next;
};

struct reading {
    struct arena memory;
    struct node root;
    bytes key; // of the pair at hand, decoded
    struct text *why;
};

static result refuse(struct reading *r, const char *problem) {
    text_adds(r->why, "the parameter `");
    text_add_printable(r->why, r->key, SHOWN_MAX);
    text_addf(r->why, "` %s", problem);
    FAIL(INVALID, "the parameters cannot be read");
}

static struct node *child_find(const struct node *parent, bytes name) {
    for (struct node *c = parent->first; c != NULL; c = c->next)
        if (bytes_equal(c->name, name))
            return c;
    return NULL;
}

static struct node *child_new(struct reading *r, struct node *parent, bytes name) {
    struct node *c = arena_take(&r->memory, sizeof *c);
    if (c == NULL)
        return NULL;
    c->name = name;
    if (parent->last == NULL)
        parent->first = c;
    else
        parent->last->next = c;
    parent->last = c;
    parent->count++;
    return c;
}

// One step into what `name` says below *at; an empty one is [].
static result descend(struct reading *r, struct node **at, bytes name) {
    struct node *parent = *at;
    enum kind kind = name.n == 0 ? LIST : MAP;
    if (parent->kind == VALUE)
        return refuse(r, "was given as a value before; give it one way");
    if (parent->kind != UNSAID && parent->kind != kind)
        return refuse(r, "has [] beside other brackets; number all its elements, from [0] on");
    parent->kind = kind;
    struct node *child = kind == LIST ? NULL : child_find(parent, name);
    *at = child != NULL ? child : child_new(r, parent, name);
    NEED(*at != NULL, MEMORY, "the parameters take more memory than they may");
    return OK;
}

// The bracket that *rest begins with; *rest moves behind it.
static result cut_bracket(struct reading *r, bytes *rest, bytes *name) {
    size_t end = bytes_find(*rest, ']');
    if (rest->p[0] != '[' || end == rest->n)
        return refuse(r, "has brackets that do not match; write name[key] or name[]");
    *name = bytes_slice(*rest, 1, end);
    if (bytes_find(*name, '[') < name->n)
        return refuse(r, "has a bracket inside of another; write name[key][key]");
    *rest = bytes_slice(*rest, end + 1, rest->n);
    return OK;
}

static result read_key(struct reading *r, struct node **at) {
    size_t name_n = bytes_find(r->key, '[');
    bytes name = bytes_slice(r->key, 0, name_n), rest = bytes_slice(r->key, name_n, r->key.n);
    if (name_n == 0)
        return refuse(r, "has no name");
    if (bytes_find(name, ']') < name_n)
        return refuse(r, "has brackets that do not match; write name[key] or name[]");
    *at = &r->root;
    TRY(descend(r, at, name));
    for (int depth = 1; rest.n > 0; depth++) {
        if (depth == FORM_DEPTH_MAX)
            return refuse(r, "has too many brackets; at most 7 are read");
        TRY(cut_bracket(r, &rest, &name));
        if (name.n == 0 && rest.n > 0)
            return refuse(r, "has more behind []; number the elements, as in items[0][price]");
        TRY(descend(r, at, name));
    }
    return OK;
}

static result decoded(struct reading *r, bytes in, bytes *out) {
    OWN(text_drop)
    struct text t = {.max = FORM_BYTES_MAX};
    text_add_decoded(&t, in, true);
    *out = arena_copy(&r->memory, text_bytes(&t));
    NEED(!t.failed && out->n == t.n, MEMORY, "the parameters take more memory than they may");
    return OK;
}

static result read_pair(struct reading *r, bytes pair) {
    struct node *at = NULL;
    bytes value;
    TRY(decoded(r, bytes_cut(&pair, '='), &r->key));
    TRY(decoded(r, pair, &value));
    if (!bytes_utf8(r->key) || !bytes_utf8(value))
        return refuse(r, "is not UTF-8");
    TRY(read_key(r, &at));
    if (at->kind == VALUE)
        return refuse(r, "was given twice; give it once");
    if (at->kind != UNSAID)
        return refuse(r, "was given with brackets before; give it one way");
    at->kind = VALUE;
    at->value = value;
    return OK;
}

// The number that a name is, if it is one of 0 to n - 1 in its shortest form.
static bool index_of(bytes name, size_t n, size_t *out) {
    uint64_t v;
    if (name.n == 0 || name.n > 4 || (name.p[0] == '0' && name.n > 1) ||
        bytes_to_u64(name, &v) != OK || v >= n)
        return false;
    *out = (size_t)v;
    return true;
}

// Names differ, so that n indexes below n are all of them.
static bool is_list(const struct node *n) {
    size_t i;
    for (const struct node *c = n->first; n->kind == MAP && c != NULL; c = c->next)
        if (!index_of(c->name, n->count, &i))
            return false;
    return true;
}

static void write_node(struct arena *memory, const struct node *n, bool root, struct text *out);

static void write_list(struct arena *memory, const struct node *n, struct text *out) {
    struct node **list = arena_take(memory, n->count * sizeof(struct node *));
    size_t at = 0, i = 0;
    for (struct node *c = n->first; list != NULL && c != NULL; c = c->next, at++)
        list[n->kind == MAP && index_of(c->name, n->count, &i) ? i : at] = c;
    out->failed = out->failed || list == NULL;
    text_addc(out, '[');
    for (i = 0; i < n->count && !out->failed; i++) {
        if (i > 0)
            text_addc(out, ',');
        write_node(memory, list[i], false, out);
    }
    text_addc(out, ']');
}

static void write_map(struct arena *memory, const struct node *n, struct text *out) {
    text_addc(out, '{');
    for (const struct node *c = n->first; c != NULL; c = c->next) {
        if (c != n->first)
            text_addc(out, ',');
        text_add_json(out, c->name);
        text_addc(out, ':');
        write_node(memory, c, false, out);
    }
    text_addc(out, '}');
}

// No deeper than FORM_DEPTH_MAX.
static void write_node(struct arena *memory, const struct node *n, bool root, struct text *out) {
    if (n->kind == VALUE) {
        text_add_json(out, n->value);
        return;
    }
    if (!root && is_list(n))
        write_list(memory, n, out);
    else
        write_map(memory, n, out);
}

static result read_all(struct reading *r, bytes form) {
    size_t pairs = 0;
    while (form.n > 0) {
        bytes pair = bytes_cut(&form, '&');
        if (pair.n == 0)
            continue;
        if (++pairs > FORM_PAIRS_MAX) {
            text_addf(r->why, "there are more than %d parameters", FORM_PAIRS_MAX);
            FAIL(INVALID, "there are too many parameters");
        }
        TRY(read_pair(r, pair));
    }
    return OK;
}

result form_read(bytes form, struct text *out, struct text *why) {
    if (form.n > FORM_BYTES_MAX) {
        text_addf(why, "the parameters are longer than %zu bytes", FORM_BYTES_MAX);
        FAIL(INVALID, "the parameters are too long");
    }
    struct reading r = {.root = {.kind = MAP}, .why = why};
    arena_init(&r.memory, MEMORY_MAX);
    result failed = read_all(&r, form);
    if (failed == OK)
        write_node(&r.memory, &r.root, true, out);
    if (failed == OK && out->failed)
        failed = PLACE(MEMORY, "the parameters take more memory than they may");
    if (failed_as(failed, FAIL_MEMORY))
        text_adds(why, failed->text);
    arena_drop(&r.memory);
    return failed;
}
