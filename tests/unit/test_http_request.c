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

static void test_host_formed(void **state) {
    static const char *const good[] = {"a",       "127.0.0.1:4243",    "api.stripe.com",
                                       "[::1]:1", "[::ffff:10.0.0.1]", "A-b_c.example:65535",
                                       "x:0"};
    static const char *const bad[] = {
        "",    ":1",  "a:",  "a:b",  "a:65536", "a:123456", "a:+1",   "a b",   "a/b", "a\"",
        "a@b", "a?b", "::1", "[::1", "[]",      "[::1]x",   "[::1]:", "[a/b]", "a]",  "\xc3\xa9"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!http_host_formed(bytes_of(good[i])))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (http_host_formed(bytes_of(bad[i])))
            fail_msg("%s", bad[i]);
    char most[257];
    memset(most, 'a', sizeof most);
    assert_true(http_host_formed(bytes_from(most, 255)));
    assert_false(http_host_formed(bytes_from(most, 256)));
    assert_false(http_host_formed(bytes_from("a\0b", 3)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_get),
        cmocka_unit_test(test_host_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
