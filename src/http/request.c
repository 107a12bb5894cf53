// SPDX-License-Identifier: MIT
#include "http/request.h"

#include "base/text.h"

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

static int hex_digit(uint8_t c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void http_decode(bytes in, bool form, struct text *out) {
    for (size_t i = 0; i < in.n; i++) {
        uint8_t c = in.p[i];
        int high = c == '%' && i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1;
        int low = high >= 0 ? hex_digit(in.p[i + 2]) : -1;
        if (low >= 0) {
            text_addc(out, (char)(high << 4 | low));
            i += 2;
        } else {
            text_addc(out, form && c == '+' ? ' ' : (char)c);
        }
    }
}

bool http_query_get(const struct http_request *r, const char *name, struct text *out) {
    bytes rest = r->query, wanted = bytes_of(name);
    while (rest.n > 0) {
        bytes value = bytes_cut(&rest, '&');
        bytes key = bytes_cut(&value, '=');
        text_reset(out);
        http_decode(key, true, out);
        if (!bytes_equal(text_bytes(out), wanted))
            continue;
        text_reset(out);
        http_decode(value, true, out);
        return true;
    }
    text_reset(out);
    return false;
}
