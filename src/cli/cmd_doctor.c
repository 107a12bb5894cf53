// SPDX-License-Identifier: MIT
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

static void print(json whole, struct text *out) {
    json f;
    size_t at = 0, n = 0;
    for (; json_element(json_get(whole, "findings"), &at, &f); n++)
        print_finding(f, out);
    text_addf(out, "%zu %s by %.*s checks\n", n, n == 1 ? "finding" : "findings",
              BYTES_ARG(json_number(json_get(whole, "checks"))));
}

static enum cli_exit doctor(const struct cli_call *c) {
    OWN(json_close)
    struct json_doc *doc = NULL;
    enum cli_exit code = one_show(c, "/api/doctor", print, &doc);
    if (code != CLI_DONE)
        return code;
    return json_size(json_get(json_root(doc), "findings")) == 0 ? CLI_DONE : CLI_FAILED;
}

const struct cli_command command_doctor = {
    .name = "doctor",
    .usage = "",
    .summary = "what is wrong or untidy, from what was seen, and what mends it",
    .help = "Exit 0 if nothing was found, 1 if something was. hookkeep(1) lists the checks.\n",
    .takes = TAKES_API | TAKES_JSON,
    .run = doctor,
};
