// SPDX-License-Identifier: MIT
// Looking at a plugin before it is used: a process of our own binary loads it, as its workers will.
#ifndef CONFIG_LOOK_H
#define CONFIG_LOOK_H

#include "base/text.h"
#include "rules/handler.h"

#define LOOK_MS 5000 // it may take so long

// Waits for what `hookkeep plugin show --json` says of it (plugin/host.h), run as the handler would
// be: directory, user, environment, limits. INVALID: `why` gets a clause that says what is wrong
// and what to do.
must result plugin_look(const struct handler *h, bytes path, struct text *json, struct text *why);

#endif
