// SPDX-License-Identifier: MIT
// The ledger as an actor: what it books when, to whom it hands out what is due, whom it answers,
// and what it does when its store fails or its process died. Stepped by hand, then with threads.
#include <fcntl.h>

#include "ledger_house.h"
#include "port/thread.h"

static void booking_follows_the_journal(void **state) {
    struct house *h = *state;
    assert_false(ledger_step(h->ledger));
    assert_int_equal(ledger_booked(h->ledger), 0);
    assert_int_equal(ledger_generation(h->ledger), 0);
    PLAN(h, "shop");
    house_event(h, "evt_1");
    house_event(h, "evt_2");
    assert_true(ledger_step(h->ledger));
    assert_int_equal(ledger_booked(h->ledger), 3);
    assert_int_equal(ledger_generation(h->ledger), 1);
    house_settle(h);
    house_event(h, "evt_3");
    house_settle(h);
    assert_int_equal(ledger_booked(h->ledger), 4);
    assert_true(house_has_event(h, 4));
    // The journal was told, so that its room comes back.
    uint64_t used, size;
    journal_step(h->journal);
    journal_room(h->journal, &used, &size);
    assert_int_equal(used, 0);
}

static void a_batch_is_no_larger_than_allowed(void **state) {
    struct house *h = *state;
    h->batch_max = 2;
    house_die(h);
    for (int i = 0; i < 5; i++)
        PLAN(h, "shop");
    for (uint64_t booked = 2; booked <= 4; booked += 2) {
        assert_true(ledger_step(h->ledger));
        assert_int_equal(ledger_booked(h->ledger), booked);
    }
    house_settle(h);
    assert_int_equal(ledger_booked(h->ledger), 5);
}

static bool catches_up;

static void note_catch_up(struct store *s, bool does) { catches_up = does; }

// While more waits than a batch, and it becomes less; not where as much comes as is booked.
static void the_store_is_told_when_booking_catches_up(void **state) {
    static const bool says[] = {false, true, true, false, true, false};
    struct house *h = *state;
    h->batch_max = 2;
    h->store->catch_up = note_catch_up;
    house_die(h);
    for (int i = 0; i < 10; i++)
        PLAN(h, "shop");
    for (size_t batch = 0; batch < 6; batch++) {
        if (batch == 3) {
            PLAN(h, "shop");
            PLAN(h, "shop");
        }
        assert_true(ledger_step(h->ledger));
        assert_int_equal(catches_up, says[batch]);
    }
    assert_int_equal(ledger_booked(h->ledger), 12);
}

static void the_plan_in_force_is_told(void **state) {
    struct house *h = *state;
    OWN(text_drop)
    struct text json = {0};
    uint64_t generation = 7;
    assert_ok(ledger_plan(h->ledger, &json, &generation));
    assert_int_equal(generation, 0);
    assert_int_equal(json.n, 0);
    PLAN(h, "shop");
    house_settle(h);
    assert_ok(ledger_plan(h->ledger, &json, &generation));
    assert_int_equal(generation, 1);
    assert_non_null(strstr(text_str(&json), "\"shop\""));
}

static void a_take_waits_until_something_is_due(void **state) {
    struct house *h = *state;
    struct take t = {0};
    PLAN(h, "shop");
    house_settle(h);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_null(house_answer(h));
    assert_int_equal(ledger_due_us(h->ledger), INT64_MAX);
    house_event(h, "evt_1");
    house_event(h, "evt_2");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_ok(t.failed);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.jobs[0].delivery, 1);
    assert_int_equal(t.jobs[0].attempt, 1);
    assert_bytes(t.jobs[0].event_id, "evt_1");
    assert_true(t.jobs[0].livemode);
    assert_false(t.jobs[0].replay);
    assert_true(bytes_starts(t.jobs[0].body, B("{\"id\":\"evt_1\"")));
    // What was handed out is taken: the next take gets nothing of it.
    house_take(h, &t, "shop");
    house_settle(h);
    assert_null(house_answer(h));
    house_event(h, "evt_3");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_int_equal(t.count, 1);
    assert_bytes(t.jobs[0].event_id, "evt_3");
    arena_drop(&t.memory);
}

