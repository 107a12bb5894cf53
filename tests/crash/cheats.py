# SPDX-License-Identifier: MIT
"""Cheats: one fact or one row changed, which the named oracle must notice. Each gets facts of its
own and a copy of the ledger."""
import copy

import compare


def lose_an_event(facts, db):
    n = facts.acked[len(facts.acked) // 2][0]
    db.execute("DELETE FROM event WHERE id = ?", (facts.id(n),))


def acknowledge_what_was_not_booked(facts, _):
    facts.acked.append((10 ** 7, "/webhook"))


def book_an_event_twice(facts, db):
    db.execute("DROP INDEX event_key")
    columns = ", ".join(r[1] for r in db.execute("PRAGMA table_info(event)") if r[1] != "seq")
    db.execute(f"INSERT INTO event (seq, {columns}) SELECT seq + 1000000000, {columns} FROM event"
               " LIMIT 1")


def lose_a_receipt(facts, db):
    n, path = facts.acked[0]
    db.execute("DELETE FROM receipt WHERE source = ? AND event_seq ="
               " (SELECT seq FROM event WHERE id = ?)", (path, facts.id(n)))


def change_a_byte(_, db):
    db.execute("UPDATE body SET payload = replace(payload, 'xx', 'xX') WHERE receipt_seq ="
               " (SELECT max(seq) FROM event)")


def lose_a_delivery(facts, db):
    n = facts.acked[0][0]
    db.execute("DELETE FROM delivery WHERE event_seq = (SELECT seq FROM event WHERE id = ?)",
               (facts.id(n),))


# The last delivery to one of the configuration's destinations: endpoints have oracles of their own.
LAST_DELIVERY = ("(SELECT max(seq) FROM delivery WHERE destination IN (SELECT number FROM"
                 " destination WHERE name NOT LIKE 'we\\_%' ESCAPE '\\'))")


def leave_a_delivery_due(_, db):
    db.execute(f"UPDATE delivery SET state = 0 WHERE seq = {LAST_DELIVERY}")


def bury_without_a_reason(_, db):
    db.execute("UPDATE delivery SET state = 4, last_error = '', failures = 4"
               f" WHERE seq = {LAST_DELIVERY}")


def call_done_what_never_was(facts, _):
    r = next(r for r in facts.receptions if r.status == 200)
    facts.receptions = [x for x in facts.receptions if (x.event, x.to) != (r.event, r.to)]


def invent_an_attempt(_, db):
    db.execute("UPDATE attempt SET status = 418 WHERE delivery ="
               " (SELECT max(delivery) FROM attempt)")


def spoil_a_signature(facts, _):
    facts.receptions[0].sound = False


def deliver_again(facts, _):
    r = next(r for r in reversed(facts.receptions) if r.status == 200)
    again = copy.copy(r)
    again.time_us += 1
    again.attempt += 1
    facts.receptions.append(again)


def make_a_recorded_attempt_again(facts, _):
    r = next(r for r in facts.receptions if r.status == 200)
    again = copy.copy(r)
    again.time_us += 2
    facts.receptions.append(again)
    facts.kills_us.append(r.time_us + 1)


def let_one_pass(facts, db):
    """The last event of a lane came before the one that it was behind."""
    rows = db.execute("SELECT e.object_id, e.id FROM deliveries AS d JOIN event AS e ON e.seq ="
                      " d.event_seq WHERE d.destination = 'ordered' AND d.state = 'done' ORDER BY"
                      " e.object_id, d.seq").fetchall()
    ahead, event = next((a, b) for (x, a), (y, b) in zip(rows, rows[1:]) if x == y)
    last = max(r.number for r in facts.receptions if (r.to, r.event) == ("ordered", ahead))
    for r in facts.receptions:
        if (r.to, r.event) == ("ordered", event):
            r.number = last - 0.5


def suspend_a_record(_, db):
    db.execute("INSERT INTO suspended VALUES (1, 1, 0, 0, 0, x'00', 'cheat', 0)")


def forget_whose_it_is(_, db):
    db.execute("UPDATE event SET site = -1 WHERE seq = (SELECT max(seq) FROM event WHERE site > 0)")


def skip_who_waited(facts, db):
    """As if a late claim had not reached one of those who waited for it."""
    left = {r.event for r in facts.receptions if r.to == "lost"}
    event = next(e for e in left for r in facts.receptions if r.event == e and r.to == "north")
    db.execute("DELETE FROM delivery WHERE event_seq = (SELECT seq FROM event WHERE id = ?) AND"
               " destination = (SELECT number FROM destination WHERE name = 'north')", (event,))


def show_older_state(_, db):
    db.execute("UPDATE stripe_products SET event_created = event_created - 1 WHERE rowid ="
               " (SELECT max(rowid) FROM stripe_products)")


def show_another_state(_, db):
    db.execute("UPDATE stripe_products SET data = json_set(data, '$.name', 'milk')")


def revive_the_deleted(_, db):
    db.execute("UPDATE stripe_products SET deleted = 0")


def lose_a_row(_, db):
    db.execute("DELETE FROM stripe_charges WHERE rowid = (SELECT max(rowid) FROM stripe_charges)")


def of_endpoints(facts, *last):
    return [r for e in facts.endpoints if e.asks[-1][0] in last for r in facts.receptions
            if r.to == e.id]


def keep_from_an_endpoint(facts, _):
    """What is done there, so that nothing excuses it."""
    r = next(r for r in reversed(of_endpoints(facts, "on")) if r.status == 200)
    facts.receptions = [x for x in facts.receptions if (x.event, x.to) != (r.event, r.to)]


def cancel_at_an_endpoint_that_is_there(facts, db):
    r = of_endpoints(facts, "on")[-1]
    db.execute("UPDATE delivery SET state = 6, last_error = 'its endpoint was deleted' WHERE"
               " event_seq = (SELECT seq FROM event WHERE id = ?) AND destination ="
               " (SELECT number FROM destination WHERE name = ?)", (r.event, r.to))


def tell_the_deleted(facts, _):
    """Something that was accepted after the end was answered."""
    e = next(e for e in facts.endpoints if e.asks[-1][0] == "delete")
    n = next(n for n, t in facts.sent_at.items() if t > e.asks[-1][2] and compare.fits(e, n))
    facts.receptions.append(copy.copy(facts.receptions[0]))
    facts.receptions[-1].to, facts.receptions[-1].event = e.id, facts.id(n)


def tell_what_was_before(facts, _):
    e = next(e for e in facts.endpoints if any(
        t < e.asks[0][1] and compare.fits(e, n) for n, t in facts.acked_at.items()))
    n = next(n for n, t in facts.acked_at.items() if t < e.asks[0][1] and compare.fits(e, n))
    facts.receptions.append(copy.copy(facts.receptions[0]))
    facts.receptions[-1].to, facts.receptions[-1].event = e.id, facts.id(n)


def make_an_endpoint_twice(facts, _):
    facts.listed.append("we_doubled")


def make_an_endpoint_twice_in_the_books(_, db):
    db.execute("INSERT INTO endpoint SELECT 1000000, id || '2', livemode, json, failing_since,"
               " deleted_at FROM endpoint LIMIT 1")


def tell_another_secret(facts, _):
    e = facts.endpoints[-1]
    e.told.append((e.id, e.secret + "2"))


def lose_a_secret(facts, _):
    """All that it signed in the last life."""
    e = next(e for e in facts.endpoints if e.asks[-1][0] == "on")
    e.secret += "2"
    for r in facts.receptions:
        r.sound = r.sound and r.to != e.id


CHEATS = (
    (lose_an_event, compare.acked_once),
    (acknowledge_what_was_not_booked, compare.acked_once),
    (book_an_event_twice, compare.acked_once),
    (lose_a_receipt, compare.receipts_fit),
    (change_a_byte, compare.bytes_kept),
    (lose_a_delivery, compare.owed_settled),
    (leave_a_delivery_due, compare.owed_settled),
    (bury_without_a_reason, compare.owed_settled),
    (call_done_what_never_was, compare.done_was_received),
    (invent_an_attempt, compare.attempts_were_received),
    (spoil_a_signature, compare.sites_were_sent_truth),
    (deliver_again, compare.again_only_for_a_reason),
    (make_a_recorded_attempt_again, compare.again_only_for_a_reason),
    (let_one_pass, compare.lanes_keep_order),
    (suspend_a_record, compare.nothing_suspended),
    (forget_whose_it_is, compare.sites_are_claimed),
    (skip_who_waited, compare.late_ones_came),
    (show_older_state, compare.rows_follow),
    (show_another_state, compare.rows_follow),
    (revive_the_deleted, compare.rows_follow),
    (lose_a_row, compare.rows_follow),
    (keep_from_an_endpoint, compare.endpoints_got_theirs),
    (cancel_at_an_endpoint_that_is_there, compare.endpoints_got_theirs),
    (tell_the_deleted, compare.endpoints_got_nothing_else),
    (tell_what_was_before, compare.endpoints_got_nothing_else),
    (make_an_endpoint_twice, compare.keys_made_one),
    (make_an_endpoint_twice_in_the_books, compare.keys_made_one),
    (tell_another_secret, compare.keys_made_one),
    (lose_a_secret, compare.secrets_stay_open),
    (lose_a_secret, compare.sites_were_sent_truth),
)
