// SPDX-License-Identifier: MIT
#include "port/resident.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

// A mapping of a file that nobody may write: what is dropped of it can be read again.
struct mapping {
    uintptr_t from, to;
    bool droppable;
};

// "7f00-7f01 r-xp 00000000 fe:00 42 /usr/lib/x.so"
static bool read_mapping(const char *line, struct mapping *out) {
    char mode[5];
    unsigned long inode;
    if (sscanf(line, "%zx-%zx %4s %*s %*s %lu", &out->from, &out->to, mode, &inode) != 4)
        return false;
    out->droppable = inode != 0 && mode[0] == 'r' && mode[1] == '-' && mode[3] == 'p';
    return true;
}

void resident_trim(void) {
    malloc_trim(0);
    FILE *f = fopen("/proc/self/smaps", "re");
    if (f == NULL)
        return;
    char line[512];
    struct mapping m = {0};
    unsigned long kib;
    while (fgets(line, sizeof line, f) != NULL) {
        if (read_mapping(line, &m))
            continue;
        // Relocated tables are read-only too, but no longer what the file holds.
        if (sscanf(line, "Private_Dirty: %lu kB", &kib) == 1 && kib == 0 && m.droppable)
            (void)madvise((void *)m.from, m.to - m.from, MADV_DONTNEED);
    }
    fclose(f);
}
