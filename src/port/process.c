// SPDX-License-Identifier: MIT
#include "port/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ensure.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "port/keeper.h"
#include "port/loop_uv.h"

// What a program may write in each turn of this length; more waits for the next.
#define TURN_MS 100
#define TURN_BYTES ((int64_t)1 << 20)
// Programs that ended and left something behind, which has its grace: the keepers that may wait for
// that.
#define LEFT_MAX 64
#define FAILED_MAX 256
// Of why it did not run, so many bytes are told.
#define REASON_MAX 300
#define NUMBER_MAX 24

enum { IN, OUT, ERR, PIPES };

struct real;

struct process {
    struct list link; // in real.all, then in real.left
    struct real *owner;
    struct real *left_by; // not null: in its list
    struct guest guest;   // from when nobody hears of it any more, until its keeper has ended
    const struct process_owner *calls; // null: forgotten, or it has ended
    void *ctx;
    uv_process_t keeper;
    uv_pipe_t pipes[PIPES];
    uv_poll_t control;
    int socket; // to the keeper; -1: closed
    bool open[PIPES], has_keeper, has_control;
    uint8_t handles; // of the loop, not yet closed
    bool input_ends; // close_input, after what is being written
    size_t writing;
    int64_t may_write; // bytes it may write in this turn
    int64_t pid;
    struct later not_started; // says why
    char failed[FAILED_MAX];
};

struct real {
    struct processes door;
    struct loop *loop;
    struct timer *turn; // runs while somebody wrote
    bool turning;
    struct list all;
    struct list left; // the oldest first
    size_t left_count;
};

static struct real *real_of(struct processes *ps) { return CONTAINER(ps, struct real, door); }

// --- letting go

static void free_if_closed(struct process *p) {
    if (p->handles > 0)
        return;
    guest_left(&p->guest);
    free(p);
}

static void on_closed(uv_handle_t *h) {
    struct process *p = h->data;
    p->handles--;
    free_if_closed(p);
}

static void close_pipe(struct process *p, int which) {
    if (!p->open[which])
        return;
    p->open[which] = false;
    uv_close((uv_handle_t *)&p->pipes[which], on_closed);
}

static void close_control(struct process *p) {
    if (!p->has_control)
        return;
    p->has_control = false;
    uv_close((uv_handle_t *)&p->control, on_closed);
}

// Its keeper kills what is left.
static void close_socket(struct process *p) {
    if (p->socket >= 0)
        close(p->socket);
    p->socket = -1;
}

static void hear_out(struct process *p);

// Everything but the keeper's own handle, which stays until it has ended and was reaped, and the
// socket, without which it would not give what is left its grace.
static void let_go(struct process *p) {
    p->calls = NULL;
    list_remove(&p->link);
    later_forget(&p->not_started);
    for (int i = 0; i < PIPES; i++)
        close_pipe(p, i);
    close_control(p);
    if (p->has_keeper)
        guest_stays(p->owner->loop, &p->guest);
    p->owner = NULL;
}

static void leave_list(struct process *p) {
    if (p->left_by == NULL)
        return;
    p->left_by->left_count--;
    p->left_by = NULL;
    list_remove(&p->link);
}

// Nobody hears of it any more, and its keeper waits for what it left behind.
static void stay(struct process *p, struct real *r) {
    if (!p->has_keeper)
        return;
    if (r->left_count == LEFT_MAX) {
        struct process *oldest = CONTAINER(r->left.next, struct process, link);
        leave_list(oldest);
        close_socket(oldest);
        metric_add(METRIC_HANDLER_CUT, 1);
    }
    p->left_by = r;
    r->left_count++;
    list_push(&r->left, &p->link);
}

static void on_keeper_exit(uv_process_t *keeper, int64_t status, int signum) {
    struct process *p = keeper->data;
    p->has_keeper = false;
    leave_list(p);
    hear_out(p); // the socket must not be closed under the handle that watches it
    close_socket(p);
    uv_close((uv_handle_t *)keeper, on_closed);
}

// The loop closes before the keeper has ended. It ends without us.
static void cut_guest(struct guest *guest) {
    struct process *p = CONTAINER(guest, struct process, guest);
    if (p->has_keeper)
        on_keeper_exit(&p->keeper, 0, 0);
}

static void end(struct process *p, const struct process_end *how) {
    const struct process_owner *calls = p->calls;
    void *ctx = p->ctx;
    if (calls == NULL)
        return;
    struct real *r = p->owner;
    let_go(p);
    stay(p, r);
    calls->ended(ctx, how);
    free_if_closed(p);
}

