// SPDX-License-Identifier: MIT
// Versions of an object. `k` and what is known of it: what is taken is what its events give in
// another order, and knows each of them. Otherwise a JSON array of the events of two seconds,
// [{"id","k":"c|u|d","d":data,"p":previous,"b":true for the second before}]: the choice is of the
// kind that wins, the same in any order, and an event that says the same again changes nothing.
#include "base/json.h"
#include "fuzz.h"
#include "rules/version.h"

#define EVENTS_MAX 12

const struct fuzz_plant fuzz_plants[] = {
    {"forget", PLANT_FUZZED, "the last event of the second before is not kept"},
    {"again", PLANT_FUZZED, "a deletion that is known is news"},
    {"arrival", PLANT_FUZZED, "of several that are undecided the last to come is shown"},
    {"sure", PLANT_SEEDED, "there and back is taken for decided where the first to come is first"},
    {"echo", PLANT_SEEDED, "what is told again is another state"},
    {0},
};

static void grow(struct text *known, const struct version *v) {
    OWN(text_drop)
    struct text next = {0};
    enum version_news news;
    ensure(versions_add(text_bytes(known), v, &next, &news) == OK && news != VERSION_KNOWN);
    text_reset(known);
    text_add(known, text_bytes(&next));
}

static void check_known(bytes in, const struct version *v, size_t n) {
    for (size_t i = 0; i < n; i++) {
        OWN(text_drop)
        struct text next = {0};
        enum version_news news;
        ensure(versions_add(in, &v[i], &next, &news) == OK);
        ensure(news == VERSION_KNOWN && next.n == 0);
        ensure(!fuzz_planted("again") || v[i].kind != VERSION_DELETED);
    }
}

static void fuzz_known(bytes in) {
    OWN(text_drop)
    struct text again = {0};
    struct versions v;
    if (versions_read(in, &v) != OK)
        return;
    ensure(v.newest_count > 0 || in.n == 0);
    check_known(in, v.newest, v.newest_count);
    check_known(in, v.before, v.before_count);
    if (bytes_search(in, B(" +\n")) < in.n) // what was cut cannot be made again
        return;
    for (size_t i = 0; i < v.before_count; i++)
        if (!fuzz_planted("forget") || i > 0)
            grow(&again, &v.before[v.before_count - 1 - i]);
    for (size_t i = 0; i < v.newest_count; i++)
        grow(&again, &v.newest[v.newest_count - 1 - i]);
    ensure(bytes_equal(text_bytes(&again), in));
}

struct second {
    struct version_state at[EVENTS_MAX + 1];
    size_t n;
};

static bool has_id(const struct second *s, bytes id) {
    for (size_t i = 0; i < s->n; i++)
        if (bytes_equal(s->at[i].version.event, id))
            return true;
    return false;
}

// False: it is not of the form.
static bool read_event(json e, struct second *newest, struct second *before) {
    bytes id = json_string(json_get(e, "id")), kind = json_string(json_get(e, "k"));
    struct second *s = json_true(json_get(e, "b")) ? before : newest;
    if (id.n == 0 || kind.n != 1 || bytes_find(B("cud"), kind.p[0]) == 3 || has_id(s, id))
        return false;
    s->at[s->n++] = (struct version_state){
        {1, VERSION_CREATED + (enum version_kind)bytes_find(B("cud"), kind.p[0]), id},
        json_get(e, "d"),
        json_get(e, "p")};
    return true;
}

static void reverse(const struct second *s, struct second *out) {
    out->n = s->n;
    for (size_t i = 0; i < s->n; i++)
        out->at[i] = s->at[s->n - 1 - i];
}

static struct version_choice choose(const struct second *newest, const struct second *before,
                                    bytes *id) {
    struct version_choice c = version_choose(newest->at, newest->n, before->at, before->n, false);
    ensure(c.shown < newest->n);
    if (c.undecided && fuzz_planted("arrival"))
        c.shown = newest->n - 1;
    if (c.undecided && fuzz_planted("sure"))
        c.undecided = bytes_compare(newest->at[0].version.event, newest->at[1].version.event) > 0;
    *id = newest->at[c.shown].version.event;
    return c;
}

static void check_choice(struct second *newest, const struct second *before) {
    struct second other_newest, other_before;
    bytes id, other;
    struct version_choice c = choose(newest, before, &id);
    for (size_t i = 0; i < newest->n && !fuzz_planted("arrival"); i++)
        ensure(newest->at[i].version.kind <= newest->at[c.shown].version.kind);
    reverse(newest, &other_newest);
    reverse(before, &other_before);
    struct version_choice o = choose(&other_newest, &other_before, &other);
    ensure(bytes_equal(id, other) && c.undecided == o.undecided);

    struct version_state *echo = &newest->at[newest->n++];
    *echo = newest->at[c.shown];
    echo->version.event = NO_BYTES;
    if (!fuzz_planted("echo"))
        echo->previous = (json){NULL};
    o = choose(newest, before, &other);
    ensure(bytes_equal(id, other) && c.undecided == o.undecided);
}

static void fuzz_choice(bytes in) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    struct second newest = {.n = 0}, before = {.n = 0};
    size_t at = 0;
    json e;
    if (json_parse(in, &doc) != OK || json_size(json_root(doc)) > EVENTS_MAX)
        return;
    while (json_element(json_root(doc), &at, &e))
        if (!read_event(e, &newest, &before))
            return;
    if (newest.n > 0)
        check_choice(&newest, &before);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    bytes in = bytes_from(p, n);
    if (bytes_starts(in, B("k")))
        fuzz_known(bytes_slice(in, 1, in.n));
    else
        fuzz_choice(in);
    return 0;
}
