// SPDX-License-Identifier: MIT
#include "ledger/sqlite_internal.h"

// Physical tables are lean; the plural names, what users may query, are views. States are kept as
// their number in ledger/delivery_states.def and ledger/store.h; a delivery is open in 0 and 2. The
// first receipt of an event has the event's number, so that only later ones need an index. Objects'
// ids come in no order: one index of them all makes booking slower as it grows (by two fifths at
// 300,000 events), so it is kept by blocks of 4,096 positions, and asked block by block.
// No list of more than two: for one SQLite fills a temporary table each time that a row is written.
static const char sql_1[] =
    "CREATE TABLE migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT "
    "NOT NULL) STRICT;\n"
    "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 0), booked INTEGER NOT NULL, "
    "time_ms INTEGER NOT NULL, generation INTEGER NOT NULL, next_delivery INTEGER NOT NULL, "
    "journal_id BLOB NOT NULL CHECK (length(journal_id) = 16), start_booked INTEGER NOT "
    "NULL, start_count INTEGER NOT NULL) STRICT;\n"
    "CREATE TABLE plan (generation INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;\n"
    "CREATE TABLE event (seq INTEGER PRIMARY KEY, id TEXT NOT NULL, type TEXT NOT NULL, owner "
    "TEXT NOT NULL, account TEXT NOT NULL, livemode INTEGER NOT NULL CHECK (livemode IN (0, "
    "1)), thin INTEGER NOT NULL, created INTEGER NOT NULL, received_at INTEGER NOT NULL, "
    "api_version TEXT NOT NULL, context TEXT NOT NULL, object_id TEXT NOT NULL, object_type "
    "TEXT NOT NULL, request_id TEXT NOT NULL, idempotency_key TEXT NOT NULL, snapshot_id "
    "TEXT NOT NULL, status INTEGER NOT NULL CHECK (status BETWEEN 0 AND 3), error TEXT NOT "
    "NULL) STRICT;\n"
    "CREATE UNIQUE INDEX event_key ON event (id, account, owner, livemode);\n"
    "CREATE INDEX event_object ON event (seq >> 12, object_id) WHERE object_id <> '';\n"
    "CREATE INDEX event_snapshot ON event (snapshot_id) WHERE snapshot_id <> '';\n"
    "CREATE INDEX event_failed ON event (seq) WHERE status = 2;\n"
    "CREATE TABLE receipt (seq INTEGER PRIMARY KEY, event_seq INTEGER NOT NULL, source TEXT "
    "NOT NULL, secret_label TEXT NOT NULL, received_at INTEGER NOT NULL, api_version TEXT "
    "NOT NULL, sha256 BLOB NOT NULL CHECK (length(sha256) = 32), scope_misfit INTEGER NOT "
    "NULL, livemode_misfit INTEGER NOT NULL, generation INTEGER NOT NULL, body_seq INTEGER "
    "NOT NULL) STRICT;\n"
    "CREATE INDEX receipt_later ON receipt (event_seq) WHERE event_seq <> seq;\n"
    "CREATE TABLE body (receipt_seq INTEGER PRIMARY KEY, payload TEXT NOT NULL) STRICT;\n"
    "CREATE TABLE delivery (seq INTEGER PRIMARY KEY, event_seq INTEGER NOT NULL, receipt_seq "
    "INTEGER NOT NULL, destination INTEGER NOT NULL, state INTEGER NOT NULL CHECK (state "
    "BETWEEN 0 AND 8 AND state NOT IN (1, 5)), attempts INTEGER NOT NULL, failures INTEGER "
    "NOT NULL, not_yets INTEGER NOT NULL, created_at INTEGER NOT NULL, next_at INTEGER NOT "
    "NULL, ended_at INTEGER NOT NULL, replay INTEGER NOT NULL, last_error TEXT NOT NULL) STRICT;\n"
    "CREATE INDEX delivery_event ON delivery (event_seq);\n"
    "CREATE INDEX delivery_due ON delivery (destination, next_at) WHERE state IN (0, 2);\n"
    "CREATE INDEX delivery_given_up ON delivery (destination, state) WHERE state >= 4;\n"
    "CREATE TABLE attempt (delivery INTEGER NOT NULL, number INTEGER NOT NULL, started_at "
    "INTEGER NOT NULL, micros INTEGER NOT NULL, outcome INTEGER NOT NULL CHECK (outcome "
    "BETWEEN 0 AND 2), status INTEGER NOT NULL, error TEXT NOT NULL, answer TEXT NOT NULL, "
    "PRIMARY KEY (delivery, number)) STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE destination (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, present "
    "INTEGER NOT NULL, held INTEGER NOT NULL, hold_reason TEXT NOT NULL, held_at INTEGER "
    "NOT NULL) STRICT;\n"
    "CREATE TABLE suspended (position INTEGER PRIMARY KEY, kind INTEGER NOT NULL, time_ms "
    "INTEGER NOT NULL, seed INTEGER NOT NULL, generation INTEGER NOT NULL, payload BLOB NOT "
    "NULL, reason TEXT NOT NULL, state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2)) "
    "STRICT;\n"
    "CREATE TABLE api_key (id TEXT PRIMARY KEY, name TEXT NOT NULL, mode TEXT NOT NULL, hash "
    "TEXT NOT NULL, created_at INTEGER NOT NULL, revoked_at INTEGER NOT NULL) STRICT, "
    "WITHOUT ROWID;\n"
    "CREATE INDEX api_key_hash ON api_key (hash);\n"
    "CREATE TABLE answer (position INTEGER PRIMARY KEY, json TEXT NOT NULL) STRICT;\n";