static void a_take_gets_no_more_than_it_asks_for(void **state) {
    struct house *h = *state;
    struct take t = {0};
    PLAN(h, "shop");
    for (int i = 0; i < 5; i++)
        house_event(h, i % 2 == 0 ? "evt_a" : "evt_b");
    house_event(h, "evt_c");
    house_settle(h);
    t = (struct take){
        .destination = B("shop"), .max = 2, .max_bytes = 1 << 20, .reply = h->replies};
    ledger_take(h->ledger, &t);
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_int_equal(t.count, 2);
    arena_drop(&t.memory);
    t = (struct take){.destination = B("shop"), .max = 9, .max_bytes = 1, .reply = h->replies};
    ledger_take(h->ledger, &t);
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_int_equal(t.count, 1);
    arena_drop(&t.memory);
}

static void one_open_take_a_destination(void **state) {
    struct house *h = *state;
    struct take first = {0}, second = {0}, other = {0};
    PLAN(h, "shop", "books");
    house_settle(h);
    house_take(h, &first, "shop");
    house_take(h, &other, "books");
    house_take(h, &second, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &second);
    assert_code(second.failed, EXISTS);
    house_event(h, "evt_1");
    house_settle(h);
    struct mail *m = mailbox_drain(h->replies);
    assert_non_null(m);
    assert_non_null(m->next);
    assert_null(m->next->next);
    assert_ok(first.failed);
    assert_ok(other.failed);
    arena_drop(&first.memory);
    arena_drop(&other.memory);
}

static void a_destination_that_is_not_there(void **state) {
    struct house *h = *state;
    struct take t = {0};
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_code(t.failed, ABSENT);
    PLAN(h, "shop");
    house_settle(h);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_null(house_answer(h));
    PLAN(h, "books"); // shop leaves while its take is open
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_code(t.failed, ABSENT);
    arena_drop(&t.memory);
}

static void what_is_given_back_is_handed_out_again(void **state) {
    struct house *h = *state;
    struct take t = {0};
    PLAN(h, "shop");
    house_event(h, "evt_1");
    house_settle(h);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_null(house_answer(h));
    house_give_back(h, 99); // nobody has it
    house_give_back(h, 1);
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_int_equal(t.jobs[0].delivery, 1);
    assert_int_equal(t.jobs[0].attempt, 1);
    arena_drop(&t.memory);
}

static void what_failed_is_due_again_when_its_time_has_come(void **state) {
    struct house *h = *state;
    struct take t = {0};
    PLAN(h, "shop");
    house_event(h, "evt_1");
    house_settle(h);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    house_outcome(h, 1, 1, OUTCOME_FAILED);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_null(house_answer(h));
    // The schedule says 10 s, jitter 80 to 120 %.
    int64_t due_us = ledger_due_us(h->ledger);
    assert_in_range(due_us, h->mono_us + 8000000, h->mono_us + 12000000);
    house_pass(h, 7900);
    house_settle(h);
    assert_null(house_answer(h));
    house_pass(h, 4200);
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_int_equal(t.jobs[0].attempt, 2);
    house_outcome(h, 1, 2, OUTCOME_DONE);
    house_settle(h);
    assert_int_equal(house_state(h, 1), DELIVERY_DONE);
    arena_drop(&t.memory);
}

static void holds_and_cancellations_recall_what_was_handed_out(void **state) {
    struct house *h = *state;
    struct take t = {0};
    PLAN(h, "shop");
    house_event(h, "evt_1");
    house_settle(h);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_int_equal(t.recalls, ledger_recalls(h->ledger));
    house_ask(h, "{\"do\":\"hold\",\"destination\":\"shop\",\"reason\":\"x\"}");
    house_settle(h);
    assert_int_equal(ledger_recalls(h->ledger), t.recalls + 1);
    house_ask(h, "{\"do\":\"release\",\"destination\":\"shop\"}");
    house_settle(h);
    assert_int_equal(ledger_recalls(h->ledger), t.recalls + 1);
    house_ask(h, "{\"do\":\"cancel\",\"delivery\":1}");
    house_settle(h);
    assert_int_equal(ledger_recalls(h->ledger), t.recalls + 2);
    arena_drop(&t.memory);
}

