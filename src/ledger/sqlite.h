// SPDX-License-Identifier: MIT
// The books in SQLite: WAL, synchronous=FULL, 16 KiB pages, versioned migrations. Users may read
// the file with any SQLite client while the gateway runs; the names of DESIGN's contract (events,
// receipts, deliveries, attempts, suspense) are views or tables.
#ifndef LEDGER_SQLITE_H
#define LEDGER_SQLITE_H

#include <stdatomic.h>

#include "ledger/store.h"
#include "rules/plan.h"

struct sqlite_options {
    const char *path;
    bool create; // make a new one if there is none; else ABSENT
    // Makes a copy PATH.before-vN beside it before a migration changes anything.
    bool backup_before_migration;
    // The migrations of a ledger that holds books wait for store_sqlite_migrate.
    bool migrate_later;
};

// Opens, locks (a lock file PATH.lock held with flock, because SQLite's own locks must let readers
// in), checks that it is ours (application_id), not newer than we know (user_version), that the
// checksums of the migrations it went through are ours, and migrates. LOCKED, FORMAT, CORRUPT,
// MISMATCH, FULL, IO; `why` says what was found and what to do.
must result store_sqlite(const struct sqlite_options *o, struct store **out, struct text *why);
// Do migrations wait? Until they are through, state_get, plan_get, message and close alone may be
// called: what these read is what no migration ever changes.
bool store_sqlite_waits(struct store *s);
// Migrates; may be called on another thread than the rest. `stop`, may be null: once it is true it
// ends soon, with TIMEOUT, and the next start begins where it was. After a failure, of which `why`
// tells, close alone may be called.
must result store_sqlite_migrate(struct store *s, const atomic_bool *stop, struct text *why);

// What people ask the books, on a read-only connection of its own with a time limit; JSON out. One
// thread.
struct reader;
must result reader_open(const char *path, struct reader **out, struct text *why);
void reader_close(struct reader *r); // null is allowed
// From any thread: the query under way fails with TIMEOUT.
void reader_interrupt(struct reader *r);

struct list_filter { // an empty or zero member says nothing
    bytes id, type, account, owner, object_id, status, state, destination, event_id,
        livemode,               // type may end in ".*"; livemode "true" or "false"
        site;                   // a name, or "unclaimed"
    int64_t since_ms, until_ms; // received_at (events), created_at (deliveries)
    uint64_t before, after;     // cursor: seq below / above
    size_t limit;               // at most 1,000; 0: 100
    bool oldest_first;
};

// Appends {"data":[…],"has_more":bool}, newest first unless oldest_first. Rows have the columns of
// the contract.
must result reader_events(struct reader *r, const struct list_filter *f, struct text *out);
must result reader_deliveries(struct reader *r, const struct list_filter *f, struct text *out);
must result reader_suspense(struct reader *r, const struct list_filter *f, struct text *out);
must result reader_keys(struct reader *r, struct text *out); // no hashes
// Destinations of the file by name, then endpoints in the order in which they were made, but for
// those that were deleted: who made them, kind, status, what they are owed, by state, the oldest
// due, hold; of an endpoint what it is, without its secret. No limit.
must result reader_destinations(struct reader *r, struct text *out);
// The row of one, deleted or not. ABSENT.
must result reader_destination(struct reader *r, bytes name, struct text *out);
// What was seen of a kind, last first: number and the columns of its view (accounts, secret_uses,
// event_types, api_versions), with 0 for what is none. Heeds account and owner (of accounts alone:
// INVALID), livemode, and before and after by number.
must result reader_sightings(struct reader *r, enum sighting kind, const struct list_filter *f,
                             struct text *out);
// Sites (rules/site.h). Each with its claims in words, how many events it has, and the last one;
// how many events have none, and how many objects contradict themselves (at most some 1,000 are
// counted).
must result reader_sites(struct reader *r, struct text *out);
// The events without a site: how many, since when, and of the newest ones how many of each type,
// and below which objects; an assignment of one of these routes them all.
must result reader_unclaimed(struct reader *r, struct text *out);
// Objects of which claims of several sites speak, but not of anything above them; by number, heeds
// before, after, limit, oldest_first.
must result reader_contradictions(struct reader *r, const struct list_filter *f, struct text *out);
// Objects of this id (object_id; or of this key) of any owner, livemode and account, at most 100;
// of digits, beside them the one of this number, whatever is asked of the others.
must result reader_objects(struct reader *r, const struct list_filter *f, struct text *out);
// An object by number, with how its site was found. ABSENT.
must result reader_object(struct reader *r, uint64_t number, struct text *out);
// Appends {"name":…,"object":…}: the event's site as it was routed, and its object as above, null
// where there were no sites.
must result reader_event_site(struct reader *r, uint64_t seq, struct text *out);
// Tables of Stripe's objects: the destination that keeps them, what it is owed and was not applied
// yet (lag), the rebuild under way, each table that has rows or dead deliveries (of these the
// 10,000 newest are told by table), and of each with dead deliveries the newest. Without the
// reader's time limit, as it reads all rows to count those that are deleted, undecided, incomplete.
must result reader_tables(struct reader *r, struct text *out);
// One whole: an event with receipts, deliveries and twin (by id, or by seq if `id` is all digits),
// a delivery with its attempts, a suspended record.
must result reader_event(struct reader *r, bytes id, struct text *out);        // ABSENT
must result reader_delivery(struct reader *r, uint64_t seq, struct text *out); // ABSENT
must result reader_suspended(struct reader *r, uint64_t position, struct text *out);
// The stored bytes of a receipt of an event, the first one's when receipt is 0. ABSENT.
must result reader_body(struct reader *r, bytes id, uint64_t receipt, struct text *out);
// For explaining: the facts of an event's receipts as rows {event_seq, receipt_seq, generation,
// source, secret_label, livemode_misfit}, then the plan of that generation. ABSENT.
must result reader_plan(struct reader *r, uint64_t generation, struct text *json);
must result reader_key(struct reader *r, bytes hash, struct arena *a,
                       struct key_row *out); // by hash; ABSENT
