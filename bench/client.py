# SPDX-License-Identifier: MIT
"""load.c, called: what it posts, and what came back."""
import array
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

from servers import EVENT, SECRET
from settings import BENCH, BUILD, CLIENT_CORE, SECONDS, WARM_S, Wrong, say

CATCH_UP_S = 240
CHUNK = 150_000  # events that a journal of 1 GiB holds
tag = int.from_bytes(os.urandom(4), "little")  # of the ids: no two measurements share one


def begin(server, seconds=SECONDS, warm=WARM_S, rate=0, times=None, count=0, until_refused=False):
    """The client, under way; finish() waits for it."""
    global tag
    tag = (tag + 1) % 50_000_000
    command = ["taskset", "-c", CLIENT_CORE, BUILD / "bench/bench_load", "--port", server.port,
               "--secret", SECRET, "--seconds", seconds, "--warm", warm, "--rate", rate,
               "--most", server.most, "--count", count, "--tag", tag]
    command += ["--known", server.known]
    command += ["--times", times] if times else []
    command += ["--until-refused"] if until_refused else []
    return subprocess.Popen([str(c) for c in [*command, server.event]], stdout=subprocess.PIPE,
                            text=True)


def finish(client, server, early=False):
    """What the client has to tell; `early`: it ends now."""
    if early:
        client.send_signal(signal.SIGTERM)
    said, _ = client.communicate(timeout=900)
    server.check_alive()
    if not said:
        raise Wrong(f"{server.label}: the client gave up (see above); {server.last_words()}")
    return json.loads(said)


def load(server, **how):
    return finish(begin(server, **how), server)


def fill_journal(server):
    """Posts until it has no room, while booking is kept out; how many events went in."""
    row = load(server, count=server.journal_mib * 400, warm=0, until_refused=True)
    if row["not_200"] == 0:
        raise Wrong(f"{row['answered']} events did not fill the journal")
    return row["answered"]


def await_caught_up(server, answered):
    """Seconds until nothing is left to do."""
    began = time.monotonic()
    while not server.caught_up(answered):
        server.check_alive()
        if time.monotonic() > began + CATCH_UP_S:
            raise Wrong(f"{server.label} did not catch up in {CATCH_UP_S} s")
        time.sleep(0.05)
    return time.monotonic() - began


@contextlib.contextmanager
def folder_of(name, parent):
    folder = pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=parent))
    yield folder
    shutil.rmtree(folder)  # after a failure the run's folder goes as a whole


def measure_in(server, seconds, **how):
    """One load against a server that is started here, and stopped; its books must agree."""
    try:
        server.start()
        cpu = server.cpu_s()
        row = load(server, seconds=seconds, **how)
        row["backlog"] = server.backlog()
        row["lag_s"] = await_caught_up(server, row["answered"])
        row["cpu_us"] = (server.cpu_s() - cpu) * 1e6 / row["answered"]
        row["all_done"] = row["answered"] / (seconds + WARM_S + row["lag_s"])
        server.before_stop(row["answered"])
    finally:
        server.stop()
    server.check(row["answered"])
    rate = how.get("rate", 0)
    what = f"at {rate:,.0f}/s" if rate else "as fast as it goes"
    refused = f", {row['not_200']} refused" if row["not_200"] else ""
    say(f"  {server.label}, {what}: {row['per_second']:,.0f}/s, p99 {row['p99_ms']:.1f} ms, "
        f"{row['cpu_us']:.1f} µs CPU, done {row['lag_s']:.1f} s later{refused}")
    return row


def measure(kind, parent, seconds=SECONDS, **how):
    with folder_of(kind.name, parent) as folder:
        return measure_in(kind(folder), seconds, **how)


def read_times(path):
    numbers = array.array("q")
    numbers.frombytes(path.read_bytes())
    return numbers


def first_answer(server, began, patience_s):
    """Seconds from `began` until an event is answered 200; posts one event after the other."""
    text = EVENT.read_text().strip().replace("@" * 10, str(int(time.time())))
    posted = 0
    while time.monotonic() < began + patience_s:
        posted += 1
        body = text.replace("#" * 24, f"1FirstAnswer{posted:04}{tag:08}").replace("%" * 10, "0")
        t = str(int(time.time()))
        body = body.encode()
        mac = hmac.new(SECRET.encode(), t.encode() + b"." + body, hashlib.sha256).hexdigest()
        try:
            to = http.client.HTTPConnection("127.0.0.1", server.port, timeout=patience_s)
            to.request("POST", "/webhook", body, {"Stripe-Signature": f"t={t},v1={mac}"})
            if to.getresponse().status == 200:
                return time.monotonic() - began
        except OSError:
            server.check_alive()
        time.sleep(0.002)
    raise Wrong(f"{server.label} answered nothing in {patience_s} s: {server.last_words()}")
