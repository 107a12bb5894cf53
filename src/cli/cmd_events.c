// SPDX-License-Identifier: MIT
#include "base/text.h"
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/rows.h"

static struct {
    char *id, *type, *account, *owner, *object, *status, *livemode, *receipt, *site;
    int body;
    struct list_options list;
} o;

static const struct poptOption list_options[] = {
    {"type", 't', POPT_ARG_STRING, &o.type, 0, "of this type, or family: customer.*", "TYPE"},
    {"account", '\0', POPT_ARG_STRING, &o.account, 0, "of this account; platform: of none", "ACCT"},
    {"owner", '\0', POPT_ARG_STRING, &o.owner, 0, "of this owner's sources", "NAME"},
    {"object", '\0', POPT_ARG_STRING, &o.object, 0, "about this object", "ID"},
    {"site", '\0', POPT_ARG_STRING, &o.site, 0, "of this site; unclaimed: of none", "SITE"},
    {"id", '\0', POPT_ARG_STRING, &o.id, 0, "with this id", "EVT"},
    {"status", '\0', POPT_ARG_STRING, &o.status, 0, "pending, done, failed or ignored", "STATUS"},
    {"livemode", '\0', POPT_ARG_STRING, &o.livemode, 0, "true or false", "BOOL"},
    TIME_OPTIONS(o.list, "received"),
    LIST_OPTIONS(o.list),
    POPT_TABLEEND,
};

static const struct poptOption show_options[] = {
    {"body", '\0', POPT_ARG_NONE, &o.body, 0, "the bytes as Stripe sent them, nothing else", NULL},
    {"receipt", '\0', POPT_ARG_STRING, &o.receipt, 0, "with --body: those of this receipt", "N"},
    {"owner", '\0', POPT_ARG_STRING, &o.owner, 0, "the one of this owner", "NAME"},
    {"account", '\0', POPT_ARG_STRING, &o.account, 0, "the one of this account, or platform",
     "ACCT"},
    {"livemode", '\0', POPT_ARG_STRING, &o.livemode, 0, "true or false", "BOOL"},
    POPT_TABLEEND,
};

static const struct column columns[] = {
    {"seq", "seq", CELL_TEXT, 0},          {"received", "received_at", CELL_TIME, 0},
    {"type", "type", CELL_TEXT, 14},       {"id", "id", CELL_TEXT, 28},
    {"account", "account", CELL_TEXT, 10}, {"site", "site", CELL_TEXT, 9},
    {"mode", "livemode", CELL_MODE, 0},    {"status", "status", CELL_TEXT, 0},
};

static const struct rows rows = {columns, sizeof(columns) / sizeof(columns[0]), "seq",
                                 "no event fits; without filters `events list` shows the newest"};

static enum cli_exit list(const struct cli_call *c) {
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, "/api/events");
    query_add(&path, "site", o.site);
    query_add(&path, "id", o.id);
    query_add(&path, "type", o.type);
    query_add(&path, "account", o.account);
    query_add(&path, "owner", o.owner);
    query_add(&path, "object", o.object);
    query_add(&path, "status", o.status);
    query_add(&path, "livemode", o.livemode);
    enum cli_exit code = list_parameters(c, &o.list, &path);
    OWN(client_close)
    struct client *client = NULL;
    if (code == CLI_DONE)
        code = client_open(c, &client);
    return code == CLI_DONE ? rows_show(c, client, text_str(&path), &rows, &o.list) : code;
}

static const struct column fields[] = {
    {"id", "id", CELL_TEXT, 0},
    {"seq", "seq", CELL_TEXT, 0},
    {"type", "type", CELL_TEXT, 0},
    {"owner", "owner", CELL_TEXT, 0},
    {"account", "account", CELL_TEXT, 0},
    {"mode", "livemode", CELL_MODE, 0},
    {"api version", "api_version", CELL_TEXT, 0},
    {"created", "created", CELL_UNIX, 0},
    {"received", "received_at", CELL_TIME, 0},
    {"object", "object_id", CELL_TEXT, 0},
    {"site", "site", CELL_TEXT, 0},
    {"twin", "twin.id", CELL_TEXT, 0},
    {"status", "status", CELL_TEXT, 0},
    {"error", "error", CELL_TEXT, 0},
};

