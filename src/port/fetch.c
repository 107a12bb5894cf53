// SPDX-License-Identifier: MIT
#include "port/fetch.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/text.h"
#include "port/loop_uv.h"

// Finished requests whose handle is kept: setting one up anew costs more than the request's own
// options.
#define IDLE_MAX 64
#define SOCKETS_A_TURN 64
#define RETRY_AFTER_MAX 128

struct real;

enum fetch_state { FETCH_IDLE, FETCH_WAITING, FETCH_RUNNING, FETCH_CANCELLED };

struct fetch {
    struct list link; // in the list of its state
    struct real *owner;
    enum fetch_state state;
    CURL *easy;
    struct curl_slist *headers;
    const struct fetch_request *request;
    void (*done)(void *ctx, const struct fetch_answer *a);
    void *ctx;
    const char *refused; // it cannot be sent as it is
    bool judged;         // the request's judge refused an address
    struct text body;
    size_t seen; // bytes of the body read
    bool cut;    // the body was longer than answer_max
    size_t retry_after_n;
    char retry_after[RETRY_AFTER_MAX];
    char error[CURL_ERROR_SIZE];
    char verdict[CURL_ERROR_SIZE]; // of the judge, of the last address that it refused
};

// libcurl's sockets are watched by an epoll set of their own, which the loop watches as one file:
// no handle of the loop has to be made, closed and waited for each time that libcurl turns to a
// socket or away from it.
struct real {
    struct fetcher door;
    struct loop *loop;
    CURLM *multi;
    uv_timer_t timer;
    uv_poll_t poll;
    int epoll;
    size_t active;              // waiting and running
    unsigned busy;              // inside libcurl or a callback of ours
    bool in_curl;               // libcurl refuses to be entered again
    bool closing;               // free when no longer busy
    uint8_t handles;            // of the loop, not yet closed
    struct list waiting;        // to be given to libcurl
    struct list running, idle;  // with libcurl; kept for the next
    struct list cancelled;      // from inside libcurl: to be taken from it
    struct later start_waiting; // outside of everything
    size_t idle_count;
    char *ca_file, *user_agent; // or null
    bool any_name;
};

static void enter(struct real *r) { r->busy++; }
static void leave(struct real *r);
static void check_done(struct real *r);

static void *resize(void *p, size_t n) { return memory_grow(p, n, 1); }

static char *duplicate(const char *s) { return bytes_strdup(bytes_of(s)); }

// An option that libcurl had no memory for would silently be another one: no CA file is the
// system's, no header is none.
static void init_library(void) {
    ensure(curl_global_init_mem(CURL_GLOBAL_DEFAULT, memory_take, free, resize, duplicate,
                                memory_new) == CURLE_OK);
}

static struct real *real_of(struct fetcher *f) { return CONTAINER(f, struct real, door); }

// Called once the handle is not in the multi any more.
static void release(struct fetch *f) {
    struct real *r = f->owner;
    list_remove(&f->link);
    curl_slist_free_all(f->headers);
    f->headers = NULL;
    f->state = FETCH_IDLE;
    if (r->idle_count < IDLE_MAX && !r->closing) {
        list_push(&r->idle, &f->link);
        r->idle_count++;
        return;
    }
    curl_easy_cleanup(f->easy);
    text_drop(&f->body);
    free(f);
}

static void left_active(struct real *r) {
    // Nothing to wait for: the loop may end.
    if (--r->active == 0)
        uv_unref((uv_handle_t *)&r->poll);
}

static bool is_2xx(struct fetch *f) {
    long status = 0;
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200 && status < 300;
}

static size_t on_body(char *p, size_t size, size_t count, void *ctx) {
    struct fetch *f = ctx;
    const struct fetch_request *q = f->request;
    if (f->state != FETCH_RUNNING)
        return CURL_WRITEFUNC_ERROR;
    size_t n = size * count;
    size_t taken = n < q->answer_max - f->seen ? n : q->answer_max - f->seen;
    f->seen += taken;
    f->cut = taken < n;
    if (q->piece != NULL && is_2xx(f)) {
        if (taken > 0)
            q->piece(f->ctx, bytes_from(p, taken));
    } else if (f->body.n < q->answer_keep) {
        text_add(&f->body, bytes_slice(bytes_from(p, taken), 0, q->answer_keep - f->body.n));
    }
    return f->cut || f->state != FETCH_RUNNING ? CURL_WRITEFUNC_ERROR : n;
}

