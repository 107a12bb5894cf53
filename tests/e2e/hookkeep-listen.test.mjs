// SPDX-License-Identifier: MIT
// `hookkeep listen`: events brought to a site on this machine, signed for who listens.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { deskPort, makeKey } from "./lib/official.mjs";
import { cleanEnvironment, HOOKKEEP } from "./lib/process.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, snapshot, thin } from "./lib/stripe.mjs";
import { makeCertificate } from "./lib/tls.mjs";
import { waitFor } from "./lib/wait.mjs";

const start = (t, more = {}) => Gateway.start(t, {
  desk: { listen: ["unix:desk.sock", "http://127.0.0.1:0"] }, ...more });

// `hookkeep listen` under way, from when it is ready; its secret is in `secret`.
async function listen(t, g, args = [], { key, api, ready = true } = {}) {
  const env = { ...(key && { HOOKKEEP_KEY: key }), ...(api && { HOOKKEEP_API: api }) };
  const child = spawn(HOOKKEEP, ["listen", ...args], { cwd: g.folder,
                                                       env: cleanEnvironment(env) });
  const l = { child, out: "", err: "", exit: once(child, "close") };
  for (const [name, stream] of [["out", "stdout"], ["err", "stderr"]])
    child[stream].setEncoding("utf8").on("data", (piece) => (l[name] += piece));
  t.after(() => child.kill("SIGKILL"));
  l.says = (pattern) => waitFor(() => pattern.exec(l.err) ?? pattern.exec(l.out),
                                () => `${pattern} of listen, which said ${l.out}${l.err}`);
  l.stop = async () => {
    child.kill("SIGINT");
    return (await l.exit)[0];
  };
  if (ready) [, l.secret] = await l.says(/Ready! Your webhook signing secret is (whsec_\w+)/);
  return l;
}

