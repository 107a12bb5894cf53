// SPDX-License-Identifier: MIT
// The event types that Stripe documents, for hints and listings. Types we do not know are delivered
// all the same.
#ifndef STRIPE_TYPES_H
#define STRIPE_TYPES_H

#include "base/bytes.h"

struct event_type {
    const char *name; // "charge.refunded"
    const char
        *object; // data.object's `object`: "charge"; several are possible: "bank_account|card"
    const char *description; // a clause: "a charge is refunded, in part or whole"
};

extern const struct event_type event_types[];
extern const size_t event_type_count;

const struct event_type *event_type_find(bytes name); // null: Stripe documents none
bool event_type_known(bytes name);
// The known type or family ("customer.*") nearest to a misspelt pattern, or null when nothing is
// near.
const char *event_type_nearest(bytes pattern);

// Types of objects that events are about or hold: "product", "checkout.session".
bool object_type_known(bytes name);
bytes object_type_nearest(bytes name); // NO_BYTES when nothing is near

#endif
