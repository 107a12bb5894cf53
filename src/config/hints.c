// SPDX-License-Identifier: MIT
#include "config/config.h"
#include "rules/site.h"

static bool takes(const struct plan_destination *d, bytes site) {
    for (size_t i = 0; i < d->rule_count; i++) {
        const struct plan_rule *r = &d->rules[i];
        bool named = r->site_count == 0;
        for (size_t k = 0; k < r->site_count && !named; k++)
            named = bytes_equal(r->sites[k], site);
        if (named)
            return true;
    }
    return d->matches_all;
}

static bool is_taken(const struct plan *p, bytes site) {
    for (size_t i = 0; i < p->destination_count; i++)
        if (takes(&p->destinations[i], site))
            return true;
    return false;
}

static void hint_claims(const struct plan_site *site, struct text *out) {
    for (size_t i = 0; i < site->claim_count; i++) {
        if (site->claims[i].where_count < 2)
            continue;
        text_addf(out, "site %.*s: the claim that ", BYTES_ARG(site->name));
        site_claim_words(&site->claims[i], out);
        text_adds(out, " holds where one object says all of it; if any of it is meant, make a "
                       "claim of each\n");
    }
}

void config_hints(const struct config *c, struct text *out) {
    const struct plan *p = c->plan;
    for (size_t i = 0; i < p->site_count; i++) {
        const struct plan_site *site = &p->sites[i];
        hint_claims(site, out);
        if (!is_taken(p, site->name))
            text_addf(out,
                      "site %.*s: no destination takes its events; one with the rule {sites: "
                      "[%.*s]} does\n",
                      BYTES_ARG(site->name), BYTES_ARG(site->name));
    }
    if (p->site_count > 0 && !is_taken(p, B(SITE_UNCLAIMED)))
        text_adds(out, "no destination takes events without a site: they are kept, `hookkeep sites "
                       "unclaimed` shows them, and one with the rule {sites: [unclaimed]} takes "
                       "them\n");
}
