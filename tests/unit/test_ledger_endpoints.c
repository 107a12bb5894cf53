// SPDX-License-Identifier: MIT
// Endpoints made through the API, as stories booked on both stores.
#include "book_story.h"

#include "base/seal.h"

#define ENDPOINT(id_, live_)                                                                       \
    "{\"id\":\"" id_ "\",\"livemode\":" live_ ",\"enabled\":true,\"because\":\"\",\"url\":"        \
    "\"https://a.example/\",\"types\":[\"*\"],\"scope\":\"account\",\"payload\":\"snapshot\","     \
    "\"name\":\"\",\"description\":\"d\",\"api_version\":\"\",\"application\":\"\","               \
    "\"metadata\":{\"a\":\"1\",\"b\":\"2\"},\"created_s\":17000,\"updated_ms\":17000000,"          \
    "\"sealed\":\"00\"}"
#define CREATE(id_, live_, more_)                                                                  \
    "{\"do\":\"endpoint_create\",\"endpoint\":" ENDPOINT(id_, live_) more_ "}"
#define UPDATE(id_, set_)                                                                          \
    "{\"do\":\"endpoint_update\",\"id\":\"" id_ "\",\"livemode\":true,\"set\":{" set_ "}}"
#define DELETE(id_) "{\"do\":\"endpoint_delete\",\"id\":\"" id_ "\",\"livemode\":true}"
#define OF_ACCOUNT EVENT("evt_4", "charge.failed", "\"account\":\"acct_1\",")

// What the last command was answered, on both stores.
static void assert_answer(struct story *s, const char *part) {
    EACH_TELLER(t, s) {
        struct answer_row row;
        assert_ok(t->world.store->answer_get(t->world.store, s->position, &t->world.arena, &row));
        if (strstr((const char *)arena_copy(&t->world.arena, row.json).p, part) == NULL)
            fail_msg("%.*s has no %s", BYTES_ARG(row.json), part);
    }
}

static void forget(struct story *s) { EACH_TELLER(t, s) text_reset(&t->trace); }

static void asked(struct story *s, const char *command) {
    ask(s, command);
    assert_answer(s, "{\"ok\":true,\"endpoint\":{");
    forget(s);
}

static void refused(struct story *s, const char *command, const char *why) {
    ask(s, command);
    assert_answer(s, "{\"error\":\"");
    assert_answer(s, why);
    forget(s);
}

static void events_go_to_who_was_there(void **state) {
    ADOPT(*state, "books", BOOKS);
    receive(*state, "before", SIGNED_UP);
    asked(*state, CREATE("we_1", "true", ""));
    asked(*state, CREATE("we_2", "false", ""));
    receive(*state, "again", SIGNED_UP);
    receive(*state, "to both", PAID);
    receive(*state, "of test mode", TEST_PAID);
    receive(*state, "of an account", OF_ACCOUNT);
    receive(*state, "a thin one", THIN);
    assert_story(*state,
                 "5 again\n"
                 "  receipt 5: event 2 by /a, secret ring, generation 1, the bytes of 2\n"
                 "6 to both\n"
                 "  delivery 1: event 6 to 1: due, at 6.0 s\n"
                 "  delivery 2: event 6 to 2: due, at 6.0 s\n"
                 "  event 6: evt_2 invoice.paid live: pending\n"
                 "  receipt 6: event 6 by /a, secret ring, generation 1, 145 bytes of its own\n"
                 "7 of test mode\n"
                 "  delivery 3: event 7 to 1: due, at 7.0 s\n"
                 "  delivery 4: event 7 to 3: due, at 7.0 s\n"
                 "  event 7: evt_3 invoice.paid test: pending\n"
                 "  receipt 7: event 7 by /a, secret ring, generation 1, 119 bytes of its own\n"
                 "8 of an account\n"
                 "  event 8: evt_4 charge.failed live of acct_1: ignored\n"
                 "  receipt 8: event 8 by /a, secret ring, generation 1, 165 bytes of its own\n"
                 "9 a thin one\n"
                 "  event 9: evt_thin v1.customer.created live, thin, its snapshot is evt_1: "
                 "ignored\n"
                 "  receipt 9: event 9 by /a, secret ring, generation 1, 195 bytes of its own\n");
}

