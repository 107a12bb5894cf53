// SPDX-License-Identifier: MIT
#include "port/resident.h"

#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// Segments that nobody may write hold what their file holds: what is dropped of them is read again.
// Relocated tables, also those that become read-only, lie in segments that were writable.
static int trim_object(struct dl_phdr_info *object, size_t size, void *ctx) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &object->dlpi_phdr[i];
        if (h->p_type != PT_LOAD || (h->p_flags & PF_W) != 0)
            continue;
        uintptr_t from = (object->dlpi_addr + h->p_vaddr) / page * page;
        uintptr_t to = object->dlpi_addr + h->p_vaddr + h->p_memsz;
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

// The loader's lock is held meanwhile: no other thread's library comes or goes.
void resident_trim(void) {
    malloc_trim(0);
    dl_iterate_phdr(trim_object, NULL);
}
