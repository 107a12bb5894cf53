// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/random.h"

static void begins_empty(void **state) {
    struct map m = {0};
    size_t at = 0;
    bytes key;
    void *value;
    assert_null(map_get(&m, B("a")));
    assert_null(map_remove(&m, B("a")));
    assert_false(map_next(&m, &at, &key, &value));
    map_drop(&m);
    map_drop(&m);
}

static void keeps_keys_of_its_own(void **state) {
    struct map m = {.seed = 3};
    int a, b;
    char name[] = "key";
    assert_null(map_put(&m, bytes_of(name), &a));
    name[0] = 'x';
    assert_ptr_equal(map_get(&m, B("key")), &a);
    assert_null(map_get(&m, B("xey")));
    assert_ptr_equal(map_put(&m, B("key"), &b), &a);
    assert_int_equal(m.n, 1);
    assert_null(map_put(&m, NO_BYTES, &a));
    assert_null(map_put(&m, B("k\0y"), &a));
    assert_null(map_put(&m, B("k\0z"), &b));
    assert_ptr_equal(map_get(&m, B("")), &a);
    assert_ptr_equal(map_get(&m, B("k\0y")), &a);
    assert_ptr_equal(map_remove(&m, B("key")), &b);
    assert_null(map_get(&m, B("key")));
    assert_int_equal(m.n, 3);
    map_drop(&m);
    assert_int_equal(m.seed, 3);
    assert_null(map_get(&m, B("")));
    assert_null(map_put(&m, B("again"), &a));
    map_drop(&m);
}

#define NAMES 600

// What the map must hold: the value of each name, null if none.
static int values[NAMES][2];
static void *model[NAMES];

static size_t name_of(size_t i, char *out, size_t size) {
    // Names of all lengths up to two words and a bit, for the hash reads by words.
    return (size_t)snprintf(out, size, "%.*s%zu", (int)(i % 19), "aaaaaaaaaaaaaaaaaaaaa", i);
}

static void check_all(const struct map *m) {
    size_t n = 0, walked = 0, at = 0;
    char name[40];
    bytes key;
    void *value;
    for (size_t i = 0; i < NAMES; i++) {
        size_t length = name_of(i, name, sizeof(name));
        assert_ptr_equal(map_get(m, bytes_from(name, length)), model[i]);
        n += model[i] != NULL;
    }
    assert_int_equal(m->n, n);
    while (map_next(m, &at, &key, &value)) {
        assert_ptr_equal(map_get(m, key), value);
        walked++;
    }
    assert_int_equal(walked, n);
}

static void agrees_with_a_model(void **state) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct map m = {.seed = seed};
        uint64_t random = seed;
        memset(model, 0, sizeof(model));
        for (int step = 0; step < 10000; step++) {
            char name[40];
            size_t i = (size_t)random_below(&random, NAMES);
            bytes key = bytes_from(name, name_of(i, name, sizeof(name)));
            // Phases of growing and of shrinking.
            bool put = random_below(&random, 10) < (step / 2000 % 2 == 0 ? 7u : 3u);
            void *value = put ? &values[i][step % 2] : NULL;
            void *before = put ? map_put(&m, key, value) : map_remove(&m, key);
            assert_ptr_equal(before, model[i]);
            model[i] = value;
            if (step % 500 == 0)
                check_all(&m);
        }
        check_all(&m);
        map_drop(&m);
    }
}

static void spreads_keys(void **state) {
    // Keys that differ in one place only must not fill one long run of slots: it would take
    // minutes.
    struct map m = {0};
    static int value;
    uint8_t key[24] = {0};
    for (uint32_t i = 0; i < 100000; i++) {
        memcpy(key + 12, &i, sizeof(i));
        assert_null(map_put(&m, bytes_from(key, sizeof(key)), &value));
    }
    assert_int_equal(m.n, 100000);
    map_drop(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_empty),
        cmocka_unit_test(keeps_keys_of_its_own),
        cmocka_unit_test(agrees_with_a_model),
        cmocka_unit_test(spreads_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
