// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stripe/catalogue.h"

static void test_table(void **state) {
    assert_true(event_type_count > 250);
    for (size_t i = 0; i < event_type_count; i++) {
        assert_true(strlen(event_types[i].object) > 0);
        assert_ptr_equal(event_type_find(bytes_of(event_types[i].name)), &event_types[i]);
        bytes says = bytes_of(event_types[i].description);
        assert_true(says.n >= 10 && says.n <= 80 && bytes_utf8(says));
        assert_false(bytes_ends(says, B(".")) || bytes_find(says, '\n') < says.n);
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
    assert_true(object_type_known(B("balance_transaction"))); // of none
    assert_false(object_type_known(B("subscription_item")));  // goes with its subscription
    assert_false(object_type_known(NO_BYTES));
    assert_true(bytes_equal(object_type_nearest(B("prodct")), B("product")));
    assert_true(bytes_equal(object_type_nearest(B("bank_acount")), B("bank_account")));
    assert_true(
        bytes_equal(object_type_nearest(B("balance_transactoin")), B("balance_transaction")));
    assert_int_equal(object_type_nearest(B("x")).n, 0);
}

// The families that must have their tables, and what has none.
static void each_type_has_its_tables(void **state) {
    static const struct {
        const char *type, *row;
    } cases[] = {
        {"customer.deleted", "\"tables\":[\"customers\""},
        {"customer.source.created",
         "\"tables\":[\"accounts\",\"bank_accounts\",\"cards\",\"sources\"]"},
        {"customer.subscription.trial_will_end",
         "\"tables\":[\"subscriptions\",\"subscription_items\""},
        {"product.updated", "\"tables\":[\"products\"]"},
        {"price.created", "\"tables\":[\"prices\"]"},
        {"coupon.deleted", "\"tables\":[\"coupons\"]"},
        {"invoice.paid", "\"tables\":[\"invoices\",\"invoice_line_items\""},
        {"invoice.upcoming", "\"tables\":[]"},
        {"balance.available",
         "{\"type\":\"balance.available\",\"object\":\"balance\",\"description\":"
         "\"money in the balance has become available\",\"tables\":[]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        OWN(text_drop)
        struct text row = {0};
        text_addc(&row, '{');
        catalogue_write(event_type_find(bytes_of(cases[i].type)), &row);
        if (strstr(text_str(&row), cases[i].row) == NULL)
            fail_msg("%s", text_str(&row));
    }
    for (size_t i = 0; i < event_type_count; i++) {
        const struct object_table *tables[CATALOGUE_TABLES_MAX];
        assert_true(catalogue_tables(&event_types[i], tables) <= CATALOGUE_TABLES_MAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(objects_are_known_with_what_is_near),
        cmocka_unit_test(each_type_has_its_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
