// SPDX-License-Identifier: MIT
// What the files of the memory store share.
#ifndef LEDGER_MEMORY_INTERNAL_H
#define LEDGER_MEMORY_INTERNAL_H

#include "base/map.h"
#include "ledger/memory_table.h"
#include "ledger/rows.h"

enum table_id {
    STATE,
    PLANS,
    EVENTS,
    RECEIPTS,
    BODIES,
    DELIVERIES,
    LANES,
    ATTEMPTS,
    LISTEN_ATTEMPTS,
    DESTINATIONS,
    ENDPOINTS,
    SUSPENDED,
    KEYS,
    ANSWERS,
    SIGHTINGS,
    SITES,
    OBJECTS,
    LINKS,
    REBUILD,
    TABLE_ROWS,
    TABLES
};

struct change {
    enum table_id table;
    struct row_key key;
    void *before, *after;
};

struct memory {
    struct store store;
    struct table tables[TABLES];
    struct table receipts_of;   // event_seq, seq
    struct table deliveries_of; // event_seq, seq
    struct table open;          // memory_open_of, next_at, seq
    struct table lane_of;       // delivery
    struct table waiting;       // object, seq of unclaimed events
    struct table unclaimed;     // seq
    struct map event_keys;      // owner, account, livemode, id
    struct map object_keys;     // owner, livemode, key
    struct map table_keys;      // table, shadow, owner, account, livemode, id
    struct change *log;
    size_t log_n, log_cap, mark;
    bool begun, marked;
};

// What is open lies by destination and priority.
static inline uint64_t memory_open_of(uint32_t destination, enum priority p) {
    return (uint64_t)destination * PRIORITIES + (uint64_t)p;
}

static inline struct memory *memory_of(struct store *s) { return (struct memory *)s; }

// Puts a row in place, indexes included; null takes it away.
void memory_change(struct memory *m, enum table_id id, struct row_key key, const void *row);
void *memory_row(struct memory *m, enum table_id id, struct row_key key); // null: not there
must result memory_copy(struct memory *m, enum table_id id, struct row_key key, struct arena *a,
                        void *out); // ABSENT
// Rows of one shape, gathered in an arena that can only grow at its end.
must result memory_gather(const struct shape *shape, const void **rows, size_t n, struct arena *a,
                          void **out);
// The object of a key; `put`: sets it to `as`, or with null removes it.
void *memory_object(struct memory *m, bytes owner, bool livemode, bytes key, void *as, bool put);

// The row of a key; `put`: sets it to `as`, or with null removes it.
void *memory_table_row(struct memory *m, const struct table_key *key, void *as, bool put);
// Under its number, which it gets here if it has none.
void memory_table_put(struct memory *m, struct table_row row);
// In the order of a dump.
void memory_tables_dump(struct memory *m, struct text *out);

// Set the operations on what is due, on sites and objects, on tables, and others.
void memory_due_operations(struct store *s);
void memory_site_operations(struct store *s);
void memory_table_operations(struct store *s);
void memory_rebuild_operations(struct store *s);
void memory_endpoint_operations(struct store *s);
void memory_lane_operations(struct store *s);

#endif
