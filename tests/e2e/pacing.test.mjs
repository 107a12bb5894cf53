// SPDX-License-Identifier: MIT
// How fast destinations get what they are owed: rates, levels, breakers, and coming back.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { startSite } from "./lib/site.mjs";
import { snapshot } from "./lib/stripe.mjs";
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
