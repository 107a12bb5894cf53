// SPDX-License-Identifier: MIT
#include "desk/answers.h"
#include "desk/params.h"
#include "desk/which.h"

static void list_work(struct ask *a, struct reader *r) {
    result read = reader_events(r, &a->filter, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "no events");
}

void events_list(struct ask *a) {
    if (params_filter(a, NULL, &a->filter))
        ask_query(a, list_work, ask_send);
    else
        ask_send(a);
}

// The event that is asked for, as the reader wants it named; empty: refused.
static bytes event_name(struct ask *a, struct reader *r) {
    struct which w;
    uint64_t seq = 0;
    OWN(text_drop)
    struct text digits = {0};
    if (!which_asked(a, &w) || !which_seq(a, r, &w, &seq))
        return NO_BYTES;
    text_add_u64(&digits, seq);
    return arena_copy(&a->memory, text_bytes(&digits));
}

static void show_work(struct ask *a, struct reader *r) {
    bytes name = event_name(a, r);
    if (name.n == 0)
        return;
    result read = reader_event(r, name, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "no event has this number; /api/events lists what is there");
}

void events_show(struct ask *a) { ask_query(a, show_work, ask_send); }

static void body_work(struct ask *a, struct reader *r) {
    bytes name = event_name(a, r);
    if (name.n == 0)
        return;
    result read = reader_body(r, name, a->number, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "no event has this number, or the receipt is not one of its own");
}

void events_body(struct ask *a) {
    if (param_number(a, "receipt", &a->number))
        ask_query(a, body_work, ask_send);
    else
        ask_send(a);
}

static bool to_is_good(json to) {
    return json_type(to) == JSON_ABSENT || json_type(to) == JSON_NULL ||
           (json_type(to) == JSON_STRING && json_string(to).n > 0);
}

// One element of `events`, a number or an id. False: refused.
static bool seq_of(struct ask *a, struct reader *r, json element, uint64_t *out) {
    struct which w = {.name = json_type(element) == JSON_NUMBER ? json_number(element)
                                                                : json_string(element)};
    uint64_t seq = 0;
    bool number = json_type(element) == JSON_NUMBER;
    if (w.name.n == 0 || (number && bytes_to_u64(w.name, &seq) != OK)) {
        ask_fail(a, 400, "`events` holds something that is neither an event's number nor its id");
        return false;
    }
    if (!which_seq(a, r, &w, &seq))
        return false;
    if (seq == 0 || seq > INT64_MAX) {
        ask_fail(a, 404, "no event has the number %.*s", BYTES_ARG(ask_short(w.name)));
        return false;
    }
    *out = seq;
    return true;
}

static void replay_work(struct ask *a, struct reader *r) {
    json events = field(a, "events"), element, to = field(a, "to");
    ask_command_begin(a, COMMAND_REPLAY);
    text_adds(&a->payload, ",\"events\":[");
    uint64_t seq;
    size_t at = 0, n = 0;
    while (json_element(events, &at, &element)) {
        if (!seq_of(a, r, element, &seq))
            return;
        text_addf(&a->payload, "%s%llu", n++ > 0 ? "," : "", (unsigned long long)seq);
    }
    text_adds(&a->payload, "],\"to\":");
    if (json_type(to) == JSON_STRING)
        text_add_json(&a->payload, json_string(to));
    else
        text_adds(&a->payload, "null");
}

static void replay_resolved(struct ask *a) {
    if (a->status != 0)
        ask_send(a);
    else
        ask_command_post(a, NULL);
}

static void plan_work(struct ask *a, struct reader *r) {
    json events = field(a, "events"), element;
    struct plan *now = NULL;
    result done = explain_plan(a, r, &now);
    uint64_t seq;
    size_t at = 0, n = 0;
    text_adds(&a->out, "{\"data\":[");
    while (done == OK && json_element(events, &at, &element)) {
        if (!seq_of(a, r, element, &seq))
            break;
        text_adds(&a->out, n++ > 0 ? "," : "");
        done = explain_replay(a, r, now, seq, json_string(field(a, "to")));
    }
    text_adds(&a->out, "]}");
    plan_free(now);
    if (done != OK)
        ask_fail_read(a, done, "no event has one of these numbers");
}

static void replay_checked(struct ask *a, void (*work)(struct ask *, struct reader *),
                           void (*then)(struct ask *)) {
    json events = field(a, "events");
    size_t n = json_type(events) == JSON_ARRAY ? json_size(events) : 0;
    if (n == 0 || n > REPLAY_EVENTS_MAX) {
        ask_fail(a, 400, "`events` has to be a list of 1 to %d event numbers or ids",
                 REPLAY_EVENTS_MAX);
        ask_send(a);
    } else if (!to_is_good(field(a, "to"))) {
        ask_refuse(a, 400, "`to` has to be a destination's name, or null for all that match");
    } else {
        ask_query(a, work, then);
    }
}

void events_replay(struct ask *a) { replay_checked(a, replay_work, replay_resolved); }

void events_replay_plan(struct ask *a) { replay_checked(a, plan_work, ask_send); }
