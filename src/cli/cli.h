// SPDX-License-Identifier: MIT
// The command `hookkeep`: a table of commands, each in a file of its own. What it says about itself
// (help, usage, options) comes from the same rows. One process, one command, one thread; what a
// popt table fills is static in the command's file.
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <popt.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_CONFIG = 78 };

// How a command was called. Valid while it runs.
struct cli_call {
    const char *name; // "hookkeep events list"
    const char *const *args;
    size_t count;
    const char *config_path; // -c, or null
    const char *api;         // --api, or null
    bool json;               // --json
};

// Options that several commands take.
enum cli_takes {
    TAKES_CONFIG = 1, // -c
    TAKES_API = 2,    // --api, and -c
    TAKES_JSON = 4,   // --json
};

struct cli_command {
    const char *name;
    const char *usage;   // its arguments: "EVENT", "[ID]..."; "" for none
    const char *summary; // one line, no full stop
    const char *help;    // whole lines, or null
    unsigned takes;
    size_t args_min, args_max; // the run refuses other numbers of arguments before it calls `run`
    const struct poptOption *options; // of its own; null
    enum cli_exit (*run)(const struct cli_call *c);
    const struct cli_command *actions; // instead of `run`: `hookkeep NAME ACTION`; the last is {0}
};

#define ARGS_MANY 10000
#define CLI_TABLES_MAX 6

// The table, ended by null.
extern const struct cli_command *const cli_commands[];
// null: there is none.
const struct cli_command *cli_find(const char *name);
// The nearest name of a table whose last row is {0}, or of cli_commands when `actions` is null;
// null when none is near.
const char *cli_nearest(const char *name, const struct cli_command *actions);

// Finds the command in argv, reads its options, runs it; flushes standard output, a failure of
// which is CLI_FAILED.
enum cli_exit cli_run(int argc, const char **argv);
// The tables of options that a command takes: its own, then those it shares.
void cli_options(const struct cli_command *command, struct poptOption out[CLI_TABLES_MAX]);
// Help on standard output: of everything when count is 0, of a command, or of one of its actions.
enum cli_exit cli_help(const char *const *words, size_t count);

// Standard error, "hookkeep: " before it and a line end behind. `format` tells what was found, what
// was expected, what to do; what comes from outside is made printable.
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The same, and how to call the command; returns CLI_USAGE.
enum cli_exit cli_misused(const struct cli_call *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// One line on a terminal that the next one replaces; nothing when standard error is no terminal.
// Empty: takes the line away.
void cli_progress(const char *line);
// Standard output.
void cli_out(bytes b);
void cli_outf(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
