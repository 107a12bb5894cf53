// SPDX-License-Identifier: MIT
// The journal as an actor: grouping, credit, answers, failures; stepped by hand and with threads.
#include "journal_helpers.h"

#include <stdatomic.h>

#include "base/list.h"
#include "base/metrics.h"
#include "journal/journal.h"
#include "port/thread.h"

// A store in front of another one that fails when told to, and counts.
struct failing_store {
    struct journal_store door;
    struct journal_store *inner;
    result next; // what the next append fails with
    bool for_ever;
    size_t appends;
};

static struct failing_store *failing_of(struct journal_store *s) {
    return CONTAINER(s, struct failing_store, door);
}

static result failing_append(struct journal_store *s, struct record *r, size_t n, int64_t wall) {
    struct failing_store *f = failing_of(s);
    f->appends++;
    result failed = f->next;
    if (!f->for_ever)
        f->next = OK;
    return failed != OK ? failed : f->inner->append(f->inner, r, n, wall);
}
static void failing_release(struct journal_store *s, uint64_t p) {
    failing_of(s)->inner->release(failing_of(s)->inner, p);
}
static size_t failing_cost(struct journal_store *s, size_t n) {
    return failing_of(s)->inner->cost(failing_of(s)->inner, n);
}
static uint64_t failing_room(struct journal_store *s) {
    return failing_of(s)->inner->room(failing_of(s)->inner);
}
static uint64_t failing_used(struct journal_store *s) {
    return failing_of(s)->inner->used(failing_of(s)->inner);
}
static size_t failing_max(struct journal_store *s) {
    return failing_of(s)->inner->payload_max(failing_of(s)->inner);
}
static uint64_t failing_last(struct journal_store *s) {
    return failing_of(s)->inner->last(failing_of(s)->inner);
}
static int64_t failing_time_ms(struct journal_store *s) {
    return failing_of(s)->inner->time_ms(failing_of(s)->inner);
}

struct world {
    struct failing_store store;
    struct journal *j;
    struct mailbox *replies;
    uint64_t told; // by the durable callback
};

static void durable(void *ctx, uint64_t position) { ((struct world *)ctx)->told = position; }

static struct world *world_open(uint64_t room, size_t batch_max) {
    struct world *w = NEW(struct world);
    w->store = (struct failing_store){.door = {.append = failing_append,
                                               .release = failing_release,
                                               .cost = failing_cost,
                                               .room = failing_room,
                                               .used = failing_used,
                                               .payload_max = failing_max,
                                               .last = failing_last,
                                               .time_ms = failing_time_ms},
                                      .inner = journal_store_memory(room)};
    w->replies = mailbox_open(NULL, NULL);
    struct journal_options o = {.clock = &clock_real,
                                .store = &w->store.door,
                                .batch_max = batch_max,
                                .durable = durable,
                                .durable_ctx = w};
    assert_ok(journal_open(&o, &w->j));
    return w;
}

static void world_close(struct world *w) {
    journal_close(w->j);
    mailbox_close(w->replies);
    w->store.inner->close(w->store.inner);
    free(w);
}

static void post(struct world *w, struct append *a, bytes payload) {
    *a = (struct append){.mail.kind = 77,
                         .kind = 1,
                         .seed = 9,
                         .generation = 3,
                         .payload = payload,
                         .reply = w->replies};
    assert_true(journal_credit_take(w->j, CREDIT_RECEIPT, payload.n, &a->credit));
    journal_post(w->j, a);
}

static struct append *reply(struct mail **m) {
    assert_non_null(*m);
    struct append *a = CONTAINER(*m, struct append, mail);
    *m = (*m)->next;
    return a;
}

static uint64_t taken(struct journal *j) {
    uint64_t used, size;
    journal_room(j, &used, &size);
    return used;
}

