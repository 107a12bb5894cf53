// SPDX-License-Identifier: MIT
// What the program tells about itself, for manuals and shells: from the tables it runs by, so that
// a new row is in all of them. Build-time only; what goes wrong ends it.
#ifndef GENERATE_H
#define GENERATE_H

#include "base/text.h"
#include "cli/cli.h"

// A page of scdoc: its source, where a line @KEYS@, @COMMANDS@, … stands for a table.
void manual_page(bytes source, struct text *out);

void complete_bash(struct text *out);
void complete_zsh(struct text *out);
void complete_fish(struct text *out);

// --- commands and options, as manuals and shells see them

// Calls `each` for every command and action that can be run; `action` is null for a command
// without.
void commands_each(void (*each)(void *ctx, const struct cli_command *command,
                                const struct cli_command *action),
                   void *ctx);
// Calls `each` for every option of a table and of those that it includes.
void options_each(const struct poptOption *table,
                  void (*each)(void *ctx, const struct poptOption *o), void *ctx);
// Of a command with those that it shares with others.
void options_all_each(const struct cli_command *command,
                      void (*each)(void *ctx, const struct poptOption *o), void *ctx);
bool option_takes_value(const struct poptOption *o);

// What may stand for a value.
enum values {
    VALUES_NONE,         // nothing that could be offered
    VALUES_FILES,        //
    VALUES_TYPES,        // event types
    VALUES_DESTINATIONS, // asked of the gateway
    VALUES_SITES,        // the same
    VALUES_COMMANDS,     //
    VALUES_WORDS,        // those of a description as "pending, done or failed"
};
enum values option_values(const struct poptOption *o);
enum values argument_values(const struct cli_command *command);
// The words of such a description, with a space between them.
void description_words(const char *description, struct text *out);
// How an action or command is called, without its arguments: "events list".
void command_words(const struct cli_command *command, const struct cli_command *action,
                   struct text *out);

#endif
