// SPDX-License-Identifier: MIT
// Thousands of generated lives of objects, their events in any order, some of them several times,
// some late: what is known and shown at the end is the same as in order, and where it is decided it
// is the state that the object is in.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rules/version.h"

#include "object_history.h"

#define assert_ok(call_) assert_null(call_)
#define LIVES 2000
#define ORDERS 4

// A life's events as the rule reads them.
struct told {
    struct life life;
    struct version_state *states;
    struct json_doc **docs;
};

static const enum version_kind kinds[] = {[LIFE_CREATED] = VERSION_CREATED,
                                          [LIFE_UPDATED] = VERSION_CHANGED,
                                          [LIFE_TOLD] = VERSION_CHANGED,
                                          [LIFE_DELETED] = VERSION_DELETED};

static void told_make(struct told *t, uint64_t seed) {
    life_make(&t->life, seed);
    t->states = memory_new(t->life.n + 1, sizeof *t->states);
    t->docs = memory_new(2 * t->life.n + 1, sizeof *t->docs);
    for (size_t i = 0; i < t->life.n; i++) {
        OWN(text_drop)
        struct text object = {0};
        const struct life_event *e = &t->life.at[i];
        text_addf(&object, "{\"id\":\"cus_1\",\"object\":\"customer\",%s}", e->object);
        assert_ok(json_parse(text_bytes(&object), &t->docs[2 * i]));
        t->states[i].version = (struct version){e->second, kinds[e->kind], bytes_of(e->id)};
        t->states[i].data = json_root(t->docs[2 * i]);
        if (e->previous == NULL)
            continue;
        assert_ok(json_parse(bytes_of(e->previous), &t->docs[2 * i + 1]));
        t->states[i].previous = json_root(t->docs[2 * i + 1]);
    }
}

static void told_drop(struct told *t) {
    for (size_t i = 0; i < 2 * t->life.n; i++)
        json_close(&t->docs[i]);
    free(t->docs);
    free(t->states);
    life_drop(&t->life);
}

static size_t told_find(const struct told *t, bytes id) {
    for (size_t i = 0; i < t->life.n; i++)
        if (bytes_equal(bytes_of(t->life.at[i].id), id))
            return i;
    fail_msg("an event that nobody told");
    return 0;
}

// A row as a table keeps it, and what the rule would say with less.
struct row {
    struct text known;
    size_t shown;
    bool undecided, several;
};

static size_t find_all(const struct told *t, const struct version *v, size_t n, size_t *index,
                       struct version_state *out) {
    for (size_t i = 0; i < n; i++) {
        index[i] = told_find(t, v[i].event);
        out[i] = t->states[index[i]];
    }
    return n;
}

enum sabotage { AS_IT_IS, WITHOUT_BEFORE, WITHOUT_PREVIOUS, SABOTAGES };

static struct version_choice compare(const struct told *t, bytes known, enum sabotage how,
                                     size_t *shown) {
    struct versions v;
    struct version_state newest[VERSIONS_MAX], before[VERSIONS_MAX];
    size_t index[VERSIONS_MAX], ignored[VERSIONS_MAX];
    assert_ok(versions_read(known, &v));
    size_t n = find_all(t, v.newest, v.newest_count, index, newest);
    size_t m = find_all(t, v.before, v.before_count, ignored, before);
    for (size_t i = 0; i < n && how == WITHOUT_PREVIOUS; i++)
        newest[i].previous = (json){NULL};
    struct version_choice c =
        version_choose(newest, n, before, how == WITHOUT_BEFORE ? 0 : m, v.cut);
    *shown = index[c.shown];
    return c;
}

static void row_apply(const struct told *t, struct row *r, size_t i) {
    OWN(text_drop)
    struct text next = {0};
    enum version_news news;
    assert_ok(versions_add(text_bytes(&r->known), &t->states[i].version, &next, &news));
    if (news == VERSION_KNOWN)
        return;
    text_reset(&r->known);
    text_add(&r->known, text_bytes(&next));
    if (news == VERSION_NOTED)
        return;
    r->several = news == VERSION_COMPARE;
    r->shown = i;
    r->undecided = false;
    if (r->several)
        r->undecided = compare(t, text_bytes(&r->known), AS_IT_IS, &r->shown).undecided;
}

static void assert_same_row(const struct row *a, const struct row *b) {
    assert_string_equal(text_str(&a->known), text_str(&b->known));
    assert_int_equal(a->shown, b->shown);
    assert_int_equal(a->undecided, b->undecided);
}

