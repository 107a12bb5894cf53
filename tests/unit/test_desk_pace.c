// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "desk/pace.h"

#define SECOND_US INT64_C(1000000)

static unsigned takes(struct pace *p, uint8_t who, int64_t now_us, unsigned tries) {
    uint8_t hash[SHA256_SIZE] = {who};
    unsigned n = 0;
    while (tries-- > 0)
        n += pace_take(p, hash, now_us);
    return n;
}

static void so_many_a_second(void **state) {
    struct pace p = {.rate = 10};
    int64_t now = 77 * SECOND_US;
    assert_int_equal(takes(&p, 1, now, 50), 10);
    assert_int_equal(takes(&p, 2, now, 50), 10); // another key's are its own
    assert_int_equal(takes(&p, 1, now + SECOND_US / 2, 50), 5);
    assert_int_equal(takes(&p, 1, now + SECOND_US / 2, 50), 0);
    assert_int_equal(takes(&p, 1, now + 60 * SECOND_US, 50), 10); // no more than a second's
    unsigned all = 0;
    for (int i = 1; i <= 1000; i++)
        all += takes(&p, 3, now + i * SECOND_US / 100, 3);
    assert_in_range(all, 108, 110);
}

static void as_many_as_they_like(void **state) {
    struct pace p = {0};
    assert_int_equal(takes(&p, 1, 5, 100000), 100000);
}

static void the_oldest_is_forgotten(void **state) {
    struct pace p = {.rate = 1};
    for (int i = 0; i < PACE_KEYS; i++)
        assert_int_equal(takes(&p, (uint8_t)i, 1000 + i, 2), 1);
    assert_int_equal(takes(&p, 0, 2000, 1), 0);
    assert_int_equal(takes(&p, PACE_KEYS, 2001, 1), 1); // in the place of 1
    assert_int_equal(takes(&p, 0, 2002, 1), 0);
    assert_int_equal(takes(&p, 1, 2003, 1), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_a_second),
        cmocka_unit_test(as_many_as_they_like),
        cmocka_unit_test(the_oldest_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
