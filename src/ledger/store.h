// SPDX-License-Identifier: MIT
// Where the books are kept: the operations that booking needs, and no decisions. Two stores pass
// one conformance suite: memory (the model, used by the simulation) and SQLite. PostgreSQL fits the
// same shape: `begin` … `commit` is one transaction of the node that holds the booking lock; `due`
// becomes SELECT … FOR UPDATE SKIP LOCKED with a lease.
//
// One thread. Rows that come out point into the arena that is handed in, or stay valid until the
// next call where none is. Failures of kind FULL, IO, BUSY, MEMORY, CORRUPT, REFUSED, TIMEOUT and
// SYSTEM are not the record's fault: booking waits and tries again. Any other failure (INVALID,
// EXISTS, ABSENT, MISMATCH, FORMAT) is the record's, and sends it to suspense. Writing needs begin.
#ifndef LEDGER_STORE_H
#define LEDGER_STORE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/digest.h"
#include "base/text.h"
#include "rules/priority.h"
#include "rules/retry.h"
#include "rules/site_object.h"

enum event_status { EVENT_PENDING, EVENT_DONE, EVENT_FAILED, EVENT_IGNORED };

// What `deliveries.state` may say. taken is never stored: it lives in the ledger's memory, so that
// what a dead process took is due again. held is shown for what is open at a destination that is
// held.
enum delivery_state {
#define DELIVERY_STATE(id, name, open, meaning) DELIVERY_##id,
#include "ledger/delivery_states.def"
#undef DELIVERY_STATE
    DELIVERY_STATES
};
const char *delivery_state_name(enum delivery_state s);
bool delivery_state_open(enum delivery_state s); // still owed
const char *event_status_name(enum event_status s);

// One row: what the books know of themselves.
struct store_state {
    uint64_t booked;        // last journal position carried in
    int64_t time_ms;        // its time
    uint64_t generation;    // of the plan in force
    uint64_t next_delivery; // number of the next delivery, from 1
    uint8_t journal_id[16]; // the journal these books belong to; zero before the first
    // Of a start that has not yet got past its first records: where it began, and how many
    // starts in a row tried and died there. 0 once the books moved on.
    uint64_t start_booked;
    uint32_t start_count;
};

struct event_row {
    uint64_t seq; // journal position of its first receipt
    bytes id, type, owner, account;
    bool livemode, thin;
    int64_t created;     // seconds
    int64_t received_at; // ms
    bytes api_version, context, object_id, object_type, request_id, idempotency_key, snapshot_id;
    enum event_status status;
    bytes error;
    uint64_t object; // that it speaks of (site_object.number); 0 where there were no sites
    int64_t site;    // number of its site, EVENT_UNCLAIMED, or 0 where there were no sites
};
#define EVENT_UNCLAIMED INT64_C(-1)

struct receipt_row {
    uint64_t seq; // journal position
    uint64_t event_seq;
    bytes source, secret_label;
    int64_t received_at; // ms
    bytes api_version;
    uint8_t sha256[SHA256_SIZE];
    bool scope_misfit;    // its secret's scope does not fit the event
    bool livemode_misfit; // the source does not take this livemode: ignored
    uint64_t generation;
    uint64_t body_seq; // the receipt whose bytes these are: its own seq, or that of an earlier one
                       // with the same bytes
};

struct delivery_row {
    uint64_t seq; // from 1
    uint64_t event_seq, receipt_seq;
    uint32_t destination; // number of its row
    enum delivery_state state;
    uint32_t attempts; // in all
    uint32_t failures; // since it was last made due by hand, against the schedule
    uint32_t not_yets; // in a row
    int64_t created_at, next_at, ended_at; // ms; next_at while open, ended_at otherwise
    bool replay;                           // asked for, not owed by a receipt
    bytes last_error;
    enum priority priority;
};

// A delivery that is open and in a lane (rules/lane.h). The one with the lowest number that is not
// LANE_BEHIND is under way or waits for its next attempt, and the others wait for it.
struct lane_row {
    uint32_t destination;
    int64_t lane; // rules/lane.h
    uint64_t delivery;
};
#define LANE_BEHIND INT64_MAX // its next_at: due at no time

struct attempt_row {
    uint64_t delivery;
    uint32_t number; // from 1
    int64_t started_at, micros;
    enum outcome outcome;
    int32_t status;
    bytes error, answer;
};

// How the site of somebody who listens (ARCHITECTURE, "Listening") answered an event that was
// pushed to him, as he says.
struct listen_attempt_row {
    uint64_t event_seq;
    uint32_t number;      // of the event's, from 1
    bytes key_id, device; // who listened, by what key, and the name he gave to where
    bytes url;
    int32_t status;             // 0: there was no answer
    int64_t started_at, micros; // by his clock
    bytes error, answer;
};

