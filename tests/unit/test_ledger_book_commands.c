// SPDX-License-Identifier: MIT
// What booking makes of commands, and of what it cannot book, told as stories.
#include "book_story.h"
#include "rules/command.h"

static void replays(void **state) {
    ADOPT(*state, "shop, books, and live", SHOP, BOOKS,
          {"live", "live", RULE("\"never\"", ""), ""});
    receive(*state, "a customer signs up", SIGNED_UP);
    ends(*state, "200", 1, 1, OUTCOME_DONE, 200);
    ask(*state, "{\"do\":\"replay\",\"events\":[2],\"to\":\"books\"}");
    ask(*state, "{\"do\":\"replay\",\"events\":[2,9]}");
    receive(*state, "a test event", TEST_PAID);
    ask(*state, "{\"do\":\"replay\",\"events\":[6],\"to\":\"live\"}");
    ask(*state, "{\"do\":\"replay\",\"events\":[6],\"to\":\"nobody\"}");
    ask(*state, "{\"do\":\"replay\",\"events\":[]}");
    ask(*state, "{\"do\":\"replay\",\"events\":[\"evt_1\"]}");
    ends(*state, "the first replay fails", 2, 1, OUTCOME_FAILED, 500);
    ends(*state, "the second arrives", 3, 1, OUTCOME_DONE, 200);
    ends(*state, "the first arrives", 2, 2, OUTCOME_DONE, 200);
    assert_story(*state,
                 "1 shop, books, and live\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "  destination 2: books\n"
                 "  destination 3: live\n"
                 "2 a customer signs up\n"
                 "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                 "  event 2: evt_1 customer.created live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 149 bytes of its own\n"
                 "3 200\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: done, tried 1 (failures 0, not yet 0), at 3.0 s\n"
                 "  event 2: evt_1 customer.created live: done\n"
                 "4 {\"do\":\"replay\",\"events\":[2],\"to\":\"books\"}\n"
                 "  event 2: evt_1 customer.created live: pending\n"
                 "  delivery 2: event 2 to 2: due, asked for, at 4.0 s\n"
                 "  answer 4: {\"ok\":true,\"deliveries\":[2],\"refused\":[]}\n"
                 "5 {\"do\":\"replay\",\"events\":[2,9]}\n"
                 "  delivery 3: event 2 to 1: due, asked for, at 5.0 s\n"
                 "  answer 5: {\"ok\":true,\"deliveries\":[3],\"refused\":[{\"event\":9,\"destinat"
                 "ion\":\"\",\"why\":\"there is no such event\"}]}\n"
                 "6 a test event\n"
                 "  delivery 4: event 6 to 1: due, at 6.0 s\n"
                 "  delivery 5: event 6 to 2: due, at 6.0 s\n"
                 "  event 6: evt_3 invoice.paid test: pending\n"
                 "  receipt 6: event 6 by /a, secret ring, generation 1, 119 bytes of its own\n"
                 "7 {\"do\":\"replay\",\"events\":[6],\"to\":\"live\"}\n"
                 "  answer 7: {\"ok\":true,\"deliveries\":[],\"refused\":[{\"event\":6,\"destinati"
                 "on\":\"live\",\"why\":\"its destination takes live events only, this one is"
                 " test\"}]}\n"
                 "8 {\"do\":\"replay\",\"events\":[6],\"to\":\"nobody\"}\n"
                 "  answer 8: {\"ok\":true,\"deliveries\":[],\"refused\":[{\"event\":6,\"destinati"
                 "on\":\"nobody\",\"why\":\"there is no destination of this name\"}]}\n"
                 "9 {\"do\":\"replay\",\"events\":[]}\n"
                 "  answer 9: {\"error\":\"events must be a list of 1 to 500 event numbers\"}\n"
                 "10 {\"do\":\"replay\",\"events\":[\"evt_1\"]}\n"
                 "  answer 10: {\"error\":\"events must be a list of 1 to 500 event numbers\"}\n"
                 "11 the first replay fails\n"
                 "  taken no more: delivery 2\n"
                 "  delivery 2: event 2 to 2: waiting, asked for, tried 1 (failures 1, not yet"
                 " 0), at 11.9 s (it said no)\n"
                 "12 the second arrives\n"
                 "  taken no more: delivery 3\n"
                 "  delivery 3: event 2 to 1: done, asked for, tried 1 (failures 0, not yet 0),"
                 " at 12.0 s\n"
                 "13 the first arrives\n"
                 "  taken no more: delivery 2\n"
                 "  event 2: evt_1 customer.created live: done\n"
                 "  delivery 2: event 2 to 2: done, asked for, tried 2 (failures 1, not yet 0),"
                 " at 13.0 s\n");
}

