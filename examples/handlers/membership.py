# SPDX-License-Identifier: MIT
# A stream handler: who is a member, in a database, from the events of subscriptions.
from stream import open_books, serve

db = open_books("members.db", """
    CREATE TABLE IF NOT EXISTS members
        (subscription TEXT PRIMARY KEY, customer TEXT, status TEXT, as_of INTEGER)""")


def handle(event, job):
    subscription = event["data"]["object"]
    # Events come in no order, and may come again: an older one does not undo a newer one.
    db.execute("""INSERT INTO members VALUES (?, ?, ?, ?)
                  ON CONFLICT DO UPDATE SET status = excluded.status, as_of = excluded.as_of
                  WHERE excluded.as_of >= as_of""",
               (subscription["id"], subscription["customer"], subscription["status"],
                event["created"]))


serve(db, handle)