static void what_waits_is_one_append(void **state) {
    struct world *w = world_open(1 << 20, 0);
    struct append a[10];
    for (size_t i = 0; i < 10; i++)
        post(w, &a[i], B("hello"));
    assert_null(mailbox_drain(w->replies));
    assert_int_equal(journal_durable(w->j), 0);
    assert_true(journal_step(w->j));
    assert_int_equal(w->store.appends, 1);
    assert_int_equal(journal_durable(w->j), 10);
    assert_int_equal(w->told, 10);
    struct mail *m = mailbox_drain(w->replies);
    for (size_t i = 0; i < 10; i++) {
        struct append *r = reply(&m);
        assert_ptr_equal(r, &a[i]);
        assert_ok(r->failed);
        assert_int_equal(r->position, i + 1);
        assert_int_equal(r->mail.kind, 77);
        assert_true(r->time_ms > 0);
    }
    assert_false(journal_step(w->j));
    world_close(w);
}

static void a_batch_has_a_limit(void **state) {
    struct world *w = world_open(1 << 20, 300);
    struct append a[10];
    for (size_t i = 0; i < 10; i++)
        post(w, &a[i], B("0123456789012345678901234567890123456789"));
    size_t steps = 0;
    while (journal_step(w->j))
        steps++;
    assert_int_equal(steps, 5);
    assert_int_equal(journal_durable(w->j), 10);
    struct mail *m = mailbox_drain(w->replies);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(reply(&m)->position, i + 1);
    world_close(w);
}

static void credit_becomes_use_and_comes_back(void **state) {
    struct world *w = world_open(1 << 16, 0);
    struct append a[2];
    size_t spare;
    assert_true(journal_credit_take(w->j, CREDIT_INNER, 1000, &spare));
    assert_int_equal(taken(w->j), spare);
    journal_credit_give(w->j, spare);
    assert_int_equal(taken(w->j), 0);
    post(w, &a[0], B("one"));
    post(w, &a[1], B("two"));
    uint64_t promised = taken(w->j);
    assert_true(promised > 0);
    journal_step(w->j);
    assert_int_equal(taken(w->j), promised);
    journal_booked(w->j, 1);
    journal_booked(w->j, 2);
    journal_booked(w->j, 1);
    assert_true(journal_step(w->j));
    assert_int_equal(taken(w->j), 0);
    assert_int_equal(metric_get(METRIC_JOURNAL_USED), 0);
    journal_booked(w->j, 2);
    assert_true(journal_step(w->j));
    mailbox_drain(w->replies);
    world_close(w);
}

static void receipts_leave_room_to_the_rest(void **state) {
    struct world *w = world_open(1 << 16, 0);
    size_t credit, receipts = 0, inner = 0;
    while (journal_credit_take(w->j, CREDIT_RECEIPT, 1000, &credit))
        receipts++;
    assert_int_equal(credit, 0);
    while (journal_credit_take(w->j, CREDIT_INNER, 1000, &credit))
        inner++;
    assert_true(receipts > 30);
    assert_true(inner > 10);
    uint64_t used, size;
    journal_room(w->j, &used, &size);
    assert_true(used <= size);
    assert_false(journal_credit_take(w->j, CREDIT_INNER, SIZE_MAX, &credit));
    world_close(w);
}

// The nearer receipts are to their end, the longer; what the reserve holds makes it no longer.
static void near_the_end_it_rests(void **state) {
    struct world *w = world_open(100000, 0);
    size_t credit, taken = 0;
    int64_t before = 0;
    assert_int_equal(journal_rest_us(w->j), 0);
    while (journal_credit_take(w->j, CREDIT_RECEIPT, 500, &credit)) {
        taken += credit;
        int64_t us = journal_rest_us(w->j);
        assert_true(us >= before && us <= JOURNAL_REST_MAX_US);
        assert_int_equal(us > 0, taken > 56250); // three quarters of three quarters
        before = us;
    }
    assert_in_range(before, JOURNAL_REST_MAX_US * 9 / 10, JOURNAL_REST_MAX_US);
    while (journal_credit_take(w->j, CREDIT_INNER, 500, &credit))
        taken += credit;
    assert_int_equal(journal_rest_us(w->j), JOURNAL_REST_MAX_US);
    journal_credit_give(w->j, taken);
    assert_int_equal(journal_rest_us(w->j), 0);
    world_close(w);
}

