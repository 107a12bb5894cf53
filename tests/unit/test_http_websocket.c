// SPDX-License-Identifier: MIT
// WebSockets on a session whose peer is made of memory: handshakes and frames, good and bad,
// however they are cut into pieces, and each way in which a connection ends.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/metrics.h"
#include "http/websocket.h"

#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" // RFC 6455 §1.3
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ASK "GET /chat HTTP/1.1\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n"
#define ACCEPTED                                                                                   \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
#define MESSAGE_MAX 70000
#define UNSENT_MAX 5000

enum in_message { NOTHING, ECHO, DROP, CLOSE, GO, FLOOD };

struct house {
    struct session *session;
    struct http_limits http;
    struct http_budget budget;
    struct websocket_limits limits;
    struct websocket *websocket;
    struct session *owes; // a request that is upgraded later, and its head
    const struct http_request *asked;
    struct text trace, wire; // what the handler saw, what went out
    const char *protocol;
    int64_t now;
    size_t unsent;
    int closes, closed, finished;
    int64_t linger_ms;
    bool paused, later, go_in_write;
    enum in_message in_message;
};

static void go(struct house *h) {
    struct session *s = h->session;
    h->session = NULL;
    if (s != NULL)
        session_close(s);
}

static void on_message(void *ctx, bytes text) {
    struct house *h = ctx;
    assert_int_equal(0, h->closed);
    text_adds(&h->trace, "message '");
    if (text.n > 100)
        text_addf(&h->trace, "%zu bytes", text.n);
    else
        text_add(&h->trace, text);
    text_adds(&h->trace, "'\n");
    switch (h->in_message) {
    case NOTHING: break;
    case ECHO: websocket_send(h->websocket, text); break;
    case DROP:
        websocket_drop(h->websocket);
        h->websocket = NULL;
        assert_true(bytes_utf8(text)); // still there
        break;
    case CLOSE: websocket_close(h->websocket, 1000, B("enough")); break;
    case GO: go(h); break;
    case FLOOD:
        h->unsent = UNSENT_MAX + 1;
        websocket_send(h->websocket, B("more"));
        assert_int_equal(1, h->closed);
        break;
    }
}

static void on_closed(void *ctx) {
    struct house *h = ctx;
    h->closed++;
    h->websocket = NULL;
    text_adds(&h->trace, "closed\n");
}

static const struct websocket_handler socket_side = {on_message, on_closed};

static void open_later(struct house *h) {
    h->websocket = websocket_open(h->owes, h->asked, h->protocol, &h->limits, &socket_side, h);
}

static enum http_verdict on_head(void *ctx, struct session *s, const struct http_request *r,
                                 void **request_ctx) {
    struct house *h = ctx;
    OWN(text_drop)
    struct text why = {0};
    *request_ctx = h;
    if (!websocket_asked(r, &why)) {
        session_answer(s, 400, B("text/plain"), NULL, 0, text_bytes(&why));
        return HTTP_ANSWERED;
    }
    assert_int_equal(0, why.n);
    h->owes = s;
    h->asked = r;
    if (h->later)
        return HTTP_READ_BODY;
    open_later(h);
    return HTTP_ANSWERED;
}

static bool on_body(void *ctx, struct session *s, bytes piece) {
    fail_msg("no body is asked for");
    return true;
}

static void on_complete(void *ctx, struct session *s) {}

static void on_finished(void *ctx) { ((struct house *)ctx)->finished++; }

static void on_refused(void *ctx, enum http_refusal why) {
    text_adds(&((struct house *)ctx)->trace, "refused\n");
}

static const struct http_handler http_side = {on_head, on_body, on_complete, on_finished,
                                              on_refused};

static void out_write(void *ctx, bytes b) {
    struct house *h = ctx;
    assert_non_null(h->session);
    text_add(&h->wire, b);
    if (h->go_in_write)
        go(h);
}

static void out_close(void *ctx, int64_t linger_ms) {
    struct house *h = ctx;
    h->closes++;
    h->linger_ms = linger_ms;
}

static void out_pause(void *ctx, bool pause) {
    struct house *h = ctx;
    assert_int_equal(0, h->closes);
    h->paused = pause;
}

