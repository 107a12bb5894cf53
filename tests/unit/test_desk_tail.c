// SPDX-License-Identifier: MIT
// Streams of events: each once, in order, bounded, ended in time. And requests whose peer leaves.
#include "desk_house.h"

#include "base/memory.h"

// A stream being read, a line at a time.
struct stream {
    int fd;
    struct text raw, lines; // as it came; without head and chunk sizes
    size_t raw_at, line_at;
    bool in_body, ended;
};

static void stream_open(const struct house *h, struct stream *s, const char *target,
                        const char *key) {
    char bearer[128];
    *s = (struct stream){.fd = client_connect(h)};
    snprintf(bearer, sizeof bearer, "Bearer %s", key);
    client_send(s->fd, "GET", target, bearer, NO_BYTES);
}

static void stream_drop(struct stream *s) {
    close(s->fd);
    text_drop(&s->raw);
    text_drop(&s->lines);
}

static bool take_chunk(struct stream *s) {
    bytes rest = bytes_slice(text_bytes(&s->raw), s->raw_at, s->raw.n);
    size_t eol = bytes_search(rest, B("\r\n"));
    if (eol == rest.n)
        return false;
    size_t size = (size_t)strtoul((const char *)rest.p, NULL, 16);
    if (rest.n < eol + 2 + size + 2)
        return false;
    text_add(&s->lines, bytes_slice(rest, eol + 2, eol + 2 + size));
    s->raw_at += eol + 2 + size + 2;
    s->ended = s->ended || size == 0;
    return true;
}

// More of it; false when the peer closed.
static bool stream_read(struct stream *s) {
    char piece[65536];
    ssize_t n = recv(s->fd, piece, sizeof piece, 0);
    if (n < 0)
        fail_msg("nothing came");
    if (n == 0)
        return false;
    text_add(&s->raw, bytes_from(piece, (size_t)n));
    size_t end = s->in_body ? s->raw.n : bytes_search(text_bytes(&s->raw), B("\r\n\r\n"));
    if (end < s->raw.n) {
        assert_memory_equal(s->raw.p, "HTTP/1.1 200", 12);
        s->in_body = true;
        s->raw_at = end + 4;
    }
    while (s->in_body && !s->ended && take_chunk(s))
        continue;
    return true;
}

// The next line; false at the stream's end.
static bool stream_line(struct stream *s, bytes *line) {
    for (;;) {
        bytes rest = bytes_slice(text_bytes(&s->lines), s->line_at, s->lines.n);
        size_t eol = bytes_find(rest, '\n');
        if (eol < rest.n) {
            *line = bytes_slice(rest, 0, eol);
            s->line_at += eol + 1;
            return true;
        }
        if (s->ended || !stream_read(s))
            return false;
    }
}

static uint64_t line_seq(bytes line) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    uint64_t seq = 0;
    assert_ok(json_parse(line, &doc));
    assert_ok(bytes_to_u64(json_number(json_get(json_root(doc), "seq")), &seq));
    return seq;
}

static uint64_t next_seq(struct stream *s) {
    bytes line;
    do
        assert_true(stream_line(s, &line));
    while (line.n == 0);
    return line_seq(line);
}

// The head of the answer was sent when the desk looks at the stream the first time.
static void stream_begin(struct stream *s) {
    while (!s->in_body)
        assert_true(stream_read(s));
}

#define LOAD_MAX 1000

struct load {
    struct house *house;
    uint64_t seqs[LOAD_MAX];
    size_t n;
    size_t wide; // bytes of each event's object id
};

static void write_event(const struct load *l, size_t i, struct text *out) {
    text_addf(out,
              "{\"id\":\"evt_%zu\",\"object\":\"event\",\"type\":\"%s\",\"created\":1,"
              "\"livemode\":true,\"data\":{\"object\":{\"id\":\"o",
              i, i % 3 == 0 ? "charge.x" : "customer.x");
    for (size_t k = 0; k < l->wide; k++)
        text_addc(out, 'o');
    text_adds(out, "\"}}}");
}

static void post_event(struct load *l, size_t i, struct append *a, struct text *payload,
                       struct mailbox *answers) {
    OWN(text_drop)
    struct text body = {0};
    write_event(l, i, &body);
    struct receipt_record r = {
        .source = B("/webhook"),
        .owner = B("main"),
        .secret_label = B("default"),
        .body = text_bytes(&body),
    };
    receipt_encode(&r, payload);
    *a = (struct append){
        .kind = RECORD_EVENT,
        .generation = l->house->generation,
        .payload = text_bytes(payload),
        .reply = answers,
    };
    assert_true(journal_credit_take(l->house->journal, CREDIT_INNER, payload->n, &a->credit));
    journal_post(l->house->journal, a);
}