static const struct column receipts[] = {
    {"seq", "seq", CELL_TEXT, 0},
    {"received", "received_at", CELL_TIME, 0},
    {"source", "source", CELL_TEXT, 10},
    {"secret", "secret_label", CELL_TEXT, 8},
    {"api version", "api_version", CELL_TEXT, 10},
    {"scope misfit", "scope_misfit", CELL_YES, 0},
    {"mode misfit", "livemode_misfit", CELL_YES, 0},
};

static const struct column deliveries[] = {
    {"seq", "seq", CELL_TEXT, 0},
    {"destination", "destination", CELL_TEXT, 8},
    {"state", "state", CELL_TEXT, 0},
    {"attempts", "attempts", CELL_TEXT, 0},
    {"next", "next_at", CELL_TIME, 0},
    {"replay", "replay", CELL_YES, 0},
    {"last error", "last_error", CELL_TEXT, 12},
};

static const struct column listened[] = {
    {"at", "started_at", CELL_TIME, 0}, {"device", "device", CELL_TEXT, 0},
    {"status", "status", CELL_TEXT, 0}, {"url", "url", CELL_TEXT, 12},
    {"error", "error", CELL_TEXT, 12},
};

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static void print_event(json whole, struct text *out) {
    table_fields(fields, COUNT(fields), whole, out);
    list_section("receipts", receipts, COUNT(receipts), json_get(whole, "receipts"), out);
    list_section("deliveries", deliveries, COUNT(deliveries), json_get(whole, "deliveries"), out);
    if (json_size(json_get(whole, "listened")) > 0)
        list_section("listened", listened, COUNT(listened), json_get(whole, "listened"), out);
}

static enum cli_exit show_body(const struct cli_call *c, const char *path) {
    OWN(client_close)
    struct client *client = NULL;
    OWN(reply_drop)
    struct reply r = {0};
    enum cli_exit code = client_open(c, &client);
    if (code != CLI_DONE)
        return code;
    client_send(client, "GET", path, NO_BYTES, &r);
    code = client_judge(client, &r);
    if (code == CLI_DONE)
        cli_out(text_bytes(&r.body));
    return code;
}

static enum cli_exit show(const struct cli_call *c) {
    OWN(text_drop)
    struct text path = {0};
    if (o.receipt != NULL && o.body == 0)
        return cli_misused(c, "--receipt says whose bytes --body prints; add --body");
    text_adds(&path, "/api/events/");
    query_escape(&path, bytes_of(c->args[0]));
    if (o.body != 0)
        text_adds(&path, "/body");
    query_add(&path, "owner", o.owner);
    query_add(&path, "account", o.account);
    query_add(&path, "livemode", o.livemode);
    query_add(&path, "receipt", o.receipt);
    return o.body != 0 ? show_body(c, text_str(&path))
                       : one_show(c, text_str(&path), print_event, NULL);
}

static const struct cli_command actions[] = {
    {"list", "", "events received, newest first", NULL, TAKES_API | TAKES_JSON, 0, 0, list_options,
     list, NULL},
    {"show", "EVENT", "one event with its receipts and deliveries",
     "EVENT is an event's id or its number (seq).\n", TAKES_API | TAKES_JSON, 1, 1, show_options,
     show, NULL},
    {"tail", "", "events as they are booked, until Ctrl-C",
     "With --json a line of JSON for each event, as it comes.\n", TAKES_API | TAKES_JSON, 0, 0,
     cmd_events_tail_options, events_tail_run, NULL},
    {"replay", "[EVENT...]", "deliver stored events again",
     "Takes events by id or number, or all that fit the filters, oldest first; --all takes every "
     "event\nthere is. Each goes to the destinations that match it, or to that of --to, with a "
     "fresh\nsignature. A destination's livemode holds here too. The gateway may be restarted "
     "meanwhile: the\nreplay waits for it and replays no event twice. When it stops half-way, by "
     "Ctrl-C too, it says\nwith which --after it goes on. On a terminal it shows how far it is.\n",
     TAKES_API | TAKES_JSON, 0, ARGS_MANY, cmd_events_replay_options, events_replay_run, NULL},
    {"types", "[FAMILY]", "event types: object, tables that they change, when they are sent",
     "FAMILY is how they begin, as charge.* or charge.refunded. What Stripe documents needs no "
     "gateway.\nWith --seen or --taken a gateway is asked: for those that came, when and how "
     "often, and who\ntakes them.\n",
     TAKES_API | TAKES_JSON, 0, 1, cmd_events_types_options, events_types_run, NULL},
    {0},
};

const struct cli_command command_events = {
    .name = "events",
    .usage = "ACTION",
    .summary = "what was received",
    .actions = actions,
};
