// SPDX-License-Identifier: MIT
// Inside of the plan: the JSON of what paces and holds a destination.
#ifndef RULES_PLAN_PACE_H
#define RULES_PLAN_PACE_H

#include "base/json.h"
#include "rules/plan.h"

size_t plan_pace_extra(json destination); // keys of it that may be left out, and are not
must result plan_pace_read(json destination, struct plan_destination *d);
void plan_pace_write(const struct plan_destination *d, struct text *out); // behind other keys

#endif
