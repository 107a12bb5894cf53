// SPDX-License-Identifier: MIT
// Lists (https://docs.stripe.com/api/pagination) and searches (https://docs.stripe.com/search).
#include <string.h>

#include "twin/call.h"

#define LIMIT 10
#define LIMIT_MAX 100
#define CLAUSES_MAX 10

struct page {
    int64_t limit;
    struct twin_object *after, *before; // starting_after (or a search's page), ending_before
    struct twin_object *last;           // of the page
    size_t n;
    bool more;
    struct text data;
};

static bool list_name(const struct twin_resource *r, bytes name, const char **path) {
    for (size_t i = 0; i < r->list_count; i++) {
        if (!bytes_equal(bytes_of(r->lists[i].name), name))
            continue;
        *path = r->lists[i].path;
        return true;
    }
    return false;
}

static bool is_page_name(bytes name) {
    return bytes_equal(name, B("limit")) || bytes_equal(name, B("starting_after")) ||
           bytes_equal(name, B("ending_before")) || bytes_equal(name, B("created")) ||
           bytes_equal(name, B("expand"));
}

static bool names_known(struct twin_call *c) {
    bytes key;
    json v;
    const char *path;
    for (size_t at = 0; json_member(c->params, &at, &key, &v);) {
        if (is_page_name(key) || list_name(c->resource, key, &path))
            continue;
        OWN(text_drop)
        struct text shown = {0};
        text_add_printable(&shown, key, 64);
        return twin_refuse(c, API_ERROR_PARAMETER_UNKNOWN, text_str(&shown),
                           "Received unknown parameter: %s. docs/twin.md lists what the twin's "
                           "list of %s goes by.",
                           text_str(&shown), c->resource->object);
    }
    return true;
}

static bool read_cursor(struct twin_call *c, const char *name, struct twin_object **out) {
    if (twin_given(c, name))
        *out = twin_ref(c, name, twin_param_text(c, name), c->resource->kinds);
    return !twin_given(c, name) || *out != NULL;
}

static bool read_limit(struct twin_call *c, struct page *p) {
    p->limit = LIMIT;
    if (!twin_param_int(c, "limit", &p->limit))
        return false;
    return (p->limit >= 1 && p->limit <= LIMIT_MAX) ||
           twin_refuse(c, API_ERROR_PARAMETER_INTEGER, "limit",
                       "limit is %lld; it is a number from 1 to %d.", (long long)p->limit,
                       LIMIT_MAX);
}

static bool read_page(struct twin_call *c, struct page *p) {
    if (!read_limit(c, p))
        return false;
    if (twin_given(c, "starting_after") && twin_given(c, "ending_before"))
        return twin_refuse(c, API_ERROR_PARAMETERS_EXCLUSIVE, "ending_before",
                           "starting_after and ending_before do not go together.");
    return read_cursor(c, "starting_after", &p->after) &&
           read_cursor(c, "ending_before", &p->before);
}

static bool within(json bounds, int64_t created) {
    static const char *const names[] = {"gt", "gte", "lt", "lte"};
    for (size_t i = 0; i < 4; i++) {
        int64_t v;
        json bound = json_get(bounds, names[i]);
        if (json_type(bound) == JSON_ABSENT || bytes_to_i64(json_string(bound), &v) != OK)
            continue;
        bool good = i == 0   ? created > v
                    : i == 1 ? created >= v
                    : i == 2 ? created < v
                             : created <= v;
        if (!good)
            return false;
    }
    return true;
}

static bool created_fits(struct twin_call *c, struct twin_object *o) {
    json said = twin_param(c, "created");
    int64_t v, created = twin_int(o, "created");
    if (json_type(said) == JSON_OBJECT)
        return within(said, created);
    return bytes_to_i64(json_string(said), &v) != OK || v == created;
}

static bool fits(struct twin_call *c, struct twin_object *o) {
    bytes key;
    json v;
    const char *path = NULL;
    if (c->resource->parent != NULL && c->parent.n > 0 &&
        !bytes_equal(twin_text(o, c->resource->parent_at), c->parent))
        return false;
    for (size_t at = 0; json_member(c->params, &at, &key, &v);)
        if (list_name(c->resource, key, &path) &&
            !json_equals_text(twin_at(o, path), json_string(v)))
            return false;
    return created_fits(c, o);
}

static void add(struct page *p, struct twin_object *o) {
    text_adds(&p->data, p->n++ > 0 ? "," : "");
    json_write(twin_root(o), &p->data);
    p->last = o;
}

static void older(struct twin_call *c, struct page *p) {
    struct twin_object *o = p->after;
    while (!p->more && (o = twin_next(c, c->resource->kinds, o)) != NULL) {
        if (!fits(c, o))
            continue;
        if (p->n == (size_t)p->limit)
            p->more = true;
        else
            add(p, o);
    }
}

