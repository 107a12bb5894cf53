// SPDX-License-Identifier: MIT
// An hour of the twin's time in which everything goes wrong at once: on the way in by its chaos, on
// the way out by a site that fails. Whoever is told anything in the end has been told all of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Gateway } from "./lib/gateway.mjs";
import { request } from "./lib/http.mjs";
import { deskPort, sdk } from "./lib/official.mjs";
import { rowsEqual } from "./lib/rows.mjs";
import { startSite } from "./lib/site.mjs";
import { SECRET } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const KEY = "sk_test_hk0123456789abcdefghijABCDEFGHIJ12";
const HOUR_MS = 3600e3, SPEED = 600, ROUNDS = 250;
const CHAOS = ["duplicate=15", "reorder=15", "delay=15", "delay=10m", "drop=15",
               "wrong_signature=10", "old_timestamp=10", "huge_body=4"];
const SEEDS = (process.env.CHAOS_SEEDS ?? "7").split(",").map(Number);
// A request whose events no endpoint gets, as it is disabled while they are made.
const DARK = { headers: { "Hookkeep-Twin-Chaos": "disabled" } };

function random(seed) {
  let s = seed;
  return (n) => (s = (s * 48271) % 2147483647) % n;
}

const status = (g) => g.get("/api/twin");
async function clock(g, ...args) {
  const r = await g.cli(["twin", "clock", ...args]);
  assert.equal(r.code, 0, r.stderr);
}

// Until nothing waits to be posted; the twin's time is put on, as what was lost comes by its clock.
async function settle(g) {
  await clock(g, "--speed", "0");
  for (let left = 40, waiting = Infinity; waiting > 0; left--) {
    assert.ok(left > 0, `${waiting} events wait for ever`);
    await clock(g, "--advance", "10m");
    let before;
    do {
      before = waiting;
      await sleep(1100); // one that is to come behind another waits a second for it
      ({ waiting } = await status(g));
    } while (waiting > 0 && waiting !== before);
  }
}

// A business: what its SDK calls are, one a round, and what is known of each.
class Business {
  constructor(stripe, seed) {
    Object.assign(this, { stripe, below: random(seed), told: [], dark: [], customers: [],
                          subscriptions: [], intents: [], refused: 0,
                          behind: new Map(), unseen: [] });
  }
  one(list) {
    return list[this.below(list.length)];
  }
  // The call's request id is kept, and a refusal is one of Stripe's.
  async call(asked, dark = false) {
    const answer = await asked.catch((e) => {
      assert.ok([400, 402].includes(e.statusCode), e.stack);
      this.refused++;
    });
    if (answer) (dark ? this.dark : this.told).push(answer.lastResponse.requestId);
    return answer;
  }
  async open() {
    const { stripe } = this;
    this.product = await this.call(stripe.products.create({ name: "Tea" }));
    this.price = await this.call(stripe.prices.create({ product: this.product.id,
      unit_amount: 1500, currency: "usd", recurring: { interval: "month" } }));
    await this.customer();
  }
  async customer() {
    const { stripe } = this;
    const c = await this.call(stripe.customers.create({ name: `c${this.customers.length}` }));
    const token = this.one(["pm_card_visa", "pm_card_mastercard", "pm_card_chargeCustomerFail"]);
    const pm = await this.call(stripe.paymentMethods.attach(token, { customer: c.id }));
    await this.call(stripe.customers.update(c.id,
      { invoice_settings: { default_payment_method: pm.id } }));
    this.customers.push(c);
  }
  async subscribe() {
    const s = await this.call(this.stripe.subscriptions.create({
      customer: this.one(this.customers).id, items: [{ price: this.price.id }],
      ...(this.below(2) && { trial_period_days: 7 }) }));
    if (s) this.subscriptions.push(s);
  }
  async pay() {
    const i = await this.call(this.stripe.paymentIntents.create({ amount: 1000 + this.below(90),
      currency: "usd", confirm: true, payment_method_types: ["card"],
      payment_method: this.one(["pm_card_visa", "pm_card_chargeDeclined",
                                "pm_card_createDispute", "pm_card_visa"]) }));
    if (i) this.intents.push(i);
  }
  async refund() {
    if (this.intents.length > 0)
      await this.call(this.stripe.refunds.create({ payment_intent: this.one(this.intents).id,
                                                   amount: 1 + this.below(500) }));
  }
  async change() {
    await this.call(this.stripe.customers.update(this.one(this.customers).id,
      { name: `d${this.below(1000)}`, metadata: { n: this.below(9) } }));
  }
  async bill() {
    const customer = this.one(this.customers).id;
    await this.call(this.stripe.invoiceItems.create({ customer, currency: "usd",
                                                      amount: 100 + this.below(900) }));
    const i = await this.call(this.stripe.invoices.create({ customer,
      pending_invoice_items_behavior: "include" }));
    if (i && this.below(2)) await this.call(this.stripe.invoices.pay(i.id));
  }
  async cancel() {
    if (this.subscriptions.length > 2)
      await this.call(this.stripe.subscriptions.cancel(this.subscriptions.shift().id));
  }
  async remove() {
    if (this.customers.length > 3)
      await this.call(this.stripe.customers.del(this.customers.shift().id));
  }
  // While the endpoint is disabled: one that nobody hears of; one whose change nobody hears of; and
  // one whose making nobody heard of, but who is told by what came later.
  async hide() {
    const { customers } = this.stripe, n = this.below(3);
    const made = await this.call(customers.create({ name: "h" }, n === 1 ? {} : DARK), n !== 1);
    if (n === 0) this.unseen.push(made.id);
    if (n === 1) {
      await this.call(customers.update(made.id, { name: "unheard" }, DARK), true);
      this.behind.set(made.id, made);
    }
    if (n === 2) await this.call(customers.update(made.id, { name: "heard" }));
  }
  async round() {
    const what = ["customer", "subscribe", "pay", "pay", "refund", "change", "change", "bill",
                  "cancel", "remove", "hide"];
    await this[this.one(what)]();
  }
}