static void forget(struct process *p) {
    let_go(p);
    close_socket(p);
    free_if_closed(p);
}

// --- what it writes

static void wrote(struct process *p, int which, bytes piece) {
    p->may_write -= (int64_t)piece.n;
    if (p->calls != NULL)
        p->calls->wrote(p->ctx, which == OUT ? PROCESS_OUT : PROCESS_ERR, piece);
}

static void give_buffer(uv_handle_t *h, size_t suggested, uv_buf_t *buf) {
    const struct process *p = h->data;
    *buf = uv_buf_init((char *)loop_buffer(p->owner->loop), (unsigned)LOOP_BUFFER_SIZE);
}

static int which_of(const struct process *p, const uv_stream_t *s) {
    return s == (const uv_stream_t *)&p->pipes[OUT] ? OUT : ERR;
}

static void start_turn(struct real *r) {
    if (r->turning)
        return;
    r->turning = true;
    timer_set(r->turn, TURN_MS);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf) {
    struct process *p = s->data;
    int which = which_of(p, s);
    if (n == 0)
        return;
    if (n < 0) {
        close_pipe(p, which);
        wrote(p, which, NO_BYTES);
        return;
    }
    start_turn(p->owner);
    wrote(p, which, bytes_from(buf->base, (size_t)n));
    if (p->calls != NULL && p->may_write <= 0)
        uv_read_stop(s);
}

static void listen_to(struct process *p, int which) {
    if (p->open[which])
        uv_read_start((uv_stream_t *)&p->pipes[which], give_buffer, on_read);
}

static void on_turn(void *ctx) {
    struct real *r = ctx;
    r->turning = false;
    LIST_EACH(it, &r->all) {
        struct process *p = CONTAINER(it, struct process, link);
        if (p->may_write <= 0) {
            listen_to(p, OUT);
            listen_to(p, ERR);
        }
        p->may_write = TURN_BYTES;
    }
}

// What stands in a pipe when its program has ended; not what its children go on writing.
static void drain(struct process *p, int which) {
    int fd = -1;
    if (!p->open[which] || uv_fileno((uv_handle_t *)&p->pipes[which], &fd) != 0)
        return;
    uint8_t *buffer = loop_buffer(p->owner->loop);
    for (int64_t left = TURN_BYTES; left > 0 && p->calls != NULL;) {
        ssize_t n = read(fd, buffer, LOOP_BUFFER_SIZE);
        if (n <= 0)
            break;
        left -= n;
        wrote(p, which, bytes_from(buffer, (size_t)n));
    }
}

// --- what its keeper says

static void drain_and_end(struct process *p, const struct process_end *how) {
    for (int which = OUT; which <= ERR; which++) {
        drain(p, which);
        if (p->open[which])
            wrote(p, which, NO_BYTES);
    }
    end(p, how);
}

static const char *name_of(int signum) {
    const char *name = sigabbrev_np(signum);
    return name != NULL ? name : "RT"; // real-time signals have none
}

static void hear(struct process *p, bytes m) {
    uint64_t n = 0;
    bytes rest = bytes_slice(m, 1, m.n);
    bool number = bytes_to_u64(rest, &n) == OK;
    switch (m.p[0]) {
    case 'P': p->pid = number ? (int64_t)n : 0; break;
    case 'X': drain_and_end(p, &(struct process_end){.status = (int)n}); break;
    case 'S':
        drain_and_end(p, &(struct process_end){.signal = (int)n, .signal_name = name_of((int)n)});
        break;
    default:
        snprintf(p->failed, sizeof p->failed, "%.*s", BYTES_ARG(rest));
        drain_and_end(p, &(struct process_end){.failed = p->failed});
    }
}

