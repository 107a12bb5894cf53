// SPDX-License-Identifier: MIT
#include "cli/rows.h"

#include "cli/query.h"
#include "port/clock.h"

#define LIMIT_DEFAULT 100

static enum cli_exit add_when(const struct cli_call *c, struct text *path, const char *name,
                              const char *said) {
    if (query_add_when(path, name, said, clock_wall_ms(&clock_real)) == OK)
        return CLI_DONE;
    return cli_misused(c,
                       "--%s `%s` is no time; expected 2026-11-23, 2026-11-23T18:00:00Z, Unix "
                       "milliseconds, or how long ago: 30m, 2h, 7d",
                       name, said);
}

enum cli_exit list_parameters(const struct cli_call *c, const struct list_options *o,
                              struct text *path) {
    enum cli_exit code = add_when(c, path, "since", o->since);
    if (code == CLI_DONE)
        code = add_when(c, path, "until", o->until);
    if (code == CLI_DONE && (o->limit < 0 || o->before < 0 || o->after < 0))
        code = cli_misused(c, "--limit, --before and --after take numbers from 1 on");
    return code;
}

void json_line(json v) {
    OWN(text_drop)
    struct text out = {0};
    json_write(v, &out);
    text_addc(&out, '\n');
    cli_out(text_bytes(&out));
}

struct showing {
    bool as_json;
    struct table table;
    size_t rows;
};

static enum cli_exit show_row(void *ctx, json row) {
    struct showing *s = ctx;
    s->rows++;
    if (s->as_json)
        json_line(row);
    else
        table_add(&s->table, row);
    return CLI_DONE;
}

enum cli_exit rows_show(const struct cli_call *c, struct client *client, const char *path,
                        const struct rows *r, const struct list_options *o) {
    OWN(text_drop)
    struct text first = {0};
    struct showing s = {.as_json = c->json};
    table_init(&s.table, r->columns, r->count);
    struct listing l = {
        .path = path, .cursor = r->cursor, .limit = LIMIT_DEFAULT, .row = show_row, .ctx = &s};
    if (o != NULL) {
        text_adds(&first, path);
        l.oldest_first = o->oldest != 0;
        l.limit = o->limit > 0 ? (uint64_t)o->limit : LIMIT_DEFAULT;
        // The cursor that moves on is a parameter of each page, the other one of all.
        l.last = (uint64_t)(l.oldest_first ? o->after : o->before);
        long long other = l.oldest_first ? o->before : o->after;
        if (other > 0)
            query_add_number(&first, l.oldest_first ? "before" : "after", (uint64_t)other);
        l.path = text_str(&first);
    }
    enum cli_exit code = client_list(client, &l);
    OWN(text_drop)
    struct text out = {0};
    table_write(&s.table, &out);
    table_drop(&s.table);
    cli_out(text_bytes(&out));
    if (code == CLI_DONE && s.rows == 0 && !c->json)
        cli_say("%s", r->none);
    if (code == CLI_DONE && l.more)
        cli_say("there are more: --%s %llu shows the next ones, --limit N more at once",
                l.oldest_first ? "after" : "before", (unsigned long long)l.last);
    return code;
}

enum cli_exit one_show(const struct cli_call *c, const char *path,
                       void (*print)(json whole, struct text *out), struct json_doc **doc) {
    OWN(client_close)
    struct client *client = NULL;
    OWN(json_close)
    struct json_doc *own = NULL;
    struct json_doc **answer = doc != NULL ? doc : &own;
    enum cli_exit code = client_open(c, &client);
    if (code == CLI_DONE)
        code = client_ask(client, "GET", path, NO_BYTES, answer);
    if (code != CLI_DONE)
        return code;
    if (c->json) {
        json_line(json_root(*answer));
        return CLI_DONE;
    }
    OWN(text_drop)
    struct text out = {0};
    print(json_root(*answer), &out);
    cli_out(text_bytes(&out));
    return CLI_DONE;
}

void list_section(const char *title, const struct column *columns, size_t count, json list,
                  struct text *out) {
    OWN(table_drop)
    struct table t;
    table_init(&t, columns, count);
    json row;
    for (size_t at = 0; json_element(list, &at, &row);)
        table_add(&t, row);
    if (t.rows > 0)
        text_addf(out, "\n%s\n", title);
    table_write(&t, out);
}

enum cli_exit each_post(const struct cli_call *c, const char *prefix, const char *suffix,
                        const char *what, const char *done, bytes body) {
    OWN(client_close)
    struct client *client = NULL;
    enum cli_exit code = client_open(c, &client);
    if (code != CLI_DONE)
        return code;
    for (size_t i = 0; i < c->count; i++) {
        OWN(text_drop)
        struct text path = {0};
        OWN(json_close)
        struct json_doc *doc = NULL;
        text_adds(&path, prefix);
        query_escape(&path, bytes_of(c->args[i]));
        text_adds(&path, suffix);
        enum cli_exit one = client_ask(client, "POST", text_str(&path), body, &doc);
        if (one != CLI_DONE)
            code = one;
        else if (c->json)
            json_line(json_root(doc));
        else
            cli_outf("%s %s: %s\n", what, c->args[i], done);
    }
    return code;
}