async function checkCounts(g, site) {
  const m = await g.metrics();
  const fault = (f) => m[`hookkeep_twin_faults_total{fault="${f}"}`];
  const answers = (r) => m[`hookkeep_answers_total{reason="${r}"}`];
  for (const f of ["duplicate", "reorder", "delay", "drop", "wrong_signature", "old_timestamp",
                   "huge_body", "disabled"])
    assert.ok(fault(f) > 0, `${f} never happened`);
  // What had to be refused was, each by its reason, and nothing else.
  assert.equal(m.hookkeep_twin_faults_taken_total, 0);
  assert.deepEqual([answers("no_match"), answers("too_old"), answers("body_too_large")],
                   [fault("wrong_signature"), fault("old_timestamp"), fault("huge_body")]);
  for (const reason of ["failed", "too_many", "no_secret", "no_source"])
    assert.equal(m[`hookkeep_twin_given_up_total{reason="${reason}"}`], 0, reason);
  // Each event that was made is there, but for those that the endpoint was disabled for; each that
  // was taken is a receipt of the source's secret.
  const stored = await g.count("events");
  assert.equal(stored, (await status(g)).events - fault("disabled"));
  assert.equal(await g.count("receipts"), m['hookkeep_twin_posts_total{result="taken"}']);
  assert.equal(await g.count("receipts", "secret_label = 'main' AND source = '/webhook'"),
               await g.count("receipts"));
  assert.equal(await g.count("suspense"), 0);
  assert.equal(new Set(site.ids()).size, stored, "each came out");
  assert.deepEqual(site.got.filter((x) => x.error), []);
}

// By the requests that made them: those of a call are there, or none is.
async function checkRequests(g, business) {
  const rows = await g.sql("SELECT DISTINCT json_extract(payload, '$.request.id') AS id "
                         + "FROM events");
  const there = new Set(rows.map((r) => r.id));
  assert.deepEqual(business.dark.filter((id) => there.has(id)), []);
  assert.deepEqual(business.told.filter((id) => !there.has(id)), []);
}

async function checkRows(g, business, ask) {
  const { behind, unseen } = business;
  const counts = await rowsEqual(g, ask, null, (row) => behind.has(row.id));
  for (const table of ["customers", "subscriptions", "invoices", "payment_intents", "charges",
                       "refunds", "products", "prices"])
    assert.ok(counts[table] > 0, `${table}: ${JSON.stringify(counts)}`);
  const rows = new Map((await g.sql("SELECT id, name FROM stripe_customers"))
    .map((r) => [r.id, r.name]));
  assert.ok(behind.size > 0 && unseen.length > 0, "nothing was hidden");
  for (const [id, { name }] of behind) assert.equal(rows.get(id), name);
  for (const id of unseen) assert.ok(!rows.has(id), `${id} was never told of`);
}

for (const seed of SEEDS)
  test(`an hour of everything at once, from seed ${seed}`, async (t) => {
    // The site fails, hangs up and stalls in turns.
    const site = await startSite(t, { answer: (_, n) => n % 5 === 0 ? { status: 500 }
      : n % 11 === 0 ? null : n % 13 === 0 ? sleep(50).then(() => ({})) : {} });
    const g = await Gateway.start(t, {
      desk: { listen: ["unix:desk.sock", "http://127.0.0.1:0"] },
      sources: [{ path: "/webhook", livemode: "test", secrets: [{ label: "main", key: SECRET }] }],
      twin: { enabled: true, key: KEY, seed, speed: SPEED, chaos: CHAOS },
      destinations: [site.as("shop", { retry: Array(10).fill("1s") }),
                     { name: "rows", kind: "tables" }] });
    const begun = (await status(g)).now_ms;
    const business = new Business(sdk(g, KEY), seed);
    await business.open();
    for (let n = 0; n < ROUNDS; n++) {
      await business.round();
      const ahead = begun + (HOUR_MS * n) / ROUNDS - (await status(g)).now_ms;
      if (ahead > 0) await sleep(ahead / SPEED);
    }
    assert.ok((await status(g)).now_ms >= begun + HOUR_MS * 0.9);
    await settle(g);
    await g.waitBooked();
    await waitFor(async () => (await g.count("deliveries", "state <> 'done'")) === 0,
      async () => JSON.stringify(await g.sql("SELECT * FROM deliveries WHERE state <> 'done'")));
    t.diagnostic(`${business.told.length} calls, ${business.refused} refused, `
               + `${await g.count("events")} events, ${site.got.length} deliveries`);
    await checkCounts(g, site);
    await checkRequests(g, business);
    await checkRows(g, business, (path) => request({ port: deskPort(g), path, method: "GET",
      headers: { authorization: `Bearer ${KEY}` } }));
  });
