// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static void grows(void **state) {
    OWN(text_drop)
    struct text t = {0};
    assert_string_equal(text_str(&t), "");
    assert_int_equal(text_bytes(&t).n, 0);
    text_add(&t, NO_BYTES);
    assert_string_equal(text_str(&t), "");
    for (int i = 0; i < 1000; i++)
        text_addf(&t, "%03d,", i);
    assert_int_equal(t.n, 4000);
    assert_memory_equal(t.p + 3996, "999,", 5);
    assert_false(t.failed);
    text_reset(&t);
    assert_string_equal(text_str(&t), "");
    text_addc(&t, '\0');
    assert_int_equal(t.n, 1);
}

static void refuses_what_passes_its_cap(void **state) {
    OWN(text_drop)
    struct text t = {.max = 10};
    text_adds(&t, "0123456789");
    assert_false(t.failed);
    assert_string_equal(text_str(&t), "0123456789");
    text_add(&t, NO_BYTES);
    assert_false(t.failed);
    text_addc(&t, 'x');
    assert_true(t.failed);
    assert_string_equal(text_str(&t), "0123456789");
    text_reset(&t);
    assert_false(t.failed);
    text_adds(&t, "01234567890");
    assert_true(t.failed);
    assert_string_equal(text_str(&t), "");
    text_adds(&t, "a"); // would fit, but the failure stays
    assert_int_equal(t.n, 0);
    assert_true(t.failed);
}

static void every_adder_respects_the_cap(void **state) {
    for (size_t max = 1; max < 80; max++) {
        struct text t = {.max = max};
        text_addf(&t, "%s-%d", "ten bytes!", 12345);
        text_add_u64(&t, UINT64_MAX);
        text_add_hex(&t, B("abc"));
        text_add_json(&t, B("q\"\n\xff"));
        text_add_printable(&t, B("\x01z"), 10);
        assert_true(t.n <= max && (t.p == NULL || t.p[t.n] == '\0'));
        assert_int_equal(t.failed, max < 16 + 20 + 6 + 2 + 1 + 2 + 2 + 3 + 5);
        text_drop(&t);
    }
}

static void failed_format_leaves_the_content(void **state) {
    OWN(text_drop)
    struct text t = {.max = 70};
    text_adds(&t, "kept");
    text_addf(&t, "%0100d", 1);
    assert_true(t.failed);
    assert_string_equal(text_str(&t), "kept");
    text_addf(&t, "more");
    assert_string_equal(text_str(&t), "kept");
}

static void gives_its_memory_away(void **state) {
    struct text t = {.max = 99};
    char *s = text_give(&t);
    assert_string_equal(s, "");
    free(s);
    text_adds(&t, "abc");
    s = text_give(&t);
    assert_string_equal(s, "abc");
    free(s);
    assert_string_equal(text_str(&t), "");
    assert_int_equal(t.max, 99);
    text_adds(&t, "again");
    assert_string_equal(text_str(&t), "again");
    text_drop(&t);
}

static void writes_numbers(void **state) {
    OWN(text_drop)
    struct text t = {0};
    text_add_u64(&t, 0);
    text_addc(&t, ' ');
    text_add_u64(&t, UINT64_MAX);
    text_addc(&t, ' ');
    text_add_i64(&t, INT64_MIN);
    text_addc(&t, ' ');
    text_add_i64(&t, INT64_MAX);
    text_addc(&t, ' ');
    text_add_hex(&t, B("\x00\xff\x1a"));
    assert_string_equal(text_str(&t),
                        "0 18446744073709551615 -9223372036854775808 9223372036854775807 00ff1a");
}

static void writes_json_strings(void **state) {
    const struct {
        bytes in;
        const char *out;
    } rows[] = {
        {{NULL, 0}, "\"\""},
        {B("plain"), "\"plain\""},
        {B("\"\\/"), "\"\\\"\\\\/\""},
        {B("\b\f\n\r\t"), "\"\\b\\f\\n\\r\\t\""},
        {B("a\0b\x1f\x7f"), "\"a\\u0000b\\u001f\x7f\""},
        {B("\xc3\xa4\xf0\x9f\x98\x80"), "\"\xc3\xa4\xf0\x9f\x98\x80\""},
        {B("a\xff\xfe"
           "b"),
         "\"a\xef\xbf\xbd\xef\xbf\xbd"
         "b\""},
        {B("\xc3"), "\"\xef\xbf\xbd\""},
    };
    OWN(text_drop)
    struct text t = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        text_reset(&t);
        text_add_json(&t, rows[i].in);
        assert_string_equal(text_str(&t), rows[i].out);
    }
}

