// SPDX-License-Identifier: MIT
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/ensure.h"

void *memory_new(size_t count, size_t size) {
    void *p = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    ensure(p != NULL);
    return p;
}

void *memory_grow(void *p, size_t count, size_t size) {
    ensure(size == 0 || count <= SIZE_MAX / size);
    size_t n = count * size;
    void *grown = realloc(p, n > 0 ? n : 1);
    ensure(grown != NULL);
    return grown;
}

void memory_wipe(void *p, size_t n) {
    if (n > 0)
        explicit_bzero(p, n);
}
