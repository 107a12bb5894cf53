// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/rows.h"

static struct {
    char *state, *destination, *event;
    int dead;
    struct list_options list;
} o;

static const struct poptOption list_options[] = {
    {"state", 's', POPT_ARG_STRING, &o.state, 0,
     "due, taken, waiting, done, dead, held, cancelled, parked or superseded", "STATE"},
    {"dead", '\0', POPT_ARG_NONE, &o.dead, 0, "the same as --state dead", NULL},
    {"destination", 'd', POPT_ARG_STRING, &o.destination, 0, "to this destination", "DEST"},
    {"event", 'e', POPT_ARG_STRING, &o.event, 0, "of this event (id or number)", "EVENT"},
    TIME_OPTIONS(o.list, "made"),
    LIST_OPTIONS(o.list),
    POPT_TABLEEND,
};

static const struct column columns[] = {
    {"seq", "seq", CELL_TEXT, 0},
    {"event", "event_id", CELL_TEXT, 28},
    {"destination", "destination", CELL_TEXT, 8},
    {"state", "state", CELL_TEXT, 0},
    {"tries", "attempts", CELL_TEXT, 0},
    {"next", "next_at", CELL_TIME, 0},
    {"last error", "last_error", CELL_TEXT, 12},
};

static const struct column fields[] = {
    {"seq", "seq", CELL_TEXT, 0},
    {"event", "event_id", CELL_TEXT, 0},
    {"event seq", "event_seq", CELL_TEXT, 0},
    {"receipt seq", "receipt_seq", CELL_TEXT, 0},
    {"destination", "destination", CELL_TEXT, 0},
    {"state", "state", CELL_TEXT, 0},
    {"priority", "priority", CELL_TEXT, 0},
    {"attempts", "attempts", CELL_TEXT, 0},
    {"failures", "failures", CELL_TEXT, 0},
    {"made", "created_at", CELL_TIME, 0},
    {"next", "next_at", CELL_TIME, 0},
    {"ended", "ended_at", CELL_TIME, 0},
    {"replay", "replay", CELL_YES, 0},
    {"last error", "last_error", CELL_TEXT, 0},
};

static const struct column attempts[] = {
    {"number", "number", CELL_TEXT, 0},  {"started", "started_at", CELL_TIME, 0},
    {"took", "micros", CELL_TOOK, 0},    {"outcome", "outcome", CELL_TEXT, 0},
    {"status", "status", CELL_TEXT, 0},  {"error", "error", CELL_TEXT, 10},
    {"answer", "answer", CELL_TEXT, 10},
};

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static enum cli_exit list(const struct cli_call *c) {
    static const struct rows rows = {columns, COUNT(columns), "seq", "no delivery fits"};
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, "/api/deliveries");
    if (o.dead != 0 && o.state != NULL)
        return cli_misused(c, "--dead says --state dead; say one of them");
    query_add(&path, "state", o.dead != 0 ? "dead" : o.state);
    query_add(&path, "destination", o.destination);
    query_add(&path, "event", o.event);
    enum cli_exit code = list_parameters(c, &o.list, &path);
    OWN(client_close)
    struct client *client = NULL;
    if (code == CLI_DONE)
        code = client_open(c, &client);
    return code == CLI_DONE ? rows_show(c, client, text_str(&path), &rows, &o.list) : code;
}

static void print_delivery(json whole, struct text *out) {
    table_fields(fields, COUNT(fields), whole, out);
    list_section("attempts", attempts, COUNT(attempts), json_get(whole, "attempts_made"), out);
}

static enum cli_exit show(const struct cli_call *c) {
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, "/api/deliveries/");
    query_escape(&path, bytes_of(c->args[0]));
    return one_show(c, text_str(&path), print_delivery, NULL);
}

static enum cli_exit cancel(const struct cli_call *c) {
    return each_post(c, "/api/deliveries/", "/cancel", "delivery", "cancelled", NO_BYTES);
}

static const struct cli_command actions[] = {
    {"list", "", "deliveries, newest first", NULL, TAKES_API | TAKES_JSON, 0, 0, list_options, list,
     NULL},
    {"show", "N", "one delivery with its attempts", NULL, TAKES_API | TAKES_JSON, 1, 1, NULL, show,
     NULL},
    {"retry", "[N...]", "make them due now; their schedule starts again",
     "For deliveries that are dead, waiting, cancelled or parked, or with --dead for all dead ones "
     "that\nfit, oldest first. One that is done is sent again by `hookkeep events replay`.\n",
     TAKES_API | TAKES_JSON, 0, ARGS_MANY, cmd_deliveries_retry_options, deliveries_retry_run,
     NULL},
    {"cancel", "N...", "give up deliveries that are not done yet", NULL, TAKES_API | TAKES_JSON, 1,
     ARGS_MANY, NULL, cancel, NULL},
    {0},
};

const struct cli_command command_deliveries = {
    .name = "deliveries",
    .usage = "ACTION",
    .summary = "what became of each event at each destination",
    .actions = actions,
};
