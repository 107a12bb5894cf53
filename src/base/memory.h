// SPDX-License-Identifier: MIT
// Heap memory by policy: where the system has none left the process ends and says so. Everything
// durable stays so, and the next start goes on from there; going on without would mean half a text,
// half a request or half a plan. What outside data can make large goes through a capped arena or a
// capped text, and is refused where the cap is passed.
//
// The libraries that can be told take their memory by the same policy: libuv (port/loop.c), libcurl
// (port/fetch.c), yyjson (base/json_heap.c), libcrypto (base/digest.c). SQLite undoes what it had
// no memory for, and says so; booking then waits.
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

// Zeroed memory for `count` objects of `size`; free() gives it back.
void *memory_new(size_t count, size_t size);
// n bytes, not zeroed.
void *memory_take(size_t n);
// realloc; the new part is not zeroed.
void *memory_grow(void *p, size_t count, size_t size);
// Overwrites with zeros in a way the compiler keeps; for secrets.
void memory_wipe(void *p, size_t n);
// Ends the process for want of n bytes, 0 if nobody knows how many: for what a library says it had
// no memory for.
_Noreturn void memory_none(size_t n);

#define NEW(type_) ((type_ *)memory_new(1, sizeof(type_)))
#define NEW_ARRAY(type_, n_) ((type_ *)memory_new((n_), sizeof(type_)))

#endif
