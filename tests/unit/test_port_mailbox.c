// SPDX-License-Identifier: MIT
#include "port_helpers.h"

#include <signal.h>
#include <stdatomic.h>

#include "port/clock.h"
#include "port/mailbox.h"
#include "port/thread.h"

#define POSTERS 4
#define EACH 100000

struct letter {
    struct mail mail;
    int number;
};

struct poster {
    struct mailbox *box;
    int id;
    struct letter *letters;
};

static void post_all(void *ctx) {
    struct poster *p = ctx;
    for (int i = 0; i < EACH; i++) {
        p->letters[i] = (struct letter){.mail.kind = p->id, .number = i};
        mailbox_post(p->box, &p->letters[i].mail);
    }
}

// Every letter arrives once, and each poster's in his order.
static void four_threads_post(void **state) {
    struct mailbox *box = mailbox_open(NULL, NULL);
    struct poster posters[POSTERS];
    struct thread *threads[POSTERS];
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){box, i, calloc(EACH, sizeof(struct letter))};
        assert_ok(thread_start("poster", post_all, &posters[i], &threads[i]));
    }
    int next[POSTERS] = {0}, count = 0;
    while (count < POSTERS * EACH) {
        assert_true(mailbox_wait(box, 10000000));
        for (struct mail *m = mailbox_drain(box); m != NULL; m = m->next, count++) {
            struct letter *l = (struct letter *)m;
            assert_int_equal(l->number, next[m->kind]++);
        }
    }
    for (int i = 0; i < POSTERS; i++) {
        thread_join(threads[i]);
        assert_int_equal(next[i], EACH);
    }
    assert_null(mailbox_drain(box));
    mailbox_close(box);
    for (int i = 0; i < POSTERS; i++)
        free(posters[i].letters);
}

static void count_wake(void *ctx) { (*(int *)ctx)++; }

static void wakes_when_no_longer_empty(void **state) {
    int wakes = 0;
    struct mailbox *box = mailbox_open(count_wake, &wakes);
    struct mail a = {.kind = 1}, b = {.kind = 2}, c = {.kind = 3};
    mailbox_post(box, &a);
    mailbox_post(box, &b);
    assert_int_equal(wakes, 1);
    struct mail *first = mailbox_drain(box);
    assert_ptr_equal(first, &a);
    assert_ptr_equal(first->next, &b);
    assert_null(b.next);
    mailbox_post(box, &c);
    assert_int_equal(wakes, 2);
    assert_ptr_equal(mailbox_drain(box), &c);
    mailbox_close(box);
    mailbox_close(NULL);
}

static void waiting_ends_in_time(void **state) {
    struct mailbox *box = mailbox_open(NULL, NULL);
    assert_false(mailbox_wait(box, 0));
    int64_t before = clock_mono_us(&clock_real);
    assert_false(mailbox_wait(box, 20000));
    assert_true(clock_mono_us(&clock_real) - before >= 20000);
    struct mail a;
    mailbox_post(box, &a);
    assert_true(mailbox_wait(box, 0));
    assert_true(mailbox_wait(box, -1));
    mailbox_drain(box);
    mailbox_close(box);
}

static void post_one(void *ctx) {
    static struct mail mail;
    mailbox_post(ctx, &mail);
}

static void mail_wakes_the_sleeper(void **state) {
    struct mailbox *box = mailbox_open(NULL, NULL);
    struct thread *t = NULL;
    assert_ok(thread_start("one", post_one, box, &t));
    assert_true(mailbox_wait(box, -1));
    assert_non_null(mailbox_drain(box));
    thread_join(t);
    mailbox_close(box);
}

struct seen {
    char name[16];
    bool term_blocked, segv_blocked;
};

static void look_around(void *ctx) {
    struct seen *s = ctx;
    sigset_t now;
    pthread_getname_np(pthread_self(), s->name, sizeof s->name);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    s->term_blocked = sigismember(&now, SIGTERM) == 1;
    s->segv_blocked = sigismember(&now, SIGSEGV) == 1;
}

static void threads_have_a_name_and_no_signals(void **state) {
    struct seen s = {0};
    struct thread *t = NULL;
    assert_ok(thread_start("fifteen letters", look_around, &s, &t));
    thread_join(t);
    thread_join(NULL);
    assert_string_equal(s.name, "fifteen letters");
    assert_true(s.term_blocked);
    assert_false(s.segv_blocked);
    sigset_t mine;
    pthread_sigmask(SIG_SETMASK, NULL, &mine);
    assert_int_equal(sigismember(&mine, SIGTERM), 0);
}

static void the_clock_runs(void **state) {
    assert_true(clock_wall_ms(&clock_real) > INT64_C(1700000000000));
    int64_t a = clock_mono_us(&clock_real);
    int64_t b = clock_mono_us(&clock_real);
    assert_true(a > 0 && b >= a && b - a < 10000000);
    assert_true(clock_seed(&clock_real) != clock_seed(&clock_real));
    uint8_t key[300] = {0};
    clock_real.entropy(&clock_real, key, sizeof key);
    int zeros = 0;
    for (size_t i = 0; i < sizeof key; i++)
        zeros += key[i] == 0;
    assert_true(zeros < 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_runs),
        cmocka_unit_test(threads_have_a_name_and_no_signals),
        cmocka_unit_test(wakes_when_no_longer_empty),
        cmocka_unit_test(waiting_ends_in_time),
        cmocka_unit_test(mail_wakes_the_sleeper),
        cmocka_unit_test(four_threads_post),
    };
    return cmocka_run_group_tests_name("port_mailbox", tests, NULL, NULL);
}
