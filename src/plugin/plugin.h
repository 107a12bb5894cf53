// SPDX-License-Identifier: MIT
// Inside of plugin: a shared object with handlers (hookkeep/handler.h), loaded into this process.
// What it does to the process is its own affair, so only processes that may end load one.
#ifndef PLUGIN_PLUGIN_H
#define PLUGIN_PLUGIN_H

#include "base/text.h"
#include "hookkeep/handler.h"

#define PLUGIN_HANDLERS_MAX 256
#define PLUGIN_TYPES_MAX 256 // of one handler
#define PLUGIN_DESCRIPTION_MAX 200

struct plugin {
    void *object; // of the dynamic linker
    const hk_handler_table *table;
};

// Loads it and looks at its table. `path` without a '/' is one in the working directory. INVALID:
// `why` gets what is wrong with it and what to do, without its path. What it does on being loaded
// is done, a crash too.
must result plugin_open(const char *path, struct plugin *out, struct text *why);
void plugin_close(struct plugin *p); // usable with OWN; zero-initialised is valid
// The first handler that processes this type; null: none does.
const hk_handler *plugin_find(const struct plugin *p, bytes type);

#endif
