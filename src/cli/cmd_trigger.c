// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/post.h"
#include "cli/rows.h"
#include "cli/secrets.h"
#include "cli/where.h"
#include "port/clock.h"
#include "stripe/sample.h"
#include "stripe/types.h"

#define COUNT_MAX 10000000
#define RATE_MAX 1000000     // events a second
#define SIGN_MAX (64u << 10) // bytes of a request to the desk (hookkeep-api(7))
#define ID_SHOWN 64
#define ANSWER_SHOWN 200
#define STATUSES_MAX 16

static struct {
    char **sets;
    char *account, *source, *to, *secret;
    int livemode, print, list;
    long long count, rate;
} o = {.count = 1};

static const struct poptOption options[] = {
    {"set", 's', POPT_ARG_ARGV, &o.sets, 0,
     "put this into the object, or with a dot in front of PATH into the event", "PATH=VALUE"},
    {"account", 'a', POPT_ARG_STRING, &o.account, 0, "an event of this connected account", "ACCT"},
    {"livemode", '\0', POPT_ARG_NONE, &o.livemode, 0, "a live event; else a test event", NULL},
    {"count", 'n', POPT_ARG_LONGLONG, &o.count, 0, "so many events, one after the other (1)", "N"},
    {"rate", '\0', POPT_ARG_LONGLONG, &o.rate, 0, "at most so many events a second", "N"},
    {"source", '\0', POPT_ARG_STRING, &o.source, 0, "to this source, if there are several", "PATH"},
    {"to", '\0', POPT_ARG_STRING, &o.to, 0, "to this endpoint; needs no gateway, but its secret",
     "URL"},
    {"secret", '\0', POPT_ARG_STRING, &o.secret, 0,
     "with --to: file:PATH or env:NAME; else $HOOKKEEP_SECRET or $STRIPE_WEBHOOK_SECRET", "WHERE"},
    {"print", 'p', POPT_ARG_NONE, &o.print, 0, "print the event, send nothing; needs no gateway",
     NULL},
    {"list", 'l', POPT_ARG_NONE, &o.list, 0, "the types; TYPE may be a family: invoice.*", NULL},
    POPT_TABLEEND,
};

struct trigger {
    const struct cli_call *call;
    const struct sample *sample;
    size_t set_count;
    struct client *client;
    struct poster *poster;
    struct secrets secrets;
    struct tally {
        int status;
        long long n;
    } tallies[STATUSES_MAX];
    long long refused;
    struct text refusal; // the first
};

static void trigger_drop(struct trigger *t) {
    client_close(&t->client);
    poster_close(&t->poster);
    secrets_drop(&t->secrets);
    text_drop(&t->refusal);
}

// --- the types

static bool in_family(const char *type, const char *family) {
    bytes f = bytes_of(family);
    if (bytes_ends(f, B("*")))
        return bytes_starts(bytes_of(type), bytes_slice(f, 0, f.n - 1));
    return strcmp(type, family) == 0;
}

static enum cli_exit unknown_type(const struct cli_call *c, const char *type) {
    const char *nearest = event_type_nearest(bytes_of(type));
    if (nearest != NULL)
        return cli_misused(c, "`%s` is no type that Stripe documents; did you mean `%s`?", type,
                           nearest);
    return cli_misused(c,
                       "`%s` is no type that Stripe documents; `hookkeep trigger --list` tells "
                       "them",
                       type);
}

static enum cli_exit list(const struct cli_call *c) {
    static const struct column columns[] = {
        {"type", "type", CELL_TEXT, 0},
        {"object", "object", CELL_TEXT, 8},
        {"what has happened", "about", CELL_TEXT, 24},
    };
    const char *family = c->count > 0 ? c->args[0] : "*";
    size_t found = 0;
    OWN(table_drop)
    struct table table;
    table_init(&table, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < sample_count; i++) {
        const struct sample *s = &samples[i];
        OWN(text_drop)
        struct text row = {0};
        OWN(json_close)
        struct json_doc *doc = NULL;
        if (!in_family(s->type, family))
            continue;
        found++;
        text_addf(&row, "{\"type\":\"%s\",\"object\":\"%s\",\"about\":", s->type, s->kind);
        text_add_json(&row, bytes_of(s->about));
        text_addc(&row, '}');
        if (c->json)
            cli_outf("%s\n", text_str(&row));
        else if (json_parse(text_bytes(&row), &doc) == OK)
            table_add(&table, json_root(doc));
    }
    OWN(text_drop)
    struct text out = {0};
    if (found == 0)
        return unknown_type(c, family);
    table_write(&table, &out);
    cli_out(text_bytes(&out));
    return CLI_DONE;
}

// --- one event

static enum cli_exit make(const struct trigger *t, struct text *body) {
    OWN(text_drop)
    struct text why = {0};
    const struct sample_options options_of = {
        .now_s = clock_wall_ms(&clock_real) / 1000,
        .seed = clock_seed(&clock_real),
        .livemode = o.livemode != 0,
        .account = bytes_of(o.account),
        .sets = (const char *const *)o.sets,
        .set_count = t->set_count,
    };
    result made = sample_make(t->sample, &options_of, body, &why);
    if (made != OK)
        return cli_misused(t->call, "%s", why.n > 0 ? text_str(&why) : made->text);
    return CLI_DONE;
}

