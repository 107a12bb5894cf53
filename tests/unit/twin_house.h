// SPDX-License-Identifier: MIT
// A twin's world to ask things of, as its clients do.
#ifndef TWIN_HOUSE_H
#define TWIN_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/text.h"
#include "stripe/form.h"
#include "twin/twin.h"

#define HOUSE_NOW ((int64_t)1790000000000)

struct twin_house {
    struct twin *world;
    int64_t now_ms;
    const char *account, *key; // of the next request; null: none
    int status;
    bool replayed;
    struct json_doc *answer;
    struct text trace;     // types of the events so far, a space behind each
    struct json_doc *last; // the last event
};

static inline void house_open(struct twin_house *h) {
    *h = (struct twin_house){.now_ms = HOUSE_NOW};
    h->world = twin_open(42, h->now_ms);
}

static inline void house_close(struct twin_house *h) {
    twin_close(&h->world);
    json_close(&h->answer);
    json_close(&h->last);
    text_drop(&h->trace);
}

// The events since, as "a b ", and forgets them.
static inline void house_take(struct twin_house *h) {
    for (struct twin_event *e; (e = twin_event_take(h->world)) != NULL;) {
        text_add(&h->trace, text_bytes(&e->type));
        text_addc(&h->trace, ' ');
        json_close(&h->last);
        OWN(text_drop)
        struct text printed = {0};
        twin_event_print(e, B("2026-10-28.endive"), &printed);
        assert_true(json_parse(text_bytes(&printed), &h->last) == OK);
        twin_event_free(e);
    }
}

#define house_events(h_, expected_)                                                                \
    do {                                                                                           \
        house_take(h_);                                                                            \
        assert_string_equal(text_str(&(h_)->trace), expected_);                                    \
        text_reset(&(h_)->trace);                                                                  \
    } while (0)

static inline int house_put(struct twin_house *h, const char *what, bytes params) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    struct twin_answer answer = {0};
    bytes path = bytes_of(what), method = bytes_cut(&path, ' ');
    assert_true(json_parse(params, &doc) == OK);
    struct twin_request r = {
        .method = method,
        .path = path,
        .params = json_root(doc),
        .account = bytes_of(h->account),
        .caller = B("key_1"),
        .request_id = B("req_1"),
        .idempotency_key = bytes_of(h->key),
    };
    twin_ask(h->world, &r, h->now_ms, &answer);
    json_close(&h->answer);
    assert_true(json_parse(text_bytes(&answer.body), &h->answer) == OK);
    h->status = answer.status;
    h->replayed = answer.replayed;
    text_drop(&answer.body);
    return answer.status;
}

// "POST /v1/customers", "name=Ada&metadata[a]=b". The status.
static inline int house_ask(struct twin_house *h, const char *what, const char *form) {
    OWN(text_drop)
    struct text params = {0}, why = {0};
    assert_true(form_read(bytes_of(form), &params, &why) == OK);
    return house_put(h, what, text_bytes(&params));
}

// "POST /v2/…", with JSON ("": {}).
static inline int house_ask_json(struct twin_house *h, const char *what, const char *body) {
    return house_put(h, what, body[0] == '\0' ? B("{}") : bytes_of(body));
}

static inline json house_at(struct twin_house *h, const char *path) {
    return json_path(json_root(h->answer), bytes_of(path));
}

// A value of the answer as text; one that the next call overwrites the after next.
static inline const char *house_text(struct twin_house *h, const char *path) {
    static struct text kept[4];
    static size_t turn;
    struct text *t = &kept[turn++ % 4];
    json v = house_at(h, path);
    text_reset(t);
    if (json_type(v) == JSON_STRING)
        text_add(t, json_string(v));
    else
        json_write(v, t);
    return text_str(t);
}

// A path of the last event.
static inline const char *house_told(struct twin_house *h, const char *path) {
    static struct text kept;
    json v = json_path(json_root(h->last), bytes_of(path));
    text_reset(&kept);
    if (json_type(v) == JSON_STRING)
        text_add(&kept, json_string(v));
    else
        json_write(v, &kept);
    return text_str(&kept);
}

// A request whose path or form is made of parts; 200 is expected.
static inline void house_do(struct twin_house *h, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static inline void house_do(struct twin_house *h, const char *what, const char *format, ...) {
    OWN(text_drop)
    struct text form = {0};
    va_list args;
    va_start(args, format);
    text_addv(&form, format, args);
    va_end(args);
    if (house_ask(h, what, text_str(&form)) != 200)
        fail_msg("%s %s: %d %s", what, text_str(&form), h->status, house_text(h, "error.message"));
}

#endif
