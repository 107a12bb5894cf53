// SPDX-License-Identifier: MIT
// Posts unique, signed events over many connections from one thread and says what came back.
//
//     load [options] FILE       FILE is the event: its 24 '#' become an id, its 10 '@' the time,
//                               its 10 '%' the event's number in this run, from 0, each of its
//                               runs of 10 '&' a number below --known, another one for every
//                               four events; its 10 '^' one of them in turn, and its 10 '~' the
//                               time, a second later each time that they have come round
//
// Closed loop (no --rate): each connection posts its next event as soon as the last is answered.
// Open loop (--rate N): event i is meant to leave at start + i / N, and its latency counts from
// then, also when no connection was free: a server that stalls cannot hide by being asked less.
// What costs time is done before the clock starts: every signature is in memory by then.
//
// --count N posts N events, however long it takes; --until-refused stops at the first answer that
// is not 200. --times FILE keeps of each event when its latency began and when it was answered 200:
// two numbers of 8 bytes, ns of CLOCK_MONOTONIC; 0 if it was not. SIGTERM ends a run early.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ID_SIZE 24
#define TIME_SIZE 10
#define NUMBER_SIZE 10
#define EVENTS_A_CUSTOMER 4
#define MAC_SIZE 32
#define HOLES_MAX 16
#define REQUEST_MAX 16384
#define ANSWER_MAX 8192
#define CONNECTIONS_MAX 1024
#define LATE_NS 15000000000 // no answer after this: the server hangs
#define SECOND 1000000000LL
#define MAX_RATE 200000 // of the closed loop: so many signatures are made for each second
#define SLOW_US 50000
#define COUNT_S 600 // the longest that --count may take

__extension__ typedef unsigned __int128 wide;

enum { EXIT_WRONG = 1, EXIT_USAGE = 2 };

struct options {
    uint16_t port;
    const char *path, *secret, *file;
    int connections;
    double seconds, warm, rate, most;
    uint64_t tag, known; // of this run's ids; customers
    uint64_t count;
    bool until_refused;
    const char *times;
};

struct connection {
    int fd;
    bool busy;
    uint32_t event;  // the one under way
    int64_t from_ns; // its latency counts from here
    size_t sent, got;
    char request[REQUEST_MAX];
    char answer[ANSWER_MAX];
};

static struct options o = {.path = "/webhook",
                           .connections = 64,
                           .seconds = 5,
                           .warm = 0.5,
                           .most = MAX_RATE,
                           .secret = ""};
static char template[REQUEST_MAX];
static size_t request_size, body_at, mac_at;
// Where in the template what stands, as the marks in the event say.
struct places {
    size_t at[HOLES_MAX], n;
};
static struct places ids, numbers, knowns, turns, laters;
static uint8_t (*macs)[MAC_SIZE];
static uint32_t *latencies; // in microseconds, of the events answered in the window
static int64_t (*times)[2]; // from, answered; null without --times
static uint64_t planned, next_event, answered, counted, refused;
static long time_s;
static int64_t start_ns, warm_ns, end_ns, last_ns;
static double own_s; // of processor, for the whole run
static volatile sig_atomic_t interrupted;
static int poller;
static struct connection *connections;

static _Noreturn void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(EXIT_WRONG);
}

static _Noreturn void die_errno(const char *what) {
    perror(what);
    exit(EXIT_WRONG);
}

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void digits62(char *to, int n, uint64_t v) {
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    while (n-- > 0) {
        to[n] = digits[v % 62];
        v /= 62;
    }
}

// Like Stripe's: a part that grows with time, one that belongs to the account, one without order.
static void make_id(char id[ID_SIZE], uint64_t i) {
    const uint64_t room = 218340105584896; // 62^8
    uint64_t n = o.tag * 4000000 + i;
    id[0] = '1';
    digits62(id + 1, 6, (uint64_t)time_s + i / 20000);
    memcpy(id + 7, "Wadden0042", 9);
    // The factor has no divisor in common with the room, so that no two are alike.
    digits62(id + 16, 8, (uint64_t)((wide)n * 131071999999ULL % room));
}

