// SPDX-License-Identifier: MIT
// Booking: one journal record carried into the books. A deterministic state machine: the same
// records give the same books, whatever the store, whatever the machine, however often it was
// restarted in between. It reads no clock: time and jitter are the record's. Called by the ledger
// inside begin … commit.
#ifndef LEDGER_BOOK_H
#define LEDGER_BOOK_H

#include "journal/journal.h"
#include "ledger/sightings.h"
#include "rules/plan.h"

// What one batch did, for the counters; added to metrics once it is committed.
struct book_tally {
    uint32_t booked, suspended, events_new, events_duplicate, events_ignored;
    uint32_t scope_misfits, livemode_misfits, dead;
    uint32_t parked;         // deliveries that stepped aside for their lane
    uint32_t late_routed;    // unclaimed events whose site became known
    uint32_t contradictions; // objects that claims of several sites speak of, since now
    uint32_t sites_cut;      // events that name more objects than are read
    uint32_t unclaimed;      // new events without a site
    // Events applied to tables: that changed a row, that said nothing new, that could not be, that
    // hold more objects than are read; and rows that events left undecided.
    uint32_t tables_applied, tables_known, tables_failed, tables_cut, tables_undecided;
    uint32_t tables_rebuilt;     // rebuilds of tables that came to their end
    uint32_t endpoints_changed;  // made, changed, deleted, disabled
    uint32_t endpoints_disabled; // by nothing but failures
    uint32_t held;               // destinations, the same way
    uint32_t recalls;   // holds and cancellations: what was handed out may not go out any more
    uint64_t last_dead; // the delivery that died last
    uint32_t left_out[SIGHTING_KINDS]; // sightings that found no room
};

struct book {
    struct store *store;
    struct store_state state;
    struct plan *plan;  // in force; null before the first
    struct plan *older; // the older generation that was needed last; null
    struct book_tally tally;
    struct sightings seen;      // by the records booked since `begin`
    struct book_sites *sites;   // of the plan in force, and objects at hand; null: not read yet
    struct book_tables *tables; // objects of tables at hand; null: none yet
    // Why the event of the record that was just booked, and failed, cannot be applied to tables.
    // Booked again, after undoing to a mark, it is: with the delivery dead for this reason. Null:
    // nothing stands against it.
    const char *unapplied;
    struct book_rebuild *rebuild; // of tables; null: not read yet
    // The same of an event that cannot be applied to the tables that a rebuild fills.
    struct {
        result failed; // OK: nothing stands against any
        uint64_t event;
    } beside;
    struct book_endpoints *endpoints; // all that there are; null: not read yet
    struct destination_row *known;    // destinations, by number from 1; null: not read yet
    size_t known_count;
    struct arena known_memory;
    const uint8_t *sealing_key; // of answers to the API's callers; null: they are kept as they are
    // Told to the ledger: this destination may have something due now, is held, or is gone.
    void (*touched)(void *ctx, uint32_t destination);
    // An outcome was booked: the delivery is taken no more.
    void (*released)(void *ctx, uint64_t delivery);
    void *ctx;
};

// Loads state and plan. ABSENT cannot happen: empty books are books.
must result book_open(struct book *b, struct store *s);
void book_close(struct book *b);

// Books one record and advances the state, here alone (book_commit writes it). A failure that
// store.h calls the record's own leaves the store half-changed: undo to a mark, book_undone, then
// book_suspend.
must result book_record(struct book *b, const struct record *r);
// Before a mark is let go: what was learnt of objects by records since it was set is written. (It
// is written together, at the latest by book_commit.)
must result book_write(struct book *b);
// Books it as not bookable instead, and advances the state: a command is answered with the reason,
// anything else waits in suspense with its bytes.
must result book_suspend(struct book *b, const struct record *r, const char *reason);
// Ends the transaction: the state as it is now, what was seen, and everything booked since `begin`.
must result book_commit(struct book *b);
// After an undo to a mark, with the state that was there: the plan follows it.
must result book_undone(struct book *b, const struct store_state *before);
// After a rollback: state and plan as the store has them.
must result book_reload(struct book *b);
// Reads the endpoints, unless they are in memory; and then, until the next record, all that are not
// deleted.
must result book_endpoints_ready(struct book *b);
size_t book_endpoint_rows(const struct book *b, const struct endpoint_row **rows);
// Appends what a command was answered, as answer_row has it: unsealed, where it was sealed.
// INVALID: it was sealed with another key.
must result book_answer_open(const struct book *b, const struct answer_row *row, struct text *out);
// How many objects of Stripe's it keeps in memory now (for tests).
size_t book_sites_at_hand(const struct book *b);
// Is this failure the store's, not the record's: wait and try again?
bool book_waits(result failed);

#endif
