// SPDX-License-Identifier: MIT
// Ids that stand for something without having been made: test cards and tokens
// (https://docs.stripe.com/testing), as pm_card_visa. Inside of the twin.
#ifndef TWIN_TOKENS_H
#define TWIN_TOKENS_H

#include "twin/call.h"

// A new object for a token of one of these types; null: it is none, or refused.
struct twin_object *twin_token(struct twin_call *c, bytes id, const char *kinds);
// One that was made is used up. False: refused, as it was before.
bool token_use(struct twin_call *c, struct twin_object *token);

#endif
