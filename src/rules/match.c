// SPDX-License-Identifier: MIT
#include "rules/match.h"

#include "rules/site.h"
#include "stripe/types.h"

#define SHOWN_MAX 80 // bytes of one value in an explanation
#define LISTED_MAX 8 // values of a rule's list in an explanation

// The explanation of one rule: what held of it, or the one thing that did not.
struct why {
    struct text *out; // null: nobody asks
    bool started;
};

static void say(struct why *w, const char *s) {
    if (w->out != NULL)
        text_adds(w->out, s);
}

static void say_value(struct why *w, bytes b) {
    if (w->out != NULL)
        text_add_printable(w->out, b, SHOWN_MAX);
}

// "a, b or c"; a long list is cut.
static void say_any_of(struct why *w, const bytes *list, size_t n) {
    size_t shown = n < LISTED_MAX ? n : LISTED_MAX;
    for (size_t i = 0; i < shown; i++) {
        say(w, i == 0 ? "" : i + 1 == n ? " or " : ", ");
        say_value(w, list[i]);
    }
    if (w->out != NULL && shown < n)
        text_addf(w->out, " or one of %zu more", n - shown);
}

// "; types": the key that the next words are about.
static void say_key(struct why *w, const char *key) {
    say(w, w->started ? "; " : "");
    say(w, key);
    say(w, " ");
    w->started = true;
}

bool match_is_pattern(bytes p) {
    bytes stem = bytes_ends(p, B(".*")) ? bytes_slice(p, 0, p.n - 2) : p;
    if (bytes_equal(p, B("*")))
        return true;
    for (size_t i = 0; i < stem.n; i++) {
        uint8_t c = stem.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
              c == '[' || c == ']'))
            return false;
    }
    return stem.n > 0 && stem.n <= 255;
}

bool match_type(bytes pattern, bytes type) {
    if (bytes_equal(pattern, B("*")))
        return true;
    if (bytes_ends(pattern, B(".*")))
        return type.n >= pattern.n && bytes_starts(type, bytes_slice(pattern, 0, pattern.n - 1));
    return bytes_equal(pattern, type);
}

static const bytes *find_in(const bytes *list, size_t n, bytes value) {
    for (size_t i = 0; i < n; i++)
        if (bytes_equal(list[i], value))
            return &list[i];
    return NULL;
}

static bool types_hold(const struct plan_rule *r, bytes type, struct why *w) {
    if (r->type_count == 0)
        return true;
    const bytes *pattern = NULL;
    for (size_t i = 0; i < r->type_count && pattern == NULL; i++)
        if (match_type(r->types[i], type))
            pattern = &r->types[i];
    say_key(w, "types");
    if (pattern != NULL) {
        say_value(w, *pattern);
        say(w, " matches ");
    }
    say_value(w, type);
    if (pattern == NULL) {
        say(w, " is not ");
        say_any_of(w, r->types, r->type_count);
    }
    return pattern != NULL;
}

static bool list_holds(const char *key, const bytes *list, size_t n, bytes value, struct why *w) {
    if (n == 0)
        return true;
    bool held = find_in(list, n, value) != NULL;
    say_key(w, key);
    say_value(w, value);
    say(w, held ? " is in the list" : " is not ");
    if (!held)
        say_any_of(w, list, n);
    return held;
}

static bool scope_holds(enum scope scope, bytes account, struct why *w) {
    if (scope == SCOPE_ANY)
        return true;
    bool held = (scope == SCOPE_CONNECT) == (account.n > 0);
    say_key(w, "scope");
    say(w, scope_name(scope));
    say(w, held ? " fits" : " does not fit");
    say(w, account.n > 0 ? ", the event has an account" : ", the event has no account");
    return held;
}

static void say_json(struct why *w, json v) {
    switch (json_type(v)) {
    case JSON_ABSENT: say(w, "absent"); break;
    case JSON_NULL: say(w, "null"); break;
    case JSON_BOOL: say(w, json_true(v) ? "true" : "false"); break;
    case JSON_NUMBER: say_value(w, json_number(v)); break;
    case JSON_STRING: say_value(w, json_string(v)); break;
    case JSON_ARRAY: say(w, "a list"); break;
    case JSON_OBJECT: say(w, "an object"); break;
    }
}

static bool where_holds(const struct plan_where *where, json event, struct why *w) {
    json v = json_path(event, where->path);
    bool held = false;
    for (size_t i = 0; i < where->value_count && !held; i++)
        held = json_equals_text(v, where->values[i]);
    say_key(w, "where");
    say_value(w, where->path);
    say(w, " is ");
    say_json(w, v);
    if (held)
        return true;
    say(w, ", wanted ");
    say_any_of(w, where->values, where->value_count);
    return false;
}

static bool is_thin(json event) {
    return bytes_equal(json_string(json_get(event, "object")), B("v2.core.event"));
}

