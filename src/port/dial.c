// SPDX-License-Identifier: MIT
#include "port/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "port/clock.h"

#define SLICE_MS 100 // how often `stop` is looked at
#define PIECE ((size_t)16 << 10)

struct dial {
    int fd;
    const atomic_bool *stop;
    SSL_CTX *ctx;
    SSL *ssl;
};

static result failure_of(int err) {
    switch (err) {
    case ECONNREFUSED: FAIL(REFUSED, "nobody listens there");
    case EACCES:
    case EPERM: FAIL(REFUSED, "the system does not permit to connect there");
    case ENOENT:
    case ENOTDIR: FAIL(ABSENT, "there is no such socket");
    case ETIMEDOUT: FAIL(TIMEOUT, "the connection was not answered in time");
    case EPIPE:
    case ECONNRESET: FAIL(CLOSED, "the server closed the connection");
    case EHOSTUNREACH:
    case ENETUNREACH: FAIL(ABSENT, "there is no way to that host");
    default: FAIL(IO, "the connection failed");
    }
}

// Until the socket can be read or written (`events` of poll).
static result wait_for(const struct dial *d, short events, int64_t until, short *got) {
    for (;;) {
        if (d->stop != NULL && atomic_load(d->stop))
            FAIL(CLOSED, "the gateway stops");
        int64_t left = (until - clock_mono_us(&clock_real)) / 1000;
        NEED(left > 0, TIMEOUT, "there was no answer in time");
        struct pollfd p = {.fd = d->fd, .events = events};
        int n = poll(&p, 1, left < SLICE_MS ? (int)left : SLICE_MS);
        NEED(n >= 0 || errno == EINTR, SYSTEM, "poll failed");
        if (n > 0) {
            *got = p.revents;
            return OK;
        }
    }
}

static result connect_to(struct dial *d, const struct sockaddr *a, socklen_t n, int64_t until) {
    d->fd = socket(a->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    NEED(d->fd >= 0, SYSTEM, "there is no socket to be had");
    if (connect(d->fd, a, n) == 0)
        return OK;
    if (errno != EINPROGRESS)
        return failure_of(errno);
    short got;
    TRY(wait_for(d, POLLOUT, until, &got));
    int err = 0;
    socklen_t size = sizeof err;
    getsockopt(d->fd, SOL_SOCKET, SO_ERROR, &err, &size);
    return err == 0 ? OK : failure_of(err);
}

static void hang_up(struct dial *d) {
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
}

static result connect_path(struct dial *d, const char *path, int64_t until) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    NEED(strlen(path) < sizeof a.sun_path, INVALID, "the socket's path is too long");
    memcpy(a.sun_path, path, strlen(path) + 1);
    return connect_to(d, (const struct sockaddr *)&a, sizeof a, until);
}

