// SPDX-License-Identifier: MIT
#include "desk/which.h"

#include "desk/params.h"
#include "stripe/event.h"

#define CANDIDATES_MAX 100

bool which_asked(struct ask *a, struct which *out) {
    struct list_filter f;
    if (!params_filter(a, NULL, &f))
        return false;
    *out = (struct which){a->arg, f.owner, f.account, f.livemode};
    return true;
}

static result candidates(struct reader *r, const struct which *w, struct json_doc **out) {
    struct list_filter f = {
        .id = w->name,
        .owner = w->owner,
        .account = w->account,
        .livemode = w->livemode,
        .limit = CANDIDATES_MAX,
    };
    OWN(text_drop)
    struct text rows = {0};
    TRY(reader_events(r, &f, &rows));
    return json_parse(text_bytes(&rows), out);
}

// `noun`: "events" or "objects"; `number`: what their numbers are called.
static void refuse_several(struct ask *a, const struct which *w, json rows, const char *noun,
                           const char *number) {
    a->status = 409;
    text_reset(&a->out);
    OWN(text_drop)
    struct text sentence = {0};
    // What is both a number and an id names neither.
    uint64_t n;
    bool digits = bytes_to_u64(w->name, &n) == OK;
    text_addf(&sentence,
              "%zu %s have the %s %.*s; name one by its %s, or add owner, account or livemode",
              json_size(rows), noun, digits ? "id or number" : "id", BYTES_ARG(ask_short(w->name)),
              digits ? "key" : number);
    text_adds(&a->out, "{\"error\":");
    text_add_json(&a->out, text_bytes(&sentence));
    text_addf(&a->out, ",\"%s\":", noun);
    json_write(rows, &a->out);
    text_addc(&a->out, '}');
}

// The one row's number; false: there are several, refused, or none.
static bool only_one(struct ask *a, const struct which *w, json rows, const char *noun,
                     const char *number, uint64_t *out) {
    if (json_size(rows) > 1) {
        refuse_several(a, w, rows, noun, number);
        return false;
    }
    return json_size(rows) == 1 &&
           bytes_to_u64(json_number(json_get(json_at(rows, 0), number)), out) == OK;
}

bool which_seq(struct ask *a, struct reader *r, const struct which *w, uint64_t *seq) {
    if (bytes_to_u64(w->name, seq) == OK)
        return true;
    if (w->name.n > EVENT_ID_MAX) {
        ask_fail(a, 404, "no event has so long an id; at most %d bytes are possible", EVENT_ID_MAX);
        return false;
    }
    OWN(json_close)
    struct json_doc *doc = NULL;
    result read = candidates(r, w, &doc);
    if (read != OK) {
        ask_fail_read(a, read, "no event has this id");
        return false;
    }
    json rows = json_get(json_root(doc), "data");
    if (only_one(a, w, rows, "events", "seq", seq))
        return true;
    if (a->status == 0)
        ask_fail(a, 404, "no event %.*s is in the books; hookkeep events lists what is there",
                 BYTES_ARG(ask_short(w->name)));
    return false;
}

bool which_object(struct ask *a, struct reader *r, const struct which *w, uint64_t *number) {
    struct list_filter f = {
        .object_id = w->name, .owner = w->owner, .account = w->account, .livemode = w->livemode};
    OWN(text_drop)
    struct text rows = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    result read = reader_objects(r, &f, &rows);
    if (read == OK)
        read = json_parse(text_bytes(&rows), &doc);
    if (read != OK) {
        ask_fail_read(a, read, "no object has this id");
        return false;
    }
    if (only_one(a, w, json_get(json_root(doc), "data"), "objects", "number", number))
        return true;
    if (a->status == 0 && bytes_to_u64(w->name, number) == OK)
        return true; // who asks for it says that there is none
    if (a->status == 0)
        ask_fail(a, 404,
                 "there is no object %.*s that an event has named since there are sites; hookkeep "
                 "sites learn reads older events",
                 BYTES_ARG(ask_short(w->name)));
    return false;
}
