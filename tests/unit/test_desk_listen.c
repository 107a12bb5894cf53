// SPDX-License-Identifier: MIT
// Those who listen by `stripe listen`: what a session is told, what is pushed to it and again, and
// what becomes of what it says. tests/e2e/listen.test.mjs has the official CLI in its place.
#include "desk_house.h"

#include "desk/listen.h"
#include "stripe/signature.h"

#define FORM "device_name=laptop&forward_to_url=4242&websocket_features%5B%5D=webhooks"

struct listening {
    char id[LISTEN_ID_MAX], secret[LISTEN_SECRET_MAX];
    int fd;
    struct text in; // what came and was not read
};

static void make_session(const struct house *h, const char *key, const char *form,
                         struct listening *l) {
    OWN(reply_drop)
    struct reply r = {0};
    *l = (struct listening){.fd = -1};
    call_with(h, "POST", "/v1/stripecli/sessions", key, form, &r);
    assert_status(&r, 200);
    snprintf(l->id, sizeof l->id, "%.*s", BYTES_ARG(json_string(reply_at(&r, "websocket_id"))));
    snprintf(l->secret, sizeof l->secret, "%.*s", BYTES_ARG(json_string(reply_at(&r, "secret"))));
}

static bool more(struct listening *l) {
    char piece[65536];
    ssize_t n = recv(l->fd, piece, sizeof piece, 0);
    if (n < 0)
        fail_msg("nothing came");
    text_add(&l->in, bytes_from(piece, (size_t)n));
    return n > 0;
}

static void pass_over(struct listening *l, size_t n) {
    memmove(l->in.p, l->in.p + n, l->in.n - n);
    l->in.n -= n;
    l->in.p[l->in.n] = '\0';
}

// The status of what is answered; the head is taken away.
static int dial(const struct house *h, struct listening *l, const char *id) {
    OWN(text_drop)
    struct text request = {0};
    l->fd = client_connect(h);
    text_reset(&l->in);
    text_addf(&request,
              "GET /v1/stripecli/listen?websocket_feature=webhook-payloads HTTP/1.1\r\n"
              "Host: desk\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
              "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: "
              "stripecli-devproxy-v1\r\nWebsocket-Id: %s\r\n\r\n",
              id);
    assert_int_equal(send(l->fd, request.p, request.n, MSG_NOSIGNAL), request.n);
    size_t end;
    while ((end = bytes_search(text_bytes(&l->in), B("\r\n\r\n"))) == l->in.n)
        if (!more(l))
            fail_msg("no answer");
    uint64_t status = 0;
    assert_ok(bytes_to_u64(bytes_slice(text_bytes(&l->in), 9, 12), &status));
    pass_over(l, end + 4);
    return (int)status;
}

static void hang_up(struct listening *l) {
    close(l->fd);
    text_drop(&l->in);
}

// Masked, by a mask that changes nothing.
static void say(struct listening *l, const char *message) {
    size_t n = strlen(message), head = n < 126 ? 2 : 4;
    uint8_t frame[4096] = {0x81, (uint8_t)(0x80 | n)};
    assert_true(n + 8 < sizeof frame);
    if (n >= 126) {
        frame[1] = 0x80 | 126;
        frame[2] = (uint8_t)(n >> 8);
        frame[3] = (uint8_t)n;
    }
    memcpy(frame + head + 4, message, n);
    assert_int_equal(send(l->fd, frame, n + head + 4, MSG_NOSIGNAL), n + head + 4);
}

// The next message; false when the connection ended.
static bool hear(struct listening *l, struct text *out) {
    for (;;) {
        const uint8_t *p = (const uint8_t *)l->in.p;
        size_t head = 2, n = 0;
        if (l->in.n >= 2) {
            n = p[1] & 127;
            head = n == 126 ? 4 : n == 127 ? 10 : 2;
        }
        if (l->in.n >= 2 && l->in.n >= head) {
            for (size_t i = 2; i < head; i++)
                n = i == 2 ? p[i] : n << 8 | p[i];
            if (l->in.n >= head + n) {
                bool text = (p[0] & 15) == 1;
                text_reset(out);
                text_add(out, bytes_from(p + head, n));
                pass_over(l, head + n);
                if (text)
                    return true;
                continue;
            }
        }
        if (!more(l))
            return false;
    }
}

struct push {
    struct text message;
    struct json_doc *doc;
    char id[64]; // of the event
};

static void push_drop(struct push *p) {
    json_close(&p->doc);
    text_drop(&p->message);
}

