# SPDX-License-Identifier: MIT
"""The oracles: what was acknowledged and what the sites got, against the ledger. Each one returns
the list of what is wrong; `cheats` show that each can find something."""
import collections
import hashlib
import json

import stripe_side as stripe

# Destinations as rounds.py configures them: does this event, come through this source, go there?
MATCHES = {
    "audit": lambda n, path: True,
    "tables": lambda n, path: True,
    "shop": lambda n, path: stripe.event_type(n).startswith("customer."),
    "connect": lambda n, path: path == "/connect",
    "live": lambda n, path: stripe.is_live(n) and stripe.event_type(n) == "charge.succeeded",
}
# Of those whose own event claims nothing, it depends on the customer's whether they are somebody's
# (site_of), and on what came first whether they were nobody's meanwhile.
MAY = {**MATCHES,
       "north": lambda n, path: stripe.event_type(n) == "charge.succeeded",
       "lost": lambda n, path: stripe.event_type(n) == "charge.succeeded",
       "south": lambda n, path: stripe.event_type(n) == "invoice.paid"}
RETRIES = 3  # the schedule's length


class Reception:
    def __init__(self, words):
        self.number, self.time_us = int(words[1]), int(words[2])
        self.to, self.event = words[3], words[4]
        self.attempt, self.sound, self.sha256 = int(words[5]), words[6] == "1", words[7]
        self.status = None


class Facts:
    """What is known outside of the gateway."""

    def __init__(self, prefix, sent, acked, kills_us, record):
        self.prefix, self.sent, self.acked = prefix, list(sent), list(acked)
        self.kills_us = sorted(kills_us)
        self.receptions = []
        by_number = {}
        with open(record, encoding="ascii") as lines:
            for words in (line.split() for line in lines):
                if words[0] == "R":
                    r = by_number[words[1]] = Reception(words)
                    self.receptions.append(r)
                else:
                    by_number[words[1]].status = int(words[3])

    def id(self, n):
        return stripe.event_id(self.prefix, n)

    def killed_between(self, a_us, b_us):
        return any(a_us <= k <= b_us for k in self.kills_us)


def acked_once(facts, db):
    """Every acknowledged event is booked, once."""
    count = collections.Counter(i for i, in db.execute("SELECT id FROM events"))
    wrong = [f"{facts.id(n)} was acknowledged and is not in the ledger"
             for n in sorted({n for n, _ in facts.acked}) if count[facts.id(n)] == 0]
    return wrong + [f"{i} is in the ledger {n} times" for i, n in count.items() if n > 1]


def receipts_fit(facts, db):
    """As many receipts as answers at least, as many as requests at most, by event and source."""
    rows = db.execute("SELECT e.id, r.source, count(*) FROM receipts AS r JOIN event AS e ON"
                      " e.seq = r.event_seq GROUP BY 1, 2")
    booked = {(i, path): n for i, path, n in rows}
    least, most = collections.Counter(facts.acked), collections.Counter(facts.sent)
    wrong = []
    for key, n in most.items():
        have = booked.pop((facts.id(key[0]), key[1]), 0)
        if not least[key] <= have <= n:
            wrong.append(f"{facts.id(key[0])} through {key[1]}: {n} sent, {least[key]} "
                         f"acknowledged, {have} booked")
    return wrong + [f"{i} through {path} was never sent" for i, path in booked]


def bytes_kept(facts, db):
    """The ledger has the bytes that were signed."""
    by_id = {facts.id(n): n for n, _ in facts.sent}
    return [f"{i} has other bytes" for i, body in db.execute("SELECT id, payload FROM events")
            if i in by_id and body.encode() != stripe.event_body(facts.prefix, by_id[i])]


