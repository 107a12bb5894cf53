# SPDX-License-Identifier: MIT
# A stream handler: the accounting record of an invoice is marked paid. invoice.paid and
# invoice.payment_succeeded both say so of the same invoice, and either may come again.
from stream import open_books, serve

db = open_books("accounting.db", """
    CREATE TABLE IF NOT EXISTS records
        (invoice TEXT PRIMARY KEY, customer TEXT, amount INTEGER, currency TEXT, paid INTEGER)""")


def handle(event, job):
    invoice = event["data"]["object"]
    db.execute("""INSERT INTO records VALUES (?, ?, ?, ?, 1)
                  ON CONFLICT DO UPDATE SET amount = excluded.amount, paid = 1""",
               (invoice["id"], invoice["customer"], invoice["amount_paid"], invoice["currency"]))


serve(db, handle)
