// SPDX-License-Identifier: MIT
// hookkeep trigger: an event of every type, taken by a real gateway and read by the official SDK.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { test } from "node:test";
import { Gateway, SOURCE, tempFolder } from "./lib/gateway.mjs";
import { HOOKKEEP, must, run } from "./lib/process.mjs";
import { SECRET, secret, sign, stripe } from "./lib/stripe.mjs";

const CONNECT = secret("connect");
const parse = (body) => stripe.webhooks.constructEvent(body, sign(body), SECRET);

async function types() {
  const { stdout } = await must(HOOKKEEP, ["trigger", "--list", "--json"]);
  return stdout.trim().split("\n").map((line) => JSON.parse(line));
}

// As STRIPE lays its bodies out, told apart from the program: Ruby's pretty_generate.
function laidOut(value, indent = "") {
  const inner = indent + "  ";
  if (value === null || typeof value !== "object")
    return JSON.stringify(value).replaceAll("&", "\\u0026");
  const [left, right] = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  const members = Array.isArray(value) ? value.map((v) => inner + laidOut(v, inner))
    : Object.entries(value).map(([k, v]) => `${inner}${laidOut(k)}: ${laidOut(v, inner)}`);
  if (members.length === 0) return Array.isArray(value) ? `[\n\n${indent}]` : `{\n${indent}}`;
  return `${left}\n${members.join(",\n")}\n${indent}${right}`;
}

function inOrder(value) {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return true;
  const keys = Object.keys(value).filter((k) => k !== "id" && k !== "object");
  return keys.every((k, i) => i === 0 || keys[i - 1] < k) && Object.values(value).every(inOrder);
}

test("an event of every type is accepted by a source and read by the SDK", async (t) => {
  const gateway = await Gateway.start(t);
  const all = await types();
  assert.ok(all.length >= 275);
  const ids = new Map();
  for (const { type } of all) {
    const r = await gateway.cli(["trigger", type, "--json"]);
    assert.equal(r.code, 0, r.stderr);
    const line = JSON.parse(r.stdout);
    assert.deepEqual([line.type, line.status], [type, 200]);
    ids.set(type, line.id);
  }
  await gateway.waitBooked();
  for (const { type, object } of all) {
    const { text: body } = await gateway.desk("GET", `/api/events/${ids.get(type)}/body`);
    const event = parse(body);
    assert.deepEqual([event.id, event.type, event.data.object.object],
                     [ids.get(type), type, object]);
    assert.equal(body, laidOut(event));
    assert.ok(inOrder(event), type);
  }
  const metrics = await gateway.metrics();
  assert.equal(metrics.hookkeep_desk_signed_total, all.length);
  assert.equal(await gateway.count("events"), all.length);
  const logged = gateway.log.filter((l) => l.event === "event_signed");
  assert.equal(logged.length, all.length);
  assert.match(logged[0].key, /^key_/);
  assert.ok(!gateway.text.includes("whsec_") && !gateway.text.includes("data.object"));
});

test("what was set, the account and its secret, several at a rate", async (t) => {
  const source = { ...SOURCE, secrets: [{ label: "main", key: SECRET, scope: "account" },
                                        { label: "connect", key: CONNECT, scope: "connect" }] };
  const gateway = await Gateway.start(t, { sources: [source] });
  const one = await gateway.cli(["trigger", "charge.refunded", "--account", "acct_1Harbor",
    "--set", "amount_refunded=500", "--set", "metadata.site=eu", "--set", ".id=evt_mine"]);
  assert.equal(one.stdout, 'evt_mine charge.refunded: 200 {"received":true}\n', one.stderr);
  await gateway.waitBooked();
  const { text: body } = await gateway.desk("GET", "/api/events/evt_mine/body");
  const event = parse(body);
  assert.equal(event.account, "acct_1Harbor");
  assert.equal(event.data.object.amount_refunded, 500);
  assert.equal(event.data.object.metadata.site, "eu");
  const shown = await gateway.get("/api/events/evt_mine");
  assert.equal(shown.receipts[0].secret_label, "connect");
  assert.equal((await gateway.metrics()).hookkeep_scope_misfits_total, 0);

  const began = Date.now();
  const many = await gateway.cli(["trigger", "invoice.paid", "--count", "11", "--rate", "20"]);
  assert.equal(many.stdout, "invoice.paid: 11 answered 200\n", many.stderr);
  assert.ok(Date.now() - began >= 500, "ten pauses of 50 ms");
  await gateway.waitCount(12, "events");
});

test("a source takes what fits it, and a reload is heard of", async (t) => {
  const live = { path: "/live", livemode: "live", secrets: [{ label: "live", key: CONNECT }] };
  const gateway = await Gateway.start(t, { sources: [{ ...SOURCE, livemode: "test" }, live] });
  const refused = async (args, why, options) => {
    const r = await gateway.cli(["trigger", "payout.paid", ...args], options);
    assert.equal(r.code, 1, r.stdout);
    assert.match(r.stderr, why);
  };
  await refused([], /2 sources, so that one has to be named: \/webhook, \/live/);
  await refused(["--source", "/nowhere"], /no source \/nowhere; there are: \/webhook, \/live/);
  await refused(["--source", "/live"], /\/live takes live events, and this is a test one/);
  await refused(["--source", "/webhook", "--livemode"],
                /takes test events, and this is a live one/);
  await refused(["--source", "/live", "--set", ".created=soon"], /no event: created/);
  const { key } = await gateway.ask("/api/keys", { mode: "viewer", name: "looks" });
  await refused(["--source", "/live", "--livemode"], /operator/, { env: { HOOKKEEP_KEY: key } });
  await refused(["--source", "/live", "--livemode", "--set", `description=${"x".repeat(70000)}`],
                /desk signs up to 64 KiB/);
  const fine = await gateway.cli(["trigger", "payout.paid", "--source", "/live", "--livemode"]);
  assert.equal(fine.code, 0, fine.stderr);

  const fresh = secret("fresh");
  await gateway.reload({ sources: [{ path: "/other", secrets: [{ label: "new", key: fresh,
                                                                  scope: "account" }] }] });
  const after = await gateway.cli(["trigger", "payout.paid", "--json"]);
  assert.equal(JSON.parse(after.stdout).status, 200, after.stderr);
  await refused(["--account", "acct_1Harbor"],
                /no secret in force for test events of connected accounts.*connect/);
});

