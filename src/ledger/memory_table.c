// SPDX-License-Identifier: MIT
#include "ledger/memory_table.h"

#include <string.h>

#include "base/memory.h"

static int key_compare(struct row_key x, struct row_key y) {
    if (x.a != y.a)
        return x.a < y.a ? -1 : 1;
    if (x.b != y.b)
        return x.b < y.b ? -1 : 1;
    return x.c == y.c ? 0 : x.c < y.c ? -1 : 1;
}

size_t table_from(const struct table *t, struct row_key key) {
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (key_compare(t->at[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void *table_get(const struct table *t, struct row_key key) {
    size_t i = table_from(t, key);
    return i < t->n && key_compare(t->at[i].key, key) == 0 ? t->at[i].row : NULL;
}

void *table_set(struct table *t, struct row_key key, void *row) {
    size_t i = table_from(t, key);
    bool there = i < t->n && key_compare(t->at[i].key, key) == 0;
    void *before = there ? t->at[i].row : NULL;
    if (there && row == NULL) {
        memmove(&t->at[i], &t->at[i + 1], (t->n - i - 1) * sizeof *t->at);
        t->n--;
    } else if (there) {
        t->at[i].row = row;
    } else if (row != NULL) {
        if (t->n == t->cap) {
            t->cap = t->cap > 0 ? t->cap * 2 : 16;
            t->at = memory_grow(t->at, t->cap, sizeof *t->at);
        }
        memmove(&t->at[i + 1], &t->at[i], (t->n - i) * sizeof *t->at);
        t->at[i] = (struct entry){key, row};
        t->n++;
    }
    return before;
}

result table_numbers(const struct table *t, struct row_key from, bool second, size_t max,
                     struct arena *a, uint64_t **out, size_t *n) {
    size_t at = table_from(t, from), to = at;
    while (to < t->n && to - at < max && (!second || t->at[to].key.a == from.a))
        to++;
    *n = 0;
    *out = to > at ? arena_take(a, (to - at) * sizeof **out) : NULL;
    NEED(to == at || *out != NULL, MEMORY, "numbers are larger than the arena");
    for (; at < to; at++)
        (*out)[(*n)++] = second ? t->at[at].key.b : t->at[at].key.a;
    return OK;
}
