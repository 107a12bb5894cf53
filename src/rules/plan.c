// SPDX-License-Identifier: MIT
#include "rules/plan.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/memory.h"
#include "rules/plan_lane.h"
#include "rules/plan_pace.h"
#include "rules/plan_priority.h"

static const char *const mode_names[] = {"both", "live", "test"};
static const char *const scope_names[] = {"any", "account", "connect"};
static const char *const kind_names[] = {"http",  "command", "tables", "plugin",
                                         "redis", "bullmq",  "bull",   "file"};

static const char *const claim_names[] = {
#define CLAIM(id, name, type, meaning) name,
#include "rules/claims.def"
#undef CLAIM
};
static const char *const claim_types[] = {
#define CLAIM(id, name, type, meaning) type,
#include "rules/claims.def"
#undef CLAIM
};

#define COUNT(array_) (sizeof(array_) / sizeof((array_)[0]))

static size_t name_find(const char *const *names, size_t n, bytes b) {
    size_t i = 0;
    while (i < n && !bytes_equal(b, bytes_of(names[i])))
        i++;
    return i;
}

const char *mode_name(enum mode m) {
    return (size_t)m < COUNT(mode_names) ? mode_names[m] : "unknown";
}

const char *scope_name(enum scope s) {
    return (size_t)s < COUNT(scope_names) ? scope_names[s] : "unknown";
}

const char *kind_name(enum destination_kind k) {
    return (size_t)k < COUNT(kind_names) ? kind_names[k] : "unknown";
}

const char *claim_name(enum claim_kind k) { return claim_names[k]; }
const char *claim_type(enum claim_kind k) { return claim_types[k]; }

result mode_parse(bytes b, enum mode *out) {
    size_t i = name_find(mode_names, COUNT(mode_names), b);
    NEED(i < COUNT(mode_names), INVALID, "livemode is both, live or test");
    *out = (enum mode)i;
    return OK;
}

result scope_parse(bytes b, enum scope *out) {
    size_t i = name_find(scope_names, COUNT(scope_names), b);
    NEED(i < COUNT(scope_names), INVALID, "scope is any, account or connect");
    *out = (enum scope)i;
    return OK;
}

result kind_parse(bytes b, enum destination_kind *out) {
    size_t i = name_find(kind_names, COUNT(kind_names), b);
    NEED(i < COUNT(kind_names), INVALID, "there is no such kind of destination");
    *out = (enum destination_kind)i;
    return OK;
}

// An object with exactly `n` members. Each reader asks for n different keys, so none is unknown and
// none stands twice.
static result need_object(json v, size_t n) {
    NEED(json_type(v) == JSON_OBJECT && json_size(v) == n, INVALID,
         "the plan has an object with a key too many or too few");
    return OK;
}

static result take(struct arena *a, size_t count, size_t size, void *out) {
    size_t n;
    NEED(!__builtin_mul_overflow(count, size, &n), MEMORY, "the plan is too large");
    void *p = n == 0 ? NULL : arena_take(a, n);
    NEED(p != NULL || n == 0, MEMORY, "the plan is too large");
    *(void **)out = p;
    return OK;
}

static result copy_string(struct arena *a, json v, bytes *out) {
    NEED(json_type(v) == JSON_STRING, INVALID, "the plan lacks a text");
    *out = arena_copy(a, json_string(v));
    NEED(out->p != NULL, MEMORY, "the plan is too large");
    return OK;
}

static result read_string(struct arena *a, json object, const char *key, bytes *out) {
    return copy_string(a, json_get(object, key), out);
}

static result read_name(struct arena *a, json object, const char *key, bytes *out) {
    TRY(read_string(a, object, key, out));
    NEED(out->n > 0, INVALID, "a name or path in the plan is empty");
    return OK;
}

static result read_number(json object, const char *key, int64_t max, int64_t *out) {
    TRY(json_i64(json_get(object, key), out));
    NEED(*out > 0 && *out <= max, INVALID, "a number in the plan is out of range");
    return OK;
}

