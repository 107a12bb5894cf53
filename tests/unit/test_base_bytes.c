// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static void compares(void **state) {
    assert_true(bytes_equal(NO_BYTES, B("")));
    assert_true(bytes_equal(B("a\0b"), B("a\0b")));
    assert_false(bytes_equal(B("a\0b"), B("a\0c")));
    assert_false(bytes_equal(B("a"), B("ab")));
    assert_true(bytes_equal_nocase(B("Stripe-SIGNATURE"), B("stripe-signature")));
    assert_false(bytes_equal_nocase(B("@["), B("`{")));
    assert_false(bytes_equal_nocase(B("\xc3\x84"), B("\xc3\xa4")));
    assert_true(bytes_compare(B("a"), B("b")) < 0);
    assert_true(bytes_compare(B("b"), B("a")) > 0);
    assert_true(bytes_compare(B("a"), B("ab")) < 0);
    assert_true(bytes_compare(B("\xff"), B("a")) > 0);
    assert_int_equal(bytes_compare(NO_BYTES, B("")), 0);
    assert_true(bytes_equal(bytes_of(NULL), NO_BYTES));
    assert_int_equal(bytes_of("abc").n, 3);
}

static void compares_secrets(void **state) {
    uint8_t a[32], b[32];
    memset(a, 7, sizeof(a));
    for (size_t i = 0; i < sizeof(a) * 8; i++) {
        memcpy(b, a, sizeof(b));
        assert_true(bytes_equal_secret(bytes_from(a, 32), bytes_from(b, 32)));
        b[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_false(bytes_equal_secret(bytes_from(a, 32), bytes_from(b, 32)));
    }
    assert_false(bytes_equal_secret(bytes_from(a, 31), bytes_from(a, 32)));
    assert_true(bytes_equal_secret(NO_BYTES, NO_BYTES));
}

static void finds(void **state) {
    assert_true(bytes_starts(B("whsec_x"), B("whsec_")));
    assert_true(bytes_starts(B("x"), NO_BYTES));
    assert_false(bytes_starts(B("whs"), B("whsec_")));
    assert_true(bytes_ends(B("a.toml"), B(".toml")));
    assert_true(bytes_ends(NO_BYTES, NO_BYTES));
    assert_false(bytes_ends(B("l"), B(".toml")));
    assert_int_equal(bytes_find(B("a,b,c"), ','), 1);
    assert_int_equal(bytes_find(B("abc"), ','), 3);
    assert_int_equal(bytes_find(NO_BYTES, ','), 0);
    assert_int_equal(bytes_search(B("aaab"), B("ab")), 2);
    assert_int_equal(bytes_search(B("aaa"), B("ab")), 3);
    assert_int_equal(bytes_search(B("a"), B("ab")), 1);
    assert_int_equal(bytes_search(B("abc"), NO_BYTES), 0);
    assert_int_equal(bytes_search(NO_BYTES, B("a")), 0);
}

static void slices_and_trims(void **state) {
    assert_true(bytes_equal(bytes_slice(B("hello"), 1, 3), B("el")));
    assert_true(bytes_equal(bytes_slice(B("hello"), 3, SIZE_MAX), B("lo")));
    assert_int_equal(bytes_slice(B("hello"), 9, 12).n, 0);
    assert_int_equal(bytes_slice(B("hello"), 4, 2).n, 0);
    assert_int_equal(bytes_slice(NO_BYTES, 1, 2).n, 0);
    assert_true(bytes_equal(bytes_trim(B(" \t a b\t ")), B("a b")));
    assert_int_equal(bytes_trim(B(" \t ")).n, 0);
    assert_true(bytes_equal(bytes_trim(B("\na")), B("\na")));
}

static void cuts(void **state) {
    bytes rest = B("t=1,,v1=a");
    assert_true(bytes_equal(bytes_cut(&rest, ','), B("t=1")));
    assert_true(bytes_equal(rest, B(",v1=a")));
    assert_int_equal(bytes_cut(&rest, ',').n, 0);
    assert_true(bytes_equal(bytes_cut(&rest, ','), B("v1=a")));
    assert_int_equal(rest.n, 0);
    assert_int_equal(bytes_cut(&rest, ',').n, 0);
    rest = B("a,");
    assert_true(bytes_equal(bytes_cut(&rest, ','), B("a")));
    assert_int_equal(rest.n, 0);
}

static void reads_numbers(void **state) {
    uint64_t u = 0;
    int64_t i = 0;
    assert_null(bytes_to_u64(B("0"), &u));
    assert_true(u == 0);
    assert_null(bytes_to_u64(B("0000000000000000000000000012"), &u));
    assert_true(u == 12);
    assert_null(bytes_to_u64(B("18446744073709551615"), &u));
    assert_true(u == UINT64_MAX);
    static const char *const bad[] = {"",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "+1",
                                      "-1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1a",
                                      "1.0",
                                      "-",
                                      "--1",
                                      "-+1"};
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
        u = 77;
        assert_true(failed_as(bytes_to_u64(bytes_of(bad[k]), &u), FAIL_INVALID));
        assert_true(u == 77);
        if (strcmp(bad[k], "-1") != 0)
            assert_true(failed_as(bytes_to_i64(bytes_of(bad[k]), &i), FAIL_INVALID));
    }
    assert_true(failed_as(bytes_to_u64(B("1\0"), &u), FAIL_INVALID));
    assert_null(bytes_to_i64(B("-9223372036854775808"), &i));
    assert_true(i == INT64_MIN);
    assert_null(bytes_to_i64(B("9223372036854775807"), &i));
    assert_true(i == INT64_MAX);
    assert_null(bytes_to_i64(B("-0"), &i));
    assert_true(i == 0);
    assert_non_null(bytes_to_i64(B("9223372036854775808"), &i));
    assert_non_null(bytes_to_i64(B("-9223372036854775809"), &i));
}

