// SPDX-License-Identifier: MIT
#include "rules/site_claims.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/ensure.h"
#include "base/memory.h"
#include "rules/site_kind.h"

#define WORDS_MAX 5 // values of a claim that are told

static void *take(struct site_claims *c, size_t n) {
    void *p = arena_take(&c->memory, n);
    ensure(p != NULL); // of a size as the plan, which has its cap
    return p;
}

static uint64_t mark_of(const struct text *said) {
    ensure(!said->failed);
    uint8_t digest[XXH3_SIZE];
    digest_xxh3(text_bytes(said), 0, digest);
    uint64_t mark;
    memcpy(&mark, digest, sizeof mark);
    return mark;
}

static void say(struct text *t, bytes b) {
    text_addf(t, "%zu:", b.n);
    text_add(t, b);
}

static void ask(struct site_claims *c, struct map *m, bytes key, const struct site_asked *asked) {
    struct site_asked *a = take(c, sizeof *a), *first = map_get(m, key);
    *a = *asked;
    if (first == NULL) {
        map_put(m, key, a);
        return;
    }
    while (first->next != NULL) // in the configuration's order
        first = first->next;
    first->next = a;
}

static void know_mark(struct site_claims *c, const struct site_asked *asked) {
    ask(c, &c->marks, bytes_from(&asked->mark, sizeof asked->mark), asked);
}

static bytes inner_path(bytes path) {
    return bytes_starts(path, B(SITE_INNER)) ? bytes_slice(path, sizeof SITE_INNER - 1, path.n)
                                             : NO_BYTES;
}

static struct site_group *group_of(struct site_claims *c, bytes path) {
    for (size_t i = 0; i < c->group_count; i++)
        if (bytes_equal(c->groups[i].path, path))
            return &c->groups[i];
    c->groups = memory_grow(c->groups, c->group_count + 1, sizeof *c->groups);
    c->groups[c->group_count] = (struct site_group){.path = path, .inner = inner_path(path)};
    return &c->groups[c->group_count++];
}

static void add_where(struct site_claims *c, size_t site, const struct plan_claim *claim) {
    OWN(text_drop)
    struct text said = {0};
    bytes name = c->plan->sites[site].name;
    if (claim->where_count == 1) {
        const struct plan_where *w = &claim->wheres[0];
        for (size_t i = 0; i < w->value_count; i++) {
            text_reset(&said);
            say(&said, name);
            say(&said, w->path);
            say(&said, w->values[i]);
            struct site_asked asked = {NULL, site, mark_of(&said), claim, w->values[i]};
            ask(c, &group_of(c, w->path)->values, w->values[i], &asked);
            know_mark(c, &asked);
        }
        return;
    }
    say(&said, name);
    for (size_t k = 0; k < claim->where_count; k++) {
        say(&said, claim->wheres[k].path);
        for (size_t i = 0; i < claim->wheres[k].value_count; i++)
            say(&said, claim->wheres[k].values[i]);
    }
    c->wholes = memory_grow(c->wholes, c->whole_count + 1, sizeof *c->wholes);
    c->wholes[c->whole_count++] = (struct site_whole){site, mark_of(&said), claim};
    know_mark(c, &(struct site_asked){NULL, site, mark_of(&said), claim, NO_BYTES});
}

static void add_ids(struct site_claims *c, size_t site, const struct plan_claim *claim) {
    bytes type = bytes_of(claim_type(claim->kind));
    OWN(arena_drop)
    struct arena a;
    arena_init(&a, PLAN_MEMORY_MAX);
    for (size_t i = 0; i < claim->id_count; i++) {
        bytes key = site_key(type, claim->ids[i], NO_BYTES, &a);
        if (key.n > 0)
            ask(c, &c->ids, key, &(struct site_asked){NULL, site, 0, claim, claim->ids[i]});
    }
}

struct path_left {
    const struct site_link *link;
    bytes path;
};

static uint16_t new_steps(struct site_claims *c, size_t n) {
    uint16_t first = c->step_count;
    c->step_count = (uint16_t)(first + n);
    return first;
}

