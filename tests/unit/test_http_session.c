// SPDX-License-Identifier: MIT
// What a session makes of requests, good and bad, however they are cut into pieces.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_peer.h"

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST "\r\n"

// Sends b cut at i and j, or byte by byte, and writes down all that happened.
static void run(bytes b, size_t i, size_t j, bool single, bool end, struct text *all) {
    struct peer p;
    peer_open(&p);
    if (single)
        for (size_t at = 0; at < b.n; at++)
            peer_send(&p, bytes_slice(b, at, at + 1));
    else {
        peer_send(&p, bytes_slice(b, 0, i));
        peer_send(&p, bytes_slice(b, i, j));
        peer_send(&p, bytes_slice(b, j, b.n));
    }
    if (end && p.session != NULL)
        session_end(p.session, p.now);
    int closes = p.closes, idle = session_idle(p.session), paused = p.paused;
    peer_gone(&p);
    text_reset(all);
    text_add(all, text_bytes(&p.trace));
    text_addf(all, "-- closes %d, idle %d, paused %d, requests %d, finished %d\n", closes, idle,
              paused, p.requests, p.finished);
    text_add(all, text_bytes(&p.wire));
    assert_int_equal(p.requests, p.finished);
    assert_true(p.budget.used == 0);
    peer_drop(&p);
}

// Whole, byte by byte, and in every two (short ones: three) pieces: always the same.
static void assert_steady(bytes b, bool end, struct text *whole) {
    struct text other = {0};
    run(b, b.n, b.n, false, end, whole);
    run(b, 0, 0, true, end, &other);
    assert_string_equal(text_str(whole), text_str(&other));
    for (size_t i = 0; i <= b.n; i++)
        for (size_t j = b.n < 120 ? i : b.n; j <= b.n; j++) {
            run(b, i, j, false, end, &other);
            assert_string_equal(text_str(whole), text_str(&other));
        }
    text_drop(&other);
}

static void assert_has(const struct text *all, const char *expected) {
    if (strstr(text_str(all), expected) == NULL)
        fail_msg("expected \"%s\" in:\n%s", expected, text_str(all));
}

static void assert_has_not(const struct text *all, const char *unwanted) {
    if (strstr(text_str(all), unwanted) != NULL)
        fail_msg("unwanted \"%s\" in:\n%s", unwanted, text_str(all));
}

static void test_good_requests(void **state) {
    static const char *const rows[][2] = {
        {GET,
         "head GET /? | Host=a\ncomplete\nfinished\n-- closes 0, idle 1, paused 0, requests 1, "
         "finished 1\nHTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: "
         "0\r\n\r\n"},
        {"POST /w?a=b HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello",
         "head POST /w?a=b | Host=a | Content-Length=5\nbody 'hello'\ncomplete\nfinished\n-- "
         "closes 0, idle 1"},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", "complete\nfinished\n-- closes 0"},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
         "3\r\nabc\r\nA;x=\"y\";z\r\n0123456789\r\n0\r\nTrail: er\r\n\r\n",
         "body 'abc0123456789'\ncomplete\nfinished\n-- closes 0, idle 1"},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n",
         "Chunked\ncomplete\nfinished\n-- closes 0, idle 1"},
        {"GET / HTTP/1.1\r\nhOST:\t a \t\r\nEmpty:\r\nEmpty2: \r\nLast: x y\r\n\r\n",
         "| hOST=a | Empty= | Empty2= | Last=x y\n"},
        {"GET / HTTP/1.0\r\n\r\n", "finished\n-- closes 1, idle 0"},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "Connection: keep-alive\r\n\r\n"},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "Connection: close\r\n\r\n"},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", "-- closes 1, idle 0"},
        {"HEAD /big HTTP/1.1\r\n" HOST "\r\n",
         "idle 1, paused 0, requests 1, finished 1\nHTTP/1.1 200 OK\r\nContent-Type: "
         "text/plain\r\nContent-Length: 307200\r\n\r\n"},
        {"\r\n\r\n" GET, "head GET /?"},
        {"GET http://a/x?y HTTP/1.1\r\n" HOST "\r\n", "head GET /x?y"},
        {"GET http://a HTTP/1.1\r\n" HOST "\r\n", "head GET /? "},
        {"GET http://a?q HTTP/1.1\r\n" HOST "\r\n", "head GET /?q "},
        {"GET /x?u=http://b/c HTTP/1.1\r\n" HOST "\r\n", "head GET /x?u=http://b/c "},
        {"GET /? HTTP/1.1\r\n" HOST "\r\n", "head GET /? "},
        {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "head OPTIONS *?"},
        {"CONNECT b:443 HTTP/1.1\r\n" HOST "\r\n" GET, "head CONNECT b:443? | Host=a\ncomplete\n"
                                                       "finished\nhead GET /?"},
        {"POST / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n"
         "\r\nhi" GET,
         "body 'hi'\ncomplete\nfinished\nhead GET"},
        {"GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n" GET,
         "complete\nfinished\nhead GET /? | Host=a\ncomplete"},
        {"GET /stream HTTP/1.1\r\n" HOST "\r\n" GET,
         "Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n10\r\nsixteen bytes 16\r\n0\r\n\r\n"
         "HTTP/1.1 200 OK"},
        {"HEAD /stream HTTP/1.1\r\n" HOST "\r\n" GET,
         "Transfer-Encoding: chunked\r\n\r\nHTTP/1.1 200 OK"},
        {"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         "text/plain\r\nConnection: close\r\n\r\nonesixteen bytes 16"},
        {"GET /early HTTP/1.1\r\n" HOST "\r\n" GET,
         "405 Method Not Allowed\r\nContent-Type: text/plain\r\nAllow: POST\r\nContent-Length: "
         "2\r\n\r\nnoHTTP/1.1 200 OK"},
    };
    struct text all = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_steady(bytes_of(rows[i][0]), false, &all);
        assert_has(&all, rows[i][1]);
        assert_has_not(&all, "refused");
    }
    text_drop(&all);
}

