// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/json_draft.h"
#include "base/text.h"

// What `in` becomes when `value` is put at `path`; "INVALID@n" if it is refused at byte n.
static const char *set(const char *in, const char *path, const char *value) {
    static struct text out;
    OWN(json_draft_close)
    struct json_draft *draft = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL, *v = NULL;
    size_t at = 0;
    text_reset(&out);
    assert_true(json_draft_open(bytes_of(in), &draft) == OK);
    assert_true(json_parse(bytes_of(value), &v) == OK);
    result done = json_draft_set(draft, bytes_of(path), json_root(v), &at);
    json_close(&v);
    if (done != OK) {
        assert_true(failed_as(done, FAIL_INVALID));
        text_addf(&out, "INVALID@%zu", at);
    } else {
        assert_true(json_draft_finish(draft, &doc) == OK);
        json_write(json_root(doc), &out);
    }
    return text_str(&out);
}

static void test_set(void **state) {
    assert_string_equal(set("{\"a\":1,\"b\":2}", "a", "3"), "{\"a\":3,\"b\":2}");
    assert_string_equal(set("{\"a\":1}", "b", "[1.50,1e2]"), "{\"a\":1,\"b\":[1.50,1e2]}");
    assert_string_equal(set("{}", "a.b.c", "\"x\""), "{\"a\":{\"b\":{\"c\":\"x\"}}}");
    assert_string_equal(set("{\"a\":null}", "a.b", "{}"), "{\"a\":{\"b\":{}}}");
    assert_string_equal(set("{\"a\":[1,{\"b\":2}]}", "a.1.b", "null"), "{\"a\":[1,{\"b\":null}]}");
    assert_string_equal(set("{\"a\":[1,2]}", "a.0", "7"), "{\"a\":[7,2]}");
    assert_string_equal(set("{\"a\":[1,2]}", "a.2", "3"), "{\"a\":[1,2,3]}");
    assert_string_equal(set("{\"a\":[]}", "a.0.b", "3"), "{\"a\":[{\"b\":3}]}");
    assert_string_equal(set("[12345678901234567890123.0]", "1", "true"),
                        "[12345678901234567890123.0,true]");
}

static void test_refused(void **state) {
    assert_string_equal(set("{\"a\":1}", "a.b", "2"), "INVALID@2");
    assert_string_equal(set("{\"a\":\"x\"}", "a.b.c", "2"), "INVALID@2");
    assert_string_equal(set("{\"a\":[1]}", "a.2", "2"), "INVALID@2");
    assert_string_equal(set("{\"a\":[1]}", "a.x", "2"), "INVALID@2");
    assert_string_equal(set("{}", "", "2"), "INVALID@0");
    assert_string_equal(set("{}", "a..b", "2"), "INVALID@2");
    assert_string_equal(set("{}", "a.", "2"), "INVALID@2");
    assert_string_equal(set("{}", ".a", "2"), "INVALID@0");
    assert_string_equal(set("3", "a", "2"), "INVALID@0");
}

static void test_too_deep(void **state) {
    OWN(json_draft_close)
    struct json_draft *draft = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL, *v = NULL;
    OWN(text_drop)
    struct text path = {0};
    size_t at;
    for (int i = 0; i < JSON_DEPTH_MAX + 1; i++)
        text_adds(&path, i > 0 ? ".a" : "a");
    assert_true(json_draft_open(B("{}"), &draft) == OK);
    assert_true(json_parse(B("{}"), &v) == OK);
    assert_true(json_draft_set(draft, text_bytes(&path), json_root(v), &at) == OK);
    json_close(&v);
    assert_true(failed_as(json_draft_finish(draft, &doc), FAIL_INVALID));
    assert_null(doc);
}

static void test_open(void **state) {
    struct json_draft *draft = NULL;
    assert_true(failed_as(json_draft_open(B("{"), &draft), FAIL_INVALID));
    assert_null(draft);
    json_draft_close(&draft);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_deep),
        cmocka_unit_test(test_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
