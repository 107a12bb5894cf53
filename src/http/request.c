// SPDX-License-Identifier: MIT
#include "http/request.h"

#include <string.h>

bool http_header_get(const struct http_request *r, const char *name, bytes *value, bool *twice) {
    bytes wanted = bytes_of(name);
    size_t found = 0;
    *value = NO_BYTES;
    for (size_t i = 0; i < r->header_count; i++)
        if (bytes_equal_nocase(r->headers[i].name, wanted)) {
            *value = r->headers[i].value;
            found++;
        }
    if (found != 1)
        *value = NO_BYTES;
    if (twice != NULL)
        *twice = found > 1;
    return found == 1;
}

static bool host_of(bytes b, const char *beside) {
    for (size_t i = 0; i < b.n; i++) {
        uint8_t c = b.p[i], low = c | 0x20;
        bool digit = c >= '0' && c <= '9';
        if (!digit && !(low >= 'a' && low <= 'z') && (c == '\0' || strchr(beside, c) == NULL))
            return false;
    }
    return b.n > 0 && b.n <= 255;
}

bool http_host_formed(bytes host) {
    bytes name = host, port = NO_BYTES;
    bool bracket = bytes_starts(host, B("["));
    size_t end = bracket ? bytes_find(host, ']') : bytes_find(host, ':');
    size_t behind = bracket && end < host.n ? end + 1 : end;
    name = bytes_slice(host, bracket ? 1 : 0, end);
    port = bytes_slice(host, behind, host.n);
    uint64_t n = 0;
    if (port.n > 0 && (port.p[0] != ':' || port.n > 6 ||
                       bytes_to_u64(bytes_slice(port, 1, port.n), &n) != OK || n > UINT16_MAX))
        return false;
    return (!bracket || end < host.n) && host_of(name, bracket ? ":." : ".-_");
}
