// SPDX-License-Identifier: MIT
// The encoding of parameters that Stripe's API takes, application/x-www-form-urlencoded with maps
// and lists by brackets (https://docs.stripe.com/api,
// https://url.spec.whatwg.org/#urlencoded-parsing), as JSON. Pure.
//
//   metadata[site]=shop&items[0][price]=p_1&types[]=a&types[]=b
//   {"metadata":{"site":"shop"},"items":[{"price":"p_1"}],"types":["a","b"]}
//
// Every value is a string; without '=' it is empty. Brackets may be percent-encoded. A list is
// written by `[]` behind a name, or by the numbers 0, 1, … each once, in any order; a map whose
// keys are other numbers stays a map. Clients write their keys in any order and nothing twice, so
// what would be read in two ways is refused: a name twice, or as a value and as a map, `[]` beside
// numbers, or with more behind it.
#ifndef STRIPE_FORM_H
#define STRIPE_FORM_H

#include "base/text.h"

#define FORM_BYTES_MAX ((size_t)256 << 10) // of the whole
#define FORM_PAIRS_MAX 1000
#define FORM_DEPTH_MAX 8 // names and brackets of one key

// Appends one object. INVALID, with one sentence in `why` (it repeats names, shortened, and never
// values) and nothing appended: brackets that do not match, no name, not UTF-8, two ways to read
// it, or over a limit. MEMORY: the allocator refused.
must result form_read(bytes form, struct text *out, struct text *why);

#endif
