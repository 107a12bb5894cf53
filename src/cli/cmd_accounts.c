// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/rows.h"

static struct {
    char *account, *owner, *livemode;
    struct list_options list;
} o;

static const struct poptOption options[] = {
    {"account", 'a', POPT_ARG_STRING, &o.account, 0, "only this one", "ACCT"},
    {"owner", '\0', POPT_ARG_STRING, &o.owner, 0, "only those connected to this owner", "OWNER"},
    {"livemode", '\0', POPT_ARG_STRING, &o.livemode, 0, "true or false", "BOOL"},
    LIST_OPTIONS(o.list),
    POPT_TABLEEND,
};

static const struct column columns[] = {
    {"number", "number", CELL_TEXT, 0},  {"account", "account", CELL_TEXT, 12},
    {"owner", "owner", CELL_TEXT, 6},    {"mode", "livemode", CELL_MODE, 0},
    {"first", "first_at", CELL_TIME, 0}, {"last", "last_at", CELL_TIME, 0},
    {"events", "events", CELL_TEXT, 0},  {"deauthorized", "deauthorized", CELL_UNIX, 1},
};

static bool was_used(json uses, json path, json label) {
    json row;
    size_t at = 0;
    while (json_element(uses, &at, &row))
        if (bytes_equal(json_string(json_get(row, "source")), json_string(path)) &&
            bytes_equal(json_string(json_get(row, "secret_label")), json_string(label)))
            return true;
    return false;
}

// A line on standard output or error, as the secret is no account.
static void tell_unused(const struct cli_call *c, json path, json secret) {
    OWN(text_drop)
    struct text line = {0};
    json label = json_get(secret, "label"), scope = json_get(secret, "scope");
    if (!c->json) {
        cli_say("never delivered anything: %.*s, secret %.*s, scope %.*s",
                BYTES_ARG(json_string(path)), BYTES_ARG(json_string(label)),
                BYTES_ARG(json_string(scope)));
        return;
    }
    text_adds(&line, "{\"never_delivered\":{\"source\":");
    json_write(path, &line);
    text_adds(&line, ",\"secret_label\":");
    json_write(label, &line);
    text_adds(&line, ",\"scope\":");
    json_write(scope, &line);
    text_adds(&line, "}}\n");
    cli_out(text_bytes(&line));
}

// Each secret that never delivered anything, by its scope.
static void tell_all_unused(const struct cli_call *c, json status, json uses) {
    json source, secret;
    size_t at = 0;
    while (json_element(json_get(status, "sources"), &at, &source)) {
        size_t k = 0;
        json path = json_get(source, "path");
        while (json_element(json_get(source, "secrets"), &k, &secret))
            if (!was_used(uses, path, json_get(secret, "label")))
                tell_unused(c, path, secret);
    }
}

static enum cli_exit say_unused(const struct cli_call *c, struct client *client) {
    OWN(json_close)
    struct json_doc *status = NULL;
    OWN(json_close)
    struct json_doc *uses = NULL;
    enum cli_exit code = client_ask(client, "GET", "/api/status", NO_BYTES, &status);
    if (code == CLI_DONE)
        code = client_ask(client, "GET", "/api/sightings/secrets?limit=1000", NO_BYTES, &uses);
    if (code == CLI_DONE)
        tell_all_unused(c, json_root(status), json_get(json_root(uses), "data"));
    return code;
}

static enum cli_exit accounts(const struct cli_call *c) {
    static const struct rows rows = {columns, sizeof columns / sizeof columns[0], "number",
                                     "no event of a connected account has come"};
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, "/api/sightings/accounts");
    query_add(&path, "account", o.account);
    query_add(&path, "owner", o.owner);
    query_add(&path, "livemode", o.livemode);
    enum cli_exit code = list_parameters(c, &o.list, &path);
    OWN(client_close)
    struct client *client = NULL;
    if (code == CLI_DONE)
        code = client_open(c, &client);
    if (code == CLI_DONE)
        code = rows_show(c, client, text_str(&path), &rows, &o.list);
    return code == CLI_DONE ? say_unused(c, client) : code;
}

const struct cli_command command_accounts = {
    .name = "accounts",
    .usage = "",
    .summary = "connected accounts that were seen, and since when they are deauthorized",
    .help =
        "Newest first, by the account's first event. Secrets whose endpoint never delivered "
        "anything are told\nbesides, with their scope; with --json behind the accounts, as rows "
        "{\"never_delivered\": {...}}.\n",
    .takes = TAKES_API | TAKES_JSON,
    .options = options,
    .run = accounts,
};
