// SPDX-License-Identifier: MIT
// The table's rules, applied to a tree: which keys there are, what each may hold, what stands in
// for an absent one. What one key alone cannot tell (two sources on one path) is config/bind.h's.
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config/tree.h"

// Gives every node its row, its text and its number, and adds the defaults. `row` is the map's own;
// null: the root. Problems become messages; a failure is only MEMORY.
must result check_map(struct reading *r, struct node *map, const struct key_row *row);
// n->text from n->raw: ${VAR}, ${VAR:-default} (also when VAR is empty), and $${ for ${.
must result check_expand(struct reading *r, struct node *n);
// "16" is from 16 to 16, "1..64" as it says. False: it is neither.
bool check_span(const struct node *n, int64_t *least, int64_t *most);

#endif
