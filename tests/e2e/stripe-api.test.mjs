// SPDX-License-Identifier: MIT
// Stripe's API on the desk: the official SDKs and the official CLI read events from it.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import Stripe from "stripe";
import { Gateway } from "./lib/gateway.mjs";
import { request } from "./lib/http.mjs";
import { deskPort, makeKey, sdk, stripeCli } from "./lib/official.mjs";
import { must } from "./lib/process.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, snapshot, thin } from "./lib/stripe.mjs";

const { errors } = Stripe;
const start = (t, destinations = []) => Gateway.start(t,
  { desk: { listen: ["unix:desk.sock", "http://127.0.0.1:0"] }, destinations });

// Ids of the events that were accepted, newest first.
async function fill(g, n, more = () => ({})) {
  const ids = [];
  for (let i = 0; i < n; i++) {
    const body = snapshot(more(i));
    await g.accept(body);
    ids.unshift(idOf(body));
  }
  await g.waitBooked();
  return ids;
}

async function all(list) {
  const ids = [];
  for await (const e of list) ids.push(e.id);
  return ids;
}

suite("the official SDK", { concurrency: 4 }, () => {
  test("pages both ways over hundreds of events", async (t) => {
    const g = await start(t);
    const ids = await fill(g, 250);
    await g.accept(snapshot({ livemode: true }));
    await g.accept(thin());
    await g.waitCount(252, "events");
    const stripe = sdk(g, await makeKey(g, "test"));
    assert.deepEqual(await all(stripe.events.list({ limit: 100 })), ids);
    assert.deepEqual(await all(stripe.events.list()), ids);
    assert.deepEqual(await all(stripe.events.list({ limit: 7, starting_after: ids[200] })),
                     ids.slice(201));
    // Backwards the SDK gives each page's events the other way round: oldest first.
    assert.deepEqual(await all(stripe.events.list({ limit: 100, ending_before: ids[249] })),
                     ids.slice(0, 249).reverse());
    // What comes while somebody reads changes nothing of what he reads.
    const first = await stripe.events.list({ limit: 50 });
    await fill(g, 3);
    const rest = await all(stripe.events.list({ limit: 50, starting_after: first.data[49].id }));
    assert.deepEqual([...first.data.map((e) => e.id), ...rest], ids);
    const page = await stripe.events.list({ limit: 3 });
    assert.equal(page.object, "list");
    assert.equal(page.url, "/v1/events");
    assert.equal(page.has_more, true);
    assert.match(page.lastResponse.requestId, /^req_\w+$/);
    assert.equal(page.lastResponse.apiVersion, "2026-10-28.endive");
  });

  test("filters as Stripe does", async (t) => {
    const site = await startSite(t);
    const g = await start(t, [site.as("shop", { match: [{ types: ["charge.*"] }] })]);
    const types = ["charge.refunded", "customer.created", "charge.updated", "payout.paid"];
    const ids = await fill(g, 8, (i) => ({ type: types[i % 4], created: 1000 + i }));
    await site.waitGot(4);
    await g.waitCount(8, "events", "status <> 'pending'");
    const stripe = sdk(g, await makeKey(g, "test", "--read-only"));
    const list = async (query) => (await stripe.events.list(query)).data.map((e) => e.id);
    const where = (f) => ids.filter((_, i) => f(7 - i)); // by its number
    assert.deepEqual(await list({ type: "payout.paid" }), where((i) => i % 4 === 3));
    assert.deepEqual(await list({ type: "charge.*" }), where((i) => i % 2 === 0));
    assert.deepEqual(await list({ types: ["payout.paid", "customer.created"] }),
                     where((i) => i % 2 === 1));
    assert.deepEqual(await list({ created: 1003 }), where((i) => i === 3));
    assert.deepEqual(await list({ created: { gt: 1002, lte: 1005 } }),
                     where((i) => i > 2 && i < 6));
    assert.deepEqual(await list({ delivery_success: true }), ids);
    assert.deepEqual(await list({ delivery_success: false }), []);
    site.answer = () => ({ status: 500 });
    const [failing] = await fill(g, 1, () => ({ type: "charge.refunded" }));
    await site.waitGot(5);
    assert.deepEqual(await list({ delivery_success: false }), [failing]);
    assert.equal((await stripe.events.retrieve(failing)).pending_webhooks, 1);
    assert.equal((await stripe.events.retrieve(ids[0])).pending_webhooks, 0);
  });

  test("retrieves what Stripe sent, and keeps test, live and accounts apart", async (t) => {
    const g = await start(t);
    const body = snapshot();
    const live = snapshot({ livemode: true });
    const connected = snapshot({ account: "acct_1connected" });
    for (const b of [body, live, connected]) await g.accept(b);
    await g.waitBooked();
    const testKey = await makeKey(g, "test");
    const stripe = sdk(g, testKey);
    const liveStripe = sdk(g, await makeKey(g, "live"));
    const got = await stripe.events.retrieve(idOf(body), { expand: ["data.object"] });
    assert.deepEqual({ ...got }, { ...JSON.parse(body), pending_webhooks: 0 });
    const raw = await request({ port: deskPort(g), path: `/v1/events/${idOf(body)}`,
      headers: { authorization: `Basic ${Buffer.from(`${testKey}:`).toString("base64")}` } });
    assert.equal(raw.text, body.replace('"pending_webhooks": 2', '"pending_webhooks": 0'));
    assert.equal((await liveStripe.events.retrieve(idOf(live))).livemode, true);
    const none = { name: "Error", statusCode: 404, code: "resource_missing", param: "id" };
    for (const [one, id] of [[stripe, idOf(live)], [liveStripe, idOf(body)],
                             [stripe, idOf(connected)]])
      await assert.rejects(one.events.retrieve(id), none);
    const account = { stripeAccount: "acct_1connected" };
    assert.equal((await stripe.events.retrieve(idOf(connected), {}, account)).account,
                 "acct_1connected");
    assert.deepEqual((await stripe.events.list({}, account)).data.map((e) => e.id),
                     [idOf(connected)]);
    assert.deepEqual((await liveStripe.events.list({}, account)).data, []);
  });

  test("gets each class of error that applies", async (t) => {
    const site = await startSite(t);
    const g = await start(t, [site.as("shop"), site.as("other")]);
    const [id] = await fill(g, 1);
    await site.waitGot(2);
    const key = await makeKey(g, "test");
    const stripe = sdk(g, key);
    const refused = async (promise, kind, more) => {
      const e = await promise.then(() => assert.fail("it was not refused"), (x) => x);
      assert.ok(e instanceof kind, `${e.type}: ${e.message}`);
      for (const [name, value] of Object.entries(more)) assert.equal(e[name], value, e.message);
      assert.match(e.requestId, /^req_\w+$/);
      return e;
    };
    await refused(stripe.events.list({ limit: 101 }), errors.StripeInvalidRequestError,
      { statusCode: 400, param: "limit", code: "parameter_invalid_integer" });
    await refused(stripe.events.list({ starting_after: "evt_none" }),
      errors.StripeInvalidRequestError, { statusCode: 400, param: "starting_after",
                                          code: "resource_missing" });
    await refused(stripe.events.retrieve("evt_none"), errors.StripeInvalidRequestError,
      { statusCode: 404, param: "id", code: "resource_missing" });
    await refused(stripe.charges.list(), errors.StripeInvalidRequestError, { statusCode: 404 });
    await refused(stripe.events.list({}, { stripeAccount: "nobody" }),
      errors.StripePermissionError, { statusCode: 403, code: "account_invalid" });
    const resend = (who, to, options) =>
      who.rawRequest("POST", `/v1/events/${id}/retry`, { webhook_endpoint: to }, options);
    const reading = sdk(g, await makeKey(g, "test", "--read-only"));
    await refused(resend(reading, "shop"), errors.StripePermissionError, { statusCode: 403 });
    const once = { idempotencyKey: "once" };
    assert.equal((await resend(stripe, "shop", once)).id, id);
    assert.equal((await resend(stripe, "shop", once)).id, id);
    await refused(resend(stripe, "other", once), errors.StripeIdempotencyError,
      { statusCode: 400 });
    await site.waitGot(3);
    assert.equal(await g.count("deliveries"), 3, "asked for twice under one key, sent once");

    const lost = "sk_live_51H0canary0123456789ABCDEFGHIJ";
    g.canaries.add("a key of the real Stripe", lost);
    g.canaries.add("a part of it", lost.slice(8));
    const e = await refused(sdk(g, lost).events.list(), errors.StripeAuthenticationError,
      { statusCode: 401 });
    assert.match(e.message, /^Invalid API Key provided: sk_live_\*{4} /);
    await refused(sdk(g, "nonsense").events.list(), errors.StripeAuthenticationError,
      { statusCode: 401 });
    const row = (await g.get("/api/keys")).data.find((k) => k.mode === "test");
    assert.equal((await g.cli(["keys", "revoke", row.id])).code, 0);
    await refused(stripe.events.list(), errors.StripeAuthenticationError,
      { statusCode: 401, code: "api_key_expired" });
  });
});

