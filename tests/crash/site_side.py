# SPDX-License-Identifier: MIT
"""The sites behind the gateway: one server that answers late, badly or not at all, and writes down
what it got.

    python3 tests/crash/site_side.py RECORD SEED

Prints its port. RECORD gets a line for each request that arrived whole,

    R number time_us destination event attempt sound sha256

and one for each answer that was handed to the connection:

    A number time_us status

`sound` is 1 when the signature holds. At an endpoint's (/hook-…), whose secret may be told later
than it is used, the signature itself stands there. Endpoints fail less, as hours go by before they
are tried again. A POST to /calm ends the bad answers. SIGTERM ends it.
"""
import asyncio
import hashlib
import hmac
import random
import signal
import sys
import time

SECRET = b"whsec_crash_rounds_site_secret"
FLUSH_S = 0.05
HOOK = "hook-"


def now_us():
    return time.time_ns() // 1000


def is_sound(header, body, secret=SECRET):
    parts = dict(p.split("=", 1) for p in header.split(",") if "=" in p)
    signed = parts.get("t", "").encode() + b"." + body
    return hmac.compare_digest(hmac.new(secret, signed, hashlib.sha256).hexdigest(),
                               parts.get("v1", ""))


class Site:
    def __init__(self, path, seed):
        self.record = open(path, "a", encoding="ascii")
        self.random = random.Random(seed)
        self.calm = False
        self.number = 0

    def draw(self, destination):
        """(latency in seconds, status); status None: the connection is closed unanswered."""
        r = self.random
        latency = 0 if r.random() < 0.3 else min(r.expovariate(1 / 0.01), 0.2)
        chance = r.random()
        if destination.startswith(HOOK):
            chance *= 10
        if self.calm:
            return latency, 200
        if chance < 0.08:
            return latency, 500
        if chance < 0.10:
            return latency, 409
        if chance < 0.12:
            return latency, None
        if chance < 0.122:
            return 2.5, 200  # later than the gateway waits
        return latency, 200

    def received(self, destination, head, body):
        self.number += 1
        signature = head.get("stripe-signature", "")
        sound = int(is_sound(signature, body))
        if destination.startswith(HOOK):
            sound = "".join(signature.split()) or "-"
        print("R", self.number, now_us(), destination, head.get("hookkeep-event", "-"),
              head.get("hookkeep-attempt", "0"), sound, hashlib.sha256(body).hexdigest(),
              file=self.record)
        return self.number

    def answered(self, number, status):
        print("A", number, now_us(), status, file=self.record)


class Connection(asyncio.Protocol):
    def __init__(self, site):
        self.site, self.data, self.transport, self.gone = site, b"", None, False

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, _):
        self.gone = True

    def data_received(self, data):
        self.data += data
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            return
        lines = self.data[:end].decode("latin-1").split("\r\n")
        head = {k.strip().lower(): v.strip() for k, v in (x.split(":", 1) for x in lines[1:])}
        size = int(head.get("content-length", "0"))
        if len(self.data) < end + 4 + size:
            return
        body, self.data = self.data[end + 4:end + 4 + size], self.data[end + 4 + size:]
        self.request(lines[0].split(" ")[1].lstrip("/"), head, body)

    def request(self, path, head, body):
        if path == "calm":
            self.site.calm = True
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            return
        number = self.site.received(path, head, body)
        latency, status = self.site.draw(path)
        asyncio.get_running_loop().call_later(latency, self.answer, number, status)

    def answer(self, number, status):
        if self.gone or self.transport.is_closing():
            return
        if status is None:
            self.transport.close()
            return
        self.transport.write(b"HTTP/1.1 %d x\r\nContent-Length: 2\r\n\r\nok" % status)
        self.site.answered(number, status)


async def serve(path, seed):
    loop, site, end = asyncio.get_running_loop(), Site(path, seed), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    server = await loop.create_server(lambda: Connection(site), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    while not end.is_set():
        site.record.flush()
        try:
            await asyncio.wait_for(end.wait(), FLUSH_S)
        except asyncio.TimeoutError:
            pass
    site.record.close()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
