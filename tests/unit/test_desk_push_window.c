// SPDX-License-Identifier: MIT
// What is pushed to one who listens, when, and again: over a time that the test sets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "desk/push_window.h"

#include "base/ensure.h"
#include "base/random.h"

#define BOTH (1u << PUSH_DEFAULT | 1u << PUSH_LATEST)
#define ONE (1u << PUSH_DEFAULT)
#define S INT64_C(1000000)

static unsigned offer(struct push_window *w, uint64_t event, unsigned flavours, int64_t now) {
    uint8_t send = 0xff;
    assert_true(push_window_offer(w, event, (uint8_t)flavours, now, &send));
    return send;
}

static bool refused(struct push_window *w, uint64_t event) {
    uint8_t send = 0;
    return !push_window_offer(w, event, ONE, 0, &send) && send == 0;
}

static void test_each_once(void **state) {
    struct push_window w;
    push_window_open(&w, 4, 10);
    assert_int_equal(offer(&w, 9, BOTH, 0), 0); // of before the session
    assert_int_equal(offer(&w, 10, BOTH, 0), 0);
    assert_int_equal(offer(&w, 12, BOTH, 0), BOTH);
    assert_int_equal(offer(&w, 12, BOTH, 0), 0);
    assert_int_equal(offer(&w, 13, 0, 0), 0);
    assert_int_equal(offer(&w, 14, 1u << PUSH_THIN, 0), 1u << PUSH_THIN);
    push_window_reach(&w, 20);
    assert_int_equal(offer(&w, 20, ONE, 0), 0);
    push_window_reach(&w, 15);
    assert_int_equal(w.read, 20);
    assert_true(push_window_ack(&w, 12, PUSH_LATEST));
    assert_false(push_window_ack(&w, 12, PUSH_LATEST)); // twice
    assert_false(push_window_ack(&w, 12, PUSH_THIN));   // not pushed so
    assert_false(push_window_ack(&w, 13, PUSH_DEFAULT));
    assert_true(push_window_ack(&w, 14, PUSH_THIN));
    assert_int_equal(w.n, 2); // behind one that waits
    assert_true(push_window_ack(&w, 12, PUSH_DEFAULT));
    assert_int_equal(w.n, 0);
    push_window_again(&w);
    assert_int_equal(w.read, 20);
    push_window_drop(&w);
}

static void test_again(void **state) {
    struct push_window w;
    push_window_open(&w, 4, 0);
    for (uint64_t i = 1; i <= 3; i++)
        assert_int_equal(offer(&w, 2 * i, BOTH, 0), BOTH);
    assert_true(push_window_ack(&w, 2, PUSH_DEFAULT));
    assert_true(push_window_ack(&w, 4, PUSH_DEFAULT));
    assert_true(push_window_ack(&w, 4, PUSH_LATEST));
    push_window_again(&w);
    assert_int_equal(w.read, 1);
    assert_true(push_window_ack(&w, 6, PUSH_LATEST)); // it comes late, and counts
    assert_int_equal(offer(&w, 2, BOTH, 0), 1u << PUSH_LATEST);
    assert_int_equal(offer(&w, 3, BOTH, 0), 0); // it was not pushed the first time either
    assert_int_equal(offer(&w, 4, BOTH, 0), 0);
    push_window_again(&w); // in the middle of it
    assert_int_equal(offer(&w, 2, BOTH, 0), 1u << PUSH_LATEST);
    assert_int_equal(offer(&w, 4, BOTH, 0), 0);
    assert_int_equal(offer(&w, 6, BOTH, 0), ONE);
    assert_int_equal(offer(&w, 8, BOTH, 0), BOTH);
    push_window_drop(&w);
}

static void test_room(void **state) {
    struct push_window w;
    push_window_open(&w, 4, 0);
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(offer(&w, i, ONE, 0), ONE);
    assert_true(push_window_room(&w)); // nobody was refused yet
    assert_true(refused(&w, 5));
    assert_false(push_window_room(&w));
    assert_int_equal(w.read, 4);
    // Another connection: what it got goes again, and then it is full as before.
    push_window_again(&w);
    assert_true(push_window_room(&w));
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(offer(&w, i, ONE, 0), ONE);
    assert_false(push_window_room(&w));
    assert_true(push_window_ack(&w, 1, PUSH_DEFAULT));
    assert_true(refused(&w, 5)); // till it is half empty, so that rows are read many at once
    assert_true(push_window_ack(&w, 3, PUSH_DEFAULT));
    assert_false(push_window_room(&w));
    assert_true(push_window_ack(&w, 2, PUSH_DEFAULT));
    assert_true(push_window_room(&w));
    assert_int_equal(offer(&w, 5, ONE, 0), ONE);
    push_window_drop(&w);
}

