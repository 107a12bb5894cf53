// SPDX-License-Identifier: MIT
#include "cli/chain.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/rows.h"
#include "port/clock.h"

#define LEARN_BATCH 500 // events of one request (hookkeep-api(7))
#define WAIT_MS 600000  // for a gateway that went away
#define SHOWN_EVERY_US 200000
#define TEXT_MAX 400

static struct {
    char *owner, *account, *livemode;
    int undo;
    struct list_options list;
} o;

#define WHICH_OPTIONS                                                                              \
    {"owner", '\0', POPT_ARG_STRING, &o.owner, 0, "the one of this owner", "NAME"},                \
        {"account", '\0', POPT_ARG_STRING, &o.account, 0, "the one of this account, or platform",  \
         "ACCT"},                                                                                  \
    {                                                                                              \
        "livemode", '\0', POPT_ARG_STRING, &o.livemode, 0, "true or false", "BOOL"                 \
    }

static const struct poptOption show_options[] = {WHICH_OPTIONS, POPT_TABLEEND};

static const struct poptOption assign_options[] = {
    {"undo", '\0', POPT_ARG_NONE, &o.undo, 0, "take an assignment back: as claims say", NULL},
    WHICH_OPTIONS,
    POPT_TABLEEND,
};

static const struct poptOption contradictions_options[] = {LIST_OPTIONS(o.list), POPT_TABLEEND};

static const struct poptOption learn_options[] = {
    TIME_OPTIONS(o.list, "received"),
    {"after", '\0', POPT_ARG_LONGLONG, &o.list.after, 0, "go on behind this event", "N"},
    POPT_TABLEEND,
};

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static unsigned long long number_of(json row, const char *key) {
    uint64_t n = 0;
    return bytes_to_u64(json_number(json_get(row, key)), &n) == OK ? n : 0;
}

static void add_text(struct text *out, json v) {
    text_add_printable(out, json_string(v), TEXT_MAX);
}

// --- list

static const struct column site_columns[] = {
    {"site", "name", CELL_TEXT, 12},         {"events", "events", CELL_TEXT, 0},
    {"last event", "last_at", CELL_TIME, 0}, {"late", "late", CELL_TEXT, 0},
    {"claims", "said", CELL_TEXT, 20},
};

// The row with its claims in one text.
static void add_site(struct table *t, json site) {
    static const char *const kept[] = {"name", "events", "last_at", "late"};
    OWN(text_drop)
    struct text row = {0};
    OWN(text_drop)
    struct text said = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    json claim;
    for (size_t at = 0; json_element(json_get(site, "claims"), &at, &claim);) {
        text_adds(&said, said.n > 0 ? "; " : "");
        text_add(&said, json_string(claim));
    }
    if (!json_true(json_get(site, "configured")))
        text_adds(&said, "is in the configuration no more");
    else if (said.n == 0)
        text_adds(&said, "none: only what is assigned by hand");
    for (size_t i = 0; i < COUNT(kept); i++) {
        text_addf(&row, "%s\"%s\":", i > 0 ? "," : "{", kept[i]);
        json_write(json_get(site, kept[i]), &row);
    }
    text_adds(&row, ",\"said\":");
    text_add_json(&row, text_bytes(&said));
    text_addc(&row, '}');
    if (json_parse(text_bytes(&row), &doc) == OK)
        table_add(t, json_root(doc));
}

static void add_waiting(json waiting, struct text *out) {
    unsigned long long n = number_of(waiting, "events");
    if (n == 0) {
        text_adds(out, "every event has a site\n");
        return;
    }
    text_addf(out, "%llu event%s no site; %s came ", n, n == 1 ? " has" : "s have",
              n == 1 ? "it" : "the oldest");
    table_cell(json_get(waiting, "since"), CELL_TIME, out);
    if (n > 1) {
        text_adds(out, ", the newest ");
        table_cell(json_get(waiting, "last_at"), CELL_TIME, out);
    }
    text_addc(out, '\n');
}

static void print_sites(json whole, struct text *out) {
    OWN(table_drop)
    struct table t;
    json site;
    table_init(&t, site_columns, COUNT(site_columns));
    for (size_t at = 0; json_element(json_get(whole, "data"), &at, &site);)
        add_site(&t, site);
    table_write(&t, out);
    if (t.rows == 0) {
        cli_say("the configuration has no sites; `hookkeep help configuration` tells of `sites`");
        return;
    }
    text_addc(out, '\n');
    add_waiting(json_get(whole, "unclaimed"), out);
    unsigned long long n = number_of(whole, "contradictions");
    if (n > 0)
        text_addf(out,
                  "claims contradict each other on %llu object%s: hookkeep sites "
                  "contradictions\n",
                  n, n == 1 ? "" : "s");
}