// The first `n` of a shuffled order, each perhaps several times, then the first `n` in order: what
// is known of part of a life does not tell its order either.
static void shuffle(uint64_t *seed, size_t *order, size_t n) {
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t k = random_below(seed, i), keep = order[k];
        order[k] = order[i - 1];
        order[i - 1] = keep;
    }
}

static void apply_part(const struct told *t, uint64_t *seed, const size_t *order, size_t n,
                       struct row *r) {
    for (size_t i = 0; i < n; i++) {
        row_apply(t, r, order[i]);
        if (random_below(seed, 4) == 0)
            row_apply(t, r, order[random_below(seed, i + 1)]);
    }
}

static void check_orders(const struct told *t, uint64_t seed, const struct row *in_order) {
    size_t order[1024], n = t->life.n;
    assert_true(n <= 1024);
    for (size_t k = 0; k < ORDERS; k++) {
        struct row late = {0}, sorted = {0};
        shuffle(&seed, order, n);
        size_t part = n == 0 ? 0 : 1 + random_below(&seed, n);
        apply_part(t, &seed, order, part, &late);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < part; j++)
                if (order[j] == i)
                    row_apply(t, &sorted, i);
        assert_same_row(&late, &sorted);
        for (size_t i = part; i < n; i++)
            row_apply(t, &late, order[i]);
        assert_same_row(&late, in_order);
        text_drop(&late.known);
        text_drop(&sorted.known);
    }
}

// What the generated lives are good for: how many of them would show a rule that lacks something.
struct tally {
    size_t lives, several, undecided, doubled, doubled_wrong, by_id, by_arrival, less[SABOTAGES];
};

static bool is_true(const struct told *t, size_t shown) {
    return life_same(&t->life.at[shown].state, &t->life.state);
}

static void count(const struct told *t, const struct row *r, struct tally *sum) {
    size_t n = t->life.n, greatest = n - 1, shown;
    sum->lives++;
    sum->doubled += t->life.doubled;
    sum->several += r->several;
    sum->undecided += r->undecided;
    if (!r->several || r->undecided)
        return;
    for (size_t i = 0; i < n; i++)
        if (t->life.at[i].second == t->life.second && t->life.at[i].kind != LIFE_CREATED &&
            strcmp(t->life.at[i].id, t->life.at[greatest].id) > 0)
            greatest = i;
    sum->by_id += !is_true(t, greatest);
    for (enum sabotage how = WITHOUT_BEFORE; how < SABOTAGES; how++)
        sum->less[how] += compare(t, text_bytes(&r->known), how, &shown).undecided;
}

static void any_order_ends_as_the_one_in_which_it_happened(void **state) {
    struct tally sum = {0};
    for (uint64_t seed = 1; seed <= LIVES; seed++) {
        struct told t;
        struct row r = {0};
        told_make(&t, seed);
        for (size_t i = 0; i < t.life.n; i++)
            row_apply(&t, &r, i);
        if (t.life.n > 0) {
            bool wrong = !r.undecided && !is_true(&t, r.shown);
            if (wrong && !t.life.doubled)
                fail_msg("seed %zu: decided, and wrong", (size_t)seed);
            sum.doubled_wrong += wrong;
            check_orders(&t, seed, &r);
            count(&t, &r, &sum);
        }
        text_drop(&r.known);
        told_drop(&t);
    }
    print_message(
        "# %zu lives, %zu end in a second with several changes, %zu undecided; %zu with a "
        "change told twice, %zu wrong; the greatest id is wrong in %zu, %zu need what was "
        "before, %zu what changes say\n",
        sum.lives, sum.several, sum.undecided, sum.doubled, sum.doubled_wrong, sum.by_id,
        sum.less[WITHOUT_BEFORE], sum.less[WITHOUT_PREVIOUS]);
    assert_true(sum.several > LIVES / 4);
    assert_true(sum.by_id > LIVES / 10);
    assert_true(sum.less[WITHOUT_BEFORE] > LIVES / 100);
    assert_true(sum.less[WITHOUT_PREVIOUS] > LIVES / 10);
    assert_true(sum.undecided < sum.several / 5);
    assert_true(sum.doubled > LIVES / 100 && sum.doubled_wrong < sum.doubled / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_ends_as_the_one_in_which_it_happened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
