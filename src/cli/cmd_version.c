// SPDX-License-Identifier: MIT
#include "cli/commands.h"

static enum cli_exit version(const struct cli_call *c) {
    cli_outf("hookkeep %s\n", HOOKKEEP_VERSION);
    return CLI_DONE;
}

const struct cli_command command_version = {
    .name = "version",
    .usage = "",
    .summary = "print the version",
    .run = version,
};
