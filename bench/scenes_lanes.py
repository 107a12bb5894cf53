# SPDX-License-Identifier: MIT
"""Lanes: what one that is dead costs the others, and what those who wait cost in memory."""
import time

import client
from scenes import memory_mb
from scenes_grown import server_command
from servers import Delivering
from settings import BENCH, BUILD, CLIENT_CORE, QUICK, Wrong, say

LANES = 1_000 if QUICK else 10_000
EACH = 6  # events of a lane
DRAIN_S = 300


class Laned(Delivering):
    """Products, a lane each."""

    label, known, event = "Hookkeep, a lane for each object", LANES, BENCH / "product.updated.in"
    dead = None

    def config(self):
        return super().config().replace("concurrency: 64", "concurrency: 64, order: object")

    def launch(self):
        failing = [] if self.dead is None else ["--dead", self.dead]
        self.spawn(BUILD / "bench/bench_sink", *failing, self.third_port, core=CLIENT_CORE)
        self.await_port(self.third_port)
        super(Delivering, self).launch()

    def caught_up(self, answered):  # in booking: the destination is held
        return super(Delivering, self).caught_up(answered)


def drained(server, wanted):
    """Deliveries a second, from the release on, and processor time of each in µs."""
    began, cpu = time.monotonic(), server.cpu_s()
    server_command(server, BUILD / "hookkeep", "destinations", "release", "sink")
    while server.delivered() < wanted:
        server.check_alive()
        if time.monotonic() > began + DRAIN_S:
            raise Wrong(f"{server.delivered()} of {wanted} were delivered in {DRAIN_S} s")
        time.sleep(0.02)
    return wanted / (time.monotonic() - began), (server.cpu_s() - cpu) * 1e6 / wanted


def one(run, dead):
    with client.folder_of("laned", run.folder) as folder:
        server = Laned(folder)
        server.dead = dead
        try:
            server.start()
            server_command(server, BUILD / "hookkeep", "destinations", "hold", "sink")
            pid = server.measured[-1].pid
            before = memory_mb(pid, "status", "RssAnon")
            row = client.load(server, count=LANES * EACH, warm=0)
            client.await_caught_up(server, row["answered"])
            waiting = (memory_mb(pid, "status", "RssAnon") - before) * 1e5 / row["answered"]
            rate, cpu_us = drained(server, row["answered"] - (EACH if dead else 0))
        finally:
            server.stop()
    return rate, cpu_us, waiting


def lanes(run):
    """many lanes that waited, and the same with one of them dead"""
    rates, costs = {}, {}
    order = [None, "prod_0000000000"]
    for dead in order if run.round % 2 == 0 else reversed(order):
        rates[dead], costs[dead], waiting = one(run, dead)
        said = "one dead" if dead else "none dead"
        say(f"  {LANES:,} lanes, {said}: {rates[dead]:,.0f} deliveries/s, "
            f"{costs[dead]:.1f} µs CPU, {waiting:.1f} MB for 100,000 that wait")
        run.figure("lanes_waiting_mb", waiting)
    run.figure("lanes_dead", rates[order[1]] / rates[None])
    run.figure("lanes_dead_cpu", costs[None] / costs[order[1]])
    run.figure("lanes_rate", rates[None])
