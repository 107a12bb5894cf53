// SPDX-License-Identifier: MIT
// The head of an answer as text.
#ifndef HTTP_ANSWER_H
#define HTTP_ANSWER_H

#include "base/bytes.h"

enum answer_framing {
    ANSWER_SIZED,   // Content-Length: body_n
    ANSWER_CHUNKED, // Transfer-Encoding: chunked
    ANSWER_BARE,    // neither: no body is allowed, or it runs until the close
};

struct answer_head {
    int status;
    bytes type; // may be empty
    const char *const *headers;
    size_t header_count;
    enum answer_framing framing;
    size_t body_n;
    bool close;      // Connection: close
    bool keep_alive; // Connection: keep-alive, which HTTP/1.0 wants to hear
};

// Bytes that answer_head_write takes at most.
size_t answer_head_room(const struct answer_head *a);
// Returns the bytes written.
size_t answer_head_write(const struct answer_head *a, char *out);
// "<hex size>\r\n" in front of a chunk of n bytes; `out` has room for 20.
size_t answer_chunk_write(size_t n, char *out);

#endif