static const char sql_2[] =
    "CREATE VIEW events AS SELECT seq, id, type, owner, account, livemode, api_version, "
    "created, received_at, object_id, CASE status WHEN 0 THEN 'pending' WHEN 1 THEN 'done' "
    "WHEN 2 THEN 'failed' ELSE 'ignored' END AS status, error, (SELECT payload FROM body "
    "WHERE receipt_seq = event.seq) AS payload, thin, context, object_type, request_id, "
    "idempotency_key, snapshot_id FROM event;\n"
    "CREATE VIEW receipts AS SELECT seq, event_seq, source, received_at, secret_label, "
    "api_version, lower(hex(sha256)) AS sha256, scope_misfit, livemode_misfit, generation, "
    "body_seq FROM receipt;\n"
    "CREATE VIEW deliveries AS SELECT d.seq AS seq, (SELECT id FROM event WHERE seq = "
    "d.event_seq) AS event_id, t.name AS destination, CASE WHEN d.state IN (0, 2) AND "
    "t.held THEN 'held' ELSE CASE d.state WHEN 0 THEN 'due' WHEN 2 THEN 'waiting' WHEN 3 "
    "THEN 'done' WHEN 4 THEN 'dead' WHEN 6 THEN 'cancelled' WHEN 7 THEN 'parked' ELSE "
    "'superseded' END END AS state, d.attempts AS attempts, iif(d.state IN (0, 2), "
    "d.next_at, NULL) AS next_at, d.last_error AS last_error, d.event_seq AS event_seq, "
    "d.receipt_seq AS receipt_seq, d.created_at AS created_at, iif(d.state IN (0, 2), NULL, "
    "d.ended_at) AS ended_at, d.failures AS failures, d.not_yets AS not_yets, d.replay AS "
    "replay FROM delivery AS d LEFT JOIN destination AS t ON t.number = d.destination;\n"
    "CREATE VIEW attempts AS SELECT delivery, number, started_at, micros, CASE outcome WHEN 0 "
    "THEN 'done' WHEN 1 THEN 'failed' ELSE 'not_yet' END AS outcome, status, error, answer "
    "FROM attempt;\n"
    "CREATE VIEW destinations AS SELECT number, name, present, held, hold_reason, held_at "
    "FROM destination;\n"
    "CREATE VIEW suspense AS SELECT position, CASE kind WHEN 1 THEN 'event' WHEN 2 THEN "
    "'outcome' WHEN 3 THEN 'command' WHEN 4 THEN 'plan' ELSE 'unknown' END AS kind, CASE "
    "state WHEN 0 THEN 'waiting' WHEN 1 THEN 'booked' ELSE 'dropped' END AS state, reason, "
    "time_ms AS received_at, generation, payload FROM suspended;\n";

