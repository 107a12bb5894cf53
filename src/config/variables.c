// SPDX-License-Identifier: MIT
#include "config/variables.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define PREFIX "HOOKKEEP_"
#define NAME_SHOWN_MAX 64

static const char *const others[] = {
#define VARIABLE(name, meaning) name,
#include "config/variables.def"
#undef VARIABLE
};

#define OTHERS (sizeof(others) / sizeof(others[0]))

struct variable {
    bytes name;
    const char *value;
    bool used;
};

// Those of an environment that may be keys'.
struct walk {
    struct reading *r;
    struct variable *all;
    size_t count;
    struct text name; // of the key under consideration
};

static bool is_other(bytes name) {
    for (size_t i = 0; i < OTHERS; i++) {
        bytes other = bytes_of(others[i]);
        if (bytes_ends(other, B("*")) ? bytes_starts(name, bytes_slice(other, 0, other.n - 1))
                                      : bytes_equal(name, other))
            return true;
    }
    return false;
}

// "NAME=value" of a variable that may be a key's.
static bool read_variable(const char *entry, struct variable *out) {
    bytes all = bytes_of(entry);
    if (!bytes_starts(all, B(PREFIX)))
        return false;
    out->name = bytes_cut(&all, '=');
    out->value = (const char *)all.p;
    out->used = false;
    return all.n > 0 && !is_other(out->name);
}

bool variables_say(const struct config_outside *outside, const char *prefix) {
    struct variable v;
    for (const char *const *e = outside->variables; e != NULL && *e != NULL; e++)
        if (read_variable(*e, &v) && bytes_starts(v.name, bytes_of(prefix)))
            return true;
    return false;
}

static void push_name(struct text *name, bytes part) {
    text_adds(name, name->n > 0 ? "_" : "");
    for (size_t i = 0; i < part.n; i++)
        text_addc(name,
                  (char)(part.p[i] >= 'a' && part.p[i] <= 'z' ? part.p[i] & ~0x20 : part.p[i]));
}

static void push_index(struct text *name, size_t index) { text_addf(name, "_%zu", index); }

static void cut_name(struct text *name, size_t n) {
    name->n = n;
    name->p[n] = '\0';
}

void key_variable(const struct key_row *row, bytes index, struct text *out) {
    bytes path = bytes_of(row->path);
    text_adds(out, "HOOKKEEP");
    while (path.n > 0) {
        bytes part = bytes_cut(&path, '.');
        bool list = bytes_ends(part, B("[]"));
        push_name(out, bytes_slice(part, 0, part.n - (list ? 2 : 0)));
        if (list)
            text_addf(out, "_%.*s", BYTES_ARG(index));
    }
}

// Is there a variable of this name, or one that goes on below it?
static bool is_said(const struct walk *w) {
    bytes name = text_bytes(&w->name);
    for (size_t i = 0; i < w->count; i++) {
        bytes v = w->all[i].name;
        if (bytes_starts(v, name) && (v.n == name.n || v.p[name.n] == '_'))
            return true;
    }
    return false;
}

static const char *take_value(struct walk *w) {
    for (size_t i = 0; i < w->count; i++) {
        if (!bytes_equal(w->all[i].name, text_bytes(&w->name)))
            continue;
        w->all[i].used = true;
        return w->all[i].value;
    }
    return NULL;
}

// What stands below a node that is no map or list is not looked at: its own message is enough.
static void pass_over(struct walk *w) {
    bytes name = text_bytes(&w->name);
    for (size_t i = 0; i < w->count; i++)
        w->all[i].used = w->all[i].used || bytes_starts(w->all[i].name, name);
}

static result keep(struct walk *w, bytes text, bytes *out) {
    *out = arena_copy(w->r->memory, text);
    NEED(out->p != NULL, MEMORY, "the configuration is too large");
    return OK;
}

// The name as the place of messages.
static result keep_place(struct walk *w, const char **out) {
    bytes kept;
    TRY(keep(w, bytes_from(w->name.p, w->name.n + 1), &kept));
    *out = (const char *)kept.p;
    return OK;
}

static result read_scalar(struct walk *w, bytes value, struct node *parent, struct node **out) {
    TRY(tree_add(w->r, parent, NODE_SCALAR, 0, out));
    (*out)->quoted = true;
    return keep(w, value, &(*out)->raw);
}