static bool payload_holds(enum plan_payload payload, json event, struct why *w) {
    if (payload == PAYLOAD_ANY)
        return true;
    bool thin = is_thin(event), held = thin == (payload == PAYLOAD_THIN);
    if (!held) {
        say_key(w, "payload");
        say(w, thin ? "thin is not snapshot" : "snapshot is not thin");
    }
    return held;
}

static bool rule_holds(const struct plan_rule *r, const struct match_facts *f, struct why *w) {
    bytes account = f->account.n > 0 ? f->account : B("platform");
    bytes site = f->site.n > 0 ? f->site : B(SITE_UNCLAIMED);
    if (!types_hold(r, f->type, w) ||
        !list_holds("accounts", r->accounts, r->account_count, account, w) ||
        !scope_holds(r->scope, f->account, w) || !payload_holds(r->payload, f->event, w) ||
        !list_holds("sources", r->sources, r->source_count, f->source, w) ||
        !list_holds("secrets", r->secrets, r->secret_count, f->secret, w) ||
        !list_holds("sites", r->sites, r->site_count, site, w))
        return false;
    for (size_t i = 0; i < r->where_count; i++)
        if (!where_holds(&r->wheres[i], f->event, w))
            return false;
    if (!w->started)
        say(w, "it asks for nothing");
    return true;
}

static void say_rule(struct text *why, size_t index, const struct text *words) {
    text_adds(why, "rule ");
    text_add_u64(why, index + 1);
    text_adds(why, ": ");
    text_add(why, text_bytes(words));
}

static bool rules_hold(const struct plan_destination *d, const struct match_facts *f,
                       struct text *why) {
    OWN(text_drop)
    struct text words = {0};
    OWN(text_drop)
    struct text refusals = {0};
    for (size_t i = 0; i < d->rule_count; i++) {
        struct why w = {.out = why != NULL ? &words : NULL};
        bool held = rule_holds(&d->rules[i], f, &w);
        if (held && why != NULL)
            say_rule(why, i, &words);
        if (held)
            return true;
        if (why != NULL) {
            // Of a rule that fails the last words name what failed; what held before it does not
            // matter.
            text_adds(&refusals, i > 0 ? "; " : "");
            say_rule(&refusals, i, &words);
            text_reset(&words);
        }
    }
    if (why != NULL) {
        text_adds(why, d->rule_count > 0 ? "no rule matches: " : "the match list is empty");
        text_add(why, text_bytes(&refusals));
    }
    return false;
}

// Has the event something for tables? They are kept from snapshots of objects that are not
// somebody else's.
static bool tables_take(const struct plan_destination *d, json event, struct why *w) {
    if (is_thin(event)) {
        say(w, "a thin event holds no object for tables");
        return false;
    }
    bytes object = json_string(json_path(event, B("data.object.object")));
    if (find_in(d->except, d->except_count, object) == NULL)
        return true;
    say(w, "tables: except names ");
    say_value(w, object);
    return false;
}

bool match_destination(const struct plan_destination *d, const struct match_facts *f,
                       struct text *why) {
    struct why w = {.out = why};
    if (!mode_fits(d->livemode, f->livemode)) {
        say(&w, "destination takes ");
        say(&w, mode_name(d->livemode));
        say(&w, " events only, this one is ");
        say(&w, mode_name(f->livemode ? MODE_LIVE : MODE_TEST));
        return false;
    }
    if (d->kind == KIND_TABLES && !tables_take(d, f->event, &w))
        return false;
    if (d->matches_all) {
        say(&w, "no match list: every event");
        return true;
    }
    return rules_hold(d, f, why);
}

static bool holds_one(const bytes *patterns, size_t n, bytes type) {
    bool held = false;
    for (size_t i = 0; i < n && !held; i++)
        held = match_type(patterns[i], type);
    return held;
}

// Tables that somebody else keeps are told by the object, of which a type may have several.
static bool is_excepted(const struct plan_destination *d, bytes type) {
    const struct event_type *t = event_type_find(type);
    if (d->kind != KIND_TABLES || t == NULL)
        return false;
    for (bytes rest = bytes_of(t->object); rest.n > 0;)
        if (find_in(d->except, d->except_count, bytes_cut(&rest, '|')) == NULL)
            return false;
    return true;
}

static bool may_hold(const struct plan_rule *r, bytes type, bytes source) {
    return (r->type_count == 0 || holds_one(r->types, r->type_count, type)) &&
           (r->source_count == 0 || source.n == 0 ||
            find_in(r->sources, r->source_count, source) != NULL);
}

bool match_may_get(const struct plan_destination *d, bytes type, bytes source) {
    if (is_excepted(d, type))
        return false;
    bool gets = d->matches_all;
    for (size_t i = 0; i < d->rule_count && !gets; i++)
        gets = may_hold(&d->rules[i], type, source);
    return gets;
}

const struct plan_handler *match_handler(const struct plan_destination *d, bytes type) {
    for (size_t i = 0; i < d->handler_count; i++)
        if (holds_one(d->handlers[i].types, d->handlers[i].type_count, type))
            return &d->handlers[i];
    return NULL;
}