// Those of before have no time: they are the first to be dropped.
static const char sql_3[] =
    "ALTER TABLE answer ADD COLUMN time_ms INTEGER NOT NULL DEFAULT 0;\n"
    "ALTER TABLE answer ADD COLUMN idempotency_key TEXT NOT NULL DEFAULT '';\n"
    "ALTER TABLE answer ADD COLUMN sha256 BLOB NOT NULL DEFAULT "
    "x'0000000000000000000000000000000000000000000000000000000000000000' CHECK "
    "(length(sha256) = 32);\n"
    "CREATE INDEX answer_key ON answer (idempotency_key) WHERE idempotency_key <> '';\n";

// Kinds and limits are those of ledger/sightings.def. What was booked before was seen too: of an
// account its events, of the rest each receipt.
static const char sql_4[] =
    "CREATE TABLE sighting (number INTEGER PRIMARY KEY, kind INTEGER NOT NULL, whose TEXT NOT "
    "NULL, what TEXT NOT NULL, livemode INTEGER NOT NULL CHECK (livemode IN (0, 1)), first_at "
    "INTEGER NOT NULL, last_at INTEGER NOT NULL, count INTEGER NOT NULL, deauthorized INTEGER "
    "NOT NULL, created INTEGER NOT NULL) STRICT;\n"
    "CREATE UNIQUE INDEX sighting_key ON sighting (kind, what, whose, livemode);\n"
    "INSERT INTO sighting SELECT NULL, 1, r.source, r.secret_label, e.livemode, "
    "min(r.received_at), max(r.received_at), count(*), 0, 0 FROM receipt AS r JOIN event AS e ON "
    "e.seq = r.event_seq GROUP BY 3, 4, 5 ORDER BY min(r.seq) LIMIT 1000;\n"
    "INSERT INTO sighting SELECT NULL, 2, owner, account, livemode, min(received_at), "
    "max(received_at), count(*), max(iif(type = 'account.application.deauthorized', created, 0)), "
    "max(iif(type = 'account.application.deauthorized', 0, created)) FROM event WHERE account <> "
    "'' GROUP BY 3, 4, 5 ORDER BY min(seq) LIMIT 100000;\n"
    "INSERT INTO sighting SELECT NULL, 3, r.source, e.type, e.livemode, min(r.received_at), "
    "max(r.received_at), count(*), 0, 0 FROM receipt AS r JOIN event AS e ON e.seq = r.event_seq "
    "GROUP BY 3, 4, 5 ORDER BY min(r.seq) LIMIT 4000;\n"
    "INSERT INTO sighting SELECT NULL, 4, r.source, r.api_version, e.livemode, min(r.received_at), "
    "max(r.received_at), count(*), 0, 0 FROM receipt AS r JOIN event AS e ON e.seq = r.event_seq "
    "WHERE length(CAST(r.api_version AS BLOB)) BETWEEN 1 AND 255 GROUP BY 3, 4, 5 ORDER BY "
    "min(r.seq) LIMIT 1000;\n"
    "CREATE VIEW secret_uses AS SELECT whose AS source, what AS secret_label, livemode, first_at, "
    "last_at, count AS receipts FROM sighting WHERE kind = 1;\n"
    "CREATE VIEW accounts AS SELECT whose AS owner, what AS account, livemode, first_at, last_at, "
    "count AS events, iif(deauthorized > 0 AND deauthorized >= created, deauthorized, NULL) AS "
    "deauthorized FROM sighting WHERE kind = 2;\n"
    "CREATE VIEW event_types AS SELECT whose AS source, what AS type, livemode, first_at, "
    "last_at, count AS receipts FROM sighting WHERE kind = 3;\n"
    "CREATE VIEW api_versions AS SELECT whose AS source, what AS api_version, livemode, first_at, "
    "last_at, count AS receipts FROM sighting WHERE kind = 4;\n";