static json push_at(const struct push *p, const char *path) {
    return json_path(json_root(p->doc), bytes_of(path));
}

static void next_push(struct listening *l, struct push *p) {
    OWN(json_close)
    struct json_doc *event = NULL;
    push_drop(p);
    assert_true(hear(l, &p->message));
    assert_ok(json_parse(text_bytes(&p->message), &p->doc));
    bytes payload = json_string(push_at(p, "event_payload"));
    if (payload.n == 0)
        payload = json_string(push_at(p, "payload"));
    assert_ok(json_parse(payload, &event));
    bytes id = json_string(json_get(json_root(event), "id"));
    snprintf(p->id, sizeof p->id, "%.*s", BYTES_ARG(id));
}

static void expect_push(struct listening *l, struct push *p, const char *id, const char *version) {
    next_push(l, p);
    bytes said = json_string(push_at(p, "endpoint.api_version"));
    if (strcmp(p->id, id) != 0 || !bytes_equal(said, bytes_of(version)))
        fail_msg("%s %.*s instead of %s %s", p->id, BYTES_ARG(said), id, version);
}

static void acknowledge(struct listening *l, const struct push *p) {
    char message[512];
    snprintf(message, sizeof message,
             "{\"type\":\"event_ack\",\"webhook_conversation_id\":\"%.*s\",\"event_id\":\"%s\","
             "\"webhook_id\":\"%.*s\"}",
             BYTES_ARG(json_string(push_at(p, "webhook_conversation_id"))), p->id,
             BYTES_ARG(json_string(push_at(p, "webhook_id"))));
    say(l, message);
}

static void expect_both(struct listening *l, struct push *p, const char *id, bool ack) {
    expect_push(l, p, id, "");
    if (ack)
        acknowledge(l, p);
    expect_push(l, p, id, "2025-03-31.basil");
    if (ack)
        acknowledge(l, p);
}

static int64_t metric(const struct house *h, const char *name) {
    OWN(reply_drop)
    struct reply r = {0};
    char line[128];
    snprintf(line, sizeof line, "\n%s ", name);
    call(h, "GET", "/metrics", "", &r);
    size_t at = bytes_search(r.body, bytes_of(line));
    assert_true(at < r.body.n);
    return strtoll((const char *)r.body.p + at + strlen(line), NULL, 10);
}

#define REFUSED(reason_) "hookkeep_listen_refused_total{reason=\"" reason_ "\"}"
#define COUNTED(kind_) "hookkeep_listen_messages_total{kind=\"" kind_ "\"}"

// Counters are the process's: `more` than there were.
static void wait_metric(const struct house *h, const char *name, int64_t before, int64_t more) {
    for (int i = 0; metric(h, name) < before + more; i++) {
        if (i == PATIENCE_S * 100)
            fail_msg("%s stays under %lld and %lld", name, (long long)before, (long long)more);
        (void)usleep(10000);
    }
}

static void wait_acknowledged(const struct house *h) {
    for (int i = 0; i < PATIENCE_S * 100; i++) {
        OWN(reply_drop)
        struct reply r = {0};
        call(h, "GET", "/api/listen", "", &r);
        if (reply_number(&r, "data.0.unacknowledged") == 0)
            return;
        (void)usleep(10000);
    }
    fail_msg("something stays without an acknowledgement");
}

static void wait_gone(const struct house *h) {
    for (int i = 0; metric(h, "hookkeep_listen_sessions") > 0; i++) {
        if (i == PATIENCE_S * 100)
            fail_msg("sessions stay");
        (void)usleep(10000);
    }
}

// --- sessions