struct destination_row {
    uint32_t number; // from 1, for ever the same name
    bytes name;
    bool present; // in the plan in force
    bool held;
    bytes hold_reason;
    int64_t held_at;
    int64_t
        failing_since; // ms, time of the outcome's record: nothing but failures since; 0: not so
};

// An endpoint (rules/endpoint.h), beside its row among the destinations.
struct endpoint_row {
    uint32_t destination; // number of that
    bytes id;
    bool livemode;
    bytes json; // as rules/endpoint.h has it
    int64_t
        failing_since;  // ms, time of the outcome's record: nothing but failures since; 0: not so
    int64_t deleted_at; // ms; 0: it is there
};

struct site_row {
    int64_t number; // from 1, for ever the same name
    bytes name;
};

// Something belongs to something, by the numbers of both; site_object.above read backwards.
struct link_row {
    uint64_t above, below;
};
#define LINKS_END UINT64_MAX // there are no more

enum suspense_state { SUSPENSE_WAITING, SUSPENSE_BOOKED, SUSPENSE_DROPPED };

struct suspense_row {
    uint64_t position;
    uint8_t kind;
    int64_t time_ms;
    uint64_t seed, generation;
    bytes payload, reason;
    enum suspense_state state;
};

struct key_row {
    bytes id, name, mode;
    bytes hash; // hex SHA-256
    int64_t created_at;
    int64_t revoked_at; // 0: valid
};

// What a command was answered, until it is dropped.
struct answer_row {
    uint64_t position; // the command's
    int64_t time_ms;   // its record's
    // Of the command that was carried out under this key: "" with none, and where it was asked
    // again. sha256 is of its payload, zero where there is no key.
    bytes idempotency_key;
    uint8_t sha256[SHA256_SIZE];
    bytes json;
};

enum sighting {
#define SIGHTING(id, number, name, whose, what, max, doc) SIGHTING_##id = (number),
#include "ledger/sightings.def"
#undef SIGHTING
    SIGHTING_KINDS // kinds count from 1
};
const char *sighting_name(enum sighting kind);

// Something that was seen (ledger/sightings.h), known by kind, whose, what and livemode. Stores
// number them from 1 in the order in which they were inserted; nothing depends on that but lists.
struct sighting_row {
    enum sighting kind;
    bytes whose, what;
    bool livemode;
    int64_t first_at, last_at; // ms, times of records
    uint64_t count;
    // Of an account, else 0: the latest `created` of an event account.application.deauthorized, and
    // of any other event. Stripe sends nothing of an account that is not connected, so it was
    // deauthorized then if the second is not later, whichever came first.
    int64_t deauthorized, created;
};
// The earlier first_at, the sum of counts, the later other times.
void sighting_merge(struct sighting_row *into, const struct sighting_row *more);

struct json;         // base/json.h
struct object_table; // stripe/objects.h

// One of Stripe's objects in its table.
struct table_key {
    const struct object_table *table; // not one of list members
    bool shadow;                      // in the table beside it, which a rebuild fills
    bytes owner, account, id;         // account empty: the platform's own
    bool livemode;
};

// What a row of a table is made from; its columns and the rows of its lists follow from `data`
// (stripe/objects.h).
struct table_row {
    struct table_key key;
    // Stripe has dropped it; events do not tell which of several states is the last; a list in it
    // was cut short; it is known from other objects' events alone.
    bool deleted, undecided, incomplete, embedded;
    bytes event_id; // the event that it is shown as of, and its second
    int64_t event_created;
    bytes versions;            // rules/version.h
    bytes data;                // the object as compact JSON
    const struct json *object; // the same, of who has it parsed; null: the store reads `data`
    int64_t handle;            // the store's, of a row that it gave in this transaction; 0: none
};

// A rebuild of tables that is under way (ledger/book_rebuild.c).
struct rebuild_row {
    bytes tables; // their names, a blank between them
    // Events are being read into the tables beside; else rows of those are taken away: of a rebuild
    // that began again, or, once swapped, what the tables held before.
    bool reads, swapped;
    uint64_t after;      // events up to this seq were read
    uint64_t generation; // of the plan that chose them
    int64_t began_at;
};

// What a delivery needs to go out.
struct due_row {
    struct delivery_row delivery;
    bytes event_id, account, owner, type;
    bytes site; // name of the event's; empty: it has none
    bool livemode;
    bytes body;
};

struct store {
    must result (*begin)(struct store *s);
    must result (*commit)(struct store *s); // durable when OK; rolled back otherwise
    void (*rollback)(struct store *s);
    // Whether booking catches up from now on: a commit need not wait for what can be done beside
    // it.
    void (*catch_up)(struct store *s, bool does);
    // One level of "undo to here" inside begin … commit.
    must result (*mark)(struct store *s);
    must result (*unmark)(struct store *s); // keep
    must result (*undo)(struct store *s);   // back to the mark, which is gone then