static enum cli_exit list(const struct cli_call *c) {
    OWN(client_close)
    struct client *client = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text out = {0};
    json site;
    enum cli_exit code = client_open(c, &client);
    if (code == CLI_DONE)
        code = client_ask(client, "GET", "/api/sites", NO_BYTES, &doc);
    if (code != CLI_DONE)
        return code;
    for (size_t at = 0; c->json && json_element(json_get(json_root(doc), "data"), &at, &site);)
        json_line(site);
    if (!c->json)
        print_sites(json_root(doc), &out);
    cli_out(text_bytes(&out));
    return CLI_DONE;
}

// --- show

static const struct column object_fields[] = {
    {"object", "id", CELL_TEXT, 0},
    {"type", "type", CELL_TEXT, 0},
    {"number", "number", CELL_TEXT, 0},
    {"key", "key", CELL_TEXT, 0},
    {"owner", "owner", CELL_TEXT, 0},
    {"mode", "livemode", CELL_MODE, 0},
    {"site", "site", CELL_TEXT, 0},
    {"assigned", "assigned", CELL_TEXT, 0},
    {"unclaimed events", "unclaimed", CELL_TEXT, 0},
};

static const struct column claim_columns[] = {
    {"site", "site", CELL_TEXT, 10},
    {"claim", "claim", CELL_TEXT, 20},
    {"on", "type", CELL_TEXT, 10},
    {"id", "id", CELL_TEXT, 14},
};

static const struct column part_columns[] = {
    {"type", "type", CELL_TEXT, 14},
    {"id", "id", CELL_TEXT, 20},
    {"site", "site", CELL_TEXT, 0},
};

static void print_object(json whole, struct text *out) {
    table_fields(object_fields, COUNT(object_fields), whole, out);
    text_adds(out, json_type(json_get(whole, "site")) == JSON_STRING ? "\nhow its site is known\n"
                                                                     : "\nit has no site\n");
    chain_print(whole, "", out);
    list_section("claims contradict each other; the site that stands first in the configuration "
                 "has it",
                 claim_columns, COUNT(claim_columns), json_get(whole, "contradiction"), out);
    list_section("belongs to", part_columns, COUNT(part_columns), json_get(whole, "above"), out);
    list_section("what belongs to it", part_columns, COUNT(part_columns), json_get(whole, "below"),
                 out);
    if (json_true(json_get(whole, "below_more")))
        text_addf(out, "… and more; these are the first %zu\n",
                  json_size(json_get(whole, "below")));
}

static void object_path(const struct cli_call *c, const char *suffix, struct text *path) {
    text_adds(path, "/api/objects/");
    query_escape(path, bytes_of(c->args[0]));
    text_adds(path, suffix);
    query_add(path, "owner", o.owner);
    query_add(path, "account", o.account);
    query_add(path, "livemode", o.livemode);
}

static enum cli_exit show(const struct cli_call *c) {
    OWN(text_drop)
    struct text path = {0};
    object_path(c, "", &path);
    return one_show(c, text_str(&path), print_object, NULL);
}

// --- assign

static void print_assigned(const struct cli_call *c, json answer) {
    unsigned long long routed = number_of(answer, "routed");
    if (c->json) {
        json_line(answer);
        return;
    }
    if (o.undo != 0)
        cli_outf("%s: as claims say again", c->args[0]);
    else
        cli_outf("%s: belongs to %s now", c->args[0], c->args[1]);
    if (routed > 0)
        cli_outf("; %llu event%s that waited %s routed", routed, routed == 1 ? "" : "s",
                 routed == 1 ? "was" : "were");
    cli_outf("\n");
}

static enum cli_exit assign(const struct cli_call *c) {
    OWN(text_drop)
    struct text path = {0};
    OWN(text_drop)
    struct text body = {0};
    OWN(client_close)
    struct client *client = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (o.undo != 0 && c->count > 1)
        return cli_misused(c, "--undo takes back whatever was assigned; leave the site out");
    if (o.undo == 0 && c->count < 2)
        return cli_misused(c, "to which site? Name it behind the id, or say --undo");
    object_path(c, "/assign", &path);
    text_adds(&body, "{\"site\":");
    if (o.undo != 0)
        text_adds(&body, "null");
    else
        text_add_json(&body, bytes_of(c->args[1]));
    text_addc(&body, '}');
    enum cli_exit code = client_open(c, &client);
    if (code == CLI_DONE)
        code = client_ask(client, "POST", text_str(&path), text_bytes(&body), &doc);
    if (code == CLI_DONE)
        print_assigned(c, json_root(doc));
    return code;
}

// --- unclaimed

static const struct column type_columns[] = {
    {"type", "type", CELL_TEXT, 20},
    {"events", "events", CELL_TEXT, 0},
    {"oldest", "since", CELL_TIME, 0},
    {"newest", "last_at", CELL_TIME, 0},
};

