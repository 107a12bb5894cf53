// SPDX-License-Identifier: MIT
// A destination that costs next to nothing: answers every POST 200 and counts it; a GET is
// answered with the count. Also the null server that shows what load can do by itself.
//
//     sink [--times FILE] [--stall MS] [--dead TEXT] PORT
//
// --times FILE: an event with number i (see load.c) writes when it first came to place i, 8 bytes,
// ns of CLOCK_MONOTONIC; the file is as long as there are events. --stall MS: does nothing for so
// long once a second, so that one can see whether load notices. --dead TEXT: a POST that holds it
// is answered 500 and not counted.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define HEAD_MAX 16384
#define SECOND 1000000000LL

struct peer {
    int fd;
    size_t got;  // of a head that has not arrived whole
    size_t skip; // of a body, still to come
    bool is_post;
    char head[HEAD_MAX];
};

static int poller;
static unsigned long long count;
static int64_t *times; // null without --times
static uint64_t times_count;
static int64_t stall_ns, next_stall_ns;
static const char *dead; // null without --dead

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void open_times(const char *path) {
    int fd = open(path, O_RDWR);
    struct stat is;
    if (fd < 0 || fstat(fd, &is) != 0)
        die(path);
    times_count = (uint64_t)is.st_size / sizeof *times;
    times = mmap(NULL, times_count * sizeof *times, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (times == MAP_FAILED)
        die(path);
    close(fd);
}

static void note_time(const char *request, size_t n) {
    static const char name[] = "\"event_number\": \"";
    const char *at = memmem(request, n, name, sizeof name - 1);
    if (at == NULL)
        return;
    uint64_t i = strtoull(at + sizeof name - 1, NULL, 10);
    if (i < times_count && times[i] == 0)
        times[i] = now_ns();
}

static int listen_on(uint16_t port) {
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 512) != 0)
        die("cannot listen");
    return fd;
}

static void watch(int fd, void *ptr) {
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = ptr};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e) != 0)
        die("epoll");
}

static void welcome(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct peer *p = calloc(1, sizeof *p);
        if (p == NULL)
            die("no memory");
        p->fd = fd;
        watch(fd, p);
    }
}

static bool refuse(struct peer *p) {
    static const char failed[] = "HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n";
    return send(p->fd, failed, sizeof failed - 1, MSG_NOSIGNAL) == sizeof failed - 1;
}

static bool answer(struct peer *p) {
    static const char taken[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    char told[128];
    if (p->is_post) {
        count++;
        return send(p->fd, taken, sizeof taken - 1, MSG_NOSIGNAL) == sizeof taken - 1;
    }
    int digits = snprintf(told, sizeof told, "%llu", count);
    int n = snprintf(told, sizeof told, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%llu", digits,
                     count);
    return send(p->fd, told, (size_t)n, MSG_NOSIGNAL) == n;
}

static size_t body_size(const char *head, const char *end) {
    static const char name[] = "\r\ncontent-length:";
    for (const char *at = head; (at = memchr(at, '\r', (size_t)(end - at))) != NULL; at++)
        if (strncasecmp(at, name, sizeof name - 1) == 0)
            return strtoul(at + sizeof name - 1, NULL, 10);
    return 0;
}

// Goes through what has arrived; false: the peer asks for more than we do.
static bool digest(struct peer *p) {
    for (;;) {
        size_t n = p->skip < p->got ? p->skip : p->got;
        p->skip -= n;
        p->got -= n;
        memmove(p->head, p->head + n, p->got);
        if (p->skip > 0 || p->got == 0)
            return true;
        char *end = memmem(p->head, p->got, "\r\n\r\n", 4);
        if (end == NULL)
            return p->got < HEAD_MAX - 1;
        p->head[p->got] = '\0';
        p->is_post = p->head[0] == 'P';
        size_t whole = (size_t)(end - p->head) + 4 + body_size(p->head, end + 2);
        p->skip = whole;
        // Answered once the body is here; one that is longer than the buffer, ahead of it.
        if (p->got < whole && whole < HEAD_MAX) {
            p->skip = 0;
            return true;
        }
        if (times != NULL && p->is_post)
            note_time(p->head, whole < p->got ? whole : p->got);
        size_t here = whole < p->got ? whole : p->got;
        bool fails = dead != NULL && memmem(p->head, here, dead, strlen(dead)) != NULL;
        if (!(fails ? refuse(p) : answer(p)))
            return false;
    }
}

static void serve(struct peer *p) {
    ssize_t n = recv(p->fd, p->head + p->got, HEAD_MAX - 1 - p->got, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n > 0) {
        p->got += (size_t)n;
        if (digest(p))
            return;
    }
    close(p->fd);
    free(p);
}

static void stall(void) {
    int64_t now = now_ns();
    if (now < next_stall_ns)
        return;
    if (next_stall_ns != 0)
        nanosleep(&(struct timespec){stall_ns / SECOND, stall_ns % SECOND}, NULL);
    next_stall_ns = now + SECOND;
}

static uint16_t read_options(int argc, char **argv) {
    static const struct option known[] = {{"times", 1, NULL, 'f'},
                                          {"stall", 1, NULL, 's'},
                                          {"dead", 1, NULL, 'd'},
                                          {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'f': open_times(optarg); break;
        case 's': stall_ns = strtoll(optarg, NULL, 10) * 1000000; break;
        case 'd': dead = optarg; break;
        default: exit(2);
        }
    }
    if (optind != argc - 1)
        exit(2);
    return (uint16_t)strtoul(argv[optind], NULL, 10);
}

int main(int argc, char **argv) {
    struct epoll_event events[EVENTS];
    uint16_t port = read_options(argc, argv);
    poller = epoll_create1(0);
    int listener = listen_on(port);
    watch(listener, NULL);
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            die("epoll");
        if (stall_ns > 0)
            stall();
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL)
                welcome(listener);
            else
                serve(events[i].data.ptr);
        }
    }
}
