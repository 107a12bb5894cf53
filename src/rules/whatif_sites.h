// SPDX-License-Identifier: MIT
// All objects under the claims of two plans. Private to rules/whatif.h.
#ifndef RULES_WHATIF_SITES_H
#define RULES_WHATIF_SITES_H

#include "base/map.h"
#include "rules/site.h"

// One plan's view of the objects.
struct site_view {
    const struct plan *plan;
    struct site_claims *claims;
    int64_t *numbers; // of the plan's sites in the books, 0: none yet
    // By the number of an object, once weighed:
    int64_t *below;
    uint32_t *own;           // index of the site by claims on itself, or assigned; UINT32_MAX
    struct site_node **node; // made when it is asked for
    struct site_world world;
    struct whatif_sites *all;
};

struct whatif_object {
    const bytes *type;
    bytes above, claims;
    int64_t assigned;
    uint32_t key_from; // where its key begins in its name
};

struct whatif_sites {
    struct site_view views[2];
    size_t view_count; // 0: neither plan has sites; 1: both say the same of them, or one has none
    struct site_view *of[2];       // before and after; null: that plan has none
    struct whatif_object *objects; // by number, from 1
    size_t n, cap, max;
    struct map named; // owner, livemode and key: number
    struct map types; // name: bytes
    struct arena memory, scratch;
    struct text name;
};

void whatif_sites_open(struct whatif_sites *s, const struct plan *before, const struct plan *after,
                       size_t objects_max);
void whatif_sites_close(struct whatif_sites *s);
must result whatif_sites_add(struct whatif_sites *s, const struct site_object *row);
must result whatif_sites_learn(struct whatif_sites *s, bytes owner, const struct event *e);
must result whatif_sites_weigh(struct whatif_sites *s);
// Index into the plan's sites, SIZE_MAX: none; of side 0 or 1, which has sites.
must result whatif_sites_of(struct whatif_sites *s, int side, bytes owner, const struct event *e,
                            size_t *out);

#endif
