// SPDX-License-Identifier: MIT
// A destination of the file that does nothing but fail is held by the books, on both stores. Each
// record comes a second after the one before.
#include "book_story.h"

#define PLAN(kind_, more_)                                                                         \
    "{\"sources\":[],\"destinations\":[{\"name\":\"shop\"," kind_ ",\"livemode\":\"both\","        \
    "\"match\":null,\"timeout_ms\":1000,\"retry_ms\":[1,1,1,1,1,1,1,1],\"concurrency\":4" more_    \
    "}]}"
#define HTTP "\"kind\":\"http\",\"url\":\"http://h/\",\"fingerprint\":\"\""

static void plan(struct story *s, const char *json) {
    tell(s, RECORD_PLAN, bytes_of(json), "the plan");
    s->generation = s->position;
}

// What is known of the destination, on both stores.
static void assert_held(struct story *s, bool held, const char *reason, int64_t since_s) {
    EACH_TELLER(t, s) {
        struct destination_row d;
        assert_ok(t->world.store->destination_find(t->world.store, B("shop"), &t->world.arena, &d));
        assert_int_equal(d.held, held);
        assert_true(bytes_equal(d.hold_reason, bytes_of(reason)));
        assert_int_equal(d.failing_since == 0 ? 0 : d.failing_since - STORY_START_MS,
                         since_s * 1000);
    }
}

static void fails(struct story *s, uint64_t delivery, uint32_t attempt) {
    ends(s, "it fails", delivery, attempt, OUTCOME_FAILED, 500);
}

static void it_is_held_after_its_time(void **state) {
    struct story *s = *state;
    plan(s, PLAN(HTTP, ",\"hold_after_ms\":3000"));
    receive(s, "one", SIGNED_UP);
    receive(s, "two", PAID);
    fails(s, 1, 1);
    assert_held(s, false, "", 4);
    fails(s, 2, 1);
    fails(s, 1, 2);
    assert_held(s, false, "", 4);
    fails(s, 1, 3);
    assert_held(s, true, "it did nothing but fail for 3s", 4);
    // What it is owed waits; by hand it is brought back, and has its time again.
    ask(s, "{\"do\":\"hold\",\"destination\":\"shop\",\"reason\":\"by hand\"}");
    assert_held(s, true, "it did nothing but fail for 3s", 4);
    ask(s, "{\"do\":\"release\",\"destination\":\"shop\"}");
    assert_held(s, false, "", 0);
    fails(s, 1, 4);
    assert_held(s, false, "", 10);
    fails(s, 1, 5);
    fails(s, 1, 6);
    assert_held(s, false, "", 10);
    fails(s, 2, 2);
    assert_held(s, true, "it did nothing but fail for 3s", 10);
}

static void a_success_begins_anew_and_not_yet_says_nothing(void **state) {
    struct story *s = *state;
    plan(s, PLAN(HTTP, ",\"hold_after_ms\":3000"));
    receive(s, "one", SIGNED_UP);
    receive(s, "two", PAID);
    fails(s, 1, 1);
    ends(s, "too early", 1, 2, OUTCOME_NOT_YET, 409);
    assert_held(s, false, "", 4);
    ends(s, "it is done", 2, 1, OUTCOME_DONE, 200);
    assert_held(s, false, "", 0);
    fails(s, 1, 3);
    ends(s, "too early", 1, 4, OUTCOME_NOT_YET, 409);
    ends(s, "too early", 1, 5, OUTCOME_NOT_YET, 409);
    ends(s, "too early", 1, 6, OUTCOME_NOT_YET, 409);
    assert_held(s, false, "", 7);
    fails(s, 1, 7);
    assert_held(s, true, "it did nothing but fail for 4s", 7);
}

static void without_a_time_it_never_is(void **state) {
    struct story *s = *state;
    plan(s, PLAN(HTTP, ",\"hold_after_ms\":0"));
    receive(s, "one", SIGNED_UP);
    for (uint32_t i = 1; i < 8; i++)
        fails(s, 1, i);
    assert_held(s, false, "", 3);
    // Five days, if nothing is said.
    plan(s, PLAN(HTTP, ""));
    fails(s, 1, 8);
    assert_held(s, false, "", 3);
    plan(s, PLAN(HTTP, ",\"hold_after_ms\":9000"));
    receive(s, "two", PAID);
    fails(s, 2, 1);
    assert_held(s, true, "it did nothing but fail for 11s", 3);
}

static void tables_are_never_held(void **state) {
    struct story *s = *state;
    plan(s, PLAN("\"kind\":\"tables\",\"except\":[]", ",\"hold_after_ms\":1"));
    ask(s, "{\"do\":\"hold\",\"destination\":\"shop\",\"reason\":\"\"}");
    receive(s, "one", SIGNED_UP);
    ask(s, "{\"do\":\"release\",\"destination\":\"shop\"}");
    fails(s, 1, 1);
    fails(s, 1, 2);
    assert_held(s, false, "", 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_held_after_its_time, story_setup, story_teardown),
        cmocka_unit_test_setup_teardown(a_success_begins_anew_and_not_yet_says_nothing, story_setup,
                                        story_teardown),
        cmocka_unit_test_setup_teardown(without_a_time_it_never_is, story_setup, story_teardown),
        cmocka_unit_test_setup_teardown(tables_are_never_held, story_setup, story_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
