// SPDX-License-Identifier: MIT
// States of an object held against each other, for rules/version.c, which has the reasons. Pure.
#ifndef RULES_VERSION_SAME_H
#define RULES_VERSION_SAME_H

#include "rules/version.h"

enum version_links { LINKS_COUNT, LINKS_ALIKE }; // are two links to Stripe's pages the same?

bool version_same(json a, json b, enum version_links links);
// Does the event say anything of before?
bool version_tells(const struct version_state *s);
// Does each value that `previous` names stand in `before`? `after` tells whether a member was
// replaced whole.
bool version_named(json before, json after, json previous);
// The same, and all that it does not name is the same in both.
bool version_undone(json before, json after, json previous);
// All that the changes of a second name, each once. Zero-initialised is valid and empty.
struct version_field;
struct version_fields {
    struct version_field *at;
    size_t n, cap;
};
void version_fields_add(struct version_fields *f, json previous);
void version_fields_drop(struct version_fields *f); // usable with OWN

// Is what these name, and `previous` does not, the same in both?
bool version_kept(json before, json after, json previous, const struct version_fields *fields);

#endif
