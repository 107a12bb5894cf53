// SPDX-License-Identifier: MIT
// Every trigger of the official CLI against a gateway with the twin: its command succeeds, and the
// event that it is named after arrives at a site, through the front door and the whole way behind
// it, verified by the official SDK.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { stripeCli } from "./lib/official.mjs";
import { startSite } from "./lib/site.mjs";
import { SECRET, secret } from "./lib/stripe.mjs";
import { neverWithin, waitFor } from "./lib/wait.mjs";

const KEY = "sk_test_hk0123456789abcdefghijABCDEFGHIJ12";
const AT_ONCE = 4; // programs of the CLI
const EVERY = 5;
const COUNT = 123; // of the pinned version
const METERS = /^v1\./; // these go to a host of their own, which the unix socket alone stands for
// What is no event's name: a region behind it, or a word of the CLI's for an invoice's event.
const eventOf = (name) => name.replace(/\.(eu|gb)$/, "").replace(/^subscription\./, "invoice.");

const SOURCE = { path: "/webhook", livemode: "test",
                 secrets: [{ label: "main", key: SECRET, scope: "account" },
                           { label: "connect", key: secret("connect"), scope: "connect" }] };

async function begin(t) {
  const site = await startSite(t);
  const g = await Gateway.start(t, {
    desk: { listen: ["unix:desk.sock", "http://127.0.0.1:0"] }, sources: [SOURCE],
    twin: { enabled: true, key: KEY, seed: 7 }, destinations: [site.as("shop")] });
  return { site, g };
}

async function trigger(g, name, ...more) {
  const r = await stripeCli(g, KEY, ["trigger", name, ...more], { unix: METERS.test(name) });
  assert.equal(r.code, 0, `${name} ${more.join(" ")}: ${r.stdout}${r.stderr}`);
  assert.match(r.stdout, /Trigger succeeded!/, name);
}

// As the CLI lists them.
async function allNames(g) {
  const { stdout } = await stripeCli(g, KEY, ["trigger", "--help"]);
  const list = /Supported events:\n((?: +\S+\n)+)/i.exec(stdout);
  return list[1].trim().split(/\s+/);
}

async function inTurns(names, one) {
  const rest = names.map((name, i) => [name, i]);
  const worker = async () => {
    for (let next; (next = rest.shift()) !== undefined;) await one(...next);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

// The account that an event is of; a thin one has it in its context.
const accountOf = (e) => e.account ?? e.context?.toString();

test("each trigger's event arrives, for a connected account and for the account itself",
     { timeout: 240000 }, async (t) => {
  const { site, g } = await begin(t);
  const names = await allNames(g);
  assert.equal(names.length, COUNT);
  await inTurns(names, (name, i) => trigger(g, name, "--stripe-account", `acct_1Trigger${i}`));
  // Without --stripe-account nothing tells which trigger an event is of: some are enough.
  const plain = names.filter((_, i) => i % EVERY === 0);
  await inTurns(plain, (name) => trigger(g, name));
  const missing = () => names.filter((name, i) => {
    const type = eventOf(name), account = `acct_1Trigger${i}`;
    const made = site.got.filter((x) => x.event?.type === type).map((x) => accountOf(x.event));
    // What a trigger makes of an account that is connected is told in that account's own name.
    if (/^account\./.test(type)) return !made.some((of) => of);
    return !made.includes(account) || (plain.includes(name) && !made.includes(undefined));
  });
  await waitFor(() => missing().length === 0, () => `the events of ${missing()}`, 40000);
  const bad = site.got.filter((x) => x.error);
  assert.deepEqual(bad.map((x) => `${x.error}`), []);
  const metrics = await g.metrics();
  assert.equal(metrics['hookkeep_answers_total{reason="no_match"}'], 0);
});

test("params are added, overridden and taken away, and steps skipped", async (t) => {
  const { site, g } = await begin(t);
  await trigger(g, "customer.created", "--add", "customer:name=Bo", "--override",
                "customer:description=Ours", "--add", "customer:metadata.site=eu");
  const [first] = await site.waitGot(1);
  assert.equal(first.event.type, "customer.created");
  assert.equal(first.event.data.object.name, "Bo");
  assert.equal(first.event.data.object.description, "Ours");
  assert.deepEqual(first.event.data.object.metadata, { site: "eu" });
  await trigger(g, "customer.created", "--remove", "customer:description");
  await site.waitGot(2);
  assert.equal(site.got[1].event.data.object.description, null);
  await trigger(g, "customer.updated", "--skip", "customer_updated");
  await site.waitGot(3);
  await neverWithin(300, () => site.got.some((x) => x.event.type === "customer.updated"),
                    "what was skipped");
  const wrong = await stripeCli(g, KEY, ["trigger", "customer.created", "--add",
                                         "customer:nmae=Bo"]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stdout + wrong.stderr, /unknown parameter: nmae\. Did you mean name\?/);
});
