// SPDX-License-Identifier: MIT
// What every store must do, whatever keeps it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "ledger_world.h"

static struct store *of(void **state) { return ((struct world *)*state)->store; }
static struct arena *arena_of(void **state) { return &((struct world *)*state)->arena; }

static void test_state(void **state) {
    struct store *s = of(state);
    struct store_state st;
    assert_ok(s->state_get(s, &st));
    assert_int_equal(st.booked, 0);
    assert_int_equal(st.next_delivery, 1);
    struct store_state want = {.booked = 7,
                               .time_ms = -3,
                               .generation = 2,
                               .next_delivery = 9,
                               .journal_id = {1, 0, 3},
                               .start_booked = 5,
                               .start_count = 2};
    assert_ok(s->begin(s));
    assert_ok(s->state_put(s, &want));
    assert_ok(s->commit(s));
    assert_ok(s->begin(s));
    st.booked = 100;
    assert_ok(s->state_put(s, &st));
    s->rollback(s);
    assert_ok(s->state_get(s, &st));
    assert_int_equal(st.booked, 7);
    assert_int_equal(st.time_ms, -3);
    assert_int_equal(st.generation, 2);
    assert_int_equal(st.next_delivery, 9);
    assert_int_equal(st.start_booked, 5);
    assert_int_equal(st.start_count, 2);
    assert_memory_equal(st.journal_id, want.journal_id, 16);
}

static void test_events(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    struct event_row e = an_event(1, B("evt_1")), got;
    assert_ok(s->begin(s));
    assert_ok(s->event_insert(s, &e));
    e.seq = 2;
    assert_code(s->event_insert(s, &e), EXISTS);
    e.livemode = false;
    assert_ok(s->event_insert(s, &e));
    e.seq = 3, e.account = NO_BYTES;
    assert_ok(s->event_insert(s, &e));
    e.seq = 4, e.owner = NO_BYTES;
    assert_ok(s->event_insert(s, &e));
    e.id = B("evt_4");
    e.seq = 1;
    assert_code(s->event_insert(s, &e), EXISTS);
    assert_ok(s->commit(s));

    assert_ok(s->event_find(s, B("acct_own"), B("acct_1"), true, B("evt_1"), a, &got));
    assert_int_equal(got.seq, 1);
    assert_ok(s->event_find(s, B("acct_own"), B("acct_1"), false, B("evt_1"), a, &got));
    assert_int_equal(got.seq, 2);
    assert_ok(s->event_find(s, B("acct_own"), B(""), false, B("evt_1"), a, &got));
    assert_int_equal(got.seq, 3);
    assert_ok(s->event_find(s, NO_BYTES, NO_BYTES, false, B("evt_1"), a, &got));
    assert_int_equal(got.seq, 4);
    assert_code(s->event_find(s, B("acct_1"), B("acct_own"), true, B("evt_1"), a, &got), ABSENT);
    assert_code(s->event_get(s, 5, a, &got), ABSENT);
    assert_code(s->event_get(s, UINT64_MAX, a, &got), ABSENT);

    assert_ok(s->begin(s));
    assert_ok(s->event_status(s, 1, EVENT_FAILED, B("it died")));
    assert_code(s->event_status(s, 9, EVENT_DONE, NO_BYTES), ABSENT);
    assert_ok(s->commit(s));
    assert_ok(s->event_get(s, 1, a, &got));
    assert_int_equal(got.status, EVENT_FAILED);
    assert_bytes(got.error, "it died");
    assert_bytes(got.type, "customer.created");
    assert_bytes(got.object_id, "cus_1");
    assert_int_equal(got.created, 1700000000);
    assert_int_equal(got.received_at, 1700000000123);
    assert_true(got.livemode);
    assert_int_equal(got.snapshot_id.n, 0);
}

static void test_strange_text(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    char longest[255];
    memset(longest, 'x', sizeof longest);
    struct event_row got;
    assert_ok(s->begin(s));
    book_event(s, 1, B("evt\0a"), B("{\"a\":\0}"));
    book_event(s, 2, B("evt\0b"), B(""));
    book_event(s, 3, B("evt"), B("\xff\xfe"));
    book_event(s, 4, bytes_from(longest, sizeof longest), B("b"));
    assert_ok(s->event_status(s, 2, EVENT_FAILED, B("\xc3\x28'; DROP TABLE event; --")));
    assert_ok(s->commit(s));
    bytes own = B("acct_own"), account = B("acct_1"), body;
    assert_ok(s->event_find(s, own, account, true, B("evt\0b"), a, &got));
    assert_int_equal(got.seq, 2);
    assert_bytes(got.error, "\xc3\x28'; DROP TABLE event; --");
    assert_ok(s->event_find(s, own, account, true, B("evt"), a, &got));
    assert_int_equal(got.seq, 3);
    assert_ok(s->event_find(s, own, account, true, bytes_from(longest, 255), a, &got));
    assert_int_equal(got.seq, 4);
    assert_int_equal(got.id.n, 255);
    assert_code(s->event_find(s, own, account, true, B("evt\0"), a, &got), ABSENT);
    assert_ok(s->body_get(s, 1, a, &body));
    assert_bytes(body, "{\"a\":\0}");
    assert_ok(s->body_get(s, 2, a, &body));
    assert_int_equal(body.n, 0);
    assert_ok(s->body_get(s, 3, a, &body));
    assert_bytes(body, "\xff\xfe");
}

