// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/metrics.h"
#include "dispatch/pool.h"
#include "port/log.h"

#define MANY 8
#define TIMEOUT_MS 1000

// A worker that the fake door was asked to start.
struct process {
    bool used, ended, forgotten, closed;
    int stops, how;
    struct text in;
    const struct process_owner *owner;
    void *ctx;
};

struct world {
    struct clock clock;
    int64_t now;
    struct processes door;
    struct process all[MANY];
    size_t started;
    struct program program;
    struct pool *pool;
    struct flight flights[MANY];
    struct text said; // what the pool told its owner
    size_t changes;
};

static struct world *w;

static int64_t fake_wall(struct clock *c) { return w->now / 1000; }
static int64_t fake_mono(struct clock *c) { return w->now; }
static void fake_entropy(struct clock *c, void *p, size_t n) { memset(p, 7, n); }

static struct process *fake_start(struct processes *ps, const struct process_spec *spec,
                                  const struct process_owner *owner, void *ctx) {
    assert_true(w->started < MANY);
    struct process *p = &w->all[w->started++];
    *p = (struct process){.used = true, .owner = owner, .ctx = ctx};
    assert_string_equal(spec->argv[0], "handler");
    assert_string_equal(spec->env[0], "A=b");
    assert_string_equal(spec->env[1], "HOOKKEEP_DESTINATION=books");
    assert_null(spec->env[2]);
    return p;
}

static int64_t fake_pid(struct process *p) { return 100 + (p - w->all); }

static void fake_write(struct process *p, struct text *t) {
    assert_false(p->closed || p->ended || p->forgotten);
    text_add(&p->in, text_bytes(t));
    text_drop(t);
}

static void fake_close_input(struct process *p) { p->closed = true; }

static void fake_stop(struct process *p, enum process_stop how) {
    p->stops++;
    p->how = how;
}

static void fake_forget(struct process *p) {
    assert_false(p->ended);
    p->forgotten = true;
}

static void answered(void *ctx, struct flight *f, const struct frame_answer *a) {
    text_addf(&w->said, "%llu %s%s%.*s; ", (unsigned long long)f->delivery,
              outcome_name(a->outcome), a->error.n > 0 ? " " : "", BYTES_ARG(a->error));
}

static void failed(void *ctx, struct flight *f, bytes why, bytes tail) {
    text_addf(&w->said, "%llu failed: %.*s [%.*s]; ", (unsigned long long)f->delivery,
              BYTES_ARG(why), BYTES_ARG(tail));
}

static void put_off(void *ctx, struct flight *f) {
    text_addf(&w->said, "%llu put off; ", (unsigned long long)f->delivery);
}

static void changed(void *ctx) { w->changes++; }

static void open_pool_of(uint32_t workers, bool one_each) {
    static const struct pool_owner owner = {answered, failed, put_off, changed};
    static const int64_t restart_ms[] = {100, 500};
    w->pool = pool_open(&w->program, &(struct pool_options){
                                         .clock = &w->clock,
                                         .workers = workers,
                                         .one_each = one_each,
                                         .timeout_ms = TIMEOUT_MS,
                                         .restart_ms = restart_ms,
                                         .restart_count = 2,
                                         .owner = &owner,
                                     });
}

static void open_pool(uint32_t workers) { open_pool_of(workers, false); }

static int set_up(void **state) {
    log_setup(LOG_TEXT, LOG_SILENT);
    metrics_reset();
    w = NEW(struct world);
    w->clock = (struct clock){fake_wall, fake_mono, fake_entropy};
    w->now = 1000000;
    w->door = (struct processes){fake_start,       fake_pid,  fake_write,
                                 fake_close_input, fake_stop, fake_forget};
    bytes run = B("handler"), env = B("A=b");
    const struct dispatch_options o = {.clock = &w->clock, .processes = &w->door};
    const struct target t = {
        .name = B("books"),
        .handler = {.run = &run, .run_count = 1, .environment = &env, .environment_count = 1},
    };
    program_init(&w->program, &o, &t);
    return 0;
}

static int tear_down(void **state) {
    pool_close(w->pool);
    program_drop(&w->program);
    for (size_t i = 0; i < MANY; i++)
        text_drop(&w->all[i].in);
    text_drop(&w->said);
    free(w);
    return 0;
}

static void send(uint64_t delivery) {
    assert_true(pool_ready(w->pool));
    pool_send(w->pool, &w->flights[delivery],
              &(struct frame_event){.delivery = delivery, .attempt = 1, .payload = B("{}")});
}

