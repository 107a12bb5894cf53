// SPDX-License-Identifier: MIT
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define ALIGNMENT _Alignof(max_align_t)
#define FIRST_CHUNK ((size_t)4096)
#define LARGEST_CHUNK ((size_t)65536)

struct arena_chunk {
    struct arena_chunk *next;
    size_t size, used; // of data
    _Alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *a, size_t cap) { *a = (struct arena){.cap = cap}; }

static void free_chunks(struct arena *a, struct arena_chunk **chunks) {
    for (struct arena_chunk *c = *chunks, *next; c != NULL; c = next) {
        next = c->next;
        a->used -= c->size + sizeof *c;
        free(c);
    }
    *chunks = NULL;
}

static struct arena_chunk *take_spare(struct arena *a, size_t n) {
    struct arena_chunk **at = &a->spare;
    while (*at != NULL && (*at)->size < n)
        at = &(*at)->next;
    struct arena_chunk *c = *at;
    if (c != NULL)
        *at = c->next;
    return c;
}

// A chunk from the heap with room for n bytes. It takes more than asked only where the cap lets it.
static struct arena_chunk *new_chunk(struct arena *a, size_t n) {
    size_t room = a->cap - a->used;
    if (room < sizeof(struct arena_chunk) || n > room - sizeof(struct arena_chunk))
        return NULL;
    size_t total = a->used < FIRST_CHUNK ? FIRST_CHUNK : a->used;
    total = total > LARGEST_CHUNK ? LARGEST_CHUNK : total;
    total = total > room ? room : total;
    if (total < n + sizeof(struct arena_chunk))
        total = n + sizeof(struct arena_chunk);
    struct arena_chunk *c = memory_take(total);
    c->used = 0;
    c->size = total - sizeof(struct arena_chunk);
    a->used += total;
    return c;
}

static struct arena_chunk *add_chunk(struct arena *a, size_t n) {
    struct arena_chunk *c = take_spare(a, n);
    if (c == NULL)
        c = new_chunk(a, n);
    if (c == NULL) { // what is kept and too small may be in its way
        free_chunks(a, &a->spare);
        c = new_chunk(a, n);
    }
    if (c == NULL)
        return NULL;
    // The chunk with the most room stays first, since only the first one is taken from.
    struct arena_chunk *first = a->chunks;
    if (first != NULL && c->size - n < first->size - first->used) {
        c->next = first->next;
        first->next = c;
    } else {
        c->next = first;
        a->chunks = c;
    }
    return c;
}

static void *take(struct arena *a, size_t n) {
    if (n > a->cap || n > SIZE_MAX - ALIGNMENT)
        return NULL;
    size_t rounded = (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded == 0)
        rounded = ALIGNMENT;
    struct arena_chunk *c = a->chunks;
    if (c == NULL || rounded > c->size - c->used) {
        c = add_chunk(a, rounded);
        if (c == NULL)
            return NULL;
    }
    void *p = c->data + c->used;
    c->used += rounded;
    return p;
}

void *arena_take(struct arena *a, size_t n) {
    void *p = take(a, n);
    if (p != NULL)
        memset(p, 0, n);
    return p;
}

bytes arena_copy(struct arena *a, bytes b) {
    if (b.n >= a->cap)
        return NO_BYTES;
    unsigned char *p = take(a, b.n + 1);
    if (p == NULL)
        return NO_BYTES;
    if (b.n > 0)
        memcpy(p, b.p, b.n);
    p[b.n] = '\0';
    return bytes_from(p, b.n);
}

void arena_reset(struct arena *a) {
    for (struct arena_chunk *c = a->chunks, *next; c != NULL; c = next) {
        next = c->next;
        c->used = 0;
        c->next = a->spare;
        a->spare = c;
    }
    a->chunks = NULL;
}

void arena_drop(struct arena *a) {
    free_chunks(a, &a->chunks);
    free_chunks(a, &a->spare);
}
