# SPDX-License-Identifier: MIT
# A stream handler: who is a member, in a database, from the events of subscriptions.
import json
import sqlite3
import sys

db = sqlite3.connect("members.db", isolation_level=None)
db.execute("CREATE TABLE IF NOT EXISTS seen (event TEXT PRIMARY KEY)")
db.execute("""CREATE TABLE IF NOT EXISTS members
              (subscription TEXT PRIMARY KEY, customer TEXT, status TEXT, as_of INTEGER)""")


def handle(event):
    subscription = event["data"]["object"]
    db.execute("BEGIN")
    try:
        # An event may come again; its id and its work are kept in one transaction.
        if db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (event["id"],)).rowcount:
            # Events come in no order: an older one does not undo a newer one.
            db.execute("""INSERT INTO members VALUES (?, ?, ?, ?)
                          ON CONFLICT DO UPDATE SET status = excluded.status, as_of = excluded.as_of
                          WHERE excluded.as_of >= as_of""",
                       (subscription["id"], subscription["customer"], subscription["status"],
                        event["created"]))
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


for line in sys.stdin:
    job = json.loads(line)
    answer = {"delivery": job["delivery"], "attempt": job["attempt"], "outcome": "done"}
    try:
        handle(json.loads(job["payload"]))
    except sqlite3.OperationalError as e:  # locked, full: later may go better
        answer |= {"outcome": "not_yet", "retry_after": 5, "error": str(e)}
    except Exception as e:
        answer |= {"outcome": "failed", "error": repr(e)}
    print(json.dumps(answer), flush=True)
