// SPDX-License-Identifier: MIT
// One Stripe account, many sites: each event reaches its own, whenever that becomes known.
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { Gateway, SOURCE } from "./lib/gateway.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, secret, snapshot } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const BY_METADATA = (site) => ({ where: { "data.object.metadata.site": site } });
const SHOP = { name: "shop", claims: [BY_METADATA("shop"), { prices: ["price_shop"] }] };
const BLOG = { name: "blog", claims: [BY_METADATA("blog"), { customers: ["cus_both"] }] };

async function did(g, ...args) {
  const r = await g.cli(args);
  assert.equal(r.code, 0, `${args.join(" ")}: ${r.stderr}`);
  return r.stdout;
}

// A gateway with a destination for each name, each a site with a secret of its own.
async function house(t, sites, names = ["shop", "blog", "unclaimed"], more = {}) {
  const at = {};
  for (const name of names) at[name] = await startSite(t, { secret: secret(name) });
  const destinations = names.map((name) => at[name].as(name, { match: [{ sites: name }] }));
  const g = await Gateway.start(t, { sites, destinations, ...more });
  return { g, ...at };
}

async function say(g, type, id, more = {}) {
  const object = { id, object: type.split(".").slice(0, -1).join("."), ...more };
  const body = snapshot({ type, object });
  await g.accept(body);
  return idOf(body);
}

// These and no others, each verified by the official SDK.
async function got(site, ids) {
  await waitFor(() => site.got.length >= ids.length, () => `${ids}; got ${site.ids()}`);
  assert.deepEqual(site.got.filter((one) => one.error !== undefined), []);
  assert.deepEqual(site.ids().sort(), [...ids].sort());
}

// In an order that the seed decides.
function shuffle(list, seed) {
  for (let i = list.length; i > 1; i--) {
    seed = (seed * 48271) % 2147483647;
    const k = seed % i;
    [list[i - 1], list[k]] = [list[k], list[i - 1]];
  }
  return list;
}

// What Stripe says of a customer's first month; only the customer carries metadata.
function month(name, n) {
  const [cus, sub, inv, pi, ch] = ["cus", "sub", "in", "pi", "ch"].map((p) => `${p}_${name}${n}`);
  const event = (type, object, more) => snapshot({ type, object: { object, ...more } });
  return [
    event("customer.created", "customer", { id: cus, metadata: { site: name } }),
    event("customer.subscription.created", "subscription", { id: sub, customer: cus }),
    event("invoice.paid", "invoice", { id: inv, customer: cus,
      parent: { type: "subscription_details", subscription_details: { subscription: sub } } }),
    event("invoice_payment.paid", "invoice_payment", { id: `inpay_${name}${n}`, invoice: inv,
      payment: { type: "payment_intent", payment_intent: pi } }),
    event("payment_intent.succeeded", "payment_intent", { id: pi, customer: cus,
                                                          latest_charge: ch }),
    event("charge.succeeded", "charge", { id: ch, payment_intent: pi }),
    event("refund.created", "refund", { id: `re_${name}${n}`, charge: ch }),
    event("charge.dispute.created", "dispute", { id: `du_${name}${n}`, charge: ch }),
  ];
}

