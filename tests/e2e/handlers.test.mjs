// SPDX-License-Identifier: MIT
// The examples of handlers, with the configuration that lies beside them. They are those that are
// installed, and the one in C is built with the header that is.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { HOOKKEEP, must } from "./lib/process.mjs";
import { idOf, now, SECRET, snapshot } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const PLACES = "listen: http://127.0.0.1:0\ndesk: {listen: unix:desk.sock}\n" +
  "journal: {size: 16MiB}\nlog: {format: json}\n";

let folder, handlers;

function made(program, ...args) {
  const r = spawnSync(program, args, { encoding: "utf8" });
  assert.equal(r.status, 0, r.stdout + r.stderr);
  return r.stdout;
}

before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "hookkeep-installed-"));
  made("meson", "install", "-C", path.dirname(HOOKKEEP), "--no-rebuild", "--quiet",
       "--destdir", folder);
  const installed = fs.readdirSync(folder, { recursive: true }).map((p) => path.join(folder, p));
  const at = (end) => installed.find((p) => p.endsWith(end)).slice(0, -end.length);
  handlers = path.join(at("handlers/shop.c"), "handlers");
  made("cc", "-std=c89", "-pedantic", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o",
       path.join(handlers, "shop.so"), "-I", at("hookkeep/handler.h"),
       path.join(handlers, "shop.c"), "-lsqlite3");
  assert.match(made(path.join(at("bin/hookkeep"), "bin/hookkeep"), "plugin", "show",
                    path.join(handlers, "shop.so")), /^membership: .*\n.*\naccounting: /);
});
after(() => fs.rmSync(folder, { recursive: true, force: true }));

async function start(t) {
  const files = Object.fromEntries(fs.readdirSync(handlers).map((name) =>
    [name, fs.readFileSync(path.join(handlers, name))]));
  files["hookkeep.yaml"] += PLACES;
  const g = new Gateway(t, {}, { files, bare: true, env: { STRIPE_WEBHOOK_SECRET: SECRET } });
  fs.chmodSync(g.path("dunning.sh"), 0o755);
  return g.start();
}

// Delivered to each of `destinations`, and once more by a replay.
async function twice(g, destinations, bodies) {
  const done = (times) => g.waitCount(times * destinations.length * bodies.length, "deliveries",
    `state = 'done' AND destination IN (${destinations.map((d) => `'${d}'`)})`);
  for (const body of bodies) await g.accept(body);
  await done(1);
  await g.ask("/api/replay", { events: bodies.map(idOf) });
  await done(2);
}

const lines = (g, file) => fs.readFileSync(g.path(file), "utf8").split("\n").filter(Boolean)
  .map((line) => JSON.parse(line));

test("membership: who is a member, whatever the order", async (t) => {
  const g = await start(t);
  const subscription = (type, status, created) => snapshot({ type, created,
    object: { id: "sub_1", object: "subscription", customer: "cus_1", status } });
  const at = now();
  await twice(g, ["shop", "membership", "membership-node"], [
    subscription("customer.subscription.created", "active", at - 60),
    subscription("customer.subscription.deleted", "canceled", at),
    subscription("customer.subscription.updated", "past_due", at - 30),
  ]);
  const want = { subscription: "sub_1", customer: "cus_1", status: "canceled", as_of: at };
  assert.deepEqual(await g.sql("SELECT * FROM members", "shop.db"), [want]);
  assert.deepEqual(await g.sql("SELECT * FROM members", "members.db"), [want]);
  const said = lines(g, "members.jsonl");
  assert.deepEqual(said.sort((a, b) => b.as_of - a.as_of)[0], want);
  assert.ok(said.length <= 3);
  const broken = snapshot({ type: "customer.subscription.created" });
  await g.accept(broken);
  await g.waitCount(3, "attempts", "outcome = 'failed'");
  const rows = await g.sql("SELECT d.destination, a.error FROM attempts a JOIN deliveries d " +
    "ON d.seq = a.delivery WHERE a.outcome = 'failed' ORDER BY d.destination");
  assert.deepEqual(rows.map((r) => r.error.replace(/cus_\w+/, "cus")), [
    "answered failed: KeyError('customer')",
    "answered failed: cus has no customer or no status",
    "answered failed: membership: NOT NULL constraint failed: members.customer"]);
});

test("accounting: each paid invoice once, also in the next life", async (t) => {
  const g = await start(t);
  const to = ["shop", "accounting", "accounting-node"];
  const invoice = (n, type) => snapshot({ type, object: {
    id: `in_${n}`, object: "invoice", customer: "cus_1", amount_paid: n, currency: "eur" } });
  const paid = Array.from({ length: 20 }, (_, n) => invoice(n, "invoice.paid"));
  const succeeded = Array.from({ length: 20 }, (_, n) => invoice(n, "invoice.payment_succeeded"));
  await twice(g, to, [...paid, ...succeeded]);
  const check = async () => {
    const all = Array.from({ length: 20 }, (_, n) => n);
    const order = "ORDER BY amount";
    assert.deepEqual(await g.sql(`SELECT * FROM records ${order}`, "shop.db"),
      all.map((n) => ({ invoice: `in_${n}`, customer: "cus_1", amount: n, paid: 1 })));
    assert.deepEqual(await g.sql(`SELECT * FROM records ${order}`, "accounting.db"),
      all.map((n) => ({ invoice: `in_${n}`, customer: "cus_1", amount: n, currency: "eur",
                        paid: 1 })));
    assert.deepEqual(lines(g, "accounting.jsonl").sort((a, b) => a.amount - b.amount),
      all.map((n) => ({ invoice: `in_${n}`, customer: "cus_1", paid: true, amount: n,
                        currency: "eur" })));
  };
  await check();
  await g.stop();
  await g.start();
  await g.ask("/api/replay", { events: paid.map(idOf) });
  await g.waitCount(3 * (40 + 40 + 20), "deliveries", "state = 'done'");
  await check();
});

test("payouts: a notice for each connected account, of live money alone", async (t) => {
  const g = await start(t);
  const payout = (id, more) => snapshot({ type: "payout.created", ...more, object: {
    id, object: "payout", amount: 500, currency: "eur", arrival_date: 1796000000 } });
  await twice(g, ["shop", "payouts", "payouts-node"], [
    payout("po_live", { livemode: true, account: "acct_1" }),
    payout("po_test", { livemode: false, account: "acct_1" }),
    payout("po_ours", { livemode: true }),
  ]);
  const want = { payout: "po_live", account: "acct_1", amount: 500, currency: "eur",
                 arrival: 1796000000 };
  for (const file of ["shop.db", "notices.db"])
    assert.deepEqual(await g.sql("SELECT * FROM notices", file), [{ ...want, sent: 0 }]);
  assert.deepEqual(lines(g, "notices.jsonl"), [want]);
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
  await waitFor(() => g.logged("handler_says"), "its word");
  assert.equal(g.logged("handler_says").line, "invoice.payment_failed of acct_1");
});
