// SPDX-License-Identifier: MIT
// What a key of the desk may do (rules/key_modes.def). Pure.
#ifndef RULES_KEY_MODE_H
#define RULES_KEY_MODE_H

#include "base/bytes.h"

enum key_mode {
#define KEY_MODE(id, name, prefix, meaning) KEY_MODE_##id,
#include "rules/key_modes.def"
#undef KEY_MODE
    KEY_MODES
};

// KEY_MODES: no mode has this name.
enum key_mode key_mode_find(bytes name);
const char *key_mode_name(enum key_mode m);
const char *key_mode_prefix(enum key_mode m);
// Is it for Stripe's API? Then it is of one livemode.
bool key_mode_stripe(enum key_mode m);
bool key_mode_live(enum key_mode m);
bool key_mode_changes(enum key_mode m); // may it change anything?

#endif
