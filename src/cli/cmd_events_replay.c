// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "base/memory.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/rows.h"
#include "port/clock.h"

#define BATCH_MAX 500    // events of one request (hookkeep-api(7))
#define RATE_MAX 1000000 // events a second
#define WAIT_MS 600000   // for a gateway that went away
#define SHOWN_EVERY_US 200000
#define STEPS 10 // batches a second, so that a rate is even within the second

static struct {
    char *to, *type, *account, *owner, *object, *status, *livemode, *site, *wait;
    long long rate;
    int all, dry_run;
    struct list_options list;
} o;

const struct poptOption cmd_events_replay_options[] = {
    {"to", '\0', POPT_ARG_STRING, &o.to, 0, "to this destination alone, whether it matches or not",
     "DEST"},
    {"all", '\0', POPT_ARG_NONE, &o.all, 0, "every event (that fits the filters)", NULL},
    {"type", 't', POPT_ARG_STRING, &o.type, 0, "of this type, or family: customer.*", "TYPE"},
    {"account", '\0', POPT_ARG_STRING, &o.account, 0, "of this account; platform: of none", "ACCT"},
    {"owner", '\0', POPT_ARG_STRING, &o.owner, 0, "of this owner's sources", "NAME"},
    {"object", '\0', POPT_ARG_STRING, &o.object, 0, "about this object", "ID"},
    {"site", '\0', POPT_ARG_STRING, &o.site, 0, "of this site; unclaimed: of none", "SITE"},
    {"status", '\0', POPT_ARG_STRING, &o.status, 0, "pending, done, failed or ignored", "STATUS"},
    {"livemode", '\0', POPT_ARG_STRING, &o.livemode, 0, "true or false", "BOOL"},
    TIME_OPTIONS(o.list, "received"),
    {"after", '\0', POPT_ARG_LONGLONG, &o.list.after, 0, "go on behind this event", "N"},
    {"rate", '\0', POPT_ARG_LONGLONG, &o.rate, 0, "at most so many events a second", "N"},
    {"wait", '\0', POPT_ARG_STRING, &o.wait, 0,
     "so long for a gateway that went away (10m); 0s: not at all", "TIME"},
    {"dry-run", '\0', POPT_ARG_NONE, &o.dry_run, 0, "print what would be sent; send nothing", NULL},
    POPT_TABLEEND,
};

// How many events of a dry run would go where.
struct share {
    char *to;
    uint64_t events;
};

struct replay {
    const struct cli_call *call;
    struct client *client;
    struct text events; // JSON of the batch under way
    size_t count, batch_max;
    bool doubt;                // whether the last batch was replayed
    char run[CLIENT_RUN_SIZE]; // its Idempotency-Keys begin with it
    uint64_t batches;          // asked for
    int64_t next_us;           // when the next batch may go
    int64_t began_us, shown_us;
    uint64_t first, last; // numbers of the first and last event in the batch, 0: unknown
    uint64_t sent_last;
    int64_t until_ms;
    uint64_t sent, made, refused;
    struct table plan, refusals;
    struct share *shares; // of a dry run, as they were met
    size_t share_count;
    uint64_t unwanted; // by any destination
};

static const struct column refusal_columns[] = {
    {"event", "event", CELL_TEXT, 0},
    {"destination", "destination", CELL_TEXT, 10},
    {"why", "why", CELL_TEXT, 20},
};

static const struct column plan_columns[] = {
    {"seq", "seq", CELL_TEXT, 0},     {"received", "received_at", CELL_TIME, 0},
    {"type", "type", CELL_TEXT, 14},  {"id", "id", CELL_TEXT, 28},
    {"goes to", "to", CELL_TEXT, 12},
};

#define COUNT(a_) (sizeof(a_) / sizeof((a_)[0]))

static bool filtered(void) {
    return o.type != NULL || o.account != NULL || o.owner != NULL || o.object != NULL ||
           o.site != NULL || o.status != NULL || o.livemode != NULL || o.list.since != NULL ||
           o.list.until != NULL || o.list.after > 0;
}

static void wait_for_turn(struct replay *r) {
    int64_t now = clock_mono_us(&clock_real);
    if (o.rate > 0 && r->next_us > now)
        client_sleep(r->client, (r->next_us - now + 999) / 1000);
    now = clock_mono_us(&clock_real);
    r->next_us = (r->next_us > now ? r->next_us : now) +
                 (o.rate > 0 ? (int64_t)r->count * 1000000 / o.rate : 0);
}