    must result (*state_get)(struct store *s, struct store_state *out);
    must result (*state_put)(struct store *s, const struct store_state *in);

    must result (*plan_put)(struct store *s, uint64_t generation, bytes json);
    must result (*plan_get)(struct store *s, uint64_t generation, struct arena *a,
                            bytes *json); // ABSENT

    // By owner, account, livemode and id. ABSENT.
    must result (*event_find)(struct store *s, bytes owner, bytes account, bool livemode, bytes id,
                              struct arena *a, struct event_row *out);
    must result (*event_get)(struct store *s, uint64_t seq, struct arena *a, struct event_row *out);
    must result (*event_insert)(struct store *s, const struct event_row *row); // EXISTS
    // Events above `after`, by seq, at most max.
    must result (*events_after)(struct store *s, uint64_t after, size_t max, struct arena *a,
                                uint64_t **out, size_t *n);
    must result (*event_status)(struct store *s, uint64_t seq, enum event_status status,
                                bytes error);

    must result (*event_site)(struct store *s, uint64_t seq, uint64_t object, int64_t site);
    // Unclaimed events above `after`, by seq, at most max: of an object, and all.
    must result (*unclaimed_of)(struct store *s, uint64_t object, uint64_t after, size_t max,
                                struct arena *a, uint64_t **out, size_t *n);
    must result (*unclaimed)(struct store *s, uint64_t after, size_t max, struct arena *a,
                             uint64_t **out, size_t *n);

    // `body` is stored when row->body_seq == row->seq.
    must result (*receipt_insert)(struct store *s, const struct receipt_row *row, bytes body);
    must result (*receipt_get)(struct store *s, uint64_t seq, struct arena *a,
                               struct receipt_row *out);
    // The earliest receipt of this event with these bytes. ABSENT.
    must result (*receipt_same)(struct store *s, uint64_t event_seq,
                                const uint8_t sha256[SHA256_SIZE], struct arena *a,
                                struct receipt_row *out);
    // Of an event, but for its first: their numbers, in order.
    must result (*receipts_later)(struct store *s, uint64_t event_seq, struct arena *a,
                                  uint64_t **out, size_t *n);
    must result (*body_get)(struct store *s, uint64_t receipt_seq, struct arena *a, bytes *out);

    must result (*delivery_insert)(struct store *s, const struct delivery_row *row);
    must result (*delivery_update)(struct store *s, const struct delivery_row *row);
    must result (*delivery_get)(struct store *s, uint64_t seq, struct arena *a,
                                struct delivery_row *out);
    // Lists, here and below: *n is 0 when they fail. All of an event, by seq.
    must result (*deliveries_of)(struct store *s, uint64_t event_seq, struct arena *a,
                                 struct delivery_row **out, size_t *n);
    // Open ones of a destination above `after`, by seq, at most max.
    must result (*deliveries_open)(struct store *s, uint32_t destination, uint64_t after,
                                   size_t max, struct arena *a, struct delivery_row **out,
                                   size_t *n);
    // By delivery. EXISTS; ABSENT.
    must result (*lane_put)(struct store *s, const struct lane_row *row);
    must result (*lane_get)(struct store *s, uint64_t delivery, struct lane_row *out);
    must result (*lane_drop)(struct store *s, const struct lane_row *row);
    // The lowest number of a lane. ABSENT.
    must result (*lane_first)(struct store *s, uint32_t destination, int64_t lane,
                              uint64_t *delivery);
    must result (*attempt_insert)(struct store *s, const struct attempt_row *row);
    must result (*listen_attempt_insert)(struct store *s,
                                         const struct listen_attempt_row *row); // EXISTS
    must result (*listen_attempt_last)(struct store *s, uint64_t event_seq,
                                       uint32_t *number); // 0: there are none

    // Open deliveries of a destination with next_at <= now, for which skip() is false: priorities
    // take turns, and of one it is the oldest next_at first, then seq. At most max, and no more
    // bodies than fit max_bytes (at least one).
    must result (*due)(struct store *s, uint32_t destination, int64_t now_ms, size_t max,
                       size_t max_bytes, bool (*skip)(void *ctx, uint64_t delivery), void *ctx,
                       struct priority_turns *turns, struct arena *a, struct due_row **out,
                       size_t *n);
    // The next_at of the earliest open delivery of it for which skip() is false; INT64_MAX if there
    // is none.
    must result (*next_due)(struct store *s, uint32_t destination,
                            bool (*skip)(void *ctx, uint64_t delivery), void *ctx, int64_t *out);

