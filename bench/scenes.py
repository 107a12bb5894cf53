# SPDX-License-Identifier: MIT
"""What is measured of everyone: each scene leaves its figures (see targets.py) with the run."""
import json
import pathlib
import subprocess
import time

import client
from servers import Delivering, Example, Hookkeep, Nginx, Sink
from settings import (BUILD, JOURNAL_MIB, QUICK, SECONDS, SUSTAINED_S, USUAL_MIB, WARM_S, Wrong,
                      say)

KEPT_UP_S = 1  # all is booked so soon after the last answer, or booking did not keep up
DELIVERIES = 5000  # a second
STORED = 10000  # a second
IDLE_S = 3 if QUICK else 10
STALL_MS = 100


def peak(run):
    """as fast as 64 connections ask"""
    for kind in run.kinds:
        run.measure_peak(kind)
    rows = {kind.name: run.closed[kind.name][-1] for kind in run.kinds}
    if {"hookkeep", "nginx"} <= rows.keys():
        hookkeep, nginx = rows["hookkeep"], rows["nginx"]
        run.figure("peak_nginx", hookkeep["per_second"] / nginx["per_second"])
        run.figure("peak_nginx_cpu", nginx["cpu_us"] / hookkeep["cpu_us"])
    if {"hookkeep", "always"} <= rows.keys():
        hookkeep, always = rows["hookkeep"], rows["always"]
        run.figure("peak_always", hookkeep["per_second"] / always["per_second"])
        run.figure("peak_always_cpu", always["cpu_us"] / hookkeep["cpu_us"])


def half(run):
    """half of Hookkeep's peak, and nginx at the same rate"""
    rate = run.peak(Hookkeep) / 2
    for kind in (Hookkeep, Nginx):
        row = client.measure(kind, run.folder, SECONDS / 2, rate=round(rate))
        run.opened[kind.name].append(row)
    run.figure("half_p99_ms", run.opened["hookkeep"][-1]["p99_ms"])


def journal(run):
    """the file journal beside a table in SQLite, while the ledger is booked"""
    late = {}
    for kind in ("file", "table"):
        with client.folder_of("stores", run.folder) as folder:
            said = subprocess.check_output(
                [BUILD / "bench/bench_stores", kind, folder, str(STORED), str(SECONDS / 2)],
                timeout=300)
        late[kind] = json.loads(said)["p999_ms"]
    say(f"  durable at {STORED:,}/s, p99.9: a file {late['file']:.1f} ms, "
        f"a table {late['table']:.1f} ms")
    run.figure("journal_p999", late["file"] / late["table"])


def sustained(run):
    """a minute at a rate that booking keeps up with"""

    class Usual(Hookkeep):
        label, journal_mib = f"Hookkeep, journal of {USUAL_MIB} MiB", USUAL_MIB

    nginx = run.peak(Nginx)
    run.peak(Hookkeep)
    rate = 0.9 * run.closed["hookkeep"][-1]["all_done"]
    for _ in range(4):
        row = client.measure(Usual, run.folder, SUSTAINED_S, rate=round(rate))
        if row["not_200"] == 0 and row["lag_s"] <= KEPT_UP_S:
            run.figure("sustained_nginx", row["per_second"] / nginx)
            run.figure("sustained_p99_ms", row["p99_ms"])
            return
        say("  booking did not keep up; a tenth slower")
        rate *= 0.9
    say("  no rate was found that booking keeps up with")
    run.figure("sustained_nginx", 0)


def part(ordered, share):
    return ordered[int(share * (len(ordered) - 1))]


