// SPDX-License-Identifier: MIT
// Endpoints made through the API: the official SDKs and the official CLI make, change and delete
// them, and what they receive is verified with the secret that they were told.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import { suite, test } from "node:test";
import Stripe from "stripe";
import { Gateway } from "./lib/gateway.mjs";
import { deskPort, makeKey, sdk, stripeCli } from "./lib/official.mjs";
import { must } from "./lib/process.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, snapshot, thin } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const { errors } = Stripe;
const start = (t, desk = {}) => Gateway.start(t, {
  desk: { listen: ["unix:desk.sock", "http://127.0.0.1:0"], allow_private: ["127.0.0.0/8"],
          ...desk },
});

async function refused(promise, kind, more) {
  const e = await promise.then(() => assert.fail("it was not refused"), (x) => x);
  assert.ok(e instanceof kind, `${e.type}: ${e.message}`);
  for (const [name, value] of Object.entries(more)) assert.equal(e[name], value, e.message);
  assert.match(e.requestId, /^req_\w+$/);
  return e;
}

suite("the official SDK", { concurrency: 4 }, () => {
  test("makes an endpoint, and what it receives is signed with its secret", async (t) => {
    const site = await startSite(t);
    const g = await start(t);
    const stripe = sdk(g, await makeKey(g, "test"));
    const before = snapshot();
    await g.accept(before);
    await g.waitBooked();
    const made = await stripe.webhookEndpoints.create({
      url: site.url, enabled_events: ["customer.created", "charge.refunded"], description: "shop",
      metadata: { site: "shop", "two words": "ä" }, api_version: "2026-10-28.endive",
    });
    assert.match(made.id, /^we_\w{24}$/);
    assert.match(made.secret, /^whsec_\w{32}$/);
    assert.deepEqual(Object.keys(made), ["id", "object", "api_version", "application", "created",
      "description", "enabled_events", "livemode", "metadata", "secret", "status", "url"]);
    assert.deepEqual({ ...made.metadata }, { site: "shop", "two words": "ä" });
    g.canaries.addMade("an endpoint's secret", made.secret);
    site.secret = made.secret;
    const got = await stripe.webhookEndpoints.retrieve(made.id);
    const { secret, ...rest } = made;
    assert.deepEqual({ ...got }, { ...rest });

    const sent = [snapshot({ type: "customer.created" }), snapshot({ type: "charge.refunded" })];
    for (const body of [...sent, snapshot({ type: "payout.paid" }), thin(),
                        snapshot({ type: "customer.created", account: "acct_1" }),
                        snapshot({ type: "customer.created", livemode: true })])
      await g.accept(body);
    await site.waitGot(2);
    await g.waitCount(2, "deliveries", "state = 'done'");
    assert.deepEqual(site.ids().sort(), sent.map(idOf).sort());
    assert.equal(site.got[0].url, "/stripe");

    // Disabled: what comes meanwhile is not sent, not later either.
    const off = await stripe.webhookEndpoints.update(made.id, { disabled: true });
    assert.equal(off.status, "disabled");
    await g.accept(snapshot({ type: "customer.created" }));
    await g.waitBooked();
    const on = await stripe.webhookEndpoints.update(made.id,
      { disabled: false, enabled_events: ["*"], description: "", metadata: { site: "", b: "2" } });
    assert.equal(on.status, "enabled");
    assert.equal(on.description, null);
    assert.deepEqual({ ...on.metadata }, { "two words": "ä", b: "2" });
    const last = snapshot({ type: "payout.paid" });
    await g.accept(last);
    await site.waitGot(3);
    assert.equal(site.ids()[2], idOf(last));
    await g.waitCount(3, "deliveries");
    // What was owed can be asked for again, and only that.
    const again = (id) => stripe.rawRequest("POST", `/v1/events/${id}/retry`,
                                            { webhook_endpoint: made.id });
    assert.equal((await again(idOf(sent[0]))).id, idOf(sent[0]));
    await site.waitGot(4);
    await refused(again(idOf(before)), errors.StripeInvalidRequestError,
                  { statusCode: 404, param: "webhook_endpoint" });
    assert.ok(site.got.every((x) => x.error === undefined));

    const gone = await stripe.webhookEndpoints.del(made.id);
    assert.deepEqual({ ...gone }, { id: made.id, object: "webhook_endpoint", deleted: true });
    await g.accept(snapshot());
    await g.waitBooked();
    await refused(stripe.webhookEndpoints.retrieve(made.id), errors.StripeInvalidRequestError,
                  { statusCode: 404, code: "resource_missing", param: "webhook_endpoint" });
    await g.waitCount(4, "deliveries");
  });

  test("a Connect endpoint gets the events of accounts alone", async (t) => {
    const site = await startSite(t);
    const g = await start(t);
    const stripe = sdk(g, await makeKey(g, "live"));
    const made = await stripe.webhookEndpoints.create(
      { url: site.url, enabled_events: ["*"], connect: true });
    assert.match(made.application, /^ca_\w+$/);
    assert.equal(made.livemode, true);
    site.secret = made.secret;
    const connected = snapshot({ account: "acct_1", livemode: true });
    await g.accept(snapshot({ livemode: true }));
    await g.accept(connected);
    await site.waitGot(1);
    await g.waitBooked();
    await g.waitCount(1, "deliveries");
    assert.deepEqual(site.ids(), [idOf(connected)]);
    assert.equal(site.got[0].headers["stripe-account"], "acct_1");
  });

  test("pages both ways over hundreds of endpoints", async (t) => {
    const g = await start(t, { endpoints_max: 250 });
    const stripe = sdk(g, await makeKey(g, "test"));
    const other = sdk(g, await makeKey(g, "live"));
    const ids = [];
    for (let i = 0; i < 220; i++) {
      const url = `https://127.0.0.1:1/${i}`;
      ids.unshift((await stripe.webhookEndpoints.create({ url, enabled_events: ["*"] })).id);
    }
    const hidden = await other.webhookEndpoints.create({ url: "https://127.0.0.1:1/",
                                                         enabled_events: ["*"] });
    const all = async (list) => {
      const seen = [];
      for await (const e of list) seen.push(e.id);
      return seen;
    };
    assert.deepEqual(await all(stripe.webhookEndpoints.list({ limit: 100 })), ids);
    assert.deepEqual(await all(stripe.webhookEndpoints.list()), ids);
    assert.deepEqual(await all(stripe.webhookEndpoints.list({ limit: 7, ending_before: ids[219] })),
                     ids.slice(0, 219).reverse());
    assert.deepEqual(await all(other.webhookEndpoints.list()), [hidden.id]);
    await refused(stripe.webhookEndpoints.list({ starting_after: hidden.id }),
                  errors.StripeInvalidRequestError,
                  { statusCode: 400, code: "resource_missing", param: "starting_after" });
    await refused(stripe.webhookEndpoints.del(hidden.id), errors.StripeInvalidRequestError,
                  { statusCode: 404 });
    for (let i = 0; i < 30; i++)
      await stripe.webhookEndpoints.create({ url: "https://127.0.0.1:1/", enabled_events: ["*"] });
    const e = await refused(stripe.webhookEndpoints.create(
      { url: "https://127.0.0.1:1/", enabled_events: ["*"] }),
      errors.StripeInvalidRequestError, { statusCode: 400 });
    assert.match(e.message, /^You have reached the maximum of test webhook endpoints.* 250/);
  });

  test("gets each class of error that applies", async (t) => {
    const g = await start(t);
    const stripe = sdk(g, await makeKey(g, "test"));
    const good = { url: "https://127.0.0.1:1/", enabled_events: ["*"] };
    const bad = [
      [{ ...good, url: "shop.example/hook" }, { param: "url", code: "url_invalid" }],
      [{ ...good, url: "https://10.0.0.1/" }, { param: "url", code: "url_invalid" }],
      [{ ...good, enabled_events: ["charge.refundet"] }, { param: "enabled_events[0]" }],
      [{ enabled_events: ["*"] }, { param: "url", code: "parameter_missing" }],
      [{ url: good.url }, { param: "enabled_events", code: "parameter_missing" }],
      [{ ...good, api_version: "new" }, { param: "api_version" }],
      [{ ...good, secret: "whsec_mine" }, { param: "secret", code: "parameter_unknown" }],
    ];
    for (const [params, more] of bad)
      await refused(stripe.webhookEndpoints.create(params), errors.StripeInvalidRequestError,
                    { statusCode: 400, ...more });
    const made = await stripe.webhookEndpoints.create(good);
    await refused(stripe.webhookEndpoints.update(made.id, { connect: true }),
                  errors.StripeInvalidRequestError, { param: "connect" });
    const reading = sdk(g, await makeKey(g, "test", "--read-only"));
    assert.equal((await reading.webhookEndpoints.list()).data.length, 1);
    await refused(reading.webhookEndpoints.create(good), errors.StripePermissionError,
                  { statusCode: 403 });
    await refused(sdk(g, "sk_test_none").webhookEndpoints.list(), errors.StripeAuthenticationError,
                  { statusCode: 401 });
    const key = { idempotencyKey: "mine" };
    const first = await stripe.webhookEndpoints.create(good, key);
    const second = await stripe.webhookEndpoints.create(good, key);
    assert.deepEqual({ ...second }, { ...first });
    assert.equal(second.lastResponse.headers["idempotent-replayed"], "true");
    assert.equal(first.lastResponse.headers["idempotent-replayed"], undefined);
    const e = await refused(stripe.webhookEndpoints.create({ ...good, description: "x" }, key),
                            errors.StripeIdempotencyError, { statusCode: 400 });
    assert.match(e.message, /^Keys for idempotent requests .* Try using a key other than 'mine' /);
    // The same key of another caller is another one.
    const other = sdk(g, await makeKey(g, "test"));
    assert.notEqual((await other.webhookEndpoints.create(good, key)).id, first.id);
    await g.waitCount(3, "endpoints");
  });

  test("a key that asks too often is paced, and no other", async (t) => {
    const g = await start(t, { rate: 5 });
    const stripe = sdk(g, await makeKey(g, "test"));
    const asks = await Promise.allSettled(
      Array.from({ length: 30 }, () => stripe.webhookEndpoints.list()));
    const paced = asks.filter((a) => a.status === "rejected").map((a) => a.reason);
    assert.ok(paced.length >= 20, `${paced.length} of 30 were paced`);
    for (const e of paced) {
      assert.ok(e instanceof errors.StripeRateLimitError, e.message);
      assert.deepEqual([e.statusCode, e.code], [429, "rate_limit"]);
    }
    await sdk(g, await makeKey(g, "test")).webhookEndpoints.list();
    assert.equal((await g.metrics()).hookkeep_desk_paced_total, paced.length);
    // Told to, the SDK asks again by itself.
    const patient = sdk(g, await makeKey(g, "test"), { maxNetworkRetries: 3 });
    await Promise.all(Array.from({ length: 8 }, () => patient.webhookEndpoints.list()));
  });

  test("an answer that is lost after the commit makes no second endpoint", async (t) => {
    const g = await start(t);
    const key = await makeKey(g, "test");
    let cuts = 1;
    const proxy = net.createServer((client) => {
      const up = net.connect(deskPort(g), "127.0.0.1");
      client.pipe(up);
      up.on("data", (piece) => {
        if (cuts-- > 0) client.destroy();
        else if (!client.destroyed) client.write(piece);
      });
      for (const s of [client, up]) s.on("error", () => {}).on("close", () => {
        client.destroy();
        up.destroy();
      });
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    t.after(() => proxy.close());
    const stripe = sdk(g, key, { port: proxy.address().port, maxNetworkRetries: 2 });
    const made = await stripe.webhookEndpoints.create({ url: "https://127.0.0.1:1/",
                                                        enabled_events: ["*"] });
    assert.equal(made.lastResponse.headers["idempotent-replayed"], "true");
    assert.match(made.secret, /^whsec_\w{32}$/);
    assert.deepEqual((await sdk(g, key).webhookEndpoints.list()).data.map((e) => e.id), [made.id]);
    await g.waitCount(1, "endpoints");
  });

  test("an Idempotency-Key is given the same bytes again", async (t) => {
    const g = await start(t);
    const key = await makeKey(g, "test");
    const params = { url: "https://127.0.0.1:1/", enabled_events: ["*"] };
    const ask = async (idempotencyKey) => {
      const r = await fetch(`http://127.0.0.1:${deskPort(g)}/v1/webhook_endpoints`, {
        method: "POST", body: "url=https%3A%2F%2F127.0.0.1%3A1%2F&enabled_events%5B%5D=%2A",
        headers: { authorization: `Bearer ${key}`, "idempotency-key": idempotencyKey },
      });
      return { status: r.status, text: await r.text(),
               replayed: r.headers.get("idempotent-replayed") };
    };
    const first = await ask("k".repeat(255));
    assert.deepEqual([first.status, first.replayed], [200, null]);
    const { id, secret } = JSON.parse(first.text);
    g.canaries.add("an endpoint's secret", secret);
    await sdk(g, key).webhookEndpoints.update(id, { description: "another by now" });
    await g.kill();
    await g.start();
    assert.deepEqual(await ask("k".repeat(255)), { ...first, replayed: "true" });
    assert.equal((await ask("k".repeat(256))).status, 400);
    // Its secret is sealed: without the key that it was sealed with nobody is told it.
    await g.stop();
    fs.rmSync(g.path("hookkeep.db.sealing-key"));
    await g.start();
    const e = await refused(
      sdk(g, key).webhookEndpoints.create(params, { idempotencyKey: "k".repeat(255) }),
      errors.StripeAPIError, { statusCode: 500 });
    assert.match(e.message, /sealed with another key than that beside the ledger/);
    await g.waitCount(1, "endpoints");
  });

  test("an endpoint outlives kill -9, and its secret signs on", async (t) => {
    const site = await startSite(t);
    const g = await start(t);
    const stripe = sdk(g, await makeKey(g, "test"));
    const made = await stripe.webhookEndpoints.create({ url: site.url, enabled_events: ["*"] });
    site.secret = made.secret;
    await g.kill();
    await g.start();
    await g.accept(snapshot());
    await site.waitGot(1);
    assert.equal(site.got[0].error, undefined);
  });
});

test("a test key sees and touches nothing live, nor the other way round", async (t) => {
  const g = await start(t);
  const where = { url: "https://127.0.0.1:1/" };
  const [testing, living] = [sdk(g, await makeKey(g, "test")), sdk(g, await makeKey(g, "live"))];
  for (const [mine, others, livemode] of [[testing, living, true], [living, testing, false]]) {
    const { id } = await others.webhookEndpoints.create({ ...where, enabled_events: ["*"] });
    const { id: ed } = await others.v2.core.eventDestinations.create({
      name: "n", type: "webhook_endpoint", event_payload: "thin", enabled_events: ["*"],
      webhook_endpoint: where });
    const told = JSON.parse(thin());
    await g.accept(JSON.stringify({ ...told, livemode }));
    await g.waitBooked();
    assert.equal((await others.v2.core.events.retrieve(told.id)).id, told.id);
    const v2 = mine.v2.core.eventDestinations;
    for (const asked of [
      () => mine.webhookEndpoints.retrieve(id), () => mine.webhookEndpoints.del(id),
      () => mine.webhookEndpoints.update(id, { disabled: true }),
      () => v2.retrieve(ed), () => v2.update(ed, { name: "x" }), () => v2.disable(ed),
      () => v2.enable(ed), () => v2.del(ed), () => mine.v2.core.events.retrieve(told.id),
    ])
      await refused(asked(), errors.StripeInvalidRequestError, { statusCode: 404 });
    assert.ok((await v2.list()).data.every((d) => d.id !== ed));
    assert.ok((await mine.webhookEndpoints.list()).data.every((e) => e.id !== id));
    assert.ok((await mine.v2.core.events.list()).data.every((e) => e.id !== told.id));
    const e = (await others.webhookEndpoints.list()).data[0];
    assert.deepEqual([e.id, e.status, e.livemode], [id, "enabled", livemode]);
  }
});

suite("the official SDK under /v2", { concurrency: 4 }, () => {
  test("makes a destination of thin events, and fetches what it is told of", async (t) => {
    const site = await startSite(t);
    const g = await start(t);
    const stripe = sdk(g, await makeKey(g, "test"));
    const destinations = stripe.v2.core.eventDestinations;
    const made = await destinations.create({
      name: "shop", type: "webhook_endpoint", event_payload: "thin", enabled_events: ["*"],
      events_from: ["@self", "@accounts"], metadata: { a: "1" },
      webhook_endpoint: { url: site.url },
      include: ["webhook_endpoint.url", "webhook_endpoint.signing_secret"],
    });
    assert.match(made.id, /^ed_\w{24}$/);
    assert.equal(made.object, "v2.core.event_destination");
    assert.deepEqual([made.status, made.event_payload, made.events_from, made.description],
                     ["enabled", "thin", ["@self", "@accounts"], ""]);
    assert.equal(made.webhook_endpoint.url, site.url);
    site.secret = made.webhook_endpoint.signing_secret;
    g.canaries.add("a destination's secret", site.secret);
    const twin = { name: "twin", type: "webhook_endpoint", event_payload: "thin",
                   enabled_events: ["*"], webhook_endpoint: { url: "https://127.0.0.1:1/" },
                   include: ["webhook_endpoint.signing_secret"] };
    const turned = Object.fromEntries(Object.entries(twin).reverse());
    const told = await destinations.create(twin, { idempotencyKey: "one" });
    assert.deepEqual(await destinations.create(turned, { idempotencyKey: "one" }), told);
    await refused(destinations.create({ ...twin, name: "another" }, { idempotencyKey: "one" }),
                  errors.StripeIdempotencyError, { statusCode: 400 });
    await destinations.del(told.id);
    const hidden = await destinations.retrieve(made.id);
    assert.equal(hidden.webhook_endpoint.url, null);
    assert.equal(hidden.webhook_endpoint.signing_secret, null);

    const body = thin();
    await g.accept(snapshot());
    await g.accept(body);
    await site.waitGot(1);
    assert.equal(site.got[0].error, undefined);
    const notice = stripe.parseEventNotification(site.got[0].body,
      site.got[0].headers["stripe-signature"], site.secret);
    const fetched = await notice.fetchEvent();
    assert.equal(fetched.id, JSON.parse(body).id);
    assert.equal(fetched.type, JSON.parse(body).type);
    await refused(stripe.v2.core.events.retrieve("evt_none"), errors.StripeError,
                  { statusCode: 404, code: "resource_missing" });

    const off = await destinations.disable(made.id);
    assert.deepEqual([off.status, off.status_details.disabled.reason], ["disabled", "user"]);
    assert.equal((await destinations.enable(made.id)).status, "enabled");
    const changed = await destinations.update(made.id, { name: "books", metadata: { a: null },
      enabled_events: ["v1.billing.meter.no_meter_found"], include: ["webhook_endpoint.url"] });
    assert.deepEqual([changed.name, { ...changed.metadata }, changed.webhook_endpoint.url],
                     ["books", {}, site.url]);
    await refused(destinations.update(made.id, { enabled_events: ["charge.refunded"] }),
                  errors.StripeError, { statusCode: 400, param: "enabled_events[0]" });
    await refused(destinations.ping(made.id), errors.StripeError, { statusCode: 400 });
    for (const gone of [() => destinations.disable("ed_none"), () => destinations.del("ed_none")])
      await refused(gone(), errors.StripeError, {
        statusCode: 404, param: "id", message: "No such event destination: 'ed_none'" });
    assert.equal((await destinations.del(made.id)).id, made.id);
    await refused(destinations.retrieve(made.id), errors.StripeError, { statusCode: 404 });
  });

  test("pages over thin events and destinations, with filters", async (t) => {
    const g = await start(t);
    const stripe = sdk(g, await makeKey(g, "test"));
    const ids = [];
    for (let i = 0; i < 45; i++) {
      const body = JSON.parse(thin());
      body.id = `evt_thin${i}`;
      body.related_object.id = i % 3 ? "cus_1" : "cus_2";
      body.created = `2026-11-2${i % 2}T10:00:00.500Z`;
      await g.accept(JSON.stringify(body));
      ids.unshift(body.id);
    }
    await g.accept(snapshot());
    await g.waitCount(46, "events");
    const all = async (params) => {
      const seen = [];
      for await (const e of stripe.v2.core.events.list(params)) seen.push(e.id);
      return seen;
    };
    const where = (f) => ids.filter((_, i) => f(44 - i));
    assert.deepEqual(await all({ limit: 7 }), ids);
    assert.deepEqual(await all({}), ids);
    assert.deepEqual(await all({ limit: 4, object_id: "cus_2" }), where((i) => i % 3 === 0));
    assert.deepEqual(await all({ limit: 4, types: ["v1.nothing"] }), []);
    assert.deepEqual(await all({ limit: 4, created: { gte: "2026-11-21T00:00:00Z" } }),
                     where((i) => i % 2 === 1));
    assert.deepEqual(await all({ created: { lt: "2026-11-20T10:00:00Z" } }), []);
    const made = [];
    for (let i = 0; i < 23; i++)
      made.unshift((await stripe.v2.core.eventDestinations.create({
        name: `n${i}`, type: "webhook_endpoint", event_payload: "snapshot",
        enabled_events: ["charge.refunded"], webhook_endpoint: { url: "https://127.0.0.1:1/" },
      })).id);
    const seen = [];
    for await (const d of stripe.v2.core.eventDestinations.list({ limit: 5 })) seen.push(d.id);
    assert.deepEqual(seen, made);
    assert.deepEqual((await stripe.webhookEndpoints.list()).data, []);
    const bad = stripe.v2.core.events.list({ page: "00" });
    await refused(bad, errors.StripeError, { statusCode: 400, param: "page" });
  });
});

suite("the official CLI", { concurrency: 4 }, () => {
  for (const unix of [false, true])
    test(`makes, changes and deletes by ${unix ? "the unix socket" : "--api-base"}`, async (t) => {
      const g = await start(t);
      const key = await makeKey(g, "test");
      const cli = async (...args) => {
        const r = await stripeCli(g, key, args, { unix });
        assert.equal(r.code, 0, r.stdout + r.stderr);
        return JSON.parse(r.stdout.slice(r.stdout.indexOf("{"))); // a deletion is announced
      };
      const made = await cli("webhook_endpoints", "create", "--url", "https://127.0.0.1:1/h",
        "--enabled-events", "charge.refunded", "--enabled-events", "payout.paid",
        "--description", "shop", "-d", "metadata[site]=shop");
      assert.match(made.secret, /^whsec_/);
      assert.deepEqual(made.enabled_events, ["charge.refunded", "payout.paid"]);
      assert.equal((await cli("webhook_endpoints", "retrieve", made.id)).description, "shop");
      assert.equal((await cli("get", made.id)).id, made.id);
      const changed = await cli("webhook_endpoints", "update", made.id, "--disabled=true",
                                "--description", "");
      assert.equal(changed.status, "disabled");
      assert.equal(changed.description, null);
      assert.deepEqual((await cli("webhook_endpoints", "list", "--limit", "3")).data
        .map((e) => e.id), [made.id]);
      assert.equal((await cli("webhook_endpoints", "delete", made.id, "--confirm")).deleted, true);
      const e = await cli("webhook_endpoints", "retrieve", made.id);
      assert.equal(e.error.message, `No such webhook endpoint: '${made.id}'`);

      const body = thin();
      await g.accept(body);
      await g.waitBooked();
      const v2 = (what, ...args) => cli("v2", "core", what, ...args);
      const to = (...args) => v2("event_destinations", ...args);
      const ed = await to("create", "--name", "shop", "--type", "webhook_endpoint",
        "--event-payload", "thin", "--enabled-events", "*", "--events-from", "@accounts",
        "--webhook-endpoint.url", "https://127.0.0.1:1/h",
        "--include", "webhook_endpoint.signing_secret");
      assert.match(ed.webhook_endpoint.signing_secret, /^whsec_/);
      assert.deepEqual(ed.events_from, ["@accounts"]);
      const shown = await to("retrieve", ed.id, "--include", "webhook_endpoint.url");
      assert.equal(shown.webhook_endpoint.url, "https://127.0.0.1:1/h");
      assert.equal((await to("update", ed.id, "--name", "books")).name, "books");
      assert.equal((await to("disable", ed.id)).status, "disabled");
      assert.equal((await to("enable", ed.id)).status, "enabled");
      assert.deepEqual((await to("list", "--limit", "2")).data.map((d) => d.id), [ed.id]);
      assert.match((await to("ping", ed.id)).error.message, /sends no pings/);
      assert.equal((await to("delete", ed.id, "--confirm")).id, ed.id);
      const { id, type } = JSON.parse(body);
      const types = ["--types", "v1.nothing", "--types", type];
      assert.deepEqual((await v2("events", "list", "--limit", "2", ...types)).data
        .map((x) => x.id), [id]);
      assert.equal((await v2("events", "retrieve", id)).type, type);
    });
});

test("python3-stripe makes an endpoint and verifies what it receives", async (t) => {
  const site = await startSite(t);
  const g = await start(t);
  const key = await makeKey(g, "test");
  const base = `
import os, sys, stripe
stripe.api_key = os.environ["API_KEY"]
stripe.api_base = os.environ["API_BASE"]
stripe.max_network_retries = 0
`;
  const python = async (program, env = {}) => (await must("/usr/bin/python3",
    ["-c", base + program],
    { env: { API_KEY: key, API_BASE: `http://127.0.0.1:${deskPort(g)}`, ...env } })).stdout.trim();
  const made = JSON.parse(await python(`
e = stripe.WebhookEndpoint.create(url="${site.url}", enabled_events=["*"], metadata={"a": "1"},
                                  connect=False)
assert stripe.WebhookEndpoint.modify(e.id, disabled=True).status == "disabled"
assert stripe.WebhookEndpoint.modify(e.id, disabled=False).status == "enabled"
assert stripe.Event.list(delivery_success=True).data == []
stripe.WebhookEndpoint.modify(e.id, description="from python")
print(str(e))
`));
  const body = snapshot();
  await g.accept(body);
  await site.waitGot(1);
  const [got] = site.got;
  assert.equal(await python(`
event = stripe.Webhook.construct_event(os.environ["BODY"], os.environ["HEADER"],
                                       os.environ["SECRET"])
print(event.id, stripe.WebhookEndpoint.retrieve("${made.id}").description)
stripe.WebhookEndpoint.delete("${made.id}")
`, { BODY: got.body.toString(), HEADER: got.headers["stripe-signature"], SECRET: made.secret }),
  `${idOf(body)} from python`);
  await waitFor(async () => (await g.count("endpoints", "status = 'deleted'")) === 1,
                () => "its end");
});
