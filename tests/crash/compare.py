# SPDX-License-Identifier: MIT
"""The oracles: what was acknowledged and what the sites got, against the ledger. Each one returns
the list of what is wrong; `cheats` show that each can find something."""
import bisect
import collections
import copy
import functools
import hashlib
import json
import re

import site_side
import stripe_side as stripe

# Destinations as rounds.py configures them: does this event, come through this source, go there?
MATCHES = {
    "audit": lambda n, path: True,
    "tables": lambda n, path: True,
    "shop": lambda n, path: stripe.event_type(n).startswith("customer."),
    "connect": lambda n, path: path == "/connect",
    "live": lambda n, path: stripe.is_live(n) and stripe.event_type(n) == "charge.succeeded",
    "ordered": lambda n, path: stripe.product_of(n) is not None,
}
# Of those whose own event claims nothing, it depends on the customer's whether they are somebody's
# (site_of), and on what came first whether they were nobody's meanwhile.
MAY = {**MATCHES,
       "north": lambda n, path: stripe.event_type(n) == "charge.succeeded",
       "lost": lambda n, path: stripe.event_type(n) == "charge.succeeded",
       "south": lambda n, path: stripe.event_type(n) == "invoice.paid"}
RETRIES = 3  # the schedule's length
LANES_LEAST = 100  # events that were behind another one in their lane
LATE = "its endpoint was disabled when its next attempt was due"
GONE = "its endpoint was deleted"


class Reception:
    def __init__(self, words):
        self.number, self.time_us = int(words[1]), int(words[2])
        self.to, self.event = words[3], words[4]
        self.attempt, self.sound, self.sha256 = int(words[5]), words[6] == "1", words[7]
        self.signature, self.status = words[6], None


@functools.cache
def is_signed(prefix, n, signature, secret):
    return site_side.is_sound(signature, stripe.event_body(prefix, n), secret.encode())


class Facts:
    """What is known outside of the gateway."""

    def __init__(self, load, api, kills_us, record):
        self.prefix, self.sent, self.acked = load.prefix, list(load.sent), list(load.acked)
        self.sent_at, self.acked_at = load.sent_at, load.acked_at
        self.kills_us = sorted(kills_us)
        self.endpoints, self.listed = copy.deepcopy(api.made), list(api.listed)
        self.endpoints = [e for e in self.endpoints if e.asks]
        self.receptions = []
        by_number = {}
        with open(record, encoding="ascii") as lines:
            for words in (line.split() for line in lines):
                if words[0] == "R":
                    r = by_number[words[1]] = Reception(words)
                    self.receptions.append(r)
                else:
                    by_number[words[1]].status = int(words[3])
        self.by_endpoint = {e.path(): [] for e in self.endpoints}
        for r in self.receptions:
            if r.to in self.by_endpoint:
                self.by_endpoint[r.to].append(r)
        for e in self.endpoints:
            self.name(e)

    def name(self, endpoint):
        """What came to an endpoint's site, by the id and the secret that were told."""
        for r in self.by_endpoint[endpoint.path()]:
            r.to = endpoint.id
            r.sound = is_signed(self.prefix, int(r.event[-7:]), r.signature, endpoint.secret)

    def id(self, n):
        return stripe.event_id(self.prefix, n)

    def booked_within(self, n):
        """From when until when it can have been booked."""
        return self.sent_at[n], self.acked_at.get(n, float("inf"))

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
    have = {k: d for k, d in have.items() if not k[1].startswith("we_")}
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


def lanes_keep_order(facts, db):
    """Of one object, each event came only when the one before it had come for the last time."""
    came = {}
    for r in facts.receptions:
        if r.to == "ordered":
            first, last = came.get(r.event, (r.number, r.number))
            came[r.event] = min(first, r.number), max(last, r.number)
    rows = db.execute("SELECT e.object_id, e.id FROM deliveries AS d JOIN event AS e ON e.seq ="
                      " d.event_seq WHERE d.destination = 'ordered' ORDER BY d.seq")
    before, wrong, followed = {}, [], 0
    for lane, event in rows:
        if event not in came:
            continue
        ahead = before.get(lane)
        before[lane] = event
        followed += ahead is not None
        if ahead is not None and came[ahead][1] > came[event][0]:
            wrong.append(f"{event} of {lane} came before {ahead} was through")
    return wrong if followed >= LANES_LEAST else [f"only {followed} events had one before them"]


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


