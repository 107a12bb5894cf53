// SPDX-License-Identifier: MIT
// Stripe's API on the desk: paths under /v1, so that its SDKs and its CLI can be told to talk to us
// (docs/stripe-api.md has what works). What these requests share: parameters by form encoding
// (stripe/form.h), refusals in Stripe's envelope (stripe/api_error.h), Request-Id on each answer,
// Stripe-Version given back as it came, and a key of mode test or live, that sees events of its
// livemode alone. An ask is one of these from its head on (ask_v1 is true): then ask_fail writes
// the envelope too, so that what all requests share needs to know nothing of it.
//
// A key that is not of our form may be one of the real Stripe: nothing of it is kept but which of
// Stripe's prefixes it has.
#ifndef DESK_V1_H
#define DESK_V1_H

#include "desk/ask.h"
#include "stripe/api_error.h"
#include "stripe/event_query.h"

#define V1_HEADERS_MAX 5

// Under /v1, or under /v2, where there is nothing yet but refusals of the same shape.
bool v1_path(bytes path);
// Keeps what is told of any request under it, refused or not.
void v1_note(struct ask *a, const struct http_request *r);
// Takes what the head says of a request under /v1; false: refused.
bool v1_head(struct ask *a, const struct http_request *r);
// Fills a->doc from query and body. False: refused.
bool v1_params(struct ask *a);
// Lines of the answer's head, which live as long as the ask; their number.
size_t v1_headers(struct ask *a, const char *lines[V1_HEADERS_MAX]);

// The event of the path, on the query thread; `more` stands behind the words that there is none.
// False: the answer says why not.
bool v1_event_show(struct ask *a, struct reader *r, const struct history_view *view,
                   const char *noun, const char *more);

// As ask_command_post, with what was asked: method, path and parameters, whichever their order. So
// an Idempotency-Key stands for that, not for what was made for it; what is answered for a key that
// was known is marked in the answer's head.
void v1_command_post(struct ask *a, void (*then)(struct ask *a));

// Fills the answer, as ask_fail does.
void v1_fail(struct ask *a, enum api_error e, const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// The same, of whichever parameters were found wrong.
void v1_fail_as(struct ask *a, const struct api_refusal *why);
void v1_refuse(struct ask *a, const struct api_refusal *why); // and sends it
// The refusals that the path and the key come to.
void v1_fail_path(struct ask *a, bytes method, bytes path);
void v1_fail_key(struct ask *a);
void v1_fail_access(struct ask *a);             // the key is valid, and not for this
void v1_fail_command(struct ask *a, bytes why); // as the books refused it

#endif
