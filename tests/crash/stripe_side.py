# SPDX-License-Identifier: MIT
"""Stripe's side: threads that post signed events, some of them twice, through two sources, and
remember what was sent and what was answered 2xx."""
import hashlib
import hmac
import random
import socket
import threading
import time

SECRETS = {"/webhook": b"whsec_crash_rounds_account_secret",
           "/connect": b"whsec_crash_rounds_connect_secret"}
TYPES = ("customer.created", "charge.succeeded", "invoice.paid")
PAUSE_S = 0.02  # after a connection that failed


def event_id(prefix, n):
    return f"evt_{prefix}_{n:07d}"


# Every ninth event is of a product, which has eight in a row: it is created, changed, and every
# other one deleted. In which second each of them lies, by the product's number.
PRODUCT_EVENTS = 8
SECONDS = ((0, 0, 0, 0, 1, 1, 1, 1), (0, 1, 1, 1, 1, 1, 2, 2), (0, 0, 0, 0, 0, 0, 0, 0))


def product_of(n):
    """Number of the product and of the event in its life, or None."""
    return divmod(n // 9, PRODUCT_EVENTS) if n % 9 == 1 else None


def product_is_deleted(product, step):
    return step == PRODUCT_EVENTS - 1 and product % 2 == 0


def product_second(product, step):
    return 1700000000 + 10 * product + SECONDS[product % 3][step]


def product_name(product, step):
    """Of three, another after each change."""
    name = product % 3
    for i in range(1, step + 1):
        name += 0 if product_is_deleted(product, i) else 1 + (product >> i & 1)
    return ("tea", "cake", "bread")[name % 3]


def event_type(n):
    if product_of(n) is None:
        return TYPES[n % 3]
    product, step = product_of(n)
    if product_is_deleted(product, step):
        return "product.deleted"
    return "product.updated" if step else "product.created"


def is_live(n):
    return product_of(n)[0] % 4 == 0 if product_of(n) else n % 4 == 0


def is_connect(n):
    """Is it of a connected account?"""
    return (product_of(n) or (n, 0))[0] % 7 == 0


def customer_of(n):
    """Three events in a row are of one customer, the first of them the customer's own."""
    return n - n % 3


def claimed_by(n):
    """The site that the customer's own event claims for it: every third has none."""
    return (None, "north", "south")[n // 3 % 3]


def event_object(n):
    c = customer_of(n)
    if product_of(n):
        product, step = product_of(n)
        name = product_name(product, step)
        return f'"id":"prod_{product}","object":"product","name":"{name}"'
    if n != c:
        kind = "charge" if n == c + 1 else "invoice"
        return f'"id":"{kind}_{n}","object":"{kind}","customer":"cus_{c}"'
    site = claimed_by(n)
    said = f',"metadata":{{"site":"{site}"}}' if site else ""
    return f'"id":"cus_{c}","object":"customer"{said}'


def event_body(prefix, n):
    """The bytes of event n: the same each time."""
    product, step = product_of(n) or (n, 0)
    account = f'"account":"acct_{product % 5}",' if is_connect(n) else ""
    live = "true" if is_live(n) else "false"
    pad = "x" * (300 + product * 37 % 900)
    created, previous = 1700000000 + n, ""
    if product_of(n):
        created = product_second(product, step)
    if event_type(n) == "product.updated":
        previous = f',"previous_attributes":{{"name":"{product_name(product, step - 1)}"}}'
    return (f'{{"id":"{event_id(prefix, n)}","object":"event","api_version":"2024-06-20",{account}'
            f'"created":{created},"livemode":{live},"type":"{event_type(n)}",'
            f'"data":{{"object":{{{event_object(n)},"pad":"{pad}"}}{previous}}}}}').encode()


def sign(secret, body, t):
    mac = hmac.new(secret, b"%d." % t + body, hashlib.sha256).hexdigest()
    return f"t={t},v1={mac}".encode()


class Poster(threading.Thread):
    def __init__(self, load, seed):
        super().__init__(daemon=True)
        self.load, self.random, self.socket = load, random.Random(seed), None

    def post(self, path, body):
        """The status, or None when nothing is known."""
        head = (b"POST %s HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\nStripe-Signature: %s\r\n\r\n"
                % (path.encode(), len(body), sign(SECRETS[path], body, int(time.time()))))
        try:
            if self.socket is None:
                self.socket = socket.create_connection(("127.0.0.1", self.load.port), 5)
                self.socket.settimeout(20)
            self.socket.sendall(head + body)
            return self.answer()
        except (OSError, ValueError):
            self.drop()
            return None

    def answer(self):
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(4096)
            if not more:
                raise OSError("closed")
            data += more
        head, rest = data.split(b"\r\n\r\n", 1)
        low = head.lower()
        size = int(low.split(b"content-length:")[1].split(b"\r\n")[0])
        while len(rest) < size:
            more = self.socket.recv(4096)
            if not more:
                raise OSError("closed")
            rest += more
        if b"connection: close" in low:
            self.drop()
        return int(head.split(b" ")[1])

    def drop(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def run(self):
        load = self.load
        next_at = time.monotonic()
        while not load.ending:
            n = load.choose(self.random)
            path = self.random.choice(("/webhook", "/connect"))
            load.sent.append((n, path))
            load.sent_at.setdefault(n, time.monotonic_ns())
            status = self.post(path, event_body(load.prefix, n))
            load.count(status)
            if status is not None and 200 <= status < 300:
                load.acked_at.setdefault(n, time.monotonic_ns())
                load.acked.append((n, path))
            else:
                load.again.append(n)
                if status is None:
                    time.sleep(PAUSE_S)
            next_at = max(next_at + load.pause_s, time.monotonic() - 0.05)
            time.sleep(max(0, next_at - time.monotonic()))
        self.drop()


class Load:
    def __init__(self, port, prefix, seed, rate, threads=8):
        self.port, self.prefix = port, prefix
        self.pause_s = threads / rate
        self.sent, self.acked, self.again = [], [], []  # appended to by all threads
        self.sent_at, self.acked_at = {}, {}  # of each event, the first time
        self.answers = {}
        self.next, self.ending, self.lock = 0, False, threading.Lock()
        self.posters = [Poster(self, seed * 100 + i) for i in range(threads)]

    def id(self, n):
        return event_id(self.prefix, n)

    def choose(self, r):
        chance = r.random()
        if chance < 0.3 and self.again:
            try:
                return self.again.pop()  # Stripe sends again what was not acknowledged
            except IndexError:
                pass
        with self.lock:
            if chance < 0.9 or self.next == 0:
                self.next += 1
                return self.next - 1
            return r.randrange(max(0, self.next - 2000), self.next)

    def count(self, status):
        with self.lock:
            self.answers[status] = self.answers.get(status, 0) + 1

    def start(self):
        for p in self.posters:
            p.start()

    def stop(self):
        self.ending = True
        for p in self.posters:
            p.join()