// " of N, about TIME left", where it is known how many there are.
static void add_remaining(const struct replay *r, double seconds, struct text *line) {
    uint64_t all = r->call->count;
    if (all == 0 || r->sent == 0 || r->sent > all)
        return;
    double left = seconds / (double)r->sent * (double)(all - r->sent);
    text_addf(line, ", %llu to go, about ", (unsigned long long)(all - r->sent));
    text_add_duration(line, ((int64_t)left + 1) * 1000);
}

static void show_progress(struct replay *r) {
    int64_t now = clock_mono_us(&clock_real);
    if (r->call->json || now < r->shown_us + SHOWN_EVERY_US)
        return;
    r->shown_us = now;
    OWN(text_drop)
    struct text line = {0};
    double seconds = (double)(now - r->began_us) / 1e6;
    text_addf(&line, "%llu replayed, %.1f a second", (unsigned long long)r->sent,
              seconds > 0 ? (double)r->sent / seconds : 0);
    if (r->refused > 0)
        text_addf(&line, ", %llu refused", (unsigned long long)r->refused);
    add_remaining(r, seconds, &line);
    cli_progress(text_str(&line));
}

static void take_answer(struct replay *r, json answer) {
    json row;
    r->sent += r->count;
    r->sent_last = r->last;
    r->made += json_size(json_get(answer, "deliveries"));
    r->refused += json_size(json_get(answer, "refused"));
    if (r->call->json)
        json_line(answer);
    else
        for (size_t at = 0; json_element(json_get(answer, "refused"), &at, &row);)
            table_add(&r->refusals, row);
    show_progress(r);
    r->count = 0;
    text_reset(&r->events);
}

static void count_share(struct replay *r, bytes to) {
    for (size_t i = 0; i < r->share_count; i++)
        if (bytes_equal(bytes_of(r->shares[i].to), to)) {
            r->shares[i].events++;
            return;
        }
    r->shares = memory_grow(r->shares, r->share_count + 1, sizeof *r->shares);
    r->shares[r->share_count++] = (struct share){bytes_strdup(to), 1};
}

static void add_names(struct replay *r, json names, struct text *out) {
    json name;
    for (size_t at = 0; json_element(names, &at, &name);) {
        text_adds(out, out->n > 0 ? ", " : "");
        text_add(out, json_string(name));
        count_share(r, json_string(name));
    }
}

static void add_plan_row(struct replay *r, json planned) {
    OWN(text_drop)
    struct text row = {0}, to = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    static const char *const kept[] = {"received_at", "type", "id"};
    add_names(r, json_get(planned, "to"), &to);
    r->unwanted += to.n == 0;
    if (to.n == 0)
        text_adds(&to, "nobody: it matches no destination");
    text_adds(&row, "{\"seq\":");
    json_write(json_get(planned, "event"), &row);
    for (size_t i = 0; i < COUNT(kept); i++)
        if (json_type(json_get(planned, kept[i])) != JSON_ABSENT) {
            text_addf(&row, ",\"%s\":", kept[i]);
            json_write(json_get(planned, kept[i]), &row);
        }
    text_adds(&row, ",\"to\":");
    text_add_json(&row, text_bytes(&to));
    text_addc(&row, '}');
    if (json_parse(text_bytes(&row), &doc) != OK)
        return;
    if (r->call->json)
        json_line(json_root(doc));
    else
        table_add(&r->plan, json_root(doc));
    r->sent++;
}

static void write_batch(const struct replay *r, struct text *body) {
    text_addf(body, "{\"events\":[%s]", text_str(&r->events));
    if (o.to != NULL) {
        text_adds(body, ",\"to\":");
        text_add_json(body, bytes_of(o.to));
    }
    text_addc(body, '}');
}

// What a replay of the batch would do; the desk does nothing.
static enum cli_exit plan_batch(struct replay *r) {
    OWN(text_drop)
    struct text body = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    json row;
    write_batch(r, &body);
    enum cli_exit code = client_ask(r->client, "POST", "/api/replay/plan", text_bytes(&body), &doc);
    for (size_t at = 0;
         code == CLI_DONE && json_element(json_get(json_root(doc), "data"), &at, &row);)
        add_plan_row(r, row);
    r->count = 0;
    text_reset(&r->events);
    return code;
}

