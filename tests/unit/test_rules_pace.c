// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"
#include "rules/pace.h"

#define S INT64_C(1000000)
#define START (100 * S)

static const struct {
    enum outcome outcome;
    int32_t status;
    enum pace_word word;
} words[] = {
    {OUTCOME_DONE, 200, PACE_WELL},      {OUTCOME_DONE, 0, PACE_WELL},
    {OUTCOME_NOT_YET, 409, PACE_WELL},   {OUTCOME_NOT_YET, 425, PACE_WELL},
    {OUTCOME_FAILED, 429, PACE_SHEDS},   {OUTCOME_FAILED, 503, PACE_BUSY},
    {OUTCOME_FAILED, 500, PACE_DOWN},    {OUTCOME_FAILED, 502, PACE_DOWN},
    {OUTCOME_FAILED, 504, PACE_DOWN},    {OUTCOME_FAILED, 0, PACE_DOWN},
    {OUTCOME_FAILED, 404, PACE_ANSWERS}, {OUTCOME_FAILED, 302, PACE_ANSWERS},
    {OUTCOME_FAILED, 410, PACE_ANSWERS}, {OUTCOME_FAILED, 100, PACE_ANSWERS},
};

static void outcomes_have_their_word(void **state) {
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (pace_word_of(words[i].outcome, words[i].status) != words[i].word)
            fail_msg("case %zu", i);
}

// A destination in closed loop: as much is due as it takes, and the site answers by its nature.
struct site {
    // A ceiling of so many in each second of the clock; more are shed. 0: none.
    uint32_t ceiling, status;
    bool closed;                   // all are shed
    const int64_t *retry_after_ms; // drawn from; null: says nothing
    size_t retry_after_count;
    // Works on so many at once; more wait their turn. 0: any.
    uint32_t workers;
    int64_t work_us;        // for each
    int64_t down_us, up_us; // it fails from the one until the other
    int64_t hangs_us;       // while it is down; 0: it answers 500 at once
    // So it went.
    uint32_t took, shed, failed;
    uint32_t this_second;
    int64_t second, busy_until[64];
};

#define UNDER_WAY_MAX 256
struct flight {
    int64_t began, ends;
    int32_t status;
    int64_t retry_after_ms;
};
struct loop {
    struct pace pace;
    struct site site;
    uint64_t random;
    int64_t now, until;
    struct flight flights[UNDER_WAY_MAX];
    size_t under_way, most_under_way;
    uint32_t began;
    int64_t *begins; // when each did; null: nobody wants to know
};

static int64_t work(struct site *s, int64_t now) {
    size_t best = 0;
    if (s->workers == 0)
        return now + s->work_us;
    for (size_t i = 1; i < s->workers; i++)
        if (s->busy_until[i] < s->busy_until[best])
            best = i;
    int64_t from = s->busy_until[best] > now ? s->busy_until[best] : now;
    return s->busy_until[best] = from + s->work_us;
}

static struct flight arrive(struct loop *l) {
    struct site *s = &l->site;
    struct flight f = {.began = l->now, .ends = l->now + 1000, .status = 200};
    if (l->now >= s->down_us && l->now < s->up_us) {
        f.status = s->hangs_us > 0 ? 0 : 500;
        f.ends += s->hangs_us;
        s->failed++;
        return f;
    }
    if (l->now / S != s->second) {
        s->second = l->now / S;
        s->this_second = 0;
    }
    if (s->closed || (s->ceiling > 0 && ++s->this_second > s->ceiling)) {
        f.status = (int32_t)s->status;
        if (s->retry_after_ms != NULL)
            f.retry_after_ms = s->retry_after_ms[random_below(&l->random, s->retry_after_count)];
        s->shed++;
        return f;
    }
    s->took++;
    f.ends = work(s, l->now);
    return f;
}

static size_t first_to_end(const struct loop *l) {
    size_t first = 0;
    for (size_t i = 1; i < l->under_way; i++)
        if (l->flights[i].ends < l->flights[first].ends)
            first = i;
    return first;
}

static void end_one(struct loop *l, size_t at) {
    struct flight f = l->flights[at];
    l->now = f.ends > l->now ? f.ends : l->now;
    bool done = f.status == 200;
    struct pace_end e = {
        .word = pace_word_of(done ? OUTCOME_DONE : OUTCOME_FAILED, f.status),
        .began_us = f.began,
        .took_us = l->now - f.began,
        .retry_after_ms = f.retry_after_ms,
        .under_way = l->under_way,
    };
    (void)pace_ended(&l->pace, l->now, &e);
    l->flights[at] = l->flights[--l->under_way];
}

