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

// The paths of one holder's links as a tree, so that what several go through is walked once: what
// is to be done with a value that stands at a step.
struct site_step {
    const struct site_link *here; // the value is what this link names
    uint16_t element;             // the step of each element of a list; 0: none
    uint16_t first, members;      // the steps of its members, if it is an object
};

struct site_claims {
    const struct plan *plan;
    struct site_step *steps;
    bytes *names;    // of the steps that are members
    uint16_t *roots; // by a holder's first row in site_links: the step of the holder
    uint16_t step_count;
    struct map ids;   // "price:price_1", "cus_1": struct site_asked
    struct map marks; // 8 bytes: struct site_asked
    struct site_group *groups;
    struct site_whole *wholes;
    size_t group_count, whole_count;
    struct arena memory;
};

#define SITE_INNER "data.object."

#endif
