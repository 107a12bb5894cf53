// SPDX-License-Identifier: MIT
// Sample events: for each type that Stripe documents (stripe/types.h) an event as Stripe would send
// it, with object data of our own. Pure: the same options give the same bytes.
//
// The data lies in stripe/samples/OBJECT.json, a file for each object that events carry, built into
// the program by tools/samples. Such a file has
//   "object"  the object, as its other states are told from;
//   "types"   for each type that carries it:
//     "about"     one line on what has happened;
//     "changes"   what differs from "object" in its event: paths (base/json_draft.h) and values;
//     "previous"  data.previous_attributes: what *.updated says of before;
//     "asked"     false: it happened without a request, so `request` holds nulls.
// Where a text holds <…>, something stands in its place:
//   <now> <now-30d> <now+1h>   seconds since 1970, as a number: now, or a duration (base/text.h)
//   off <livemode>                 true or false <mode>                     live or test, inside a
//   text <account>                  the connected account, else the platform's own <cus_> <in_1>
//   <fp_*16>     an id: the prefix and 14 base62 digits, 23 behind a prefix that ends
//                              with a digit, N behind *N. The same text is the same id throughout
//                              an event; <in_1#2> is another one with the same prefix. <*16#card>
//                              has no prefix
//   <uuid>                     a UUID
// Ids, and what else is random, follow from the seed.
#ifndef STRIPE_SAMPLE_H
#define STRIPE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

#define SAMPLE_API_VERSION "2026-10-28.endive"
#define SAMPLE_SIZE_MAX (1u << 20) // bytes of an event with all that was set in it

// A type's row; texts as in the files, JSON without white space. Null: there is none.
struct sample {
    const char *type, *about;
    const char *kind;   // data.object's `object`
    const char *object; // template of data.object
    const char *changes, *previous;
    bool asked;
};

extern const struct sample samples[]; // sorted by type, bytewise
extern const size_t sample_count;

const struct sample *sample_find(bytes type); // null: there is none

struct sample_options {
    int64_t now_s;
    uint64_t seed;
    bool livemode;
    bytes account; // "acct_…"; empty: an event of the platform itself
    // "path=value" each, put one after the other: a path into data.object as base/json_draft.h has
    // it, or with a dot in front into the event itself (.api_version, .data.previous_attributes.x).
    // The value is JSON if it reads as JSON, else it is a text.
    const char *const *sets;
    size_t set_count;
};

// Appends the event, laid out as Stripe does: two spaces a level; id and object first, then the
// keys in bytewise order; empty containers over several lines; `&` as \u0026. INVALID with a
// sentence in *why (both may hold what a caller set): the account is none, or a set cannot be done.
must result sample_make(const struct sample *s, const struct sample_options *o, struct text *out,
                        struct text *why);

// Appends the template with what stands in the place of its words: of the options now_s, seed,
// livemode and account.
void sample_fill(const char *model, const struct sample_options *o, struct text *out);

#endif
