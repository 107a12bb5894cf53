// SPDX-License-Identifier: MIT
// The main path: what Stripe posts is verified, kept, answered, and delivered as Stripe would.
import assert from "node:assert/strict";
import fs from "node:fs";
import { suite, test } from "node:test";
import tls from "node:tls";
import { Gateway, SOURCE, tempFolder } from "./lib/gateway.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, now, secret, SECRET, sign, signAll, SITE_SECRET, snapshot, stripe, thin }
  from "./lib/stripe.mjs";
import { makeCertificate } from "./lib/tls.mjs";
import { waitFor } from "./lib/wait.mjs";

const ring = (...labels) => labels.map((label) => ({ label, key: secret(label) }));

suite("the main path", { concurrency: 4 }, () => {
  test("an event is answered, booked and delivered as Stripe delivers it", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    const body = snapshot();
    const answer = await g.accept(body);
    assert.match(answer.headers["content-type"], /^application\/json/);

    const [got] = await site.waitGot(1);
    assert.equal(got.error, undefined);
    assert.equal(got.event.id, idOf(body));
    assert.equal(got.event.data.object.name, "Zoë ☃ 🚀");
    assert.ok(got.body.equals(Buffer.from(body)), "the bytes are those that Stripe signed");
    assert.equal(got.method, "POST");
    assert.equal(got.url, "/stripe");
    const { "stripe-signature": signature, ...rest } = got.headers;
    assert.match(signature, /^t=\d{10},v1=[0-9a-f]{64}$/);
    assert.deepEqual(rest, {
      host: `127.0.0.1:${site.port}`, accept: "*/*; q=0.5, application/xml",
      "accept-encoding": "gzip", "cache-control": "no-cache",
      "content-length": String(Buffer.byteLength(body)),
      "content-type": "application/json; charset=utf-8",
      "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
      "hookkeep-event": idOf(body), "hookkeep-attempt": "1",
    }, "Stripe's headers, ours, and no others");

    await g.waitCount(1, "deliveries", "state = 'done'");
    const [event] = await g.sql("SELECT * FROM events");
    assert.equal(event.id, idOf(body));
    assert.equal(event.status, "done");
    assert.equal(event.payload, body);
    assert.equal(event.livemode, 0);
    assert.equal(event.owner, "main");
    assert.equal(event.object_id, JSON.parse(body).data.object.id);
    const [receipt] = await g.sql("SELECT * FROM receipts");
    assert.equal(receipt.secret_label, "main");
    assert.equal(receipt.source, "/webhook");
    assert.equal(await g.count("attempts", "status = 200 AND outcome = 'done'"), 1);
  });

  test("an old body is signed afresh, so that its site accepts a replay", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    const body = snapshot({ created: now() - 30 * 86400 });
    await g.accept(body, { timestamp: now() - 290 });
    const [got] = await site.waitGot(1);
    const [, t0] = /^t=(\d+),/.exec(got.headers["stripe-signature"]);
    assert.ok(Math.abs(Number(t0) - now()) < 30, "the signature is of the time of delivery");
    assert.equal(got.event.id, idOf(body));
    await g.waitCount(1, "deliveries", "state = 'done'");
    const { deliveries } = await g.ask("/api/replay", { events: [idOf(body)] });
    assert.equal(deliveries.length, 1);
    const [, again] = await site.waitGot(2);
    assert.equal(again.error, undefined);
    assert.ok(again.body.equals(got.body));
  });

  test("a Connect event carries Stripe-Account, and any other event does not", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    const connect = snapshot({ account: "acct_123" });
    await g.accept(connect);
    await site.waitGot(1);
    assert.equal(site.got[0].headers["stripe-account"], "acct_123");
    assert.equal(site.got[0].event.account, "acct_123");
    await g.accept(snapshot());
    await site.waitGot(2);
    assert.ok(!("stripe-account" in site.got[1].headers));
  });

  test("by a unix socket, and several events on one kept connection", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { listen: ["unix:in.sock"], destinations: [site.as("shop")] });
    const at = { socketPath: g.path("in.sock"), port: undefined };
    const bodies = [snapshot(), snapshot(), snapshot()];
    for (const b of bodies) await g.accept(b, at);
    await site.waitGot(3);
    assert.deepEqual(site.ids().sort(), bodies.map(idOf).sort());
  });

  test("by HTTPS, and the certificate is read again on SIGHUP", async (t) => {
    const folder = tempFolder(t);
    const first = await makeCertificate(folder, "first");
    const second = await makeCertificate(folder, "second");
    const site = await startSite(t);
    fs.copyFileSync(first.file, `${folder}/cert.pem`);
    fs.copyFileSync(first.keyFile, `${folder}/key.pem`);
    const g = await Gateway.start(t, {
      listen: ["https://127.0.0.1:0"], tls: { certificate: "cert.pem", key: "key.pem" },
      destinations: [site.as("shop")],
    }, { folder });
    const body = snapshot();
    await g.accept(body, { tls: true, ca: first.cert });
    await site.waitGot(1);
    assert.equal(site.got[0].event.id, idOf(body));
    await assert.rejects(g.post(snapshot(), { tls: true, ca: second.cert }),
      /self.signed|certificate/);
    await assert.rejects(g.post(snapshot()), "plain HTTP on the HTTPS port is no request");

    const name = () => new Promise((resolve, reject) => {
      const s = tls.connect({ port: g.port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
        resolve([s.getPeerCertificate().subject.CN, s.getProtocol()]);
        s.destroy();
      }).on("error", reject);
    });
    assert.deepEqual(await name(), ["first", "TLSv1.3"]);
    fs.copyFileSync(second.file, `${folder}/cert.pem`);
    fs.copyFileSync(second.keyFile, `${folder}/key.pem`);
    assert.equal((await g.reload()).event, "reloaded");
    await waitFor(async () => (await name())[0] === "second", "the new certificate");
    await g.accept(snapshot(), { tls: true, ca: second.cert });
    const old = { port: g.port, host: "127.0.0.1", rejectUnauthorized: false, maxVersion: "TLSv1.1",
                  minVersion: "TLSv1", ciphers: "DEFAULT:@SECLEVEL=0" };
    await assert.rejects(new Promise((resolve, reject) => {
      tls.connect(old, resolve).on("error", reject);
    }), "TLS 1.1 is not spoken");

    fs.writeFileSync(`${folder}/cert.pem`, "no certificate");
    await g.reload();
    await g.waitLogged("tls_reload_refused");
    assert.deepEqual((await name())[0], "second", "a bad certificate changes nothing");
  });

  test("an HTTPS destination is trusted by its CA, and not delivered to without", async (t) => {
    const folder = tempFolder(t);
    const good = await makeCertificate(folder, "good");
    const other = await makeCertificate(folder, "other");
    const wrong = await makeCertificate(folder, "wrong", { host: "DNS:elsewhere.example" });
    fs.writeFileSync(`${folder}/ca.pem`, Buffer.concat([good.cert, wrong.cert]));
    const trusted = await startSite(t, { tls: good });
    const stranger = await startSite(t, { tls: other });
    const misnamed = await startSite(t, { tls: wrong });
    const once = { retry: [] };
    const g = await Gateway.start(t, {
      trust: { ca_file: "ca.pem" },
      destinations: [trusted.as("trusted"), stranger.as("stranger", once),
                     misnamed.as("misnamed", once)],
    }, { folder });
    const body = snapshot();
    await g.accept(body);
    await trusted.waitGot(1);
    assert.ok(trusted.got[0].body.equals(Buffer.from(body)));
    await g.waitCount(2, "deliveries", "state = 'dead'");
    assert.equal(stranger.got.length + misnamed.got.length, 0, "nothing was sent to them");
    for (const d of await g.deliveries("state = 'dead'"))
      assert.match(d.last_error, /certificate|subject/i);
  });

  test("thin events and their snapshot twins know each other", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    const body = snapshot({ account: "acct_7" });
    const twin = thin({ snapshot_event: idOf(body), context: "org_1/acct_7" });
    await g.accept(twin);
    await g.accept(body);
    await site.waitGot(2);
    assert.deepEqual(site.ids().sort(), [idOf(body), idOf(twin)].sort(), "they are two events");
    for (const got of site.got) {
      assert.equal(got.error, undefined);
      assert.equal(got.headers["stripe-account"], "acct_7");
    }
    const notification = site.got.find((x) => x.event.id === idOf(twin));
    assert.ok(notification.body.equals(Buffer.from(twin)));
    assert.equal(notification.event.type, "v1.customer.created");
    const a = await g.get(`/api/events/${idOf(body)}`);
    const b = await g.get(`/api/events/${idOf(twin)}`);
    assert.equal(a.twin.id, idOf(twin));
    assert.equal(b.twin.id, idOf(body));
    assert.equal(a.thin, false);
    assert.equal(b.thin, true);
    assert.equal(b.account, "acct_7");
    assert.equal(b.snapshot_id, idOf(body));
  });

  test("one event through two sources, and again, is one event and one delivery", async (t) => {
    const site = await startSite(t), second = await startSite(t);
    const g = await Gateway.start(t, {
      sources: [SOURCE, { path: "/two", secrets: ring("two") }],
      destinations: [site.as("all"), second.as("two-only", { match: [{ sources: "/two" }] })],
    });
    const body = snapshot();
    await g.accept(body);
    await site.waitGot(1);
    assert.equal(await g.count("deliveries"), 1);
    await g.accept(body, { path: "/two", secret: secret("two") });
    await second.waitGot(1);
    for (let i = 0; i < 3; i++) await g.accept(body);
    await g.waitCount(5, "receipts");
    assert.equal(await g.count("events"), 1);
    await g.waitCount(2, "deliveries", "state = 'done'");
    assert.equal(await g.count("deliveries"), 2,
      "the second source adds what it owes, and no more");
    assert.equal(site.got.length, 1);
    assert.equal(second.got.length, 1);
    const m = await g.metrics();
    assert.equal(m['hookkeep_events_total{result="new"}'], 1);
    assert.equal(m['hookkeep_events_total{result="duplicate"}'], 4);
  });

  test("another api_version keeps its own bytes, and they are delivered", async (t) => {
    const site = await startSite(t), newer = await startSite(t);
    const g = await Gateway.start(t, {
      sources: [SOURCE, { path: "/newer", secrets: ring("newer") }],
      destinations: [site.as("old", { match: [{ sources: "/webhook" }] }),
                     newer.as("new", { match: [{ sources: "/newer" }] })],
    });
    const body = snapshot({ api_version: "2020-08-27" });
    const other = body.replace("2020-08-27", "2026-10-28.endive").replace("Zoë", "Zoe");
    await g.accept(body);
    await g.accept(other, { path: "/newer", secret: secret("newer") });
    await site.waitGot(1);
    await newer.waitGot(1);
    assert.ok(site.got[0].body.equals(Buffer.from(body)));
    assert.ok(newer.got[0].body.equals(Buffer.from(other)));
    assert.equal(await g.count("events"), 1);
    const { receipts } = await g.get(`/api/events/${idOf(body)}`);
    assert.deepEqual(receipts.map((r) => r.api_version), ["2020-08-27", "2026-10-28.endive"]);
    const bytes = await g.desk("GET",
      `/api/events/${idOf(body)}/body?receipt=${receipts[1].seq}`);
    assert.equal(bytes.text, other);
    const shown = await g.cli(["events", "show", idOf(body), "--body"]);
    assert.equal(shown.stdout, body);
  });

  test("livemode: what does not fit is ignored, and never reaches a live-only site", async (t) => {
    const live = await startSite(t), testOnly = await startSite(t), both = await startSite(t);
    const g = await Gateway.start(t, {
      sources: [SOURCE, { path: "/live", livemode: "live", secrets: ring("live") }],
      destinations: [live.as("live", { livemode: "live" }), both.as("both"),
                     testOnly.as("test", { livemode: "test" })],
    });
    const tried = snapshot({ livemode: false }), real = snapshot({ livemode: true });
    await g.accept(tried);
    await g.accept(real);
    await both.waitGot(2);
    await live.waitGot(1);
    await testOnly.waitGot(1);
    await g.waitCount(4, "deliveries", "state = 'done'");
    assert.deepEqual(live.ids(), [idOf(real)]);
    assert.deepEqual(testOnly.ids(), [idOf(tried)]);

    const replayed = await g.ask("/api/replay", { events: [idOf(tried)], to: "live" });
    assert.deepEqual(replayed.deliveries, []);
    assert.equal(replayed.refused.length, 1);
    assert.match(replayed.refused[0].why, /live/);
    const other = await g.ask("/api/replay", { events: [idOf(real)], to: "test" });
    assert.deepEqual(other.deliveries, []);
    const byHand = await g.cli(["events", "replay", idOf(tried), "--to", "live"]);
    assert.match(byHand.stdout + byHand.stderr, /live/);
    const all = await g.ask("/api/replay", { events: [idOf(tried)] });
    assert.equal(all.deliveries.length, 2);
    await both.waitGot(3);

    // A destination that becomes live-only while it is owed a test event.
    both.answer = () => ({ status: 500 });
    const late = snapshot();
    await g.accept(late);
    await both.waitGot(4);
    await g.waitCount(1, "deliveries", "state = 'waiting' AND destination = 'both'");
    await g.reload({ destinations: [live.as("live", { livemode: "live" }),
      both.as("both", { livemode: "live" }), testOnly.as("test", { livemode: "test" })] });
    both.answer = () => ({});
    const [owed] = await g.deliveries("state NOT IN ('done') AND destination = 'both'");
    const retried = await g.desk("POST", `/api/deliveries/${owed.seq}/retry`, {});
    assert.ok([200, 409].includes(retried.status), retried.text);
    await waitFor(async () => {
      const d = await g.get(`/api/deliveries/${owed.seq}`);
      return d.state === "cancelled" || /not sent|live/.test(d.last_error);
    }, "the delivery to be refused");
    assert.equal(both.got.length, 4, "it was never sent");

    const ignored = snapshot({ livemode: false });
    await g.accept(ignored, { path: "/live", secret: secret("live") });
    await waitFor(async () => await g.count("events", `id = '${idOf(ignored)}'`), "its booking");
    const e = await g.get(`/api/events/${idOf(ignored)}`);
    assert.equal(e.status, "ignored");
    assert.equal(e.receipts[0].livemode_misfit, true);
    assert.deepEqual(e.deliveries, []);
    assert.equal((await g.metrics()).hookkeep_livemode_misfits_total, 1);
  });

  test("a ring of secrets, several signatures, and rotation by SIGHUP", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, {
      sources: [{ path: "/webhook", secrets: ring("old", "new") }], destinations: [site.as("shop")],
    });
    const both = snapshot();
    await g.accept(both, { signature: signAll(both, [secret("new"), secret("old")]) });
    const rolled = snapshot();
    await g.accept(rolled, { signature: signAll(rolled, [secret("unknown"), secret("new")]) });
    await g.accept(snapshot(), { secret: secret("old") });
    await g.accept(snapshot(), { secret: secret("new") });
    await g.waitCount(4, "receipts");
    const labels = await g.sql("SELECT secret_label AS l FROM receipts ORDER BY seq");
    assert.deepEqual(labels.slice(1).map((r) => r.l), ["new", "old", "new"]);

    assert.equal((await g.post(snapshot(), { secret: secret("next") })).status, 400);
    await g.reload({ sources: [{ path: "/webhook", secrets: ring("new", "next") }] });
    await waitFor(async () => (await g.post(snapshot(), { secret: secret("next") })).status === 200,
      "the new secret");
    await waitFor(async () => (await g.post(snapshot(), { secret: secret("old") })).status === 400,
      "the old secret to be refused");
    await g.accept(snapshot(), { secret: secret("new") });

    // The destination's secret is rolled the same way.
    await g.reload({ destinations: [{ ...site.as("shop"), secret: secret("rolled") }] });
    const last = snapshot();
    await g.accept(last, { secret: secret("new") });
    const got = await waitFor(() => site.got.find((x) => x.body.includes(idOf(last))), "the last");
    stripe.webhooks.constructEvent(got.body, got.headers["stripe-signature"], secret("rolled"));
    assert.ok(got.error, "with the old secret it does not hold");
  });

  test("a secret whose scope does not fit the event is flagged", async (t) => {
    const g = await Gateway.start(t, { sources: [{ path: "/webhook", secrets: [
      { label: "account", scope: "account", key: secret("account") },
      { label: "connect", scope: "connect", key: secret("connect") }] }] });
    const rows = [["account", undefined, 0], ["account", "acct_1", 1], ["connect", "acct_1", 0],
                  ["connect", undefined, 1]];
    for (const [label, account] of rows)
      await g.accept(snapshot({ account }), { secret: secret(label) });
    await g.waitCount(4, "receipts");
    const got = await g.sql("SELECT r.secret_label AS label, e.account, r.scope_misfit AS misfit "
      + "FROM receipts r JOIN events e ON e.seq = r.event_seq ORDER BY r.seq");
    assert.deepEqual(got.map((r) => [r.label, r.account || undefined, r.misfit]), rows);
    assert.equal((await g.metrics()).hookkeep_scope_misfits_total, 2);
  });

  test("the same id of another owner, account or mode is another event", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, {
      sources: [SOURCE, { path: "/other", owner: "acct_other", secrets: ring("other") }],
      destinations: [site.as("shop")],
    });
    const body = snapshot();
    const foreign = body.replace("Zoë", "forged");
    await g.accept(foreign, { path: "/other", secret: secret("other") });
    await g.accept(body);
    await g.accept(body.replace('"livemode": false', '"livemode": true'));
    const connect = JSON.stringify({ ...JSON.parse(body), account: "acct_9" });
    await g.accept(connect);
    await g.waitCount(4, "events");
    await site.waitGot(4);
    const own = await g.sql("SELECT payload FROM events WHERE owner = 'main' AND account = '' "
      + "AND livemode = 0");
    assert.equal(own[0].payload, body, "nobody can shadow another owner's event");
    const asked = await g.desk("GET", `/api/events/${idOf(body)}`);
    assert.equal(asked.status, 409);
    assert.equal(asked.body.events.length, 4);
    const direct = site.got.find((x) => x.body.includes("forged"));
    assert.equal(direct.headers["stripe-account"], "acct_other",
      "direct events of an owner that is an account carry it");
  });

  test("match decides where an event goes, and explain names the rule", async (t) => {
    const site = await startSite(t), none = await startSite(t);
    const g = await Gateway.start(t, { destinations: [
      site.as("shop", { match: [{ types: "charge.*" },
        { types: "customer.*", where: { "data.object.metadata.site": ["shop", "outlet"] } }] }),
      none.as("none", { match: [{ types: "invoice.paid" }] })] });
    const yes = snapshot({ object: { metadata: { site: "outlet" } } });
    const no = snapshot({ object: { metadata: { site: "museum" } } });
    await g.accept(no);
    await g.accept(yes);
    await site.waitGot(1);
    await g.waitBooked();
    assert.deepEqual(site.ids(), [idOf(yes)]);
    assert.equal(await g.count("deliveries"), 1);
    const { receipts: [{ destinations }] } = await g.get(`/api/events/${idOf(no)}/explain`);
    assert.deepEqual(destinations.map((d) => [d.name, d.gets]), [["shop", false], ["none", false]]);
    assert.match(destinations[0].why, /museum|site/);
    const told = await g.cli(["explain", idOf(yes)]);
    assert.match(told.stdout, /shop[^]*rule 2[^]*outlet/);
    assert.match(told.stdout, /none +no +no rule matches: rule 1: types customer\.created/);
  });

  test("two loops, many connections at once: each event once", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { limits: { loops: 2 }, destinations: [site.as("shop")] });
    const bodies = Array.from({ length: 200 }, () => snapshot());
    await Promise.all([...bodies, ...bodies.slice(0, 50)].map((b) => g.accept(b)));
    await g.waitCount(200, "deliveries", "state = 'done'");
    assert.equal(site.got.length, 200);
    assert.equal(new Set(site.ids()).size, 200);
    assert.equal(await g.count("receipts"), 250);
  });

  test("SITE_SECRET and SECRET are not the same, or these tests prove nothing", () => {
    const body = snapshot();
    assert.throws(() => stripe.webhooks.constructEvent(body, sign(body, { secret: SECRET }),
      SITE_SECRET));
  });
});