static size_t out_unsent(void *ctx) { return ((struct house *)ctx)->unsent; }

static const struct http_out out = {out_write, out_close, out_pause, out_unsent};

static void house_open(struct house *h) {
    *h = (struct house){
        .http = {.head_max = 1024,
                 .body_max = 4096,
                 .head_ms = 10000,
                 .body_ms = 30000,
                 .idle_ms = 60000,
                 .rate_min = 100,
                 .answer_ms = 20000,
                 .owed_ms = 7000},
        .limits = {.message_max = MESSAGE_MAX, .unsent_max = UNSENT_MAX, .silent_ms = 15000},
        .budget = {.max = 1024 * 1024},
        .now = 1000000000,
    };
    metrics_reset();
    h->session = session_open(&h->http, &http_side, h, &out, h, &h->budget, h->now);
}

static void house_close(struct house *h) {
    go(h);
    assert_int_equal(0, h->budget.used);
    assert_int_equal(0, metric_get(METRIC_STRANGER_BYTES));
    text_drop(&h->trace);
    text_drop(&h->wire);
}

// Each piece comes in memory of its own, so that reading past it is found out.
static void feed(struct house *h, bytes b) {
    if (h->session == NULL || b.n == 0)
        return;
    uint8_t *copy = malloc(b.n);
    memcpy(copy, b.p, b.n);
    session_data(h->session, bytes_from(copy, b.n), h->now);
    free(copy);
}

static void wait_ms(struct house *h, int64_t ms) {
    h->now += ms * 1000;
    if (h->session != NULL && session_due(h->session) <= h->now)
        session_tick(h->session, h->now);
}

static void house_connect(struct house *h) {
    house_open(h);
    feed(h, B(ASK));
    assert_string_equal(ACCEPTED, text_str(&h->wire));
    assert_non_null(h->websocket);
    assert_false(session_idle(h->session));
    text_reset(&h->wire);
}

// A client's frame; `first` has FIN, the reserved bits and the opcode.
static void add_frame(struct text *t, uint8_t first, bytes payload) {
    static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    text_addc(t, (char)first);
    if (payload.n < 126) {
        text_addc(t, (char)(0x80 | payload.n));
    } else if (payload.n < 65536) {
        text_addc(t, (char)(0x80 | 126));
        text_addc(t, (char)(payload.n >> 8));
        text_addc(t, (char)payload.n);
    } else {
        text_addc(t, (char)(0x80 | 127));
        for (int shift = 56; shift >= 0; shift -= 8)
            text_addc(t, (char)((uint64_t)payload.n >> shift));
    }
    text_add(t, bytes_from(mask, 4));
    for (size_t i = 0; i < payload.n; i++)
        text_addc(t, (char)(payload.p[i] ^ mask[i % 4]));
}

static void send_frame(struct house *h, uint8_t first, bytes payload) {
    OWN(text_drop)
    struct text t = {0};
    add_frame(&t, first, payload);
    feed(h, text_bytes(&t));
}

#define TEXT 0x81
#define PING 0x89
#define PONG 0x8a
#define CLOSED 0x88

// --- handshakes

static void test_handshake(void **state) {
    static const char *const good[] = {
        "GET / HTTP/1.1\r\nHost: a\r\nupgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n" KEY
            VERSION "\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c,websocket\r\nConnection: x\r\n"
        "Connection: ,Upgrade\r\n" KEY VERSION "Origin: b\r\nSec-WebSocket-Protocol: p\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate\r\nContent-Length: 0\r\n\r\n",
        "GET /chat?a=b HTTP/1.1\r\nHost: a\r\n" UPGRADE "Sec-WebSocket-Key:  "
        "dGhlIHNhbXBsZSBub25jZQ== \r\n" VERSION "\r\n",
    };
    struct house h;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        house_open(&h);
        feed(&h, bytes_of(good[i]));
        assert_string_equal(ACCEPTED, text_str(&h.wire));
        house_close(&h);
        assert_int_equal(1, h.closed);
        assert_int_equal(0, h.finished);
    }
    house_open(&h);
    h.protocol = "stripecli-devproxy-v1";
    feed(&h, B(ASK));
    assert_non_null(strstr(text_str(&h.wire), "\r\nSec-WebSocket-Protocol: stripecli-devproxy-v1"
                                              "\r\n\r\n"));
    house_close(&h);
}