suite("what is forwarded", { concurrency: 4 }, () => {
  test("goes to the site as Stripe would send it, and its answer is kept", async (t) => {
    const site = await startSite(t);
    const g = await start(t);
    const key = await makeKey(g, "test");
    await g.accept(snapshot());
    await g.waitBooked();
    const l = await listen(t, g, ["--forward-to", `localhost:${site.port}/hook`, "--headers",
      "X-One: 1,X-Two:2"], { key });
    site.secret = l.secret;
    site.answer = (_, n) => (n === 1 ? { status: 201, body: "thanks" } : { status: 500 });
    const bodies = [snapshot(), thin(), snapshot({ account: "acct_1" })];
    for (const body of bodies) await g.accept(body);
    await g.accept(snapshot({ livemode: true }));
    await site.waitGot(3);
    assert.deepEqual(site.ids().sort(), bodies.map(idOf).sort());
    assert.ok(site.got.every((x) => x.error === undefined));
    const first = site.got[0];
    assert.equal(first.body.toString(), bodies[0]);
    assert.equal(first.url, "/hook");
    assert.equal(first.headers["user-agent"], "Stripe/1.0 (+https://stripe.com/docs/webhooks)");
    assert.deepEqual([first.headers["x-one"], first.headers["x-two"]], ["1", "2"]);
    assert.equal(first.headers["stripe-account"], undefined);
    const connected = site.got.find((x) => x.event.account);
    assert.equal(connected.headers["stripe-account"], "acct_1");
    await l.says(new RegExp(`  --> ${JSON.parse(bodies[0]).type} \\[${idOf(bodies[0])}\\]`));
    await l.says(/ --> connect /);
    await l.says(new RegExp(`<--  \\[201\\] POST http://localhost:${site.port}/hook`));
    await g.waitCount(3, "listen_attempts");
    const shown = await g.get(`/api/events/${idOf(bodies[0])}`);
    assert.deepEqual([shown.listened[0].status, shown.listened[0].answer], [201, "thanks"]);
    assert.equal(shown.status, "ignored", "who listens is owed nothing");
    // The same secret each time, and for whom the official CLI listens with this key.
    const printed = await g.cli(["listen", "--print-secret"], { env: { HOOKKEEP_KEY: key } });
    assert.equal(printed.stdout, `${l.secret}\n`);
    assert.equal(await l.stop(), 0);
  });

  test("is chosen by type, account and site", async (t) => {
    const site = await startSite(t), other = await startSite(t);
    const g = await start(t, { sites: [{ name: "shop",
      claims: [{ where: { "data.object.metadata.site": "shop" } }] }] });
    const l = await listen(t, g, ["--forward-to", `${site.port}/hook?of=4242`,
      "--forward-connect-to", `${other.port}`, "--events", "customer.*,payout.paid",
      "--sites", "shop,unclaimed"]);
    site.secret = other.secret = l.secret;
    const at = (where, type) => snapshot({ type,
      data: { object: { id: "cus_1", object: "customer", metadata: { site: where } } } });
    const wanted = [at("shop", "customer.created"), at("none", "payout.paid")];
    const connected = snapshot({ type: "customer.updated", account: "acct_1" });
    for (const b of [...wanted, at("shop", "charge.refunded"), connected]) await g.accept(b);
    await site.waitGot(2);
    await other.waitGot(1);
    assert.deepEqual(site.ids().sort(), wanted.map(idOf).sort());
    assert.deepEqual(other.ids(), [idOf(connected)]);
    assert.deepEqual([site.got[0].url, other.got[0].url], ["/hook?of=4242", "/"]);
  });

  test("is tried again when the site refuses it or is away", async (t) => {
    const site = await startSite(t);
    const g = await start(t);
    const l = await listen(t, g, ["--forward-to", site.url, "--retry", "3"]);
    site.secret = l.secret;
    site.answer = (_, n) => ({ status: n < 3 ? 500 : 200 });
    const body = snapshot();
    await g.accept(body);
    await site.waitGot(3);
    assert.deepEqual(site.ids(), Array(3).fill(idOf(body)));
    await g.waitCount(3, "listen_attempts");
    site.close();
    await once(site.server, "close");
    await g.accept(snapshot());
    await l.says(/\[ERROR\] POST/);
    const back = await startSite(t, { secret: l.secret, port: site.port });
    await back.waitGot(1);
  });

  test("comes each once, where thousands come quickly", async (t) => {
    const site = await startSite(t);
    const g = await start(t);
    const l = await listen(t, g, ["--forward-to", site.url]);
    site.secret = l.secret;
    const ids = [];
    for (let i = 0; i < 40; i++) {
      const bodies = Array.from({ length: 50 }, () => snapshot());
      ids.push(...bodies.map(idOf));
      await Promise.all(bodies.map((b) => g.accept(b)));
    }
    await site.waitGot(2000, 60000);
    assert.deepEqual(site.ids().sort(), ids.sort());
    await g.waitCount(2000, "listen_attempts"); // none of their answers is lost
  });

  test("is answered at length, and that is kept in part", async (t) => {
    const site = await startSite(t);
    const g = await start(t);
    const l = await listen(t, g, ["--forward-to", site.url]);
    site.secret = l.secret;
    site.answer = () => ({ status: 500, body: "<\u0001\"&>".repeat(4000) });
    await Promise.all(Array.from({ length: 150 }, () => g.accept(snapshot())));
    await site.waitGot(150);
    await g.waitCount(150, "listen_attempts", "status = 500 AND length(answer) > 500");
  });

  test("that waits for its next try takes no place from the others", async (t) => {
    const site = await startSite(t), other = await startSite(t);
    const g = await start(t);
    const l = await listen(t, g, ["--forward-to", site.url, "--forward-connect-to", other.url,
                                  "--retry", "100"]);
    site.secret = other.secret = l.secret;
    site.answer = () => ({ status: 503 });
    await Promise.all(Array.from({ length: 100 }, () => g.accept(snapshot())));
    const connected = snapshot({ account: "acct_1" });
    await g.accept(connected);
    await other.waitGot(1);
    assert.deepEqual(other.ids(), [idOf(connected)]);
  });
});

