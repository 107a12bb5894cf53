// SPDX-License-Identifier: MIT
// Lanes in the books, told as stories on both stores; and many lanes at once, at random.
#include "base/random.h"
#include "book_story.h"

#define OF(id_, object_)                                                                           \
    "{\"id\":\"" id_ "\",\"object\":\"event\",\"created\":17000,\"livemode\":true,"                \
    "\"type\":\"customer.updated\",\"data\":{\"object\":{\"id\":\"" object_ "\"}}}"

static void begin(struct story *s, const char *lanes) {
    adopt(s, "a shop that wants each object's events in order",
          &(struct to){"shop", "both", NULL, "1000,2000", NULL, lanes}, 1);
    receive(s, "A happens", OF("evt_a", "obj_1"));
    receive(s, "then B, of the same object", OF("evt_b", "obj_1"));
    receive(s, "and C, of another", OF("evt_c", "obj_2"));
    EACH_TELLER(t, s) text_reset(&t->trace);
}

static void one_after_another(void **state) {
    struct story *s = *state;
    begin(s, ",\"order\":\"object\"");
    ends(s, "A fails", 1, 1, OUTCOME_FAILED, 500);
    ends(s, "A is not ready", 1, 2, OUTCOME_NOT_YET, 409);
    ends(s, "C is done", 3, 1, OUTCOME_DONE, 200);
    receive(s, "D, of the first object", OF("evt_d", "obj_1"));
    ends(s, "A is done", 1, 3, OUTCOME_DONE, 200);
    ends(s, "B is done", 2, 1, OUTCOME_DONE, 200);
    assert_story(s,
                 "5 A fails\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: waiting, tried 1 (failures 1, not yet 0), at 6.0 s "
                 "(it said no)\n"
                 "6 A is not ready\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: waiting, tried 2 (failures 1, not yet 1), at 7.0 s "
                 "(it said no)\n"
                 "7 C is done\n"
                 "  taken no more: delivery 3\n"
                 "  delivery 3: event 4 to 1: done, tried 1 (failures 0, not yet 0), at 7.0 s\n"
                 "  event 4: evt_c customer.updated live: done\n"
                 "8 D, of the first object\n"
                 "  delivery 4: event 8 to 1: due, behind another\n"
                 "  event 8: evt_d customer.updated live: pending\n"
                 "  receipt 8: event 8 by /a, secret ring, generation 1, 122 bytes of its own\n"
                 "9 A is done\n"
                 "  taken no more: delivery 1\n"
                 "  delivery 1: event 2 to 1: done, tried 3 (failures 1, not yet 1), at 9.0 s\n"
                 "  event 2: evt_a customer.updated live: done\n"
                 "  delivery 2: event 3 to 1: due, at 9.0 s\n"
                 "10 B is done\n"
                 "  taken no more: delivery 2\n"
                 "  delivery 2: event 3 to 1: done, tried 1 (failures 0, not yet 0), at 10.0 s\n"
                 "  event 3: evt_b customer.updated live: done\n"
                 "  delivery 4: event 8 to 1: due, at 10.0 s\n");
}

static struct delivery_row at(struct story *s, uint64_t seq) {
    struct delivery_row rows[2];
    for (int i = 0; i < 2; i++) {
        struct teller *t = &s->tellers[i];
        assert_ok(t->world.store->delivery_get(t->world.store, seq, &t->world.arena, &rows[i]));
    }
    assert_int_equal(rows[0].state, rows[1].state);
    assert_int_equal(rows[0].next_at, rows[1].next_at);
    return rows[0];
}

static bool is_behind(struct story *s, uint64_t seq) {
    struct delivery_row d = at(s, seq);
    return delivery_state_open(d.state) && d.next_at == LANE_BEHIND;
}

static void failures_do_what_the_rule_says(void **state) {
    struct story *s = *state;
    begin(s, ",\"order\":\"object\"");
    assert_true(is_behind(s, 2));
    for (uint32_t i = 1; i <= 3; i++) {
        assert_true(is_behind(s, 2));
        ends(s, "A fails", 1, i, OUTCOME_FAILED, 500);
    }
    assert_int_equal(at(s, 1).state, DELIVERY_DEAD);
    assert_false(is_behind(s, 2));
}

static void a_head_steps_aside(void **state) {
    struct story *s = *state;
    begin(s, ",\"order\":\"object\",\"on_failure\":\"park\",\"park_after\":2");
    ends(s, "A fails", 1, 1, OUTCOME_FAILED, 500);
    assert_true(is_behind(s, 2));
    ends(s, "A fails again", 1, 2, OUTCOME_FAILED, 500);
    assert_int_equal(at(s, 1).state, DELIVERY_PARKED);
    assert_false(is_behind(s, 2));
    receive(s, "D", OF("evt_d", "obj_1"));
    assert_true(is_behind(s, 4));
    // Retried, it is the next of its lane, before what came later.
    ask(s, "{\"do\":\"retry\",\"delivery\":1,\"by\":\"k\"}");
    assert_true(is_behind(s, 1));
    ends(s, "B is done", 2, 1, OUTCOME_DONE, 200);
    assert_false(is_behind(s, 1));
    assert_true(is_behind(s, 4));
    ends(s, "A is done", 1, 3, OUTCOME_DONE, 200);
    assert_false(is_behind(s, 4));
    EACH_TELLER(t, s) text_reset(&t->trace);
    assert_story(s, "");
}