test("to any endpoint, with its secret from a file or the environment alone", async (t) => {
  const seen = [];
  let status = 200;
  const site = http.createServer((request, response) => {
    const pieces = [];
    request.on("data", (p) => pieces.push(p));
    request.on("end", () => {
      const body = Buffer.concat(pieces);
      seen.push({ headers: request.headers, url: request.url,
                  event: stripe.webhooks.constructEvent(body, request.headers["stripe-signature"],
                                                        SECRET) });
      response.writeHead(status).end("fine\u001b[31m");
    });
  }).listen(0, "127.0.0.1");
  await once(site, "listening");
  t.after(() => site.close());
  const folder = tempFolder(t);
  fs.writeFileSync(path.join(folder, "secret"), `${SECRET}\n`);
  const to = `http://127.0.0.1:${site.address().port}/stripe?x=1`;
  const trigger = (args, env) => run(HOOKKEEP, ["trigger", "customer.created", "--to", to, ...args],
                                     { cwd: folder, env });
  const ways = [[["--secret", "file:secret"], {}], [["--secret", "env:MINE"], { MINE: SECRET }],
                [[], { STRIPE_WEBHOOK_SECRET: SECRET }]];
  for (const [args, env] of ways) {
    const r = await trigger([...args, "--livemode"], env);
    assert.equal(r.code, 0, r.stderr);
    assert.match(r.stdout, /^evt_1\w{23} customer\.created: 200 fine\\x1b\[31m\n$/);
  }
  assert.deepEqual(seen.map((s) => [s.url, s.event.livemode, s.event.type]),
                   Array(3).fill(["/stripe?x=1", true, "customer.created"]));
  assert.equal(seen[0].headers["user-agent"], "Stripe/1.0 (+https://stripe.com/docs/webhooks)");
  assert.equal(seen[0].headers["content-type"], "application/json; charset=utf-8");
  assert.equal(seen[0].headers.accept, "*/*; q=0.5, application/xml");
  assert.equal(new Set(seen.map((s) => s.event.id)).size, 3);

  status = 500;
  const failed = await trigger(["--secret", "file:secret", "--count", "3"]);
  assert.equal(failed.code, 1);
  assert.match(failed.stdout,
               /^customer\.created: 3 answered 500\nthe first that was refused: evt_/);

  for (const [args, env, why] of [
    [["--secret", SECRET], {}, /--secret names where the secret lies/],
    [["--secret", "env:NOT_SET"], {}, /no such variable/],
    [["--secret", "file:absent"], {}, /absent: there is no such file/],
    [[], {}, /no secret; set HOOKKEEP_SECRET/],
    [["--source", "/x"], {}, /one of them is enough/]]) {
    const r = await trigger(args, env);
    assert.notEqual(r.code, 0);
    assert.match(r.stderr, why);
    assert.ok(!r.stderr.includes("whsec_"), r.stderr);
  }
});

test("printing and asking need no gateway; what is wrong is said", async (t) => {
  const folder = tempFolder(t);
  const cli = (...args) => run(HOOKKEEP, ["trigger", ...args], { cwd: folder });
  const printed = await cli("invoice.paid", "--print", "--account", "acct_1Harbor");
  const event = parse(printed.stdout);
  assert.equal(event.account, "acct_1Harbor");
  assert.equal(event.data.object.parent.subscription_details.subscription,
               event.data.object.lines.data[0].parent.subscription_item_details.subscription);
  const list = await cli("--list", "quote.*");
  assert.match(list.stdout, /^type +object +what has happened\nquote\.accepted +quote +a customer/);

  for (const [args, code, why] of [
    [["chrge.failed"], 2, /no type that Stripe documents; did you mean `charge.failed`\?/],
    [["nonsense"], 2, /`hookkeep trigger --list` tells them/],
    [[], 2, /which type\?/],
    [["invoice.paid", "--count", "0"], 2, /--count is a number from 1/],
    [["invoice.paid", "--rate", "-1"], 2, /--rate is a number/],
    [["invoice.paid", "--set", "total"], 2, /`total` sets nothing; expected PATH=VALUE/],
    [["invoice.paid", "--set", "total.x=1"], 2, /`total`: it is neither an object nor an array/],
    [["invoice.paid", "--account", "me"], 2, /`me` is no account/],
    [["invoice.paid", "--secret", "env:X"], 2, /--secret is for an endpoint named with --to/],
    [["invoice.paid", "--to", "http://127.0.0.1:1/", "--secret", "env:PATH"], 1,
     /no answer from http:\/\/127\.0\.0\.1:1\//],
    [["invoice.paid", "--api", "unix:absent.sock"], 1, /no gateway answers.*`hookkeep serve`/s]]) {
    const r = await cli(...args);
    assert.equal(r.code, code, `${args}: ${r.stderr}`);
    assert.match(r.stderr, why);
    assert.equal(r.stdout, "");
  }
});
