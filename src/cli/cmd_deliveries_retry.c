// SPDX-License-Identifier: MIT
// `deliveries retry`: those that are named, or all dead ones that fit a filter. Like a replay it is
// driven from here: each is a request of its own under an Idempotency-Key, oldest first, so that
// one whose answer was lost is asked for again and done once, and stopping loses nothing.
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/rows.h"
#include "port/clock.h"

#define RATE_MAX 100000 // deliveries a second
#define WAIT_MS 600000  // for a gateway that went away
#define SHOWN_EVERY_US 200000

static struct {
    int dead, dry_run;
    char *to;
    long long rate;
    struct list_options list;
} o;

const struct poptOption cmd_deliveries_retry_options[] = {
    {"dead", '\0', POPT_ARG_NONE, &o.dead, 0, "all dead ones (that fit the filters)", NULL},
    {"to", '\0', POPT_ARG_STRING, &o.to, 0, "with --dead: to this destination", "DEST"},
    TIME_OPTIONS(o.list, "with --dead: made"),
    {"after", '\0', POPT_ARG_LONGLONG, &o.list.after, 0, "with --dead: go on behind this delivery",
     "N"},
    {"rate", '\0', POPT_ARG_LONGLONG, &o.rate, 0, "with --dead: at most so many a second", "N"},
    {"dry-run", '\0', POPT_ARG_NONE, &o.dry_run, 0, "with --dead: count them; retry nothing", NULL},
    POPT_TABLEEND,
};

struct retrying {
    const struct cli_call *call;
    struct client *client;
    char run[CLIENT_RUN_SIZE];
    uint64_t found, retried, last;
    int64_t began_us, next_us, shown_us;
};

static void show_progress(struct retrying *r) {
    int64_t now = clock_mono_us(&clock_real);
    if (r->call->json || now < r->shown_us + SHOWN_EVERY_US)
        return;
    r->shown_us = now;
    OWN(text_drop)
    struct text line = {0};
    double seconds = (double)(now - r->began_us) / 1e6;
    text_addf(&line, "%llu due again, %.1f a second", (unsigned long long)r->retried,
              seconds > 0 ? (double)r->retried / seconds : 0);
    cli_progress(text_str(&line));
}

static void wait_for_turn(struct retrying *r) {
    int64_t now = clock_mono_us(&clock_real);
    if (o.rate > 0 && r->next_us > now)
        client_sleep(r->client, (r->next_us - now + 999) / 1000);
    now = clock_mono_us(&clock_real);
    r->next_us = (r->next_us > now ? r->next_us : now) + (o.rate > 0 ? 1000000 / o.rate : 0);
}

static enum cli_exit retry_one(void *ctx, json row) {
    struct retrying *r = ctx;
    int64_t seq = 0;
    if (json_i64(json_get(row, "seq"), &seq) != OK)
        return CLI_FAILED;
    r->found++;
    if (o.dry_run != 0)
        return CLI_DONE;
    wait_for_turn(r);
    if (client_interrupted(r->client))
        return CLI_FAILED;
    OWN(text_drop)
    struct text path = {0}, key = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    text_addf(&path, "/api/deliveries/%lld/retry", (long long)seq);
    text_addf(&key, "%s-%lld", r->run, (long long)seq);
    enum cli_exit code = client_ask_once(r->client, text_str(&path), B("{}"), text_str(&key), &doc);
    if (code != CLI_DONE)
        return code;
    r->retried++;
    r->last = (uint64_t)seq;
    if (r->call->json)
        json_line(row);
    show_progress(r);
    return CLI_DONE;
}

static enum cli_exit check_options(const struct cli_call *c) {
    bool filtered = o.to != NULL || o.list.since != NULL || o.list.until != NULL ||
                    o.list.after > 0 || o.rate != 0 || o.dry_run != 0;
    if (c->count > 0 && (o.dead != 0 || filtered))
        return cli_misused(c, "deliveries are named and filtered at once; do one or the other");
    if (c->count == 0 && o.dead == 0)
        return cli_misused(c, "which deliveries? Name them, or say --dead, with --to, --since, …");
    if (o.rate < 0 || o.rate > RATE_MAX)
        return cli_misused(c, "--rate takes 1 to %d deliveries a second", RATE_MAX);
    return CLI_DONE;
}

static enum cli_exit retry_dead(struct retrying *r) {
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, "/api/deliveries");
    query_add(&path, "state", "dead");
    query_add(&path, "destination", o.to);
    enum cli_exit code = list_parameters(r->call, &o.list, &path);
    if (code != CLI_DONE)
        return code;
    struct listing l = {
        .path = text_str(&path),
        .cursor = "seq",
        .oldest_first = true,
        .limit = UINT64_MAX,
        .last = (uint64_t)o.list.after,
        .row = retry_one,
        .ctx = r,
    };
    code = client_list(r->client, &l);
    cli_progress("");
    if (o.dry_run != 0 && code == CLI_DONE)
        cli_say("%llu dead; nothing was retried", (unsigned long long)r->found);
    else if (o.dry_run == 0 && !r->call->json)
        cli_outf("%llu of %llu due now\n", (unsigned long long)r->retried,
                 (unsigned long long)r->found);
    if (code != CLI_DONE && r->last > 0)
        cli_say("stopped; the same command with --after %llu goes on", (unsigned long long)r->last);
    return code;
}

enum cli_exit deliveries_retry_run(const struct cli_call *c) {
    enum cli_exit code = check_options(c);
    if (code != CLI_DONE)
        return code;
    if (c->count > 0)
        return each_post(c, "/api/deliveries/", "/retry", "delivery", "due now", NO_BYTES);
    OWN(client_close)
    struct client *client = NULL;
    code = client_open(c, &client);
    if (code != CLI_DONE)
        return code;
    struct retrying r = {.call = c, .client = client, .began_us = clock_mono_us(&clock_real)};
    client_name_run(r.run);
    client_be_patient(client, WAIT_MS);
    if (o.dry_run == 0)
        client_catch_interrupts(client);
    return retry_dead(&r);
}
