// SPDX-License-Identifier: MIT
#include "rules/site.h"

static bool weigh_evidence(const struct site_scales *s) {
    bool changed = false;
    uint64_t above;
    for (size_t i = 1; i <= s->n; i++) {
        int64_t e = s->evidence[i];
        for (bytes rest = s->above(s->ctx, i); site_numbers_next(&rest, &above);)
            e = site_join(e, s->evidence[above]);
        changed = changed || e != s->evidence[i];
        s->evidence[i] = e;
    }
    return changed;
}

static bool weigh_below(const struct site_scales *s) {
    bool changed = false;
    uint64_t above;
    for (size_t i = s->n; i > 0; i--) {
        int64_t told = site_join(s->evidence[i], s->below[i]);
        for (bytes rest = s->above(s->ctx, i); site_numbers_next(&rest, &above);) {
            int64_t b = site_join(s->below[above], told);
            changed = changed || b != s->below[above];
            s->below[above] = b;
        }
    }
    return changed;
}

void site_weigh(const struct site_scales *s) {
    while (weigh_evidence(s))
        continue;
    while (weigh_below(s))
        continue;
    for (size_t i = 1; i <= s->n; i++)
        if (s->evidence[i] != SITE_NONE)
            s->below[i] = SITE_NONE;
}
