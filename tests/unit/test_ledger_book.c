// SPDX-License-Identifier: MIT
// What booking makes of records, told as stories. The books start empty, a record comes each
// second, deliveries' times are seconds from the start.
#include "book_story.h"

static void first_receipt_owes_each_that_matches(void **state) {
    ADOPT(*state, "two destinations", SHOP, BOOKS);
    receive(*state, "a customer signs up", SIGNED_UP);
    receive(*state, "an invoice is paid", PAID);
    assert_story(*state,
                 "1 two destinations\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "  destination 2: books\n"
                 "2 a customer signs up\n"
                 "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                 "  event 2: evt_1 customer.created live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 149 bytes of its own\n"
                 "3 an invoice is paid\n"
                 "  delivery 2: event 3 to 1: due, at 3.0 s\n"
                 "  event 3: evt_2 invoice.paid live: pending\n"
                 "  receipt 3: event 3 by /a, secret ring, generation 1, 145 bytes of its own\n"
                 "  delivery 3: event 3 to 2: due, at 3.0 s\n");
}

static void a_repetition_is_one_event(void **state) {
    ADOPT(*state, "shop", SHOP);
    receive(*state, "an event", SIGNED_UP);
    receive(*state, "the same again", SIGNED_UP);
    receive(*state, "the same id in the bytes of another API version",
            EVENT("evt_1", "customer.created", "\"pending_webhooks\":2,"));
    receive(*state, "those bytes again",
            EVENT("evt_1", "customer.created", "\"pending_webhooks\":2,"));
    assert_story(*state,
                 "1 shop\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "2 an event\n"
                 "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                 "  event 2: evt_1 customer.created live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 149 bytes of its own\n"
                 "3 the same again\n"
                 "  receipt 3: event 2 by /a, secret ring, generation 1, the bytes of 2\n"
                 "4 the same id in the bytes of another API version\n"
                 "  receipt 4: event 2 by /a, secret ring, generation 1, 170 bytes of its own\n"
                 "5 those bytes again\n"
                 "  receipt 5: event 2 by /a, secret ring, generation 1, the bytes of 4\n");
}

static void a_second_source_adds_what_it_owes(void **state) {
    ADOPT(*state, "shop gets all, connect what comes by /b", SHOP,
          {"connect", "both", RULE("", "\"/b\""), ""});
    receive_by(*state, "by /a", "/a", SCOPE_ACCOUNT, MODE_BOTH, SIGNED_UP);
    receive_by(*state, "by /b, whose secret is for connected accounts", "/b", SCOPE_CONNECT,
               MODE_BOTH, SIGNED_UP);
    receive_by(*state, "by /b again", "/b", SCOPE_CONNECT, MODE_BOTH, SIGNED_UP);
    assert_story(
        *state,
        "1 shop gets all, connect what comes by /b\n"
        "  in force: plan 1\n"
        "  destination 1: shop\n"
        "  destination 2: connect\n"
        "2 by /a\n"
        "  delivery 1: event 2 to 1: due, at 2.0 s\n"
        "  event 2: evt_1 customer.created live: pending\n"
        "  receipt 2: event 2 by /a, secret ring, generation 1, 149 bytes of its own\n"
        "3 by /b, whose secret is for connected accounts\n"
        "  delivery 2: event 2 to 2: due, owed by receipt 3, at 3.0 s\n"
        "  receipt 3: event 2 by /b, secret ring, generation 1, scope misfit, the bytes of 2\n"
        "4 by /b again\n"
        "  receipt 4: event 2 by /b, secret ring, generation 1, scope misfit, the bytes of 2\n");
}

static void other_accounts_and_livemodes_are_other_events(void **state) {
    ADOPT(*state, "nobody wants anything", {"shop", "both", RULE("\"never\"", ""), ""});
    receive(*state, "an event", PAID);
    receive(*state, "the same id of an account",
            EVENT("evt_2", "invoice.paid", "\"account\":\"acct_1\","));
    assert_story(*state,
                 "1 nobody wants anything\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "2 an event\n"
                 "  event 2: evt_2 invoice.paid live: ignored\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 145 bytes of its own\n"
                 "3 the same id of an account\n"
                 "  event 3: evt_2 invoice.paid live of acct_1: ignored\n"
                 "  receipt 3: event 3 by /a, secret ring, generation 1, 164 bytes of its own\n");
}

