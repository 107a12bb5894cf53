// SPDX-License-Identifier: MIT
#include "desk/listen_attempts.h"
#include "desk/answers.h"
#include "desk/params.h"
#include "desk/which.h"

// At most LISTEN_TEXT_MAX bytes of it, whole characters, up to the first that is none.
static bytes listen_cut(bytes b) {
    size_t end = 0, step;
    while (end < b.n && (step = bytes_utf8_at(b, end)) > 0 && end + step <= LISTEN_TEXT_MAX)
        end += step;
    return bytes_slice(b, 0, end);
}

static void add_text(struct text *out, const char *name, bytes value) {
    text_addf(out, ",\"%s\":", name);
    text_add_json(out, listen_cut(value));
}

void listen_attempt_write(const struct listen_attempt_row *row, struct text *out) {
    text_addf(out, "{\"event\":%llu,\"status\":%d,\"started_at\":%lld,\"micros\":%lld",
              (unsigned long long)row->event_seq, row->status, (long long)row->started_at,
              (long long)row->micros);
    add_text(out, "by", row->key_id);
    add_text(out, "from", row->device);
    add_text(out, "url", row->url);
    add_text(out, "error", row->error);
    add_text(out, "answer", row->answer);
    text_addc(out, '}');
}

// An event of the key's livemode, where it has one.
static bool event_seen(struct ask *a, struct reader *r, uint64_t seq) {
    if (!key_mode_stripe(a->caller.mode))
        return true; // whether there is such an event, the books say
    struct list_filter f = {.after = seq - 1, .limit = 1, .oldest_first = true};
    f.livemode = key_mode_live(a->caller.mode) ? B("true") : B("false");
    OWN(text_drop)
    struct text rows = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    uint64_t found = 0;
    result read = reader_events(r, &f, &rows);
    if (read == OK)
        read = json_parse(text_bytes(&rows), &doc);
    if (read != OK) {
        ask_fail_read(a, read, "no event");
        return false;
    }
    json first = json_path(json_root(doc), B("data.0.seq"));
    if (bytes_to_u64(json_number(first), &found) == OK && found == seq)
        return true;
    ask_fail(a, 404, "no event that this key sees has the number %llu", (unsigned long long)seq);
    return false;
}

static bool event_of(struct ask *a, struct reader *r, json attempt, uint64_t *seq) {
    json event = json_get(attempt, "event");
    struct which w = {.name = json_type(event) == JSON_NUMBER ? json_number(event)
                                                              : json_string(event)};
    if (key_mode_stripe(a->caller.mode))
        w.livemode = key_mode_live(a->caller.mode) ? B("true") : B("false");
    if (w.name.n == 0) {
        ask_fail(a, 400, "an attempt names no event; `event` is its number or its id");
        return false;
    }
    if (!which_seq(a, r, &w, seq))
        return false;
    if (*seq > 0 && *seq <= INT64_MAX)
        return event_seen(a, r, *seq);
    ask_fail(a, 404, "no event has the number %.*s", BYTES_ARG(ask_short(w.name)));
    return false;
}

static int64_t number_of(json attempt, const char *name) {
    int64_t v = 0;
    return json_i64(json_get(attempt, name), &v) == OK ? v : 0;
}

static void resolve_work(struct ask *a, struct reader *r) {
    json attempts = field(a, "attempts"), element;
    ask_command_begin(a, COMMAND_LISTEN_ATTEMPTS);
    text_adds(&a->payload, ",\"attempts\":[");
    size_t at = 0, n = 0;
    while (json_element(attempts, &at, &element)) {
        struct listen_attempt_row row = {
            .key_id = bytes_of(a->caller.id),
            .device = json_string(field(a, "from")),
            .url = json_string(json_get(element, "url")),
            .status = (int32_t)number_of(element, "status"),
            .started_at = number_of(element, "started_at"),
            .micros = number_of(element, "micros"),
            .error = json_string(json_get(element, "error")),
            .answer = json_string(json_get(element, "answer")),
        };
        if (!event_of(a, r, element, &row.event_seq))
            return;
        text_adds(&a->payload, n++ > 0 ? "," : "");
        listen_attempt_write(&row, &a->payload);
    }
    text_addc(&a->payload, ']');
}

static void resolved(struct ask *a) {
    if (a->status != 0)
        ask_send(a);
    else
        ask_command_post(a, NULL);
}

static bool number_good(json v, int64_t max) {
    int64_t n = 0;
    return json_type(v) == JSON_ABSENT || (json_i64(v, &n) == OK && n >= 0 && n <= max);
}

static bool text_good(json v) {
    enum json_type t = json_type(v);
    return t == JSON_ABSENT || t == JSON_NULL || t == JSON_STRING;
}

static bool attempt_good(json v) {
    static const char *const names[] = {"event",  "url",   "status", "started_at",
                                        "micros", "error", "answer", NULL};
    size_t at = 0;
    bytes name;
    json value;
    while (json_member(v, &at, &name, &value)) {
        size_t i = 0;
        while (names[i] != NULL && !bytes_equal(bytes_of(names[i]), name))
            i++;
        if (names[i] == NULL)
            return false;
    }
    return json_type(v) == JSON_OBJECT && text_good(json_get(v, "url")) &&
           text_good(json_get(v, "error")) && text_good(json_get(v, "answer")) &&
           number_good(json_get(v, "status"), 999) &&
           number_good(json_get(v, "started_at"), INT64_MAX) &&
           number_good(json_get(v, "micros"), INT64_MAX);
}

void listen_attempts(struct ask *a) {
    json attempts = field(a, "attempts"), element;
    size_t n = json_type(attempts) == JSON_ARRAY ? json_size(attempts) : 0, at = 0;
    bool good = n > 0 && n <= LISTEN_ATTEMPTS_MAX && text_good(field(a, "from"));
    while (good && json_element(attempts, &at, &element))
        good = attempt_good(element);
    if (good)
        ask_query(a, resolve_work, resolved);
    else
        ask_refuse(a, 400,
                   "`attempts` has to be a list of 1 to 100 of {event, url, status, started_at, "
                   "micros, error, answer}, where event is a number or an id, url, error and "
                   "answer are texts, and the others are numbers from 0, status up to 999; `from` "
                   "is the name of the machine");
}
