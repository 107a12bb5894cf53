// SPDX-License-Identifier: MIT
// Heap memory by policy: small allocations whose failure nobody could handle abort; what outside
// data can make large goes through a capped arena or a capped text and is refused there instead.
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

// Zeroed memory for `count` objects of `size`; aborts when there is none. free() gives it back.
void *memory_new(size_t count, size_t size);
// realloc with the same policy; the new part is not zeroed.
void *memory_grow(void *p, size_t count, size_t size);
// Overwrites with zeros in a way the compiler keeps; for secrets.
void memory_wipe(void *p, size_t n);

#define NEW(type_) ((type_ *)memory_new(1, sizeof(type_)))
#define NEW_ARRAY(type_, n_) ((type_ *)memory_new((n_), sizeof(type_)))

#endif