static void a_lane_goes_on_beside(void **state) {
    struct story *s = *state;
    begin(s, ",\"order\":\"object\",\"on_failure\":\"skip\"");
    ends(s, "A fails", 1, 1, OUTCOME_FAILED, 500);
    assert_int_equal(at(s, 1).state, DELIVERY_WAITING);
    assert_false(is_behind(s, 2));
    ends(s, "A is done beside it", 1, 2, OUTCOME_DONE, 200);
    receive(s, "D", OF("evt_d", "obj_1"));
    assert_true(is_behind(s, 4));
}

static void who_waits_can_be_cancelled(void **state) {
    struct story *s = *state;
    begin(s, ",\"order\":\"object\"");
    receive(s, "D", OF("evt_d", "obj_1"));
    ask(s, "{\"do\":\"cancel\",\"delivery\":2,\"by\":\"k\"}");
    assert_true(is_behind(s, 4)); // A is still under way
    EACH_TELLER(t, s) text_reset(&t->trace);
    ask(s, "{\"do\":\"retry\",\"delivery\":4,\"by\":\"k\"}");
    assert_story(s,
                 "7 {\"do\":\"retry\",\"delivery\":4,\"by\":\"k\"}\n"
                 "  answer 7: {\"error\":\"this delivery waits behind another of its lane; retry "
                 "or cancel that one\"}\n");
    ask(s, "{\"do\":\"cancel\",\"delivery\":1,\"by\":\"k\"}");
    assert_false(is_behind(s, 4));
}

static void what_was_booked_keeps_its_lane(void **state) {
    struct story *s = *state;
    begin(s, ",\"order\":\"object\"");
    adopt(s, "no order any more", &(struct to){"shop", "both", NULL, "1000,2000", NULL, NULL}, 1);
    assert_true(is_behind(s, 2));
    receive(s, "D", OF("evt_d", "obj_1"));
    assert_false(is_behind(s, 4));
    ends(s, "A is done", 1, 1, OUTCOME_DONE, 200);
    assert_false(is_behind(s, 2));
}

static void a_replay_comes_last(void **state) {
    struct story *s = *state;
    begin(s, ",\"order\":\"object\"");
    ends(s, "A is done", 1, 1, OUTCOME_DONE, 200);
    ask(s, "{\"do\":\"replay\",\"events\":[2],\"to\":\"shop\",\"by\":\"k\"}");
    assert_true(is_behind(s, 4));
    ends(s, "B is done", 2, 1, OUTCOME_DONE, 200);
    assert_false(is_behind(s, 4));
}

// Many lanes, at random: whoever is due is the lowest of its lane that is open and was not parked.
static void many_lanes_keep_their_order(void **state) {
    enum { LANES_MANY = 40, EVENTS_MANY = 250 };
    struct story *s = *state;
    static uint64_t lane_of_delivery[EVENTS_MANY + 1];
    static uint32_t attempts[EVENTS_MANY + 1];
    uint64_t random = 5, made = 0;
    adopt(s, "an ordered shop",
          &(struct to){"shop", "both", NULL, "1000,1000,1000", NULL, ",\"order\":\"object\""}, 1);
    for (size_t step = 0; step < 3 * EVENTS_MANY; step++) {
        if (made < EVENTS_MANY && random_below(&random, 2) == 0) {
            OWN(text_drop)
            struct text body = {0};
            uint64_t lane = random_below(&random, LANES_MANY);
            text_addf(
                &body,
                "{\"id\":\"evt_%zu\",\"object\":\"event\",\"created\":17000,\"livemode\":true,"
                "\"type\":\"customer.updated\",\"data\":{\"object\":{\"id\":\"obj_%llu\"}}}",
                step, (unsigned long long)lane);
            receive(s, "", text_str(&body));
            lane_of_delivery[++made] = lane;
        } else if (made > 0) {
            uint64_t d = 1 + random_below(&random, made);
            struct delivery_row row = at(s, d);
            bool open = delivery_state_open(row.state);
            uint64_t first = d;
            for (uint64_t k = 1; k < d; k++)
                if (lane_of_delivery[k] == lane_of_delivery[d] &&
                    delivery_state_open(at(s, k).state) && k < first)
                    first = k;
            if (open)
                assert_int_equal(row.next_at == LANE_BEHIND, first != d);
            if (open && first == d)
                ends(s, "", d, ++attempts[d],
                     random_below(&random, 3) == 0 ? OUTCOME_DONE : OUTCOME_FAILED, 500);
        }
        EACH_TELLER(t, s) {
            text_reset(&t->trace);
            arena_drop(&t->world.arena);
        }
    }
    assert_story(s, "");
}

#define TOLD(test_) cmocka_unit_test_setup_teardown(test_, story_setup, story_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TOLD(one_after_another),          TOLD(failures_do_what_the_rule_says),
        TOLD(a_head_steps_aside),         TOLD(a_lane_goes_on_beside),
        TOLD(who_waits_can_be_cancelled), TOLD(what_was_booked_keeps_its_lane),
        TOLD(a_replay_comes_last),        TOLD(many_lanes_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
