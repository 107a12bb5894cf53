// SPDX-License-Identifier: MIT
// Deadlines of a session, on a clock that only the test moves.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_peer.h"

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST "\r\n"

static bool answered(const struct peer *p, const char *status) {
    return strstr(text_str(&p->wire), status) != NULL;
}

static void test_idle(void **state) {
    struct peer p;
    peer_open(&p);
    assert_true(session_due(p.session) == p.now + 60000000);
    peer_wait(&p, 59999);
    assert_int_equal(0, p.closes);
    peer_wait(&p, 1);
    assert_int_equal(1, p.closes);
    assert_int_equal(0, p.refused);
    assert_int_equal(0, p.wire.n);
    peer_drop(&p);

    peer_open(&p); // empty lines are no request and win no time
    for (int i = 0; i < 3; i++) {
        peer_wait(&p, 15000);
        peer_sends(&p, "\r");
    }
    peer_wait(&p, 15000);
    assert_int_equal(1, p.closes);
    peer_drop(&p);

    peer_open(&p); // an answer begins it anew
    peer_wait(&p, 50000);
    peer_sends(&p, GET);
    peer_wait(&p, 59999);
    assert_int_equal(0, p.closes);
    peer_wait(&p, 1);
    assert_int_equal(1, p.closes);
    peer_drop(&p);
}

static void test_slow_head(void **state) {
    struct peer p;
    peer_open(&p);
    peer_wait(&p, 30000);
    bytes request = B("GET /aaaaaaaaaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n");
    int64_t began = p.now;
    for (size_t i = 0; i < request.n && p.refused == 0; i++) { // one byte a second
        peer_send(&p, bytes_slice(request, i, i + 1));
        assert_true(session_due(p.session) == began + 10000000);
        peer_wait(&p, 1000);
    }
    assert_true(p.now - began == 10000000);
    assert_int_equal(HTTP_SLOW, p.why);
    assert_true(answered(&p, "HTTP/1.1 408 Request Timeout\r\n"));
    assert_true(answered(&p, "Connection: close\r\n"));
    assert_int_equal(0, p.closes);
    peer_wait(&p, 1000); // silence
    assert_int_equal(1, p.closes);
    assert_int_equal(20000, p.linger_ms);
    peer_drop(&p);
}

