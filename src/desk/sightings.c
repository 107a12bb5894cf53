// SPDX-License-Identifier: MIT
#include "desk/answers.h"
#include "desk/params.h"

static enum sighting kind_of(bytes plural) {
    enum sighting kind = SIGHTING_SECRET;
    for (; kind < SIGHTING_KINDS; kind++) {
        bytes name = bytes_of(sighting_name(kind));
        if (plural.n == name.n + 1 && bytes_starts(plural, name) && bytes_ends(plural, B("s")))
            break;
    }
    return kind;
}

static void list_work(struct ask *a, struct reader *r) {
    result read = reader_sightings(r, kind_of(a->arg), &a->filter, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "nothing was seen");
}

void sightings_list(struct ask *a) {
    if (kind_of(a->arg) == SIGHTING_KINDS) {
        ask_fail(a, 404,
                 "no sightings are called %.*s; there are accounts, secrets, types, "
                 "versions, sites and tables",
                 BYTES_ARG(ask_short(a->arg)));
        ask_send(a);
        return;
    }
    if (params_filter(a, NULL, &a->filter))
        ask_query(a, list_work, ask_send);
    else
        ask_send(a);
}
