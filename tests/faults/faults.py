# SPDX-License-Identifier: MIT
"""The real gateway with one call that fails: it starts, takes signed events, delivers them, makes
an endpoint, pushes an event to one who listens and is stopped, while the Nth open, write, sync or
statement fails, or the allocation at the Nth place; for N = 1, 2, … until a run ends without the
failure. Afterwards it must start and stop without faults, every event and endpoint that was
answered 200 must be in the ledger once, what the site got must be whole and signed, and nothing may
have hung or crashed: without memory it ends and says so.

    HOOKKEEP_BUILD=build python3 tests/faults/faults.py [CALL]...   (all of CALLS by default)

STRIDE=n takes every nth N only (1), AT=n that one alone, KEEP=1 keeps the folder of what failed.
Two kinds of start: on nothing, and on books that a kill -9 left with a journal that is not booked.
The last line is `N passed, N failed`: one for each CALL and start, and for each of CHEATS, where
the check must find something.
"""
import http.client
import http.server
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
import listener  # noqa: E402
import stripe_side as stripe  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("HOOKKEEP_BUILD") or "build")
PROGRAM = os.path.join(BUILD, "hookkeep")
SHIM = os.path.join(BUILD, "tests", "faults", "libfaults.so")
CALLS = ("open", "write", "full", "short", "sync", "statement", "memory")
EVENTS = 6
PATIENCE_S = {"ready": 30, "stop": 30}
STRIDE = int(os.environ.get("STRIDE") or 1)
# What base/memory.h lets end the process: an allocation that nobody could do without. It says so.
# Nothing else may end in a signal.
OUT_OF_MEMORY = "out of memory"

SITE_SECRET = b"whsec_site_secret_0123456789"
BODIES = {stripe.event_body("fault", n) for n in range(3 * EVENTS)}

CONFIG = """listen: [unix:{folder}/in.sock]
desk: {{listen: [unix:{folder}/desk.sock], allow_private: 127.0.0.0/8}}
ledger: sqlite:{folder}/ledger.db
journal: {{path: {folder}/journal, size: 16MiB}}
limits: {{drain_timeout: 2s, loops: 1}}
sources:
  - path: /webhook
    secrets: [{{label: account, key: {secret}}}]
destinations:
  - {{name: site, url: "http://127.0.0.1:{site}/", secret: {site_secret}, retry: []}}
"""


class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    halves = []  # what came that no life should have sent

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        signed = self.headers["Stripe-Signature"] or ""
        at = signed.partition(",")[0].removeprefix("t=")
        if body not in BODIES or not at.isdigit() or \
                signed.encode() != stripe.sign(SITE_SECRET, body, int(at)):
            Site.halves.append(f"{signed!r} and {len(body)} bytes")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # the gateway ended

    def log_message(self, *_):
        pass


def request(path, data, timeout=5):
    """The status of an answer over a Unix socket; None when there is none."""
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout)
            s.connect(path)
            s.sendall(data)
            answer = b""
            while b"\r\n" not in answer:
                piece = s.recv(4096)
                if not piece:
                    return None
                answer += piece
            return int(answer.split(b" ", 2)[1])
    except (OSError, ValueError, IndexError):
        return None