// The array under a key, and memory for as many things as it has elements.
static result read_array(struct arena *a, json object, const char *key, size_t size, json *array,
                         void *things, size_t *count) {
    *array = json_get(object, key);
    NEED(json_type(*array) == JSON_ARRAY, INVALID, "the plan lacks a list");
    *count = json_size(*array);
    return take(a, *count, size, things);
}

static result read_strings(struct arena *a, json object, const char *key, bytes **out, size_t *n) {
    json array, v;
    TRY(read_array(a, object, key, sizeof(bytes), &array, out, n));
    for (size_t i = 0, at = 0; json_element(array, &at, &v); i++)
        TRY(copy_string(a, v, &(*out)[i]));
    return OK;
}

// A number that may be left out where it is 0; *n counts it where it is not.
static result read_limit(json object, const char *key, size_t *n, int64_t *out) {
    *out = 0;
    if (json_type(json_get(object, key)) == JSON_ABSENT)
        return OK;
    ++*n;
    return read_number(object, key, INT64_MAX, out);
}

static result read_secret(struct arena *a, json v, struct plan_secret *s) {
    size_t n = 3;
    json livemode = json_get(v, "livemode");
    if (json_type(livemode) != JSON_ABSENT) {
        n++;
        TRY(mode_parse(json_string(livemode), &s->livemode));
        NEED(s->livemode != MODE_BOTH, INVALID, "a secret of the plan says a livemode of both");
    }
    TRY(read_limit(v, "not_before_s", &n, &s->not_before_s));
    TRY(read_limit(v, "not_after_s", &n, &s->not_after_s));
    TRY(need_object(v, n));
    TRY(read_name(a, v, "label", &s->label));
    TRY(scope_parse(json_string(json_get(v, "scope")), &s->scope));
    return read_string(a, v, "fingerprint", &s->fingerprint);
}

static result read_source(struct arena *a, json v, struct plan_source *s) {
    json secrets, secret;
    TRY(need_object(v, 5));
    TRY(read_name(a, v, "path", &s->path));
    TRY(read_name(a, v, "owner", &s->owner));
    TRY(mode_parse(json_string(json_get(v, "livemode")), &s->livemode));
    TRY(read_number(v, "tolerance_s", INT64_MAX, &s->tolerance_s));
    TRY(read_array(a, v, "secrets", sizeof(*s->secrets), &secrets, &s->secrets, &s->secret_count));
    for (size_t i = 0, at = 0; json_element(secrets, &at, &secret); i++)
        TRY(read_secret(a, secret, &s->secrets[i]));
    return OK;
}

static result read_wheres(struct arena *a, json v, struct plan_where **out, size_t *n) {
    json wheres, where;
    TRY(read_array(a, v, "where", sizeof(**out), &wheres, out, n));
    for (size_t i = 0, at = 0; json_element(wheres, &at, &where); i++) {
        TRY(need_object(where, 2));
        TRY(read_name(a, where, "path", &(*out)[i].path));
        TRY(read_strings(a, where, "values", &(*out)[i].values, &(*out)[i].value_count));
    }
    return OK;
}

static bool has(json object, const char *key) {
    return json_type(json_get(object, key)) != JSON_ABSENT;
}

static result read_rule(struct arena *a, json v, struct plan_rule *r) {
    TRY(need_object(v, 6 + has(v, "sites")));
    if (has(v, "sites"))
        TRY(read_strings(a, v, "sites", &r->sites, &r->site_count));
    TRY(read_strings(a, v, "types", &r->types, &r->type_count));
    TRY(read_strings(a, v, "accounts", &r->accounts, &r->account_count));
    TRY(read_strings(a, v, "sources", &r->sources, &r->source_count));
    TRY(read_strings(a, v, "secrets", &r->secrets, &r->secret_count));
    TRY(scope_parse(json_string(json_get(v, "scope")), &r->scope));
    return read_wheres(a, v, &r->wheres, &r->where_count);
}

