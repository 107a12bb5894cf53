// SPDX-License-Identifier: MIT
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "port/files.h"

#define DOCUMENT_MAX ((size_t)48 << 20) // hookkeep-api(7)

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static struct {
    long long speed;
    char *advance;
} o = {.speed = -1};

static const struct poptOption clock_options[] = {
    {"speed", '\0', POPT_ARG_LONGLONG, &o.speed, 0,
     "so many of its seconds in one of ours from now on; 0: it stands still", "N"},
    {"advance", '\0', POPT_ARG_STRING, &o.advance, 0, "put it on by so much: 90m, 3d", "DURATION"},
    POPT_TABLEEND,
};

static const struct column fields[] = {
    {"its time", "now_ms", CELL_TIME, 0},    {"speed", "speed", CELL_TEXT, 0},
    {"next", "next_ms", CELL_TIME, 0},       {"objects", "objects", CELL_TEXT, 0},
    {"events made", "events", CELL_TEXT, 0}, {"waiting", "waiting", CELL_TEXT, 0},
    {"chaos", "chaos", CELL_TEXT, 0},        {"file", "file", CELL_TEXT, 0},
};

static const struct column endpoint_columns[] = {
    {"source", "source", CELL_TEXT, 12},  {"version", "api_version", CELL_TEXT, 0},
    {"waiting", "waiting", CELL_TEXT, 0}, {"taken", "taken", CELL_TEXT, 0},
    {"failed", "failed", CELL_TEXT, 0},   {"given up", "given_up", CELL_TEXT, 0},
    {"next", "next_ms", CELL_TIME, 10},
};

static void print(json whole, struct text *out) {
    table_fields(fields, COUNT(fields), whole, out);
    list_section("endpoints", endpoint_columns, COUNT(endpoint_columns),
                 json_get(whole, "endpoints"), out);
}

static enum cli_exit status(const struct cli_call *c) {
    return one_show(c, "/api/twin", print, NULL);
}

// Changes it, and prints how it is then.
static enum cli_exit change(const struct cli_call *c, const char *path, bytes body) {
    OWN(client_close)
    struct client *client = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text out = {0};
    enum cli_exit code = client_open(c, &client);
    if (code == CLI_DONE)
        code = client_ask(client, "POST", path, body, &doc);
    if (code != CLI_DONE)
        return code;
    if (c->json) {
        json_line(json_root(doc));
        return CLI_DONE;
    }
    print(json_root(doc), &out);
    cli_out(text_bytes(&out));
    return CLI_DONE;
}

static enum cli_exit reset(const struct cli_call *c) {
    return change(c, "/api/twin/reset", NO_BYTES);
}

static enum cli_exit snapshot(const struct cli_call *c) {
    OWN(client_close)
    struct client *client = NULL;
    OWN(reply_drop)
    struct reply r = {0};
    enum cli_exit code = client_open(c, &client);
    if (code != CLI_DONE)
        return code;
    client_send(client, "GET", "/api/twin/snapshot", NO_BYTES, &r);
    code = client_judge(client, &r);
    if (code == CLI_DONE)
        cli_out(text_bytes(&r.body));
    return code;
}

static enum cli_exit load(const struct cli_call *c) {
    OWN(text_drop)
    struct text document = {.max = DOCUMENT_MAX + 1};
    const char *file = strcmp(c->args[0], "-") == 0 ? "/dev/stdin" : c->args[0];
    result read = file_load(file, DOCUMENT_MAX, &document);
    if (failed_as(read, FAIL_FULL)) {
        cli_say("%s is larger than 48 MiB; stop the gateway, put the file in the place of "
                "LEDGER.twin, and start it",
                c->args[0]);
        return CLI_FAILED;
    }
    if (read != OK) {
        cli_say("%s cannot be read: %s", c->args[0], read->text);
        return CLI_FAILED;
    }
    return change(c, "/api/twin/load", text_bytes(&document));
}

static enum cli_exit set_clock(const struct cli_call *c) {
    OWN(text_drop)
    struct text body = {0};
    int64_t ms;
    if (o.speed < 0 && o.advance == NULL)
        return status(c);
    if (o.advance != NULL && text_parse_duration(bytes_of(o.advance), &ms) != OK)
        return cli_misused(c, "--advance takes how long, as 90m or 3d");
    text_addc(&body, '{');
    if (o.speed >= 0)
        text_addf(&body, "\"speed\":%lld", o.speed);
    if (o.advance != NULL) {
        text_addf(&body, "%s\"advance\":", body.n > 1 ? "," : "");
        text_add_json(&body, bytes_of(o.advance));
    }
    text_addc(&body, '}');
    return change(c, "/api/twin/clock", text_bytes(&body));
}

static enum cli_exit set_chaos(const struct cli_call *c) {
    OWN(text_drop)
    struct text faults = {0}, body = {0};
    for (size_t i = 0; i < c->count; i++)
        text_addf(&faults, "%s%s", i > 0 ? ", " : "", c->args[i]);
    if (c->count == 0)
        return status(c);
    text_adds(&body, "{\"faults\":");
    text_add_json(&body, text_bytes(&faults));
    text_addc(&body, '}');
    return change(c, "/api/twin/chaos", text_bytes(&body));
}

static const struct cli_command actions[] = {
    {"status", "", "its clock, how much it holds, and what its endpoints took", NULL,
     TAKES_API | TAKES_JSON, 0, 0, NULL, status, NULL},
    {"reset", "", "begin with an empty world",
     "What waits to be posted is dropped too. The clock "
     "and what goes wrong stay.\n",
     TAKES_API | TAKES_JSON, 0, 0, NULL, reset, NULL},
    {"snapshot", "", "write all of it to standard output",
     "  hookkeep twin snapshot > before.json\n  hookkeep twin load before.json\n", TAKES_API, 0, 0,
     NULL, snapshot, NULL},
    {"load", "FILE", "put such a file in the place of what there is",
     "-: from standard input. Its clock goes on where the snapshot's was, or ours if that is "
     "later,\nsince it never runs back.\n",
     TAKES_API | TAKES_JSON, 1, 1, NULL, load, NULL},
    {"clock", "", "let its clock run faster, or put it on",
     "  hookkeep twin clock --speed 3600      an hour a second\n  hookkeep twin clock --advance "
     "3d\n\nWhat falls into that time happens: trials end, invoices are made, events are tried "
     "again.\n(What hangs on a test clock happens as that is advanced.)\n",
     TAKES_API | TAKES_JSON, 0, 0, clock_options, set_clock, NULL},
    {"chaos", "[FAULT[=PERCENT]]...", "what goes wrong with its events from now on",
     "  hookkeep twin chaos duplicate=10 drop=5 delay=30s\n  hookkeep twin chaos none\n\n"
     "In place of what was set before, until a restart. FAULT is duplicate, reorder, delay, drop,\n"
     "wrong_signature, old_timestamp, huge_body or disabled (docs/developing.md).\n",
     TAKES_API | TAKES_JSON, 0, ARGS_MANY, NULL, set_chaos, NULL},
    {0},
};

const struct cli_command command_twin = {
    .name = "twin",
    .usage = "ACTION",
    .summary = "the stand-in for Stripe: its world, its clock, what goes wrong",
    .actions = actions,
};
