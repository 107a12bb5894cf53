// SPDX-License-Identifier: MIT
// Which event or object is meant: by its number, or by an id that may stand for several (of several
// owners, accounts and livemodes).
#ifndef DESK_WHICH_H
#define DESK_WHICH_H

#include "desk/ask.h"

struct which {
    bytes name;                     // all digits: a seq; else an id
    bytes owner, account, livemode; // empty: any; account "platform": none
};

// The one that {x} of the path and the route's parameters name. False: refused.
bool which_asked(struct ask *a, struct which *out);
// On the query thread: its seq. False: the answer says that there is none, or which ones there are.
bool which_seq(struct ask *a, struct reader *r, const struct which *w, uint64_t *seq);

// The same for an object that events name: {x} is its number, its id, or its key (rules/site.h);
// digits may be both the first and the second.
bool which_object(struct ask *a, struct reader *r, const struct which *w, uint64_t *number);

#endif
