// SPDX-License-Identifier: MIT
#include "port/net.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "port/net_conn.h"

#define BACKLOG 1024
// A name like localhost stands for an address of each family.
#define SOCKETS_MAX 4

struct listener {
    struct conn_start start;
    bool tls_wanted;
    size_t count, closing;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } sockets[SOCKETS_MAX];
    uint16_t port;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)]; // empty: not unix
    dev_t path_dev;                                            // the socket file that is ours
    ino_t path_ino;
};

static void say(struct text *why, const struct net_address *a, int err) {
    const char *scheme = a->unix_socket ? "unix:" : a->tls ? "https://" : "http://";
    bool v6 = !a->unix_socket && strchr(a->host, ':') != NULL;
    text_addf(why, "cannot listen on %s%s%s%s", scheme, v6 ? "[" : "", a->host, v6 ? "]" : "");
    if (!a->unix_socket)
        text_addf(why, ":%u", a->port);
    text_addf(why, ": %s", uv_strerror(uv_translate_sys_error(err)));
}

static result listen_failure(int err) {
    switch (err) {
    case EADDRINUSE: FAIL(BUSY, "somebody else listens on the address");
    case EACCES:
    case EPERM: FAIL(REFUSED, "the system does not permit to listen on the address");
    case EADDRNOTAVAIL:
    case ENOENT: FAIL(ABSENT, "the address does not exist on this machine");
    default: FAIL(SYSTEM, "the system does not let us listen");
    }
}

static void on_connection(uv_stream_t *from, int status) {
    struct listener *l = from->data;
    // A failure here is one connection that was gone again, or no file descriptor left; libuv goes
    // on listening.
    if (status == 0)
        conn_accept(from, &l->start);
}

// A bound socket, or -1 with errno.
static int bound_tcp(const struct addrinfo *a, uint16_t port, bool share) {
    struct sockaddr_storage sa = {0};
    memcpy(&sa, a->ai_addr, a->ai_addrlen);
    int one = 1, shared = share;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    if (fd < 0)
        return -1;
    bool set = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
               setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, sizeof shared) == 0;
    if (a->ai_family == AF_INET6) {
        ((struct sockaddr_in6 *)&sa)->sin6_port = htons(port);
        set = set && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) == 0;
    } else {
        ((struct sockaddr_in *)&sa)->sin_port = htons(port);
    }
    if (set && bind(fd, (struct sockaddr *)&sa, a->ai_addrlen) == 0)
        return fd;
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

// The same for the first of ours on an address: it must be nobody else's, though SO_REUSEPORT would
// let two gateways of one user share it unnoticed, each getting half of the requests.
static int bound_first(const struct addrinfo *a, uint16_t port) {
    if (port != 0) {
        int probe = bound_tcp(a, port, false);
        if (probe < 0)
            return -1;
        close(probe);
    }
    return bound_tcp(a, port, true);
}

static uint16_t port_of(int fd) {
    struct sockaddr_storage sa = {0};
    socklen_t n = sizeof sa;
    getsockname(fd, (struct sockaddr *)&sa, &n);
    return ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
                                          : ((struct sockaddr_in *)&sa)->sin_port);
}

// Takes the bound socket over; 0 or errno.
static int add_socket(struct listener *l, int fd) {
    size_t i = l->count;
    uv_loop_t *uv = loop_uv(l->start.loop);
    int err = l->path[0] != '\0' ? uv_pipe_init(uv, &l->sockets[i].pipe, 0)
                                 : uv_tcp_init(uv, &l->sockets[i].tcp);
    if (err != 0) {
        close(fd);
        return -err;
    }
    l->sockets[i].handle.data = l;
    l->count++; // from here on listener_close closes it
    err = l->path[0] != '\0' ? uv_pipe_open(&l->sockets[i].pipe, fd)
                             : uv_tcp_open(&l->sockets[i].tcp, fd);
    if (err != 0) {
        close(fd);
        return -err;
    }
    return -uv_listen(&l->sockets[i].stream, BACKLOG, on_connection);
}

static bool seen_before(const struct addrinfo *all, const struct addrinfo *it) {
    for (; all != it; all = all->ai_next) {
        if (all->ai_addrlen == it->ai_addrlen &&
            memcmp(all->ai_addr, it->ai_addr, it->ai_addrlen) == 0)
            return true;
    }
    return false;
}

