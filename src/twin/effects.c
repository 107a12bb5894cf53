// SPDX-License-Identifier: MIT
#include "twin/effects.h"

const struct twin_effect_row twin_effects[] = {
#define EFFECT(name, doc) {#name, effect_##name, doc},
#include "twin/effects.def"
#undef EFFECT
};
const size_t twin_effect_count = sizeof twin_effects / sizeof twin_effects[0];
