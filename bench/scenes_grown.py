# SPDX-License-Identifier: MIT
"""Scenes on a ledger that holds many events already: it is filled by a gateway once, and kept
beside the build for as long as the ledger's schema and the event are the same."""
import array
import bisect
import hashlib
import mmap
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import threading
import time

import client
from servers import SECRET, Hookkeep, Nginx
from settings import (BUILD, EVENTS, PHASE_S, ROOT, SECONDS, SERVER_CORE, USUAL_MIB, WARM_S, Wrong,
                      say)

EVENT_BYTES = 6000  # of the ledger, generously
COPIES = 4  # at once: the kept one, the one in use, its backup, or the copy before a migration
BACKUP = "backup.db"
LATE_MS = 50
LOOK_MS = 10
SETTLE_S = 30  # after a phase
WAL_BYTES = 70 << 20  # of a WAL that was cut
# What takes a migration back, by its version: it makes statements.
UNDO = {
    2: "SELECT 'DROP VIEW ' || name FROM sqlite_schema WHERE type = 'view'",
    3: "SELECT 'DROP INDEX answer_key' UNION ALL SELECT 'ALTER TABLE answer DROP COLUMN ' || name "
       "FROM pragma_table_info('answer') WHERE name NOT IN ('position', 'json')",
    4: "SELECT 'DROP VIEW ' || name FROM sqlite_schema WHERE type = 'view' AND name IN "
       "('accounts', 'secret_uses', 'event_types', 'api_versions') UNION ALL "
       "SELECT 'DROP TABLE sighting'",
    5: "VALUES ('DROP VIEW events'), ('DROP VIEW sites'), ('DROP VIEW objects'), "
       "('DROP TABLE link_new'), ('DROP INDEX event_unclaimed'), ('DROP INDEX event_waiting'), "
       "('ALTER TABLE event DROP COLUMN site'), ('ALTER TABLE event DROP COLUMN object'), "
       "('DROP TABLE link'), ('DROP TABLE object'), ('DROP TABLE site'), "
       "('CREATE VIEW events AS SELECT seq FROM event')",
    6: "VALUES ('ALTER TABLE link DROP COLUMN more')",
    7: "VALUES ('DROP TABLE rebuild')",
    8: "VALUES ('UPDATE event SET status = 1 WHERE status = 3')",
    9: "VALUES ('DROP VIEW listen_attempts'), ('DROP TABLE listen_attempt')",
    10: "VALUES ('DROP VIEW endpoints'), ('DROP TABLE endpoint')",
    11: "VALUES ('DROP TABLE event_block'), ('DROP TABLE event_whose'), "
        "('DROP INDEX event_pending')",
    12: "VALUES ('DROP VIEW deliveries'), ('DROP INDEX delivery_due'), "
        "('ALTER TABLE delivery DROP COLUMN priority'), ('CREATE INDEX delivery_due ON delivery "
        "(destination, next_at) WHERE state IN (0, 2)'), "
        "('CREATE VIEW deliveries AS SELECT seq FROM delivery')",
    13: "VALUES ('DROP VIEW destinations'), ('ALTER TABLE destination DROP COLUMN failing_since'), "
        "('CREATE VIEW destinations AS SELECT number FROM destination')",
    14: "VALUES ('DROP TABLE lane')",
}


