// SPDX-License-Identifier: MIT
#include "base/memory.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/rows.h"
#include "port/clock.h"

#define WAIT_MS 600000 // for a gateway that went away
#define SHOWN_EVERY_US 200000
// A step is to hold booking up no longer than this; how many events that are shows as it goes.
#define STEP_US 30000
#define STEP_FIRST 200
#define STEP_LEAST 100
#define STEP_MOST 2000 // hookkeep-api(7)

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static unsigned long long number_of(json row, const char *key) {
    uint64_t n = 0;
    return bytes_to_u64(json_number(json_get(row, key)), &n) == OK ? n : 0;
}

// --- status

static const struct column table_columns[] = {
    {"table", "table", CELL_TEXT, 0},           {"rows", "rows", CELL_TEXT, 0},
    {"deleted", "deleted", CELL_TEXT, 0},       {"undecided", "undecided", CELL_TEXT, 0},
    {"incomplete", "incomplete", CELL_TEXT, 0}, {"last event", "last_created", CELL_UNIX, 0},
    {"errors", "errors", CELL_TEXT, 0},
};

static const struct column error_columns[] = {
    {"table", "table", CELL_TEXT, 0},       {"dead", "errors", CELL_TEXT, 0},
    {"delivery", "delivery", CELL_TEXT, 0}, {"event", "event", CELL_TEXT, 12},
    {"why", "why", CELL_TEXT, 20},
};

static void add_lag(json whole, struct text *out) {
    json to = json_get(whole, "destination"), lag = json_get(whole, "lag");
    unsigned long long n = number_of(lag, "events");
    text_add_printable(out, json_string(json_get(to, "name")), SIZE_MAX);
    if (n == 0) {
        text_adds(out, ": all that it was owed is applied");
    } else {
        text_addf(out, ": %llu event%s not applied yet, the oldest came ", n, n == 1 ? "" : "s");
        table_cell(json_get(lag, "since"), CELL_TIME, out);
    }
    if (json_true(json_get(to, "held")))
        text_adds(out, "; it is held (hookkeep destinations release)");
    text_addc(out, '\n');
    if (json_size(json_get(whole, "data")) == 0)
        text_adds(out, "no table has a row; events of before the destination was there come in by "
                       "`hookkeep tables rebuild`\n");
}

static void add_rebuild(json rebuild, struct text *out) {
    if (json_type(rebuild) != JSON_OBJECT)
        return;
    text_addf(out,
              "a rebuild is under way, %llu of %llu records read; `hookkeep tables rebuild` "
              "goes on with it\n",
              number_of(rebuild, "after"), number_of(rebuild, "last"));
}

static void print_status(json whole, struct text *out) {
    if (json_type(json_get(whole, "destination")) != JSON_OBJECT)
        text_adds(out,
                  "no destination of kind tables is in the configuration: nothing is applied\n");
    else
        add_lag(whole, out);
    add_rebuild(json_get(whole, "rebuild"), out);
    list_section("tables", table_columns, COUNT(table_columns), json_get(whole, "data"), out);
    list_section("what could not be applied: the newest of each table", error_columns,
                 COUNT(error_columns), json_get(whole, "errors"), out);
}

static enum cli_exit status(const struct cli_call *c) {
    return one_show(c, "/api/tables", print_status, NULL);
}

// --- rebuild

struct rebuild {
    const struct cli_call *call;
    struct client *client;
    char run[CLIENT_RUN_SIZE]; // its Idempotency-Keys begin with it
    uint64_t asked;            // commands so far
    uint64_t count;            // events of the next step
    int64_t began_us, shown_us;
    uint64_t from; // where it began, of a rebuild that goes on
    bool swapped;  // the new tables are in place
    unsigned long long read, applied, failed;
};

static enum cli_exit ask(struct rebuild *r, const char *path, bytes body, struct json_doc **doc) {
    OWN(text_drop)
    struct text key = {0};
    text_addf(&key, "%s-%llu", r->run, (unsigned long long)++r->asked);
    enum cli_exit code = client_ask_once(r->client, path, body, text_str(&key), doc);
    if (code == CLI_DONE && r->call->json)
        json_line(json_root(*doc));
    return code;
}

static enum cli_exit start(struct rebuild *r) {
    OWN(text_drop)
    struct text body = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    text_adds(&body, "{\"tables\":");
    for (size_t i = 0; i < r->call->count; i++) {
        text_adds(&body, i == 0 ? "[" : ",");
        text_add_json(&body, bytes_of(r->call->args[i]));
    }
    text_adds(&body, r->call->count == 0 ? "null}" : "]}");
    enum cli_exit code = ask(r, "/api/tables/rebuild", text_bytes(&body), &doc);
    if (code != CLI_DONE)
        return code;
    r->from = number_of(json_root(doc), "after");
    if (json_true(json_get(json_root(doc), "resumed")))
        cli_say("goes on with the rebuild that was under way");
    return CLI_DONE;
}