static void a_replay_of_what_matches_nobody(void **state) {
    ADOPT(*state, "nobody wants it", {"shop", "both", RULE("\"never\"", ""), ""});
    receive(*state, "an event", PAID);
    ask(*state, "{\"do\":\"replay\",\"events\":[2]}");
    assert_story(*state,
                 "1 nobody wants it\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "2 an event\n"
                 "  event 2: evt_2 invoice.paid live: ignored\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 145 bytes of its own\n"
                 "3 {\"do\":\"replay\",\"events\":[2]}\n"
                 "  answer 3: {\"ok\":true,\"deliveries\":[],\"refused\":[{\"event\":2,\"destinati"
                 "on\":\"\",\"why\":\"it matches no destination\"}]}\n");
}

#define BY(name_, sources_)                                                                        \
    { name_, "both", RULE("", sources_), "1000" }

// Each destination gets it by the first receipt that reaches it. What was ignored reaches nobody.
static void a_replay_looks_at_each_receipt(void **state) {
    ADOPT(*state, "nobody", {"never", "both", RULE("\"never\"", ""), ""});
    receive(*state, "by /a", PAID);
    receive_by(*state, "and by /b", "/b", SCOPE_ANY, MODE_BOTH, PAID);
    receive_by(*state, "and by /c for the other mode", "/c", SCOPE_ANY, MODE_TEST, PAID);
    receive_by(*state, "one that is ignored", "/c", SCOPE_ANY, MODE_TEST, SIGNED_UP);
    ADOPT(*state, "one by each and two by both", BY("by_b", "\"/b\""), BY("by_c", "\"/c\""),
          BY("by_a", "\"/a\""), BY("any", "\"/c\",\"/b\""), {"test", "test", NULL, ""});
    ask(*state, "{\"do\":\"replay\",\"events\":[2]}");
    ask(*state, "{\"do\":\"replay\",\"events\":[5]}");
    ask(*state, "{\"do\":\"replay\",\"events\":[5],\"to\":\"by_a\"}");
    assert_story(
        *state,
        "1 nobody\n"
        "  in force: plan 1\n"
        "  destination 1: never\n"
        "2 by /a\n"
        "  event 2: evt_2 invoice.paid live: ignored\n"
        "  receipt 2: event 2 by /a, secret ring, generation 1, 145 bytes of its own\n"
        "3 and by /b\n"
        "  receipt 3: event 2 by /b, secret ring, generation 1, the bytes of 2\n"
        "4 and by /c for the other mode\n"
        "  receipt 4: event 2 by /c, secret ring, generation 1, livemode misfit, the bytes of 2\n"
        "5 one that is ignored\n"
        "  event 5: evt_1 customer.created live: ignored\n"
        "  receipt 5: event 5 by /c, secret ring, generation 1, livemode misfit, 149 bytes of its "
        "own\n"
        "6 one by each and two by both\n"
        "  in force: plan 6\n"
        "  destination 1: never, gone\n"
        "  destination 2: by_b\n"
        "  destination 3: by_c\n"
        "  destination 4: by_a\n"
        "  destination 5: any\n"
        "  destination 6: test\n"
        "7 {\"do\":\"replay\",\"events\":[2]}\n"
        "  delivery 1: event 2 to 4: due, asked for, at 7.0 s\n"
        "  event 2: evt_2 invoice.paid live: pending\n"
        "  delivery 2: event 2 to 2: due, asked for, owed by receipt 3, at 7.0 s\n"
        "  delivery 3: event 2 to 5: due, asked for, owed by receipt 3, at 7.0 s\n"
        "  answer 7: {\"ok\":true,\"deliveries\":[1,2,3],\"refused\":[]}\n"
        "8 {\"do\":\"replay\",\"events\":[5]}\n"
        "  answer 8: {\"ok\":true,\"deliveries\":[],\"refused\":[{\"event\":5,\"destination\":"
        "\"\",\"why\":\"no source by which it came takes its livemode; name the destination that "
        "is to get it\"}]}\n"
        "9 {\"do\":\"replay\",\"events\":[5],\"to\":\"by_a\"}\n"
        "  delivery 4: event 5 to 4: due, asked for, at 9.0 s\n"
        "  event 5: evt_1 customer.created live: pending\n"
        "  answer 9: {\"ok\":true,\"deliveries\":[4],\"refused\":[]}\n");
}