static const struct column heap_columns[] = {
    {"object", "type", CELL_TEXT, 14},
    {"id", "key", CELL_TEXT, 20},
    {"events", "events", CELL_TEXT, 0},
    {"oldest", "since", CELL_TIME, 0},
};

static void print_unclaimed(json whole, struct text *out) {
    add_waiting(whole, out);
    if (number_of(whole, "events") == 0)
        return;
    list_section("by type", type_columns, COUNT(type_columns), json_get(whole, "types"), out);
    list_section("by what they belong to, most first", heap_columns, COUNT(heap_columns),
                 json_get(whole, "objects"), out);
    text_adds(out, "\n`hookkeep sites assign ID SITE` gives one of these, and all that belongs to "
                   "it, to a site;\n`hookkeep events list --site unclaimed` lists the events\n");
}

static enum cli_exit unclaimed(const struct cli_call *c) {
    return one_show(c, "/api/sites/unclaimed", print_unclaimed, NULL);
}

// --- contradictions

static enum cli_exit print_contradiction(void *ctx, json row) {
    const struct cli_call *c = ctx;
    OWN(text_drop)
    struct text out = {0};
    json claim;
    if (c->json) {
        json_line(row);
        return CLI_DONE;
    }
    chain_object(row, &out);
    text_adds(&out, json_true(json_get(row, "livemode")) ? " (live): " : " (test): ");
    if (json_type(json_get(row, "site")) == JSON_STRING)
        add_text(&out, json_get(row, "site"));
    else
        text_adds(&out, "no site");
    text_adds(&out, " has it");
    text_addc(&out, '\n');
    for (size_t at = 0; json_element(json_get(row, "claims"), &at, &claim);) {
        text_adds(&out, "  ");
        add_text(&out, json_get(claim, "site"));
        text_adds(&out, ": ");
        add_text(&out, json_get(claim, "claim"));
        if (number_of(claim, "number") != number_of(row, "number")) {
            text_adds(&out, ", of ");
            chain_object(claim, &out);
        }
        text_addc(&out, '\n');
    }
    cli_out(text_bytes(&out));
    return CLI_DONE;
}

static enum cli_exit contradictions(const struct cli_call *c) {
    OWN(client_close)
    struct client *client = NULL;
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, "/api/sites/contradictions");
    long long other = o.list.oldest != 0 ? o.list.before : o.list.after;
    enum cli_exit code = list_parameters(c, &o.list, &path);
    if (other > 0)
        query_add_number(&path, o.list.oldest != 0 ? "before" : "after", (uint64_t)other);
    struct listing l = {
        .path = text_str(&path),
        .cursor = "number",
        .oldest_first = o.list.oldest != 0,
        .limit = o.list.limit > 0 ? (uint64_t)o.list.limit : 100,
        .row = print_contradiction,
        .ctx = (void *)c,
        .last = (uint64_t)(o.list.oldest != 0 ? o.list.after : o.list.before),
    };
    uint64_t before = l.last;
    if (code == CLI_DONE)
        code = client_open(c, &client);
    if (code == CLI_DONE)
        code = client_list(client, &l);
    if (code == CLI_DONE && l.last == before && !c->json)
        cli_say("no claims contradict each other");
    if (code == CLI_DONE && l.more)
        cli_say("there are more: --%s %llu shows the next ones",
                l.oldest_first ? "after" : "before", (unsigned long long)l.last);
    return code;
}

// --- learn

struct learning {
    const struct cli_call *call;
    struct client *client;
    struct text events; // of the batch under way
    size_t count;
    char run[CLIENT_RUN_SIZE]; // its Idempotency-Keys begin with it
    uint64_t batches, last, done_to;
    unsigned long long read, routed;
    int64_t shown_us;
};

static enum cli_exit learn_batch(struct learning *l) {
    OWN(text_drop)
    struct text body = {0};
    OWN(text_drop)
    struct text key = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (l->count == 0)
        return CLI_DONE;
    if (client_interrupted(l->client))
        return CLI_FAILED;
    text_addf(&body, "{\"events\":[%s]}", text_str(&l->events));
    text_addf(&key, "%s-%llu", l->run, (unsigned long long)++l->batches);
    enum cli_exit code =
        client_ask_once(l->client, "/api/sites/learn", text_bytes(&body), text_str(&key), &doc);
    if (code != CLI_DONE)
        return code;
    l->read += number_of(json_root(doc), "learnt");
    l->routed += number_of(json_root(doc), "routed");
    l->done_to = l->last;
    l->count = 0;
    text_reset(&l->events);
    if (l->call->json)
        json_line(json_root(doc));
    int64_t now = clock_mono_us(&clock_real);
    if (l->call->json || now < l->shown_us + SHOWN_EVERY_US)
        return CLI_DONE;
    l->shown_us = now;
    OWN(text_drop)
    struct text line = {0};
    text_addf(&line, "%llu events read, %llu that waited routed", l->read, l->routed);
    cli_progress(text_str(&line));
    return CLI_DONE;
}

