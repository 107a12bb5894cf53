// SPDX-License-Identifier: MIT
// Inside of the plan: the JSON of a destination's lanes (rules/lane.h).
#ifndef RULES_PLAN_LANE_H
#define RULES_PLAN_LANE_H

#include "base/json.h"
#include "rules/plan.h"

size_t plan_lane_extra(json destination); // keys of it that may be left out, and are not
must result plan_lane_read(json destination, struct plan_destination *d);
void plan_lane_write(const struct plan_destination *d, struct text *out); // behind other keys

#endif