static void test_malformed_requests(void **state) {
    static const char *const bad[] = {
        "x",
        "\r\n\r\nx",
        "BREW / HTTP/1.1\r\n" HOST "\r\n",
        "get / HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.1\n" HOST "\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "\n",
        "GET / HTTP/1.1\r" HOST "\r\n\r\n",
        "GET /#x HTTP/1.1\r\n" HOST "\r\n",
        "GET x HTTP/1.1\r\n" HOST "\r\n",
        "GET /a b HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST HOST "\r\n",
        "GET / HTTP/1.0\r\n" HOST HOST "\r\n",
        "GET / HTTP/1.1\r\n" HOST " folded: x\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X : a\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X\x80: a\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n\r\nhello",
        "POST / HTTP/1.1\r\n" HOST
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    };
    struct text all = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_steady(bytes_of(bad[i]), false, &all);
        if (strstr(text_str(&all), "HTTP/1.1 400 Bad Request") == NULL)
            fail_msg("row %zu was not refused: %s\n%s", i, bad[i], text_str(&all));
        assert_has(&all, "refused\n");
        assert_has(&all, "Connection: close\r\n");
        assert_has_not(&all, "head ");
        assert_has_not(&all, "200 OK");
    }
    assert_steady(B("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), false, &all);
    assert_has(&all, "400 Bad Request");
    assert_steady(B("GET / HTTP/1.1\r\n" HOST "X: \0\r\n\r\n"), false, &all);
    assert_has(&all, "400 Bad Request");
    text_drop(&all);
}

static void test_lying_chunks(void **state) {
    static const char *const bad[] = {
        "x\r\n",
        "-1\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        "\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "2\r\na\r\n0\r\n\r\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1 \r\na\r\n0\r\n\r\n",
        ";x\r\n",
        "fffffffffffffffff\r\n",
        "0\r\nbad trailer\r\n\r\n",
        "0\r\nX: y\r\n folded\r\n\r\n",
    };
    struct text all = {0}, request = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        text_reset(&request);
        text_adds(&request, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
        text_adds(&request, bad[i]);
        assert_steady(text_bytes(&request), false, &all);
        if (strstr(text_str(&all), "HTTP/1.1 400 Bad Request") == NULL)
            fail_msg("row %zu was not refused: %s\n%s", i, bad[i], text_str(&all));
        assert_has_not(&all, "complete");
    }
    text_drop(&all);
    text_drop(&request);
}

static void test_versions(void **state) {
    static const char *const bad[] = {
        "GET / HTTP/2.0\r\n" HOST "\r\n",
        "GET / HTTP/1.2\r\n" HOST "\r\n",
        "GET / HTTP/0.9\r\n" HOST "\r\n",
        "GET / HTTP/3.0\r\n" HOST "\r\n",
        "GET /\r\n\r\n",
    };
    struct text all = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_steady(bytes_of(bad[i]), false, &all);
        assert_has(&all, "HTTP/1.1 505 HTTP Version Not Supported");
    }
    assert_steady(B("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), false, &all);
    assert_has(&all, "refused\n");
    text_drop(&all);
}

static void add_header(struct text *t, size_t n) {
    text_adds(t, "X: ");
    for (size_t i = 0; i < n - 5; i++)
        text_addc(t, 'x');
    text_adds(t, "\r\n");
}

static void test_head_limits(void **state) {
    struct text request = {0}, all = {0};
    for (size_t size = 1023; size <= 1026; size++) {
        text_reset(&request);
        text_adds(&request, "GET / HTTP/1.1\r\n" HOST);
        add_header(&request, size - request.n - 2);
        text_adds(&request, "\r\n");
        assert_int_equal(size, request.n);
        assert_steady(text_bytes(&request), false, &all);
        assert_has(&all, size <= 1024 ? "200 OK" : "431 Request Header Fields Too Large");
    }
    // A flood without end, and of empty lines.
    text_reset(&request);
    while (request.n < 2000)
        text_adds(&request, "\r\n");
    assert_steady(text_bytes(&request), false, &all);
    assert_has(&all, "431");
    text_reset(&request);
    text_adds(&request, "GET /");
    while (request.n < 5000)
        text_addc(&request, 'a');
    assert_steady(text_bytes(&request), false, &all);
    assert_has(&all, "431");
    text_drop(&request);
    text_drop(&all);
}

static void test_header_count(void **state) {
    for (int count = HTTP_HEADERS_MAX; count <= HTTP_HEADERS_MAX + 1; count++) {
        struct peer p;
        peer_open(&p);
        p.limits.head_max = 16384;
        peer_sends(&p, "GET / HTTP/1.1\r\n" HOST);
        for (int i = 1; i < count; i++)
            peer_sends(&p, "Name: of some length, so that the block must grow\r\n");
        peer_sends(&p, "\r\n");
        assert_has(&p.wire, count > HTTP_HEADERS_MAX ? "431" : "200 OK");
        assert_int_equal(count > HTTP_HEADERS_MAX, p.refused);
        peer_drop(&p);
    }
}

static void test_body_limits(void **state) {
    struct text request = {0}, all = {0};
    assert_steady(B("POST / HTTP/1.1\r\n" HOST "Content-Length: 4097\r\n\r\n"), false, &all);
    assert_has(&all, "413 Content Too Large");
    assert_has_not(&all, "head ");
    assert_steady(B("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1001\r\n"), false,
                  &all);
    assert_has(&all, "413 Content Too Large");
    assert_steady(B("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
                    "ffffffffffffffff\r\n"),
                  false, &all);
    assert_has(&all, "body 'hello'\nrefused\nfinished\n");
    assert_has(&all, "413 Content Too Large");
    for (size_t n = 4096; n <= 4097; n++) {
        text_reset(&request);
        text_adds(&request, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
        for (size_t at = 0; at < n; at++)
            text_addf(&request, "1\r\n%c\r\n", (char)('a' + at % 26));
        text_adds(&request, "0\r\n\r\n");
        struct text other = {0};
        run(text_bytes(&request), request.n, request.n, false, false, &all);
        run(text_bytes(&request), 0, 0, true, false, &other);
        assert_string_equal(text_str(&all), text_str(&other));
        assert_has(&all, n == 4096 ? "200 OK" : "413 Content Too Large");
        text_drop(&other);
    }
    text_drop(&request);
    text_drop(&all);
}

static void add_many(struct text *t, const char *s, size_t n) {
    while (n-- > 0)
        text_adds(t, s);
}

// What frames the chunks is bounded too, wherever it is put.
static void test_framing_limits(void **state) {
    struct text r = {0}, all = {0}, other = {0};
    for (int row = 0; row < 6; row++) {
        text_reset(&r);
        text_adds(&r, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
        bool fits = row % 2 == 0;
        size_t n = fits ? 500 : 1500;
        if (row < 2) {
            text_adds(&r, "1;");
            add_many(&r, "e", n);
            text_adds(&r, "\r\na\r\n0\r\n\r\n");
        } else if (row < 4) {
            text_adds(&r, "1\r\na\r\n0\r\n");
            add_many(&r, "Trail: er\r\n", n / 11);
            text_adds(&r, "\r\n");
        } else {
            for (int i = 0; i < 10; i++) {
                text_adds(&r, "1;");
                add_many(&r, "e", n / 10);
                text_adds(&r, "\r\na\r\n");
            }
            text_adds(&r, "0\r\n\r\n");
        }
        run(text_bytes(&r), r.n, r.n, false, false, &all);
        run(text_bytes(&r), 0, 0, true, false, &other);
        assert_has(&all, fits ? "200 OK" : "431 Request Header Fields Too Large");
        assert_has(&other, fits ? "200 OK" : "431 Request Header Fields Too Large");
        if (fits)
            assert_string_equal(text_str(&all), text_str(&other));
    }
    text_reset(&r);
    text_adds(&r, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    add_many(&r, "0", 1200);
    run(text_bytes(&r), r.n, r.n, false, false, &all);
    assert_has(&all, "431");
    text_drop(&r);
    text_drop(&all);
    text_drop(&other);
}

static void test_pipelining(void **state) {
    struct text all = {0};
    assert_steady(B("POST /a HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc" GET
                    "POST /b HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
                    "\r\n" GET "\r\n" GET "GET /half"),
                  false, &all);
    assert_has(&all, "head POST /a? | Host=a | Content-Length=3\nbody 'abc'\ncomplete\nfinished\n"
                     "head GET /? | Host=a\ncomplete\nfinished\nhead POST /b?");
    assert_has(&all, "-- closes 0, idle 0, paused 0, requests 5, finished 5");
    // Nothing behind a close is a request.
    assert_steady(B("GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" GET), false, &all);
    assert_has(&all, "requests 1, finished 1");
    text_drop(&all);
}

static void test_later_answers(void **state) {
    struct peer p;
    peer_open(&p);
    peer_sends(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n" GET "GET /later HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(1, p.requests);
    assert_int_equal(0, p.wire.n);
    assert_true(p.paused);
    peer_sends(&p, GET); // came in although reading is paused
    session_answer(p.session, 200, NO_BYTES, NULL, 0, NO_BYTES);
    assert_int_equal(3, p.requests);
    assert_int_equal(2, p.finished);
    assert_true(p.paused);
    session_answer(p.session, 204, NO_BYTES, NULL, 0, NO_BYTES);
    assert_int_equal(4, p.requests);
    assert_int_equal(4, p.finished);
    assert_false(p.paused);
    assert_true(session_idle(p.session));
    assert_true(p.budget.used == 0);
    assert_has(&p.wire, "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK");
    // The idle time begins with the answer, though nobody told the time then.
    p.now += 59000000;
    session_tick(p.session, p.now);
    assert_int_equal(0, p.closes);
    assert_true(session_due(p.session) == p.now + 60000000);
    peer_drop(&p);
}

static void test_waiting_is_bounded(void **state) {
    struct peer p;
    peer_open(&p);
    peer_sends(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    char piece[1024];
    memset(piece, 'x', sizeof piece);
    for (int i = 0; i < 1000; i++)
        peer_send(&p, bytes_from(piece, sizeof piece));
    assert_true(p.budget.used < (int64_t)HTTP_WAITING_MAX + 16384);
    session_answer(p.session, 200, NO_BYTES, NULL, 0, NO_BYTES);
    assert_has(&p.wire, "Connection: close");
    assert_int_equal(1, p.closes);
    peer_drop(&p);
}

static void test_early_answers(void **state) {
    struct peer p;
    static const char *const rows[] = {"/early", "/mid"};
    for (int i = 0; i < 2; i++) {
        peer_open(&p);
        struct text head = {0};
        text_addf(&head, "POST %s HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabcde", rows[i]);
        peer_send(&p, text_bytes(&head));
        text_drop(&head);
        assert_has(&p.wire, "Connection: close\r\n");
        assert_int_equal(p.requests, p.finished);
        assert_int_equal(0, p.closes); // the rest is awaited, so that the answer is not lost
        assert_true(p.budget.used == 0);
        size_t n = p.wire.n;
        peer_sends(&p, "fgh");
        assert_int_equal(0, p.closes);
        peer_sends(&p, "ij" GET);
        assert_int_equal(1, p.closes);
        assert_int_equal(n, p.wire.n);
        peer_sends(&p, GET);
        peer_drop(&p);
    }
}

static void test_early_answer_from_outside(void **state) {
    struct peer p;
    peer_open(&p);
    peer_sends(&p, "POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabcde");
    session_answer(p.session, 503, NO_BYTES, NULL, 0, NO_BYTES);
    assert_int_equal(1, p.finished);
    assert_has(&p.wire, "Connection: close");
    assert_true(session_due(p.session) == INT64_MIN);
    peer_wait(&p, 1);
    assert_int_equal(0, p.closes);
    peer_wait(&p, 1000);
    assert_int_equal(1, p.closes);
    assert_true(session_due(p.session) == INT64_MAX);
    peer_drop(&p);
}

static void test_linger_is_bounded(void **state) {
    struct peer p;
    char piece[4096];
    memset(piece, 'x', sizeof piece);
    peer_open(&p);
    peer_sends(&p, "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999\r\n\r\n");
    assert_has(&p.wire, "413");
    assert_int_equal(HTTP_BODY_LARGE, p.why);
    int sent = 0;
    for (; p.closes == 0 && sent < 1000; sent++)
        peer_send(&p, bytes_from(piece, sizeof piece));
    assert_int_equal(257, sent);
    peer_drop(&p);

    peer_open(&p);
    peer_sends(&p, "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999\r\n\r\n");
    int64_t began = p.now;
    while (p.closes == 0) {
        peer_wait(&p, 500);
        peer_sends(&p, "drip");
    }
    assert_true(p.now - began == 20000000);
    peer_drop(&p);
}

static void test_continue(void **state) {
#define EXPECT "POST %s HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-Continue\r\n\r\n%s"
    static const struct {
        const char *path, *body;
        bool hundred;
    } rows[] = {{"/", "", true}, {"/", "h", false}, {"/early", "", false}, {"/", "hello", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct peer p;
        struct text t = {0};
        peer_open(&p);
        text_addf(&t, EXPECT, rows[i].path, rows[i].body);
        peer_send(&p, text_bytes(&t));
        bool hundred = strstr(text_str(&p.wire), "HTTP/1.1 100 Continue\r\n\r\n") != NULL;
        assert_int_equal(rows[i].hundred, hundred);
        size_t n = p.wire.n;
        if (rows[i].hundred) {
            peer_sends(&p, "he");
            assert_int_equal(n, p.wire.n);
            peer_sends(&p, "llo");
            assert_has(&p.wire, "100 Continue\r\n\r\nHTTP/1.1 200 OK");
        }
        text_drop(&t);
        peer_drop(&p);
    }
    struct text all = {0};
    assert_steady(B("POST / HTTP/1.1\r\n" HOST "Expect: 200-ok\r\n\r\n"), false, &all);
    assert_has(&all, "417 Expectation Failed");
    assert_steady(B("POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nExpect: 100-continue\r\n"
                    "\r\n"),
                  false, &all);
    assert_has(&all, "417");
    assert_steady(B("GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n"), false, &all);
    assert_has_not(&all, "100 Continue");
    assert_steady(B("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"), false,
                  &all);
    assert_has_not(&all, "100 Continue");
    text_drop(&all);
}

static void test_half_closed(void **state) {
    struct text all = {0};
    assert_steady(B(GET), true, &all);
    assert_has(&all, "200 OK");
    assert_has(&all, "closes 1");
    assert_steady(B(GET GET), true, &all);
    assert_has(&all, "requests 2, finished 2");
    assert_steady(NO_BYTES, true, &all);
    assert_string_equal("-- closes 1, idle 0, paused 0, requests 0, finished 0\n", text_str(&all));
    assert_steady(B("GET / HT"), true, &all);
    assert_has(&all, "refused\n-- closes 1");
    assert_has(&all, "400 Bad Request");
    assert_steady(B("POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhell"), true, &all);
    assert_has(&all, "body 'hell'\nrefused\nfinished\n-- closes 1");
    text_drop(&all);

    struct peer p;
    peer_open(&p); // whole requests are answered still
    peer_sends(&p, "GET /later HTTP/1.1\r\n" HOST "\r\nGET /later HTTP/1.1\r\n" HOST "\r\n");
    session_end(p.session, p.now);
    assert_int_equal(0, p.closes);
    session_answer(p.session, 200, NO_BYTES, NULL, 0, NO_BYTES);
    assert_int_equal(2, p.requests);
    assert_int_equal(0, p.closes);
    session_answer(p.session, 200, NO_BYTES, NULL, 0, NO_BYTES);
    assert_has(&p.wire, "Connection: close");
    assert_int_equal(1, p.closes);
    assert_int_equal(0, p.refused);
    peer_drop(&p);

    peer_open(&p); // a stream ends
    peer_sends(&p, "GET /later HTTP/1.1\r\n" HOST "\r\n");
    session_answer_start(p.session, 200, NO_BYTES);
    session_end(p.session, p.now);
    assert_int_equal(1, p.closes);
    assert_int_equal(1, p.finished);
    peer_drop(&p);
}

static void test_budget(void **state) {
    struct peer p;
    peer_open(&p);
    p.budget.max = 100;
    peer_sends(&p, GET);
    assert_has(&p.wire, "503 Service Unavailable");
    assert_has(&p.wire, "Retry-After: 1\r\n");
    assert_int_equal(HTTP_NO_MEMORY, p.why);
    assert_true(p.budget.used == 0);
    peer_drop(&p);

    struct http_budget b = {.max = 10};
    assert_true(http_budget_take(&b, 10));
    assert_false(http_budget_take(&b, 1));
    http_budget_give(&b, 4);
    assert_true(http_budget_take(&b, 4));
    assert_true(b.used == 10);
}

// The connection may go away inside any call; memory checkers see the rest.
static void test_closed_inside(void **state) {
    static const char *const paths[] = {"/", "/later", "/early", "/mid", "/stream", "/big"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        for (int where = 0; where < 5; where++) {
            struct peer p;
            struct text t = {0};
            peer_open(&p);
            p.close_in_head = where == 0;
            p.close_in_body = where == 1;
            p.close_in_complete = where == 2;
            p.close_in_write = where == 3;
            text_addf(&t, "POST %s HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello" GET,
                      paths[i]);
            peer_send(&p, text_bytes(&t));
            peer_gone(&p);
            assert_int_equal(p.requests, p.finished);
            assert_true(p.budget.used == 0);
            text_drop(&t);
            peer_drop(&p);
        }
}

static void test_peer_left(void **state) {
    static const struct {
        const char *sent;
        int refused;
    } rows[] = {{"", 0},
                {"GET", 1},
                {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhell", 1},
                {"GET /later HTTP/1.1\r\n" HOST "\r\n", 0},
                {GET, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct peer p;
        peer_open(&p);
        peer_sends(&p, rows[i].sent);
        peer_gone(&p);
        assert_int_equal(rows[i].refused, p.refused);
        assert_int_equal(p.requests, p.finished);
        if (p.refused)
            assert_int_equal(HTTP_PEER_LEFT, p.why);
        peer_drop(&p);
    }
}

static void test_reasons(void **state) {
    assert_string_equal("Not Found", http_reason(404));
    assert_string_equal("Unknown", http_reason(299));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_requests),
        cmocka_unit_test(test_malformed_requests),
        cmocka_unit_test(test_lying_chunks),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_head_limits),
        cmocka_unit_test(test_header_count),
        cmocka_unit_test(test_body_limits),
        cmocka_unit_test(test_framing_limits),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_later_answers),
        cmocka_unit_test(test_waiting_is_bounded),
        cmocka_unit_test(test_early_answers),
        cmocka_unit_test(test_early_answer_from_outside),
        cmocka_unit_test(test_linger_is_bounded),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_closed_inside),
        cmocka_unit_test(test_peer_left),
        cmocka_unit_test(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
