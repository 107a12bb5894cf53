// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/rows.h"

static char *reason, *overlap;

static const struct poptOption hold_options[] = {
    {"reason", 'r', POPT_ARG_STRING, &reason, 0, "why, for those who look later", "TEXT"},
    POPT_TABLEEND,
};

static const struct poptOption roll_options[] = {
    {"overlap", '\0', POPT_ARG_STRING, &overlap, 0,
     "how long the secret of before signs beside the new one, from 0s to 30d (24h)", "DURATION"},
    POPT_TABLEEND,
};

static const struct column columns[] = {
    {"name", "name", CELL_TEXT, 27}, // an endpoint's id, whole
    {"status", "status", CELL_TEXT, 0},
    {"held", "held", CELL_YES, 0},
    {"breaker", "pace.breaker", CELL_TEXT, 0},
    {"due", "deliveries.due", CELL_TEXT, 0},
    {"waiting", "deliveries.waiting", CELL_TEXT, 0},
    {"done", "deliveries.done", CELL_TEXT, 0},
    {"dead", "deliveries.dead", CELL_TEXT, 0},
    {"oldest due", "oldest_due_at", CELL_TIME, 0},
    {"hold reason", "hold_reason", CELL_TEXT, 12},
    {"url", "endpoint.url", CELL_TEXT, 12},
};

static const struct column fields[] = {
    {"name", "name", CELL_TEXT, 0},
    {"made by", "made_by", CELL_TEXT, 0},
    {"kind", "kind", CELL_TEXT, 0},
    {"status", "status", CELL_TEXT, 0},
    {"why", "endpoint.because", CELL_TEXT, 0},
    {"failing since", "failing_since", CELL_TIME, 0},
    {"url", "endpoint.url", CELL_TEXT, 0},
    {"livemode", "endpoint.livemode", CELL_TEXT, 0},
    {"events", "endpoint.enabled_events", CELL_NAMES, 0},
    {"scope", "endpoint.scope", CELL_TEXT, 0},
    {"payload", "endpoint.payload", CELL_TEXT, 0},
    {"description", "endpoint.description", CELL_TEXT, 0},
    {"made at", "endpoint.created", CELL_UNIX, 0},
    {"deleted at", "endpoint.deleted_at", CELL_TIME, 0},
    {"held", "held", CELL_YES, 0},
    {"held since", "held_at", CELL_TIME, 0},
    {"hold reason", "hold_reason", CELL_TEXT, 0},
    {"breaker", "pace.breaker", CELL_TEXT, 0},
    {"open since", "pace.breaker_since", CELL_TIME, 0},
    {"open because", "pace.breaker_why", CELL_TEXT, 0},
    {"next probe", "pace.next_probe_at", CELL_TIME, 0},
    {"under way", "pace.under_way", CELL_TEXT, 0},
    {"at once", "pace.level", CELL_TEXT, 0},
    {"at once, least", "pace.level_least", CELL_TEXT, 0},
    {"at once, most", "pace.level_most", CELL_TEXT, 0},
    {"rate, a second", "pace.rate", CELL_TEXT, 0},
    {"learnt rate", "pace.rate_learnt", CELL_TEXT, 0},
    {"paused until", "pace.paused_until", CELL_TIME, 0},
    {"due", "deliveries.due", CELL_TEXT, 0},
    {"waiting", "deliveries.waiting", CELL_TEXT, 0},
    {"done", "deliveries.done", CELL_TEXT, 0},
    {"dead", "deliveries.dead", CELL_TEXT, 0},
    {"open, held", "deliveries.held", CELL_TEXT, 0},
    {"behind in a lane", "deliveries.behind", CELL_TEXT, 0},
    {"parked", "deliveries.parked", CELL_TEXT, 0},
    {"cancelled", "deliveries.cancelled", CELL_TEXT, 0},
    {"open, high", "open_by_priority.high", CELL_TEXT, 0},
    {"open, normal", "open_by_priority.normal", CELL_TEXT, 0},
    {"open, low", "open_by_priority.low", CELL_TEXT, 0},
    {"lanes", "lanes", CELL_TEXT, 0},
    {"lanes that wait", "lanes_blocked", CELL_TEXT, 0},
    {"oldest due", "oldest_due_at", CELL_TIME, 0},
};

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static enum cli_exit list(const struct cli_call *c) {
    static const struct rows rows = {
        columns, COUNT(columns), NULL,
        "there are no destinations; the configuration names none, and none was made by the API"};
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
    return one_show(c, text_str(&path), print_destination, NULL);
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

static void say_rolled(json made) {
    OWN(text_drop)
    struct text until = {0};
    table_cell(json_get(made, "overlap_until"), CELL_TIME, &until);
    cli_say("the secret of %.*s was rolled (fingerprint %.*s); it is not shown again. Both sign "
            "until %s: put the new one into the site before that, then into the configuration. "
            "Until it stands there it lies in %.*s alone",
            BYTES_ARG(json_string(json_get(made, "destination"))),
            BYTES_ARG(json_string(json_get(made, "fingerprint"))), text_str(&until),
            BYTES_ARG(json_string(json_get(made, "file"))));
}

static enum cli_exit roll(const struct cli_call *c) {
    OWN(text_drop)
    struct text body = {0}, path = {0};
    OWN(client_close)
    struct client *client = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    text_adds(&body, "{\"overlap\":");
    text_add_json(&body, bytes_of(overlap == NULL ? "24h" : overlap));
    text_addc(&body, '}');
    text_adds(&path, "/api/destinations/");
    query_escape(&path, bytes_of(c->args[0]));
    text_adds(&path, "/roll");
    enum cli_exit code = client_open(c, &client);
    if (code == CLI_DONE)
        code = client_ask(client, "POST", text_str(&path), text_bytes(&body), &doc);
    if (code != CLI_DONE) {
        if (client != NULL && client_in_doubt(client))
            cli_say(
                "nobody knows whether it was rolled: look with `hookkeep secrets`; a new secret "
                "would lie in the file LEDGER.secrets, and rolling once more makes another");
        return code;
    }
    json made = json_root(doc);
    if (c->json) {
        json_line(made);
        return CLI_DONE;
    }
    // The secret alone on standard output, so that it can be caught.
    cli_outf("%.*s\n", BYTES_ARG(json_string(json_get(made, "secret"))));
    say_rolled(made);
    return CLI_DONE;
}

static const struct cli_command actions[] = {
    {"list", "", "destinations with what they are owed", NULL, TAKES_API | TAKES_JSON, 0, 0, NULL,
     list, NULL},
    {"show", "DEST", "one destination", NULL, TAKES_API | TAKES_JSON, 1, 1, NULL, show, NULL},
    {"hold", "DEST...", "stop delivering to them; what they are owed waits", NULL,
     TAKES_API | TAKES_JSON, 1, ARGS_MANY, hold_options, hold, NULL},
    {"release", "DEST...", "go on delivering to them", NULL, TAKES_API | TAKES_JSON, 1, ARGS_MANY,
     NULL, release, NULL},
    {"roll", "DEST", "give it a new secret, printed once; both sign for a time",
     "The secret goes to standard output, what is said about it to standard error. Put it into the "
     "site, then into the configuration.\n",
     TAKES_API | TAKES_JSON, 1, 1, roll_options, roll, NULL},
    {0},
};

const struct cli_command command_destinations = {
    .name = "destinations",
    .usage = "ACTION",
    .summary = "where events go, and what is owed there",
    .actions = actions,
};
