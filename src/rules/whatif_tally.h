// SPDX-License-Identifier: MIT
// Events counted by type, with a few of their ids. Private to rules/whatif.h.
#ifndef RULES_WHATIF_TALLY_H
#define RULES_WHATIF_TALLY_H

#include "base/arena.h"
#include "base/map.h"
#include "base/text.h"

struct tally {
    uint64_t events;
    struct map types; // name: struct tallied, in the arena
};

// FULL: the arena has no room.
must result tally_add(struct tally *t, bytes type, bytes id, struct arena *a);
void tally_drop(struct tally *t); // usable with OWN
// Appends "events":N,"types":[…], most events first, then by name.
void tally_write(const struct tally *t, struct text *out);

#endif