suite("the official CLI", { concurrency: 4 }, () => {
  for (const unix of [false, true])
    test(`lists, retrieves and resends by ${unix ? "the unix socket" : "--api-base"}`,
         async (t) => {
      const site = await startSite(t);
      const g = await start(t, [site.as("shop")]);
      const ids = await fill(g, 3);
      await g.accept(snapshot({ id: "evt_connected", account: "acct_1" }));
      await site.waitGot(4);
      const key = await makeKey(g, "test");
      const cli = async (...args) => {
        const r = await stripeCli(g, key, args, { unix });
        assert.equal(r.code, 0, r.stdout + r.stderr);
        return JSON.parse(r.stdout);
      };
      const listed = (r) => r.data.map((e) => e.id);
      assert.deepEqual(listed(await cli("events", "list")), ids);
      assert.deepEqual(listed(await cli("events", "list", "--limit", "1", "--starting-after",
                                        ids[0])), [ids[1]]);
      assert.deepEqual(listed(await cli("events", "list", "--type", "customer.*",
        "--delivery-success=false")), []);
      assert.deepEqual(listed(await cli("events", "list", "-d", "created[gte]=1", "-d",
        "types[]=customer.created", "-d", "types[]=payout.paid")), ids);
      assert.deepEqual(listed(await cli("events", "list", "--stripe-account", "acct_1")),
                       ["evt_connected"]);
      assert.equal((await cli("events", "retrieve", ids[2])).id, ids[2]);
      assert.deepEqual(listed(await cli("get", "/v1/events", "-d", "limit=2")), ids.slice(0, 2));
      assert.equal((await cli("get", ids[1])).id, ids[1]);
      const sent = await cli("events", "resend", ids[1], "--webhook-endpoint", "shop");
      assert.equal(sent.id, ids[1]);
      await site.waitGot(5);
      assert.equal(site.ids()[4], ids[1]);
      await cli("events", "resend", "evt_connected", "--webhook-endpoint", "shop", "--account",
                "acct_1");
      await site.waitGot(6);
      assert.equal(site.ids()[5], "evt_connected");
      // What cannot be honoured is said, and nothing is sent.
      const r = await stripeCli(g, key, ["trigger", "customer.created"], { unix });
      assert.equal(r.code, 1, r.stdout);
      assert.match(r.stdout + r.stderr, /Unrecognized request URL \(POST: \/v1\//);
      const other = await cli("events", "resend", ids[1], "--webhook-endpoint", "we_123");
      assert.equal(other.error.code, "resource_missing");
      const refused = await stripeCli(g, "sk_test_51canaryofstripes00000000", ["events", "list"],
                                      { unix });
      assert.equal(refused.code, 1);
      assert.ok(!(refused.stdout + refused.stderr).includes("canaryofstripes"));
    });
});

test("python3-stripe lists and retrieves", async (t) => {
  const g = await start(t);
  const ids = await fill(g, 30);
  const key = await makeKey(g, "test");
  const program = `
import os, stripe
stripe.api_key = os.environ["API_KEY"]
stripe.api_base = os.environ["API_BASE"]
stripe.max_network_retries = 0
for e in stripe.Event.list(limit=12).auto_paging_iter():
    print(e.id)
print(stripe.Event.retrieve("${ids[3]}").id)
print(len(stripe.Event.list(types=["customer.created"], created={"gte": 1}).data))
try:
    stripe.Event.retrieve("evt_none")
except stripe.error.InvalidRequestError as e:
    print(e.http_status, e.code, e.param)
stripe.api_key = "sk_test_wrong"
try:
    stripe.Event.list()
except stripe.error.AuthenticationError as e:
    print(e.http_status)
`;
  const r = await must("/usr/bin/python3", ["-c", program],
    { env: { API_KEY: key, API_BASE: `http://127.0.0.1:${deskPort(g)}` } });
  assert.deepEqual(r.stdout.trim().split("\n"),
    [...ids, ids[3], "10", "404 resource_missing id", "401"]);
});

test("keys of each mode are made, listed without their text, and revoked", async (t) => {
  const g = await start(t);
  const forms = { test: /^sk_test_hk\w{32}$/, live: /^sk_live_hk\w{32}$/ };
  for (const [mode, form] of Object.entries(forms)) {
    assert.match(await makeKey(g, mode, "--name", "ci"), form);
    assert.match(await makeKey(g, mode, "--read-only"),
                 new RegExp(form.source.replace("sk", "rk")));
  }
  const listed = await g.cli(["keys", "list"]);
  for (const mode of ["test", "live", "test_read_only", "live_read_only"])
    assert.match(listed.stdout, new RegExp(` ${mode} `));
  for (const args of [["--mode", "operator", "--read-only"], ["--mode", "tset"]]) {
    const r = await g.cli(["keys", "create", ...args]);
    assert.equal(r.code, 2, r.stderr);
  }
  const key = await makeKey(g, "live");
  const answer = await g.desk("GET", "/api/events", undefined, { key });
  assert.equal(answer.status, 403);
  assert.match(answer.body.error, /of mode live, for Stripe's API under \/v1/);
});
