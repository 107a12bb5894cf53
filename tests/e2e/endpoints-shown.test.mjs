// SPDX-License-Identifier: MIT
// Endpoints made through Stripe's API beside the configuration's destinations: what the command and
// metrics say of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { makeKey, sdk } from "./lib/official.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, snapshot } from "./lib/stripe.mjs";

async function make(g, stripe, params) {
  const made = await stripe.webhookEndpoints.create(params);
  g.canaries.add("an endpoint's secret", made.secret);
  return made;
}

test("endpoints are listed, explained and counted", async (t) => {
  const site = await startSite(t);
  const g = await Gateway.start(t, {
    desk: { listen: ["unix:desk.sock", "http://127.0.0.1:0"], allow_private: ["127.0.0.0/8"],
            endpoint_metrics: 1 },
    destinations: [site.as("shop")],
  });
  const stripe = sdk(g, await makeKey(g, "test"));
  const url = site.url;
  const first = await make(g, stripe, { url, enabled_events: ["payout.paid"] });
  const off = await make(g, stripe, { url, enabled_events: ["*"] });
  await stripe.webhookEndpoints.update(off.id, { disabled: true });
  const gone = await make(g, stripe, { url, enabled_events: ["*"] });
  const body = snapshot({ type: "customer.created" });
  await g.accept(body);
  await g.waitBooked();
  await stripe.webhookEndpoints.del(gone.id);

  const list = (await g.cli(["destinations", "list"])).stdout;
  assert.match(list, /^shop +configured /m);
  assert.match(list, new RegExp(`^${first.id} +enabled `, "m"));
  assert.match(list, new RegExp(`^${off.id} +disabled `, "m"));
  assert.doesNotMatch(list, new RegExp(gone.id));
  const rows = (await g.cli(["destinations", "list", "--json"])).stdout.trim().split("\n");
  const row = rows.map((line) => JSON.parse(line)).find((one) => one.name === first.id);
  assert.equal(row.made_by, "api");
  assert.deepEqual(row.endpoint.enabled_events, ["payout.paid"]);
  assert.equal(row.endpoint.livemode, "test");
  assert.match((await g.cli(["destinations", "show", gone.id])).stdout, /^status +deleted$/m);

  const why = (await g.cli(["explain", idOf(body)])).stdout;
  assert.match(why, new RegExp(`^  ${first.id} +no +no rule matches`, "m"));
  assert.match(why, new RegExp(`^  ${off.id} +no +the endpoint is disabled$`, "m"));
  assert.match(why, new RegExp(`^  ${gone.id} +no +the endpoint was deleted$`, "m"));

  const types = (await g.cli(["events", "types", "--taken", "payout.paid"])).stdout;
  assert.match(types, new RegExp(first.id));
  const metrics = await g.metrics();
  assert.equal(metrics[`hookkeep_backlog_deliveries{destination="${first.id}"}`], 0);
  assert.equal(metrics['hookkeep_destination_held{destination="we_other"}'], 0);
  assert.equal(metrics[`hookkeep_backlog_deliveries{destination="${off.id}"}`], undefined);
});
