// SPDX-License-Identifier: MIT
#include "desk/answers.h"
#include "desk/params.h"

#define REASON_MAX 256
#define OVERLAP_MAX_MS (INT64_C(30) * 86400 * 1000)

static void list_work(struct ask *a, struct reader *r) {
    result read = reader_destinations(r, &a->out);
    if (read != OK)
        ask_fail_read(a, read, "no destinations");
}

// The row's own members, and how dispatch sees it: null if there is no target of it.
static void add_paced(json row, json paces, struct text *out) {
    OWN(text_drop)
    struct text one = {0};
    json pace = json_getb(paces, json_string(json_get(row, "name")));
    json_write(row, &one);
    text_add(out, bytes_slice(text_bytes(&one), 0, one.n - 1));
    text_adds(out, ",\"pace\":");
    if (json_type(pace) == JSON_ABSENT)
        text_adds(out, "null");
    else
        json_write(pace, out);
    text_addc(out, '}');
}

static void pace_rows(struct ask *a) {
    OWN(text_drop)
    struct text books = a->out;
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(json_close)
    struct json_doc *paces = NULL;
    size_t at = 0, n = 0;
    json row;
    a->out = (struct text){0};
    if (json_parse(text_bytes(&books), &doc) != OK ||
        json_parse(text_bytes(&a->look.out), &paces) != OK) {
        ask_refuse(a, 500, "the destinations could not be read; ask again");
        return;
    }
    json list = json_get(json_root(doc), "data");
    if (json_type(list) == JSON_ABSENT) {
        add_paced(json_root(doc), json_root(paces), &a->out);
    } else {
        text_adds(&a->out, "{\"data\":[");
        while (json_element(list, &at, &row)) {
            text_adds(&a->out, n++ > 0 ? "," : "");
            add_paced(row, json_root(paces), &a->out);
        }
        text_adds(&a->out, "],\"has_more\":false}");
    }
    ask_send(a);
}

static void look(struct ask *a) {
    if (a->status != 0)
        ask_send(a); // refused
    else
        ask_look(a, a->arg, false, pace_rows);
}

void destinations_list(struct ask *a) { ask_query(a, list_work, look); }

// Names of what the configuration has or had; endpoints may be many.
static void add_names(struct reader *r, struct text *names) {
    OWN(text_drop)
    struct text list = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    size_t at = 0;
    json row;
    if (reader_destinations(r, &list) != OK || json_parse(text_bytes(&list), &doc) != OK)
        return;
    while (json_element(json_get(json_root(doc), "data"), &at, &row)) {
        bytes name = json_string(json_get(row, "name"));
        if (json_type(json_get(row, "endpoint")) == JSON_NULL)
            text_addf(names, "%s%.*s", names->n > 0 ? ", " : "", BYTES_ARG(name));
    }
}

static void show_work(struct ask *a, struct reader *r) {
    OWN(text_drop)
    struct text names = {0};
    result read = reader_destination(r, a->arg, &a->out);
    if (read != OK)
        text_reset(&a->out);
    if (!failed_as(read, FAIL_ABSENT)) {
        if (read != OK)
            ask_fail_read(a, read, "no destination");
        return;
    }
    add_names(r, &names);
    ask_fail(a, 404, "there is no destination %.*s; there are: %s", BYTES_ARG(ask_short(a->arg)),
             names.n > 0 ? text_str(&names) : "none");
}

void destinations_show(struct ask *a) { ask_query(a, show_work, look); }

void destinations_hold(struct ask *a) {
    json reason = field(a, "reason");
    bytes text = json_string(reason);
    if ((json_type(reason) != JSON_ABSENT && json_type(reason) != JSON_STRING) ||
        text.n > REASON_MAX) {
        ask_fail(a, 400, "`reason` is a text of at most %d bytes, or absent", REASON_MAX);
        ask_send(a);
        return;
    }
    ask_command_begin(a, COMMAND_HOLD);
    text_adds(&a->payload, ",\"destination\":");
    text_add_json(&a->payload, a->arg);
    text_adds(&a->payload, ",\"reason\":");
    text_add_json(&a->payload, text);
    ask_command_post(a, NULL);
}

void destinations_roll(struct ask *a) {
    json overlap = field(a, "overlap");
    int64_t ms = 0;
    if (a->idempotency_key.n > 0) {
        ask_refuse(a, 400, "a secret is told once, so that rolling one takes no Idempotency-Key");
        return;
    }
    if (text_parse_duration(json_string(overlap), &ms) != OK || ms % 1000 != 0 ||
        ms > OVERLAP_MAX_MS) {
        ask_refuse(a, 400,
                   "`overlap` is how long the secret of before signs beside the new one: a "
                   "duration in whole seconds from 0s to 30d, as 24h");
        return;
    }
    ask_roll(a, ms / 1000);
}

void destinations_release(struct ask *a) {
    ask_command_begin(a, COMMAND_RELEASE);
    text_adds(&a->payload, ",\"destination\":");
    text_add_json(&a->payload, a->arg);
    ask_command_post(a, NULL);
}
