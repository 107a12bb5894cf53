// SPDX-License-Identifier: MIT
// The twin as a client sees it, and as Stripe's side of the wire: the official SDK and CLI make
// objects, and the events come in at the front door, are booked and delivered, however badly the
// way treats them.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Gateway, tempFolder } from "./lib/gateway.mjs";
import { deskPort, Listening, makeKey, sdk, stripeCli } from "./lib/official.mjs";
import { HOOKKEEP, run } from "./lib/process.mjs";
import { startSite } from "./lib/site.mjs";
import { SECRET, secret } from "./lib/stripe.mjs";
import { makeCertificate } from "./lib/tls.mjs";
import { neverWithin, waitFor } from "./lib/wait.mjs";

const KEY = "sk_test_hk0123456789abcdefghijABCDEFGHIJ12";
const CONNECT = secret("connect");
const SOURCE = { path: "/webhook", livemode: "test",
                 secrets: [{ label: "main", key: SECRET, scope: "account" },
                           { label: "connect", key: CONNECT, scope: "connect" }] };
const BASE = { desk: { listen: ["unix:desk.sock", "http://127.0.0.1:0"] }, sources: [SOURCE] };
const TWIN = { enabled: true, key: KEY };

const start = (t, { twin = {}, ...more } = {}, options) =>
  Gateway.start(t, { ...BASE, twin: { ...TWIN, ...twin }, ...more }, options);
const twin = (g, ...args) => g.cli(["twin", ...args]);
async function must(g, ...args) {
  const r = await twin(g, ...args);
  assert.equal(r.code, 0, r.stderr);
  return r.stdout;
}
const status = (g) => g.get("/api/twin");
const settled = (g) => waitFor(async () => (await status(g)).waiting === 0,
  async () => `nothing to wait: ${JSON.stringify(await status(g))}\n${g.text}`);
const chaos = (faults) => ({ headers: { "Hookkeep-Twin-Chaos": faults } });

// A request that the SDK has no way to make.
async function ask(g, method, to, body, headers = {}) {
  const answer = await fetch(`http://127.0.0.1:${deskPort(g)}${to}`, {
    method, headers: { authorization: `Bearer ${KEY}`, ...headers },
    body: body && new URLSearchParams(body) });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, text, body: JSON.parse(text) };
}

test("what the official SDK makes comes in as events, and goes out", async (t) => {
  const site = await startSite(t);
  const g = await start(t, { destinations: [site.as("shop")] });
  const stripe = sdk(g, KEY);
  const made = await stripe.customers.create({ name: "Ada", metadata: { site: "eu" } },
                                             { idempotencyKey: "one" });
  const again = await stripe.customers.create({ name: "Ada", metadata: { site: "eu" } },
                                              { idempotencyKey: "one" });
  assert.equal(again.id, made.id);
  assert.equal(again.lastResponse.headers["idempotent-replayed"], "true");
  await stripe.customers.update(made.id, { name: "Ada L." });
  const product = await stripe.products.create({ name: "Tea" });
  const price = await stripe.prices.create({ product: product.id, unit_amount: 500,
                                             currency: "eur" });
  assert.equal((await stripe.prices.retrieve(price.id, { expand: ["product"] })).product.name,
               "Tea");
  await site.waitGot(4);
  assert.deepEqual(site.got.map((x) => x.error), Array(4).fill(undefined));
  const events = Object.fromEntries(site.got.map((x) => [x.event.type, x.event]));
  assert.deepEqual(Object.keys(events).sort(),
                   ["customer.created", "customer.updated", "price.created", "product.created"]);
  const created = events["customer.created"];
  assert.equal(created.data.object.id, made.id);
  assert.equal(created.request.id, made.lastResponse.requestId);
  assert.equal(created.request.idempotency_key, "one");
  assert.equal(created.api_version, "2026-10-28.endive");
  assert.equal(created.livemode, false);
  assert.ok(created.pending_webhooks > 0);
  assert.equal(events["customer.updated"].data.previous_attributes.name, "Ada");
  assert.equal(site.got[0].headers["user-agent"], "Stripe/1.0 (+https://stripe.com/docs/webhooks)");
  // The events are there to be asked for, as at Stripe.
  assert.equal((await stripe.events.retrieve(created.id)).data.object.name, "Ada");
  const rows = await g.sql("SELECT source, secret_label, api_version FROM receipts");
  assert.equal(rows.length, 4);
  assert.deepEqual(rows[0], { source: "/webhook", secret_label: "main",
                              api_version: "2026-10-28.endive" });
  assert.match((await g.cli(["doctor"])).stdout, /twin is on/);
  const e = await stripe.customers.retrieve("cus_absent").catch((x) => x);
  assert.deepEqual([e.statusCode, e.code], [404, "resource_missing"]);
  const lost = await ask(g, "GET", "/v1/nonsense");
  assert.match(lost.body.error.message, /^Unrecognized request URL \(GET: \/v1\/nonsense\)/);
});

