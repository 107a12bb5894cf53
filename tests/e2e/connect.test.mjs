// SPDX-License-Identifier: MIT
// Connect platforms: code that was written for Stripe itself works unchanged behind Hookkeep, what
// was seen of accounts is told, and the doctor finds what is wrong.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import express from "express";
import { Gateway, tempFolder } from "./lib/gateway.mjs";
import { startSite } from "./lib/site.mjs";
import { now, secret, SECRET, SITE_SECRET, snapshot, stripe } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const CONNECT = secret("connect");
const RING = [{ label: "platform", scope: "account", key: SECRET },
              { label: "connect", scope: "connect", key: CONNECT }];

// As people write it: one endpoint for several accounts, told apart by the header.
const FLASK = `
import os, stripe
from flask import Flask, request, jsonify

app = Flask(__name__)
SECRETS = {
    "acct_platform1": os.environ["SECRET_PLATFORM"],
    "acct_shop1": os.environ["SECRET_SHOP"],
}
handled = []

@app.route("/webhook", methods=["POST"])
def webhook():
    account = request.headers.get("Stripe-Account")
    if account not in SECRETS:
        return jsonify(error="unknown account"), 400
    try:
        event = stripe.Webhook.construct_event(
            request.data, request.headers["Stripe-Signature"], SECRETS[account])
    except stripe.error.SignatureVerificationError:
        return jsonify(error="bad signature"), 400
    handled.append([account, event["id"]])
    return jsonify(success=True)

@app.route("/handled")
def show():
    return jsonify(handled)

app.run(port=int(os.environ["PORT"]))
`;

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  return port;
}

async function startFlask(t, secrets) {
  const folder = tempFolder(t), port = await freePort();
  fs.writeFileSync(path.join(folder, "app.py"), FLASK);
  // The system's own, which has the packages that make deps installs.
  const child = spawn("/usr/bin/python3", ["app.py"], { cwd: folder,
    stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, PORT: `${port}`, ...secrets } });
  let said = "";
  child.stderr.on("data", (piece) => (said += piece));
  t.after(() => child.kill("SIGKILL"));
  const handled = async () => (await fetch(`http://127.0.0.1:${port}/handled`)).json();
  await waitFor(() => handled().catch(() => null), () => `Flask:\n${said}`);
  return { port, handled };
}

test("a Flask site that tells accounts apart by Stripe-Account works unchanged", async (t) => {
  const shop = secret("shop");
  const site = await startFlask(t, { SECRET_PLATFORM: SITE_SECRET, SECRET_SHOP: shop });
  const url = `http://127.0.0.1:${site.port}/webhook`;
  const g = await Gateway.start(t, {
    sources: [{ path: "/webhook", owner: "acct_platform1", secrets: RING }],
    destinations: [
      { name: "own", url, secret: SITE_SECRET, match: [{ accounts: "platform" }] },
      { name: "shops", url, secret: shop, match: [{ scope: "connect" }] },
    ],
  });
  const direct = snapshot(), connected = snapshot({ account: "acct_shop1" });
  await g.accept(direct);
  await g.accept(connected, { secret: CONNECT });
  await g.waitCount(2, "deliveries", "state = 'done'");
  assert.deepEqual((await site.handled()).sort(), [
    ["acct_platform1", JSON.parse(direct).id],
    ["acct_shop1", JSON.parse(connected).id],
  ]);
});

async function startExpress(t, routes) {
  const app = express(), got = [];
  for (const [at, secrets] of routes)
    app.post(at, express.raw({ type: "application/json" }), (req, res) => {
      for (const key of secrets)
        try {
          const event = stripe.webhooks.constructEvent(req.body, req.headers["stripe-signature"],
            key);
          got.push([at, event.id, event.account ?? null]);
          return res.json({ received: true });
        } catch {
          continue; // the next secret
        }
      return res.status(400).send("Webhook Error: no secret matches");
    });
  const server = app.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { got, url: (at) => `http://127.0.0.1:${server.address().port}${at}` };
}

const ROUTES = {
  "two routes, each with its secret": [["/webhook", [SITE_SECRET]],
                                       ["/connect", [secret("second")]]],
  "one route that tries both secrets": [["/webhook", [SITE_SECRET, secret("second")]]],
};

