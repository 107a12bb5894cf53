// SPDX-License-Identifier: MIT
#include "port/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/ensure.h"
#include "base/memory.h"

#define NAME_MAX_LENGTH 15
#define BACKGROUND_NICE 3
#define PROMPT_SLICE_NS 100000

struct thread {
    pthread_t id;
    char name[NAME_MAX_LENGTH + 1];
    void (*run)(void *ctx);
    void *ctx;
};

// The kernel's struct sched_attr in its first version (sched_setattr(2)): its header and libc's
// cannot be included together.
struct scheduling {
    uint32_t size, policy; // 0: SCHED_OTHER
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime_ns, deadline_ns, period_ns;
};

static void *thread_main(void *arg) {
    struct thread *t = arg;
    pthread_setname_np(pthread_self(), t->name);
    t->run(t->ctx);
    return NULL;
}

// All but the program's own faults, which must reach their handler where they happen.
static void signals_of_others(sigset_t *set) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT};
    sigfillset(set);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(set, faults[i]);
}

result thread_start(const char *name, void (*run)(void *ctx), void *ctx, struct thread **out) {
    *out = NULL;
    ensure(strlen(name) <= NAME_MAX_LENGTH);
    struct thread *t = NEW(struct thread);
    memcpy(t->name, name, strlen(name));
    t->run = run;
    t->ctx = ctx;
    // Blocked before it starts: the thread inherits the mask, so no signal finds it in between.
    sigset_t block, before;
    signals_of_others(&block);
    pthread_sigmask(SIG_SETMASK, &block, &before);
    int err = pthread_create(&t->id, NULL, thread_main, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0) {
        free(t);
        FAIL(SYSTEM, "the system gives no further thread");
    }
    *out = t;
    return OK;
}

void thread_background(void) {
    // On Linux a nice value is a thread's own. Nothing depends on it: a refusal changes latency
    // alone.
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), BACKGROUND_NICE);
}

void thread_prompt(void) {
    // Since Linux 6.12 a thread may ask for a shorter slice than the usual one, and preempts those
    // that have longer ones. What else was set for us, a nice value or another policy, stays.
    struct scheduling now = {.size = sizeof now};
    if (syscall(SYS_sched_getattr, 0, &now, sizeof now, 0) != 0 || now.policy != 0)
        return;
    now.runtime_ns = PROMPT_SLICE_NS;
    (void)syscall(SYS_sched_setattr, 0, &now, 0);
}

void thread_rest(int64_t us) {
    struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (us > 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        continue;
}

void thread_join(struct thread *t) {
    if (t == NULL)
        return;
    ensure(pthread_join(t->id, NULL) == 0);
    free(t);
}