def kept_ledger(run):
    """The path of a ledger with EVENTS inside."""
    made_of = hashlib.sha256(client.EVENT.read_bytes())
    for file in ("migrations.c", "migrations.def"):
        made_of.update((ROOT / "src/ledger" / file).read_bytes())
    schema = f"bench-ledger-{made_of.hexdigest()[:12]}"
    path = BUILD / f"{schema}-{EVENTS}.db"
    if path.exists():
        return path
    for old in BUILD.glob("bench-ledger-*"):
        if not old.name.startswith(schema):
            old.unlink()
    if shutil.disk_usage(BUILD).free < EVENTS * EVENT_BYTES * COPIES:
        raise Wrong(f"{EVENTS:,} events need {EVENTS * EVENT_BYTES * COPIES >> 30} GiB of disk "
                    "for a while; EVENTS=100000 needs a tenth")
    say(f"  filling a ledger with {EVENTS:,} events, once: {path}")
    with client.folder_of("filled", run.folder) as folder:
        server, filled = Hookkeep(folder), 0
        try:
            server.start()
            while filled < EVENTS:
                count = min(EVENTS - filled, client.CHUNK, server.journal_mib * 150)
                filled += client.load(server, count=count, warm=0)["answered"]
                client.await_caught_up(server, filled)
        finally:
            server.stop()
        server.check(filled)
        with sqlite3.connect(folder / "hookkeep.db", isolation_level=None) as books:
            # As a restored ledger is: of no journal yet.
            books.execute("UPDATE state SET journal_id = zeroblob(16), start_booked = booked, "
                          "start_count = 0")
            books.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        books.close()
        shutil.copy(folder / "hookkeep.db.key", f"{path}.key")
        (folder / "hookkeep.db").rename(path)
    return path


class Grown(Hookkeep):
    """Begins with a copy of the kept ledger."""

    label, already = "Hookkeep, a large ledger", EVENTS
    kept = None

    def start(self):
        for end in ("", ".key"):
            subprocess.run(["cp", "--reflink=auto", f"{self.kept}{end}",
                            self.folder / f"hookkeep.db{end}"], check=True)
        # What the copy left to write must not be written while it is measured.
        subprocess.run(["sync", self.folder / "hookkeep.db"], check=True)
        super().start()


def booking_rate(server, began_at):
    """Records booked a second from now on until all is; `began_at`: booked so far."""
    booked, durable, first = began_at, began_at + 1, time.monotonic()
    while booked < durable:
        server.check_alive()
        durable, booked = server.positions()
        if booked == began_at:
            first = time.monotonic()  # it tries again every few seconds
        elif booked < durable:
            time.sleep(0.02)
    return (booked - began_at) / max(time.monotonic() - first, 1e-6)


def grown_one(kind, run):
    """A burst, then booking alone: answers and bookings a second."""
    with client.folder_of("grown", run.folder) as folder:
        server = kind(folder)
        try:
            server.start()
            row = client.load(server, seconds=SECONDS * 0.3)
            answered = row["answered"]
            client.await_caught_up(server, answered)
            _, booked = server.positions()
            with server.booking_kept_out():
                filled = client.fill_journal(server)
            booking = booking_rate(server, booked)
            answered += filled
        finally:
            server.stop()
        server.check(answered)
    say(f"  {kind.label}: {row['per_second']:,.0f} answers/s, then {filled:,} booked "
        f"alone at {booking:,.0f}/s")
    return row["per_second"], booking


def grown(run):
    """a ledger with many events inside beside an empty one"""
    Grown.kept = kept_ledger(run)
    results = {}
    for kind in (Hookkeep, Grown) if run.round % 2 == 0 else (Grown, Hookkeep):
        results[kind] = grown_one(kind, run)
    run.figure("booking", results[Hookkeep][1])
    run.figure("booking_grown", results[Grown][1])
    run.figure("grown_answers", results[Grown][0] / results[Hookkeep][0])
    run.figure("grown_booking", results[Grown][1] / results[Hookkeep][1])


# --- stalls: what goes on beside the answering in each phase


def nothing_else(server):
    time.sleep(PHASE_S)


def a_backup(server):
    server_command(server, BUILD / "hookkeep", "ledger", "backup", server.folder / BACKUP)


