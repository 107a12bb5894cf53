// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "stripe/form.h"

static const char *const good[][2] = {
    {"", "{}"},
    {"&&", "{}"},
    {"a=b", "{\"a\":\"b\"}"},
    {"a", "{\"a\":\"\"}"},
    {"a=", "{\"a\":\"\"}"},
    {"a=b=c&d=e", "{\"a\":\"b=c\",\"d\":\"e\"}"},
    {"description=a+b%20c%2Bd", "{\"description\":\"a b c+d\"}"},
    {"a=%C3%A9%00\n", "{\"a\":\"\xc3\xa9\\u0000\\n\"}"},
    {"a=%zz%4", "{\"a\":\"%zz%4\"}"},
    {"a=%26%3D&b=1", "{\"a\":\"&=\",\"b\":\"1\"}"},
    // as the CLI, stripe-node and older SDKs write it
    {"enabled_events[]=a&enabled_events[]=%2A", "{\"enabled_events\":[\"a\",\"*\"]}"},
    {"enabled_events[0]=a&enabled_events[1]=b", "{\"enabled_events\":[\"a\",\"b\"]}"},
    {"enabled_events%5B%5D=a&metadata%5Bk%5D=v",
     "{\"enabled_events\":[\"a\"],\"metadata\":{\"k\":\"v\"}}"},
    {"metadata[site]=shop&items[0][price]=price_1&expand[]=data",
     "{\"metadata\":{\"site\":\"shop\"},\"items\":[{\"price\":\"price_1\"}],"
     "\"expand\":[\"data\"]}"},
    {"metadata[a%20b]=1", "{\"metadata\":{\"a b\":\"1\"}}"},
    {"created[gte]=1&created[lt]=2", "{\"created\":{\"gte\":\"1\",\"lt\":\"2\"}}"},
    {"metadata=", "{\"metadata\":\"\"}"},
    // any order
    {"i[1][p]=b&x=y&i[0][q]=c&i[0][p]=a",
     "{\"i\":[{\"q\":\"c\",\"p\":\"a\"},{\"p\":\"b\"}],\"x\":\"y\"}"},
    {"a[2]=c&a[0]=a&a[1]=b", "{\"a\":[\"a\",\"b\",\"c\"]}"},
    {"a[b][]=1&a[b][]=2", "{\"a\":{\"b\":[\"1\",\"2\"]}}"},
    // no lists
    {"a[1]=b", "{\"a\":{\"1\":\"b\"}}"},
    {"a[0]=b&a[2]=c", "{\"a\":{\"0\":\"b\",\"2\":\"c\"}}"},
    {"a[00]=b", "{\"a\":{\"00\":\"b\"}}"},
    {"0=a", "{\"0\":\"a\"}"},
    {"a[0]=b&a[x]=c", "{\"a\":{\"0\":\"b\",\"x\":\"c\"}}"},
    {"a[1][2][3][4][5][6][7]=x",
     "{\"a\":{\"1\":{\"2\":{\"3\":{\"4\":{\"5\":{\"6\":{\"7\":\"x\"}}}}}}}}"},
};

static void what_clients_write_is_read(void **state) {
    OWN(text_drop)
    struct text out = {0};
    OWN(text_drop)
    struct text why = {0};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        text_reset(&out);
        assert_null(form_read(bytes_of(good[i][0]), &out, &why));
        assert_string_equal(text_str(&out), good[i][1]);
        OWN(json_close)
        struct json_doc *doc = NULL;
        assert_null(json_parse(text_bytes(&out), &doc));
    }
    assert_int_equal(why.n, 0);
}

