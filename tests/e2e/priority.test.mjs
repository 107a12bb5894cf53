// SPDX-License-Identifier: MIT
// What of a queue goes out first, at a site that takes one at a time.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, snapshot } from "./lib/stripe.mjs";

const RULE = { high: ["invoice.*"], low: ["customer.updated"] };

suite("priority", { concurrency: 2 }, () => {
  test("after an outage money goes first, and noise does not starve", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [
      site.as("shop", { concurrency: 1, priority: RULE })] });
    const types = { low: "customer.updated", normal: "product.created", high: "invoice.paid" };
    await g.cli(["destinations", "hold", "shop"]);
    const ids = { low: [], normal: [], high: [] };
    // The urgent ones came last.
    for (const [name, type] of Object.entries(types))
      for (let i = 0; i < 40; i++) {
        const body = snapshot({ type });
        ids[name].push(idOf(body));
        await g.accept(body);
      }
    await g.waitBooked();
    const [row] = (await g.get("/api/destinations")).data;
    assert.deepEqual(row.open_by_priority, { high: 40, normal: 40, low: 40 });
    const shown = await g.cli(["destinations", "show", "shop"]);
    assert.match(shown.stdout, /^open, high +40$/m);
    const why = await g.cli(["explain", ids.high[0]]);
    assert.match(why.stdout, /its priority is high by invoice\.\*/);
    // A restart changes nothing of it.
    await g.stop();
    await g.start();
    await g.cli(["destinations", "release", "shop"]);
    await site.waitGot(120);
    const got = site.got.map((x) => Object.keys(types).find((n) => types[n] === x.event.type));
    const first = got.slice(0, 42);
    const share = (name) => first.filter((n) => n === name).length;
    assert.deepEqual([share("high"), share("normal"), share("low")], [32, 8, 2], got.join(" "));
    // Each in the order in which it came, and nothing twice.
    const came = (name) => site.ids().filter((id) => ids[name].includes(id));
    for (const name of Object.keys(types)) assert.deepEqual(came(name), ids[name]);
  });

  test("what came before the rule keeps its priority, what comes behind has its own", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop", { concurrency: 1 })] });
    await g.cli(["destinations", "hold", "shop"]);
    const before = snapshot({ type: "invoice.paid" }), after = snapshot({ type: "invoice.paid" });
    await g.accept(before);
    await g.waitBooked();
    await g.reload({ destinations: [site.as("shop", { concurrency: 1, priority: RULE })] });
    await g.accept(after);
    await g.waitBooked();
    const rows = (await g.get("/api/deliveries?order=oldest")).data;
    assert.deepEqual(rows.map((r) => [r.event_id, r.priority]),
      [[idOf(before), "normal"], [idOf(after), "high"]]);
    assert.equal(await g.count("deliveries", "priority = 'high'"), 1);
    const shown = await g.cli(["deliveries", "show", String(rows[1].seq)]);
    assert.match(shown.stdout, /^priority +high$/m);
    await g.cli(["destinations", "release", "shop"]);
    await site.waitGot(2);
    assert.deepEqual(site.ids(), [idOf(after), idOf(before)]);
  });
});
