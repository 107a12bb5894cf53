// SPDX-License-Identifier: MIT
#include "base/heap.h"

#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"

static void place_at(struct heap *h, size_t at, void *item) {
    h->items[at] = item;
    h->set_at(item, at);
}

static void rise(struct heap *h, size_t at, void *item) {
    while (at > 0 && h->less(item, h->items[(at - 1) / 2])) {
        place_at(h, at, h->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place_at(h, at, item);
}

static void sink(struct heap *h, size_t at, void *item) {
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < h->n && h->less(h->items[child + 1], h->items[child]))
            child++;
        if (child >= h->n || !h->less(h->items[child], item))
            break;
        place_at(h, at, h->items[child]);
        at = child;
    }
    place_at(h, at, item);
}

void heap_drop(struct heap *h) {
    free(h->items);
    h->items = NULL;
    h->n = h->cap = 0;
}

void heap_push(struct heap *h, void *item) {
    if (h->n == h->cap) {
        h->cap = h->cap == 0 ? 16 : h->cap * 2;
        h->items = memory_grow(h->items, h->cap, sizeof(*h->items));
    }
    h->n++;
    rise(h, h->n - 1, item);
}

void *heap_first(const struct heap *h) { return h->n == 0 ? NULL : h->items[0]; }

void *heap_take(struct heap *h, size_t at) {
    ensure(at < h->n);
    void *taken = h->items[at];
    void *last = h->items[--h->n];
    if (at < h->n) {
        if (at > 0 && h->less(last, h->items[(at - 1) / 2]))
            rise(h, at, last);
        else
            sink(h, at, last);
    }
    h->set_at(taken, HEAP_OUT);
    return taken;
}
