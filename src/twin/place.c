// SPDX-License-Identifier: MIT
#include "twin/resource.h"

const struct twin_resource *twin_resource_find(bytes object) {
    for (size_t i = 0; i < twin_resource_count; i++)
        if (bytes_equal(bytes_of(twin_resources[i].object), object))
            return &twin_resources[i];
    return NULL;
}

// Does the path fit the row's? What stood for {id} and {parent} is kept.
static bool fits(bytes row, bytes path, struct twin_place *out) {
    out->id = out->parent = NO_BYTES;
    while (row.n > 0 && path.n > 0) {
        bytes want = bytes_cut(&row, '/'), is = bytes_cut(&path, '/');
        if (bytes_equal(want, B("{id}")) && is.n > 0)
            out->id = is;
        else if (bytes_equal(want, B("{parent}")) && is.n > 0)
            out->parent = is;
        else if (!bytes_equal(want, is))
            return false;
    }
    return row.n == 0 && path.n == 0;
}

// A path without a variable in that place is nearer: v1/customers/search is no customer's.
static bool nearer(const struct twin_place *a, const struct twin_place *b) {
    size_t x = (a->id.n > 0) + (size_t)(a->parent.n > 0);
    size_t y = (b->id.n > 0) + (size_t)(b->parent.n > 0);
    return x < y;
}

bool twin_place_find(bytes method, bytes path, struct twin_place *out, bool *known) {
    bool found = false;
    *known = false;
    if (path.n > 0 && path.p[0] == '/')
        path = bytes_slice(path, 1, path.n);
    for (size_t i = 0; i < twin_resource_count; i++) {
        const struct twin_resource *r = &twin_resources[i];
        for (size_t k = 0; k < r->move_count; k++) {
            struct twin_place at = {.resource = r, .move = &r->moves[k]};
            if (!fits(bytes_of(at.move->path), path, &at))
                continue;
            *known = true;
            if (!bytes_equal(bytes_of(at.move->method), method) || (found && !nearer(&at, out)))
                continue;
            *out = at;
            found = true;
        }
    }
    return found;
}
