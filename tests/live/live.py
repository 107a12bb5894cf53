# SPDX-License-Identifier: MIT
"""One life of the real gateway with everything at once, for what watches it from within (TSan,
valgrind): events of two sites from several connections to http destinations and to commands, and
meanwhile reloads that change claims, a backup, a check of the books, holds, replays, queries, keys,
objects assigned to a site and secrets rolled, endpoints made and deleted, and some who listen: a
session of `stripe listen` that connects anew again and again, one that does not read, and
`hookkeep listen`; then a stop, and a second life on the same books, in which they listen on.

    HOOKKEEP_BUILD=build WRAP='valgrind …' SECONDS=10 python3 tests/live/live.py

WRAP goes before the gateway; EXPECT is the exit code of a life without a finding (0). What
the gateway and its watcher say is printed when something is wrong. The last line is
`N passed, N failed`: each life, each command beside it, the events in the books, that each
destination was brought some, and that who listens heard some in each life.
"""
import http.client
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
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "crash"))
import stripe_side as stripe  # noqa: E402
import listener  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, os.environ.get("HOOKKEEP_BUILD") or "build", "hookkeep")
WRAP = shlex.split(os.environ.get("WRAP") or "")
SECONDS = float(os.environ.get("SECONDS") or 10)
THREADS = 4
PATIENCE_S = 180

CONFIG = """listen: [unix:{folder}/in.sock]
desk: {{listen: [unix:{folder}/desk.sock], allow_private: 127.0.0.0/8}}
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
DESTINATIONS = ("site", "blog", "once", "stream", "an endpoint")
NO_ANSWER = (OSError, ValueError, http.client.HTTPException)

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
    count, forwarded = 0, 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        Site.count += 1
        Site.forwarded += self.path == "/forwarded"
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
        self.lock, self.over, self.hushed = threading.Lock(), False, False
        self.key, self.ears, self.heard, self.endpoints, self.deaf = None, None, 0, [], None
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

    def call(self, method, target, *fields):
        """A call of Stripe's API that must be answered 200; its answer, or nothing."""
        try:
            status, answer = listener.call(self.path("desk.sock"), self.key, method, target,
                                           urllib.parse.urlencode(fields), PATIENCE_S)
        except NO_ANSWER as e:
            status, answer = e, {}
        self.check(status == 200, f"{method} {target.split('?')[0]}"
                                  f"{'' if status == 200 else f': {status} {answer}'}")
        return answer

    def listen(self):
        """`stripe listen`, from life to life: another session where its own is not known."""
        while not self.hushed:
            try:
                session = listener.Session(self.path("desk.sock"), self.key, 10)
                while not self.hushed:
                    self.hear(session)
            except NO_ANSWER:
                time.sleep(0.1)

    def hear(self, session):
        session.connect()
        try:
            for _ in range(50):
                self.heard += session.take_event() is not None
        except NO_ANSWER:
            pass  # the same session goes on, where the gateway knows it
        finally:
            session.close()

    def begin_listening(self):
        made = subprocess.run(["setarch", "-R", PROGRAM, "keys", "create", "--mode", "live",
                               "--name", "live", "-c", self.config], text=True, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S)
        self.key = next((w for w in made.stdout.split() if w.startswith("sk_live_")), "")
        self.check(self.key, f"a key to listen with{'' if self.key else ': ' + made.stderr}")
        threading.Thread(target=self.listen, daemon=True).start()
        with open(self.path("log"), "ab") as log:
            self.ears = subprocess.Popen(
                ["setarch", "-R", PROGRAM, "listen", "--forward-to",
                 f"http://127.0.0.1:{self.site}/forwarded", "-c", self.config],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "HOOKKEEP_KEY": self.key})

    def end_listening(self):
        self.hushed = True
        self.ears.send_signal(signal.SIGINT)
        try:
            code = self.ears.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.ears.kill()
            code = "too slow"
        self.check(code == 0, f"listen ends with {code}")

    def wait_heard(self, name):
        """Until each who listens has heard something from now on."""
        heard, forwarded, end = self.heard, Site.forwarded, time.monotonic() + PATIENCE_S
        while time.monotonic() < end and (self.heard == heard or Site.forwarded == forwarded):
            time.sleep(0.1)
        self.check(self.heard > heard and Site.forwarded > forwarded,
                   f"who listens hears {name} (by session {self.heard - heard}, "
                   f"by `listen` {Site.forwarded - forwarded})")

    def use_api(self):
        """What a program does by Stripe's API, and one who listens and does not read."""
        if self.deaf is not None:
            self.deaf.close()
        try:
            self.deaf = listener.Session(self.path("desk.sock"), self.key, PATIENCE_S)
            self.deaf.connect()
        except NO_ANSWER as e:
            self.check(False, f"a session that does not read: {e}")
        made = self.call("POST", "/v1/webhook_endpoints", ("enabled_events[]", "*"),
                         ("url", f"http://127.0.0.1:{self.site}/endpoint"))
        self.endpoints.append(made.get("id", "we_none"))
        path = f"/v1/webhook_endpoints/{self.endpoints[-1]}"
        self.call("POST", path, ("disabled", "true"))
        self.call("POST", path, ("disabled", "false"), ("description", "again"))
        self.call("GET", "/v1/webhook_endpoints?limit=3")
        self.call("GET", "/v1/events?limit=20&delivery_success=true")
        self.call("GET", "/v2/core/events?limit=5")
        self.call("GET", "/v2/core/event_destinations")
        self.call("POST", f"/v1/events/{stripe.event_id('live', 1)}/retry",
                  ("for_stripecli", "true"))
        if len(self.endpoints) > 2:
            self.call("DELETE", f"/v1/webhook_endpoints/{self.endpoints.pop(1)}")

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
            self.use_api()
            self.process.send_signal(signal.SIGUSR1)
            os.unlink(self.path(f"backup-{turn}.db"))

    def missing(self):
        with sqlite3.connect(self.path("ledger.db")) as db:
            have = {i for i, in db.execute("SELECT id FROM events")}
        return [n for n in self.acked if stripe.event_id("live", n) not in have]

    def idle(self):
        """The destinations that nothing was brought to."""
        with sqlite3.connect(self.path("ledger.db")) as db:
            done = {"an endpoint" if name.startswith("we_") else name for name, in db.execute(
                "SELECT DISTINCT destination FROM deliveries WHERE state = 'done'")}
        return [name for name in DESTINATIONS if name not in done]