static void test_receipts(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    struct event_row e = an_event(5, B("evt_1"));
    struct receipt_row r = a_receipt(5, 5, 0xaa), got;
    bytes body;
    assert_ok(s->begin(s));
    assert_ok(s->event_insert(s, &e));
    assert_ok(s->receipt_insert(s, &r, B("first")));
    assert_code(s->receipt_insert(s, &r, B("first")), EXISTS);
    r.seq = 6, r.scope_misfit = true; // the same bytes again
    assert_ok(s->receipt_insert(s, &r, B("not kept")));
    r = a_receipt(7, 5, 0xbb);
    r.source = B("/other"), r.livemode_misfit = true, r.generation = 4;
    assert_ok(s->receipt_insert(s, &r, B("second")));
    r.seq = 8, r.body_seq = 7;
    assert_ok(s->receipt_insert(s, &r, B("not kept")));
    assert_ok(s->commit(s));

    uint8_t hash[SHA256_SIZE];
    memset(hash, 0xaa, sizeof hash);
    assert_ok(s->receipt_same(s, 5, hash, a, &got));
    assert_int_equal(got.seq, 5);
    assert_code(s->receipt_same(s, 4, hash, a, &got), ABSENT);
    memset(hash, 0xbb, sizeof hash);
    assert_ok(s->receipt_same(s, 5, hash, a, &got));
    assert_int_equal(got.seq, 7);
    assert_memory_equal(got.sha256, hash, sizeof hash);
    assert_bytes(got.source, "/other");
    assert_true(got.livemode_misfit);
    assert_false(got.scope_misfit);
    assert_int_equal(got.generation, 4);
    hash[31] = 0;
    assert_code(s->receipt_same(s, 5, hash, a, &got), ABSENT);
    assert_ok(s->body_get(s, 6, a, &body));
    assert_bytes(body, "first");
    assert_ok(s->body_get(s, 8, a, &body));
    assert_bytes(body, "second");
    assert_code(s->body_get(s, 9, a, &body), ABSENT);
    assert_ok(s->receipt_get(s, 6, a, &got));
    assert_true(got.scope_misfit);
    assert_int_equal(got.body_seq, 5);
    assert_code(s->receipt_get(s, 9, a, &got), ABSENT);
}

static void test_receipts_later(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    uint64_t *later;
    size_t n = 9;
    assert_ok(s->begin(s));
    book_event(s, 1, B("evt_1"), B("one"));
    book_event(s, 4, B("evt_4"), B("four"));
    for (uint64_t seq = 2; seq < 7; seq += seq == 3 ? 3 : 1) {
        struct receipt_row r = {.seq = seq, .event_seq = seq == 6 ? 4 : 1, .body_seq = 1};
        assert_ok(s->receipt_insert(s, &r, NO_BYTES));
    }
    assert_ok(s->commit(s));
    assert_ok(s->receipts_later(s, 1, a, &later, &n));
    assert_true(n == 2 && later[0] == 2 && later[1] == 3);
    assert_ok(s->receipts_later(s, 4, a, &later, &n));
    assert_true(n == 1 && later[0] == 6);
    assert_ok(s->receipts_later(s, 2, a, &later, &n));
    assert_true(n == 0);
}

static void test_deliveries(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    struct delivery_row d, got, *rows;
    size_t n;
    assert_ok(s->begin(s));
    for (uint64_t i = 1; i <= 9; i++) {
        d = a_delivery(i, 10 + i % 3, 1 + i % 2, 100);
        assert_ok(s->delivery_insert(s, &d));
    }
    assert_code(s->delivery_insert(s, &d), EXISTS);
    d.seq = 99;
    assert_code(s->delivery_update(s, &d), ABSENT);
    d.state = DELIVERY_HELD;
    assert_code(s->delivery_insert(s, &d), INVALID);
    d.seq = 9, d.state = DELIVERY_TAKEN;
    assert_code(s->delivery_update(s, &d), INVALID);
    d = a_delivery(5, 12, 2, 0);
    d.state = DELIVERY_DEAD, d.attempts = 7, d.failures = 6, d.not_yets = 5, d.ended_at = 44;
    d.last_error = B("HTTP 500");
    assert_ok(s->delivery_update(s, &d));
    d.replay = true; // what it is of never changes
    assert_code(s->delivery_update(s, &d), INVALID);
    d.replay = false, d.destination = 1;
    assert_code(s->delivery_update(s, &d), INVALID);
    d = a_delivery(10, 13, 3, 0);
    d.replay = true, d.state = DELIVERY_PARKED;
    assert_ok(s->delivery_insert(s, &d));
    assert_ok(s->commit(s));

    assert_ok(s->delivery_get(s, 5, a, &got));
    assert_int_equal(got.state, DELIVERY_DEAD);
    assert_int_equal(got.attempts, 7);
    assert_int_equal(got.failures, 6);
    assert_int_equal(got.not_yets, 5);
    assert_int_equal(got.ended_at, 44);
    assert_false(got.replay);
    assert_bytes(got.last_error, "HTTP 500");
    assert_ok(s->delivery_get(s, 10, a, &got));
    assert_true(got.replay);
    assert_code(s->delivery_get(s, 11, a, &got), ABSENT);
    assert_ok(s->deliveries_of(s, 12, a, &rows, &n));
    assert_int_equal(n, 3);
    assert_int_equal(rows[0].seq, 2);
    assert_int_equal(rows[1].seq, 5);
    assert_bytes(rows[1].last_error, "HTTP 500");
    assert_int_equal(rows[2].seq, 8);
    assert_ok(s->deliveries_of(s, 14, a, &rows, &n));
    assert_int_equal(n, 0);
    assert_ok(s->deliveries_open(s, 2, 0, 10, a, &rows, &n));
    assert_int_equal(n, 4); // 1 3 7 9
    assert_int_equal(rows[0].seq, 1);
    assert_int_equal(rows[3].seq, 9);
    assert_ok(s->deliveries_open(s, 2, 3, 1, a, &rows, &n));
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].seq, 7);
    assert_ok(s->deliveries_open(s, 2, 9, 5, a, &rows, &n));
    assert_int_equal(n, 0);
    assert_ok(s->deliveries_open(s, 3, 0, 5, a, &rows, &n));
    assert_int_equal(n, 0);

    struct attempt_row t = {.delivery = 5, .number = 1, .outcome = OUTCOME_FAILED, .status = 500};
    assert_ok(s->begin(s));
    assert_ok(s->attempt_insert(s, &t));
    assert_code(s->attempt_insert(s, &t), EXISTS);
    t.number = 2;
    assert_ok(s->attempt_insert(s, &t));
    assert_ok(s->commit(s));
}

