// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stripe/types.h"

static void test_table(void **state) {
    assert_true(event_type_count > 250);
    for (size_t i = 0; i < event_type_count; i++) {
        assert_true(strlen(event_types[i].object) > 0);
        assert_true(event_type_known(bytes_of(event_types[i].name)));
        if (i > 0)
            assert_true(strcmp(event_types[i - 1].name, event_types[i].name) < 0);
    }
}

static void test_known(void **state) {
    assert_true(event_type_known(B("charge.refunded")));
    assert_false(event_type_known(B("charge.refundedx")));
    assert_false(event_type_known(B("charge.refunde")));
    assert_false(event_type_known(B("charge.*")));
    assert_false(event_type_known(NO_BYTES));
}

static void test_nearest(void **state) {
    assert_string_equal("charge.refunded", event_type_nearest(B("charge.refunded")));
    assert_string_equal("charge.refunded", event_type_nearest(B("charge.refuned")));
    assert_string_equal("checkout.session.completed",
                        event_type_nearest(B("checkout.sesion.complete")));
    assert_string_equal("customer.*", event_type_nearest(B("custmer.*")));
    assert_string_equal("customer.subscription.*", event_type_nearest(B("customer.subscripton.*")));
    assert_null(event_type_nearest(B("nothing.like.this.exists")));
    assert_null(event_type_nearest(B("x")));
    assert_null(event_type_nearest(NO_BYTES));
}

static void objects_are_known_with_what_is_near(void **state) {
    assert_true(object_type_known(B("product")));
    assert_true(object_type_known(B("checkout.session")));
    assert_true(object_type_known(B("bank_account"))); // of several for one event type
    assert_true(object_type_known(B("card")));
    assert_false(object_type_known(B("bank_account|card")));
    assert_false(object_type_known(NO_BYTES));
    assert_true(bytes_equal(object_type_nearest(B("prodct")), B("product")));
    assert_true(bytes_equal(object_type_nearest(B("bank_acount")), B("bank_account")));
    assert_int_equal(object_type_nearest(B("x")).n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(objects_are_known_with_what_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
