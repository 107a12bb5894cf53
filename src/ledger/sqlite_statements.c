// SPDX-License-Identifier: MIT
#include "ledger/sqlite_statements.h"

#include "ledger/store.h"

// Numbers in the statements and in migrations.c.
_Static_assert(DELIVERY_DUE == 0 && DELIVERY_WAITING == 2 && DELIVERY_DONE == 3 &&
                   DELIVERY_DEAD == 4 && DELIVERY_CANCELLED == 6 && DELIVERY_PARKED == 7 &&
                   DELIVERY_SUPERSEDED == 8,
               "ledgers hold these numbers");
_Static_assert(EVENT_PENDING == 0 && EVENT_DONE == 1 && EVENT_FAILED == 2 && EVENT_IGNORED == 3,
               "ledgers hold these numbers");
_Static_assert(OUTCOME_DONE == 0 && OUTCOME_FAILED == 1 && OUTCOME_NOT_YET == 2,
               "ledgers hold these numbers");

_Static_assert(PRIORITY_NORMAL == 0 && PRIORITY_HIGH == 1 && PRIORITY_LOW == 2 && PRIORITIES == 3 &&
                   DUE_HIGH == DUE_NORMAL + PRIORITY_HIGH && DUE_LOW == DUE_NORMAL + PRIORITY_LOW,
               "ledgers hold these numbers");

// Walked beside those of other priorities: a statement of its own for each.
#define DUE(priority_)                                                                             \
    "SELECT seq FROM delivery INDEXED BY delivery_due WHERE destination = ?1 AND state IN (0, 2)"  \
    " AND priority = " priority_ " AND next_at <= ?2 ORDER BY next_at, seq"

