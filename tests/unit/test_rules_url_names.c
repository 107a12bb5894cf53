// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "rules/url_names.h"

static void test_fill(void **state) {
    static const struct {
        const char *url, *account, *site, *want;
    } rows[] = {
        {"http://h/a", "acct_1", "shop", "http://h/a"},
        {"http://h/{account}", "acct_1", "", "http://h/acct_1"},
        {"http://h/{site}/x?a={account}&b={site}", "acct_1", "shop",
         "http://h/shop/x?a=acct_1&b=shop"},
        {"http://h?{site}{account}", "a", "b", "http://h?ba"},
        {"http://h/{account}/{site}", "", "", "http://h/platform/unclaimed"},
        {"http://h/{account}", "a/../b?c&d=#%\n{site}", "x",
         "http://h/a%2F..%2Fb%3Fc%26d%3D%23%25%0A%7Bsite%7D"},
        {"http://h/{account}", "\xc3\xa9-._~", "", "http://h/%C3%A9-._~"},
        {"http://h/a/{account}/{site}", "..", ".", "http://h/a/%252E%252E/%252E"},
        {"http://h/a/{account}", "..a", "", "http://h/a/..a"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct text out = {0};
        assert_null(url_names_fault(bytes_of(rows[i].url)));
        url_names_fill(bytes_of(rows[i].url), bytes_of(rows[i].account), bytes_of(rows[i].site),
                       &out);
        assert_string_equal(text_str(&out), rows[i].want);
        text_drop(&out);
    }
}

static void test_faults(void **state) {
    static const struct {
        const char *url, *says;
    } rows[] = {
        {"http://{account}/", "before its path"},  {"http://h{account}", "before its path"},
        {"http://{site}:1?a", "before its path"},  {"http://h:{site}/", "before its path"},
        {"http://u:{site}@h/", "before its path"}, {"{site}://h/", "before its path"},
        {"http://}/", "before its path"},          {"http://h/{", "begins neither"},
        {"http://h/{account", "begins neither"},   {"http://h/{Account}", "begins neither"},
        {"http://h/{}", "begins neither"},         {"http://h/{{account}}", "begins neither"},
        {"http://h/{account}}", "without a {"},    {"http://h/}{account}", "without a {"},
        {"http://h/{site }", "begins neither"},    {"http://h/%7B{account}{x", "begins neither"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *fault = url_names_fault(bytes_of(rows[i].url));
        if (fault == NULL || strstr(fault, rows[i].says) == NULL)
            fail_msg("%s: %s", rows[i].url, fault == NULL ? "no fault" : fault);
    }
    assert_null(url_names_fault(bytes_of("https://h:1/%7B{account}%7D?{site}")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fill),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