// Objects lie by key: Stripe makes ids so that the newer ones of a type stand behind the older
// ones, so what is new lands on few pages. What is below an object would land on many; it is
// gathered in link_new and sorted in now and then (ledger/sqlite_links.h). -1 is an unclaimed
// event, or a set of many sites.
static const char sql_5[] =
    "CREATE TABLE site (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;\n"
    "CREATE TABLE object (number INTEGER NOT NULL, owner TEXT NOT NULL, livemode INTEGER NOT NULL "
    "CHECK (livemode IN (0, 1)), key TEXT NOT NULL, type TEXT NOT NULL, above BLOB NOT NULL, "
    "claims BLOB NOT NULL, assigned INTEGER NOT NULL, evidence INTEGER NOT NULL, below INTEGER "
    "NOT NULL, PRIMARY KEY (key, owner, livemode)) STRICT, WITHOUT ROWID;\n"
    "CREATE UNIQUE INDEX object_number ON object (number);\n"
    "CREATE INDEX object_contradicts ON object (number) WHERE evidence = -1;\n"
    "CREATE TABLE link (above INTEGER NOT NULL, below INTEGER NOT NULL, PRIMARY KEY (above, "
    "below)) STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE link_new (number INTEGER PRIMARY KEY, pairs BLOB NOT NULL) STRICT;\n"
    "ALTER TABLE event ADD COLUMN object INTEGER NOT NULL DEFAULT 0;\n"
    "ALTER TABLE event ADD COLUMN site INTEGER NOT NULL DEFAULT 0;\n"
    "CREATE INDEX event_unclaimed ON event (seq) WHERE site = -1;\n"
    "CREATE INDEX event_waiting ON event (object) WHERE site = -1;\n"
    "DROP VIEW events;\n"
    "CREATE VIEW events AS SELECT seq, id, type, owner, account, livemode, api_version, "
    "created, received_at, object_id, CASE status WHEN 0 THEN 'pending' WHEN 1 THEN 'done' "
    "WHEN 2 THEN 'failed' ELSE 'ignored' END AS status, error, (SELECT payload FROM body "
    "WHERE receipt_seq = event.seq) AS payload, thin, context, object_type, request_id, "
    "idempotency_key, snapshot_id, CASE site WHEN 0 THEN NULL WHEN -1 THEN 'unclaimed' ELSE "
    "(SELECT name FROM site WHERE number = event.site) END AS site FROM event;\n"
    "CREATE VIEW sites AS SELECT number, name FROM site;\n"
    "CREATE VIEW objects AS SELECT number, owner, livemode, key, type, (SELECT name FROM "
    "site WHERE number = assigned) AS assigned, CASE evidence WHEN 0 THEN NULL WHEN -1 THEN "
    "'many' ELSE (SELECT name FROM site WHERE number = evidence) END AS evidence, CASE below "
    "WHEN 0 THEN NULL WHEN -1 THEN 'many' ELSE (SELECT name FROM site WHERE number = below) "
    "END AS below FROM object;\n";

// A row of `link` has several that are below one object (ledger/sqlite_links.h). A row alone costs
// as much as the event that it comes from.
static const char sql_6[] = "ALTER TABLE link ADD COLUMN more BLOB NOT NULL DEFAULT x'';\n";

static const char sql_7[] =
    "CREATE TABLE rebuild (one INTEGER PRIMARY KEY CHECK (one = 0), tables TEXT NOT NULL, reads "
    "INTEGER NOT NULL, swapped INTEGER NOT NULL, after INTEGER NOT NULL, generation INTEGER NOT "
    "NULL, began_at INTEGER NOT NULL) STRICT;\n";

