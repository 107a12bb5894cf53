# SPDX-License-Identifier: MIT
"""What the environment asks for, and what the machine is. tools/bench says what each means."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "bench"
BUILD = ROOT / (os.environ.get("HOOKKEEP_BUILD") or "build")  # what `make install` installs
QUICK = os.environ.get("QUICK", "") not in ("", "0")


def number(name, usual, quick):
    return type(usual)(os.environ.get(name) or (quick if QUICK else usual))


ROUNDS = number("ROUNDS", 3, 1)
SECONDS = number("SECONDS_EACH", 10.0, 2.0)
EVENTS = number("EVENTS", 1_000_000, 20_000)
OBJECTS = number("OBJECTS", 1_000_000, 20_000)
SUSTAINED_S = number("SUSTAINED_S", 60.0, 3.0)
WARM_S = 0.5 if QUICK else 1.0
JOURNAL_MIB = 128 if QUICK else 1024  # of bursts
USUAL_MIB = 32 if QUICK else 256  # the default of the configuration
PHASE_S = 1.5 if QUICK else 5.0  # of the stalls
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]


class Wrong(Exception):
    """What was measured is not what was meant."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def first_line(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
    except OSError:
        return f"no {command[0]}"
    return done.stdout.strip().split("\n")[0]


def machine():
    """On what it was measured, for the head of the report."""
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    disk = first_line("stat", "-f", "-c", "%T", str(BUILD))
    return (f"{model}, {len(CORES)} cores, Linux {os.uname().release}, {disk}; "
            f"{first_line('/usr/sbin/nginx', '-v')}; {first_line('redis-server', '-v')[:26]}; "
            f"node {first_line('node', '-v')}")
