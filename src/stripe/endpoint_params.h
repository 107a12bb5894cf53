// SPDX-License-Identifier: MIT
// What a webhook endpoint may be made and changed with
// (https://docs.stripe.com/api/webhook_endpoints/create, …/update), from parameters that were read
// (stripe/form.h, where an empty value clears). Pure; all of it points into the parameters.
//
// Refused as Stripe does: an enabled event that Stripe does not document, `*` beside others, a URL
// without a scheme, metadata over its limits,
// api_version and connect once it is made. `expand` is read over.
#ifndef STRIPE_ENDPOINT_PARAMS_H
#define STRIPE_ENDPOINT_PARAMS_H

#include "stripe/endpoint_limits.h"
#include "stripe/event_query.h"

struct endpoint_params {
    bytes url;           // empty: not given
    json enabled_events; // a list of texts; absent: not given
    json description;    // a text, which may be empty; absent: not given
    json metadata;       // an object of texts, where an empty one unsets its key; or an empty text
                         // that clears all; absent: not given
    bytes api_version;   // empty: not given
    bool connect;
    bool disabled_given, disabled;
};

// `new`: it is made, not changed. False: refused.
bool endpoint_params_read(json params, bool new, struct endpoint_params *out,
                          struct api_refusal *why);
// The parts, for who takes them otherwise (JSON of /v2). `name`: what the parameter is called.
bool endpoint_url_check(bytes url, const char *name, struct api_refusal *why);
bool endpoint_events_check(json list, const char *name, bool thin, struct api_refusal *why);
bool endpoint_metadata_check(json metadata, struct api_refusal *why);

#endif
