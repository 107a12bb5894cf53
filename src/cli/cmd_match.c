// SPDX-License-Identifier: MIT
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/rows.h"
#include "config/config.h"
#include "port/clock.h"

#define NAME_MAX_SHOWN 200
#define ID_MAX_SHOWN 64

// As diff(1) answers, since a script asks for both.
enum { SAME = 0, DIFFERENT = 1, TROUBLE = 2 };

static struct list_options o;

static const struct poptOption options[] = {
    TIME_OPTIONS(o, "events received"),
    POPT_TABLEEND,
};

static uint64_t number(json object, const char *key) {
    uint64_t n = 0;
    return bytes_to_u64(json_number(json_get(object, key)), &n) == OK ? n : 0;
}

static void add_name(struct text *out, json name) {
    if (json_type(name) == JSON_NULL)
        text_adds(out, "no sites");
    else
        text_add_printable(out, json_string(name), NAME_MAX_SHOWN);
}

static const char *plural(uint64_t n) { return n == 1 ? "" : "s"; }

// A line for each type: "  gains     8  invoice.paid  evt_1 evt_2 evt_3 …".
static void add_types(const char *word, json tally, struct text *out) {
    json row, id;
    for (size_t at = 0; json_element(json_get(tally, "types"), &at, &row);) {
        uint64_t events = number(row, "events");
        text_addf(out, "  %s%s%llu  ", word, word[0] != '\0' ? " " : "",
                  (unsigned long long)events);
        text_add_printable(out, json_string(json_get(row, "type")), NAME_MAX_SHOWN);
        text_adds(out, " ");
        json examples = json_get(row, "examples");
        for (size_t k = 0; json_element(examples, &k, &id);) {
            text_addc(out, ' ');
            text_add_printable(out, json_string(id), ID_MAX_SHOWN);
        }
        text_adds(out, events > json_size(examples) ? " …\n" : "\n");
    }
}

static bool is_as_before(json d) {
    return json_equals_text(json_get(d, "change"), B("none")) &&
           number(json_get(d, "gains"), "events") == 0 &&
           number(json_get(d, "loses"), "events") == 0;
}

static void add_destination(json d, struct text *out) {
    json change = json_get(d, "change");
    uint64_t gains = number(json_get(d, "gains"), "events"),
             loses = number(json_get(d, "loses"), "events");
    text_addc(out, '\n');
    add_name(out, json_get(d, "name"));
    text_adds(out, json_equals_text(change, B("appears")) ? " (new):"
                   : json_equals_text(change, B("goes"))  ? " (goes):"
                                                          : ":");
    if (gains > 0 || loses == 0)
        text_addf(out, " gains %llu", (unsigned long long)gains);
    if (loses > 0)
        text_addf(out, "%s loses %llu", gains > 0 ? "," : "", (unsigned long long)loses);
    text_addc(out, '\n');
    add_types("gains", json_get(d, "gains"), out);
    add_types("loses", json_get(d, "loses"), out);
}

static void add_destinations(json destinations, struct text *out) {
    json d;
    uint64_t unchanged = 0;
    for (size_t at = 0; json_element(destinations, &at, &d);) {
        unchanged += is_as_before(d);
        if (!is_as_before(d))
            add_destination(d, out);
    }
    if (unchanged == 0)
        return;
    text_addf(out, "\nas before: ");
    for (size_t at = 0; json_element(destinations, &at, &d);) {
        if (!is_as_before(d))
            continue;
        add_name(out, json_get(d, "name"));
        text_adds(out, --unchanged > 0 ? ", " : "\n");
    }
}

static void add_sites(json moves, struct text *out) {
    json m;
    for (size_t at = 0; json_element(moves, &at, &m);) {
        text_adds(out, "\nsite ");
        add_name(out, json_get(m, "from"));
        text_adds(out, " -> ");
        add_name(out, json_get(m, "to"));
        text_addf(out, ": %llu\n", (unsigned long long)number(m, "events"));
        add_types("", m, out);
    }
}

