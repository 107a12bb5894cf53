// SPDX-License-Identifier: MIT
#include "plugin/host.h"

#include <stdio.h>
#include <string.h>

#include "plugin/plugin.h"
#include "plugin/view.h"
#include "port/streams.h"

#define PROCESS_NAME "hookkeep-plugin"
#define BUFFER_SIZE ((size_t)64 << 10)
// A body of the largest limits.body, each byte of it escaped, and what stands around it.
#define LINE_MAX ((size_t)33 << 20)

struct host {
    struct streams streams;
    struct plugin plugin;
    bool deaf; // nobody hears our answers
};

// Standard error; a line of the gateway's log.
static void say(const char *path, const struct text *why) {
    fprintf(stderr, "hookkeep: the plugin %s: %s\n", path, text_str(why));
}

static bool open_host(struct host *h, const char *path) {
    OWN(text_drop)
    struct text why = {0};
    result opened = streams_take(&h->streams, PROCESS_NAME);
    if (opened != OK)
        text_adds(&why, opened->text);
    else
        opened = plugin_open(path, &h->plugin, &why);
    if (opened != OK)
        say(path, &why);
    return opened == OK;
}

// --- a worker

static void judge(int returned, const hk_handler *handler, const hk_handler_answer *said,
                  struct frame_answer *out, struct text *error) {
    // Any number of seconds; a day counts at most.
    unsigned long seconds = said->retry_after;
    out->retry_after_ms =
        seconds < RETRY_AFTER_MAX_MS / 1000 ? (int64_t)seconds * 1000 : RETRY_AFTER_MAX_MS;
    out->outcome = returned == HK_DONE      ? OUTCOME_DONE
                   : returned == HK_NOT_YET ? OUTCOME_NOT_YET
                                            : OUTCOME_FAILED;
    if (out->outcome == OUTCOME_DONE) {
        out->retry_after_ms = 0;
        return;
    }
    text_add(error, bytes_of(handler->name));
    if (returned != HK_NOT_YET && returned != HK_FAILED)
        text_addf(error, " returned %d, which is no outcome", returned);
    if (said->reason[0] != '\0')
        text_addf(error, ": %s", said->reason);
    out->error = text_bytes(error);
}

static void handle(struct host *h, const struct frame_event *event, struct frame_answer *out,
                   struct text *error) {
    const hk_handler *handler = plugin_find(&h->plugin, event->type);
    OWN(view_drop)
    struct view view = {0};
    hk_handler_answer said;
    memset(&said, 0, sizeof said);
    out->outcome = OUTCOME_DONE;
    if (handler == NULL)
        return;
    result seen = view_init(&view, event);
    if (seen != OK) {
        out->outcome = OUTCOME_FAILED;
        out->error = bytes_of(seen->text);
        return;
    }
    int returned = handler->process(&view.event, &said);
    streams_end_forked(&h->streams);
    fflush(NULL);
    said.reason[sizeof said.reason - 1] = '\0';
    judge(returned, handler, &said, out, error);
}

static void on_line(void *ctx, bytes line, bool cut) {
    struct host *h = ctx;
    OWN(text_drop)
    struct text error = {0}, answer = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    struct frame_event event;
    result read = frame_event_read(line, &event, &doc);
    if (cut || read != OK) {
        fprintf(stderr, "hookkeep: a line that is no event is passed over: %s\n",
                cut ? "it is too long" : read->text);
        return;
    }
    struct frame_answer a = {.delivery = event.delivery, .attempt = event.attempt};
    handle(h, &event, &a, &error);
    frame_answer_write(&a, &answer);
    h->deaf = h->deaf || !streams_write(&h->streams, text_bytes(&answer));
}

int host_run(const char *path) {
    static char buffer[BUFFER_SIZE];
    struct host h = {0};
    struct frame_lines lines = {.max = LINE_MAX};
    if (!open_host(&h, path))
        return HOST_BROKEN;
    for (size_t n = 1; n > 0 && !h.deaf;) {
        n = streams_read(&h.streams, buffer, sizeof buffer);
        frame_lines_add(&lines, bytes_from(buffer, n), on_line, &h);
    }
    frame_lines_drop(&lines);
    return h.deaf ? 1 : 0;
}

// --- who looks

static void show_json(const struct plugin *p, struct text *out) {
    const hk_handler_table *t = p->table;
    text_addf(out, "{\"version\":%u,\"handlers\":[", t->version);
    for (size_t i = 0; i < t->count; i++) {
        text_adds(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        text_add_json(out, bytes_of(t->handlers[i].name));
        text_adds(out, ",\"description\":");
        text_add_json(out, bytes_of(t->handlers[i].description));
        text_adds(out, ",\"types\":[");
        for (const char *const *type = t->handlers[i].types; *type != NULL; type++) {
            text_adds(out, type == t->handlers[i].types ? "" : ",");
            text_add_json(out, bytes_of(*type));
        }
        text_adds(out, "]}");
    }
    text_adds(out, "]}\n");
}

int host_show(const char *path) {
    OWN(text_drop)
    struct text out = {0};
    struct host h = {0};
    if (!open_host(&h, path))
        return HOST_BROKEN;
    show_json(&h.plugin, &out);
    bool told = streams_write(&h.streams, text_bytes(&out));
    plugin_close(&h.plugin);
    return told ? 0 : 1;
}
