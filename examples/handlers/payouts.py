# SPDX-License-Identifier: MIT
# A stream handler: a notice for the connected account whose payout is on its way. Whoever sends
# letters takes them from the table, and marks them sent.
from stream import open_books, serve

db = open_books("notices.db", """
    CREATE TABLE IF NOT EXISTS notices
        (payout TEXT PRIMARY KEY, account TEXT, amount INTEGER, currency TEXT, arrival INTEGER,
         sent INTEGER DEFAULT 0)""")


def handle(event, job):
    if not job["livemode"]:
        return  # of test money nobody is told
    if event.get("account") is None:
        return  # our own payout
    payout = event["data"]["object"]
    # One notice a payout, however often the event comes.
    db.execute("""INSERT OR IGNORE INTO notices (payout, account, amount, currency, arrival)
                  VALUES (?, ?, ?, ?, ?)""",
               (payout["id"], event["account"], payout["amount"], payout["currency"],
                payout["arrival_date"]))


serve(db, handle)
