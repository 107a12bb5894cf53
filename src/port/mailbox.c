// SPDX-License-Identifier: MIT
#include "port/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/ensure.h"
#include "base/memory.h"

struct mailbox {
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct mail *first;
    struct mail **last; // where the next one is linked
    bool waiting;       // the receiver sleeps: without it, posting costs no call into the system
    void (*wake)(void *ctx);
    void *ctx;
};

struct mailbox *mailbox_open(void (*wake)(void *ctx), void *ctx) {
    struct mailbox *m = NEW(struct mailbox);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    ensure(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    ensure(pthread_cond_init(&m->arrived, &attr) == 0);
    pthread_condattr_destroy(&attr);
    ensure(pthread_mutex_init(&m->lock, NULL) == 0);
    m->last = &m->first;
    m->wake = wake;
    m->ctx = ctx;
    return m;
}

void mailbox_close(struct mailbox *m) {
    if (m == NULL)
        return;
    // Whoever posted last may still be inside the lock.
    pthread_mutex_lock(&m->lock);
    ensure(m->first == NULL && !m->waiting);
    pthread_mutex_unlock(&m->lock);
    pthread_cond_destroy(&m->arrived);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void mailbox_post(struct mailbox *m, struct mail *mail) {
    mail->next = NULL;
    pthread_mutex_lock(&m->lock);
    bool was_empty = m->first == NULL;
    *m->last = mail;
    m->last = &mail->next;
    if (m->waiting)
        pthread_cond_signal(&m->arrived);
    // The box may be gone once the receiver has the mail.
    void (*wake)(void *ctx) = was_empty ? m->wake : NULL;
    void *ctx = m->ctx;
    pthread_mutex_unlock(&m->lock);
    if (wake != NULL)
        wake(ctx);
}

struct mail *mailbox_drain(struct mailbox *m) {
    pthread_mutex_lock(&m->lock);
    struct mail *first = m->first;
    m->first = NULL;
    m->last = &m->first;
    pthread_mutex_unlock(&m->lock);
    return first;
}

static struct timespec deadline_in(int64_t timeout_us) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += timeout_us / 1000000;
    t.tv_nsec += timeout_us % 1000000 * 1000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

bool mailbox_wait(struct mailbox *m, int64_t timeout_us) {
    struct timespec until = {0};
    if (timeout_us > 0)
        until = deadline_in(timeout_us);
    pthread_mutex_lock(&m->lock);
    m->waiting = true;
    int err = 0;
    while (m->first == NULL && timeout_us != 0 && err == 0) {
        if (timeout_us < 0)
            err = pthread_cond_wait(&m->arrived, &m->lock);
        else
            err = pthread_cond_timedwait(&m->arrived, &m->lock, &until);
    }
    ensure(err == 0 || err == ETIMEDOUT);
    m->waiting = false;
    bool there = m->first != NULL;
    pthread_mutex_unlock(&m->lock);
    return there;
}
