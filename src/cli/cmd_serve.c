// SPDX-License-Identifier: MIT
#include "cli/commands.h"
#include "gateway.h"

static enum cli_exit serve(const struct cli_call *c) {
    return (enum cli_exit)gateway_serve(c->config_path);
}

const struct cli_command command_serve = {
    .name = "serve",
    .usage = "",
    .summary = "run the gateway",
    .help = "Stays in the foreground and logs to standard error. SIGTERM or SIGINT: finishes what "
            "is under\nway and stops; SIGHUP: reads the configuration again, and goes on with the "
            "old one if the new\none is wrong.\n",
    .takes = TAKES_CONFIG,
    .run = serve,
};
