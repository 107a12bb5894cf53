// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "plugin/host.h"

static enum cli_exit show(const struct cli_call *c) {
    return (enum cli_exit)host_show(c->args[0], c->json);
}

static enum cli_exit run(const struct cli_call *c) { return (enum cli_exit)host_run(c->args[0]); }

static const struct cli_command actions[] = {
    {"show", "FILE", "the handlers that a plugin has, or what is wrong with it",
     "Loads it into this process.\n", TAKES_JSON, 1, 1, NULL, show, NULL},
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
