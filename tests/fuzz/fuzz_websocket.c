// SPDX-License-Identifier: MIT
// A WebSocket from its handshake on. The input's first 8 characters seed how the rest is cut into
// pieces and what else happens; the rest is what a peer sends, behind a good handshake unless it
// begins as a request. A message's first letter says what the handler does: e sends it back, c
// closes, d drops. What it hears and what the peer gets must be what a plain reading of all the
// bytes by RFC 6455 says, however they are cut. And in a third run, in which the peer does not
// read, leaves, the time is over or the server drains: `closed` comes once, no message behind it,
// nothing is written once the connection is given up, and no more is held than allowed.
#include <stdlib.h>

#include "base/random.h"
#include "fuzz.h"
#include "http/websocket.h"

const struct fuzz_plant fuzz_plants[] = {
    {"lost", PLANT_FUZZED, "the byte behind a piece that ends with a frame's first is lost"},
    {"pong", PLANT_FUZZED, "a pong brings 3 bytes back and no more"},
    {"deaf", PLANT_FUZZED, "a fragmented message's end is not heard of"},
    {"twice", PLANT_FUZZED, "closed is called again after a Close frame with a reason"},
    {"late", PLANT_FUZZED, "a message comes behind the end"},
    {"budget", PLANT_FUZZED, "what a message of over 7 bytes takes is not given back"},
    {"unread", PLANT_FUZZED, "a peer who does not read is sent more and more"},
    {"version", PLANT_SEEDED, "a handshake may come without its version"},
    {0},
};

#define MESSAGE_MAX 300
#define UNSENT_MAX 400
#define SILENT_MS 1000
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define GOOD                                                                                       \
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                   \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " KEY "\r\n\r\n"

static const struct http_limits http_limits = {2000, 300, 1000, 1000, 1000, 10, 1000, 0};
static const struct websocket_limits limits = {MESSAGE_MAX, UNSENT_MAX, SILENT_MS};

struct run {
    struct session *session;
    struct websocket *socket;
    struct http_budget budget;
    struct text trace; // what the handler heard
    struct text wire;  // what the peer got
    uint64_t random;
    uint64_t calm; // something happens beside one piece of so many, or fewer
    int64_t now;
    size_t unsent;
    int heads, opened, closed;
    bool cut, rough, dropped, gone, paused;
};

static void on_message(void *ctx, bytes text) {
    struct run *r = ctx;
    ensure(r->opened == 1 && r->closed == 0 && !r->dropped);
    ensure(text.n <= MESSAGE_MAX && bytes_utf8(text));
    text_adds(&r->trace, "message ");
    text_add(&r->trace, text);
    text_addc(&r->trace, '\n');
    if (fuzz_planted("budget") && text.n > 7)
        ensure(http_budget_take(&r->budget, 1));
    switch (text.n > 0 ? text.p[0] : 0) {
    case 'e': websocket_send(r->socket, text); break;
    case 'c': websocket_close(r->socket, 1000, B("c")); break;
    case 'd':
        r->dropped = true;
        websocket_drop(r->socket);
        break;
    default: break;
    }
}

static void on_closed(void *ctx) {
    struct run *r = ctx;
    ensure(r->opened == 1 && r->closed++ == 0 && !r->dropped);
    text_adds(&r->trace, "closed\n");
    if (fuzz_planted("twice") && bytes_ends(text_bytes(&r->wire), B("\x88\x02\x03\xf3")))
        r->closed++;
    if (fuzz_planted("late") && bytes_ends(text_bytes(&r->wire), B("\x88\x02\x03\xef")))
        on_message(r, B("late"));
}

static const struct websocket_handler socket_side = {on_message, on_closed};

static enum http_verdict on_head(void *ctx, struct session *s, const struct http_request *q,
                                 void **request_ctx) {
    struct run *r = ctx;
    OWN(text_drop)
    struct text why = {0};
    bytes key;
    r->heads++;
    bool asked = websocket_asked(q, &why);
    ensure(asked == (why.n == 0));
    if (fuzz_planted("version") && !asked && bytes_starts(text_bytes(&why), B("only version 13")) &&
        http_header_get(q, "Sec-WebSocket-Key", &key, NULL) && key.n == sizeof KEY - 1)
        asked = true;
    if (!asked) {
        session_answer(s, 400, B("text/plain"), NULL, 0, text_bytes(&why));
        return HTTP_ANSWERED;
    }
    ensure(r->opened++ == 0); // behind it there is no more HTTP
    r->socket = websocket_open(s, q, NULL, &limits, &socket_side, r);
    ensure(r->socket != NULL || r->rough); // it drained meanwhile
    r->opened = r->socket != NULL;
    return HTTP_ANSWERED;
}

static bool on_body(void *ctx, struct session *s, bytes piece) { return true; }

static void on_complete(void *ctx, struct session *s) {}

static void on_finished(void *ctx) { unreachable_code(); }

static void on_refused(void *ctx, enum http_refusal why) {}

static const struct http_handler http_side = {on_head, on_body, on_complete, on_finished,
                                              on_refused};