#define REPLAY_ONCE "{\"do\":\"replay\",\"events\":[2],\"to\":\"shop\",\"idempotency_key\":\"r-1\"}"
#define HOLD_ONCE                                                                                  \
    "{\"do\":\"hold\",\"destination\":\"shop\",\"reason\":\"\",\"idempotency_key\":\"r-1\"}"

static void a_command_asked_again(void **state) {
    ADOPT(*state, "plan", SHOP);
    receive(*state, "signed up", SIGNED_UP);
    ask(*state, REPLAY_ONCE);
    ask(*state, REPLAY_ONCE);
    ask(*state, HOLD_ONCE);
    ask(*state, REPLAY_ONCE);
    assert_story(*state, "1 plan\n"
                         "  in force: plan 1\n"
                         "  destination 1: shop\n"
                         "2 signed up\n"
                         "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                         "  event 2: evt_1 customer.created live: pending\n"
                         "  receipt 2: event 2 by /a, secret ring, generation 1, 149 bytes of its "
                         "own\n"
                         "3 " REPLAY_ONCE "\n"
                         "  delivery 2: event 2 to 1: due, asked for, at 3.0 s\n"
                         "  answer 3: {\"ok\":true,\"deliveries\":[2],\"refused\":[]}\n"
                         "4 " REPLAY_ONCE "\n"
                         "  answer 4: {\"ok\":true,\"deliveries\":[2],\"refused\":[]}\n"
                         "5 " HOLD_ONCE "\n"
                         "  answer 5: {\"error\":\"this idempotency key came with another command "
                         "before; each command takes a key of its own\"}\n"
                         "6 " REPLAY_ONCE "\n"
                         "  answer 6: {\"ok\":true,\"deliveries\":[2],\"refused\":[]}\n");
}

// Whoever asks once more a day later asks anew.
static void answers_are_dropped_after_a_day(void **state) {
    struct story *s = *state;
    ADOPT(*state, "plan", SHOP);
    receive(*state, "signed up", SIGNED_UP);
    ask(*state, REPLAY_ONCE);
    s->late_ms = ANSWERS_KEPT_MS - 1000; // the next second is a day later
    ask(*state, REPLAY_ONCE);
    EACH_TELLER(t, s) text_reset(&t->trace);
    s->late_ms += 1;
    ask(*state, REPLAY_ONCE);
    assert_story(*state, "5 " REPLAY_ONCE "\n"
                         "  delivery 3: event 2 to 1: due, asked for, at 86404.0 s\n"
                         "  answer 5: {\"ok\":true,\"deliveries\":[3],\"refused\":[]}\n");
    EACH_TELLER(t, s) {
        struct answer_row row;
        struct store *st = t->world.store;
        assert_code(st->answer_get(st, 3, &t->world.arena, &row), ABSENT);
        assert_ok(st->answer_get(st, 4, &t->world.arena, &row));
    }
}

static void a_replay_before_the_first_plan(void **state) {
    ask(*state, "{\"do\":\"replay\",\"events\":[1]}");
    assert_story(*state, "1 {\"do\":\"replay\",\"events\":[1]}\n"
                         "  answer 1: {\"error\":\"no configuration has been adopted yet\"}\n");
}

