// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/result.h"

static int dropped;

static void drop(const int *p) { dropped += *p; }

static must result needs_positive(int v) {
    NEED(v > 0, INVALID, "the number is not positive");
    return OK;
}

static must result passes_on(int v) {
    OWN(drop)
    int owned = 1;
    TRY(needs_positive(v));
    owned = 10;
    FAIL(FULL, "always");
}

static void carries_its_place(void **state) {
    assert_null(needs_positive(1));
    result r = needs_positive(0);
    assert_true(failed_as(r, FAIL_INVALID));
    assert_false(failed_as(r, FAIL_FULL));
    assert_false(failed_as(OK, FAIL_INVALID));
    assert_string_equal(r->text, "the number is not positive");
    assert_string_equal(r->func, "needs_positive");
    assert_true(r->line > 0 && strstr(r->file, "test_base_result.c") != NULL);
    assert_ptr_equal(needs_positive(-1), r);
}

static void drops_what_it_owns_on_every_way_out(void **state) {
    dropped = 0;
    assert_true(failed_as(passes_on(0), FAIL_INVALID));
    assert_int_equal(dropped, 1);
    assert_true(failed_as(passes_on(1), FAIL_FULL));
    assert_int_equal(dropped, 11);
}

static void names_codes(void **state) {
    assert_string_equal(fail_name(FAIL_FULL), "full");
    assert_string_equal(fail_name(FAIL_SYSTEM), "system");
    assert_string_equal(fail_name(FAIL_CODES), "unknown");
    for (enum fail_code a = 0; a < FAIL_CODES; a++)
        for (enum fail_code b = 0; b < a; b++)
            assert_string_not_equal(fail_name(a), fail_name(b));
}

static void gives_zeroed_memory(void **state) {
    unsigned char *p = memory_new(1000, 3);
    for (size_t i = 0; i < 3000; i++)
        assert_int_equal(p[i], 0);
    memset(p, 1, 3000);
    p = memory_grow(p, 2000, 3);
    assert_int_equal(p[2999], 1);
    memory_wipe(p, 2999);
    assert_int_equal(p[2998], 0);
    assert_int_equal(p[2999], 1);
    free(p);
    free(memory_new(0, 8));
    memory_wipe(NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_its_place),
        cmocka_unit_test(drops_what_it_owns_on_every_way_out),
        cmocka_unit_test(names_codes),
        cmocka_unit_test(gives_zeroed_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
