// SPDX-License-Identifier: MIT
// How fast destinations get what they are owed: rates, levels, breakers, and coming back.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, snapshot } from "./lib/stripe.mjs";
import { neverWithin, waitFor } from "./lib/wait.mjs";

const many = async (g, n) => {
  for (let i = 0; i < n; i++) await g.accept(snapshot());
};
const pace = async (g, name) => (await g.get(`/api/destinations/${name}`)).pace;

suite("pacing", { concurrency: 4 }, () => {
  test("one that only fails gets probes, is shown so, and loses nothing", async (t) => {
    const site = await startSite(t, { answer: () => ({ status: 500 }) });
    const other = await startSite(t);
    const g = await Gateway.start(t, { destinations: [
      site.as("shop", { retry: ["1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"] }),
      other.as("other")] });
    await many(g, 30);
    await g.waitLogged("breaker_opened");
    const down = await pace(g, "shop");
    assert.match(down.breaker, /open|probing/);
    assert.equal(down.breaker_why, "answered 500");
    assert.ok(Math.abs(down.breaker_since - Date.now()) < 10e3);
    await waitFor(async () => (await pace(g, "shop")).next_probe_at > Date.now(), "a next probe");
    const shown = await g.cli(["destinations", "show", "shop"]);
    assert.match(shown.stdout, /^breaker +(open|probing)$/m);
    assert.match(shown.stdout, /^open because +answered 500$/m);
    assert.match((await g.cli(["destinations", "list"])).stdout, /\nshop .*(open|probing)/);
    const m = await g.metrics();
    assert.equal(m.hookkeep_breakers_open, 1);
    assert.equal(m['hookkeep_destination_breaker_open{destination="shop"}'], 1);
    assert.equal(m['hookkeep_destination_breaker_open{destination="other"}'], 0);
    // The other one has all of it meanwhile.
    await g.waitCount(30, "deliveries", "destination = 'other' AND state = 'done'");
    const before = site.got.length;
    assert.ok(before <= 8 + 16 + 3, `${before} attempts`);
    site.answer = () => ({});
    await g.waitLogged("breaker_closed");
    await g.waitCount(30, "deliveries", "destination = 'shop' AND state = 'done'");
    assert.equal((await pace(g, "shop")).breaker, "closed");
    assert.equal(await g.count("deliveries", "state = 'dead'"), 0);
  });

  test("a reload asks at once whether a destination is back", async (t) => {
    const site = await startSite(t, { answer: () => ({ status: 500 }) });
    const g = await Gateway.start(t, { destinations: [
      site.as("shop", { retry: Array(20).fill("1s") })] });
    await many(g, 12);
    // Long enough that the next probe is far away.
    await waitFor(async () => (await pace(g, "shop")).next_probe_at > Date.now() + 3000, "a wait");
    site.answer = () => ({});
    await g.reload();
    await g.waitLogged("breaker_closed");
  });

  test("Retry-After holds all that the destination is owed", async (t) => {
    const site = await startSite(t, { answer: (_, n) =>
      n === 1 ? { status: 429, headers: { "retry-after": "3" } } : {} });
    const g = await Gateway.start(t, { destinations: [site.as("shop", { concurrency: 1 })] });
    await g.accept(snapshot());
    await site.waitGot(1);
    await g.waitCount(1, "deliveries", "state = 'waiting'");
    await many(g, 3);
    assert.ok((await pace(g, "shop")).paused_until > Date.now());
    await neverWithin(1500, () => site.got.length > 1, "another attempt");
    await g.waitCount(4, "deliveries", "state = 'done'");
    assert.ok(site.got[1].at - site.got[0].at >= 2990);
  });

  test("a rate is kept, a level is found", async (t) => {
    const slow = await startSite(t), grows = await startSite(t);
    const g = await Gateway.start(t, { destinations: [
      slow.as("slow", { rate: "20/s" }), grows.as("grows", { concurrency: "1..64" })] });
    await many(g, 60);
    await g.waitCount(120, "deliveries", "state = 'done'");
    const at = slow.got.map((x) => x.at);
    for (let i = 0; i + 30 < at.length; i++)
      assert.ok(at[i + 30] - at[i] > (30 / 20 - 0.15) * 1000 - 60, `${at[i + 30] - at[i]} ms`);
    const shown = await pace(g, "slow");
    assert.equal(shown.rate, 20);
    assert.equal(shown.level_least, 16);
    const grown = await pace(g, "grows");
    assert.deepEqual([grown.level_least, grown.level_most], [1, 64]);
    assert.ok(grown.level >= 1 && grown.level <= 64);
    const all = await g.get("/api/destinations");
    assert.deepEqual(all.data.map((d) => d.pace.breaker), ["closed", "closed"]);
  });
});

