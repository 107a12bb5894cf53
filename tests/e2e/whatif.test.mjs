// SPDX-License-Identifier: MIT
// `hookkeep match diff`: stored events against another configuration.
import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import { suite, test } from "node:test";
import { Gateway, SOURCE } from "./lib/gateway.mjs";
import { must } from "./lib/process.mjs";
import { startSite } from "./lib/site.mjs";
import { now, secret, SECRET } from "./lib/stripe.mjs";

const MANY = 20000;
const SOON_MS = 20000; // for a comparison of so many, which takes about one alone on a machine

const event = (id, type, object, more) => JSON.stringify({
  id, object: "event", api_version: "2026-10-28.endive", created: now(), livemode: false, type,
  data: { object }, ...more,
});
const customer = (id, cus, site) => event(id, "customer.created",
  { id: cus, object: "customer", metadata: site === undefined ? {} : { site } });
const invoice = (id, cus) => event(id, "invoice.paid",
  { id: `in_${id}`, object: "invoice", customer: cus });

const bySite = (name, late) => ({ name, ...(late && { late }),
  claims: [{ where: { "data.object.metadata.site": name } }] });

// A gateway whose configuration in force claims the shop's customers, and what came to it.
async function withEvents(t) {
  const site = await startSite(t);
  const to = (name, match) => ({ ...site.as(name), ...(match && { match }) });
  const g = await Gateway.start(t, {
    sites: [bySite("shop")],
    destinations: [to("shop", [{ sites: ["shop"] }]), to("nobody", [{ sites: ["unclaimed"] }]),
                   to("audit"), to("old", [{ types: ["invoice.*"] }])],
  });
  const bodies = [
    invoice("evt_1", "cus_club"), customer("evt_2", "cus_shop", "shop"),
    invoice("evt_3", "cus_shop"), customer("evt_4", "cus_club", "club"),
    ...["evt_5", "evt_6", "evt_7"].map((id) => invoice(id, "cus_club")),
    customer("evt_8", "cus_none"),
  ];
  for (const body of bodies) await g.accept(body);
  await g.waitBooked();
  await g.waitCount(0, "deliveries", "state <> 'done'");
  const another = (config) => {
    const whole = { ...g.config, ...config };
    fs.writeFileSync(g.path("new.yaml"), JSON.stringify(whole, null, 1));
    return whole;
  };
  return { g, site, to, another };
}

const dump = async (g) => (await must("sqlite3", ["-readonly", g.path("hookkeep.db"), ".dump"]))
  .stdout.replace(/^INSERT INTO (state|answer) .*$/gm, "");

const EXPECTED = `8 events, under generation 1 and under new.yaml

shop: loses 1
  loses 1  invoice.paid  evt_3

nobody: loses 5
  loses 4  invoice.paid  evt_1 evt_5 evt_6 …
  loses 1  customer.created  evt_4

old (goes): loses 5
  loses 5  invoice.paid  evt_1 evt_3 evt_5 …

club (new): gains 5
  gains 4  invoice.paid  evt_1 evt_5 evt_6 …
  gains 1  customer.created  evt_4

as before: audit

site unclaimed -> club: 5
  4  invoice.paid  evt_1 evt_5 evt_6 …
  1  customer.created  evt_4

5 events that are unclaimed, of any time, would be routed to their site at once
  4  invoice.paid  evt_1 evt_5 evt_6 …
  1  customer.created  evt_4

1 claim is new: of what came before, unclaimed events meet it at the reload, others once
\`hookkeep sites learn\` has read them
`;

