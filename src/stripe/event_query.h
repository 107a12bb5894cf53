// SPDX-License-Identifier: MIT
// What `GET /v1/events` may be asked (https://docs.stripe.com/api/events/list), from parameters
// that were read (stripe/form.h). Pure.
//
// Heeded: type or types (one of both), created (a number or its bounds), delivery_success, limit
// (1 to 100, else 10), starting_after or ending_before (one of both). `expand` is read over: events
// hold nothing to expand. Where a type has one `*`, it stands for any text, as in charge.*.
#ifndef STRIPE_EVENT_QUERY_H
#define STRIPE_EVENT_QUERY_H

#include <stdint.h>

#include "base/json.h"
#include "stripe/api_error.h"

#define EVENT_QUERY_TYPES_MAX 20 // Stripe's
#define EVENT_QUERY_LIMIT 10     // Stripe's
#define EVENT_QUERY_LIMIT_MAX 100

struct event_query {
    bytes types[EVENT_QUERY_TYPES_MAX]; // any of these; valid as long as the parameters. None has
                                        // two *, or a ? or [
    size_t type_count;                  // 0: all
    int64_t created_min, created_max;   // seconds, both of them too
    enum { DELIVERED_OR_NOT, DELIVERED, UNDELIVERED } delivered;
    size_t limit;
    bytes after, before; // ids: older than, newer than; at most one is not empty
    bytes object;        // of /v2: about the object of this id; empty: about any
};

// Why something is refused; the message is one sentence.
struct api_refusal {
    enum api_error error;
    struct text param, message;
};
void api_refusal_drop(struct api_refusal *r); // usable with OWN
// Fills it. False, so that a reader of parameters can return it.
bool api_refuse(struct api_refusal *r, enum api_error e, bytes param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// Does the object have members of these names alone (null-ended)? False: refused.
bool api_names_known(json params, const char *const *names, struct api_refusal *why);
// A parameter that is a text; NO_BYTES if it was not given. False: refused, as it is something else
// or empty.
bool api_text(json params, const char *name, bytes *out, struct api_refusal *why);
// true or false; *given says whether it stands there.
bool api_bool(json params, const char *name, bool *given, bool *out, struct api_refusal *why);

bool event_query_read(json params, struct event_query *out, struct api_refusal *why);
// The same for `GET /v2/core/events`: limit, object_id, types, created by bounds of RFC 3339. Its
// page is for who takes the request.
bool event_query_read_v2(json params, struct event_query *out, struct api_refusal *why);

#endif
