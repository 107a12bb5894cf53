// SPDX-License-Identifier: MIT
// Each command's one entry, in cmd_<name>.c.
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct cli_command command_serve, command_check, command_events, command_deliveries,
    command_destinations, command_explain, command_suspense, command_ledger, command_keys,
    command_secrets, command_sign, command_verify, command_version, command_trigger, command_status,
    command_listen, command_help, command_doctor, command_accounts, command_sites, command_match,
    command_plugin, command_tables, command_twin, command_dev;

struct config;
// Reads a configuration (null: where it is looked for); warnings and what is wrong have been said.
// CLI_CONFIG, and *out is null.
enum cli_exit check_load(const char *path, struct config **out);

// Actions that have a file of their own.
enum cli_exit events_tail_run(const struct cli_call *c);
enum cli_exit events_replay_run(const struct cli_call *c);
enum cli_exit events_types_run(const struct cli_call *c);
enum cli_exit deliveries_retry_run(const struct cli_call *c);
extern const struct poptOption cmd_events_tail_options[], cmd_events_replay_options[],
    cmd_events_types_options[], cmd_deliveries_retry_options[];

#endif
