// SPDX-License-Identifier: MIT
#include "cli/cli.h"
#include "port/keeper.h"

int main(int argc, char **argv) {
    keeper_main(argc, argv);
    return (int)cli_run(argc, (const char **)argv);
}