static void test_listen_attempts(void **state) {
    struct store *s = of(state);
    struct listen_attempt_row row = {.event_seq = 7,
                                     .number = 1,
                                     .key_id = B("key_1"),
                                     .device = B("laptop"),
                                     .url = B("http://localhost:5001/"),
                                     .status = 200,
                                     .started_at = -5,
                                     .micros = INT64_MAX,
                                     .answer = B("{\"a\":1}")};
    uint32_t last = 9;
    assert_ok(s->begin(s));
    assert_ok(s->listen_attempt_last(s, 7, &last));
    assert_int_equal(last, 0);
    assert_ok(s->listen_attempt_insert(s, &row));
    assert_code(s->listen_attempt_insert(s, &row), EXISTS);
    row.number = 4, row.status = 0, row.error = B("refused");
    assert_ok(s->listen_attempt_insert(s, &row));
    row.event_seq = 8, row.number = 2;
    assert_ok(s->listen_attempt_insert(s, &row));
    assert_ok(s->commit(s));
    static const uint32_t lasts[] = {0, 4, 2, 0};
    for (uint64_t i = 0; i < 4; i++) {
        assert_ok(s->listen_attempt_last(s, 6 + i, &last));
        assert_int_equal(last, lasts[i]);
    }
    OWN(text_drop)
    struct text dump = {0};
    assert_ok(s->dump(s, &dump));
    assert_non_null(strstr(text_str(&dump), "listen_attempt event_seq=7 number=4 key_id=\"key_1\" "
                                            "device=\"laptop\" url=\"http://localhost:5001/\" "
                                            "status=0 started_at=-5 micros=9223372036854775807 "
                                            "error=\"refused\" answer=\"{\\x22a\\x22:1}\"\n"));
    assert_ok(s->begin(s));
    row.number = 3;
    assert_ok(s->listen_attempt_insert(s, &row));
    s->rollback(s);
    assert_ok(s->listen_attempt_last(s, 8, &last));
    assert_int_equal(last, 2);
}

static void test_endpoints(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    struct endpoint_row row = {.destination = 3,
                               .id = B("we_1"),
                               .livemode = true,
                               .json = B("{\"a\":1}"),
                               .failing_since = 5};
    struct endpoint_row *all;
    size_t n = 9;
    assert_ok(s->begin(s));
    assert_ok(s->endpoints(s, a, &all, &n));
    assert_int_equal(n, 0);
    assert_ok(s->endpoint_put(s, &row));
    row.destination = 2;
    assert_code(s->endpoint_put(s, &row), EXISTS); // another has this id
    row.id = B("we_2"), row.livemode = false;
    assert_ok(s->endpoint_put(s, &row));
    row.failing_since = 0;
    assert_ok(s->endpoint_put(s, &row));
    assert_ok(s->commit(s));
    assert_ok(s->endpoints(s, a, &all, &n));
    assert_int_equal(n, 2);
    assert_bytes(all[0].id, "we_2");
    assert_int_equal(all[0].failing_since, 0);
    assert_true(all[1].livemode && all[1].destination == 3 && all[1].failing_since == 5);
    assert_bytes(all[1].json, "{\"a\":1}");
    assert_ok(s->begin(s));
    row.deleted_at = 7;
    assert_ok(s->endpoint_put(s, &row));
    assert_ok(s->commit(s));
    assert_ok(s->endpoints(s, a, &all, &n));
    assert_int_equal(n, 1);
    OWN(text_drop)
    struct text dump = {0};
    assert_ok(s->dump(s, &dump));
    assert_non_null(strstr(text_str(&dump), "endpoint destination=2 id=\"we_2\" livemode=0 "));
}

static bool skip_these(void *ctx, uint64_t delivery) {
    for (const uint64_t *p = ctx; *p != 0; p++)
        if (*p == delivery)
            return true;
    return false;
}

static void check_due(void **state, int64_t now, size_t max, size_t max_bytes, uint64_t *skip,
                      const char *want) {
    struct store *s = of(state);
    struct due_row *rows;
    struct priority_turns turns = {{0}};
    size_t n;
    OWN(text_drop)
    struct text got = {0};
    assert_ok(s->due(s, 1, now, max, max_bytes, skip != NULL ? skip_these : NULL, skip, &turns,
                     arena_of(state), &rows, &n));
    for (size_t i = 0; i < n; i++)
        text_addf(&got, "%s%d", i > 0 ? " " : "", (int)rows[i].delivery.seq);
    assert_string_equal(text_str(&got), want);
}

static void test_due(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    static const int64_t next_at[] = {50, 30, 30, 70, -5, 30, 30};
    assert_ok(s->begin(s));
    book_event(s, 1, B("evt_1"), B("0123456789"));
    for (uint64_t i = 0; i < 7; i++) {
        struct delivery_row d = a_delivery(i + 1, 1, 1, next_at[i]);
        if (i == 5)
            d.state = DELIVERY_DONE;
        if (i == 2)
            d.state = DELIVERY_WAITING;
        if (i == 6)
            d.destination = 2;
        assert_ok(s->delivery_insert(s, &d));
    }
    check_due(state, 50, 10, 1000, NULL, "5 2 3 1"); // what is not committed is seen
    assert_ok(s->commit(s));
    check_due(state, 50, 10, 1000, NULL, "5 2 3 1");
    check_due(state, 49, 10, 1000, NULL, "5 2 3");
    check_due(state, 49, 2, 1000, NULL, "5 2");
    check_due(state, 49, 0, 1000, NULL, "");
    check_due(state, 100, 10, 25, NULL, "5 2");
    check_due(state, 100, 10, 30, NULL, "5 2 3");
    check_due(state, 100, 10, 1, NULL, "5");
    check_due(state, 100, SIZE_MAX, SIZE_MAX, NULL, "5 2 3 1 4");
    check_due(state, 100, 2, 1000, (uint64_t[]){5, 3, 0}, "2 1");
    check_due(state, -6, 10, 1000, NULL, "");

    struct due_row *rows;
    struct priority_turns turns = {{0}};
    size_t n;
    assert_ok(s->due(s, 2, 30, 1, 1, NULL, NULL, &turns, a, &rows, &n));
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].delivery.seq, 7);
    assert_int_equal(rows[0].delivery.destination, 2);
    assert_bytes(rows[0].event_id, "evt_1");
    assert_bytes(rows[0].account, "acct_1");
    assert_bytes(rows[0].owner, "acct_own");
    assert_bytes(rows[0].type, "customer.created");
    assert_true(rows[0].livemode);
    assert_true(rows[0].site.n == 0);
    assert_bytes(rows[0].body, "0123456789");

    int64_t next;
    assert_ok(s->next_due(s, 1, NULL, NULL, &next));
    assert_int_equal(next, -5);
    assert_ok(s->next_due(s, 1, skip_these, (uint64_t[]){5, 2, 3, 0}, &next));
    assert_int_equal(next, 50);
    assert_ok(s->next_due(s, 1, skip_these, (uint64_t[]){5, 2, 3, 1, 4, 0}, &next));
    assert_true(next == INT64_MAX);
    assert_ok(s->next_due(s, 3, NULL, NULL, &next));
    assert_true(next == INT64_MAX);

    // A delivery that moves is found at its new place and no more at the old one.
    struct delivery_row d = a_delivery(5, 1, 1, 60);
    assert_ok(s->begin(s));
    assert_ok(s->delivery_update(s, &d));
    check_due(state, 100, 10, 1000, NULL, "2 3 1 5 4");
    d = a_delivery(2, 1, 1, 30);
    d.state = DELIVERY_CANCELLED;
    assert_ok(s->delivery_update(s, &d));
    check_due(state, 100, 10, 1000, NULL, "3 1 5 4");
    s->rollback(s);
    check_due(state, 100, 10, 1000, NULL, "5 2 3 1 4");
}