static result read_match(struct arena *a, json v, struct plan_destination *d) {
    json rules, rule;
    d->matches_all = json_type(json_get(v, "match")) == JSON_NULL;
    if (d->matches_all)
        return OK;
    TRY(read_array(a, v, "match", sizeof(*d->rules), &rules, &d->rules, &d->rule_count));
    for (size_t i = 0, at = 0; json_element(rules, &at, &rule); i++)
        TRY(read_rule(a, rule, &d->rules[i]));
    return OK;
}

static result read_older(struct arena *a, json v, size_t *n, struct plan_destination *d) {
    json rolled = json_get(v, "rolled"), list, one;
    if (json_type(rolled) != JSON_ABSENT) {
        NEED(json_true(rolled), INVALID, "rolled is true in a plan, or left out");
        d->rolled = true;
        ++*n;
    }
    if (json_type(json_get(v, "older")) == JSON_ABSENT)
        return OK;
    ++*n;
    TRY(read_array(a, v, "older", sizeof(*d->older), &list, &d->older, &d->older_count));
    NEED(d->older_count > 0, INVALID, "a list of older secrets in the plan is empty");
    for (size_t i = 0, at = 0; json_element(list, &at, &one); i++) {
        TRY(need_object(one, 2));
        TRY(read_name(a, one, "fingerprint", &d->older[i].fingerprint));
        TRY(read_number(one, "not_after_s", INT64_MAX, &d->older[i].not_after_s));
    }
    return OK;
}

static result read_handlers(struct arena *a, json v, struct plan_destination *d) {
    json list, one;
    if (!has(v, "handlers"))
        return OK;
    TRY(read_array(a, v, "handlers", sizeof(*d->handlers), &list, &d->handlers, &d->handler_count));
    NEED(d->handler_count > 0, INVALID, "a list of handlers in the plan is empty");
    for (size_t i = 0, at = 0; json_element(list, &at, &one); i++) {
        struct plan_handler *h = &d->handlers[i];
        TRY(need_object(one, 3));
        TRY(read_name(a, one, "name", &h->name));
        TRY(read_string(a, one, "description", &h->description));
        TRY(read_strings(a, one, "types", &h->types, &h->type_count));
    }
    return OK;
}

static result read_kind(struct arena *a, json v, struct plan_destination *d) {
    size_t n = 8 + plan_pace_extra(v) + plan_priority_extra(v) + plan_lane_extra(v);
    TRY(kind_parse(json_string(json_get(v, "kind")), &d->kind));
    if (has(v, "description")) {
        n++;
        TRY(read_name(a, v, "description", &d->description));
    }
    if (d->kind == KIND_COMMAND) {
        TRY(need_object(v, n));
        TRY(read_strings(a, v, "run", &d->run, &d->run_count));
        NEED(d->run_count > 0, INVALID, "a command in the plan has no program");
        return OK;
    }
    if (d->kind == KIND_TABLES) {
        TRY(need_object(v, n));
        return read_strings(a, v, "except", &d->except, &d->except_count);
    }
    if (d->kind == KIND_PLUGIN) {
        TRY(need_object(v, n + has(v, "handlers")));
        TRY(read_handlers(a, v, d));
        return read_name(a, v, "path", &d->path);
    }
    if (d->kind == KIND_FILE) {
        TRY(need_object(v, n));
        return read_name(a, v, "path", &d->path);
    }
    if (kind_is_queue(d->kind)) {
        TRY(need_object(v, n));
        return read_string(a, v, "url", &d->url);
    }
    n++;
    TRY(read_older(a, v, &n, d));
    TRY(need_object(v, n));
    TRY(read_string(a, v, "url", &d->url));
    return read_string(a, v, "fingerprint", &d->fingerprint);
}