def owed_settled(facts, db):
    """Every delivery that is owed is done, or dead with a reason. Owed is every acknowledged event
    × matching destination; nothing goes where no receipt of it matches."""
    rows = db.execute("SELECT event_id, destination, state, last_error, failures FROM deliveries")
    have = collections.defaultdict(list)
    for event, to, state, error, failures in rows:
        have[event, to].append((state, error, failures))
    wrong = [f"{event} has {len(d)} deliveries to {to}" for (event, to), d in have.items()
             if len(d) != 1]
    may = {(facts.id(n), to) for n, path in set(facts.sent)
           for to, match in MAY.items() if match(n, path)}
    wrong += [f"{event} owes nothing to {to}" for event, to in have if (event, to) not in may]
    for n, path in set(facts.acked):
        wrong += [f"{facts.id(n)} owes {to}, no delivery"
                  for to, match in MATCHES.items()
                  if match(n, path) and (facts.id(n), to) not in have]
    for (event, to), all_of_it in have.items():
        for state, error, failures in all_of_it:
            if state != "done" and (state != "dead" or not error or failures != RETRIES + 1):
                wrong.append(f"{event} to {to} is {state} after {failures} failures: '{error}'")
    return wrong


def done_was_received(facts, db):
    """A delivery that the ledger calls done was answered 2xx by its site."""
    good = {(r.event, r.to) for r in facts.receptions if r.status == 200}
    rows = db.execute("SELECT event_id, destination FROM deliveries WHERE state = 'done'"
                      " AND destination <> 'tables'")
    return [f"{event} to {to} is done, and the site never said so" for event, to in rows
            if (event, to) not in good]


def attempts_were_received(facts, db):
    """An attempt with a status in the ledger is one that the site got and answered so."""
    rows = db.execute("SELECT d.event_id, d.destination, a.number, a.status FROM attempts AS a JOIN"
                      " deliveries AS d ON d.seq = a.delivery WHERE a.status <> 0")
    got = {(r.event, r.to, r.attempt, r.status) for r in facts.receptions}
    return [f"{row} is an attempt that no site answered" for row in rows if tuple(row) not in got]


def sites_were_sent_truth(facts, db):
    """What a site got is signed, has the event's bytes, and is a delivery of the ledger."""
    by_id = {facts.id(n): n for n, _ in facts.sent}
    known = set(db.execute("SELECT event_id, destination FROM deliveries"))
    wrong, sums = [], {}
    for r in facts.receptions:
        if r.event in by_id and r.event not in sums:
            body = stripe.event_body(facts.prefix, by_id[r.event])
            sums[r.event] = hashlib.sha256(body).hexdigest()
        if not r.sound or sums.get(r.event) != r.sha256:
            wrong.append(f"{r.to} got {r.event} with a bad signature or other bytes")
        if (r.event, r.to) not in known:
            wrong.append(f"{r.to} got {r.event}, of which the ledger has no delivery")
    return wrong


def again_only_for_a_reason(facts, db):
    """A site gets an event again only for a reason. After a 2xx that is a kill or a lost answer
    that kept the outcome from being recorded; an attempt that is recorded is never made again."""
    rows = db.execute("SELECT d.event_id, d.destination, a.number, a.outcome, a.started_at FROM"
                      " attempts AS a JOIN deliveries AS d ON d.seq = a.delivery")
    recorded = {(e, to, n): (outcome, start) for e, to, n, outcome, start in rows}
    by_pair = collections.defaultdict(list)
    for r in facts.receptions:
        by_pair[r.event, r.to].append(r)
    wrong = []
    for (event, to), all_of_it in by_pair.items():
        all_of_it.sort(key=lambda r: r.time_us)
        for a, b in zip(all_of_it, all_of_it[1:]):
            outcome, start = recorded.get((event, to, a.attempt), ("none", 1 << 60))
            # The recorded one is the first that came after its start.
            if a.attempt == b.attempt and a.status and a.time_us // 1000 >= start:
                wrong.append(f"{to} got attempt {b.attempt} of {event} after it was recorded")
            if (a.status == 200 and outcome != "failed"
                    and not facts.killed_between(a.time_us, b.time_us)):
                wrong.append(f"{to} got {event} again after 200, attempt {b.attempt} after "
                             f"{a.attempt}, and nothing happened in between")
    return wrong


def nothing_suspended(facts, db):
    """No record waits in suspense."""
    return [f"position {p} ({kind}): {reason}" for p, kind, reason in
            db.execute("SELECT position, kind, reason FROM suspense WHERE state = 'waiting'")]


def site_of(facts, booked, n):
    """Whose event n is: its customer's, once that was heard of in the same mode. Products are
    nobody's."""
    if stripe.product_of(n):
        return None
    c = stripe.customer_of(n)
    known = facts.id(c) in booked and stripe.is_live(c) == stripe.is_live(n)
    return stripe.claimed_by(c) if known else None


