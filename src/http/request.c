// SPDX-License-Identifier: MIT
#include "http/request.h"

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
