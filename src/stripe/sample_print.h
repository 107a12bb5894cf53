// SPDX-License-Identifier: MIT
// JSON as the bodies of Stripe's deliveries are laid out.
#ifndef STRIPE_SAMPLE_PRINT_H
#define STRIPE_SAMPLE_PRINT_H

#include "base/json.h"
#include "base/text.h"

// Two spaces a level; in each object id and object first, then the keys in bytewise order; an empty
// array as "[", an empty line and "]", an empty object as "{" and "}" on lines of their own; `&` as
// \u0026. No line end behind it. Of equal keys one is left out.
void sample_print(json v, struct text *out);

#endif