// For /metrics: backlog and oldest due delivery per destination, events, suspense; events of so
// many connected accounts each by itself, those that were seen first (so that no row's number ever
// moves into another), and of the others together. Of endpoints so many stand by themselves too,
// those that were made first; all others are one, "we_other".
must result reader_metrics(struct reader *r, int64_t now_ms, size_t accounts, size_t endpoints,
                           struct text *out);
// What stored events would become under another plan, in one object: generation (in force), since,
// until, and the members of rules/whatif.h. Without the reader's time limit, but with limits of its
// own: FULL, and `why` names the number. One snapshot; the writer goes on meanwhile.
struct whatif_question {
    const struct plan *plan;
    int64_t since_ms, until_ms;     // received_at; 0: no limit
    size_t objects_max, events_max; // 0: 1,000,000
};
must result reader_whatif(struct reader *r, const struct whatif_question *asked, struct text *out,
                          struct text *why);
// Events as Stripe's API shows them (stripe/event_shown.h): of one livemode, and of the platform
// where `account` is empty, else of this connected account or of this owner; snapshot events, or
// thin ones, which are shown as they came. By seq, newest first: so a page begins where the one
// before ended, whatever comes meanwhile.
struct history_view {
    bool livemode;
    bytes account;
    bool thin;
    bytes object; // about the object of this id alone; empty: about any
};
struct event_query; // stripe/event_query.h
// Appends one, and its seq. ABSENT.
must result reader_history_one(struct reader *r, const struct history_view *v, bytes id,
                               uint64_t *seq, struct text *out);
// Appends an array of those that are asked for; are there more in the direction of its walk?
// ABSENT: not the event that it shall begin at.
must result reader_history(struct reader *r, const struct history_view *v,
                           const struct event_query *f, struct text *out, bool *more);
// ABSENT: nothing of this event was ever owed to a destination of this name.
must result reader_history_sent(struct reader *r, uint64_t seq, bytes destination);
// Endpoints made through the API (rules/endpoint.h) that are not deleted, with an empty "sealed".
// By when they were made, newest first. A cursor is an endpoint that the question sees.
struct endpoint_query {
    bool livemode;
    bytes prefix;        // of their ids, "we_" or "ed_"; empty: all
    bytes after, before; // ids: made before this one, after it; at most one is not empty
    size_t limit;        // at most 100
};
// Appends an array of their JSON; of those made after `before` the ones next to it. Are there more
// in that direction? ABSENT: not the cursor.
must result reader_endpoints(struct reader *r, const struct endpoint_query *q, struct text *out,
                             bool *more);
// Appends the JSON of one of a livemode. ABSENT.
must result reader_endpoint(struct reader *r, bool livemode, bytes id, struct text *out);
// All of both livemodes, as explaining and matching take them; in the order in which they were
// made, in `a`.
struct endpoint_known {
    struct plan_destination as;
    bool enabled;
    bytes because;         // why it is not, other than by its owner
    int64_t created_s;     // Unix seconds
    int64_t failing_since; // ms; 0: it does not do nothing but fail
};
must result reader_endpoints_known(struct reader *r, struct arena *a, struct endpoint_known **out,
                                   size_t *n);
// Events to push to one who listens, by seq, with their first receipt's bytes: at most `max`, and
// no more bytes than max_bytes but for the first; those that no source takes are left out. *out
// lies in the arena, which owns them. *more: there are others up to `upto`.
struct push_question {
    bool livemode, either; // either: of both
    int64_t since_ms;      // received then or later; 0: whenever
    uint64_t after, upto;
    size_t max, max_bytes;
};
struct push_event {
    uint64_t seq;
    bool thin;
    bytes id, api_version, body; // an api_version may be empty
    bytes site;                  // empty: it has none
};
must result reader_pushes(struct reader *r, const struct push_question *p, struct arena *a,
                          struct push_event **out, size_t *n, bool *more);
// Appends the API version that came last in this livemode; nothing where none did.
must result reader_version(struct reader *r, bool livemode, struct text *out);
// A consistent copy into a new file; EXISTS if it is there. Never stalls the writer.
must result reader_backup(struct reader *r, const char *file, struct text *why);
// SQLite's integrity check, hashes of bodies, invariants of the books; a line for each problem,
// then a summary. CORRUPT if any.
must result reader_verify(struct reader *r, struct text *out);

// `hookkeep ledger restore`: checks the backup, sets the ledger at `path` and its companions aside
// (renamed with a suffix), puts the copy in place, with the journal id cleared (a new journal
// begins) and every destination held with the reason "restored from a backup".
must result sqlite_restore(const char *path, const char *backup, struct text *report);

#endif
