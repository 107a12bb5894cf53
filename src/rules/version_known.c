// SPDX-License-Identifier: MIT
// What is known of an object's events, as text: "SECOND KIND ID" a line, the greatest second, kind
// and id first, and before those of a second that was cut "SECOND +".
#include "rules/version.h"

#include <string.h>

struct group {
    int64_t second;
    struct version events[VERSIONS_MAX]; // greatest first
    size_t n;
    bool cut;
};

struct known {
    struct group groups[2]; // the newest first
    size_t n;
};

static const char kind_letters[] = {[VERSION_EMBEDDED] = 'e',
                                    [VERSION_CREATED] = 'c',
                                    [VERSION_CHANGED] = 'u',
                                    [VERSION_DELETED] = 'd'};

// Within a second.
static int compare(const struct version *a, const struct version *b) {
    return a->kind != b->kind ? (int)a->kind - (int)b->kind : bytes_compare(a->event, b->event);
}

static void print(const struct known *k, struct text *out) {
    text_reset(out);
    for (size_t g = 0; g < k->n; g++) {
        const struct group *group = &k->groups[g];
        if (group->cut)
            text_addf(out, "%lld +\n", (long long)group->second);
        for (size_t i = 0; i < group->n; i++) {
            text_add_i64(out, group->second);
            text_addc(out, ' ');
            text_addc(out, kind_letters[group->events[i].kind]);
            text_addc(out, ' ');
            text_add(out, group->events[i].event);
            text_addc(out, '\n');
        }
    }
}

static result kind_of_letter(bytes letter, enum version_kind *out) {
    const char *at = letter.n == 1 ? memchr(kind_letters, letter.p[0], sizeof kind_letters) : NULL;
    NEED(at != NULL, FORMAT, "what is known of versions has an unknown kind");
    *out = (enum version_kind)(at - kind_letters);
    return OK;
}

static result read_line(bytes line, struct known *k) {
    struct version v = {0};
    bytes second = bytes_cut(&line, ' ');
    NEED(bytes_to_i64(second, &v.second) == OK, FORMAT, "what is known of versions has no second");
    struct group *g = k->n == 0 ? NULL : &k->groups[k->n - 1];
    if (g == NULL || g->second != v.second) {
        NEED(k->n < 2, FORMAT, "what is known of versions has more than two seconds");
        g = &k->groups[k->n++];
        *g = (struct group){.second = v.second};
    }
    bytes kind = bytes_cut(&line, ' ');
    if (bytes_equal(kind, B("+"))) {
        g->cut = true;
        return OK;
    }
    TRY(kind_of_letter(kind, &v.kind));
    v.event = line;
    NEED(line.n > 0, FORMAT, "what is known of versions has an event without an id");
    NEED(g->n < VERSIONS_MAX, FORMAT, "what is known of versions has too many events");
    NEED(g->n == 0 || compare(&v, &g->events[g->n - 1]) < 0, FORMAT,
         "what is known of versions is in another order");
    g->events[g->n++] = v;
    return OK;
}

// That each set has one text is what rows are compared by, so whatever does not print as it was
// read is refused.
static result read_known(bytes known, struct known *k) {
    OWN(text_drop)
    struct text again = {0};
    for (bytes rest = known; rest.n > 0;)
        TRY(read_line(bytes_cut(&rest, '\n'), k));
    NEED(k->n < 2 || k->groups[0].second > k->groups[1].second, FORMAT,
         "what is known of versions has its seconds in another order");
    for (size_t g = 0; g < k->n; g++) {
        const struct group *group = &k->groups[g];
        NEED(group->n == VERSIONS_MAX || (group->n > 0 && !group->cut), FORMAT,
             "what is known of versions is cut where it is not full");
        bool embedded = group->events[group->n - 1].kind == VERSION_EMBEDDED;
        NEED(!embedded || (group->n == 1 && k->n == 1), FORMAT,
             "what is known of versions has an embedded object beside others");
    }
    print(k, &again);
    NEED(bytes_equal(text_bytes(&again), known), FORMAT,
         "what is known of versions is written in another way");
    return OK;
}

// The place of this second among the two newest, made if need be; null if it is older.
static struct group *group_of(struct known *k, int64_t second) {
    size_t at = 0;
    while (at < k->n && k->groups[at].second > second)
        at++;
    if (at == 2)
        return NULL;
    if (at < k->n && k->groups[at].second == second)
        return &k->groups[at];
    if (at == 0)
        k->groups[1] = k->groups[0];
    k->n = at == 0 && k->n > 0 ? 2 : at + 1;
    k->groups[at] = (struct group){.second = second};
    return &k->groups[at];
}

// False: it is there, or below what a cut second keeps.
static bool group_add(struct group *g, const struct version *v) {
    size_t at = 0;
    while (at < g->n && compare(&g->events[at], v) > 0)
        at++;
    if (at < g->n && compare(&g->events[at], v) == 0)
        return false;
    if (at == VERSIONS_MAX) {
        bool news = !g->cut;
        g->cut = true;
        return news;
    }
    if (g->n == VERSIONS_MAX)
        g->cut = true;
    else
        g->n++;
    memmove(&g->events[at + 1], &g->events[at], (g->n - 1 - at) * sizeof g->events[0]);
    g->events[at] = *v;
    return true;
}

static bool only_embedded(const struct known *k) {
    return k->n > 0 && k->groups[0].events[0].kind == VERSION_EMBEDDED;
}

static enum version_news add_embedded(struct known *k, const struct version *v) {
    if (k->n > 0) {
        const struct group *g = &k->groups[0];
        if (!only_embedded(k) || g->second > v->second ||
            (g->second == v->second && compare(&g->events[0], v) >= 0))
            return VERSION_KNOWN;
    }
    k->n = 1;
    k->groups[0] = (struct group){.second = v->second, .events = {*v}, .n = 1};
    return VERSION_NEWEST;
}

static enum version_news add_own(struct known *k, const struct version *v) {
    if (only_embedded(k))
        k->n = 0;
    struct group *g = group_of(k, v->second);
    if (g == NULL || !group_add(g, v))
        return VERSION_KNOWN;
    const struct group *newest = &k->groups[0];
    if (newest->n > 1 && newest->events[1].kind == newest->events[0].kind)
        return VERSION_COMPARE;
    return g == newest && compare(&newest->events[0], v) == 0 ? VERSION_NEWEST : VERSION_NOTED;
}

result versions_add(bytes known, const struct version *v, struct text *out,
                    enum version_news *news) {
    struct known k = {0};
    NEED(v->event.n > 0 && bytes_find(v->event, '\n') == v->event.n, INVALID,
         "the event's id cannot stand in a line");
    TRY(read_known(known, &k));
    *news = v->kind == VERSION_EMBEDDED ? add_embedded(&k, v) : add_own(&k, v);
    if (*news != VERSION_KNOWN)
        print(&k, out);
    return OK;
}

result versions_read(bytes known, struct versions *out) {
    struct known k = {0};
    TRY(read_known(known, &k));
    *out = (struct versions){0};
    if (k.n > 0) {
        out->newest_count = k.groups[0].n;
        memcpy(out->newest, k.groups[0].events, k.groups[0].n * sizeof out->newest[0]);
        out->cut = k.groups[0].cut;
    }
    if (k.n > 1 && !k.groups[1].cut) {
        out->before_count = k.groups[1].n;
        memcpy(out->before, k.groups[1].events, k.groups[1].n * sizeof out->before[0]);
    }
    return OK;
}