static void put_number(char *at, uint64_t v) {
    for (char *to = at + NUMBER_SIZE; to-- > at; v /= 10)
        *to = (char)('0' + v % 10);
}

static void put_numbers(char *request, const struct places *p, uint64_t v) {
    for (size_t h = 0; h < p->n; h++)
        put_number(request + p->at[h], v);
}

static void patch_id(char *request, uint64_t i) {
    char id[ID_SIZE];
    make_id(id, i);
    for (size_t h = 0; h < ids.n; h++)
        memcpy(request + ids.at[h], id, ID_SIZE);
    put_numbers(request, &numbers, i);
    if (o.known == 0)
        return;
    // Customers come in no order, each with some events at once, as Stripe posts a renewal.
    uint64_t mixed = ((o.tag * 4000000 + i / EVENTS_A_CUSTOMER) * 0x9E3779B97F4A7C15ULL) >> 20;
    put_numbers(request, &knowns, mixed % o.known);
    put_numbers(request, &turns, i % o.known);
    put_numbers(request, &laters, (uint64_t)time_s + i / o.known);
}

static void patch_mac(char *request, uint64_t i) {
    static const char hex[] = "0123456789abcdef";
    char *to = request + mac_at;
    for (size_t k = 0; k < MAC_SIZE; k++) {
        *to++ = hex[macs[i][k] >> 4];
        *to++ = hex[macs[i][k] & 15];
    }
}

static size_t read_body(char *body, size_t cap) {
    FILE *f = fopen(o.file, "rb");
    if (f == NULL)
        die_errno(o.file);
    size_t n = fread(body, 1, cap - 1, f);
    fclose(f);
    while (n > 0 && body[n - 1] == '\n')
        n--;
    body[n] = '\0';
    char digits[TIME_SIZE + 1];
    snprintf(digits, sizeof digits, "%010ld", time_s);
    for (char *at; (at = strstr(body, "@@@@@@@@@@")) != NULL;)
        memcpy(at, digits, TIME_SIZE);
    return n;
}

static void find_places(struct places *p, const char *mark) {
    for (char *at = template; (at = strstr(at, mark)) != NULL; at += strlen(mark)) {
        if (p->n == HOLES_MAX)
            die("%s has more than %d places %s", o.file, HOLES_MAX, mark);
        p->at[p->n++] = (size_t)(at - template);
    }
}

static void make_template(void) {
    static char body[REQUEST_MAX / 2];
    time_s = (long)time(NULL);
    size_t n = read_body(body, sizeof body);
    int head = snprintf(template, sizeof template,
                        "POST %s HTTP/1.1\r\nContent-Type: application/json; charset=utf-8\r\n"
                        "Cache-Control: no-cache\r\n"
                        "User-Agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\n"
                        "Accept: */*; q=0.5, application/xml\r\nAccept-Encoding: gzip\r\n"
                        "Content-Length: %zu\r\nHost: 127.0.0.1:%u\r\n"
                        "Stripe-Signature: t=%ld,v1=%064d\r\n\r\n%s",
                        o.path, n, o.port, time_s, 0, body);
    if (head < 0 || (size_t)head >= sizeof template)
        die("%s is too long", o.file);
    request_size = (size_t)head;
    body_at = request_size - n;
    mac_at = body_at - 4 - 2 * MAC_SIZE;
    find_places(&ids, "########################");
    find_places(&numbers, "%%%%%%%%%%");
    find_places(&knowns, "&&&&&&&&&&");
    find_places(&turns, "^^^^^^^^^^");
    find_places(&laters, "~~~~~~~~~~");
    if (knowns.n + turns.n + laters.n > 0 && o.known == 0)
        die("%s asks for a number below --known", o.file);
    if (ids.n == 0)
        die("%s has no place for an id: its events would all be the same", o.file);
}