static void the_dead_are_tried_again_by_hand(void **state) {
    ADOPT(*state, "shop tries once", {"shop", "both", NULL, ""});
    receive(*state, "an event", PAID);
    ends(*state, "500", 1, 1, OUTCOME_FAILED, 500);
    ask(*state, "{\"do\":\"retry\",\"delivery\":1}");
    ends(*state, "200", 1, 2, OUTCOME_DONE, 200);
    ask(*state, "{\"do\":\"retry\",\"delivery\":1}");
    ask(*state, "{\"do\":\"retry\",\"delivery\":2}");
    assert_story(*state,
                 "1 shop tries once\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "2 an event\n"
                 "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                 "  event 2: evt_2 invoice.paid live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 145 bytes of its own\n"
                 "3 500\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: dead, tried 1 (failures 1, not yet 0), at 3.0 s (it"
                 " said no)\n"
                 "  event 2: evt_2 invoice.paid live: failed (it said no)\n"
                 "4 {\"do\":\"retry\",\"delivery\":1}\n"
                 "  delivery 1: event 2 to 1: due, tried 1 (failures 0, not yet 0), at 4.0 s (it"
                 " said no)\n"
                 "  event 2: evt_2 invoice.paid live: pending\n"
                 "  answer 4: {\"ok\":true}\n"
                 "5 200\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: done, tried 2 (failures 0, not yet 0), at 5.0 s\n"
                 "  event 2: evt_2 invoice.paid live: done\n"
                 "6 {\"do\":\"retry\",\"delivery\":1}\n"
                 "  answer 6: {\"error\":\"this delivery is done; to send the event again, replay"
                 " it\"}\n"
                 "7 {\"do\":\"retry\",\"delivery\":2}\n"
                 "  answer 7: {\"error\":\"there is no such delivery\"}\n");
}

static void a_retry_goes_only_where_it_may(void **state) {
    ADOPT(*state, "shop tries once", {"shop", "both", NULL, ""});
    receive(*state, "a live event", PAID);
    ends(*state, "500", 1, 1, OUTCOME_FAILED, 500);
    ADOPT(*state, "shop is for tests now", {"shop", "test", NULL, ""});
    ask(*state, "{\"do\":\"retry\",\"delivery\":1}");
    ADOPT(*state, "shop has left", {"books", "both", NULL, ""});
    ask(*state, "{\"do\":\"retry\",\"delivery\":1}");
    assert_story(
        *state,
        "1 shop tries once\n"
        "  in force: plan 1\n"
        "  destination 1: shop\n"
        "2 a live event\n"
        "  delivery 1: event 2 to 1: due, at 2.0 s\n"
        "  event 2: evt_2 invoice.paid live: pending\n"
        "  receipt 2: event 2 by /a, secret ring, generation 1, 145 bytes of its own\n"
        "3 500\n"
        "  taken no more: delivery 1\n"
        "  delivery 1: event 2 to 1: dead, tried 1 (failures 1, not yet 0), at 3.0 s (it"
        " said no)\n"
        "  event 2: evt_2 invoice.paid live: failed (it said no)\n"
        "4 shop is for tests now\n"
        "  in force: plan 4\n"
        "5 {\"do\":\"retry\",\"delivery\":1}\n"
        "  answer 5: {\"error\":\"its destination takes test events only, this one is live\"}\n"
        "6 shop has left\n"
        "  in force: plan 6\n"
        "  destination 1: shop, gone\n"
        "  destination 2: books\n"
        "7 {\"do\":\"retry\",\"delivery\":1}\n"
        "  answer 7: {\"error\":\"its destination left the configuration\"}\n");
}

static void the_last_to_a_destination_decides_the_status(void **state) {
    ADOPT(*state, "shop tries once", {"shop", "both", NULL, ""});
    receive(*state, "an event", PAID);
    ends(*state, "500", 1, 1, OUTCOME_FAILED, 500);
    ask(*state, "{\"do\":\"replay\",\"events\":[2],\"to\":\"shop\"}");
    ends(*state, "200", 2, 1, OUTCOME_DONE, 200);
    assert_story(*state,
                 "1 shop tries once\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "2 an event\n"
                 "  delivery 1: event 2 to 1: due, at 2.0 s\n"
                 "  event 2: evt_2 invoice.paid live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 1, 145 bytes of its own\n"
                 "3 500\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: dead, tried 1 (failures 1, not yet 0), at 3.0 s (it"
                 " said no)\n"
                 "  event 2: evt_2 invoice.paid live: failed (it said no)\n"
                 "4 {\"do\":\"replay\",\"events\":[2],\"to\":\"shop\"}\n"
                 "  event 2: evt_2 invoice.paid live: pending\n"
                 "  delivery 2: event 2 to 1: due, asked for, at 4.0 s\n"
                 "  answer 4: {\"ok\":true,\"deliveries\":[2],\"refused\":[]}\n"
                 "5 200\n"
                 "  taken no more: delivery 2\n"
                 "  event 2: evt_2 invoice.paid live: done\n"
                 "  delivery 2: event 2 to 1: done, asked for, tried 1 (failures 0, not yet 0),"
                 " at 5.0 s\n");
}

