// SPDX-License-Identifier: MIT
// The official CLI listens to the desk: `stripe listen` in each of its modes, `stripe logs tail`,
// `stripe events resend`, through TCP and the unix socket.
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Gateway, tempFolder } from "./lib/gateway.mjs";
import { request } from "./lib/http.mjs";
import { deskPort, Listening, makeKey, sdk, stripeCli } from "./lib/official.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, snapshot, thin } from "./lib/stripe.mjs";
import { makeCertificate } from "./lib/tls.mjs";
import { neverWithin, waitFor } from "./lib/wait.mjs";

// How long events are sent in the test of reconnects: 600000 before a release.
const LISTEN_MS = Number(process.env.LISTEN_MS ?? 9000);

const start = (t, desk = {}) => Gateway.start(t,
  { desk: { listen: ["unix:desk.sock", "http://127.0.0.1:0"], ...desk } });

// Listens, and forwards to a site that verifies by the session's secret.
async function listen(t, g, key, args = [], options = {}) {
  const site = await startSite(t, options.site);
  const l = await Listening.start(t, g, key, ["listen", ...args, "--forward-to", site.url],
                                  options);
  site.secret = l.secret;
  return { site, l };
}

// One that came, with the bytes that Stripe sent and a signature that the SDK accepts.
function assertGot(got, body, url = "/stripe") {
  assert.equal(got.error, undefined);
  assert.equal(got.body.toString(), body);
  assert.equal(got.url, url);
  assert.equal(got.headers["content-type"], "application/json; charset=utf-8");
  assert.match(got.headers["user-agent"], /^Stripe\/1\.0/);
  assert.equal(got.headers.accept, "*/*; q=0.5, application/xml");
  assert.equal(got.headers["cache-control"], "no-cache");
}

async function accept(g, more) {
  const body = snapshot(more);
  await g.accept(body);
  return body;
}