static void test_what_a_session_is_told(void **state) {
    struct house *h = *state;
    OWN(reply_drop)
    struct reply r = {0};
    call_with(h, "POST", "/v1/stripecli/sessions", h->reading_key, FORM, &r);
    assert_status(&r, 200);
    assert_true(
        json_equals_text(reply_at(&r, "websocket_url"), B("ws://desk/v1/stripecli/listen")));
    assert_true(bytes_starts(json_string(reply_at(&r, "websocket_id")), B("cliws_")));
    assert_int_equal(reply_number(&r, "reconnect_delay"), 7);
    assert_true(json_type(reply_at(&r, "latest_version")) == JSON_ABSENT);
    reply_drop(&r);
    // The secret is the key's, and each session has an id of its own.
    struct listening one, two, other;
    house_stripe_event(h, "evt_t", "charge.failed", NULL, false);
    make_session(h, h->test_key, FORM, &one);
    make_session(h, h->test_key, FORM, &two);
    assert_string_equal(one.secret, two.secret);
    assert_string_not_equal(one.id, two.id);
    // Three at once, as the options say.
    call_with(h, "POST", "/v1/stripecli/sessions", h->live_key, FORM, &r);
    assert_status(&r, 429);
    assert_says(&r, "\"rate_limit\"");
    reply_drop(&r);
    // Those nobody came to are gone soon.
    atomic_fetch_add(&h->clock.ahead_us, LISTEN_NEVER_US);
    wait_gone(h);
    make_session(h, h->live_key, FORM, &other);
    assert_string_not_equal(one.secret, other.secret);
    call_with(h, "POST", "/v1/stripecli/sessions", h->test_key, FORM, &r);
    assert_true(json_equals_text(reply_at(&r, "latest_version"), B("2025-03-31.basil")));
    assert_true(json_equals_text(reply_at(&r, "default_version"), B("2025-03-31.basil")));
}

static void test_what_is_no_session(void **state) {
    struct house *h = *state;
    int64_t unknown = metric(h, REFUSED("unknown_id")), bad = metric(h, REFUSED("bad_handshake"));
    const struct {
        const char *key, *form;
        int status;
    } rows[] = {
        {h->operator_key, FORM, 403},
        {h->revoked_key, FORM, 401},
        {h->test_key, "device_name=x", 400},
        {h->test_key, "websocket_features[]=more", 400},
        {h->test_key, "websocket_features=webhooks", 400},
        {h->test_key, "websocket_features[", 400},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        OWN(reply_drop)
        struct reply r = {0};
        call_with(h, "POST", "/v1/stripecli/sessions", rows[i].key, rows[i].form, &r);
        assert_status(&r, rows[i].status);
    }
    struct listening l = {0};
    assert_true(dial(h, &l, "cliws_nobody") == 400);
    while (l.in.n < 45 && more(&l))
        continue;
    assert_string_equal(text_str(&l.in), "{\"error\":{\"message\":\"Unknown WebSocket ID.\"}}");
    hang_up(&l);
    OWN(reply_drop)
    struct reply r = {0};
    call_as(h, "GET", "/v1/stripecli/listen", NULL, NULL, &r);
    assert_status(&r, 400);
    assert_int_equal(metric(h, REFUSED("unknown_id")), unknown + 1);
    assert_int_equal(metric(h, REFUSED("bad_handshake")), bad + 1);
}

// --- pushing

static void test_pushes(void **state) {
    struct house *h = *state;
    struct listening l, live;
    OWN(push_drop)
    struct push p = {0};
    house_stripe_event(h, "evt_before", "charge.failed", NULL, false);
    make_session(h, h->test_key, FORM, &l);
    make_session(h, h->live_key, FORM, &live);
    house_stripe_event(h, "evt_1", "charge.failed", "acct_1", false); // before he came
    assert_int_equal(dial(h, &l, l.id), 101);
    assert_int_equal(dial(h, &live, live.id), 101);
    house_stripe_event(h, "evt_live", "charge.failed", NULL, true);
    house_event(h, "/webhook",
                "{\"id\":\"evt_thin\",\"object\":\"v2.core.event\",\"type\":\"v1.charge.failed\","
                "\"created\":\"2026-11-27T10:00:00.000Z\",\"livemode\":false}");
    static const char plain[] = "{\n  \"id\": \"evt_2\",\r\n\t\"object\":\"event\",\"type\":"
                                "\"x\\u0026\\\"\xe2\x98\x83\",\"created\":1,\"livemode\":false}";
    house_event(h, "/webhook", plain);
    expect_both(&l, &p, "evt_1", true);
    expect_push(&l, &p, "evt_2", ""); // it has no version
    bytes payload = json_string(push_at(&p, "event_payload"));
    assert_true(bytes_equal(payload, bytes_of(plain)));
    bytes secret = bytes_of(l.secret);
    struct signature s;
    struct signature_ring *ring = signature_ring_open(&secret, 1);
    size_t which;
    assert_int_equal(signature_parse(json_string(push_at(&p, "http_headers.Stripe-Signature")), &s),
                     SIGNATURE_HOLDS);
    struct signature_check *check = signature_check_open(ring, &s);
    signature_check_add(check, payload);
    assert_int_equal(
        signature_check_finish(check, payload, clock_wall_ms(&clock_real) / 1000, 300, &which),
        SIGNATURE_HOLDS);
    signature_ring_close(ring);
    house_stripe_event(h, "evt_3", "charge.failed", NULL, false);
    house_stripe_event(h, "evt_live_2", "charge.failed", NULL, true);
    expect_both(&l, &p, "evt_3", true); // and nothing between
    hang_up(&l);
    expect_both(&live, &p, "evt_live", true);
    expect_both(&live, &p, "evt_live_2", true);
    hang_up(&live);
}

