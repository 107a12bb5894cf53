// SPDX-License-Identifier: MIT
// The tables and indexes of the memory store: arrays of rows sorted by key. Rows belong to the
// store.
#ifndef LEDGER_MEMORY_TABLE_H
#define LEDGER_MEMORY_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/result.h"

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

static inline struct row_key key1(uint64_t a) { return (struct row_key){a, 0, 0}; }
static inline struct row_key key2(uint64_t a, uint64_t b) { return (struct row_key){a, b, 0}; }

// Index of the first entry that is not below the key.
size_t table_from(const struct table *t, struct row_key key);
void *table_get(const struct table *t, struct row_key key); // null: it is not there
// Sets, replaces, or (with null) removes; returns what was there.
void *table_set(struct table *t, struct row_key key, void *row);
// At most max numbers from a key on: those that stand second behind its `a`, or first. MEMORY.
must result table_numbers(const struct table *t, struct row_key from, bool second, size_t max,
                          struct arena *a, uint64_t **out, size_t *n);

#endif
