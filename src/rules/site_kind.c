// SPDX-License-Identifier: MIT
#include "rules/site_kind.h"

#include <stdlib.h>

#include "rules/site.h"

enum { MADE, CHOSEN };

static const struct site_kind kinds[] = {
#define SITE_KIND(type, known_as, rank, ids, shared)                                               \
    {BYTES_INIT(type), BYTES_INIT(known_as), rank, (ids) == CHOSEN, shared},
#include "rules/site_kinds.def"
#undef SITE_KIND
};

enum { BELOW, ABOVE };

const struct site_link site_links[] = {
#define LINK(holder, way, path, kind)                                                              \
    {BYTES_INIT(holder), (way) == ABOVE, BYTES_INIT(path), BYTES_INIT(kind)},
#include "rules/site_links.def"
#undef LINK
};
const size_t site_link_count = sizeof site_links / sizeof site_links[0];

const struct site_kind *site_kind_find(bytes type) {
    static const struct site_kind otherwise = {.rank = 1};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (bytes_equal(kinds[i].type, type))
            return &kinds[i];
    return &otherwise;
}

bool site_key_kind(size_t *at, bytes *out) {
    for (; *at < sizeof kinds / sizeof kinds[0]; ++*at)
        if (kinds[*at].chosen && bytes_equal(kinds[*at].type, kinds[*at].known_as)) {
            *out = kinds[(*at)++].known_as;
            return true;
        }
    return false;
}

bytes site_path_part(bytes *path, bool *list) {
    bytes part = bytes_cut(path, '.');
    *list = bytes_ends(part, B("[]"));
    return *list ? bytes_slice(part, 0, part.n - 2) : part;
}

static int by_holder(const void *key, const void *row) {
    return bytes_compare(*(const bytes *)key, ((const struct site_link *)row)->holder);
}

const struct site_link *site_links_of(bytes holder, size_t *n) {
    const struct site_link *row =
        bsearch(&holder, site_links, site_link_count, sizeof *row, by_holder);
    *n = 0;
    if (row == NULL)
        return NULL;
    while (row > site_links && bytes_equal(row[-1].holder, holder))
        row--;
    while (row + *n < site_links + site_link_count && bytes_equal(row[*n].holder, holder))
        ++*n;
    return row;
}
