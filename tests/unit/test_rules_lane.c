// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rules/lane.h"

#define CUSTOMER(x_) "{\"data\":{\"object\":{\"object\":\"invoice\",\"customer\":" x_ "}}}"

static int64_t lane(enum lane_order order, const char *account, const char *object,
                    const char *body) {
    struct lane_event e = {B("main"), bytes_of(account), bytes_of(object), false, bytes_of(body)};
    return lane_of(order, &e);
}

static void events_of_one_thing_share_a_lane(void **state) {
    const char *of_1 = CUSTOMER("\"cus_1\""), *of_2 = CUSTOMER("\"cus_2\"");
    const char *expanded = CUSTOMER("{\"id\":\"cus_1\",\"object\":\"customer\"}");
    const char *itself = "{\"data\":{\"object\":{\"id\":\"cus_1\",\"object\":\"customer\"}}}";
    assert_int_equal(lane(LANE_NONE, "", "in_1", of_1), 0);
    assert_true(lane(LANE_OBJECT, "", "in_1", "") > 0);
    assert_int_equal(lane(LANE_OBJECT, "", "in_1", ""), lane(LANE_OBJECT, "", "in_1", of_2));
    assert_int_not_equal(lane(LANE_OBJECT, "", "in_1", ""), lane(LANE_OBJECT, "", "in_2", ""));
    assert_int_not_equal(lane(LANE_OBJECT, "", "in_1", ""),
                         lane(LANE_OBJECT, "acct_1", "in_1", ""));
    assert_int_equal(lane(LANE_OBJECT, "", "", ""), 0);
    assert_int_equal(lane(LANE_CUSTOMER, "", "in_1", of_1), lane(LANE_CUSTOMER, "", "x", expanded));
    assert_int_equal(lane(LANE_CUSTOMER, "", "in_1", of_1), lane(LANE_CUSTOMER, "", "x", itself));
    assert_int_not_equal(lane(LANE_CUSTOMER, "", "x", of_1), lane(LANE_CUSTOMER, "", "x", of_2));
    assert_int_equal(lane(LANE_CUSTOMER, "", "in_1", CUSTOMER("null")), 0);
    assert_int_equal(lane(LANE_CUSTOMER, "", "in_1", "nothing"), 0);
    assert_int_equal(lane(LANE_ACCOUNT, "acct_1", "a", ""), lane(LANE_ACCOUNT, "acct_1", "b", ""));
    assert_int_not_equal(lane(LANE_ACCOUNT, "", "a", ""), lane(LANE_ACCOUNT, "acct_1", "a", ""));
    assert_int_equal(lane(LANE_DESTINATION, "", "a", ""), lane(LANE_DESTINATION, "acct_1", "", ""));
}

static void a_failure_does_what_the_rule_says(void **state) {
    static const struct {
        struct lane_rule rule;
        uint32_t failures;
        enum lane_verdict expected;
    } cases[] = {
        {{LANE_OBJECT, LANE_BLOCK, 3}, 1, LANE_WAITS},
        {{LANE_OBJECT, LANE_BLOCK, 3}, 9, LANE_WAITS},
        {{LANE_OBJECT, LANE_PARK, 3}, 2, LANE_WAITS},
        {{LANE_OBJECT, LANE_PARK, 3}, 3, LANE_PARKS},
        {{LANE_OBJECT, LANE_PARK, 1}, 1, LANE_PARKS},
        {{LANE_OBJECT, LANE_SKIP, 3}, 1, LANE_LEAVES},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(lane_failed(&cases[i].rule, cases[i].failures), cases[i].expected);
}

static void words_are_read_as_they_are_written(void **state) {
    enum lane_order o;
    enum lane_failure f;
    for (int i = LANE_NONE; i <= LANE_DESTINATION; i++) {
        assert_null(lane_order_parse(bytes_of(lane_order_name((enum lane_order)i)), &o));
        assert_int_equal(o, i);
    }
    for (int i = LANE_BLOCK; i <= LANE_SKIP; i++) {
        assert_null(lane_failure_parse(bytes_of(lane_failure_name((enum lane_failure)i)), &f));
        assert_int_equal(f, i);
    }
    assert_non_null(lane_order_parse(B("Object"), &o));
    assert_non_null(lane_failure_parse(B(""), &f));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_of_one_thing_share_a_lane),
        cmocka_unit_test(a_failure_does_what_the_rule_says),
        cmocka_unit_test(words_are_read_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
