// SPDX-License-Identifier: MIT
// Rows of JSON as an aligned table for people: at most 100 columns, times in UTC, every text made
// printable, nothing shown as "-".
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "base/json.h"
#include "base/text.h"

#define TABLE_WIDTH 100

enum cell {
    CELL_TEXT,  // strings, numbers, true and false as they are
    CELL_TIME,  // milliseconds since 1970
    CELL_UNIX,  // seconds since 1970
    CELL_MODE,  // livemode: live, test
    CELL_YES,   // true: yes
    CELL_TOOK,  // microseconds
    CELL_NAMES, // a list of texts, or of objects: the name of each
};

struct column {
    const char *title;
    const char *path; // as json_path takes it
    enum cell cell;
    size_t least; // may shrink to so many columns when the table is too wide, and is left out when
                  // it is empty in every row; 0: neither
};

struct table {
    const struct column *columns;
    size_t count;
    struct text *cells; // row after row
    size_t rows, room;
};

void table_init(struct table *t, const struct column *columns, size_t count);
void table_drop(struct table *t); // usable with OWN
void table_add(struct table *t, json row);
// Title line and rows; nothing when there are no rows.
void table_write(const struct table *t, struct text *out);

// One value for people, as a cell of this kind.
void table_cell(json value, enum cell cell, struct text *out);
// "name  value" lines for one object: each column whose value is there and not empty.
void table_fields(const struct column *columns, size_t count, json row, struct text *out);

#endif
