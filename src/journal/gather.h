// SPDX-License-Identifier: MIT
// What a cursor's read collects: records copied into an arena until the caller's measure is full.
#ifndef JOURNAL_GATHER_H
#define JOURNAL_GATHER_H

#include "journal/store.h"

struct gather {
    struct arena *arena; // payloads and, at the end, the array
    size_t left;         // bytes that still fit
    struct record *records;
    size_t n, cap;
};

void gather_drop(struct gather *g);
// Copies one record; false when it does not fit any more. The first one always fits, the arena
// permitting.
bool gather_add(struct gather *g, const struct record *r);
// Hands the array over in the arena. MEMORY when the arena has no room for it, or had none for the
// first record.
must result gather_finish(struct gather *g, bool wanted_more, struct record **out, size_t *n);

#endif