// The one to post to: without TLS if there is such a one, since the certificate seldom names this
// address.
static bytes choose_address(json addresses) {
    bytes chosen = NO_BYTES;
    json one;
    for (size_t at = 0; json_element(addresses, &at, &one);)
        if (chosen.n == 0 ||
            (bytes_starts(chosen, B("https:")) && !bytes_starts(json_string(one), B("https:"))))
            chosen = json_string(one);
    return chosen;
}

static enum cli_exit say_silence(const char *where, const struct reply *r) {
    cli_say("no answer from %s (%s); is this its address, and may one connect to it from here?",
            where, r->error.n > 0 ? text_str(&r->error) : r->failed->text);
    return CLI_FAILED;
}

// Signed at the desk, posted to the source as Stripe would.
static enum cli_exit send_to_source(struct trigger *t, bytes body, struct reply *r) {
    OWN(text_drop)
    struct text asked = {0}, url = {0};
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(where_drop)
    struct where where = {0};
    text_adds(&asked, "{\"body\":");
    text_add_json(&asked, body);
    if (o.source != NULL) {
        text_adds(&asked, ",\"source\":");
        text_add_json(&asked, bytes_of(o.source));
    }
    text_addc(&asked, '}');
    if (asked.n > SIGN_MAX) {
        cli_say("the event is %zu bytes with what was set in it, and the desk signs up to 64 KiB; "
                "set less, or use --to with the source's own secret",
                body.n);
        return CLI_FAILED;
    }
    enum cli_exit code = client_ask(t->client, "POST", "/api/sign", text_bytes(&asked), &doc);
    if (code != CLI_DONE)
        return code;
    bytes address = choose_address(json_get(json_root(doc), "addresses"));
    if (where_parse(address, &where) != OK) {
        cli_say("the gateway says that it listens at `%.*s`, which is no address that can be "
                "reached; see `listen` in its configuration",
                BYTES_ARG(address));
        return CLI_FAILED;
    }
    text_add(&url, text_bytes(&where.base));
    text_add(&url, json_string(json_get(json_root(doc), "source")));
    const struct post_to to = {text_str(&url),
                               where.unix_path.n > 0 ? text_str(&where.unix_path) : NULL};
    poster_send(t->poster, &to, json_string(json_get(json_root(doc), "signature")), body, r);
    return r->failed == OK ? CLI_DONE : say_silence(text_str(&where.address), r);
}

static enum cli_exit send_to_endpoint(struct trigger *t, bytes body, struct reply *r) {
    char header[HK_SIGNATURE_SIZE];
    size_t n = hk_sign(t->secrets.all[0], (time_t)(clock_wall_ms(&clock_real) / 1000), body.p,
                       body.n, header, sizeof header);
    const struct post_to to = {.url = o.to};
    poster_send(t->poster, &to, bytes_from(header, n), body, r);
    return r->failed == OK ? CLI_DONE : say_silence(o.to, r);
}

// --- what was answered

static void show_answer(const struct trigger *t, bytes id, const struct reply *r,
                        struct text *out) {
    if (t->call->json) {
        text_adds(out, "{\"id\":");
        text_add_json(out, id);
        text_addf(out, ",\"type\":\"%s\",\"status\":%d,\"answer\":", t->sample->type, r->status);
        text_add_json(out, text_bytes(&r->body));
        text_adds(out, "}\n");
        return;
    }
    text_add_printable(out, id, ID_SHOWN);
    text_addf(out, " %s: %d ", t->sample->type, r->status);
    text_add_printable(out, text_bytes(&r->body), ANSWER_SHOWN);
    text_addc(out, '\n');
}

static void count_answer(struct trigger *t, int status) {
    size_t i = 0;
    while (i < STATUSES_MAX - 1 && t->tallies[i].n > 0 && t->tallies[i].status != status)
        i++;
    t->tallies[i].status = status;
    t->tallies[i].n++;
}

static void note_answer(struct trigger *t, bytes body, const struct reply *r) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text line = {0};
    bool accepted = r->status >= 200 && r->status < 300;
    if (json_parse(body, &doc) == OK)
        show_answer(t, json_string(json_get(json_root(doc), "id")), r, &line);
    if (t->call->json || o.count == 1)
        cli_out(text_bytes(&line));
    count_answer(t, r->status);
    if (accepted)
        return;
    if (t->refused++ == 0)
        text_add(&t->refusal, text_bytes(&line));
}

static void sum_up(const struct trigger *t) {
    if (o.count == 1 || t->call->json)
        return;
    cli_outf("%s:", t->sample->type);
    for (size_t i = 0; i < STATUSES_MAX && t->tallies[i].n > 0; i++)
        cli_outf("%s %lld answered %d", i > 0 ? "," : "", t->tallies[i].n, t->tallies[i].status);
    cli_outf("\n");
    if (t->refused > 0)
        cli_outf("the first that was refused: %s", text_str(&t->refusal));
}

