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

static void refuse_several(struct ask *a, const struct which *w, json rows) {
    a->status = 409;
    text_reset(&a->out);
    OWN(text_drop)
    struct text sentence = {0};
    text_addf(&sentence,
              "%zu events have the id %.*s; name one by its seq, or add owner, account or livemode",
              json_size(rows), BYTES_ARG(ask_short(w->name)));
    text_adds(&a->out, "{\"error\":");
    text_add_json(&a->out, text_bytes(&sentence));
    text_adds(&a->out, ",\"events\":");
    json_write(rows, &a->out);
    text_addc(&a->out, '}');
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
    if (json_size(rows) > 1) {
        refuse_several(a, w, rows);
        return false;
    }
    if (json_size(rows) == 1 &&
        bytes_to_u64(json_number(json_get(json_at(rows, 0), "seq")), seq) == OK)
        return true;
    ask_fail(a, 404, "no event %.*s is in the books; hookkeep events lists what is there",
             BYTES_ARG(ask_short(w->name)));
    return false;
}
