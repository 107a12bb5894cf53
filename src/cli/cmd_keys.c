// SPDX-License-Identifier: MIT
#include <string.h>

#include "cli/commands.h"
#include "cli/rows.h"

static char *mode, *name;
static int read_only;

static const struct poptOption create_options[] = {
    {"mode", 'm', POPT_ARG_STRING, &mode, 0,
     "viewer: may look; operator: may also change things; test, live: for Stripe's SDKs and CLI, "
     "over events of this livemode",
     "MODE"},
    {"read-only", '\0', POPT_ARG_NONE, &read_only, 0,
     "of a test or live key: may not change "
     "anything",
     NULL},
    {"name", '\0', POPT_ARG_STRING, &name, 0, "what it is for", "NAME"},
    POPT_TABLEEND,
};

static const struct column columns[] = {
    {"id", "id", CELL_TEXT, 0},
    {"name", "name", CELL_TEXT, 10},
    {"mode", "mode", CELL_TEXT, 0},
    {"made", "created_at", CELL_TIME, 0},
    {"revoked", "revoked_at", CELL_TIME, 0},
};

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static enum cli_exit create(const struct cli_call *c) {
    OWN(text_drop)
    struct text body = {0};
    OWN(client_close)
    struct client *client = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    bool stripe = mode != NULL && (strcmp(mode, "test") == 0 || strcmp(mode, "live") == 0);
    if (mode == NULL || (!stripe && strcmp(mode, "operator") != 0 && strcmp(mode, "viewer") != 0))
        return cli_misused(c, "--mode %s%s; expected operator, viewer, test or live",
                           mode == NULL ? "is missing" : "is ", mode == NULL ? "" : mode);
    if (read_only != 0 && !stripe)
        return cli_misused(c, "--read-only goes with --mode test or live; a viewer's key may only "
                              "look, an operator's may change things");
    text_addf(&body, "{\"mode\":\"%s%s\"", mode, read_only != 0 ? "_read_only" : "");
    if (name != NULL) {
        text_adds(&body, ",\"name\":");
        text_add_json(&body, bytes_of(name));
    }
    text_addc(&body, '}');
    enum cli_exit code = client_open(c, &client);
    if (code == CLI_DONE)
        code = client_ask(client, "POST", "/api/keys", text_bytes(&body), &doc);
    if (code != CLI_DONE)
        return code;
    json made = json_root(doc);
    if (c->json) {
        json_line(made);
        return CLI_DONE;
    }
    // The key alone on standard output, so that it can be caught.
    cli_outf("%.*s\n", BYTES_ARG(json_string(json_get(made, "key"))));
    cli_say("made %.*s, a key of mode %.*s; keep it, it is not shown again",
            BYTES_ARG(json_string(json_get(made, "id"))),
            BYTES_ARG(json_string(json_get(made, "mode"))));
    return CLI_DONE;
}

static enum cli_exit list(const struct cli_call *c) {
    static const struct rows rows = {columns, COUNT(columns), NULL, "there are no keys"};
    OWN(client_close)
    struct client *client = NULL;
    enum cli_exit code = client_open(c, &client);
    return code == CLI_DONE ? rows_show(c, client, "/api/keys", &rows, NULL) : code;
}

static enum cli_exit revoke(const struct cli_call *c) {
    return each_post(c, "/api/keys/", "/revoke", "key", "revoked", NO_BYTES);
}

static const struct cli_command actions[] = {
    {"create", "", "make a key for the desk; it is printed once",
     "The key goes to standard output, what is said about it to standard error.\n",
     TAKES_API | TAKES_JSON, 0, 0, create_options, create, NULL},
    {"list", "", "keys, without their text", NULL, TAKES_API | TAKES_JSON, 0, 0, NULL, list, NULL},
    {"revoke", "ID...", "make keys valid no more",
     "ID is key_…, as `hookkeep keys list` shows it.\n", TAKES_API | TAKES_JSON, 1, ARGS_MANY, NULL,
     revoke, NULL},
    {0},
};

const struct cli_command command_keys = {
    .name = "keys",
    .usage = "ACTION",
    .summary = "who may use the desk",
    .actions = actions,
};
