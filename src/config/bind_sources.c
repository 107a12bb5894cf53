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
    const struct node *twin = bind_twin(map, KEY_SOURCE_PATH);
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

static result bind_secret(struct binding *b, struct node *source, struct node *map,
                          struct config_secret *out, struct plan_secret *plan) {
    struct node *label = tree_get(map, KEY_SECRET_LABEL);
    struct node *key = tree_get(map, KEY_SECRET_KEY);
    const struct node *twin = bind_twin(map, KEY_SECRET_LABEL);
    if (twin != NULL)
        complain(b->r, label,
                 "the secret in %s has the same label; a label stands once in a "
                 "ring",
                 tree_place(b->r, twin));
    twin = bind_twin(map, KEY_SECRET_KEY);
    if (twin != NULL)
        complain(b->r, key, "the same secret as in %s; remove one", tree_place(b->r, twin));
    if (key != NULL && !key->bad)
        check_sharing(b->r, source, key);
    TRY(bind_text(b, map, KEY_SECRET_LABEL, &out->label));
    TRY(bind_text(b, map, KEY_SECRET_KEY, &out->key));
    out->scope = bind_scope(map, KEY_SECRET_SCOPE);
    *plan = (struct plan_secret){out->label, out->scope, bind_fingerprint(b, out->key)};
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
