// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "desk/desk.h"
#include "port/files.h"

static void test_form(void **state) {
    static const struct {
        const char *key;
        enum key_mode mode; // KEY_MODES: no key
    } rows[] = {
        {"hk_operator_0123456789ABCDEFGHIJKLMNOPQRSTUV", KEY_MODE_OPERATOR},
        {"hk_viewer_0123456789abcdefghijklmnopqrstuv", KEY_MODE_VIEWER},
        {"sk_test_hk0123456789abcdefghijklmnopqrstuv", KEY_MODE_TEST},
        {"sk_live_hk0123456789abcdefghijklmnopqrstuv", KEY_MODE_LIVE},
        {"rk_test_hk0123456789abcdefghijklmnopqrstuv", KEY_MODE_TEST_READ_ONLY},
        {"rk_live_hk0123456789abcdefghijklmnopqrstuv", KEY_MODE_LIVE_READ_ONLY},
        // As Stripe's own are.
        {"sk_test_0123456789abcdefghijklmn", KEY_MODES},
        {"sk_live_510123456789abcdefghijklmnopqrstuv", KEY_MODES},
        {"sk_live_hk0123456789abcdefghijklmnopqrstuvw", KEY_MODES},
        {"pk_live_hk0123456789abcdefghijklmnopqrstuv", KEY_MODES},
        {"hk_viewer_0123456789abcdefghijklmnopqrstu", KEY_MODES},
        {"hk_viewer_0123456789abcdefghijklmnopqrstuvw", KEY_MODES},
        {"hk_viewer_0123456789abcdefghijklmnopqrstu-", KEY_MODES},
        {"hk_other_0123456789abcdefghijklmnopqrstuv", KEY_MODES},
        {"", KEY_MODES},
        {"hk_operator_", KEY_MODES},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum key_mode mode = KEY_MODES;
        bool formed = desk_key_formed(bytes_of(rows[i].key), &mode);
        assert_int_equal(formed, rows[i].mode != KEY_MODES);
        if (formed)
            assert_int_equal(mode, rows[i].mode);
    }
}

static void test_new(void **state) {
    char one[DESK_KEY_MAX], other[DESK_KEY_MAX];
    for (enum key_mode m = KEY_MODE_OPERATOR; m < KEY_MODES; m++) {
        enum key_mode mode = KEY_MODES;
        desk_key_new(&clock_real, m, one);
        desk_key_new(&clock_real, m, other);
        assert_string_not_equal(one, other);
        assert_true(desk_key_formed(bytes_of(one), &mode));
        assert_int_equal(mode, m);
        assert_int_equal(key_mode_find(bytes_of(key_mode_name(m))), m);
    }
    assert_int_equal(key_mode_find(B("tester")), KEY_MODES);
}

static void test_id(void **state) {
    char id[DESK_KEY_ID_MAX], again[DESK_KEY_ID_MAX];
    bytes key = B("hk_operator_0123456789ABCDEFGHIJKLMNOPQRSTUV");
    desk_key_id(key, id);
    desk_key_id(key, again);
    assert_string_equal(id, again);
    assert_int_equal(strlen(id), 16);
    assert_memory_equal(id, "key_", 4);
    desk_key_id(B("hk_operator_0123456789ABCDEFGHIJKLMNOPQRSTUU"), again);
    assert_string_not_equal(id, again);
}

static void test_command(void **state) {
    OWN(text_drop)
    struct text payload = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    char id[DESK_KEY_ID_MAX];
    bytes key = B("hk_viewer_0123456789abcdefghijklmnopqrstuv");
    desk_key_command(key, B("a \"name\""), B("key_x"), &payload);
    assert_null(json_parse(text_bytes(&payload), &doc));
    json root = json_root(doc);
    desk_key_id(key, id);
    assert_true(json_equals_text(json_get(root, "do"), B("key_create")));
    assert_true(json_equals_text(json_get(root, "id"), bytes_of(id)));
    assert_true(json_equals_text(json_get(root, "mode"), B("viewer")));
    assert_true(json_equals_text(json_get(root, "name"), B("a \"name\"")));
    assert_true(json_equals_text(json_get(root, "by"), B("key_x")));
    assert_int_equal(json_string(json_get(root, "hash")).n, 64);
    assert_int_equal(bytes_search(text_bytes(&payload), key), payload.n); // never the key itself
}

static void test_first_key(void **state) {
    char folder[] = "/tmp/hookkeep-key-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/operator.key", folder);
    OWN(text_drop)
    struct text key = {0};
    OWN(text_drop)
    struct text again = {0};
    bool created = false;
    assert_null(desk_first_key(path, &clock_real, &key, &created));
    assert_true(created);
    assert_null(desk_first_key(path, &clock_real, &again, &created));
    assert_false(created);
    assert_string_equal(text_str(&key), text_str(&again));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    static const char *const bad[] = {"", "\n", "secret\n",
                                      "hk_viewer_0123456789abcdefghijklmnopqrstuv\n",
                                      "hk_operator_0123456789ABCDEFGHIJKLMNOPQRSTUV\n\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        unlink(path);
        assert_null(file_save(path, bytes_of(bad[i]), 0600));
        text_reset(&again);
        assert_true(failed_as(desk_first_key(path, &clock_real, &again, &created), FAIL_INVALID));
        assert_int_equal(again.n, 0);
    }
    unlink(path);
    rmdir(folder);
    assert_non_null(desk_first_key(path, &clock_real, &again, &created)); // no such folder
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),    cmocka_unit_test(test_new),       cmocka_unit_test(test_id),
        cmocka_unit_test(test_command), cmocka_unit_test(test_first_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