static void a_full_disk_fails_a_batch_and_passes(void **state) {
    struct world *w = world_open(1 << 20, 0);
    struct append a[3];
    w->store.next = PLACE(FULL, "test");
    post(w, &a[0], B("one"));
    post(w, &a[1], B("two"));
    journal_step(w->j);
    struct mail *m = mailbox_drain(w->replies);
    for (size_t i = 0; i < 2; i++) {
        struct append *r = reply(&m);
        assert_true(failed_as(r->failed, FAIL_FULL));
        assert_int_equal(r->position, 0);
    }
    assert_int_equal(taken(w->j), 0);
    assert_int_equal(w->told, 0);
    assert_false(journal_failed(w->j));
    post(w, &a[2], B("three"));
    journal_step(w->j);
    m = mailbox_drain(w->replies);
    assert_ok(reply(&m)->failed);
    world_close(w);
}

static void a_failed_sync_is_the_end(void **state) {
    struct world *w = world_open(1 << 20, 0);
    struct append a[2];
    size_t credit;
    w->store.next = PLACE(IO, "test");
    post(w, &a[0], B("one"));
    post(w, &a[1], B("two"));
    journal_step(w->j);
    struct mail *m = mailbox_drain(w->replies);
    assert_true(failed_as(reply(&m)->failed, FAIL_IO));
    assert_true(failed_as(reply(&m)->failed, FAIL_IO));
    assert_true(journal_failed(w->j));
    assert_false(journal_credit_take(w->j, CREDIT_INNER, 1, &credit));
    // The store would take the next one; nobody asks it any more.
    size_t appends = w->store.appends;
    struct append b = {.payload = B("x")};
    assert_fails(journal_append(w->j, &b), IO);
    assert_int_equal(w->store.appends, appends);
    assert_int_equal(journal_durable(w->j), 0);
    world_close(w);
}

static void one_can_be_appended_directly(void **state) {
    struct world *w = world_open(1 << 16, 0);
    struct append a = {.kind = 4, .payload = B("plan")};
    assert_ok(journal_append(w->j, &a));
    assert_int_equal(a.position, 1);
    assert_int_equal(w->told, 1);
    static const uint8_t large[6000];
    result failed = OK;
    for (int i = 0; i < 20 && failed == OK; i++) {
        a = (struct append){.payload = bytes_from(large, sizeof large)};
        failed = journal_append(w->j, &a);
    }
    assert_true(failed_as(failed, FAIL_FULL));
    world_close(w);
}

static void closing_answers_what_waits(void **state) {
    struct world *w = world_open(1 << 16, 0);
    struct append a;
    post(w, &a, B("late"));
    journal_booked(w->j, 0);
    journal_stop(w->j);
    journal_close(w->j);
    w->j = NULL;
    struct mail *m = mailbox_drain(w->replies);
    assert_true(failed_as(reply(&m)->failed, FAIL_CLOSED));
    world_close(w);
}

#define POSTERS 4
#define EACH 5000

struct poster {
    struct journal *j;
    atomic_int *left; // posters at work
    size_t acked, refused;
    uint64_t last; // position, to see that they rise
    bool wrong;
};

// Keeps a few in flight, each with credit of its own; without room it waits for answers.
static void poster_run(void *ctx) {
    struct poster *p = ctx;
    struct mailbox *replies = mailbox_open(NULL, NULL);
    struct append a[8];
    struct append *idle[8];
    size_t idle_n = 8, posted = 0;
    for (size_t i = 0; i < 8; i++)
        idle[i] = &a[i];
    while (p->acked < EACH) {
        while (idle_n > 0 && posted < EACH) {
            struct append *one = idle[idle_n - 1];
            *one = (struct append){.kind = 1, .payload = B("some payload"), .reply = replies};
            if (!journal_credit_take(p->j, CREDIT_RECEIPT, one->payload.n, &one->credit)) {
                p->refused++;
                break;
            }
            idle_n--;
            posted++;
            journal_post(p->j, one);
        }
        mailbox_wait(replies, idle_n == 8 ? 100 : -1);
        for (struct mail *m = mailbox_drain(replies), *next; m != NULL; m = next) {
            next = m->next;
            struct append *one = CONTAINER(m, struct append, mail);
            p->wrong = p->wrong || one->failed != OK || one->position <= p->last;
            p->last = one->position;
            p->acked++;
            idle[idle_n++] = one;
        }
    }
    mailbox_close(replies);
    atomic_fetch_sub(p->left, 1);
}

