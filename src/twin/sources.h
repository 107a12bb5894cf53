// SPDX-License-Identifier: MIT
// Cards and bank accounts that belong to somebody. Inside of the twin.
#ifndef TWIN_SOURCES_H
#define TWIN_SOURCES_H

#include "twin/call.h"

// Makes the card or bank account that a parameter says, of this owner from now on: "customer" or
// "account", and its id. Null: refused, with 402 where its card cannot be kept.
struct twin_object *source_attach(struct twin_call *c, const char *param, const char *owner,
                                  const char *id);
// An account shows where its payouts go.
void external_list(struct twin_call *c, struct twin_object *account);

#endif
