// SPDX-License-Identifier: MIT
#include "cli/table.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"

#define COLUMNS_MAX 16
#define CELL_MAX 400   // bytes kept of a value in a table
#define FIELD_MAX 8000 // bytes shown of a value on a line of its own
#define GAP 2

static void add_time(int64_t ms, struct text *out) {
    OWN(text_drop)
    struct text t = {0};
    text_add_time(&t, ms);
    // 2026-11-23T18:57:26.123Z reads better without the T and the fraction.
    bytes all = text_bytes(&t);
    size_t day = bytes_find(all, 'T');
    text_add(out, bytes_slice(all, 0, day));
    if (day < all.n) {
        text_addc(out, ' ');
        text_add(out, bytes_slice(all, day + 1, bytes_find(all, '.')));
    }
}

static void add_took(int64_t micros, struct text *out) {
    if (micros < 10000)
        text_addf(out, "%lld.%lldms", (long long)micros / 1000, (long long)micros % 1000 / 100);
    else if (micros < 10000000)
        text_addf(out, "%lldms", (long long)micros / 1000);
    else
        text_addf(out, "%lld.%llds", (long long)micros / 1000000,
                  (long long)micros % 1000000 / 100000);
}

static void add_value(json v, size_t max, struct text *out) {
    switch (json_type(v)) {
    case JSON_STRING: text_add_printable(out, json_string(v), max); break;
    case JSON_NUMBER: text_add(out, json_number(v)); break;
    case JSON_BOOL: text_adds(out, json_true(v) ? "true" : "false"); break;
    case JSON_ARRAY:
    case JSON_OBJECT: {
        OWN(text_drop)
        struct text t = {0};
        json_write(v, &t);
        text_add_printable(out, text_bytes(&t), max);
        break;
    }
    case JSON_NULL:
    case JSON_ABSENT: break;
    }
}

static void add_names(json list, size_t max, struct text *out) {
    OWN(text_drop)
    struct text names = {0};
    json one;
    size_t at = 0;
    while (json_element(list, &at, &one)) {
        text_adds(&names, names.n > 0 ? ", " : "");
        bool is_name = json_type(one) == JSON_STRING;
        text_add(&names, json_string(is_name ? one : json_get(one, "name")));
    }
    text_add_printable(out, text_bytes(&names), max);
}

static void add_cell(json v, enum cell cell, size_t max, struct text *out) {
    int64_t n = 0;
    bool whole = json_i64(v, &n) == OK;
    if (cell == CELL_MODE && json_type(v) == JSON_BOOL)
        text_adds(out, json_true(v) ? "live" : "test");
    else if (cell == CELL_MODE && whole)
        text_adds(out, n != 0 ? "live" : "test");
    else if (cell == CELL_YES && (json_type(v) == JSON_BOOL || whole))
        text_adds(out, json_true(v) || n != 0 ? "yes" : "");
    else if (cell == CELL_NAMES)
        add_names(v, max, out);
    else if (cell == CELL_TOOK && whole)
        add_took(n, out);
    else if ((cell == CELL_TIME || cell == CELL_UNIX) && whole && n <= INT64_MAX / 1000) {
        if (n > 0)
            add_time(cell == CELL_UNIX ? n * 1000 : n, out);
    } else
        add_value(v, max, out);
}

void table_cell(json value, enum cell cell, struct text *out) {
    add_cell(value, cell, CELL_MAX, out);
}

// Characters, as a terminal counts most of them.
static size_t width(const struct text *t) {
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += ((uint8_t)t->p[i] & 0xc0) != 0x80;
    return n;
}

void table_init(struct table *t, const struct column *columns, size_t count) {
    ensure(count > 0 && count <= COLUMNS_MAX);
    *t = (struct table){.columns = columns, .count = count};
}

void table_drop(struct table *t) {
    for (size_t i = 0; i < t->rows * t->count; i++)
        text_drop(&t->cells[i]);
    free(t->cells);
    *t = (struct table){0};
}