suite("stripe listen", { concurrency: 2 }, () => {
  for (const unix of [false, true])
    test(`forwards snapshot events, connected accounts' apart${unix ? ", by unix socket" : ""}`,
      async (t) => {
        const g = await start(t);
        const key = await makeKey(g, "test", "--read-only");
        await accept(g); // of before: not pushed
        const connected = await startSite(t);
        const { site, l } = await listen(t, g, key,
          ["--all-snapshot", "--forward-connect-to", `${connected.url}/connect`], { unix });
        connected.secret = l.secret;
        site.answer = () => ({ status: 418, body: "no tea" });
        const own = await accept(g), other = await accept(g, { account: "acct_1" });
        await accept(g, { livemode: true });
        await g.accept(thin());
        await site.waitGot(1);
        await connected.waitGot(1);
        assertGot(site.got[0], own);
        assertGot(connected.got[0], other, "/stripe/connect");
        await l.waitSaid(/<--\s+\[418\] POST/);
        // What the site answered is the event's to see, and changes nothing of it.
        const shown = await waitFor(async () => {
          const e = await g.get(`/api/events/${idOf(own)}`);
          return e.listened.length > 0 && e;
        }, "the answer to be booked");
        const [attempt] = shown.listened;
        assert.equal(attempt.status, 418);
        assert.equal(attempt.answer, "no tea");
        assert.equal(attempt.url, site.url);
        assert.ok(attempt.device.length > 0);
        assert.equal(shown.status, "ignored");
        const told = await g.cli(["events", "show", idOf(own)]);
        assert.match(told.stdout, /listened[^]*418/);
        await neverWithin(300, () => site.got.length > 1 || connected.got.length > 1,
          "something else was forwarded");
      });

  test("thin events, chosen types, and both", async (t) => {
    const g = await start(t);
    const key = await makeKey(g, "test");
    const all = await listen(t, g, key, ["--all-thin"]);
    const some = await listen(t, g, key, ["--events", "payout.paid,charge.refunded"]);
    const body = thin();
    await g.accept(body);
    await accept(g);
    const paid = await accept(g, { type: "payout.paid" });
    await all.site.waitGot(1);
    await some.site.waitGot(1);
    assertGot(all.site.got[0], body);
    assertGot(some.site.got[0], paid);
    await neverWithin(300, () => all.site.got.length + some.site.got.length > 2,
      "something else was forwarded");
    // All is acknowledged, what the CLI filters too.
    await waitFor(async () => (await g.get("/api/listen")).data
      .every((s) => s.unacknowledged === 0 && s.behind === 0), "everything to be acknowledged");
  });

  test("--latest, --format JSON, --headers, --events-from, --skip-verify", async (t) => {
    const g = await start(t);
    const key = await makeKey(g, "test");
    await accept(g);
    await g.waitBooked();
    const tls = await makeCertificate(g.folder, "local");
    const latest = await listen(t, g, key, ["--all-snapshot", "--latest"]);
    assert.match(latest.l.err, /Stripe API Version \[2026-10-28\.endive\]/);
    const json = await listen(t, g, key, ["--all-snapshot", "--format", "JSON", "--headers",
      "X-One: 1,X-Two: 2"]);
    const accounts = await listen(t, g, key, ["--all-snapshot", "--events-from", "@accounts"]);
    const secure = await listen(t, g, key, ["--all-snapshot", "--skip-verify"], { site: { tls } });
    const body = await accept(g);
    const other = await accept(g, { account: "acct_9", api_version: null });
    await latest.site.waitGot(1);
    for (const { site } of [json, secure]) await site.waitGot(2); // in any order
    assertGot(latest.site.got[0], body);
    assertGot(json.site.got.find((x) => x.event.id === idOf(body)), body);
    assert.equal(json.site.got[0].headers["x-one"], "1");
    assert.equal(json.site.got[0].headers["x-two"], "2");
    assertGot(secure.site.got.find((x) => x.event.id === idOf(body)), body);
    await json.l.waitSaid(new RegExp(`"id":"${idOf(body)}"`));
    await accounts.site.waitGot(1);
    assertGot(accounts.site.got[0], other);
    // Whoever asks for the latest version gets what has one.
    await neverWithin(300, () => latest.site.got.length > 1, "an event without a version came");
  });

  test("--use-configured-webhooks goes by the endpoints that there are", async (t) => {
    const g = await start(t);
    const key = await makeKey(g, "test");
    const stripe = sdk(g, key);
    const make = async (path, types, more = {}) => g.canaries.add("an endpoint's secret",
      (await stripe.webhookEndpoints.create({ url: `https://shop.example${path}`,
                                              enabled_events: types, ...more })).secret);
    await make("/paid?by=stripe", ["payout.paid"]);
    await make("/all", ["*"]);
    await make("/connect", ["*"], { connect: true });
    const site = await startSite(t);
    const l = await Listening.start(t, g, key, ["listen", "--all-snapshot", "--forward-to",
      `http://127.0.0.1:${site.port}`, "--use-configured-webhooks"]);
    site.secret = l.secret;
    const body = await accept(g, { type: "payout.paid" });
    const other = await accept(g, { account: "acct_1" });
    await site.waitGot(3);
    assert.deepEqual(site.got.map((x) => x.url).sort(), ["/all", "/connect", "/paid?by=stripe"]);
    for (const got of site.got)
      assertGot(got, got.url === "/connect" ? other : body, got.url);
  });

  test("--print-secret is the same each time, and another one of each key", async (t) => {
    const g = await start(t);
    const key = await makeKey(g, "test"), other = await makeKey(g, "live");
    const secrets = [];
    for (const k of [key, key, other]) {
      const r = await stripeCli(g, k, ["listen", "--print-secret"]);
      assert.equal(r.code, 0, r.stderr);
      assert.match(r.stdout, /^whsec_\w{32}\n$/);
      g.canaries.add("a secret of who listens", r.stdout);
      secrets.push(r.stdout.trim());
    }
    assert.equal(secrets[0], secrets[1]);
    assert.notEqual(secrets[0], secrets[2]);
    await g.stop();
    await g.start();
    const { l } = await listen(t, g, key, ["--all-snapshot"]);
    assert.equal(l.secret, secrets[0]);
  });

  test("loses nothing over many reconnects", async (t) => {
    const g = await start(t, { reconnect_delay: "1s" });
    const { site } = await listen(t, g, await makeKey(g, "test"), ["--all-snapshot"]);
    const sent = [];
    let gaps = 0, connected = true;
    const begun = Date.now();
    for (let i = 0; Date.now() < begun + LISTEN_MS; i++) {
      sent.push(idOf(await accept(g)));
      if (i % 5 === 0) {
        const [now] = (await g.get("/api/listen")).data;
        gaps += connected && !now.connected ? 1 : 0;
        connected = now.connected;
      }
      await sleep(50);
    }
    // The CLI closes after a second and comes back a second later.
    assert.ok(gaps >= LISTEN_MS / 4000, `${gaps} gaps`);
    await waitFor(() => {
      const came = new Set(site.ids());
      return sent.every((id) => came.has(id));
    }, () => `what is missing of ${sent.length}; ${new Set(site.ids()).size} came`);
    assert.ok(site.got.every((x) => x.error === undefined));
    const booked = await waitFor(async () => {
      const [row] = await g.sql("SELECT COUNT(DISTINCT event_id) AS n FROM listen_attempts");
      return row.n >= sent.length && row;
    }, "all answers to be booked");
    assert.equal(booked.n, sent.length);
    const lost = Object.entries(await g.metrics()).filter(([name, n]) =>
      name.startsWith("hookkeep_listen_lost_total") && n > 0);
    assert.deepEqual(lost, []);
    t.diagnostic(`${sent.length} events, ${gaps} gaps, ${site.got.length} requests at the site`);
  });

  test("begins a new session after the gateway was restarted", async (t) => {
    const g = await start(t);
    const port = deskPort(g);
    const key = await makeKey(g, "test");
    const { site, l } = await listen(t, g, key, ["--all-snapshot"]);
    await g.stop();
    g.write({ desk: { listen: ["unix:desk.sock", `http://127.0.0.1:${port}`] } });
    await g.start();
    await l.waitSaid(/Session expired, reconnecting/, "err", 45000);
    await waitFor(async () => (await g.get("/api/listen")).data.some((s) => s.connected),
      "the new session", 30000);
    const body = await accept(g);
    await site.waitGot(1);
    assertGot(site.got[0], body);
  });
});

