// SPDX-License-Identifier: MIT
// One program run to its end while the caller waits, in a keeper's hands as every other
// (port/process.h).
#ifndef PORT_ONCE_H
#define PORT_ONCE_H

#include "port/process.h"

// Runs it, with nothing on its standard input. `out` gets what it wrote on standard output and
// `err` on standard error, each up to its own max and then no more. `why` gets how it ended, for
// people, unless that was with 0: SYSTEM then, TIMEOUT where it was killed after timeout_ms.
must result process_once(const struct process_spec *spec, int64_t timeout_ms, struct text *out,
                         struct text *err, struct text *why);

#endif
