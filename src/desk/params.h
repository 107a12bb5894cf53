// SPDX-License-Identifier: MIT
// What a request says beside its path: parameters of the query and members of the body, checked
// against what its route takes. False: the ask's answer says what was wrong.
#ifndef DESK_PARAMS_H
#define DESK_PARAMS_H

#include "desk/ask.h"

// Copies what the head says, which does not outlive it.
void params_keep(struct ask *a, bytes arg, bytes query);
bool params_read(struct ask *a); // fills a->values
bool params_body(struct ask *a); // fills a->doc

// A parameter that the route takes; empty if it was not given.
bytes param(const struct ask *a, const char *name);
// A member of the body; absent if it was not given.
json field(const struct ask *a, const char *name);
// A decimal number over 0; *out stays as it was if the parameter was not given.
bool param_number(struct ask *a, const char *name, uint64_t *out);
// {x} of the path as such a number.
bool arg_number(struct ask *a, uint64_t *out);

// A list's filter from whichever of its parameters the route takes. `states` names what `state` may
// be, null past the end.
bool params_filter(struct ask *a, const char *(*states)(unsigned i), struct list_filter *out);

#endif