static void reads_hex(void **state) {
    uint8_t all[256], back[256];
    char hex[512];
    for (size_t i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    bytes_to_hex(all, 256, hex);
    assert_memory_equal(hex + 2 * 0xa0, "a0a1", 4);
    assert_null(bytes_from_hex(bytes_from(hex, 512), back, 256));
    assert_memory_equal(all, back, 256);
    assert_null(bytes_from_hex(NO_BYTES, back, 0));
    static const char *const bad[] = {"",     "0",  "0g", "AB", "0x", "000",
                                      "0000", " 0", "0/", "0:", "0`"};
    for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++)
        assert_true(failed_as(bytes_from_hex(bytes_of(bad[k]), back, 1), FAIL_INVALID));
}

// RFC 4648 §10.
static void reads_base64(void **state) {
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"},
                                          {"\xfb\xff\xbf", "+/+/"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char out[16] = {0};
        uint8_t back[6];
        bytes in = bytes_of(rows[i][0]), text = bytes_of(rows[i][1]);
        bytes_to_base64(in, out);
        assert_string_equal(rows[i][1], out);
        assert_int_equal(BASE64_SIZE(in.n), text.n);
        assert_int_equal(in.n, bytes_from_base64(text, back, sizeof back));
        assert_memory_equal(in.p, back, in.n);
        assert_int_equal(
            in.n, bytes_from_base64(bytes_slice(text, 0, (in.n * 8 + 5) / 6), back, sizeof back));
    }
    uint8_t one[1];
    assert_int_equal(0, bytes_from_base64(B("Zm8="), one, sizeof one));
    assert_int_equal(0, bytes_from_base64(B("Z-=="), one, sizeof one));
    assert_int_equal(0, bytes_from_base64(B("Z\0=="), one, sizeof one));
    assert_int_equal(0, bytes_from_base64(B("=g=="), one, sizeof one));
}