def fits(endpoint, n):
    return (stripe.event_type(n) in endpoint.types and stripe.is_live(n) == endpoint.live
            and stripe.is_connect(n) == endpoint.connect)


def suspended_events(db):
    """Those that a person booked later: by the endpoints of then."""
    rows = db.execute("SELECT payload FROM suspense WHERE kind = 'event'")
    return {int(n) for payload, in rows for n in re.findall(rb"evt_s\d+_(\d{7})", payload)}


def is_excused(endpoint, state, error, failures):
    """Must an event not have come, though the endpoint was on when it was booked?"""
    last = endpoint.asks[-1][0]
    enabled_again = sum(what == "on" for what, _, _ in endpoint.asks) > 1
    return (state == "dead" and error and failures > (9 if endpoint.live else 3)
            or state == "cancelled" and error == GONE and last == "delete"
            or state == "cancelled" and error == LATE and enabled_again)


def endpoints_got_theirs(facts, db):
    """What was accepted while an endpoint was on came to it. It is on from the answer to its create
    until somebody asks to disable or delete it; what waits then may be cancelled."""
    rows = db.execute("SELECT event_id, destination, state, last_error, failures FROM deliveries"
                      " WHERE destination LIKE 'we\\_%' ESCAPE '\\'")
    have = {(event, to): rest for event, to, *rest in rows}
    got = {(r.event, r.to) for r in facts.receptions}
    late, wrong = suspended_events(db), []
    order = sorted((facts.sent_at[n], n) for n in facts.acked_at if n not in late)
    for e, what, since, until in ((e, *span) for e in facts.endpoints for span in e.spans()):
        first, last = (bisect.bisect(order, (t,)) for t in (since, until))
        for _, n in order[first:last] if what == "on" else ():
            key = facts.id(n), e.id
            if fits(e, n) and facts.acked_at[n] < until and key not in got:
                state = have.get(key, ("missing", "", 0))
                if not is_excused(e, *state):
                    wrong.append(f"{key[0]} never came to {e.id}: {state}")
    by_id = {e.id: e for e in facts.endpoints}
    for (event, to), state in have.items():
        if state[0] != "done" and (to not in by_id or not is_excused(by_id[to], *state)):
            wrong.append(f"{event} to {to} is {state}")
    return wrong


def endpoints_got_nothing_else(facts, db):
    """Nothing came to an endpoint but what fits. It gets nothing that was accepted before anybody
    asked for it, while it was disabled, or after its end was answered."""
    late, wrong = suspended_events(db), []
    for e in facts.endpoints:
        off = [(since, until) for what, since, until in e.spans() if what == "off"]
        for r in (r for r in facts.receptions if r.to == e.id):
            n = int(r.event[-7:])
            sent, acked = facts.booked_within(n)
            if not fits(e, n):
                wrong.append(f"{e.id} got {r.event}, which it never wanted")
            elif n not in late and any(since < sent and acked < until for since, until in off):
                wrong.append(f"{e.id} got {r.event}, which was accepted while it was off")
    return wrong


def keys_made_one(facts, db):
    """A key made one endpoint, however often it was asked. The same id and secret were told each
    time; nothing else is in the list or was ever in the books."""
    wrong = [f"key {e.number} was told {len(set(e.told))} endpoints" for e in facts.endpoints
             if len(set(e.told)) != 1]
    there = {e.id for e in facts.endpoints if e.asks[-1][0] != "delete"}
    if sorted(facts.listed) != sorted(there):
        wrong.append(f"listed are {sorted(facts.listed)}, not {sorted(there)}")
    booked = {i for i, in db.execute("SELECT id FROM endpoints")}
    return wrong + [f"{i} is in the books or told, not both"
                    for i in booked ^ {e.id for e in facts.endpoints}]


def secrets_stay_open(facts, _):
    """Each endpoint that is left was sent to after the last kill, signed with its secret."""
    last = facts.kills_us[-1] if facts.kills_us else 0
    opened = {r.to for r in facts.receptions if r.sound and r.time_us > last}
    return [f"{e.id} got nothing that its secret signed after the last kill"
            for e in facts.endpoints if e.asks[-1][0] == "on" and e.id not in opened]


ORACLES = (acked_once, receipts_fit, bytes_kept, owed_settled, done_was_received,
           attempts_were_received, sites_were_sent_truth, again_only_for_a_reason,
           lanes_keep_order, nothing_suspended, sites_are_claimed, late_ones_came, rows_follow,
           endpoints_got_theirs, endpoints_got_nothing_else, keys_made_one, secrets_stay_open)
