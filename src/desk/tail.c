// SPDX-License-Identifier: MIT
#include "desk/tail.h"

#include "base/metrics.h"
#include "desk/answers.h"
#include "desk/params.h"

#define LOOK_MS 100
#define HEARTBEAT_US 15000000
#define ROWS_AT_ONCE 50
// A reader that has more than this before him gets no more until he took some.
#define UNSENT_MAX ((size_t)64 << 10)

static void look_work(struct ask *a, struct reader *r) {
    text_reset(&a->out);
    a->tail.failed = reader_events(r, &a->tail.filter, &a->out);
}

static void write_piece(struct ask *a, bytes piece) {
    a->tail.heard_us = clock_mono_us(a->desk->o.clock);
    session_answer_piece(a->session, piece); // the peer may be cut off by this
}

static void end(struct ask *a) {
    struct session *s = a->session;
    list_remove(&a->tail.link);
    a->session = NULL;
    if (s != NULL)
        session_answer_end(s);
}

// The rows that came, a line each. False: the answer is not what it should be.
static bool pass_on(struct ask *a, bool *more) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (a->tail.failed != OK || a->out.failed || json_parse(text_bytes(&a->out), &doc) != OK)
        return false;
    OWN(text_drop)
    struct text lines = {0};
    size_t at = 0;
    json row;
    uint64_t last = a->tail.cursor;
    while (json_element(json_get(json_root(doc), "data"), &at, &row)) {
        if (bytes_to_u64(json_number(json_get(row, "seq")), &last) != OK)
            return false;
        json_write(row, &lines);
        text_addc(&lines, '\n');
    }
    *more = json_true(json_get(json_root(doc), "has_more"));
    if (!*more && a->tail.upto > last)
        last = a->tail.upto;
    a->tail.cursor = last;
    if (lines.n > 0)
        write_piece(a, text_bytes(&lines));
    return true;
}

static void look(struct ask *a);

static void looked(struct ask *a) {
    bool more = false;
    a->tail.asking = false;
    if (a->session == NULL)
        return;
    if (failed_as(a->tail.failed, FAIL_TIMEOUT))
        return; // it may do better later; the cursor stays
    if (!pass_on(a, &more))
        end(a);
    else if (more)
        look(a);
}

static void look(struct ask *a) {
    struct desk *d = a->desk;
    if (a->session == NULL || a->tail.asking || session_unsent(a->session) > UNSENT_MAX)
        return;
    if (clock_mono_us(d->o.clock) - a->tail.heard_us >= HEARTBEAT_US)
        write_piece(a, B("\n"));
    uint64_t booked = ledger_booked(d->o.ledger);
    if (booked <= a->tail.cursor || a->session == NULL)
        return;
    a->tail.asking = true;
    a->tail.upto = booked;
    a->tail.filter.after = a->tail.cursor;
    ask_query(a, look_work, looked);
}

static void look_all(void *ctx) {
    struct desk *d = ctx;
    LIST_EACH_SAFE(it, &d->tails) {
        struct ask *a = CONTAINER(it, struct ask, tail.link);
        ask_hold(a);
        look(a);
        ask_release(a);
    }
    if (!list_empty(&d->tails))
        timer_set(d->tail_timer, LOOK_MS);
}

void tails_open(struct desk *d) {
    list_init(&d->tails);
    d->tail_timer = timer_open(d->loop, look_all, d);
}

void tails_end(struct desk *d, bytes key_id) {
    LIST_EACH_SAFE(it, &d->tails) {
        struct ask *a = CONTAINER(it, struct ask, tail.link);
        if (key_id.n > 0 && !bytes_equal(bytes_of(a->caller.id), key_id))
            continue;
        ask_hold(a);
        end(a);
        ask_release(a);
    }
}

void events_tail(struct ask *a) {
    struct desk *d = a->desk;
    if (!params_filter(a, NULL, &a->tail.filter)) {
        ask_send(a);
        return;
    }
    if (d->no_more || d->draining) {
        ask_refuse(a, 503, "the gateway is stopping; ask again when it runs");
        return;
    }
    a->tail.filter.limit = ROWS_AT_ONCE;
    a->tail.filter.oldest_first = true;
    a->tail.cursor = a->tail.filter.after > 0 ? a->tail.filter.after : ledger_booked(d->o.ledger);
    a->tail.heard_us = clock_mono_us(d->o.clock);
    metric_add(METRIC_DESK_REQUESTS, 1);
    if (list_empty(&d->tails))
        timer_set(d->tail_timer, LOOK_MS);
    list_push(&d->tails, &a->tail.link);
    session_answer_start(a->session, 200, B("application/x-ndjson"));
    look(a);
}
