// SPDX-License-Identifier: MIT
// What is known of each event type that Stripe documents: its object, when it is sent, and the
// tables of Stripe's objects that it changes. Pure.
#ifndef STRIPE_CATALOGUE_H
#define STRIPE_CATALOGUE_H

#include "base/text.h"
#include "stripe/objects.h"
#include "stripe/types.h"

#define CATALOGUE_TABLES_MAX 16

// The tables that an event of this type changes: those of its objects, then those of lists inside
// of them. What else it holds (an expanded customer) may fill further ones. 0: its object has no
// id, and so no row anywhere.
size_t catalogue_tables(const struct event_type *t,
                        const struct object_table *out[CATALOGUE_TABLES_MAX]);
// Appends "type":"…","object":"…","description":"…","tables":["…"].
void catalogue_write(const struct event_type *t, struct text *out);

#endif