static void hold_and_release(void **state) {
    ADOPT(*state, "shop", SHOP);
    ask(*state, "{\"do\":\"hold\",\"destination\":\"shop\",\"reason\":\"moving house\"}");
    receive(*state, "what comes meanwhile is owed", PAID);
    ask(*state, "{\"do\":\"hold\",\"destination\":\"shop\"}");
    ask(*state, "{\"do\":\"release\",\"destination\":\"shop\"}");
    ask(*state, "{\"do\":\"release\",\"destination\":\"shop\"}");
    ask(*state, "{\"do\":\"hold\",\"destination\":\"nobody\"}");
    assert_story(*state,
                 "1 shop\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "2 {\"do\":\"hold\",\"destination\":\"shop\",\"reason\":\"moving house\"}\n"
                 "  destination 1: shop, held (moving house)\n"
                 "  answer 2: {\"ok\":true}\n"
                 "3 what comes meanwhile is owed\n"
                 "  delivery 1: event 3 to 1: due, at 3.0 s\n"
                 "  event 3: evt_2 invoice.paid live: pending\n"
                 "  receipt 3: event 3 by /a, secret ring, generation 1, 145 bytes of its own\n"
                 "4 {\"do\":\"hold\",\"destination\":\"shop\"}\n"
                 "  answer 4: {\"error\":\"it is held already\"}\n"
                 "5 {\"do\":\"release\",\"destination\":\"shop\"}\n"
                 "  destination 1: shop\n"
                 "  answer 5: {\"ok\":true}\n"
                 "6 {\"do\":\"release\",\"destination\":\"shop\"}\n"
                 "  answer 6: {\"error\":\"it is not held\"}\n"
                 "7 {\"do\":\"hold\",\"destination\":\"nobody\"}\n"
                 "  answer 7: {\"error\":\"there is no such destination\"}\n");
}

static void what_cannot_be_booked_waits_in_suspense(void **state) {
    struct story *s = *state;
    ADOPT(s, "shop", SHOP);
    tell(s, RECORD_EVENT, B("\x01garbage"), "an event that is none");
    tell(s, RECORD_EVENT, B("\x02"), "an event of a newer version");
    receive(s, "a receipt whose body is no event", "{\"id\":\"evt_1\"}");
    tell(s, RECORD_OUTCOME, B(""), "an outcome of nothing");
    ends(s, "an outcome of a delivery that there is not", 5, 1, OUTCOME_DONE, 200);
    tell(s, RECORD_PLAN, B("{}"), "a plan that is none");
    tell(s, 9, B("?"), "a kind of record that nobody knows");
    tell(s, RECORD_COMMAND, B("not JSON"), "a command that is none");
    ask(s, "{\"do\":\"dance\"}");
    ask(s, "[]");
    receive(s, "what comes after is booked", PAID);
    assert_story(
        s, "1 shop\n"
           "  in force: plan 1\n"
           "  destination 1: shop\n"
           "2 an event that is none\n"
           "  cannot be booked: invalid\n"
           "  suspense 2: 8 bytes, waiting (the record's payload is damaged)\n"
           "3 an event of a newer version\n"
           "  cannot be booked: format\n"
           "  suspense 3: 1 bytes, waiting (a record was written by a newer version)\n"
           "4 a receipt whose body is no event\n"
           "  cannot be booked: invalid\n"
           "  suspense 4: 51 bytes, waiting (the body is not a Stripe event)\n"
           "5 an outcome of nothing\n"
           "  cannot be booked: invalid\n"
           "  suspense 5: 0 bytes, waiting (the record's payload is damaged)\n"
           "6 an outcome of a delivery that there is not\n"
           "  cannot be booked: absent\n"
           "  taken no more: delivery 5\n"
           "  suspense 6: 50 bytes, waiting (the outcome is of a delivery that there is not)\n"
           "7 a plan that is none\n"
           "  cannot be booked: invalid\n"
           "  suspense 7: 2 bytes, waiting (the plan has an object with a key too many or"
           " too few)\n"
           "8 a kind of record that nobody knows\n"
           "  cannot be booked: format\n"
           "  suspense 8: 1 bytes, waiting (a kind of record that this program does not know)\n"
           "9 a command that is none\n"
           "  cannot be booked: invalid\n"
           "  answer 9: {\"error\":\"this is not JSON\"}\n"
           "10 {\"do\":\"dance\"}\n"
           "  answer 10: {\"error\":\"no command has this name\"}\n"
           "11 []\n"
           "  answer 11: {\"error\":\"no command has this name\"}\n"
           "12 what comes after is booked\n"
           "  delivery 1: event 12 to 1: due, at 12.0 s\n"
           "  event 12: evt_2 invoice.paid live: pending\n"
           "  receipt 12: event 12 by /a, secret ring, generation 1, 145 bytes of its own\n");
}

static void suspense_is_booked_later_or_dropped(void **state) {
    struct story *s = *state;
    ADOPT(s, "shop", SHOP);
    s->generation = 5;
    receive(s, "an event under a plan that is not there yet", PAID);
    receive(s, "another one", SIGNED_UP);
    ask(s, "{\"do\":\"suspense_book\",\"position\":2}");
    ADOPT(s, "the plan", BOOKS);
    ask(s, "{\"do\":\"suspense_book\",\"position\":2}");
    ask(s, "{\"do\":\"suspense_book\",\"position\":2}");
    ask(s, "{\"do\":\"suspense_drop\",\"position\":3}");
    ask(s, "{\"do\":\"suspense_drop\",\"position\":3}");
    ask(s, "{\"do\":\"suspense_book\",\"position\":1}");
    ask(s, "{\"do\":\"suspense_book\"}");
    assert_story(s,
                 "1 shop\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "2 an event under a plan that is not there yet\n"
                 "  cannot be booked: absent\n"
                 "  suspense 2: 182 bytes, waiting (the configuration under which it was taken is"
                 " not in the books)\n"
                 "3 another one\n"
                 "  cannot be booked: absent\n"
                 "  suspense 3: 186 bytes, waiting (the configuration under which it was taken is"
                 " not in the books)\n"
                 "4 {\"do\":\"suspense_book\",\"position\":2}\n"
                 "  cannot be booked: absent\n"
                 "  answer 4: {\"error\":\"the configuration under which it was taken is not in"
                 " the books\"}\n"
                 "5 the plan\n"
                 "  in force: plan 5\n"
                 "  destination 1: shop, gone\n"
                 "  destination 2: books\n"
                 "6 {\"do\":\"suspense_book\",\"position\":2}\n"
                 "  delivery 1: event 2 to 2: due, at 2.0 s\n"
                 "  event 2: evt_2 invoice.paid live: pending\n"
                 "  receipt 2: event 2 by /a, secret ring, generation 5, 145 bytes of its own\n"
                 "  suspense 2: 182 bytes, booked (the configuration under which it was taken is"
                 " not in the books)\n"
                 "  answer 6: {\"ok\":true}\n"
                 "7 {\"do\":\"suspense_book\",\"position\":2}\n"
                 "  answer 7: {\"error\":\"this record was booked or dropped already\"}\n"
                 "8 {\"do\":\"suspense_drop\",\"position\":3}\n"
                 "  suspense 3: 186 bytes, dropped (the configuration under which it was taken is"
                 " not in the books)\n"
                 "  answer 8: {\"ok\":true}\n"
                 "9 {\"do\":\"suspense_drop\",\"position\":3}\n"
                 "  answer 9: {\"error\":\"this record was booked or dropped already\"}\n"
                 "10 {\"do\":\"suspense_book\",\"position\":1}\n"
                 "  answer 10: {\"error\":\"nothing is suspended at this position\"}\n"
                 "11 {\"do\":\"suspense_book\"}\n"
                 "  answer 11: {\"error\":\"position must be a number\"}\n");
}

static void a_suspended_plan_is_not_in_force_and_comes_late(void **state) {
    struct story *s = *state;
    ADOPT(s, "shop", SHOP);
    EACH_TELLER(t, s) { // as when the process died twice here
        struct record r = {.position = 2, .time_ms = STORY_START_MS, .kind = RECORD_PLAN};
        r.payload = B("{\"sources\":[],\"destinations\":[]}");
        assert_ok(t->world.store->begin(t->world.store));
        assert_ok(book_suspend(&t->book, &r, "it killed"));
        assert_ok(book_commit(&t->book));
    }
    s->position = s->generation = 2;
    receive(s, "taken under that plan", PAID);
    ADOPT(s, "books", BOOKS);
    ask(s, "{\"do\":\"suspense_book\",\"position\":2}");
    ask(s, "{\"do\":\"suspense_book\",\"position\":3}");
    receive(s, "taken under the last plan", TEST_PAID);
    assert_story(s,
                 "1 shop\n"
                 "  in force: plan 1\n"
                 "  destination 1: shop\n"
                 "3 taken under that plan\n"
                 "  cannot be booked: absent\n"
                 "  suspense 2: 32 bytes, waiting (it killed)\n"
                 "  suspense 3: 182 bytes, waiting (the configuration under which it was taken is"
                 " not in the books)\n"
                 "4 books\n"
                 "  in force: plan 4\n"
                 "  destination 1: shop, gone\n"
                 "  destination 2: books\n"
                 "5 {\"do\":\"suspense_book\",\"position\":2}\n"
                 "  suspense 2: 32 bytes, booked (it killed)\n"
                 "  answer 5: {\"ok\":true}\n"
                 "6 {\"do\":\"suspense_book\",\"position\":3}\n"
                 "  event 3: evt_2 invoice.paid live: ignored\n"
                 "  receipt 3: event 3 by /a, secret ring, generation 2, 145 bytes of its own\n"
                 "  suspense 3: 182 bytes, booked (the configuration under which it was taken is"
                 " not in the books)\n"
                 "  answer 6: {\"ok\":true}\n"
                 "7 taken under the last plan\n"
                 "  delivery 1: event 7 to 2: due, at 7.0 s\n"
                 "  event 7: evt_3 invoice.paid test: pending\n"
                 "  receipt 7: event 7 by /a, secret ring, generation 4, 119 bytes of its own\n");
}

static void keys(void **state) {
#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    ask(*state, "{\"do\":\"key_create\",\"id\":\"k1\",\"name\":\"mine\",\"mode\":\"operator\","
                "\"hash\":\"" HASH "\"}");
    ask(*state, "{\"do\":\"key_create\",\"id\":\"k1\",\"mode\":\"viewer\",\"hash\":\"" HASH "\"}");
    ask(*state, "{\"do\":\"key_create\",\"id\":\"k2\",\"mode\":\"root\",\"hash\":\"" HASH "\"}");
    ask(*state, "{\"do\":\"key_create\",\"id\":\"k2\",\"mode\":\"viewer\",\"hash\":\"00\"}");
    ask(*state, "{\"do\":\"key_revoke\",\"id\":\"k1\"}");
    ask(*state, "{\"do\":\"key_revoke\",\"id\":\"k1\"}");
    ask(*state, "{\"do\":\"key_revoke\",\"id\":\"k2\"}");
    assert_story(*state,
                 "1 {\"do\":\"key_create\",\"id\":\"k1\",\"name\":\"mine\",\"mode\":\"operator\","
                 "\"hash\":\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}\n"
                 "  answer 1: {\"ok\":true}\n"
                 "2 {\"do\":\"key_create\",\"id\":\"k1\",\"mode\":\"viewer\",\"hash\":\"0123456789"
                 "abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}\n"
                 "  answer 2: {\"error\":\"there is a key of this id already\"}\n"
                 "3 {\"do\":\"key_create\",\"id\":\"k2\",\"mode\":\"root\",\"hash\":\"0123456789ab"
                 "cdef0123456789abcdef0123456789abcdef0123456789abcdef\"}\n"
                 "  answer 3: {\"error\":\"mode must be operator, viewer, test, live, "
                 "test_read_only or live_read_only\"}\n"
                 "4 {\"do\":\"key_create\",\"id\":\"k2\",\"mode\":\"viewer\",\"hash\":\"00\"}\n"
                 "  answer 4: {\"error\":\"a key needs an id and the SHA-256 of its text\"}\n"
                 "5 {\"do\":\"key_revoke\",\"id\":\"k1\"}\n"
                 "  answer 5: {\"ok\":true}\n"
                 "6 {\"do\":\"key_revoke\",\"id\":\"k1\"}\n"
                 "  answer 6: {\"error\":\"this key is revoked already\"}\n"
                 "7 {\"do\":\"key_revoke\",\"id\":\"k2\"}\n"
                 "  answer 7: {\"error\":\"there is no key of this id\"}\n");
}