// Posts all at once and waits until they are durable.
static void post_load(void *ctx) {
    struct load *l = ctx;
    struct mailbox *answers = mailbox_open(NULL, NULL);
    struct append *appends = NEW_ARRAY(struct append, l->n);
    struct text *payloads = NEW_ARRAY(struct text, l->n);
    for (size_t i = 0; i < l->n; i++)
        post_event(l, i, &appends[i], &payloads[i], answers);
    for (size_t back = 0; back < l->n;) {
        (void)mailbox_wait(answers, -1);
        for (struct mail *m = mailbox_drain(answers); m != NULL; m = m->next)
            back++;
    }
    for (size_t i = 0; i < l->n; i++) {
        l->seqs[i] = appends[i].position;
        text_drop(&payloads[i]);
    }
    free(appends);
    free(payloads);
    mailbox_close(answers);
}

// Everything that is booked while it is booked: once, in order; also by a filter, and after a gap.
static void test_order(void **state) {
    struct house *h = *state;
    struct load load = {.house = h, .n = 600};
    struct stream all, charges, again;
    struct thread *poster;
    stream_open(h, &all, "/api/events/tail", h->viewer_key);
    stream_open(h, &charges, "/api/events/tail?type=charge.*", h->viewer_key);
    stream_begin(&all);
    stream_begin(&charges);
    assert_ok(thread_start("poster", post_load, &load, &poster));
    uint64_t seqs[LOAD_MAX];
    for (size_t i = 0; i < load.n; i++)
        seqs[i] = next_seq(&all);
    thread_join(poster);
    for (size_t i = 0; i < load.n; i++)
        assert_int_equal(seqs[i], load.seqs[i]);
    for (size_t i = 0; i < load.n; i += 3)
        assert_int_equal(next_seq(&charges), load.seqs[i]);
    char target[64];
    snprintf(target, sizeof target, "/api/events/tail?after=%llu",
             (unsigned long long)load.seqs[99]);
    stream_open(h, &again, target, h->viewer_key);
    for (size_t i = 100; i < load.n; i++)
        assert_int_equal(next_seq(&again), load.seqs[i]);
    uint64_t last = house_stripe_event(h, "evt_last", "charge.y", NULL, true);
    assert_int_equal(next_seq(&all), last);
    assert_int_equal(next_seq(&charges), last);
    assert_int_equal(next_seq(&again), last);
    stream_drop(&all);
    stream_drop(&charges);
    stream_drop(&again);
}

static void test_heartbeat(void **state) {
    struct house *h = *state;
    struct stream s;
    bytes line;
    stream_open(h, &s, "/api/events/tail", h->viewer_key);
    stream_begin(&s);
    for (int i = 0; i < 2; i++) {
        atomic_fetch_add(&h->clock.ahead_us, 16000000);
        assert_true(stream_line(&s, &line));
        assert_int_equal(line.n, 0);
    }
    stream_drop(&s);
}

// One who does not read holds nobody up, and gets everything when he does: the desk waits for him,
// or what it owes him would have grown over HTTP_UNSENT_MAX and he would have been cut off.
static void test_slow_reader(void **state) {
    struct house *h = *state;
    struct load load = {.house = h, .n = 800, .wide = 25000};
    struct stream slow, quick;
    stream_open(h, &slow, "/api/events/tail?after=1", h->viewer_key);
    stream_open(h, &quick, "/api/events/tail?after=1", h->viewer_key);
    post_load(&load);
    for (size_t i = 0; i < load.n; i++)
        assert_int_equal(next_seq(&quick), load.seqs[i]);
    for (size_t i = 0; i < load.n; i++)
        assert_int_equal(next_seq(&slow), load.seqs[i]);
    stream_drop(&slow);
    stream_drop(&quick);
}

static void test_ends_with_its_key(void **state) {
    struct house *h = *state;
    struct stream mine, other;
    char id[DESK_KEY_ID_MAX], path[64];
    bytes line;
    desk_key_id(bytes_of(h->viewer_key), id);
    snprintf(path, sizeof path, "/api/keys/%s/revoke", id);
    stream_open(h, &mine, "/api/events/tail", h->viewer_key);
    stream_open(h, &other, "/api/events/tail", h->operator_key);
    stream_begin(&mine);
    stream_begin(&other);
    OWN(reply_drop)
    struct reply r;
    call(h, "POST", path, NULL, &r);
    assert_status(&r, 200);
    assert_false(stream_line(&mine, &line));
    assert_true(mine.ended);
    uint64_t seq = house_stripe_event(h, "evt_on", "a.b", NULL, true);
    assert_int_equal(next_seq(&other), seq);
    stream_drop(&mine);
    stream_drop(&other);
}

