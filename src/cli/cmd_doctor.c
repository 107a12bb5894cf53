// SPDX-License-Identifier: MIT
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/rows.h"

#define SHOWN_MAX 4096

static void print_finding(json f, struct text *out) {
    bytes about = json_string(json_get(f, "about"));
    text_add(out, json_string(json_get(f, "severity")));
    if (about.n > 0) {
        text_adds(out, "  ");
        text_add_printable(out, about, SHOWN_MAX);
    }
    text_adds(out, about.n > 0 ? ": " : "  ");
    text_add_printable(out, json_string(json_get(f, "found")), SHOWN_MAX);
    text_adds(out, "\n    ");
    text_add_printable(out, json_string(json_get(f, "mend")), SHOWN_MAX);
    text_addc(out, '\n');
}

static void print(json whole) {
    OWN(text_drop)
    struct text out = {0};
    json f;
    size_t at = 0, n = 0;
    for (; json_element(json_get(whole, "findings"), &at, &f); n++)
        print_finding(f, &out);
    text_addf(&out, "%zu %s by %.*s checks\n", n, n == 1 ? "finding" : "findings",
              BYTES_ARG(json_number(json_get(whole, "checks"))));
    cli_out(text_bytes(&out));
}

static enum cli_exit doctor(const struct cli_call *c) {
    OWN(client_close)
    struct client *client = NULL;
    OWN(json_close)
    struct json_doc *doc = NULL;
    enum cli_exit code = client_open(c, &client);
    if (code == CLI_DONE)
        code = client_ask(client, "GET", "/api/doctor", NO_BYTES, &doc);
    if (code != CLI_DONE)
        return code;
    json whole = json_root(doc);
    if (c->json)
        json_line(whole);
    else
        print(whole);
    return json_size(json_get(whole, "findings")) == 0 ? CLI_DONE : CLI_FAILED;
}

const struct cli_command command_doctor = {
    .name = "doctor",
    .usage = "",
    .summary = "what is wrong or untidy, from what was seen, and what mends it",
    .help = "Exit 0 if nothing was found, 1 if something was. hookkeep(1) lists the checks.\n",
    .takes = TAKES_API | TAKES_JSON,
    .run = doctor,
};
