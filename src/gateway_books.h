// SPDX-License-Identifier: MIT
// The two stores that belong together, opened and checked against each other; private to assembly.
#ifndef GATEWAY_BOOKS_H
#define GATEWAY_BOOKS_H

#include "config/config.h"
#include "journal/store.h"
#include "ledger/sqlite.h"

struct books {
    struct store *ledger;
    struct journal_store *journal;
};

// Opens ledger and journal, makes what is missing, and ties a new pair together. Migrations of a
// ledger that has a journal wait for store_sqlite_migrate. `why` gets what was found and what to
// do. On failure nothing stays open.
must result books_open(const struct config *c, struct books *out, struct text *why);
void books_close(struct books *b);

#endif