void table_add(struct table *t, json row) {
    if (t->rows == t->room) {
        t->room = t->room == 0 ? 64 : t->room * 2;
        t->cells = memory_grow(t->cells, t->room * t->count, sizeof(struct text));
    }
    for (size_t i = 0; i < t->count; i++) {
        struct text *cell = &t->cells[t->rows * t->count + i];
        *cell = (struct text){0};
        table_cell(json_path(row, bytes_of(t->columns[i].path)), t->columns[i].cell, cell);
        if (cell->n == 0)
            text_addc(cell, '-');
    }
    t->rows++;
}

static bool is_empty(const struct table *t, size_t column) {
    for (size_t r = 0; r < t->rows; r++)
        if (!bytes_equal(text_bytes(&t->cells[r * t->count + column]), B("-")))
            return false;
    return true;
}

// A width of 0: the column is left out.
static void measure(const struct table *t, size_t widths[COLUMNS_MAX]) {
    size_t sum = 0;
    for (size_t i = 0; i < t->count; i++) {
        widths[i] = 0;
        if (t->columns[i].least > 0 && is_empty(t, i))
            continue;
        sum += i > 0 ? GAP : 0;
        widths[i] = bytes_of(t->columns[i].title).n;
        for (size_t r = 0; r < t->rows; r++) {
            size_t w = width(&t->cells[r * t->count + i]);
            widths[i] = w > widths[i] ? w : widths[i];
        }
        sum += widths[i];
    }
    // The widest of those that may shrink gives way, a column at a time.
    while (sum > TABLE_WIDTH) {
        size_t widest = t->count;
        for (size_t i = 0; i < t->count; i++)
            if (t->columns[i].least > 0 && widths[i] > t->columns[i].least &&
                (widest == t->count || widths[i] > widths[widest]))
                widest = i;
        if (widest == t->count)
            return;
        widths[widest]--;
        sum--;
    }
}

// What is cut ends in "…"; nothing stands behind the last column.
static void write_cell(const struct text *cell, size_t to, bool first, size_t *owed,
                       struct text *out) {
    size_t w = width(cell), n = cell->n;
    for (size_t i = 0; i < *owed + GAP && !first; i++)
        text_addc(out, ' ');
    if (w > to) {
        n = 0;
        for (size_t seen = 0; seen < to - 1; seen++)
            n += bytes_utf8_at(text_bytes(cell), n);
    }
    text_add(out, bytes_from(cell->p, n));
    if (w > to)
        text_adds(out, "…");
    *owed = w < to ? to - w : 0;
}

static void write_row(const struct table *t, const struct text *cells, const size_t *widths,
                      struct text *out) {
    size_t owed = 0; // spaces that the cell before still needs
    for (size_t i = 0; i < t->count; i++)
        if (widths[i] > 0)
            write_cell(&cells[i], widths[i], i == 0, &owed, out);
    text_addc(out, '\n');
}

void table_write(const struct table *t, struct text *out) {
    size_t widths[COLUMNS_MAX];
    struct text titles[COLUMNS_MAX] = {{0}};
    if (t->rows == 0)
        return;
    measure(t, widths);
    for (size_t i = 0; i < t->count; i++)
        text_adds(&titles[i], t->columns[i].title);
    write_row(t, titles, widths, out);
    for (size_t i = 0; i < t->count; i++)
        text_drop(&titles[i]);
    for (size_t r = 0; r < t->rows; r++)
        write_row(t, &t->cells[r * t->count], widths, out);
}

void table_fields(const struct column *columns, size_t count, json row, struct text *out) {
    size_t wide = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = bytes_of(columns[i].title).n;
        wide = n > wide ? n : wide;
    }
    for (size_t i = 0; i < count; i++) {
        OWN(text_drop)
        struct text value = {0};
        add_cell(json_path(row, bytes_of(columns[i].path)), columns[i].cell, FIELD_MAX, &value);
        if (value.n > 0)
            text_addf(out, "%-*s  %s\n", (int)wide, columns[i].title, text_str(&value));
    }
}
