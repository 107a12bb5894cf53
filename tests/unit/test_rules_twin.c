// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rules/twin_chaos.h"
#include "rules/twin_clock.h"

#define SECOND_US INT64_C(1000000)
#define START_MS INT64_C(1795000000000)

static void the_clock_runs_fast_and_never_back(void **state) {
    struct twin_clock c;
    twin_clock_start(&c, START_MS, 1, 7 * SECOND_US);
    assert_int_equal(twin_clock_now(&c, 7 * SECOND_US), START_MS);
    assert_int_equal(twin_clock_now(&c, 3 * SECOND_US), START_MS); // that clock jumped
    assert_int_equal(twin_clock_now(&c, 9 * SECOND_US + 1999), START_MS + 2001);
    twin_clock_set_speed(&c, 3600, 9 * SECOND_US);
    assert_int_equal(twin_clock_now(&c, 10 * SECOND_US), START_MS + 2000 + 3600000);
    twin_clock_advance(&c, 86400000, 10 * SECOND_US);
    assert_int_equal(twin_clock_now(&c, 10 * SECOND_US), START_MS + 2000 + 3600000 + 86400000);
    twin_clock_set_speed(&c, 0, 11 * SECOND_US);
    int64_t stands = twin_clock_now(&c, 11 * SECOND_US);
    assert_int_equal(stands, START_MS + 2000 + 7200000 + 86400000);
    assert_int_equal(twin_clock_now(&c, 1000 * SECOND_US), stands);
    twin_clock_advance(&c, 1, 1000 * SECOND_US);
    assert_int_equal(twin_clock_now(&c, 1000 * SECOND_US), stands + 1);
}

static void the_clock_ends_with_the_year_9999(void **state) {
    struct twin_clock c;
    twin_clock_start(&c, INT64_MAX, 1, 0);
    assert_int_equal(twin_clock_now(&c, 0), TWIN_TIME_MAX);
    twin_clock_start(&c, START_MS, TWIN_SPEED_MAX, 0);
    assert_int_equal(twin_clock_now(&c, INT64_MAX), TWIN_TIME_MAX);
    twin_clock_advance(&c, INT64_MAX, 5);
    assert_int_equal(twin_clock_now(&c, 5), TWIN_TIME_MAX);
    assert_int_equal(twin_clock_now(&c, INT64_MAX), TWIN_TIME_MAX);
}

static void the_clock_says_how_long_to_wait(void **state) {
    struct twin_clock c;
    twin_clock_start(&c, START_MS, 1, 0);
    assert_int_equal(twin_clock_wait(&c, START_MS - 5, 0), 0);
    assert_int_equal(twin_clock_wait(&c, START_MS, 0), 0);
    assert_int_equal(twin_clock_wait(&c, START_MS + 5, 0), 5);
    assert_int_equal(twin_clock_wait(&c, INT64_MAX, 0), INT64_MAX);
    twin_clock_set_speed(&c, 60, 0);
    assert_int_equal(twin_clock_wait(&c, START_MS + 60, 0), 1);
    assert_int_equal(twin_clock_wait(&c, START_MS + 61, 0), 2);
    // Not earlier than it says: what is waited for is due then.
    for (int64_t due = 1; due < 500; due++) {
        int64_t wait = twin_clock_wait(&c, START_MS + due, 0);
        assert_true(twin_clock_now(&c, wait * 1000) >= START_MS + due);
        assert_true(twin_clock_now(&c, (wait - 1) * 1000) < START_MS + due);
    }
    twin_clock_set_speed(&c, 0, 0);
    assert_int_equal(twin_clock_wait(&c, START_MS + 1, 0), INT64_MAX);
}

static void three_retries_over_a_few_hours(void **state) {
    int64_t wait = 0, all = 0;
    unsigned n = 1;
    for (; twin_retry_wait(n, &wait); n++)
        all += wait;
    assert_int_equal(n - 1, 3);
    assert_in_range(all, 2 * 3600000, 5 * 3600000);
    assert_false(twin_retry_wait(0, &wait));
}