// Runs until then; what begins is told.
static void run(struct loop *l, int64_t until) {
    int64_t at;
    while (l->now < until) {
        while (pace_lets(&l->pace, l->now, l->under_way, &at)) {
            assert_true(l->under_way < UNDER_WAY_MAX);
            pace_begun(&l->pace, l->now);
            if (l->begins != NULL)
                l->begins[l->began] = l->now;
            l->began++;
            l->flights[l->under_way++] = arrive(l);
            if (l->under_way > l->most_under_way)
                l->most_under_way = l->under_way;
        }
        assert_true(at > l->now || l->under_way > 0); // it is never stuck
        size_t next = first_to_end(l);
        bool ends = l->under_way > 0 && (at == 0 || l->flights[next].ends <= at);
        if (ends)
            end_one(l, next);
        else
            l->now = at;
    }
}

static struct loop loop_of(uint32_t min, uint32_t max, const struct site *site) {
    struct loop l = {.site = *site, .now = START, .random = 7};
    pace_init(&l.pace, &(struct pace_limits){.min = min, .max = max}, l.now);
    return l;
}

static const int64_t honest[] = {1000}, lies[] = {INT64_MAX, -5, 0, 0, 0, 0, 0, 0};

// Sites that shed above 50 a second: what comes through in a minute after the first ten seconds.
static const struct {
    const char *name;
    uint32_t min, max, status;
    const int64_t *retry_after_ms;
    size_t retry_after_count;
    int64_t work_us;
} ceilings[] = {
    {"429, fixed, quick", 16, 16, 429, NULL, 0, 2000},
    {"429, fixed, slow", 16, 16, 429, NULL, 0, 200000},
    {"429, adapts, quick", 1, 64, 429, NULL, 0, 2000},
    {"429, adapts, slow", 1, 64, 429, NULL, 0, 300000},
    {"429 with Retry-After, fixed", 16, 16, 429, honest, 1, 5000},
    {"429 with Retry-After, adapts", 1, 64, 429, honest, 1, 20000},
    {"503, fixed", 16, 16, 503, NULL, 0, 5000},
    {"503, adapts", 1, 64, 503, NULL, 0, 20000},
    {"503 with Retry-After, adapts", 1, 64, 503, honest, 1, 20000},
};

static void a_ceiling_is_found_and_nearly_used(void **state) {
    for (size_t i = 0; i < sizeof ceilings / sizeof *ceilings; i++) {
        struct site site = {
            .ceiling = 50,
            .status = ceilings[i].status,
            .retry_after_ms = ceilings[i].retry_after_ms,
            .retry_after_count = ceilings[i].retry_after_count,
            .work_us = ceilings[i].work_us,
        };
        struct loop l = loop_of(ceilings[i].min, ceilings[i].max, &site);
        run(&l, START + 10 * S);
        uint32_t took = l.site.took, shed = l.site.shed;
        run(&l, START + 70 * S);
        took = l.site.took - took;
        shed = l.site.shed - shed;
        if (took < 50 * 60 * 85 / 100 || shed > took / 20)
            fail_msg("%s: took %u of %u, shed %u", ceilings[i].name, took, 50 * 60, shed);
    }
}

// Huge ones are believed for PACE_PAUSE_MAX_MS, others not at all.
static void lies_about_retry_after_cost_little(void **state) {
    struct site site = {.ceiling = 50,
                        .status = 429,
                        .retry_after_ms = lies,
                        .retry_after_count = sizeof lies / sizeof *lies,
                        .work_us = 5000};
    struct loop l = loop_of(1, 64, &site);
    run(&l, START + 3600 * S);
    assert_true(l.site.took > 50 * 3600 / 10);
}

// In any t seconds no more than rate × (t + 0.1) + 1, and nearly all of it is used.
static void a_rate_is_kept_over_any_window(void **state) {
    static const struct {
        uint32_t rate;
        int64_t per_ms, seconds;
    } rates[] = {
        {1, 1000, 100}, {50, 1000, 20}, {1000, 1000, 5}, {100, 60000, 600}, {7, 3600000, 36000},
    };
    static int64_t begins[8000];
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct loop l = loop_of(16, 16, &(struct site){.work_us = 1000});
        l.pace.limits.rate = rates[i].rate;
        l.pace.limits.rate_per_ms = rates[i].per_ms;
        l.begins = begins;
        run(&l, START + rates[i].seconds * S);
        double each_s = (double)rates[i].rate * 1000 / (double)rates[i].per_ms;
        for (uint32_t from = 0; from < l.began; from++)
            for (uint32_t to = from; to < l.began; to++) {
                double t = (double)(begins[to] - begins[from]) / 1e6;
                if (to - from + 1 > each_s * (t + 0.1) + 1.001)
                    fail_msg("case %zu: %u in %f s", i, to - from + 1, t);
            }
        assert_true(l.began >= each_s * (double)rates[i].seconds * 0.99);
    }
}

