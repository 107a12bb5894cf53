// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/rows.h"

static struct {
    char *state;
    struct list_options list;
} o;

static const struct poptOption list_options[] = {
    {"state", 's', POPT_ARG_STRING, &o.state, 0, "waiting, booked or dropped", "STATE"},
    LIST_OPTIONS(o.list),
    POPT_TABLEEND,
};

static const struct column columns[] = {
    {"position", "position", CELL_TEXT, 0}, {"received", "received_at", CELL_TIME, 0},
    {"kind", "kind", CELL_TEXT, 0},         {"state", "state", CELL_TEXT, 0},
    {"reason", "reason", CELL_TEXT, 20},
};

static const struct column fields[] = {
    {"position", "position", CELL_TEXT, 0}, {"received", "received_at", CELL_TIME, 0},
    {"kind", "kind", CELL_TEXT, 0},         {"generation", "generation", CELL_TEXT, 0},
    {"state", "state", CELL_TEXT, 0},       {"reason", "reason", CELL_TEXT, 0},
    {"payload", "payload", CELL_TEXT, 0},
};

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static enum cli_exit list(const struct cli_call *c) {
    static const struct rows rows = {columns, COUNT(columns), "position", "nothing is in suspense"};
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, "/api/suspense");
    query_add(&path, "state", o.state);
    enum cli_exit code = list_parameters(c, &o.list, &path);
    OWN(client_close)
    struct client *client = NULL;
    if (code == CLI_DONE)
        code = client_open(c, &client);
    return code == CLI_DONE ? rows_show(c, client, text_str(&path), &rows, &o.list) : code;
}

static void print(json whole, struct text *out) { table_fields(fields, COUNT(fields), whole, out); }

static enum cli_exit show(const struct cli_call *c) {
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, "/api/suspense/");
    query_escape(&path, bytes_of(c->args[0]));
    return one_show(c, text_str(&path), print, NULL);
}

static enum cli_exit book(const struct cli_call *c) {
    return each_post(c, "/api/suspense/", "/book", "record", "booked", NO_BYTES);
}

static enum cli_exit drop(const struct cli_call *c) {
    return each_post(c, "/api/suspense/", "/drop", "record", "dropped; it stays to be seen",
                     NO_BYTES);
}

static const struct cli_command actions[] = {
    {"list", "", "records that could not be booked", NULL, TAKES_API | TAKES_JSON, 0, 0,
     list_options, list, NULL},
    {"show", "N", "one of them, with its bytes", NULL, TAKES_API | TAKES_JSON, 1, 1, NULL, show,
     NULL},
    {"book", "N...", "try to book them again", NULL, TAKES_API | TAKES_JSON, 1, ARGS_MANY, NULL,
     book, NULL},
    {"drop", "N...", "give them up; they stay to be seen", NULL, TAKES_API | TAKES_JSON, 1,
     ARGS_MANY, NULL, drop, NULL},
    {0},
};

const struct cli_command command_suspense = {
    .name = "suspense",
    .usage = "ACTION",
    .summary = "records that could not be booked into the ledger",
    .help = "N is a record's position in the journal.\n",
    .actions = actions,
};
