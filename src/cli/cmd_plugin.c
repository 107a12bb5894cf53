// SPDX-License-Identifier: MIT
#include "base/json.h"
#include "cli/commands.h"
#include "config/look.h"
#include "plugin/host.h"

#include <stdlib.h>

#define GRACE_MS 1000

static void print_handlers(json handlers, struct text *out) {
    json one, type;
    for (size_t i = 0, at = 0; json_element(handlers, &i, &one); at = 0) {
        text_add_printable(out, json_string(json_get(one, "name")), SIZE_MAX);
        text_adds(out, ": ");
        text_add_printable(out, json_string(json_get(one, "description")), SIZE_MAX);
        text_adds(out, "\n ");
        while (json_element(json_get(one, "types"), &at, &type)) {
            text_addc(out, ' ');
            text_add_printable(out, json_string(type), SIZE_MAX);
        }
        text_addc(out, '\n');
    }
}

// In a process of its own, as it may crash or hang; with what a handler's environment has if its
// destination says nothing of it.
static enum cli_exit look(const char *path) {
    static const char *const names[] = {"PATH", "HOME", "LANG", "TZ"};
    enum { NAMES = sizeof names / sizeof names[0] };
    OWN(text_drop)
    struct text table = {0}, why = {0}, out = {0};
    struct text env[NAMES] = {{0}};
    OWN(json_close)
    struct json_doc *doc = NULL;
    bytes environment[NAMES];
    struct handler h = {.environment = environment, .grace_ms = GRACE_MS};
    for (size_t i = 0; i < NAMES; i++) {
        const char *value = getenv(names[i]);
        text_addf(&env[i], "%s=%s", names[i], value != NULL ? value : "");
        if (value != NULL)
            environment[h.environment_count++] = text_bytes(&env[i]);
    }
    result looked = plugin_look(&h, bytes_of(path), &table, &why);
    if (looked == OK && json_parse(text_bytes(&table), &doc) == OK) {
        print_handlers(json_get(json_root(doc), "handlers"), &out);
        cli_out(text_bytes(&out));
    } else {
        cli_say("the plugin %s: %s", path, text_str(&why));
    }
    for (size_t i = 0; i < NAMES; i++)
        text_drop(&env[i]);
    return doc != NULL ? CLI_DONE : (enum cli_exit)HOST_BROKEN;
}

static enum cli_exit show(const struct cli_call *c) {
    return c->json ? (enum cli_exit)host_show(c->args[0]) : look(c->args[0]);
}

static enum cli_exit run(const struct cli_call *c) { return (enum cli_exit)host_run(c->args[0]); }

static const struct cli_command actions[] = {
    {"show", "FILE", "the handlers that a plugin has, or what is wrong with it",
     "A process of its own loads it, for at most 5 s; with --json this one.\n", TAKES_JSON, 1, 1,
     NULL, show, NULL},
    {"run", "FILE", "what the gateway starts: a line of JSON in for each event, one out",
     "The frames are those of hookkeep-handler(7). To try a plugin by hand.\n", 0, 1, 1, NULL, run,
     NULL},
    {0},
};

const struct cli_command command_plugin = {
    .name = "plugin",
    .usage = "ACTION",
    .summary = "handlers in C",
    .actions = actions,
};
