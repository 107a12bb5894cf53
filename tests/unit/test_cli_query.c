// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cli/query.h"

static void parameters_are_escaped(void **state) {
    struct text path = {0};
    text_adds(&path, "/api/events/");
    query_escape(&path, B("../a b?&=%\xc3\xa9~"));
    query_add(&path, "type", "customer.*");
    query_add(&path, "nothing", NULL);
    query_add(&path, "owner", "a&b=c");
    query_add_number(&path, "limit", 1000);
    assert_string_equal(text_str(&path), "/api/events/..%2Fa%20b%3F%26%3D%25%C3%A9~?type=customer."
                                         "%2A&owner=a%26b%3Dc&limit=1000");
    text_drop(&path);
}

static void moments_are_read(void **state) {
    static const struct {
        const char *said;
        int64_t ms;
    } good[] = {
        {"0", 0},
        {"1700000000123", 1700000000123},
        {"2023-11-14", 1699920000000},
        {"2023-11-14T22:13:20Z", 1700000000000},
        {"2h", 1700000000000 - 7200000},
        {"7d", 1700000000000 - 7 * 86400000ll},
        {"36500d", 0}, // before 1970 is as good as ever
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t ms = -1;
        assert_null(query_when(good[i].said, 1700000000000, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {"",    "yesterday",  "2023-13-01",           "-1", "1h ago",
                                      "2 h", "1969-12-31", "99999999999999999999", "1.5"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms;
        assert_true(failed_as(query_when(bad[i], 1700000000000, &ms), FAIL_INVALID));
    }
}

static void seconds_are_read(void **state) {
    int64_t s;
    assert_null(query_seconds("1700000000", &s));
    assert_int_equal(s, 1700000000);
    assert_null(query_seconds("2023-11-14T22:13:20Z", &s));
    assert_int_equal(s, 1700000000);
    static const char *const bad[] = {"", "-5", "now", "2h", "9223372036854775807"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_true(failed_as(query_seconds(bad[i], &s), FAIL_INVALID));
}

static void a_moment_becomes_a_parameter(void **state) {
    struct text path = {0};
    assert_null(query_add_when(&path, "since", NULL, 10));
    assert_int_equal(path.n, 0);
    assert_null(query_add_when(&path, "since", "1s", 5000));
    assert_string_equal(text_str(&path), "?since=4000");
    assert_non_null(query_add_when(&path, "until", "x", 5000));
    assert_string_equal(text_str(&path), "?since=4000");
    text_drop(&path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_escaped),
        cmocka_unit_test(moments_are_read),
        cmocka_unit_test(seconds_are_read),
        cmocka_unit_test(a_moment_becomes_a_parameter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