static void judges_utf8(void **state) {
    const bytes good[] = {
        {NULL, 0},
        B("plain"),
        B("a\0b"),
        B("\x7f"),
        B("\xc2\x80"),
        B("\xdf\xbf"),
        B("\xe0\xa0\x80"),
        B("\xed\x9f\xbf"),
        B("\xee\x80\x80"),
        B("\xef\xbf\xbf"),
        B("\xf0\x90\x80\x80"),
        B("\xf4\x8f\xbf\xbf"),
        B("12345678\xe2\x82\xac"
          "12345678"),
    };
    const bytes bad[] = {
        B("\x80"),
        B("\xbf"),
        B("\xc0\x80"),
        B("\xc1\xbf"),
        B("\xc2"),
        B("\xc2\x41"),
        B("\xc2\xc0"),
        B("\xe0\x9f\xbf"),
        B("\xe2\x82"),
        B("\xe2\x82\x41"),
        B("\xed\xa0\x80"),
        B("\xed\xbf\xbf"),
        B("\xf0\x8f\xbf\xbf"),
        B("\xf4\x90\x80\x80"),
        B("\xf5\x80\x80\x80"),
        B("\xf0\x90\x80"),
        B("\xfe"),
        B("\xff"),
        B("\xf8\x88\x80\x80\x80"),
        B("\xf0\x90\x80\x41"),
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(bytes_utf8(good[i]));
    // At every place in and around a word of eight bytes, for the fast path reads by eight.
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (size_t before = 0; before < 18; before++) {
            uint8_t *p = malloc(before + bad[i].n);
            memset(p, 'a', before);
            memcpy(p + before, bad[i].p, bad[i].n);
            assert_false(bytes_utf8(bytes_from(p, before + bad[i].n)));
            free(p);
        }
    }
}

// Each code point, encoded by arithmetic, is accepted exactly if it is none of the surrogates.
static void judges_every_code_point(void **state) {
    for (uint32_t c = 0x800; c < 0x120000; c++) {
        uint8_t p[4];
        size_t n = c < 0x10000 ? 3 : 4;
        for (size_t i = n; i-- > 1;)
            p[i] = (uint8_t)(0x80 | (c >> 6 * (n - 1 - i) & 0x3f));
        p[0] = (uint8_t)(n == 3 ? 0xe0 | c >> 12 : 0xf0 | c >> 18);
        bool good = (c < 0xd800 || c > 0xdfff) && c <= 0x10ffff;
        assert_int_equal(bytes_utf8_at(bytes_from(p, n), 0), good ? n : 0);
    }
}

static void finds_sequences(void **state) {
    bytes b = B("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xff");
    assert_int_equal(bytes_utf8_at(b, 0), 1);
    assert_int_equal(bytes_utf8_at(b, 1), 2);
    assert_int_equal(bytes_utf8_at(b, 2), 0);
    assert_int_equal(bytes_utf8_at(b, 3), 3);
    assert_int_equal(bytes_utf8_at(b, 6), 4);
    assert_int_equal(bytes_utf8_at(b, 10), 0);
    assert_int_equal(bytes_utf8_at(b, 11), 0);
}

static void copies_for_libc(void **state) {
    char *s = bytes_strdup(bytes_from("abcdef", 3));
    assert_string_equal(s, "abc");
    free(s);
    s = bytes_strdup(NO_BYTES);
    assert_string_equal(s, "");
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares),
        cmocka_unit_test(compares_secrets),
        cmocka_unit_test(finds),
        cmocka_unit_test(slices_and_trims),
        cmocka_unit_test(cuts),
        cmocka_unit_test(reads_numbers),
        cmocka_unit_test(reads_hex),
        cmocka_unit_test(reads_base64),
        cmocka_unit_test(judges_utf8),
        cmocka_unit_test(judges_every_code_point),
        cmocka_unit_test(finds_sequences),
        cmocka_unit_test(copies_for_libc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