// The ones immediately newer than the cursor, still the newest first.
static void newer(struct twin_call *c, struct page *p) {
    struct twin_object *found[LIMIT_MAX], *o = NULL;
    size_t n = 0;
    struct list *end = &p->before->all;
    for (struct list *at = end->next; at != &c->w->all; at = at->next) {
        o = CONTAINER(at, struct twin_object, all);
        if (o->gone || !twin_is(o, c->resource->kinds) ||
            strcmp(o->account, p->before->account) != 0 || !fits(c, o))
            continue;
        p->more = n == (size_t)p->limit;
        if (p->more)
            break;
        found[n++] = o;
    }
    while (n > 0)
        add(p, found[--n]);
}

static void write_page(struct twin_call *c, struct page *p, bool searched) {
    text_addf(&c->answer, "{\"object\":\"%s\",\"data\":[", searched ? "search_result" : "list");
    text_add(&c->answer, text_bytes(&p->data));
    text_addf(&c->answer, "],\"has_more\":%s,\"url\":", p->more ? "true" : "false");
    text_add_json(&c->answer, c->request->path);
    if (searched) { // a page is known by the last object of the one before
        text_adds(&c->answer, ",\"next_page\":");
        if (p->more)
            text_add_json(&c->answer, bytes_of(p->last->id));
        else
            text_adds(&c->answer, "null");
    }
    text_addc(&c->answer, '}');
    text_drop(&p->data);
}

bool twin_list(struct twin_call *c) {
    struct page p = {0};
    if (!names_known(c) || !twin_all_standing(c) || !read_page(c, &p))
        return false;
    if (p.before != NULL)
        newer(c, &p);
    else
        older(c, &p);
    write_page(c, &p, false);
    return true;
}

// --- search: field:"value" AND metadata["key"]:"value" AND id~"cus_1"; `~` is a part of it

struct clause {
    struct text path;
    bytes key; // of the map at the path; empty: the value is there itself
    bytes value;
    bool part;
};

static bytes skip_space(bytes b) {
    while (b.n > 0 && b.p[0] == ' ')
        b = bytes_slice(b, 1, b.n);
    return b;
}

static bool is_name(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

// A value in quotes; false: there is none.
static bool take_quoted(bytes *rest, bytes *out) {
    if (rest->n < 2 || (rest->p[0] != '"' && rest->p[0] != '\''))
        return false;
    bytes in = bytes_slice(*rest, 1, rest->n);
    size_t end = bytes_find(in, rest->p[0]);
    if (end == in.n)
        return false;
    *out = bytes_slice(in, 0, end);
    *rest = bytes_slice(in, end + 1, in.n);
    return true;
}

static bool take_clause(bytes *rest, struct clause *out) {
    size_t n = 0;
    while (n < rest->n && is_name(rest->p[n]))
        n++;
    text_add(&out->path, bytes_slice(*rest, 0, n));
    *rest = bytes_slice(*rest, n, rest->n);
    if (rest->n > 0 && rest->p[0] == '[') {
        *rest = bytes_slice(*rest, 1, rest->n);
        if (!take_quoted(rest, &out->key) || rest->n == 0 || rest->p[0] != ']')
            return false;
        *rest = bytes_slice(*rest, 1, rest->n);
    }
    if (n == 0 || rest->n == 0 || (rest->p[0] != ':' && rest->p[0] != '~'))
        return false;
    out->part = rest->p[0] == '~';
    *rest = bytes_slice(*rest, 1, rest->n);
    return take_quoted(rest, &out->value);
}

static bool read_query(bytes query, struct clause clauses[CLAUSES_MAX], size_t *n) {
    bytes rest = skip_space(query);
    for (*n = 0; *n < CLAUSES_MAX;) {
        if (!take_clause(&rest, &clauses[(*n)++]))
            return false;
        rest = skip_space(rest);
        if (rest.n == 0)
            return true;
        if (!bytes_starts(rest, B("AND ")))
            return false;
        rest = skip_space(bytes_slice(rest, 4, rest.n));
    }
    return false;
}

static bool clause_holds(struct twin_object *o, const struct clause *q) {
    json v = twin_at(o, text_str(&q->path));
    if (q->key.n > 0)
        v = json_getb(v, q->key);
    if (!q->part)
        return json_equals_text(v, q->value);
    return bytes_search(json_string(v), q->value) < json_string(v).n;
}

bool twin_search(struct twin_call *c) {
    struct clause clauses[CLAUSES_MAX] = {0};
    struct page p = {0};
    size_t n = 0;
    bool good = read_query(twin_param_text(c, "query"), clauses, &n);
    if (!good)
        twin_refuse(c, API_ERROR_INVALID, "query",
                    "The query is none: it has clauses like email:\"ada@example.com\", "
                    "metadata[\"site\"]:\"shop\" or id~\"cus_1\", at most %d, with AND between.",
                    CLAUSES_MAX);
    good = good && read_limit(c, &p) && read_cursor(c, "page", &p.after);
    struct twin_object *o = p.after;
    while (good && !p.more && (o = twin_next(c, c->resource->kinds, o)) != NULL) {
        bool holds = true;
        for (size_t i = 0; i < n && holds; i++)
            holds = clause_holds(o, &clauses[i]);
        if (holds && p.n >= (size_t)p.limit)
            p.more = true;
        else if (holds)
            add(&p, o);
    }
    if (good)
        write_page(c, &p, true);
    for (size_t i = 0; i < n; i++)
        text_drop(&clauses[i].path);
    return good;
}
