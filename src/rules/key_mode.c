// SPDX-License-Identifier: MIT
#include "rules/key_mode.h"

#include "base/ensure.h"

static const struct {
    const char *name, *prefix;
} modes[] = {
#define KEY_MODE(id, name, prefix, meaning) {name, prefix},
#include "rules/key_modes.def"
#undef KEY_MODE
};

enum key_mode key_mode_find(bytes name) {
    size_t i = 0;
    while (i < KEY_MODES && !bytes_equal(name, bytes_of(modes[i].name)))
        i++;
    return (enum key_mode)i;
}

const char *key_mode_name(enum key_mode m) {
    ensure(m < KEY_MODES);
    return modes[m].name;
}

const char *key_mode_prefix(enum key_mode m) {
    ensure(m < KEY_MODES);
    return modes[m].prefix;
}

bool key_mode_stripe(enum key_mode m) { return m >= KEY_MODE_TEST && m < KEY_MODES; }

bool key_mode_live(enum key_mode m) { return m == KEY_MODE_LIVE || m == KEY_MODE_LIVE_READ_ONLY; }

bool key_mode_changes(enum key_mode m) {
    return m == KEY_MODE_OPERATOR || m == KEY_MODE_TEST || m == KEY_MODE_LIVE;
}
