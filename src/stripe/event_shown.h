// SPDX-License-Identifier: MIT
// An event as Stripe's API shows it: the bytes that Stripe signed, but for `pending_webhooks`,
// which was Stripe's count of its own deliveries and becomes that of ours. Pure.
#ifndef STRIPE_EVENT_SHOWN_H
#define STRIPE_EVENT_SHOWN_H

#include <stdint.h>

#include "base/text.h"

// Appends the body, which is an event (stripe/event.h), with this number in the place of each value
// of pending_webhooks that it has itself, or as its first member if it has none. All else stays as
// it is, byte by byte. INVALID: it is no object; what was appended must not be used.
must result event_show(bytes body, uint64_t pending, struct text *out);

#endif
