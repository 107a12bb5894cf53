// SPDX-License-Identifier: MIT
#include "port_helpers.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/memory.h"
#include "base/metrics.h"
#include "base/text.h"
#include "port/clock.h"
#include "port/keeper.h"
#include "port/once.h"
#include "port/process.h"

#define LATE_MS 20000

// One program under test, and what was heard of it.
struct run {
    struct loop *loop;
    struct processes *door;
    struct process *process;
    struct timer *timer; // calls `then` once
    void (*then)(struct run *r);
    const char *then_after; // its output ends so; null: a line
    struct text out, err;
    bool out_closed, err_closed, ended;
    size_t out_bytes;
    int status, signal;
    char failed[200];
};

static void wrote(void *ctx, enum process_stream stream, bytes piece) {
    struct run *r = ctx;
    assert_false(r->ended);
    if (piece.n == 0)
        *(stream == PROCESS_OUT ? &r->out_closed : &r->err_closed) = true;
    if (stream == PROCESS_OUT)
        r->out_bytes += piece.n;
    struct text *t = stream == PROCESS_OUT ? &r->out : &r->err;
    if (t->n < 1 << 20)
        text_add(t, piece);
    const char *after = r->then_after != NULL ? r->then_after : "\n";
    if (r->then != NULL && stream == PROCESS_OUT &&
        bytes_ends(text_bytes(&r->out), bytes_of(after)))
        timer_set(r->timer, 0);
}

static void ended(void *ctx, const struct process_end *end) {
    struct run *r = ctx;
    assert_false(r->ended);
    assert_true(r->out_closed && r->err_closed);
    r->ended = true;
    r->status = end->status;
    r->signal = end->signal;
    if (end->failed != NULL)
        snprintf(r->failed, sizeof r->failed, "%s", end->failed);
    timer_clear(r->timer);
}

// Nothing was started, so nothing was heard of its streams.
static void not_started(void *ctx, const struct process_end *end) {
    struct run *r = ctx;
    r->out_closed = r->err_closed = true;
    ended(ctx, end);
}

static void on_timer(void *ctx) {
    struct run *r = ctx;
    void (*then)(struct run *) = r->then;
    r->then = NULL;
    if (then == NULL)
        fail_msg("too late");
    then(r);
    if (!r->ended)
        timer_set(r->timer, LATE_MS);
}

static const struct process_owner owner = {wrote, ended};

static const char *const plain_env[] = {"PATH=/usr/bin:/bin", "A=b", NULL};

static void begin(struct run *r, const struct process_spec *spec) {
    assert_ok(loop_open(&r->loop));
    assert_ok(processes_open(r->loop, &r->door));
    r->timer = timer_open(r->loop, on_timer, r);
    timer_set(r->timer, LATE_MS);
    r->process = r->door->start(r->door, spec, &owner, r);
    assert_false(r->ended);
}

static void finish(struct run *r) {
    timer_close(r->timer);
    processes_close(r->door);
    loop_close(r->loop);
    text_drop(&r->out);
    text_drop(&r->err);
}

#define SPEC(...)                                                                                  \
    { .argv = (const char *const[]){__VA_ARGS__, NULL}, .env = plain_env, .grace_ms = 300, }
#define SHELL(script_) SPEC("sh", "-c", script_)

static void run_to_end(struct run *r, const struct process_spec *spec) {
    begin(r, spec);
    loop_run(r->loop);
    assert_true(r->ended);
}

static void a_program_gets_its_input_and_is_heard(void **state) {
    struct run r = {0};
    const struct process_spec spec = SHELL("cat; echo so >&2; exit 7");
    begin(&r, &spec);
    struct text large = {0};
    for (int i = 0; i < 300000; i++)
        text_addf(&large, "%d\n", i);
    char *copy = strdup(text_str(&large));
    struct text first = {0};
    text_adds(&first, "first\n");
    r.door->write(r.process, &first);
    r.door->write(r.process, &large);
    assert_int_equal(large.n, 0);
    r.door->close_input(r.process);
    loop_run(r.loop);
    assert_true(r.ended);
    assert_int_equal(r.status, 7);
    assert_int_equal(r.signal, 0);
    assert_string_equal(r.failed, "");
    assert_int_equal(r.out_bytes, 6 + strlen(copy));
    assert_memory_equal(r.out.p, "first\n0\n1\n2\n", 12);
    assert_string_equal(text_str(&r.err), "so\n");
    free(copy);
    finish(&r);
}

