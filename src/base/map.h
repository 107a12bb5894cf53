// SPDX-License-Identifier: MIT
// A hash map from bytes to a pointer. Keys are copied. Not for data that strangers choose without
// limit.
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct map_slot;

struct map {
    struct map_slot *slots;
    size_t n, cap;
    uint64_t seed; // of the hash; set it while empty, from entropy where strangers choose keys
};

// Zero-initialised is valid and empty.
void map_drop(struct map *m);                  // frees keys and slots, not the values
void *map_get(const struct map *m, bytes key); // null if absent
// Sets or replaces; returns the value that was there, or null. `value` is not null.
void *map_put(struct map *m, bytes key, void *value);
void *map_remove(struct map *m, bytes key); // the value that was there, or null
// Walks in no order: start with *at = 0; false at the end. Meanwhile values may be replaced, but no
// key added or removed. The key belongs to the map.
bool map_next(const struct map *m, size_t *at, bytes *key, void **value);

#endif
