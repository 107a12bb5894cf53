# SPDX-License-Identifier: MIT
"""Crash rounds: a gateway under load is killed at random moments and started again; at the end
every oracle of compare.py looks at the books, and then at books that were cheated with, where it
must find something.

    HOOKKEEP_BUILD=build ROUNDS=40 SEED=n python3 tests/crash/rounds.py

Each round is one row of KINDS and counts as one test, as do each oracle and each cheat. The last
line is `N passed, N failed`. The seed decides kinds, moments, events and the sites' answers, not
how threads meet. KEEP=1 keeps the folder.
"""
import http.client
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

import api_side
import cheats
import compare
import site_side
import stripe_side as stripe

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, os.environ.get("HOOKKEEP_BUILD") or "build", "hookkeep")
RATE = 1300  # events a second
READY_S = 60
SETTLE_S = 180
LAST_EVENTS = 3000  # enough that each endpoint that is left gets one
RETRIED_AT_ONCE = 200
DIED_TWICE = "the process died twice"

CONFIG = """listen: [http://127.0.0.1:{port}]
desk: {{listen: [http://127.0.0.1:{desk}], allow_private: [127.0.0.0/8], rate: 0}}
ledger: sqlite:{folder}/ledger.db
journal: {{path: {folder}/journal, size: 16MiB}}
limits: {{drain_timeout: 5s}}
log: {{level: info}}
sources:
  - path: /webhook
    secrets: [{{label: account, key: {account}}}]
  - path: /connect
    secrets: [{{label: connect, key: {connect}}}{spare}]
destinations:
  - {{name: tables, kind: tables}}
  - {{name: audit, url: {site}/audit, {common}}}
  - name: shop
    url: {site}/shop
    {common_lines}
    match: [{{types: customer.*}}]
  - name: connect
    url: {site}/connect
    {common_lines}
    match: [{{sources: /connect}}]
  - name: live
    url: {site}/live
    {common_lines}
    livemode: live
    match: [{{types: charge.succeeded}}]
  - name: north
    url: {site}/north
    {common_lines}
    match: [{{types: charge.succeeded, sites: north}}]
  - name: south
    url: {site}/south
    {common_lines}
    match: [{{types: invoice.paid, sites: south}}]
  - name: lost
    url: {site}/lost
    {common_lines}
    match: [{{types: charge.succeeded, sites: unclaimed}}]
  - name: ordered
    url: {site}/ordered
    {common_lines}
    order: object
    match: [{{types: product.*}}]
sites:
  - {{name: north, claims: [{{where: {{data.object.metadata.site: north}}}}]}}
  - name: south
{south}"""
SOUTH = "    claims: [{where: {data.object.metadata.site: south}}]\n"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class House:
    """The folder, the sites and the gateway's lives."""

    def __init__(self, seed):
        self.folder = tempfile.mkdtemp(prefix="hookkeep-crash-")
        self.config = os.path.join(self.folder, "hookkeep.yaml")
        self.record = os.path.join(self.folder, "received")
        self.port, self.desk = free_port(), free_port()
        self.kills_us, self.variant, self.gateway, self.rebuild = [], 0, None, None
        self.site = subprocess.Popen([sys.executable, site_side.__file__, self.record, str(seed)],
                                     stdout=subprocess.PIPE, text=True)
        self.site_port = int(self.site.stdout.readline())
        self.configure()

    def configure(self):
        """Another plan each time, with the same matching. Now and then a site claims nothing for a
        while, so that its events wait for a configuration."""
        self.variant += 1
        common = {"secret": site_side.SECRET.decode(), "timeout": f"{1 + self.variant % 2}s",
                  "retry": "[1s, 1s, 1s]", "concurrency": str(16 + self.variant % 3)}
        spare = ", {label: spare, key: whsec_crash_rounds_spare_secret}" if self.variant % 2 else ""
        south = "" if self.variant % 3 == 2 else SOUTH
        text = CONFIG.format(port=self.port, desk=self.desk, folder=self.folder, spare=spare,
                             south=south,
                             site=f"http://127.0.0.1:{self.site_port}",
                             account=stripe.SECRETS["/webhook"].decode(),
                             connect=stripe.SECRETS["/connect"].decode(),
                             common=", ".join(f"{k}: {v}" for k, v in common.items()),
                             common_lines="\n    ".join(f"{k}: {v}" for k, v in common.items()))
        with open(self.config + ".new", "w", encoding="ascii") as f:
            f.write(text)
        os.rename(self.config + ".new", self.config)

    def start(self):
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.gateway = subprocess.Popen([PROGRAM, "serve", "-c", self.config],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        self.kills_us.append(time.time_ns() // 1000)
        self.gateway.kill()
        self.gateway.wait()
        self.kills_us.append(time.time_ns() // 1000)

    def wait_ready(self):
        """None, or why it is not ready."""
        end, said = time.monotonic() + READY_S, "nothing"
        while time.monotonic() < end:
            if self.gateway.poll() is not None:
                return f"it ended with {self.gateway.returncode}"
            try:
                c = http.client.HTTPConnection("127.0.0.1", self.desk, timeout=5)
                c.request("GET", "/readyz")
                answer = c.getresponse()
                said = answer.read().decode()
                c.close()
                if answer.status == 200:
                    return None
            except (OSError, http.client.HTTPException) as e:
                said = str(e)
            time.sleep(0.01)
        return f"it was not ready after {READY_S} s: {said}"

    def run(self, *words):
        done = subprocess.run([PROGRAM, *words, "-c", self.config], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False)
        return done.returncode, done.stdout + done.stderr

    def ledger(self):
        db = sqlite3.connect(f"file:{self.folder}/ledger.db?mode=ro", uri=True, timeout=10)
        return db

    def calm(self):
        c = http.client.HTTPConnection("127.0.0.1", self.site_port, timeout=20)
        c.request("POST", "/calm", b"")
        c.getresponse().read()
        c.close()

    def claim_all(self):
        """Waits until a configuration is booked in which no site is silent."""
        while self.variant % 3 == 2:
            self.configure()
            self.gateway.send_signal(signal.SIGHUP)
        end = time.monotonic() + READY_S
        while time.monotonic() < end:
            db = self.ledger()
            sql = "SELECT json FROM plan ORDER BY generation DESC LIMIT 1"
            plan = db.execute(sql).fetchone()
            db.close()
            if '"values":["south"]' in plan[0]:
                return None
            time.sleep(0.05)
        return f"south claims nothing in the books after {READY_S} s"

    def end(self):
        if self.gateway is not None and self.gateway.poll() is None:
            self.kill()
        if self.rebuild is not None:
            self.rebuild.kill()
            self.rebuild.wait()
        self.site.terminate()
        self.site.wait()

    def tail(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-15:])


# The kinds of round: each ends one life at least. What it returns is wrong, or None.

def under_load(house, r):
    time.sleep(r.uniform(0.1, 1.2))
    house.kill()


def while_starting(house, r):
    """Killed under load, and then again while it starts, before or while it books the tail."""
    time.sleep(r.uniform(0.2, 0.8))
    house.kill()
    for _ in range(r.randrange(1, 4)):
        house.start()
        time.sleep(r.uniform(0, 0.15))
        house.kill()


def right_after_term(house, r):
    time.sleep(r.uniform(0.1, 0.8))
    house.gateway.send_signal(signal.SIGTERM)
    time.sleep(r.uniform(0, 0.1))
    house.kill()


def while_reloading(house, r):
    time.sleep(r.uniform(0.1, 0.8))
    for _ in range(r.randrange(1, 3)):
        house.configure()
        house.gateway.send_signal(signal.SIGHUP)
        time.sleep(r.uniform(0, 0.05))
    house.kill()


def in_quick_succession(house, r):
    """Lives too short to do much."""
    for _ in range(r.randrange(2, 5)):
        time.sleep(r.uniform(0, 0.4))
        house.kill()
        house.start()
    time.sleep(r.uniform(0, 0.4))
    house.kill()


def while_booking_waits(house, r):
    """Another program holds the ledger, so that the journal's tail grows, outcomes among it."""
    db = sqlite3.connect(f"{house.folder}/ledger.db", timeout=10, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    time.sleep(r.uniform(0.3, 1.5))
    house.kill()
    db.execute("ROLLBACK")
    db.close()


def behind_a_reader(house, r):
    """Killed while the WAL that grew behind somebody's transaction is copied beside booking."""
    db = sqlite3.connect(f"{house.folder}/ledger.db", timeout=10, isolation_level=None)
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM events").fetchall()
    time.sleep(r.uniform(1, 3))
    db.execute("ROLLBACK")
    db.close()
    time.sleep(r.uniform(0, 1.5))
    house.kill()


def while_rebuilding(house, r):
    """Killed while tables are made anew; who asked for that goes on with it afterwards."""
    house.rebuild = subprocess.Popen([PROGRAM, "tables", "rebuild", "-c", house.config],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True)
    time.sleep(r.uniform(0, 1))
    house.kill()


def stopped_cleanly(house, r):
    time.sleep(r.uniform(0.3, 1))
    house.gateway.send_signal(signal.SIGTERM)
    try:
        code = house.gateway.wait(20)
    except subprocess.TimeoutExpired:
        house.kill()
        return "SIGTERM did not end it within 20 s"
    return None if code == 0 else f"SIGTERM ended it with {code}"


KINDS = (under_load, while_starting, while_reloading, right_after_term, while_booking_waits,
         behind_a_reader, stopped_cleanly, in_quick_succession, while_rebuilding)


def book_died_twice(house):
    """What was killed twice in the window of one start is suspended untried; a person books it."""
    db = house.ledger()
    rows = db.execute("SELECT position, reason FROM suspense WHERE state = 'waiting'").fetchall()
    db.close()
    for position, reason in rows:
        if not reason.startswith(DIED_TWICE):
            return f"position {position} is in suspense: {reason}"
        code, said = house.run("suspense", "book", str(position))
        if code != 0:
            return f"suspense book {position}: {said}"
    return None


def rebuild_ends(house):
    """What was asked for in while_rebuilding."""
    if house.rebuild is None:
        return None
    said, _ = house.rebuild.communicate(timeout=120)
    code, house.rebuild = house.rebuild.returncode, None
    if code != 0 and "no gateway answers" in said:  # killed in its first question: it asks no more
        code, said = house.run("tables", "rebuild")
    return None if code == 0 else f"tables rebuild: {said}"


def rebuilt_alike(house):
    """All tables before and after they are made anew from the stored events."""
    db = house.ledger()
    before = compare.all_rows(db)
    code, said = house.run("tables", "rebuild")
    wrong = f"tables rebuild: {said}" if code else compare.rows_differ(before, compare.all_rows(db))
    db.close()
    return wrong


def rows_follow(house, load):
    """In the middle of it all, of what is booked by then."""
    db = house.ledger()
    wrong = compare.rows_follow(load, db)
    db.close()
    return wrong


def one_round(house, kind, r, load):
    wrong = kind(house, r)
    house.start()
    wrong = wrong or house.wait_ready() or book_died_twice(house) or rebuild_ends(house)
    if wrong is None:
        code, said = house.run("ledger", "verify")
        wrong = None if code == 0 else f"ledger verify: {said}"
    return wrong or rows_follow(house, load)


class Tests:
    def __init__(self):
        self.passed = self.failed = 0

    def tell(self, name, wrong):
        if wrong:
            self.failed += 1
        else:
            self.passed += 1
        print(f"{'not ok' if wrong else 'ok'} - {name}", flush=True)
        for line in ([wrong] if isinstance(wrong, str) else wrong or [])[:10]:
            print(f"    {line}", flush=True)


def make_keys(house):
    """Test mode's and live mode's, by livemode."""
    keys = {}
    for live, mode in ((False, "test"), (True, "live")):
        code, said = house.run("keys", "create", "--mode", mode)
        if code != 0:
            sys.exit(f"tools/crash: keys create: {said}")
        keys[live] = said.split()[0]
    return keys


def endpoints_finish(house, load, api):
    """Under load still, so that each that is left gets something of the last life."""
    wrong = api.finish()
    end, enough = time.monotonic() + READY_S, load.next + LAST_EVENTS
    while load.next < enough and time.monotonic() < end and house.gateway.poll() is None:
        time.sleep(0.05)
    return wrong


def hurry(house):
    """Endpoints' schedules are hours: who is paused there is made due by hand."""
    db = house.ledger()
    paused = db.execute("SELECT seq FROM deliveries WHERE state = 'waiting' AND destination LIKE"
                        " 'we\\_%' ESCAPE '\\' AND next_at > ? LIMIT ?",
                        ((time.time() + 5) * 1000, RETRIED_AT_ONCE)).fetchall()
    db.close()
    if paused:
        house.run("deliveries", "retry", *(str(seq) for seq, in paused))


def settle(house):
    """Waits until no delivery is open."""
    end, left = time.monotonic() + SETTLE_S, None
    while time.monotonic() < end:
        db = house.ledger()
        left = db.execute("SELECT count(*) FROM delivery WHERE state IN (0, 2)").fetchone()[0]
        db.close()
        if left == 0:
            return None
        hurry(house)
        time.sleep(0.2)
    return f"{left} deliveries are still open after {SETTLE_S} s"


def judge(tests, house, load, api):
    facts = compare.Facts(load, api, house.kills_us, house.record)
    db = house.ledger()
    for oracle in compare.ORACLES:
        tests.tell(oracle.__doc__.split(".")[0], oracle(facts, db))
    db.close()
    for cheat, oracle in cheats.CHEATS:
        path = os.path.join(house.folder, "cheated.db")
        shutil.copyfile(os.path.join(house.folder, "ledger.db"), path)
        db = sqlite3.connect(path)
        mine = compare.Facts(load, api, house.kills_us, house.record)
        cheat(mine, db)
        noticed = oracle(mine, db)
        db.close()
        tests.tell(f"cheat noticed: {cheat.__name__.replace('_', ' ')}",
                   None if noticed else f"{oracle.__name__} saw nothing")


TABLES_ALONE = """listen: [http://127.0.0.1:{port}]
desk: {{listen: [http://127.0.0.1:{desk}]}}
ledger: sqlite:{folder}/ledger.db
journal: {{path: {folder}/journal, size: 64MiB}}
sources: [{{path: /webhook, secrets: [{{label: account, key: {account}}}]}}]
destinations: [{{name: tables, kind: tables}}]
"""


class Fresh(House):
    """A gateway that is told each event once, in order, and left alone."""

    def configure(self):
        with open(self.config, "w", encoding="ascii") as f:
            f.write(TABLES_ALONE.format(port=self.port, desk=self.desk, folder=self.folder,
                                        account=stripe.SECRETS["/webhook"].decode()))

    def tell_all(self, bodies):
        """None, or why it cannot."""
        poster = stripe.Poster(self, 0)
        for body in bodies:
            status = poster.post("/webhook", body)
            if status != 200:
                return f"a fresh gateway answered {status}"
        poster.drop()
        end = time.monotonic() + SETTLE_S
        while time.monotonic() < end:
            db = self.ledger()
            booked = db.execute("SELECT count(*) FROM event").fetchone()[0]
            db.close()
            if booked == len(bodies):
                return None
            time.sleep(0.1)
        return f"a fresh gateway booked {booked} of {len(bodies)} events in {SETTLE_S} s"


def rows_as_fresh(house, seed):
    """All tables against those of a gateway that lived in peace."""
    db = house.ledger()
    rows = db.execute("SELECT id, payload FROM events ORDER BY id").fetchall()
    fresh = Fresh(seed)
    try:
        fresh.start()
        wrong = fresh.wait_ready() or fresh.tell_all([body.encode() for _, body in rows])
        if wrong is None:
            other = fresh.ledger()
            wrong = compare.rows_differ(compare.all_rows(db), compare.all_rows(other))
            other.close()
    finally:
        fresh.end()
        shutil.rmtree(fresh.folder)
        db.close()
    return wrong


def say_numbers(house, load, api):
    db = house.ledger()
    events = db.execute("SELECT count(*) FROM event").fetchone()[0]
    states = db.execute("SELECT state, count(*) FROM deliveries GROUP BY 1").fetchall()
    db.close()
    print(f"# {len(load.sent)} sent, {len(load.acked)} acknowledged, answers {load.answers}; "
          f"{events} events, deliveries {dict(states)}; {len(house.kills_us) // 2} kills; "
          f"{len(api.made)} endpoints, {len(api.listed)} left, {api.asked} requests for them",
          flush=True)


def run(rounds, seed, house):
    tests, r = Tests(), random.Random(seed)
    house.start()
    tests.tell("starts on nothing", house.wait_ready())
    load = stripe.Load(house.port, f"s{seed}", seed, RATE)
    load.start()
    api = api_side.Client(house.desk, f"http://127.0.0.1:{house.site_port}", make_keys(house), seed)
    api.start()
    order = []
    for i in range(rounds):
        order = order or r.sample(KINDS, len(KINDS))
        kind = order.pop()
        tests.tell(f"round {i + 1}: {kind.__name__.replace('_', ' ')}",
                   one_round(house, kind, r, load))
        if house.gateway.poll() is not None:
            break
    tests.tell("every request for endpoints is answered", endpoints_finish(house, load, api))
    load.stop()
    tests.tell("both sites claim in the end", house.claim_all())
    house.calm()
    tests.tell("every delivery settles", settle(house))
    tests.tell("tables are what a rebuild makes of the ledger", rebuilt_alike(house))
    tests.tell("ends cleanly", stopped_cleanly(house, r))
    code, said = house.run("ledger", "verify")
    tests.tell("the files of the stopped gateway are sound", None if code == 0 else said)
    house.end()
    say_numbers(house, load, api)
    tests.tell("tables are those of a gateway that lived in peace", rows_as_fresh(house, seed))
    judge(tests, house, load, api)
    return tests


def main():
    rounds = int(os.environ.get("ROUNDS") or 40)
    seed = int(os.environ.get("SEED") or random.randrange(1, 1 << 31))
    if not os.access(PROGRAM, os.X_OK):
        sys.exit(f"tools/crash: {PROGRAM} is missing: make build")
    print(f"# seed {seed}, {rounds} rounds", flush=True)
    house = House(seed)
    try:
        tests = run(rounds, seed, house)
    finally:
        house.end()
    if tests.failed:
        print(f"# again: SEED={seed} ROUNDS={rounds} make crash; the gateway's last words:\n"
              f"{house.tail()}")
    if tests.failed and os.environ.get("KEEP"):
        print(f"# kept: {house.folder}")
    else:
        shutil.rmtree(house.folder)
    print(f"{tests.passed} passed, {tests.failed} failed")
    sys.exit(1 if tests.failed else 0)


if __name__ == "__main__":
    main()