// Turns of priorities, oldest first in each; what is skipped takes no turn, nor what does not fit.
static void test_due_by_priority(void **state) {
    struct store *s = of(state);
    struct priority_turns turns = {{0}}, before;
    struct due_row *rows;
    size_t n;
    int64_t next;
    assert_ok(s->begin(s));
    book_event(s, 1, B("evt_1"), B("0123456789"));
    for (uint64_t i = 1; i <= 60; i++) {
        struct delivery_row d = a_delivery(i, 1, 1, 100 - (int64_t)i);
        d.priority = (enum priority)(i % 3); // normal, high, low
        assert_ok(s->delivery_insert(s, &d));
    }
    assert_ok(s->commit(s));
    check_due(state, 100, 12, 1000, NULL, "58 55 60 52 49 46 43 57 40 37 59 34");
    check_due(state, 100, 3, 1000, (uint64_t[]){58, 55, 60, 0}, "52 49 57");
    check_due(state, 46, 9, 1000, NULL, "58 55 60 57 54 59 56");
    for (int i = 0; i < 2; i++) {
        before = turns;
        assert_ok(s->due(s, 1, 100, 9, 1, NULL, NULL, &turns, arena_of(state), &rows, &n));
        assert_int_equal(n, 1);
        assert_int_equal(rows[0].delivery.seq, 58);
        assert_int_equal(rows[0].delivery.priority, PRIORITY_HIGH);
        assert_memory_not_equal(&before, &turns, sizeof turns);
    }
    assert_ok(s->due(s, 1, 100, 9, 1, NULL, NULL, &turns, arena_of(state), &rows, &n));
    assert_int_equal(rows[0].delivery.seq, 60); // the turn of normal
    assert_ok(s->next_due(s, 1, NULL, NULL, &next));
    assert_int_equal(next, 40);
    assert_ok(s->next_due(s, 1, skip_these, (uint64_t[]){60, 59, 57, 0}, &next));
    assert_int_equal(next, 42);
    // A delivery's priority never changes.
    struct delivery_row d = rows[0].delivery;
    d.priority = PRIORITY_LOW;
    assert_ok(s->begin(s));
    assert_code(s->delivery_update(s, &d), INVALID);
    s->rollback(s);
}

static void test_due_of_a_site(void **state) {
    struct store *s = of(state);
    struct delivery_row d = a_delivery(1, 1, 1, 0);
    struct due_row *rows;
    struct priority_turns turns = {{0}};
    size_t n;
    assert_ok(s->begin(s));
    book_event(s, 1, B("evt_1"), B("body"));
    assert_ok(s->delivery_insert(s, &d));
    assert_ok(s->site_put(s, &(struct site_row){1, B("shop")}));
    assert_ok(s->event_site(s, 1, 4, 1));
    assert_ok(s->commit(s));
    assert_ok(s->due(s, 1, 30, 1, 1, NULL, NULL, &turns, arena_of(state), &rows, &n));
    assert_bytes(rows[0].site, "shop");
}

static void test_due_of_another_receipt(void **state) {
    struct store *s = of(state);
    struct due_row *rows;
    struct priority_turns turns = {{0}};
    size_t n;
    assert_ok(s->begin(s));
    book_event(s, 1, B("evt_1"), B("old"));
    struct receipt_row r = a_receipt(2, 1, 0x77);
    assert_ok(s->receipt_insert(s, &r, B("new")));
    r.seq = 3; // the bytes of 2 once more
    assert_ok(s->receipt_insert(s, &r, NO_BYTES));
    struct delivery_row d = a_delivery(1, 1, 1, 0);
    d.receipt_seq = 3;
    assert_ok(s->delivery_insert(s, &d));
    assert_ok(s->commit(s));
    assert_ok(s->due(s, 1, 0, 5, 1000, NULL, NULL, &turns, arena_of(state), &rows, &n));
    assert_int_equal(n, 1);
    assert_bytes(rows[0].body, "new");
}