static void add_note(json tally, const char *said, struct text *out) {
    uint64_t n = number(tally, "events");
    if (n == 0)
        return;
    text_addf(out, "\n%llu event%s %s\n", (unsigned long long)n, plural(n), said);
    add_types("", tally, out);
}

static void print(const struct cli_call *c, json whole) {
    OWN(text_drop)
    struct text out = {0};
    json received = json_get(whole, "received");
    uint64_t events = number(whole, "events"), neither = number(received, "neither");
    text_addf(&out, "%llu event%s, under generation %llu and under ", (unsigned long long)events,
              plural(events), (unsigned long long)number(whole, "generation"));
    text_add_printable(&out, bytes_of(c->args[0]), NAME_MAX_SHOWN);
    text_addc(&out, '\n');
    add_destinations(json_get(whole, "destinations"), &out);
    add_sites(json_get(whole, "sites"), &out);
    add_note(json_get(received, "loses"),
             "would not be taken any more: no such source or secret, or not for their livemode",
             &out);
    add_note(json_get(received, "gains"), "would be taken that are not now", &out);
    add_note(json_get(whole, "routed"),
             "that are unclaimed, of any time, would be routed to their site at once", &out);
    add_note(json_get(whole, "left"),
             "that are unclaimed, of any time, would stay so: their site says `late: leave`; what "
             "is\ntold above is what it would get of such events from then on",
             &out);
    uint64_t unasked = number(whole, "unasked");
    if (unasked > 0)
        text_addf(
            &out,
            "\n%llu claim%s new: of what came before, unclaimed events meet %s at the reload, "
            "others once\n`hookkeep sites learn` has read them\n",
            (unsigned long long)unasked, unasked == 1 ? " is" : "s are",
            unasked == 1 ? "it" : "them");
    if (neither > 0)
        text_addf(&out, "\n%llu event%s came by a source or secret that neither has\n",
                  (unsigned long long)neither, plural(neither));
    cli_out(text_bytes(&out));
}

static enum cli_exit ask(const struct cli_call *c, const struct config *config,
                         struct json_doc **doc) {
    OWN(text_drop)
    struct text path = {0};
    OWN(text_drop)
    struct text body = {0};
    OWN(client_close)
    struct client *client = NULL;
    text_adds(&path, "/api/match/diff");
    text_adds(&body, "{\"plan\":");
    text_add(&body, config->plan->json);
    text_addc(&body, '}');
    enum cli_exit code = list_parameters(c, &o, &path);
    if (code == CLI_DONE)
        code = client_open(c, &client);
    if (code == CLI_DONE)
        code = client_ask(client, "POST", text_str(&path), text_bytes(&body), doc);
    return code;
}

static enum cli_exit diff(const struct cli_call *c) {
    struct config *config = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    enum cli_exit code = check_load(c->args[0], &config);
    if (code != CLI_DONE)
        return code;
    code = ask(c, config, &doc);
    config_free(config);
    if (code != CLI_DONE)
        return code == CLI_CONFIG ? code : (enum cli_exit)TROUBLE;
    json whole = json_root(doc);
    if (c->json)
        json_line(whole);
    else
        print(c, whole);
    return (enum cli_exit)(json_true(json_get(whole, "same")) ? SAME : DIFFERENT);
}

static const struct cli_command actions[] = {
    {"diff", "FILE", "run stored events against another configuration, sending nothing",
     "Prints, for each destination, what it would gain and lose if the stored events came under "
     "FILE\ninstead of the configuration in force, with a few events of each type, and which "
     "events would be of\nanother site. Nothing is sent, nothing is changed. Both sides are worked "
     "out anew: what an older\nconfiguration or a replay delivered does not count. FILE is read as "
     "`hookkeep check -c FILE` reads\nit, its variables and secrets too; of secrets only "
     "fingerprints reach the gateway.\n\nExit, as diff(1): 0 no difference, 1 differences, 2 it "
     "could not be found out; 78 FILE is wrong.\n",
     TAKES_API | TAKES_JSON, 1, 1, options, diff, NULL},
    {0},
};

const struct cli_command command_match = {
    .name = "match",
    .usage = "ACTION",
    .summary = "who would get what",
    .actions = actions,
};
