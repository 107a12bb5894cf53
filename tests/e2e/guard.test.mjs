// SPDX-License-Identifier: MIT
// Endpoints made by the API are somebody else's URLs: where they may lead, however they are
// written, whatever their names mean a moment later, and with a proxy that nobody asked for.
// Nothing but loopback is ever connected to: 127.0.0.2 is the exception and stands for the public.
import assert from "node:assert/strict";
import fs from "node:fs";
import net from "node:net";
import { once } from "node:events";
import { suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { createEndpoint, makeKey } from "./lib/official.mjs";
import { startResolver } from "./lib/resolver.mjs";
import { startSite } from "./lib/site.mjs";
import { snapshot, stripe } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const start = (t, desk = {}, env = {}) => Gateway.start(t,
  { desk: { listen: ["unix:desk.sock"], endpoints_max: 1000, ...desk } }, { env });

// A server that counts who comes, and answers as a site that is content.
async function startTrap(t, host, port = 0) {
  const trap = { opened: 0 };
  const server = net.createServer((socket) => {
    trap.opened++;
    socket.on("error", () => {});
    socket.on("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  });
  server.listen(port, host);
  await once(server, "listening");
  trap.port = server.address().port;
  t.after(() => server.close());
  return trap;
}

// What an address may be written as.
function spellings(address) {
  const [a, b, c, d] = address.split(".").map(Number);
  const all = ((a * 256 + b) * 256 + c) * 256 + d, hi = all >>> 16, lo = all & 0xffff;
  const x = (n) => n.toString(16), o = (n) => n.toString(8);
  const script = (digits, dot) => address.replace(/./g, (s) => (s === "." ? dot : digits[s]));
  const wide = [..."０１２３４５６７８９"], circled = [..."⓪①②③④⑤⑥⑦⑧⑨"], plain = [..."0123456789"];
  const escaped = plain.map((digit) => `%3${digit}`);
  return [
    address, `${address}.`, `${all}`, `${all}.`, `0x${x(all)}`, `0X${x(all).toUpperCase()}`,
    `0x00000000${x(all)}`, `0${o(all)}`, `00000${o(all)}`,
    [a, b, c, d].map((n) => `0x${x(n)}`).join("."), [a, b, c, d].map((n) => `0${o(n)}`).join("."),
    `000${o(a)}.0x${x(b)}.${c}.0${o(d)}`, `${a}.0x${x(all & 0xffffff)}`, `${a}.${all & 0xffffff}`,
    `${a}.${b}.${lo}`, `0x${x(a)}.0${o(b)}.${lo}`, `somebody@${address}`,
    `stripe.com:443@${address}`, `stripe.com%2f@${address}`, `[::ffff:${address}]`,
    `[::ffff:${x(hi)}:${x(lo)}]`, `[0:0:0:0:0:ffff:${x(hi)}:${x(lo)}]`, `[::${address}]`,
    `[::ffff:0:${address}]`, `[64:ff9b::${address}]`, `[64:ff9b:1::${address}]`,
    `[2002:${x(hi)}:${x(lo)}::1]`, `[2001:0:${x(hi)}:${x(lo)}::1]`, `[fc00::${address}]`,
    `[fe80::${x(hi)}:${x(lo)}%25lo]`, `[::ffff:${address}%25lo]`, script(wide, "."),
    script(wide, "。"), script(plain, "．"), script(plain, "｡"), script(circled, "."),
    script(escaped, "%2e"), script(plain, "%2E"),
  ];
}

const others = (port) => [
  "localhost", "LOCALHOST", "localhost.", "foo.localhost", "[::1]", "[0:0:0:0:0:0:0:1]", "[::]",
  "[fe80::1%25lo]", "[fe80::1%lo]", "[fec0::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]",
  "[::1%251]", "[::1]x", "[127.0.0.1]", "stripe.test@127.0.0.1", "127.0.0.1%00.stripe.test",
  "127.0.0.1%20", "127.0.0.1 .stripe.test", "127.0.0.1%0d%0aHost:x", " 127.0.0.1",
  "256.256.256.256", "4294967296", "0x100000000", "127.0.0.1.1", "127..0.1", ".127.0.0.1", "0",
  "127.1", "①②⑦.0.0.1", "127.0.0.1\t",
].map((host) => `http://${host}:${port}/`).concat([
  `http://127.0.0.1:${port}\\@stripe.test/`, `http://127.0.0.1:${port}#@stripe.test/`,
  `http://127.0.0.1:${port}?@stripe.test/`, `http:\\\\127.0.0.1:${port}/`,
  `http:///127.0.0.1:${port}/`, `http:127.0.0.1:${port}/`, `http:/127.0.0.1:${port}/`,
  `127.0.0.1:${port}`, `//127.0.0.1:${port}/`, `http://127.0.0.1:${port}:80/`,
  "file:///etc/passwd", `gopher://127.0.0.1:${port}/_GET`, `dict://127.0.0.1:${port}/x`,
  `ftp://127.0.0.1:${port}/`, `ldap://127.0.0.1:${port}/`, `smb://127.0.0.1:${port}/x`,
  `ws://127.0.0.1:${port}/`, `unix://127.0.0.1:${port}/`, "http://", "https://:443/", "",
]);

const ADDRESSES = ["127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "100.64.0.1", "172.16.5.4",
                   "192.168.178.1", "192.0.0.192", "169.254.169.254", "168.63.129.16"];

// Every delivery of the event has had its first attempt; their errors.
async function attempted(g, n) {
  await waitFor(async () => (await g.count("attempts")) >= n,
    async () => `${n} attempts, there are ${await g.count("attempts")}`);
  return (await g.sql("SELECT error FROM attempts")).map((a) => a.error);
}

suite("an endpoint's URL", { concurrency: 3 }, () => {
  test("leads to no address of this machine or its networks, however it is written", async (t) => {
    const trap = await startTrap(t, "0.0.0.0");
    const g = await start(t);
    const key = await makeKey(g, "test");
    const urls = ADDRESSES.flatMap((a) => spellings(a).map((s) => `http://${s}:${trap.port}/`))
      .concat(others(trap.port));
    const makeAll = async () => {
      let made = 0;
      for (const url of urls) {
        const r = await createEndpoint(g, key, url);
        assert.ok(r.status === 200 || r.status === 400, `${url}: ${r.text}`);
        if (r.status === 400) assert.equal(r.body.error.type, "invalid_request_error");
        made += r.status === 200;
      }
      return made;
    };
    assert.ok(urls.length > 400);
    const unresolved = await makeAll(); // names that are none may become some
    assert.ok(unresolved < 60, `${unresolved} were made`);
    // Those that are refused while they are being made are so by each attempt too.
    await g.reload({ desk: { ...g.config.desk, allow_private: ["0.0.0.0/0", "::/0"] } });
    const all = unresolved + await makeAll();
    assert.ok(all > 250, `${all} were made`);
    const { allow_private: _, ...desk } = g.config.desk;
    await g.reload({ desk });
    await g.accept(snapshot());
    const errors = await attempted(g, all);
    assert.equal(errors.length, all);
    for (const error of errors) assert.match(error, /^(not sent: not connected to|no answer:) /);
    const refused = errors.filter((e) => e.startsWith("not sent")).length;
    assert.equal((await g.metrics()).hookkeep_guard_refusals_total, refused);
    assert.ok(refused > 200, `${refused} were refused`);
    assert.equal(trap.opened, 0);
  });

  test("may lead where allow_private says, as a reload has it", async (t) => {
    const site = await startSite(t);
    const g = await start(t, { allow_private: ["127.0.0.0/8"] });
    const key = await makeKey(g, "test");
    const made = await createEndpoint(g, key, site.url);
    assert.equal(made.status, 200, made.text);
    assert.match(made.body.secret, /^whsec_\w{32}$/);
    site.secret = made.body.secret;
    await g.accept(snapshot());
    const [got] = await site.waitGot(1);
    assert.equal(got.error, undefined);
    await g.waitCount(1, "deliveries", "state = 'done'");
    await g.reload({ desk: { listen: ["unix:desk.sock"] } });
    await g.accept(snapshot());
    await attempted(g, 2);
    assert.equal((await g.sql("SELECT error FROM attempts WHERE error <> ''"))[0].error,
                 "not sent: not connected to 127.0.0.1: loopback; desk.allow_private lists the " +
                 "networks that endpoints may lead to all the same");
    assert.equal((await g.metrics()).hookkeep_guard_refusals_total, 1);
    assert.equal(site.got.length, 1);
    await g.reload({ desk: { listen: ["unix:desk.sock"], allow_private: ["127.0.0.1/32"] } });
    await g.accept(snapshot());
    await site.waitGot(2);
  });

  test("is resolved at each attempt, and only what was judged is connected to", async (t) => {
    const resolver = startResolver(t);
    const forbidden = await startTrap(t, "127.0.0.1");
    const allowed = await startTrap(t, "127.0.0.2", forbidden.port);
    const at = (name) => `http://${name}:${forbidden.port}/`;
    resolver.answer("public.test", "93.184.216.34"); // as long as it is being made
    resolver.answer("good.test", "127.0.0.2");
    resolver.answer("both.test", "127.0.0.1", "127.0.0.2");
    resolver.answer("private.test", "10.0.0.1");
    const g = await start(t, { allow_private: ["127.0.0.2/32"] }, resolver.env);
    const key = await makeKey(g, "test");
    for (const name of ["public.test", "good.test", "later.test"])
      assert.equal((await createEndpoint(g, key, at(name))).status, 200, name);
    assert.equal((await createEndpoint(g, key, at("private.test"))).status, 400);
    resolver.answer("public.test", "127.0.0.1");
    resolver.answer("later.test", "::1", "127.0.0.1");
    await g.accept(snapshot());
    const errors = (await attempted(g, 3)).filter((e) => e);
    assert.equal(errors.length, 2, errors.join("\n"));
    for (const e of errors) assert.match(e, /^not sent: not connected to /);
    assert.ok(resolver.asked("public.test") >= 2);
    assert.equal(allowed.opened, 1);
    resolver.answer("good.test", "127.0.0.1");
    await g.accept(snapshot());
    await attempted(g, 6);
    assert.equal(forbidden.opened, 0);
    // A name may have an address of each kind, as where DNS64 makes some up: it goes to the other.
    assert.equal((await createEndpoint(g, key, at("both.test"))).status, 200);
    const opened = allowed.opened;
    await g.accept(snapshot());
    await waitFor(() => allowed.opened > opened, () => "an attempt at the other address");
    assert.equal(forbidden.opened, 0);
  });

  test("holds nobody up while its name server is silent", async (t) => {
    const resolver = startResolver(t);
    resolver.answer("silent.test", "silent");
    const g = await start(t, {}, resolver.env);
    const key = await makeKey(g, "test");
    // Both are answered before it has said a word.
    const making = createEndpoint(g, key, "https://silent.test/");
    await waitFor(() => resolver.asked("silent.test") > 0, () => "the name is asked for");
    assert.equal((await making).status, 200);
    assert.equal((await createEndpoint(g, key, "https://10.0.0.1/")).status, 400);
    // So many are looked up at once and no more, though who asked may be gone.
    const asks = await Promise.all(
      Array.from({ length: 100 }, () => createEndpoint(g, key, "https://silent.test/")));
    const refused = asks.filter((a) => a.status !== 200);
    assert.ok(refused.length > 0 && asks.length - refused.length >= 64, `${refused.length}`);
    for (const a of refused)
      assert.deepEqual([a.status, a.body.error.type, a.headers["stripe-should-retry"]],
                       [429, "rate_limit_error", "true"], a.text);
    assert.equal((await g.metrics()).hookkeep_desk_lookups_refused_total, refused.length);
    resolver.answer("silent.test");
    assert.equal((await createEndpoint(g, key, "https://silent.test/")).status, 200);
  });

  test("takes live events by https alone, but for an exception's network", async (t) => {
    const resolver = startResolver(t);
    const allowed = await startTrap(t, "127.0.0.2");
    resolver.answer("inside.test", "127.0.0.2");
    const g = await start(t, { allow_private: ["127.0.0.2/32"] }, resolver.env);
    const key = await makeKey(g, "live");
    assert.equal((await createEndpoint(g, key, `http://inside.test:${allowed.port}/`)).status, 200);
    assert.equal((await createEndpoint(g, key, "http://93.184.216.34/")).status, 400);
    await g.accept(snapshot({ livemode: true }));
    await waitFor(() => allowed.opened === 1, () => "an attempt inside");
    await attempted(g, 1);
    await g.stop(); // a kept connection would still lead inside
    resolver.answer("inside.test", "93.184.216.34");
    await g.start();
    await g.accept(snapshot({ livemode: true }));
    const errors = (await attempted(g, 2)).filter((e) => e);
    assert.match(errors.at(-1), /^not sent: not connected to .* by https alone/);
  });

  test("goes by no proxy", async (t) => {
    const resolver = startResolver(t);
    const proxy = await startTrap(t, "127.0.0.1");
    const site = await startTrap(t, "127.0.0.2");
    const by = `http://127.0.0.1:${proxy.port}`;
    const env = Object.fromEntries(["http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"]
      .map((name) => [name, by]));
    resolver.answer("good.test", "127.0.0.2");
    resolver.answer("bad.test", "10.0.0.1");
    const g = await start(t, { allow_private: ["127.0.0.2/32"] }, { ...env, ...resolver.env });
    const key = await makeKey(g, "test");
    const made = await createEndpoint(g, key, `http://good.test:${site.port}/`);
    assert.equal(made.status, 200, made.text);
    resolver.answer("bad.test");
    assert.equal((await createEndpoint(g, key, `http://bad.test:${site.port}/`)).status, 200);
    resolver.answer("bad.test", "10.0.0.1");
    await g.accept(snapshot());
    await attempted(g, 2);
    assert.equal(site.opened, 1);
    assert.equal(proxy.opened, 0);
    assert.equal((await g.metrics()).hookkeep_guard_refusals_total, 1);
  });
});

suite("an endpoint's secret", { concurrency: 2 }, () => {
  test("waits for the sealing key that it was made with", async (t) => {
    const site = await startSite(t);
    const file = await startSite(t);
    const g = await Gateway.start(t, { desk: { listen: ["unix:desk.sock"],
                                               allow_private: ["127.0.0.0/8"] },
                                       destinations: [file.as("shop")] });
    const key = await makeKey(g, "test");
    const made = await createEndpoint(g, key, site.url);
    site.secret = made.body.secret;
    const sealing = g.path("hookkeep.db.sealing-key"), kept = fs.readFileSync(sealing);
    await g.stop();
    fs.rmSync(sealing);
    await g.start();
    const lost = await g.waitLogged("endpoints_sealed");
    assert.equal(lost.endpoints, 1);
    assert.equal((await g.metrics()).hookkeep_endpoints_sealed, 1);
    await g.accept(snapshot());
    await file.waitGot(1); // all else goes on
    const fresh = await startSite(t);
    const anew = await createEndpoint(g, key, fresh.url);
    fresh.secret = anew.body.secret;
    await g.accept(snapshot());
    assert.equal((await fresh.waitGot(1))[0].error, undefined);
    assert.equal(site.got.length, 0);
    assert.equal(await g.count("deliveries",
                               `destination = '${made.body.id}' AND state = 'due'`), 2);
    await g.stop();
    fs.writeFileSync(sealing, kept, { mode: 0o600 });
    await g.start();
    assert.equal((await g.waitLogged("endpoints_sealed")).endpoints, 1); // the one made meanwhile
    const got = await site.waitGot(2);
    for (const { error } of got) assert.equal(error, undefined);
  });

  test("comes back with a backup and its sealing key", async (t) => {
    const site = await startSite(t);
    const g = await start(t, { allow_private: ["127.0.0.0/8"] });
    const key = await makeKey(g, "test");
    const made = await createEndpoint(g, key, site.url);
    site.secret = made.body.secret;
    assert.equal((await g.cli(["ledger", "backup", "copy.db"])).code, 0);
    await g.stop();
    const restored = await g.cli(["ledger", "restore", "copy.db"]);
    assert.equal(restored.code, 0, restored.stderr);
    await g.start();
    await g.accept(snapshot());
    const released = await g.cli(["destinations", "release", made.body.id]);
    assert.equal(released.code, 0, released.stderr);
    const got = await site.waitGot(1);
    assert.equal(got[0].error, undefined);
    assert.ok(stripe.webhooks.constructEvent(got[0].body, got[0].headers["stripe-signature"],
                                             made.body.secret));
  });
});
