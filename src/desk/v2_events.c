// SPDX-License-Identifier: MIT
// /v2/core/events (https://docs.stripe.com/api/v2/core/events): thin events, as they came.
#include "desk/answers.h"
#include "desk/v1.h"
#include "desk/v2.h"

#define PATH "/v2/core/events"

static struct history_view view_of(const struct ask *a) {
    return (struct history_view){.livemode = key_mode_live(a->caller.mode),
                                 .account = a->account,
                                 .thin = true,
                                 .object = a->history.object};
}

static void list_work(struct ask *a, struct reader *r) {
    struct history_view view = view_of(a);
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text rows = {0};
    bool more = false;
    result read = reader_history(r, &view, &a->history, &rows, &more);
    if (read == OK)
        read = json_parse(text_bytes(&rows), &doc);
    if (failed_as(read, FAIL_ABSENT)) {
        v1_fail(a, API_ERROR_CURSOR_MISSING, "page",
                "page goes on behind an event that this key does not see; begin the list anew.");
        return;
    }
    if (read != OK) {
        ask_fail_read(a, read, "no events");
        return;
    }
    size_t n = json_size(json_root(doc));
    bytes last = more ? json_string(json_get(json_at(json_root(doc), n - 1), "id")) : NO_BYTES;
    text_adds(&a->out, "{\"data\":");
    text_add(&a->out, text_bytes(&rows));
    v2_page_write(a, PATH, last);
}

void v2_events_list(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    bytes after;
    if (!v2_page_read(a, &after)) {
        ask_send(a);
    } else if (event_query_read_v2(json_root(a->doc), &a->history, &why)) {
        a->history.after = after;
        ask_query(a, list_work, ask_send);
    } else {
        v1_refuse(a, &why);
    }
}

static void show_work(struct ask *a, struct reader *r) {
    struct history_view view = view_of(a);
    (void)v1_event_show(a, r, &view, "event",
                        ". Thin events are shown here; the others are under /v1/events.");
}

void v2_events_show(struct ask *a) {
    OWN(api_refusal_drop)
    struct api_refusal why = {0};
    if (api_names_known(json_root(a->doc), NULL, &why)) {
        ask_query(a, show_work, ask_send);
        return;
    }
    v1_refuse(a, &why);
}
