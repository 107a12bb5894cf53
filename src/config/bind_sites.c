// SPDX-License-Identifier: MIT
#include "base/map.h"
#include "config/bind.h"
#include "rules/site.h"

static const struct {
    enum key key;
    enum claim_kind kind;
} claim_keys[] = {
    {KEY_SITE_CLAIM_WHERE, CLAIM_WHERE},
    {KEY_SITE_CLAIM_PRICES, CLAIM_PRICES},
    {KEY_SITE_CLAIM_PRODUCTS, CLAIM_PRODUCTS},
    {KEY_SITE_CLAIM_CUSTOMERS, CLAIM_CUSTOMERS},
    {KEY_SITE_CLAIM_SUBSCRIPTIONS, CLAIM_SUBSCRIPTIONS},
    {KEY_SITE_CLAIM_ACCOUNTS, CLAIM_ACCOUNTS},
};

#define CLAIM_KEYS (sizeof claim_keys / sizeof claim_keys[0])

static void check_ids(struct reading *r, struct node *of, enum claim_kind kind) {
    for (struct node *n = bind_first(of); n != NULL; n = bind_next(of, n)) {
        if (n->bad)
            continue;
        if (n->text.n == 0 || n->text.n > EVENT_ID_MAX)
            complain(r, n, "this is no id of Stripe's; expected 1 to %d characters", EVENT_ID_MAX);
        else if (kind == CLAIM_ACCOUNTS && !bytes_starts(n->text, B("acct_")))
            complain(r, n, "this is no connected account; expected acct_…");
    }
}

static result bind_claim(struct binding *b, struct node *map, struct plan_claim *out) {
    const struct node *first = NULL;
    *out = (struct plan_claim){.kind = CLAIM_WHERE};
    for (size_t i = 0; i < CLAIM_KEYS; i++) {
        struct node *n = tree_get(map, claim_keys[i].key);
        if (n == NULL)
            continue;
        if (first != NULL)
            complain(b->r, n, "this claim has a key already; make two claims of it");
        first = n;
        out->kind = claim_keys[i].kind;
        if (out->kind == CLAIM_WHERE) {
            TRY(bind_where(b, n, &out->wheres, &out->where_count));
            continue;
        }
        check_ids(b->r, n, out->kind);
        if (n->shape == NODE_LIST && n->count == 0)
            complain(b->r, n, "found an empty list; name what is meant or remove the claim");
        TRY(bind_texts(b, map, claim_keys[i].key, &out->ids, &out->id_count));
    }
    if (first == NULL && map->shape == NODE_MAP && !map->bad)
        complain(b->r, map,
                 "this claim names nothing; expected where, prices, products, customers, "
                 "subscriptions or accounts");
    return OK;
}

static result bind_site(struct binding *b, struct node *map, struct plan_site *out) {
    struct node *name = tree_get(map, KEY_SITE_NAME);
    const struct node *twin = bind_same(map, KEY_SITE_NAME);
    if (twin != NULL)
        complain(b->r, name, "the site in %s has the same name; give each its own",
                 tree_place(b->r, twin));
    TRY(bind_text(b, map, KEY_SITE_NAME, &out->name));
    if (bytes_equal(out->name, B(SITE_UNCLAIMED)))
        complain(b->r, name, "no site may be called so: rules mean events without a site by it");
    const struct node *late = tree_get(map, KEY_SITE_LATE);
    out->late_left = late != NULL && !late->bad && bytes_equal(late->text, B("leave"));
    struct node *claims = tree_get(map, KEY_SITE_CLAIMS);
    if (claims == NULL || claims->shape != NODE_LIST)
        return OK;
    out->claim_count = claims->count;
    TRY(bind_take(b, claims->count, sizeof(*out->claims), &out->claims));
    for (struct node *n = claims->first; n != NULL; n = n->next)
        TRY(bind_claim(b, n, &out->claims[n->index]));
    return OK;
}

// Who claimed it first has it: a second claim is a slip, or a wish that will not be fulfilled. The
// value is not repeated, as a variable's may be a secret.
static void note_claimed(struct binding *b, struct map *claimed, const struct node *claim,
                         bytes what, bytes value) {
    OWN(text_drop)
    struct text key = {0};
    text_add(&key, what);
    text_addc(&key, '\0');
    text_add(&key, value);
    const struct node *first = map_get(claimed, text_bytes(&key));
    if (first == NULL)
        map_put(claimed, text_bytes(&key), (void *)claim);
    else if (first->parent != claim->parent)
        warn(b->r, claim, "another site claims the same in %s, which stands first and has it",
             tree_place(b->r, first));
}

static void warn_twice(struct binding *b, struct map *claimed, const struct node *map,
                       const struct plan_site *site) {
    struct node *claims = tree_get(map, KEY_SITE_CLAIMS);
    for (const struct node *n = claims->first; n != NULL; n = n->next) {
        const struct plan_claim *c = &site->claims[n->index];
        for (size_t i = 0; i < c->id_count; i++)
            note_claimed(b, claimed, n, bytes_of(claim_name(c->kind)), c->ids[i]);
        for (size_t i = 0; c->where_count == 1 && i < c->wheres[0].value_count; i++)
            note_claimed(b, claimed, n, c->wheres[0].path, c->wheres[0].values[i]);
    }
}

result bind_sites(struct binding *b) {
    struct node *list = tree_get(b->root, KEY_SITES);
    if (list == NULL || list->shape != NODE_LIST)
        return OK;
    if (list->count == 0)
        complain(b->r, list, "found an empty list; name a site or remove the key");
    b->plan.site_count = list->count;
    TRY(bind_take(b, list->count, sizeof(*b->plan.sites), &b->plan.sites));
    for (struct node *n = list->first; n != NULL; n = n->next)
        TRY(bind_site(b, n, &b->plan.sites[n->index]));
    OWN(map_drop)
    struct map claimed = {0};
    for (struct node *n = list->first; n != NULL; n = n->next)
        if (b->plan.sites[n->index].claim_count > 0)
            warn_twice(b, &claimed, n, &b->plan.sites[n->index]);
    return OK;
}