static void test_late_answer(void **state) {
    struct peer p;
    peer_open(&p);
    p.limits.owed_ms = 5000;
    peer_sends(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    peer_wait(&p, 4999);
    assert_int_equal(0, p.wire.n);
    assert_int_equal(0, p.finished);
    peer_wait(&p, 1);
    assert_int_equal(HTTP_LATE, p.why);
    assert_true(answered(&p, "HTTP/1.1 503 Service Unavailable\r\n"));
    assert_true(answered(&p, "Retry-After: "));
    assert_true(answered(&p, "Connection: close\r\n"));
    assert_int_equal(1, p.finished);
    peer_wait(&p, 1000);
    assert_int_equal(1, p.closes);
    peer_drop(&p);

    peer_open(&p); // what is answered in time is not late afterwards, and each has its own time
    p.limits.owed_ms = 5000;
    for (int i = 0; i < 3; i++) {
        peer_sends(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
        peer_wait(&p, 4000);
        session_answer(p.session, 200, B("text/plain"), NULL, 0, B("done"));
        peer_wait(&p, 4000);
    }
    assert_int_equal(0, p.refused);
    peer_drop(&p);

    peer_open(&p); // 0: as long as it takes
    peer_sends(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    peer_wait(&p, 3600000);
    assert_int_equal(0, p.refused);
    peer_drop(&p);
}

static void begin_body(struct peer *p) {
    peer_open(p);
    peer_sends(p, "POST / HTTP/1.1\r\n" HOST "Content-Length: 4000\r\n\r\n");
}

static void test_slow_body(void **state) {
    struct peer p;
    char piece[150];
    memset(piece, 'x', sizeof piece);
    begin_body(&p); // nothing at all: the grace
    peer_wait(&p, 4999);
    assert_int_equal(0, p.refused);
    peer_wait(&p, 1);
    assert_int_equal(1, p.refused);
    assert_int_equal(1, p.finished);
    assert_true(answered(&p, "408"));
    peer_drop(&p);

    begin_body(&p); // 100 bytes a second are demanded, 50 come
    int64_t began = p.now;
    while (p.refused == 0) {
        assert_true(session_due(p.session) > p.now);
        peer_wait(&p, 1000);
        peer_send(&p, bytes_from(piece, 50));
    }
    assert_true(p.now - began == 5000000);
    peer_drop(&p);

    begin_body(&p); // 150 come: it is fast enough
    for (int i = 0; i < 26; i++) {
        peer_send(&p, bytes_from(piece, 150));
        peer_wait(&p, 1000);
    }
    assert_int_equal(0, p.refused);
    peer_send(&p, bytes_from(piece, 100));
    assert_true(answered(&p, "200 OK"));
    peer_drop(&p);

    begin_body(&p); // fast at first, then nothing: as long as what came lasts
    for (int i = 0; i < 10; i++)
        peer_send(&p, bytes_from(piece, 100));
    peer_wait(&p, 10000);
    assert_int_equal(0, p.refused);
    peer_wait(&p, 1);
    assert_int_equal(1, p.refused);
    peer_drop(&p);
}

static void test_body_deadline(void **state) {
    struct peer p;
    begin_body(&p);
    p.limits.rate_min = 0; // no rate: the deadline alone
    peer_wait(&p, 29999);
    assert_int_equal(0, p.refused);
    peer_wait(&p, 1);
    assert_int_equal(HTTP_SLOW, p.why);
    assert_true(answered(&p, "408"));
    peer_drop(&p);
}

static void test_no_deadline_while_we_owe(void **state) {
    struct peer p;
    peer_open(&p);
    peer_sends(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    assert_true(session_due(p.session) == INT64_MAX);
    peer_wait(&p, 10000000);
    assert_int_equal(0, p.closes);
    assert_int_equal(0, p.refused);
    peer_drop(&p);
}

// The peer does not read its answer.
static void test_answer_deadline(void **state) {
    struct peer p;
    peer_open(&p);
    p.unsent = 1;
    peer_sends(&p, GET);
    assert_true(session_due(p.session) == p.now + 20000000);
    peer_wait(&p, 19999);
    assert_int_equal(0, p.closes);
    peer_wait(&p, 1);
    assert_int_equal(1, p.closes);
    assert_int_equal(0, p.linger_ms);
    peer_drop(&p);

    peer_open(&p); // it has read it in between
    p.unsent = 1;
    peer_sends(&p, GET);
    peer_wait(&p, 10000);
    p.unsent = 0;
    peer_sends(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    p.unsent = 0;
    session_answer(p.session, 200, NO_BYTES, NULL, 0, NO_BYTES);
    peer_wait(&p, 15000);
    assert_int_equal(0, p.closes);
    peer_drop(&p);
}

static void test_hold(void **state) {
    struct peer p;
    peer_open(&p);
    p.unsent = HTTP_UNSENT_HOLD + 1;
    peer_sends(&p, GET);
    assert_int_equal(0, p.requests);
    assert_true(p.paused);
    peer_wait(&p, 50);
    assert_int_equal(0, p.requests);
    assert_true(session_due(p.session) <= p.now + 20000);
    p.unsent = 0;
    peer_wait(&p, 50);
    assert_int_equal(1, p.requests);
    assert_false(p.paused);
    assert_true(session_idle(p.session));
    peer_drop(&p);
}

static void test_stream_nobody_reads(void **state) {
    struct peer p;
    peer_open(&p);
    peer_sends(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    session_answer_start(p.session, 200, B("text/plain"));
    peer_wait(&p, 100000); // silence of ours is no fault of the peer
    assert_int_equal(0, p.closes);
    p.unsent = 5;
    session_answer_piece(p.session, B("x"));
    peer_wait(&p, 0);
    peer_wait(&p, 19999);
    session_answer_piece(p.session, B("x"));
    assert_int_equal(0, p.closes);
    peer_wait(&p, 1);
    assert_int_equal(1, p.closes);
    assert_int_equal(1, p.finished);
    peer_drop(&p);

    peer_open(&p);
    peer_sends(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    session_answer_start(p.session, 200, B("text/plain"));
    p.unsent = HTTP_UNSENT_MAX + 1;
    session_answer_piece(p.session, B("x"));
    assert_int_equal(1, p.closes);
    assert_int_equal(1, p.finished);
    peer_drop(&p);
}

static void test_drain(void **state) {
    struct peer p;
    peer_open(&p);
    session_drain(p.session);
    assert_int_equal(1, p.closes);
    peer_drop(&p);

    peer_open(&p);
    peer_sends(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n" GET);
    session_drain(p.session);
    assert_int_equal(0, p.closes);
    session_answer(p.session, 200, NO_BYTES, NULL, 0, NO_BYTES);
    assert_true(answered(&p, "Connection: close"));
    assert_int_equal(1, p.closes);
    assert_int_equal(1, p.requests);
    peer_drop(&p);

    peer_open(&p); // a request that has begun is finished
    peer_sends(&p, "GET / HT");
    session_drain(p.session);
    assert_int_equal(0, p.closes);
    peer_sends(&p, "TP/1.1\r\n" HOST "\r\n");
    assert_true(answered(&p, "200 OK"));
    assert_int_equal(1, p.closes);
    peer_drop(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_slow_head),
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_body_deadline),
        cmocka_unit_test(test_no_deadline_while_we_owe),
        cmocka_unit_test(test_answer_deadline),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_stream_nobody_reads),
        cmocka_unit_test(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