const char *const sqlite_statements[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [MARK] = "SAVEPOINT mark",
    [UNMARK] = "RELEASE mark",
    [UNDO] = "ROLLBACK TO mark",
    [STATE_GET] = "SELECT {state} FROM state",
    [STATE_PUT] = "REPLACE INTO state (one, {state,}) VALUES (0, {state?})",
    [PLAN_PUT] = "INSERT INTO plan ({plan,}) VALUES ({plan?})"
                 " ON CONFLICT (generation) DO UPDATE SET {plan=}",
    [PLAN_GET] = "SELECT json FROM plan WHERE generation = ?1",
    [EVENT_FIND] = "SELECT {event} FROM event"
                   " WHERE id = ?1 AND account = ?2 AND owner = ?3 AND livemode = ?4",
    [EVENT_GET] = "SELECT {event} FROM event WHERE seq = ?1",
    [EVENT_INSERT] = "INSERT INTO event ({event,}) VALUES ({event?})",
    [EVENTS_AFTER] = "SELECT seq FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [BLOCK_OPEN] = "SELECT ifnull(max(block), -1) + 1 FROM event_block",
    [BLOCK_EVENTS] = "SELECT {event} FROM event NOT INDEXED WHERE seq >= ?1 << 12 ORDER BY seq",
    [BLOCK_PUT] = "INSERT INTO event_block VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (block,"
                  " livemode, thin, type) DO UPDATE SET created_min = min(created_min, ?5),"
                  " created_max = max(created_max, ?6)",
    [WHOSE_PUT] = "INSERT INTO event_whose VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    [EVENT_STATUS] = "UPDATE event SET status = ?2, error = ?3 WHERE seq = ?1",
    [EVENT_SITE] = "UPDATE event SET object = ?2, site = ?3 WHERE seq = ?1",
    [UNCLAIMED_OF] = "SELECT seq FROM event INDEXED BY event_waiting WHERE site = -1"
                     " AND object = ?3 AND seq > ?1 ORDER BY seq LIMIT ?2",
    [UNCLAIMED] = "SELECT seq FROM event INDEXED BY event_unclaimed WHERE site = -1 AND seq > ?1"
                  " ORDER BY seq LIMIT ?2",
    [RECEIPT_INSERT] = "INSERT INTO receipt ({receipt,}) VALUES ({receipt?})",
    [RECEIPT_GET] = "SELECT {receipt} FROM receipt WHERE seq = ?1",
    [RECEIPTS_LATER] = "SELECT seq FROM receipt INDEXED BY receipt_later WHERE event_seq = ?3 AND"
                       " event_seq <> seq AND seq > ?1 ORDER BY seq LIMIT ?2",
    [RECEIPT_SAME] =
        "SELECT {receipt} FROM receipt WHERE seq = ?1 AND event_seq = ?1 AND sha256 = ?2 UNION ALL "
        "SELECT {receipt} FROM receipt WHERE event_seq = ?1 AND event_seq <> seq AND sha256 = ?2"
        " ORDER BY 1 LIMIT 1",
    [BODY_INSERT] = "INSERT INTO body (receipt_seq, payload) VALUES (?1, ?2)"
                    " ON CONFLICT (receipt_seq) DO UPDATE SET payload = excluded.payload",
    [BODY_GET] = "SELECT payload FROM body WHERE receipt_seq ="
                 " (SELECT body_seq FROM receipt WHERE seq = ?1)",
    [DELIVERY_INSERT] = "INSERT INTO delivery ({delivery,}) VALUES ({delivery?})",
    [DELIVERY_UPDATE] = "UPDATE delivery SET state = ?5, attempts = ?6, failures = ?7,"
                        " not_yets = ?8, next_at = ?10, ended_at = ?11, last_error = ?13"
                        " WHERE seq = ?1 AND event_seq = ?2 AND receipt_seq = ?3"
                        " AND destination = ?4 AND created_at = ?9 AND replay = ?12"
                        " AND priority = ?14",
    [DELIVERY_GET] = "SELECT {delivery} FROM delivery WHERE seq = ?1",
    [DELIVERIES_OF] = "SELECT {delivery} FROM delivery WHERE event_seq = ?1 ORDER BY seq",
    [OPEN_SOME] = "SELECT seq FROM delivery INDEXED BY delivery_due WHERE destination = ?1"
                  " AND state IN (0, 2) LIMIT ?2",
    [OPEN_FEW] = "SELECT {delivery} FROM delivery INDEXED BY delivery_due WHERE destination = ?1"
                 " AND state IN (0, 2) AND seq > ?2",
    [FIRST_OPEN] = "SELECT min(seq) FROM delivery INDEXED BY delivery_due"
                   " WHERE destination = ?1 AND state IN (0, 2)",
    [DELIVERIES_OPEN] = "SELECT {delivery} FROM delivery NOT INDEXED WHERE seq > ?2"
                        " AND destination = ?1 AND state IN (0, 2) ORDER BY seq LIMIT ?3",
    [LANE_PUT] = "INSERT INTO lane ({lane,}) VALUES ({lane?})",
    [LANE_GET] = "SELECT {lane} FROM lane WHERE delivery = ?1",
    [LANE_DROP] = "DELETE FROM lane WHERE destination = ?1 AND lane = ?2 AND delivery = ?3",
    [LANE_FIRST] = "SELECT delivery FROM lane WHERE destination = ?1 AND lane = ?2"
                   " ORDER BY delivery LIMIT 1",
    [ATTEMPT_INSERT] = "INSERT INTO attempt ({attempt,}) VALUES ({attempt?})",
    [LISTEN_ATTEMPT_INSERT] =
        "INSERT INTO listen_attempt ({listen_attempt,}) VALUES ({listen_attempt?})",
    [LISTEN_ATTEMPT_LAST] =
        "SELECT ifnull(max(number), 0) FROM listen_attempt WHERE event_seq = ?1",
    [DUE_NORMAL] = DUE("0"),
    [DUE_HIGH] = DUE("1"),
    [DUE_LOW] = DUE("2"),
    [DUE_ROW] = "SELECT {delivery}, event.id, event.account, event.owner, event.type,"
                " event.livemode, body.payload, (SELECT name FROM site WHERE number = event.site)"
                " FROM delivery JOIN event ON event.seq = delivery.event_seq"
                " JOIN receipt ON receipt.seq = delivery.receipt_seq"
                " JOIN body ON body.receipt_seq = receipt.body_seq WHERE delivery.seq = ?1",
    [NEXT_DUE] = "SELECT seq, next_at FROM delivery INDEXED BY delivery_due"
                 " WHERE destination = ?1 AND state IN (0, 2) AND priority = ?2"
                 " ORDER BY next_at, seq",
    [DESTINATION_FIND] = "SELECT {destination} FROM destination WHERE name = ?1",
    [DESTINATION_PUT] = "INSERT INTO destination ({destination,}) VALUES ({destination?})"
                        " ON CONFLICT (number) DO UPDATE SET {destination=}",
    [DESTINATIONS] = "SELECT {destination} FROM destination ORDER BY number",
    [ENDPOINT_PUT] = "INSERT INTO endpoint ({endpoint,}) VALUES ({endpoint?})"
                     " ON CONFLICT (destination) DO UPDATE SET {endpoint=}",
    [ENDPOINTS] = "SELECT {endpoint} FROM endpoint WHERE deleted_at = 0 ORDER BY destination",
    [SUSPENSE_PUT] = "INSERT INTO suspended ({suspended,}) VALUES ({suspended?})"
                     " ON CONFLICT (position) DO UPDATE SET {suspended=}",
    [SUSPENSE_GET] = "SELECT {suspended} FROM suspended WHERE position = ?1",
    [KEY_PUT] = "INSERT INTO api_key ({api_key,}) VALUES ({api_key?})"
                " ON CONFLICT (id) DO UPDATE SET {api_key=}",
    [KEY_GET] = "SELECT {api_key} FROM api_key WHERE id = ?1",
    [ANSWER_PUT] = "INSERT INTO answer ({answer,}) VALUES ({answer?})"
                   " ON CONFLICT (position) DO UPDATE SET {answer=}",
    [ANSWER_GET] = "SELECT {answer} FROM answer WHERE position = ?1",
    [ANSWER_FIND] = "SELECT {answer} FROM answer INDEXED BY answer_key WHERE idempotency_key = ?1"
                    " AND idempotency_key <> '' ORDER BY position DESC LIMIT 1",
    [ANSWERS_DROP] = "DELETE FROM answer WHERE time_ms < ?1 AND position IN"
                     " (SELECT position FROM answer WHERE position > 0 ORDER BY position LIMIT ?2)",
    [SIGHTING_ADD] = "UPDATE sighting SET first_at = min(first_at, ?5),"
                     " last_at = max(last_at, ?6), count = count + ?7,"
                     " deauthorized = max(deauthorized, ?8), created = max(created, ?9)"
                     " WHERE kind = ?1 AND whose = ?2 AND what = ?3 AND livemode = ?4",
    [SIGHTING_INSERT] = "INSERT INTO sighting ({sighting,}) VALUES ({sighting?})",
    [SIGHTING_COUNT] = "SELECT count(*) FROM sighting WHERE kind = ?1",
    [SITE_PUT] = "INSERT INTO site ({site,}) VALUES ({site?})"
                 " ON CONFLICT (number) DO UPDATE SET {site=}",
    [SITES] = "SELECT {site} FROM site ORDER BY number",
    [OBJECT_FIND] = "SELECT {object} FROM object WHERE key = ?1 AND owner = ?2 AND livemode = ?3",
    [OBJECT_GET] = "SELECT {object} FROM object WHERE number = ?1",
    [OBJECT_PUT] = "INSERT INTO object ({object,}) VALUES ({object?})"
                   " ON CONFLICT (key, owner, livemode) DO UPDATE SET above = ?6, claims = ?7,"
                   " assigned = ?8, evidence = ?9, below = ?10 WHERE number = ?1",
    [OBJECT_INSERT] = "INSERT INTO object ({object,}) VALUES ({object?})",
    // Or SQLite would copy each page before it is changed, to undo the rows of this statement
    // alone.
    [OBJECTS_INSERT] = "INSERT OR FAIL INTO object ({object,}) VALUES {object*}",
    [OBJECT_LAST] = "SELECT max(number) FROM object",
    [OBJECTS] = "SELECT {object} FROM object",
    [LINKS_BELOW] = "SELECT below, more FROM link WHERE above = ?2 AND below > ?1 ORDER BY below",
    [LINK_NEW_PUT] = "INSERT INTO link_new (pairs) VALUES (?1)",
    [LINKS_NEW] = "SELECT pairs FROM link_new ORDER BY number",
    [LINK_SORTED] = "INSERT INTO link (above, below, more) VALUES (?1, ?2, ?3)",
    [LINKS_NEW_DROP] = "DELETE FROM link_new",
    [REBUILD_GET] = "SELECT {rebuild} FROM rebuild WHERE one = 0",
    [REBUILD_PUT] = "REPLACE INTO rebuild (one, {rebuild,}) VALUES (0, {rebuild?})",
    [REBUILD_DROP] = "DELETE FROM rebuild WHERE one = 0",
};