def a_query(server):
    """A read transaction of another program, and a filter of the desk that no index serves."""
    script = ("import sqlite3, sys, time\n"
              "books = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
              "books.execute('BEGIN')\n"
              "end = time.monotonic() + float(sys.argv[2])\n"
              "while time.monotonic() < end:\n"
              "    books.execute('SELECT type, sum(length(payload)) FROM (SELECT * FROM events '\n"
              "                  'LIMIT 100000) GROUP BY type').fetchall()\n")
    desk = threading.Thread(target=ask_desk, args=(server, time.monotonic() + PHASE_S))
    desk.start()
    server_command(server, sys.executable, "-c", script, server.folder / "hookkeep.db", PHASE_S)
    desk.join()


def ask_desk(server, end):
    while time.monotonic() < end:
        try:
            server.ask("/api/events?account=acct_nobody")
        except OSError:  # it took longer than a query may
            pass
        time.sleep(0.01)


def its_checkpoint(server):
    """Until what grew behind a reader is copied, and the WAL is cut."""
    time.sleep(PHASE_S / 2)
    end = time.monotonic() + SETTLE_S
    while (server.folder / "hookkeep.db-wal").stat().st_size > WAL_BYTES:
        if time.monotonic() > end:
            say(f"    the WAL is larger than {WAL_BYTES >> 20} MiB for {SETTLE_S} s")
            return
        time.sleep(0.05)


PHASES = [
    ("nothing else", nothing_else),
    ("a backup", a_backup),
    ("the checkpoint behind it", its_checkpoint),
    ("a long query", a_query),
    ("the checkpoint behind that", its_checkpoint),
]


def server_command(server, *command):
    """On the server's core, where a user's one would run if there were no other."""
    done = subprocess.run(["taskset", "-c", str(SERVER_CORE), *map(str, command)], text=True,
                          cwd=server.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=600, check=False,
                          env={**os.environ, "STRIPE_WEBHOOK_SECRET": SECRET})
    if done.returncode != 0:
        raise Wrong(f"{command[0]} failed: {done.stdout[-300:]}")


class Busy(Grown):
    label, journal_mib = f"Hookkeep, journal of {USUAL_MIB} MiB", USUAL_MIB


def stalls(run):
    """segment changes, checkpoints, a backup, a long query, a migration: the worst answer"""
    rate = round(run.peak(Hookkeep) / 3)
    Grown.kept = kept_ledger(run)
    with client.folder_of("stalls", run.folder) as folder:
        server = Busy(folder)
        try:
            run.phases = busy_phases(server, rate, folder / "times")
            # Not while answers are measured: where the disk is mounted with `discard`, that holds
            # up every sync.
            (folder / BACKUP).unlink()
            run.figure("stalls_worst_ms", max(phase["worst_ms"] for phase in run.phases))
            run.figure("stalls_gap_ms", max(phase["gap_ms"] for phase in run.phases))
            plain, migrating = migration_starts(server)
        finally:
            server.stop()
    run.figure("migration_ms", (migrating - plain) * 1000)
    run.figure("migration_start_s", migrating)
    say(f"  a start {plain:.2f} s, with a migration pending {migrating:.2f} s until an answer")
    floor = client.measure(Nginx, run.folder, len(PHASES) * PHASE_S, rate=rate)
    run.phases.append({"name": "nginx, nothing else", "events": floor["answered"],
                       "worst_ms": floor["max_ms"], "late": floor["slow"]})
    run.stalls_rate = rate