// What is open when it is disabled waits; enabled too late, it is cancelled.
static void disabled_and_enabled(void **state) {
    ADOPT(*state, "books", BOOKS);
    asked(*state, CREATE("we_1", "true", ""));
    receive(*state, "one", SIGNED_UP);
    receive(*state, "two", EVENT("evt_5", "customer.created", ""));
    ends(*state, "two fails", 2, 1, OUTCOME_FAILED, 500);
    asked(*state, UPDATE("we_1", "\"enabled\":false"));
    receive(*state, "meanwhile", PAID);
    ask(*state, "{\"do\":\"retry\",\"delivery\":1}");
    assert_answer(*state, "its endpoint is disabled; enable it first");
    ask(*state, "{\"do\":\"replay\",\"events\":[3],\"to\":\"we_1\"}");
    assert_answer(*state, "its endpoint is disabled; enable it first");
    forget(*state);
    ask(*state, UPDATE("we_1", "\"enabled\":true"));
    EACH_TELLER(t, (struct story *)*state) {
        const char *told = text_str(&t->trace);
        assert_non_null(strstr(told, "  destination 2: we_1\n"));
        assert_non_null(strstr(told, "  delivery 1: event 3 to 2: cancelled, at 10.0 s (its "
                                     "endpoint was disabled when its next attempt was due)\n"));
        assert_null(strstr(told, "delivery 2:"));
        struct delivery_row d;
        assert_ok(t->world.store->delivery_get(t->world.store, 2, &t->world.arena, &d));
        assert_int_equal(d.state, DELIVERY_WAITING);
        struct event_row e;
        assert_ok(t->world.store->event_get(t->world.store, 7, &t->world.arena, &e));
        assert_int_equal(e.status, EVENT_PENDING); // books has it, the endpoint does not
    }
    forget(*state);
    receive(*state, "and on", EVENT("evt_6", "customer.created", ""));
    assert_story(*state,
                 "11 and on\n"
                 "  delivery 4: event 11 to 2: due, at 11.0 s\n"
                 "  event 11: evt_6 customer.created live: pending\n"
                 "  receipt 11: event 11 by /a, secret ring, generation 1, 149 bytes of its own\n");
}

static void deleting_cancels(void **state) {
    ADOPT(*state, "books", BOOKS);
    asked(*state, CREATE("we_1", "true", ""));
    receive(*state, "one", SIGNED_UP);
    ask(*state, DELETE("we_1"));
    EACH_TELLER(t, (struct story *)*state)
    assert_non_null(strstr(text_str(&t->trace), "  delivery 1: event 3 to 2: cancelled, at "
                                                "4.0 s (its endpoint was deleted)\n"));
    forget(*state);
    refused(*state, DELETE("we_1"), "there is no such endpoint");
    refused(*state, UPDATE("we_1", "\"enabled\":true"), "there is no such endpoint");
    refused(*state, CREATE("we_1", "true", ""), "this id is taken");
    ask(*state, "{\"do\":\"retry\",\"delivery\":1}");
    assert_answer(*state, "its endpoint was deleted");
    // An attempt that was under way may still have come through.
    forget(*state);
    ends(*state, "late", 1, 1, OUTCOME_DONE, 200);
    assert_story(*state, "9 late\n"
                         "  taken no more: delivery 1\n"
                         "  delivery 1: event 3 to 2: done, tried 1 (failures 0, not yet 0), at 9.0"
                         " s\n");
}

