// SPDX-License-Identifier: MIT
#include "cli/commands.h"

const struct cli_command *const cli_commands[] = {
    &command_serve,        &command_dev,
    &command_check,        &command_status,
    &command_doctor,       &command_accounts,
    &command_events,       &command_deliveries,
    &command_destinations, &command_explain,
    &command_match,        &command_sites,
    &command_tables,       &command_suspense,
    &command_secrets,      &command_ledger,
    &command_keys,         &command_listen,
    &command_trigger,      &command_twin,
    &command_sign,         &command_verify,
    &command_plugin,       &command_version,
    &command_help,         NULL,
};
