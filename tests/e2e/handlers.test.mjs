// SPDX-License-Identifier: MIT
// The examples of handlers, with the configuration that lies beside them.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { Gateway } from "./lib/gateway.mjs";
import { must } from "./lib/process.mjs";
import { idOf, now, SECRET, snapshot } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const HANDLERS = fileURLToPath(new URL("../../examples/handlers", import.meta.url));
const PLACES = "listen: http://127.0.0.1:0\ndesk: {listen: unix:desk.sock}\n" +
  "journal: {size: 16MiB}\nlog: {format: json}\n";

async function start(t) {
  const files = Object.fromEntries(fs.readdirSync(HANDLERS).map((name) =>
    [name, fs.readFileSync(path.join(HANDLERS, name), "utf8")]));
  files["hookkeep.yaml"] += PLACES;
  const g = new Gateway(t, {}, { files, bare: true, env: { STRIPE_WEBHOOK_SECRET: SECRET } });
  fs.chmodSync(g.path("dunning.sh"), 0o755);
  return g.start();
}

// Delivered once, and once more by a replay.
async function twice(g, bodies) {
  for (const body of bodies) await g.accept(body);
  await g.waitCount(bodies.length, "deliveries", "state = 'done'");
  await g.ask("/api/replay", { events: bodies.map(idOf) });
  await g.waitCount(2 * bodies.length, "deliveries", "state = 'done'");
}

test("membership.py keeps who is a member, whatever the order", async (t) => {
  const g = await start(t);
  const subscription = (status, created) => snapshot({
    type: "customer.subscription.updated", created,
    object: { id: "sub_1", object: "subscription", customer: "cus_1", status },
  });
  const at = now();
  await twice(g, [subscription("canceled", at), subscription("active", at - 60)]);
  assert.deepEqual(await g.sql("SELECT * FROM members", "members.db"),
    [{ subscription: "sub_1", customer: "cus_1", status: "canceled", as_of: at }]);
  const broken = snapshot({ type: "customer.subscription.created" });
  await g.accept(broken);
  const [a] = await waitFor(async () => {
    const rows = await g.sql("SELECT * FROM attempts WHERE outcome = 'failed'");
    return rows.length > 0 && rows;
  }, "a failed attempt");
  assert.equal(a.error, "answered failed: KeyError('customer')");
});

test("accounting.mjs books each paid invoice once, also in its next life", async (t) => {
  const g = await start(t);
  const invoice = (n) => snapshot({ type: "invoice.paid", object: {
    id: `in_${n}`, object: "invoice", customer: "cus_1", amount_paid: n, currency: "eur" } });
  const bodies = Array.from({ length: 30 }, (_, n) => invoice(n));
  await twice(g, bodies);
  const booked = () => fs.readFileSync(g.path("accounting.jsonl"), "utf8").trim().split("\n")
    .map((line) => JSON.parse(line)).sort((a, b) => a.amount - b.amount);
  const want = bodies.map((body, n) => ({ event: idOf(body), invoice: `in_${n}`,
    customer: "cus_1", amount: n, currency: "eur" }));
  assert.deepEqual(booked(), want);
  await g.stop();
  await g.start();
  await g.ask("/api/replay", { events: bodies.map(idOf) });
  await g.waitCount(90, "deliveries", "state = 'done'");
  assert.deepEqual(booked(), want);
});

test("dunning.sh leaves a file for each failed payment, or says not yet", async (t) => {
  const g = await start(t);
  const body = snapshot({ type: "invoice.payment_failed", account: "acct_1" });
  await must("mkdir", ["-p", g.path("calls")]);
  fs.writeFileSync(g.path("calls/closed"), "");
  await g.accept(body);
  await g.waitCount(1, "attempts", "outcome = 'not_yet'");
  fs.rmSync(g.path("calls/closed"));
  await g.waitCount(1, "deliveries", "state = 'done'");
  assert.equal(fs.readFileSync(g.path(`calls/${idOf(body)}.json`), "utf8"), body);
  assert.equal((await g.waitLogged("handler_says")).line, "invoice.payment_failed of acct_1");
});
