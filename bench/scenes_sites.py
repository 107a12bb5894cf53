# SPDX-License-Identifier: MIT
"""What sites cost: the same ledger with many learnt objects, the same events, with and without
sites in the configuration. Each event is an invoice of a customer in no order; customers and their
subscriptions are the learnt objects, two at a time."""
import contextlib
import sqlite3
import time

import client
from scenes_grown import booking_rate
from servers import EVENT, Hookkeep
from settings import OBJECTS, SECONDS, WARM_S, say

SITES = 50
PART = 0.3  # of SECONDS_EACH, in the closed loop


def event_of_many(folder):
    """The usual event, of a customer and a subscription that the client picks."""
    path = folder / "invoice.of.many.in"
    text = EVENT.read_text()
    for one, many in (("cus_Tq4bWadden0042", "cus_" + "&" * 10),
                      ("sub_1WaddenSubscription01", "sub_" + "&" * 10)):
        assert one in text
        text = text.replace(one, many)
    path.write_text(text)
    return path


def packed(number):
    """As site_numbers_add does it."""
    out = bytearray()
    while number >= 0x80:
        out.append(0x80 | number & 0x7F)
        number >>= 7
    out.append(number)
    return bytes(out)


class Learnt(Hookkeep):
    """A ledger that knows OBJECTS objects; no sites are configured."""

    label = f"Hookkeep, {OBJECTS:,} objects, no sites"
    known = OBJECTS // 2

    def start(self):
        # The tables are made by a start of its own.
        super().start()
        self.stop()
        with contextlib.closing(sqlite3.connect(self.folder / "hookkeep.db")) as books:
            books.executemany("INSERT OR IGNORE INTO site VALUES (?, ?)",
                              [(i + 1, f"s{i}") for i in range(SITES)])
            books.executemany(
                "INSERT INTO object VALUES (?, 'main', 0, ?, 'customer', x'', x'', ?, ?, 0)",
                ((i + 1, f"cus_{i:010}", 1 + i % SITES, 1 + i % SITES) for i in range(self.known)))
            books.executemany(
                "INSERT INTO object VALUES (?, 'main', 0, ?, 'subscription', ?, x'', 0, ?, 0)",
                ((self.known + i + 1, f"sub_{i:010}", packed(i + 1), 1 + i % SITES)
                 for i in range(self.known)))
            books.executemany("INSERT INTO link (above, below) VALUES (?, ?)",
                              ((i + 1, self.known + i + 1) for i in range(self.known)))
            books.commit()
            books.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        super().start()
        while not self.ready():  # the plan is adopted, and all is weighed
            self.check_alive()
            time.sleep(0.1)


class Sited(Learnt):
    """The same with sites, whose first adoption weighs all objects."""

    label = f"Hookkeep, {OBJECTS:,} objects, {SITES} sites"

    def config(self):
        claims = "claims: [{where: {data.object.metadata.site: "
        sites = "".join(f"  - {{name: s{i}, {claims}s{i}}}}}]}}\n" for i in range(SITES))
        return f"{super().config()}sites:\n{sites}"


def sited_one(kind, run):
    """A burst, then booking alone: a second, answers, events received and booked, bookings."""
    with client.folder_of("sites", run.folder) as folder:
        server = kind(folder)
        server.event = event_of_many(folder)
        try:
            server.start()
            _, began = server.positions()
            row = client.load(server, seconds=SECONDS * PART)
            lag = client.await_caught_up(server, row["answered"])
            done = row["answered"] / (SECONDS * PART + WARM_S + lag)
            _, booked = server.positions()
            with server.booking_kept_out():
                filled = client.fill_journal(server)
            booking = booking_rate(server, booked)
        finally:
            server.stop()
        server.check(row["answered"] + filled)
        if kind is Sited:
            check_sites(server)
    say(f"  {kind.label}: {row['per_second']:,.0f} answers/s, {done:,.0f} received and booked/s, "
        f"then {filled:,} booked alone at {booking:,.0f}/s")
    return row["per_second"], done, booking


def check_sites(server):
    """Every event found the site of its customer."""
    with contextlib.closing(sqlite3.connect(server.folder / "hookkeep.db")) as books:
        wrong, = books.execute(
            "SELECT count(*) FROM event WHERE site <> 1 + CAST(substr((SELECT payload ->> "
            "'data.object.customer' FROM body WHERE receipt_seq = seq), 5) AS INTEGER) % ? AND seq "
            "% 100 = 0", (SITES,)).fetchone()
        if wrong:
            raise client.Wrong(f"{wrong} of a hundredth of the events went to another site")


def sites(run):
    """50 sites on one account with many objects learnt, beside the same without sites"""
    results = {}
    for kind in (Learnt, Sited) if run.round % 2 == 0 else (Sited, Learnt):
        results[kind] = sited_one(kind, run)
    for i, figure in enumerate(("sites_answers", "sites_done", "sites_booking")):
        run.figure(figure, results[Sited][i] / results[Learnt][i])