static void hold_keeps_a_take_waiting_and_release_wakes_it(void **state) {
    struct house *h = *state;
    struct take t = {0};
    PLAN(h, "shop");
    house_ask(h, "{\"do\":\"hold\",\"destination\":\"shop\",\"reason\":\"x\"}");
    house_event(h, "evt_1");
    house_settle(h);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_null(house_answer(h));
    assert_int_equal(ledger_due_us(h->ledger), INT64_MAX);
    house_ask(h, "{\"do\":\"release\",\"destination\":\"shop\"}");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_int_equal(t.count, 1);
    arena_drop(&t.memory);
}

static void nothing_goes_out_before_the_tail_is_booked(void **state) {
    struct house *h = *state;
    struct take t = {0};
    PLAN(h, "shop");
    house_event(h, "evt_1");
    house_settle(h);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t); // it is sent, and answered 200
    for (int i = 0; i < 4; i++)
        house_event(h, "evt_2");
    house_outcome(h, 1, 1, OUTCOME_DONE);
    h->batch_max = 2;
    house_die(h);
    house_take(h, &t, "shop");
    assert_true(ledger_step(h->ledger));
    assert_int_equal(ledger_booked(h->ledger), 4);
    assert_null(house_answer(h));
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.jobs[0].delivery, 2); // not the first one again
    arena_drop(&t.memory);
}

static void what_a_dead_process_took_is_due_again(void **state) {
    struct house *h = *state;
    struct take t = {0};
    PLAN(h, "shop");
    house_event(h, "evt_1");
    house_settle(h);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    house_die(h);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_int_equal(t.jobs[0].delivery, 1);
    assert_int_equal(t.jobs[0].attempt, 1);
    arena_drop(&t.memory);
}

// --- awaits

static void assert_awaited(struct house *h, struct await *a, const char *answer) {
    struct mail *m = mailbox_drain(h->replies);
    assert_non_null(m);
    assert_null(m->next);
    assert_ptr_equal(CONTAINER(m, struct await, mail), a);
    assert_ok(a->failed);
    assert_string_equal(text_str(&a->answer), answer);
    text_drop(&a->answer);
}

static void an_await_is_answered_with_the_commands_answer(void **state) {
    struct house *h = *state;
    struct await a = {.position = 2, .reply = h->replies};
    PLAN(h, "shop");
    house_settle(h);
    ledger_await(h->ledger, &a);
    house_settle(h);
    assert_null(mailbox_drain(h->replies));
    house_ask(h, "{\"do\":\"hold\",\"destination\":\"nobody\"}");
    house_settle(h);
    assert_awaited(h, &a, "{\"error\":\"there is no such destination\"}");
    a = (struct await){.position = 2, .reply = h->replies}; // asked when it is booked already
    ledger_await(h->ledger, &a);
    house_settle(h);
    assert_awaited(h, &a, "{\"error\":\"there is no such destination\"}");
    a = (struct await){.position = 1, .reply = h->replies}; // no command
    ledger_await(h->ledger, &a);
    house_settle(h);
    assert_awaited(h, &a, "");
}

static void a_command_that_cannot_be_booked_is_answered_with_the_reason(void **state) {
    struct house *h = *state;
    struct await a = {.reply = h->replies};
    a.position = house_ask(h, "no JSON");
    ledger_await(h->ledger, &a);
    house_settle(h);
    assert_awaited(h, &a, "{\"error\":\"this is not JSON\"}");
}

// --- what cannot be booked, and stores that fail

static void poison_is_suspended_and_the_rest_booked(void **state) {
    struct house *h = *state;
    struct take t = {0};
    log_setup(LOG_TEXT, LOG_SILENT);
    PLAN(h, "shop");
    house_event(h, "evt_1");
    h->insert_fails = PLACE(EXISTS, "poison");
    uint64_t bad = house_event(h, "evt_bad");
    uint64_t garbage = house_append(h, RECORD_EVENT, B("garbage"));
    house_event(h, "evt_2");
    assert_true(ledger_step(h->ledger)); // in one batch
    assert_int_equal(ledger_booked(h->ledger), 5);
    assert_true(house_suspended(h, bad));
    assert_true(house_suspended(h, garbage));
    assert_true(house_has_event(h, 5));
    assert_int_equal(metric_get(METRIC_SUSPENDED), 2);
    assert_int_equal(metric_get(METRIC_EVENTS_NEW), 2); // what was undone is not counted
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_int_equal(t.count, 2);
    arena_drop(&t.memory);
}

