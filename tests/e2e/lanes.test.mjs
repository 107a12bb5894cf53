// SPDX-License-Identifier: MIT
// Lanes at the real gateway: what is of one object goes out one after another, whatever fails.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, snapshot } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const ofObject = (id, more) => snapshot({ data: { object: { id, object: "customer", ...more } } });

async function acceptAll(g, bodies, atOnce = 32) {
  const rest = bodies.slice();
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let body; (body = rest.shift()) !== undefined;) await g.accept(body);
  }));
}

// One lane's events have to arrive in the order in which they are accepted: one poster a lane.
async function acceptInLanes(g, lanes, atOnce = 32) {
  const rest = lanes.slice();
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let lane; (lane = rest.shift()) !== undefined;)
      for (const body of lane) await g.accept(body);
  }));
}

suite("lanes", { concurrency: 2 }, () => {
  test("one that fails holds up its own lane alone, and goes on in order after a restart",
       async (t) => {
    let failing = true;
    const site = await startSite(t, { answer: (got) =>
      failing && got.event.data.object.id === "cus_bad" ? { status: 400 } : {} });
    const g = await Gateway.start(t, { destinations: [
      site.as("shop", { order: "object", retry: ["1s", "1s", "1s", "1s", "1s", "1s", "1s"] })] });
    const bad = [1, 2, 3].map((n) => ofObject("cus_bad", { n }));
    for (const body of bad) await g.accept(body);
    const good = Array.from({ length: 20 }, (_, n) => ofObject(`cus_${n}`, { n }));
    await acceptAll(g, good);
    await g.waitCount(20, "deliveries", "state = 'done'");
    assert.equal(await g.count("deliveries", "state = 'behind'"), 2);
    const shown = JSON.parse((await g.cli(["destinations", "show", "shop", "--json"])).stdout);
    assert.equal(shown.lanes, 1);
    assert.equal(shown.deliveries.behind, 2);
    assert.deepEqual([...new Set(site.ids().filter((id) => bad.some((b) => idOf(b) === id)))],
                     [idOf(bad[0])]);
    await g.kill();
    failing = false;
    await g.start();
    await g.waitCount(23, "deliveries", "state = 'done'");
    const order = site.ids().filter((id) => bad.some((b) => idOf(b) === id));
    assert.deepEqual(order.slice(-3), bad.map(idOf));
    assert.equal(await g.count("deliveries", "state = 'behind'"), 0);
  });

  test("a head is parked, and retried by hand it is the next of its lane", async (t) => {
    let failing = true;
    const site = await startSite(t, { answer: (got) =>
      failing && got.event.data.object.n === 1 ? { status: 400 } : {} });
    const g = await Gateway.start(t, { destinations: [
      site.as("shop", { order: "object", on_failure: "park", park_after: 2,
                        retry: ["1s", "1s", "1s"] })] });
    for (const n of [1, 2]) await g.accept(ofObject("cus_1", { n }));
    await g.waitCount(1, "deliveries", "state = 'parked'");
    await g.waitCount(1, "deliveries", "state = 'done'");
    assert.equal((await g.metrics()).hookkeep_deliveries_parked_total, 1);
    assert.equal(await g.count("events", "status = 'failed'"), 1);
    failing = false;
    await g.cli(["deliveries", "retry", "1"]);
    await g.waitCount(2, "deliveries", "state = 'done'");
  });

  test("ten thousand lanes with random failures each keep their order", async (t) => {
    const LANES = 10_000, EACH = 2;
    let draw = 12345;
    const random = () => (draw = (draw * 1103515245 + 12345) % 2147483648) / 2147483648;
    const seen = new Map(); // lane: the numbers that were taken
    const site = await startSite(t, { answer: (got) => {
      site.got.length = 0; // they are many
      const { id, n } = got.event.data.object;
      if (random() < 0.05) return { status: 400 };
      if (!seen.has(id)) seen.set(id, []);
      seen.get(id).push(n);
      return {};
    } });
    const g = await Gateway.start(t, { limits: { connections: 256, connections_per_address: 256 },
      destinations: [site.as("shop", { order: "object", concurrency: 64,
                                       retry: Array(12).fill("1s") })] });
    const lanes = Array.from({ length: LANES }, (_, i) =>
      Array.from({ length: EACH }, (__, n) => ofObject(`cus_${i}`, { n })));
    await acceptInLanes(g, lanes);
    await waitFor(async () => await g.count("deliveries", "state = 'done'") === LANES * EACH,
                  "all deliveries", 120_000);
    assert.equal(seen.size, LANES);
    for (const [id, numbers] of seen) // an answer may be lost, then it comes again
      assert.deepEqual(numbers.filter((n, i) => n !== numbers[i - 1]), [0, 1], id);
    assert.equal(await g.count("deliveries", "state <> 'done'"), 0);
    assert.deepEqual(await g.sql("SELECT count(*) AS n FROM lane"), [{ n: 0 }]);
  });
});