static void another_becomes_of_it(void **state) {
    ADOPT(*state, "books", BOOKS);
    asked(*state, CREATE("we_1", "true", ""));
    ask(*state, UPDATE("we_1", "\"url\":\"https://b.example/\",\"types\":[\"invoice.paid\"],"
                               "\"description\":\"\",\"metadata\":{\"a\":null,\"c\":\"3\"}"));
    assert_answer(*state, "\"url\":\"https://b.example/\",\"types\":[\"invoice.paid\"]");
    assert_answer(*state, "\"metadata\":{\"b\":\"2\",\"c\":\"3\"}");
    ask(*state, UPDATE("we_1", "\"metadata\":null"));
    assert_answer(*state, "\"metadata\":{}");
    forget(*state);
    static const char *const bad[] = {
        UPDATE("we_1", "\"url\":\"\""), UPDATE("we_1", "\"types\":[]"), UPDATE("we_1", "\"url\":5"),
        UPDATE("we_1", "\"types\":[5]"), UPDATE("we_1", "\"metadata\":{\"a\":5}")};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(*state, bad[i], "");
    refused(*state, "{\"do\":\"endpoint_create\",\"endpoint\":{}}", "another form");
    receive(*state, "not asked for any more", SIGNED_UP);
    receive(*state, "asked for", PAID);
    EACH_TELLER(t, (struct story *)*state) {
        assert_null(strstr(text_str(&t->trace), "event 11 to 2"));
        assert_non_null(strstr(text_str(&t->trace), "event 12 to 2: due"));
    }
}

static void nothing_but_failures_disables(void **state) {
    struct story *s = *state;
    ADOPT(s, "books", BOOKS);
    asked(s, CREATE("we_1", "true", ""));
    receive(s, "one", SIGNED_UP);
    receive(s, "two", EVENT("evt_5", "customer.created", ""));
    ends(s, "fails", 1, 1, OUTCOME_FAILED, 500);
    s->late_ms = PLAN_ENDPOINTS_DISABLE_MS - 2000;
    ends(s, "not yet", 2, 1, OUTCOME_NOT_YET, 409);
    s->late_ms = PLAN_ENDPOINTS_DISABLE_MS - 3000;
    ends(s, "fails just before", 1, 2, OUTCOME_FAILED, 500);
    EACH_TELLER(t, s) assert_int_equal(t->book.tally.endpoints_disabled, 0);
    ends(s, "works once", 2, 2, OUTCOME_DONE, 200);
    ends(s, "fails anew", 1, 3, OUTCOME_FAILED, 500);
    s->late_ms = 2 * PLAN_ENDPOINTS_DISABLE_MS;
    forget(s);
    ends(s, "fails for too long", 1, 4, OUTCOME_FAILED, 500);
    EACH_TELLER(t, s) {
        assert_int_equal(t->book.tally.endpoints_disabled, 1);
        assert_non_null(strstr(text_str(&t->trace), "  destination 2: we_1, gone\n"));
    }
    ask(s, UPDATE("we_1", "\"description\":\"still\""));
    assert_answer(s, "\"enabled\":false,\"because\":\"failed\"");
    ask(s, UPDATE("we_1", "\"enabled\":true"));
    assert_answer(s, "\"enabled\":true,\"because\":\"\"");
}

#define ASKED_1 ",\"idempotency_key\":\"k\",\"asked\":\"" SHA_1 "\""
#define ASKED_2 ",\"idempotency_key\":\"k\",\"asked\":\"" SHA_2 "\""
#define SHA_1 "00000000000000000000000000000000000000000000000000000000000000aa"
#define SHA_2 "00000000000000000000000000000000000000000000000000000000000000bb"

static void a_key_is_compared_by_what_was_asked(void **state) {
    ADOPT(*state, "books", BOOKS);
    refused(*state, "{\"do\":\"endpoint_create\",\"endpoint\":{}" ASKED_2 "}", "another form");
    ask(*state, CREATE("we_1", "true", ASKED_1)); // what was refused has no key
    assert_answer(*state, "\"id\":\"we_1\"");
    ask(*state, CREATE("we_2", "true", ASKED_1)); // made for the second try
    assert_answer(*state, "\"id\":\"we_1\"");
    assert_answer(*state, "},\"replayed\":true}");
    refused(*state, CREATE("we_3", "true", ASKED_2), "this idempotency key came with another");
    EACH_TELLER(t, (struct story *)*state) {
        const struct endpoint_row *rows;
        assert_ok(book_endpoints_ready(&t->book));
        assert_int_equal(book_endpoint_rows(&t->book, &rows), 1);
    }
}

