// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static struct json_doc *parsed(bytes in) {
    struct json_doc *doc = NULL;
    assert_null(json_parse(in, &doc));
    assert_non_null(doc);
    return doc;
}

static void tells_types(void **state) {
    OWN(json_close)
    struct json_doc *doc = parsed(B("[null,true,false,0,\"\",[],{}]"));
    static const enum json_type types[] = {JSON_NULL,   JSON_BOOL,  JSON_BOOL,   JSON_NUMBER,
                                           JSON_STRING, JSON_ARRAY, JSON_OBJECT, JSON_ABSENT};
    for (size_t i = 0; i < COUNT(types); i++)
        assert_int_equal(json_type(json_at(json_root(doc), i)), types[i]);
    assert_int_equal(json_size(json_root(doc)), 7);
    assert_true(json_true(json_at(json_root(doc), 1)));
    assert_false(json_true(json_at(json_root(doc), 2)));
    assert_false(json_true(json_at(json_root(doc), 3)));
}

static void keeps_a_copy_of_the_input(void **state) {
    char *in = strdup("{\"id\":\"evt_1\",\"n\":17}");
    OWN(json_close)
    struct json_doc *doc = parsed(bytes_of(in));
    assert_string_equal(in, "{\"id\":\"evt_1\",\"n\":17}");
    memset(in, 'x', strlen(in));
    free(in);
    assert_true(bytes_equal(json_string(json_get(json_root(doc), "id")), B("evt_1")));
    assert_true(bytes_equal(json_number(json_get(json_root(doc), "n")), B("17")));
}

static void accepts_that_things_are_absent(void **state) {
    json none = {NULL}, value;
    size_t at = 0;
    bytes key;
    int64_t i;
    assert_int_equal(json_type(none), JSON_ABSENT);
    assert_null(json_get(none, "a").val);
    assert_null(json_path(none, B("a.b")).val);
    assert_false(json_has_twice(none, "a"));
    assert_int_equal(json_size(none), 0);
    assert_null(json_at(none, 0).val);
    assert_false(json_member(none, &at, &key, &value));
    assert_false(json_element(none, &at, &value));
    assert_int_equal(json_string(none).n, 0);
    assert_int_equal(json_number(none).n, 0);
    assert_false(json_true(none));
    assert_true(failed_as(json_i64(none, &i), FAIL_INVALID));
    assert_false(json_equals_text(none, NO_BYTES));
    OWN(text_drop)
    struct text t = {0};
    json_write(none, &t);
    assert_int_equal(t.n, 0);
    OWN(json_close)
    struct json_doc *doc = parsed(B("[1]"));
    assert_null(json_get(json_root(doc), "a").val);
    assert_false(json_member(json_root(doc), &at, &key, &value));
    struct json_doc *null_doc = NULL;
    json_close(&null_doc);
}

static void refuses_what_is_not_json(void **state) {
    const bytes bad[] = {
        {NULL, 0},
        B(""),
        B(" "),
        B("{"),
        B("}"),
        B("[1,]"),
        B("{\"a\":1,}"),
        B("{a:1}"),
        B("{'a':1}"),
        B("[1] x"),
        B("{}{}"),
        B("01"),
        B("+1"),
        B(".5"),
        B("1."),
        B("1e"),
        B("-"),
        B("0x10"),
        B("NaN"),
        B("Infinity"),
        B("nul"),
        B("True"),
        B("\"a"),
        B("\"\n\""),
        B("\"\\x\""),
        B("\"\\u12\""),
        B("\"\\ud800\""),
        B("\"\\udc00\""),
        B("\"\\ud800\\u0041\""),
        B("// c\n1"),
        B("/* c */1"),
        B("[1]\0"),
        B("\0[1]"),
        B("\"a\0b\""),
        B("\xef\xbb\xbf{}"),
        B("\"\xff\""),
        B("\"\xc0\x80\""),
        B("\"\xed\xa0\x80\""),
        B("\"\xf4\x90\x80\x80\""),
        B("\"\xc3\""),
        B("{\"a\"}"),
        B("{\"a\":}"),
        B("{1:2}"),
        B("[1 2]"),
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        // In memory of exactly this size, so that reading past it shows.
        uint8_t *p = malloc(bad[i].n + 1);
        if (bad[i].n > 0)
            memcpy(p + 1, bad[i].p, bad[i].n);
        struct json_doc *doc = (struct json_doc *)p;
        assert_true(failed_as(json_parse(bytes_from(p + 1, bad[i].n), &doc), FAIL_INVALID));
        assert_null(doc);
        free(p);
    }
}

static void refuses_every_cut_of_a_document(void **state) {
    bytes whole = B("{\"a\":[1.5e3,true,null,\"x\\u00e4\\ud83d\\ude00\"],\"b\":{\"c\":-7}}");
    struct json_doc *doc;
    for (size_t n = 0; n < whole.n; n++)
        assert_true(failed_as(json_parse(bytes_slice(whole, 0, n), &doc), FAIL_INVALID));
    doc = parsed(whole);
    json_close(&doc);
    assert_null(doc);
}