static result listen_on_all(struct listener *l, const struct net_address *a,
                            const struct addrinfo *all, struct text *why) {
    l->port = a->port;
    int skipped = 0;
    for (const struct addrinfo *it = all; it != NULL && l->count < SOCKETS_MAX; it = it->ai_next) {
        if (seen_before(all, it))
            continue;
        int fd = a->beside ? bound_tcp(it, l->port, true) : bound_first(it, l->port);
        // The name may stand for an address of a family that this machine does not have.
        if (fd < 0 && (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT)) {
            skipped = errno;
            continue;
        }
        int err = fd < 0 ? errno : 0;
        if (fd >= 0) {
            l->port = port_of(fd);
            err = add_socket(l, fd);
        }
        if (err != 0) {
            say(why, a, err);
            return listen_failure(err);
        }
    }
    if (l->count > 0)
        return OK;
    say(why, a, skipped != 0 ? skipped : EADDRNOTAVAIL);
    return listen_failure(EADDRNOTAVAIL);
}

static result listen_tcp(struct listener *l, const struct net_address *a, struct text *why) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *all = NULL;
    int err = getaddrinfo(a->host, NULL, &hints, &all);
    if (err != 0) {
        text_addf(why, "the host \"%s\" has no address: %s", a->host, gai_strerror(err));
        FAIL(ABSENT, "the host to listen on has no address");
    }
    result failed = listen_on_all(l, a, all, why);
    freeaddrinfo(all);
    return failed;
}

// Does anybody serve this socket?
static bool is_served(const struct sockaddr_un *un) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool served = fd < 0 || connect(fd, (const struct sockaddr *)un, sizeof *un) == 0 ||
                  errno != ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return served;
}

static result bind_unix(int fd, const struct net_address *a, struct text *why) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    memcpy(un.sun_path, a->host, strlen(a->host));
    // The file gets the socket's mode, less the umask: nobody else can connect even for a moment.
    int err = fchmod(fd, 0660) != 0 ? errno : 0;
    if (err == 0 && bind(fd, (struct sockaddr *)&un, sizeof un) == 0)
        return OK;
    err = err != 0 ? err : errno;
    struct stat st;
    if (err == EADDRINUSE && lstat(un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        if (is_served(&un)) {
            say(why, a, err);
            FAIL(LOCKED, "somebody else serves the socket");
        }
        err = unlink(un.sun_path) != 0 ? errno : 0;
        if (err == 0 && bind(fd, (struct sockaddr *)&un, sizeof un) == 0)
            return OK;
        err = err != 0 ? err : errno;
    }
    say(why, a, err);
    if (err == EADDRINUSE)
        FAIL(EXISTS, "there is a file at the socket's path that is no socket");
    return listen_failure(err);
}

static result listen_unix(struct listener *l, const struct net_address *a, struct text *why) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    NEED(fd >= 0, SYSTEM, "the system gives no socket");
    result failed = bind_unix(fd, a, why);
    if (failed != OK) {
        close(fd);
        return failed;
    }
    memcpy(l->path, a->host, strlen(a->host) + 1);
    struct stat st;
    if (lstat(l->path, &st) == 0) {
        l->path_dev = st.st_dev;
        l->path_ino = st.st_ino;
    }
    int err = add_socket(l, fd);
    if (err != 0) {
        say(why, a, err);
        return listen_failure(err);
    }
    return OK;
}

result net_listen(struct loop *l, const struct net_address *a, struct tls *tls,
                  const struct net_handler *h, void *ctx, struct listener **out, struct text *why) {
    *out = NULL;
    if (a->tls && tls == NULL) {
        text_addf(why, "https://%s:%u needs a certificate and its key", a->host, a->port);
        FAIL(INVALID, "an https address without a certificate");
    }
    struct listener *new = NEW(struct listener);
    new->start =
        (struct conn_start){.loop = l, .tls = a->tls ? tls : NULL, .handler = h, .ctx = ctx};
    new->tls_wanted = a->tls;
    result failed = a->unix_socket ? listen_unix(new, a, why) : listen_tcp(new, a, why);
    if (failed != OK) {
        listener_close(new);
        return failed;
    }
    *out = new;
    return OK;
}

void listener_set_tls(struct listener *l, struct tls *tls) {
    if (l->tls_wanted && tls != NULL)
        l->start.tls = tls;
}

uint16_t listener_port(const struct listener *l) { return l->path[0] != '\0' ? 0 : l->port; }

static void on_closed(uv_handle_t *h) {
    struct listener *l = h->data;
    if (--l->closing == 0)
        free(l);
}

void listener_close(struct listener *l) {
    if (l == NULL)
        return;
    struct stat st;
    // Another gateway may have put its own socket there.
    if (l->path[0] != '\0' && lstat(l->path, &st) == 0 && st.st_dev == l->path_dev &&
        st.st_ino == l->path_ino)
        unlink(l->path);
    l->closing = l->count;
    for (size_t i = 0; i < l->count; i++)
        uv_close(&l->sockets[i].handle, on_closed);
    if (l->closing == 0)
        free(l);
}