static void test_given_up(void **state) {
    struct push_window w;
    push_window_open(&w, 4, 0);
    (void)offer(&w, 1, BOTH, 0);
    (void)offer(&w, 2, ONE, 20 * S);
    assert_int_equal(push_window_give_up(&w, 29 * S, true), 0);
    assert_int_equal(push_window_give_up(&w, 40 * S, false), 0); // nobody was there to say it
    assert_true(push_window_ack(&w, 1, PUSH_DEFAULT));
    assert_int_equal(push_window_give_up(&w, 30 * S, true), 1);
    assert_int_equal(w.n, 1);
    push_window_again(&w); // what was not pushed on this connection waits, however old
    assert_int_equal(push_window_give_up(&w, 100 * S, true), 0);
    for (int i = 0; i < PUSH_TRIES - 1; i++) {
        assert_int_equal(offer(&w, 2, ONE, (100 + i) * S), ONE);
        assert_int_equal(push_window_give_up(&w, (100 + i) * S, true), i == PUSH_TRIES - 2);
        push_window_again(&w);
    }
    assert_int_equal(offer(&w, 2, ONE, 200 * S), 0);
    // Many connections in a short time are no reason yet.
    for (int i = 0; i < 2 * PUSH_TRIES; i++) {
        assert_int_equal(offer(&w, 7, ONE, 200 * S), ONE);
        push_window_again(&w);
    }
    assert_int_equal(push_window_give_up(&w, 259 * S, true), 0);
    assert_int_equal(push_window_give_up(&w, 260 * S, false), 1);
    push_window_drop(&w);
}

// One who acknowledges in any order, loses what is under way with his connection, and now and then
// has no connection at all: he hears all, and nothing twice that he acknowledged.
#define EVENTS 400

struct listener {
    struct push_window w;
    unsigned flavours[EVENTS + 1], heard[EVENTS + 1];
    unsigned under_way[EVENTS + 1]; // arrived, and not acknowledged
    uint64_t random;
};

static void take(struct listener *l, uint64_t event, unsigned send) {
    assert_int_equal(send & l->heard[event], 0);
    assert_int_equal(send & l->under_way[event], 0);
    l->under_way[event] |= send;
}

static bool push_some(struct listener *l, uint64_t booked) {
    for (uint64_t e = l->w.read + 1; e <= booked; e++) {
        uint8_t send;
        if (!push_window_room(&l->w) ||
            !push_window_offer(&l->w, e, (uint8_t)l->flavours[e], 0, &send))
            return false;
        take(l, e, send);
    }
    push_window_reach(&l->w, booked);
    return true;
}

static void acknowledge_some(struct listener *l, uint64_t odds) {
    for (uint64_t e = 1; e <= EVENTS; e++)
        for (unsigned f = 0; f < PUSH_FLAVOURS; f++)
            if ((l->under_way[e] & 1u << f) != 0 && random_below(&l->random, odds) == 0) {
                assert_true(push_window_ack(&l->w, e, (enum push_flavour)f));
                l->under_way[e] &= ~(1u << f);
                l->heard[e] |= 1u << f;
            }
}

static void test_any_way(void **state) {
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct listener l = {.random = seed};
        push_window_open(&l.w, 1 + (size_t)random_below(&l.random, 20), 0);
        static const unsigned kinds[] = {0, ONE, BOTH, 1u << PUSH_THIN};
        for (uint64_t e = 1; e <= EVENTS; e++)
            l.flavours[e] = kinds[random_below(&l.random, 4)];
        uint64_t booked = 0;
        for (int step = 0; step < 2000; step++) {
            if (booked < EVENTS)
                booked += random_below(&l.random, 3);
            booked = booked > EVENTS ? EVENTS : booked;
            (void)push_some(&l, booked);
            acknowledge_some(&l, 3);
            if (random_below(&l.random, 10) == 0) {
                push_window_again(&l.w);
                memset(l.under_way, 0, sizeof l.under_way);
            }
        }
        while (!push_some(&l, EVENTS) || l.w.n > 0)
            acknowledge_some(&l, 1);
        for (uint64_t e = 1; e <= EVENTS; e++)
            assert_int_equal(l.heard[e], l.flavours[e]);
        push_window_drop(&l.w);
    }
}

static void test_names(void **state) {
    struct hmac_key key, other;
    hmac_key_init(&key, B("this session's"));
    hmac_key_init(&other, B("another's"));
    const struct push_name name = {1700000000123, UINT64_C(18446744073709551615), PUSH_THIN};
    struct push_name got;
    char text[PUSH_NAME_MAX], bad[PUSH_NAME_MAX];
    push_name_write(&key, &name, "wh", text);
    assert_non_null(strstr(text, "1700000000123-wh_18446744073709551615_2_"));
    assert_true(push_name_read(&key, bytes_of(text), &got));
    assert_true(got.at_ms == name.at_ms && got.event == name.event && got.flavour == PUSH_THIN);
    assert_false(push_name_read(&other, bytes_of(text), &got));
    for (size_t i = 0; text[i] != '\0'; i++) {
        memcpy(bad, text, sizeof bad);
        bad[i] = bad[i] == '7' ? '8' : '7';
        // The kind is for people.
        assert_int_equal(push_name_read(&key, bytes_of(bad), &got), i >= 14 && i <= 15);
        memcpy(bad, text, sizeof bad);
        bad[i] = '\0';
        assert_false(push_name_read(&key, bytes_of(bad), &got));
    }
    static const char *const none[] = {"", "-", "-__", "1-wh_1_0_", "1-wh_1_9_00", "x-wh_1_0_00"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_false(push_name_read(&key, bytes_of(none[i]), &got));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once), cmocka_unit_test(test_again),
        cmocka_unit_test(test_room),      cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_any_way),   cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