static void on_control(uv_poll_t *poll, int status, int events) {
    struct process *p = poll->data;
    char m[FAILED_MAX];
    while (p->calls != NULL) {
        ssize_t n = recv(p->socket, m, sizeof m, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        // It ended without having read all that we said. Told once, before its last words.
        if (n < 0 && errno == ECONNRESET)
            continue;
        if (n > 0)
            hear(p, bytes_from(m, (size_t)n));
        else
            drain_and_end(p, &(struct process_end){.failed = "its keeper was killed"});
    }
}

// What its keeper said before it ended, and nobody has read yet: it may be reaped together with
// another one.
static void hear_out(struct process *p) {
    if (p->has_control)
        on_control(&p->control, 0, 0);
    if (p->calls != NULL && p->has_control)
        drain_and_end(p, &(struct process_end){.failed = "its keeper was killed"});
}

// --- starting

static void close_all(int fds[PIPES + 1]) {
    for (int i = 0; i <= PIPES; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

// Ours and the child's ends; the socket is the last.
static bool open_ends(int ours[PIPES + 1], int theirs[PIPES + 1]) {
    int two[2];
    for (int i = 0; i <= PIPES; i++)
        ours[i] = theirs[i] = -1;
    for (int i = 0; i < PIPES; i++) {
        if (pipe2(two, O_CLOEXEC) != 0)
            return false;
        ours[i] = two[i == IN ? 1 : 0];
        theirs[i] = two[i == IN ? 0 : 1];
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, two) != 0)
        return false;
    ours[PIPES] = two[0];
    theirs[PIPES] = two[1];
    return true;
}

static const char *number_text(char out[NUMBER_MAX], uint64_t n) {
    if (n == 0)
        return "";
    snprintf(out, NUMBER_MAX, "%llu", (unsigned long long)n);
    return out;
}

// Null-ended.
static char **veil(const char *const *env) {
    size_t n = 0;
    while (env[n] != NULL)
        n++;
    char **veiled = NEW_ARRAY(char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        size_t size = strlen(KEEPER_VEIL) + strlen(env[i]) + 1;
        veiled[i] = NEW_ARRAY(char, size);
        snprintf(veiled[i], size, KEEPER_VEIL "%s", env[i]);
    }
    return veiled;
}

static void veil_drop(char **env) {
    for (size_t i = 0; env[i] != NULL; i++) {
        memory_wipe(env[i], strlen(env[i])); // secrets may be among them
        free(env[i]);
    }
    free(env);
}

static int spawn(struct process *p, const struct process_spec *s, const int theirs[PIPES + 1]) {
    char grace[NUMBER_MAX], memory[NUMBER_MAX], cpu[NUMBER_MAX], files[NUMBER_MAX];
    size_t n = 0;
    while (s->argv[n] != NULL)
        n++;
    const char **argv = NEW_ARRAY(const char *, KEEPER_PROGRAM + n + 1);
    argv[0] = KEEPER_NAME;
    argv[KEEPER_GRACE_MS] = number_text(grace, (uint64_t)s->grace_ms);
    argv[KEEPER_MEMORY] = number_text(memory, s->memory_max);
    argv[KEEPER_CPU] = number_text(cpu, s->cpu_s);
    argv[KEEPER_FILES] = number_text(files, s->files_max);
    argv[KEEPER_USER] = s->user != NULL ? s->user : "";
    argv[KEEPER_DIRECTORY] = s->directory != NULL ? s->directory : "";
    for (size_t i = 0; i < n; i++)
        argv[KEEPER_PROGRAM + i] = s->argv[i];
    uv_stdio_container_t stdio[PIPES + 1];
    for (int i = 0; i <= PIPES; i++)
        stdio[i] = (uv_stdio_container_t){.flags = UV_INHERIT_FD, .data.fd = theirs[i]};
    char **env = veil(s->env);
    uv_process_options_t o = {
        .exit_cb = on_keeper_exit,
        .file = PROCESS_SELF,
        .args = (char **)(uintptr_t)argv,
        .env = env,
        .flags = UV_PROCESS_DETACHED, // a session of its own: a terminal's ^C is not for it
        .stdio_count = PIPES + 1,
        .stdio = stdio,
    };
    int failed = uv_spawn(loop_uv(p->owner->loop), &p->keeper, &o);
    veil_drop(env);
    free(argv);
    return failed;
}

static void take_ends(struct process *p, const int ours[PIPES + 1]) {
    uv_loop_t *loop = loop_uv(p->owner->loop);
    for (int i = 0; i < PIPES; i++) {
        uv_pipe_init(loop, &p->pipes[i], 0);
        p->pipes[i].data = p;
        p->handles++;
        p->open[i] = true;
        ensure(uv_pipe_open(&p->pipes[i], ours[i]) == 0);
    }
    p->socket = ours[PIPES];
    ensure(uv_poll_init(loop, &p->control, p->socket) == 0);
    p->control.data = p;
    p->handles++;
    p->has_control = true;
    uv_poll_start(&p->control, UV_READABLE, on_control);
    listen_to(p, OUT);
    listen_to(p, ERR);
}

static void say_not_started(struct later *later) {
    struct process *p = CONTAINER(later, struct process, not_started);
    end(p, &(struct process_end){.failed = p->failed});
}

static void not_started(struct process *p, const char *why) {
    snprintf(p->failed, sizeof p->failed, "the system starts no further process: %s", why);
    p->not_started.run = say_not_started;
    loop_later(p->owner->loop, &p->not_started);
}

static struct process *real_start(struct processes *door, const struct process_spec *spec,
                                  const struct process_owner *owner, void *ctx) {
    struct real *r = real_of(door);
    struct process *p = NEW(struct process);
    p->owner = r;
    p->calls = owner;
    p->ctx = ctx;
    p->socket = -1;
    p->may_write = TURN_BYTES;
    p->keeper.data = p;
    p->guest.cut = cut_guest;
    list_push(&r->all, &p->link);
    int ours[PIPES + 1], theirs[PIPES + 1];
    if (!open_ends(ours, theirs)) {
        not_started(p, uv_strerror(uv_translate_sys_error(errno)));
        close_all(ours);
        close_all(theirs);
        return p;
    }
    int failed = spawn(p, spec, theirs);
    close_all(theirs);
    // libuv has begun with its handle even where it fails.
    p->handles++;
    if (failed == 0) {
        p->has_keeper = true;
        take_ends(p, ours);
        return p;
    }
    not_started(p, uv_strerror(failed));
    uv_close((uv_handle_t *)&p->keeper, on_closed);
    close_all(ours);
    return p;
}

static int64_t real_pid(struct process *p) { return p->pid; }

// --- its input

struct write {
    uv_write_t uv;
    struct process *process;
    char *memory;
};

static void end_input(struct process *p) {
    if (p->input_ends && p->writing == 0)
        close_pipe(p, IN);
}

static void on_written(uv_write_t *uv, int status) {
    struct write *w = CONTAINER(uv, struct write, uv);
    struct process *p = w->process;
    free(w->memory);
    free(w);
    p->writing--;
    // Nobody reads any more.
    if (status != 0 && status != UV_ECANCELED)
        close_pipe(p, IN);
    end_input(p);
}

static void real_write(struct process *p, struct text *t) {
    size_t n = t->n, sent = 0;
    char *memory = text_give(t);
    uv_stream_t *in = (uv_stream_t *)&p->pipes[IN];
    if (p->open[IN] && p->writing == 0) {
        uv_buf_t all = uv_buf_init(memory, (unsigned)n);
        int wrote_now = uv_try_write(in, &all, 1);
        sent = wrote_now > 0 ? (size_t)wrote_now : 0;
        if (wrote_now < 0 && wrote_now != UV_EAGAIN)
            close_pipe(p, IN);
    }
    if (!p->open[IN] || sent == n) {
        free(memory);
        return;
    }
    struct write *w = NEW(struct write);
    w->process = p;
    w->memory = memory;
    uv_buf_t rest = uv_buf_init(memory + sent, (unsigned)(n - sent));
    p->writing++;
    if (uv_write(&w->uv, in, &rest, 1, on_written) == 0)
        return;
    p->writing--;
    free(memory);
    free(w);
    close_pipe(p, IN);
}

static void real_close_input(struct process *p) {
    p->input_ends = true;
    end_input(p);
}

static void real_stop(struct process *p, enum process_stop how) {
    char byte = (char)how;
    if (p->socket >= 0)
        (void)!send(p->socket, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void real_forget(struct process *p) {
    if (p->calls != NULL)
        forget(p);
}

void process_say_end(const struct process_end *end, struct text *out) {
    if (end->failed != NULL) {
        text_adds(out, "not run: ");
        text_add_printable(out, bytes_of(end->failed), REASON_MAX);
    } else if (end->signal != 0) {
        text_addf(out, "killed by SIG%s", end->signal_name);
    } else {
        text_addf(out, "exited with %d", end->status);
    }
}

result processes_open(struct loop *l, struct processes **out) {
    struct real *r = NEW(struct real);
    r->loop = l;
    r->turn = timer_open(l, on_turn, r);
    list_init(&r->all);
    list_init(&r->left);
    r->door = (struct processes){
        .start = real_start,
        .pid = real_pid,
        .write = real_write,
        .close_input = real_close_input,
        .stop = real_stop,
        .forget = real_forget,
    };
    *out = &r->door;
    return OK;
}

void processes_close(struct processes *ps) {
    if (ps == NULL)
        return;
    struct real *r = real_of(ps);
    for (struct list *it = r->all.next; it != &r->all; it = r->all.next)
        forget(CONTAINER(it, struct process, link));
    for (struct list *it = r->left.next; it != &r->left; it = r->left.next)
        leave_list(CONTAINER(it, struct process, link)); // they have their grace, or the loop's end
    timer_close(r->turn);
    free(r);
}