// Runs what is between in a state where standard error is a file; returns how many lines had the
// word.
static int saved_error;
static char log_path[64];

static void log_catch(void) {
    snprintf(log_path, sizeof log_path, "/tmp/hookkeep-log-XXXXXX");
    int fd = mkstemp(log_path);
    assert_true(fd >= 0);
    fflush(stderr);
    saved_error = dup(2);
    dup2(fd, 2);
    close(fd);
}

static size_t log_count(const char *word) {
    char line[1024];
    size_t n = 0;
    fflush(stderr);
    FILE *f = fopen(log_path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        n += strstr(line, word) != NULL;
    fclose(f);
    return n;
}

static void log_release(void) {
    dup2(saved_error, 2);
    close(saved_error);
    unlink(log_path);
}

static void a_store_that_fails_waits_and_goes_on(void **state) {
    struct house *h = *state;
    const result failures[] = {PLACE(FULL, "full"), PLACE(BUSY, "busy"), PLACE(IO, "io"),
                               PLACE(MEMORY, "memory"), PLACE(CORRUPT, "damaged")};
    log_catch();
    PLAN(h, "shop");
    house_settle(h);
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        uint64_t before = ledger_booked(h->ledger), position = house_event(h, "evt_1");
        struct await a = {.position = position, .reply = h->replies};
        h->commit_fails = failures[i];
        ledger_await(h->ledger, &a);
        house_settle(h);
        int64_t waited_us = 0;
        for (int k = 0; k < 12; k++) { // each pause is longer, up to 5 s
            int64_t due = ledger_due_us(h->ledger), pause = due - h->mono_us;
            assert_in_range(pause, waited_us, 5000000);
            assert_true(pause > 0);
            waited_us = pause;
            assert_false(ledger_step(h->ledger));
            house_pass(h, pause / 1000);
            ledger_step(h->ledger);
            assert_int_equal(ledger_booked(h->ledger), before);
        }
        assert_int_equal(waited_us, 5000000);
        assert_null(mailbox_drain(h->replies));
        h->commit_fails = OK;
        house_pass(h, 5000);
        house_settle(h);
        assert_awaited(h, &a, "");
        assert_int_equal(ledger_booked(h->ledger), position);
        assert_int_equal(log_count("booking_waits"), i + 1); // once, however long it lasts
        assert_int_equal(log_count("booking_goes_on"), i + 1);
        assert_int_equal(metric_get(METRIC_BOOK_WAITS), 13 * (i + 1));
    }
    assert_int_equal(metric_get(METRIC_SUSPENDED), 0);
    log_release();
}

// Whatever a store leaves of a list that it could not read, nobody looks at it.
static void destinations_that_cannot_be_read_wait(void **state) {
    struct house *h = *state;
    struct take t = {0};
    log_setup(LOG_TEXT, LOG_SILENT);
    PLAN(h, "shop");
    house_event(h, "evt_1");
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    h->list_fails = PLACE(IO, "io");
    uint64_t position = house_outcome(h, 1, 1, OUTCOME_FAILED);
    house_settle(h);
    assert_int_equal(ledger_booked(h->ledger), position - 1);
    assert_int_equal(house_state(h, 1), DELIVERY_DUE);
    h->list_fails = OK;
    house_pass(h, 50);
    house_settle(h);
    assert_int_equal(ledger_booked(h->ledger), position);
    assert_int_equal(house_state(h, 1), DELIVERY_WAITING);
    assert_int_equal(metric_get(METRIC_SUSPENDED), 0);
    arena_drop(&t.memory);
}

static void takes_are_answered_while_booking_waits(void **state) {
    struct house *h = *state;
    struct take t = {0};
    log_setup(LOG_TEXT, LOG_SILENT);
    PLAN(h, "shop");
    house_event(h, "evt_1");
    house_settle(h);
    h->commit_fails = PLACE(FULL, "full");
    house_event(h, "evt_2");
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    assert_int_equal(t.count, 1);
    arena_drop(&t.memory);
}

// --- died twice

