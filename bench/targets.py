# SPDX-License-Identifier: MIT
"""What is wanted, a row each: the figure that a scene leaves, the bound, and what it means.

">=" and "<=" are compared with the median of the rounds, "max" with the worst of them; None: told,
nothing is wanted of it."""
from settings import EVENTS, JOURNAL_MIB, OBJECTS, SECONDS, SUSTAINED_S, USUAL_MIB

TARGETS = [
    ("peak_nginx", ">=", 0.50, f"200s ÷ nginx, {SECONDS:g} s, a journal of {JOURNAL_MIB} MiB"),
    ("peak_nginx_cpu", None, None, "  the same in processor time of an event"),
    ("peak_always", ">=", 15, "200s ÷ Express + SDK + Bull, appendfsync always"),
    ("peak_always_cpu", None, None, "  the same in processor time of an event"),
    ("sustained_nginx", ">=", 0.25, f"kept up for {SUSTAINED_S:g} s, booked at once, ÷ nginx"),
    ("half_p99_ms", "<=", 5, "p99 at half of the peak, ms"),
    ("journal_p999", "<=", 0.5, "p99.9 until durable while booking: file journal ÷ a table"),
    ("stalls_worst_ms", "max", 50, "worst answer through all phases of `stalls`, ms"),
    ("stalls_gap_ms", None, None, "  the longest time in which nothing was booked, ms"),
    ("migration_ms", "max", 50, "what a migration adds to a start, until an answer, ms"),
    ("grown_answers", ">=", 0.9, f"answers with {EVENTS:,} events inside ÷ none"),
    ("grown_booking", ">=", 0.7, f"booking with {EVENTS:,} events inside ÷ none"),
    ("sites_answers", ">=", 0.7, f"answers with 50 sites, {OBJECTS:,} objects learnt ÷ no sites"),
    ("sites_done", ">=", 0.7, f"received and booked with 50 sites, {OBJECTS:,} objects ÷ no sites"),
    ("sites_booking", ">=", 0.7, f"booking with 50 sites, {OBJECTS:,} objects learnt ÷ no sites"),
    ("booking", None, None, "  booking alone into an empty ledger, events/s"),
    ("tables_engine", ">=", 6, "events applied to tables a second ÷ stripe-sync-engine"),
    ("tables_engine_cpu", None, None, "  the same in processor time of an event"),
    ("tables_rate", None, None, "  received, booked and applied, events/s"),
    ("rebuild_s", "<=", 120 * EVENTS / 1_000_000, f"tables made anew from {EVENTS:,} events, s"),
    ("delivered", ">=", 4950, "deliveries a second while 5,000 are received"),
    ("delivery_p50_ms", "<=", 5, "event to destination, p50, ms"),
    ("delivery_p99_ms", None, None, "  p99, ms"),
    ("idle_rss_mb", "<=", 12, "resident when idle, MB"),
    ("idle_pss_mb", None, None, "  its share of what is mapped (PSS), MB"),
    ("idle_wakes", "<=", 0, "wake-ups when idle, in 10 s"),
    ("start_usual_s", "<=", 3, f"ready after kill -9, full journal of {USUAL_MIB} MiB, s"),
    ("start_usual_answers_s", None, None, "  answers again after, s"),
    ("start_burst_s", "<=", 3, f"ready after kill -9, full journal of {JOURNAL_MIB} MiB, s"),
    ("start_burst_answers_s", None, None, "  answers again after, s"),
    ("client_rate", ">=", 100_000, "what the client can do, events/s"),
    ("client_sees_stalls", None, None, "  of the lateness of a server that stops, seen by it"),
]
