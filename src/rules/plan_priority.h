// SPDX-License-Identifier: MIT
// Inside of the plan: the JSON of a destination's priority (rules/priority.h).
#ifndef RULES_PLAN_PRIORITY_H
#define RULES_PLAN_PRIORITY_H

#include "base/json.h"
#include "rules/plan.h"

size_t plan_priority_extra(json destination); // keys of it that may be left out, and are not
must result plan_priority_read(struct arena *a, json destination, struct plan_destination *d);
void plan_priority_write(const struct plan_destination *d, struct text *out); // behind other keys

#endif
