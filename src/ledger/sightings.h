// SPDX-License-Identifier: MIT
// What was seen: secrets that matched, connected accounts, event types, API versions, sites, each
// with its first and last time and how often (ledger/sightings.def). Booking keeps it, from records
// alone, in one table, so that nobody has to read all events to know what comes in.
//
// A record's sightings are noted while it is booked and count once it is: what is undone was not
// seen. A batch's are added up here and written once for each key when it is committed, so that the
// events of a batch, which are mostly of few types and secrets, share the cost. They are written in
// the order in which they were first seen: so which ones find room below a kind's limit follows
// from the records, wherever batches were cut. What finds none is never noted; it is counted.
#ifndef LEDGER_SIGHTINGS_H
#define LEDGER_SIGHTINGS_H

#include "base/map.h"
#include "ledger/store.h"

struct sightings {
    // Of the record under way, each key once; their bytes live until it is booked.
    struct sighting_row *noted;
    size_t noted_count, noted_cap;
    // Of the batch, by key and in order.
    struct map by_key;
    struct sighting_row **rows;
    size_t count, cap;
    struct arena memory;
    struct text key;
    // The one that was added to last: mostly the next record's too.
    struct sighting_row *latest[SIGHTING_KINDS];
    // How many the store has, since that was asked; what was asked does not outlive a rollback.
    uint64_t stored[SIGHTING_KINDS];
    bool asked[SIGHTING_KINDS];
};

// Zero-initialised is valid and empty.
void sightings_drop(struct sightings *s);

void sightings_forget_record(struct sightings *s); // what was noted does not count
void sightings_note(struct sightings *s, const struct sighting_row *row);
void sightings_keep_record(struct sightings *s); // it counts

// Writes the batch's; adds to left_out, by kind, the counts of those that found no room.
must result sightings_write(struct sightings *s, struct store *to,
                            uint32_t left_out[SIGHTING_KINDS]);
void sightings_written(struct sightings *s); // committed: the next batch begins

#endif