class Life:
    """A folder with books, and the processes that keep them."""

    def __init__(self, folder, site):
        self.folder, self.config = folder, os.path.join(folder, "hookkeep.yaml")
        self.note = os.path.join(folder, "note")
        self.acked, self.made, self.heard, self.process = [], [], [], None
        self.site = site
        self.configure(SITE_SECRET)

    def configure(self, site_secret):
        with open(self.config, "w", encoding="ascii") as f:
            f.write(CONFIG.format(folder=self.folder, site=self.site,
                                  secret=stripe.SECRETS["/webhook"].decode(),
                                  site_secret=site_secret.decode()))

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, call=None, at=None):
        env = {**os.environ, "ASAN_OPTIONS": "verify_asan_link_order=0"}
        if call is not None:
            env |= {"LD_PRELOAD": SHIM, "FAULT_CALL": call, "FAULT_NOTE": self.note}
            if at is not None:
                env["FAULT_AT"] = str(at)
        # Places of memory are told by addresses, which must be the same each time.
        with open(self.path("log"), "wb") as log:
            self.process = subprocess.Popen(["setarch", "-R", PROGRAM, "serve", "-c", self.config],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=env)

    def said(self):
        with open(self.path("log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    def wait_ready(self):
        """True when ready, False when it ended, None when it did neither in time."""
        end = time.monotonic() + PATIENCE_S["ready"]
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return False
            if request(self.path("desk.sock"), b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n") == 200:
                return True
            time.sleep(0.005)
        return None

    def load(self, first):
        for n in range(first, first + EVENTS):
            body = stripe.event_body("fault", n)
            head = (b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                    b"Content-Length: %d\r\nStripe-Signature: %s\r\n\r\n"
                    % (len(body), stripe.sign(stripe.SECRETS["/webhook"], body, int(time.time()))))
            if request(self.path("in.sock"), head + body) == 200:
                self.acked.append(n)

    def use_api(self):
        """Makes a key, by it an endpoint that nothing is sent to, and listens to what comes."""
        desk = self.path("desk.sock")
        try:
            with open(self.path("ledger.db.key"), encoding="ascii") as f:
                _, answer = listener.call(desk, f.read().strip(), "POST", "/api/keys",
                                          json.dumps({"mode": "live"}), 5)
            status, made = listener.call(desk, answer["key"], "POST", "/v1/webhook_endpoints",
                                         "enabled_events[]=payout.paid&"
                                         f"url=http://127.0.0.1:{self.site}/", 5)
            if status == 200:
                self.made.append(made["id"])
            session = listener.Session(desk, answer["key"], 5)
            session.connect()
            self.load(EVENTS * 2)
            self.heard.append(session.take_event())
            session.close()
        except (OSError, ValueError, KeyError, http.client.HTTPException):
            pass  # it was refused, or the gateway ended

    def stop(self):
        """Its exit code; None when it had to be killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S["stop"])
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def missing(self):
        """What was answered 200 and is not in the ledger once."""
        with sqlite3.connect(self.path("ledger.db")) as db:
            have = [i for i, in db.execute("SELECT id FROM events")]
            there = [i for i, in db.execute("SELECT id FROM endpoints WHERE status = 'enabled'")]
        return [n for n in self.acked if have.count(stripe.event_id("fault", n)) != 1] + \
            [i for i in self.made if there.count(i) != 1]

    def notes(self):
        try:
            with open(self.note, encoding="ascii") as f:
                return f.read().split("\n")
        except OSError:
            return []


def judge(life, call, at, first):
    """Lives once with the fault and once without. (fired?, what is wrong or None, note lines)"""
    Site.halves.clear()
    life.start(call, at)
    ready = life.wait_ready()
    if ready:
        life.load(first)
        life.use_api()
        time.sleep(0.05)
    code, said, notes = life.stop(), life.said(), life.notes()
    fired = "fired" in notes
    if ready is None or code is None:
        return fired, "it hung", notes
    aborts = call == "memory" and code == -signal.SIGABRT and OUT_OF_MEMORY in said
    # A signal that comes when all is done already is none.
    late = code == -signal.SIGTERM and "info stopped" in said
    if code < 0 and not aborts and not late:
        return fired, f"it ended by signal {-code}: {said[-300:]}", notes
    if not fired and (not ready or code != 0 or len(life.acked) < EVENTS or
                      not life.made or not life.heard):
        return fired, f"without a fault it ended with {code}: {said[-300:]}", notes
    if code not in (0, -signal.SIGABRT) and not said.strip():
        return fired, f"it ended with {code} and said nothing", notes
    life.start()
    ready = life.wait_ready()
    missing = [] if not ready else life.missing()
    code = life.stop()
    if not ready or code != 0:
        return fired, f"afterwards it did not start and stop ({code}): {life.said()[-400:]}", notes
    if missing:
        return fired, f"{missing} were answered 200 and are gone", notes
    if Site.halves:
        return fired, f"the site got {Site.halves.pop()}", notes
    return fired, None, notes


def cheat(base, site, call, event, expected):
    """Does the check notice a process that crashes or hangs, an event that is gone, a request that
    is not whole?"""
    life = Life(tempfile.mkdtemp(prefix="c", dir=base), site)
    if call == "half":
        life.configure(b"whsec_of_another_site_0123456789")
    if event is not None:
        (life.acked if isinstance(event, int) else life.made).append(event)
    waits = dict(PATIENCE_S)
    PATIENCE_S.update({"ready": 3, "stop": 3} if call == "hang" else {})
    _, wrong, _ = judge(life, None if call == "half" else call, 5, 0)
    PATIENCE_S.update(waits)
    good = wrong is not None and expected in wrong
    print(f"cheat {call}: {'noticed' if good else f'NOT noticed: {wrong}'}", flush=True)
    return good


# the call, an event or endpoint that is said to have been answered and never was, what must be said
CHEATS = (("crash", None, "ended by signal"), ("hang", None, "hung"), ("sync", 999, "are gone"),
          ("sync", "we_none", "are gone"), ("half", None, "the site got"))


class Round:
    """All N of one call and one kind of start."""

    def __init__(self, base, call, again, site):
        self.base, self.call, self.again, self.site = base, call, again, site
        self.runs, self.wrong, self.places, self.total = 0, [], [], 0

    def once(self, at):
        folder = tempfile.mkdtemp(prefix="f", dir=self.base)
        if self.again:
            shutil.copytree(os.path.join(self.base, "books"), folder, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns("*.sock", "note"))
        life = Life(folder, self.site)
        if self.again:
            life.acked = list(range(EVENTS))
        fired, wrong, notes = judge(life, self.call, at, EVENTS if self.again else 0)
        if wrong is None or os.environ.get("KEEP") != "1":
            shutil.rmtree(folder)
        else:
            wrong += f" ({folder})"
        return fired, wrong, notes

    def count(self):
        """A run without the fault: how many calls there are, and which places."""
        _, wrong, notes = self.once(None)
        if wrong is not None:
            self.wrong.append(wrong)
        for words in (line.split() for line in notes):
            if words[:1] == ["calls"]:
                self.total = int(words[1])
            elif words[:1] == ["place"]:
                self.places.append(words[1])

    def take(self, at):
        fired, wrong, _ = self.once(at)
        self.runs += fired
        if wrong is not None:
            self.wrong.append(f"{self.call} {at}: {wrong}")
            print(f"  {self.call} {at}: {wrong}", flush=True)
        return fired

    def run(self):
        self.count()
        if os.environ.get("AT"):
            self.take(os.environ["AT"])
        elif self.call == "memory":
            for at in sorted(set(self.places))[::STRIDE]:
                self.take(at)
        else:
            at = 1
            while self.take(at) or at <= self.total:
                at += STRIDE
        if self.runs == 0:
            self.wrong.append("no fault fired")
        kind = "on books" if self.again else "on nothing"
        print(f"{self.call} {kind}: {self.runs} faults of {self.total} calls"
              f"{f' at {len(self.places)} places' if self.places else ''}, "
              f"{len(self.wrong)} wrong", flush=True)
        return not self.wrong


def leave_books(base, site):
    """Books whose gateway was killed with events answered."""
    life = Life(os.path.join(base, "books"), site)
    life.start()
    assert life.wait_ready()
    life.load(0)
    life.kill()
    assert len(life.acked) == EVENTS, life.said()


def main():
    calls = sys.argv[1:] or CALLS
    for call in calls:
        if call not in CALLS:
            sys.exit(f"faults: no call '{call}'; there are {', '.join(CALLS)}")
    # In memory: what a disk may do is the faults' part here.
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    base = tempfile.mkdtemp(prefix="hookkeep-faults-", dir=where)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site = server.server_address[1]
    os.mkdir(os.path.join(base, "books"))
    leave_books(base, site)
    done = [cheat(base, site, *row) for row in CHEATS]
    done += [Round(base, call, again, site).run() for call in calls for again in (False, True)]
    passed, failed = done.count(True), done.count(False)
    if failed == 0 or os.environ.get("KEEP") != "1":
        shutil.rmtree(base)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
