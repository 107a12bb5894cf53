// SPDX-License-Identifier: MIT
// Where somebody else's URL leads, asked before an endpoint is made with it: its name is resolved,
// each address is judged by the guard (rules/guard.h), and nothing is connected to. It is asked
// anew at each attempt, so a name that does not resolve yet, or not within LEADS_MS, is taken.
#ifndef DESK_LEADS_H
#define DESK_LEADS_H

#include "desk/ask.h"

#define LEADS_MS 2000
// At once; each takes a thread until its name server answers or the resolver gives up, though who
// asked may be gone.
#define LEADS_MAX 64

// Then `then`, with a->status set and the refusal filled in if the guard refuses all addresses, if
// a live endpoint has no TLS and leads elsewhere than into desk.allow_private, or if LEADS_MAX are
// under way. `url` has no fault.
void leads_check(struct ask *a, bytes url, const char *param, void (*then)(struct ask *a));

#endif
