// SPDX-License-Identifier: MIT
// What an event says of the tables of Stripe's objects: its own object, and objects with an id that
// stand whole inside of it. Pure; rules/version.h says which of them a row shows.
//
// A thin event says nothing. An object without an id (a balance) has no row, but what is inside of
// it may; nor has the invoice of invoice.upcoming, which is not there yet, though newer versions of
// the API give it an id: no event would ever change it. An object inside of another, however deep,
// that has an id and an `object` of a type with a table of its own is embedded; members of lists
// that have a table (stripe/objects.h) belong to their object and are no rows by themselves. The
// same object twice counts once, where it stands first, and nothing of what `metadata` holds is an
// object: people write it. The objects of `except` (types, as "product") are somebody else's, also
// when embedded; what is inside of them is not.
#ifndef RULES_PROJECTION_H
#define RULES_PROJECTION_H

#include "base/arena.h"
#include "rules/version.h"
#include "stripe/event.h"
#include "stripe/objects.h"

// Objects read of one event; what is beyond is left out, and `cut` says so.
#define PROJECTION_OBJECTS_MAX 1000

struct projected {
    const struct object_table *table;
    bytes id; // 1 to 255 bytes (object_id)
    json data;
    enum version_kind kind;
    bool deleted;    // Stripe has dropped it: by the event's type, or the object says so itself
    bool incomplete; // a list in it was cut short (`has_more`)
};

struct projection {
    struct projected *objects; // the event's own first, if `own`
    size_t count;
    bool own; // the event is about an object with an id that is not somebody else's
    bool cut; // it holds more objects than are read
};

// Points into the event's document and the arena. MEMORY: they do not fit the arena.
must result projection_read(const struct event *e, const bytes *except, size_t except_count,
                            struct arena *a, struct projection *out);
// One object, as it stands in a row: is a list in it, however deep, cut short?
bool projection_incomplete(json object);

#endif
