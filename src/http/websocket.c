// SPDX-License-Identifier: MIT
#include "http/websocket.h"

#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "base/digest.h"
#include "base/ensure.h"
#include "base/memory.h"
#include "base/metrics.h"
#include "http/session_inner.h"

#define KEY_SIZE 16
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // RFC 6455 §1.3
#define HEADER_MAX 14
#define CONTROL_MAX 125
#define TRY_LATER 1013   // of IANA's registry, and not among wslay's
#define FRAMES_SIZE 4352 // what wslay keeps of a connection, rounded up
#define MESSAGE_FIRST 512

enum state {
    OPEN,
    CLOSING, // our Close frame is out, the peer's has not come
    OVER,    // let go of; freed when the calls under way return
};

struct websocket {
    struct session *session;
    struct http_budget *budget;
    const struct websocket_limits *limits;
    const struct websocket_handler *handler;
    void *ctx;
    wslay_frame_context_ptr frames;
    enum state state;
    size_t busy;          // calls under way
    int64_t due;          // when it was silent, or waited for the Close frame, for too long
    bytes input;          // not yet read by wslay
    bool in_frame, begun; // a frame is not complete; a message has begun
    uint64_t left;        // of the frame under way
    uint8_t *message;     // so far
    size_t message_n, message_cap;
    uint8_t control[CONTROL_MAX];
    size_t control_n;
    uint8_t header[HEADER_MAX]; // of the frame that goes out
    size_t header_n;
};

static void enter(struct websocket *w) {
    w->busy++;
    session_enter(w->session);
}

static void drop_message(struct websocket *w) {
    if (w->message_cap > 0)
        http_budget_give(w->budget, w->message_cap);
    free(w->message);
    w->message = NULL;
    w->message_n = w->message_cap = 0;
}

static void free_over(struct websocket *w) {
    if (w->busy > 0 || w->state != OVER)
        return;
    drop_message(w);
    wslay_frame_context_free(w->frames);
    http_budget_give(w->budget, sizeof *w + FRAMES_SIZE);
    free(w);
}

static void leave(struct websocket *w) {
    struct session *s = w->session;
    w->busy--;
    free_over(w);
    session_leave(s);
}

// Lets the connection go, and says so; `cut`: what was written is not waited for.
static void end(struct websocket *w, bool cut) {
    w->state = OVER;
    session_release(w->session, cut);
    w->handler->closed(w->ctx);
}

// --- what goes out

static ssize_t on_send(const uint8_t *p, size_t n, int flags, void *ctx) {
    struct websocket *w = ctx;
    if (w->header_n == 0) { // it comes first; the payload is where it was
        ensure(n <= sizeof w->header);
        memcpy(w->header, p, n);
        w->header_n = n;
    }
    return (ssize_t)n;
}

static void send_frame(struct websocket *w, uint8_t opcode, bytes payload) {
    struct wslay_frame_iocb f = {.fin = 1,
                                 .opcode = opcode,
                                 .payload_length = payload.n,
                                 .data = payload.p,
                                 .data_length = payload.n};
    w->header_n = 0;
    ensure(wslay_frame_send(w->frames, &f) == (ssize_t)payload.n);
    session_write(w->session, (bytes[]){bytes_from(w->header, w->header_n), payload}, 2);
    if (session_unsent(w->session) > w->limits->unsent_max) {
        metric_add(METRIC_WEBSOCKET_UNREAD, 1);
        end(w, true);
    }
}

