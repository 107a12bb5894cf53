// SPDX-License-Identifier: MIT
// What fails: sites, the gateway itself, its configuration; and what people do about it.
import assert from "node:assert/strict";
import fs from "node:fs";
import { suite, test } from "node:test";
import { lockBooks } from "./lib/books.mjs";
import { Gateway } from "./lib/gateway.mjs";
import { freePort, Raw } from "./lib/http.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, sign, snapshot } from "./lib/stripe.mjs";
import { neverWithin, waitFor } from "./lib/wait.mjs";

const state = (g, where) => g.sql(`SELECT state FROM deliveries WHERE ${where ?? 1} ORDER BY seq`)
  .then((rows) => rows.map((r) => r.state));
const later = () => {
  let resolve;
  const promise = new Promise((r) => (resolve = r));
  return { promise, resolve };
};

suite("deliveries that fail", { concurrency: 6 }, () => {
  test("retries follow the schedule, and when it is used up the delivery is dead", async (t) => {
    const site = await startSite(t,
      { answer: () => ({ status: 500, body: "no <b>database</b>" }) });
    const g = await Gateway.start(t, { destinations: [site.as("shop", { retry: ["2s", "3s"] })] });
    const body = snapshot();
    await g.accept(body);
    await site.waitGot(3);
    await g.waitCount(1, "deliveries", "state = 'dead'");
    const gaps = [site.got[1].at - site.got[0].at, site.got[2].at - site.got[1].at];
    // Over a second: signatures are told apart by the second that they are made in.
    assert.ok(gaps[0] >= 1590 && gaps[0] < 5000, `${gaps}`);
    assert.ok(gaps[1] >= 2390 && gaps[1] < 7000, `${gaps}`);
    assert.deepEqual(site.got.map((x) => x.headers["hookkeep-attempt"]), ["1", "2", "3"]);
    for (const got of site.got) assert.equal(got.error, undefined);
    assert.equal(new Set(site.got.map((x) => x.headers["stripe-signature"])).size, 3,
      "each attempt is signed afresh");
    const [d] = await g.deliveries();
    assert.equal(d.last_error, "answered 500");
    assert.equal(d.attempts, 3);
    const [a] = await g.sql("SELECT * FROM attempts WHERE number = 3");
    assert.equal(a.status, 500);
    assert.equal(a.answer, "no <b>database</b>");
    assert.equal((await g.sql("SELECT status FROM events"))[0].status, "failed");
    assert.equal((await g.metrics()).hookkeep_deliveries_dead_total, 1);
    await g.waitLogged("delivery_dead");

    site.answer = () => ({});
    await g.ask(`/api/deliveries/${d.seq}/retry`);
    await g.waitCount(1, "deliveries", "state = 'done'");
    assert.equal(site.got[3].headers["hookkeep-attempt"], "4");
    assert.equal((await g.sql("SELECT status FROM events"))[0].status, "done");
  });

  test("a site that is not there, or hangs up without an answer, is tried again", async (t) => {
    const port = await freePort();
    const rude = await startSite(t, { answer: (_, n) => (n === 1 ? null : {}) });
    const g = await Gateway.start(t, { destinations: [rude.as("rude", { retry: ["1s"] }),
      { ...rude.as("away", { retry: ["1s", "1s", "1s", "1s"] }),
        url: `http://127.0.0.1:${port}/` }] });
    await g.accept(snapshot());
    await g.waitCount(2, "deliveries", "attempts >= 1");
    for (const d of await g.deliveries("state = 'waiting'"))
      assert.match(d.last_error, /no answer/);
    const site = await startSite(t, { port });
    await g.waitCount(2, "deliveries", "state = 'done'");
    assert.equal(site.got.length, 1);
    assert.equal(rude.got.length, 2);
  });

  test("an attempt without an answer ends with its timeout", async (t) => {
    const site = await startSite(t, { answer: () => new Promise(() => {}) });
    const g = await Gateway.start(t,
      { destinations: [site.as("shop", { retry: [], timeout: "1s" })] });
    await g.accept(snapshot());
    await g.waitCount(1, "deliveries", "state = 'dead'");
    const [d] = await g.deliveries();
    assert.equal(d.last_error, "no answer within 1s");
    await waitFor(() => site.open === 0, "the connection to be closed");
  });

  test("Retry-After is heard, in seconds and as a date; 425 and 409 are no failure", async (t) => {
    const date = new Date(Date.now() + 3600e3).toUTCString();
    const say = { seconds: { status: 503, headers: { "retry-after": "600" } },
                  date: { status: 429, headers: { "retry-after": date } },
                  nonsense: { status: 503, headers: { "retry-after": "soon" } },
                  early: { status: 425 }, conflict: { status: 409 } };
    const sites = {};
    for (const name of Object.keys(say))
      sites[name] = await startSite(t, { answer: (_, n) => (n === 1 ? say[name] : {}) });
    const g = await Gateway.start(t, { destinations: Object.entries(sites).map(([name, site]) =>
      site.as(name, { retry: name in { early: 1, conflict: 1 } ? [] : ["1m"] })) });
    await g.accept(snapshot());
    await g.waitCount(5, "deliveries", "attempts >= 1");
    const wait = async (name) => {
      const [d] = await g.sql("SELECT d.next_at - a.started_at AS ms FROM deliveries d "
        + `JOIN attempts a ON a.delivery = d.seq WHERE d.destination = '${name}'`);
      return d.ms;
    };
    assert.ok(Math.abs(await wait("seconds") - 600e3) < 3000);
    assert.ok(Math.abs(await wait("date") - 3600e3) < 5000);
    assert.ok(await wait("nonsense") < 75e3);
    await g.waitCount(2, "deliveries", "state = 'done'");
    for (const d of await g.deliveries("state = 'done'")) {
      assert.equal(d.failures, 0, d.destination);
      assert.equal(d.attempts, 2);
    }
    const [early] = await g.sql("SELECT outcome, error FROM attempts WHERE status = 425");
    assert.equal(early.outcome, "not_yet");
  });

  test("a redirect is a failure and is not followed", async (t) => {
    const trap = await startSite(t);
    const site = await startSite(t, { answer: (_, n) =>
      ({ status: [301, 302, 307, 308][n - 1], headers: { location: trap.url } }) });
    const g = await Gateway.start(t,
      { destinations: [site.as("shop", { retry: [], concurrency: 1 })] });
    for (let i = 0; i < 4; i++) await g.accept(snapshot());
    await g.waitCount(4, "deliveries", "state = 'dead'");
    assert.equal(trap.got.length, 0);
    for (const d of await g.deliveries())
      assert.match(d.last_error, /^answered 30[1278]: redirects are not followed$/);
  });

  test("of an answer 64 KiB are read and 2 KiB kept, also of an endless one", async (t) => {
    const big = "x".repeat(8 << 20);
    const long = await startSite(t, { answer: () => ({ status: 500, body: big }) });
    const fine = await startSite(t, { answer: () => ({ body: big }) });
    const endless = await startSite(t);
    let sent = 0;
    endless.server.removeAllListeners("request");
    endless.server.on("request", (asked, reply) => {
      const more = () => {
        while (!reply.destroyed && reply.write("y".repeat(65536))) sent += 65536;
      };
      asked.resume();
      reply.writeHead(500).on("drain", more).on("error", () => {});
      more();
    });
    const g = await Gateway.start(t, { destinations: [long.as("long", { retry: [] }),
      fine.as("fine"), endless.as("endless", { retry: [], timeout: "5m" })] });
    await g.accept(snapshot());
    await g.waitCount(2, "deliveries", "state = 'dead'");
    await g.waitCount(1, "deliveries", "state = 'done' AND destination = 'fine'");
    for (const a of await g.sql("SELECT * FROM attempts WHERE status = 500"))
      assert.equal(a.answer.length, 2048);
    assert.equal(await g.count("attempts", "status = 500"), 2);
    assert.ok(sent < 64 << 20, `${sent} bytes were taken`);
  });

  test("a slow destination delays neither another one nor the answers", async (t) => {
    const slow = await startSite(t, { answer: () => new Promise(() => {}) });
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [
      slow.as("slow", { concurrency: 2, timeout: "5m" }), site.as("shop")] });
    const times = [];
    for (let i = 0; i < 30; i++) {
      const start = process.hrtime.bigint();
      await g.accept(snapshot());
      times.push(Number(process.hrtime.bigint() - start) / 1e6);
    }
    await site.waitGot(30);
    await g.waitCount(30, "deliveries", "state = 'done' AND destination = 'shop'");
    assert.equal(slow.got.length, 2, "its own concurrency bounds it");
    assert.ok(times.sort((a, b) => a - b)[15] < 500, `${times}`);
    const m = await g.metrics();
    const backlog = Object.entries(m).filter(([k]) => /destination="slow"/.test(k));
    assert.ok(backlog.some(([, v]) => v === 30), JSON.stringify(backlog));
  });

  test("after a restart deliveries that are due go on where they were", async (t) => {
    const site = await startSite(t, { answer: () => ({ status: 503 }) });
    const g = await Gateway.start(t, { destinations: [site.as("shop", { retry: ["1s", "1s"] })] });
    const bodies = [snapshot(), snapshot(), snapshot()];
    for (const b of bodies) await g.accept(b);
    await g.waitCount(3, "deliveries", "attempts = 1");
    assert.equal((await g.stop()).code, 0);
    const before = site.got.length;
    site.answer = () => ({});
    await g.start();
    await g.waitCount(3, "deliveries", "state = 'done'");
    const after = site.got.slice(before);
    assert.deepEqual(after.map((x) => x.event.id).sort(), bodies.map(idOf).sort());
    for (const got of after) assert.ok(Number(got.headers["hookkeep-attempt"]) >= 2);
  });

  test("kill -9 while a delivery is under way repeats that delivery and no other", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    const done = snapshot(), open = snapshot();
    await g.accept(done);
    await g.waitCount(1, "deliveries", "state = 'done'");
    site.answer = () => new Promise(() => {});
    await g.accept(open);
    await site.waitGot(2);
    assert.equal((await g.kill()).signal, "SIGKILL");
    site.answer = () => ({});
    await g.start();
    await g.waitCount(2, "deliveries", "state = 'done'");
    assert.deepEqual(site.ids(), [idOf(done), idOf(open), idOf(open)]);
    assert.equal(await g.count("events"), 2);
    assert.equal((await g.desk("GET", "/readyz")).status, 200);
  });

  test("kill -9 right after the answer loses nothing", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    const acked = [];
    for (let round = 0; round < 4; round++) {
      await Promise.all(Array.from({ length: 20 }, async () => {
        const b = snapshot();
        await g.accept(b);
        acked.push(b);
      }));
      await g.kill();
      await g.start();
    }
    await g.waitCount(80, "deliveries", "state = 'done'");
    const kept = new Set((await g.sql("SELECT payload FROM events")).map((r) => r.payload));
    for (const b of acked) assert.ok(kept.has(b));
    assert.equal(kept.size, 80);
    assert.equal(new Set(site.ids()).size, 80);
    const verified = await g.ask("/api/ledger/verify");
    assert.equal(verified.ok, true, JSON.stringify(verified));
  });

  test("a destination that leaves the file keeps its history; what it is owed is cancelled",
    async (t) => {
      const site = await startSite(t), other = await startSite(t);
      const g = await Gateway.start(t,
        { destinations: [site.as("shop", { retry: ["1h"] }), other.as("other")] });
      await g.accept(snapshot());
      await g.waitCount(2, "deliveries", "state = 'done'");
      site.answer = () => ({ status: 500 });
      await g.accept(snapshot());
      await g.waitCount(1, "deliveries", "state = 'waiting'");
      await g.reload({ destinations: [other.as("other")] });
      await g.waitCount(1, "deliveries", "state = 'cancelled'");
      const [d] = await g.deliveries("state = 'cancelled'");
      assert.match(d.last_error, /left the configuration/);
      const shop = await g.get("/api/destinations/shop");
      assert.equal(shop.present, false);
      assert.equal(shop.deliveries.done, 1);
      assert.equal(shop.deliveries.cancelled, 1);
      await g.accept(snapshot());
      await other.waitGot(3);
      assert.equal(site.got.length, 2);
      const listed = await g.cli(["deliveries", "list", "--state", "cancelled"]);
      assert.match(listed.stdout, /shop/);
      const replayed = await g.desk("POST", "/api/replay", { events: [d.event_seq], to: "shop" });
      assert.ok(replayed.status >= 400 || replayed.body.deliveries.length === 0, replayed.text);
      site.answer = () => ({});
      await g.reload({ destinations: [site.as("shop"), other.as("other")] });
      const last = snapshot();
      await g.accept(last);
      await site.waitGot(3);
      assert.equal(site.got[2].event.id, idOf(last), "it gets new events, not what was cancelled");
    });
});