test("a connected account's go by its secret, and versions by the endpoint", async (t) => {
  const other = { path: "/other", livemode: "test",
                  secrets: [{ label: "all", key: secret("other") }] };
  const live = { path: "/live", livemode: "live",
                 secrets: [{ label: "live", key: secret("live") }] };
  const g = await start(t, { sources: [SOURCE, other, live],
    twin: { beside_live: "true", endpoints: [{ source: "/webhook" }, { source: "/other",
                               api_version: "2024-06-20" }] } });
  const stripe = sdk(g, KEY);
  await stripe.customers.create({}, { stripeAccount: "acct_1Harbor" });
  await waitFor(async () => (await g.count("receipts")) === 2, "both receipts");
  const rows = await g.sql("SELECT source, secret_label, r.api_version, e.account FROM receipts " +
                           "r JOIN events e ON e.seq = r.event_seq ORDER BY source");
  assert.deepEqual(rows, [
    { source: "/other", secret_label: "all", api_version: "2024-06-20", account: "acct_1Harbor" },
    { source: "/webhook", secret_label: "connect", api_version: "2026-10-28.endive",
      account: "acct_1Harbor" }]);
  assert.equal(await g.count("events"), 1, "one event through two endpoints");
  const [{ payload }] = await g.sql("SELECT payload FROM events");
  assert.equal(JSON.parse(payload).pending_webhooks, 2);
});

test("the official CLI makes objects, triggers, listens and tails", async (t) => {
  const g = await start(t);
  const listening = await Listening.start(t, g, KEY, ["listen", "--all-snapshot"]);
  const logs = new Listening(t, g, KEY, ["logs", "tail", "--format", "JSON"]);
  await waitFor(async () => (await g.get("/api/listen")).data.length === 2, () => logs.err);
  const made = await stripeCli(g, KEY, ["customers", "create", "--name", "Ada"]);
  assert.equal(JSON.parse(made.stdout).name, "Ada", made.stderr);
  for (const [type, unix] of [["customer.created", false], ["price.created", true],
                              ["product.updated", false]]) {
    const r = await stripeCli(g, KEY, ["trigger", type], { unix });
    assert.equal(r.code, 0, `${type}: ${r.stdout}${r.stderr}`);
    await listening.waitSaid(new RegExp(`--> ${type.replace(".", "\\.")}`));
  }
  const connect = await stripeCli(g, KEY, ["trigger", "customer.created", "--stripe-account",
                                           "acct_1Harbor", "--add", "customer:name=Bo"]);
  assert.equal(connect.code, 0, connect.stderr);
  await listening.waitSaid(/--> connect customer\.created/);
  await waitFor(() => /"url":"\/v1\/prices"/.test(logs.out), () => logs.out + logs.err);
  await settled(g);
  assert.equal((await g.metrics())['hookkeep_answers_total{reason="no_match"}'], 0);
});

