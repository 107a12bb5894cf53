// SPDX-License-Identifier: MIT
#include "port/loop_uv.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/ensure.h"
#include "base/memory.h"

// Turns that a loop takes to close what was open: closing callbacks may put something off by one
// turn, a few times in a row. More would mean that somebody left a connection or listener open.
#define CLOSING_TURNS 16

struct loop {
    uv_loop_t uv;
    uv_async_t stop;
    uv_idle_t hurry; // runs while something waits for the next turn, so that polling does not sleep
    uv_check_t turn; // does what waits
    struct list laters, timers, signals, guests;
    bool running;
    bool has_mailbox;
    uv_async_t mail;
    struct mailbox *box;
    void (*take)(void *ctx, struct mail *mail);
    void *take_ctx;
    uint8_t buffer[LOOP_BUFFER_SIZE];
};

struct timer {
    uv_timer_t uv;
    struct list link;
    struct loop *loop;
    void (*fire)(void *ctx);
    void *ctx;
};

struct signal_watch {
    uv_signal_t uv;
    struct list link;
    void (*got)(void *ctx, int signum);
    void *ctx;
};

uv_loop_t *loop_uv(struct loop *l) { return &l->uv; }

uint8_t *loop_buffer(struct loop *l) { return l->buffer; }

static void on_stop(uv_async_t *a) { uv_stop(a->loop); }

static void on_hurry(uv_idle_t *i) {}

static void on_turn(uv_check_t *check) {
    struct loop *l = check->data;
    struct list batch;
    list_init(&batch);
    // What is put off from now on belongs to the turn after this.
    for (struct list *it = list_take(&l->laters); it != NULL; it = list_take(&l->laters))
        list_push(&batch, it);
    uv_idle_stop(&l->hurry);
    for (struct list *it = list_take(&batch); it != NULL; it = list_take(&batch)) {
        struct later *later = CONTAINER(it, struct later, link);
        later->run(later);
    }
}

void loop_later(struct loop *l, struct later *later) {
    if (later->link.next == NULL)
        list_init(&later->link);
    if (!list_empty(&later->link))
        return;
    list_push(&l->laters, &later->link);
    uv_idle_start(&l->hurry, on_hurry);
}

void later_forget(struct later *later) {
    if (later->link.next != NULL)
        list_remove(&later->link);
}

void guest_stays(struct loop *l, struct guest *guest) { list_push(&l->guests, &guest->link); }

void guest_left(struct guest *guest) {
    if (guest->link.next != NULL)
        list_remove(&guest->link);
}

// libuv and libcurl write to sockets by calls that raise SIGPIPE when the peer is gone.
static void ignore_sigpipe(void) {
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

static void *resize(void *p, size_t n) { return memory_grow(p, n, 1); }

static void give_memory(void) {
    ensure(uv_replace_allocator(memory_take, resize, memory_new, free) == 0);
}

result loop_open(struct loop **out) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, give_memory);
    *out = NULL;
    struct loop *l = NEW(struct loop);
    if (uv_loop_init(&l->uv) != 0) {
        free(l);
        FAIL(SYSTEM, "the system gives no further event loop");
    }
    list_init(&l->laters);
    list_init(&l->timers);
    list_init(&l->signals);
    list_init(&l->guests);
    ensure(uv_async_init(&l->uv, &l->stop, on_stop) == 0);
    uv_unref((uv_handle_t *)&l->stop);
    uv_idle_init(&l->uv, &l->hurry);
    uv_check_init(&l->uv, &l->turn);
    l->turn.data = l;
    uv_check_start(&l->turn, on_turn);
    uv_unref((uv_handle_t *)&l->turn);
    ignore_sigpipe();
    *out = l;
    return OK;
}

void loop_run(struct loop *l) {
    l->running = true;
    uv_run(&l->uv, UV_RUN_DEFAULT);
    l->running = false;
}

void loop_stop(struct loop *l) { uv_async_send(&l->stop); }

int64_t loop_now_us(struct loop *l) {
    if (!l->running)
        uv_update_time(&l->uv);
    return (int64_t)uv_now(&l->uv) * 1000;
}

static void on_mail(uv_async_t *a) {
    struct loop *l = a->data;
    struct mail *next = NULL;
    for (struct mail *mail = mailbox_drain(l->box); mail != NULL; mail = next) {
        next = mail->next;
        mail->next = NULL;
        l->take(l->take_ctx, mail);
    }
}

static void wake_loop(void *ctx) {
    struct loop *l = ctx;
    uv_async_send(&l->mail);
}

