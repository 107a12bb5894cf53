// SPDX-License-Identifier: MIT
// Booking: one journal record carried into the books. A deterministic state machine: the same
// records give the same books, whatever the store, whatever the machine, however often it was
// restarted in between. It reads no clock: time and jitter are the record's. Called by the ledger
// inside begin … commit.
#ifndef LEDGER_BOOK_H
#define LEDGER_BOOK_H

#include "journal/store.h"
#include "ledger/store.h"
#include "rules/plan.h"

struct book {
    struct store *store;
    struct store_state state;
    struct plan *plan;  // in force
    struct plan *older; // the last older generation that was needed; null
    // Told to the ledger: these destinations may have something due now.
    void (*touched)(void *ctx, uint32_t destination, bytes name);
    // An outcome was booked (or its record suspended): the delivery is taken no more.
    void (*released)(void *ctx, uint64_t delivery);
    void *ctx;
};

must result book_open(struct book *b, struct store *s); // loads state and plan
void book_close(struct book *b);

// Books one record and advances the state (not yet committed). A failure that store.h calls the
// record's own leaves the store half-changed: undo to the mark, then book_suspend.
must result book_record(struct book *b, const struct record *r);
// Puts the record into suspense with the failure's reason instead, and advances the state.
must result book_suspend(struct book *b, const struct record *r, const char *reason);
// After a rollback: state and plan as the store has them.
must result book_reload(struct book *b);

#endif