static enum cli_exit learn_row(void *ctx, json row) {
    struct learning *l = ctx;
    text_adds(&l->events, l->count++ > 0 ? "," : "");
    text_add(&l->events, json_number(json_get(row, "seq")));
    if (bytes_to_u64(json_number(json_get(row, "seq")), &l->last) != OK) {
        cli_say("the desk listed an event without a number; is it a hookkeep desk?");
        return CLI_FAILED;
    }
    return l->count >= LEARN_BATCH ? learn_batch(l) : CLI_DONE;
}

static enum cli_exit learn_all(struct learning *l) {
    OWN(text_drop)
    struct text path = {0};
    OWN(text_drop)
    struct text now = {0};
    struct list_options listed = o.list;
    text_adds(&path, "/api/events");
    text_add_i64(&now, clock_wall_ms(&clock_real));
    if (listed.until == NULL)
        listed.until = now.p; // so that it ends though events keep coming
    enum cli_exit code = list_parameters(l->call, &listed, &path);
    struct listing all = {
        .path = text_str(&path),
        .cursor = "seq",
        .oldest_first = true,
        .limit = UINT64_MAX,
        .row = learn_row,
        .ctx = l,
        .last = (uint64_t)(o.list.after > 0 ? o.list.after : 0),
    };
    if (code == CLI_DONE)
        code = client_list(l->client, &all);
    return code == CLI_DONE ? learn_batch(l) : code;
}

static enum cli_exit learn(const struct cli_call *c) {
    struct learning l = {.call = c};
    OWN(client_close)
    struct client *client = NULL;
    enum cli_exit code = client_open(c, &client);
    if (code != CLI_DONE)
        return code;
    client_name_run(l.run);
    l.client = client;
    l.done_to = (uint64_t)(o.list.after > 0 ? o.list.after : 0);
    client_be_patient(client, WAIT_MS);
    client_catch_interrupts(client);
    code = learn_all(&l);
    cli_progress("");
    if (!c->json && (code == CLI_DONE || l.read > 0))
        cli_outf("%llu event%s read, %llu that waited routed\n", l.read, l.read == 1 ? "" : "s",
                 l.routed);
    if (code != CLI_DONE && l.done_to > 0)
        cli_say("stopped; the same command with --after %llu goes on. What is read twice does no "
                "harm",
                (unsigned long long)l.done_to);
    text_drop(&l.events);
    return code;
}

static const struct cli_command actions[] = {
    {"list", "", "sites with their claims and how many events each has",
     "Sites stand in the configuration's order, which decides where claims contradict.\n",
     TAKES_API | TAKES_JSON, 0, 0, NULL, list, NULL},
    {"show", "ID", "an object: its site, how that is known, and what it belongs to",
     "ID is what Stripe calls it, as cus_... or price_...; of an id that stands for several, its "
     "number\nor key (price:ID, acct_.../price:ID).\n",
     TAKES_API | TAKES_JSON, 1, 1, show_options, show, NULL},
    {"assign", "ID [SITE]", "an object, and all that belongs to it, is this site's",
     "It holds whatever claims say, until it is taken back (--undo). What waited for it without "
     "a site\nis routed now; what was routed before stays where it went.\n",
     TAKES_API | TAKES_JSON, 1, 2, assign_options, assign, NULL},
    {"unclaimed", "", "the events without a site, by type and by what they belong to",
     "Of many, the newest 10000 are told by type, the newest 2000 by what they belong to.\n",
     TAKES_API | TAKES_JSON, 0, 0, NULL, unclaimed, NULL},
    {"contradictions", "", "objects that claims of several sites speak of",
     "What belongs to such an object is not listed: it contradicts itself for the same reason.\n",
     TAKES_API | TAKES_JSON, 0, 0, contradictions_options, contradictions, NULL},
    {"learn", "", "learn from stored events to which site objects belong",
     "For events of before there were sites, or of before an assignment or claim that they would "
     "have\ntaught. They are not delivered again, but events that wait for what is learnt are "
     "routed. Oldest\nfirst; the gateway may be restarted meanwhile.\n",
     TAKES_API | TAKES_JSON, 0, 0, learn_options, learn, NULL},
    {0},
};

const struct cli_command command_sites = {
    .name = "sites",
    .usage = "ACTION",
    .summary = "the businesses behind one Stripe account, and whose each object is",
    .actions = actions,
};
