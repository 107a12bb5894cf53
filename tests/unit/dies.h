// SPDX-License-Identifier: MIT
// What must end the process is tried in a child.
#ifndef TESTS_UNIT_DIES_H
#define TESTS_UNIT_DIES_H

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"

// It aborts, and what it wrote to standard error has these words.
static inline void assert_dies(void (*run)(void), const char *words) {
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
        run();
        _exit(0);
    }
    close(ends[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(ends[0], said + n, sizeof said - n)) > 0;)
        n += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    if (bytes_search(bytes_from(said, n), bytes_of(words)) == n)
        fail_msg("it did not say \"%s\" but \"%.*s\"", words, (int)n, said);
}

#endif