static void what_kills_twice_is_suspended_untried(void **state) {
    struct house *h = *state;
    log_setup(LOG_TEXT, LOG_SILENT);
    PLAN(h, "shop");
    house_settle(h);
    house_event(h, "evt_1");
    uint64_t killer = house_event(h, "evt_kill");
    uint64_t after = house_event(h, "evt_2");
    h->deadly = true;
    int deaths = 0;
    for (house_settle(h); h->dead; house_settle(h), deaths++) {
        assert_true(deaths < 10);
        house_die(h);
    }
    assert_int_equal(ledger_booked(h->ledger), after);
    // In a batch, in the first batch of a life, and then, booked one by one, twice by itself.
    assert_int_equal(deaths, 4);
    assert_false(house_suspended(h, 2));
    assert_true(house_suspended(h, killer));
    assert_false(house_suspended(h, after));
    assert_true(house_has_event(h, 2));
    assert_true(house_has_event(h, after));
    // Later deaths elsewhere begin to count anew.
    house_event(h, "evt_3");
    house_settle(h);
    house_die(h);
    house_die(h);
    house_die(h);
    house_settle(h);
    assert_int_equal(metric_get(METRIC_SUSPENDED), 1);
}

// Without its plan nothing of a generation can be booked: it is tried again, however often it
// kills.
static void a_plan_that_kills_is_never_suspended(void **state) {
    struct house *h = *state;
    log_setup(LOG_TEXT, LOG_SILENT);
    PLAN(h, "shop");
    house_settle(h);
    uint64_t plan = PLAN(h, "shop", "books");
    uint64_t event = house_event(h, "evt_1");
    h->deadly_plan = true;
    for (int deaths = 0; deaths < 6; deaths++) {
        house_die(h);
        house_settle(h);
        assert_true(h->dead);
        assert_int_equal(ledger_booked(h->ledger), plan - 1);
    }
    h->deadly_plan = false;
    house_die(h);
    house_settle(h);
    assert_int_equal(ledger_booked(h->ledger), event);
    assert_int_equal(ledger_generation(h->ledger), plan);
    assert_false(house_suspended(h, plan));
    assert_true(house_has_event(h, event));
    assert_int_equal(house_state(h, 2), DELIVERY_DUE); // to the second destination
}

static void dying_once_suspends_nothing(void **state) {
    struct house *h = *state;
    log_setup(LOG_TEXT, LOG_SILENT);
    PLAN(h, "shop");
    house_settle(h);
    uint64_t killer = house_event(h, "evt_kill");
    house_die(h);
    h->deadly = true;
    house_settle(h);
    assert_true(h->dead);
    h->deadly = false;
    house_die(h);
    house_settle(h);
    assert_int_equal(ledger_booked(h->ledger), killer);
    assert_false(house_suspended(h, killer));
}

static void dying_elsewhere_suspends_nothing(void **state) {
    struct house *h = *state;
    PLAN(h, "shop");
    for (int i = 0; i < 5; i++) {
        house_die(h); // before it booked anything
        assert_false(house_suspended(h, 1));
    }
    house_settle(h);
    for (int i = 0; i < 5; i++) {
        house_event(h, "evt_1");
        house_settle(h);
        house_die(h);
    }
    assert_int_equal(metric_get(METRIC_SUSPENDED), 0);
}

static void a_store_that_fails_is_no_death(void **state) {
    struct house *h = *state;
    log_setup(LOG_TEXT, LOG_SILENT);
    PLAN(h, "shop");
    house_settle(h);
    uint64_t position = house_event(h, "evt_bad");
    h->insert_fails = PLACE(FULL, "full"); // the note is written, the batch is not
    for (int i = 0; i < 5; i++) {
        house_die(h); // the operator restarts it, in the hope that this helps
        for (int k = 0; k < 3; k++) {
            house_settle(h);
            house_pass(h, 5000);
        }
        assert_int_equal(ledger_booked(h->ledger), 1);
        assert_false(house_suspended(h, position));
    }
    h->insert_fails = OK;
    house_pass(h, 5000);
    house_settle(h);
    assert_int_equal(ledger_booked(h->ledger), position);
    assert_false(house_suspended(h, position));
}

