// SPDX-License-Identifier: MIT
#include "twin/tokens.h"

struct twin_object *twin_token(struct twin_call *c, bytes id, const char *kinds) {
    return NULL;
}