static enum cli_exit send_batch(struct replay *r) {
    if (r->count == 0)
        return CLI_DONE;
    if (o.dry_run != 0)
        return plan_batch(r);
    wait_for_turn(r);
    if (client_interrupted(r->client))
        return CLI_FAILED;
    OWN(text_drop)
    struct text body = {0};
    OWN(text_drop)
    struct text key = {0};
    write_batch(r, &body);
    text_addf(&key, "%s-%llu", r->run, (unsigned long long)++r->batches);
    OWN(json_close)
    struct json_doc *doc = NULL;
    enum cli_exit code =
        client_ask_once(r->client, "/api/replay", text_bytes(&body), text_str(&key), &doc);
    r->doubt = client_in_doubt(r->client);
    if (code == CLI_DONE)
        take_answer(r, json_root(doc));
    return code;
}

static enum cli_exit add_event(struct replay *r, bytes id) {
    if (r->count > 0)
        text_addc(&r->events, ',');
    else
        r->first = r->last;
    text_add_json(&r->events, id);
    r->count++;
    return r->count >= r->batch_max ? send_batch(r) : CLI_DONE;
}

static enum cli_exit take_row(void *ctx, json row) {
    struct replay *r = ctx;
    bytes seq = json_number(json_get(row, "seq"));
    if (bytes_to_u64(seq, &r->last) != OK) {
        cli_say("the desk listed an event without a number; is it a hookkeep desk?");
        return CLI_FAILED;
    }
    return add_event(r, seq);
}

static enum cli_exit replay_filtered(struct replay *r) {
    OWN(text_drop)
    struct text path = {0};
    struct list_options listed = o.list;
    char now[32];
    text_adds(&path, "/api/events");
    query_add(&path, "type", o.type);
    query_add(&path, "account", o.account);
    query_add(&path, "owner", o.owner);
    query_add(&path, "object", o.object);
    query_add(&path, "site", o.site);
    query_add(&path, "status", o.status);
    query_add(&path, "livemode", o.livemode);
    if (listed.until == NULL) {
        // So that it ends though events keep coming.
        OWN(text_drop)
        struct text t = {0};
        r->until_ms = clock_wall_ms(&clock_real);
        text_add_i64(&t, r->until_ms);
        for (size_t i = 0; i <= t.n; i++)
            now[i] = t.p[i];
        listed.until = now;
    }
    enum cli_exit code = list_parameters(r->call, &listed, &path);
    struct listing l = {.path = text_str(&path),
                        .cursor = "seq",
                        .oldest_first = true,
                        .limit = UINT64_MAX,
                        .row = take_row,
                        .ctx = r,
                        .last = (uint64_t)(listed.after > 0 ? listed.after : 0)};
    if (code == CLI_DONE)
        code = client_list(r->client, &l);
    return code == CLI_DONE ? send_batch(r) : code;
}

static enum cli_exit replay_named(struct replay *r) {
    enum cli_exit code = CLI_DONE;
    for (size_t i = 0; i < r->call->count && code == CLI_DONE; i++)
        code = add_event(r, bytes_of(r->call->args[i]));
    return code == CLI_DONE ? send_batch(r) : code;
}

// "--after N", and the end that the run gave itself.
static void add_rest(const struct replay *r, uint64_t after, struct text *out) {
    text_addf(out, "--after %llu", (unsigned long long)after);
    if (r->until_ms > 0)
        text_addf(out, " --until %lld", (long long)r->until_ms);
}

static void say_how_to_go_on(const struct replay *r) {
    OWN(text_drop)
    struct text rest = {0};
    if (r->call->count > 0) {
        cli_say("stopped; the first %llu of the events named were replayed%s",
                (unsigned long long)r->sent,
                r->doubt ? ", and perhaps the batch behind them, whose answer was lost" : "");
        return;
    }
    uint64_t after = r->sent_last > 0 ? r->sent_last : (uint64_t)o.list.after;
    if (r->sent == 0 && !r->doubt)
        return;
    add_rest(r, after, &rest);
    if (!r->doubt) {
        cli_say("stopped; the same command with %s goes on behind the last one replayed",
                text_str(&rest));
        return;
    }
    text_adds(&rest, " goes on with them, ");
    add_rest(r, r->last, &rest);
    cli_say("stopped; the answer to the last batch was lost: events %llu to %llu may have been "
            "replayed or not (`hookkeep deliveries list` tells). The same command with %s behind "
            "them",
            (unsigned long long)r->first, (unsigned long long)r->last, text_str(&rest));
}