static void send_close(struct websocket *w, uint16_t code, bytes reason) {
    uint8_t payload[CONTROL_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
    reason = bytes_slice(reason, 0, WEBSOCKET_REASON_MAX);
    if (reason.n > 0)
        memcpy(payload + 2, reason.p, reason.n);
    send_frame(w, WSLAY_CONNECTION_CLOSE, bytes_from(payload, code == 0 ? 0 : 2 + reason.n));
}

// RFC 6455 §7.1.7: what still comes is not read.
static void refuse(struct websocket *w, uint16_t code) {
    metric_add(code == WSLAY_CODE_MESSAGE_TOO_BIG ? METRIC_WEBSOCKET_LARGE
               : code == TRY_LATER                ? METRIC_WEBSOCKET_NO_MEMORY
                                                  : METRIC_WEBSOCKET_BAD,
               1);
    if (w->state == OPEN)
        send_close(w, code, NO_BYTES);
    if (w->state != OVER)
        end(w, false);
}

// --- what comes in

static ssize_t on_receive(uint8_t *p, size_t max, int flags, void *ctx) {
    struct websocket *w = ctx;
    bytes piece = bytes_slice(w->input, 0, max);
    if (piece.n > 0)
        memcpy(p, piece.p, piece.n);
    w->input = bytes_slice(w->input, piece.n, w->input.n);
    return (ssize_t)piece.n;
}

static int on_mask(uint8_t *p, size_t n, void *ctx) { unreachable_code(); }

// The code to close with because of a frame's header; 0: it may come.
static uint16_t judge(const struct websocket *w, const struct wslay_frame_iocb *f) {
    if (f->rsv != WSLAY_RSV_NONE || f->mask == 0)
        return WSLAY_CODE_PROTOCOL_ERROR;
    switch (f->opcode) {
    case WSLAY_CONNECTION_CLOSE:
    case WSLAY_PING:
    case WSLAY_PONG: return 0; // their length is judged by wslay
    case WSLAY_TEXT_FRAME:
    case WSLAY_BINARY_FRAME:
    case WSLAY_CONTINUATION_FRAME: break;
    default: return WSLAY_CODE_PROTOCOL_ERROR;
    }
    if ((f->opcode == WSLAY_CONTINUATION_FRAME) != w->begun)
        return WSLAY_CODE_PROTOCOL_ERROR;
    if (f->opcode == WSLAY_BINARY_FRAME)
        return WSLAY_CODE_UNSUPPORTED_DATA;
    bool fits = f->payload_length <= w->limits->message_max - w->message_n;
    return fits ? 0 : WSLAY_CODE_MESSAGE_TOO_BIG;
}

// Room for n more bytes, which the cap allows; false if the budget has none.
static bool message_room(struct websocket *w, size_t n) {
    size_t need = w->message_n + n, cap = w->message_cap > 0 ? w->message_cap : MESSAGE_FIRST;
    if (need <= w->message_cap)
        return true;
    while (cap < need)
        cap *= 2;
    cap = cap < w->limits->message_max ? cap : w->limits->message_max;
    if (!http_budget_take(w->budget, cap - w->message_cap))
        return false;
    w->message = memory_grow(w->message, cap, 1);
    w->message_cap = cap;
    return true;
}

static void end_message(struct websocket *w) {
    bytes text = bytes_from(w->message, w->message_n);
    w->begun = false;
    if (!bytes_utf8(text)) {
        refuse(w, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
        return;
    }
    w->handler->message(w->ctx, text);
    drop_message(w);
}

// RFC 6455 §7.4 and IANA's registry.
static bool close_code(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static void take_close(struct websocket *w, bytes payload) {
    unsigned code = payload.n < 2 ? 0 : (unsigned)payload.p[0] << 8 | payload.p[1];
    if (payload.n > 0 && !close_code(code)) {
        refuse(w, WSLAY_CODE_PROTOCOL_ERROR);
    } else if (!bytes_utf8(bytes_slice(payload, 2, payload.n))) {
        refuse(w, WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA);
    } else {
        if (w->state == OPEN)
            send_close(w, (uint16_t)code, NO_BYTES);
        if (w->state != OVER)
            end(w, false);
    }
}

static void end_control(struct websocket *w, uint8_t opcode) {
    bytes payload = bytes_from(w->control, w->control_n);
    if (opcode == WSLAY_CONNECTION_CLOSE)
        take_close(w, payload);
    else if (opcode == WSLAY_PING && w->state == OPEN)
        send_frame(w, WSLAY_PONG, payload);
    w->control_n = 0;
}

static void take_piece(struct websocket *w, const struct wslay_frame_iocb *f) {
    bool control = wslay_is_ctrl_frame(f->opcode);
    if (!w->in_frame) {
        uint16_t wrong = judge(w, f);
        if (wrong != 0) {
            refuse(w, wrong);
            return;
        }
        w->in_frame = true;
        w->begun = w->begun || !control;
        w->left = f->payload_length;
    }
    if (!control && !message_room(w, f->data_length)) {
        refuse(w, TRY_LATER);
        return;
    }
    if (f->data_length > 0)
        memcpy(control ? w->control + w->control_n : w->message + w->message_n, f->data,
               f->data_length);
    *(control ? &w->control_n : &w->message_n) += f->data_length;
    w->left -= f->data_length;
    if (w->left > 0)
        return;
    w->in_frame = false;
    if (control)
        end_control(w, f->opcode);
    else if (f->fin == 1)
        end_message(w);
}

static void on_data(void *ctx, bytes b) {
    struct websocket *w = ctx;
    enter(w);
    if (w->state == OPEN)
        w->due = session_after(w->session, w->limits->silent_ms);
    w->input = b;
    while (w->state != OVER) {
        struct wslay_frame_iocb f = {0};
        ssize_t n = wslay_frame_recv(w->frames, &f);
        if (n == WSLAY_ERR_WANT_READ)
            break;
        if (n < 0)
            refuse(w, WSLAY_CODE_PROTOCOL_ERROR);
        else
            take_piece(w, &f);
    }
    leave(w);
}

// --- the session's other calls

static void on_end(void *ctx) {
    struct websocket *w = ctx;
    enter(w);
    end(w, true);
    leave(w);
}

static int64_t on_due(const void *ctx) { return ((const struct websocket *)ctx)->due; }

static void on_tick(void *ctx) {
    struct websocket *w = ctx;
    int64_t now = session_after(w->session, 0);
    enter(w);
    if (w->due == UNARMED) {
        w->due =
            session_after(w->session, w->state == OPEN ? w->limits->silent_ms : WEBSOCKET_CLOSE_MS);
    } else if (now >= w->due) {
        metric_add(METRIC_WEBSOCKET_SILENT, w->state == OPEN);
        end(w, true);
    }
    leave(w);
}

static void on_drain(void *ctx) { websocket_close(ctx, WSLAY_CODE_GOING_AWAY, NO_BYTES); }

static void on_gone(void *ctx) {
    struct websocket *w = ctx;
    w->busy++;
    end(w, true);
    w->busy--;
    free_over(w);
}

static const struct session_taker taker = {on_data, on_end, on_due, on_tick, on_drain, on_gone};

// --- the handshake

// Is it an element of the list that all headers of this name make (RFC 9110 §5.6.1)?
static bool lists(const struct http_request *r, const char *name, bytes wanted) {
    for (size_t i = 0; i < r->header_count; i++) {
        bytes list = r->headers[i].value;
        if (!bytes_equal_nocase(r->headers[i].name, bytes_of(name)))
            continue;
        while (list.n > 0)
            if (bytes_equal_nocase(bytes_trim(bytes_cut(&list, ',')), wanted))
                return true;
    }
    return false;
}

static bool is_key(bytes key) {
    uint8_t decoded[KEY_SIZE];
    return key.n == BASE64_SIZE(KEY_SIZE) &&
           bytes_from_base64(key, decoded, sizeof decoded) == sizeof decoded;
}

bool websocket_asked(const struct http_request *r, struct text *why) {
    bytes version, key, coding;
    bool twice;
    const char *wrong = NULL;
    if (!bytes_equal(r->method, B("GET")) || r->old)
        wrong = "a WebSocket is asked for by GET of HTTP/1.1";
    else if (!lists(r, "Upgrade", B("websocket")) || !lists(r, "Connection", B("upgrade")))
        wrong = "here are WebSockets alone: send Upgrade: websocket and Connection: Upgrade";
    else if (!http_header_get(r, "Sec-WebSocket-Version", &version, NULL) ||
             !bytes_equal(version, B("13")))
        wrong = "only version 13 of WebSockets is spoken here: send one Sec-WebSocket-Version: 13";
    else if (!http_header_get(r, "Sec-WebSocket-Key", &key, NULL) || !is_key(key))
        wrong = "send one Sec-WebSocket-Key, 16 bytes in base64";
    else if (r->length > 0 || http_header_get(r, "Transfer-Encoding", &coding, &twice) || twice)
        wrong = "a request for a WebSocket has no body";
    if (wrong != NULL)
        text_adds(why, wrong);
    return wrong == NULL;
}

static void write_accept(const struct http_request *r, char out[BASE64_SIZE(SHA1_SIZE)]) {
    char text[BASE64_SIZE(KEY_SIZE) + sizeof ACCEPT_GUID];
    uint8_t digest[SHA1_SIZE];
    bytes key;
    ensure(http_header_get(r, "Sec-WebSocket-Key", &key, NULL) &&
           key.n == BASE64_SIZE(KEY_SIZE)); // by websocket_asked
    memcpy(text, key.p, key.n);
    memcpy(text + key.n, ACCEPT_GUID, sizeof ACCEPT_GUID);
    digest_sha1(bytes_of(text), digest);
    bytes_to_base64(bytes_from(digest, sizeof digest), out);
}

struct websocket *websocket_open(struct session *s, const struct http_request *r,
                                 const char *protocol, const struct websocket_limits *limits,
                                 const struct websocket_handler *handler, void *ctx) {
    static const struct wslay_frame_callbacks callbacks = {on_send, on_receive, on_mask};
    if (s->draining || !http_budget_take(s->budget, sizeof(struct websocket) + FRAMES_SIZE)) {
        static const char *const retry[] = {"Retry-After: 1"};
        metric_add(METRIC_WEBSOCKET_NO_MEMORY, !s->draining);
        session_answer(s, 503, B("application/json"), retry, 1,
                       B("{\"error\":\"too much at once; send it again\"}"));
        return NULL;
    }
    struct websocket *w = NEW(struct websocket);
    w->session = s;
    w->budget = s->budget;
    w->limits = limits;
    w->handler = handler;
    w->ctx = ctx;
    if (wslay_frame_context_init(&w->frames, &callbacks, w) != 0)
        memory_none(FRAMES_SIZE);
    w->due = session_after(s, limits->silent_ms);
    OWN(text_drop)
    struct text accept = {0}, chosen = {0};
    char value[BASE64_SIZE(SHA1_SIZE)];
    write_accept(r, value);
    text_adds(&accept, "Sec-WebSocket-Accept: ");
    text_add(&accept, bytes_from(value, sizeof value));
    text_addf(&chosen, "Sec-WebSocket-Protocol: %s", protocol == NULL ? "" : protocol);
    const char *const headers[] = {"Upgrade: websocket", "Connection: Upgrade", text_str(&accept),
                                   text_str(&chosen)};
    session_upgrade(s, headers, protocol == NULL ? 3 : 4, &taker, w);
    return w;
}

void websocket_send(struct websocket *w, bytes text) {
    enter(w);
    if (w->state == OPEN)
        send_frame(w, WSLAY_TEXT_FRAME, text);
    leave(w);
}

size_t websocket_unsent(const struct websocket *w) { return session_unsent(w->session); }

void websocket_close(struct websocket *w, uint16_t code, bytes reason) {
    ensure(reason.n <= WEBSOCKET_REASON_MAX);
    enter(w);
    if (w->state == OPEN) {
        w->state = CLOSING;
        w->due = session_after(w->session, WEBSOCKET_CLOSE_MS);
        send_close(w, code, reason);
    }
    leave(w);
}

void websocket_drop(struct websocket *w) {
    enter(w);
    if (w->state != OVER) {
        w->state = OVER;
        session_release(w->session, true);
    }
    leave(w);
}
