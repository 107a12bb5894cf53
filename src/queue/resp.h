// SPDX-License-Identifier: MIT
// What is said to and by a Redis: RESP2,
// https://redis.io/docs/latest/develop/reference/protocol-spec/ A hundred lines of our own instead
// of hiredis, whose version in Debian 12 knows no TLS and whose sockets could not be interrupted.
// Pure.
#ifndef QUEUE_RESP_H
#define QUEUE_RESP_H

#include "base/text.h"

// Appends a command of so many words.
void resp_write(struct text *out, const bytes *words, size_t n);

enum resp_type { RESP_STATUS, RESP_ERROR, RESP_INTEGER, RESP_BULK, RESP_NULL, RESP_ARRAY };

struct resp {
    enum resp_type type;
    bytes text; // of a status, an error, a bulk, or an array's first element's; into what was read
    int64_t integer;
    size_t count; // of an array, of which nothing else is told
};

#define RESP_LINE_MAX ((size_t)64 << 10)
#define RESP_BULK_MAX ((size_t)1 << 20)

// The reply at the beginning of `b`. *used: its bytes, 0 while more are needed. INVALID: no reply,
// or longer than we ask for; nothing of what follows can be trusted.
must result resp_read(bytes b, struct resp *out, size_t *used);

#endif
