// SPDX-License-Identifier: MIT
#include "rules/command.h"

static const char *const names[] = {
#define COMMAND(id, name, fields, meaning) [COMMAND_##id] = (name),
#include "rules/commands.def"
#undef COMMAND
};

enum command command_find(bytes name) {
    size_t i = 0;
    while (i < COMMANDS && !bytes_equal(name, bytes_of(names[i])))
        i++;
    return (enum command)i;
}

const char *command_name(enum command c) { return (size_t)c < COMMANDS ? names[c] : "unknown"; }