suite("what people do", { concurrency: 6 }, () => {
  test("hold and release", async (t) => {
    const site = await startSite(t), other = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop"), other.as("other")] });
    const held = await g.cli(["destinations", "hold", "shop", "--reason", "stocktaking"]);
    assert.equal(held.code, 0, held.stderr);
    const bodies = [snapshot(), snapshot()];
    for (const b of bodies) await g.accept(b);
    await other.waitGot(2);
    await g.waitCount(2, "deliveries", "state = 'held'");
    assert.match((await g.cli(["destinations", "show", "shop"])).stdout, /stocktaking/);
    await g.stop();
    await g.start();
    await g.accept(snapshot());
    await other.waitGot(3);
    assert.equal(site.got.length, 0, "held through a restart too");
    const released = await g.cli(["destinations", "release", "shop"]);
    assert.equal(released.code, 0, released.stderr);
    await site.waitGot(3);
    await g.waitCount(6, "deliveries", "state = 'done'");
  });

  test("replay by id and by filter, to one destination or to all that match", async (t) => {
    const shop = await startSite(t), books = await startSite(t);
    const g = await Gateway.start(t, { destinations: [
      shop.as("shop", { match: [{ types: "charge.*" }] }), books.as("books")] });
    const charge = snapshot({ type: "charge.refunded" }), customer = snapshot();
    await g.accept(charge);
    await g.accept(customer);
    await g.waitCount(3, "deliveries", "state = 'done'");
    const counts = () => [shop.got.length, books.got.length];
    assert.deepEqual(counts(), [1, 2]);

    const dry = await g.cli(["events", "replay", idOf(charge), "--dry-run"]);
    assert.equal(dry.code, 0, dry.stderr);
    const all = await g.cli(["events", "replay", idOf(charge)]);
    assert.equal(all.code, 0, all.stderr);
    await g.waitCount(5, "deliveries", "state = 'done'");
    assert.deepEqual(counts(), [2, 3], "to all that match; the dry run sent nothing");

    const one = await g.cli(["events", "replay", "--type", "customer.*", "--to", "shop"]);
    assert.equal(one.code, 0, one.stderr);
    await g.waitCount(6, "deliveries", "state = 'done'");
    assert.deepEqual(counts(), [3, 3], "to one, whether it matches or not");
    assert.equal(shop.got[2].event.id, idOf(customer));
    assert.ok(shop.got[2].body.equals(Buffer.from(customer)));
    assert.equal(await g.count("deliveries", "replay"), 3);

    const type = await g.cli(["events", "replay", "--type", "invoice.paid"]);
    assert.equal(await g.count("deliveries"), 6, type.stdout);
    const unknown = await g.desk("POST", "/api/replay", { events: [idOf(charge), "evt_none"] });
    assert.equal(unknown.status, 404);
    assert.equal(await g.count("deliveries"), 6, "nothing is done if one is unknown");
  });

  test("cancel and retry", async (t) => {
    const site = await startSite(t, { answer: () => ({ status: 500 }) });
    const g = await Gateway.start(t, { destinations: [site.as("shop", { retry: ["1h"] })] });
    await g.accept(snapshot());
    await g.accept(snapshot());
    await g.waitCount(2, "deliveries", "state = 'waiting'");
    const [a, b] = await g.deliveries();
    assert.equal((await g.cli(["deliveries", "cancel", String(a.seq)])).code, 0);
    assert.deepEqual(await state(g), ["cancelled", "waiting"]);
    site.answer = () => ({});
    assert.equal((await g.cli(["deliveries", "retry", String(a.seq), String(b.seq)])).code, 0);
    await g.waitCount(2, "deliveries", "state = 'done'");
    const refused = await g.desk("POST", `/api/deliveries/${a.seq}/cancel`, {});
    assert.equal(refused.status, 409);
    assert.match(refused.body.error, /ended/);
    const none = await g.desk("POST", "/api/deliveries/999/retry", {});
    assert.equal(none.status, 404);
    assert.match((await g.cli(["deliveries", "cancel", String(a.seq)])).stderr, /ended/);
  });
});