suite("sites", { concurrency: 4 }, () => {
  test("what belongs to a claimed object is its site's, and explain tells why", async (t) => {
    const { g, shop, blog, unclaimed } = await house(t, [SHOP, BLOG]);
    const ids = [
      await say(g, "customer.created", "cus_1", { metadata: { site: "shop" } }),
      await say(g, "charge.succeeded", "ch_1", { customer: "cus_1", payment_intent: "pi_1" }),
      await say(g, "refund.created", "re_1", { charge: "ch_1" }),
    ];
    const other = await say(g, "customer.created", "cus_2", { metadata: { site: "blog" } });
    const strange = await say(g, "customer.created", "cus_3");
    await got(shop, ids);
    await got(blog, [other]);
    await got(unclaimed, [strange]);
    const told = await did(g, "explain", ids[2]);
    assert.match(told, new RegExp("\n\nsite shop\n  refund re_1\n    belongs to charge ch_1\n"
      + "    belongs to customer cus_1\n    is claimed by data.object.metadata.site is shop\n"
      + "\nreceived "));
    assert.match(told, /\n {2}shop +yes +rule 1: sites shop is in the list\n/);
    assert.match(told, /\n {2}blog +no +no rule matches: rule 1: sites shop is not blog\n/);
    assert.match(await did(g, "explain", strange), new RegExp(
      "\nno site\n  customer cus_3 has no claim, nor has anything that it belongs to\n"));
    assert.match(await did(g, "events", "show", ids[1]), /^site +shop$/m);
    const list = await did(g, "sites", "list");
    assert.match(list, /\nshop +3 +\S+ \S+ +route +data\.object\.metadata\.site is shop; prices/);
    assert.match(list, /\nblog +1 /);
    assert.match(list, /\n1 event has no site; it came /);
    const listed = await did(g, "events", "list", "--site", "shop", "--oldest", "--json");
    assert.deepEqual(listed.trimEnd().split("\n").map((l) => JSON.parse(l).id), ids);
    const shown = await did(g, "sites", "show", "ch_1");
    assert.match(shown, /\nbelongs to\ntype +id +site\n.*\ncustomer +cus_1 +shop\n/);
    assert.match(shown, /\nwhat belongs to it\ntype +id +site\nrefund +re_1 +shop\n$/);
  });

  test("events in any order are their site's once it is known, also after kill -9", async (t) => {
    const names = ["one", "two", "three"];
    const sites = names.map((name) => ({ name, claims: [BY_METADATA(name)] }));
    const { g, ...at } = await house(t, sites, [...names, "unclaimed"]);
    const seed = 1 + (Date.now() % 1e6);
    t.diagnostic(`order ${seed}`);
    const all = shuffle(names.flatMap((name) => [1, 2].flatMap((n) =>
      month(name, n).map((body) => ({ name, body })))), seed);
    const half = all.length / 2;
    for (const { body } of all.slice(0, half)) await g.accept(body);
    await g.kill();
    await g.start();
    for (const { body } of all.slice(half)) await g.accept(body);
    await g.waitBooked();
    assert.equal(await g.count("events", "site = 'unclaimed'"), 0);
    for (const name of names) {
      const own = all.filter((e) => e.name === name).map((e) => idOf(e.body));
      // What was under way when it died may have come twice.
      await waitFor(() => new Set(at[name].ids()).size === own.length, `all of ${name}`);
      assert.deepEqual([...new Set(at[name].ids())].sort(), own.sort());
      const seen = JSON.parse((await did(g, "sites", "list", "--json")).split("\n")
        .find((l) => l.includes(`"name":"${name}"`)));
      assert.equal(seen.events, own.length);
    }
    const waited = await g.count("deliveries", "destination = 'unclaimed'");
    const metrics = await g.metrics();
    assert.ok(waited >= metrics.hookkeep_events_late_routed_total);
    assert.equal(metrics.hookkeep_unclaimed_events, 0);
  });

  test("assigning routes what waited, and is taken back", async (t) => {
    const { g, shop, blog, unclaimed } = await house(t, [SHOP, BLOG]);
    const ids = [await say(g, "charge.succeeded", "ch_1", { customer: "cus_1" }),
                 await say(g, "refund.created", "re_1", { charge: "ch_1" })];
    await got(unclaimed, ids);
    const waiting = await did(g, "sites", "unclaimed");
    assert.match(waiting, /^2 events have no site; the oldest came .*, the newest /);
    assert.match(waiting, /\ncustomer +cus_1 +2 +/);
    assert.match(waiting, /\nrefund\.created +1 +/);
    assert.equal(await did(g, "sites", "assign", "cus_1", "shop"),
                 "cus_1: belongs to shop now; 2 events that waited were routed\n");
    await got(shop, ids);
    assert.equal(await did(g, "sites", "unclaimed"), "every event has a site\n");
    assert.match(await did(g, "explain", ids[1]),
                 /\n {4}belongs to customer cus_1\n {4}is assigned by hand\n/);
    await g.waitLogged("late_routed");
    assert.equal(await did(g, "sites", "assign", "cus_1", "--undo"),
                 "cus_1: as claims say again\n");
    const told = await did(g, "explain", ids[1]);
    assert.match(told, /\nsite shop, where it was routed; by what is known now it has none\n/);
    assert.match(told, /\n {2}shop +yes /);
    const later = await say(g, "refund.created", "re_2", { charge: "ch_1" });
    await got(unclaimed, [...ids, later]);
    const wrong = [
      [["cus_1", "ship"], 1, /no site of this name/], [["cus_1"], 2, /to which site\?/],
      [["cus_9", "shop"], 1, /no object cus_9/], [["cus_1", "shop", "--undo"], 2, /leave the site/],
    ];
    for (const [args, code, words] of wrong) {
      const r = await g.cli(["sites", "assign", ...args]);
      assert.equal(r.code, code, args.join(" "));
      assert.match(r.stderr, words);
    }
    assert.equal(blog.got.length, 0);
  });

  test("an id that several objects have is named by account, key or number", async (t) => {
    const { g, shop } = await house(t, [SHOP], ["shop", "unclaimed"]);
    const product = { object: "product", id: "basic" };
    const bodies = [undefined, "acct_1"].map((account) =>
      snapshot({ type: "product.created", account, object: product }));
    for (const body of bodies) await g.accept(body);
    await g.waitBooked();
    const several = await g.cli(["sites", "assign", "basic", "shop"]);
    assert.equal(several.code, 1);
    assert.match(several.stderr, /2 objects have the id basic; name one by its number, or add/);
    assert.match(several.stderr, /\n.*: product product:basic, owner main, test\n/);
    assert.match(several.stderr, /\n.*: product acct_1\/product:basic, owner main, test\n/);
    await did(g, "sites", "assign", "basic", "shop", "--account", "acct_1");
    await got(shop, [idOf(bodies[1])]);
    assert.match(await did(g, "sites", "show", "acct_1/product:basic"), /^site +shop$/m);
    await did(g, "sites", "assign", "product:basic", "shop");
    await got(shop, bodies.map(idOf));
  });

  test("claims that contradict each other: the first has it, and it is shown", async (t) => {
    const { g, shop, blog } = await house(t, [SHOP, BLOG]);
    const ids = [await say(g, "customer.created", "cus_both", { metadata: { site: "shop" } }),
                 await say(g, "charge.succeeded", "ch_1", { customer: "cus_both" })];
    await got(shop, ids);
    assert.equal(blog.got.length, 0);
    assert.equal(await did(g, "sites", "contradictions"),
                 "customer cus_both (test): shop has it\n  blog: customers cus_both\n"
                 + "  shop: data.object.metadata.site is shop\n");
    assert.match(await did(g, "sites", "list"), /\nclaims contradict each other on 1 object: /);
    assert.match(await did(g, "sites", "show", "ch_1"), new RegExp(
      "\nclaims contradict each other; .*\nsite +claim +on +id\nblog +customers cus_both"));
    assert.equal((await g.metrics()).hookkeep_site_contradictions_total, 1);
    await g.waitLogged("site_contradiction");
    await did(g, "sites", "assign", "cus_both", "blog");
    const later = await say(g, "refund.created", "re_1", { charge: "ch_1" });
    await got(blog, [later]);
  });

  test("a reload adds a claim and removes one; late: leave leaves", async (t) => {
    const { g, shop, blog, unclaimed } = await house(t, [SHOP, { ...BLOG, late: "leave" }]);
    const price = { id: "price_new", object: "price", product: "prod_new" };
    const sub = (n) => ({ object: "subscription", customer: `cus_${n}`,
                          items: { data: [{ id: `si_${n}`, price }] } });
    const first = await say(g, "customer.subscription.created", "sub_1", sub(1));
    const charge = await say(g, "charge.succeeded", "ch_1", { customer: "cus_1" });
    await got(unclaimed, [first, charge]);
    // The shop claims the price: its subscription, that one's customer, and his charge follow.
    const claims = [...SHOP.claims, { products: "prod_new" }];
    await g.reload({ sites: [{ ...SHOP, claims }, { ...BLOG, late: "leave" }] });
    await got(shop, [first, charge]);
    assert.match(await did(g, "explain", charge), new RegExp(
      "belongs to customer cus_1\n    and all that is known below it agrees, as subscription sub_1"
      + "\n    belongs to price price_new\n    belongs to product prod_new\n"
      + "    is claimed by products prod_new\n"));
    const second = await say(g, "customer.subscription.created", "sub_2", sub(2));
    await got(shop, [first, charge, second]);
    await g.reload({ sites: [SHOP, { ...BLOG, late: "leave" }] });
    const third = await say(g, "customer.subscription.created", "sub_3", sub(3));
    await got(unclaimed, [first, charge, third]);
    await g.reload({ sites: [SHOP, { ...BLOG, late: "leave",
                                     claims: [{ products: "prod_new" }] }] });
    const fourth = await say(g, "customer.subscription.created", "sub_4", sub(4));
    await got(blog, [fourth]); // the third came before
    assert.match(await did(g, "explain", third),
                 /\nno site: its site became known later, and leaves what came before: blog\n/);
    await did(g, "events", "replay", "--site", "unclaimed", "--to", "blog");
    await got(blog, [third, fourth]);
  });

  test("events of before there were sites are learnt, not delivered again", async (t) => {
    const shop = await startSite(t, { secret: secret("shop") });
    const g = await Gateway.start(t);
    const old = await say(g, "customer.created", "cus_1", { metadata: { site: "shop" } });
    for (let n = 0; n < 3; n++) await say(g, "charge.succeeded", `ch_${n}`, { customer: "cus_1" });
    await g.waitBooked();
    assert.match((await g.cli(["sites", "list"])).stderr, /the configuration has no sites/);
    assert.match((await g.cli(["sites", "learn"])).stderr, /the configuration has no sites/);
    const destinations = [shop.as("shop", { match: [{ sites: "shop" }] })];
    await g.reload({ sites: [SHOP], destinations });
    assert.equal((await g.waitLogged("site_claims_unasked")).claims, 2);
    const refund = await say(g, "refund.created", "re_1", { charge: "ch_0" });
    await g.waitCount(1, "events", "site = 'unclaimed'");
    assert.match((await g.cli(["sites", "show", "cus_1"])).stderr, /hookkeep sites learn reads/);
    assert.equal(await did(g, "sites", "learn", "--since", "1h"),
                 "5 events read, 1 that waited routed\n");
    await got(shop, [refund]);
    assert.match(await did(g, "events", "show", old), /^site +shop$/m);
    const again = JSON.parse(await did(g, "sites", "learn", "--json"));
    assert.deepEqual(again, { ok: true, learnt: 5, routed: 0 });
    assert.equal(shop.got.length, 1);
    await did(g, "events", "replay", "--site", "shop", "--type", "customer.*");
    await got(shop, [refund, old]);
  });

  test("check hints at what may not be meant, and warns of what two sites claim", async (t) => {
    const site = await startSite(t);
    const g = new Gateway(t, { sources: [SOURCE], destinations: [
      site.as("shop", { match: [{ sites: "shop" }] })], sites: [SHOP,
      { name: "blog", claims: [{ prices: ["price_shop"] }, { where: { a: 1, b: 2 } }] }] });
    const r = await g.cli(["check"]);
    assert.equal(r.code, 0);
    assert.match(r.stdout, /^ok: 1 source, 1 destination, 2 sites /);
    for (const words of [/another site claims the same in line/,
                         /site blog: no destination takes its events/,
                         /no destination takes events without a site: they are kept/,
                         /site blog: the claim that a is 1 and b is 2 holds where one object/])
      assert.match(r.stderr, words);
  });
});