static void test_ends_at_stop(void **state) {
    struct house *h = *state;
    struct stream s;
    bytes line;
    stream_open(h, &s, "/api/events/tail", h->viewer_key);
    stream_begin(&s);
    desk_stop(h->desk);
    assert_false(stream_line(&s, &line));
    assert_true(s.ended);
    stream_drop(&s);
}

// A query that keeps the query thread busy until it is told to go on.
struct plug {
    struct query query;
    struct mailbox *begun, *go, *done;
    struct mail begun_mail, go_mail;
};

static void plug_run(struct query *q, struct reader *r) {
    struct plug *p = CONTAINER(q, struct plug, query);
    mailbox_post(p->begun, &p->begun_mail);
    while (mailbox_drain(p->go) == NULL)
        (void)mailbox_wait(p->go, -1);
}

static void wait_for(struct mailbox *m) {
    while (mailbox_drain(m) == NULL)
        (void)mailbox_wait(m, -1);
}

static void plug_in(struct house *h, struct plug *p) {
    *p = (struct plug){.begun = mailbox_open(NULL, NULL),
                       .go = mailbox_open(NULL, NULL),
                       .done = mailbox_open(NULL, NULL)};
    p->query = (struct query){.run = plug_run, .reply = p->done};
    queries_post(h->queries, &p->query);
    wait_for(p->begun);
}

static void plug_out(struct plug *p) {
    mailbox_post(p->go, &p->go_mail);
    wait_for(p->done);
    mailbox_close(p->begun);
    mailbox_close(p->go);
    mailbox_close(p->done);
}

// Peers that leave while their query runs, or their command is booked, leave nothing behind.
static void test_gone(void **state) {
    struct house *h = *state;
    struct plug plug;
    char bearer[128];
    static const char *const targets[] = {"/api/events", "/api/status", "/api/events/tail?after=1",
                                          "/metrics"};
    snprintf(bearer, sizeof bearer, "Bearer %s", h->operator_key);
    house_stripe_event(h, "evt_gone", "a.b", NULL, true);
    OWN(reply_drop)
    struct reply known; // the key is in the cache: the requests come to their query
    call(h, "GET", "/api/status", NULL, &known);
    plug_in(h, &plug);
    for (size_t i = 0; i < 4; i++) {
        int fd = client_connect(h);
        client_send(fd, "GET", targets[i], bearer, NO_BYTES);
        shutdown(fd, SHUT_RDWR);
        close(fd);
    }
    int fd = client_connect(h);
    client_send(fd, "POST", "/api/destinations/all/hold", bearer, NO_BYTES);
    close(fd);
    // Answered without a query: what was sent before has been read.
    OWN(reply_drop)
    struct reply alive;
    call_as(h, "GET", "/healthz", NULL, NULL, &alive);
    assert_status(&alive, 200);
    plug_out(&plug);
    OWN(reply_drop)
    struct reply r;
    call(h, "GET", "/api/events", NULL, &r);
    assert_status(&r, 200);
    assert_says(&r, "evt_gone");
}

// Stopping cuts what is under way after its time, closing waits for what was begun.
static void test_stop_with_query(void **state) {
    struct house *h = *state;
    struct plug plug;
    char bearer[128];
    snprintf(bearer, sizeof bearer, "Bearer %s", h->operator_key);
    plug_in(h, &plug);
    int fd = client_connect(h);
    client_send(fd, "GET", "/api/events", bearer, NO_BYTES);
    OWN(reply_drop)
    struct reply alive;
    call_as(h, "GET", "/healthz", NULL, NULL, &alive);
    desk_stop(h->desk); // returns though the query did not
    char c;
    assert_true(recv(fd, &c, 1, 0) <= 0);
    close(fd);
    plug_out(&plug);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(test_order),           HOUSE_TEST(test_heartbeat),
        HOUSE_TEST(test_slow_reader),     HOUSE_TEST(test_ends_with_its_key),
        HOUSE_TEST(test_ends_at_stop),    HOUSE_TEST(test_gone),
        HOUSE_TEST(test_stop_with_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
