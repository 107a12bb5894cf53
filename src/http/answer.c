// SPDX-License-Identifier: MIT
#include "http/answer.h"

#include <string.h>

#include "base/ensure.h"
#include "http/session.h"

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *http_reason(int status) {
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Unknown";
}

size_t answer_head_room(const struct answer_head *a) {
    size_t n = 192 + a->type.n; // the fixed lines, a reason and a length
    for (size_t i = 0; i < a->header_count; i++)
        n += strlen(a->headers[i]) + 2;
    return n;
}

static char *put(char *to, const char *s) {
    size_t n = strlen(s);
    memcpy(to, s, n);
    return to + n;
}

static char *put_number(char *to, size_t v, size_t base) {
    char digits[20];
    size_t n = 0;
    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v > 0);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}

size_t answer_head_write(const struct answer_head *a, char *out) {
    ensure(a->status >= 100 && a->status <= 999);
    char *to = put(out, "HTTP/1.1 ");
    to = put_number(to, (size_t)a->status, 10);
    *to++ = ' ';
    to = put(to, http_reason(a->status));
    to = put(to, "\r\n");
    if (a->type.n > 0) {
        to = put(to, "Content-Type: ");
        memcpy(to, a->type.p, a->type.n);
        to = put(to + a->type.n, "\r\n");
    }
    for (size_t i = 0; i < a->header_count; i++)
        to = put(put(to, a->headers[i]), "\r\n");
    if (a->framing == ANSWER_SIZED)
        to = put(put_number(put(to, "Content-Length: "), a->body_n, 10), "\r\n");
    else if (a->framing == ANSWER_CHUNKED)
        to = put(to, "Transfer-Encoding: chunked\r\n");
    if (a->close)
        to = put(to, "Connection: close\r\n");
    else if (a->keep_alive)
        to = put(to, "Connection: keep-alive\r\n");
    to = put(to, "\r\n");
    return (size_t)(to - out);
}

size_t answer_chunk_write(size_t n, char *out) {
    return (size_t)(put(put_number(out, n, 16), "\r\n") - out);
}
