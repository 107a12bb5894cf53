# SPDX-License-Identifier: MIT
"""The side of those who make endpoints: a thread that asks the gateway's /v1/webhook_endpoints for
new ones, disables, enables and deletes them, whatever is being killed meanwhile, and remembers what
it asked and was told when. What was not answered is asked again under the same Idempotency-Key."""
import http.client
import json
import random
import threading
import time
import urllib.parse

PATH = "/v1/webhook_endpoints"
AGAIN_S = 0.05
GIVE_UP_S = 60
ALIVE_MAX = 3  # of each livemode
# Types and whether of connected accounts: few enough that the load stays what it is.
WISHES = ((("charge.succeeded",), True), (("product.updated",), False),
          (("product.created", "product.deleted"), False),
          (("invoice.paid", "product.updated"), True))


class Endpoint:
    """One that was asked for. `asks` are (what, when it was first asked, when it was answered), in
    nanoseconds; what is on, off or delete."""

    def __init__(self, number, live, wish):
        self.number, self.live, (self.types, self.connect) = number, live, wish
        self.id, self.secret, self.told, self.asks = None, None, [], []

    def path(self):
        return f"hook-{self.number}"

    def state(self):
        return self.asks[-1][0]

    def spans(self):
        """(what, from, until): when it surely was on or off. Neither while the answer is out."""
        first = self.asks[0][1] if self.asks else float("inf")
        yield "off", 0, first
        for i, (what, _, answered) in enumerate(self.asks):
            until = self.asks[i + 1][1] if i + 1 < len(self.asks) else float("inf")
            yield "on" if what == "on" else "off", answered, until


class Client(threading.Thread):
    def __init__(self, port, site, keys, seed):
        super().__init__(daemon=True)
        self.port, self.site, self.keys, self.random = port, site, keys, random.Random(seed)
        self.made, self.wrong, self.asked = [], [], 0
        self.listed = []  # ids, in the end
        self.ending = threading.Event()

    def ask(self, method, path, live, fields, key=None):
        """(when it was first asked, when it was answered, what was answered), asked until it was;
        the answer is None after too long, or when it is a refusal."""
        self.asked += 1
        head = {"Authorization": f"Bearer {self.keys[live]}",
                "Content-Type": "application/x-www-form-urlencoded",
                "Idempotency-Key": key or f"ask-{self.asked}"}
        if method == "GET":
            del head["Idempotency-Key"]
        first, end, said = time.monotonic_ns(), time.monotonic() + GIVE_UP_S, "nothing"
        while time.monotonic() < end:
            try:
                c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
                c.request(method, path, urllib.parse.urlencode(fields), head)
                answer = c.getresponse()
                said = answer.read().decode()
                c.close()
                if answer.status == 200:
                    return first, time.monotonic_ns(), json.loads(said)
                if answer.status < 500 and answer.status != 409:
                    break
            except (OSError, http.client.HTTPException) as e:
                said = repr(e)
            time.sleep(AGAIN_S)
        self.wrong.append(f"{method} {path} was answered {said}")
        return first, time.monotonic_ns(), None

    def create(self, e):
        fields = [("url", f"{self.site}/{e.path()}")]
        fields += [("enabled_events[]", t) for t in e.types]
        fields += [("connect", "true")] if e.connect else []
        first, answered, said = self.ask("POST", PATH, e.live, fields, f"make-{e.number}")
        if said is None:
            return
        e.told.append((said["id"], said["secret"]))
        if e.id is None:
            e.id, e.secret = e.told[0]
            e.asks.append(("on", first, answered))

    def make(self, live):
        e = Endpoint(len(self.made), live, self.random.choice(WISHES))
        self.made.append(e)
        self.create(e)
        return e

    def change(self, e, what):
        path = f"{PATH}/{e.id}"
        if what == "delete":
            first, answered, said = self.ask("DELETE", path, e.live, [])
        else:
            disabled = "false" if what == "on" else "true"
            first, answered, said = self.ask("POST", path, e.live, [("disabled", disabled)])
        e.asks.append((what, first, answered))
        if said is not None and (said["id"] != e.id or "secret" in said):
            self.wrong.append(f"{what} of {e.id} was answered {said['id']}")

    def with_state(self, *states):
        return [e for e in self.made if e.id and e.state() in states]

    def step(self):
        r = self.random
        live, chance = r.random() < 0.5, r.random()
        alive = [e for e in self.with_state("on", "off") if e.live == live]
        if chance < 0.4 or not alive:
            if len(alive) >= ALIVE_MAX:
                self.change(r.choice(alive), "delete")
            self.make(live)
        elif chance < 0.5:
            self.create(r.choice(self.made))
        elif chance < 0.6:
            self.change(r.choice(alive), "delete")
        else:
            e = r.choice(alive)
            self.change(e, "off" if e.state() == "on" else "on")

    def run(self):
        while not self.ending.is_set() and not self.wrong:
            try:
                self.step()
            except (KeyError, ValueError) as e:
                self.wrong.append(f"an answer is not what it should be: {e!r}")
            self.ending.wait(self.random.uniform(0, 0.4))

    def listed_of(self, live):
        ids, more = [], True
        while more:
            after = f"&starting_after={ids[-1]}" if ids else ""
            _, _, page = self.ask("GET", f"{PATH}?limit=2{after}", live, [])
            if page is None:
                return ids
            ids += [e["id"] for e in page["data"]]
            more = page["has_more"]
        return ids

    def finish(self):
        """All creates once more, what is disabled is enabled, and what is there is listed. Returns
        what went wrong in all its time."""
        self.ending.set()
        self.join()
        if self.wrong:
            return self.wrong
        for e in self.made:
            self.create(e)
        for e in self.with_state("off"):
            self.change(e, "on")
        for live in (False, True):  # so that there is one of each end, however short it all was
            self.make(live)
            self.change(self.make(live), "delete")
            self.listed += self.listed_of(live)
        return self.wrong
