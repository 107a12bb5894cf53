# SPDX-License-Identifier: MIT
"""What the handlers in Python have in common: Hookkeep's lines in, an answer for each out
(hookkeep-handler(7)), and a database in which each event is one transaction."""
import json
import sqlite3
import sys


def open_books(name, schema):
    db = sqlite3.connect(name, isolation_level=None)
    db.executescript(schema)
    return db


def serve(db, handle):
    """Calls handle(event, job) for each event; what it raises is undone, and a failed attempt."""
    for line in sys.stdin:
        job = json.loads(line)
        answer = {"delivery": job["delivery"], "attempt": job["attempt"], "outcome": "done"}
        try:
            db.execute("BEGIN IMMEDIATE")
            handle(json.loads(job["payload"]), job)
            db.execute("COMMIT")
        except sqlite3.OperationalError as e:  # locked, full: later may go better
            answer |= {"outcome": "not_yet", "retry_after": 5, "error": str(e)}
        except Exception as e:
            answer |= {"outcome": "failed", "error": repr(e)}
        if db.in_transaction:
            db.execute("ROLLBACK")
        print(json.dumps(answer), flush=True)
