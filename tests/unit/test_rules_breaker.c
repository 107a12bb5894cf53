// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rules/breaker.h"

#define S INT64_C(1000000)

// One line a story: what happens, one letter a second, and what the breaker says of an attempt
// after each: `.` lets it, `-` does not.
//   B one begins   f the last one that began fails   w it was well   o one of before fails
//   O one of before was well   n the destination is configured anew   space: nothing
static const struct {
    const char *happens, *lets;
} stories[] = {
    // Seven failures are none too many, and a success ends the row.
    {"fffffff", "......."},
    {"fffffffwfffffff", "..............."},
    // The eighth opens it; a second later one probe is let, and no second one beside it.
    {"ffffffff ", "......."
                  "-."},
    {"ffffffff B", "......."
                   "-.-"},
    {"ffffffff B       ", "......."
                          "-.-"
                          "-------"},
    // Waits double: 2, 4, 8 s after the probe failed.
    {"ffffffff Bf  ", "......."
                      "-.-"
                      "--."},
    {"ffffffff Bf  Bf    ", "......."
                            "-.-"
                            "--."
                            "--"
                            "---."},
    // A probe that is well closes it, and the next eight may fail again.
    {"ffffffff Bwfffffff", "......."
                           "-.-"
                           "........"},
    {"ffffffff Bwffffffff", "......."
                            "-.-"
                            "........-"},
    // What began before it opened says nothing by failing, and all by being well.
    {"ffffffffoooooo", "......."
                       "-......"},
    {"ffffffff Bo", "......."
                    "-.--"},
    {"ffffffffO", "......."
                  "-."},
    // Configured anew it is probed at once, but not beside a probe.
    {"ffffffff Bfn", "......."
                     "-.-"
                     "-."},
    {"ffffffff Bn", "......."
                    "-.--"},
    {"n", "."},
};

static void play(const char *happens, char *lets) {
    struct breaker b = {0};
    int64_t now = 5 * S, began = 0, at;
    for (; *happens != '\0'; happens++, now += S) {
        switch (*happens) {
        case 'B':
            began = now;
            breaker_begun(&b);
            break;
        case 'f': (void)breaker_ended(&b, now, b.open ? began : now, true); break;
        case 'w': (void)breaker_ended(&b, now, began, false); break;
        case 'o': (void)breaker_ended(&b, now, 0, true); break;
        case 'O': (void)breaker_ended(&b, now, 0, false); break;
        case 'n': breaker_nudge(&b, now); break;
        default: break;
        }
        *lets++ = breaker_lets(&b, now, &at) ? '.' : '-';
    }
    *lets = '\0';
}

static void it_lets_what_its_stories_say(void **state) {
    for (size_t i = 0; i < sizeof stories / sizeof *stories; i++) {
        char lets[80];
        play(stories[i].happens, lets);
        if (strcmp(lets, stories[i].lets) != 0)
            fail_msg("\"%s\": \"%s\" instead of \"%s\"", stories[i].happens, lets, stories[i].lets);
    }
}

static struct breaker opened(int64_t now) {
    struct breaker b = {0};
    for (int i = 1; i < BREAKER_OPENS_AT; i++)
        assert_int_equal(breaker_ended(&b, now, now, true), BREAKER_STAYS);
    assert_int_equal(breaker_ended(&b, now, now, true), BREAKER_OPENS);
    return b;
}

static void probes_back_off_to_a_minute_and_stay_there(void **state) {
    static const int64_t waits_s[] = {1, 2, 4, 8, 16, 32, 60, 60, 60, 60};
    int64_t now = 100 * S, at = 0;
    struct breaker b = opened(now);
    for (size_t i = 0; i < sizeof waits_s / sizeof *waits_s; i++) {
        assert_false(breaker_lets(&b, now, &at));
        assert_int_equal(at - now, waits_s[i] * S);
        assert_false(breaker_lets(&b, at - 1, &at));
        now = at;
        assert_true(breaker_lets(&b, now, &at));
        breaker_begun(&b);
        assert_false(breaker_lets(&b, now + 3600 * S, &at));
        assert_int_equal(at, 0); // when it has ended
        assert_int_equal(breaker_ended(&b, now, now, true), BREAKER_STAYS);
    }
    assert_int_equal(b.opened_us, 100 * S);
}

static void it_says_when_it_changes(void **state) {
    int64_t at;
    struct breaker b = opened(S);
    assert_int_equal(breaker_ended(&b, S, 0, true), BREAKER_STAYS);
    assert_true(breaker_lets(&b, 2 * S, &at));
    breaker_begun(&b);
    assert_int_equal(breaker_ended(&b, 3 * S, 2 * S, false), BREAKER_CLOSES);
    assert_int_equal(breaker_ended(&b, 3 * S, 2 * S, false), BREAKER_STAYS);
    assert_true(breaker_lets(&b, 3 * S, &at));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_lets_what_its_stories_say),
        cmocka_unit_test(probes_back_off_to_a_minute_and_stay_there),
        cmocka_unit_test(it_says_when_it_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
