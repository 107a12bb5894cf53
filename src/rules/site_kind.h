// SPDX-License-Identifier: MIT
// What is special about types of objects (rules/site_kinds.def), and where they name each other
// (rules/site_links.def). Static data, private to the rules of sites.
#ifndef RULES_SITE_KIND_H
#define RULES_SITE_KIND_H

#include "base/bytes.h"

#include <stdbool.h>

struct site_kind {
    bytes type, known_as; // known_as: empty where it is the type
    int rank;
    bool chosen, shared;
};

// Never null: the default where there is no row.
const struct site_kind *site_kind_find(bytes type);

struct site_link {
    bytes holder;
    bool above; // what is named stands above the holder
    bytes path, kind;
};

#define SITE_LINKS_EACH_MAX 32 // rows of one holder, as json_pick takes

extern const struct site_link site_links[];
extern const size_t site_link_count;
// "a" of a[].b, and whether it is a list; the path goes on behind it.
bytes site_path_part(bytes *path, bool *list);
// The holder's rows; *n is 0 when it has none.
const struct site_link *site_links_of(bytes holder, size_t *n);

#endif
