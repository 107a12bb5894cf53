// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/states.h"

enum phase { IDLE, OPEN, SHUT };

static const struct state_row rows[] = {
    [IDLE] = {"idle", STATE_BIT(OPEN) | STATE_BIT(SHUT)},
    [OPEN] = {"open", STATE_BIT(OPEN) | STATE_BIT(SHUT)},
    [SHUT] = {"shut", 0},
};

static const struct states phases = STATES("phase", rows);

static void moves_as_the_table_says(void **state) {
    enum phase p = IDLE;
    assert_true(states_may(&phases, IDLE, OPEN));
    assert_false(states_may(&phases, IDLE, IDLE));
    assert_true(states_may(&phases, OPEN, OPEN));
    assert_false(states_may(&phases, OPEN, IDLE));
    assert_false(states_may(&phases, SHUT, OPEN));
    assert_false(states_may(&phases, IDLE, 3));
    assert_false(states_may(&phases, 77, OPEN));
    states_move(&phases, &p, OPEN);
    assert_int_equal(p, OPEN);
    states_move(&phases, &p, SHUT);
    assert_int_equal(p, SHUT);
    assert_true(states_final(&phases, SHUT));
    assert_false(states_final(&phases, OPEN));
    assert_string_equal(states_name(&phases, OPEN), "open");
    assert_string_equal(states_name(&phases, 3), "unknown");
}

// In a child: what it wrote to standard error, and that it aborted.
static void aborts_on_another_move(void **state) {
    int ends[2], status;
    char said[512];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        enum phase p = SHUT;
        states_move(&phases, &p, OPEN);
        _exit(0);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(ends[0], said + n, sizeof(said) - n)) > 0;)
        n += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    bytes b = bytes_from(said, n);
    assert_true(bytes_search(b, B("phase goes from shut to open")) < n);
    assert_true(bytes_search(b, B("test_base_states.c")) < n);
    assert_true(bytes_search(b, B("aborts_on_another_move")) < n);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_as_the_table_says),
        cmocka_unit_test(aborts_on_another_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