// Ignored said only that the source does not take the livemode.
static const char sql_8[] =
    "UPDATE event SET status = 3 WHERE status = 1 AND NOT EXISTS (SELECT 1 FROM delivery WHERE "
    "event_seq = event.seq);\n";

static const char sql_9[] =
    "CREATE TABLE listen_attempt (event_seq INTEGER NOT NULL, number INTEGER NOT NULL, key_id TEXT "
    "NOT NULL, device TEXT NOT NULL, url TEXT NOT NULL, status INTEGER NOT NULL, started_at "
    "INTEGER NOT NULL, micros INTEGER NOT NULL, error TEXT NOT NULL, answer TEXT NOT NULL, PRIMARY "
    "KEY (event_seq, number)) STRICT, WITHOUT ROWID;\n"
    "CREATE VIEW listen_attempts AS SELECT (SELECT id FROM event WHERE seq = l.event_seq) AS "
    "event_id, event_seq, number, key_id, device, url, iif(status > 0, status, NULL) AS status, "
    "started_at, micros, error, answer FROM listen_attempt AS l;\n";

// Its secret is sealed; the view leaves it out all the same.
static const char sql_10[] =
    "CREATE TABLE endpoint (destination INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, livemode "
    "INTEGER NOT NULL CHECK (livemode IN (0, 1)), json TEXT NOT NULL, failing_since INTEGER NOT "
    "NULL, deleted_at INTEGER NOT NULL) STRICT;\n"
    "CREATE VIEW endpoints AS SELECT id, livemode, json ->> 'url' AS url, iif(deleted_at > 0, "
    "'deleted', iif(json ->> 'enabled', 'enabled', 'disabled')) AS status, json ->> 'because' AS "
    "because, json -> 'types' AS enabled_events, json ->> 'scope' AS scope, json ->> 'payload' AS "
    "payload, json ->> 'name' AS name, json ->> 'description' AS description, json ->> "
    "'api_version' AS api_version, json -> 'metadata' AS metadata, json ->> 'created_s' AS "
    "created, json ->> 'updated_ms' AS updated_at, iif(failing_since > 0, failing_since, NULL) AS "
    "failing_since, iif(deleted_at > 0, deleted_at, NULL) AS deleted_at FROM endpoint;\n";

// A row for each type, and for each account, or owner of events without one, in a block of 4,096
// positions, of blocks that are full: so a list of few events among many need not read them all.
// For an index by either each booking would write pages all over it.
static const char sql_11[] =
    "CREATE TABLE event_block (block INTEGER NOT NULL, livemode INTEGER NOT NULL, thin INTEGER NOT "
    "NULL, type TEXT NOT NULL, created_min INTEGER NOT NULL, created_max INTEGER NOT NULL, PRIMARY "
    "KEY (block, livemode, thin, type)) STRICT, WITHOUT ROWID;\n"
    "CREATE TABLE event_whose (block INTEGER NOT NULL, livemode INTEGER NOT NULL, whose TEXT NOT "
    "NULL, PRIMARY KEY (block, livemode, whose)) STRICT, WITHOUT ROWID;\n"
    "INSERT INTO event_block SELECT seq >> 12, livemode, thin, type, min(created), max(created) "
    "FROM event WHERE seq >> 12 < (SELECT max(seq) >> 12 FROM event) GROUP BY 1, 2, 3, 4;\n"
    "INSERT INTO event_whose SELECT DISTINCT seq >> 12, livemode, iif(account = '', owner, "
    "account) FROM event WHERE seq >> 12 < (SELECT max(seq) >> 12 FROM event) ORDER BY 1, 2, 3;\n"
    "CREATE INDEX event_pending ON event (seq) WHERE status = 0;\n";

