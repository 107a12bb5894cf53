// SPDX-License-Identifier: MIT
// The head of one HTTP/1.1 request (RFC 9112) as the session hands it to a handler.
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

#define HTTP_HEADERS_MAX 100

struct http_header {
    bytes name, value; // the value without surrounding space
};

struct http_request {
    bytes method;
    bytes target; // as sent
    bytes path;   // of it, before '?', not decoded; "/" if an absolute URL has none
    bytes query;  // behind '?', not decoded
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t header_count;
    bool old;        // HTTP/1.0
    bool has_length; // a Content-Length was given (never together with chunked: refused)
    uint64_t length;
};

// The value of the only header of this name (case-insensitive). Absent: NO_BYTES and false. More
// than one: false, and *twice is set (may be null).
bool http_header_get(const struct http_request *r, const char *name, bytes *value, bool *twice);

// Is it a Host by its form (RFC 9110 §7.2): letters, digits, dots, hyphens and underscores, or an
// IPv6 address in brackets, and a port or none; at most 255 bytes before it?
bool http_host_formed(bytes host);

#endif