static void what_the_source_does_not_take_is_kept_ignored(void **state) {
    ADOPT(*state, "shop", SHOP);
    receive_by(*state, "a live event by a test source", "/t", SCOPE_ANY, MODE_TEST, SIGNED_UP);
    receive_by(*state, "again", "/t", SCOPE_ANY, MODE_TEST, SIGNED_UP);
    receive(*state, "now by a source that takes it", SIGNED_UP);
    receive_by(*state, "and once more by the test source", "/t", SCOPE_ANY, MODE_TEST, SIGNED_UP);
    assert_story(*state,
                 "1 shop\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "2 a live event by a test source\n"
                 "  event 2: evt_1 customer.created live: ignored\n"
                 "  receipt 2: event 2 by /t, secret ring, generation 1, livemode misfit, 149"
                 " bytes of its own\n"
                 "3 again\n"
                 "  receipt 3: event 2 by /t, secret ring, generation 1, livemode misfit, the"
                 " bytes of 2\n"
                 "4 now by a source that takes it\n"
                 "  delivery 1: event 2 to 1: due, owed by receipt 4, at 4.0 s\n"
                 "  event 2: evt_1 customer.created live: pending\n"
                 "  receipt 4: event 2 by /a, secret ring, generation 1, the bytes of 2\n"
                 "5 and once more by the test source\n"
                 "  receipt 5: event 2 by /t, secret ring, generation 1, livemode misfit, the"
                 " bytes of 2\n");
}

static void a_destination_takes_its_livemode(void **state) {
    ADOPT(*state, "live and test", {"live", "live", NULL, ""}, {"test", "test", NULL, ""});
    receive(*state, "a live event", PAID);
    receive(*state, "a test event", TEST_PAID);
    assert_story(*state,
                 "1 live and test\n"
                 "  in force: plan 1\n"
                 "  destination 1: live\n"
                 "  destination 2: test\n"
                 "2 a live event\n"
                 "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                 "  event 2: evt_2 invoice.paid live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 145 bytes of its own\n"
                 "3 a test event\n"
                 "  delivery 2: event 3 to 2: due, at 3.0 s\n"
                 "  event 3: evt_3 invoice.paid test: pending\n"
                 "  receipt 3: event 3 by /a, secret ring, generation 1, 119 bytes of its own\n");
}

static void twins_know_each_other(void **state) {
    ADOPT(*state, "nobody", {"shop", "both", RULE("\"never\"", ""), ""});
    receive(*state, "the snapshot", SIGNED_UP);
    receive(*state, "its thin twin", THIN);
    assert_story(
        *state,
        "1 nobody\n"
        "  in force: plan 1\n"
        "  destination 1: shop\n"
        "2 the snapshot\n"
        "  event 2: evt_1 customer.created live: ignored\n"
        "  receipt 2: event 2 by /a, secret ring, generation 1, 149 bytes of its own\n"
        "3 its thin twin\n"
        "  event 3: evt_thin v1.customer.created live, thin, its snapshot is evt_1: ignored\n"
        "  receipt 3: event 3 by /a, secret ring, generation 1, 195 bytes of its own\n");
}

static void an_attempt_that_is_answered_2xx_ends_it(void **state) {
    ADOPT(*state, "shop", SHOP);
    receive(*state, "an event", SIGNED_UP);
    ends(*state, "200", 1, 1, OUTCOME_DONE, 200);
    assert_story(*state,
                 "1 shop\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "2 an event\n"
                 "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                 "  event 2: evt_1 customer.created live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 149 bytes of its own\n"
                 "3 200\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: done, tried 1 (failures 0, not yet 0), at 3.0 s\n"
                 "  event 2: evt_1 customer.created live: done\n");
}