static void fill_step(struct site_claims *c, uint16_t at, const struct path_left *paths, size_t n);

// The step of a member: what is left of the paths behind this name.
static void fill_member(struct site_claims *c, uint16_t at, const struct path_left *paths,
                        size_t n) {
    struct path_left inside[SITE_LINKS_EACH_MAX], elements[SITE_LINKS_EACH_MAX];
    size_t inside_count = 0, element_count = 0;
    for (size_t i = 0; i < n; i++) {
        struct path_left left = paths[i];
        bool list;
        if (left.path.n == 0 || !bytes_equal(site_path_part(&left.path, &list), c->names[at]))
            continue;
        if (list)
            elements[element_count++] = left;
        else
            inside[inside_count++] = left;
    }
    fill_step(c, at, inside, inside_count);
    if (element_count > 0) {
        c->steps[at].element = new_steps(c, 1);
        fill_step(c, c->steps[at].element, elements, element_count);
    }
}

static void fill_step(struct site_claims *c, uint16_t at, const struct path_left *paths, size_t n) {
    bytes names[SITE_LINKS_EACH_MAX];
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        bytes rest = paths[i].path;
        bool list;
        if (rest.n == 0) {
            c->steps[at].here = paths[i].link;
            continue;
        }
        bytes name = site_path_part(&rest, &list);
        size_t k = 0;
        while (k < count && !bytes_equal(names[k], name))
            k++;
        names[k] = name;
        count += k == count;
    }
    uint16_t first = new_steps(c, count);
    c->steps[at].first = first;
    c->steps[at].members = (uint16_t)count;
    for (size_t i = 0; i < count; i++)
        c->names[first + i] = names[i];
    for (size_t i = 0; i < count; i++)
        fill_member(c, (uint16_t)(first + i), paths, n);
}

static void cut_paths(struct site_claims *c) {
    size_t most = 1 + site_link_count; // 0 is no step, and each holder has one
    for (size_t i = 0; i < site_link_count; i++)
        for (bytes rest = site_links[i].path; rest.n > 0; most += 2) // a member, an element
            (void)bytes_cut(&rest, '.');
    ensure(most <= UINT16_MAX);
    c->steps = take(c, most * sizeof *c->steps);
    c->names = take(c, most * sizeof *c->names);
    c->roots = take(c, site_link_count * sizeof *c->roots);
    c->step_count = 1;
    for (size_t at = 0, n; at < site_link_count; at += n) {
        struct path_left paths[SITE_LINKS_EACH_MAX];
        (void)site_links_of(site_links[at].holder, &n);
        ensure(n <= SITE_LINKS_EACH_MAX);
        for (size_t i = 0; i < n; i++)
            paths[i] = (struct path_left){&site_links[at + i], site_links[at + i].path};
        c->roots[at] = new_steps(c, 1);
        fill_step(c, c->roots[at], paths, n);
    }
}

struct site_claims *site_claims_open(const struct plan *p) {
    struct site_claims *c = NEW(struct site_claims);
    c->plan = p;
    arena_init(&c->memory, 4 * (size_t)PLAN_MEMORY_MAX);
    cut_paths(c);
    for (size_t i = 0; i < p->site_count; i++) {
        for (size_t k = 0; k < p->sites[i].claim_count; k++) {
            const struct plan_claim *claim = &p->sites[i].claims[k];
            if (claim->kind == CLAIM_WHERE)
                add_where(c, i, claim);
            else
                add_ids(c, i, claim);
        }
    }
    return c;
}

void site_claims_close(struct site_claims *c) {
    if (c == NULL)
        return;
    map_drop(&c->ids);
    map_drop(&c->marks);
    for (size_t i = 0; i < c->group_count; i++)
        map_drop(&c->groups[i].values);
    free(c->groups);
    free(c->wholes);
    arena_drop(&c->memory);
    free(c);
}

