// SPDX-License-Identifier: MIT
// A table of the memory store: an array of rows sorted by key. It owns the array, not the rows.
#ifndef LEDGER_MEMORY_TABLE_H
#define LEDGER_MEMORY_TABLE_H

#include <stddef.h>
#include <stdint.h>

struct row_key {
    uint64_t a, b, c;
};

struct entry {
    struct row_key key;
    void *row;
};

struct table {
    struct entry *at;
    size_t n, cap;
};

// Index of the first entry that is not below the key.
size_t table_from(const struct table *t, struct row_key key);
void *table_get(const struct table *t, struct row_key key); // null if absent
// Sets, replaces, or (with null) removes; returns what was there.
void *table_set(struct table *t, struct row_key key, void *row);

#endif
