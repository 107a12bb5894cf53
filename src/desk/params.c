// SPDX-License-Identifier: MIT
#include "desk/params.h"

#include <string.h>

#define LIMIT_MAX 1000

static bytes decoded(struct ask *a, bytes in, bool form) {
    OWN(text_drop)
    struct text out = {0};
    text_add_decoded(&out, in, form);
    return arena_copy(&a->memory, text_bytes(&out));
}

void params_keep(struct ask *a, bytes arg, bytes query) {
    a->arg = decoded(a, arg, false);
    a->query_text = arena_copy(&a->memory, query);
}

static int index_of(const char *const *list, bytes name) {
    for (int i = 0; list != NULL && list[i] != NULL; i++)
        if (bytes_equal(name, bytes_of(list[i])))
            return i;
    return -1;
}

// "no x; did you mean y?" with all that is allowed.
static void refuse_name(struct ask *a, const char *kind, bytes name, const char *const *list) {
    OWN(text_drop)
    struct text all = {0};
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        text_addf(&all, "%s%s", i > 0 ? ", " : "", list[i]);
    const char *near = word_nearest(name, list);
    ask_fail(a, 400, "unknown %s `%.*s`;%s%s%s %s%s", kind, BYTES_ARG(ask_short(name)),
             near == NULL ? "" : " did you mean `", near == NULL ? "" : near,
             near == NULL ? "" : "`?", all.n > 0 ? "allowed: " : "none is allowed here",
             text_str(&all));
}

bool params_read(struct ask *a) {
    const char *const *names = a->route->work->params;
    bytes rest = a->query_text;
    while (rest.n > 0) {
        bytes value = bytes_cut(&rest, '&');
        if (value.n == 0)
            continue;
        bytes name = decoded(a, bytes_cut(&value, '='), true);
        int at = index_of(names, name);
        if (at < 0) {
            refuse_name(a, "parameter", name, names);
            return false;
        }
        if (a->values[at].n > 0) {
            ask_fail(a, 400, "the parameter `%s` was given twice; give it once", names[at]);
            return false;
        }
        a->values[at] = decoded(a, value, true);
        if (a->values[at].n == 0) {
            ask_fail(a, 400, "the parameter `%s` is empty; give it a value or leave it out",
                     names[at]);
            return false;
        }
    }
    return true;
}

bool params_body(struct ask *a) {
    const char *const *names = a->route->work->fields;
    if (a->body.n == 0)
        return true;
    if (strcmp(a->route->method, "POST") != 0) {
        ask_fail(a, 400, "a GET with a body; looking takes parameters in the query instead");
        return false;
    }
    if (json_parse(text_bytes(&a->body), &a->doc) != OK ||
        json_type(json_root(a->doc)) != JSON_OBJECT) {
        ask_fail(a, 400,
                 "the body is no JSON object; send one, or nothing where nothing is needed");
        return false;
    }
    size_t at = 0;
    bytes name;
    json value;
    while (json_member(json_root(a->doc), &at, &name, &value)) {
        int known = index_of(names, name);
        if (known < 0) {
            refuse_name(a, "field", name, names);
            return false;
        }
        if (json_has_twice(json_root(a->doc), names[known])) {
            ask_fail(a, 400, "the field `%s` was given twice; give it once", names[known]);
            return false;
        }
    }
    return true;
}

bytes param(const struct ask *a, const char *name) {
    int at = index_of(a->route->work->params, bytes_of(name));
    return at < 0 ? NO_BYTES : a->values[at];
}

json field(const struct ask *a, const char *name) {
    return a->doc == NULL ? (json){NULL} : json_get(json_root(a->doc), name);
}

bool param_number(struct ask *a, const char *name, uint64_t *out) {
    bytes b = param(a, name);
    if (b.n == 0 || (bytes_to_u64(b, out) == OK && *out > 0 && *out <= INT64_MAX))
        return true;
    ask_fail(a, 400, "`%s` is %.*s; a number over 0 is expected", name, BYTES_ARG(ask_short(b)));
    return false;
}

bool arg_number(struct ask *a, uint64_t *out) {
    if (bytes_to_u64(a->arg, out) == OK && *out > 0 && *out <= INT64_MAX)
        return true;
    ask_fail(a, 400, "the path names %.*s; it takes a number over 0 there",
             BYTES_ARG(ask_short(a->arg)));
    return false;
}

static bool param_time(struct ask *a, const char *name, int64_t *out) {
    bytes b = param(a, name);
    if (b.n == 0 || bytes_to_i64(b, out) == OK || text_parse_time(b, out) == OK)
        return true;
    ask_fail(a, 400,
             "`%s` is %.*s; Unix milliseconds or RFC 3339 (2026-11-23T18:00:00Z) are expected",
             name, BYTES_ARG(ask_short(b)));
    return false;
}

static bool param_word(struct ask *a, const char *name, const char *(*words)(unsigned i),
                       bytes *out) {
    *out = param(a, name);
    if (out->n == 0)
        return true;
    OWN(text_drop)
    struct text all = {0};
    for (unsigned i = 0; words(i) != NULL; i++) {
        if (bytes_equal(*out, bytes_of(words(i))))
            return true;
        text_addf(&all, "%s%s", i > 0 ? ", " : "", words(i));
    }
    ask_fail(a, 400, "`%s` is %.*s; allowed: %s", name, BYTES_ARG(ask_short(*out)), text_str(&all));
    return false;
}

static const char *status_word(unsigned i) {
    return i <= EVENT_IGNORED ? event_status_name((enum event_status)i) : NULL;
}

static const char *livemode_word(unsigned i) {
    static const char *const words[] = {"true", "false"};
    return i < 2 ? words[i] : NULL;
}

static const char *order_word(unsigned i) {
    static const char *const words[] = {"newest", "oldest"};
    return i < 2 ? words[i] : NULL;
}

static const char *no_word(unsigned i) { return NULL; }

bool params_filter(struct ask *a, const char *(*states)(unsigned i), struct list_filter *out) {
    *out = (struct list_filter){
        .id = param(a, "id"),
        .type = param(a, "type"),
        .account = param(a, "account"),
        .owner = param(a, "owner"),
        .object_id = param(a, "object"),
        .destination = param(a, "destination"),
        .event_id = param(a, "event"),
        .site = param(a, "site"),
    };
    bytes order = NO_BYTES;
    uint64_t limit = 0;
    if (!param_word(a, "status", status_word, &out->status) ||
        !param_word(a, "state", states == NULL ? no_word : states, &out->state) ||
        !param_word(a, "livemode", livemode_word, &out->livemode) ||
        !param_word(a, "order", order_word, &order) || !param_time(a, "since", &out->since_ms) ||
        !param_time(a, "until", &out->until_ms) || !param_number(a, "before", &out->before) ||
        !param_number(a, "after", &out->after) || !param_number(a, "limit", &limit))
        return false;
    if (limit > LIMIT_MAX) {
        ask_fail(a, 400,
                 "`limit` is %llu; at most %d rows come at once, ask for the next with "
                 "`before` or `after`",
                 (unsigned long long)limit, LIMIT_MAX);
        return false;
    }
    out->limit = (size_t)limit;
    out->oldest_first = bytes_equal(order, B("oldest"));
    return true;
}