static const char *const bad[][2] = {
    {"=b", "the parameter `` has no name"},
    {"[a]=b", "the parameter `[a]` has no name"},
    {"%5B%5D=b", "the parameter `[]` has no name"},
    {"a[b=c", "brackets that do not match"},
    {"a]=c", "brackets that do not match"},
    {"a]b[c]=c", "brackets that do not match"},
    {"a[b]c=d", "brackets that do not match"},
    {"a[b]]=d", "brackets that do not match"},
    {"a[b[c]]=d", "a bracket inside of another"},
    {"a[][b]=c", "more behind []"},
    {"a[][]=c", "more behind []"},
    {"a=1&a=2", "`a` was given twice"},
    {"a[b]=1&x=y&a%5Bb%5D=2", "`a[b]` was given twice"},
    {"a=1&a[b]=2", "given as a value before"},
    {"a[b]=1&a=2", "given with brackets before"},
    {"a[]=1&a=2", "given with brackets before"},
    {"a[]=1&a[0]=2", "[] beside other brackets"},
    {"a[0]=1&a[]=2", "[] beside other brackets"},
    {"a=%ff", "`a` is not UTF-8"},
    {"a%ff=b", "`a\\xff` is not UTF-8"},
    {"a%00%1b[2J]=1&a%00%1b[2J]=2", "`a\\x00\\x1b[2J]` was given twice"},
    {"a[1][2][3][4][5][6][7][8]=x", "too many brackets"},
};

static void what_could_be_read_in_two_ways_is_refused_with_its_name(void **state) {
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        OWN(text_drop)
        struct text out = {0};
        OWN(text_drop)
        struct text why = {0};
        assert_true(failed_as(form_read(bytes_of(bad[i][0]), &out, &why), FAIL_INVALID));
        assert_non_null(strstr(text_str(&why), bad[i][1]));
        assert_int_equal(out.n, 0);
    }
}

static void values_are_never_repeated_and_names_shortened(void **state) {
    OWN(text_drop)
    struct text form = {0};
    OWN(text_drop)
    struct text out = {0};
    OWN(text_drop)
    struct text why = {0};
    for (int i = 0; i < 2; i++) {
        for (int n = 0; n < 1000; n++)
            text_addc(&form, 'n');
        text_adds(&form, "=sk_live_1&");
    }
    assert_true(failed_as(form_read(text_bytes(&form), &out, &why), FAIL_INVALID));
    assert_null(strstr(text_str(&why), "sk_"));
    assert_true(why.n < 200);
}

static void limits_hold(void **state) {
    OWN(text_drop)
    struct text form = {0};
    OWN(text_drop)
    struct text out = {0};
    OWN(text_drop)
    struct text why = {0};
    // As many and as deep as may be, the nodes of no two shared.
    for (int i = 0; i < FORM_PAIRS_MAX; i++)
        text_addf(&form, "n%d[a][b][c][d][e][f][g]=1&", i);
    assert_null(form_read(text_bytes(&form), &out, &why));
    OWN(json_close)
    struct json_doc *doc = NULL;
    assert_null(json_parse(text_bytes(&out), &doc));
    assert_int_equal(json_size(json_root(doc)), FORM_PAIRS_MAX);
    text_adds(&form, "more=1");
    text_reset(&out);
    assert_true(failed_as(form_read(text_bytes(&form), &out, &why), FAIL_INVALID));
    assert_string_equal(text_str(&why), "there are more than 1000 parameters");
    text_reset(&form);
    text_adds(&form, "a=");
    while (form.n < FORM_BYTES_MAX)
        text_addc(&form, 'x');
    text_reset(&why);
    assert_null(form_read(text_bytes(&form), &out, &why));
    text_addc(&form, 'x');
    text_reset(&out);
    assert_true(failed_as(form_read(text_bytes(&form), &out, &why), FAIL_INVALID));
    assert_string_equal(text_str(&why), "the parameters are longer than 262144 bytes");
    assert_int_equal(out.n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_clients_write_is_read),
        cmocka_unit_test(what_could_be_read_in_two_ways_is_refused_with_its_name),
        cmocka_unit_test(values_are_never_repeated_and_names_shortened),
        cmocka_unit_test(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
