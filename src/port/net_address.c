// SPDX-License-Identifier: MIT
#include "port/net.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define FORMS "expected http://HOST:PORT, https://HOST:PORT or unix:PATH"

static void say(struct text *why, bytes in, const char *what) {
    text_adds(why, "\"");
    text_add_printable(why, in, 300);
    text_addf(why, "\" %s; %s", what, FORMS);
}

static bool is_name(bytes host) {
    for (size_t i = 0; i < host.n; i++) {
        uint8_t c = host.p[i];
        bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '.' && c != '_')
            return false;
    }
    return host.n > 0;
}

static bool is_ipv6(const char *host) {
    struct in6_addr a;
    return inet_pton(AF_INET6, host, &a) == 1;
}

static result parse_unix(bytes in, bytes path, struct net_address *out, struct text *why) {
    struct sockaddr_un un;
    if (path.n == 0 || path.n >= sizeof un.sun_path || bytes_find(path, 0) < path.n) {
        say(why, in, "has no path, or one that is too long for a socket");
        text_addf(why, " of at most %zu bytes", sizeof un.sun_path - 1);
        FAIL(INVALID, "the path of a unix socket is empty or too long");
    }
    out->unix_socket = true;
    memcpy(out->host, path.p, path.n);
    return OK;
}

// HOST:PORT or [IPv6]:PORT
static result parse_host(bytes in, bytes rest, struct net_address *out, struct text *why) {
    bytes host = rest, port = rest;
    bool bracket = bytes_starts(rest, B("["));
    if (bracket) {
        host = bytes_slice(rest, 1, bytes_find(rest, ']'));
        port = bytes_slice(rest, host.n + 2, rest.n);
        if (!bytes_starts(port, B(":")))
            port = NO_BYTES;
        port = bytes_slice(port, 1, port.n);
    } else {
        port = rest;
        host = bytes_cut(&port, ':');
    }
    if (host.n == 0 || host.n >= sizeof out->host || (!bracket && !is_name(host))) {
        say(why, in, "has no host that can be listened on (an IPv6 address stands in [brackets])");
        FAIL(INVALID, "no host in an address to listen on");
    }
    memcpy(out->host, host.p, host.n);
    if (bracket && !is_ipv6(out->host)) {
        say(why, in, "has something else than an IPv6 address in its brackets");
        FAIL(INVALID, "no IPv6 address in brackets");
    }
    uint64_t number = 0;
    if (bytes_to_u64(port, &number) != OK || number > 65535) {
        say(why, in, "has no port from 0 to 65535 at its end");
        FAIL(INVALID, "no port in an address to listen on");
    }
    out->port = (uint16_t)number;
    return OK;
}

result net_address_parse(bytes in, struct net_address *out, struct text *why) {
    *out = (struct net_address){0};
    if (bytes_starts(in, B("unix:")))
        return parse_unix(in, bytes_slice(in, 5, in.n), out, why);
    if (bytes_starts(in, B("http://")))
        return parse_host(in, bytes_slice(in, 7, in.n), out, why);
    out->tls = true;
    if (bytes_starts(in, B("https://")))
        return parse_host(in, bytes_slice(in, 8, in.n), out, why);
    say(why, in, "is no address to listen on");
    FAIL(INVALID, "an address to listen on has another form");
}

static bool is_loopback(const struct sockaddr *sa) {
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)sa;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)sa;
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) && v6->sin6_addr.s6_addr[12] == 127);
    }
    return false;
}

bool net_address_local(const struct net_address *a) {
    if (a->unix_socket || bytes_equal_nocase(bytes_of(a->host), B("localhost")))
        return true;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
    if (getaddrinfo(a->host, NULL, &hints, &all) != 0)
        return false;
    bool local = all != NULL;
    for (struct addrinfo *it = all; it != NULL; it = it->ai_next)
        local = local && is_loopback(it->ai_addr);
    freeaddrinfo(all);
    return local;
}

bytes net_network(bytes peer, char out[NET_NETWORK_MAX]) {
    struct in6_addr a;
    char text[INET6_ADDRSTRLEN] = {0};
    if (peer.n >= sizeof text || bytes_find(peer, ':') == peer.n)
        return peer;
    memcpy(text, peer.p, peer.n);
    if (inet_pton(AF_INET6, text, &a) != 1 || IN6_IS_ADDR_V4MAPPED(&a))
        return peer;
    memset(&a.s6_addr[8], 0, 8);
    inet_ntop(AF_INET6, &a, text, sizeof text);
    return bytes_from(out, (size_t)snprintf(out, NET_NETWORK_MAX, "%s/64", text));
}
