// SPDX-License-Identifier: MIT
#include "config/bind.h"
#include "stripe/signature.h"

#define PATH_MAX_BYTES 255

static void check_path(struct reading *r, struct node *map) {
    struct node *n = tree_get(map, KEY_SOURCE_PATH);
    if (n == NULL || n->bad)
        return;
    if (n->text.p[0] != '/') {
        complain(r, n, "does not start with '/'; expected a path as /webhook");
        return;
    }
    bool fits = n->text.n <= PATH_MAX_BYTES;
    for (size_t i = 0; i < n->text.n && fits; i++) {
        uint8_t c = n->text.p[i];
        fits = c > ' ' && c < 0x7f && c != '?' && c != '#';
    }
    if (!fits)
        complain(r, n,
                 "is no path of a URL; expected at most %d printable ASCII characters "
                 "without ? and #",
                 PATH_MAX_BYTES);
    const struct node *twin = bind_same(map, KEY_SOURCE_PATH);
    if (twin != NULL)
        complain(r, n,
                 "the source in %s has the same path; put both rings of secrets into "
                 "one source, or give them paths of their own",
                 tree_place(r, twin));
}

static void check_owner(struct reading *r, struct node *map) {
    struct node *n = tree_get(map, KEY_SOURCE_OWNER);
    bool fits = n == NULL || n->bad || n->text.n <= 64;
    for (size_t i = 0; n != NULL && i < n->text.n && fits; i++) {
        uint8_t c = n->text.p[i];
        fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    }
    if (!fits)
        complain(r, n, "expected acct_… or a name of 1 to 64 letters, digits, _ and -");
}

// Another owner's source must not have this secret: it could sign events in his name.
static void check_sharing(struct reading *r, const struct node *source, struct node *key) {
    const struct node *owner = tree_get(source, KEY_SOURCE_OWNER);
    for (const struct node *s = source->parent->first; s != source; s = s->next) {
        const struct node *other = tree_get(s, KEY_SOURCE_OWNER);
        const struct node *ring = tree_get(s, KEY_SOURCE_SECRETS);
        if (owner == NULL || other == NULL || ring == NULL || bytes_equal(owner->text, other->text))
            continue;
        for (const struct node *n = ring->first; n != NULL; n = n->next) {
            const struct node *theirs = tree_get(n, KEY_SECRET_KEY);
            if (theirs == NULL || theirs->bad || !bytes_equal(theirs->text, key->text))
                continue;
            complain(r, key,
                     "the source in %s has the same secret and another owner; each "
                     "endpoint of each account has a secret of its own",
                     tree_place(r, s));
            return;
        }
    }
}

// What its source refuses it would sign for nothing.
static void check_livemode(struct reading *r, const struct node *source, struct node *map) {
    enum mode ours = bind_mode(map, KEY_SECRET_LIVEMODE), either;
    enum mode theirs = bind_mode(source, KEY_SOURCE_LIVEMODE);
    if (!mode_narrow(ours, theirs, &either))
        complain(r, tree_get(map, KEY_SECRET_LIVEMODE),
                 "found %s, and its source takes %s events alone: nothing that it signs would be "
                 "delivered; make one of the two both, or the same",
                 mode_name(ours), mode_name(theirs));
}

static void check_window(struct reading *r, struct node *map, const struct plan_secret *s) {
    struct node *end = tree_get(map, KEY_SECRET_NOT_AFTER);
    int64_t now_s = r->outside->now_s;
    if (s->not_after_s == 0 || end == NULL)
        return;
    if (s->not_after_s <= s->not_before_s)
        complain(r, end,
                 "not later than not_before: it would never be in force; expected a later "
                 "time");
    else if (now_s >= s->not_after_s)
        warn(r, end,
             "this secret is retired: what it signs is answered 400; remove it when nothing "
             "signs with it any more (hookkeep secrets)");
}

// A warning, not a refusal: whether a file is right must not depend on the day, or a start would
// fail some night, and with it the other sources.
static void check_ring(struct reading *r, const struct node *ring, const struct plan_source *s) {
    int64_t now_s = r->outside->now_s;
    size_t in_force = 0;
    for (size_t i = 0; i < s->secret_count; i++)
        in_force += secret_in_force(&s->secrets[i], now_s);
    if (ring != NULL && !ring->bad && now_s > 0 && s->secret_count > 0 && in_force == 0)
        warn(r, ring,
             "none of these secrets is in force now: every event is answered 400; add one "
             "that is, or mend not_before and not_after");
}