static void sign_all(void) {
    char sha[] = "SHA256", prefix[TIME_SIZE + 2];
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", sha, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *c = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
    if (c == NULL ||
        EVP_MAC_init(c, (const unsigned char *)o.secret, strlen(o.secret), params) != 1)
        die("libcrypto makes no HMAC");
    int n = snprintf(prefix, sizeof prefix, "%010ld.", time_s);
    for (uint64_t i = 0; i < planned; i++) {
        size_t size;
        patch_id(template, i);
        if (EVP_MAC_init(c, NULL, 0, NULL) != 1 ||
            EVP_MAC_update(c, (unsigned char *)prefix, (size_t)n) != 1 ||
            EVP_MAC_update(c, (unsigned char *)template + body_at, request_size - body_at) != 1 ||
            EVP_MAC_final(c, macs[i], &size, MAC_SIZE) != 1)
            die("libcrypto makes no HMAC");
    }
    EVP_MAC_CTX_free(c);
    EVP_MAC_free(hmac);
}

static void open_times(void) {
    int fd = open(o.times, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)(planned * sizeof *times)) != 0)
        die_errno(o.times);
    times = mmap(NULL, planned * sizeof *times, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                 fd, 0);
    if (times == MAP_FAILED)
        die_errno(o.times);
    close(fd);
}

static void prepare(void) {
    double per_second = o.rate > 0 ? o.rate : o.most;
    planned = o.count > 0 ? o.count
                          : (uint64_t)(per_second * (o.seconds + o.warm)) + (uint64_t)o.connections;
    if (o.times != NULL)
        open_times();
    macs = calloc(planned, sizeof *macs);
    latencies = calloc(planned, sizeof *latencies);
    connections = calloc((size_t)o.connections, sizeof *connections);
    if (macs == NULL || latencies == NULL || connections == NULL)
        die("no memory for %llu events", (unsigned long long)planned);
    make_template();
    sign_all();
}

static void watch(struct connection *c, int op, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    if (epoll_ctl(poller, op, c->fd, &e) != 0)
        die_errno("epoll");
}

