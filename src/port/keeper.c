// SPDX-License-Identifier: MIT
#include "port/keeper.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "port/process.h"

// What is being killed is looked for after 20 ms, and ever more rarely: what another user runs may
// be out of our reach.
#define AGAIN_FIRST_MS 20
#define AGAIN_MAX_MS 1000
#define MESSAGE_MAX 256

struct keeper {
    pid_t program; // 0: it has ended
    int children;  // signalfd of SIGCHLD
    bool gone;     // nobody is at the socket's other end
    int64_t grace_ms;
    int64_t ask_at;  // monotonic ms of SIGTERM to all; 0: not yet
    int64_t kill_at; // from then on SIGKILL to all; 0: not yet
    int64_t again_ms;
};

static uint64_t number_of(const char *digits) {
    uint64_t n = 0;
    return bytes_to_u64(bytes_of(digits), &n) == OK ? n : 0;
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void tell(char kind, long long number, const char *what, int error) {
    char m[MESSAGE_MAX], why[MESSAGE_MAX];
    int n = what == NULL
                ? snprintf(m, sizeof m, "%c%lld", kind, number)
                : snprintf(m, sizeof m, "%c%s: %s", kind, what, strerror_r(error, why, sizeof why));
    size_t length = n < (int)sizeof m ? (size_t)n : sizeof m - 1;
    (void)!send(KEEPER_SOCKET, m, length, MSG_NOSIGNAL);
}

// --- the program's side, between fork and execve

static _Noreturn void cannot(const char *what) {
    tell('F', 0, what, errno);
    _exit(127);
}

static void limit(int resource, const char *most, rlim_t more) {
    if (most[0] == '\0')
        return;
    struct rlimit now;
    rlim_t n = number_of(most);
    // What we are denied ourselves cannot be given.
    if (getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_max < n + more)
        n = now.rlim_max - more;
    if (setrlimit(resource, &(struct rlimit){n, n + more}) != 0)
        cannot("its limits cannot be set");
}

bool keeper_knows(const char *user) { return getpwnam(user) != NULL; }

static void become(const char *user) {
    if (user[0] == '\0')
        return;
    errno = 0;
    const struct passwd *who = getpwnam(user);
    if (who == NULL) {
        errno = errno != 0 ? errno : ENOENT;
        cannot("there is no such user");
    }
    if (who->pw_uid == geteuid() && who->pw_gid == getegid())
        return;
    if (initgroups(user, who->pw_gid) != 0 || setgid(who->pw_gid) != 0 || setuid(who->pw_uid) != 0)
        cannot("it cannot be run as that user");
}

// By the kernel's call: libc keeps 32 and 33 to itself, and who started us may have ignored them.
static void reset_signals(void) {
    static const uint64_t by_default[8] = {
        0}; // no smaller than its struct sigaction; zero: SIG_DFL
    sigset_t none;
    for (int s = 1; s < NSIG; s++)
        (void)syscall(SYS_rt_sigaction, s, by_default, NULL, sizeof(uint64_t));
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

// From here on the environment is the program's; execvp looks for it in its PATH.
static void unveil_environment(void) {
    for (char **e = environ; *e != NULL; e++)
        *e += strlen(KEEPER_VEIL);
}

static _Noreturn void be_program(char **argv, pid_t keeper) {
    setsid();
    reset_signals();
    umask(077);
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    // Before user: lookups may need files. Behind the limit on time comes one second for SIGXCPU.
    limit(RLIMIT_CPU, argv[KEEPER_CPU], 1);
    limit(RLIMIT_NOFILE, argv[KEEPER_FILES], 0);
    become(argv[KEEPER_USER]);
    // Another user's process loses the tie, so it comes behind.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper)
        _exit(127);
    if (argv[KEEPER_DIRECTORY][0] != '\0' && chdir(argv[KEEPER_DIRECTORY]) != 0)
        cannot(argv[KEEPER_DIRECTORY]);
    close_range(KEEPER_SOCKET, ~0U, CLOSE_RANGE_CLOEXEC);
    limit(RLIMIT_DATA, argv[KEEPER_MEMORY], 0);
    unveil_environment();
    execvp(argv[KEEPER_PROGRAM], &argv[KEEPER_PROGRAM]);
    cannot(argv[KEEPER_PROGRAM]);
}

// --- the keeper's

struct kin {
    pid_t pid, parent;
    bool ours;
};

static bool read_kin(const char *pid, struct kin *out) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, line, sizeof line - 1);
    close(fd);
    line[n > 0 ? n : 0] = '\0';
    // pid (name) state parent …; the name may have anything inside.
    const char *name_end = strrchr(line, ')');
    bytes rest = bytes_of(name_end);
    (void)bytes_cut(&rest, ' ');
    (void)bytes_cut(&rest, ' ');
    uint64_t parent = 0;
    bool read_it = bytes_to_u64(bytes_cut(&rest, ' '), &parent) == OK;
    *out = (struct kin){.pid = (pid_t)number_of(pid), .parent = (pid_t)parent};
    return read_it;
}