static void test_bad_handshakes(void **state) {
#define HOST " / HTTP/1.1\r\nHost: a\r\n"
    static const char *const bad[][2] = {
        {"GET" HOST "\r\n", "Upgrade: websocket and"},
        {"POST" HOST UPGRADE KEY VERSION "Content-Length: 0\r\n\r\n", "by GET"},
        {"HEAD" HOST UPGRADE KEY VERSION "\r\n", "400"},
        {"GET / HTTP/1.0\r\nHost: a\r\n" UPGRADE KEY VERSION "\r\n", "of HTTP/1.1"},
        {"GET" HOST "Connection: Upgrade\r\n" KEY VERSION "\r\n", "Upgrade: websocket and"},
        {"GET" HOST "Upgrade: websocket\r\n" KEY VERSION "\r\n", "Upgrade: websocket and"},
        {"GET" HOST "Upgrade: websocke\r\nConnection: Upgrade\r\n" KEY VERSION "\r\n",
         "Upgrade: websocket and"},
        {"GET" HOST "Upgrade: websocket\r\nConnection: close\r\n" KEY VERSION "\r\n",
         "Upgrade: websocket and"},
        {"GET" HOST UPGRADE KEY "\r\n", "version 13"},
        {"GET" HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", "version 13"},
        {"GET" HOST UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n\r\n", "version 13"},
        {"GET" HOST UPGRADE KEY VERSION VERSION "\r\n", "version 13"},
        {"GET" HOST UPGRADE VERSION "\r\n", "16 bytes in base64"},
        {"GET" HOST UPGRADE VERSION KEY KEY "\r\n", "16 bytes in base64"},
        {"GET" HOST UPGRADE VERSION "Sec-WebSocket-Key:\r\n\r\n", "16 bytes in base64"},
        {"GET" HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n\r\n",
         "16 bytes in base64"},
        {"GET" HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ===\r\n\r\n",
         "16 bytes in base64"},
        {"GET" HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n\r\n",
         "16 bytes in base64"},
        {"GET" HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub-5jZQ==\r\n\r\n",
         "16 bytes in base64"},
        {"GET" HOST UPGRADE KEY VERSION "Content-Length: 1\r\n\r\nx", "no body"},
        {"GET" HOST UPGRADE KEY VERSION "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "no body"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct house h;
        house_open(&h);
        feed(&h, bytes_of(bad[i][0]));
        if (strstr(text_str(&h.wire), "HTTP/1.1 400 ") == NULL ||
            strstr(text_str(&h.wire), bad[i][1]) == NULL)
            fail_msg("row %zu: %s\n%s", i, bad[i][0], text_str(&h.wire));
        assert_null(h.websocket);
        house_close(&h);
    }
}

static void test_no_room_for_one(void **state) {
    struct house h;
    house_open(&h);
    h.budget.max = 8000; // a head, but no more
    feed(&h, B(ASK));
    assert_null(h.websocket);
    assert_non_null(strstr(text_str(&h.wire), "HTTP/1.1 503 "));
    assert_int_equal(1, metric_get(METRIC_WEBSOCKET_NO_MEMORY));
    assert_true(session_idle(h.session)); // and the next request may come
    house_close(&h);
}

// --- frames

static void play(bytes b, size_t i, size_t step, struct text *all) {
    struct house h;
    house_open(&h);
    h.in_message = ECHO;
    feed(&h, bytes_slice(b, 0, i));
    for (size_t at = i; at < b.n; at += step)
        feed(&h, bytes_slice(b, at, at + step));
    text_reset(all);
    text_addf(all, "-- closes %d, paused %d\n", h.closes, h.paused);
    text_add(all, text_bytes(&h.trace));
    text_add(all, text_bytes(&h.wire));
    house_close(&h);
    assert_int_equal(1, h.closed);
}

// Behind the handshake at once, byte by byte, and in two pieces: always the same.
static void test_pieces(void **state) {
    char big[70000];
    memset(big, 'x', sizeof big);
    OWN(text_drop)
    struct text in = {0}, whole = {0}, other = {0}, expected = {0};
    text_adds(&in, ASK);
    add_frame(&in, TEXT, B("Hello"));
    add_frame(&in, PING, B("are you there"));
    add_frame(&in, TEXT, NO_BYTES);
    add_frame(&in, 0x01, B("fragments \xc3")); // of a character too
    add_frame(&in, PING, NO_BYTES);
    add_frame(&in, 0x00, NO_BYTES);
    add_frame(&in, PONG, B("unasked"));
    add_frame(&in, 0x80, B("\xa9."));
    add_frame(&in, TEXT, bytes_from(big, 126));
    add_frame(&in, CLOSED,
              B("\x03\xe8"
                "bye"));
    add_frame(&in, TEXT, B("too late"));
    play(text_bytes(&in), in.n, in.n, &whole);
    text_adds(&expected, "-- closes 1, paused 0\nmessage 'Hello'\nmessage ''\n"
                         "message 'fragments \xc3\xa9.'\nmessage '126 bytes'\nclosed\n" ACCEPTED
                         "\x81\x05Hello\x8a\x0d"
                         "are you there\x81");
    text_add(&expected, B("\0\x8a\0\x81\x0d"
                          "fragments \xc3\xa9.\x81\x7e\0\x7e"));
    text_add(&expected, bytes_from(big, 126));
    text_add(&expected, B("\x88\x02\x03\xe8"));
    assert_true(bytes_equal(text_bytes(&expected), text_bytes(&whole)));
    play(text_bytes(&in), 0, 1, &other);
    assert_true(bytes_equal(text_bytes(&whole), text_bytes(&other)));
    for (size_t i = 1; i < in.n; i++) {
        play(text_bytes(&in), i, in.n, &other);
        assert_true(bytes_equal(text_bytes(&whole), text_bytes(&other)));
    }
    text_reset(&in); // longer than all buffers
    text_adds(&in, ASK);
    add_frame(&in, TEXT, bytes_from(big, 65535));
    add_frame(&in, TEXT, bytes_from(big, sizeof big));
    add_frame(&in, 0x01, bytes_from(big, 40000));
    add_frame(&in, 0x80, bytes_from(big, 30000));
    play(text_bytes(&in), in.n, in.n, &whole);
    assert_non_null(strstr(text_str(&whole), "message '65535 bytes'\nmessage '70000 bytes'\n"
                                             "message '70000 bytes'\n"));
    play(text_bytes(&in), 0, 1000, &other);
    assert_true(bytes_equal(text_bytes(&whole), text_bytes(&other)));
}

// The Close frame that went out last, with this code.
static void assert_refused(struct house *h, uint16_t code) {
    const uint8_t expected[] = {0x88, 2, (uint8_t)(code >> 8), (uint8_t)code};
    assert_true(bytes_ends(text_bytes(&h->wire), bytes_from(expected, sizeof expected)));
    assert_int_equal(1, h->closed);
    assert_int_equal(1, h->closes);
    assert_int_equal(20000, h->linger_ms);
    send_frame(h, TEXT, B("not read any more"));
    assert_true(bytes_ends(text_bytes(&h->trace), B("closed\n")));
}

static void test_bad_frames(void **state) {
    static const struct {
        bytes frames; // with a mask of zeros, so that bytes stand for themselves
        uint16_t code;
    } bad[] = {
        {BYTES_INIT("\x81\x02hi"), 1002},         // unmasked
        {BYTES_INIT("\x88\x00"), 1002},           // unmasked
        {BYTES_INIT("\xc1\x82\0\0\0\0hi"), 1002}, // reserved bits
        {BYTES_INIT("\xa1\x82\0\0\0\0hi"), 1002},
        {BYTES_INIT("\x91\x80\0\0\0\0"), 1002},
        {BYTES_INIT("\xf9\x80\0\0\0\0"), 1002},
        {BYTES_INIT("\x83\x80\0\0\0\0"), 1002}, // reserved opcodes
        {BYTES_INIT("\x87\x81\0\0\0\0x"), 1002},
        {BYTES_INIT("\x8b\x80\0\0\0\0"), 1002},
        {BYTES_INIT("\x8f\x80\0\0\0\0"), 1002},
        {BYTES_INIT("\x89\xfe\0\x7e\0\0\0\0"), 1002}, // control frames: too long,
        {BYTES_INIT("\x88\xff\0\0\0\0\0\1\0\0\0\0\0\0"), 1002},
        {BYTES_INIT("\x09\x80\0\0\0\0"), 1002}, // fragmented
        {BYTES_INIT("\x08\x82\0\0\0\0\x03\xe8"), 1002},
        {BYTES_INIT("\x80\x81\0\0\0\0x"), 1002}, // nothing to continue
        {BYTES_INIT("\x00\x81\0\0\0\0x"), 1002},
        {BYTES_INIT("\x01\x81\0\0\0\0x\x81\x81\0\0\0\0y"), 1002}, // a message inside of one
        {BYTES_INIT("\x01\x80\0\0\0\0\x82\x81\0\0\0\0y"), 1002},
        {BYTES_INIT("\x81\xfe\0\x7d\0\0\0\0"), 1002}, // lengths that were shorter
        {BYTES_INIT("\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0"), 1002},
        {BYTES_INIT("\x81\xff\x80\0\0\0\0\1\0\0\0\0\0\0x"), 1002}, // over 2^63
        {BYTES_INIT("\x82\x81\0\0\0\0x"), 1003},                   // binary
        {BYTES_INIT("\x02\x80\0\0\0\0"), 1003},
        {BYTES_INIT("\x81\x81\0\0\0\0\xff"), 1007}, // no UTF-8
        {BYTES_INIT("\x81\x83\0\0\0\0\xed\xa0\x80"), 1007},
        {BYTES_INIT("\x81\x82\0\0\0\0\xc0\x80"), 1007},
        {BYTES_INIT("\x01\x81\0\0\0\0\xc3\x80\x81\0\0\0\0x"), 1007},
        {BYTES_INIT("\x81\x81\0\0\0\0\xc3"), 1007},     // half a character
        {BYTES_INIT("\x88\x81\0\0\0\0\x03"), 1002},     // Close: half a code
        {BYTES_INIT("\x88\x82\0\0\0\0\x03\xe7"), 1002}, // codes not to be sent
        {BYTES_INIT("\x88\x82\0\0\0\0\x03\xed"), 1002}, // 1005
        {BYTES_INIT("\x88\x82\0\0\0\0\x03\xee"), 1002}, // 1006
        {BYTES_INIT("\x88\x82\0\0\0\0\x03\xf7"), 1002}, // 1015
        {BYTES_INIT("\x88\x82\0\0\0\0\x0b\xb7"), 1002}, // 2999
        {BYTES_INIT("\x88\x82\0\0\0\0\x13\x88"), 1002}, // 5000
        {BYTES_INIT("\x88\x82\0\0\0\0\0\0"), 1002},
        {BYTES_INIT("\x88\x83\0\0\0\0\x03\xe8\xff"), 1007},
        {BYTES_INIT("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 1002},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (size_t step = 1; step <= 100; step += 99) {
            struct house h;
            house_connect(&h);
            for (size_t at = 0; at < bad[i].frames.n; at += step)
                feed(&h, bytes_slice(bad[i].frames, at, at + step));
            const uint8_t code[] = {(uint8_t)(bad[i].code >> 8), (uint8_t)bad[i].code};
            if (!bytes_ends(text_bytes(&h.wire), bytes_from(code, 2)))
                fail_msg("row %zu: %s, %zu bytes", i, text_str(&h.trace), h.wire.n);
            assert_refused(&h, bad[i].code);
            assert_string_equal("closed\n", text_str(&h.trace));
            assert_int_equal(1, metric_get(METRIC_WEBSOCKET_BAD));
            house_close(&h);
            assert_int_equal(1, h.closed);
        }
}

static void test_good_closes(void **state) {
    static const struct {
        bytes payload, answer;
    } good[] = {
        {BYTES_INIT(""), BYTES_INIT("\x88\0")},
        {BYTES_INIT("\x03\xe9"), BYTES_INIT("\x88\x02\x03\xe9")},
        {BYTES_INIT("\x03\xf3why"), BYTES_INIT("\x88\x02\x03\xf3")},
        {BYTES_INIT("\x0b\xb8\xc3\xa9"), BYTES_INIT("\x88\x02\x0b\xb8")},
        {BYTES_INIT("\x13\x87"), BYTES_INIT("\x88\x02\x13\x87")},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct house h;
        house_connect(&h);
        send_frame(&h, CLOSED, good[i].payload);
        assert_true(bytes_equal(text_bytes(&h.wire), good[i].answer));
        assert_int_equal(1, h.closed);
        assert_int_equal(1, h.closes);
        assert_int_equal(20000, h.linger_ms);
        assert_int_equal(0, metric_get(METRIC_WEBSOCKET_BAD));
        house_close(&h);
        assert_int_equal(1, h.closed);
    }
}

static void test_message_cap(void **state) {
    static char big[MESSAGE_MAX + 1];
    memset(big, 'x', sizeof big);
    struct house h;
    house_connect(&h);
    int64_t used = h.budget.used;
    send_frame(&h, 0x01, bytes_from(big, MESSAGE_MAX));
    assert_int_equal(used + MESSAGE_MAX, h.budget.used);
    send_frame(&h, 0x80, NO_BYTES);
    assert_string_equal("message '70000 bytes'\n", text_str(&h.trace));
    send_frame(&h, TEXT, bytes_from(big, MESSAGE_MAX + 1));
    assert_refused(&h, 1009);
    assert_int_equal(1, metric_get(METRIC_WEBSOCKET_LARGE));
    house_close(&h);

    house_connect(&h); // in fragments
    send_frame(&h, 0x01, bytes_from(big, MESSAGE_MAX));
    send_frame(&h, 0x00, NO_BYTES);
    send_frame(&h, PING, NO_BYTES);
    send_frame(&h, 0x80, bytes_from(big, 1));
    assert_refused(&h, 1009);
    house_close(&h);

    house_connect(&h); // what is only said takes nothing
    used = h.budget.used;
    feed(&h, B("\x81\xff\0\0\0\0\0\1\0\0\0\0\0\0"));
    assert_int_equal(used, h.budget.used);
    feed(&h, B("x"));
    assert_int_equal(used + 512, h.budget.used);
    for (int i = 0; i < 1000; i++)
        feed(&h, B("xx"));
    assert_int_equal(used + 2048, h.budget.used);
    house_close(&h);

    house_connect(&h); // fragments without end, and without a byte
    send_frame(&h, 0x01, NO_BYTES);
    used = h.budget.used;
    for (int i = 0; i < 1000; i++)
        send_frame(&h, 0x00, NO_BYTES);
    assert_int_equal(used, h.budget.used);
    send_frame(&h, 0x80, B("x"));
    assert_string_equal("message 'x'\n", text_str(&h.trace));
    assert_int_equal(used, h.budget.used); // nothing is kept in between
    house_close(&h);

    house_connect(&h);
    h.budget.max = h.budget.used + 1000;
    send_frame(&h, TEXT, bytes_from(big, 1001));
    assert_refused(&h, 1013);
    assert_int_equal(1, metric_get(METRIC_WEBSOCKET_NO_MEMORY));
    house_close(&h);
}

// --- ends

static void assert_cut(struct house *h) {
    assert_int_equal(1, h->closed);
    assert_int_equal(1, h->closes);
    assert_int_equal(0, h->linger_ms);
    assert_null(h->websocket);
    house_close(h);
    assert_int_equal(1, h->closed);
}

static void test_peer_does_not_read(void **state) {
    struct house h;
    house_connect(&h);
    h.unsent = UNSENT_MAX;
    websocket_send(h.websocket, B("just fits"));
    assert_int_equal(0, h.closed);
    assert_int_equal(UNSENT_MAX, websocket_unsent(h.websocket));
    h.unsent++;
    websocket_send(h.websocket, B("too much"));
    assert_int_equal(1, metric_get(METRIC_WEBSOCKET_UNREAD));
    assert_cut(&h);

    house_connect(&h); // but asks and asks
    h.unsent = UNSENT_MAX + 1;
    send_frame(&h, PING, NO_BYTES);
    send_frame(&h, PING, NO_BYTES);
    assert_cut(&h);

    house_open(&h); // a slow one is not cut for being slow
    h.unsent = 1;
    feed(&h, B(ASK));
    for (int i = 0; i < 10; i++) {
        send_frame(&h, PING, NO_BYTES);
        websocket_send(h.websocket, B("x"));
        wait_ms(&h, 14000);
    }
    assert_int_equal(0, h.closed);
    h.in_message = FLOOD;
    send_frame(&h, TEXT, B("send me more"));
    assert_cut(&h);
}

static void test_silent_peer(void **state) {
    struct house h;
    house_connect(&h);
    assert_true(session_due(h.session) == h.now + 15000000);
    wait_ms(&h, 14999);
    send_frame(&h, PING, NO_BYTES);
    wait_ms(&h, 14999);
    feed(&h, B("\x81")); // a byte is a sign of life too
    wait_ms(&h, 14999);
    assert_int_equal(0, h.closed);
    wait_ms(&h, 1);
    assert_int_equal(1, metric_get(METRIC_WEBSOCKET_SILENT));
    assert_cut(&h);
}

static void test_close_from_here(void **state) {
    struct house h;
    house_connect(&h);
    websocket_close(h.websocket, 1000, B("done"));
    assert_string_equal("\x88\x06\x03\xe8"
                        "done",
                        text_str(&h.wire));
    websocket_close(h.websocket, 1001, NO_BYTES);
    websocket_send(h.websocket, B("too late"));
    send_frame(&h, TEXT, B("on its way"));
    send_frame(&h, PING, NO_BYTES);
    assert_int_equal(8, h.wire.n);
    assert_string_equal("message 'on its way'\n", text_str(&h.trace));
    assert_int_equal(0, h.closes);
    send_frame(&h, CLOSED, B("\x03\xe8"));
    assert_int_equal(8, h.wire.n);
    assert_int_equal(1, h.closed);
    assert_int_equal(1, h.closes);
    assert_int_equal(20000, h.linger_ms);
    house_close(&h);

    house_connect(&h); // not answered, whatever else comes
    websocket_close(h.websocket, 1000, NO_BYTES);
    session_tick(h.session, h.now); // it was not told the time
    for (int i = 0; i < 5; i++) {
        assert_int_equal(0, h.closed);
        send_frame(&h, TEXT, B("x"));
        wait_ms(&h, WEBSOCKET_CLOSE_MS / 5);
    }
    assert_int_equal(0, metric_get(METRIC_WEBSOCKET_SILENT));
    assert_cut(&h);

    house_connect(&h); // answered by nonsense
    websocket_close(h.websocket, 1000, NO_BYTES);
    size_t n = h.wire.n;
    feed(&h, B("nonsense"));
    assert_int_equal(n, h.wire.n);
    assert_int_equal(1, h.closed);
    house_close(&h);

    house_connect(&h); // from inside a message
    h.in_message = CLOSE;
    send_frame(&h, TEXT, B("x"));
    assert_int_equal(0, h.closed);
    send_frame(&h, CLOSED, NO_BYTES);
    assert_int_equal(1, h.closed);
    house_close(&h);
}

static void test_peer_is_gone(void **state) {
    struct house h;
    house_connect(&h); // half-closed, in the middle of a frame
    feed(&h, B("\x81"));
    session_end(h.session, h.now);
    assert_cut(&h);

    house_connect(&h);
    go(&h);
    assert_int_equal(1, h.closed);
    assert_int_equal(0, h.closes);
    house_close(&h);
    assert_int_equal(1, h.closed);

    house_connect(&h); // from inside a call
    h.in_message = GO;
    OWN(text_drop)
    struct text two = {0};
    add_frame(&two, TEXT, B("one"));
    add_frame(&two, 0x01, B("half of t"));
    feed(&h, text_bytes(&two));
    assert_string_equal("message 'one'\nclosed\n", text_str(&h.trace));
    house_close(&h);

    house_connect(&h);
    h.go_in_write = true;
    websocket_send(h.websocket, B("x"));
    assert_int_equal(1, h.closed);
    house_close(&h);
    assert_int_equal(1, h.closed);

    house_open(&h); // before it has begun
    h.go_in_write = true;
    feed(&h, B(ASK));
    assert_int_equal(1, h.closed);
    house_close(&h);
}

static void test_drop(void **state) {
    struct house h;
    house_connect(&h);
    websocket_drop(h.websocket);
    assert_int_equal(1, h.closes);
    assert_int_equal(0, h.linger_ms);
    assert_int_equal(0, h.wire.n);
    house_close(&h);
    assert_int_equal(0, h.closed);

    house_connect(&h);
    h.in_message = DROP;
    OWN(text_drop)
    struct text two = {0};
    add_frame(&two, TEXT, B("one"));
    add_frame(&two, TEXT, B("two"));
    feed(&h, text_bytes(&two));
    assert_string_equal("message 'one'\n", text_str(&h.trace));
    assert_int_equal(1, h.closes);
    house_close(&h);
    assert_int_equal(0, h.closed);
}

static void test_drain(void **state) {
    struct house h;
    house_connect(&h);
    session_drain(h.session);
    assert_string_equal("\x88\x02\x03\xe9", text_str(&h.wire));
    assert_int_equal(0, h.closes);
    send_frame(&h, CLOSED, B("\x03\xe9"));
    assert_int_equal(1, h.closed);
    assert_int_equal(1, h.closes);
    house_close(&h);

    house_open(&h); // no new one
    h.later = true;
    feed(&h, B(ASK));
    session_drain(h.session);
    open_later(&h);
    assert_null(h.websocket);
    assert_non_null(strstr(text_str(&h.wire), "HTTP/1.1 503 "));
    assert_int_equal(1, h.finished);
    assert_int_equal(1, h.closes);
    house_close(&h);
}

static void test_opened_later(void **state) {
    OWN(text_drop)
    struct text in = {0};
    text_adds(&in, ASK);
    add_frame(&in, TEXT, B("waits"));
    struct house h;
    house_open(&h);
    h.later = true;
    feed(&h, text_bytes(&in));
    assert_true(h.paused);
    wait_ms(&h, 5000);
    open_later(&h);
    assert_string_equal(ACCEPTED, text_str(&h.wire));
    assert_string_equal("", text_str(&h.trace));
    wait_ms(&h, 20);
    assert_string_equal("message 'waits'\n", text_str(&h.trace));
    assert_false(h.paused);
    send_frame(&h, TEXT, B("no more"));
    assert_string_equal("message 'waits'\nmessage 'no more'\n", text_str(&h.trace));
    wait_ms(&h, 14999); // the request's own deadlines are over
    assert_int_equal(0, h.closed);
    wait_ms(&h, 1);
    assert_int_equal(0, h.finished);
    assert_cut(&h);

    for (int waits = 0; waits <= 1; waits++) { // the peer is half gone meanwhile
        house_open(&h);
        h.later = true;
        feed(&h, waits == 1 ? text_bytes(&in) : B(ASK));
        session_end(h.session, h.now);
        open_later(&h);
        assert_int_equal(0, h.closed);
        wait_ms(&h, 20);
        assert_string_equal(waits == 1 ? "message 'waits'\nclosed\n" : "closed\n",
                            text_str(&h.trace));
        assert_cut(&h);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake),       cmocka_unit_test(test_bad_handshakes),
        cmocka_unit_test(test_no_room_for_one), cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_bad_frames),      cmocka_unit_test(test_good_closes),
        cmocka_unit_test(test_message_cap),     cmocka_unit_test(test_peer_does_not_read),
        cmocka_unit_test(test_silent_peer),     cmocka_unit_test(test_close_from_here),
        cmocka_unit_test(test_peer_is_gone),    cmocka_unit_test(test_drop),
        cmocka_unit_test(test_drain),           cmocka_unit_test(test_opened_later),
    };
    return cmocka_run_group_tests_name("http_websocket", tests, NULL, NULL);
}
