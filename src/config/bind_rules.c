// SPDX-License-Identifier: MIT
#include "config/bind.h"
#include "rules/match.h"
#include "rules/site.h"
#include "stripe/types.h"

#define SHOWN_NAMES 20 // sources or labels listed in a message

static bool known_pattern(bytes p) {
    if (bytes_equal(p, B("*")) || event_type_known(p))
        return true;
    if (!bytes_ends(p, B(".*")))
        return false;
    for (size_t i = 0; i < event_type_count; i++)
        if (bytes_starts(bytes_of(event_types[i].name), bytes_slice(p, 0, p.n - 1)))
            return true;
    return false;
}

void bind_type_known(struct reading *r, const struct node *n, const char *whose, bytes type) {
    if (r->warning_count >= MESSAGES_MAX || known_pattern(type))
        return;
    const char *nearest = event_type_nearest(type);
    if (nearest != NULL)
        warn(r, n, "%sStripe documents no such event type; did you mean `%s`?", whose, nearest);
    else
        warn(r, n, "%sStripe documents no such event type; `hookkeep events types` lists them",
             whose);
}

void bind_type_pattern(struct reading *r, struct node *n) {
    if (n->bad)
        return;
    if (!match_is_pattern(n->text)) {
        complain(r, n,
                 "this is no pattern of event types; expected a type as customer.created, a "
                 "family as customer.*, or *");
        return;
    }
    bind_type_known(r, n, "", n->text);
}

static void check_account(struct reading *r, struct node *n) {
    bool fits = n->bad || bytes_equal(n->text, B("platform")) ||
                (bytes_starts(n->text, B("acct_")) && n->text.n > 5 && n->text.n <= 255);
    if (!fits)
        complain(r, n, "this is no account; expected acct_…, or platform for events without one");
}

// What a list of maps says under a key, as written: the value of a variable may be a secret.
static void say_written(struct binding *b, enum key list, enum key key, struct text *out) {
    struct node *maps = tree_get(b->root, list);
    for (struct node *n = maps->first; n != NULL && n->index < SHOWN_NAMES; n = n->next) {
        const struct node *said = tree_get(n, key);
        if (said == NULL || said->bad)
            continue;
        text_adds(out, out->n > 0 ? ", " : "");
        text_add(out, said->raw);
    }
}

static void check_source(struct binding *b, struct node *n) {
    if (n->bad || plan_source_find(&b->plan, n->text) != NULL)
        return;
    OWN(text_drop)
    struct text known = {0};
    if (b->plan.source_count > 0)
        say_written(b, KEY_SOURCES, KEY_SOURCE_PATH, &known);
    complain(b->r, n, "no source has this path; expected one of: %s", text_str(&known));
}

static bool label_known(const struct plan *plan, bytes label) {
    for (size_t i = 0; i < plan->source_count; i++)
        for (size_t k = 0; k < plan->sources[i].secret_count; k++)
            if (bytes_equal(plan->sources[i].secrets[k].label, label))
                return true;
    return false;
}

static void check_label(struct reading *r, const struct plan *plan, struct node *n) {
    if (!n->bad && !label_known(plan, n->text))
        complain(r, n,
                 "no secret of a source has this label; expected a label, never the secret "
                 "itself");
}

static void check_site(struct binding *b, struct node *n) {
    if (n->bad || bytes_equal(n->text, B(SITE_UNCLAIMED)) ||
        plan_site_find(&b->plan, n->text) != SIZE_MAX)
        return;
    OWN(text_drop)
    struct text known = {0};
    if (b->plan.site_count > 0) {
        say_written(b, KEY_SITES, KEY_SITE_NAME, &known);
        text_adds(&known, ", ");
    }
    complain(b->r, n, "no site has this name; expected one of: %s" SITE_UNCLAIMED,
             text_str(&known));
}

static void check_rule(struct binding *b, struct node *map) {
    static const enum key lists[] = {KEY_MATCH_TYPES, KEY_MATCH_ACCOUNTS, KEY_MATCH_SOURCES,
                                     KEY_MATCH_SECRETS, KEY_MATCH_SITES};
    bool asks =
        tree_get(map, KEY_MATCH_WHERE) != NULL || bind_scope(map, KEY_MATCH_SCOPE) != SCOPE_ANY;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct node *of = tree_get(map, lists[i]);
        asks = asks || of != NULL;
        for (struct node *n = bind_first(of); n != NULL; n = bind_next(of, n)) {
            switch (lists[i]) {
            case KEY_MATCH_TYPES: bind_type_pattern(b->r, n); break;
            case KEY_MATCH_ACCOUNTS: check_account(b->r, n); break;
            case KEY_MATCH_SOURCES: check_source(b, n); break;
            case KEY_MATCH_SITES: check_site(b, n); break;
            default: check_label(b->r, &b->plan, n); break;
            }
        }
    }
    if (!asks && map->shape == NODE_MAP && !map->bad)
        complain(b->r, map, "this rule asks for nothing; leave match out to get every event");
}

result bind_where(struct binding *b, const struct node *of, struct plan_where **out,
                  size_t *count) {
    bool given = of != NULL && !of->bad && of->shape == NODE_MAP;
    *count = given ? of->count : 0;
    TRY(bind_take(b, *count, sizeof(**out), out));
    size_t i = 0;
    for (struct node *n = given ? of->first : NULL; n != NULL; n = n->next) {
        struct plan_where *where = &(*out)[i++];
        TRY(bind_copy(b, n->key, &where->path));
        where->value_count = bind_count(n);
        TRY(bind_take(b, where->value_count, sizeof(bytes), &where->values));
        size_t k = 0;
        for (struct node *v = bind_first(n); v != NULL; v = bind_next(n, v))
            TRY(bind_copy(b, v->text, &where->values[k++]));
    }
    return OK;
}

static result bind_rule(struct binding *b, struct node *map, struct plan_rule *rule) {
    check_rule(b, map);
    TRY(bind_texts(b, map, KEY_MATCH_TYPES, &rule->types, &rule->type_count));
    TRY(bind_texts(b, map, KEY_MATCH_ACCOUNTS, &rule->accounts, &rule->account_count));
    TRY(bind_texts(b, map, KEY_MATCH_SOURCES, &rule->sources, &rule->source_count));
    TRY(bind_texts(b, map, KEY_MATCH_SECRETS, &rule->secrets, &rule->secret_count));
    rule->scope = bind_scope(map, KEY_MATCH_SCOPE);
    TRY(bind_texts(b, map, KEY_MATCH_SITES, &rule->sites, &rule->site_count));
    return bind_where(b, tree_get(map, KEY_MATCH_WHERE), &rule->wheres, &rule->where_count);
}

result bind_rules(struct binding *b, struct node *list, struct plan_destination *d) {
    d->matches_all = list == NULL;
    if (list == NULL || list->shape != NODE_LIST)
        return OK;
    if (list->count == 0)
        complain(b->r, list,
                 "found an empty list, which would match nothing; leave match out to "
                 "get every event");
    d->rule_count = list->count;
    TRY(bind_take(b, d->rule_count, sizeof(*d->rules), &d->rules));
    for (struct node *n = list->first; n != NULL; n = n->next)
        TRY(bind_rule(b, n, &d->rules[n->index]));
    return OK;
}
