// SPDX-License-Identifier: MIT
#include <string.h>

#include "config/bind.h"
#include "rules/key_mode.h"
#include "rules/twin_chaos.h"

#define KEY_RANDOM 32

static bool says_true(const struct node *map, enum key key) {
    const struct node *n = tree_get(map, key);
    return n != NULL && !n->bad && bytes_equal(n->text, B("true"));
}

// Does it take events in live mode, by any of its secrets?
static bool takes_live(const struct plan_source *s) {
    enum mode either;
    for (size_t i = 0; i < s->secret_count; i++)
        if (mode_narrow(s->livemode, s->secrets[i].livemode, &either) && either != MODE_TEST)
            return true;
    return false;
}

static void check_live(struct binding *b, struct node *map) {
    struct node *list = tree_get(b->root, KEY_SOURCES);
    const struct plan_source *s = b->plan.sources;
    struct node *enabled = tree_get(map, KEY_TWIN_ENABLED);
    if (list == NULL || list->shape != NODE_LIST || says_true(map, KEY_TWIN_BESIDE_LIVE))
        return;
    for (struct node *n = list->first; n != NULL; n = n->next) {
        if (!takes_live(&s[n->index]))
            continue;
        complain(b->r, enabled,
                 "found true, and the source %.*s in %s takes live events (its livemode is %s); "
                 "expected sources of test events alone: write livemode: test there, or "
                 "beside_live: true here if the twin's events may come in beside live ones",
                 BYTES_ARG(s[n->index].path), tree_place(b->r, n), mode_name(s[n->index].livemode));
        return;
    }
}

static void check_key(struct reading *r, struct node *n) {
    bytes prefix = bytes_of(key_mode_prefix(KEY_MODE_TEST));
    bool fits =
        n != NULL && !n->bad && n->text.n == prefix.n + KEY_RANDOM && bytes_starts(n->text, prefix);
    for (size_t i = prefix.n; fits && i < n->text.n; i++) {
        uint8_t c = n->text.p[i];
        fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    }
    if (n != NULL && !n->bad && !fits)
        complain(r, n,
                 "this is no key of mode test; expected sk_test_hk and %d letters and digits "
                 "behind it (never a key of Stripe's)",
                 KEY_RANDOM);
}

// "2026-10-28", and a name behind it.
static void check_version(struct reading *r, struct node *n) {
    static const char form[] = "dddd-dd-dd";
    bool fits = n == NULL || n->bad || (n->text.n >= sizeof form - 1 && n->text.n <= 64);
    for (size_t i = 0; n != NULL && !n->bad && fits && i < sizeof form - 1; i++)
        fits = form[i] == '-' ? n->text.p[i] == '-' : n->text.p[i] >= '0' && n->text.p[i] <= '9';
    if (!fits)
        complain(r, n, "this is no version of Stripe's API; expected one as 2026-10-28.endive");
}

static result bind_endpoint(struct binding *b, struct node *map, struct config_twin_endpoint *out) {
    struct node *n = tree_get(map, KEY_TWIN_ENDPOINT_SOURCE);
    const struct node *same = bind_same(map, KEY_TWIN_ENDPOINT_SOURCE);
    check_version(b->r, tree_get(map, KEY_TWIN_ENDPOINT_API_VERSION));
    if (same != NULL)
        complain(b->r, n, "the source stands in %s too; name it once", tree_place(b->r, same));
    TRY(bind_text(b, map, KEY_TWIN_ENDPOINT_SOURCE, &out->source));
    TRY(bind_text(b, map, KEY_TWIN_ENDPOINT_API_VERSION, &out->api_version));
    if (out->api_version.n == 0)
        out->api_version = b->c->twin.api_version;
    if (n == NULL || n->bad)
        return OK;
    for (size_t i = 0; i < b->plan.source_count; i++)
        if (bytes_equal(b->plan.sources[i].path, out->source))
            return OK;
    complain(b->r, n, "there is no such source; expected the path of one, as /webhook");
    return OK;
}

static result bind_endpoints(struct binding *b, struct node *map) {
    struct config_twin *t = &b->c->twin;
    struct node *list = tree_get(map, KEY_TWIN_ENDPOINTS);
    if (list == NULL || list->shape != NODE_LIST)
        return OK;
    if (list->count == 0)
        complain(b->r, list, "found an empty list; name a source, or remove the key");
    TRY(bind_take(b, list->count, sizeof *t->endpoints, &t->endpoints));
    for (struct node *n = list->first; n != NULL; n = n->next)
        TRY(bind_endpoint(b, n, &t->endpoints[t->endpoint_count++]));
    return OK;
}

static result bind_chaos(struct binding *b, struct node *list) {
    OWN(text_drop)
    struct text all = {0}, why = {0};
    struct twin_chaos chaos;
    for (struct node *n = bind_first(list); n != NULL; n = bind_next(list, n)) {
        text_reset(&why);
        if (n->bad)
            continue;
        if (twin_chaos_read(n->text, &chaos, &why) != OK)
            complain(b->r, n, "%s", text_str(&why));
        text_adds(&all, all.n > 0 ? ", " : "");
        text_add(&all, n->text);
    }
    // Each may fit, and all of them not.
    text_reset(&why);
    if (list != NULL && !list->bad && twin_chaos_read(text_bytes(&all), &chaos, &why) != OK &&
        b->r->error_count == 0)
        complain(b->r, list, "%s", text_str(&why));
    return bind_copy(b, text_bytes(&all), &b->c->twin.chaos);
}

result bind_twin(struct binding *b) {
    struct config_twin *t = &b->c->twin;
    struct node *map = tree_get(b->root, KEY_TWIN);
    t->enabled = says_true(map, KEY_TWIN_ENABLED);
    t->speed = (uint32_t)bind_number(map, KEY_TWIN_SPEED);
    t->seed = (uint64_t)bind_number(map, KEY_TWIN_SEED);
    t->waiting_max = (uint32_t)bind_number(map, KEY_TWIN_WAITING_MAX);
    t->objects_max = (uint32_t)bind_number(map, KEY_TWIN_OBJECTS_MAX);
    if (map == NULL)
        return OK;
    check_key(b->r, tree_get(map, KEY_TWIN_KEY));
    check_version(b->r, tree_get(map, KEY_TWIN_API_VERSION));
    if (t->enabled)
        check_live(b, map);
    TRY(bind_text(b, map, KEY_TWIN_KEY, &t->key));
    TRY(bind_text(b, map, KEY_TWIN_API_VERSION, &t->api_version));
    TRY(bind_endpoints(b, map));
    return bind_chaos(b, tree_get(map, KEY_TWIN_CHAOS));
}