static result connect_host(struct dial *d, const struct dial_options *o, int64_t until) {
    char port[8];
    snprintf(port, sizeof port, "%u", o->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
    NEED(getaddrinfo(o->host, port, &hints, &all) == 0, ABSENT, "the host's name leads nowhere");
    result last = PLACE(ABSENT, "the host has no address");
    for (const struct addrinfo *a = all; a != NULL; a = a->ai_next) {
        last = connect_to(d, a->ai_addr, a->ai_addrlen, until);
        if (last == OK)
            break;
        hang_up(d);
    }
    freeaddrinfo(all);
    if (last == OK)
        setsockopt(d->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return last;
}

// After an SSL call that returned n <= 0: waits for what it wants.
static result wait_ssl(struct dial *d, int n, int64_t until) {
    short got;
    int err = SSL_get_error(d->ssl, n);
    if (err == SSL_ERROR_WANT_READ)
        return wait_for(d, POLLIN, until, &got);
    if (err == SSL_ERROR_WANT_WRITE)
        return wait_for(d, POLLOUT, until, &got);
    ERR_clear_error();
    if (err == SSL_ERROR_ZERO_RETURN || err == SSL_ERROR_SYSCALL || err == SSL_ERROR_SSL)
        FAIL(CLOSED, "the server closed the connection");
    FAIL(IO, "TLS failed");
}

static bool is_address(const char *host) {
    ASN1_OCTET_STRING *a = a2i_IPADDRESS(host);
    ASN1_OCTET_STRING_free(a);
    return a != NULL;
}

static result shake_hands(struct dial *d, int64_t until, struct text *why) {
    for (;;) {
        ERR_clear_error();
        int n = SSL_connect(d->ssl);
        if (n == 1)
            return OK;
        long verdict = SSL_get_verify_result(d->ssl);
        if (verdict != X509_V_OK) {
            text_addf(why, "the server's certificate is not accepted: %s",
                      X509_verify_cert_error_string(verdict));
            ERR_clear_error();
            FAIL(INVALID, "the certificate is not accepted");
        }
        if (SSL_get_error(d->ssl, n) == SSL_ERROR_SSL) {
            const char *reason = ERR_reason_error_string(ERR_peek_error());
            text_addf(why, "TLS failed: %s", reason != NULL ? reason : "unknown reason");
            ERR_clear_error();
            FAIL(INVALID, "the server does not speak TLS as we do");
        }
        TRY(wait_ssl(d, n, until));
    }
}

static result start_tls(struct dial *d, const struct dial_options *o, int64_t until,
                        struct text *why) {
    d->ctx = SSL_CTX_new(TLS_client_method());
    NEED(d->ctx != NULL, SYSTEM, "the TLS library gives no context");
    SSL_CTX_set_min_proto_version(d->ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(d->ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(d->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    bool roots = o->ca_file != NULL ? SSL_CTX_load_verify_file(d->ctx, o->ca_file) == 1
                                    : SSL_CTX_set_default_verify_paths(d->ctx) == 1;
    ERR_clear_error();
    NEED(roots, INVALID, "no certificate authorities can be read from trust.ca_file");
    d->ssl = SSL_new(d->ctx);
    NEED(d->ssl != NULL && SSL_set_fd(d->ssl, d->fd) == 1, SYSTEM,
         "the TLS library gives no stream");
    bool named =
        is_address(o->host)
            ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(d->ssl), o->host) == 1
            : SSL_set1_host(d->ssl, o->host) == 1 && SSL_set_tlsext_host_name(d->ssl, o->host) == 1;
    NEED(named, SYSTEM, "the TLS library does not take the host's name");
    return shake_hands(d, until, why);
}

result dial_open(const struct dial_options *o, int64_t until, struct dial **out, struct text *why) {
    struct dial *d = NEW(struct dial);
    d->fd = -1;
    d->stop = o->stop;
    result opened = o->host == NULL ? connect_path(d, o->path, until) : connect_host(d, o, until);
    if (opened == OK && o->tls)
        opened = start_tls(d, o, until, why);
    *out = d;
    if (opened == OK)
        return OK;
    if (why->n == 0)
        text_adds(why, opened->text);
    dial_close(d);
    *out = NULL;
    return opened;
}

// One piece, without waiting. *n: bytes, 0 when there is nothing now.
static result take_piece(struct dial *d, struct text *in, size_t *n) {
    uint8_t piece[PIECE];
    *n = 0;
    int got;
    if (d->ssl != NULL) {
        got = SSL_read(d->ssl, piece, sizeof piece);
        int err = got > 0 ? SSL_ERROR_NONE : SSL_get_error(d->ssl, got);
        if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE)
            return OK;
        ERR_clear_error();
    } else {
        got = (int)recv(d->fd, piece, sizeof piece, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return OK;
    }
    if (got < 0 && d->ssl == NULL)
        return failure_of(errno);
    NEED(got > 0, CLOSED, "the server closed the connection");
    text_add(in, bytes_from(piece, (size_t)got));
    *n = (size_t)got;
    return OK;
}

result dial_read(struct dial *d, int64_t until, struct text *in) {
    for (;;) {
        size_t n;
        short got;
        TRY(take_piece(d, in, &n));
        if (n > 0)
            return OK;
        TRY(wait_for(d, POLLIN, until, &got));
    }
}

static result send_piece(struct dial *d, bytes b, size_t *n) {
    *n = 0;
    if (d->ssl != NULL) {
        int sent = SSL_write(d->ssl, b.p, b.n > PIECE ? (int)PIECE : (int)b.n);
        int err = sent > 0 ? SSL_ERROR_NONE : SSL_get_error(d->ssl, sent);
        *n = sent > 0 ? (size_t)sent : 0;
        if (err == SSL_ERROR_NONE || err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE)
            return OK;
        ERR_clear_error();
        FAIL(CLOSED, "the server closed the connection");
    }
    ssize_t sent = send(d->fd, b.p, b.n, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return failure_of(errno);
    *n = sent > 0 ? (size_t)sent : 0;
    return OK;
}

result dial_write(struct dial *d, bytes b, int64_t until, struct text *in) {
    while (b.n > 0) {
        size_t n, came = 1;
        TRY(send_piece(d, b, &n));
        b = bytes_slice(b, n, b.n);
        if (n > 0)
            continue;
        short got;
        TRY(wait_for(d, POLLIN | POLLOUT, until, &got));
        while ((got & POLLIN) != 0 && came > 0)
            TRY(take_piece(d, in, &came));
    }
    return OK;
}

bool dial_stale(struct dial *d) {
    struct pollfd p = {.fd = d->fd, .events = POLLIN};
    if (poll(&p, 1, 0) <= 0)
        return false;
    if (d->ssl == NULL)
        return true;
    // Not all that TLS says is for us: tickets.
    OWN(text_drop)
    struct text in = {0};
    size_t n;
    return take_piece(d, &in, &n) != OK || n > 0;
}

void dial_close(struct dial *d) {
    if (d == NULL)
        return;
    SSL_free(d->ssl);
    SSL_CTX_free(d->ctx);
    hang_up(d);
    free(d);
}
