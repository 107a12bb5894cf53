// SPDX-License-Identifier: MIT
#include "port_helpers.h"

#include <signal.h>

#include "port/clock.h"
#include "port/loop_uv.h"
#include "port/thread.h"

struct note {
    struct loop *loop;
    struct timer *timer;
    int count, stop_at;
    int order[8];
};

static void fired(void *ctx) {
    struct note *n = ctx;
    if (++n->count == n->stop_at)
        loop_stop(n->loop);
}

static void timers_fire_once_a_set(void **state) {
    struct loop *l = NULL;
    assert_ok(loop_open(&l));
    struct note n = {.loop = l};
    struct timer *t = timer_open(l, fired, &n);
    int64_t before = clock_mono_us(&clock_real);
    timer_set(t, 100000);
    timer_set(t, 30);
    loop_run(l); // ends because nothing is left
    assert_int_equal(n.count, 1);
    assert_true(clock_mono_us(&clock_real) - before >= 29000);
    timer_set(t, 0);
    loop_run(l);
    assert_int_equal(n.count, 2);
    timer_set(t, 0);
    timer_clear(t);
    loop_run(l);
    assert_int_equal(n.count, 2);
    timer_close(t);
    timer_close(NULL);
    timer_set(timer_open(l, fired, &n), 100000); // is closed by the loop
    loop_close(l);
    loop_close(NULL);
    assert_int_equal(n.count, 2);
}

static void close_own_timer(void *ctx) {
    struct note *n = ctx;
    n->count++;
    timer_close(n->timer);
}

static void a_timer_may_close_itself(void **state) {
    struct loop *l = NULL;
    assert_ok(loop_open(&l));
    struct note n = {.loop = l};
    n.timer = timer_open(l, close_own_timer, &n);
    timer_set(n.timer, 1);
    loop_run(l);
    assert_int_equal(n.count, 1);
    loop_close(l);
}

static void now_runs(void **state) {
    struct loop *l = NULL;
    assert_ok(loop_open(&l));
    int64_t mono = clock_mono_us(&clock_real), now = loop_now_us(l);
    assert_true(now > mono - 1000000 && now < mono + 1000000);
    loop_close(l);
}

#define LETTERS 20000

struct post_office {
    struct loop *loop;
    struct mailbox *box;
    struct mail *letters;
    int taken;
};

static void take(void *ctx, struct mail *mail) {
    struct post_office *o = ctx;
    assert_null(mail->next);
    assert_int_equal(mail->kind, o->taken);
    if (++o->taken == LETTERS)
        loop_stop(o->loop);
}

static void post_letters(void *ctx) {
    struct post_office *o = ctx;
    for (int i = 0; i < LETTERS; i++) {
        o->letters[i].kind = i;
        mailbox_post(o->box, &o->letters[i]);
    }
}

static void mail_is_taken_in_order(void **state) {
    struct post_office o = {.letters = calloc(LETTERS, sizeof(struct mail))};
    assert_ok(loop_open(&o.loop));
    o.box = loop_mailbox(o.loop, take, &o);
    struct thread *t = NULL;
    assert_ok(thread_start("post", post_letters, &o, &t));
    loop_run(o.loop);
    assert_int_equal(o.taken, LETTERS);
    thread_join(t);
    o.letters[0].kind = LETTERS;
    mailbox_post(o.box, &o.letters[0]);
    loop_close(o.loop);
    assert_int_equal(o.taken, LETTERS + 1);
    free(o.letters);
}

static void stop_it(void *ctx) { loop_stop(ctx); }

static void another_thread_stops(void **state) {
    struct post_office o = {0};
    assert_ok(loop_open(&o.loop));
    o.box = loop_mailbox(o.loop, take, &o);
    struct thread *t = NULL;
    assert_ok(thread_start("stop", stop_it, o.loop, &t));
    loop_run(o.loop);
    thread_join(t);
    loop_stop(o.loop); // before it runs is early enough
    loop_run(o.loop);
    loop_close(o.loop);
}

static void got_signal(void *ctx, int signum) {
    struct note *n = ctx;
    n->order[n->count] = signum;
    if (++n->count < n->stop_at)
        raise(SIGUSR2);
    else
        loop_stop(n->loop);
}

static void signals_are_told(void **state) {
    struct loop *l = NULL;
    assert_ok(loop_open(&l));
    struct note n = {.loop = l, .stop_at = 3};
    assert_ok(loop_signal(l, SIGUSR1, got_signal, &n));
    assert_ok(loop_signal(l, SIGUSR2, got_signal, &n));
    assert_failed(SYSTEM, loop_signal(l, SIGKILL, got_signal, &n));
    raise(SIGUSR1);
    loop_run(l);
    assert_int_equal(n.count, 3);
    assert_int_equal(n.order[0], SIGUSR1);
    assert_int_equal(n.order[1], SIGUSR2);
    assert_int_equal(n.order[2], SIGUSR2);
    loop_close(l);
}

struct put_off {
    struct later later;
    struct loop *loop;
    int runs, again;
};

static void run_later(struct later *later) {
    struct put_off *p = CONTAINER(later, struct put_off, later);
    p->runs++;
    if (p->again-- > 0)
        loop_later(p->loop, later);
}

static void what_is_put_off_runs(void **state) {
    struct loop *l = NULL;
    assert_ok(loop_open(&l));
    struct put_off a = {.later.run = run_later, .loop = l, .again = 2};
    struct put_off b = {.later.run = run_later, .loop = l};
    loop_later(l, &a.later);
    loop_later(l, &a.later);
    loop_later(l, &b.later);
    later_forget(&b.later);
    loop_run(l);
    assert_int_equal(a.runs, 3);
    assert_int_equal(b.runs, 0);
    loop_close(l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_once_a_set),
        cmocka_unit_test(a_timer_may_close_itself),
        cmocka_unit_test(now_runs),
        cmocka_unit_test(mail_is_taken_in_order),
        cmocka_unit_test(another_thread_stops),
        cmocka_unit_test(signals_are_told),
        cmocka_unit_test(what_is_put_off_runs),
    };
    return cmocka_run_group_tests_name("port_loop", tests, NULL, NULL);
}
