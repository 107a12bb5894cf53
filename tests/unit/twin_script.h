// SPDX-License-Identifier: MIT
// Stories for a twin's world: requests that name what earlier ones answered, and the events that
// come of them.
#ifndef TWIN_SCRIPT_H
#define TWIN_SCRIPT_H

#include <stdlib.h>

#include "twin_house.h"

#define SCRIPT_STEPS 9 // a digit names one

// "POST /v1/refunds", "payment_intent={1}": {1} is the id that the first step answered, {1.a.b}
// something else of it. A `what` of "+60" lets a minute go by. The status is 200 unless `status`
// says another; `look` is "path=value" of the answer, several with a space between.
struct script_step {
    const char *what, *form;
    int status;
    const char *look;
};

struct script {
    const char *name;
    struct script_step steps[SCRIPT_STEPS];
    const char *events;
};

struct script_run {
    struct twin_house h;
    struct json_doc *answers[SCRIPT_STEPS];
};

static inline void script_fill(struct script_run *r, const char *in, struct text *out) {
    bytes rest = bytes_of(in);
    while (rest.n > 0) {
        size_t at = bytes_find(rest, '{');
        text_add(out, bytes_slice(rest, 0, at));
        rest = bytes_slice(rest, at + 1, rest.n);
        if (rest.n == 0)
            continue;
        bytes word = bytes_cut(&rest, '}');
        bytes step = bytes_cut(&word, '.');
        json from = json_root(r->answers[step.p[0] - '1']);
        json v = json_path(from, word.n > 0 ? word : B("id"));
        if (json_type(v) == JSON_STRING)
            text_add(out, json_string(v));
        else
            json_write(v, out);
    }
}

static inline void script_look(struct script_run *r, const char *name, const char *look) {
    OWN(text_drop)
    struct text filled = {0};
    script_fill(r, look, &filled);
    bytes rest = text_bytes(&filled);
    while (rest.n > 0) {
        OWN(text_drop)
        struct text path = {0}, value = {0};
        bytes one = bytes_cut(&rest, ' ');
        text_add(&path, bytes_cut(&one, '='));
        text_add(&value, one);
        const char *is = house_text(&r->h, text_str(&path));
        if (strcmp(is, text_str(&value)) != 0)
            fail_msg("%s: %s is %s, not %s", name, text_str(&path), is, text_str(&value));
    }
}

static inline void script_step(struct script_run *r, const struct script *s, size_t i) {
    const struct script_step *step = &s->steps[i];
    OWN(text_drop)
    struct text what = {0}, form = {0};
    if (step->what[0] == '+') {
        r->h.now_ms += (int64_t)atoll(step->what + 1) * 1000;
        twin_run(r->h.world, r->h.now_ms);
        return;
    }
    script_fill(r, step->what, &what);
    script_fill(r, step->form == NULL ? "" : step->form, &form);
    int status = house_ask(&r->h, text_str(&what), text_str(&form));
    if (status != (step->status == 0 ? 200 : step->status))
        fail_msg("%s: step %zu, %s %s: %d %s", s->name, i + 1, text_str(&what), text_str(&form),
                 status, house_text(&r->h, "error.message"));
    OWN(text_drop)
    struct text body = {0};
    json_write(json_root(r->h.answer), &body);
    assert_true(json_parse(text_bytes(&body), &r->answers[i]) == OK);
    if (step->look != NULL)
        script_look(r, s->name, step->look);
}

static inline void script_run(const struct script *s, struct script_run *r) {
    house_open(&r->h);
    for (size_t i = 0; i < SCRIPT_STEPS && s->steps[i].what != NULL; i++)
        script_step(r, s, i);
    house_take(&r->h);
    if (strcmp(text_str(&r->h.trace), s->events) != 0)
        fail_msg("%s: events\n%s\nnot\n%s", s->name, text_str(&r->h.trace), s->events);
}

static inline void script_close(struct script_run *r) {
    for (size_t i = 0; i < SCRIPT_STEPS; i++)
        json_close(&r->answers[i]);
    house_close(&r->h);
}

#endif
