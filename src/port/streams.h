// SPDX-License-Identifier: MIT
// The standard input and output of a process that runs code of others beside its own: taken away,
// so that what it prints or reads does not mix with what we say and hear there.
#ifndef PORT_STREAMS_H
#define PORT_STREAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct streams {
    int in, out;
    int64_t pid;
};

// From then on standard input is empty, what is written to standard output goes to standard error,
// and only we have what they were: programs that the process executes do not. `name` is the
// process's (ps, top), at most 15 bytes. SYSTEM: there are no descriptors, or no /dev/null.
must result streams_take(struct streams *s, const char *name);
// Waits for something; 0: it has ended, or cannot be read.
size_t streams_read(const struct streams *s, void *buffer, size_t max);
// Waits until all is written; false: nobody reads.
bool streams_write(const struct streams *s, bytes b);
// Ends the process unless it is the one that took the streams. A process that was forked off and
// came back has no say there: two that read and answer would take the other's words.
void streams_end_forked(const struct streams *s);

#endif