class Watch(threading.Thread):
    """Looks at what is booked all the time, for the longest time in which nothing was though there
    was something to book."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.over, self.gaps = server, False, []

    def run(self):
        seen, since = 0, time.monotonic_ns()
        while not self.over:
            try:
                durable, booked = self.server.positions()
            except OSError:  # the server ends
                return
            now = time.monotonic_ns()
            if booked != seen or booked == durable:
                self.gaps.append((since, now))
                seen, since = booked, now
            time.sleep(LOOK_MS / 1000)

    def worst_ms(self, begins, ends):
        """Of the gaps that reach into this time, as far as they do."""
        return max((min(b, ends) - max(a, begins)) / 1e6 for a, b in self.gaps)


def busy_phases(server, rate, times):
    """What was seen in each phase."""
    server.start()
    under_way = client.begin(server, seconds=240, rate=rate, times=times)
    watch = Watch(server)
    watch.start()
    try:
        await_first(times, under_way)
        time.sleep(WARM_S)
        marks, syncs = [], []
        for _, work in PHASES:
            await_no_lag(times, server)
            begins, before = time.monotonic_ns(), server.syncs()
            work(server)
            marks.append((begins, time.monotonic_ns()))
            syncs.append((before, server.syncs()))
        row = client.finish(under_way, server, early=True)
    finally:
        watch.over = True
        under_way.kill()
    watch.join()
    client.await_caught_up(server, row["answered"])
    if row["not_200"]:
        raise Wrong(f"{row['not_200']} answers were not 200 (see above)")
    seen = client.read_times(times)
    return [phase_row(name, seen, marks[i], syncs[i], watch.worst_ms(*marks[i]))
            for i, (name, _) in enumerate(PHASES)]


def await_first(times, under_way):
    """The client signs for a while before it begins; then the first number is not 0 any more."""
    while under_way.poll() is None:
        if times.exists() and times.stat().st_size > 8:
            with open(times, "rb") as f:
                if array.array("q", f.read(8))[0] != 0:
                    return
        time.sleep(0.05)
    raise Wrong("the client gave up (see above)")


def await_no_lag(times, server):
    """So that a phase is not told the lateness of the one before it."""
    end = time.monotonic() + SETTLE_S
    with open(times, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as view:
        seen = memoryview(view).cast("q")
        try:
            while time.monotonic() < end:
                first_open = bisect.bisect(range(len(seen) // 2), 0,
                                           key=lambda i: int(seen[2 * i] == 0))
                if first_open and time.monotonic_ns() - seen[2 * (first_open - 1)] < LATE_MS * 1e6:
                    return
                server.check_alive()
                time.sleep(0.05)
        finally:
            seen.release()
    say(f"    the answers still come late after {SETTLE_S} s: the next phase is told it too")


def phase_row(name, seen, marks, syncs, gap_ms):
    ms = [(seen[i + 1] - seen[i]) / 1e6 for i in range(0, len(seen), 2)
          if marks[0] <= seen[i] < marks[1]]
    if not ms:
        raise Wrong(f"no event in the phase '{name}'")
    late = sum(x > LATE_MS for x in ms)
    seconds, count = (after - before for before, after in zip(*syncs))
    sync_ms = 1000 * seconds / max(count, 1)
    say(f"    {name}: {len(ms):,} events, the worst {max(ms):.1f} ms, {late} above {LATE_MS} ms; "
        f"a sync took {sync_ms:.2f} ms; nothing was booked for {gap_ms:.0f} ms")
    return {"name": name, "events": len(ms), "worst_ms": max(ms), "late": late, "sync_ms": sync_ms,
            "gap_ms": gap_ms}


def migration_starts(server):
    """Seconds from the start to the first answer, without a migration pending and with one."""
    took = []
    for undo in (False, True):
        server.stop()
        if undo:
            undo_migration(server.folder / "hookkeep.db")
        began = time.monotonic()
        server.launch()
        took.append(client.first_answer(server, began, 600))
    if not list(pathlib.Path(server.folder).glob("hookkeep.db.before-v*")):
        raise Wrong("no migration ran")
    return took


def undo_migration(path):
    books = sqlite3.connect(path, isolation_level=None)
    version, = books.execute("PRAGMA user_version").fetchone()
    if version not in UNDO:
        raise Wrong(f"UNDO does not know how to take migration {version} back")
    for statement, in books.execute(UNDO[version]).fetchall():
        books.execute(statement)
    books.execute("DELETE FROM migrations WHERE version = ?", (version,))
    books.execute(f"PRAGMA user_version = {version - 1}")
    books.close()