// Dead for ten minutes, by answering 500 and by hanging; then so much for the first seconds.
static void who_comes_back_is_not_trampled(void **state) {
    static const struct {
        uint32_t min, max;
        int64_t hangs_us;
    } outages[] = {{16, 16, 0}, {1, 64, 0}, {16, 16, 30 * S}, {1, 64, 30 * S}};
    for (size_t i = 0; i < sizeof outages / sizeof *outages; i++) {
        struct site site = {.down_us = START + 10 * S,
                            .up_us = START + 610 * S,
                            .hangs_us = outages[i].hangs_us,
                            .work_us = 5000};
        struct loop l = loop_of(outages[i].min, outages[i].max, &site);
        run(&l, site.down_us);
        uint32_t usual = l.site.took;
        run(&l, site.up_us);
        // Those that were begun at once, and probes.
        assert_in_range(l.site.failed, BREAKER_OPENS_AT, outages[i].max + BREAKER_OPENS_AT + 20);
        uint32_t before = l.site.took;
        while (l.pace.breaker.open)
            run(&l, l.now + 1000);
        int64_t back = l.now;
        assert_true(back - site.up_us < BREAKER_MAX_US + 31 * S);
        l.most_under_way = 0;
        run(&l, back + S / 2);
        assert_in_range(l.site.took - before, 2, PACE_RAMP_RATE + 2);
        run(&l, back + S);
        assert_in_range(l.site.took - before, 5, 3 * PACE_RAMP_RATE);
        run(&l, back + 20 * S);
        uint32_t late = l.site.took;
        run(&l, back + 30 * S);
        assert_in_range(l.site.took - late, usual * 8 / 10, usual * 11 / 10);
    }
}

// So many workers, so long for each: the level ends near their number and keeps them busy.
static void a_level_is_found_by_how_long_answers_take(void **state) {
    static const struct {
        uint32_t workers;
        int64_t work_us;
    } sites[] = {{1, 20000}, {4, 50000}, {16, 50000}, {40, 300000}};
    for (size_t i = 0; i < sizeof sites / sizeof *sites; i++) {
        struct site site = {.workers = sites[i].workers, .work_us = sites[i].work_us};
        struct loop l = loop_of(1, 256, &site);
        run(&l, START + 120 * S);
        uint32_t took = l.site.took;
        l.most_under_way = 0;
        run(&l, START + 240 * S);
        took = l.site.took - took;
        int64_t could = 120 * S / sites[i].work_us * sites[i].workers;
        if (took < could * 9 / 10 || l.most_under_way > 6 * sites[i].workers)
            fail_msg("%u workers: took %u of %lld, %zu at once", sites[i].workers, took,
                     (long long)could, l.most_under_way);
    }
}

static void end_as(struct pace *p, int64_t now, enum pace_word word, int64_t retry_after_ms) {
    struct pace_end e = {.word = word,
                         .began_us = now,
                         .took_us = 1000,
                         .retry_after_ms = retry_after_ms,
                         .under_way = 100};
    (void)pace_ended(p, now, &e);
}

static void a_fixed_level_stays(void **state) {
    struct pace p;
    pace_init(&p, &(struct pace_limits){.min = 5, .max = 5}, START);
    for (int i = 0; i < 1000; i++)
        end_as(&p, START + i * S, i % 3 == 0 ? PACE_WELL : PACE_DOWN, 0);
    assert_int_equal(pace_level(&p), 5);
    assert_int_equal(pace_rate_milli(&p), 0);
}