static result read_destination(struct arena *a, json v, struct plan_destination *d) {
    json retry, wait;
    TRY(read_name(a, v, "name", &d->name));
    TRY(read_kind(a, v, d));
    TRY(mode_parse(json_string(json_get(v, "livemode")), &d->livemode));
    TRY(read_match(a, v, d));
    TRY(plan_priority_read(a, v, d));
    TRY(read_number(v, "timeout_ms", INT64_MAX, &d->timeout_ms));
    TRY(read_array(a, v, "retry_ms", sizeof(*d->retry_ms), &retry, &d->retry_ms, &d->retry_count));
    for (size_t i = 0, at = 0; json_element(retry, &at, &wait); i++) {
        TRY(json_i64(wait, &d->retry_ms[i]));
        NEED(d->retry_ms[i] >= 0, INVALID, "a wait in the plan is negative");
    }
    TRY(plan_pace_read(v, d));
    return plan_lane_read(v, d);
}

static result read_claim(struct arena *a, json v, struct plan_claim *c) {
    size_t at = 0;
    bytes key = NO_BYTES;
    json value;
    TRY(need_object(v, 1));
    json_member(v, &at, &key, &value);
    size_t kind = name_find(claim_names, COUNT(claim_names), key);
    NEED(kind < COUNT(claim_names), INVALID, "the plan has a claim of a kind that there is not");
    c->kind = (enum claim_kind)kind;
    if (c->kind == CLAIM_WHERE)
        return read_wheres(a, v, &c->wheres, &c->where_count);
    return read_strings(a, v, claim_names[kind], &c->ids, &c->id_count);
}

static result read_site(struct arena *a, json v, struct plan_site *s) {
    json claims, claim;
    TRY(need_object(v, 3));
    TRY(read_name(a, v, "name", &s->name));
    bytes late = json_string(json_get(v, "late"));
    s->late_left = bytes_equal(late, B("leave"));
    NEED(s->late_left || bytes_equal(late, B("route")), INVALID, "late is route or leave");
    TRY(read_array(a, v, "claims", sizeof(*s->claims), &claims, &s->claims, &s->claim_count));
    for (size_t i = 0, at = 0; json_element(claims, &at, &claim); i++)
        TRY(read_claim(a, claim, &s->claims[i]));
    return OK;
}

static result read_sites(json root, struct plan *p) {
    json array, v;
    if (!has(root, "sites"))
        return OK;
    TRY(read_array(&p->memory, root, "sites", sizeof(*p->sites), &array, &p->sites,
                   &p->site_count));
    for (size_t i = 0, at = 0; json_element(array, &at, &v); i++)
        TRY(read_site(&p->memory, v, &p->sites[i]));
    return OK;
}

static result read_endpoints(json root, struct plan_endpoints *e) {
    json v = json_get(root, "endpoints");
    int64_t max = 0;
    *e = (struct plan_endpoints){PLAN_ENDPOINTS_MAX, PLAN_ENDPOINTS_DISABLE_MS};
    if (json_type(v) == JSON_ABSENT)
        return OK;
    TRY(need_object(v, 2));
    TRY(json_i64(json_get(v, "max"), &max));
    NEED(max >= 0 && max <= UINT32_MAX, INVALID, "a number in the plan is out of range");
    e->max = (uint32_t)max;
    return read_number(v, "disable_after_ms", INT64_MAX, &e->disable_after_ms);
}

