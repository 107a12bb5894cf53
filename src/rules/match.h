// SPDX-License-Identifier: MIT
// Which destinations get an event, and why. Pure: the same plan and the same event give the same
// answer.
#ifndef RULES_MATCH_H
#define RULES_MATCH_H

#include "base/json.h"
#include "rules/plan.h"

// What a receipt's matching looks at.
struct match_facts {
    bytes type, account; // account empty: the platform's own
    bool livemode;
    bytes source, secret; // path and label of this receipt
    bytes site;           // its name; empty: unclaimed
    json event;           // the event's root, for `where`
};

// Does this destination get it? One of kind tables gets no thin event, which holds no object, and
// none about an object of a type in `except`. `why`, if not null, gets one line that names the rule
// and the key and value that decided ("rule 2: types customer.* matches customer.created"; "no rule
// matches: rule 1: accounts: acct_1 is not in the list; …").
bool match_destination(const struct plan_destination *d, const struct match_facts *f,
                       struct text *why);
// Might it get an event of this type by this source (empty: by any), whatever else its rules ask
// for?
bool match_may_get(const struct plan_destination *d, bytes type, bytes source);
// The handler of a plugin that an event of this type is for; null: none, or they are not known.
const struct plan_handler *match_handler(const struct plan_destination *d, bytes type);
// A type, a family that ends in ".*", or "*"?
bool match_is_pattern(bytes p);
// One pattern against one type.
bool match_type(bytes pattern, bytes type);

#endif