#define TOLD(test_) cmocka_unit_test_setup_teardown(test_, story_setup, story_teardown)

static void who_listens_says_what_his_site_answered(void **state) {
    ADOPT(*state, "shop", SHOP);
    receive(*state, "a customer signs up", SIGNED_UP);
    ask(*state, "{\"do\":\"listen_attempts\",\"attempts\":[{\"event\":2,\"status\":200},"
                "{\"event\":9}]}");
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "[1]",
                                      "[{}]",
                                      "[{\"event\":0}]",
                                      "[{\"event\":\"evt_1\"}]",
                                      "[{\"event\":2,\"status\":1000}]",
                                      "[{\"event\":2,\"status\":-1}]",
                                      "[{\"event\":2,\"micros\":1.5}]",
                                      "[{\"event\":2,\"url\":5}]"};
    for (size_t i = 1; i < sizeof bad / sizeof bad[0]; i++) {
        char command[128];
        (void)snprintf(command, sizeof command, "{\"do\":\"listen_attempts\",\"attempts\":%s}",
                       bad[i]);
        ask(*state, command);
    }
    OWN(text_drop)
    struct text many = {0};
    for (int i = 0; i < LISTEN_ATTEMPTS_MAX; i++)
        text_addf(&many, "%s{\"event\":2,\"answer\":\"no\"}", i > 0 ? "," : "");
    OWN(text_drop)
    struct text command = {0};
    text_addf(&command, "{\"do\":\"listen_attempts\",\"attempts\":[%s]}", text_str(&many));
    for (int i = 0; i < 10; i++)
        ask(*state, text_str(&command));
    EACH_TELLER(t, (struct story *)*state) {
        const char *told = text_str(&t->trace);
        assert_non_null(strstr(told, "answer 3: {\"ok\":true,\"booked\":1,\"refused\":[{\"event\""
                                     ":9,\"why\":\"there is no such event\"}]}\n"));
        for (int position = 4; position < 14; position++) {
            char line[64];
            (void)snprintf(line, sizeof line, "answer %d: {\"error\":\"attempts must be", position);
            assert_non_null(strstr(told, line));
        }
        assert_non_null(strstr(told, "answer 14: {\"ok\":true,\"booked\":100,\"refused\":[]}\n"));
        // One more than fits came before.
        assert_non_null(strstr(told, "answer 23: {\"ok\":true,\"booked\":99,\"refused\":[{\"event"
                                     "\":2,\"why\":\"the first 1000 of an event are kept"));
        uint32_t last = 0;
        assert_ok(t->world.store->listen_attempt_last(t->world.store, 2, &last));
        assert_int_equal(last, LISTEN_ATTEMPTS_KEPT);
        struct event_row e;
        assert_ok(t->world.store->event_get(t->world.store, 2, &t->world.arena, &e));
        assert_int_equal(e.status, EVENT_PENDING);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TOLD(replays),
        TOLD(a_replay_of_what_matches_nobody),
        TOLD(a_replay_looks_at_each_receipt),
        TOLD(a_command_asked_again),
        TOLD(answers_are_dropped_after_a_day),
        TOLD(a_replay_before_the_first_plan),
        TOLD(the_dead_are_tried_again_by_hand),
        TOLD(a_retry_goes_only_where_it_may),
        TOLD(the_last_to_a_destination_decides_the_status),
        TOLD(hold_and_release),
        TOLD(what_cannot_be_booked_waits_in_suspense),
        TOLD(suspense_is_booked_later_or_dropped),
        TOLD(a_suspended_plan_is_not_in_force_and_comes_late),
        TOLD(keys),
        TOLD(who_listens_says_what_his_site_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
