// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "cli/rows.h"

static const struct column columns[] = {
    {"of", "of", CELL_TEXT, 8},
    {"label", "label", CELL_TEXT, 8},
    {"scope", "scope", CELL_TEXT, 0},
    {"livemode", "livemode", CELL_TEXT, 0},
    {"fingerprint", "fingerprint", CELL_TEXT, 0},
    {"state", "state", CELL_TEXT, 0},
    {"until", "not_after", CELL_TIME, 10},
    {"last matched", "last_at", CELL_TIME, 10},
    {"events", "receipts", CELL_TEXT, 0},
    {"refused", "refused", CELL_TEXT, 0},
};

static enum cli_exit secrets_run(const struct cli_call *c) {
    static const struct rows rows = {columns, sizeof columns / sizeof columns[0], NULL,
                                     "there are no secrets"};
    OWN(client_close)
    struct client *client = NULL;
    enum cli_exit code = client_open(c, &client);
    return code == CLI_DONE ? rows_show(c, client, "/api/secrets", &rows, NULL) : code;
}

const struct cli_command command_secrets = {
    .name = "secrets",
    .usage = "",
    .summary = "secrets by label and fingerprint: in force or not, and when last used",
    .help = "What matched is counted by the ledger; what was refused, as its secret is not in\n"
            "force, since the gateway started. Secrets themselves are never shown.\n",
    .takes = TAKES_API | TAKES_JSON,
    .run = secrets_run,
};
