#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A receiver for trying things out, with Python's standard library alone: checks the signature of
each event that arrives on one of the given ports of 127.0.0.1 and prints a line for it.

    SHOP_SECRET=whsec_... examples/receiver.py 5001 5002

A real site uses Stripe's own library for the signature; what must hold is the same.
"""
import hashlib
import hmac
import http.server
import json
import os
import sys
import threading
import time

SECRET = os.environ.get("SHOP_SECRET", "").encode()
TOLERANCE_S = 300
BODY_MAX = 16 << 20


def holds(header, body, now):
    items = [item.partition("=")[::2] for item in header.split(",")]
    times = [value for key, value in items if key == "t"]
    if len(times) != 1 or not times[0].isdecimal() or abs(now - int(times[0])) > TOLERANCE_S:
        return False
    wanted = hmac.new(SECRET, times[0].encode() + b"." + body, hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(wanted.encode(), value.encode())
               for key, value in items if key == "v1")


def say(port, words):
    # In one piece: events of several threads come at once.
    sys.stdout.write(f"port {port}: {words}\n")
    sys.stdout.flush()


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        if not 0 <= size <= BODY_MAX:
            self.answer(413)
            return
        body = self.rfile.read(size)
        if not holds(self.headers.get("Stripe-Signature", ""), body, time.time()):
            say(self.server.server_port, "a signature that does not hold")
            self.answer(400)
            return
        event = json.loads(body)
        say(self.server.server_port, f"{event['type']} {event['id']}")
        self.answer(200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    if not SECRET or len(sys.argv) < 2:
        sys.exit(__doc__)
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", int(p)), Receiver)
               for p in sys.argv[1:]]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        servers[0].serve_forever()
    except KeyboardInterrupt:
        pass


main()
