// SPDX-License-Identifier: MIT
#include "stripe/objects.h"

#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"

#define OBJECT_ID_MAX 255

// A table's row ends the columns of the table before it and begins its own.
#define TABLE(object, name, doc)                                                                   \
    }                                                                                              \
    ;                                                                                              \
    static const struct object_column columns_##name[] = {
#define TABLE_BY(object, name, id, doc) TABLE(object, name, doc)
#define LIST(object, name, parent, list, parent_column, doc) TABLE(object, name, doc)
#define COLUMN(name, path, type, doc) {name, path, NULL, COLUMN_##type, doc},
#define MOVED(name, path, elsewhere, type, doc) {name, path, elsewhere, COLUMN_##type, doc},
__attribute__((unused)) static const struct object_column before_the_first[] = {
    {NULL, NULL, NULL, COLUMN_TEXT, NULL},
#include "stripe/objects.def"
};
#undef TABLE
#undef TABLE_BY
#undef LIST
#undef COLUMN
#undef MOVED
#define COLUMN(name, path, type, doc)
#define MOVED(name, path, elsewhere, type, doc)

enum {
#define TABLE(object, name, doc) TABLE_##name,
#define TABLE_BY(object, name, id, doc) TABLE_##name,
#define LIST(object, name, parent, list, parent_column, doc) TABLE_##name,
#include "stripe/objects.def"
#undef TABLE
#undef TABLE_BY
#undef LIST
};

#define COLUMNS(name_)                                                                             \
    .columns = columns_##name_, .column_count = sizeof columns_##name_ / sizeof columns_##name_[0]
const struct object_table object_tables[] = {
#define TABLE(object_, name_, doc_) TABLE_BY(object_, name_, "id", doc_)
#define TABLE_BY(object_, name_, id_, doc_)                                                        \
    {.object = (object_), .name = #name_, .id = (id_), .doc = (doc_), COLUMNS(name_)},
#define LIST(object_, name_, parent_, list_, parent_column_, doc_)                                 \
    {.object = (object_),                                                                          \
     .name = #name_,                                                                               \
     .doc = (doc_),                                                                                \
     .parent = &object_tables[TABLE_##parent_],                                                    \
     .list = (list_),                                                                              \
     .parent_column = (parent_column_),                                                            \
     COLUMNS(name_)},
#include "stripe/objects.def"
#undef TABLE
#undef TABLE_BY
#undef LIST
};
const size_t object_table_count = sizeof object_tables / sizeof object_tables[0];

static int by_object(const void *key, const void *row) {
    const bytes *object = key;
    const struct object_table *t = row;
    return bytes_compare(*object, bytes_of(t->object));
}

const struct object_table *object_table_of(bytes object) {
    const struct object_table *t =
        bsearch(&object, object_tables, object_table_count, sizeof object_tables[0], by_object);
    return t == NULL || t->parent != NULL ? &object_tables[TABLE_objects] : t;
}

const struct object_table *object_table_named(bytes name) {
    for (size_t i = 0; i < object_table_count; i++)
        if (bytes_equal(name, bytes_of(object_tables[i].name)))
            return &object_tables[i];
    return NULL;
}

const struct object_table *object_table_list(const struct object_table *parent, size_t *at) {
    while (*at < object_table_count) {
        const struct object_table *t = &object_tables[(*at)++];
        if (t->parent == parent)
            return t;
    }
    return NULL;
}

bytes object_id(const struct object_table *t, json object) {
    bytes id = json_string(json_path(object, bytes_of(t->id)));
    return id.n <= OBJECT_ID_MAX ? id : NO_BYTES;
}

// A member's name against the first step of a path. Steps are of letters, digits and '_', all of
// which stand behind '.', so what is no step may be told as either side of one, and amid those of
// one step.
static int step_compare(bytes key, const char *path) {
    int order = strncmp((const char *)key.p, path, key.n);
    if (order != 0)
        return order;
    size_t step = (size_t)(strchrnul(path, '.') - path);
    return step == key.n ? 0 : step < key.n ? 1 : -1;
}

// The same for a column; its end stands behind all names.
static int column_compare(const struct object_table *t, bytes key, size_t c) {
    return c < t->column_count ? step_compare(key, t->columns[c].path) : -1;
}

// The first column that does not stand before the name.
static size_t column_at(const struct object_table *t, bytes key) {
    size_t from = 0, to = t->column_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (column_compare(t, key, middle) > 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

// What stands at each column's path: columns and, mostly, members are in the same order, so that
// one walk meets them all.
static void find_values(const struct object_table *t, json object, json *values) {
    bool met[OBJECT_COLUMNS_MAX] = {false};
    size_t at = 0, c = 0;
    bytes key;
    json value;
    while (json_member(object, &at, &key, &value)) {
        int order;
        while ((order = column_compare(t, key, c)) > 0)
            c++;
        if (order < 0 && c > 0 && column_compare(t, key, c - 1) <= 0) {
            c = column_at(t, key);
            order = column_compare(t, key, c);
        }
        while (order == 0 && c > 0 && column_compare(t, key, c - 1) == 0)
            c--;
        for (; order == 0; order = column_compare(t, key, c)) {
            const char *rest = t->columns[c].path + key.n;
            if (!met[c])
                values[c] = *rest == '\0' ? value : json_path(value, bytes_of(rest + 1));
            met[c++] = true;
        }
    }
}

static bool is_nothing(json v) { return json_type(v) <= JSON_NULL; }

static json found_elsewhere(const struct object_column *c, json object, json value) {
    bytes paths = bytes_of(c->elsewhere);
    while (paths.n > 0 && is_nothing(value))
        value = json_path(object, bytes_cut(&paths, '|'));
    return value;
}

// JSON in scratch is told by its place there, as scratch may move while it grows.
static void write_value(const struct object_column *c, json v, struct text *scratch,
                        struct column_value *out) {
    *out = (struct column_value){.kind = VALUE_TEXT};
    if (c->type == COLUMN_ID && json_type(json_get(v, "id")) == JSON_STRING)
        v = json_get(v, "id"); // expanded
    switch (json_type(v)) {
    case JSON_ABSENT:
    case JSON_NULL: out->kind = VALUE_NULL; break;
    case JSON_BOOL:
        out->kind = VALUE_INTEGER;
        out->integer = json_true(v);
        break;
    case JSON_NUMBER:
        out->text = json_number(v);
        if (c->type != COLUMN_DECIMAL && json_i64(v, &out->integer) == OK)
            *out = (struct column_value){.kind = VALUE_INTEGER, .integer = out->integer};
        break;
    case JSON_STRING: out->text = json_string(v); break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        out->integer = (int64_t)scratch->n;
        json_write(v, scratch);
        out->text.n = scratch->n - (size_t)out->integer;
        break;
    }
}

void object_columns(const struct object_table *t, json object, struct text *scratch,
                    struct column_value *out) {
    json values[OBJECT_COLUMNS_MAX] = {{NULL}};
    ensure(t->column_count <= OBJECT_COLUMNS_MAX);
    find_values(t, object, values);
    for (size_t i = 0; i < t->column_count; i++) {
        const struct object_column *c = &t->columns[i];
        if (c->elsewhere != NULL && is_nothing(values[i]))
            values[i] = found_elsewhere(c, object, values[i]);
        write_value(c, values[i], scratch, &out[i]);
    }
    for (size_t i = 0; i < t->column_count; i++)
        if (out[i].kind == VALUE_TEXT && out[i].text.p == NULL) {
            out[i].text.p = (const uint8_t *)scratch->p + out[i].integer;
            out[i].integer = 0;
        }
}