static void failures_use_the_schedule_up(void **state) {
    ADOPT(*state, "shop", SHOP);
    receive(*state, "an event", SIGNED_UP);
    ends(*state, "500", 1, 1, OUTCOME_FAILED, 500);
    ends(*state, "500", 1, 2, OUTCOME_FAILED, 500);
    ends(*state, "409", 1, 3, OUTCOME_NOT_YET, 409);
    ends(*state, "409", 1, 4, OUTCOME_NOT_YET, 409);
    ends(*state, "500", 1, 5, OUTCOME_FAILED, 500);
    assert_story(*state,
                 "1 shop\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "2 an event\n"
                 "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                 "  event 2: evt_1 customer.created live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 149 bytes of its own\n"
                 "3 500\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: waiting, tried 1 (failures 1, not yet 0), at 4.0 s"
                 " (it said no)\n"
                 "4 500\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: waiting, tried 2 (failures 2, not yet 0), at 5.8 s"
                 " (it said no)\n"
                 "5 409\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: waiting, tried 3 (failures 2, not yet 1), at 6.0 s"
                 " (it said no)\n"
                 "6 409\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: waiting, tried 4 (failures 2, not yet 2), at 8.0 s"
                 " (it said no)\n"
                 "7 500\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: dead, tried 5 (failures 3, not yet 0), at 7.0 s (it"
                 " said no)\n"
                 "  event 2: evt_1 customer.created live: failed (it said no)\n");
}

static void late_outcomes_change_nothing(void **state) {
    ADOPT(*state, "shop", SHOP);
    receive(*state, "an event", SIGNED_UP);
    ends(*state, "500", 1, 1, OUTCOME_FAILED, 500);
    ends(*state, "the first attempt ends again", 1, 1, OUTCOME_DONE, 200);
    ends(*state, "an attempt that nobody began", 1, 7, OUTCOME_DONE, 200);
    ends(*state, "200", 1, 2, OUTCOME_DONE, 200);
    ends(*state, "the second attempt ends again", 1, 2, OUTCOME_FAILED, 500);
    assert_story(*state,
                 "1 shop\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "2 an event\n"
                 "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                 "  event 2: evt_1 customer.created live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 149 bytes of its own\n"
                 "3 500\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: waiting, tried 1 (failures 1, not yet 0), at 4.0 s"
                 " (it said no)\n"
                 "4 the first attempt ends again\n"
                 "  taken no more: delivery 1\n"
                 "5 an attempt that nobody began\n"
                 "  taken no more: delivery 1\n"
                 "6 200\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: done, tried 2 (failures 1, not yet 0), at 6.0 s\n"
                 "  event 2: evt_1 customer.created live: done\n"
                 "7 the second attempt ends again\n"
                 "  taken no more: delivery 1\n");
}

static void cancelled_while_under_way(void **state) {
    ADOPT(*state, "shop", SHOP);
    receive(*state, "an event", SIGNED_UP);
    receive(*state, "another", PAID);
    ask(*state, "{\"do\":\"cancel\",\"delivery\":1}");
    ask(*state, "{\"do\":\"cancel\",\"delivery\":2}");
    ends(*state, "the first arrived all the same", 1, 1, OUTCOME_DONE, 200);
    ends(*state, "the second failed", 2, 1, OUTCOME_FAILED, 500);
    ask(*state, "{\"do\":\"cancel\",\"delivery\":2}");
    ask(*state, "{\"do\":\"cancel\",\"delivery\":3}");
    ask(*state, "{\"do\":\"cancel\"}");
    assert_story(*state,
                 "1 shop\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "2 an event\n"
                 "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                 "  event 2: evt_1 customer.created live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 149 bytes of its own\n"
                 "3 another\n"
                 "  delivery 2: event 3 to 1: due, at 3.0 s\n"
                 "  event 3: evt_2 invoice.paid live: pending\n"
                 "  receipt 3: event 3 by /a, secret ring, generation 1, 145 bytes of its own\n"
                 "4 {\"do\":\"cancel\",\"delivery\":1}\n"
                 "  delivery 1: event 2 to 1: cancelled, at 4.0 s (cancelled by hand)\n"
                 "  event 2: evt_1 customer.created live: done\n"
                 "  answer 4: {\"ok\":true}\n"
                 "5 {\"do\":\"cancel\",\"delivery\":2}\n"
                 "  delivery 2: event 3 to 1: cancelled, at 5.0 s (cancelled by hand)\n"
                 "  event 3: evt_2 invoice.paid live: done\n"
                 "  answer 5: {\"ok\":true}\n"
                 "6 the first arrived all the same\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: done, tried 1 (failures 0, not yet 0), at 6.0 s\n"
                 "7 the second failed\n"
                 "  taken no more: delivery 2\n"
                 "  delivery 2: event 3 to 1: cancelled, tried 1 (failures 0, not yet 0), at 5.0"
                 " s (cancelled by hand)\n"
                 "8 {\"do\":\"cancel\",\"delivery\":2}\n"
                 "  answer 8: {\"error\":\"this delivery has ended already\"}\n"
                 "9 {\"do\":\"cancel\",\"delivery\":3}\n"
                 "  answer 9: {\"error\":\"there is no such delivery\"}\n"
                 "10 {\"do\":\"cancel\"}\n"
                 "  answer 10: {\"error\":\"delivery must be a number\"}\n");
}