// What a 429 with Retry-After does to the next attempts, and how long it is believed.
static void retry_after_is_heard_for_the_destination(void **state) {
    static const struct {
        enum pace_word word;
        int64_t retry_after_ms, pause_ms;
    } cases[] = {
        {PACE_SHEDS, 7000, 7000},
        {PACE_BUSY, 7000, 7000},
        {PACE_SHEDS, PACE_PAUSE_MAX_MS + 1, PACE_PAUSE_MAX_MS},
        {PACE_SHEDS, INT64_MAX, PACE_PAUSE_MAX_MS},
        {PACE_SHEDS, -1, 100}, // it says nothing to be heard
        {PACE_SHEDS, 0, 100},
        {PACE_DOWN, 7000, 0},
        {PACE_ANSWERS, 7000, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pace p;
        int64_t at, over = START + cases[i].pause_ms * 1000;
        pace_init(&p, &(struct pace_limits){.min = 4, .max = 4}, START);
        end_as(&p, START, cases[i].word, cases[i].retry_after_ms);
        assert_int_equal(pace_lets(&p, START, 0, &at), cases[i].pause_ms == 0);
        assert_int_equal(at, cases[i].pause_ms == 0 ? 0 : over);
        if (cases[i].pause_ms == 0)
            continue;
        // One goes alone, whatever was under way before; its answer lets the others follow.
        assert_true(pace_lets(&p, over, 3, &at));
        pace_begun(&p, over);
        assert_false(pace_lets(&p, over + S, 1, &at));
        assert_int_equal(at, 0);
        end_as(&p, over, PACE_WELL, 0);
        assert_true(pace_lets(&p, over + S, 3, &at));
    }
}

// A site that sheds for ever, and says nothing of when to come back, is asked once a minute.
static void who_only_sheds_is_left_alone(void **state) {
    struct site site = {.closed = true, .status = 429};
    struct loop l = loop_of(16, 16, &site);
    run(&l, START + 600 * S);
    uint32_t shed = l.site.shed;
    run(&l, START + 4200 * S);
    assert_in_range(l.site.shed - shed, 55, 62);
    assert_in_range(shed, 16, 50);
}

static void a_new_configuration_keeps_what_is_known(void **state) {
    struct pace p;
    int64_t at;
    pace_init(&p, &(struct pace_limits){.min = 1, .max = 64}, START);
    for (int i = 0; i < 20; i++)
        end_as(&p, START + i, PACE_WELL, 0);
    assert_int_equal(pace_level(&p), 21);
    pace_adopt(&p, &(struct pace_limits){.min = 1, .max = 8});
    assert_int_equal(pace_level(&p), 8);
    pace_adopt(&p, &(struct pace_limits){.min = 12, .max = 12});
    assert_int_equal(pace_level(&p), 12);
    for (int i = 0; i < BREAKER_OPENS_AT; i++)
        end_as(&p, START, PACE_DOWN, 0);
    assert_false(pace_lets(&p, START, 0, &at));
    pace_adopt(&p, &(struct pace_limits){.min = 12, .max = 12});
    assert_false(pace_lets(&p, START, 0, &at));
    breaker_nudge(&p.breaker, START);
    assert_true(pace_lets(&p, START, 0, &at));
    end_as(&p, START, PACE_WELL, 0);
    assert_int_equal(pace_level(&p), 2); // it came back
    pace_adopt(&p, &(struct pace_limits){.min = 16, .max = 16});
    assert_int_equal(pace_level(&p), 2);
}

static void no_more_is_in_hand_than_begins_soon(void **state) {
    struct pace p;
    pace_init(&p, &(struct pace_limits){.min = 16, .max = 16}, START);
    assert_int_equal(pace_hand(&p, 2), 32);
    p.limits.rate = 20;
    p.limits.rate_per_ms = 1000;
    assert_int_equal(pace_hand(&p, 2), 11);
    p.limits.rate_per_ms = 3600000;
    assert_int_equal(pace_hand(&p, 2), 1);
    assert_true(pace_rate_milli(&p) == 5);
    for (int i = 0; i < BREAKER_OPENS_AT; i++)
        end_as(&p, START, PACE_DOWN, 0);
    assert_int_equal(pace_hand(&p, 2), 1);
}

// Thousands of endpoints have one each.
static void it_is_small(void **state) { assert_true(sizeof(struct pace) <= 256); }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes_have_their_word),
        cmocka_unit_test(a_ceiling_is_found_and_nearly_used),
        cmocka_unit_test(lies_about_retry_after_cost_little),
        cmocka_unit_test(a_rate_is_kept_over_any_window),
        cmocka_unit_test(who_comes_back_is_not_trampled),
        cmocka_unit_test(a_level_is_found_by_how_long_answers_take),
        cmocka_unit_test(a_fixed_level_stays),
        cmocka_unit_test(retry_after_is_heard_for_the_destination),
        cmocka_unit_test(who_only_sheds_is_left_alone),
        cmocka_unit_test(a_new_configuration_keeps_what_is_known),
        cmocka_unit_test(no_more_is_in_hand_than_begins_soon),
        cmocka_unit_test(it_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
