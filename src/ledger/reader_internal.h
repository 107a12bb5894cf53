// SPDX-License-Identifier: MIT
// What the files of the reader share.
#ifndef LEDGER_READER_INTERNAL_H
#define LEDGER_READER_INTERNAL_H

#include <stdatomic.h>

#include "ledger/sqlite_internal.h"
#include "stripe/event_query.h"

#define READER_LIMIT_US 5000000

struct reader {
    sqlite3 *db;
    char *path;
    int64_t deadline_us; // monotonic; 0: none
    atomic_bool interrupted;
    // Deliveries of each destination, by its number, up to one; they are only ever added.
    uint64_t *totals;
    size_t totals_n;
    int64_t totals_to;
    // Events up to a number; counted anew after suspended ones were booked.
    int64_t events, events_to, events_late;
};

// A snapshot of the books for one question: begin … end. Without a limit only `reader_interrupt`
// ends it early.
must result reader_begin(struct reader *r, bool limited);
void reader_end(struct reader *r);
// Was it interrupted, or is its time over? For who works between two rows.
bool reader_is_over(struct reader *r);
// The lowest seq of an event received at this time or later; INT64_MAX if there is none.
must result reader_event_from(struct reader *r, int64_t ms, int64_t *out);

must result reader_prepare(struct reader *r, const char *sql, sqlite3_stmt **out);
// One step: true if there is a row.
must result reader_step(sqlite3_stmt *s, bool *row);

// Appends the columns [from, to) as "name":value with commas between: text as a JSON string, a
// BLOB as hex digits, and what is yes or no by its name as true or false.
void reader_row(sqlite3_stmt *s, int from, int to, struct text *out);
// Appends [{row},…], at most `limit` of them; true in *more (may be null) if there were more.
must result reader_rows(sqlite3_stmt *s, size_t limit, struct text *out, bool *more);
must result reader_said(const struct text *out); // MEMORY if the text could not take it all

#define EVENT_COLUMNS                                                                              \
    "seq, id, type, owner, account, livemode, api_version, created, received_at, object_id, "      \
    "CASE status WHEN 0 THEN 'pending' WHEN 1 THEN 'done' WHEN 2 THEN 'failed' ELSE 'ignored' "    \
    "END AS status, error, CASE site WHEN 0 THEN NULL WHEN -1 THEN 'unclaimed' ELSE (SELECT name " \
    "FROM site WHERE number = event.site) END AS site"
#define DELIVERY_COLUMNS                                                                           \
    "d.seq AS seq, d.event_seq AS event_seq, (SELECT id FROM event WHERE seq = d.event_seq) AS "   \
    "event_id, d.receipt_seq AS receipt_seq, t.name AS destination, CASE WHEN d.state IN (0, 2) "  \
    "AND t.held THEN 'held' ELSE CASE d.state WHEN 0 THEN 'due' WHEN 2 THEN 'waiting' WHEN 3 "     \
    "THEN 'done' WHEN 4 THEN 'dead' WHEN 6 THEN 'cancelled' WHEN 7 THEN 'parked' ELSE "            \
    "'superseded' END END AS state, d.attempts AS attempts, d.failures AS failures, "              \
    "d.not_yets AS not_yets, d.created_at AS created_at, iif(d.state IN (0, 2), d.next_at, 0) "    \
    "AS next_at, d.ended_at AS ended_at, d.replay AS replay, d.last_error AS last_error, CASE "    \
    "d.priority WHEN 0 THEN 'normal' WHEN 1 THEN 'high' ELSE 'low' END AS priority"
#define DELIVERY_JOIN " LEFT JOIN destination AS t ON t.number = d.destination"

// Metrics: the value of a label; gauges of destinations, as reader_metrics.
void reader_add_label(struct text *out, bytes name);
must result reader_measure_destinations(struct reader *r, int64_t now_ms, size_t endpoints,
                                        struct text *out);
// The plan of a generation; null: there is none. Inside begin … end.
must result reader_plan_read(struct reader *r, int64_t generation, struct plan **out);

// The SQL of a list, for looking at its plan.
must result reader_events_sql(const struct list_filter *f, struct text *sql);
struct history_view;
void reader_history_sql(const struct history_view *v, const struct event_query *f,
                        struct text *sql);
void reader_history_blocks_sql(const struct history_view *v, const struct event_query *f,
                               struct text *sql);
must result reader_deliveries_sql(const struct list_filter *f, struct text *sql);

// LANE_BEHIND of ledger/store.h.
#define LANE_BEHIND_SQL "9223372036854775807"

#endif