// A site that takes 50 a second and answers 429 above comes back after an outage. Of 100,000 events
// it would take 2,000 s; here the backlog, and so the time, is divided by 80: the ceiling is not,
// since what has to be found is how much a site takes a second. Nobody has configured a rate.
test("after an outage a site with a ceiling is not trampled, and nearly used", async (t) => {
  const CEILING = 50, BACKLOG = 1250;
  let up = false, second = 0, taken = 0;
  const did = [];
  const answer = (got) => {
    const now = Date.now();
    if (Math.floor(now / 1000) !== second) [second, taken] = [Math.floor(now / 1000), 0];
    const status = !up ? 500 : ++taken > CEILING ? 429 : 200;
    did.push({ now, status, type: got.event?.type, id: got.event?.id });
    return { status };
  };
  const site = await startSite(t, { answer });
  const g = await Gateway.start(t, { destinations: [site.as("shop", {
    concurrency: "1..64", retry: Array(30).fill("2s"), priority: { high: ["invoice.paid"] } })] });
  for (let n = 0; n < BACKLOG; n += 50)
    await Promise.all(Array.from({ length: 50 }, () => g.accept(snapshot())));
  await g.waitLogged("breaker_opened");
  up = true;
  const done = () => did.filter((x) => x.status === 200);
  await waitFor(() => done().length > 0, "the site to be found well", 70e3);
  const back = done()[0].now, asked = new Map();
  // Money comes in meanwhile, one every half second.
  const money = setInterval(async () => {
    const body = snapshot({ type: "invoice.paid" });
    asked.set(idOf(body), Date.now());
    await g.accept(body).catch(() => {});
  }, 500);
  await waitFor(() => done().filter((x) => x.type !== "invoice.paid").length >= BACKLOG,
    () => `${done().length} of ${BACKLOG}`, 90e3);
  clearInterval(money);
  const took = (Date.now() - back) / 1000, after = did.filter((x) => x.now >= back);
  const rate = done().length / took;
  assert.ok(rate >= 0.8 * CEILING, `${rate.toFixed(1)} a second of ${CEILING}`);
  // No second collapse: the breaker stays closed, and of any five seconds little is shed.
  assert.equal(g.log.filter((l) => l.event === "breaker_opened").length, 1);
  for (let from = back; from < back + took * 1000; from += 1000) {
    const some = after.filter((x) => x.now >= from && x.now < from + 5000);
    const shed = some.filter((x) => x.status === 429).length;
    assert.ok(shed <= 0.2 * some.length, `${shed} of ${some.length} shed`);
  }
  const late = [...asked].map(([id, at]) => (done().find((x) => x.id === id)?.now ?? Infinity) - at)
    .sort((a, b) => a - b);
  const p95 = late[Math.floor(late.length * 0.95) - 1];
  t.diagnostic(`${rate.toFixed(1)}/s of ${CEILING}, ${after.filter((x) => x.status === 429).length}`
    + ` shed of ${after.length}, urgent p95 ${p95} ms of ${late.length}`);
  assert.ok(p95 < 5000, `urgent p95 ${p95} ms`);
});