def deliveries(run):
    """events received and delivered to one destination"""
    seconds = SECONDS / 2
    with client.folder_of("delivering", run.folder) as folder:
        server = Delivering(folder)
        sent, came = folder / "sent", folder / "came"
        came.write_bytes(bytes(8 * int(DELIVERIES * (seconds + WARM_S))))
        server.times = came
        client.measure_in(server, seconds, rate=DELIVERIES, times=sent)
        sent, came = client.read_times(sent), client.read_times(came)
    first = sent[0] + int(WARM_S * 1e9)
    last = first + int(seconds * 1e9)
    ms = sorted((came[i] - sent[2 * i]) / 1e6 for i in range(len(came))
                if came[i] > 0 and first <= sent[2 * i] < last)
    if not ms:
        raise Wrong("nothing was delivered in time")
    run.figure("delivered", sum(first <= at < last for at in came) / seconds)
    run.figure("delivery_p50_ms", part(ms, 0.5))
    run.figure("delivery_p99_ms", part(ms, 0.99))
    say(f"    event to destination p50 {part(ms, 0.5):.2f} ms, p99 {part(ms, 0.99):.1f} ms")


def start(run):
    """killed with a full journal, and started again"""
    for name, mib in (("usual", USUAL_MIB), ("burst", JOURNAL_MIB)):
        with client.folder_of("start", run.folder) as folder:
            server = Hookkeep(folder)
            server.journal_mib = mib
            try:
                server.start()
                with server.booking_kept_out():
                    answered = client.fill_journal(server)
                    server.kill()
                began = time.monotonic()
                server.launch()
                answers_s = client.first_answer(server, began, client.CATCH_UP_S)
                while not server.ready():
                    server.check_alive()
                    time.sleep(0.01)
                ready_s = time.monotonic() - began
                client.await_caught_up(server, answered)
            finally:
                server.stop()
            server.check(answered + 1)  # the first answer's
        run.figure(f"start_{name}_s", ready_s)
        run.figure(f"start_{name}_answers_s", answers_s)
        say(f"  start with a full journal of {mib} MiB ({answered:,} events): answers after "
            f"{answers_s:.2f} s, ready after {ready_s:.1f} s")


def threads(pid, key):
    """The sum of a line of /proc/PID/task/*/status."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith(key + ":"):
                total += int(line.split()[1])
    return total


def memory_mb(pid, file, key):
    for line in pathlib.Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    raise Wrong(f"/proc/{pid}/{file} tells no {key}")


def idle(run):
    """the example's configuration, and nothing to do"""
    with client.folder_of("idle", run.folder) as folder:
        server = Example(folder)
        try:
            server.start()
            time.sleep(1)  # what starting leaves to do
            pid = server.measured[0].pid
            before = threads(pid, "voluntary_ctxt_switches")
            time.sleep(IDLE_S)
            wakes = threads(pid, "voluntary_ctxt_switches") - before
            rss, pss = memory_mb(pid, "status", "VmRSS"), memory_mb(pid, "smaps_rollup", "Pss")
        finally:
            server.stop()
    run.figure("idle_rss_mb", rss)
    run.figure("idle_pss_mb", pss)
    run.figure("idle_wakes", wakes * 10 / IDLE_S)
    say(f"  idle: {rss:.1f} MB resident ({pss:.1f} MB its share), {wakes} wake-ups in {IDLE_S} s")


def harness(run):
    """what the client can do, and whether it notices a server that stops"""
    row = one_load(run, 0, SECONDS / 2)
    run.figure("client_rate", row["per_second"])
    say(f"  the client: {row['per_second']:,.0f}/s, {row['client_us']:.1f} µs each")
    # For STALL_MS of each second events come late, half of them by more than half of it.
    seconds = max(3, round(SECONDS / 2))
    row = one_load(run, STALL_MS, seconds, rate=DELIVERIES)
    seen, true = row["slow"] / (DELIVERIES * seconds), (STALL_MS - 50) / 1000
    say(f"  a server that stops for {STALL_MS} ms each second: {seen:.1%} came later than 50 ms")
    if seen < 0.7 * true:  # more: the machine itself stalls
        raise Wrong(f"the client saw {seen:.1%} of the events 50 ms late; it were {true:.1%}")
    run.figure("client_sees_stalls", seen / true)


def one_load(run, stall_ms, seconds, **how):
    with client.folder_of("sink", run.folder) as folder:
        server = Sink(folder)
        server.stall_ms = stall_ms
        try:
            server.start()
            return client.load(server, seconds=seconds, **how)
        finally:
            server.stop()