// A session of its own, by hand: nothing that comes is read until `read` is called.
function rawSession(g, key, { to = { port: deskPort(g) }, headers } = {}) {
  return request({ method: "POST", path: "/v1/stripecli/sessions", ...to,
    headers: { authorization: `Bearer ${key}`,
               "content-type": "application/x-www-form-urlencoded", ...headers },
    body: "device_name=raw&websocket_features%5B%5D=webhooks" });
}

async function rawSocket(t, g, id, more = []) {
  const socket = net.connect(deskPort(g), "127.0.0.1");
  t.after(() => socket.destroy());
  socket.on("error", () => {});
  await once(socket, "connect");
  socket.write(["GET /v1/stripecli/listen?websocket_feature=webhook-payloads HTTP/1.1",
    `Host: 127.0.0.1:${deskPort(g)}`, "Upgrade: websocket", "Connection: Upgrade",
    "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol: stripecli-devproxy-v1", `Websocket-Id: ${id}`, ...more, "", ""]
    .join("\r\n"));
  return socket;
}

test("who does not read delays nobody and holds little", async (t) => {
  const g = await start(t);
  const key = await makeKey(g, "test");
  const made = await rawSession(g, key);
  assert.equal(made.status, 200, made.text);
  g.canaries.add("a secret of who listens", made.body.secret);
  const socket = await rawSocket(t, g, made.body.websocket_id);
  const [head] = await once(socket, "data");
  assert.match(head.toString(), /^HTTP\/1\.1 101 /);
  assert.match(head.toString(), /sec-websocket-protocol: stripecli-devproxy-v1/i);
  socket.pause();
  const others = [];
  for (let i = 0; i < 3; i++) others.push(await listen(t, g, key, ["--all-snapshot"]));
  const sent = [];
  const large = "x".repeat(500_000);
  for (let i = 0; i < 60; i++)
    sent.push(idOf(await accept(g, { object: { description: large } })));
  for (const { site } of others)
    await waitFor(() => sent.every((id) => site.ids().includes(id)), "everything at the others");
  const idle = (await g.get("/api/listen")).data.find((s) => s.device === "raw");
  assert.ok(idle === undefined || idle.behind > 0 || idle.unacknowledged > 0);
  assert.ok(idle === undefined || idle.unsent < 3_000_000, JSON.stringify(idle));
});

test("as many as may listen take the desk from nobody", async (t) => {
  const most = 300; // more than the desk keeps connections for others
  const g = await start(t, { listeners_max: most });
  const key = await makeKey(g, "test");
  for (let i = 0; i < most; i++) {
    const made = await rawSession(g, key);
    assert.equal(made.status, 200, made.text);
    g.canaries.add("a secret of who listens", made.body.secret);
    const socket = await rawSocket(t, g, made.body.websocket_id);
    const [head] = await Promise.race([once(socket, "data"), once(socket, "close")]);
    assert.match(String(head), /^HTTP\/1\.1 101 /, `session ${i}`);
  }
  assert.equal((await g.get("/api/listen")).data.filter((s) => s.connected).length, most);
});