// Long strings are looked at in pieces: each byte, wherever it stands in one.
static void writes_json_strings_piece_by_piece(void **state) {
    for (int c = 0; c < 256; c++)
        for (size_t at = 0; at < 19; at++) {
            char in[19];
            memset(in, c == 'a' ? 'b' : 'a', sizeof in);
            in[at] = (char)c;
            OWN(text_drop)
            struct text whole = {0}, one = {0};
            text_add_json(&whole, bytes_from(in, sizeof in));
            text_add_json(&one, bytes_from(&in[at], 1));
            assert_int_equal(whole.n, sizeof in - 1 + one.n);
            assert_memory_equal(whole.p + 1 + at, one.p + 1, one.n - 2);
            assert_int_equal(whole.p[at + one.n - 1], at == 18 ? '"' : in[at + 1]);
            text_drop(&one);
        }
}

static void writes_for_terminals(void **state) {
    const struct {
        bytes in;
        size_t max;
        const char *out;
    } rows[] = {
        {B("plain"), 99, "plain"},
        {B("a\x1b[31m\n"), 99, "a\\x1b[31m\\x0a"},
        {B("\xc2\x9b"
           "31m"),
         99, "\\xc2\\x9b31m"},
        {B("\xff\x7f\0"), 99, "\\xff\\x7f\\x00"},
        {B("a\xe2\x80\xae"
           "b"),
         99, "a\\xe2\\x80\\xaeb"},
        {B("12345"), 5, "12345"},
        {B("123456"), 5, "12345\xe2\x80\xa6"},
        {B("1234\xc3\xa4"), 5, "1234\xe2\x80\xa6"},
        {B("12\n"), 5, "12\xe2\x80\xa6"},
        {B("x"), 0, "\xe2\x80\xa6"},
        {{NULL, 0}, 0, ""},
    };
    OWN(text_drop)
    struct text t = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        text_reset(&t);
        text_add_printable(&t, rows[i].in, rows[i].max);
        assert_string_equal(text_str(&t), rows[i].out);
    }
}

static void writes_and_reads_times(void **state) {
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {951868799999, "2000-02-29T23:59:59.999Z"},
        {4107542400000, "2100-03-01T00:00:00.000Z"},
        {1795460246123, "2026-11-23T18:57:26.123Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        {-62135596800000, "0001-01-01T00:00:00.000Z"},
        {-62167219200000, "0000-01-01T00:00:00.000Z"},
    };
    OWN(text_drop)
    struct text t = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t back = 1;
        text_reset(&t);
        text_add_time(&t, rows[i].ms);
        assert_string_equal(text_str(&t), rows[i].text);
        assert_null(text_parse_time(text_bytes(&t), &back));
        assert_true(back == rows[i].ms);
    }
    // Each day of eight centuries, at a minute of its own.
    for (int64_t day = -146097; day < 146097; day++) {
        int64_t ms = day * 86400000 + (day & 1023) * 60000 + 7, back;
        text_reset(&t);
        text_add_time(&t, ms);
        assert_null(text_parse_time(text_bytes(&t), &back));
        assert_true(back == ms);
    }
    text_add_time(&t, INT64_MIN);
    text_add_time(&t, INT64_MAX);
    assert_false(t.failed);
}

static void reads_other_forms_of_time(void **state) {
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"2026-11-23", 1795392000000},
        {"2026-11-23T18:57:26Z", 1795460246000},
        {"2026-11-23t18:57:26z", 1795460246000},
        {"2026-11-23T20:57:26.1+02:00", 1795460246100},
        {"2026-11-23T13:27:26.12-05:30", 1795460246120},
        {"2026-11-23T18:57:26.123999999Z", 1795460246123},
        {"2024-02-29", 1709164800000},
        {"1970-01-01T00:00:00+23:59", -86340000},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t ms = 0;
        assert_null(text_parse_time(bytes_of(rows[i].text), &ms));
        assert_true(ms == rows[i].ms);
    }
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-04-31",
        "2025-02-29",
        "2100-02-29",
        "26-11-23",
        "-026-11-23",
        "2026-1-23",
        "2026-11-23 ",
        "2026-11-23T",
        "2026-11-23 18:57:26Z",
        "2026-11-23T18:57Z",
        "2026-11-23T18:57:26",
        "2026-11-23T24:00:00Z",
        "2026-11-23T18:60:00Z",
        "2026-11-23T18:57:60Z",
        "2026-11-23T18:57:26.Z",
        "2026-11-23T18:57:26,1Z",
        "2026-11-23T18:57:26+2",
        "2026-11-23T18:57:26+0200",
        "2026-11-23T18:57:26+24:00",
        "2026-11-23T18:57:26+02:60",
        "2026-11-23T18:57:26Zx",
        "2026-11-23T18:57:26+02:00x",
        "2026-11-23T-1:57:26Z",
        "1795460246",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ms = 42;
        assert_true(failed_as(text_parse_time(bytes_of(bad[i]), &ms), FAIL_INVALID));
        assert_true(ms == 42);
    }
}

