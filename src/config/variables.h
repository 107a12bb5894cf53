// SPDX-License-Identifier: MIT
// Keys of the configuration by environment. A key's variable is HOOKKEEP_ and its path in capitals,
// with _ for each dot and a number from 0 for each []: journal.size is HOOKKEEP_JOURNAL_SIZE,
// sources[].path of the first source HOOKKEEP_SOURCES_0_PATH.
//
// What a variable holds is what would stand in the file: ${VAR} and file:PATH mean the same. One
// value is taken as it is; a list of values stands between commas, or is YAML if it begins with [;
// a map, a list of maps and `where` are YAML. A variable wins over the file, and a variable for one
// entry or key over one for all of them; a number one above the file's last entry adds an entry. An
// empty variable is none.
#ifndef CONFIG_VARIABLES_H
#define CONFIG_VARIABLES_H

#include "config/tree.h"

// Puts what the variables say into the tree. Problems become messages that name the variable:
// among them a HOOKKEEP_ variable that is no key's and not in config/variables.def. A failure is
// INVALID (after a message: no YAML) or MEMORY. *used: how many said something.
must result variables_apply(struct reading *r, struct node *root, size_t *used);
// Is there a variable of a key whose name begins so? Null: of any.
bool variables_say(const struct config_outside *outside, const char *prefix);

// A key's variable with `index` for each []: HOOKKEEP_SOURCES_0_PATH.
void key_variable(const struct key_row *row, bytes index, struct text *out);

#endif