static result bind_secret(struct binding *b, struct node *source, struct node *map,
                          struct config_secret *out, struct plan_secret *plan) {
    struct node *label = tree_get(map, KEY_SECRET_LABEL);
    struct node *key = tree_get(map, KEY_SECRET_KEY);
    const struct node *twin = bind_same(map, KEY_SECRET_LABEL);
    if (twin != NULL)
        complain(b->r, label,
                 "the secret in %s has the same label; a label stands once in a "
                 "ring",
                 tree_place(b->r, twin));
    twin = bind_same(map, KEY_SECRET_KEY);
    if (twin != NULL)
        complain(b->r, key, "the same secret as in %s; remove one", tree_place(b->r, twin));
    if (key != NULL && !key->bad)
        check_sharing(b->r, source, key);
    TRY(bind_text(b, map, KEY_SECRET_LABEL, &out->label));
    TRY(bind_text(b, map, KEY_SECRET_KEY, &out->key));
    *plan = (struct plan_secret){
        .label = out->label,
        .scope = bind_scope(map, KEY_SECRET_SCOPE),
        .livemode = bind_mode(map, KEY_SECRET_LIVEMODE),
        .not_before_s = bind_number(map, KEY_SECRET_NOT_BEFORE) / 1000,
        .not_after_s = bind_number(map, KEY_SECRET_NOT_AFTER) / 1000,
        .fingerprint = bind_fingerprint(b, out->key),
    };
    check_livemode(b->r, source, map);
    check_window(b->r, map, plan);
    return OK;
}

static result bind_source(struct binding *b, struct node *map, struct config_source *out,
                          struct plan_source *plan) {
    struct node *ring = tree_get(map, KEY_SOURCE_SECRETS);
    struct node *tolerance = tree_get(map, KEY_SOURCE_TOLERANCE);
    check_path(b->r, map);
    check_owner(b->r, map);
    if (tolerance != NULL && !tolerance->bad && tolerance->number % 1000 != 0)
        complain(b->r, tolerance, "expected whole seconds: signatures carry no finer time");
    if (ring != NULL && ring->shape == NODE_LIST && (ring->count == 0 || ring->count > SECRETS_MAX))
        complain(b->r, ring, "found %zu secrets; a source has 1 to %d", ring->count, SECRETS_MAX);
    TRY(bind_text(b, map, KEY_SOURCE_PATH, &out->path));
    TRY(bind_text(b, map, KEY_SOURCE_OWNER, &out->owner));
    out->livemode = bind_mode(map, KEY_SOURCE_LIVEMODE);
    out->tolerance_s = bind_number(map, KEY_SOURCE_TOLERANCE) / 1000;
    out->secret_count = ring != NULL ? ring->count : 0;
    *plan = (struct plan_source){.path = out->path,
                                 .owner = out->owner,
                                 .livemode = out->livemode,
                                 .tolerance_s = out->tolerance_s,
                                 .secret_count = out->secret_count};
    TRY(bind_take(b, out->secret_count, sizeof(*out->secrets), &out->secrets));
    TRY(bind_take(b, out->secret_count, sizeof(*plan->secrets), &plan->secrets));
    for (struct node *n = ring != NULL ? ring->first : NULL; n != NULL; n = n->next)
        TRY(bind_secret(b, map, n, &out->secrets[n->index], &plan->secrets[n->index]));
    check_ring(b->r, ring, plan);
    return OK;
}

result bind_sources(struct binding *b) {
    struct node *list = tree_get(b->root, KEY_SOURCES);
    if (list == NULL || list->shape != NODE_LIST)
        return OK;
    if (list->count == 0)
        complain(b->r, list, "found an empty list; expected at least one source");
    struct config *c = b->c;
    c->source_count = b->plan.source_count = list->count;
    TRY(bind_take(b, list->count, sizeof(*c->sources), &c->sources));
    TRY(bind_take(b, list->count, sizeof(*b->plan.sources), &b->plan.sources));
    for (struct node *n = list->first; n != NULL; n = n->next)
        TRY(bind_source(b, n, &c->sources[n->index], &b->plan.sources[n->index]));
    return OK;
}