static size_t on_header(char *p, size_t size, size_t count, void *ctx) {
    struct fetch *f = ctx;
    bytes line = bytes_from(p, size * count), value = line;
    if (f->state != FETCH_RUNNING)
        return 0;
    // Another head begins, after an interim answer: only the last one's headers count.
    if (bytes_starts(line, B("HTTP/")))
        f->retry_after_n = 0;
    bytes name = bytes_cut(&value, ':');
    if (bytes_equal_nocase(name, B("retry-after"))) {
        while (value.n > 0 && (value.p[value.n - 1] == '\r' || value.p[value.n - 1] == '\n'))
            value.n--;
        value = bytes_trim(value);
        f->retry_after_n = value.n <= RETRY_AFTER_MAX ? value.n : 0;
        memcpy(f->retry_after, value.p, f->retry_after_n);
    }
    return line.n;
}

// May it be connected to? If not, the error says why.
static bool may_connect(struct fetch *f, int family, const void *raw) {
    char shown[INET6_ADDRSTRLEN] = "an address";
    size_t n = family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
    const char *why = f->request->judge(f->ctx, bytes_from(raw, n));
    if (why == NULL)
        return true;
    if (n > 0)
        inet_ntop(family, raw, shown, sizeof shown);
    f->judged = true;
    snprintf(f->verdict, sizeof f->verdict, "not connected to %s: %s", shown, why);
    return false;
}

static curl_socket_t open_judged(void *ctx, curlsocktype purpose, struct curl_sockaddr *a) {
    const void *raw = NULL;
    if (a->family == AF_INET)
        raw = &((const struct sockaddr_in *)(const void *)&a->addr)->sin_addr;
    else if (a->family == AF_INET6)
        raw = &((const struct sockaddr_in6 *)(const void *)&a->addr)->sin6_addr;
    if (!may_connect(ctx, a->family, raw))
        return CURL_SOCKET_BAD;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

// Before a request goes out: its connection may be a kept one, opened for somebody else.
static int before_request(void *ctx, char *remote, char *local, int remote_port, int local_port) {
    uint8_t raw[16];
    int family = strchr(remote, ':') != NULL ? AF_INET6 : AF_INET;
    if (inet_pton(family, remote, raw) != 1)
        family = AF_UNSPEC;
    return may_connect(ctx, family, raw) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static void set_judge(struct fetch *f, const struct fetch_request *q) {
    bool judges = q->judge != NULL;
    ensure(!judges || q->unix_path == NULL);
    f->judged = false;
    curl_easy_setopt(f->easy, CURLOPT_OPENSOCKETFUNCTION, judges ? open_judged : NULL);
    curl_easy_setopt(f->easy, CURLOPT_OPENSOCKETDATA, f);
    curl_easy_setopt(f->easy, CURLOPT_PREREQFUNCTION, judges ? before_request : NULL);
    curl_easy_setopt(f->easy, CURLOPT_PREREQDATA, f);
}

static bool header_is(const char *line, const char *name) {
    size_t n = strlen(name);
    return strncasecmp(line, name, n) == 0 && line[n] == ':';
}

static void add_header(struct fetch *f, const char *line) {
    struct curl_slist *more = curl_slist_append(f->headers, line);
    ensure(more != NULL);
    f->headers = more;
}

// The request's headers, and none that libcurl would add by itself.
static void set_headers(struct fetch *f, const struct fetch_request *q) {
    static const char *const own[] = {"Accept", "Content-Type", "Expect"};
    bool given[3] = {false};
    for (size_t i = 0; i < q->header_count; i++) {
        const char *line = q->headers[i];
        const char *colon = strchr(line, ':');
        if (colon == NULL || strpbrk(line, "\r\n") != NULL) {
            f->refused = "a header of the request is not of the form \"Name: value\"";
            continue;
        }
        for (size_t k = 0; k < 3; k++)
            given[k] = given[k] || header_is(line, own[k]);
        if (colon[1 + strspn(colon + 1, " \t")] != '\0') {
            add_header(f, line);
            continue;
        }
        // libcurl's way to say that a header is there but empty.
        OWN(text_drop)
        struct text empty = {0};
        text_addf(&empty, "%.*s;", (int)(colon - line), line);
        add_header(f, text_str(&empty));
    }
    for (size_t k = 0; k < 3; k++) {
        OWN(text_drop)
        struct text none = {0};
        text_addf(&none, "%s:", own[k]);
        if (!given[k])
            add_header(f, text_str(&none));
    }
    curl_easy_setopt(f->easy, CURLOPT_HTTPHEADER, f->headers);
}

static void set_method(CURL *easy, const struct fetch_request *q) {
    bytes method = bytes_of(q->method);
    bool body = q->body.n > 0 || bytes_equal(method, B("POST")) || bytes_equal(method, B("PUT")) ||
                bytes_equal(method, B("PATCH"));
    if (body) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, q->body.n > 0 ? (const char *)q->body.p : "");
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        if (bytes_equal(method, B("HEAD")))
            curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, q->method);
}

