// SPDX-License-Identifier: MIT
#include "config_fixture.h"

#include "config/keys.h"
#include "port/files.h"

static void load(const char *path, struct text *out) {
    const char *root = getenv("PROJECT_SOURCE");
    if (root == NULL)
        skip();
    OWN(text_drop)
    struct text full = {0};
    text_addf(&full, "%s/%s", root, path);
    if (file_load(text_str(&full), 1 << 20, out) != OK)
        fail_msg("%s cannot be read", text_str(&full));
}

static void rows_are_whole(void **state) {
    for (int i = 0; i < KEYS; i++) {
        const struct key_row *row = &keys[i];
        bool number = row->type == KEY_INTEGER || row->type == KEY_SPAN || row->type == KEY_SIZE ||
                      row->type == KEY_DURATION || row->type == KEY_DURATIONS;
        assert_true(strlen(row->meaning) > 10);
        assert_int_equal(row->meaning[strlen(row->meaning) - 1], '.');
        assert_int_equal(number, row->allowed != NULL && strstr(row->allowed, "..") != NULL);
        assert_int_equal(row->type == KEY_CHOICE, row->allowed != NULL && !number);
        // Its map stands before it.
        size_t parents = key_inside(row, NULL);
        for (int k = 0; k < i; k++)
            parents +=
                (keys[k].type == KEY_MAP || keys[k].type == KEY_MAPS) && key_inside(row, &keys[k]);
        assert_int_equal(parents, 1);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(row->path, keys[k].path);
    }
}

static void keys_are_found_in_their_map_alone(void **state) {
    assert_ptr_equal(key_find(NULL, B("listen")), &keys[KEY_LISTEN]);
    assert_ptr_equal(key_find(&keys[KEY_DESK], B("listen")), &keys[KEY_DESK_LISTEN]);
    assert_ptr_equal(key_find(&keys[KEY_SOURCE_SECRETS], B("key")), &keys[KEY_SECRET_KEY]);
    assert_ptr_equal(key_find(&keys[KEY_TLS], B("key")), &keys[KEY_TLS_KEY]);
    assert_null(key_find(NULL, B("path")));
    assert_null(key_find(&keys[KEY_SOURCES], B("key")));
    assert_null(key_find(&keys[KEY_SOURCES], B("")));
    assert_null(key_find(NULL, B("desk.listen")));
    bytes nearest = key_nearest(&keys[KEY_DESTINATIONS], B("concurency"));
    assert_true(bytes_equal(nearest, B("concurrency")));
    assert_int_equal(key_nearest(&keys[KEY_DESTINATIONS], B("zebra_crossing")).n, 0);
}

static void the_description_has_every_key(void **state) {
    OWN(text_drop)
    struct text t = {0};
    config_describe(&t);
    for (int i = 0; i < KEYS; i++) {
        OWN(text_drop)
        struct text line = {0};
        text_addf(&line, "%s: ", keys[i].path);
        assert_non_null(strstr(text_str(&t), text_str(&line)));
        assert_non_null(strstr(text_str(&t), keys[i].meaning));
    }
    assert_non_null(strstr(text_str(&t), "destinations[].timeout: a duration (200ms, 5s, 5m, 2h, "
                                         "90d) from 1s to 5m; default 30s\n    An attempt"));
    assert_non_null(strstr(text_str(&t), "sources[].path: a text; required\n"));
}

static void the_example_is_accepted_without_a_warning(void **state) {
    OWN(text_drop)
    struct text yaml = {0};
    OWN(text_drop)
    struct text errors = {0};
    OWN(text_drop)
    struct text warnings = {0};
    OWN(fixture_drop)
    struct config *c = NULL;
    load("examples/hookkeep.yaml", &yaml);
    if (config_read(text_bytes(&yaml), "examples/hookkeep.yaml", &fixture_outside, &c, &errors,
                    &warnings) != OK)
        fail_msg("%s", text_str(&errors));
    assert_string_equal(text_str(&warnings), "");
    assert_true(c->destination_count > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_whole),
        cmocka_unit_test(keys_are_found_in_their_map_alone),
        cmocka_unit_test(the_description_has_every_key),
        cmocka_unit_test(the_example_is_accepted_without_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
