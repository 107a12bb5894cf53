// SPDX-License-Identifier: MIT
// What the local sites of those who listen answered, on its way to the books
// (rules/commands.def, LISTEN_ATTEMPTS).
#ifndef DESK_LISTEN_ATTEMPTS_H
#define DESK_LISTEN_ATTEMPTS_H

#include "base/text.h"
#include "ledger/ledger.h"

// One as the command has it, with its texts cut.
void listen_attempt_write(const struct listen_attempt_row *row, struct text *out);

#endif