static void test_pushes_again(void **state) {
    struct house *h = *state;
    struct listening l;
    OWN(push_drop)
    struct push p = {0};
    int64_t acked = metric(h, COUNTED("acknowledged"));
    make_session(h, h->test_key, FORM, &l);
    assert_int_equal(dial(h, &l, l.id), 101);
    house_stripe_event(h, "evt_1", "charge.failed", NULL, false);
    house_stripe_event(h, "evt_2", "charge.failed", NULL, false);
    house_stripe_event(h, "evt_3", "charge.failed", NULL, false);
    expect_both(&l, &p, "evt_1", true);
    expect_push(&l, &p, "evt_2", "");
    expect_push(&l, &p, "evt_2", "2025-03-31.basil");
    acknowledge(&l, &p);
    expect_both(&l, &p, "evt_3", true);
    wait_metric(h, COUNTED("acknowledged"), acked, 5);
    hang_up(&l);
    house_stripe_event(h, "evt_4", "charge.failed", NULL, false); // in the gap
    assert_int_equal(dial(h, &l, l.id), 101);
    expect_push(&l, &p, "evt_2", "");
    expect_both(&l, &p, "evt_4", false);
    // Another connection takes the place of this one.
    struct listening same = l;
    same.in = (struct text){0};
    assert_int_equal(dial(h, &same, l.id), 101);
    expect_push(&same, &p, "evt_2", "");
    acknowledge(&same, &p);
    while (more(&l))
        continue;
    hang_up(&l);
    expect_both(&same, &p, "evt_4", true);
    // Four without an acknowledgement are the most.
    wait_acknowledged(h);
    for (int i = 5; i < 12; i++) {
        char id[16];
        snprintf(id, sizeof id, "evt_%d", i);
        house_stripe_event(h, id, "charge.failed", NULL, false);
    }
    struct push waiting[8] = {0};
    for (int i = 0; i < 8; i++)
        next_push(&same, &waiting[i]);
    assert_string_equal(waiting[7].id, "evt_8");
    OWN(reply_drop)
    struct reply r = {0};
    call(h, "GET", "/api/listen", "", &r);
    assert_int_equal(reply_number(&r, "data.0.unacknowledged"), 4);
    for (int i = 0; i < 8; i++) {
        acknowledge(&same, &waiting[i]);
        push_drop(&waiting[i]);
    }
    for (int i = 9; i < 12; i++) {
        char id[16];
        snprintf(id, sizeof id, "evt_%d", i);
        expect_both(&same, &p, id, true);
    }
    // Gone for as long as that, he is forgotten.
    hang_up(&same);
    for (int i = 0; i < PATIENCE_S * 100; i++) {
        reply_drop(&r);
        call(h, "GET", "/api/listen", "", &r);
        if (reply_says(&r, "\"connected\":false"))
            break;
        (void)usleep(10000);
    }
    atomic_fetch_add(&h->clock.ahead_us, LISTEN_AWAY_US);
    wait_gone(h);
    assert_int_equal(dial(h, &same, l.id), 400);
    hang_up(&same);
}

static void test_thin(void **state) {
    struct house *h = *state;
    struct listening l;
    OWN(push_drop)
    struct push p = {0};
    make_session(h, h->test_key, "websocket_features[]=v2_events", &l);
    assert_int_equal(dial(h, &l, l.id), 101);
    house_stripe_event(h, "evt_1", "charge.failed", NULL, false);
    house_event(h, "/webhook",
                "{\"id\":\"evt_thin\",\"object\":\"v2.core.event\",\"type\":\"v1.charge.failed\","
                "\"created\":\"2026-11-27T10:00:00.000Z\",\"livemode\":false}");
    next_push(&l, &p);
    assert_string_equal(p.id, "evt_thin");
    assert_true(json_equals_text(push_at(&p, "type"), B("v2_event")));
    char message[256];
    snprintf(message, sizeof message,
             "{\"type\":\"event_ack\",\"webhook_conversation_id\":\"\",\"webhook_id\":\"%.*s\"}",
             BYTES_ARG(json_string(push_at(&p, "destination_id"))));
    say(&l, message);
    wait_acknowledged(h);
    hang_up(&l);
}