def sites_are_claimed(facts, db):
    """Every event's site is what the claims say."""
    booked = dict(db.execute("SELECT id, site FROM events"))
    wrong = []
    for n in sorted({n for n, _ in facts.sent}):
        site = site_of(facts, booked, n) or "unclaimed"
        if booked.get(facts.id(n), site) != site:
            wrong.append(f"{facts.id(n)} is {booked[facts.id(n)]}, not {site}")
    return wrong


def late_ones_came(facts, db):
    """An event is owed to its site's destination, whatever came first, and to no other site's."""
    booked = dict(db.execute("SELECT id, site FROM events"))
    have = set(db.execute("SELECT event_id, destination FROM deliveries"))
    wrong = []
    for n in sorted({n for n, _ in facts.sent if facts.id(n) in booked}):
        site = site_of(facts, booked, n)
        for to in ("north", "south", "lost"):
            owes = MAY[to](n, None) and to == (site or "lost")
            owed = (facts.id(n), to) in have
            waited = to == "lost" and site is not None
            if owes != owed and not waited:
                wrong.append(f"{facts.id(n)}, of {site}, {'owes' if owes else 'does not owe'} {to}")
    return wrong


def rows_of(db, table):
    sql = (f"SELECT id, event_id, event_created, deleted, undecided, embedded, data FROM {table}"
           " WHERE owner = 'main'")
    return {row[0]: row[1:] for row in db.execute(sql)}


def products_wrong(booked, rows):
    steps = collections.defaultdict(set)
    for n in booked:
        if stripe.product_of(n):
            product, step = stripe.product_of(n)
            steps[product].add(step)
    wrong = [f"prod_{p} has no row" for p in steps if f"prod_{p}" not in rows]
    for product, known in steps.items():
        if f"prod_{product}" not in rows:
            continue
        event, second, deleted, undecided, _, data = rows[f"prod_{product}"]
        last = max(known)
        if second != stripe.product_second(product, last):
            wrong.append(f"prod_{product} shows {event} of {second}, and {last} is known")
        if bool(deleted) != stripe.product_is_deleted(product, last):
            wrong.append(f"prod_{product}: deleted is {deleted} after {last}")
        name = json.loads(data)["name"]
        if len(known) == last + 1 and not undecided and name != stripe.product_name(product, last):
            wrong.append(f"prod_{product} is {name} after {last}, and not marked")
    return wrong


def rows_follow(facts, db):
    """Rows of tables are what the booked events say. Of one event: that one. Of a product: the
    state that it is in if all until then is known, or marked as undecided; deleted ones stay so."""
    began = not db.in_transaction
    if began:
        db.execute("BEGIN")
    booked = sorted(int(i[-7:]) for i, in db.execute("SELECT id FROM events"))
    tables = {t: rows_of(db, f"stripe_{t}s") for t in ("customer", "charge", "invoice", "product")}
    if began:
        db.execute("COMMIT")
    wrong = products_wrong(booked, tables.pop("product"))
    for n in booked:
        if stripe.product_of(n):
            continue
        kind = ("customer", "charge", "invoice")[n % 3]
        row = tables[kind].get(f"cus_{n}" if kind == "customer" else f"{kind}_{n}")
        if row is None or row[0] != facts.id(n):
            wrong.append(f"{facts.id(n)} is not what its row shows: {row and row[0]}")
    return wrong


def all_rows(db):
    """All columns of all tables."""
    tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE"
                        " 'stripe\\_%' ESCAPE '\\' ORDER BY 1").fetchall()
    return {t: collections.Counter(db.execute(f"SELECT * FROM {t}")) for t, in tables}


def rows_differ(mine, theirs):
    wrong = []
    for table in sorted(mine.keys() | theirs.keys()):
        a, b = (rows.get(table, collections.Counter()) for rows in (mine, theirs))
        wrong += [f"{table}, the first alone: {row}"[:300] for row in a - b]
        wrong += [f"{table}, the second alone: {row}"[:300] for row in b - a]
    return wrong


ORACLES = (acked_once, receipts_fit, bytes_kept, owed_settled, done_was_received,
           attempts_were_received, sites_were_sent_truth, again_only_for_a_reason,
           nothing_suspended, sites_are_claimed, late_ones_came, rows_follow)
