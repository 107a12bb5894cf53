// SPDX-License-Identifier: MIT
#include <string.h>

#include "cli/commands.h"
#include "config/config.h"

static enum cli_exit help(const struct cli_call *c) {
    if (c->count == 0 || strcmp(c->args[0], "configuration") != 0)
        return cli_help(c->args, c->count);
    OWN(text_drop)
    struct text out = {0};
    config_describe(&out);
    cli_out(text_bytes(&out));
    return CLI_DONE;
}

const struct cli_command command_help = {
    .name = "help",
    .usage = "[COMMAND [ACTION] | configuration]",
    .summary = "tell about a command, or the keys of the configuration",
    .args_max = 2,
    .run = help,
};