static void a_program_may_be_waited_for(void **state) {
    static const struct {
        const char *script, *out, *err, *why;
        enum fail_code code; // of a failure
    } rows[] = {
        {"cat; echo so; echo why >&2", "so\n", "why\n", "", 0},
        {"echo so; exit 3", "so\n", "", "exited with 3", FAIL_SYSTEM},
        {"kill -SEGV $$", "", "", "killed by SIGSEGV", FAIL_SYSTEM},
        {"echo so; sleep 100", "so\n", "", "no end within 500ms", FAIL_TIMEOUT},
        {"echo 1234567890123; yes >&2 & sleep 0.1; kill $!", "12345678", "y\ny\ny\ny\n", "", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct text out = {.max = 8}, err = {.max = 8}, why = {0};
        const struct process_spec spec = SHELL(rows[i].script);
        result ran = process_once(&spec, 500, &out, &err, &why);
        assert_true(rows[i].why[0] == '\0' ? ran == OK : failed_as(ran, rows[i].code));
        assert_string_equal(text_str(&out), rows[i].out);
        assert_string_equal(text_str(&err), rows[i].err);
        assert_string_equal(text_str(&why), rows[i].why);
        text_drop(&out);
        text_drop(&err);
        text_drop(&why);
    }
}

static void a_program_that_does_not_read_harms_nobody(void **state) {
    struct run r = {0};
    const struct process_spec spec = SHELL("exec <&-; sleep 0.1; exit 0");
    begin(&r, &spec);
    struct text large = {0};
    while (large.n < 1 << 20)
        text_adds(&large, "nobody will read this");
    r.door->write(r.process, &large);
    r.door->close_input(r.process);
    loop_run(r.loop);
    assert_true(r.ended);
    assert_int_equal(r.status, 0);
    finish(&r);
}

static void a_signal_is_told(void **state) {
    struct run r = {0};
    const struct process_spec spec = SHELL("kill -SEGV $$");
    run_to_end(&r, &spec);
    assert_int_equal(r.signal, SIGSEGV);
    finish(&r);
}

static void what_cannot_be_run_says_why(void **state) {
    const struct {
        struct process_spec spec;
        const char *why;
    } rows[] = {
        {SPEC("no-such-program"), "no-such-program: No such file or directory"},
        {SPEC("/etc/passwd"), "/etc/passwd: Permission denied"},
        {{.argv = (const char *const[]){"true", NULL},
          .env = plain_env,
          .directory = "/no/such/folder"},
         "/no/such/folder: No such file or directory"},
        {{.argv = (const char *const[]){"true", NULL}, .env = plain_env, .user = "no-such-user"},
         "there is no such user: No such file or directory"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct run r = {0};
        run_to_end(&r, &rows[i].spec);
        assert_string_equal(r.failed, rows[i].why);
        finish(&r);
    }
}

static void without_descriptors_it_says_so_and_goes_on(void **state) {
    struct run r = {0};
    assert_ok(loop_open(&r.loop));
    assert_ok(processes_open(r.loop, &r.door));
    r.timer = timer_open(r.loop, on_timer, &r);
    timer_set(r.timer, LATE_MS);
    struct rlimit was;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    for (rlim_t n = 4; n < 64; n++) {
        const struct rlimit few = {n, was.rlim_max};
        const struct process_owner o = {wrote, not_started};
        const struct process_spec spec = SHELL("exit 0");
        r.ended = r.out_closed = r.err_closed = false;
        r.failed[0] = '\0';
        setrlimit(RLIMIT_NOFILE, &few);
        r.process = r.door->start(r.door, &spec, &o, &r);
        setrlimit(RLIMIT_NOFILE, &was);
        loop_run(r.loop);
        assert_true(r.ended);
        if (r.failed[0] == '\0')
            break;
        assert_memory_equal(r.failed, "the system starts no further process: ", 38);
        timer_set(r.timer, LATE_MS);
    }
    assert_string_equal(r.failed, "");
    finish(&r);
}

// stdin, stdout, stderr, the environment given, default signals, a umask and a session of its own.
static void nothing_of_ours_is_inherited(void **state) {
    struct run r = {0};
    setenv("OUR_SECRET", "whsec_0123456789abcdef", 1);
    int leak = dup(STDERR_FILENO); // without close-on-exec
    assert_true(leak > STDERR_FILENO);
    static const uint64_t ignored[8] = {(uintptr_t)SIG_IGN}, plain[8] = {0};
    // 32, which libc does not reset.
    assert_int_equal(syscall(SYS_rt_sigaction, 32, ignored, NULL, sizeof(uint64_t)), 0);
    struct process_spec spec =
        SHELL("ls -m /proc/$$/fd; env | grep -v ^_= | sort | tr '\\n' ' '; umask;"
              "grep -E '^Sig(Blk|Ign)' /proc/self/status; ulimit -c;"
              "test $(ps -o sid= -p $$) = $$ && echo session");
    spec.directory = "/";
    run_to_end(&r, &spec);
    close(leak);
    unsetenv("OUR_SECRET");
    assert_int_equal(syscall(SYS_rt_sigaction, 32, plain, NULL, sizeof(uint64_t)), 0);
    assert_string_equal(text_str(&r.out), "0, 1, 2\nA=b PATH=/usr/bin:/bin PWD=/ 0077\n"
                                          "SigBlk:\t0000000000000000\n"
                                          "SigIgn:\t0000000000000000\n0\nsession\n");
    finish(&r);
}

// The linker of the program complains, that of its keeper, which may be root, heard nothing.
static void what_the_environment_asks_of_the_linker_is_the_programs(void **state) {
    struct run r = {0};
    static const char *const env[] = {"PATH=/usr/bin:/bin", "LD_PRELOAD=/no/such.so", NULL};
    struct process_spec spec = SPEC("true");
    spec.env = env;
    run_to_end(&r, &spec);
    assert_int_equal(r.status, 0);
    const char *first = strstr(text_str(&r.err), "/no/such.so");
    assert_non_null(first);
    assert_null(strstr(first + 1, "/no/such.so"));
    finish(&r);
}

static void limits_and_directory_hold(void **state) {
    struct run r = {0};
    struct process_spec spec = SHELL("pwd; ulimit -d; ulimit -t; ulimit -n");
    spec.directory = "/usr";
    spec.memory_max = 64 << 20;
    spec.cpu_s = 9;
    spec.files_max = 77;
    run_to_end(&r, &spec);
    assert_string_equal(text_str(&r.out), "/usr\n65536\n9\n77\n");
    finish(&r);
}

static void ask_to_end(struct run *r) { r->door->stop(r->process, PROCESS_ASK); }

static void what_is_asked_to_end_may_do_so(void **state) {
    struct run r = {.then = ask_to_end};
    const struct process_spec spec =
        SHELL("trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done");
    run_to_end(&r, &spec);
    assert_int_equal(r.status, 4);
    assert_string_equal(text_str(&r.out), "up\nbye\n");
    finish(&r);
}

static void what_does_not_end_is_killed_after_its_grace(void **state) {
    struct run r = {.then = ask_to_end};
    const struct process_spec spec = SHELL("trap '' TERM; echo up; while :; do sleep 1; done");
    int64_t before = clock_mono_us(&clock_real);
    run_to_end(&r, &spec);
    assert_int_equal(r.signal, SIGKILL);
    assert_true(clock_mono_us(&clock_real) - before >= 300000);
    finish(&r);
}

static void close_and_wait(struct run *r) {
    r->door->close_input(r->process);
    r->door->stop(r->process, PROCESS_WAIT);
}

static void its_input_closed_it_has_time_and_then_is_asked(void **state) {
    struct run r = {.then = close_and_wait};
    const struct process_spec polite = SHELL("echo up; cat; sleep 0.05; exit 0");
    run_to_end(&r, &polite);
    assert_int_equal(r.status, 0);
    finish(&r);
    struct run s = {.then = close_and_wait};
    const struct process_spec deaf = SHELL("echo up; exec sleep 1000");
    run_to_end(&s, &deaf);
    assert_int_equal(s.signal, SIGTERM);
    finish(&s);
}

static bool is_alive(long pid) {
    char path[64], line[300] = "";
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        return false;
    const char *got = fgets(line, sizeof line, f);
    fclose(f);
    const char *state = got == NULL ? NULL : strrchr(line, ')');
    return state != NULL && state[2] != 'Z';
}

static void assert_gone(const char *pids) {
    for (char *end, *p = (char *)pids; *p != '\0'; p = end) {
        long pid = strtol(p, &end, 10);
        if (end == p)
            break;
        for (int i = 0; i < 500 && is_alive(pid); i++)
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        if (is_alive(pid))
            fail_msg("process %ld lives", pid);
    }
}

static void forget_it(struct run *r) {
    r->door->forget(r->process);
    r->ended = true;
    timer_clear(r->timer);
}

// Children in sessions of their own, deaf to SIGTERM, and without their parent.
#define FAMILY                                                                                     \
    "trap '' TERM; (setsid sleep 1000 & echo $!);"                                                 \
    "(setsid sh -c 'sleep 1000 & echo $!; sleep 1000' & echo $!); sleep 0.2; echo $$;"

static void what_is_forgotten_is_killed_with_all_its_children(void **state) {
    struct run r = {.then = forget_it, .then_after = "\n\n"};
    const struct process_spec spec = SHELL(FAMILY "echo; exec sleep 1000");
    run_to_end(&r, &spec);
    assert_gone(text_str(&r.out));
    finish(&r);
}

static void what_a_program_leaves_behind_ends_with_it(void **state) {
    struct run r = {0};
    const struct process_spec spec = SHELL(FAMILY "exit 3");
    int64_t before = clock_mono_us(&clock_real);
    run_to_end(&r, &spec);
    assert_int_equal(r.status, 3);
    assert_true(clock_mono_us(&clock_real) - before < 10 * INT64_C(1000000));
    assert_gone(text_str(&r.out));
    finish(&r);
}

#define CROWD 66 // two more than may leave something

struct crowd {
    struct loop *loop;
    struct text out[CROWD];
    struct crowd_one {
        struct crowd *crowd;
        size_t number;
    } ones[CROWD];
    size_t ended[CROWD], ended_count; // in this order
};

static void crowd_wrote(void *ctx, enum process_stream stream, bytes piece) {
    struct crowd_one *one = ctx;
    text_add(&one->crowd->out[one->number], piece);
}

static void crowd_ended(void *ctx, const struct process_end *end) {
    struct crowd_one *one = ctx;
    struct crowd *c = one->crowd;
    assert_int_equal(end->status, 3);
    c->ended[c->ended_count++] = one->number;
    if (c->ended_count == CROWD)
        loop_stop(c->loop);
}

static void those_that_leave_something_have_no_end_of_grace(void **state) {
    static const struct process_owner hears = {crowd_wrote, crowd_ended};
    struct crowd *c = NEW(struct crowd);
    struct processes *door;
    metrics_reset();
    assert_ok(loop_open(&c->loop));
    assert_ok(processes_open(c->loop, &door));
    struct process_spec spec = SHELL("trap '' TERM; sleep 1000 >&- 2>&- & echo $!; exit 3");
    spec.grace_ms = 60000;
    for (size_t i = 0; i < CROWD; i++) {
        c->ones[i] = (struct crowd_one){c, i};
        door->start(door, &spec, &hears, &c->ones[i]);
    }
    loop_run(c->loop);
    // The first two are killed for the last two; the others have their grace.
    assert_gone(text_str(&c->out[c->ended[0]]));
    assert_gone(text_str(&c->out[c->ended[1]]));
    for (size_t i = 2; i < CROWD; i++)
        assert_true(is_alive(strtol(text_str(&c->out[c->ended[i]]), NULL, 10)));
    assert_int_equal(metric_get(METRIC_HANDLER_CUT), 2);
    processes_close(door);
    loop_close(c->loop);
    for (size_t i = 0; i < CROWD; i++) {
        assert_gone(text_str(&c->out[i]));
        text_drop(&c->out[i]);
    }
    free(c);
}

static void a_stream_that_is_closed_is_told_while_it_lives(void **state) {
    struct run r = {.then = ask_to_end};
    const struct process_spec spec =
        SHELL("trap 'exit 5' TERM; echo up; exec >&-; while :; do sleep 0.05; done");
    run_to_end(&r, &spec);
    assert_true(r.out_closed);
    assert_int_equal(r.status, 5);
    finish(&r);
}

static void who_writes_without_end_waits(void **state) {
    struct run r = {.then = ask_to_end, .then_after = "never"};
    const struct process_spec spec = SHELL("yes 0123456789012345678901234567890123456789");
    begin(&r, &spec);
    timer_set(r.timer, 450);
    loop_run(r.loop);
    assert_true(r.ended);
    assert_int_equal(r.signal, SIGTERM);
    assert_true(r.out_bytes > 1 << 20);
    assert_true(r.out_bytes < 64 << 20);
    finish(&r);
}

// The program says its number first: its output may be heard before the keeper's word of it.
static long pid_said(struct run *r) { return strtol(text_str(&r->out), NULL, 10); }

static pid_t keeper_of(struct run *r) {
    char path[64], line[300];
    long parent = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid_said(r));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(fgets(line, sizeof line, f));
    fclose(f);
    parent = strtol(strrchr(line, ')') + 4, NULL, 10);
    assert_true(parent > 1);
    return (pid_t)parent;
}

static void kill_keeper(struct run *r) { assert_int_equal(kill(keeper_of(r), SIGKILL), 0); }

static void a_keeper_that_dies_takes_its_program_along(void **state) {
    struct run r = {.then = kill_keeper};
    const struct process_spec spec = SHELL("echo $$; exec sleep 1000");
    run_to_end(&r, &spec);
    assert_string_equal(r.failed, "its keeper was killed");
    assert_gone(text_str(&r.out));
    finish(&r);
}

// Its keeper wakes to find its program ended and two words of ours; it reads one of them and ends.
static void say_more_than_is_read(struct run *r) {
    pid_t keeper = keeper_of(r);
    siginfo_t info;
    assert_int_equal(kill(keeper, SIGSTOP), 0);
    r->door->close_input(r->process);
    for (int i = 0; i < 500 && is_alive(pid_said(r)); i++)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    r->door->stop(r->process, PROCESS_WAIT);
    r->door->stop(r->process, PROCESS_WAIT);
    assert_int_equal(kill(keeper, SIGCONT), 0);
    assert_int_equal(waitid(P_PID, (id_t)keeper, &info, WEXITED | WNOWAIT), 0);
}

static void a_keeper_that_did_not_read_all_is_heard_to_its_end(void **state) {
    struct run r = {.then = say_more_than_is_read};
    const struct process_spec spec = SHELL("echo $$; read line; exit 3");
    run_to_end(&r, &spec);
    assert_string_equal(r.failed, "");
    assert_int_equal(r.status, 3);
    finish(&r);
}

// Two programs: while the loop hears of the first one's end, the second one ends, and is reaped
// with it, before its keeper's last word was read.
static struct run first, second;
static char go_path[128];

static void let_second_end(void *ctx, const struct process_end *end) {
    ended(ctx, end);
    FILE *f = fopen(go_path, "w");
    assert_non_null(f);
    fclose(f);
    siginfo_t info;
    pid_t keeper = (pid_t)strtol(text_str(&second.out), NULL, 10);
    assert_int_equal(waitid(P_PID, (id_t)keeper, &info, WEXITED | WNOWAIT), 0);
}

static void start_first(struct run *r) {
    static const struct process_owner lets_go = {wrote, let_second_end};
    const struct process_spec spec = SHELL("exit 0");
    siginfo_t info;
    first.process = r->door->start(r->door, &spec, &lets_go, &first);
    assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
}

static void what_is_reaped_before_it_was_heard_is_told_as_it_was(void **state) {
    char script[256];
    folder_make();
    snprintf(go_path, sizeof go_path, "%s", in_folder("go"));
    snprintf(script, sizeof script, "echo $PPID; until [ -e %s ]; do sleep 0.01; done; exit 3",
             go_path);
    const struct process_spec spec = SHELL(script);
    second = (struct run){.then = start_first};
    begin(&second, &spec);
    first = (struct run){.loop = second.loop, .door = second.door, .timer = second.timer};
    loop_run(second.loop);
    assert_true(first.ended && second.ended);
    assert_string_equal(second.failed, "");
    assert_int_equal(second.status, 3);
    text_drop(&first.out);
    text_drop(&first.err);
    finish(&second);
    folder_remove();
}

static void many_at_once(void **state) {
    enum { MANY = 20 };
    struct run r[MANY] = {0};
    const struct process_spec spec = SHELL("cat; exit 1");
    assert_ok(loop_open(&r[0].loop));
    assert_ok(processes_open(r[0].loop, &r[0].door));
    for (int i = 0; i < MANY; i++) {
        r[i].loop = r[0].loop;
        r[i].door = r[0].door;
        r[i].timer = timer_open(r[0].loop, on_timer, &r[i]);
        r[i].process = r[0].door->start(r[0].door, &spec, &owner, &r[i]);
        struct text t = {0};
        text_addf(&t, "%d", i);
        r[i].door->write(r[i].process, &t);
        r[i].door->close_input(r[i].process);
    }
    loop_run(r[0].loop);
    for (int i = 0; i < MANY; i++) {
        assert_true(r[i].ended);
        assert_int_equal(r[i].status, 1);
        assert_int_equal(strtol(text_str(&r[i].out), NULL, 10), i);
        if (i > 0) {
            timer_close(r[i].timer);
            text_drop(&r[i].out);
            text_drop(&r[i].err);
        }
    }
    finish(&r[0]);
}

int main(int argc, char **argv) {
    keeper_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_gets_its_input_and_is_heard),
        cmocka_unit_test(a_program_may_be_waited_for),
        cmocka_unit_test(a_program_that_does_not_read_harms_nobody),
        cmocka_unit_test(a_signal_is_told),
        cmocka_unit_test(what_cannot_be_run_says_why),
        cmocka_unit_test(without_descriptors_it_says_so_and_goes_on),
        cmocka_unit_test(nothing_of_ours_is_inherited),
        cmocka_unit_test(what_the_environment_asks_of_the_linker_is_the_programs),
        cmocka_unit_test(limits_and_directory_hold),
        cmocka_unit_test(what_is_asked_to_end_may_do_so),
        cmocka_unit_test(what_does_not_end_is_killed_after_its_grace),
        cmocka_unit_test(its_input_closed_it_has_time_and_then_is_asked),
        cmocka_unit_test(what_is_forgotten_is_killed_with_all_its_children),
        cmocka_unit_test(what_a_program_leaves_behind_ends_with_it),
        cmocka_unit_test(those_that_leave_something_have_no_end_of_grace),
        cmocka_unit_test(a_stream_that_is_closed_is_told_while_it_lives),
        cmocka_unit_test(who_writes_without_end_waits),
        cmocka_unit_test(a_keeper_that_dies_takes_its_program_along),
        cmocka_unit_test(a_keeper_that_did_not_read_all_is_heard_to_its_end),
        cmocka_unit_test(what_is_reaped_before_it_was_heard_is_told_as_it_was),
        cmocka_unit_test(many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