static void out_write(void *ctx, bytes b) {
    struct run *r = ctx;
    ensure(!r->gone && !r->dropped);
    ensure(r->opened == 0 || r->unsent <= UNSENT_MAX);
    if (r->rough)
        r->unsent += b.n;
    bool shorten = fuzz_planted("pong") && bytes_starts(b, B("\x8a"));
    text_add(&r->wire, shorten ? bytes_slice(b, 0, 5) : b);
}

static void out_close(void *ctx, int64_t linger_ms) { ((struct run *)ctx)->gone = true; }

static void out_pause(void *ctx, bool pause) { ((struct run *)ctx)->paused = pause; }

static size_t out_unsent(void *ctx) {
    const struct run *r = ctx;
    return fuzz_planted("unread") ? 0 : r->unsent;
}

static const struct http_out out = {out_write, out_close, out_pause, out_unsent};

static bool lives(const struct run *r) { return r->opened == 1 && r->closed == 0 && !r->dropped; }

static void happen(struct run *r) {
    switch (random_below(&r->random, r->calm)) {
    case 0:
        if (lives(r))
            websocket_send(r->socket, B("unasked"));
        break;
    case 1:
        if (lives(r))
            websocket_close(r->socket, 1001, B("enough"));
        break;
    case 2: r->unsent = 0; break;
    case 3: session_drain(r->session); break;
    case 4:
        r->now += (int64_t)random_below(&r->random, 2 * SILENT_MS * 1000);
        if (session_due(r->session) <= r->now)
            session_tick(r->session, r->now);
        break;
    case 5:
        if (!r->gone)
            session_end(r->session, r->now);
        break;
    case 6:
        if (lives(r)) {
            r->dropped = true;
            websocket_drop(r->socket);
        }
        break;
    default: break;
    }
}

static void play(struct run *r, bytes wire) {
    r->now = 1000000;
    r->budget.max = 1 << 20;
    r->calm = 7u << random_below(&r->random, 8);
    r->session = session_open(&http_limits, &http_side, r, &out, r, &r->budget, r->now);
    while (wire.n > 0 && !r->gone) {
        size_t n = r->cut ? 1 + random_below(&r->random, 12) : wire.n;
        n = n < wire.n ? n : wire.n;
        session_data(r->session, bytes_slice(wire, 0, n), r->now);
        ensure(r->budget.used < 20000);
        if (fuzz_planted("lost") && r->cut && r->opened > 0 && n < wire.n && wire.p[n - 1] == 0x81)
            n++;
        wire = bytes_slice(wire, n, wire.n);
        if (r->rough)
            happen(r);
    }
    session_close(r->session);
    ensure(r->closed == (r->opened == 1 && !r->dropped) && r->budget.used == 0);
}

static void drop(struct run *r) {
    text_drop(&r->trace);
    text_drop(&r->wire);
}

// --- the plain reading

struct reading {
    struct text trace, wire, message;
    bool begun, closing, over;
};

static void drop_reading(struct reading *m) {
    text_drop(&m->trace);
    text_drop(&m->wire);
    text_drop(&m->message);
}

static void say(struct reading *m, uint8_t first, bytes payload) {
    text_addc(&m->wire, (char)first);
    if (payload.n < 126)
        text_addc(&m->wire, (char)payload.n);
    else
        text_addf(&m->wire, "%c%c%c", 126, (int)(payload.n >> 8), (int)(payload.n & 255));
    text_add(&m->wire, payload);
}

static void say_close(struct reading *m, unsigned code, bytes reason) {
    OWN(text_drop)
    struct text payload = {0};
    if (code != 0)
        text_addf(&payload, "%c%c", (int)(code >> 8), (int)(code & 255));
    text_add(&payload, reason);
    if (!m->closing)
        say(m, 0x88, text_bytes(&payload));
}

static void end(struct reading *m, unsigned code) {
    say_close(m, code, NO_BYTES);
    text_adds(&m->trace, "closed\n");
    m->over = true;
}

static void hear(struct reading *m) {
    bytes text = text_bytes(&m->message);
    m->begun = false;
    if (!bytes_utf8(text)) {
        end(m, 1007);
        return;
    }
    if (fuzz_planted("deaf") && text.n > 0 && text.p[text.n - 1] == '!')
        return;
    text_adds(&m->trace, "message ");
    text_add(&m->trace, text);
    text_addc(&m->trace, '\n');
    uint8_t first = text.n > 0 ? text.p[0] : 0;
    if (first == 'e' && !m->closing)
        say(m, 0x81, text);
    if (first == 'c') {
        say_close(m, 1000, B("c"));
        m->closing = true;
    }
    m->over = first == 'd';
    text_reset(&m->message);
}