suite("the connection", { concurrency: 4 }, () => {
  test("is made anew after the gateway was gone, and nothing is missed", async (t) => {
    const site = await startSite(t);
    const g = await start(t, { listen: ["http://127.0.0.1:0"] });
    const l = await listen(t, g, ["--forward-to", site.url]);
    site.secret = l.secret;
    await g.accept(snapshot());
    await site.waitGot(1);
    await g.kill();
    await l.says(/the connection to unix:desk.sock was lost/);
    await g.start();
    await g.accept(snapshot());
    await l.says(/connected again after \d+ s, and going on from event/);
    await site.waitGot(2);
    await g.stop();
    await g.start();
    await g.accept(snapshot());
    await site.waitGot(3);
    assert.equal(new Set(site.ids()).size, 3);
    assert.equal(await l.stop(), 0);
  });

  test("that falls silent is given up", async (t) => {
    const site = await startSite(t);
    const g = await start(t);
    const key = await makeKey(g, "test");
    let silent = false, streams = [];
    const proxy = net.createServer((client) => {
      const up = net.connect(deskPort(g), "127.0.0.1");
      client.on("data", (b) => !silent && up.write(b));
      up.on("data", (b) => !silent && client.write(b));
      for (const s of [client, up]) s.on("error", () => {});
      client.on("close", () => up.destroy());
      streams.push(client);
    }).listen(0, "127.0.0.1");
    await once(proxy, "listening");
    t.after(() => { streams.forEach((s) => s.destroy()); proxy.close(); });
    const l = await listen(t, g, ["--forward-to", site.url],
                           { key, api: `http://127.0.0.1:${proxy.address().port}` });
    site.secret = l.secret;
    await g.accept(snapshot());
    await site.waitGot(1);
    silent = true;
    await g.accept(snapshot());
    await waitFor(() => /was lost/.test(l.err), () => `it to be given up: ${l.err}`, 45000);
    silent = false;
    await site.waitGot(2);
    assert.equal(new Set(site.ids()).size, 2);
  });

  test("goes over https with a key, where the certificate is trusted", async (t) => {
    const site = await startSite(t);
    const g = new Gateway(t, {});
    const cert = await makeCertificate(g.folder, "desk");
    g.write({ desk: { listen: ["unix:desk.sock", "https://127.0.0.1:0"] },
              tls: { certificate: cert.file, key: cert.keyFile } });
    await g.start();
    const key = await makeKey(g, "live");
    const api = `https://127.0.0.1:${deskPort(g)}`;
    const l = await listen(t, g, ["--forward-to", site.url, "--ca-file", cert.file], { key, api });
    site.secret = l.secret;
    await g.accept(snapshot());
    await g.accept(snapshot({ livemode: true }));
    await site.waitGot(1);
    assert.equal(site.got[0].event.livemode, true);
    const untrusted = await g.cli(["listen"], { env: { HOOKKEEP_KEY: key, HOOKKEEP_API: api } });
    assert.equal(untrusted.code, 1);
    assert.match(untrusted.stderr, /certificate/i);
  });
});

suite("what it says", { concurrency: 4 }, () => {
  test("is JSON where that is asked for, and what came since then", async (t) => {
    const g = await start(t);
    const bodies = [snapshot(), snapshot({ livemode: true })];
    for (const body of bodies) await g.accept(body);
    await g.waitBooked();
    const l = await listen(t, g, ["--format", "json", "--since", "1h"]);
    await waitFor(() => l.out.split("\n").length === 3, () => `two lines: ${l.out}`);
    assert.deepEqual(l.out.trim().split("\n").map((line) => JSON.parse(line)),
                     bodies.map((b) => JSON.parse(b)));
    assert.equal(await l.stop(), 0);
  });

  test("names what is wrong", async (t) => {
    const g = await start(t);
    const wrong = [
      [["--forward-to", "ftp://x/"], /no URL to bring events to/],
      [["--forward-connect-to", "4242"], /needs --forward-to/],
      [["--headers", "none", "--forward-to", "1"], /NAME:VALUE/],
      [["--since", "soon"], /--since takes/],
      [["--retry", "1000"], /--retry takes/],
      [["--format", "yaml"], /--format is json/],
    ];
    for (const [args, why] of wrong) {
      const r = await g.cli(["listen", ...args]);
      assert.equal(r.code, 2, r.stderr);
      assert.match(r.stderr, why);
    }
    const slip = await listen(t, g, ["--events", "customer.create"]);
    assert.match(slip.err, /no event type customer.create; did you mean customer.created\?/);
    await slip.stop();
    const nobody = await g.cli(["listen", "--sites", "unclaimed,shop"]);
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /the configuration has no site shop; `hookkeep sites list`/);
    const bad = await g.cli(["listen"], { env: { HOOKKEEP_KEY: "sk_test_hk0" } });
    assert.equal(bad.code, 1);
    assert.match(bad.stderr, /no valid key.*; set HOOKKEEP_KEY to a key that is in force/);
    const plain = await g.cli(["listen", "--api", `https://127.0.0.1:${deskPort(g)}`]);
    assert.equal(plain.code, 1);
    assert.match(plain.stderr, /no TLS is spoken there; is it http:/);
    await g.stop();
    const gone = await g.cli(["listen"]);
    assert.equal(gone.code, 1);
    // A key that is revoked ends it.
    await g.start();
    const key = await makeKey(g, "test");
    const l = await listen(t, g, [], { key });
    const row = (await g.get("/api/keys")).data.find((k) => k.mode === "test");
    assert.equal((await g.cli(["keys", "revoke", row.id])).code, 0);
    assert.equal((await l.exit)[0], 1);
    assert.match(l.err, /the key was revoked/);
    assert.match((await g.cli(["listen", "--print-secret", "--events", "charge.refundet"])).stderr,
                 /no event type charge.refundet; did you mean charge.refunded/);
  });
});