// --- the command

static enum cli_exit check(const struct cli_call *c, struct trigger *t) {
    if (c->count == 0)
        return cli_misused(c, "which type? `hookkeep trigger --list` tells them");
    t->sample = sample_find(bytes_of(c->args[0]));
    if (t->sample == NULL)
        return unknown_type(c, c->args[0]);
    if (o.count < 1 || o.count > COUNT_MAX)
        return cli_misused(c, "--count is a number from 1 to %d", COUNT_MAX);
    if (o.rate < 0 || o.rate > RATE_MAX)
        return cli_misused(c, "--rate is a number of events a second, 1 to %d", RATE_MAX);
    if (o.to != NULL && o.source != NULL)
        return cli_misused(c, "--to names an endpoint and --source a source of the gateway; one of "
                              "them is enough");
    if (o.to == NULL && o.secret != NULL)
        return cli_misused(c, "--secret is for an endpoint named with --to; the gateway knows the "
                              "secrets of its sources");
    while (o.sets != NULL && o.sets[t->set_count] != NULL)
        t->set_count++;
    return CLI_DONE;
}

static enum cli_exit prepare(struct trigger *t) {
    enum cli_exit code = o.to != NULL ? secrets_named(t->call, o.secret, &t->secrets)
                                      : client_open(t->call, &t->client);
    return code == CLI_DONE ? poster_open(&t->poster) : code;
}

static void wait_for_turn(struct trigger *t, int64_t began_us, long long i) {
    if (o.rate == 0)
        return;
    int64_t turn_us = began_us + (int64_t)(i * 1000000 / o.rate);
    int64_t now_us = clock_mono_us(&clock_real);
    if (turn_us > now_us)
        poster_sleep(t->poster, (turn_us - now_us + 999) / 1000);
}

static enum cli_exit send_all(struct trigger *t) {
    int64_t began_us = clock_mono_us(&clock_real);
    enum cli_exit code = CLI_DONE;
    for (long long i = 0; i < o.count && code == CLI_DONE; i++) {
        OWN(text_drop)
        struct text body = {0};
        OWN(reply_drop)
        struct reply r = {0};
        wait_for_turn(t, began_us, i);
        code = make(t, &body);
        if (code == CLI_DONE)
            code = o.to != NULL ? send_to_endpoint(t, text_bytes(&body), &r)
                                : send_to_source(t, text_bytes(&body), &r);
        if (code == CLI_DONE)
            note_answer(t, text_bytes(&body), &r);
    }
    sum_up(t);
    return code == CLI_DONE && t->refused > 0 ? CLI_FAILED : code;
}

static enum cli_exit print_all(const struct trigger *t) {
    enum cli_exit code = CLI_DONE;
    for (long long i = 0; i < o.count && code == CLI_DONE; i++) {
        OWN(text_drop)
        struct text body = {0};
        code = make(t, &body);
        if (code == CLI_DONE) {
            cli_out(text_bytes(&body));
            cli_outf("\n");
        }
    }
    return code;
}

static enum cli_exit trigger(const struct cli_call *c) {
    OWN(trigger_drop)
    struct trigger t = {.call = c};
    if (o.list != 0)
        return list(c);
    enum cli_exit code = check(c, &t);
    if (code != CLI_DONE || o.print != 0)
        return code == CLI_DONE ? print_all(&t) : code;
    // What is wrong with the event is said before anyone is asked.
    OWN(text_drop)
    struct text first = {0};
    code = make(&t, &first);
    if (code == CLI_DONE)
        code = prepare(&t);
    return code == CLI_DONE ? send_all(&t) : code;
}

const struct cli_command command_trigger = {
    .name = "trigger",
    .usage = "[TYPE]",
    .summary = "make an event of any type and post it as Stripe does",
    .help =
        "The event goes to a source of the running gateway, signed with that source's secret "
        "by\nthe desk, which wants an operator's key; or with --to to any endpoint. It is as "
        "Stripe\nprints it, with fresh ids, about a made-up shop.\n\n"
        "  hookkeep trigger invoice.paid\n"
        "  hookkeep trigger charge.refunded --set amount_refunded=500 --set metadata.site=shop\n"
        "  hookkeep trigger payout.paid --account acct_1Nv0FGQ9RKHgCVdK\n"
        "  hookkeep trigger customer.created --count 1000 --rate 50\n"
        "  hookkeep trigger checkout.session.completed --to http://127.0.0.1:3000/stripe \\\n"
        "      --secret env:WEBHOOK_SECRET\n\n"
        "A PATH is keys and array indexes with dots between; data.object. may stand before it. A\n"
        "VALUE that reads as JSON is that, else it is a text.\n",
    .takes = TAKES_API | TAKES_JSON,
    .args_max = 1,
    .options = options,
    .run = trigger,
};