static void hear_control(struct reading *m, unsigned opcode, bytes p) {
    unsigned code = p.n >= 2 ? (unsigned)p.p[0] << 8 | p.p[1] : 0;
    bool known = (code >= 1000 && code < 1015 && (code < 1004 || code > 1006)) ||
                 (code >= 3000 && code < 5000);
    if (opcode == 9 && !m->closing)
        say(m, 0x8a, p);
    if (opcode != 8)
        return;
    if (p.n > 0 && !known)
        end(m, 1002);
    else
        end(m, bytes_utf8(bytes_slice(p, 2, p.n)) ? code : 1007);
}

// The code that a frame's header is refused with; 0: none.
static unsigned wrong(const struct reading *m, const uint8_t *head, uint64_t n) {
    unsigned opcode = head[0] & 15;
    if ((head[0] & 0x70) != 0 || head[1] < 0x80 || opcode > 10 || (opcode > 2 && opcode < 8))
        return 1002;
    if (opcode < 8 && (opcode == 0) != m->begun)
        return 1002;
    if (opcode == 2)
        return 1003;
    return opcode < 8 && m->message.n + n > MESSAGE_MAX ? 1009 : 0;
}

// One frame, as far as it is there; false: no more.
static bool read_frame(struct reading *m, bytes *in) {
    const uint8_t *p = in->p;
    if (in->n < 2)
        return false;
    bool fin = p[0] >= 0x80, masked = p[1] >= 0x80, control = (p[0] & 8) != 0;
    uint64_t n = p[1] & 127;
    size_t at = n == 126 ? 4 : n == 127 ? 10 : 2;
    if (control && (!fin || n > 125)) {
        end(m, 1002);
        return false;
    }
    if (in->n < at)
        return false;
    if (at > 2) {
        n = 0;
        for (size_t i = 2; i < at; i++)
            n = n << 8 | p[i];
        if (n < (at == 4 ? 126 : 65536) || n >> 63 != 0) {
            end(m, 1002);
            return false;
        }
    }
    const uint8_t *mask = p + at;
    at += masked ? 4 : 0;
    if (in->n < at || (n > 0 && in->n == at)) // seen with its first byte
        return false;
    unsigned code = wrong(m, p, n);
    if (code != 0) {
        end(m, code);
        return false;
    }
    if (in->n - at < n)
        return false;
    OWN(text_drop)
    struct text payload = {0};
    for (size_t i = 0; i < n; i++)
        text_addc(&payload, (char)(p[at + i] ^ mask[i % 4]));
    *in = bytes_slice(*in, at + n, in->n);
    if (control) {
        hear_control(m, p[0] & 15, text_bytes(&payload));
    } else {
        m->begun = true;
        text_add(&m->message, text_bytes(&payload));
        if (fin)
            hear(m);
    }
    return !m->over;
}

static void check_reading(const struct run *r, bytes wire) {
    OWN(drop_reading)
    struct reading m = {0};
    size_t head = bytes_search(wire, B("\r\n\r\n")) + 4;
    wire = bytes_slice(wire, head, wire.n);
    while (read_frame(&m, &wire)) {}
    if (!m.over)
        text_adds(&m.trace, "closed\n"); // the peer is gone
    bytes got = text_bytes(&r->wire);
    got = bytes_slice(got, bytes_search(got, B("\r\n\r\n")) + 4, got.n);
    ensure(bytes_equal(text_bytes(&m.trace), text_bytes(&r->trace)));
    ensure(bytes_equal(text_bytes(&m.wire), got));
}

static bool has(bytes b, const char *wanted) {
    bytes w = bytes_of(wanted);
    for (size_t i = 0; i + w.n <= b.n; i++)
        if (bytes_equal_nocase(bytes_slice(b, i, i + w.n), w))
            return true;
    return false;
}

// What no handshake can be without.
static void check_handshake(bytes wire) {
    ensure(has(wire, "GET ") && has(wire, " HTTP/1.1\r\n") && has(wire, "\r\nHost:"));
    ensure(has(wire, "\r\nUpgrade:") && has(wire, "websocket") && has(wire, "\r\nConnection:"));
    ensure(has(wire, "\r\nSec-WebSocket-Version:") && has(wire, "13"));
    ensure(has(wire, "\r\nSec-WebSocket-Key:"));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n) {
    bytes in = bytes_from(p, n);
    OWN(drop)
    struct run whole = {0};
    OWN(drop)
    struct run pieces = {.random = fuzz_number(&in, 8), .cut = true};
    OWN(drop)
    struct run rough = {.random = pieces.random, .cut = true, .rough = true};
    OWN(text_drop)
    struct text wire = {0};
    text_adds(&wire, bytes_starts(in, B("GET ")) ? "" : GOOD);
    text_add(&wire, in);
    play(&whole, text_bytes(&wire));
    play(&pieces, text_bytes(&wire));
    play(&rough, text_bytes(&wire));
    ensure(bytes_equal(text_bytes(&whole.trace), text_bytes(&pieces.trace)));
    ensure(bytes_equal(text_bytes(&whole.wire), text_bytes(&pieces.wire)));
    if (whole.opened > 0)
        check_handshake(text_bytes(&wire));
    if (whole.opened > 0 && whole.heads == 1)
        check_reading(&whole, text_bytes(&wire));
    return 0;
}
