// SPDX-License-Identifier: MIT
// Commands: what an operator may ask the books to change, each one row of rules/commands.def. A
// command is a journal record whose payload is {"do":NAME, …, "by":KEY_ID}; the ledger's answer is
// a JSON object kept with its position. With "idempotency_key" it is carried out once: the same
// payload again gets the same answer and changes nothing, another payload under its key is refused.
// Where a command has "asked", a SHA-256 in hexadecimal, that is compared instead of the payload,
// which may hold what was made for it; an answer given again then says "replayed":true, and what
// was refused leaves its key free, as Stripe does.
#ifndef RULES_COMMAND_H
#define RULES_COMMAND_H

#include "base/json.h"

enum command {
#define COMMAND(id, name, fields, meaning) COMMAND_##id,
#include "rules/commands.def"
#undef COMMAND
    COMMANDS
};

// COMMANDS when there is none of this name.
enum command command_find(bytes name);
const char *command_name(enum command c);

#define REPLAY_EVENTS_MAX 500     // events in one replay command
#define REBUILD_EVENTS_MAX 2000   // events in one step of a rebuild
#define IDEMPOTENCY_KEY_MAX 255   // bytes, as Stripe's
#define LISTEN_ATTEMPTS_MAX 100   // in one command
#define LISTEN_TEXT_MAX 2048      // bytes of each text of one
#define LISTEN_ATTEMPTS_KEPT 1000 // of an event; those of later are not booked
// How long answers are kept at least, by the time of records: as long as Stripe keeps its keys.
#define ANSWERS_KEPT_MS INT64_C(86400000)

#endif
