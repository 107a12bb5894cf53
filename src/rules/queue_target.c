// SPDX-License-Identifier: MIT
#include "rules/queue_target.h"

#define REDIS_PORT 6379
#define JOB_ID_MAX 255

static const char *read_number(bytes b, uint64_t most, uint64_t *out, const char *fault) {
    return bytes_to_u64(b, out) == OK && *out <= most ? NULL : fault;
}

static bool plain(bytes b) {
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] <= ' ' || b.p[i] >= 0x7f || b.p[i] == '%')
            return false;
    return b.n > 0;
}

// HOST[:PORT], an IPv6 address in brackets.
static const char *read_host(bytes at, struct redis_place *out) {
    uint64_t port = REDIS_PORT;
    bytes rest = at;
    if (bytes_starts(at, B("["))) {
        size_t end = bytes_find(at, ']');
        if (end == at.n)
            return "an address that begins with [ ends with ]";
        out->host = bytes_slice(at, 1, end);
        rest = bytes_slice(at, end + 1, at.n);
        if (rest.n > 0 && rest.p[0] != ':')
            return "behind ] stands :PORT or nothing";
        rest = rest.n > 0 ? bytes_slice(rest, 1, rest.n) : rest;
    } else {
        out->host = bytes_cut(&rest, ':');
    }
    if (!plain(out->host))
        return "the host is missing or has characters that none has";
    bool given = at.p[at.n - 1] == ':' || rest.n > 0;
    if (given && (bytes_to_u64(rest, &port) != OK || port == 0 || port > UINT16_MAX))
        return "the port is no number from 1 to 65535";
    out->port = (uint16_t)port;
    return NULL;
}

const char *redis_place_read(bytes url, struct redis_place *out) {
    *out = (struct redis_place){0};
    if (bytes_starts(url, B("unix:"))) {
        out->path = bytes_slice(url, 5, url.n);
        return out->path.n > 0 && out->path.n < 100 ? NULL : "a socket's path has 1 to 99 bytes";
    }
    out->tls = bytes_starts(url, B("rediss://"));
    if (!out->tls && !bytes_starts(url, B("redis://")))
        return "expected redis://HOST:PORT, rediss://HOST:PORT or unix:PATH";
    bytes rest = bytes_slice(url, out->tls ? 9 : 8, url.n);
    bytes authority = bytes_cut(&rest, '/');
    if (bytes_find(authority, '@') < authority.n) {
        bytes user = bytes_cut(&authority, '@');
        if (bytes_find(user, ':') < user.n)
            return "a password does not belong here, where lists and logs show it; put it under "
                   "password";
        if (!plain(user))
            return "the user is empty or has characters that must be plain";
        out->user = user;
    }
    const char *fault = authority.n == 0 ? "the host is missing" : read_host(authority, out);
    if (fault != NULL)
        return fault;
    uint64_t database = 0;
    if (rest.n > 0)
        fault = read_number(rest, 1000000, &database, "behind the host stands a database's number");
    out->database = (uint32_t)database;
    return fault;
}

bool queue_job_id(bytes id) {
    if (!bytes_starts(id, B("evt_")) || id.n == 4 || id.n > JOB_ID_MAX)
        return false;
    for (size_t i = 0; i < id.n; i++) {
        uint8_t c = id.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    return true;
}
