// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/rows.h"
#include "stripe/catalogue.h"

static int seen, taken;

const struct poptOption cmd_events_types_options[] = {
    {"seen", '\0', POPT_ARG_NONE, &seen, 0, "only those that came, also others than documented",
     NULL},
    {"taken", '\0', POPT_ARG_NONE, &taken, 0, "only those that a destination takes", NULL},
    POPT_TABLEEND,
};

static bytes prefix_of(const struct cli_call *c) {
    bytes prefix = c->count > 0 ? bytes_of(c->args[0]) : NO_BYTES;
    if (bytes_ends(prefix, B("*")))
        prefix.n--;
    return prefix;
}

static void add_tables(const struct event_type *t, struct text *out) {
    const struct object_table *tables[CATALOGUE_TABLES_MAX];
    size_t n = catalogue_tables(t, tables);
    for (size_t i = 0; i < n; i++)
        text_addf(out, "%s%s", i > 0 ? "," : "", tables[i]->name);
    text_adds(out, n == 0 ? "-" : "");
}

struct widths {
    size_t name, object, tables;
};

static void widen(size_t *width, size_t n) { *width = n > *width ? n : *width; }

static void print_row(const struct event_type *t, const struct widths *w) {
    OWN(text_drop)
    struct text tables = {0};
    add_tables(t, &tables);
    cli_outf("%-*s  %-*s  %-*s  %s\n", (int)w->name, t->name, (int)w->object, t->object,
             (int)w->tables, text_str(&tables), t->description);
}

static void print_json(const struct event_type *t) {
    OWN(text_drop)
    struct text row = {0};
    text_addc(&row, '{');
    catalogue_write(t, &row);
    text_adds(&row, "}\n");
    cli_out(text_bytes(&row));
}

static void measure(const struct event_type *t, struct widths *w) {
    OWN(text_drop)
    struct text tables = {0};
    add_tables(t, &tables);
    widen(&w->name, bytes_of(t->name).n);
    widen(&w->object, bytes_of(t->object).n);
    widen(&w->tables, tables.n);
}

static enum cli_exit none(const struct cli_call *c) {
    const char *near = event_type_nearest(bytes_of(c->args[0]));
    cli_say("no documented type begins with `%s`%s%s%s; others are received and delivered all the "
            "same",
            c->args[0], near != NULL ? "; did you mean `" : "", near != NULL ? near : "",
            near != NULL ? "`?" : "");
    return CLI_FAILED;
}

static enum cli_exit documented(const struct cli_call *c) {
    bytes prefix = prefix_of(c);
    struct widths w = {0};
    size_t shown = 0;
    for (size_t i = 0; i < event_type_count; i++)
        if (bytes_starts(bytes_of(event_types[i].name), prefix))
            measure(&event_types[i], &w);
    for (size_t i = 0; i < event_type_count; i++) {
        if (!bytes_starts(bytes_of(event_types[i].name), prefix))
            continue;
        shown++;
        if (c->json)
            print_json(&event_types[i]);
        else
            print_row(&event_types[i], &w);
    }
    return shown > 0 ? CLI_DONE : none(c);
}

static const struct column columns[] = {
    {"type", "type", CELL_TEXT, 20},       {"receipts", "receipts", CELL_TEXT, 0},
    {"first", "first_at", CELL_TIME, 0},   {"last", "last_at", CELL_TIME, 0},
    {"taken by", "takers", CELL_NAMES, 8},
};

static enum cli_exit asked(const struct cli_call *c) {
    static const struct rows rows = {columns, sizeof columns / sizeof columns[0], NULL,
                                     "there is none; without --seen and --taken all that Stripe "
                                     "documents are shown"};
    OWN(text_drop)
    struct text path = {0}, prefix = {0};
    OWN(client_close)
    struct client *client = NULL;
    text_add(&prefix, prefix_of(c));
    text_adds(&path, "/api/types");
    query_add(&path, "type", prefix.n > 0 ? text_str(&prefix) : NULL);
    query_add(&path, "seen", seen != 0 ? "true" : NULL);
    query_add(&path, "taken", taken != 0 ? "true" : NULL);
    enum cli_exit code = client_open(c, &client);
    return code == CLI_DONE ? rows_show(c, client, text_str(&path), &rows, NULL) : code;
}

enum cli_exit events_types_run(const struct cli_call *c) {
    return seen != 0 || taken != 0 ? asked(c) : documented(c);
}