// Everybody on the machine whom we may see.
static struct kin *read_everybody(size_t *count) {
    struct kin *all = NULL;
    size_t cap = 0;
    *count = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *e = proc == NULL ? NULL : readdir(proc); e != NULL; e = readdir(proc)) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        if (*count == cap) {
            cap = cap == 0 ? 256 : 2 * cap;
            all = memory_grow(all, cap, sizeof *all);
        }
        *count += read_kin(e->d_name, &all[*count]);
    }
    if (proc != NULL)
        closedir(proc);
    return all;
}

// To all that came from the program, itself included.
static void signal_all(int signum) {
    size_t n;
    struct kin *all = read_everybody(&n);
    const pid_t me = getpid();
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < n; i++) {
            bool ours = all[i].parent == me;
            for (size_t k = 0; k < n && !ours; k++)
                ours = all[k].ours && all[k].pid == all[i].parent;
            more = more || (ours && !all[i].ours);
            all[i].ours = ours;
        }
    }
    for (size_t i = 0; i < n; i++)
        if (all[i].ours)
            kill(all[i].pid, signum);
    free(all);
}

static void ask(struct keeper *k) {
    if (k->kill_at != 0)
        return;
    signal_all(SIGTERM);
    k->kill_at = now_ms() + k->grace_ms;
}

static void tell_end(int status) {
    if (WIFSIGNALED(status))
        tell('S', WTERMSIG(status), NULL, 0);
    else
        tell('X', WEXITSTATUS(status), NULL, 0);
}

// False once there are no children any more.
static bool reap(struct keeper *k) {
    struct signalfd_siginfo told;
    (void)!read(k->children, &told, sizeof told);
    bool ended = false;
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid < 0)
            return false;
        if (pid == 0)
            break;
        if (pid != k->program)
            continue;
        k->program = 0;
        ended = true;
        tell_end(status);
    }
    if (ended)
        ask(k);
    return true;
}

static void hear(struct keeper *k) {
    char how;
    ssize_t n = recv(KEEPER_SOCKET, &how, 1, MSG_DONTWAIT);
    if (n == 1 && how == PROCESS_ASK)
        ask(k);
    else if (n == 1 && k->ask_at == 0)
        k->ask_at = now_ms() + k->grace_ms;
    else if (n == 0)
        k->gone = true;
    if (k->gone)
        k->kill_at = now_ms();
}

static int wait_ms(const struct keeper *k) {
    int64_t at = k->kill_at != 0 ? k->kill_at : k->ask_at, wait = at - now_ms();
    if (at == 0)
        return -1;
    return wait > 0 ? (int)wait : 0;
}

static void kill_all(struct keeper *k) {
    signal_all(SIGKILL);
    k->kill_at = now_ms() + k->again_ms;
    k->again_ms = 2 * k->again_ms < AGAIN_MAX_MS ? 2 * k->again_ms : AGAIN_MAX_MS;
}

static void keep(struct keeper *k) {
    struct pollfd both[] = {{.fd = KEEPER_SOCKET, .events = POLLIN},
                            {.fd = k->children, .events = POLLIN}};
    while (reap(k)) {
        (void)poll(both, 2, wait_ms(k));
        if (both[0].revents != 0)
            hear(k);
        if (k->gone)
            both[0].fd = -1;
        if (k->kill_at == 0 && k->ask_at != 0 && now_ms() >= k->ask_at)
            ask(k);
        if (k->kill_at != 0 && now_ms() >= k->kill_at)
            kill_all(k);
    }
}

// The pipes are the program's: as long as we held them too, nobody would see that it closes them.
static void let_go_of_pipes(void) {
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < KEEPER_SOCKET; fd++)
        dup2(null, fd);
    close(null);
}

void keeper_main(int argc, char **argv) {
    if (argc <= KEEPER_PROGRAM || strcmp(argv[0], KEEPER_NAME) != 0)
        return;
    struct keeper k = {.grace_ms = (int64_t)number_of(argv[KEEPER_GRACE_MS]),
                       .again_ms = AGAIN_FIRST_MS};
    sigset_t all;
    fcntl(KEEPER_SOCKET, F_SETFD, FD_CLOEXEC);
    close_range(KEEPER_SOCKET + 1, ~0U, 0);
    // It ends when its children have, not when somebody means them.
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_NAME, KEEPER_NAME);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigemptyset(&all);
    sigaddset(&all, SIGCHLD);
    k.children = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    pid_t keeper = getpid();
    k.program = fork();
    if (k.program == 0)
        be_program(argv, keeper);
    if (k.program < 0 || k.children < 0) {
        tell('F', 0, "the system gives no further process", errno);
        _exit(1);
    }
    tell('P', k.program, NULL, 0);
    let_go_of_pipes();
    keep(&k);
    _exit(0);
}
