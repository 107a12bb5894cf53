// SPDX-License-Identifier: MIT
// Where journal records lie. Two stores pass one conformance suite
// (tests/unit/test_journal_store.c): memory and file. A third, the table in PostgreSQL, fits the
// same shape: `append` is one transaction that takes an advisory lock, inserts by unnest and
// assigns position and time under the lock (so that positions are in the order of commits and time
// never runs back across nodes); `read` is a SELECT above a position; `release` a DELETE of what is
// booked.
//
// Records come out exactly as they went in. The store owns positions and times: it numbers records
// from 1 without gaps and gives each max(time of the one before, wall time handed in).
#ifndef JOURNAL_STORE_H
#define JOURNAL_STORE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/text.h"

struct record {
    uint64_t position;
    int64_t time_ms;
    uint64_t seed;
    uint64_t generation;
    uint8_t kind;
    bytes payload;
};

struct journal_cursor; // a reader's place; belongs to the store

struct journal_store {
    // Makes the batch durable, whole or not at all, and fills position and time_ms. FULL: nothing
    // was kept, try later. IO: nothing is known and nothing may be trusted until the store is
    // opened again. One thread.
    must result (*append)(struct journal_store *s, struct record *records, size_t n,
                          int64_t wall_ms);
    // Everything up to here is committed in the ledger; its room may be used again. Same thread as
    // append.
    void (*release)(struct journal_store *s, uint64_t position);
    // Bytes that one record with such a payload takes at most, alignment and its share of waste
    // included.
    size_t (*cost)(struct journal_store *s, size_t payload);
    uint64_t (*room)(struct journal_store *s); // bytes in all that costs may add up to
    uint64_t (*used)(struct journal_store *s); // costs of what is not yet recycled, as of now
    size_t (*payload_max)(
        struct journal_store *s);                // of the file's: a quarter of a segment, or less
    uint64_t (*last)(struct journal_store *s);   // last durable position, 0 if none ever
    int64_t (*time_ms)(struct journal_store *s); // of the last record; same thread as append
    uint64_t (*first)(
        struct journal_store *s); // the oldest that can still be read; last + 1 if none

    // Reading, from any one other thread: records above `after`, in order, as many as fit
    // `max_bytes` of payload (at least one), copied into `a`. n = 0: nothing more is durable now.
    // ABSENT: `after + 1` was recycled already. CORRUPT.
    must result (*cursor_open)(struct journal_store *s, uint64_t after,
                               struct journal_cursor **out);
    must result (*read)(struct journal_cursor *c, size_t max_bytes, struct arena *a,
                        struct record **out, size_t *n);
    void (*cursor_close)(struct journal_cursor *c); // null is allowed

    // Checks everything that can be read. OK: all is sound, and one line in `out` says what there
    // is; CORRUPT: `out` says what is wrong and where. Any thread, also beside append and release.
    must result (*verify)(struct journal_store *s, struct text *out);
    void (*close)(struct journal_store *s); // null is allowed
};

// Keeps records in memory; `room` bytes. For tests, and as the model of what a store must do.
struct journal_store *journal_store_memory(uint64_t room);

struct files;
struct clock;

#define JOURNAL_ID_SIZE 16

struct journal_file_options {
    struct files *files;
    struct clock *clock; // entropy for the id of a new journal
    const char *path;
    uint64_t size;        // of a new journal; an existing one keeps its own
    size_t payload_max;   // the most a record may carry; 0, or more than a quarter of a segment:
                          // that. A segment may stay unfilled by as much, so less means more room
    bool create;          // make a new one if there is none; else ABSENT
    bool read_only;       // for verifying beside a running gateway: no lock, no writes
    uint64_t booked;      // what the ledger says: everything up to here is committed there
    uint64_t first;       // position that the first record of a new journal gets
    int64_t last_time_ms; // time of the ledger's last record, so that time does not run back over a
                          // new journal
    uint8_t expect_id[JOURNAL_ID_SIZE]; // the journal that the ledger belongs to; all zero: any
};

// Opens, locks and recovers a file journal: finds the last whole batch, tells a torn tail (set
// aside: nothing in it was acknowledged) from corruption below a durable mark (CORRUPT), and writes
// the unbooked tail again and syncs it, because a failed sync before the last stop may have left it
// in memory only. LOCKED: another gateway; FORMAT: newer or no journal; MISMATCH: another ledger's,
// or it ends before `booked`, or begins behind booked + 1. `why` gets the sentence for people: what
// was found, what to do.
must result journal_store_file(const struct journal_file_options *o, struct journal_store **out,
                               struct text *why);
void journal_file_id(const struct journal_store *s, uint8_t out[JOURNAL_ID_SIZE]);
bool journal_file_torn(const struct journal_store *s); // a torn tail was set aside at open

#endif
