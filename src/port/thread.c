// SPDX-License-Identifier: MIT
#include "port/thread.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/ensure.h"
#include "base/memory.h"

#define NAME_MAX_LENGTH 15
#define BACKGROUND_NICE 3

struct thread {
    pthread_t id;
    char name[NAME_MAX_LENGTH + 1];
    void (*run)(void *ctx);
    void *ctx;
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

void thread_join(struct thread *t) {
    if (t == NULL)
        return;
    ensure(pthread_join(t->id, NULL) == 0);
    free(t);
}
