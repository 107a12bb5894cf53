# SPDX-License-Identifier: MIT
"""Measures Hookkeep beside what others do, on this machine, in one run. bench/README.md explains.

    tools/bench [NAME...]      scenes, all by default:
{scenes}
                               or of `peak` some servers: {servers}

    ROUNDS=3         each round measures everyone once; medians are printed
    SECONDS_EACH=10  of the closed loop; what is paced takes half
    SUSTAINED_S=60   of `sustained`
    EVENTS=1000000   in the large ledger of `grown` and `stalls`: 25 GB of disk for a while
    OBJECTS=1000000  that are learnt in `sites`
    QUICK=1          one round of 2 s, a small ledger: to see that it works
"""
import os
import pathlib
import subprocess
import sys
import tempfile

import client
import report
import scenes
import scenes_grown
import scenes_lanes
import scenes_sites
import scenes_tables
from servers import EVERYONE
from settings import BUILD, CORES, ROUNDS, SECONDS, Wrong, machine, say

# In each round, then once a run. Those of a round come in another order in each.
EACH_ROUND = [scenes.peak, scenes.half, scenes.journal, scenes.deliveries, scenes_grown.grown,
              scenes_sites.sites, scenes_lanes.lanes, scenes_tables.tables]
ONCE = [scenes.harness, scenes.idle, scenes.start, scenes.sustained, scenes_grown.stalls,
        scenes_tables.rebuild]


class Run:
    """What the scenes share: the folder on the disk that is measured, and what was found so far."""

    def __init__(self, folder, kinds):
        self.folder, self.kinds, self.round = pathlib.Path(folder), kinds, 0
        self.closed = {k.name: [] for k in EVERYONE}
        self.opened = {k.name: [] for k in EVERYONE}
        self.figures, self.failed = {}, []
        self.phases, self.stalls_rate = [], 0

    def figure(self, name, value):
        self.figures.setdefault(name, []).append(value)

    def measure_peak(self, kind):
        self.closed[kind.name].append(
            client.measure(kind, self.folder, SECONDS * kind.seconds_part))

    def peak(self, kind):
        """The last peak that was measured, in this round if `peak` is among the scenes."""
        if not self.closed[kind.name]:
            self.measure_peak(kind)
        return self.closed[kind.name][-1]["per_second"]


def usage():
    listed = "\n".join(f"        {s.__name__:13} {s.__doc__.strip()}" for s in EACH_ROUND + ONCE)
    return __doc__.format(scenes=listed, servers=" ".join(k.name for k in EVERYONE))


def chosen(names):
    """The scenes, and the servers of `peak`."""
    known = {s.__name__: s for s in EACH_ROUND + ONCE}
    servers = {k.name: k for k in EVERYONE}
    unknown = set(names) - known.keys() - servers.keys()
    if unknown:
        raise Wrong(f"no such measurement: {', '.join(sorted(unknown))}\n{usage()}")
    kinds = [k for k in EVERYONE if k.name in names]
    wanted = [s for name, s in known.items() if name in names or (s is scenes.peak and kinds)]
    return wanted or list(known.values()), kinds or EVERYONE


def build():
    if len(CORES) < 2:
        raise Wrong("one core is not enough: the server and the client need one each")
    targets = ["hookkeep", "bench/bench_load", "bench/bench_sink", "bench/bench_stores"]
    subprocess.run(["ninja", "-C", BUILD, *targets], check=True, stdout=subprocess.DEVNULL)
    # The servers' folders stand beside the build: a disk in memory would make durable nothing.
    disk = subprocess.check_output(["stat", "-f", "-c", "%T", BUILD], text=True).strip()
    if disk in ("tmpfs", "ramfs"):
        raise Wrong(f"{BUILD} is on {disk}, which is no disk; build elsewhere (HOOKKEEP_BUILD)")


def do_scene(run, scene):
    say(f"{scene.__name__}: {scene.__doc__.strip()}")
    try:
        scene(run)
    except (Wrong, subprocess.SubprocessError, OSError) as failure:
        run.failed.append(f"{scene.__name__}: {failure}")
        say(f"bench: {run.failed[-1]}")


def measure_all(run, wanted):
    every = [s for s in EACH_ROUND if s in wanted]
    for i in range(ROUNDS if every else 0):
        run.round = i
        say(f"--- round {i + 1} of {ROUNDS}")
        turn = i % len(run.kinds)
        run.kinds = run.kinds[turn:] + run.kinds[:turn]
        for scene in every:
            do_scene(run, scene)
    for scene in ONCE:
        if scene in wanted:
            do_scene(run, scene)


def print_all(run, busy):
    print(machine())
    if busy:
        print("Other programs were busy on this machine: see bench/README.md, \"Reading it\"")
    if any(run.closed.values()):
        report.print_closed(EVERYONE, run.closed)
    if any(run.opened.values()):
        report.print_open(EVERYONE, run.opened)
    if run.phases:
        report.print_phases(run.stalls_rate, run.phases)
    report.print_targets(run.figures)
    for failure in run.failed:
        print(f"failed: {failure}")


def main():
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(usage())
        return
    wanted, kinds = chosen(sys.argv[1:])
    build()
    busy = os.getloadavg()[0] > 0.5
    with tempfile.TemporaryDirectory(prefix="run-", dir=BUILD) as folder:
        run = Run(folder, list(kinds))
        measure_all(run, wanted)
    print_all(run, busy)
    if run.failed:
        sys.exit(1)


if __name__ == "__main__":
    try:
        main()
    except (Wrong, subprocess.SubprocessError, OSError) as failure:
        say(f"bench: {failure}")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