// "3 events: 2 to shop, 1 to books, 1 to nobody; nothing was sent"
static void say_shares(const struct replay *r) {
    OWN(text_drop)
    struct text t = {0};
    text_addf(&t, "%llu event%s", (unsigned long long)r->sent, r->sent == 1 ? "" : "s");
    for (size_t i = 0; i < r->share_count; i++) {
        text_addf(&t, "%s%llu to ", i == 0 ? ": " : ", ", (unsigned long long)r->shares[i].events);
        text_add_printable(&t, bytes_of(r->shares[i].to), SIZE_MAX);
    }
    if (r->unwanted > 0)
        text_addf(&t, "%s%llu to nobody", r->share_count == 0 ? ": " : ", ",
                  (unsigned long long)r->unwanted);
    cli_say("%s; nothing was sent", text_str(&t));
}

static enum cli_exit sum_up(struct replay *r, enum cli_exit code) {
    OWN(text_drop)
    struct text out = {0};
    cli_progress("");
    table_write(&r->plan, &out);
    if (o.dry_run == 0 && !r->call->json && (code == CLI_DONE || r->sent > 0))
        text_addf(&out, "%llu event%s replayed, %llu deliver%s made, %llu refused\n",
                  (unsigned long long)r->sent, r->sent == 1 ? "" : "s", (unsigned long long)r->made,
                  r->made == 1 ? "y" : "ies", (unsigned long long)r->refused);
    table_write(&r->refusals, &out);
    cli_out(text_bytes(&out));
    if (code != CLI_DONE)
        say_how_to_go_on(r);
    if (code == CLI_DONE && o.dry_run != 0 && !r->call->json)
        say_shares(r);
    return code;
}

static enum cli_exit check_options(const struct cli_call *c, int64_t *wait_ms) {
    *wait_ms = WAIT_MS;
    if (o.wait != NULL && text_parse_duration(bytes_of(o.wait), wait_ms) != OK)
        return cli_misused(c, "--wait `%s` is no duration; expected 30s, 10m, 2h", o.wait);
    if (c->count > 0 && (filtered() || o.all != 0))
        return cli_misused(c, "events are named and filtered at once; do one or the other");
    if (c->count == 0 && !filtered() && o.all == 0)
        return cli_misused(c, "which events? Name them, filter them (--type, --since, …), or say "
                              "--all");
    if (o.rate < 0 || o.rate > RATE_MAX)
        return cli_misused(c, "--rate takes 1 to %d events a second", RATE_MAX);
    return CLI_DONE;
}

static void prepare(struct replay *r, int64_t wait_ms) {
    client_name_run(r->run);
    r->began_us = clock_mono_us(&clock_real);
    r->batch_max = BATCH_MAX;
    if (o.rate > 0)
        r->batch_max = o.rate / STEPS < 1           ? 1
                       : o.rate / STEPS < BATCH_MAX ? (size_t)(o.rate / STEPS)
                                                    : BATCH_MAX;
    client_be_patient(r->client, wait_ms);
    table_init(&r->plan, plan_columns, COUNT(plan_columns));
    table_init(&r->refusals, refusal_columns, COUNT(refusal_columns));
}

enum cli_exit events_replay_run(const struct cli_call *c) {
    struct replay r = {.call = c};
    int64_t wait_ms;
    OWN(client_close)
    struct client *client = NULL;
    enum cli_exit code = check_options(c, &wait_ms);
    if (code == CLI_DONE)
        code = client_open(c, &client);
    if (code != CLI_DONE)
        return code;
    r.client = client;
    prepare(&r, wait_ms);
    if (o.dry_run == 0)
        client_catch_interrupts(client);
    code = c->count > 0 ? replay_named(&r) : replay_filtered(&r);
    code = sum_up(&r, code);
    table_drop(&r.plan);
    table_drop(&r.refusals);
    text_drop(&r.events);
    for (size_t i = 0; i < r.share_count; i++)
        free(r.shares[i].to);
    free(r.shares);
    return code;
}