for (const [name, routes] of Object.entries(ROUTES))
  test(`an Express site with ${name} works unchanged`, async (t) => {
    const site = await startExpress(t, routes), second = routes.at(-1)[0];
    const g = await Gateway.start(t, {
      sources: [{ path: "/webhook", secrets: RING }],
      destinations: [
        { name: "own", url: site.url("/webhook"), secret: SITE_SECRET,
          match: [{ scope: "account" }] },
        { name: "connected", url: site.url(second), secret: secret("second"),
          match: [{ scope: "connect" }] },
      ],
    });
    const direct = snapshot(), connected = snapshot({ account: "acct_9" });
    await g.accept(direct);
    await g.accept(connected, { secret: CONNECT });
    await g.waitCount(2, "deliveries", "state = 'done'");
    assert.deepEqual(site.got.sort(), [["/webhook", JSON.parse(direct).id, null],
                                       [second, JSON.parse(connected).id, "acct_9"]].sort());
    assert.equal(await g.count("attempts", "status <> 200"), 0);
  });

test("a destination's URL holds the event's account and site", async (t) => {
  const site = await startSite(t);
  const url = `http://127.0.0.1:${site.port}/of/{account}?a={account}&s={site}`;
  const g = await Gateway.start(t, { destinations: [site.as("shop", { url })],
    sites: [{ name: "shoes", claims: [{ accounts: "acct_2" }] }] });
  await g.accept(snapshot({ account: "acct_1/../x" }));
  await site.waitGot(1);
  await g.accept(snapshot());
  await site.waitGot(2);
  await g.accept(snapshot({ account: "acct_2" }));
  await site.waitGot(3);
  assert.deepEqual(site.got.map((one) => one.url), [
    "/of/acct_1%2F..%2Fx?a=acct_1%2F..%2Fx&s=unclaimed", "/of/platform?a=platform&s=unclaimed",
    "/of/acct_2?a=acct_2&s=shoes"]);
  assert.equal(site.got[0].error, undefined);
});

const accountRows = async (g) => {
  const r = await g.cli(["accounts", "--json"]);
  assert.equal(r.code, 0, r.stderr);
  assert.equal(r.stderr, "");
  return r.stdout.trim().split("\n").map((line) => JSON.parse(line));
};
const accounts = async (g) => (await accountRows(g)).filter((row) => !row.never_delivered);
const silent = async (g) =>
  (await accountRows(g)).map((row) => row.never_delivered?.scope).filter(Boolean);

test("accounts are listed with their events, and one leaves and comes back", async (t) => {
  const g = await Gateway.start(t, { desk: { listen: ["unix:desk.sock"], account_metrics: 1 },
    sources: [{ path: "/webhook", owner: "acct_p", secrets: RING }] });
  const none = await g.cli(["accounts"]);
  assert.equal(none.code, 0);
  assert.match(none.stderr, /never delivered anything: \/webhook, secret connect, scope connect/);
  assert.deepEqual((await accountRows(g)).at(-1), { never_delivered:
    { source: "/webhook", secret_label: "connect", scope: "connect" } });
  assert.deepEqual(await silent(g), ["account", "connect"]);
  const of = (account, type, created, more) => g.accept(
    snapshot({ account, type, created, livemode: true, ...more }), { secret: CONNECT });
  const start = now() - 1000;
  await of("acct_a", "invoice.paid", start);
  await of("acct_b", "invoice.paid", start, { livemode: false });
  await of("acct_b", "invoice.paid", start + 1, { livemode: false });
  await of("acct_a", "account.application.deauthorized", start + 10);
  await of("acct_a", "invoice.paid", start + 5); // sent late
  await g.waitBooked();
  const [b, a] = await accounts(g);
  assert.deepEqual([a.account, a.owner, a.livemode, a.events, a.deauthorized],
    ["acct_a", "acct_p", true, 3, start + 10]);
  assert.deepEqual([b.account, b.livemode, b.events, b.deauthorized], ["acct_b", false, 2, 0]);
  assert.ok(a.first_at <= a.last_at && a.first_at > (start - 5000) * 1000);
  const table = await g.cli(["accounts", "--account", "acct_a"]);
  assert.match(table.stdout, /acct_a +acct_p +live .* 3 +20/);
  assert.doesNotMatch(table.stdout, /acct_b/);
  assert.match(table.stderr, /secret platform, scope account/);
  assert.doesNotMatch(table.stderr, /secret connect/);
  assert.deepEqual(await silent(g), ["account"]);
  const metrics = await g.metrics();
  const name = (owner, account, livemode) =>
    `hookkeep_account_events_total{owner="${owner}",account="${account}",livemode="${livemode}"}`;
  assert.equal(metrics[name("acct_p", "acct_a", true)], 3);
  assert.equal(metrics[name("", "other", false)], 2);
  assert.equal(metrics[name("acct_p", "acct_b", false)], undefined);

  await of("acct_a", "account.application.authorized", start + 20);
  await g.waitBooked();
  assert.equal((await accounts(g))[1].deauthorized, 0);
  assert.deepEqual(await g.sql("SELECT account, events, deauthorized FROM accounts ORDER BY 1"),
    [{ account: "acct_a", events: 4, deauthorized: null },
     { account: "acct_b", events: 2, deauthorized: null }]);
});

