// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "cli/client.h"
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/table.h"

#define LINE_MAX_BYTES (1u << 20)

static struct {
    char *type, *account, *owner, *object, *site, *status, *livemode;
    long long after;
} o;

const struct poptOption cmd_events_tail_options[] = {
    {"type", 't', POPT_ARG_STRING, &o.type, 0, "of this type, or family: customer.*", "TYPE"},
    {"account", '\0', POPT_ARG_STRING, &o.account, 0, "of this account; platform: of none", "ACCT"},
    {"owner", '\0', POPT_ARG_STRING, &o.owner, 0, "of this owner's sources", "NAME"},
    {"site", '\0', POPT_ARG_STRING, &o.site, 0, "of this site; unclaimed: of none", "SITE"},
    {"object", '\0', POPT_ARG_STRING, &o.object, 0, "about this object", "ID"},
    {"status", '\0', POPT_ARG_STRING, &o.status, 0, "pending, done, failed or ignored", "STATUS"},
    {"livemode", '\0', POPT_ARG_STRING, &o.livemode, 0, "true or false", "BOOL"},
    {"after", '\0', POPT_ARG_LONGLONG, &o.after, 0, "begin behind this event instead of now", "N"},
    POPT_TABLEEND,
};

struct tailing {
    bool as_json;
    bool heard;
    struct text line; // what came of the line so far
    int64_t last;
};

// Widths are fixed: what comes next is not known.
static void print_row(json row, struct text *out) {
    static const struct {
        const char *name;
        enum cell cell;
        int width;
    } cells[] = {
        {"seq", CELL_TEXT, 7},      {"received_at", CELL_TIME, 19}, {"type", CELL_TEXT, 34},
        {"livemode", CELL_MODE, 4}, {"id", CELL_TEXT, 1},           {"account", CELL_TEXT, 1},
    };
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        OWN(text_drop)
        struct text cell = {0};
        table_cell(json_get(row, cells[i].name), cells[i].cell, &cell);
        if (cell.n > 0)
            text_addf(out, "%s%-*s", i > 0 ? "  " : "", cells[i].width, text_str(&cell));
    }
    text_addc(out, '\n');
}

static void take_line(struct tailing *t) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    OWN(text_drop)
    struct text out = {0};
    if (json_parse(text_bytes(&t->line), &doc) != OK || t->line.failed)
        return;
    int64_t seq;
    if (json_i64(json_get(json_root(doc), "seq"), &seq) == OK)
        t->last = seq;
    if (t->as_json) {
        json_write(json_root(doc), &out);
        text_addc(&out, '\n');
    } else {
        print_row(json_root(doc), &out);
    }
    cli_out(text_bytes(&out));
}

static bool take_piece(void *ctx, bytes b) {
    struct tailing *t = ctx;
    t->heard = true;
    while (b.n > 0) {
        bool whole = bytes_find(b, '\n') < b.n;
        text_add(&t->line, bytes_cut(&b, '\n'));
        if (!whole)
            break;
        if (t->line.n > 0)
            take_line(t);
        text_reset(&t->line);
    }
    return fflush(stdout) == 0 && !ferror(stdout);
}

// How the stream ended.
static enum cli_exit say_end(const struct cli_call *c, const struct client *client,
                             const struct tailing *t, const struct reply *r) {
    if (ferror(stdout))
        return CLI_FAILED; // nobody reads any more
    if (!t->heard && (r->failed != OK || r->status / 100 != 2))
        return client_judge(client, r);
    if (t->last > 0)
        cli_say("the gateway ended the stream: it stopped, or the key was revoked; `%s --after "
                "%lld` goes on",
                c->name, (long long)t->last);
    else
        cli_say("the gateway ended the stream: it stopped, or the key was revoked");
    return CLI_FAILED;
}

enum cli_exit events_tail_run(const struct cli_call *c) {
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, "/api/events/tail");
    query_add(&path, "type", o.type);
    query_add(&path, "site", o.site);
    query_add(&path, "account", o.account);
    query_add(&path, "owner", o.owner);
    query_add(&path, "object", o.object);
    query_add(&path, "status", o.status);
    query_add(&path, "livemode", o.livemode);
    if (o.after < 0)
        return cli_misused(c, "--after takes an event's number, from 1 on");
    if (o.after > 0)
        query_add_number(&path, "after", (uint64_t)o.after);
    OWN(client_close)
    struct client *client = NULL;
    enum cli_exit code = client_open(c, &client);
    if (code != CLI_DONE)
        return code;
    struct tailing t = {.as_json = c->json, .line = {.max = LINE_MAX_BYTES}, .last = o.after};
    OWN(reply_drop)
    struct reply r = {0};
    client_stream(client, text_str(&path), take_piece, &t, &r);
    code = say_end(c, client, &t, &r);
    text_drop(&t.line);
    return code;
}