// No proxy reaches what is on this machine, whatever the environment says.
static bool on_this_machine(const char *url) {
    static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *host = strstr(url, "://");
    size_t n = host == NULL ? 0 : strcspn(host + 3, ":/?#");
    if (host != NULL && host[3] == '[')
        n = strcspn(host + 3, "/?#]") + 1;
    for (size_t i = 0; n > 0 && i < sizeof hosts / sizeof *hosts; i++)
        if (bytes_equal_nocase(bytes_from(host + 3, n), bytes_of(hosts[i])))
            return true;
    return false;
}

static void set_request(struct fetch *f, const struct fetch_request *q) {
    CURL *easy = f->easy;
    f->request = q;
    f->refused = NULL;
    f->seen = f->retry_after_n = 0;
    f->cut = false;
    f->error[0] = '\0';
    text_drop(&f->body);
    curl_easy_setopt(easy, CURLOPT_URL, q->url);
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, q->unix_path);
    // Null: what the environment says.
    bool direct = q->judge != NULL || on_this_machine(q->url);
    curl_easy_setopt(easy, CURLOPT_PROXY, direct ? "" : NULL);
    set_judge(f, q);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(q->timeout_ms > 0 ? q->timeout_ms : 0));
    set_method(easy, q);
    set_headers(f, q);
}

static void set_always(struct fetch *f) {
    struct real *r = f->owner;
    CURL *easy = f->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, f);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, f->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, f);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    // A request that ends while its name is looked up leaves that thread to itself; libcurl would
    // wait for it, and the loop with it, for as long as a name server keeps silent.
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, r->any_name ? 0L : 2L);
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, r->user_agent);
    if (r->ca_file != NULL) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, r->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL); // else the system's roots count too
    }
}

static struct fetch *take_idle(struct real *r) {
    struct list *it = list_take(&r->idle);
    if (it != NULL) {
        r->idle_count--;
        return CONTAINER(it, struct fetch, link);
    }
    struct fetch *f = NEW(struct fetch);
    list_init(&f->link);
    f->owner = r;
    f->easy = curl_easy_init();
    ensure(f->easy != NULL);
    set_always(f);
    return f;
}

static struct fetch *real_start(struct fetcher *door, const struct fetch_request *q,
                                void (*done)(void *ctx, const struct fetch_answer *a), void *ctx) {
    struct real *r = real_of(door);
    ensure(!r->closing);
    struct fetch *f = take_idle(r);
    f->done = done;
    f->ctx = ctx;
    set_request(f, q);
    f->state = FETCH_WAITING;
    list_push(&r->waiting, &f->link);
    if (r->active++ == 0)
        uv_ref((uv_handle_t *)&r->poll);
    loop_later(r->loop, &r->start_waiting);
    return f;
}

static void real_cancel(struct fetcher *door, struct fetch *f) {
    struct real *r = real_of(door);
    if (f->state != FETCH_WAITING && f->state != FETCH_RUNNING)
        return;
    left_active(r);
    if (f->state == FETCH_WAITING) {
        release(f);
        return;
    }
    f->state = FETCH_CANCELLED;
    if (r->in_curl) {
        list_remove(&f->link);
        list_push(&r->cancelled, &f->link);
        return;
    }
    enter(r);
    curl_multi_remove_handle(r->multi, f->easy);
    release(f);
    leave(r);
}

static result failure_of(CURLcode code) {
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT: FAIL(TIMEOUT, "no whole answer came in time");
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST: FAIL(CLOSED, "the host's name has no address");
    case CURLE_COULDNT_CONNECT: FAIL(CLOSED, "nobody answers at the address");
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE: FAIL(CLOSED, "the connection broke before the answer was whole");
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_PEER_FAILED_VERIFICATION: FAIL(REFUSED, "TLS failed or the certificate is no good");
    default: FAIL(SYSTEM, "the request could not be made");
    }
}