test("killed and started again it goes on with its world and what waits", async (t) => {
  const site = await startSite(t);
  const g = await start(t, { destinations: [site.as("shop")] });
  const stripe = sdk(g, KEY);
  const made = await stripe.customers.create({ name: "Ada" }, chaos("delay=1h"));
  const file = g.path("hookkeep.db.twin");
  await waitFor(() => fs.existsSync(file) && fs.readFileSync(file, "utf8").includes(made.id),
                "the world in its file");
  assert.equal(fs.statSync(file).mode & 0o777, 0o600);
  await g.kill();
  await g.start();
  const same = await sdk(g, KEY).customers.retrieve(made.id);
  assert.equal(same.name, "Ada");
  assert.equal((await status(g)).waiting, 1);
  await neverWithin(200, () => site.got.length > 0, "an event before its time");
  await must(g, "clock", "--advance", "1h");
  await site.waitGot(1);
  assert.equal(site.got[0].event.data.object.id, made.id);
  // A stop in order writes at once.
  const second = await sdk(g, KEY).customers.create({ name: "Bo" }, chaos("delay=2h"));
  assert.equal((await g.stop()).code, 0);
  await g.start();
  assert.equal((await sdk(g, KEY).customers.retrieve(second.id)).name, "Bo");
  assert.equal((await status(g)).waiting, 1);
  const now = (await status(g)).now_ms;
  assert.ok(now > Date.now() + 3500e3, "its clock does not run back");
  await g.stop();
  // What cannot be read is left alone, and the start is refused with words.
  const whole = fs.readFileSync(file);
  fs.writeFileSync(file, whole.subarray(0, 200));
  const refused = await g.startRefused();
  assert.equal(refused.code, 1);
  assert.match(refused.why, /world in hookkeep.db.twin cannot be read: it is no JSON; put a snap/);
  assert.equal(fs.statSync(file).size, 200);
  fs.writeFileSync(file, whole);
  await g.start();
  assert.equal((await status(g)).objects, 2);
});

test("killed at any moment its file is whole", async (t) => {
  const g = await start(t);
  let kept = 0;
  for (let round = 0; round < 6; round++) {
    const stripe = sdk(g, KEY);
    const until = Date.now() + 1150 + round * 83;
    let made = (await status(g)).objects;
    assert.ok(made >= kept, `${made} objects, and ${kept} were in the file`);
    while (Date.now() < until) {
      await Promise.all([1, 2, 3, 4].map(() => stripe.customers.create({ name: "x".repeat(400) })));
      made += 4;
      await sleep(15);
    }
    const killed = stripe.customers.create({}).catch(() => {});
    await g.kill();
    await killed;
    const file = JSON.parse(fs.readFileSync(g.path("hookkeep.db.twin"), "utf8"));
    kept = file.world.objects.length;
    assert.ok(kept > 0 && kept <= made + 1);
    await g.start();
  }
  await settled(g);
});

test("a meter session's token stands for its key, on the stream alone", async (t) => {
  const g = await start(t);
  const said = await stripeCli(g, KEY, ["trigger", "v1.billing.meter.no_meter_found"],
                               { unix: true });
  assert.equal(said.code, 0, said.stdout + said.stderr);
  await g.waitCount(1, "events", "type = 'v1.billing.meter.no_meter_found'");
  const session = await ask(g, "POST", "/v2/billing/meter_event_session");
  const token = session.body.authentication_token;
  const stream = (to, bearer) => fetch(`http://127.0.0.1:${deskPort(g)}${to}`, {
    method: "POST", headers: { authorization: `Bearer ${bearer}` },
    body: JSON.stringify({ events: [{ event_name: "none", payload: { value: "1" } }] }) });
  assert.equal((await stream("/v2/billing/meter_event_stream", token)).status, 200);
  await g.waitCount(2, "events", "type = 'v1.billing.meter.no_meter_found'");
  for (const [to, bearer] of [["/v2/billing/meter_event_stream", `${token}x`],
                              ["/v2/billing/meter_event_stream", ""],
                              ["/v2/billing/meter_event_session", token],
                              ["/v1/customers", token]])
    assert.equal((await stream(to, bearer)).status, 401, to);
  // It is as good as its key.
  const { data } = await g.get("/api/keys");
  await g.ask(`/api/keys/${data[data.findIndex((k) => k.mode === "test")].id}/revoke`);
  assert.equal((await stream("/v2/billing/meter_event_stream", token)).status, 401);
});