// The note is written, neither the batch nor that it was no death: a start that gives up tries
// again to write that before it ends.
static void a_start_that_gives_up_is_no_death(void **state) {
    struct house *h = *state;
    log_setup(LOG_TEXT, LOG_SILENT);
    PLAN(h, "shop");
    house_settle(h);
    uint64_t position = house_event(h, "evt_bad");
    h->insert_fails = PLACE(FULL, "full");
    h->commits_fail = 2;
    for (int i = 0; i < 4; i++) {
        house_die(h);
        assert_false(ledger_step(h->ledger));
        assert_int_equal(ledger_booked(h->ledger), 1);
        ledger_leave(h->ledger);
    }
    h->insert_fails = OK;
    house_die(h);
    house_settle(h);
    assert_int_equal(ledger_booked(h->ledger), position);
    assert_false(house_suspended(h, position));
}

// --- time

static void a_clock_set_back_delays_nothing_new(void **state) {
    struct house *h = *state;
    struct take t = {0};
    PLAN(h, "shop");
    house_settle(h);
    h->wall_ms -= 3600000;
    house_event(h, "evt_1"); // the journal's time does not run back
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    // A retry waits its time, not the hour.
    house_outcome(h, 1, 1, OUTCOME_FAILED);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_null(house_answer(h));
    house_pass(h, 12100);
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    arena_drop(&t.memory);
}

static void a_clock_set_back_while_it_was_stopped(void **state) {
    struct house *h = *state;
    struct take t = {0};
    PLAN(h, "shop");
    house_event(h, "evt_1");
    house_settle(h);
    h->wall_ms -= 3600000;
    house_die(h);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    arena_drop(&t.memory);
}

static void a_clock_set_forward_makes_due_within_a_minute(void **state) {
    struct house *h = *state;
    struct take t = {0};
    PLAN(h, "shop");
    house_event(h, "evt_1");
    house_settle(h);
    house_take(h, &t, "shop");
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    OWN(text_drop)
    struct text payload = {0};
    outcome_encode(&(struct outcome_record){.delivery = 1,
                                            .attempt = 1,
                                            .outcome = OUTCOME_FAILED,
                                            .status = 503,
                                            .retry_after_ms = 3600000,
                                            .error = B("later")},
                   &payload);
    house_append(h, RECORD_OUTCOME, text_bytes(&payload));
    house_take(h, &t, "shop");
    house_settle(h);
    assert_null(house_answer(h));
    h->wall_ms += 2 * 3600000;
    assert_in_range(ledger_due_us(h->ledger), h->mono_us, h->mono_us + 60000000);
    house_pass(h, 60000);
    house_settle(h);
    assert_ptr_equal(house_answer(h), &t);
    arena_drop(&t.memory);
}

// --- closing

static void who_waits_is_told_that_it_closes(void **state) {
    struct house *h = *state;
    struct take open = {0}, posted = {0};
    struct await waiting = {.position = 9, .reply = h->replies};
    struct await late = {.position = 1, .reply = h->replies};
    PLAN(h, "shop", "books");
    house_settle(h);
    house_take(h, &open, "shop");
    ledger_await(h->ledger, &waiting);
    house_settle(h);
    house_take(h, &posted, "books"); // never seen by a step
    ledger_await(h->ledger, &late);
    house_give_back(h, 1);
    ledger_close(h->ledger);
    h->ledger = NULL;
    size_t n = 0;
    for (struct mail *m = mailbox_drain(h->replies); m != NULL; m = m->next)
        n++;
    assert_int_equal(n, 4);
    assert_code(open.failed, CLOSED);
    assert_code(posted.failed, CLOSED);
    assert_code(waiting.failed, CLOSED);
    assert_code(late.failed, CLOSED);
    arena_drop(&open.memory);
    arena_drop(&posted.memory);
}

// --- with threads

#define THREAD_EVENTS 400

static void post_event(struct house *h, struct append *a, struct text *payload, int i) {
    char id[32];
    snprintf(id, sizeof id, "evt_%d", i);
    house_receipt(id, payload);
    *a = (struct append){
        .kind = RECORD_EVENT, .generation = 1, .payload = text_bytes(payload), .reply = h->replies};
    assert_true(journal_credit_take(h->journal, CREDIT_RECEIPT, payload->n, &a->credit));
    journal_post(h->journal, a);
}

static struct mail *wait_mail(struct mailbox *box) {
    assert_true(mailbox_wait(box, 20000000));
    return mailbox_drain(box);
}

