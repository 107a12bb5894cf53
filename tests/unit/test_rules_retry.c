// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "rules/retry.h"

#define NOW INT64_C(1700000000000)
#define DAY_MS INT64_C(86400000)

static const int64_t schedule[] = {5000, 300000, 0};

// next_at - NOW lies in [least, most].
static const struct {
    uint32_t failures, not_yets;
    enum outcome outcome;
    int64_t retry_after_ms;
    bool dead, not_yet;
    int64_t least, most;
} cases[] = {
    {0, 0, OUTCOME_FAILED, 0, false, false, 4000, 6000},
    {1, 0, OUTCOME_FAILED, 0, false, false, 240000, 360000},
    {2, 0, OUTCOME_FAILED, 0, false, false, 0, 0},
    {3, 0, OUTCOME_FAILED, 0, true, false, 0, 0},
    {4, 0, OUTCOME_FAILED, 9000, true, false, 0, 0},
    {UINT32_MAX, 0, OUTCOME_FAILED, 0, true, false, 0, 0},
    {0, 0, OUTCOME_FAILED, 10000, false, false, 10000, 10000},
    {1, 0, OUTCOME_FAILED, 10, false, false, 240000, 360000},
    {0, 0, OUTCOME_FAILED, -5, false, false, 4000, 6000},
    {0, 0, OUTCOME_FAILED, 2 * DAY_MS, false, false, DAY_MS, DAY_MS},
    {0, 0, OUTCOME_FAILED, INT64_MAX, false, false, DAY_MS, DAY_MS},
    {0, 0, OUTCOME_NOT_YET, 0, false, true, 1000, 1000},
    {0, 1, OUTCOME_NOT_YET, 0, false, true, 2000, 2000},
    {0, 5, OUTCOME_NOT_YET, 0, false, true, 32000, 32000},
    {0, 6, OUTCOME_NOT_YET, 0, false, true, 60000, 60000},
    {0, 100, OUTCOME_NOT_YET, 0, false, true, 60000, 60000},
    {3, 119, OUTCOME_NOT_YET, 0, false, true, 60000, 60000},
    {0, 0, OUTCOME_NOT_YET, 30000, false, true, 30000, 30000},
    {0, 6, OUTCOME_NOT_YET, 30000, false, true, 60000, 60000},
    {0, 120, OUTCOME_NOT_YET, 0, false, false, 4000, 6000},
    {1, UINT32_MAX, OUTCOME_NOT_YET, 0, false, false, 240000, 360000},
    {3, 120, OUTCOME_NOT_YET, 0, true, false, 0, 0},
};

static void each_outcome_has_its_verdict(void **state) {
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (uint64_t seed = 0; seed < 200; seed++) {
            struct retry_verdict v =
                retry_decide(schedule, 3, cases[i].failures, cases[i].not_yets, cases[i].outcome,
                             cases[i].retry_after_ms, seed, NOW);
            assert_int_equal(v.dead, cases[i].dead);
            assert_int_equal(v.not_yet, cases[i].not_yet);
            if (!v.dead && (v.next_at < NOW + cases[i].least || v.next_at > NOW + cases[i].most))
                fail_msg("case %zu: waits %lld", i, (long long)(v.next_at - NOW));
        }
    }
}

static void what_is_done_stays_done(void **state) {
    struct retry_verdict v = retry_decide(schedule, 3, 3, 0, OUTCOME_DONE, 0, 1, NOW);
    assert_false(v.dead);
    assert_false(v.not_yet);
}

static void an_empty_schedule_allows_one_attempt(void **state) {
    assert_true(retry_decide(NULL, 0, 0, 0, OUTCOME_FAILED, 5000, 1, NOW).dead);
    assert_false(retry_decide(NULL, 0, 0, 0, OUTCOME_NOT_YET, 0, 1, NOW).dead);
}

static void jitter_reaches_both_ends_and_repeats_with_its_seed(void **state) {
    int64_t least = INT64_MAX, most = 0;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        int64_t at = retry_decide(schedule, 3, 0, 0, OUTCOME_FAILED, 0, seed, 0).next_at;
        assert_int_equal(at, retry_decide(schedule, 3, 0, 0, OUTCOME_FAILED, 0, seed, 0).next_at);
        least = at < least ? at : least;
        most = at > most ? at : most;
    }
    assert_in_range(least, 4000, 4050);
    assert_in_range(most, 5950, 6000);
}

static void the_largest_waits_do_not_overflow(void **state) {
    static const int64_t huge[] = {INT64_MAX, -1};
    struct retry_verdict v = retry_decide(huge, 2, 0, 0, OUTCOME_FAILED, 0, 3, INT64_MAX - 5);
    assert_false(v.dead);
    assert_true(v.next_at == INT64_MAX);
    assert_true(retry_decide(huge, 2, 1, 0, OUTCOME_FAILED, 0, 3, NOW).next_at == NOW);
}

static void statuses_have_outcomes(void **state) {
    static const struct {
        int status;
        const char *name;
    } statuses[] = {
        {200, "done"},   {201, "done"},   {204, "done"},    {299, "done"},    {199, "failed"},
        {300, "failed"}, {301, "failed"}, {304, "failed"},  {400, "failed"},  {404, "failed"},
        {408, "failed"}, {410, "failed"}, {409, "not_yet"}, {425, "not_yet"}, {429, "failed"},
        {500, "failed"}, {503, "failed"}, {0, "failed"},    {-1, "failed"},   {1000, "failed"},
    };
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        assert_string_equal(outcome_name(outcome_of_status(statuses[i].status)), statuses[i].name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_outcome_has_its_verdict),
        cmocka_unit_test(what_is_done_stays_done),
        cmocka_unit_test(an_empty_schedule_allows_one_attempt),
        cmocka_unit_test(jitter_reaches_both_ends_and_repeats_with_its_seed),
        cmocka_unit_test(the_largest_waits_do_not_overflow),
        cmocka_unit_test(statuses_have_outcomes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
