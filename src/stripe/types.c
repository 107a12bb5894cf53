// SPDX-License-Identifier: MIT
#include "stripe/types.h"

#include <stdlib.h>

#include "base/text.h"
#include "stripe/objects.h"

const struct event_type event_types[] = {
#define EVENT_TYPE(name, object, description) {name, object, description},
#define EVENT_FAMILY(pattern)
#include "stripe/event_types.def"
#undef EVENT_TYPE
#undef EVENT_FAMILY
};
const size_t event_type_count = sizeof event_types / sizeof event_types[0];

static const char *const families[] = {
#define EVENT_TYPE(name, object, description)
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

const struct event_type *event_type_find(bytes name) {
    return bsearch(&name, event_types, event_type_count, sizeof event_types[0], by_name);
}

bool event_type_known(bytes name) { return event_type_find(name) != NULL; }

struct nearest {
    bytes wanted, name;
    size_t distance;
};

// A third of the letters may be wrong, at most six: beyond that a hint misleads.
static struct nearest nearest_to(bytes wanted) {
    size_t far = wanted.n / 3 < 6 ? wanted.n / 3 + 1 : 7;
    return (struct nearest){.wanted = wanted, .distance = far};
}

static void consider(struct nearest *n, bytes name) {
    size_t distance = text_distance(n->wanted, name);
    if (distance < n->distance) {
        n->distance = distance;
        n->name = name;
    }
}

const char *event_type_nearest(bytes pattern) {
    struct nearest n = nearest_to(pattern);
    for (size_t i = 0; i < event_type_count; i++)
        consider(&n, bytes_of(event_types[i].name));
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        consider(&n, bytes_of(families[i]));
    return (const char *)n.name.p;
}

bool object_type_known(bytes name) {
    for (size_t i = 0; i < event_type_count; i++)
        for (bytes rest = bytes_of(event_types[i].object); rest.n > 0;)
            if (bytes_equal(bytes_cut(&rest, '|'), name))
                return true;
    const struct object_table *t = object_table_of(name);
    return t->object[0] != '\0' && bytes_equal(bytes_of(t->object), name);
}

bytes object_type_nearest(bytes name) {
    struct nearest n = nearest_to(name);
    for (size_t i = 0; i < event_type_count; i++)
        for (bytes rest = bytes_of(event_types[i].object); rest.n > 0;)
            consider(&n, bytes_cut(&rest, '|'));
    for (size_t i = 0; i < object_table_count; i++)
        if (object_tables[i].parent == NULL && object_tables[i].object[0] != '\0')
            consider(&n, bytes_of(object_tables[i].object));
    return n.name;
}