static void test_destinations(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    struct destination_row d = {.number = 2, .name = B("shop"), .present = true}, got, *rows;
    size_t n;
    assert_ok(s->begin(s));
    assert_ok(s->destination_put(s, &d));
    d.number = 1, d.name = B("books");
    assert_ok(s->destination_put(s, &d));
    d.name = B("shop");
    assert_code(s->destination_put(s, &d), EXISTS);
    d.number = 2, d.held = true, d.hold_reason = B("by hand"), d.held_at = 12;
    assert_ok(s->destination_put(s, &d));
    assert_ok(s->commit(s));
    assert_ok(s->destination_find(s, B("shop"), a, &got));
    assert_int_equal(got.number, 2);
    assert_true(got.present);
    assert_true(got.held);
    assert_bytes(got.hold_reason, "by hand");
    assert_int_equal(got.held_at, 12);
    assert_code(s->destination_find(s, B("sho"), a, &got), ABSENT);
    assert_ok(s->destinations(s, a, &rows, &n));
    assert_int_equal(n, 2);
    assert_bytes(rows[0].name, "books");
    assert_bytes(rows[1].name, "shop");
}

static void test_small_tables(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    struct suspense_row u = {.position = 4,
                             .kind = 250,
                             .time_ms = 9,
                             .seed = UINT64_MAX - 5,
                             .generation = 3,
                             .payload = B("\0\x01\xff"),
                             .reason = B("why")},
                        ugot;
    struct key_row k = {.id = B("key_1"), .name = B("me"), .mode = B("viewer"), .hash = B("ab")},
                   kgot;
    bytes json;
    assert_ok(s->begin(s));
    assert_ok(s->suspense_put(s, &u));
    u.state = SUSPENSE_DROPPED;
    assert_ok(s->suspense_put(s, &u));
    assert_ok(s->key_put(s, &k));
    k.revoked_at = 77;
    assert_ok(s->key_put(s, &k));
    assert_ok(s->plan_put(s, 3, B("{}")));
    assert_ok(s->commit(s));
    assert_ok(s->suspense_get(s, 4, a, &ugot));
    assert_int_equal(ugot.state, SUSPENSE_DROPPED);
    assert_int_equal(ugot.kind, 250);
    assert_true(ugot.seed == UINT64_MAX - 5);
    assert_bytes(ugot.payload, "\0\x01\xff");
    assert_bytes(ugot.reason, "why");
    assert_code(s->suspense_get(s, 5, a, &ugot), ABSENT);
    assert_ok(s->key_get(s, B("key_1"), a, &kgot));
    assert_int_equal(kgot.revoked_at, 77);
    assert_bytes(kgot.mode, "viewer");
    assert_code(s->key_get(s, B("key_2"), a, &kgot), ABSENT);
    assert_ok(s->plan_get(s, 3, a, &json));
    assert_bytes(json, "{}");
    assert_code(s->plan_get(s, 4, a, &json), ABSENT);
}

static void dump_of(struct store *s, struct text *out);

static void put_object(struct store *s, uint64_t number, const char *key, bool livemode,
                       bytes above, int64_t evidence) {
    assert_ok(s->object_put(s, &(struct site_object){.number = number,
                                                     .owner = B("main"),
                                                     .livemode = livemode,
                                                     .key = bytes_of(key),
                                                     .type = B("customer"),
                                                     .above = above,
                                                     .claims = B("\0\xff"),
                                                     .assigned = 2,
                                                     .evidence = evidence,
                                                     .below = 7}));
}

static result add_number(void *ctx, const struct site_object *row) {
    *(uint64_t *)ctx += row->number;
    return OK;
}

static result refuse_any(void *ctx, const struct site_object *row) { FAIL(REFUSED, "no more"); }

static void test_objects(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    struct site_object o;
    uint64_t last = 9;
    assert_ok(s->object_last(s, &last));
    assert_true(last == 0);
    assert_ok(s->begin(s));
    put_object(s, 1, "cus_1", true, NO_BYTES, 0);
    put_object(s, 2, "cus_1", false, B("\x01"), SITE_MANY);
    put_object(s, 3, "cus_2", true, B("\x01\x02"), 4);
    put_object(s, 1, "cus_1", true, B("\x81\x01"), 5);
    assert_ok(s->commit(s));
    assert_ok(s->object_find(s, B("main"), true, B("cus_1"), a, &o));
    assert_true(o.number == 1 && o.evidence == 5 && o.below == 7 && o.assigned == 2 && o.livemode);
    assert_bytes(o.above, "\x81\x01");
    assert_bytes(o.claims, "\0\xff");
    assert_bytes(o.type, "customer");
    assert_ok(s->object_find(s, B("main"), false, B("cus_1"), a, &o));
    assert_true(o.number == 2 && o.evidence == SITE_MANY && !o.livemode);
    assert_code(s->object_find(s, B("other"), true, B("cus_1"), a, &o), ABSENT);
    assert_code(s->object_find(s, B("main"), true, B("cus_3"), a, &o), ABSENT);
    assert_ok(s->object_get(s, 3, a, &o));
    assert_bytes(o.key, "cus_2");
    assert_code(s->object_get(s, 4, a, &o), ABSENT);
    assert_ok(s->object_last(s, &last));
    assert_true(last == 3);
    uint64_t sum = 0;
    assert_ok(s->objects(s, add_number, &sum));
    assert_true(sum == 6);
    assert_code(s->objects(s, refuse_any, NULL), REFUSED);
}

// More than one statement takes at once, and some that are left.
static void test_objects_together(void **state) {
    enum { MANY = 43 };
    struct store *s = of(state);
    struct site_object rows[MANY], got;
    const struct site_object *them[MANY];
    char keys[MANY][16];
    for (uint64_t i = 0; i < MANY; i++) {
        (void)snprintf(keys[i], sizeof keys[i], "cus_%llu", (unsigned long long)i * 7 % MANY);
        rows[i] = (struct site_object){.number = i + 1,
                                       .owner = B("main"),
                                       .key = bytes_of(keys[i]),
                                       .type = B("customer"),
                                       .above = B("\1"),
                                       .evidence = (int64_t)i};
        them[i] = &rows[i];
    }
    assert_ok(s->begin(s));
    assert_ok(s->objects_insert(s, them, 0));
    assert_ok(s->objects_insert(s, them, MANY));
    assert_ok(s->commit(s));
    for (uint64_t i = 0; i < MANY; i++) {
        assert_ok(s->object_find(s, B("main"), false, rows[i].key, arena_of(state), &got));
        assert_true(got.number == i + 1 && got.evidence == (int64_t)i && got.above.n == 1);
    }
    uint64_t sum = 0;
    assert_ok(s->objects(s, add_number, &sum));
    assert_int_equal(sum, MANY * (MANY + 1) / 2);
}

