// SPDX-License-Identifier: MIT
// Endpoints that somebody makes, changes and deletes through the API, whichever of Stripe's two:
// the commands to the books, and what they answered.
#ifndef DESK_ENDPOINTS_H
#define DESK_ENDPOINTS_H

#include "desk/ask.h"
#include "rules/endpoint.h"

#define ENDPOINT_ID_RANDOM 24

// Has the endpoint made, of the key's livemode and enabled, with an id of this prefix and a new
// secret. `metadata`: an object whose members may be empty or null, which are left out; or nothing.
void endpoint_make(struct ask *a, const struct endpoint *e, json metadata, const char *prefix,
                   void (*then)(struct ask *a));
// Has that of the path changed: `set` as the command endpoint_update takes it.
void endpoint_change(struct ask *a, bytes set, void (*then)(struct ask *a));
void endpoint_remove(struct ask *a, void (*then)(struct ask *a));
// Appends `"metadata":` with what changes, or nothing if it is absent; an empty text clears all of
// it, and a member that is empty or null is unset.
void endpoint_set_metadata(json metadata, struct text *out);

// What the books answered, in a->out, which is empty afterwards. False: the answer says that it is
// none. The secret of one that was just made, also where it is told again for its Idempotency-Key.
struct endpoint_answer {
    struct endpoint endpoint; // in the ask's memory
    struct text secret;
};
bool endpoint_answer_read(struct ask *a, struct endpoint_answer *out);
void endpoint_answer_drop(struct endpoint_answer *e); // wipes

// ,"key": and the text, or null for one that is empty.
void endpoint_add_text(struct text *out, const char *key, bytes value);

#endif
