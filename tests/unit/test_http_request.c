// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "http/request.h"

static void test_header_get(void **state) {
    struct http_request r = {.headers = {{B("Host"), B("a")},
                                         {B("X-One"), B("1")},
                                         {B("x-two"), B("2")},
                                         {B("X-TWO"), B("2")},
                                         {B("Empty"), B("")}},
                             .header_count = 5};
    bytes value;
    bool twice = true;
    assert_true(http_header_get(&r, "x-oNE", &value, &twice));
    assert_true(bytes_equal(value, B("1")));
    assert_false(twice);
    assert_false(http_header_get(&r, "X-Two", &value, &twice));
    assert_true(twice);
    assert_int_equal(0, value.n);
    assert_false(http_header_get(&r, "X-Tw", &value, &twice));
    assert_false(twice);
    assert_true(http_header_get(&r, "empty", &value, NULL));
    assert_int_equal(0, value.n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