test("each fault is met, and the event comes all the same", async (t) => {
  const g = await start(t);
  const stripe = sdk(g, KEY);
  const make = (faults, name = "x") => stripe.customers.create({ name }, chaos(faults));
  const answers = async (...reasons) => {
    const m = await g.metrics();
    return reasons.map((r) => m[`hookkeep_answers_total{reason="${r}"}`]);
  };
  const events = (n) => waitFor(async () => (await g.count("events")) === n, async () =>
    `${n} events: ${await g.count("events")}\n${g.text}`);

  await make("duplicate");
  await events(1);
  await g.waitCount(2, "receipts");
  await make("wrong_signature");
  await events(2);
  assert.deepEqual(await answers("no_match", "too_old", "body_too_large"), [1, 0, 0]);
  await make("old_timestamp");
  await events(3);
  assert.deepEqual(await answers("no_match", "too_old", "body_too_large"), [1, 1, 0]);
  await make("huge_body");
  await events(4);
  assert.deepEqual(await answers("no_match", "too_old", "body_too_large"), [1, 1, 1]);

  // One behind the other.
  const first = await make("reorder", "first"), second = await make("none", "second");
  await events(6);
  const order = await g.sql("SELECT object_id FROM events ORDER BY seq DESC LIMIT 2");
  assert.deepEqual(order.map((r) => r.object_id), [first.id, second.id]);

  // Lost: it comes again by the schedule, on the twin's clock.
  await make("drop");
  await waitFor(async () => (await status(g)).endpoints[0].failed === 1, "the loss");
  await neverWithin(200, async () => (await g.count("events")) > 6, "it came");
  await must(g, "clock", "--advance", "5m");
  await events(7);

  // Late by that clock.
  await make("delay=10m");
  await make("none", "passes it");
  await events(8);
  await must(g, "clock", "--speed", "3600");
  await events(9);
  await must(g, "clock", "--speed", "1");

  // Never.
  await make("disabled");
  await make("none");
  await events(10);
  await settled(g);
  assert.equal(await g.count("events"), 10);
  const m = await g.metrics();
  for (const fault of ["duplicate", "reorder", "delay", "drop", "wrong_signature",
                       "old_timestamp", "huge_body", "disabled"])
    assert.equal(m[`hookkeep_twin_faults_total{fault="${fault}"}`], 1, fault);
  assert.equal(m.hookkeep_twin_faults_taken_total, 0);
  const bad = await ask(g, "POST", "/v1/customers", { name: "x" },
                        { "Hookkeep-Twin-Chaos": "explode" });
  assert.equal(bad.status, 400);
  assert.match(bad.body.error.message, /found explode; expected none, or .*duplicate, reorder/);
});

test("every fault at once, for hours of its time, and all is right in the end", async (t) => {
  const site = await startSite(t);
  const faults = ["duplicate=20", "reorder=20", "delay=20", "delay=90s", "drop=20",
                  "wrong_signature=20", "old_timestamp=20", "huge_body=5"];
  const g = await start(t, { twin: { chaos: faults, seed: 11, speed: 600 },
    destinations: [site.as("shop"), { name: "rows", kind: "tables" }] });
  const stripe = sdk(g, KEY, { maxNetworkRetries: 0 });
  const made = [];
  for (let i = 0; i < 40; i++) {
    const c = await stripe.customers.create({ name: `c${i}`, metadata: { n: i } });
    made.push(c.id);
    await stripe.customers.update(c.id, { name: `d${i}` });
    if (i % 10 === 9) await stripe.customers.del(c.id);
  }
  await settled(g).catch(() => must(g, "clock", "--advance", "6h"));
  await settled(g);
  await g.waitCount(84, "events");
  await g.waitBooked();
  await g.waitCount(0, "deliveries", "state <> 'done'");
  assert.equal(new Set(site.ids()).size, 84);
  assert.ok(site.got.every((x) => x.error === undefined));
  const rows = await g.sql("SELECT id, name, deleted FROM stripe_customers");
  assert.equal(rows.length, 40);
  for (const [i, id] of made.entries()) {
    const row = rows.find((r) => r.id === id);
    assert.equal(row.name, `d${i}`, id);
    assert.equal(Boolean(row.deleted), i % 10 === 9, id);
  }
  const m = await g.metrics();
  for (const fault of ["duplicate", "reorder", "delay", "drop", "wrong_signature",
                       "old_timestamp", "huge_body"])
    assert.ok(m[`hookkeep_twin_faults_total{fault="${fault}"}`] > 0, fault);
  assert.equal(m.hookkeep_twin_faults_taken_total, 0);
  assert.equal(m['hookkeep_twin_given_up_total{reason="failed"}'], 0);
});