// Hands the answer over; the request is over before, so that the callback may start another.
static void finish(struct fetch *f, CURLcode code) {
    struct real *r = f->owner;
    long status = 0;
    curl_off_t micros = 0;
    curl_easy_getinfo(f->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(f->easy, CURLINFO_TOTAL_TIME_T, &micros);
    struct fetch_answer a = {.status = (int)status, .micros = micros, .error = ""};
    if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && f->cut)) {
        a.body = text_bytes(&f->body);
        a.retry_after = bytes_from(f->retry_after, f->retry_after_n);
    } else if (f->judged && (code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK)) {
        a.failed = PLACE(INVALID, "the address is not one to connect to");
        a.error = f->verdict;
        a.status = 0;
    } else {
        a.failed = failure_of(code);
        a.error = f->error[0] != '\0' ? f->error : curl_easy_strerror(code);
        a.status = 0;
    }
    if (f->refused != NULL)
        a.error = f->refused;
    f->state = FETCH_IDLE;
    left_active(r);
    f->done(f->ctx, &a);
    release(f);
}

// What was asked for while libcurl could not be entered.
static void catch_up(struct real *r) {
    for (struct list *it = list_take(&r->cancelled); it != NULL; it = list_take(&r->cancelled)) {
        struct fetch *f = CONTAINER(it, struct fetch, link);
        curl_multi_remove_handle(r->multi, f->easy);
        release(f);
    }
}

static void check_done(struct real *r) {
    int left = 0;
    catch_up(r);
    for (CURLMsg *m = curl_multi_info_read(r->multi, &left); m != NULL && !r->closing;
         m = r->closing ? NULL : curl_multi_info_read(r->multi, &left)) {
        if (m->msg != CURLMSG_DONE)
            continue;
        char *private = NULL;
        CURLcode code = m->data.result; // the message goes with the handle
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private);
        struct fetch *f = (struct fetch *)(void *)private;
        curl_multi_remove_handle(r->multi, f->easy);
        finish(f, code);
    }
}

static void act(struct real *r, curl_socket_t s, int what) {
    int running = 0;
    r->in_curl = true;
    curl_multi_socket_action(r->multi, s, what, &running);
    r->in_curl = false;
    check_done(r);
}

static void start_waiting(struct later *later) {
    struct real *r = CONTAINER(later, struct real, start_waiting);
    enter(r);
    for (struct list *it = list_take(&r->waiting); it != NULL; it = list_take(&r->waiting)) {
        struct fetch *f = CONTAINER(it, struct fetch, link);
        f->state = FETCH_RUNNING;
        list_push(&r->running, &f->link);
        if (f->refused != NULL) {
            finish(f, CURLE_BAD_FUNCTION_ARGUMENT);
        } else {
            r->in_curl = true;
            ensure(curl_multi_add_handle(r->multi, f->easy) == CURLM_OK);
            r->in_curl = false;
        }
    }
    // It would come to them by its timer anyway, in the next turn.
    if (!r->closing)
        act(r, CURL_SOCKET_TIMEOUT, 0);
    leave(r);
}

static void on_timer(uv_timer_t *t) {
    struct real *r = t->data;
    enter(r);
    act(r, CURL_SOCKET_TIMEOUT, 0);
    leave(r);
}

static int on_curl_timer(CURLM *multi, long ms, void *ctx) {
    struct real *r = ctx;
    if (ms < 0)
        uv_timer_stop(&r->timer);
    else
        uv_timer_start(&r->timer, on_timer, (uint64_t)ms, 0);
    return 0;
}

static int on_curl_socket(CURL *easy, curl_socket_t s, int what, void *ctx, void *known) {
    struct real *r = ctx;
    struct epoll_event e = {.data.fd = s};
    if (what == CURL_POLL_REMOVE) {
        // It may be closed already, and so gone from the set.
        epoll_ctl(r->epoll, EPOLL_CTL_DEL, s, NULL);
        curl_multi_assign(r->multi, s, NULL);
        return 0;
    }
    e.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    int err = epoll_ctl(r->epoll, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s, &e);
    if (err != 0 && errno == EEXIST)
        err = epoll_ctl(r->epoll, EPOLL_CTL_MOD, s, &e);
    else if (err != 0 && errno == ENOENT)
        err = epoll_ctl(r->epoll, EPOLL_CTL_ADD, s, &e);
    curl_multi_assign(r->multi, s, r);
    return err == 0 ? 0 : -1;
}