// So many events as take STEP_US; not by one step alone, which may have met a gateway on its way
// down.
static void pace(struct rebuild *r, bool full, int64_t took_us) {
    uint64_t fits =
        took_us > 0 ? (uint64_t)((double)r->count * STEP_US / (double)took_us) : r->count;
    uint64_t least = r->count / 2 > STEP_LEAST ? r->count / 2 : STEP_LEAST;
    uint64_t most = r->count * 2 < STEP_MOST ? r->count * 2 : STEP_MOST;
    if (full)
        r->count = fits < least ? least : fits > most ? most : fits;
}

static void show_progress(struct rebuild *r, json answer) {
    int64_t now = clock_mono_us(&clock_real);
    if (r->call->json || now < r->shown_us + SHOWN_EVERY_US)
        return;
    r->shown_us = now;
    OWN(text_drop)
    struct text line = {0};
    double seconds = (double)(now - r->began_us) / 1e6;
    uint64_t after = number_of(answer, "after"), last = number_of(answer, "last");
    text_addf(&line, "%llu events read, %.0f a second", r->read, (double)r->read / seconds);
    if (!json_true(json_get(answer, "reads")))
        text_adds(&line, "; takes away what was there before");
    else if (after > r->from && last >= after) {
        double left = seconds / (double)(after - r->from) * (double)(last - after);
        text_addf(&line, ", %.0f %% of the ledger, about ", 100.0 * (double)after / (double)last);
        text_add_duration(&line, ((int64_t)left + 1) * 1000);
        text_adds(&line, " to go");
    }
    cli_progress(text_str(&line));
}

static enum cli_exit step(struct rebuild *r, bool *done) {
    OWN(text_drop)
    struct text body = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    if (client_interrupted(r->client))
        return CLI_FAILED;
    text_addf(&body, "{\"count\":%llu}", (unsigned long long)r->count);
    int64_t began_us = clock_mono_us(&clock_real);
    enum cli_exit code = ask(r, "/api/tables/rebuild/step", text_bytes(&body), &doc);
    if (code != CLI_DONE)
        return code;
    json answer = json_root(doc);
    unsigned long long read = number_of(answer, "read");
    r->read += read;
    r->applied += number_of(answer, "applied");
    r->failed += number_of(answer, "failed");
    r->swapped = json_true(json_get(answer, "swapped"));
    *done = json_true(json_get(answer, "done"));
    bool full = read == r->count || !json_true(json_get(answer, "reads"));
    pace(r, full, clock_mono_us(&clock_real) - began_us);
    show_progress(r, answer);
    return CLI_DONE;
}

static enum cli_exit rebuild(const struct cli_call *c) {
    struct rebuild r = {.call = c, .count = STEP_FIRST};
    bool done = false;
    OWN(client_close)
    struct client *client = NULL;
    enum cli_exit code = client_open(c, &client);
    if (code != CLI_DONE)
        return code;
    client_name_run(r.run);
    r.client = client;
    r.began_us = clock_mono_us(&clock_real);
    client_be_patient(client, WAIT_MS);
    client_catch_interrupts(client);
    code = start(&r);
    bool began = code == CLI_DONE;
    while (code == CLI_DONE && !done)
        code = step(&r, &done);
    cli_progress("");
    if (!c->json && done)
        cli_outf("rebuilt from %llu events, %llu of them applied\n", r.read, r.applied);
    if (r.failed > 0)
        cli_say(
            "%llu event%s could not be applied, as when %s came; `hookkeep tables status` tells "
            "why",
            r.failed, r.failed == 1 ? "" : "s", r.failed == 1 ? "it" : "they");
    if (began && !done && r.swapped)
        cli_say(
            "stopped; the new tables are in place, and what the old ones held is taken away by the "
            "next rebuild");
    else if (began && !done)
        cli_say("stopped; the tables are as they were, and `hookkeep tables rebuild` goes on where "
                "it was");
    return code;
}

static const struct cli_command actions[] = {
    {"status", "", "rows of each table, what is not applied yet, and what could not be",
     "undecided: events alone do not tell which of several states of one second is the last.\n"
     "incomplete: Stripe cut a list in the object short.\n"
     "last event: when Stripe made the latest one about an object of the table.\n",
     TAKES_API | TAKES_JSON, 0, 0, NULL, status, NULL},
    {"rebuild", "[TABLE]...",
     "make tables anew from the stored events, all of them if none is named",
     "The tables are as they were until all is read; then new ones stand in their place, at once. "
     "Events go\non being applied meanwhile, and the gateway may be restarted. TABLE is customers "
     "or\nstripe_customers; tables of lists in its objects go with it.\n",
     TAKES_API | TAKES_JSON, 0, ARGS_MANY, NULL, rebuild, NULL},
    {0},
};

const struct cli_command command_tables = {
    .name = "tables",
    .usage = "ACTION",
    .summary = "Stripe's objects in SQL tables",
    .actions = actions,
};