test("what a source refuses comes again, and is given up", async (t) => {
  const g = await start(t, { limits: { body: "1KiB", unverified: "1MiB" } });
  const stripe = sdk(g, KEY);
  await stripe.customers.create({ name: "x".repeat(2000) }); // over limits.body
  for (const [n, wait] of [[1, "5m"], [2, "30m"], [3, "2h"]]) {
    await waitFor(async () => (await status(g)).endpoints[0].failed === n, () => g.text);
    await must(g, "clock", "--advance", wait);
  }
  await g.waitLogged("twin_given_up");
  await settled(g);
  assert.equal((await g.metrics())['hookkeep_twin_given_up_total{reason="failed"}'], 1);
  assert.equal(g.log.filter((l) => l.event === "twin_post_failed").length, 3);
  // A disabled endpoint: what waits for another try is given up then.
  await stripe.customers.create({ name: "x".repeat(2000) });
  await waitFor(async () => (await status(g)).waiting === 1, "the first try");
  await must(g, "chaos", "disabled");
  await must(g, "clock", "--advance", "5m");
  await settled(g);
  assert.match(g.logged("twin_given_up") && g.text, /the endpoint is disabled/);
});

test("snapshot, reset, load, clock and chaos", async (t) => {
  const g = await start(t, { twin: { chaos: "duplicate=7", speed: 2 } });
  const stripe = sdk(g, KEY);
  const made = await stripe.customers.create({ name: "Ada" });
  await settled(g);
  const shown = await must(g, "status");
  assert.match(shown, /speed +2\n/);
  assert.match(shown, /chaos +duplicate=7\n/);
  const document = await must(g, "snapshot");
  fs.writeFileSync(g.path("before.json"), document);
  await must(g, "reset");
  await assert.rejects(stripe.customers.retrieve(made.id), { code: "resource_missing" });
  await must(g, "load", "before.json");
  assert.equal((await stripe.customers.retrieve(made.id)).name, "Ada");
  for (const [text, why] of [["{}", /not what `hookkeep twin snapshot` writes/], ["{", /no JSON/],
                             [document.replace('"hookkeep_twin":1', '"hookkeep_twin":2'),
                              /another version/],
                             [document.replace(/"objects":\[/, '"objects":[7,'), /nothing w/]]) {
    fs.writeFileSync(g.path("bad.json"), text);
    const r = await twin(g, "load", "bad.json");
    assert.equal(r.code, 1, text.slice(0, 100));
    assert.match(r.stderr, why);
  }
  assert.equal((await stripe.customers.retrieve(made.id)).name, "Ada", "nothing was changed");
  const before = (await status(g)).now_ms;
  await must(g, "clock", "--advance", "3d");
  assert.ok((await status(g)).now_ms >= before + 3 * 86400e3);
  await must(g, "clock", "--speed", "0");
  const stands = (await status(g)).now_ms;
  await must(g, "chaos", "drop=3", "delay=2m");
  assert.equal((await status(g)).now_ms, stands);
  assert.equal((await status(g)).chaos, "delay=100, delay=2m, drop=3");
  await must(g, "chaos", "none");
  assert.equal((await status(g)).chaos, "none");
  for (const [args, why] of [[["chaos", "explode"], /found explode/],
                             [["clock", "--advance", "soon"], /--advance takes how long/],
                             [["clock", "--speed", "9999999"], /whole number from 0 to 1000000/],
                             [["load", "absent.json"], /absent.json cannot be read/]]) {
    const r = await twin(g, ...args);
    assert.notEqual(r.code, 0);
    assert.match(r.stderr, why);
  }
  // Looking takes a viewer's key, changing an operator's.
  const { key } = await g.ask("/api/keys", { mode: "viewer", name: "looks" });
  assert.equal((await g.desk("GET", "/api/twin", undefined, { key })).status, 200);
  for (const to of ["reset", "load", "clock", "chaos"])
    assert.equal((await g.desk("POST", `/api/twin/${to}`, {}, { key })).status, 403);
  assert.equal((await g.desk("GET", "/api/twin/snapshot", undefined, { key })).status, 200);
});

test("a damaged snapshot is refused, or loaded, and nothing breaks", async (t) => {
  const g = await start(t);
  const stripe = sdk(g, KEY);
  await must(g, "clock", "--speed", "0");
  for (let i = 0; i < 3; i++) {
    const c = await stripe.customers.create({ name: `c${i}` }, chaos("delay=1h, duplicate"));
    await stripe.customers.update(c.id, { name: "x" }, chaos("delay=2h"));
  }
  const whole = JSON.parse(await must(g, "snapshot"));
  let seed = 7;
  const below = (n) => (seed = (seed * 48271) % 2147483647) % n;
  const damages = [null, true, -1, 1e18, "", "x", [], {}, "18446744073709551615"];
  let taken = 0;
  for (let i = 0; i < 150; i++) {
    const one = structuredClone(whole);
    let at = one;
    for (;;) { // down a random way, and something else in its place
      const keys = Object.keys(at), key = keys[below(keys.length)];
      const inner = at[key] !== null && typeof at[key] === "object" &&
                    Object.keys(at[key]).length > 0;
      if (inner && below(8) > 0) { at = at[key]; continue; }
      if (below(3) === 0) delete at[key];
      else at[key] = damages[below(damages.length)];
      break;
    }
    const r = await g.desk("POST", "/api/twin/load", one);
    assert.ok(r.status === 200 || r.status === 400, `${r.status}: ${r.text}`);
    assert.ok(!g.child.gone, g.text);
    taken += r.status === 200;
  }
  assert.ok(taken > 0 && taken < 150, `${taken} of 150 were taken`);
  assert.equal((await g.desk("POST", "/api/twin/load", whole)).status, 200);
  assert.equal((await status(g)).waiting, 6);
  await must(g, "clock", "--advance", "2h");
  await settled(g);
  await g.waitCount(6, "events");
});

test("live keys and live sources are refused, and without a twin it is said how", async (t) => {
  const both = { ...SOURCE, livemode: "both" };
  const folder = tempFolder(t);
  const write = (config) => fs.writeFileSync(`${folder}/hookkeep.yaml`, JSON.stringify(config));
  write({ ...BASE, sources: [both], twin: { enabled: "true" } });
  const checked = await run(HOOKKEEP, ["check"], { cwd: folder });
  assert.equal(checked.code, 78);
  assert.match(checked.stderr + checked.stdout,
    /twin\.enabled: found true, and the source \/webhook in line 1 takes live events/);
  const g = await start(t, { sources: [both], twin: { beside_live: "true" } });
  const key = await makeKey(g, "live");
  const e = await sdk(g, key).customers.create({}).catch((x) => x);
  assert.equal(e.statusCode, 403);
  assert.match(e.message, /twin is in test mode alone, and this key is for live events/);
  const looks = await makeKey(g, "test", "--read-only");
  assert.deepEqual((await sdk(g, looks).customers.list()).data, []);
  assert.equal((await sdk(g, looks).customers.create({}).catch((x) => x)).statusCode, 403);
  assert.equal((await status(g)).objects, 0);

  const none = await Gateway.start(t, BASE);
  const plain = await makeKey(none, "test");
  const off = await sdk(none, plain).customers.create({}).catch((x) => x);
  assert.equal(off.statusCode, 404);
  assert.match(off.message, /twin answers for this path, and is off: `twin: \{enabled: true\}`/);
  const r = await none.cli(["twin", "status"]);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /the twin is off/);
});

