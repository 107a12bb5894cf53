// SPDX-License-Identifier: MIT
// Stripe's side of the wire, around the twin's world (twin/twin.h): what an API at stripe.com and
// its deliveries are to a site. ARCHITECTURE, "The twin". All on the desk's loop.
//
// Requests to paths under /v1 and /v2 that no route of the desk's has and that are the world's go
// to it (twin_serve.c). The events that follow are put in line for each endpoint (twin_send.c),
// which is a source of this gateway, and are posted over HTTP to where it listens, one at a time
// and in order but for what goes wrong on purpose (rules/twin_chaos.h). A 2xx ends an event there;
// anything else is tried again by rules/twin_clock.h, on the twin's clock, then given up. Each
// attempt is signed anew, by the real clock, with the first secret of the source that signs such
// events; a source without one is no endpoint for them, as an endpoint at Stripe is for its
// account's own or for those of connected accounts.
//
// World, clock, chaos and what waits in line are one JSON document (twin_state.c): it lies in
// LEDGER.twin, 0600, written behind what changes, a second later at most or as much as writing it
// takes, and when the desk closes; and it is what an operator saves and loads.
#ifndef DESK_TWIN_H
#define DESK_TWIN_H

#include "base/heap.h"
#include "desk/ask.h"
#include "rules/twin_chaos.h"
#include "rules/twin_clock.h"
#include "twin/twin.h"

#define TWIN_BODY_MAX FORM_BYTES_MAX         // of a request to the world
#define TWIN_DOCUMENT_MAX ((size_t)48 << 20) // of one that is loaded through the desk
#define TWIN_FILE_MAX ((size_t)2 << 30)      // of the file
#define TWIN_SAVE_MS 1000                    // behind a change
#define TWIN_REORDER_MS 1000                 // for an event behind it, in real time
#define TWIN_POST_MS 30000                   // for an answer, in real time
#define TWIN_CHAOS_HEADER "Hookkeep-Twin-Chaos"

struct twin_desk;

// Makes the world, or loads it from the file. Reads what it needs of the desk's options; the desk
// has its loop and its sources. On failure *out is null and `why` says what to do.
must result twin_desk_open(struct desk *d, struct twin_desk **out, struct text *why);
void twin_desk_hush(struct twin_desk *t); // nothing is posted any more; null is allowed
// Once the loop runs no more: writes what has changed. Null is allowed.
void twin_desk_close(struct twin_desk *t);

// Is it a path for the world? Then *route has what such a request needs.
bool twin_takes(const struct desk *d, bytes method, bytes path, const struct route **route);
// Keeps what a request of the world's says in its head; false: refused.
bool twin_head(struct ask *a, const struct http_request *r);
// What stands in the refusal of a path that is not ours: how to have it answered. Empty: no way.
const char *twin_hint(const struct desk *d, bytes path);

#endif
