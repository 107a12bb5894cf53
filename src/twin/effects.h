// SPDX-License-Identifier: MIT
// The functions of twin/effects.def. Inside of the twin.
#ifndef TWIN_EFFECTS_H
#define TWIN_EFFECTS_H

#include "twin/call.h"

#define EFFECT(name, doc) bool effect_##name(struct twin_call *c);
#include "twin/effects.def"
#undef EFFECT

#endif