static void a_new_plan_cancels_what_may_not_go_out(void **state) {
    ADOPT(*state, "shop and books", SHOP, BOOKS);
    receive(*state, "an invoice is paid", PAID);
    receive(*state, "one of test mode", TEST_PAID);
    ADOPT(*state, "shop takes live only, books has left", {"shop", "live", NULL, "1000"});
    ADOPT(*state, "books is back", SHOP, BOOKS);
    receive(*state, "the invoice again", PAID);
    assert_story(*state,
                 "1 shop and books\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "  destination 2: books\n"
                 "2 an invoice is paid\n"
                 "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                 "  event 2: evt_2 invoice.paid live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 145 bytes of its own\n"
                 "  delivery 2: event 2 to 2: due, at 2.0 s\n"
                 "3 one of test mode\n"
                 "  event 3: evt_3 invoice.paid test: pending\n"
                 "  receipt 3: event 3 by /a, secret ring, generation 1, 119 bytes of its own\n"
                 "  delivery 3: event 3 to 1: due, at 3.0 s\n"
                 "  delivery 4: event 3 to 2: due, at 3.0 s\n"
                 "4 shop takes live only, books has left\n"
                 "  in force: plan 4\n"
                 "  destination 2: books, gone\n"
                 "  delivery 2: event 2 to 2: cancelled, at 4.0 s (its destination left the"
                 " configuration)\n"
                 "  event 3: evt_3 invoice.paid test: done\n"
                 "  delivery 3: event 3 to 1: cancelled, at 4.0 s (its destination takes live"
                 " events only, this one is test)\n"
                 "  delivery 4: event 3 to 2: cancelled, at 4.0 s (its destination left the"
                 " configuration)\n"
                 "5 books is back\n"
                 "  in force: plan 5\n"
                 "  destination 2: books\n"
                 "6 the invoice again\n"
                 "  receipt 6: event 2 by /a, secret ring, generation 5, the bytes of 2\n");
}

static void an_event_is_booked_under_the_plan_of_its_receipt(void **state) {
    struct story *s = *state;
    ADOPT(s, "shop and books", SHOP, BOOKS);
    ADOPT(s, "shop alone, live only, and new", {"shop", "live", NULL, ""},
          {"new", "both", NULL, ""});
    s->generation = 1;
    receive(s, "taken under the first plan", PAID);
    receive(s, "so was this test event", TEST_PAID);
    ends(s, "an attempt that began under the first plan has its schedule", 1, 1, OUTCOME_FAILED,
         500);
    assert_story(s, "1 shop and books\n"
                    "  in force: plan 1\n"
                    "  destination 1: shop\n"
                    "  destination 2: books\n"
                    "2 shop alone, live only, and new\n"
                    "  in force: plan 2\n"
                    "  destination 2: books, gone\n"
                    "  destination 3: new\n"
                    "3 taken under the first plan\n"
                    "  delivery 1: event 3 to 1: due, at 3.0 s\n"
                    "  delivery 2: event 3 to 2: cancelled, at 3.0 s (its destination left the"
                    " configuration)\n"
                    "  event 3: evt_2 invoice.paid live: pending\n"
                    "  receipt 3: event 3 by /a, secret ring, generation 1, 145 bytes of its own\n"
                    "4 so was this test event\n"
                    "  delivery 3: event 4 to 1: cancelled, at 4.0 s (its destination takes live"
                    " events only, this one is test)\n"
                    "  event 4: evt_3 invoice.paid test: done\n"
                    "  receipt 4: event 4 by /a, secret ring, generation 1, 119 bytes of its own\n"
                    "  delivery 4: event 4 to 2: cancelled, at 4.0 s (its destination left the"
                    " configuration)\n"
                    "5 an attempt that began under the first plan has its schedule\n"
                    "  taken no more: delivery 1\n"
                    "  delivery 1: event 3 to 1: waiting, tried 1 (failures 1, not yet 0), at 6.0 s"
                    " (it said no)\n");
}