struct mailbox *loop_mailbox(struct loop *l, void (*take)(void *ctx, struct mail *mail),
                             void *ctx) {
    ensure(!l->has_mailbox);
    ensure(uv_async_init(&l->uv, &l->mail, on_mail) == 0);
    l->mail.data = l;
    l->take = take;
    l->take_ctx = ctx;
    l->has_mailbox = true;
    l->box = mailbox_open(wake_loop, l);
    return l->box;
}

struct timer *timer_open(struct loop *l, void (*fire)(void *ctx), void *ctx) {
    struct timer *t = NEW(struct timer);
    uv_timer_init(&l->uv, &t->uv);
    t->uv.data = t;
    t->loop = l;
    t->fire = fire;
    t->ctx = ctx;
    list_push(&l->timers, &t->link);
    return t;
}

static void on_timer(uv_timer_t *uv) {
    struct timer *t = uv->data;
    t->fire(t->ctx);
}

void timer_set(struct timer *t, int64_t ms) {
    // Outside loop_run the loop's time stands still, and what is set would be due too early.
    if (!t->loop->running)
        uv_update_time(&t->loop->uv);
    uv_timer_start(&t->uv, on_timer, ms > 0 ? (uint64_t)ms : 0, 0);
}

void timer_clear(struct timer *t) { uv_timer_stop(&t->uv); }

static void free_timer(uv_handle_t *h) { free(h->data); }

void timer_close(struct timer *t) {
    if (t == NULL)
        return;
    list_remove(&t->link);
    uv_close((uv_handle_t *)&t->uv, free_timer);
}

static void on_signal(uv_signal_t *uv, int signum) {
    struct signal_watch *w = uv->data;
    w->got(w->ctx, signum);
}

static void free_signal(uv_handle_t *h) { free(h->data); }

result loop_signal(struct loop *l, int signum, void (*got)(void *ctx, int signum), void *ctx) {
    struct signal_watch *w = NEW(struct signal_watch);
    if (uv_signal_init(&l->uv, &w->uv) != 0) {
        free(w);
        FAIL(SYSTEM, "the system gives no pipe to hear of signals by");
    }
    w->uv.data = w;
    w->got = got;
    w->ctx = ctx;
    list_push(&l->signals, &w->link);
    NEED(uv_signal_start(&w->uv, on_signal, signum) == 0, SYSTEM, "this signal cannot be caught");
    return OK;
}

result loop_interrupts(struct loop *l, void (*got)(void *ctx, int signum), void *ctx) {
    TRY(loop_signal(l, SIGINT, got, ctx));
    return loop_signal(l, SIGTERM, got, ctx);
}

result loop_hangups(struct loop *l, void (*got)(void *ctx, int signum), void *ctx) {
    return loop_signal(l, SIGHUP, got, ctx);
}

// Takes the last mail, and ends what lingers while its owners' timers can still be closed by them.
static void end_guests(struct loop *l) {
    LIST_EACH(it, &l->timers) { timer_clear(CONTAINER(it, struct timer, link)); }
    if (l->has_mailbox)
        on_mail(&l->mail);
    for (struct list *it = list_take(&l->guests); it != NULL; it = list_take(&l->guests)) {
        struct guest *guest = CONTAINER(it, struct guest, link);
        guest->cut(guest);
    }
}

static void close_owned(struct loop *l) {
    if (l->has_mailbox) {
        mailbox_close(l->box);
        uv_close((uv_handle_t *)&l->mail, NULL);
    }
    for (struct list *it = l->timers.next; it != &l->timers; it = l->timers.next)
        timer_close(CONTAINER(it, struct timer, link));
    for (struct list *it = list_take(&l->signals); it != NULL; it = list_take(&l->signals))
        uv_close((uv_handle_t *)&CONTAINER(it, struct signal_watch, link)->uv, free_signal);
}

static void run_turns(struct loop *l) {
    for (int i = 0; i < CLOSING_TURNS; i++)
        uv_run(&l->uv, UV_RUN_NOWAIT);
}

void loop_close(struct loop *l) {
    if (l == NULL)
        return;
    end_guests(l);
    run_turns(l);
    close_owned(l);
    run_turns(l);
    uv_close((uv_handle_t *)&l->stop, NULL);
    uv_close((uv_handle_t *)&l->hurry, NULL);
    uv_close((uv_handle_t *)&l->turn, NULL);
    uv_run(&l->uv, UV_RUN_NOWAIT);
    // Busy: a connection, listener or fetcher was not closed before its loop.
    ensure(uv_loop_close(&l->uv) == 0);
    free(l);
}