static result read_root(json root, struct plan *p) {
    struct arena *a = &p->memory;
    json array, v;
    TRY(need_object(root, 2 + has(root, "sites") + has(root, "endpoints")));
    TRY(read_sites(root, p));
    TRY(read_endpoints(root, &p->endpoints));
    TRY(read_array(a, root, "sources", sizeof(*p->sources), &array, &p->sources, &p->source_count));
    for (size_t i = 0, at = 0; json_element(array, &at, &v); i++)
        TRY(read_source(a, v, &p->sources[i]));
    TRY(read_array(a, root, "destinations", sizeof(*p->destinations), &array, &p->destinations,
                   &p->destination_count));
    size_t tables = 0;
    for (size_t i = 0, at = 0; json_element(array, &at, &v); i++) {
        TRY(read_destination(a, v, &p->destinations[i]));
        tables += p->destinations[i].kind == KIND_TABLES;
    }
    NEED(tables <= 1, INVALID, "the plan has two destinations of kind tables");
    return OK;
}

static void plan_drop(struct plan **p) { plan_free(*p); }

result plan_read(bytes in, uint64_t generation, struct plan **out) {
    *out = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text canonical = {.max = PLAN_MEMORY_MAX};
    OWN(plan_drop)
    struct plan *p = NEW(struct plan);
    arena_init(&p->memory, PLAN_MEMORY_MAX);
    p->generation = generation;
    TRY(json_parse(in, &doc));
    TRY(read_root(json_root(doc), p));
    plan_write(p, &canonical);
    NEED(!canonical.failed, MEMORY, "the plan is too large");
    p->json = arena_copy(&p->memory, text_bytes(&canonical));
    NEED(p->json.p != NULL, MEMORY, "the plan is too large");
    *out = p;
    p = NULL;
    return OK;
}

void plan_free(struct plan *p) {
    if (p == NULL)
        return;
    arena_drop(&p->memory);
    free(p);
}

// ,"key": without the comma before an object's first.
static void write_key(struct text *t, const char *key) {
    if (t->n > 0 && t->p[t->n - 1] != '{')
        text_addc(t, ',');
    text_add_json(t, bytes_of(key));
    text_addc(t, ':');
}

static void write_string(struct text *t, const char *key, bytes b) {
    write_key(t, key);
    text_add_json(t, b);
}

static void write_number(struct text *t, const char *key, int64_t n) {
    write_key(t, key);
    text_add_i64(t, n);
}

static void write_strings(struct text *t, const char *key, const bytes *list, size_t n) {
    write_key(t, key);
    for (size_t i = 0; i < n; i++) {
        text_addc(t, i == 0 ? '[' : ',');
        text_add_json(t, list[i]);
    }
    text_adds(t, n == 0 ? "[]" : "]");
}

static void write_secret(struct text *t, const struct plan_secret *s) {
    write_string(t, "label", s->label);
    write_string(t, "scope", bytes_of(scope_name(s->scope)));
    if (s->livemode != MODE_BOTH)
        write_string(t, "livemode", bytes_of(mode_name(s->livemode)));
    if (s->not_before_s != 0)
        write_number(t, "not_before_s", s->not_before_s);
    if (s->not_after_s != 0)
        write_number(t, "not_after_s", s->not_after_s);
    write_string(t, "fingerprint", s->fingerprint);
}

static void write_source(struct text *t, const struct plan_source *s) {
    text_addc(t, '{');
    write_string(t, "path", s->path);
    write_string(t, "owner", s->owner);
    write_string(t, "livemode", bytes_of(mode_name(s->livemode)));
    write_number(t, "tolerance_s", s->tolerance_s);
    write_key(t, "secrets");
    text_addc(t, '[');
    for (size_t i = 0; i < s->secret_count; i++) {
        text_adds(t, i == 0 ? "{" : ",{");
        write_secret(t, &s->secrets[i]);
        text_addc(t, '}');
    }
    text_adds(t, "]}");
}

static void write_wheres(struct text *t, const struct plan_where *wheres, size_t n) {
    write_key(t, "where");
    text_addc(t, '[');
    for (size_t i = 0; i < n; i++) {
        text_adds(t, i == 0 ? "{" : ",{");
        write_string(t, "path", wheres[i].path);
        write_strings(t, "values", wheres[i].values, wheres[i].value_count);
        text_addc(t, '}');
    }
    text_addc(t, ']');
}