static result read_scalars(struct walk *w, bytes value, struct node **out) {
    TRY(tree_add(w->r, NULL, NODE_LIST, 0, out));
    while (value.n > 0) {
        struct node *entry;
        if ((*out)->count >= TREE_COUNT_MAX) {
            complain(w->r, *out, "more than %d entries in one place", TREE_COUNT_MAX);
            break;
        }
        TRY(read_scalar(w, bytes_trim(bytes_cut(&value, ',')), *out, &entry));
    }
    return OK;
}

static void forget_lines(struct node *n) {
    n->line = 0;
    for (struct node *child = n->first; child != NULL; child = child->next)
        forget_lines(child);
}

static result read_yaml(struct walk *w, bytes value, struct node **out) {
    TRY(tree_read(w->r, value, out));
    if (*out == NULL)
        return read_scalar(w, NO_BYTES, NULL, out);
    forget_lines(*out);
    return OK;
}

// A variable's value as a root.
static result read_value(struct walk *w, enum key_form form, bytes value, struct node **out) {
    if (form == FORM_SCALAR)
        return read_scalar(w, value, NULL, out);
    if (form == FORM_SCALARS && !bytes_starts(bytes_trim(value), B("[")))
        return bytes_find(value, ',') == value.n ? read_scalar(w, value, NULL, out)
                                                 : read_scalars(w, value, out);
    return read_yaml(w, value, out);
}

// Gives the node, which may be new, what the variable says, if there is one of exactly this name.
static result set_value(struct walk *w, enum key_form form, struct node *n) {
    const char *value = take_value(w);
    struct node *said = NULL;
    if (value == NULL)
        return OK;
    const char *file = w->r->name;
    TRY(keep_place(w, &w->r->name));
    result read = read_value(w, form, bytes_of(value), &said);
    w->r->name = file;
    TRY(read);
    tree_replace(n, said);
    return OK;
}

static struct node *child_named(const struct node *map, bytes key) {
    for (struct node *n = map->first; n != NULL; n = n->next)
        if (bytes_equal(n->key, key))
            return n;
    return NULL;
}

static struct node *child_at(const struct node *list, size_t index) {
    struct node *n = list->first;
    for (size_t i = 0; i < index && n != NULL; i++)
        n = n->next;
    return n;
}

// An entry or key that the file lacks.
static result add_child(struct walk *w, struct node *parent, enum key_form form,
                        struct node **out) {
    TRY(tree_add(w->r, parent, form == FORM_MAPS ? NODE_LIST : NODE_MAP, 0, out));
    return keep_place(w, &(*out)->place);
}

static result walk_map(struct walk *w, struct node *map, const struct key_row *row);

static result walk_entries(struct walk *w, struct node *list, const struct key_row *row) {
    size_t back = w->name.n;
    for (size_t i = 0; i < TREE_COUNT_MAX; i++, cut_name(&w->name, back)) {
        struct node *n = child_at(list, i);
        push_index(&w->name, i);
        bool said = is_said(w);
        if (!said && n == NULL)
            break;
        if (!said)
            continue;
        if (n == NULL)
            TRY(add_child(w, list, FORM_MAP, &n));
        TRY(set_value(w, FORM_MAP, n));
        TRY(walk_map(w, n, row));
    }
    cut_name(&w->name, back);
    return OK;
}

static result walk_key(struct walk *w, struct node *map, const struct key_row *row) {
    enum key_form form = key_form(row);
    struct node *n = child_named(map, key_name(row));
    if (n == NULL)
        TRY(add_child(w, map, form, &n));
    n->key = key_name(row);
    TRY(set_value(w, form, n));
    if (form == FORM_MAP)
        return walk_map(w, n, row);
    if (form == FORM_MAPS && n->shape == NODE_LIST)
        return walk_entries(w, n, row);
    if (form == FORM_MAPS)
        pass_over(w);
    return OK;
}

static result walk_map(struct walk *w, struct node *map, const struct key_row *row) {
    if (map->shape != NODE_MAP) {
        pass_over(w);
        return OK;
    }
    for (size_t i = 0; i < KEYS; i++) {
        if (!key_inside(&keys[i], row))
            continue;
        size_t back = w->name.n;
        push_name(&w->name, key_name(&keys[i]));
        enum key_form form = key_form(&keys[i]);
        bool deep = form == FORM_MAP || form == FORM_MAPS;
        bool said = false;
        for (size_t k = 0; k < w->count && !deep; k++)
            said = said || bytes_equal(w->all[k].name, text_bytes(&w->name));
        if (deep ? is_said(w) : said)
            TRY(walk_key(w, map, &keys[i]));
        cut_name(&w->name, back);
    }
    return OK;
}

static bool is_number(bytes part) {
    uint64_t n;
    return bytes_to_u64(part, &n) == OK;
}