// What claims by id ask for: the key without the account, since an id that stands in a
// configuration means one object.
static bytes key_asked(bytes key) {
    size_t slash = bytes_find(key, '/');
    return bytes_starts(key, B("acct_")) && slash < key.n ? bytes_slice(key, slash + 1, key.n)
                                                          : key;
}

size_t site_claimed(const struct site_claims *c, const struct site_object *o,
                    void (*each)(void *ctx, size_t site), void *ctx) {
    size_t first = SIZE_MAX;
    for (const struct site_asked *a = map_get(&c->ids, key_asked(o->key)); a != NULL; a = a->next) {
        first = a->site < first ? a->site : first;
        each(ctx, a->site);
    }
    // The newest that are still claims say what the object is; the older ones were evidence too.
    int64_t newest = INT64_MIN;
    size_t said = SIZE_MAX;
    struct site_met m;
    for (bytes rest = o->claims; site_met_next(&rest, &m);) {
        const struct site_asked *a = map_get(&c->marks, bytes_from(&m.mark, sizeof m.mark));
        if (a == NULL)
            continue;
        each(ctx, a->site);
        if (m.created > newest || (m.created == newest && a->site < said)) {
            newest = m.created;
            said = a->site;
        }
    }
    return said < first ? said : first;
}

size_t site_claims_unasked(const struct plan *before, const struct plan *after) {
    size_t n = 0;
    for (size_t i = 0; before->site_count == 0 && i < after->site_count; i++)
        n += after->sites[i].claim_count;
    if (before->site_count == 0 || after->site_count == 0)
        return n;
    struct site_claims *old = site_claims_open(before), *new = site_claims_open(after);
    bytes mark;
    void *value;
    for (size_t at = 0; map_next(&new->marks, &at, &mark, &value);)
        n += map_get(&old->marks, mark) == NULL;
    site_claims_close(old);
    site_claims_close(new);
    return n;
}

static void say_listed(struct text *out, const bytes *list, size_t n) {
    size_t shown = n <= WORDS_MAX ? n : WORDS_MAX;
    for (size_t i = 0; i < shown; i++) {
        text_adds(out, i == 0 ? "" : ", ");
        text_add_printable(out, list[i], EVENT_ID_MAX);
    }
    if (shown < n)
        text_addf(out, " and %zu more", n - shown);
}

static void say_where(struct text *out, const struct plan_where *w, const bytes *values, size_t n) {
    text_add_printable(out, w->path, EVENT_ID_MAX);
    text_adds(out, n > 1 ? " is one of " : " is ");
    say_listed(out, values, n);
}

void site_claim_words(const struct plan_claim *claim, struct text *out) {
    if (claim->kind != CLAIM_WHERE) {
        text_addf(out, "%s ", claim_name(claim->kind));
        say_listed(out, claim->ids, claim->id_count);
    }
    for (size_t i = 0; i < claim->where_count; i++) {
        text_adds(out, i > 0 ? " and " : "");
        say_where(out, &claim->wheres[i], claim->wheres[i].values, claim->wheres[i].value_count);
    }
}

static void asked_words(const struct site_asked *a, struct text *out) {
    if (a->value.n == 0) {
        site_claim_words(a->claim, out);
    } else if (a->claim->kind == CLAIM_WHERE) {
        say_where(out, &a->claim->wheres[0], &a->value, 1);
    } else {
        text_addf(out, "%s ", claim_name(a->claim->kind));
        say_listed(out, &a->value, 1);
    }
}

void site_claimed_words(const struct site_claims *c, const struct site_object *o, size_t site,
                        struct text *out) {
    const struct site_asked *by = map_get(&c->ids, key_asked(o->key));
    while (by != NULL && by->site != site)
        by = by->next;
    bool by_id = by != NULL;
    struct site_met m;
    for (bytes rest = o->claims; !by_id && site_met_next(&rest, &m);) { // the newest stands last
        const struct site_asked *a = map_get(&c->marks, bytes_from(&m.mark, sizeof m.mark));
        by = a != NULL && a->site == site ? a : by;
    }
    if (by != NULL)
        asked_words(by, out);
}
