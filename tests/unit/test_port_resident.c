// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/resident.h"

// In KiB, of pages that files back.
static unsigned long resident_of_files(void) {
    char line[256];
    unsigned long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "RssFile:", 8) == 0)
            kib = strtoul(line + 8, NULL, 10);
    fclose(f);
    return kib;
}

static int relocated(void) { return 42; }
static int (*const volatile table[])(void) = {relocated};

static void starting_is_given_back_and_nothing_is_lost(void **state) {
    unsigned long before = resident_of_files();
    for (int i = 0; i < 3; i++)
        resident_trim();
    assert_in_range(resident_of_files(), 1, before - 1);
    assert_int_equal(table[0](), 42);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_is_given_back_and_nothing_is_lost),
    };
    return cmocka_run_group_tests_name("port resident", tests, NULL, NULL);
}
