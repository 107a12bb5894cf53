// SPDX-License-Identifier: MIT
#include "port/resident.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/bytes.h"

// A mapping of a file that nobody may write: what is dropped of it can be read again.
struct mapping {
    uintptr_t from, to;
    bool droppable;
};

// "7f00-7f01 r-xp 00000000 fe:00 42 /usr/lib/x.so"; false for the lines about it.
static bool read_mapping(const char *line, struct mapping *out) {
    char *end;
    uintptr_t from = strtoull(line, &end, 16);
    if (end == line || *end != '-')
        return false;
    out->from = from;
    out->to = strtoull(end + 1, &end, 16);
    bytes rest = bytes_of(end);
    out->droppable = bytes_starts(rest, B(" r-")) && bytes_find(rest, '/') < rest.n;
    return true;
}

void resident_trim(void) {
    malloc_trim(0);
    FILE *f = fopen("/proc/self/smaps", "re");
    if (f == NULL)
        return;
    char line[512];
    struct mapping m = {0};
    while (fgets(line, sizeof line, f) != NULL) {
        if (read_mapping(line, &m))
            continue;
        // Relocated tables are read-only too, but no longer what the file holds: their pages are
        // anonymous, or swapped out. (Dirty is another question: while a child that was forked has
        // not executed yet, they are shared with it, and not private.)
        bytes about = bytes_of(line);
        bool none = bytes_ends(about, B(" 0 kB\n"));
        if (bytes_starts(about, B("Anonymous:")))
            m.droppable = m.droppable && none;
        if (bytes_starts(about, B("Swap:")) && none && m.droppable)
            (void)madvise((void *)m.from, m.to - m.from, MADV_DONTNEED);
    }
    fclose(f);
}
