// SPDX-License-Identifier: MIT
// The journal: the chronological, append-only record of everything that happened. Nothing is true
// until it is here.
//
// An actor with one thread: it drains its mailbox, appends everything that waits as one batch,
// makes it durable with one sync, and only then sends each message back to whom it came from. Those
// answers are the only licence for a 2xx. It carries payloads blindly; what they say is in
// rules/record.h.
//
// Room is reserved before a promise is made: a poster takes credit for its payload first. Receipts
// leave a part of the room to outcomes and commands, so that what is under way can end when nothing
// new can begin. Credit turns into use when the record is appended and comes back when the ledger
// has committed past it and the store has recycled the room.
//
// When booking has fallen so far behind that receipts' room is nearly used up, the thread rests
// after each batch, the longer the fuller it is: who posts and waits for answers then gets them at
// the pace of booking, instead of refusals.
//
// After a failed sync nothing is trusted: every waiting and every later append fails with IO until
// the process starts again. FULL is different: nothing of the batch was written for good, later
// appends are tried afresh.
#ifndef JOURNAL_JOURNAL_H
#define JOURNAL_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "journal/store.h"
#include "port/clock.h"
#include "port/mailbox.h"

struct journal;

enum credit_class {
    CREDIT_RECEIPT, // may not touch the reserve
    CREDIT_INNER,   // outcomes and commands
};

// A record to append. The poster fills the first part, owns it again when it comes back in `reply`
// (or by journal_append's return), and keeps payload alive until then. Zero-initialise.
struct append {
    struct mail mail; // mail.kind is the poster's, kept as it was
    uint8_t kind;     // enum record_kind
    uint64_t generation;
    uint64_t seed;
    bytes payload;
    size_t credit; // what journal_credit_take gave for it; consumed
    struct mailbox *reply;
    // filled by the journal
    result failed;     // OK: durable
    uint64_t position; // from 1, without gaps
    int64_t time_ms;   // never running back, nor standing still behind a clock that was set back
    int64_t posted_us; // monotonic, set by journal_post
};

struct journal_options {
    struct clock *clock;
    struct journal_store *store; // open; stays the caller's
    size_t batch_max;            // most bytes of one batch; 0: 4 MiB
    // Called on the journal's thread after each durable batch: there is something to book.
    void (*durable)(void *ctx, uint64_t position);
    void *durable_ctx;
    // Called once on the journal's thread when it failed for good; null is allowed.
    void (*failed)(void *ctx);
    void *failed_ctx;
};

must result journal_open(const struct journal_options *o, struct journal **out);
void journal_close(
    struct journal *j); // after its last step; fails what still waits with CLOSED; null is allowed

// Any thread. Credit for one record with a payload of n bytes; false when there is no room, or the
// journal failed. *credit is what to put into append.credit or to give back.
bool journal_credit_take(struct journal *j, enum credit_class class, size_t n, size_t *credit);
void journal_credit_give(struct journal *j, size_t credit);
void journal_post(struct journal *j, struct append *a);
// The ledger has committed everything up to this position: its room may be recycled.
void journal_booked(struct journal *j, uint64_t position);
uint64_t journal_durable(const struct journal *j); // last durable position
bool journal_failed(const struct journal *j); // a sync failed: nothing will be durable any more
// Bytes in use or promised, and in all; for metrics.
void journal_room(const struct journal *j, uint64_t *used, uint64_t *size);

// The actor: handles all mail, at most one batch. True if it did anything.
bool journal_step(struct journal *j);
// How long the thread rests after a batch, 0 to JOURNAL_REST_MAX_US.
#define JOURNAL_REST_MAX_US 20000
int64_t journal_rest_us(const struct journal *j);
// What its thread runs: steps until journal_stop, the mail before that included.
void journal_run(void *journal);
void journal_stop(struct journal *j); // any thread

// For tests and start-up, on the journal's thread or before it runs: append one and wait.
must result journal_append(struct journal *j, struct append *a);

#endif
