// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cli/secrets.h"
#include "cli/where.h"

static void addresses_are_understood(void **state) {
    static const struct {
        const char *said, *base, *unix_path;
        bool local;
    } good[] = {
        {"unix:a/b.sock", "http://localhost", "a/b.sock", true},
        {"http://127.0.0.1:4243", "http://127.0.0.1:4243", "", true},
        {"http://localhost/", "http://localhost", "", true},
        {"http://[::1]:1", "http://[::1]:1", "", true},
        {"http://0.0.0.0:4243", "http://127.0.0.1:4243", "", true},
        {"https://[::]:4243//", "https://[::1]:4243", "", true},
        {"https://desk.example.com", "https://desk.example.com", "", false},
        {"http://0.0.0.0.example.com:1", "http://0.0.0.0.example.com:1", "", false},
        {"http://127.0.0.1.example.com", "http://127.0.0.1.example.com", "", false},
        {"http://localhost.example.com", "http://localhost.example.com", "", false},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct where w = {0};
        assert_null(where_parse(bytes_of(good[i].said), &w));
        assert_string_equal(text_str(&w.base), good[i].base);
        assert_string_equal(text_str(&w.unix_path), good[i].unix_path);
        assert_int_equal(where_local(&w), good[i].local);
        assert_string_equal(text_str(&w.address), good[i].said);
        where_drop(&w);
    }
}

static void other_addresses_are_refused(void **state) {
    // With a user before the host, what looks like loopback would be another machine.
    static const char *const bad[] = {"",        "unix:",        "http://",
                                      "/a.sock", "127.0.0.1:1",  "http://127.0.0.1:1@example.com",
                                      "ftp://x", "http://x?y=1", "HTTP://x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct where w = {0};
        assert_true(failed_as(where_parse(bytes_of(bad[i]), &w), FAIL_INVALID));
        where_drop(&w);
    }
}

static result parse(const char *lines, struct secrets *s) {
    *s = (struct secrets){0};
    text_adds(&s->content, lines);
    return secrets_parse(s);
}

static void secrets_stand_on_lines(void **state) {
    struct secrets s;
    assert_null(parse("whsec_a\r\n\nwhsec_b", &s));
    assert_int_equal(s.count, 2);
    assert_memory_equal(s.all[0].bytes, "whsec_a", 7);
    assert_int_equal(s.all[0].size, 7);
    assert_int_equal(s.all[1].size, 7);
    secrets_drop(&s);
    static const char *const bad[] = {"", "\n\n", " whsec_a", "whsec_a\nwhsec_b \n", "\t", NULL};
    OWN(text_drop)
    struct text many = {0};
    for (int i = 0; i <= HK_SECRETS_MAX; i++)
        text_addf(&many, "%d\n", i);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        result parsed = parse(bad[i] == NULL ? text_str(&many) : bad[i], &s);
        assert_true(failed_as(parsed, FAIL_INVALID));
        assert_null(strstr(parsed->text, "whsec_a"));
        secrets_drop(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_understood),
        cmocka_unit_test(other_addresses_are_refused),
        cmocka_unit_test(secrets_stand_on_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
