// SPDX-License-Identifier: MIT
// The table of the configuration's keys (config/keys.def) and how to find a row. Static data.
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#include <stdbool.h>

#include "base/bytes.h"

enum key_type {
    KEY_MAP,       // keys of its own
    KEY_MAPS,      // a list of maps
    KEY_TEXT,      // a scalar
    KEY_TEXTS,     // a scalar or a list of them
    KEY_ADDRESSES, // the same, of addresses to listen on
    KEY_NETWORKS,  // the same, of networks: 10.1.0.0/16
    KEY_NAME,      // 1 to 64 of a-z 0-9 _ -
    KEY_CHOICE,    // one of the words in `allowed`
    KEY_INTEGER,   //
    KEY_SPAN,      // 16, or from the least to the most: 1..64
    KEY_RATE,      // 50/s, 300/m, 1000/h
    KEY_SIZE,      // 64KiB, 1MiB
    KEY_DURATION,  // 200ms, 5s, 5m, 2h, 90d
    KEY_DURATIONS, // one or a list of them
    KEY_TIME,      // 2026-11-27T18:00:00Z
    KEY_SECRET,    // never shown; file:PATH is read
    KEY_WHERE,     // free keys, each with a scalar or a list of them
};

// What its value looks like.
enum key_form {
    FORM_SCALAR,
    FORM_SCALARS, // one scalar or a list of them
    FORM_MAP,     // keys of its own
    FORM_MAPS,    // a list of maps
    FORM_FREE,    // keys that are nobody's
};

struct key_row {
    const char *path;
    enum key_type type;
    const char *otherwise; // the default
    const char *allowed;
    const char *meaning;
};

enum key {
#define KEY(id, path, type, otherwise, allowed, meaning) KEY_##id,
#include "config/keys.def"
#undef KEY
    KEYS
};

extern const struct key_row keys[KEYS];

// The last part of its path: "timeout".
bytes key_name(const struct key_row *row);
// Is it a key of this map, and no deeper one? Null is the root.
bool key_inside(const struct key_row *row, const struct key_row *map);
// Null when the map has no such key.
const struct key_row *key_find(const struct key_row *map, bytes name);
// The name in this map nearest to a misspelt one; NO_BYTES when nothing is near.
bytes key_nearest(const struct key_row *map, bytes name);
enum key_form key_form(const struct key_row *row);
bool key_required(const struct key_row *row);

// Of `allowed`: the word at *at (start with 0) moves *at on; false at the end.
bool key_choice(const struct key_row *row, size_t *at, bytes *word);
// "16MiB" and "64GiB" of "16MiB..64GiB".
void key_range(const struct key_row *row, bytes *least, bytes *most);

// "a duration from 1s to 5m, as 30s": what stands behind "expected".
struct text;
void key_expected(const struct key_row *row, struct text *out);

#endif