    must result (*destination_find)(struct store *s, bytes name, struct arena *a,
                                    struct destination_row *out); // ABSENT
    must result (*destination_put)(
        struct store *s, const struct destination_row *row); // by number; inserts or replaces
    must result (*destinations)(struct store *s, struct arena *a, struct destination_row **out,
                                size_t *n); // by number

    must result (*endpoint_put)(struct store *s,
                                const struct endpoint_row *row); // by destination
    // That are not deleted, by destination.
    must result (*endpoints)(struct store *s, struct arena *a, struct endpoint_row **out,
                             size_t *n);

    must result (*site_put)(struct store *s, const struct site_row *row); // by number
    must result (*sites)(struct store *s, struct arena *a, struct site_row **out,
                         size_t *n); // by number
    // By owner, livemode and key. ABSENT.
    must result (*object_find)(struct store *s, bytes owner, bool livemode, bytes key,
                               struct arena *a, struct site_object *out);
    must result (*object_get)(struct store *s, uint64_t number, struct arena *a,
                              struct site_object *out); // ABSENT
    // By number; inserts or replaces, its key never changes.
    must result (*object_put)(struct store *s, const struct site_object *row);
    // That there are not yet; after a failure some of them may be in.
    must result (*objects_insert)(struct store *s, const struct site_object *const *rows, size_t n);
    must result (*object_last)(struct store *s, uint64_t *number); // 0: there are none
    // Walks all objects in no order; ends with the first failure of `each`, which may not write.
    must result (*objects)(struct store *s,
                           result (*each)(void *ctx, const struct site_object *row), void *ctx);
    must result (*link_put)(struct store *s, const struct link_row *row); // never twice
    // What is below an object, about max at a time: ask with *after = 0, and again with what it
    // became until that is LINKS_END. Mostly by number, and none twice; a page may be empty.
    must result (*links_below)(struct store *s, uint64_t above, uint64_t *after, size_t max,
                               struct arena *a, uint64_t **out, size_t *n);

    must result (*suspense_put)(struct store *s, const struct suspense_row *row); // by position
    must result (*suspense_get)(struct store *s, uint64_t position, struct arena *a,
                                struct suspense_row *out); // ABSENT

    must result (*key_put)(struct store *s, const struct key_row *row); // by id
    must result (*key_get)(struct store *s, bytes id, struct arena *a,
                           struct key_row *out); // ABSENT

    must result (*answer_put)(struct store *s, const struct answer_row *row); // by position
    must result (*answer_get)(struct store *s, uint64_t position, struct arena *a,
                              struct answer_row *out); // ABSENT
    // The last one with this key, which is not "". ABSENT.
    must result (*answer_find)(struct store *s, bytes idempotency_key, struct arena *a,
                               struct answer_row *out);
    // Of the `max` first ones by position, forgets those of before this time.
    must result (*answers_drop)(struct store *s, int64_t before_ms, size_t max);

    must result (*sighting_add)(struct store *s,
                                const struct sighting_row *more); // merges; ABSENT
    must result (*sighting_insert)(struct store *s, const struct sighting_row *row);   // EXISTS
    must result (*sighting_count)(struct store *s, enum sighting kind, uint64_t *out); // rows

    // Tables of Stripe's objects. Makes those that are missing, and brings those of an older
    // program to the columns of this one, filled from `data`. Nothing of them is there before.
    must result (*tables_ready)(struct store *s);
    // All but data and object. ABSENT; MISMATCH: the table is not as tables_ready left it.
    must result (*table_get)(struct store *s, const struct table_key *key, struct arena *a,
                             struct table_row *out);
    // Inserts or replaces, the rows of its lists included. MISMATCH.
    must result (*table_put)(struct store *s, const struct table_row *row);
    // Renews versions and undecided alone, of the row that has row->handle.
    must result (*table_note)(struct store *s, const struct table_row *row);
    // Exchanges what is in these tables, those of their lists too, with what is beside them.
    must result (*tables_swap)(struct store *s, const struct object_table *const *tables,
                               size_t n); // MISMATCH
    // Takes at most max objects out of what is beside a table, the first ones by when they were put
    // in. *n: how many; fewer than max: none is left.
    must result (*table_clear)(struct store *s, const struct object_table *t, size_t max,
                               size_t *n);
    must result (*rebuild_get)(struct store *s, struct arena *a, struct rebuild_row *out); // ABSENT
    must result (*rebuild_put)(struct store *s, const struct rebuild_row *row); // null: it is over

    // Everything that booking decides, as canonical text, a line a row, so that books can be
    // compared (`state` without start_*). For tests and the simulation; large.
    must result (*dump)(struct store *s, struct text *out);
    const char *(*message)(struct store *s); // the engine's words on the last failure, "" if none
    void (*close)(struct store *s);          // null is allowed
};

struct store *store_memory(void);
// What a crash leaves of a memory store: everything committed, nothing else.
void store_memory_crash(struct store *s);

#endif
