// SPDX-License-Identifier: MIT
#include "base/memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/ensure.h"

void memory_none(size_t n) {
    // Standard error has no buffer: this needs no memory.
    fputs("out of memory", stderr);
    if (n > 0)
        fprintf(stderr, ": the system gives no further %zu bytes", n);
    fputs("; nothing durable is lost, give the process more and start it again\n", stderr);
    abort();
}

void *memory_new(size_t count, size_t size) {
    void *p = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    if (p == NULL)
        memory_none(count * size);
    return p;
}

void *memory_take(size_t n) {
    void *p = malloc(n > 0 ? n : 1);
    if (p == NULL)
        memory_none(n);
    return p;
}

void *memory_grow(void *p, size_t count, size_t size) {
    ensure(size == 0 || count <= SIZE_MAX / size);
    size_t n = count * size;
    void *grown = realloc(p, n > 0 ? n : 1);
    if (grown == NULL)
        memory_none(n);
    return grown;
}

void memory_wipe(void *p, size_t n) {
    if (n > 0)
        explicit_bzero(p, n);
}

// Here, so that bytes.c needs no memory.
char *bytes_strdup(bytes b) {
    char *s = memory_new(b.n + 1, 1);
    if (b.n > 0)
        memcpy(s, b.p, b.n);
    return s;
}
