// SPDX-License-Identifier: MIT
// A binary min-heap of pointers that tells each object where it is, so that it can be taken out
// from the middle.
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>

struct heap {
    void **items;
    size_t n, cap;
    bool (*less)(const void *a, const void *b);
    void (*set_at)(void *item, size_t at); // remembers the index; HEAP_OUT when it leaves
};

#define HEAP_OUT ((size_t)-1)

void heap_drop(struct heap *h); // frees the array, not the items
void heap_push(struct heap *h, void *item);
void *heap_first(const struct heap *h);     // null when empty; stays inside
void *heap_take(struct heap *h, size_t at); // takes out the item at this index

#endif
