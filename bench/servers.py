# SPDX-License-Identifier: MIT
"""What is measured: each server starts in an empty folder, on one core, and knows how to tell
whether it has what it answered 200."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request

from settings import BENCH, BUILD, CLIENT_CORE, JOURNAL_MIB, SERVER_CORE, Wrong

START_S = 20  # a server answers after this time, or something is wrong
EVENT = BENCH / "invoice.paid.in"
SECRET = "whsec_" + os.urandom(16).hex()
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
no_proxy = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def get(url, key=None):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with no_proxy.open(urllib.request.Request(url, headers=headers), timeout=30) as answer:
        return answer.read()


class Server:
    """Processes in a folder of their own, on the server's core unless said otherwise."""

    name = label = ""
    durable = "-"
    most = 200_000  # more than it can answer in a second: so many signatures are made
    seconds_part = 1.0  # of SECONDS_EACH, in the closed loop
    event, known = EVENT, 0  # what is posted, and of how many customers

    def __init__(self, folder):
        self.folder = folder
        self.port, self.second_port, self.third_port = free_ports(3)
        self.processes, self.measured = [], []
        self.log = open(folder / "log", "ab")

    def spawn(self, *command, core=SERVER_CORE, **env):
        # taskset executes it: what is measured and stopped is the server, not a wrapper.
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)], cwd=self.folder, stdout=self.log,
            stderr=self.log, env={**os.environ, **env})
        self.processes.append(process)
        if core == SERVER_CORE:
            self.measured.append(process)
        return process

    def await_port(self, port):
        end = time.monotonic() + START_S
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                self.check_alive()
                if time.monotonic() > end:
                    raise Wrong(f"{self.label} did not start: {self.last_words()}") from None
                time.sleep(0.02)

    def check_alive(self):
        for process in self.processes:
            if process.poll() is not None:
                raise Wrong(f"{self.label} has ended: {self.last_words()}")

    def last_words(self):
        self.log.flush()
        return (self.folder / "log").read_text(errors="replace")[-500:]

    def cpu_s(self):
        """Processor time of what runs on the server's core, with its children."""
        pids, total = [p.pid for p in self.measured], 0
        while pids:
            pid = pids.pop()
            stat = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(stat[11]) + int(stat[12])
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
            pids += map(int, children.read_text().split())
        return total / CLOCK_TICKS

    def backlog(self):
        """How many of what was answered are not booked."""
        return 0

    def caught_up(self, answered):
        """Whether nothing is left to do of what was answered."""
        return True

    def check(self, answered):
        """Raises Wrong unless it has what it answered 200, once it is stopped."""

    def before_stop(self, answered):
        pass

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes, self.measured = [], []


class Sink(Server):
    """sink.c by itself: what load can do when nothing holds it up."""

    name, label, most = "sink", "sink", 250_000
    stall_ms = 0

    def start(self):
        self.spawn(BUILD / "bench/bench_sink", "--stall", self.stall_ms, self.port)
        self.await_port(self.port)


class Hookkeep(Server):
    name, label, durable = "hookkeep", "Hookkeep, events kept", "fsync"
    most = 120_000
    journal_mib = JOURNAL_MIB
    already = 0  # events in its ledger before it starts

    def config(self):
        return f"""
listen: [http://127.0.0.1:{self.port}]
desk: {{listen: [http://127.0.0.1:{self.second_port}]}}
journal: {{size: {self.journal_mib}MiB}}
limits: {{loops: 1}}
sources: [{{path: /webhook, secrets: [{{label: bench, key: "${{STRIPE_WEBHOOK_SECRET}}"}}]}}]
"""

    def start(self):
        self.launch()
        self.await_port(self.port)
        self.read_key()

    def launch(self):
        (self.folder / "hookkeep.yaml").write_text(self.config())
        return self.spawn(BUILD / "hookkeep", "serve", STRIPE_WEBHOOK_SECRET=SECRET,
                          SHOP_SECRET=SECRET)

    def read_key(self):
        self.key = (self.folder / "hookkeep.db.key").read_text().strip()

    def ask(self, path):
        return get(f"http://127.0.0.1:{self.second_port}{path}", self.key)

    def positions(self):
        """Durable, booked."""
        status = json.loads(self.ask("/api/status"))
        return status["journal"]["durable"], status["ledger"]["booked"]

    def syncs(self):
        """Seconds that the journal's syncs took so far, and how many they were."""
        found = {}
        for line in self.ask("/metrics").decode().splitlines():
            name, _, value = line.rpartition(" ")
            found[name] = value
        return tuple(float(found[f'hookkeep_stage_seconds_{what}{{stage="sync"}}'])
                     for what in ("sum", "count"))

    def ready(self):
        try:
            return b"true" in get(f"http://127.0.0.1:{self.second_port}/readyz")
        except (urllib.error.URLError, OSError):
            return False

    def backlog(self):
        durable, booked = self.positions()
        return durable - booked

    def caught_up(self, answered):
        return self.backlog() <= 0

    @contextlib.contextmanager
    def booking_kept_out(self):
        """As somebody's open transaction does."""
        with contextlib.closing(sqlite3.connect(self.folder / "hookkeep.db", timeout=30,
                                                isolation_level=None)) as books:
            books.execute("BEGIN IMMEDIATE")
            yield

    def kill(self):
        process = self.processes.pop()
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.measured.remove(process)

    def check(self, answered):
        with sqlite3.connect(self.folder / "hookkeep.db") as books:
            kept, = books.execute("SELECT count(*) FROM events").fetchone()
        if kept != answered + self.already:
            raise Wrong(f"{answered} events were answered 200, {kept - self.already} are in the "
                        "ledger")