static void connect_all(void) {
    poller = epoll_create1(0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(o.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < o.connections; i++) {
        struct connection *c = &connections[i];
        int one = 1;
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
            die_errno("connect");
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        memcpy(c->request, template, request_size);
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static void push(struct connection *c) {
    while (c->sent < request_size) {
        ssize_t n = send(c->fd, c->request + c->sent, request_size - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) {
            watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n <= 0)
            die_errno("send");
        c->sent += (size_t)n;
    }
}

static void post(struct connection *c, int64_t from_ns) {
    c->event = (uint32_t)next_event++;
    c->from_ns = from_ns;
    c->busy = true;
    c->sent = 0;
    c->got = 0;
    patch_id(c->request, c->event);
    patch_mac(c->request, c->event);
    push(c);
}

static size_t content_length(const char *head, const char *end) {
    static const char name[] = "\r\ncontent-length:";
    for (const char *at = head; (at = memchr(at, '\r', (size_t)(end - at))) != NULL; at++)
        if (end - at > (ptrdiff_t)sizeof name && strncasecmp(at, name, sizeof name - 1) == 0)
            return strtoul(at + sizeof name - 1, NULL, 10);
    die("an answer without Content-Length: %.200s", head);
}

// Whether the answer has arrived whole.
static bool whole(struct connection *c) {
    char *end = memmem(c->answer, c->got, "\r\n\r\n", 4);
    if (end == NULL)
        return false;
    size_t size = (size_t)(end - c->answer) + 4 + content_length(c->answer, end + 2);
    if (c->got > size)
        die("the server answered more than it was asked");
    return c->got == size;
}

static void note_answer(struct connection *c, int64_t now) {
    answered++;
    last_ns = now;
    c->busy = false;
    if (memcmp(c->answer, "HTTP/1.1 200 ", 13) != 0) {
        if (refused++ == 0 && !o.until_refused)
            fprintf(stderr, "load: event %u got this answer:\n%.400s\n", c->event, c->answer);
        return;
    }
    if (times != NULL) {
        times[c->event][0] = c->from_ns;
        times[c->event][1] = now;
    }
    int64_t key = o.rate > 0 ? c->from_ns : now;
    if (key >= warm_ns && key < end_ns)
        latencies[counted++] = (uint32_t)((now - c->from_ns) / 1000);
}

// Reads what there is; true once the connection is free.
static bool pull(struct connection *c) {
    ssize_t n = recv(c->fd, c->answer + c->got, ANSWER_MAX - 1 - c->got, 0);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0)
        die("the server closed a connection after %llu answers", (unsigned long long)answered);
    if (!c->busy)
        die("the server answered what was not asked");
    c->got += (size_t)n;
    c->answer[c->got] = '\0';
    if (!whole(c)) {
        if (c->got == ANSWER_MAX - 1)
            die("an answer is longer than %d bytes", ANSWER_MAX);
        return false;
    }
    note_answer(c, now_ns());
    return true;
}

static bool stopped(void) { return o.until_refused && refused > 0; }

static int64_t intended(uint64_t i) { return start_ns + (int64_t)((double)i / o.rate * 1e9); }

// Posts what is due on free connections; the open loop's answer to "when next".
static int64_t post_due(int64_t now) {
    static int hint;
    while (next_event < planned && intended(next_event) <= now && intended(next_event) < end_ns) {
        int k = 0;
        while (k < o.connections && connections[(hint + k) % o.connections].busy)
            k++;
        if (k == o.connections)
            return -1;
        hint = (hint + k) % o.connections;
        post(&connections[hint], intended(next_event));
        hint = (hint + 1) % o.connections;
    }
    if (next_event == planned || intended(next_event) >= end_ns)
        return -1;
    return intended(next_event);
}

static int wait_events(struct epoll_event *events, int64_t until_ns) {
    int64_t wait = until_ns - now_ns();
    if (wait < 0)
        wait = 0;
    struct timespec t = {wait / SECOND, wait % SECOND};
    int n = epoll_pwait2(poller, events, CONNECTIONS_MAX, &t, NULL);
    if (n < 0 && errno == ENOSYS) // Linux before 5.11: never later than meant
        n = epoll_wait(poller, events, CONNECTIONS_MAX, (int)(wait / 1000000));
    if (n < 0 && errno != EINTR)
        die_errno("epoll");
    return n < 0 ? 0 : n;
}

static void serve_events(struct epoll_event *events, int n) {
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;
        if ((events[i].events & EPOLLOUT) != 0 && c->sent < request_size) {
            push(c);
            if (c->sent == request_size)
                watch(c, EPOLL_CTL_MOD, EPOLLIN);
        }
        if ((events[i].events & ~(uint32_t)EPOLLOUT) == 0 || !pull(c) || o.rate > 0)
            continue;
        int64_t now = now_ns();
        if (now < end_ns && next_event < planned && !stopped())
            post(c, now);
    }
}

static void interrupt(int signum) {
    (void)signum;
    interrupted = 1;
}

static void run(void) {
    static struct epoll_event events[CONNECTIONS_MAX];
    prctl(PR_SET_TIMERSLACK, 1000UL);
    start_ns = now_ns();
    warm_ns = start_ns + (int64_t)(o.warm * 1e9);
    end_ns = warm_ns + (int64_t)(o.seconds * 1e9);
    if (o.rate == 0)
        for (int i = 0; i < o.connections; i++)
            post(&connections[i], now_ns());
    for (int64_t now = start_ns;; now = now_ns()) {
        if (interrupted && end_ns > now)
            end_ns = now;
        int64_t until = o.rate > 0 ? post_due(now) : -1;
        bool all_posted =
            stopped() || (now >= end_ns && (o.rate == 0 || intended(next_event) >= end_ns));
        if (answered == next_event && (all_posted || next_event == planned))
            return;
        if (now > end_ns + LATE_NS && now > last_ns + LATE_NS)
            die("%llu events were not answered", (unsigned long long)(next_event - answered));
        if (until < 0)
            until = now < end_ns ? end_ns : now + SECOND / 10;
        serve_events(events, wait_events(events, until));
    }
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static double part_ms(double part) {
    return counted == 0 ? 0 : latencies[(uint64_t)(part * (double)(counted - 1))] / 1000.0;
}

// How many took longer than SLOW_US.
static uint64_t slow_count(void) {
    uint64_t n = 0;
    while (n < counted && latencies[counted - 1 - n] > SLOW_US)
        n++;
    return n;
}

static double processor_s(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void report(void) {
    if (o.rate == 0 && o.count == 0 && next_event == planned)
        die("more than %.0f events a second were signed for: raise --most", o.most);
    qsort(latencies, counted, sizeof *latencies, by_value);
    int64_t end = o.count > 0 || o.until_refused ? last_ns : end_ns;
    double seconds = (double)(end - warm_ns) / SECOND;
    printf("{\"answered\":%llu,\"not_200\":%llu,\"per_second\":%.1f,\"p50_ms\":%.3f,"
           "\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f,\"slow\":%llu,"
           "\"client_us\":%.2f}\n",
           (unsigned long long)(answered - refused), (unsigned long long)refused,
           (double)counted / seconds, part_ms(0.5), part_ms(0.99), part_ms(0.999), part_ms(1),
           (unsigned long long)slow_count(), own_s * 1e6 / (double)answered);
    if (refused > 0 && !o.until_refused)
        die("%llu of %llu answers were not 200", (unsigned long long)refused,
            (unsigned long long)answered);
    if (counted == 0)
        die("nothing was answered in time");
}

static double number(const char *text) {
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end != '\0')
        die("'%s' is not a number", text);
    return v;
}

static void read_options(int argc, char **argv) {
    static const struct option known[] = {
        {"port", 1, NULL, 'p'},          {"path", 1, NULL, 'u'},  {"secret", 1, NULL, 's'},
        {"seconds", 1, NULL, 't'},       {"warm", 1, NULL, 'w'},  {"connections", 1, NULL, 'c'},
        {"rate", 1, NULL, 'r'},          {"tag", 1, NULL, 'g'},   {"known", 1, NULL, 'k'},
        {"most", 1, NULL, 'm'},          {"count", 1, NULL, 'n'}, {"times", 1, NULL, 'f'},
        {"until-refused", 0, NULL, 'x'}, {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'p': o.port = (uint16_t)number(optarg); break;
        case 'u': o.path = optarg; break;
        case 's': o.secret = optarg; break;
        case 't': o.seconds = number(optarg); break;
        case 'w': o.warm = number(optarg); break;
        case 'c': o.connections = (int)number(optarg); break;
        case 'r': o.rate = number(optarg); break;
        case 'm': o.most = number(optarg); break;
        case 'n': o.count = (uint64_t)number(optarg); break;
        case 'f': o.times = optarg; break;
        case 'x': o.until_refused = true; break;
        case 'k': o.known = (uint64_t)number(optarg); break;
        case 'g': o.tag = (uint64_t)number(optarg); break;
        default: exit(EXIT_USAGE);
        }
    }
    if (o.count > 0)
        o.seconds = COUNT_S;
    if (optind != argc - 1 || o.port == 0 || o.connections < 1 || o.connections > CONNECTIONS_MAX ||
        o.seconds <= 0 || o.warm < 0 || o.rate < 0 || o.most <= 0) {
        fputs("load --port N [--path /P] [--secret S] [--seconds N] [--warm N] [--connections N]\n"
              "     [--rate N | --most N] [--count N] [--until-refused] [--times FILE] [--tag N] "
              "[--known N] FILE\n",
              stderr);
        exit(EXIT_USAGE);
    }
    o.file = argv[optind];
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    prepare();
    connect_all();
    signal(SIGTERM, interrupt);
    own_s = processor_s();
    run();
    own_s = processor_s() - own_s;
    report();
    return 0;
}
