// SPDX-License-Identifier: MIT
// How claims are asked: by an object's key, by what a JSON value says at a path, by the mark that
// an object kept of a claim that it met. Private to the rules of sites.
//
// A mark is a digest of the site's name with the path and value that were met, or, where a claim
// asks for several paths, with the whole of it: so that values can be added to a claim without
// anything learnt being lost, and a mark whose claim is gone counts for nothing.
#ifndef RULES_SITE_CLAIMS_H
#define RULES_SITE_CLAIMS_H

#include "base/map.h"
#include "rules/site.h"

// A claim that asks by what is said; of one path and value, unless `whole` is there.
struct site_asked {
    struct site_asked *next; // of the same path and value
    size_t site;
    uint64_t mark;
    const struct plan_claim *claim;
    bytes value; // of the claim's one path, or the id; empty: the whole claim
};

struct site_group {
    bytes path;
    bytes inner;       // the path inside an object: behind "data.object."; empty: outside of it
    struct map values; // text of a value: struct site_asked
};

struct site_whole {
    size_t site;
    uint64_t mark;
    const struct plan_claim *claim;
};

// A link's path, cut once: "lines", a list, and "price" of lines[].price.
struct site_path {
    bytes first, rest;
    bool list;
    uint8_t member; // among the different first parts of its holder
};

struct site_claims {
    const struct plan *plan;
    struct site_path *paths; // of site_links, row by row
    struct map ids;          // "price:price_1", "cus_1": struct site_asked
    struct map marks;        // 8 bytes: struct site_asked
    struct site_group *groups;
    struct site_whole *wholes;
    size_t group_count, whole_count;
    struct arena memory;
};

#define SITE_INNER "data.object."

#endif