suite("another configuration", { concurrency: 2 }, () => {
  test("what each destination gains and loses; nothing is sent, nothing changes", async (t) => {
    const { g, site, to, another } = await withEvents(t);
    const whole = another({
      sites: [bySite("club"), bySite("shop")],
      destinations: [to("shop", [{ sites: ["shop"], types: ["customer.*"] }]),
                     to("nobody", [{ sites: ["unclaimed"] }]), to("audit"),
                     to("club", [{ sites: ["club"] }])],
    });
    const got = site.got.length, before = await dump(g);
    const r = await g.cli(["match", "diff", "new.yaml"]);
    assert.equal(r.stderr, "");
    assert.equal(r.stdout, EXPECTED);
    assert.equal(r.code, 1);
    const json = await g.cli(["match", "diff", "new.yaml", "--since", "1h", "--json"]);
    assert.equal(json.code, 1, json.stderr);
    const answer = JSON.parse(json.stdout);
    assert.deepEqual(answer.destinations[3].loses, { events: 5, types: [
      { type: "invoice.paid", events: 5, examples: ["evt_1", "evt_3", "evt_5"] }] });
    assert.equal(await dump(g), before);
    assert.equal(site.got.length, got);
    // And it comes true.
    await g.reload(whole);
    await g.waitCount(5, "deliveries", "destination = 'club' AND state = 'done'");
    const same = await g.cli(["match", "diff", "new.yaml"]);
    assert.equal(same.code, 0, same.stdout + same.stderr);
  });

  test("the configuration in force against itself, and a time without events", async (t) => {
    const { g, another } = await withEvents(t);
    another({});
    const r = await g.cli(["match", "diff", "new.yaml", "--since", "7d"]);
    assert.equal(r.stdout, "8 events, under generation 1 and under new.yaml\n\n"
      + "as before: shop, nobody, audit, old\n");
    assert.equal(r.code, 0);
    another({ destinations: g.config.destinations.slice(1) });
    const none = await g.cli(["match", "diff", "new.yaml", "--until", "1h"]);
    assert.match(none.stdout, /^0 events.*\n\nshop \(goes\): gains 0\n/);
    assert.equal(none.code, 1);
  });

  test("sources and secrets that the file lacks", async (t) => {
    const { g, another } = await withEvents(t);
    another({ sources: [{ ...SOURCE, path: "/elsewhere" }] });
    const r = await g.cli(["match", "diff", "new.yaml"]);
    assert.match(r.stdout, /8 events would not be taken any more: no such source or secret/);
    assert.equal(r.code, 1);
    const renamed = { ...SOURCE, secrets: [{ label: "renamed", key: SECRET }] };
    another({ sources: [renamed] });
    assert.equal((await g.cli(["match", "diff", "new.yaml"])).code, 0);
    const rolled = { ...SOURCE, secrets: [{ ...SOURCE.secrets[0], key: secret("rolled") }] };
    another({ sources: [rolled] });
    assert.equal((await g.cli(["match", "diff", "new.yaml"])).code, 0);
  });

  test("what it cannot do, it says, as check does where the file is wrong", async (t) => {
    const { g, another } = await withEvents(t);
    fs.writeFileSync(g.path("bad.yaml"), "listen: [http://127.0.0.1:0]\nsourcse: []\n");
    const check = await g.cli(["check", "-c", "bad.yaml"]);
    const bad = await g.cli(["match", "diff", "bad.yaml"]);
    assert.equal(bad.code, 78);
    assert.equal(bad.stderr, check.stderr);
    assert.match(bad.stderr, /did you mean `sources`/);
    assert.equal((await g.cli(["match", "diff", "none.yaml"])).code, 78);
    another({});
    const time = await g.cli(["match", "diff", "new.yaml", "--since", "soon"]);
    assert.equal(time.code, 2);
    assert.match(time.stderr, /--since `soon` is no time/);
    assert.equal((await g.cli(["match", "diff"])).code, 2);
    await g.stop();
    const away = await g.cli(["match", "diff", "new.yaml"]);
    assert.equal(away.code, 2);
    assert.match(away.stderr, /no gateway answers/);
  });

  test(`${MANY} events, while others come`, async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { sites: [bySite("shop")],
      destinations: [{ ...site.as("shop"), match: [{ sites: ["shop"], types: ["x.*"] }] }] });
    const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
    t.after(() => agent.destroy());
    const post = (i) => g.accept(i % 4 === 0 ? customer(`evt_${i}`, `cus_${i}`,
      i % 8 === 0 ? "shop" : "club") : invoice(`evt_${i}`, `cus_${i - (i % 4)}`), { agent });
    for (let i = 0; i < MANY; i += 500)
      await Promise.all(Array.from({ length: 500 }, (_, k) => post(i + k)));
    await g.waitBooked();
    const whole = { ...g.config, sites: [bySite("shop"), bySite("club")],
                    destinations: [{ ...site.as("shop"), match: [{ sites: ["club"] }] }] };
    // More than a request of another kind may hold.
    whole.sites[0].claims.push({ customers: Array.from({ length: 900 },
      (_, i) => `cus_${"x".repeat(90)}_${i}`) });
    fs.writeFileSync(g.path("new.yaml"), JSON.stringify(whole));
    let over = false, answered = 0;
    const others = (async () => {
      for (; !over; answered++) await g.accept(customer(`evt_while_${answered}`, "cus_x"));
    })();
    const began = Date.now();
    const r = await g.cli(["match", "diff", "new.yaml", "--json"]);
    const took = Date.now() - began;
    over = true;
    await others;
    assert.equal(r.code, 1, r.stderr);
    const answer = JSON.parse(r.stdout);
    assert.equal(answer.destinations[0].gains.events, MANY / 2);
    assert.equal(answer.sites[0].events, MANY / 2);
    assert.ok(answer.events >= MANY);
    assert.ok(answered > 0);
    assert.ok(took < SOON_MS, `${took} ms`);
    t.diagnostic(`${took} ms; ${answered} events were answered meanwhile`);
  });
});