// The first number of a name, or 0: what a hint puts for each [].
static bytes index_of(bytes name) {
    while (name.n > 0) {
        bytes part = bytes_cut(&name, '_');
        if (is_number(part))
            return part;
    }
    return B("0");
}

// Names that differ in their numbers alone are one.
static void without_numbers(bytes name, struct text *out) {
    while (name.n > 0) {
        bytes part = bytes_cut(&name, '_');
        text_adds(out, out->n > 0 ? "_" : "");
        text_add(out, is_number(part) ? B("0") : part);
    }
}

// How far the nearest known name is; it goes to *out.
static size_t find_nearest(bytes name, struct text *out) {
    OWN(text_drop)
    struct text mine = {0};
    size_t least = name.n / 3 < 4 ? name.n / 3 + 1 : 5;
    without_numbers(name, &mine);
    for (size_t i = 0; i < KEYS + OTHERS; i++) {
        OWN(text_drop)
        struct text theirs = {0};
        if (i < KEYS)
            key_variable(&keys[i], B("0"), &theirs);
        else
            text_adds(&theirs, others[i - KEYS]);
        // The longest names differ behind what text_distance looks at, and all begin alike.
        size_t head = sizeof(PREFIX) - 1;
        size_t far = text_distance(bytes_slice(text_bytes(&mine), head, mine.n),
                                   bytes_slice(text_bytes(&theirs), head, theirs.n));
        if (far >= least)
            continue;
        least = far;
        text_reset(out);
        if (i < KEYS)
            key_variable(&keys[i], index_of(name), out);
        else
            text_adds(out, others[i - KEYS]);
    }
    return least;
}

// Is it an entry's own, as HOOKKEEP_SOURCES_2?
static bool names_entry(bytes name) {
    while (name.n > 0 && name.p[name.n - 1] >= '0' && name.p[name.n - 1] <= '9')
        name.n--;
    for (size_t i = 0; i < KEYS; i++) {
        OWN(text_drop)
        struct text list = {0}, mine = {0};
        key_variable(&keys[i], B("0"), &list);
        without_numbers(name, &mine);
        text_addc(&list, '_');
        text_addc(&mine, '_');
        if (keys[i].type == KEY_MAPS && bytes_equal(text_bytes(&list), text_bytes(&mine)))
            return true;
    }
    return false;
}

static void complain_unused(struct reading *r, bytes name) {
    OWN(text_drop)
    struct text shown = {0}, nearest = {0};
    bool plain = name.n <= NAME_SHOWN_MAX;
    for (size_t i = 0; i < name.n && plain; i++)
        plain = (name.p[i] >= 'A' && name.p[i] <= 'Z') || is_number(bytes_slice(name, i, i + 1)) ||
                name.p[i] == '_';
    if (plain)
        text_add(&shown, name);
    else
        text_addf(&shown, PREFIX "… (%zu characters)", name.n);
    const char *file = r->name;
    r->name = text_str(&shown);
    size_t far = find_nearest(name, &nearest);
    if (far == 0 || names_entry(name))
        complain_at(r, 0,
                    "there is no entry before this one; entries are numbered 0, 1, 2, …, those of "
                    "the file first");
    else if (nearest.n > 0)
        complain_at(r, 0, "no key has this variable; did you mean %s?", text_str(&nearest));
    else
        complain_at(r, 0,
                    "no key has this variable; `hookkeep help configuration` lists the keys, and "
                    "journal.size is HOOKKEEP_JOURNAL_SIZE; unset it or give it another name");
    r->name = file;
}

static int by_name(const void *a, const void *b) {
    return bytes_compare(((const struct variable *)a)->name, ((const struct variable *)b)->name);
}

result variables_apply(struct reading *r, struct node *root, size_t *used) {
    size_t room = 0;
    for (const char *const *e = r->outside->variables; e != NULL && *e != NULL; e++)
        room++;
    struct walk w = {.r = r, .all = NEW_ARRAY(struct variable, room + 1)};
    for (size_t i = 0; i < room; i++)
        w.count += read_variable(r->outside->variables[i], &w.all[w.count]);
    qsort(w.all, w.count, sizeof(*w.all), by_name); // messages come in one order
    text_adds(&w.name, "HOOKKEEP");
    result walked = walk_map(&w, root, NULL);
    *used = 0;
    for (size_t i = 0; i < w.count; i++) {
        *used += w.all[i].used;
        if (walked == OK && !w.all[i].used && !r->outside->others_pass)
            complain_unused(r, w.all[i].name);
    }
    text_drop(&w.name);
    free(w.all);
    return walked;
}
