// SPDX-License-Identifier: MIT
#include "cli/chain.h"
#include "cli/commands.h"
#include "cli/query.h"
#include "cli/rows.h"

#define TEXT_MAX 400
#define NAME_COLUMN 16

static struct { char *owner, *account, *livemode; } o;

static const struct poptOption options[] = {
    {"owner", '\0', POPT_ARG_STRING, &o.owner, 0, "the one of this owner", "NAME"},
    {"account", '\0', POPT_ARG_STRING, &o.account, 0, "the one of this account, or platform",
     "ACCT"},
    {"livemode", '\0', POPT_ARG_STRING, &o.livemode, 0, "true or false", "BOOL"},
    POPT_TABLEEND,
};

static void add(struct text *out, json object, const char *key) {
    table_cell(json_get(object, key), CELL_TEXT, out);
}

static void print_destination(json d, struct text *out) {
    OWN(text_drop)
    struct text name = {0};
    add(&name, d, "name");
    text_addf(out, "  %-*s %-3s  ", NAME_COLUMN, text_str(&name),
              json_true(json_get(d, "gets")) ? "yes" : "no");
    text_add_printable(out, json_string(json_get(d, "why")), TEXT_MAX);
    text_addc(out, '\n');
    json then = json_get(d, "then"), one;
    if (json_type(then) == JSON_OBJECT) {
        text_addf(out, "  %-*s      when it came: %s, ", NAME_COLUMN, "",
                  json_true(json_get(then, "gets")) ? "yes" : "no");
        text_add_printable(out, json_string(json_get(then, "why")), TEXT_MAX);
        text_addc(out, '\n');
    }
    for (size_t at = 0; json_element(json_get(d, "deliveries"), &at, &one);) {
        text_addf(out, "  %-*s      delivery ", NAME_COLUMN, "");
        add(out, one, "seq");
        text_adds(out, json_true(json_get(one, "replay")) ? " (a replay): " : ": ");
        add(out, one, "state");
        text_addc(out, '\n');
    }
}

static void print_receipt(json r, struct text *out) {
    json d;
    text_adds(out, "\nreceived ");
    table_cell(json_get(r, "received_at"), CELL_TIME, out);
    text_adds(out, " at ");
    add(out, r, "source");
    text_adds(out, ", signed with ");
    add(out, r, "secret_label");
    text_addc(out, '\n');
    if (json_true(json_get(r, "livemode_misfit")))
        text_adds(out, "  kept and not delivered: its livemode does not fit the source\n");
    for (size_t at = 0; json_element(json_get(r, "destinations"), &at, &d);)
        print_destination(d, out);
}

// Whose it is, how that is known, and whether it would be another's today.
static void print_site(json site, struct text *out) {
    json object = json_get(site, "object");
    bytes name = json_string(json_get(site, "name")), now = json_string(json_get(object, "site"));
    bool unclaimed = bytes_equal(name, B("unclaimed"));
    if (name.n == 0)
        return;
    text_adds(out, unclaimed ? "\nno site" : "\nsite ");
    if (!unclaimed)
        text_add_printable(out, name, TEXT_MAX);
    if (now.n > 0 && !bytes_equal(now, name)) {
        text_adds(out, unclaimed ? ": its site became known later, and leaves what came before: "
                                 : ", where it was routed; by what is known now it is of ");
        text_add_printable(out, now, TEXT_MAX);
    } else if (now.n == 0 && !unclaimed) {
        text_adds(out, ", where it was routed; by what is known now it has none");
    }
    text_addc(out, '\n');
    chain_print(object, "  ", out);
}

static void print(json whole, struct text *out) {
    json r;
    add(out, whole, "type");
    text_adds(out, "  ");
    add(out, whole, "id");
    text_adds(out, "  (event ");
    add(out, whole, "event");
    text_adds(out, ", under the configuration of generation ");
    add(out, whole, "generation");
    text_adds(out, ")\n");
    print_site(json_get(whole, "site"), out);
    for (size_t at = 0; json_element(json_get(whole, "receipts"), &at, &r);)
        print_receipt(r, out);
    int64_t left = 0;
    if (json_i64(json_get(whole, "receipts_left_out"), &left) == OK && left > 0)
        text_addf(out, "\n%lld later receipts are not shown\n", (long long)left);
}

static enum cli_exit explain(const struct cli_call *c) {
    OWN(text_drop)
    struct text path = {0};
    text_adds(&path, "/api/events/");
    query_escape(&path, bytes_of(c->args[0]));
    text_adds(&path, "/explain");
    query_add(&path, "owner", o.owner);
    query_add(&path, "account", o.account);
    query_add(&path, "livemode", o.livemode);
    return one_show(c, text_str(&path), print, NULL);
}

const struct cli_command command_explain = {
    .name = "explain",
    .usage = "EVENT",
    .summary = "for each destination, whether it gets an event and which rule decided",
    .help = "EVENT is an event's id or its number (seq).\n",
    .takes = TAKES_API | TAKES_JSON,
    .args_min = 1,
    .args_max = 1,
    .options = options,
    .run = explain,
};
