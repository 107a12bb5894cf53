# SPDX-License-Identifier: MIT
"""One life of the real gateway with everything at once, for what watches it from within (TSan,
valgrind): events of two sites from several connections to http destinations and to commands, and
meanwhile reloads that change claims, a backup, a check of the books, holds, replays, queries, keys,
objects assigned to a site and secrets rolled; then a stop, and a second life on the same books.

    HOOKKEEP_BUILD=build WRAP='valgrind …' SECONDS=10 python3 tests/live/live.py

WRAP goes before the gateway; EXPECT is the exit code of a life without a finding (0). What
the gateway and its watcher say is printed when something is wrong. The last line is
`N passed, N failed`: each life, each command beside it, the events in the books, and that each
destination was brought some.
"""
import http.server
import os
import shlex
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
import stripe_side as stripe  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, os.environ.get("HOOKKEEP_BUILD") or "build", "hookkeep")
WRAP = shlex.split(os.environ.get("WRAP") or "")
SECONDS = float(os.environ.get("SECONDS") or 10)
THREADS = 4
PATIENCE_S = 180

CONFIG = """listen: [unix:{folder}/in.sock]
desk: {{listen: [unix:{folder}/desk.sock]}}
ledger: sqlite:{folder}/ledger.db
journal: {{path: {folder}/journal, size: 16MiB}}
limits: {{drain_timeout: 10s, loops: 2}}
log: {{level: {level}}}
sources:
  - path: /webhook
    secrets: [{{label: account, key: {secret}}}]
sites:
  - {{name: shop, claims: [{{where: {{data.object.metadata.site: [shop, {other}]}}}}]}}
  - {{name: blog, claims: [{{where: {{data.object.metadata.site: blog}}}}]}}
destinations:
  - {{name: site, url: "http://127.0.0.1:{site}/", secret: whsec_site_secret_0123456789,
      concurrency: {places}}}
  - {{name: blog, url: "http://127.0.0.1:{site}/{{site}}", secret: whsec_blog_secret_0123456789,
      match: [{{sites: blog}}]}}
  - {{name: once, kind: command, run: [sh, -c, "cat >/dev/null"], concurrency: 2,
      match: [{{types: invoice.paid}}]}}
  - name: stream
    kind: command
    mode: stream
    run: [python3, -u, {stream}]
    match: [{{types: customer.created}}]
"""
DESTINATIONS = ("site", "blog", "once", "stream")

STREAM = """import json, sys
for line in sys.stdin:
    event = json.loads(line)
    print(json.dumps({"delivery": event["delivery"], "outcome": "done"}), flush=True)
"""

OBJECTS = (  # of each customer; his invoice names the site, which he and his charge belong to
    ("customer.created", '"id":"cus_{c}","object":"customer"'),
    ("charge.succeeded", '"id":"ch_{c}","object":"charge","customer":"cus_{c}","invoice":"in_{c}"'),
    ("invoice.paid", '"id":"in_{c}","object":"invoice","customer":"cus_{c}",'
                     '"metadata":{{"site":"{site}"}}'),
)


def event_body(n):
    customer = n // len(OBJECTS)
    kind, about = OBJECTS[n % len(OBJECTS)]
    about = about.format(c=customer, site=("shop", "blog", "third")[customer % 3])
    return (f'{{"id":"{stripe.event_id("live", n)}","object":"event","api_version":"2024-06-20",'
            f'"created":{1700000000 + n},"livemode":true,"type":"{kind}",'
            f'"data":{{"object":{{{about},"pad":"{"x" * (300 + n * 37 % 900)}"}}}}}}').encode()


class Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    count = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        Site.count += 1
        self.send_response(500 if Site.count % 10 == 0 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass  # the gateway ended

    def log_message(self, *_):
        pass


class House:
    def __init__(self, folder, site):
        self.folder, self.site, self.process = folder, site, None
        self.config = os.path.join(folder, "hookkeep.yaml")
        self.acked, self.passed, self.failed, self.number = [], 0, 0, 0
        self.lock, self.over = threading.Lock(), False
        with open(self.path("stream.py"), "w", encoding="ascii") as f:
            f.write(STREAM)
        self.configure(0)

    def path(self, name):
        return os.path.join(self.folder, name)

    def configure(self, variant):
        with open(self.config + ".new", "w", encoding="ascii") as f:
            f.write(CONFIG.format(folder=self.folder, site=self.site, places=4 + variant % 5,
                                  level="info" if variant % 2 == 0 else "debug",
                                  other="third" if variant % 3 == 0 else "fourth",
                                  stream=self.path("stream.py"),
                                  secret=stripe.SECRETS["/webhook"].decode()))
        os.rename(self.config + ".new", self.config)

    def check(self, good, what):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(f"{'ok' if good else 'NOT ok'}: {what}", flush=True)
        return good

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen([*WRAP, PROGRAM, "serve", "-c", self.config],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and self.process.poll() is None:
            if self.run("status", quiet=True):
                return True
            time.sleep(0.2)
        return False

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return f"killed, as it did not end in {PATIENCE_S} s"

    def run(self, *words, quiet=False):
        try:
            done = subprocess.run(["setarch", "-R", PROGRAM, *words, "-c", self.config], text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True, check=False,
                                  timeout=PATIENCE_S)
            code, said = done.returncode, done.stdout[-300:] + done.stderr[-300:]
        except subprocess.TimeoutExpired:
            code, said = None, "too slow"
        if not quiet:
            self.check(code == 0, f"{' '.join(words[:2])}{'' if code == 0 else f': {code} {said}'}")
        return code == 0

    def post_some(self):
        """One client's connection, until it is over."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(PATIENCE_S)
            s.connect(self.path("in.sock"))
            answers = s.makefile("rb")
            while not self.over:
                with self.lock:
                    n, self.number = self.number, self.number + 1
                body = event_body(n)
                signed = stripe.sign(stripe.SECRETS["/webhook"], body, int(time.time()))
                s.sendall(b"POST /webhook HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                          b"Content-Length: %d\r\nStripe-Signature: %s\r\n\r\n%s"
                          % (len(body), signed, body))
                status, length = int(answers.readline().split()[1]), 0
                while (line := answers.readline().strip()):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                answers.read(length)
                if status == 200:
                    self.acked.append(n)
                time.sleep(0.005)

    def operate(self):
        """What an operator does meanwhile, again and again."""
        end, turn = time.monotonic() + SECONDS, 0
        while turn == 0 or time.monotonic() < end:
            turn += 1
            self.configure(turn)
            self.process.send_signal(signal.SIGHUP)
            self.run("ledger", "backup", self.path(f"backup-{turn}.db"))
            self.run("ledger", "verify")
            self.run("destinations", "hold", "site", "--reason", "live")
            self.run("events", "list", "--limit", "20")
            self.run("deliveries", "list")
            self.run("destinations", "release", "site")
            self.run("events", "replay", "--to", "site", "--type", "invoice.*", "--rate", "200")
            self.run("keys", "create", "--mode", "viewer", "--name", f"v{turn}")
            self.run("explain", stripe.event_id("live", 1))
            self.run("sites", "assign", "cus_0", ("shop", "blog")[turn % 2])
            self.run("sites", "show", "ch_0")
            self.run("sites", "unclaimed")
            self.run("sites", "learn", "--since", "1h")
            self.run("destinations", "roll", "site", "--overlap", "1s")
            self.run("secrets")
            self.run("accounts")
            self.process.send_signal(signal.SIGUSR1)
            os.unlink(self.path(f"backup-{turn}.db"))

    def missing(self):
        with sqlite3.connect(self.path("ledger.db")) as db:
            have = {i for i, in db.execute("SELECT id FROM events")}
        return [n for n in self.acked if stripe.event_id("live", n) not in have]

    def idle(self):
        """The destinations that nothing was brought to."""
        with sqlite3.connect(self.path("ledger.db")) as db:
            done = {name for name, in db.execute(
                "SELECT DISTINCT destination FROM deliveries WHERE state = 'done'")}
        return [name for name in DESTINATIONS if name not in done]


def end_life(house, name):
    expected = int(os.environ.get("EXPECT") or 0)
    code = house.stop()
    if not house.check(code == expected, f"{name} ends with {code}"):
        with open(house.path("log"), encoding="utf-8", errors="replace") as log:
            print(log.read()[-20000:])


def main():
    folder = tempfile.mkdtemp(prefix="hookkeep-live-")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    house = House(folder, server.server_address[1])
    house.check(house.start(), "the first life begins")
    clients = [threading.Thread(target=house.post_some, daemon=True) for _ in range(THREADS)]
    for c in clients:
        c.start()
    time.sleep(1)
    house.operate()
    house.over = True
    for c in clients:
        c.join(PATIENCE_S)
    end_life(house, "the first life")
    house.check(house.start(), "the second life begins")
    house.run("ledger", "verify")
    end_life(house, "the second life")
    house.check(len(house.acked) > THREADS and not house.missing(),
                f"{len(house.acked)} events were answered 200 and are in the books")
    idle = house.idle()
    house.check(not idle, f"each destination was brought some{''.join(', not ' + n for n in idle)}")
    shutil.rmtree(folder)
    print(f"{house.passed} passed, {house.failed} failed")
    return 1 if house.failed else 0


if __name__ == "__main__":
    sys.exit(main())