static void good(const char *said, const char *expected) {
    struct twin_chaos c;
    struct text why = {0}, out = {0};
    assert_ptr_equal(twin_chaos_read(bytes_of(said), &c, &why), OK);
    twin_chaos_write(&c, &out);
    assert_string_equal(text_str(&out), expected);
    struct twin_chaos again;
    assert_ptr_equal(twin_chaos_read(text_bytes(&out), &again, &why), OK);
    assert_memory_equal(c.percent, again.percent, sizeof c.percent);
    text_drop(&out);
    text_drop(&why);
}

static void bad(const char *said, const char *expected) {
    struct twin_chaos c = {.percent = {7}};
    struct text why = {0};
    assert_ptr_not_equal(twin_chaos_read(bytes_of(said), &c, &why), OK);
    assert_non_null(strstr(text_str(&why), expected));
    assert_int_equal(c.percent[0], 7);
    text_drop(&why);
}

static void chaos_is_read_and_written(void **state) {
    good("", "none");
    good("none", "none");
    good(" duplicate ,drop=5", "duplicate=100, drop=5");
    good("delay=5s", "delay=100, delay=5s");
    good("delay=2m, delay=20", "delay=20, delay=2m");
    good("delay=20, delay=2m", "delay=20, delay=2m");
    good("delay", "delay=100, delay=5s");
    good("drop=0", "none");
    good("wrong_signature,old_timestamp=1,huge_body,disabled,reorder",
         "reorder=100, wrong_signature=100, old_timestamp=1, huge_body=100, disabled=100");
    bad("duplicat", "found duplicat; expected none, or with commas between: duplicate, reorder");
    bad("drop=101", "found drop=101; expected a percentage");
    bad("drop=5s", "expected a percentage");
    bad("delay=soon", "how long, as delay=5s");
    bad("duplicate, none", "found none");
}

static void chances_are_kept_and_repeat(void **state) {
    struct twin_chaos c = {.percent = {[TWIN_FAULT_DROP] = 30, [TWIN_FAULT_REORDER] = 100}};
    uint64_t one = 42, two = 42, three = 43;
    unsigned drops = 0, differs = 0;
    for (int i = 0; i < 10000; i++) {
        unsigned faults = twin_chaos_draw(&c, &one);
        assert_int_equal(faults, twin_chaos_draw(&c, &two));
        differs += faults != twin_chaos_draw(&c, &three);
        drops += twin_has(faults, TWIN_FAULT_DROP);
        assert_true(twin_has(faults, TWIN_FAULT_REORDER));
        assert_false(twin_has(faults, TWIN_FAULT_DUPLICATE));
    }
    assert_in_range(drops, 2800, 3200);
    assert_true(differs > 3000);
}

static void what_must_be_refused_comes_first(void **state) {
    unsigned faults = (1u << TWIN_FAULTS) - 1, rest = faults;
    assert_int_equal(twin_chaos_next(&rest), TWIN_FAULT_WRONG_SIGNATURE);
    assert_int_equal(twin_chaos_next(&rest), TWIN_FAULT_OLD_TIMESTAMP);
    assert_int_equal(twin_chaos_next(&rest), TWIN_FAULT_HUGE_BODY);
    assert_int_equal(twin_chaos_next(&rest), TWIN_FAULT_DROP);
    assert_int_equal(twin_chaos_next(&rest), TWIN_FAULTS);
    assert_true(twin_has(rest, TWIN_FAULT_DUPLICATE) && twin_has(rest, TWIN_FAULT_REORDER));
    assert_int_equal(twin_chaos_status(TWIN_FAULT_HUGE_BODY), 413);
    assert_int_equal(twin_chaos_status(TWIN_FAULT_OLD_TIMESTAMP), 400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_runs_fast_and_never_back),
        cmocka_unit_test(the_clock_ends_with_the_year_9999),
        cmocka_unit_test(the_clock_says_how_long_to_wait),
        cmocka_unit_test(three_retries_over_a_few_hours),
        cmocka_unit_test(chaos_is_read_and_written),
        cmocka_unit_test(chances_are_kept_and_repeat),
        cmocka_unit_test(what_must_be_refused_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