// --- what he says

static void test_answers_are_booked(void **state) {
    struct house *h = *state;
    struct listening l, other;
    OWN(push_drop)
    struct push p = {0};
    int64_t malformed = metric(h, COUNTED("malformed")), unknown = metric(h, COUNTED("unknown"));
    make_session(h, h->test_key, FORM, &l);
    make_session(h, h->test_key, FORM, &other);
    assert_int_equal(dial(h, &l, l.id), 101);
    assert_int_equal(dial(h, &other, other.id), 101);
    house_stripe_event(h, "evt_1", "charge.failed", NULL, false);
    expect_push(&l, &p, "evt_1", "");
    char message[512];
    snprintf(message, sizeof message,
             "{\"type\":\"webhook_response\",\"forward_url\":\"http://localhost:4242/\",\"status\":"
             "500,\"body\":\"oh\\u0000no\",\"webhook_id\":\"%.*s\"}",
             BYTES_ARG(json_string(push_at(&p, "webhook_id"))));
    say(&l, message);
    say(&other, message); // it was not pushed to him
    for (int i = 0;; i++) {
        OWN(reply_drop)
        struct reply r = {0};
        call(h, "GET", "/api/events/evt_1", "", &r);
        if (json_size(reply_at(&r, "listened")) > 0) {
            assert_int_equal(reply_number(&r, "listened.0.status"), 500);
            assert_says(&r, "\"device\":\"laptop\"");
            assert_says(&r, "\"answer\":\"oh\\u0000no\"");
            assert_says(&r, "\"status\":\"pending\"");
            break;
        }
        if (i == PATIENCE_S * 100)
            fail_msg("the answer was not booked");
        (void)usleep(10000);
    }
    wait_metric(h, COUNTED("malformed"), malformed, 1);
    static const char *const none[] = {"",
                                       "[]",
                                       "{",
                                       "{\"type\":\"event_ack\",\"webhook_id\":\"x\"}",
                                       "{\"type\":\"webhook_response\"}",
                                       "{\"type\":\"event_ack\"}",
                                       "{\"type\":\"news\"}",
                                       "{}"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        say(&l, none[i]);
    wait_metric(h, COUNTED("unknown"), unknown, 2);
    wait_metric(h, COUNTED("malformed"), malformed, 6);
    house_stripe_event(h, "evt_2", "charge.failed", NULL, false);
    expect_push(&l, &p, "evt_1", "2025-03-31.basil"); // and all goes on
    expect_push(&l, &p, "evt_2", "");
    hang_up(&l);
    hang_up(&other);
}

static void test_ends_with_its_key(void **state) {
    struct house *h = *state;
    struct listening l;
    OWN(reply_drop)
    struct reply r = {0};
    char id[DESK_KEY_ID_MAX], path[64];
    make_session(h, h->test_key, FORM, &l);
    assert_int_equal(dial(h, &l, l.id), 101);
    desk_key_id(bytes_of(h->test_key), id);
    snprintf(path, sizeof path, "/api/keys/%s/revoke", id);
    call(h, "POST", path, "", &r);
    assert_status(&r, 200);
    while (more(&l))
        continue;
    hang_up(&l);
    assert_int_equal(dial(h, &l, l.id), 400);
    hang_up(&l);
}

static void test_asked_for_by_hand(void **state) {
    struct house *h = *state;
    struct listening l;
    OWN(push_drop)
    struct push p = {0};
    OWN(reply_drop)
    struct reply r = {0};
    house_stripe_event(h, "evt_1", "charge.failed", NULL, false);
    make_session(h, h->test_key, FORM, &l);
    // He is away: it waits for him.
    call_with(h, "POST", "/v1/events/evt_1/retry", h->test_key, "for_stripecli=true", &r);
    assert_status(&r, 200);
    assert_says(&r, "\"id\":\"evt_1\"");
    assert_int_equal(dial(h, &l, l.id), 101);
    expect_both(&l, &p, "evt_1", true);
    house_stripe_event(h, "evt_2", "charge.failed", NULL, false);
    expect_both(&l, &p, "evt_2", true);
    hang_up(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(test_what_a_session_is_told),
        HOUSE_TEST(test_what_is_no_session),
        HOUSE_TEST(test_pushes),
        HOUSE_TEST(test_pushes_again),
        HOUSE_TEST(test_thin),
        HOUSE_TEST(test_answers_are_booked),
        HOUSE_TEST(test_ends_with_its_key),
        HOUSE_TEST(test_asked_for_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