static void threads_book_and_hand_out_everything_once(void **state) {
    struct house *h = *state;
    static struct append appends[THREAD_EVENTS];
    static struct text payloads[THREAD_EVENTS];
    static bool seen[THREAD_EVENTS + 1];
    memset(seen, 0, sizeof seen);
    struct thread *journal = NULL, *ledger = NULL;
    struct mailbox *takes = mailbox_open(NULL, NULL);
    PLAN(h, "shop");
    assert_ok(thread_start("journal", journal_run, h->journal, &journal));
    assert_ok(thread_start("ledger", ledger_run, h->ledger, &ledger));
    struct await begun = {.position = 1, .reply = takes};
    ledger_await(h->ledger, &begun);
    assert_non_null(wait_mail(takes));
    text_drop(&begun.answer);
    for (int i = 0; i < THREAD_EVENTS; i++)
        post_event(h, &appends[i], &payloads[i], i);
    size_t got = 0;
    while (got < THREAD_EVENTS) {
        struct take t = {.destination = B("shop"), .max = 16, .max_bytes = 1 << 20, .reply = takes};
        ledger_take(h->ledger, &t);
        assert_non_null(wait_mail(takes));
        assert_ok(t.failed);
        for (size_t i = 0; i < t.count; i++) {
            assert_in_range(t.jobs[i].delivery, 1, THREAD_EVENTS);
            assert_false(seen[t.jobs[i].delivery]);
            seen[t.jobs[i].delivery] = true;
        }
        got += t.count;
        arena_drop(&t.memory);
    }
    for (size_t answered = 0; answered < THREAD_EVENTS;)
        for (struct mail *m = wait_mail(h->replies); m != NULL; m = m->next, answered++)
            assert_ok(CONTAINER(m, struct append, mail)->failed);
    assert_int_equal(ledger_booked(h->ledger), THREAD_EVENTS + 1);
    journal_stop(h->journal);
    thread_join(journal);
    ledger_stop(h->ledger);
    thread_join(ledger);
    mailbox_close(takes);
    for (int i = 0; i < THREAD_EVENTS; i++)
        text_drop(&payloads[i]);
}

static void what_came_last_is_booked_at_a_stop(void **state) {
    struct house *h = *state;
    struct thread *ledger = NULL;
    PLAN(h, "shop");
    uint64_t last = 0;
    for (int i = 0; i < 40; i++) {
        char id[16];
        snprintf(id, sizeof id, "evt_%d", i);
        last = house_event(h, id);
    }
    ledger_stop(h->ledger);
    assert_ok(thread_start("ledger", ledger_run, h->ledger, &ledger));
    thread_join(ledger);
    assert_true(last > 0);
    assert_int_equal(ledger_booked(h->ledger), last);
}

// A record that the store refuses is tried by this thread until it is stopped; that is no death.
static void a_clean_stop_is_no_death(void **state) {
    struct house *h = *state;
    log_setup(LOG_TEXT, LOG_SILENT);
    PLAN(h, "shop");
    house_settle(h);
    uint64_t position = house_event(h, "evt_bad");
    for (int i = 0; i < 4; i++) {
        h->insert_fails = PLACE(FULL, "full");
        struct thread *ledger = NULL;
        house_die(h);
        uint64_t waits = metric_get(METRIC_BOOK_WAITS);
        assert_ok(thread_start("ledger", ledger_run, h->ledger, &ledger));
        while (metric_get(METRIC_BOOK_WAITS) == waits && ledger_booked(h->ledger) < position)
            usleep(1000);
        ledger_stop(h->ledger);
        thread_join(ledger);
        h->insert_fails = OK;
    }
    house_die(h);
    house_settle(h);
    assert_int_equal(ledger_booked(h->ledger), position);
    assert_false(house_suspended(h, position));
}

static void plan_tables_alone(struct house *h) {
    bytes plan = B("{\"sources\":[],\"destinations\":[{\"name\":\"tables\",\"kind\":\"tables\","
                   "\"except\":[],\"livemode\":\"both\",\"match\":null,\"timeout_ms\":1000,"
                   "\"retry_ms\":[1000],\"concurrency\":1}]}");
    h->generation = house_append(h, RECORD_PLAN, plan);
}

static result refuse_some(struct store *s, const struct table_row *row) {
    NEED(!bytes_starts(row->event_id, B("evt_refused")), EXISTS, "somebody's index forbids it");
    return house_now->inner.table_put(s, row);
}

