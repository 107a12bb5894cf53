# SPDX-License-Identifier: MIT
"""Tables of Stripe's objects: how many events a second are applied, beside what others use for it,
and how long a rebuild takes. Products are updated in turn, each at most once in Stripe's second."""
import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import time

import client
from scenes_grown import Grown, kept_ledger
from servers import SECRET, Hookkeep, Server
from settings import BENCH, BUILD, EVENTS, SECONDS, Wrong, say

PRODUCTS = 10_000
PART = 0.5  # of SECONDS_EACH
TABLES = "destinations: [{name: tables, kind: tables}]\n"
POSTGRES = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))


class Tables(Hookkeep):
    label, known, event = "Hookkeep, tables in SQLite", PRODUCTS, BENCH / "product.updated.in"

    def config(self):
        return super().config() + TABLES

    def check(self, answered):
        super().check(answered)
        with contextlib.closing(sqlite3.connect(self.folder / "hookkeep.db")) as books:
            applied, = books.execute(
                "SELECT count(*) FROM deliveries WHERE state = 'done'").fetchone()
            rows, undecided = books.execute(
                "SELECT count(*), sum(undecided) FROM stripe_products").fetchone()
        if applied != answered or rows != min(answered, PRODUCTS) or undecided != 0:
            raise Wrong(f"of {answered} events {applied} were applied, to {rows} products; "
                        f"{undecided} of these are undecided")


class SyncEngine(Server):
    """PostgreSQL with its usual settings, on the server's core as well."""

    name, label, durable = "sync-engine", "Express + stripe-sync-engine, PostgreSQL", "fsync"
    most, known, event = 20_000, PRODUCTS, Tables.event

    def as_other(self):
        """PostgreSQL refuses to run as root: who it runs as then, and can come to its folder."""
        books = self.folder / "postgres"
        books.mkdir()
        if os.getuid() != 0:
            return books, []
        for folder in (self.folder, self.folder.parent):
            folder.chmod(0o711)
        shutil.chown(books, "postgres", "postgres")
        return books, ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def start(self):
        if not POSTGRES:
            raise Wrong("there is no PostgreSQL; tools/deps bench installs it")
        books, other = self.as_other()
        subprocess.run([*other, POSTGRES[-1] / "initdb", "-D", books, "-U", "postgres", "-A",
                        "trust"], check=True, stdout=self.log, stderr=self.log)
        self.spawn(*other, POSTGRES[-1] / "postgres", "-D", books, "-p", self.second_port, "-c",
                   "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
        self.await_port(self.second_port)
        self.spawn("node", BENCH / "sync-engine.mjs", self.port,
                   f"postgres://postgres@127.0.0.1:{self.second_port}/postgres",
                   STRIPE_WEBHOOK_SECRET=SECRET, NODE_ENV="production")
        self.await_port(self.port)

    def before_stop(self, answered):
        said = subprocess.check_output(
            [POSTGRES[-1] / "psql", "-h", "127.0.0.1", "-p", str(self.second_port), "-U",
             "postgres", "-Atc", "SELECT count(*) FROM stripe.products"], text=True)
        if int(said) != min(answered, PRODUCTS):
            raise Wrong(f"{answered} events were answered 200, PostgreSQL has {said} products")


def tables(run):
    """Stripe's objects kept in tables, beside stripe-sync-engine on PostgreSQL"""
    rows = {}
    for kind in (SyncEngine, Tables) if run.round % 2 == 0 else (Tables, SyncEngine):
        rows[kind] = client.measure(kind, run.folder, SECONDS * PART)
    # Hookkeep answers before it applies: what counts is when all is done.
    run.figure("tables_engine", rows[Tables]["all_done"] / rows[SyncEngine]["per_second"])
    run.figure("tables_engine_cpu", rows[SyncEngine]["cpu_us"] / rows[Tables]["cpu_us"])
    run.figure("tables_rate", rows[Tables]["all_done"])


class Rebuilt(Grown):
    label = "Hookkeep, tables of a large ledger"

    def config(self):
        return super().config() + TABLES


def rebuild(run):
    """Tables made anew from the events of a large ledger"""
    Rebuilt.kept = kept_ledger(run)
    with client.folder_of("rebuild", run.folder) as folder:
        server = Rebuilt(folder)
        try:
            server.start()
            began = time.monotonic()
            subprocess.run([BUILD / "hookkeep", "tables", "rebuild", "-c",
                            folder / "hookkeep.yaml"], cwd=folder, check=True, stdout=server.log,
                           stderr=server.log, env={**os.environ, "STRIPE_WEBHOOK_SECRET": SECRET})
            took = time.monotonic() - began
        finally:
            server.stop()
        with contextlib.closing(sqlite3.connect(folder / "hookkeep.db")) as books:
            rows, = books.execute("SELECT count(*) FROM stripe_invoices").fetchone()
        if rows != EVENTS:
            raise Wrong(f"{rows} invoices in the table after a rebuild from {EVENTS} events")
    say(f"  {EVENTS:,} events: {took:.1f} s")
    run.figure("rebuild_s", took)
