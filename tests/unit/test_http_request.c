// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
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

static void test_decode(void **state) {
    static const char *const rows[][3] = {
        // in, as a path, as a form
        {"", "", ""},
        {"a+b", "a+b", "a b"},
        {"%41%6a%6A", "Ajj", "Ajj"},
        {"%", "%", "%"},
        {"%4", "%4", "%4"},
        {"a%zzb", "a%zzb", "a%zzb"},
        {"%4g%g4", "%4g%g4", "%4g%g4"},
        {"%2541", "%41", "%41"},
        {"%2B", "+", "+"},
        {"%C3%AB", "\xc3\xab", "\xc3\xab"},
    };
    struct text out = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int form = 0; form < 2; form++) {
            text_reset(&out);
            http_decode(bytes_of(rows[i][0]), form, &out);
            assert_string_equal(rows[i][1 + form], text_str(&out));
        }
    text_reset(&out);
    http_decode(B("a%00b"), false, &out);
    assert_true(bytes_equal(text_bytes(&out), B("a\0b")));
    text_drop(&out);
}

static void test_query_get(void **state) {
    struct http_request r = {
        .query = B("limit=10&types%5B%5D=charge.%2A&&x&created[gte]=5&a=1=2&limit=20&sp+ace=+")};
    struct text out = {0};
    text_adds(&out, "old");
    assert_true(http_query_get(&r, "limit", &out));
    assert_string_equal("10", text_str(&out));
    assert_true(http_query_get(&r, "types[]", &out));
    assert_string_equal("charge.*", text_str(&out));
    assert_true(http_query_get(&r, "created[gte]", &out));
    assert_string_equal("5", text_str(&out));
    assert_true(http_query_get(&r, "x", &out));
    assert_string_equal("", text_str(&out));
    assert_true(http_query_get(&r, "a", &out));
    assert_string_equal("1=2", text_str(&out));
    assert_true(http_query_get(&r, "sp ace", &out));
    assert_string_equal(" ", text_str(&out));
    assert_false(http_query_get(&r, "lim", &out));
    assert_string_equal("", text_str(&out));
    r.query = NO_BYTES;
    assert_false(http_query_get(&r, "limit", &out));
    text_drop(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_get),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_query_get),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