test("what is no session, or no WebSocket, is refused", async (t) => {
  const g = await start(t, { listeners_max: 2 });
  const key = await makeKey(g, "test");
  const unknown = await rawSocket(t, g, "cliws_nobody");
  const [answer] = await once(unknown, "data");
  assert.match(answer.toString(), /^HTTP\/1\.1 4\d\d /);
  assert.ok(answer.toString().endsWith('{"error":{"message":"Unknown WebSocket ID."}}'));
  const made = [];
  for (let i = 0; i < 2; i++) {
    made.push(await rawSession(g, key));
    assert.equal(made[i].status, 200);
    g.canaries.add("a secret of who listens", made[i].body.secret);
  }
  assert.equal(made[0].body.websocket_url,
               `ws://127.0.0.1:${deskPort(g)}/v1/stripecli/listen`);
  assert.match(made[0].body.websocket_id, /^cliws_\w+$/);
  assert.equal(made[0].body.reconnect_delay, 60);
  const third = await stripeCli(g, key, ["listen", "--all-snapshot"]);
  assert.equal(third.code, 1);
  assert.match(third.stdout + third.stderr, /too many `stripe listen` sessions open/);
  assert.equal((await g.metrics())['hookkeep_listen_refused_total{reason="too_many"}'], 1);
  // Another connection takes the place of the one before; the key's end ends the session.
  const first = await rawSocket(t, g, made[0].body.websocket_id);
  await once(first, "data");
  const second = await rawSocket(t, g, made[0].body.websocket_id);
  await once(second, "data");
  await once(first, "close");
  const { keys } = { keys: (await g.get("/api/keys")).data };
  await g.ask(`/api/keys/${keys.find((k) => k.mode === "test").id}/revoke`);
  await once(second, "close");
  assert.deepEqual((await g.get("/api/listen")).data, []);
});

test("a session leads back to where it was asked for", async (t) => {
  const folder = tempFolder(t);
  const { file, keyFile, cert } = await makeCertificate(folder, "desk");
  const g = await Gateway.start(t, { tls: { certificate: file, key: keyFile },
    desk: { listen: ["unix:desk.sock", "https://127.0.0.1:0"] } });
  const key = await makeKey(g, "test");
  const to = { port: deskPort(g), tls: true, ca: cert };
  const urlOf = async (options) => {
    const made = await rawSession(g, key, options);
    g.canaries.add("a secret of who listens", made.body.secret);
    return made.body.websocket_url ?? made.body.error.message;
  };
  assert.equal(await urlOf({ to }), `wss://127.0.0.1:${to.port}/v1/stripecli/listen`);
  assert.equal(await urlOf({ to: { socketPath: g.path("desk.sock") },
                             headers: { host: "api.stripe.com" } }),
               "ws://api.stripe.com/v1/stripecli/listen");
  assert.match(await urlOf({ to: { socketPath: g.path("desk.sock") },
                             headers: { host: "evil/?x=" } }), /Host is none/);
});

test("stripe logs tail tells of requests, and filters them", async (t) => {
  const g = await start(t);
  const key = await makeKey(g, "test"), live = await makeKey(g, "live");
  const all = await Listening.start(t, g, key, ["logs", "tail"]);
  const failed = await Listening.start(t, g, key, ["logs", "tail", "--filter-http-method", "POST",
    "--filter-status-code-type", "4XX", "--filter-account", "self", "--filter-source", "api",
    "--filter-request-status", "failed", "--filter-ip-address", "127.0.0.1"]);
  const others = await Listening.start(t, g, key, ["logs", "tail", "--filter-status-code", "404",
    "--filter-request-path", "/v1/events/evt_none"]);
  const stripe = sdk(g, key);
  await accept(g);
  await g.waitBooked();
  // Events are none of theirs.
  assert.deepEqual((await g.get("/api/listen")).data.map((s) => s.behind), [0, 0, 0]);
  await stripe.events.list();
  await assert.rejects(stripe.events.retrieve("evt_none"));
  await sdk(g, live).events.list();
  await assert.rejects(stripe.rawRequest("POST", "/v1/events/evt_none/retry", {}));
  await all.waitSaid(/\[200\] GET \/v1\/events \[req_\w+\]/);
  await all.waitSaid(/\[404\] GET \/v1\/events\/evt_none \[req_\w+\][^]*resource_missing/);
  await all.waitSaid(/\[400\] POST \/v1\/events\/evt_none\/retry/);
  await failed.waitSaid(/\[400\] POST \/v1\/events\/evt_none\/retry/);
  assert.ok(!/GET/.test(failed.out), failed.out);
  await others.waitSaid(/\[404\] GET/);
  assert.ok(!/200|400/.test(others.out.replace(/\d{4}-\S+ \S+/g, "")), others.out);
  assert.equal(all.out.match(/GET \/v1\/events \[/g).length, 1);
});

test("stripe events resend reaches all who listen", async (t) => {
  const g = await start(t);
  const key = await makeKey(g, "test");
  const body = await accept(g), connected = await accept(g, { account: "acct_1" });
  await g.waitBooked();
  const both = [await listen(t, g, key, ["--all-snapshot"]),
                await listen(t, g, key, ["--all-snapshot"], { unix: true })];
  const r = await stripeCli(g, key, ["events", "resend", idOf(body)]);
  assert.equal(JSON.parse(r.stdout).id, idOf(body));
  await stripeCli(g, key, ["events", "resend", idOf(connected), "--account", "acct_1"]);
  for (const { site } of both) {
    await site.waitGot(2);
    assert.deepEqual(site.ids().sort(), [idOf(body), idOf(connected)].sort());
  }
});