test("the same seed makes the same world", async (t) => {
  const ids = [];
  for (let i = 0; i < 2; i++) {
    const g = await start(t, { twin: { seed: 5 } });
    const stripe = sdk(g, KEY);
    const customer = await stripe.customers.create({});
    ids.push([customer.id, (await stripe.products.create({ name: "a" })).id]);
  }
  assert.deepEqual(ids[0], ids[1]);
});

test("it posts by a unix socket and by https with a certificate of any name", async (t) => {
  const folder = tempFolder(t);
  const tls = await makeCertificate(folder, "hooks", { host: "DNS:hooks.example.com" });
  for (const listen of [["unix:in.sock"], ["https://127.0.0.1:0"]]) {
    const g = await start(t, { listen, tls: { certificate: tls.file, key: tls.keyFile } });
    await sdk(g, KEY).customers.create({});
    await g.waitCount(1, "events");
  }
});

test("it needs no network", async (t) => {
  const up = "import fcntl, socket, struct\n"
    + "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 0x41))";
  const user = process.getuid() === 0 ? [] : ["--user", "--map-root-user"];
  const g = await start(t, {}, {
    wrap: ["unshare", ...user, "--net", "sh", "-c", `python3 -c "${up}" && exec "$@"`, "sh"] });
  const r = await stripeCli(g, KEY, ["trigger", "customer.created"], { unix: true });
  assert.equal(r.code, 0, r.stderr);
  await g.waitCount(1, "events");
});