static void says(size_t worker, const char *text) {
    struct process *p = &w->all[worker];
    p->owner->wrote(p->ctx, PROCESS_OUT, bytes_of(text));
}

static void ends(size_t worker, struct process_end how) {
    struct process *p = &w->all[worker];
    p->owner->wrote(p->ctx, PROCESS_OUT, NO_BYTES);
    p->owner->wrote(p->ctx, PROCESS_ERR, NO_BYTES);
    p->ended = true;
    p->owner->ended(p->ctx, &how);
}

#define DONE(n) "{\"delivery\":" #n ",\"outcome\":\"done\"}\n"

static void heard(const char *what) {
    assert_string_equal(text_str(&w->said), what);
    text_reset(&w->said);
    if (w->said.p != NULL)
        w->said.p[0] = '\0';
}

static void each_event_goes_to_the_worker_that_owes_least(void **state) {
    open_pool(2);
    assert_int_equal(w->started, 0);
    send(1);
    assert_int_equal(w->started, 1);
    send(2); // the first has one
    assert_int_equal(w->started, 2);
    send(3);
    send(4);
    assert_int_equal(w->started, 2);
    says(1, DONE(2) DONE(4));
    heard("2 done; 4 done; ");
    send(5);
    send(6);
    says(0, DONE(5));
    heard("");
    says(1, DONE(5) DONE(6));
    heard("5 done; 6 done; ");
    says(0, DONE(3) DONE(1));
    heard("3 done; 1 done; ");
    assert_int_equal(pool_due(w->pool), 0);
}

static void an_idle_worker_is_preferred_to_a_new_one(void **state) {
    open_pool(4);
    for (uint64_t i = 1; i < 5; i++) {
        send(i);
        OWN(text_drop)
        struct text t = {0};
        text_addf(&t, "{\"delivery\":%llu,\"outcome\":\"done\"}\n", (unsigned long long)i);
        says(0, text_str(&t));
    }
    assert_int_equal(w->started, 1);
}