// In a batch with others.
static void what_tables_refuse_is_dead_and_the_rest_applied(void **state) {
    struct house *h = *state;
    plan_tables_alone(h);
    h->store->table_put = refuse_some;
    house_event(h, "evt_1");
    uint64_t refused = house_event(h, "evt_refused_1");
    house_event(h, "evt_2");
    house_event(h, "evt_refused_2");
    house_event(h, "evt_refused_1");
    house_settle(h);
    assert_int_equal(house_state(h, 1), DELIVERY_DONE);
    assert_int_equal(house_state(h, 2), DELIVERY_DEAD);
    assert_int_equal(house_state(h, 3), DELIVERY_DONE);
    assert_int_equal(house_state(h, 4), DELIVERY_DEAD);
    assert_true(house_has_event(h, refused));
    assert_false(house_suspended(h, refused));
    assert_int_equal(metric_get(METRIC_TABLES_APPLIED), 2);
    assert_int_equal(metric_get(METRIC_TABLES_FAILED), 2);
    assert_int_equal(metric_get(METRIC_DELIVERIES_DEAD), 2);
    assert_int_equal(metric_get(METRIC_SUSPENDED), 0);
    assert_int_equal(metric_get(METRIC_EVENTS_NEW), 4);
}

// What is not the event's fault is waited for.
static result full_for_rows(struct store *s, const struct table_row *row) {
    FAIL(FULL, "the disk is full");
}

static void a_store_that_cannot_take_rows_waits(void **state) {
    struct house *h = *state;
    plan_tables_alone(h);
    house_settle(h);
    h->store->table_put = full_for_rows;
    uint64_t position = house_event(h, "evt_1");
    house_settle(h);
    assert_true(ledger_booked(h->ledger) < position);
    assert_true(metric_get(METRIC_BOOK_WAITS) > 0);
    h->store->table_put = h->inner.table_put;
    house_pass(h, 10000);
    house_settle(h);
    assert_int_equal(house_state(h, 1), DELIVERY_DONE);
    assert_int_equal(metric_get(METRIC_TABLES_FAILED), 0);
}

#define HERE(test_) cmocka_unit_test_setup_teardown(test_, house_setup, house_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        HERE(booking_follows_the_journal),
        HERE(a_batch_is_no_larger_than_allowed),
        HERE(the_store_is_told_when_booking_catches_up),
        HERE(the_plan_in_force_is_told),
        HERE(a_take_waits_until_something_is_due),
        HERE(a_take_gets_no_more_than_it_asks_for),
        HERE(one_open_take_a_destination),
        HERE(a_destination_that_is_not_there),
        HERE(what_is_given_back_is_handed_out_again),
        HERE(what_failed_is_due_again_when_its_time_has_come),
        HERE(holds_and_cancellations_recall_what_was_handed_out),
        HERE(hold_keeps_a_take_waiting_and_release_wakes_it),
        HERE(nothing_goes_out_before_the_tail_is_booked),
        HERE(what_a_dead_process_took_is_due_again),
        HERE(an_await_is_answered_with_the_commands_answer),
        HERE(a_command_that_cannot_be_booked_is_answered_with_the_reason),
        HERE(poison_is_suspended_and_the_rest_booked),
        HERE(a_store_that_fails_waits_and_goes_on),
        HERE(destinations_that_cannot_be_read_wait),
        HERE(takes_are_answered_while_booking_waits),
        HERE(what_kills_twice_is_suspended_untried),
        HERE(a_plan_that_kills_is_never_suspended),
        HERE(dying_once_suspends_nothing),
        HERE(dying_elsewhere_suspends_nothing),
        HERE(a_store_that_fails_is_no_death),
        HERE(a_start_that_gives_up_is_no_death),
        HERE(a_clock_set_back_delays_nothing_new),
        HERE(a_clock_set_back_while_it_was_stopped),
        HERE(a_clock_set_forward_makes_due_within_a_minute),
        HERE(who_waits_is_told_that_it_closes),
        HERE(threads_book_and_hand_out_everything_once),
        HERE(what_came_last_is_booked_at_a_stop),
        HERE(a_clean_stop_is_no_death),
        HERE(what_tables_refuse_is_dead_and_the_rest_applied),
        HERE(a_store_that_cannot_take_rows_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
