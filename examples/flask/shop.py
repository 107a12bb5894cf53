# SPDX-License-Identifier: MIT
"""A site behind Hookkeep: Flask and Stripe's official library, as it would stand behind Stripe.

    apt install python3-flask python3-stripe        (or: pip install flask stripe)
    SHOP_SECRET=whsec_... flask --app shop run --port 5001
"""
import os
import sqlite3

import flask
import stripe

try:
    from stripe import SignatureVerificationError
except ImportError:  # the library before version 8
    from stripe.error import SignatureVerificationError

SECRET = os.environ["SHOP_SECRET"]  # the destination's secret in hookkeep.yaml
DATABASE = os.environ.get("SHOP_DATABASE", "shop.db")

app = flask.Flask(__name__)


def handle(db, event):
    if event["type"] == "checkout.session.completed":
        session = event["data"]["object"]
        db.execute("INSERT INTO orders (session, cents) VALUES (?, ?)",
                   (session["id"], session["amount_total"]))
        print(f"paid: {session['id']}", flush=True)


@app.post("/stripe")
def stripe_event():
    body = flask.request.get_data()  # the bytes as they came: the signature is over them
    header = flask.request.headers.get("Stripe-Signature", "")
    try:
        event = stripe.Webhook.construct_event(body, header, SECRET)
    except (ValueError, SignatureVerificationError) as error:
        return str(error), 400
    # An event comes again when the outcome of an attempt could not be recorded, or by a replay. Its
    # id is kept in the transaction of the work, so that the work is done once. What raises here
    # undoes both and is answered 500, and the event comes again later.
    with sqlite3.connect(DATABASE) as db:
        if db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (event["id"],)).rowcount == 1:
            handle(db, event)
    return "", 204


with sqlite3.connect(DATABASE) as books:
    books.execute("CREATE TABLE IF NOT EXISTS seen (event TEXT PRIMARY KEY)")
    books.execute("CREATE TABLE IF NOT EXISTS orders (session TEXT PRIMARY KEY, cents INTEGER)")
