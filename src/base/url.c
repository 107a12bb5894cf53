// SPDX-License-Identifier: MIT
#include "base/url.h"

static const char *port_fault(bytes port) {
    uint64_t n;
    return bytes_to_u64(port, &n) != OK || n == 0 || n > 65535
               ? "its port is none; expected 1 to 65535"
               : NULL;
}

// HOST, HOST:PORT, [IPv6], [IPv6]:PORT
static const char *authority_fault(bytes a) {
    if (bytes_find(a, '@') < a.n)
        return "it has a name or password in front of its host; a destination knows us by its "
               "secret, remove them";
    size_t end = bytes_find(a, ':');
    if (bytes_starts(a, B("["))) {
        end = bytes_find(a, ']') + 1;
        if (end > a.n || end < 4)
            return "its host is no [IPv6 address]";
    }
    bytes host = bytes_slice(a, 0, end), port = bytes_slice(a, end, a.n);
    if (host.n == 0)
        return "it has no host";
    for (size_t i = 0; i < host.n; i++) {
        uint8_t c = host.p[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '-' || c == '_';
        if (!fits && !(host.p[0] == '[' && (c == ':' || c == '[' || c == ']' || c == '%')))
            return "its host has a character that no host has";
    }
    if (port.n == 0)
        return NULL;
    return port.p[0] == ':' ? port_fault(bytes_slice(port, 1, port.n)) : "its port is none";
}

static bytes authority(bytes url) {
    size_t at = bytes_starts(url, B("http://")) ? 7 : bytes_starts(url, B("https://")) ? 8 : 0;
    bytes rest = bytes_slice(url, at, url.n);
    size_t end = bytes_find(rest, '/'), query = bytes_find(rest, '?');
    return at == 0 ? NO_BYTES : bytes_slice(rest, 0, query < end ? query : end);
}

const char *url_fault(bytes url) {
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] >= 0x7f || url.p[i] == '#')
            return "it has a space, a # or a character that is not ASCII";
    if (!bytes_starts(url, B("http://")) && !bytes_starts(url, B("https://")))
        return "it starts with neither http:// nor https://";
    return authority_fault(authority(url));
}