// The same records, booked with a restart in between each, give the same books.
static void a_restart_changes_nothing(void **state) {
    struct story *s = *state;
    ADOPT(s, "shop and books", SHOP, BOOKS);
    receive(s, "an event", PAID);
    ADOPT(s, "books alone", BOOKS);
    struct teller *t = &s->tellers[1];
    book_close(&t->book);
    world_crash(&t->world);
    assert_ok(book_open(&t->book, t->world.store));
    s->generation = 1;
    receive(s, "taken under the first plan", SIGNED_UP);
    ends(s, "the attempt under way when it died", 2, 1, OUTCOME_FAILED, 500);
    assert_story(s, "1 shop and books\n"
                    "  in force: plan 1\n"
                    "  destination 1: shop\n"
                    "  destination 2: books\n"
                    "2 an event\n"
                    "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                    "  event 2: evt_2 invoice.paid live: pending\n"
                    "  receipt 2: event 2 by /a, secret ring, generation 1, 145 bytes of its own\n"
                    "  delivery 2: event 2 to 2: due, at 2.0 s\n"
                    "3 books alone\n"
                    "  in force: plan 3\n"
                    "  destination 1: shop, gone\n"
                    "  delivery 1: event 2 to 1: cancelled, at 3.0 s (its destination left the"
                    " configuration)\n"
                    "4 taken under the first plan\n"
                    "  delivery 3: event 4 to 1: cancelled, at 4.0 s (its destination left the"
                    " configuration)\n"
                    "  event 4: evt_1 customer.created live: done\n"
                    "  receipt 4: event 4 by /a, secret ring, generation 1, 149 bytes of its own\n"
                    "5 the attempt under way when it died\n"
                    "  taken no more: delivery 2\n"
                    "  delivery 2: event 2 to 2: waiting, tried 1 (failures 1, not yet 0), at 5.9 s"
                    " (it said no)\n");
}

static void only_the_stores_failures_wait(void **state) {
    assert_true(book_waits(PLACE(FULL, "full")));
    assert_true(book_waits(PLACE(IO, "io")));
    assert_true(book_waits(PLACE(BUSY, "busy")));
    assert_true(book_waits(PLACE(MEMORY, "memory")));
    assert_true(book_waits(PLACE(CORRUPT, "corrupt")));
    assert_false(book_waits(OK));
    assert_false(book_waits(PLACE(ABSENT, "absent")));
    assert_false(book_waits(PLACE(EXISTS, "exists")));
    assert_false(book_waits(PLACE(MISMATCH, "mismatch")));
    assert_false(book_waits(PLACE(FORMAT, "format")));
    assert_false(book_waits(PLACE(INVALID, "invalid")));
}

#define TOLD(test_) cmocka_unit_test_setup_teardown(test_, story_setup, story_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TOLD(first_receipt_owes_each_that_matches),
        TOLD(a_repetition_is_one_event),
        TOLD(a_second_source_adds_what_it_owes),
        TOLD(other_accounts_and_livemodes_are_other_events),
        TOLD(what_the_source_does_not_take_is_kept_ignored),
        TOLD(a_destination_takes_its_livemode),
        TOLD(twins_know_each_other),
        TOLD(an_attempt_that_is_answered_2xx_ends_it),
        TOLD(failures_use_the_schedule_up),
        TOLD(late_outcomes_change_nothing),
        TOLD(cancelled_while_under_way),
        TOLD(a_new_plan_cancels_what_may_not_go_out),
        TOLD(an_event_is_booked_under_the_plan_of_its_receipt),
        TOLD(a_restart_changes_nothing),
        cmocka_unit_test(only_the_stores_failures_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
