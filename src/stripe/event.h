// SPDX-License-Identifier: MIT
// The envelope of a Stripe event: what Hookkeep reads of it. Snapshot events (`object: event`) and
// thin events
// (`object: v2.core.event`) of https://docs.stripe.com/api/events/object and /api/v2/core/events.
// Pure.
//
// The bytes themselves are never rewritten. Unknown types and fields are welcome; a field that we
// need and that is not of its type makes the body no event: id and type (1 to 255 bytes, no control
// characters), object, created (an integer; an RFC 3339 date and time in thin events), livemode (a
// boolean). One of these standing twice makes it no event, since readers would disagree about it.
// `account` and `context` may be absent or null; else they keep the rule of id, since `account`
// becomes a header of what is delivered.
#ifndef STRIPE_EVENT_H
#define STRIPE_EVENT_H

#include <stdint.h>

#include "base/json.h"

#define EVENT_ID_MAX 255

struct event {
    bool thin;
    bool livemode;
    int64_t created; // seconds since 1970
    bytes id, type;
    bytes account;     // connected account: `account`, or the last acct_ segment of a thin event's
                       // `context`; may be empty
    bytes context;     // as sent; may be empty
    bytes api_version; // empty if null or thin
    bytes object_id, object_type; // data.object's id and object, or related_object's; may be empty
    bytes request_id, idempotency_key; // may be empty
    bytes snapshot_id;                 // of a thin event: its snapshot twin; may be empty
    struct json_doc *doc;              // owns all the bytes above
};

// INVALID: not an event. `why`, if not null, gets one sentence that repeats nothing of the body but
// field names.
struct text;
must result event_parse(bytes body, struct event *out, struct text *why);

// The field of a body that is no event, and the rule that it breaks; both constant.
struct event_fault {
    const char *field, *problem;
};
// The same of a document, whose owner the event becomes; if it is INVALID it is closed.
must result event_read(struct json_doc *doc, struct event *out, struct event_fault *fault);
void event_drop(struct event *e); // usable with OWN; zero-initialised is valid

#endif
