// SPDX-License-Identifier: MIT
#include "stripe/types.h"

#include <stdlib.h>

#include "base/text.h"

const struct event_type event_types[] = {
#define EVENT_TYPE(name, object) {name, object},
#define EVENT_FAMILY(pattern)
#include "stripe/event_types.def"
#undef EVENT_TYPE
#undef EVENT_FAMILY
};
const size_t event_type_count = sizeof event_types / sizeof event_types[0];

static const char *const families[] = {
#define EVENT_TYPE(name, object)
#define EVENT_FAMILY(pattern) pattern,
#include "stripe/event_types.def"
#undef EVENT_TYPE
#undef EVENT_FAMILY
};

static int by_name(const void *key, const void *row) {
    const bytes *name = key;
    const struct event_type *type = row;
    return bytes_compare(*name, bytes_of(type->name));
}

bool event_type_known(bytes name) {
    return bsearch(&name, event_types, event_type_count, sizeof event_types[0], by_name) != NULL;
}

struct nearest {
    bytes wanted;
    const char *name;
    size_t distance;
};

static void consider(struct nearest *n, const char *name) {
    size_t distance = text_distance(n->wanted, bytes_of(name));
    if (distance < n->distance) {
        n->distance = distance;
        n->name = name;
    }
}

const char *event_type_nearest(bytes pattern) {
    // A third of the letters may be wrong, at most six: beyond that a hint misleads.
    size_t far = pattern.n / 3 < 6 ? pattern.n / 3 + 1 : 7;
    struct nearest n = {.wanted = pattern, .distance = far};
    for (size_t i = 0; i < event_type_count; i++)
        consider(&n, event_types[i].name);
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        consider(&n, families[i]);
    return n.name;
}