suite("starting, stopping, reloading", { concurrency: 6 }, () => {
  test("SIGTERM finishes what is under way, on both sides", async (t) => {
    const gate = later();
    const site = await startSite(t, { answer: () => gate.promise });
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    await g.accept(snapshot());
    await site.waitGot(1);
    const body = snapshot();
    const raw = await Raw.connect(g.port);
    await raw.send(`POST /webhook HTTP/1.1\r\nHost: x\r\nStripe-Signature: ${sign(body)}\r\n`
      + `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`);
    await raw.send(Buffer.from(body).subarray(0, 100));
    await waitFor(async () => (await g.metrics()).hookkeep_unverified_bytes > 4000, "its head");
    g.signal("SIGTERM");
    await g.waitLogged("stopping");
    await waitFor(() => g.post(snapshot()).then((r) => r.status === 503, () => true),
      "new events to be refused");
    await raw.send(Buffer.from(body).subarray(100));
    assert.equal((await raw.answer()).status, 200, "the request under way is answered");
    await raw.waitClosed();
    raw.end();
    gate.resolve({});
    assert.deepEqual(await g.exit, { code: 0, signal: null });
    await g.waitLogged("stopped");
    assert.equal((await state(g))[0], "done", "the outcome of what was under way was recorded");

    site.answer = () => ({});
    await g.start();
    await g.waitCount(2, "deliveries", "state = 'done'");
    assert.equal(site.got.length, 2, "what was answered before the stop is not sent again");
    assert.equal(site.got[1].event.id, idOf(body));
  });

  test("a site that never answers does not keep the gateway from stopping", async (t) => {
    const site = await startSite(t, { answer: () => new Promise(() => {}) });
    const g = await Gateway.start(t, { limits: { drain_timeout: "500ms" },
                                       destinations: [site.as("shop", { timeout: "5m" })] });
    await g.accept(snapshot());
    await site.waitGot(1);
    assert.equal((await g.stop()).code, 0);
    assert.deepEqual(await state(g), ["due"]);
  });

  test("SIGHUP while it stops is not heard", async (t) => {
    const g = await Gateway.start(t);
    const stopped = g.stop();
    const hangups = setInterval(() => g.child.gone || g.signal("SIGHUP"), 0);
    t.after(() => clearInterval(hangups));
    assert.deepEqual(await stopped, { code: 0, signal: null });
  });

  test("SIGHUP with a bad file keeps the old configuration", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    const bad = [
      ["sources: [", /hookkeep\.yaml/],
      [JSON.stringify({ ...g.config, destinatons: [] }), /destinatons.*destinations/],
      [JSON.stringify({ ...g.config, sources: [] }), /source/],
      [JSON.stringify({ ...g.config, destinations: [{ ...site.as("shop"), secret: "" }] }),
        /secret/],
      [JSON.stringify({ ...g.config, sources: [{ path: "/webhook",
        secrets: [{ label: "main", key: "whsec_canary " }] }] }), /./],
    ];
    for (const [text, why] of bad) {
      fs.writeFileSync(g.path("hookkeep.yaml"), text);
      const told = await g.reload();
      assert.equal(told.event, "reload_refused");
      assert.match(told.problem, why);
      assert.match(told.problem, /hookkeep\.yaml:?\d*/);
    }
    const body = snapshot();
    await g.accept(body);
    await site.waitGot(1);
    const m = await g.metrics();
    assert.equal(m['hookkeep_reloads_total{result="refused"}'], bad.length);
    assert.equal(m['hookkeep_reloads_total{result="adopted"}'], 0);
    assert.equal((await g.get("/api/status")).generation, 1);
  });

  test("a change that needs a restart is said, not swallowed", async (t) => {
    const g = await Gateway.start(t);
    await g.reload({ limits: { body: "2MiB" } });
    const warned = await g.waitLogged("config_warning");
    assert.equal(warned.changed, "limits");
  });

  test("booking that has to wait keeps no answer, and a reload meanwhile changes no promise",
    async (t) => {
      const first = await startSite(t), second = await startSite(t);
      const g = await Gateway.start(t, { destinations: [first.as("first")] });
      const lock = await lockBooks(t, g.path("hookkeep.db"));
      const before = snapshot(), after = snapshot();
      await g.accept(before);
      await waitFor(() => g.logged("booking_waits"), "booking to wait");
      const told = await g.reload({ destinations: [
        first.as("first", { match: [{ types: "x.y" }] }),
        second.as("second", { match: [{ types: "customer.*" }] })] });
      assert.equal(told.event, "reloaded");
      await g.accept(after);
      await neverWithin(300, async () => (await g.count("events")) > 0, "booked under a lock");
      await lock.release();
      await g.waitCount(2, "events");
      await first.waitGot(1);
      await second.waitGot(1);
      await g.waitBooked();
      assert.deepEqual(first.ids(), [idOf(before)], "promised under the first configuration");
      assert.deepEqual(second.ids(), [idOf(after)]);
      await g.waitLogged("booking_goes_on");
    });

  test("what waits unbooked at kill -9 is booked under the configuration that it names",
    async (t) => {
      const first = await startSite(t), second = await startSite(t);
      const g = await Gateway.start(t, { destinations: [first.as("first"), second.as("second",
        { match: [{ types: "never.sent" }] })] });
      const lock = await lockBooks(t, g.path("hookkeep.db"));
      const body = snapshot();
      await g.accept(body);
      await g.kill();
      await lock.release();
      g.write({ destinations: [first.as("first", { match: [{ types: "never.sent" }] }),
                               second.as("second")] });
      await g.start();
      await first.waitGot(1);
      await g.accept(snapshot());
      await second.waitGot(1);
      assert.equal(first.got.length, 1);
      assert.equal(second.got.length, 1);
    });
});
