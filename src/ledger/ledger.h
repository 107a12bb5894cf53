// SPDX-License-Identifier: MIT
// The ledger: the books kept from the journal, that people query.
//
// An actor with one thread, the only writer. It reads the journal behind its last booked position
// (the same way at start and at run time, so that a restart cannot book differently), carries the
// records in by a deterministic state machine (ledger/book.c), commits, tells the journal, answers
// who waits, and hands due deliveries to dispatch. Queries run on a thread of their own with a
// read-only connection.
//
// A record that cannot be booked goes to suspense and stops nothing behind it; what is not the
// record's fault (full disk, I/O error, a locked database) waits and is tried again. When the
// process died twice at one position, the record there is suspended untried.
#ifndef LEDGER_LEDGER_H
#define LEDGER_LEDGER_H

#include "journal/journal.h"
#include "ledger/sqlite.h" // reader_*: what a query may ask
#include "ledger/store.h"
#include "port/clock.h"
#include "port/mailbox.h"
#include "rules/plan.h"

struct ledger;

// A delivery to make. Lives in its take's arena.
struct job {
    uint64_t delivery;
    uint32_t attempt; // the number of the attempt to make
    bytes event_id, type, account;
    bytes site; // name of the event's; empty: it has none
    bool livemode;
    bool replay;
    bytes body;
};

// dispatch asks for work of one destination: the message stays with the ledger until there is some,
// or until the asker is told CLOSED. One open take a destination. What it hands out is taken until
// its outcome is booked or it is given back.
// Nothing is handed out before all that the journal held when the ledger was opened is booked.
struct take {
    struct mail mail; // mail.kind comes back as it was
    bytes destination;
    size_t max;       // jobs
    size_t max_bytes; // of bodies
    struct mailbox *reply;
    // filled by the ledger
    uint64_t recalls; // ledger_recalls when the jobs were handed out
    result failed;    // ABSENT: no such destination in the plan in force; CLOSED
    struct job *jobs;
    size_t count;
    struct arena memory; // owns jobs; the asker drops it
};

// Tells when everything up to `position` is booked; if that position was a command, with its
// answer.
struct await {
    struct mail mail;
    uint64_t position;
    struct mailbox *reply;
    result failed;      // CLOSED: we are shutting down, it may be booked later
    struct text answer; // JSON, empty if the record was no command; the asker drops it
};

struct ledger_options {
    struct clock *clock;
    struct store *store;           // open; stays the caller's
    struct journal *journal;       // told what is booked
    struct journal_store *records; // where the records are read
    size_t batch_max;              // most records of one commit; 0: 512
    // Which endpoints there are (rules/endpoint.h), deleted ones excepted: told once when all that
    // the journal held at the opening is booked, and after each commit that changed one. On the
    // ledger's thread; the rows are gone afterwards. Null: nobody wants to know.
    void (*endpoints)(void *ctx, const struct endpoint_row *rows, size_t n);
    void *endpoints_ctx;
    // Of SEAL_KEY_SIZE bytes, as long as the ledger: answers to the API's callers are kept sealed
    // with it (book_answer_open). Null: as they are.
    const uint8_t *sealing_key;
};

// Books nothing yet.
must result ledger_open(const struct ledger_options *o, struct ledger **out);
void ledger_close(struct ledger *l); // after its last step; answers what waits with CLOSED

// Any thread.
void ledger_wake(struct ledger *l); // the journal grew
void ledger_take(struct ledger *l, struct take *t);
// Gives back a job that was not attempted; freed by the ledger.
struct give_back {
    struct mail mail;
    uint64_t delivery;
};
void ledger_give_back(struct ledger *l, struct give_back *g);
void ledger_await(struct ledger *l, struct await *a);
// Grows with each hold and cancellation, before its command is answered. Jobs that were handed out
// under another number and are not begun yet are given back: the ledger knows whether they still
// go.
uint64_t ledger_recalls(const struct ledger *l);
uint64_t ledger_booked(const struct ledger *l);     // last committed position
uint64_t ledger_generation(const struct ledger *l); // of the plan in force, as booked

// The actor: handles mail, books at most one batch, serves takes. True if it did anything.
//
// Before the first records after a start it notes in the books that it tries them (for "died twice
// at one position"); a store that fails takes that back, and so do ledger_leave and ledger_run when
// it is stopped.
bool ledger_step(struct ledger *l);
// Monotonic µs at which a step has something to do though no mail comes; INT64_MAX: never.
int64_t ledger_due_us(const struct ledger *l);
void ledger_run(void *ledger);
// After the last step of one who gives up without ledger_run, as a start that cannot go on: it did
// not die of what it noted. Tries a few times to write that, since the store may just have failed.
void ledger_leave(struct ledger *l);
void ledger_stop(struct ledger *l); // any thread

// The plan in force as of the booked position, for start-up before its thread runs: the JSON, empty
// if none.
must result ledger_plan(struct ledger *l, struct text *json, uint64_t *generation);

// Queries: run on the query thread (ledger/query.c), in order.
struct query {
    struct mail mail; // comes back as it was
    // Runs on the query thread; fills what it wants in the object around this.
    void (*run)(struct query *q, struct reader *r);
    struct mailbox *reply;
};
struct queries;
must result queries_open(const char *path, struct queries **out, struct text *why);
void queries_post(struct queries *q, struct query *one); // any thread
void queries_run(void *queries);
void queries_stop(struct queries *q); // any thread
void queries_close(struct queries *q);

#endif
