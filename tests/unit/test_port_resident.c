// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "port/resident.h"

// In KiB, of pages that files back.
static unsigned long resident_of_files(void) {
    char line[256];
    unsigned long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "RssFile: %lu", &kib) == 1)
            break;
    fclose(f);
    return kib;
}

static int relocated(void) { return 42; }
static int (*const volatile table[])(void) = {relocated};

static void starting_is_given_back_and_nothing_is_lost(void **state) {
    unsigned long before = resident_of_files();
    for (int i = 0; i < 3; i++)
        resident_trim();
    assert_true(resident_of_files() < before);
    assert_int_equal(table[0](), 42);
    assert_string_equal(strerror(0), "Success");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_is_given_back_and_nothing_is_lost),
    };
    return cmocka_run_group_tests_name("port resident", tests, NULL, NULL);
}
