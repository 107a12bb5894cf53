// SPDX-License-Identifier: MIT
// A capped arena: many small allocations with one lifetime, freed together. Lifetimes here are
// process, request, batch and attempt. One thread at a time; an arena moves with the message that
// owns it. Where the system has no memory the process ends (base/memory.h).
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

#include "base/bytes.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks;
    struct arena_chunk *spare; // kept by arena_reset
    size_t used;               // bytes taken from the heap
    size_t cap;                // most bytes it may take from the heap
};

void arena_init(struct arena *a, size_t cap);
// Zeroed, aligned for any type; null when the cap would be passed.
void *arena_take(struct arena *a, size_t n);
// A copy, NUL-terminated behind its end (not counted in n); {NULL, 0} when the cap would be passed
// and n > 0.
bytes arena_copy(struct arena *a, bytes b);
// All that was taken is gone, but its memory stays with the arena for what comes next: for who
// fills it as much again at once.
void arena_reset(struct arena *a);
// Frees all; the arena can be used again.
void arena_drop(struct arena *a);

#endif