// n containers in each other, with values before and behind the inner one.
static bytes nested(struct text *t, size_t n, bool objects) {
    text_reset(t);
    for (size_t i = 0; i < n; i++)
        text_adds(t, objects ? "{\"s\":[],\"k\":" : "[{},[[1]],");
    text_addc(t, '0');
    for (size_t i = 0; i < n; i++)
        text_adds(t, objects ? ",\"e\":{}}" : ",[]]");
    return text_bytes(t);
}

static void limits_depth(void **state) {
    OWN(text_drop)
    struct text t = {0};
    struct json_doc *doc;
    for (int objects = 0; objects < 2; objects++) {
        // The values next to the innermost 0 are one (object) or two (array) containers deeper.
        size_t fits = JSON_DEPTH_MAX - (objects ? 1 : 2);
        doc = parsed(nested(&t, fits, objects != 0));
        OWN(text_drop)
        struct text back = {0};
        json_write(json_root(doc), &back);
        assert_string_equal(text_str(&back), text_str(&t));
        json_close(&doc);
        assert_true(failed_as(json_parse(nested(&t, fits + 1, objects != 0), &doc), FAIL_INVALID));
        assert_null(doc);
    }
    text_reset(&t);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        text_addc(&t, '[');
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        text_addc(&t, ']');
    doc = parsed(text_bytes(&t));
    json_close(&doc);
    text_reset(&t);
    for (int i = 0; i < 1000000; i++)
        text_addc(&t, '[');
    assert_true(failed_as(json_parse(text_bytes(&t), &doc), FAIL_INVALID));
    // Wide is not deep, and brackets in strings are no containers.
    text_reset(&t);
    text_adds(&t, "[\"");
    for (int i = 0; i < 1000; i++)
        text_addc(&t, '[');
    text_addc(&t, '"');
    for (int i = 0; i < 1000; i++)
        text_adds(&t, ",[{}]");
    text_addc(&t, ']');
    doc = parsed(text_bytes(&t));
    assert_int_equal(json_size(json_root(doc)), 1001);
    json_close(&doc);
}

static void keeps_numbers_as_written(void **state) {
    static const char *const texts[] = {
        "0",
        "-0",
        "1.50",
        "1E400",
        "-1e-400",
        "123456789012345678901234567890",
        "0.1000000000000000055",
        "9007199254740993",
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        OWN(json_close)
        struct json_doc *doc = parsed(bytes_of(texts[i]));
        assert_true(bytes_equal(json_number(json_root(doc)), bytes_of(texts[i])));
        assert_true(json_equals_text(json_root(doc), bytes_of(texts[i])));
        assert_int_equal(json_string(json_root(doc)).n, 0);
    }
}

static void reads_integers(void **state) {
    int64_t i = 0;
    OWN(json_close)
    struct json_doc *doc = parsed(B("[0,-0,9223372036854775807,-9223372036854775808,1795460246]"));
    static const int64_t values[] = {0, 0, INT64_MAX, INT64_MIN, 1795460246};
    for (size_t k = 0; k < COUNT(values); k++) {
        assert_null(json_i64(json_at(json_root(doc), k), &i));
        assert_true(i == values[k]);
    }
    OWN(json_close)
    struct json_doc *bad =
        parsed(B("[9223372036854775808,-9223372036854775809,1.0,1e3,\"1\",true,null,[],{}]"));
    for (size_t k = 0; k < json_size(json_root(bad)); k++)
        assert_true(failed_as(json_i64(json_at(json_root(bad), k), &i), FAIL_INVALID));
}

static void unescapes_strings(void **state) {
    OWN(json_close)
    struct json_doc *doc = parsed(
        B("[\"a\\u0000b\",\"\\\"\\\\\\/\\b\\f\\n\\r\\t\",\"\\u00e4\\u20AC\\ud83d\\ude00\",\"\"]"));
    json root = json_root(doc);
    assert_true(bytes_equal(json_string(json_at(root, 0)), B("a\0b")));
    assert_true(bytes_equal(json_string(json_at(root, 1)), B("\"\\/\b\f\n\r\t")));
    assert_true(
        bytes_equal(json_string(json_at(root, 2)), B("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")));
    assert_int_equal(json_string(json_at(root, 3)).n, 0);
    assert_int_equal(json_type(json_at(root, 3)), JSON_STRING);
}