struct booker {
    struct journal *j;
    struct journal_store *s;
    atomic_int *left;
    uint64_t read;
    bool wrong;
};

// What the ledger does: reads in order, books, lets go.
static void booker_run(void *ctx) {
    struct booker *b = ctx;
    struct journal_cursor *c = NULL;
    b->wrong = b->s->cursor_open(b->s, 0, &c) != OK;
    while (!b->wrong && (atomic_load(b->left) > 0 || b->read < journal_durable(b->j))) {
        struct arena a;
        struct record *records;
        size_t n = 0;
        arena_init(&a, 1 << 20);
        b->wrong = b->s->read(c, 1 << 14, &a, &records, &n) != OK;
        for (size_t i = 0; i < n; i++)
            b->wrong = b->wrong || records[i].position != ++b->read ||
                       !bytes_equal(records[i].payload, B("some payload"));
        arena_drop(&a);
        if (n > 0)
            journal_booked(b->j, b->read);
    }
    b->s->cursor_close(c);
}

static void run_threads(struct journal_store *s) {
    struct journal *j = NULL;
    struct journal_options o = {.clock = &clock_real, .store = s};
    assert_ok(journal_open(&o, &j));
    atomic_int left = POSTERS;
    struct thread *runner, *booking, *posting[POSTERS];
    struct poster posters[POSTERS];
    struct booker booker = {.j = j, .s = s, .left = &left};
    assert_ok(thread_start("journal", journal_run, j, &runner));
    assert_ok(thread_start("booker", booker_run, &booker, &booking));
    for (size_t i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.j = j, .left = &left};
        assert_ok(thread_start("poster", poster_run, &posters[i], &posting[i]));
    }
    for (size_t i = 0; i < POSTERS; i++) {
        thread_join(posting[i]);
        assert_false(posters[i].wrong);
    }
    thread_join(booking);
    assert_false(booker.wrong);
    assert_int_equal(booker.read, POSTERS * EACH);
    journal_stop(j);
    thread_join(runner);
    assert_int_equal(journal_durable(j), POSTERS * EACH);
    // Every credit became use or came back.
    assert_int_equal(taken(j), s->used(s));
    journal_close(j);
}

static void four_posters_and_a_reader_on_memory(void **state) {
    struct journal_store *s = journal_store_memory(1 << 16);
    run_threads(s);
    s->close(s);
}

static void four_posters_and_a_reader_on_a_file(void **state) {
    char path[] = "/tmp/hookkeep-journal-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    fclose(fdopen(fd, "r"));
    remove(path);
    struct journal_file_options o = {.files = &files_real,
                                     .clock = &clock_real,
                                     .path = path,
                                     .size = 1 << 18,
                                     .create = true,
                                     .first = 1};
    struct journal_store *s = open_store(&o);
    run_threads(s);
    struct text out = {0};
    assert_ok(s->verify(s, &out));
    text_drop(&out);
    s->close(s);
    remove(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_is_one_append),
        cmocka_unit_test(a_batch_has_a_limit),
        cmocka_unit_test(credit_becomes_use_and_comes_back),
        cmocka_unit_test(receipts_leave_room_to_the_rest),
        cmocka_unit_test(near_the_end_it_rests),
        cmocka_unit_test(a_full_disk_fails_a_batch_and_passes),
        cmocka_unit_test(a_failed_sync_is_the_end),
        cmocka_unit_test(one_can_be_appended_directly),
        cmocka_unit_test(closing_answers_what_waits),
        cmocka_unit_test(four_posters_and_a_reader_on_memory),
        cmocka_unit_test(four_posters_and_a_reader_on_a_file),
    };
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
