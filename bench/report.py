# SPDX-License-Identifier: MIT
"""The tables at the end."""
import statistics

from settings import ROUNDS, SECONDS
from targets import TARGETS


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def ratio(results, a, b):
    """Of each round, then the median: rounds differ more than what shares one."""
    return statistics.median(x["per_second"] / y["per_second"]
                             for x, y in zip(results[a], results[b]))


def print_closed(kinds, results):
    kinds = [k for k in kinds if results[k.name]]
    others = [k for k in ("always", "nginx") if results[k]]
    print(f"\nAs fast as 64 connections ask ({ROUNDS} × {SECONDS:g} s, medians)\n")
    print(f"{'':31} {'200s/s':>8} {'p50 ms':>7} {'p99 ms':>7} {'p99.9':>7} {'CPU µs':>7} "
          f"{'all done/s':>10}" + "".join(f" {'÷ ' + o:>9}" for o in others) + "  durable")
    for kind in kinds:
        rows = results[kind.name]
        print(f"{kind.label:31} {median(rows, 'per_second'):8,.0f} {median(rows, 'p50_ms'):7.2f} "
              f"{median(rows, 'p99_ms'):7.1f} {median(rows, 'p999_ms'):7.1f} "
              f"{median(rows, 'cpu_us'):7.1f} {median(rows, 'all_done'):10,.0f}"
              + "".join(f" {ratio(results, kind.name, o):9.2f}" for o in others)
              + f"  {kind.durable}")
    for kind in kinds:
        rows = results[kind.name]
        if median(rows, "lag_s") > 0.2:
            print(f"  {kind.label}: all was done {median(rows, 'lag_s'):.1f} s after the last "
                  "answer")
        if sum(row["not_200"] for row in rows) > 0:
            print(f"  {kind.label}: {sum(row['not_200'] for row in rows):,} were refused (503, the "
                  "journal was full) and are not counted")
        busy = statistics.median(row["client_us"] * row["per_second"] for row in rows)
        if busy > 0.9e6:
            print(f"  {kind.label}: the client was the limit; the server may do more")


def print_open(kinds, results):
    print("\nAt half of Hookkeep's peak, latency from the moment they were meant to leave\n")
    print(f"{'':31} {'200s/s':>8} {'p50 ms':>7} {'p99 ms':>7} {'p99.9':>7} {'max':>7} "
          f"{'CPU µs':>7}")
    for kind in kinds:
        rows = results[kind.name]
        if rows:
            print(f"{kind.label:31} {median(rows, 'per_second'):8,.0f} " + " ".join(
                f"{median(rows, k):7.2f}"
                for k in ("p50_ms", "p99_ms", "p999_ms", "max_ms", "cpu_us")))


def print_phases(rate, phases):
    print(f"\nStalls, at {rate:,} events a second (a third of the peak)\n")
    print(f"{'':31} {'events':>9} {'worst ms':>9} {'> 50 ms':>8} {'sync ms':>8} "
          f"{'gap ms':>8}")
    for phase in phases:
        sync, gap = (f"{phase[key]:8.2f}" if key in phase else f"{'-':>8}"
                     for key in ("sync_ms", "gap_ms"))
        print(f"{phase['name']:31} {phase['events']:9,} {phase['worst_ms']:9.1f} "
              f"{phase['late']:8,} {sync} {gap}")


def told(value):
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def print_targets(figures):
    print(f"\n{'':58} {'wanted':>9} {'reached':>9}\n")
    for name, how, wanted, meaning in TARGETS:
        values = figures.get(name)
        if how is None:
            if values:
                print(f"{meaning:58} {'':>9} {told(statistics.median(values)):>9}")
            continue
        asked = f"{'≥' if how == '>=' else '≤'} {told(wanted) if wanted else 0}"
        if not values:
            print(f"{meaning:58} {asked:>9} {'-':>9}  not measured")
            continue
        value = max(values) if how == "max" else statistics.median(values)
        good = value >= wanted if how == ">=" else value <= wanted
        print(f"{meaning:58} {asked:>9} {told(value):>9}  {'yes' if good else 'NO'}")
