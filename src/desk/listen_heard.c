// SPDX-License-Identifier: MIT
#include "base/metrics.h"
#include "desk/ask.h"
#include "desk/listen.h"
#include "desk/listen_attempts.h"

#define BOOK_MS 200
#define BOOK_BYTES ((size_t)64 << 10) // of a command, about
#define BOOKINGS_MAX 4                // commands under way; what is over that is left out

static void nothing_more(struct ask *a) { (void)a; }

static void booked(struct ask *a) {
    a->desk->listeners.bookings--;
    if (a->status != 0)
        metric_add(METRIC_LISTEN_ANSWERS_LOST, a->number);
}

static void forget(struct listeners *all) {
    text_reset(&all->attempts);
    all->attempt_n = 0;
}

void listen_book(struct desk *d) {
    struct listeners *all = &d->listeners;
    if (all->attempt_n == 0)
        return;
    if (all->bookings == BOOKINGS_MAX) { // the journal is slow
        metric_add(METRIC_LISTEN_ANSWERS_LOST, all->attempt_n);
        forget(all);
        return;
    }
    struct ask *a = ask_inner(d, booked);
    a->number = all->attempt_n;
    all->bookings++;
    ask_command_begin(a, COMMAND_LISTEN_ATTEMPTS);
    text_addf(&a->payload, ",\"attempts\":[%s]", text_str(&all->attempts));
    ask_command_post(a, nothing_more);
    ask_release(a);
    forget(all);
}

static void book_late(void *ctx) { listen_book(ctx); }

void listen_heard_close(struct desk *d) {
    timer_close(d->listeners.booking);
    text_drop(&d->listeners.attempts);
}

static void gather(struct listener *l, const struct push_name *name, json message) {
    struct listeners *all = &l->desk->listeners;
    int64_t status = 0, now = clock_wall_ms(l->desk->o.clock);
    if (json_i64(json_get(message, "status"), &status) != OK || status < 0 || status > 999)
        status = 0;
    struct listen_attempt_row row = {
        .event_seq = name->event,
        .key_id = bytes_of(l->key_id),
        .device = text_bytes(&l->device),
        .url = json_string(json_get(message, "forward_url")),
        .status = (int32_t)status,
        .started_at = name->at_ms,
        .micros = now > name->at_ms ? (now - name->at_ms) * 1000 : 0,
        .answer = json_string(json_get(message, "body")),
    };
    if (all->booking == NULL)
        all->booking = timer_open(l->desk->loop, book_late, l->desk);
    if (all->attempt_n == 0)
        timer_set(all->booking, BOOK_MS);
    text_adds(&all->attempts, all->attempt_n++ > 0 ? "," : "");
    listen_attempt_write(&row, &all->attempts);
    l->answered++;
    if (all->attempt_n == LISTEN_ATTEMPTS_MAX || all->attempts.n > BOOK_BYTES)
        listen_book(l->desk);
}

// What a message speaks of. False: of nothing that was pushed in this session.
static bool names_push(const struct listener *l, json message, struct push_name *out) {
    return push_name_read(&l->names, json_string(json_get(message, "webhook_id")), out);
}

bool listen_heard(struct listener *l, bytes text) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    struct push_name name;
    if (json_parse(text, &doc) != OK || json_type(json_root(doc)) != JSON_OBJECT) {
        metric_add(METRIC_LISTEN_MALFORMED, 1);
        return false;
    }
    json message = json_root(doc), type = json_get(message, "type");
    bool ack = json_equals_text(type, B("event_ack"));
    if (!ack && !json_equals_text(type, B("webhook_response"))) {
        metric_add(METRIC_LISTEN_UNKNOWN, 1);
        return false;
    }
    // A request that he was told of is acknowledged without a name: nothing waits for that.
    if (ack && json_string(json_get(message, "webhook_id")).n == 0)
        return false;
    if (!names_push(l, message, &name)) {
        metric_add(METRIC_LISTEN_MALFORMED, 1);
        return false;
    }
    metric_add(ack ? METRIC_LISTEN_ACKS : METRIC_LISTEN_ANSWERS, 1);
    if (ack)
        return push_window_ack(&l->window, name.event, name.flavour);
    gather(l, &name, message);
    return false;
}