// What was answered to the API's callers lies sealed, and is told again as it was.
static void answers_are_sealed(void **state) {
    static const uint8_t key[SEAL_KEY_SIZE] = {1}, other[SEAL_KEY_SIZE] = {2};
    struct story *s = *state;
    ADOPT(s, "books", BOOKS);
    EACH_TELLER(t, s) t->book.sealing_key = key;
    ask(s, CREATE("we_1", "true", ASKED_1));
    EACH_TELLER(t, s) {
        struct answer_row row;
        OWN(text_drop)
        struct text plain = {0};
        assert_ok(t->world.store->answer_get(t->world.store, s->position, &t->world.arena, &row));
        assert_true(bytes_starts(row.json, B("sealed:")));
        assert_ok(book_answer_open(&t->book, &row, &plain));
        assert_non_null(strstr(text_str(&plain), "{\"ok\":true,\"endpoint\":{\"id\":\"we_1\""));
        row.position++; // bound to its command
        assert_code(book_answer_open(&t->book, &row, &plain), INVALID);
    }
    ask(s, CREATE("we_2", "true", ASKED_1));
    EACH_TELLER(t, s) {
        struct answer_row row;
        OWN(text_drop)
        struct text plain = {0};
        assert_ok(t->world.store->answer_get(t->world.store, s->position, &t->world.arena, &row));
        assert_ok(book_answer_open(&t->book, &row, &plain));
        assert_non_null(strstr(text_str(&plain), "\"id\":\"we_1\""));
        assert_non_null(strstr(text_str(&plain), "},\"replayed\":true}"));
    }
    EACH_TELLER(t, s) t->book.sealing_key = other;
    ask(s, CREATE("we_3", "true", ASKED_1));
    assert_answer(s, "sealed with another key");
    // Commands of operators are kept as they are.
    ask(s, "{\"do\":\"hold\",\"destination\":\"books\",\"reason\":\"\"}");
    assert_answer(s, "{\"ok\":true}");
}

static void as_many_as_the_plan_says(void **state) {
    struct story *s = *state;
    s->sites = "[],\"endpoints\":{\"max\":1,\"disable_after_ms\":1000}";
    ADOPT(s, "books", BOOKS);
    asked(s, CREATE("we_1", "true", ""));
    refused(s, CREATE("we_2", "true", ""),
            "there are as many endpoints as desk.endpoints_max allows, 1");
    asked(s, CREATE("we_3", "false", ""));
    asked(s, DELETE("we_1"));
    asked(s, CREATE("we_2", "true", ""));
}

static void replays(void **state) {
    ADOPT(*state, "books", BOOKS);
    receive(*state, "before", PAID);
    asked(*state, CREATE("we_1", "true", ""));
    receive(*state, "after", SIGNED_UP);
    forget(*state);
    ask(*state, "{\"do\":\"replay\",\"events\":[2,4]}");
    assert_answer(*state, "{\"ok\":true,\"deliveries\":[3,4],\"refused\":[]}");
    ask(*state, "{\"do\":\"replay\",\"events\":[2],\"to\":\"we_1\"}");
    assert_answer(*state, "{\"ok\":true,\"deliveries\":[5],\"refused\":[]}");
    ask(*state, "{\"do\":\"hold\",\"destination\":\"we_1\",\"reason\":\"\"}");
    assert_answer(*state, "{\"ok\":true}");
    ADOPT(*state, "another configuration", SHOP);
    EACH_TELLER(t, (struct story *)*state) {
        struct destination_row d;
        assert_ok(t->world.store->destination_find(t->world.store, B("we_1"), &t->world.arena, &d));
        assert_true(d.present && d.held);
    }
}

#define TOLD(test_) cmocka_unit_test_setup_teardown(test_, story_setup, story_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TOLD(events_go_to_who_was_there),
        TOLD(disabled_and_enabled),
        TOLD(deleting_cancels),
        TOLD(another_becomes_of_it),
        TOLD(nothing_but_failures_disables),
        TOLD(a_key_is_compared_by_what_was_asked),
        TOLD(answers_are_sealed),
        TOLD(as_many_as_the_plan_says),
        TOLD(replays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
