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
    .help =
        "Stays in the foreground and logs to standard error, or to log.file. SIGTERM or SIGINT: "
        "finishes\nwhat is under way and stops; SIGHUP: reads the configuration again, and goes "
        "on with the old\none if the new one is wrong; SIGUSR1: opens log.file again, as SIGHUP "
        "does too.\n",
    .takes = TAKES_CONFIG,
    .run = serve,
};