static void test_links(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    uint64_t *numbers;
    size_t n = 9;
    assert_ok(s->begin(s));
    assert_ok(s->link_put(s, &(struct link_row){1, 9}));
    assert_ok(s->link_put(s, &(struct link_row){1, 3}));
    assert_ok(s->link_put(s, &(struct link_row){2, 4}));
    assert_ok(s->commit(s));
    uint64_t after = 0;
    assert_ok(s->links_below(s, 1, &after, 9, a, &numbers, &n));
    assert_true(n == 2 && numbers[0] == 3 && numbers[1] == 9 && after == LINKS_END);
    uint64_t seen = 0;
    for (after = 0; after != LINKS_END;) {
        assert_ok(s->links_below(s, 1, &after, 1, a, &numbers, &n));
        for (size_t i = 0; i < n; i++)
            seen = seen * 10 + numbers[i];
    }
    assert_true(seen == 39);
    after = 0;
    assert_ok(s->links_below(s, 3, &after, 9, a, &numbers, &n));
    assert_true(n == 0 && after == LINKS_END);
}

static void assert_one_below(struct store *s, uint64_t above, uint64_t below, struct arena *a) {
    uint64_t *numbers, after = 0;
    size_t n = 9;
    assert_ok(s->links_below(s, above, &after, 9, a, &numbers, &n));
    assert_true(n == 1 && numbers[0] == below && after == LINKS_END);
}

// 1 and 1025 lie beside one another where links are gathered, until there are many.
static void test_links_undone(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    assert_ok(s->begin(s));
    assert_ok(s->link_put(s, &(struct link_row){1, 2000}));
    assert_ok(s->link_put(s, &(struct link_row){1025, 2001}));
    assert_ok(s->mark(s));
    assert_ok(s->link_put(s, &(struct link_row){1, 2002}));
    assert_ok(s->link_put(s, &(struct link_row){1025, 2003}));
    assert_ok(s->undo(s));
    assert_one_below(s, 1, 2000, a);
    assert_one_below(s, 1025, 2001, a);
    for (uint64_t above = 2; above < 1025; above++)
        assert_ok(s->link_put(s, &(struct link_row){above, 2000 + above}));
    for (uint64_t above = 2; above < 1025; above++)
        assert_one_below(s, above, 2000 + above, a);
    assert_one_below(s, 1, 2000, a);
    assert_one_below(s, 1025, 2001, a);
    assert_ok(s->commit(s));
}

static void put_event(struct store *s, uint64_t seq, uint64_t object, int64_t site) {
    OWN(text_drop)
    struct text id = {0};
    text_addf(&id, "evt_%llu", (unsigned long long)seq);
    struct event_row e = {.seq = seq,
                          .id = text_bytes(&id),
                          .type = B("a.b"),
                          .owner = B("main"),
                          .object = object,
                          .site = site};
    assert_ok(s->event_insert(s, &e));
}

static void test_unclaimed(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    uint64_t *seqs;
    size_t n = 9;
    struct event_row e;
    struct site_row *sites;
    assert_ok(s->begin(s));
    assert_ok(s->site_put(s, &(struct site_row){1, B("shop")}));
    assert_ok(s->site_put(s, &(struct site_row){2, B("blog")}));
    put_event(s, 1, 7, EVENT_UNCLAIMED);
    put_event(s, 2, 7, 1);
    put_event(s, 3, 8, EVENT_UNCLAIMED);
    put_event(s, 4, 7, EVENT_UNCLAIMED);
    put_event(s, 5, 0, 0);
    assert_ok(s->commit(s));
    assert_ok(s->sites(s, a, &sites, &n));
    assert_int_equal(n, 2);
    assert_bytes(sites[1].name, "blog");
    assert_ok(s->unclaimed(s, 0, 9, a, &seqs, &n));
    assert_true(n == 3 && seqs[0] == 1 && seqs[1] == 3 && seqs[2] == 4);
    assert_ok(s->unclaimed(s, 1, 1, a, &seqs, &n));
    assert_true(n == 1 && seqs[0] == 3);
    assert_ok(s->unclaimed_of(s, 7, 0, 9, a, &seqs, &n));
    assert_true(n == 2 && seqs[0] == 1 && seqs[1] == 4);
    assert_ok(s->unclaimed_of(s, 7, 1, 9, a, &seqs, &n));
    assert_true(n == 1 && seqs[0] == 4);
    assert_ok(s->begin(s));
    assert_ok(s->event_site(s, 1, 7, 2));
    assert_ok(s->event_site(s, 5, 8, EVENT_UNCLAIMED));
    assert_code(s->event_site(s, 6, 8, 1), ABSENT);
    assert_ok(s->commit(s));
    assert_ok(s->event_get(s, 1, a, &e));
    assert_true(e.object == 7 && e.site == 2);
    assert_ok(s->unclaimed_of(s, 7, 0, 9, a, &seqs, &n));
    assert_true(n == 1 && seqs[0] == 4);
    assert_ok(s->unclaimed_of(s, 8, 0, 9, a, &seqs, &n));
    assert_true(n == 2 && seqs[0] == 3 && seqs[1] == 5);
}

static void put_answer(struct store *s, uint64_t position, bytes key, const char *json) {
    struct answer_row row = {.position = position,
                             .time_ms = (int64_t)position * 10,
                             .idempotency_key = key,
                             .sha256 = {(uint8_t)position},
                             .json = bytes_of(json)};
    assert_ok(s->answer_put(s, &row));
}