static void write_rule(struct text *t, const struct plan_rule *r) {
    text_addc(t, '{');
    write_strings(t, "types", r->types, r->type_count);
    write_strings(t, "accounts", r->accounts, r->account_count);
    write_strings(t, "sources", r->sources, r->source_count);
    write_strings(t, "secrets", r->secrets, r->secret_count);
    write_string(t, "scope", bytes_of(scope_name(r->scope)));
    write_wheres(t, r->wheres, r->where_count);
    if (r->site_count > 0)
        write_strings(t, "sites", r->sites, r->site_count);
    text_addc(t, '}');
}

static void write_match(struct text *t, const struct plan_destination *d) {
    write_key(t, "match");
    if (d->matches_all) {
        text_adds(t, "null");
        return;
    }
    text_addc(t, '[');
    for (size_t i = 0; i < d->rule_count; i++) {
        if (i > 0)
            text_addc(t, ',');
        write_rule(t, &d->rules[i]);
    }
    text_addc(t, ']');
}

static void write_older(struct text *t, const struct plan_destination *d) {
    if (d->rolled) {
        write_key(t, "rolled");
        text_adds(t, "true");
    }
    if (d->older_count == 0)
        return;
    write_key(t, "older");
    for (size_t i = 0; i < d->older_count; i++) {
        text_adds(t, i == 0 ? "[{" : ",{");
        write_string(t, "fingerprint", d->older[i].fingerprint);
        write_number(t, "not_after_s", d->older[i].not_after_s);
        text_addc(t, '}');
    }
    text_addc(t, ']');
}

static void write_handlers(struct text *t, const struct plan_destination *d) {
    if (d->handler_count == 0)
        return;
    write_key(t, "handlers");
    for (size_t i = 0; i < d->handler_count; i++) {
        text_adds(t, i == 0 ? "[{" : ",{");
        write_string(t, "name", d->handlers[i].name);
        write_string(t, "description", d->handlers[i].description);
        write_strings(t, "types", d->handlers[i].types, d->handlers[i].type_count);
        text_addc(t, '}');
    }
    text_addc(t, ']');
}

static void write_kind(struct text *t, const struct plan_destination *d) {
    switch (d->kind) {
    case KIND_HTTP:
        write_string(t, "url", d->url);
        write_string(t, "fingerprint", d->fingerprint);
        write_older(t, d);
        break;
    case KIND_COMMAND: write_strings(t, "run", d->run, d->run_count); break;
    case KIND_TABLES: write_strings(t, "except", d->except, d->except_count); break;
    case KIND_PLUGIN:
        write_string(t, "path", d->path);
        write_handlers(t, d);
        break;
    case KIND_REDIS:
    case KIND_BULLMQ:
    case KIND_BULL: write_string(t, "url", d->url); break;
    case KIND_FILE: write_string(t, "path", d->path); break;
    }
}

static void write_destination(struct text *t, const struct plan_destination *d) {
    text_addc(t, '{');
    write_string(t, "name", d->name);
    write_string(t, "kind", bytes_of(kind_name(d->kind)));
    if (d->description.n > 0)
        write_string(t, "description", d->description);
    write_kind(t, d);
    write_string(t, "livemode", bytes_of(mode_name(d->livemode)));
    write_match(t, d);
    write_number(t, "timeout_ms", d->timeout_ms);
    write_key(t, "retry_ms");
    text_addc(t, '[');
    for (size_t i = 0; i < d->retry_count; i++) {
        if (i > 0)
            text_addc(t, ',');
        text_add_i64(t, d->retry_ms[i]);
    }
    text_addc(t, ']');
    plan_pace_write(d, t);
    plan_priority_write(d, t);
    plan_lane_write(d, t);
    text_addc(t, '}');
}