const examine = async (g, code) => {
  const r = await g.cli(["doctor", "--json"]);
  assert.equal(r.code, code, r.stdout + r.stderr);
  return JSON.parse(r.stdout).findings;
};
const named = (findings) => findings.map((f) => f.check);

test("the doctor finds what is wrong, and no more once it is mended", async (t) => {
  const g = await Gateway.start(t, { sources: [{ path: "/webhook", secrets: RING }] });
  await g.waitBooked(); // the configuration too
  assert.deepEqual(named(await examine(g, 1)), ["no_destination", "nothing_came"],
    "an empty gateway");
  const site = await startSite(t, { answer: () => ({ status: 500 }) });
  const shop = (more) => [site.as("shop", { match: [{ types: "customer.*" }], ...more })];
  await g.reload({ destinations: shop({ retry: [] }) });
  await g.accept(snapshot());
  await g.waitCount(1, "deliveries", "state = 'dead'");
  await g.accept(snapshot({ type: "invoice.paid" }));
  assert.equal((await g.post(snapshot(), { secret: secret("stranger") })).status, 400);
  assert.equal((await g.post(snapshot(), { timestamp: now() - 1000 })).status, 400);
  await g.accept(snapshot(), { timestamp: now() - 250 });
  for (let i = 0; i < 9; i++) await g.accept(snapshot(), { timestamp: now() - 250 });
  await g.waitCount(11, "deliveries", "state = 'dead'");
  let found = await examine(g, 1);
  assert.deepEqual(named(found), ["signatures_fail", "clock_off", "deliveries_dead",
                                  "secret_unused", "types_unmatched"]);
  assert.equal(found[0].about, "/webhook");
  assert.match(found[0].found, /^1 match no secret, 1 too old; 12 held$/);
  assert.match(found[1].found, /our clock is [12]\d\d s ahead of/);
  assert.match(found[3].found, /the secret connect \(scope connect\) never matched/);
  assert.match(found[4].found, /^invoice\.paid arrives/);

  site.answer = () => ({});
  for (const { seq } of await g.deliveries("state = 'dead'"))
    assert.equal((await g.cli(["deliveries", "retry", `${seq}`])).code, 0);
  await g.waitCount(11, "deliveries", "state = 'done'");
  await g.accept(snapshot({ account: "acct_1" }), { secret: CONNECT });
  await g.reload({ destinations: shop({ match: [{ types: ["customer.*", "invoice.*"] }] }) });
  assert.equal((await g.stop()).code, 0); // what was refused is counted since the start
  await g.start();
  await g.accept(snapshot());
  await g.waitBooked();
  await g.waitCount(13, "deliveries", "state = 'done'");
  found = await examine(g, 0);
  assert.deepEqual(found, []);
  assert.match((await g.cli(["doctor"])).stdout, /^0 findings by \d+ checks\n$/);
});