static void test_answers(void **state) {
    struct store *s = of(state);
    struct arena *a = arena_of(state);
    struct answer_row got;
    assert_ok(s->begin(s));
    for (uint64_t position = 2; position <= 6; position++)
        put_answer(s, position, position == 4 ? B("key") : NO_BYTES, "{\"ok\":true}");
    put_answer(s, 6, NO_BYTES, "{\"ok\":false}");
    put_answer(s, 7, B("key"), "{\"ok\":0}");
    assert_ok(s->commit(s));
    assert_ok(s->answer_get(s, 6, a, &got));
    assert_bytes(got.json, "{\"ok\":false}");
    assert_int_equal(got.time_ms, 60);
    assert_code(s->answer_get(s, 8, a, &got), ABSENT);
    assert_ok(s->answer_find(s, B("key"), a, &got)); // the last one
    assert_int_equal(got.position, 7);
    assert_int_equal(got.sha256[0], 7);
    assert_code(s->answer_find(s, B("other"), a, &got), ABSENT);
    assert_ok(s->begin(s));
    assert_ok(s->answers_drop(s, 50, 2)); // 2 and 3 of the two first
    assert_code(s->answer_get(s, 3, a, &got), ABSENT);
    assert_ok(s->answer_get(s, 4, a, &got));
    assert_ok(s->mark(s));
    assert_ok(s->answers_drop(s, 1000, 100));
    assert_code(s->answer_find(s, B("key"), a, &got), ABSENT);
    assert_ok(s->undo(s));
    assert_ok(s->answer_find(s, B("key"), a, &got));
    assert_ok(s->answers_drop(s, 50, 100)); // 4; 5 and what follows are too young
    assert_ok(s->commit(s));
    assert_code(s->answer_get(s, 4, a, &got), ABSENT);
    for (uint64_t position = 5; position <= 7; position++)
        assert_ok(s->answer_get(s, position, a, &got));
}

static void dump_of(struct store *s, struct text *out) {
    text_reset(out);
    assert_ok(s->dump(s, out));
}

static struct sighting_row a_sighting(enum sighting kind, bytes whose, bytes what) {
    return (struct sighting_row){.kind = kind,
                                 .whose = whose,
                                 .what = what,
                                 .livemode = true,
                                 .first_at = 50,
                                 .last_at = 60,
                                 .count = 2,
                                 .deauthorized = 7,
                                 .created = 8};
}

static uint64_t sightings_of(struct store *s, enum sighting kind) {
    uint64_t n = 99;
    assert_ok(s->sighting_count(s, kind, &n));
    return n;
}

static void assert_dumped(struct store *s, const char *line) {
    OWN(text_drop)
    struct text dump = {0};
    dump_of(s, &dump);
    if (strstr(text_str(&dump), line) == NULL)
        fail_msg("no line %sin\n%s", line, text_str(&dump));
}

static void test_sightings(void **state) {
    struct store *s = of(state);
    struct sighting_row a = a_sighting(SIGHTING_ACCOUNT, B("main"), B("acct_\0 1")), more;
    assert_int_equal(sightings_of(s, SIGHTING_ACCOUNT), 0);
    assert_ok(s->begin(s));
    assert_code(s->sighting_add(s, &a), ABSENT);
    assert_ok(s->sighting_insert(s, &a));
    assert_code(s->sighting_insert(s, &a), EXISTS);
    more = a;
    more.livemode = false;
    assert_code(s->sighting_add(s, &more), ABSENT);
    assert_ok(s->sighting_insert(s, &more));
    more = a, more.whose = B("ma"), more.what = B("inacct_\0 1");
    assert_code(s->sighting_add(s, &more), ABSENT);
    assert_ok(s->sighting_insert(s, &more));
    more = a, more.kind = SIGHTING_TYPE;
    assert_code(s->sighting_add(s, &more), ABSENT);
    assert_ok(s->sighting_insert(s, &more));
    more = (struct sighting_row){.kind = a.kind,
                                 .whose = a.whose,
                                 .what = a.what,
                                 .livemode = true,
                                 .first_at = 40,
                                 .last_at = 55,
                                 .count = 3,
                                 .deauthorized = 9};
    assert_ok(s->sighting_add(s, &more));
    more.first_at = 70, more.last_at = 71, more.deauthorized = 0, more.created = 10;
    assert_ok(s->sighting_add(s, &more));
    assert_ok(s->commit(s));
    assert_int_equal(sightings_of(s, SIGHTING_ACCOUNT), 3);
    assert_int_equal(sightings_of(s, SIGHTING_TYPE), 1);
    assert_dumped(s, "sighting kind=2 whose=\"main\" what=\"acct_\\x00 1\" livemode=1 first_at=40"
                     " last_at=71 count=8 deauthorized=9 created=10\n");
    assert_dumped(s, "sighting kind=2 whose=\"main\" what=\"acct_\\x00 1\" livemode=0 first_at=50"
                     " last_at=60 count=2 deauthorized=7 created=8\n");
    OWN(text_drop)
    struct text before = {0}, after = {0};
    dump_of(s, &before);
    assert_ok(s->begin(s));
    assert_ok(s->sighting_add(s, &more));
    more.what = B("another");
    assert_ok(s->sighting_insert(s, &more));
    assert_int_equal(sightings_of(s, SIGHTING_ACCOUNT), 4);
    s->rollback(s);
    dump_of(s, &after);
    assert_string_equal(text_str(&before), text_str(&after));
    assert_int_equal(sightings_of(s, SIGHTING_ACCOUNT), 3);
}

static void test_undo(void **state) {
    struct store *s = of(state);
    struct event_row got;
    OWN(text_drop)
    struct text before = {0}, after = {0};
    assert_ok(s->begin(s));
    book_event(s, 1, B("evt_1"), B("body"));
    struct delivery_row d = a_delivery(1, 1, 1, 10);
    assert_ok(s->delivery_insert(s, &d));
    dump_of(s, &before);
    assert_ok(s->mark(s));
    book_event(s, 2, B("evt_2"), B("body"));
    assert_ok(s->event_status(s, 1, EVENT_DONE, NO_BYTES));
    d.next_at = 99;
    assert_ok(s->delivery_update(s, &d));
    d.state = DELIVERY_DONE;
    assert_ok(s->delivery_update(s, &d));
    assert_code(s->delivery_insert(s, &d), EXISTS); // a failure inside does not harm the undo
    assert_ok(s->undo(s));
    dump_of(s, &after);
    assert_string_equal(text_str(&before), text_str(&after));
    check_due(state, 10, 5, 100, NULL, "1");
    assert_ok(s->mark(s));
    book_event(s, 2, B("evt_2"), B("body"));
    assert_ok(s->unmark(s));
    assert_ok(s->mark(s));
    assert_ok(s->undo(s));
    assert_ok(s->commit(s));
    assert_ok(s->event_get(s, 2, arena_of(state), &got));
    assert_int_equal(got.status, EVENT_PENDING);
}