def end_life(house, name):
    expected = int(os.environ.get("EXPECT") or 0)
    code = house.stop()
    if not house.check(code == expected, f"{name} ends with {code}"):
        with open(house.path("log"), encoding="utf-8", errors="replace") as log:
            print(log.read()[-20000:])


def load(house):
    """The events' clients, and what ends them."""
    house.over = False
    clients = [threading.Thread(target=house.post_some, daemon=True) for _ in range(THREADS)]
    for c in clients:
        c.start()

    def end():
        house.over = True
        for c in clients:
            c.join(PATIENCE_S)
    return end


def main():
    folder = tempfile.mkdtemp(prefix="hookkeep-live-")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    house = House(folder, server.server_address[1])
    house.check(house.start(), "the first life begins")
    house.begin_listening()
    end_load = load(house)
    time.sleep(1)
    house.operate()
    house.wait_heard("the first life")
    end_load()
    end_life(house, "the first life")
    house.check(house.start(), "the second life begins")
    end_load = load(house)
    house.wait_heard("the second life")
    end_load()
    house.run("ledger", "verify")
    end_life(house, "the second life")
    house.end_listening()
    house.check(len(house.acked) > THREADS and not house.missing(),
                f"{len(house.acked)} events were answered 200 and are in the books")
    idle = house.idle()
    house.check(not idle, f"each destination was brought some{''.join(', not ' + n for n in idle)}")
    shutil.rmtree(folder)
    print(f"{house.passed} passed, {house.failed} failed")
    return 1 if house.failed else 0


if __name__ == "__main__":
    sys.exit(main())