// Of before, all is normal.
static const char sql_12[] =
    "ALTER TABLE delivery ADD COLUMN priority INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN 0 "
    "AND 2);\n"
    "DROP INDEX delivery_due;\n"
    "CREATE INDEX delivery_due ON delivery (destination, priority, next_at) WHERE state IN (0, "
    "2);\n"
    "DROP VIEW deliveries;\n"
    "CREATE VIEW deliveries AS SELECT d.seq AS seq, (SELECT id FROM event WHERE seq = "
    "d.event_seq) AS event_id, t.name AS destination, CASE WHEN d.state IN (0, 2) AND "
    "t.held THEN 'held' ELSE CASE d.state WHEN 0 THEN 'due' WHEN 2 THEN 'waiting' WHEN 3 "
    "THEN 'done' WHEN 4 THEN 'dead' WHEN 6 THEN 'cancelled' WHEN 7 THEN 'parked' ELSE "
    "'superseded' END END AS state, d.attempts AS attempts, iif(d.state IN (0, 2), "
    "d.next_at, NULL) AS next_at, d.last_error AS last_error, d.event_seq AS event_seq, "
    "d.receipt_seq AS receipt_seq, d.created_at AS created_at, iif(d.state IN (0, 2), NULL, "
    "d.ended_at) AS ended_at, d.failures AS failures, d.not_yets AS not_yets, d.replay AS "
    "replay, CASE d.priority WHEN 0 THEN 'normal' WHEN 1 THEN 'high' ELSE 'low' END AS priority "
    "FROM delivery AS d LEFT JOIN destination AS t ON t.number = d.destination;\n";

static const char sql_13[] =
    "ALTER TABLE destination ADD COLUMN failing_since INTEGER NOT NULL DEFAULT 0;\n"
    "DROP VIEW destinations;\n"
    "CREATE VIEW destinations AS SELECT number, name, present, held, hold_reason, held_at, "
    "iif(failing_since > 0, failing_since, NULL) AS failing_since FROM destination;\n";

// Open deliveries that keep an order; others wait behind one with next_at at its end.
static const char sql_14[] =
    "CREATE TABLE lane (destination INTEGER NOT NULL, lane INTEGER NOT NULL, delivery INTEGER NOT "
    "NULL, PRIMARY KEY (destination, lane, delivery)) STRICT, WITHOUT ROWID;\n"
    "CREATE UNIQUE INDEX lane_delivery ON lane (delivery);\n"
    "DROP VIEW deliveries;\n"
    "CREATE VIEW deliveries AS SELECT d.seq AS seq, (SELECT id FROM event WHERE seq = "
    "d.event_seq) AS event_id, t.name AS destination, CASE WHEN d.state IN (0, 2) AND "
    "t.held THEN 'held' WHEN d.state IN (0, 2) AND d.next_at = 9223372036854775807 THEN 'behind' "
    "ELSE CASE d.state WHEN 0 THEN 'due' WHEN 2 THEN 'waiting' WHEN 3 "
    "THEN 'done' WHEN 4 THEN 'dead' WHEN 6 THEN 'cancelled' WHEN 7 THEN 'parked' ELSE "
    "'superseded' END END AS state, d.attempts AS attempts, iif(d.state IN (0, 2), "
    "nullif(d.next_at, 9223372036854775807), NULL) AS next_at, d.last_error AS last_error, "
    "d.event_seq AS event_seq, d.receipt_seq AS receipt_seq, d.created_at AS created_at, "
    "iif(d.state IN (0, 2), NULL, d.ended_at) AS ended_at, d.failures AS failures, d.not_yets AS "
    "not_yets, d.replay AS replay, CASE d.priority WHEN 0 THEN 'normal' WHEN 1 THEN 'high' ELSE "
    "'low' END AS priority FROM delivery AS d LEFT JOIN destination AS t ON t.number = "
    "d.destination;\n";

const struct migration ledger_migrations[] = {
#define MIGRATION(version, name) {version, name, sql_##version},
#include "ledger/migrations.def"
#undef MIGRATION
};
const size_t ledger_migration_count = sizeof ledger_migrations / sizeof ledger_migrations[0];