static void what_is_no_answer_changes_nothing(void **state) {
    open_pool(1);
    send(1);
    says(0, "hello\n" DONE(7) "{\"delivery\":1,\"attempt\":2,\"outcome\":\"done\"}\n\n");
    heard("");
    says(0, "{\"delivery\":1,\"attempt\":1,\"outcome\":\"failed\",\"error\":\"no\"}\n" DONE(1));
    heard("1 failed no; ");
    assert_int_equal(metric_get(METRIC_HANDLER_GARBAGE), 2);
    assert_int_equal(metric_get(METRIC_HANDLER_UNKNOWN), 3);
    OWN(text_drop)
    struct text long_line = {0};
    while (long_line.n < 2 * FRAME_LINE_MAX)
        text_adds(&long_line, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    says(0, text_str(&long_line));
    says(0, "\n");
    assert_int_equal(metric_get(METRIC_HANDLER_TOO_LONG), 1);
    assert_int_equal(w->all[0].stops, 0);
}

static void a_line_that_is_ignored_and_not_logged_is_counted_as_lost(void **state) {
    open_pool(1);
    w->program.voice.rate = 2;
    send(1);
    says(0, "a\nb\n");
    assert_int_equal(metric_get(METRIC_HANDLER_LINES_LOST), 0);
    says(0, "c\nd\n");
    assert_int_equal(metric_get(METRIC_HANDLER_LINES_LOST), 2);
    says(0, DONE(1));
}

static void an_answer_may_come_in_pieces_and_lack_its_end(void **state) {
    open_pool(1);
    send(1);
    send(2);
    says(0, "{\"delivery\":1,\"out");
    says(0, "come\":\"done\"}\r\n{\"delivery\":2,\"outcome\":\"done\"}");
    heard("1 done; ");
    ends(0, (struct process_end){.status = 0});
    heard("2 done; ");
    assert_int_equal(metric_get(METRIC_HANDLER_DIED), 0);
}

static void a_worker_that_dies_fails_what_it_owes_and_waits(void **state) {
    open_pool(1);
    send(1);
    send(2);
    struct process *p = &w->all[0];
    p->owner->wrote(p->ctx, PROCESS_ERR, B("Traceback\n"));
    ends(0, (struct process_end){.signal = 11, .signal_name = "SEGV"});
    heard("1 failed: its worker ended: killed by SIGSEGV [Traceback\n]; "
          "2 failed: its worker ended: killed by SIGSEGV [Traceback\n]; ");
    assert_true(w->changes > 0);
    assert_int_equal(pool_size(w->pool), 0);
    assert_false(pool_ready(w->pool));
    assert_int_equal(pool_due(w->pool), w->now + 100000);
    w->now += 100000;
    pool_tick(w->pool);
    assert_int_equal(pool_due(w->pool), 0);
    send(3); // dies again without an answer: a longer wait, the last from then on
    ends(1, (struct process_end){.failed = "none: No such file"});
    heard("3 failed: not run: none: No such file []; ");
    assert_int_equal(pool_due(w->pool), w->now + 500000);
    w->now += 500000;
    send(4);
    ends(2, (struct process_end){.status = 1});
    assert_int_equal(pool_due(w->pool), w->now + 500000);
    w->now += 500000;
    send(5); // an answer: the first wait again
    says(3, DONE(5));
    ends(3, (struct process_end){.status = 1});
    assert_int_equal(pool_due(w->pool), w->now + 100000);
    assert_int_equal(metric_get(METRIC_HANDLER_DIED), 4);
}

static void a_worker_may_ask_to_be_replaced(void **state) {
    open_pool(1);
    send(1);
    says(0, DONE(1));
    ends(0, (struct process_end){.status = 0});
    assert_true(pool_ready(w->pool));
    send(2);
    assert_int_equal(w->started, 2);
    assert_int_equal(metric_get(METRIC_HANDLER_DIED), 0);
    says(1, DONE(2));
    heard("1 done; 2 done; ");
    send(3); // before its end is seen
    send(4);
    ends(1, (struct process_end){.status = 0});
    heard("3 put off; 4 put off; ");
    assert_true(pool_ready(w->pool));
    assert_int_equal(metric_get(METRIC_HANDLER_DIED), 0);
    send(3);
    ends(2, (struct process_end){.status = 0}); // it had answered nothing: a death
    heard("3 failed: its worker ended: exited with 0 []; ");
    assert_false(pool_ready(w->pool));
    assert_int_equal(metric_get(METRIC_HANDLER_DIED), 1);
}

static void a_worker_that_answered_and_fails_is_not_replaced_but_dies(void **state) {
    open_pool(1);
    send(1);
    says(0, DONE(1));
    send(2);
    ends(0, (struct process_end){.status = 1});
    heard("1 done; 2 failed: its worker ended: exited with 1 []; ");
    assert_false(pool_ready(w->pool));
    assert_int_equal(metric_get(METRIC_HANDLER_DIED), 1);
}

static void workers_with_one_each_take_no_second(void **state) {
    open_pool_of(2, true);
    send(1);
    send(2);
    assert_int_equal(w->started, 2);
    assert_false(pool_ready(w->pool));
    says(1, DONE(2));
    send(3);
    assert_false(pool_ready(w->pool));
    says(1, DONE(3));
    says(0, DONE(1));
    heard("2 done; 3 done; 1 done; ");
    send(4);
    assert_true(pool_ready(w->pool));
    assert_int_equal(w->started, 2);
    // It has answered before, and would be replaced if it had nothing in its hands.
    ends(0, (struct process_end){.status = 0});
    heard("4 failed: its worker ended: exited with 0 []; ");
    assert_int_equal(metric_get(METRIC_HANDLER_DIED), 1);
    ends(1, (struct process_end){.status = 0});
    assert_int_equal(metric_get(METRIC_HANDLER_DIED), 1);
}

static void a_late_worker_is_replaced_and_may_answer_the_rest(void **state) {
    open_pool(1);
    send(1);
    w->now += 500000;
    send(2);
    assert_int_equal(pool_due(w->pool), 1000000 + TIMEOUT_MS * 1000);
    w->now += 500000;
    pool_tick(w->pool);
    heard("1 failed: no answer within 1s []; ");
    assert_int_equal(w->all[0].stops, 0);
    send(3);
    assert_int_equal(w->started, 2);
    says(0, DONE(1)); // too late
    heard("");
    says(0, DONE(2));
    heard("2 done; ");
    assert_int_equal(w->all[0].stops, 1);
    assert_int_equal(w->all[0].how, PROCESS_ASK);
    assert_true(w->all[0].closed);
    ends(0, (struct process_end){.signal = 15, .signal_name = "TERM"});
    assert_int_equal(metric_get(METRIC_HANDLER_DIED), 0);
    assert_int_equal(metric_get(METRIC_HANDLER_LATE), 1);
    assert_true(pool_ready(w->pool));
    says(1, DONE(3));
}

// Late workers that do not end are not replaced without end.
static void no_more_than_twice_as_many_are_up(void **state) {
    open_pool(1);
    for (uint64_t i = 1; i <= 2; i++) {
        send(i);
        w->now += TIMEOUT_MS * 1000;
        pool_tick(w->pool);
    }
    heard("1 failed: no answer within 1s []; 2 failed: no answer within 1s []; ");
    assert_int_equal(w->started, 2);
    assert_false(pool_ready(w->pool));
    assert_int_equal(pool_due(w->pool), 0); // it waits for an end, not for a time
    assert_int_equal(metric_get(METRIC_HANDLER_CROWDED), 1);
    ends(0, (struct process_end){.signal = 9, .signal_name = "KILL"});
    assert_int_equal(w->changes, 1);
    send(3);
    assert_int_equal(w->started, 3);
    ends(1, (struct process_end){.signal = 9, .signal_name = "KILL"});
    says(2, DONE(3));
    heard("3 done; ");
}

static void who_closes_its_output_gets_nothing_more(void **state) {
    open_pool(1);
    send(1);
    struct process *p = &w->all[0];
    p->owner->wrote(p->ctx, PROCESS_OUT, NO_BYTES);
    heard(""); // how it ends is still to be told
    assert_false(pool_ready(w->pool));
    assert_true(p->closed);
    assert_int_equal(p->how, PROCESS_WAIT);
    p->ended = true;
    p->owner->ended(p->ctx, &(struct process_end){.signal = 15, .signal_name = "TERM"});
    heard("1 failed: its worker ended: killed by SIGTERM []; ");
    assert_int_equal(pool_due(w->pool), w->now + 100000);
}

static void a_retired_pool_ends_in_order(void **state) {
    open_pool(2);
    send(1);
    send(2);
    says(1, DONE(2));
    pool_retire(w->pool);
    pool_retire(w->pool);
    assert_false(pool_ready(w->pool));
    assert_int_equal(w->all[0].stops, 0);
    assert_int_equal(w->all[1].stops, 1);
    assert_int_equal(w->all[1].how, PROCESS_WAIT);
    ends(1, (struct process_end){.status = 0});
    says(0, DONE(1));
    heard("2 done; 1 done; ");
    assert_int_equal(w->all[0].stops, 1);
    assert_int_equal(pool_size(w->pool), 1);
    ends(0, (struct process_end){.status = 3}); // asked: no death
    assert_int_equal(pool_size(w->pool), 0);
    assert_int_equal(pool_due(w->pool), 0);
    assert_int_equal(metric_get(METRIC_HANDLER_DIED), 0);
}

static void what_is_cancelled_is_forgotten_and_its_answer_ignored(void **state) {
    open_pool(1);
    send(1);
    send(2);
    pool_cancel(w->pool, &w->flights[1]);
    says(0, DONE(1) DONE(2));
    heard("2 done; ");
    assert_int_equal(metric_get(METRIC_HANDLER_UNKNOWN), 1);
}

static void closing_kills_what_runs(void **state) {
    open_pool(2);
    send(1);
    says(0, DONE(1));
    pool_close(w->pool);
    assert_true(w->all[0].forgotten);
    open_pool(1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(test_) cmocka_unit_test_setup_teardown(test_, set_up, tear_down)
        T(each_event_goes_to_the_worker_that_owes_least),
        T(an_idle_worker_is_preferred_to_a_new_one),
        T(what_is_no_answer_changes_nothing),
        T(a_line_that_is_ignored_and_not_logged_is_counted_as_lost),
        T(an_answer_may_come_in_pieces_and_lack_its_end),
        T(a_worker_that_dies_fails_what_it_owes_and_waits),
        T(a_worker_may_ask_to_be_replaced),
        T(a_worker_that_answered_and_fails_is_not_replaced_but_dies),
        T(workers_with_one_each_take_no_second),
        T(a_late_worker_is_replaced_and_may_answer_the_rest),
        T(no_more_than_twice_as_many_are_up),
        T(who_closes_its_output_gets_nothing_more),
        T(a_retired_pool_ends_in_order),
        T(what_is_cancelled_is_forgotten_and_its_answer_ignored),
        T(closing_kills_what_runs),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