static void finds_the_first_of_equal_keys(void **state) {
    OWN(json_close)
    struct json_doc *doc =
        parsed(B("{\"id\":1,\"a\\u0000\":4,\"\":5,\"x\":{\"id\":9},\"i\\u0064\":2,\"id\":3}"));
    json root = json_root(doc);
    assert_true(json_equals_text(json_get(root, "id"), B("1")));
    assert_true(json_has_twice(root, "id"));
    assert_false(json_has_twice(root, "x"));
    assert_false(json_has_twice(root, "nothing"));
    assert_true(json_equals_text(json_getb(root, B("a\0")), B("4")));
    assert_null(json_get(root, "a").val);
    assert_true(json_equals_text(json_get(root, ""), B("5")));
    assert_int_equal(json_size(root), 6);
}

static void follows_paths(void **state) {
    OWN(json_close)
    struct json_doc *doc =
        parsed(B("{\"data\":{\"items\":[{\"price\":{\"id\":\"p0\"}},{\"price\":null}],\"\":7}}"));
    json root = json_root(doc);
    assert_true(json_equals_text(json_path(root, B("data.items.0.price.id")), B("p0")));
    assert_int_equal(json_type(json_path(root, B("data.items.1.price"))), JSON_NULL);
    assert_ptr_equal(json_path(root, NO_BYTES).val, root.val);
    static const char *const absent[] = {
        "data.items.2", "data.items.x", "data.items.-1", "data.items.1.price.id",
        "nothing",      "data..items",  ".data",         "data.items.99999999999999999999",
    };
    for (size_t i = 0; i < COUNT(absent); i++)
        assert_null(json_path(root, bytes_of(absent[i])).val);
}

static void walks_in_order(void **state) {
    OWN(json_close)
    struct json_doc *doc =
        parsed(B("{\"z\":[1,[2,3],{}],\"a\":{\"b\":{\"c\":[]}},\"m\":{},\"n\":[],\"y\":\"s\"}"));
    OWN(text_drop)
    struct text seen = {0};
    size_t at = 0;
    bytes key;
    json value;
    while (json_member(json_root(doc), &at, &key, &value)) {
        text_add(&seen, key);
        text_addc(&seen, '=');
        json_write(value, &seen);
        text_addc(&seen, ' ');
    }
    assert_string_equal(text_str(&seen), "z=[1,[2,3],{}] a={\"b\":{\"c\":[]}} m={} n=[] y=\"s\" ");
    assert_false(json_member(json_root(doc), &at, &key, &value));
    at = 0;
    assert_false(json_member(json_get(json_root(doc), "m"), &at, &key, &value));
    at = 0;
    assert_false(json_element(json_get(json_root(doc), "n"), &at, &value));
    size_t n = 0;
    for (at = 0; json_element(json_get(json_root(doc), "z"), &at, &value); n++)
        assert_ptr_equal(value.val, json_at(json_get(json_root(doc), "z"), n).val);
    assert_int_equal(n, 3);
}

static void compares_with_text(void **state) {
    OWN(json_close)
    struct json_doc *doc = parsed(B("[\"true\",true,false,null,12,\"\",[],{}]"));
    static const char *const texts[] = {"true", "true", "false", "null", "12", ""};
    json root = json_root(doc);
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_true(json_equals_text(json_at(root, i), bytes_of(texts[i])));
        assert_false(json_equals_text(json_at(root, i), B("other")));
    }
    assert_false(json_equals_text(json_at(root, 4), B("12.0")));
    assert_false(json_equals_text(json_at(root, 6), NO_BYTES));
    assert_false(json_equals_text(json_at(root, 7), NO_BYTES));
}

static void writes_compact_json(void **state) {
    OWN(json_close)
    struct json_doc *doc = parsed(B(
        " { \"a\\n\" : [ 1.50 , -0 , \"\\u0000\\u00e4\\/\" , null ] , \"b\" : { } , \"b\" : [ ] , "
        "\"t\" : true , \"f\" : false } "));
    OWN(text_drop)
    struct text t = {0};
    json_write(json_root(doc), &t);
    assert_string_equal(text_str(&t),
                        "{\"a\\n\":[1.50,-0,\"\\u0000\xc3\xa4/\",null],\"b\":{},\"b\":[],"
                        "\"t\":true,\"f\":false}");
    OWN(text_drop)
    struct text small = {.max = 20};
    json_write(json_root(doc), &small);
    assert_true(small.failed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_types),
        cmocka_unit_test(keeps_a_copy_of_the_input),
        cmocka_unit_test(accepts_that_things_are_absent),
        cmocka_unit_test(refuses_what_is_not_json),
        cmocka_unit_test(refuses_every_cut_of_a_document),
        cmocka_unit_test(limits_depth),
        cmocka_unit_test(keeps_numbers_as_written),
        cmocka_unit_test(reads_integers),
        cmocka_unit_test(unescapes_strings),
        cmocka_unit_test(finds_the_first_of_equal_keys),
        cmocka_unit_test(follows_paths),
        cmocka_unit_test(walks_in_order),
        cmocka_unit_test(compares_with_text),
        cmocka_unit_test(writes_compact_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
