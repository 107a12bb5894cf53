// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

// While a child that was forked has not executed yet, what we changed is shared with it.
static void what_is_shared_with_a_child_is_not_lost(void **state) {
    int (*const before)(void) = table[0];
    int held[2];
    assert_int_equal(pipe(held), 0);
    pid_t child = fork();
    if (child == 0) {
        char c;
        close(held[1]);
        _exit(read(held[0], &c, 1) == 0 ? 0 : 1);
    }
    assert_true(child > 0);
    resident_trim();
    close(held[1]);
    close(held[0]);
    assert_ptr_equal(table[0], before);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starting_is_given_back_and_nothing_is_lost),
        cmocka_unit_test(what_is_shared_with_a_child_is_not_lost),
    };
    return cmocka_run_group_tests_name("port resident", tests, NULL, NULL);
}