static void write_site(struct text *t, const struct plan_site *s) {
    text_addc(t, '{');
    write_string(t, "name", s->name);
    write_string(t, "late", s->late_left ? B("leave") : B("route"));
    write_key(t, "claims");
    text_addc(t, '[');
    for (size_t i = 0; i < s->claim_count; i++) {
        const struct plan_claim *c = &s->claims[i];
        text_adds(t, i == 0 ? "{" : ",{");
        if (c->kind == CLAIM_WHERE)
            write_wheres(t, c->wheres, c->where_count);
        else
            write_strings(t, claim_name(c->kind), c->ids, c->id_count);
        text_addc(t, '}');
    }
    text_adds(t, "]}");
}

static void write_sites(struct text *t, const struct plan *p) {
    text_addc(t, '[');
    for (size_t i = 0; i < p->site_count; i++) {
        if (i > 0)
            text_addc(t, ',');
        write_site(t, &p->sites[i]);
    }
    text_addc(t, ']');
}

void plan_write(const struct plan *p, struct text *out) {
    text_adds(out, "{\"sources\":[");
    for (size_t i = 0; i < p->source_count; i++) {
        if (i > 0)
            text_addc(out, ',');
        write_source(out, &p->sources[i]);
    }
    text_adds(out, "],\"destinations\":[");
    for (size_t i = 0; i < p->destination_count; i++) {
        if (i > 0)
            text_addc(out, ',');
        write_destination(out, &p->destinations[i]);
    }
    text_addc(out, ']');
    if (p->site_count > 0) {
        text_adds(out, ",\"sites\":");
        write_sites(out, p);
    }
    const struct plan_endpoints *e = &p->endpoints;
    if (e->max != PLAN_ENDPOINTS_MAX || e->disable_after_ms != PLAN_ENDPOINTS_DISABLE_MS)
        text_addf(out, ",\"endpoints\":{\"max\":%u,\"disable_after_ms\":%lld}", e->max,
                  (long long)e->disable_after_ms);
    text_addc(out, '}');
}

bool mode_narrow(enum mode a, enum mode b, enum mode *out) {
    *out = a == MODE_BOTH ? b : a;
    return a == MODE_BOTH || b == MODE_BOTH || a == b;
}

const struct plan_source *plan_source_find(const struct plan *p, bytes path) {
    for (size_t i = 0; i < p->source_count; i++)
        if (bytes_equal(p->sources[i].path, path))
            return &p->sources[i];
    return NULL;
}

const struct plan_destination *plan_destination_find(const struct plan *p, bytes name) {
    for (size_t i = 0; i < p->destination_count; i++)
        if (bytes_equal(p->destinations[i].name, name))
            return &p->destinations[i];
    return NULL;
}

const struct plan_destination *plan_tables(const struct plan *p) {
    for (size_t i = 0; i < p->destination_count; i++)
        if (p->destinations[i].kind == KIND_TABLES)
            return &p->destinations[i];
    return NULL;
}

size_t plan_site_find(const struct plan *p, bytes name) {
    for (size_t i = 0; i < p->site_count; i++)
        if (bytes_equal(p->sites[i].name, name))
            return i;
    return SIZE_MAX;
}

bool plan_sites_equal(const struct plan *a, const struct plan *b) {
    OWN(text_drop)
    struct text x = {.max = PLAN_MEMORY_MAX};
    OWN(text_drop)
    struct text y = {.max = PLAN_MEMORY_MAX};
    write_sites(&x, a);
    write_sites(&y, b);
    return bytes_equal(text_bytes(&x), text_bytes(&y));
}

bool plan_destinations_equal(const struct plan_destination *a, const struct plan_destination *b) {
    OWN(text_drop)
    struct text x = {.max = PLAN_MEMORY_MAX};
    OWN(text_drop)
    struct text y = {.max = PLAN_MEMORY_MAX};
    write_destination(&x, a);
    write_destination(&y, b);
    return bytes_equal(text_bytes(&x), text_bytes(&y));
}
