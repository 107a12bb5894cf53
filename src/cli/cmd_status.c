// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "cli/rows.h"

static const struct column fields[] = {
    {"version", "version", CELL_TEXT, 0},           {"ready", "ready", CELL_YES, 0},
    {"not ready", "reason", CELL_TEXT, 0},          {"generation", "generation", CELL_TEXT, 0},
    {"durable", "journal.durable", CELL_TEXT, 0},   {"booked", "ledger.booked", CELL_TEXT, 0},
    {"journal used", "journal.used", CELL_TEXT, 0}, {"journal size", "journal.size", CELL_TEXT, 0},
};

static const struct column listening[] = {
    {"device", "device", CELL_TEXT, 12},
    {"mode", "livemode", CELL_MODE, 0},
    {"connected", "connected", CELL_YES, 0},
    {"behind", "behind", CELL_TEXT, 0},
    {"unacknowledged", "unacknowledged", CELL_TEXT, 0},
    {"forwards to", "forward_to", CELL_TEXT, 12},
};

static void print(json whole, struct text *out) {
    table_fields(fields, sizeof fields / sizeof *fields, whole, out);
    if (json_size(json_get(whole, "listening")) > 0)
        list_section("listening", listening, sizeof listening / sizeof *listening,
                     json_get(whole, "listening"), out);
}

static enum cli_exit status(const struct cli_call *c) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    enum cli_exit code = one_show(c, "/api/status", print, &doc);
    if (code != CLI_DONE)
        return code;
    return json_true(json_get(json_root(doc), "ready")) ? CLI_DONE : CLI_FAILED;
}

const struct cli_command command_status = {
    .name = "status",
    .usage = "",
    .summary = "how the gateway is",
    .help =
        "Exit 0 if it is ready, 1 if not: a container's health check. `durable` is the journal's "
        "last\nposition on disk, `booked` the ledger's. Below stands who listens by `stripe "
        "listen`.\n",
    .takes = TAKES_API | TAKES_JSON,
    .run = status,
};