static void test_rollback(void **state) {
    struct store *s = of(state);
    OWN(text_drop)
    struct text before = {0}, after = {0};
    assert_ok(s->begin(s));
    book_event(s, 1, B("evt_1"), B("body"));
    assert_ok(s->commit(s));
    dump_of(s, &before);
    assert_ok(s->begin(s));
    book_event(s, 2, B("evt_2"), B("body"));
    assert_ok(s->mark(s));
    book_event(s, 3, B("evt_3"), B("body"));
    assert_ok(s->event_status(s, 1, EVENT_DONE, NO_BYTES));
    s->rollback(s);
    s->rollback(s); // once more does nothing
    dump_of(s, &after);
    assert_string_equal(text_str(&before), text_str(&after));
    assert_ok(s->begin(s));
    book_event(s, 2, B("evt_2"), B("body"));
    assert_ok(s->commit(s));
    dump_of(s, &after);
    assert_string_not_equal(text_str(&before), text_str(&after));
}

static void test_crash(void **state) {
    struct world *w = *state;
    OWN(text_drop)
    struct text before = {0}, after = {0};
    assert_ok(w->store->begin(w->store));
    book_event(w->store, 1, B("evt_1"), B("body"));
    assert_ok(w->store->commit(w->store));
    dump_of(w->store, &before);
    assert_ok(w->store->begin(w->store));
    book_event(w->store, 2, B("evt_2"), B("body"));
    world_crash(w);
    dump_of(w->store, &after);
    assert_string_equal(text_str(&before), text_str(&after));
    assert_ok(w->store->begin(w->store));
    book_event(w->store, 2, B("evt_2"), B("body"));
    assert_ok(w->store->commit(w->store));
}

static void test_small_arena(void **state) {
    struct store *s = of(state);
    assert_ok(s->begin(s));
    static char body[100000];
    memset(body, 'b', sizeof body);
    book_event(s, 1, B("evt_1"), bytes_from(body, sizeof body));
    struct delivery_row d = a_delivery(1, 1, 1, 10);
    assert_ok(s->delivery_insert(s, &d));
    assert_ok(s->commit(s));
    struct arena small;
    arena_init(&small, 70000);
    bytes got;
    assert_code(s->body_get(s, 1, &small, &got), MEMORY);
    arena_drop(&small);
    struct due_row *rows;
    struct priority_turns turns = {{0}};
    size_t n = 1;
    assert_code(s->due(s, 1, 10, 1, 1, NULL, NULL, &turns, &small, &rows, &n), MEMORY);
    assert_int_equal(n, 0);
    arena_drop(&small);
}

static void test_lists_that_fail_are_empty(void **state) {
    struct store *s = of(state);
    static char reason[100000];
    memset(reason, 'r', sizeof reason);
    struct destination_row d = {.number = 1, .name = B("a")};
    struct delivery_row w = a_delivery(1, 1, 1, 10);
    assert_ok(s->begin(s));
    assert_ok(s->destination_put(s, &d));
    d = (struct destination_row){.number = 2,
                                 .name = B("b"),
                                 .held = true,
                                 .hold_reason = bytes_from(reason, sizeof reason)};
    assert_ok(s->destination_put(s, &d));
    book_event(s, 1, B("evt_1"), B("{}"));
    w.last_error = d.hold_reason;
    assert_ok(s->delivery_insert(s, &w));
    assert_ok(s->commit(s));
    struct arena small;
    struct destination_row *rows;
    struct delivery_row *owed;
    size_t n = 7;
    arena_init(&small, 70000);
    assert_code(s->destinations(s, &small, &rows, &n), MEMORY);
    assert_int_equal(n, 0);
    n = 7;
    assert_code(s->deliveries_of(s, 1, &small, &owed, &n), MEMORY);
    assert_int_equal(n, 0);
    n = 7;
    assert_code(s->deliveries_open(s, 1, 0, 10, &small, &owed, &n), MEMORY);
    assert_int_equal(n, 0);
    arena_drop(&small);
}

static void test_names(void **state) {
    assert_string_equal(delivery_state_name(DELIVERY_SUPERSEDED), "superseded");
    assert_string_equal(event_status_name(EVENT_IGNORED), "ignored");
    assert_true(delivery_state_open(DELIVERY_WAITING));
    assert_false(delivery_state_open(DELIVERY_PARKED));
}

#define ON_BOTH(test_)                                                                             \
    {#test_ " on memory", test_, world_memory_setup, world_teardown, NULL}, {                      \
#test_ " on sqlite", test_, world_sqlite_setup, world_teardown, NULL                       \
    }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        ON_BOTH(test_state),
        ON_BOTH(test_events),
        ON_BOTH(test_strange_text),
        ON_BOTH(test_receipts),
        ON_BOTH(test_receipts_later),
        ON_BOTH(test_deliveries),
        ON_BOTH(test_listen_attempts),
        ON_BOTH(test_endpoints),
        ON_BOTH(test_due),
        ON_BOTH(test_due_by_priority),
        ON_BOTH(test_due_of_a_site),
        ON_BOTH(test_due_of_another_receipt),
        ON_BOTH(test_destinations),
        ON_BOTH(test_small_tables),
        ON_BOTH(test_answers),
        ON_BOTH(test_sightings),
        ON_BOTH(test_objects),
        ON_BOTH(test_objects_together),
        ON_BOTH(test_links),
        ON_BOTH(test_links_undone),
        ON_BOTH(test_unclaimed),
        ON_BOTH(test_undo),
        ON_BOTH(test_rollback),
        ON_BOTH(test_crash),
        ON_BOTH(test_small_arena),
        ON_BOTH(test_lists_that_fail_are_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
