// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/rows.h"

static char *reason;

static const struct poptOption hold_options[] = {
    {"reason", 'r', POPT_ARG_STRING, &reason, 0, "why, for those who look later", "TEXT"},
    POPT_TABLEEND,
};

static const struct column columns[] = {
    {"name", "name", CELL_TEXT, 10},
    {"held", "held", CELL_YES, 0},
    {"due", "deliveries.due", CELL_TEXT, 0},
    {"waiting", "deliveries.waiting", CELL_TEXT, 0},
    {"done", "deliveries.done", CELL_TEXT, 0},
    {"dead", "deliveries.dead", CELL_TEXT, 0},
    {"oldest due", "oldest_due_at", CELL_TIME, 0},
    {"hold reason", "hold_reason", CELL_TEXT, 12},
};

static const struct column fields[] = {
    {"name", "name", CELL_TEXT, 0},
    {"configured", "present", CELL_YES, 0},
    {"held", "held", CELL_YES, 0},
    {"held since", "held_at", CELL_TIME, 0},
    {"hold reason", "hold_reason", CELL_TEXT, 0},
    {"due", "deliveries.due", CELL_TEXT, 0},
    {"waiting", "deliveries.waiting", CELL_TEXT, 0},
    {"done", "deliveries.done", CELL_TEXT, 0},
    {"dead", "deliveries.dead", CELL_TEXT, 0},
    {"open, held", "deliveries.held", CELL_TEXT, 0},
    {"cancelled", "deliveries.cancelled", CELL_TEXT, 0},
    {"oldest due", "oldest_due_at", CELL_TIME, 0},
};

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static enum cli_exit list(const struct cli_call *c) {
    static const struct rows rows = {columns, COUNT(columns), NULL,
                                     "there are no destinations; the configuration names none"};
    OWN(client_close)
    struct client *client = NULL;
    enum cli_exit code = client_open(c, &client);
    return code == CLI_DONE ? rows_show(c, client, "/api/destinations", &rows, NULL) : code;
}

static void print_destination(json whole, struct text *out) {
    table_fields(fields, COUNT(fields), whole, out);
}

static enum cli_exit show(const struct cli_call *c) {
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, "/api/destinations/");
    query_escape(&path, bytes_of(c->args[0]));
    return one_show(c, text_str(&path), print_destination);
}

static enum cli_exit hold(const struct cli_call *c) {
    OWN(text_drop)
    struct text body = {0};
    if (reason != NULL) {
        text_adds(&body, "{\"reason\":");
        text_add_json(&body, bytes_of(reason));
        text_addc(&body, '}');
    }
    return each_post(c, "/api/destinations/", "/hold", "destination",
                     "held; what it is owed waits until `hookkeep destinations release`",
                     text_bytes(&body));
}

static enum cli_exit release(const struct cli_call *c) {
    return each_post(c, "/api/destinations/", "/release", "destination", "released", NO_BYTES);
}

static const struct cli_command actions[] = {
    {"list", "", "destinations with what they are owed", NULL, TAKES_API | TAKES_JSON, 0, 0, NULL,
     list, NULL},
    {"show", "DEST", "one destination", NULL, TAKES_API | TAKES_JSON, 1, 1, NULL, show, NULL},
    {"hold", "DEST...", "stop delivering to them; what they are owed waits", NULL,
     TAKES_API | TAKES_JSON, 1, ARGS_MANY, hold_options, hold, NULL},
    {"release", "DEST...", "go on delivering to them", NULL, TAKES_API | TAKES_JSON, 1, ARGS_MANY,
     NULL, release, NULL},
    {0},
};

const struct cli_command command_destinations = {
    .name = "destinations",
    .usage = "ACTION",
    .summary = "where events go, and what is owed there",
    .actions = actions,
};
