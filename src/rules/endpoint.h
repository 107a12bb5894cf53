// SPDX-License-Identifier: MIT
// Endpoints: destinations of kind http that were made through Stripe's API, by somebody who holds a
// key, instead of by the operator's file. The books keep them: making, changing and deleting one is
// a command, so which events it gets follows from records alone, by the position at which it was
// made. Each has a row among the destinations, under its id as name; a name of the file that begins
// as one is refused by the configuration.
//
// Matching, explaining and retrying know nothing of them: endpoint_destination says as a
// plan_destination what an endpoint is. Stripe's semantics of delivery, where they differ from
// those of the file's destinations:
// - An event that is booked while it is disabled or deleted is not owed to it, now or later.
// - What it is owed when it is disabled waits. Enabled before the moment of the next attempt, that
//   goes on; enabled after it, the delivery is cancelled then. Deleting cancels all that is open.
// - An endpoint gets what was owed to it when the event came, or what a replay names it for.
// - Of test mode it is tried three times more within hours, live for about three days.
// - After plan_endpoints.disable_after_ms of nothing but failures it is disabled, told by
// `because`. Pure.
#ifndef RULES_ENDPOINT_H
#define RULES_ENDPOINT_H

#include "rules/plan.h"
#include "stripe/endpoint_limits.h"

#define ENDPOINT_CONCURRENCY 16 // attempts at once, if it answers them well (rules/pace.h)

struct endpoint {
    bytes id; // "we_…" of /v1/webhook_endpoints, "ed_…" of /v2/core/event_destinations
    bool livemode;
    bool enabled;
    bytes because; // why it was disabled other than by its owner; empty: it was not
    bytes url;
    bytes *types; // exact, or "*"
    size_t type_count;
    enum scope scope; // account: events without an account; connect: those with one; any: both
    enum plan_payload payload;                         // snapshot or thin
    bytes name, description, api_version, application; // may be empty
    bytes metadata;                                    // a JSON object of strings, compact
    int64_t created_s, updated_ms;
    bytes sealed; // its secret (base/seal.h), sealed for its id, in hexadecimal
};

// The JSON of commands and of the ledger:
// {"id","livemode","enabled","because","url","types":[],"scope","payload":"snapshot|thin","name",
//  "description","api_version","application","metadata":{},"created_s","updated_ms","sealed"}
// All of it stands there. INVALID: it is not of this form. Copied into `a`; MEMORY.
struct json; // base/json.h
must result endpoint_read(struct json in, struct arena *a, struct endpoint *out);
void endpoint_write(const struct endpoint *e, struct text *out);
// Whom it is for, as matching and retrying take it; points into the endpoint and `a`.
must result endpoint_destination(const struct endpoint *e, struct arena *a,
                                 struct plan_destination *out);
bool endpoint_id(bytes name); // does it begin as one?

#endif