static void writes_and_reads_durations(void **state) {
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        {0, "0s"},
        {200, "200ms"},
        {1000, "1s"},
        {1500, "1500ms"},
        {90000, "90s"},
        {300000, "5m"},
        {7200000, "2h"},
        {86400000, "1d"},
        {7776000000, "90d"},
        {90000000, "25h"},
        {INT64_MAX, "9223372036854775807ms"},
    };
    OWN(text_drop)
    struct text t = {0};
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t back = 1;
        text_reset(&t);
        text_add_duration(&t, rows[i].ms);
        assert_string_equal(text_str(&t), rows[i].text);
        assert_null(text_parse_duration(text_bytes(&t), &back));
        assert_true(back == rows[i].ms);
    }
    text_reset(&t);
    text_add_duration(&t, -5000);
    assert_string_equal(text_str(&t), "-5s");
    static const char *const bad[] = {
        "",
        "0",
        "5",
        "s",
        "-5s",
        "+5s",
        "5 s",
        " 5s",
        "5s ",
        "5S",
        "1h30m",
        "1.5h",
        "5min",
        "5w",
        "9223372036854775808ms",
        "18446744073709551616ms",
        "106751991168d",
        "300000000000000000d",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t ms = 42;
        assert_true(failed_as(text_parse_duration(bytes_of(bad[i]), &ms), FAIL_INVALID));
        assert_true(ms == 42);
    }
}

static void reads_sizes(void **state) {
    static const struct {
        const char *text;
        uint64_t size;
    } rows[] = {
        {"0B", 0},         {"500B", 500},        {"64KiB", 65536},
        {"1MiB", 1048576}, {"2GiB", 2147483648}, {"17179869183GiB", UINT64_C(17179869183) << 30},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t size = 1;
        assert_null(text_parse_size(bytes_of(rows[i].text), &size));
        assert_true(size == rows[i].size);
    }
    static const char *const bad[] = {"",     "0",      "500",           "KiB",    "64kib",
                                      "64KB", "64K",    "-1B",           "1.5MiB", "64 KiB",
                                      "1TiB", "64KiBs", "17179869184GiB"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t size = 42;
        assert_true(failed_as(text_parse_size(bytes_of(bad[i]), &size), FAIL_INVALID));
        assert_true(size == 42);
    }
}

static void measures_distance(void **state) {
    static const struct {
        const char *a, *b;
        size_t distance;
    } rows[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"abc", "", 3},
        {"listen", "listen", 0},
        {"lsiten", "listen", 1},
        {"kitten", "sitting", 3},
        {"ab", "ba", 1},
        {"abcd", "badc", 2},
        {"sources", "source", 1},
        {"retries", "retrys", 2},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(text_distance(bytes_of(rows[i].a), bytes_of(rows[i].b)), rows[i].distance);
        assert_int_equal(text_distance(bytes_of(rows[i].b), bytes_of(rows[i].a)), rows[i].distance);
    }
    char a[100], b[100];
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    assert_int_equal(text_distance(bytes_from(a, 100), bytes_from(b, 100)), 64);
    assert_int_equal(text_distance(bytes_from(a, 100), bytes_from(a, 70)), 0);
}

static void test_decoded(void **state) {
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
            text_add_decoded(&out, bytes_of(rows[i][0]), form);
            assert_string_equal(rows[i][1 + form], text_str(&out));
        }
    text_reset(&out);
    text_add_decoded(&out, B("a%00b"), false);
    assert_true(bytes_equal(text_bytes(&out), B("a\0b")));
    text_drop(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoded),
        cmocka_unit_test(grows),
        cmocka_unit_test(refuses_what_passes_its_cap),
        cmocka_unit_test(every_adder_respects_the_cap),
        cmocka_unit_test(failed_format_leaves_the_content),
        cmocka_unit_test(gives_its_memory_away),
        cmocka_unit_test(writes_numbers),
        cmocka_unit_test(writes_json_strings),
        cmocka_unit_test(writes_json_strings_piece_by_piece),
        cmocka_unit_test(writes_for_terminals),
        cmocka_unit_test(writes_and_reads_times),
        cmocka_unit_test(reads_other_forms_of_time),
        cmocka_unit_test(writes_and_reads_durations),
        cmocka_unit_test(reads_sizes),
        cmocka_unit_test(measures_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
