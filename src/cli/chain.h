// SPDX-License-Identifier: MIT
// How the site of an object was found, told for people (hookkeep-api(7), an object's `chain`).
#ifndef CLI_CHAIN_H
#define CLI_CHAIN_H

#include "base/json.h"
#include "base/text.h"

// "customer cus_1", of anything with `type` and `id`.
void chain_object(json object, struct text *out);
// Lines with `indent` before each: the object, what it belongs to, and the claim at the end; or why
// it has no site.
void chain_print(json object, const char *indent, struct text *out);

#endif