class Delivering(Hookkeep):
    name, label = "delivering", "Hookkeep, one http destination"
    seconds_part = 0.5  # a long backlog of deliveries would only be waited for
    times = None  # the file where the destination notes what came when

    def config(self):
        return super().config() + (
            f"destinations: [{{name: sink, url: http://127.0.0.1:{self.third_port}/, "
            'secret: "${STRIPE_WEBHOOK_SECRET}", concurrency: 64}]\n')

    def launch(self):
        noting = [] if self.times is None else ["--times", self.times]
        self.spawn(BUILD / "bench/bench_sink", *noting, self.third_port, core=CLIENT_CORE)
        self.await_port(self.third_port)
        super().launch()

    def delivered(self):
        return int(get(f"http://127.0.0.1:{self.third_port}/"))

    def caught_up(self, answered):
        return super().caught_up(answered) and self.delivered() >= answered

    def before_stop(self, answered):
        if self.delivered() != answered:
            raise Wrong(f"{answered} events were answered 200, {self.delivered()} delivered")


class Example(Hookkeep):
    """The configuration of the examples, but for its ports."""

    name, label = "example", "Hookkeep, the example's configuration"

    def config(self):
        text = (BENCH.parent / "examples/hookkeep.yaml").read_text()
        return text.replace(":4242", f":{self.port}").replace(":4243", f":{self.second_port}")


class Nginx(Server):
    name, label, durable = "nginx", "nginx, return 200", "nothing kept"

    def start(self):
        (self.folder / "nginx.conf").write_text(f"""
worker_processes 1; daemon off; pid nginx.pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000; client_body_temp_path body;
    proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    server {{
        listen 127.0.0.1:{self.port};
        location / {{ default_type application/json; return 200 '{{"received":true}}'; }}
    }}
}}
""")
        self.spawn(shutil.which("nginx") or "/usr/sbin/nginx", "-p", self.folder, "-c",
                   self.folder / "nginx.conf", "-e", "stderr")
        self.await_port(self.port)


class Bull(Server):
    sync = ""
    most = 20_000

    def start(self):
        self.spawn("redis-server", "--port", self.second_port, "--bind", "127.0.0.1", "--save", "",
                   "--appendonly", "yes", "--appendfsync", self.sync, "--dir", self.folder)
        self.await_port(self.second_port)
        self.spawn("node", BENCH / "express.mjs", self.port, self.second_port,
                   STRIPE_WEBHOOK_SECRET=SECRET, NODE_ENV="production")
        self.await_port(self.port)

    def before_stop(self, answered):
        with socket.create_connection(("127.0.0.1", self.second_port), 5) as redis:
            redis.sendall(b"LLEN bull:events:wait\r\n")
            kept = int(redis.recv(64)[1:])
        if kept != answered:
            raise Wrong(f"{answered} events were answered 200, Redis has {kept} jobs")


class Always(Bull):
    name, label, durable, sync = "always", "Express + SDK + Bull, always", "fsync", "always"


class EverySec(Bull):
    name, label, durable = "everysec", "Express + SDK + Bull, everysec", "1 s may go"
    sync = "everysec"


EVERYONE = [Hookkeep, Delivering, Nginx, Always, EverySec]  # of the closed loop