static void on_sockets(uv_poll_t *p, int status, int events) {
    struct real *r = p->data;
    struct epoll_event ready[SOCKETS_A_TURN];
    int n = epoll_wait(r->epoll, ready, SOCKETS_A_TURN, 0);
    enter(r);
    for (int i = 0; i < n && !r->closing; i++) {
        uint32_t e = ready[i].events;
        int what = (e & (EPOLLIN | EPOLLHUP | EPOLLERR) ? CURL_CSELECT_IN : 0) |
                   (e & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (e & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        act(r, ready[i].data.fd, what);
    }
    leave(r);
}

static bool open_inside(struct real *r, const struct fetch_options *o) {
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll < 0)
        return false;
    r->multi = curl_multi_init();
    if (r->multi == NULL || uv_poll_init(loop_uv(r->loop), &r->poll, r->epoll) != 0) {
        if (r->multi != NULL)
            curl_multi_cleanup(r->multi);
        close(r->epoll);
        return false;
    }
    uv_timer_init(loop_uv(r->loop), &r->timer);
    uv_poll_start(&r->poll, UV_READABLE, on_sockets);
    r->poll.data = r->timer.data = r;
    uv_unref((uv_handle_t *)&r->poll);
    uv_unref((uv_handle_t *)&r->timer);
    curl_multi_setopt(r->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(r->multi, CURLMOPT_SOCKETDATA, r);
    curl_multi_setopt(r->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(r->multi, CURLMOPT_TIMERDATA, r);
    curl_multi_setopt(r->multi, CURLMOPT_MAXCONNECTS,
                      (long)(o->connections_kept > 0 ? o->connections_kept : 1));
    return true;
}

result fetcher_open(struct loop *l, const struct fetch_options *o, struct fetcher **out) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    *out = NULL;
    pthread_once(&once, init_library);
    struct real *r = NEW(struct real);
    r->loop = l;
    list_init(&r->waiting);
    list_init(&r->running);
    list_init(&r->idle);
    list_init(&r->cancelled);
    r->start_waiting.run = start_waiting;
    if (!open_inside(r, o)) {
        free(r);
        FAIL(SYSTEM, "the system or libcurl gives no further fetcher");
    }
    r->any_name = o->any_name && o->ca_file != NULL;
    r->ca_file = o->ca_file != NULL ? bytes_strdup(bytes_of(o->ca_file)) : NULL;
    r->user_agent = o->user_agent != NULL ? bytes_strdup(bytes_of(o->user_agent)) : NULL;
    r->door = (struct fetcher){.start = real_start, .cancel = real_cancel};
    *out = &r->door;
    return OK;
}

static void on_closed(uv_handle_t *h) {
    struct real *r = h->data;
    if (--r->handles > 0)
        return;
    free(r->ca_file);
    free(r->user_agent);
    free(r);
}

static void release_all(struct real *r, struct list *head, bool in_multi) {
    while (!list_empty(head)) {
        struct fetch *f = CONTAINER(head->next, struct fetch, link);
        if (in_multi)
            curl_multi_remove_handle(r->multi, f->easy);
        release(f);
    }
}

static void close_inside(struct real *r) {
    later_forget(&r->start_waiting);
    release_all(r, &r->waiting, false);
    release_all(r, &r->running, true);
    release_all(r, &r->cancelled, true);
    release_all(r, &r->idle, false);
    curl_multi_cleanup(r->multi);
    r->handles = 2;
    uv_close((uv_handle_t *)&r->poll, on_closed);
    uv_close((uv_handle_t *)&r->timer, on_closed);
    close(r->epoll);
}

static void leave(struct real *r) {
    if (--r->busy == 0 && r->closing)
        close_inside(r);
}

void fetcher_close(struct fetcher *f) {
    if (f == NULL)
        return;
    struct real *r = real_of(f);
    ensure(!r->closing);
    enter(r);
    r->closing = true;
    // Nobody hears of these any more, even if libcurl is to go on with them in this turn.
    LIST_EACH(it, &r->running) { CONTAINER(it, struct fetch, link)->state = FETCH_CANCELLED; }
    leave(r);
}
