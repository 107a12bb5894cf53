// SPDX-License-Identifier: MIT
// A connection to a server for a thread that may wait: TCP, TLS or a Unix socket. Each call says
// how long, and ends within 0.2 s of `stop`. Looking a name up alone takes as long as the system's
// resolver does.
#ifndef PORT_DIAL_H
#define PORT_DIAL_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/text.h"

struct dial;

struct dial_options {
    const char *host; // name or address; null: `path` is a Unix socket's
    const char *path;
    uint16_t port;
    bool tls;                // the server's certificate is checked, and that it is the host's
    const char *ca_file;     // PEM; null: the system's roots
    const atomic_bool *stop; // null: nobody stops it
};

// By `until`, a monotonic µs as all times here. A failure's `why` gets a sentence. Fails as
// TIMEOUT, CLOSED (stop, too), REFUSED (nobody listens, or no right to), ABSENT (no such name),
// INVALID (the certificate), SYSTEM.
must result dial_open(const struct dial_options *o, int64_t until, struct dial **out,
                      struct text *why);
// Writes all of it, and meanwhile appends what comes to `in`, so that two who both write cannot
// wait for each other. TIMEOUT, CLOSED, IO.
must result dial_write(struct dial *d, bytes b, int64_t until, struct text *in);
// Appends to `in` what has come, at least a byte. TIMEOUT, CLOSED, IO.
must result dial_read(struct dial *d, int64_t until, struct text *in);
// Has the other side closed it, or said something that nobody asked for?
bool dial_stale(struct dial *d);
void dial_close(struct dial *d); // null is allowed

#endif
