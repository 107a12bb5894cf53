// SPDX-License-Identifier: MIT
#include "port/streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#define FIRST_OURS 3 // behind the standard streams

result streams_take(struct streams *s, const char *name) {
    prctl(PR_SET_NAME, name);
    s->pid = getpid();
    s->in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, FIRST_OURS);
    s->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, FIRST_OURS);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    NEED(s->in >= 0 && s->out >= 0 && null >= 0, SYSTEM, "the system gives no further descriptor");
    NEED(dup2(null, STDIN_FILENO) >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0, SYSTEM,
         "the standard streams cannot be exchanged");
    close(null);
    return OK;
}

size_t streams_read(const struct streams *s, void *buffer, size_t max) {
    ssize_t n;
    do
        n = read(s->in, buffer, max);
    while (n < 0 && errno == EINTR);
    return n > 0 ? (size_t)n : 0;
}

bool streams_write(const struct streams *s, bytes b) {
    while (b.n > 0) {
        ssize_t n = write(s->out, b.p, b.n);
        if (n < 0 && errno != EINTR)
            return false;
        b = bytes_slice(b, n > 0 ? (size_t)n : 0, b.n);
    }
    return true;
}

void streams_end_forked(const struct streams *s) {
    if (getpid() != s->pid)
        _exit(0);
}
