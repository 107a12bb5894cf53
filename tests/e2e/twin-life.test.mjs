// SPDX-License-Identifier: MIT
// A subscription's life on a test clock, driven by the official SDK against the twin: the events
// come by the whole real path, a site verifies them, and the tables kept from them equal the twin.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { deskPort, sdk } from "./lib/official.mjs";
import { request } from "./lib/http.mjs";
import { rowsEqual } from "./lib/rows.mjs";
import { must } from "./lib/process.mjs";
import { startSite } from "./lib/site.mjs";
import { SECRET } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const KEY = "sk_test_hk0123456789abcdefghijABCDEFGHIJ12";
const START = 1_800_000_000; // 15 January 2027, 08:00
const DAY = 86400, HOUR = 3600;
const CONFIG = {
  desk: { listen: ["unix:desk.sock", "http://127.0.0.1:0"] },
  sources: [{ path: "/webhook", livemode: "test", secrets: [{ label: "main", key: SECRET }] }],
  twin: { enabled: true, key: KEY, seed: 1 },
};

const asker = (g) => (path) => request({ port: deskPort(g), path, method: "GET",
  headers: { authorization: `Bearer ${KEY}` } });

// All that the twin has made is posted, booked and delivered.
async function settled(g) {
  await waitFor(async () => (await g.get("/api/twin")).waiting === 0, () => g.text);
  await g.waitBooked();
  await g.waitCount(0, "deliveries", "state <> 'done'");
}

test("a subscription's life by the official SDK, and what tables keep of it", async (t) => {
  const site = await startSite(t);
  const g = await Gateway.start(t, { ...CONFIG,
    destinations: [site.as("shop"), { name: "rows", kind: "tables" }] });
  const stripe = sdk(g, KEY), clocks = stripe.testHelpers.testClocks;
  const clock = await clocks.create({ frozen_time: START });
  const customer = await stripe.customers.create({ name: "Ada", email: "ada@example.com",
                                                   test_clock: clock.id });
  const attach = (token) => stripe.paymentMethods.attach(token, { customer: customer.id });
  const good = await attach("pm_card_visa"), bad = await attach("pm_card_chargeCustomerFail");
  // A second apart: back and forth within seconds is what events alone do not decide.
  const pays = async (method) => {
    assert.equal((await g.cli(["twin", "clock", "--advance", "1s"])).code, 0);
    return stripe.customers.update(customer.id, {
      invoice_settings: { default_payment_method: method.id } });
  };
  await pays(good);
  const product = await stripe.products.create({ name: "Tea" });
  const priced = (more) => stripe.prices.create({ product: product.id, currency: "usd",
    recurring: { interval: "month" }, ...more });
  const small = await priced({ unit_amount: 1500 }), large = await priced({ unit_amount: 4000 });

  // Types of what the books have got of subscription and invoices since the last call, in order.
  let seen = 0;
  const told = async () => {
    await settled(g);
    const rows = await g.sql(`SELECT seq, type FROM events WHERE seq > ${seen} ORDER BY seq`);
    seen = rows.at(-1)?.seq ?? seen;
    return rows.map((r) => r.type.replace("customer.subscription", "sub"))
      .filter((x) => /^(invoice|sub)\b/.test(x)).join(" ");
  };
  const advance = async (to) => {
    assert.equal((await clocks.advance(clock.id, { frozen_time: to })).status, "advancing");
    await waitFor(async () => (await clocks.retrieve(clock.id)).status === "ready", "the clock");
    assert.equal((await clocks.retrieve(clock.id)).frozen_time, to);
    return told();
  };
  let sub = await stripe.subscriptions.create({ customer: customer.id,
    items: [{ price: small.id }], trial_period_days: 14, metadata: { site: "eu" } });
  const is = async (status) => {
    sub = await stripe.subscriptions.retrieve(sub.id, { expand: ["latest_invoice"] });
    assert.equal(sub.status, status);
    return sub.latest_invoice;
  };
  const PAID = "invoice.updated invoice.paid invoice.payment_succeeded";
  const FAILED = "invoice.updated invoice.payment_failed";

  // The trial, which costs nothing.
  assert.equal(sub.status, "trialing");
  assert.equal(await told(), `sub.created invoice.created invoice.finalized ${PAID}`);
  assert.equal((await is("trialing")).amount_paid, 0);
  assert.equal(await advance(sub.trial_end - 3 * DAY - 1), "");
  assert.equal(await advance(sub.trial_end - 3 * DAY + 1), "sub.trial_will_end");
  assert.equal(await advance(sub.trial_end + 60), "sub.updated invoice.created");
  assert.equal((await is("active")).status, "draft");
  assert.equal(await advance(sub.trial_end + 2 * HOUR), `invoice.finalized ${PAID}`);
  assert.equal((await is("active")).amount_paid, 1500);
  const first = await stripe.invoices.retrieve(sub.latest_invoice.id, {
    expand: ["payments", "confirmation_secret"] });
  assert.deepEqual(first.payments.data.map((p) => [p.object, p.status, p.amount_paid]),
                   [["invoice_payment", "paid", 1500]]);
  const { payment_intent } = first.payments.data[0].payment;
  assert.ok(first.confirmation_secret.client_secret.startsWith(`${payment_intent}_secret_`));

  // The card fails as the next period begins; mended, the retry succeeds.
  await pays(bad);
  const second = sub.items.data[0].current_period_end;
  assert.equal(await advance(second + 2 * HOUR),
               `sub.updated invoice.created invoice.finalized ${FAILED} sub.updated`);
  const owed = await is("past_due");
  assert.deepEqual([owed.status, owed.attempt_count], ["open", 1]);
  assert.ok(owed.next_payment_attempt > second + 2 * HOUR);
  await pays(good);
  assert.equal(await advance(owed.next_payment_attempt + 60), `${PAID} sub.updated`);
  assert.equal((await is("active")).attempt_count, 2);

  // It fails again, and the customer pays by hand.
  await pays(bad);
  const third = sub.items.data[0].current_period_end;
  await advance(third + 2 * HOUR);
  const debt = await is("past_due");
  const declined = await stripe.invoices.pay(debt.id).catch((x) => x);
  assert.deepEqual([declined.statusCode, declined.code], [402, "card_declined"]);
  assert.equal((await stripe.invoices.pay(debt.id, { payment_method: good.id })).status, "paid");
  await is("active");
  await pays(good);

  // Another price, and more of it: the difference is on the next invoice.
  await stripe.subscriptions.update(sub.id, {
    items: [{ id: sub.items.data[0].id, price: large.id, quantity: 2 }] });
  assert.equal(await told(), `${FAILED} ${PAID} sub.updated sub.updated`);
  const items = await stripe.invoiceItems.list({ customer: customer.id });
  assert.deepEqual(items.data.map((i) => [i.amount < 0, i.test_clock]),
                   [[false, clock.id], [true, clock.id]]);
  const fourth = sub.items.data[0].current_period_end;
  await advance(fourth + 2 * HOUR);
  const dear = await is("active");
  assert.equal(dear.status, "paid");
  assert.ok(dear.amount_paid > 8000, `${dear.amount_paid}`);

  // And its end, decided before.
  await stripe.subscriptions.update(sub.id, { cancel_at_period_end: true });
  assert.equal(await told(), "sub.updated");
  assert.equal(await advance(sub.items.data[0].current_period_end + HOUR), "sub.deleted");
  await is("canceled");
  const late = await stripe.subscriptions.update(sub.id, { metadata: { a: "b" } }).catch((x) => x);
  assert.equal(late.statusCode, 400);

  // Every event was verified by a site, and told in the right rows.
  const n = await g.count("events");
  await site.waitGot(n);
  assert.deepEqual(site.got.filter((x) => x.error), []);
  assert.equal(new Set(site.ids()).size, n);
  const counts = await rowsEqual(g, asker(g));
  for (const table of ["customers", "subscriptions", "subscription_items", "invoices",
                       "invoice_line_items", "payment_intents", "charges", "products", "prices",
                       "payment_methods", "invoiceitems", "invoice_payments"])
    assert.ok(counts[table] > 0, `${table}: ${JSON.stringify(counts)}`);
});

test("what else is sold and paid, and what tables keep of it", async (t) => {
  const g = await Gateway.start(t, { ...CONFIG, destinations: [{ name: "rows", kind: "tables" }] });
  const stripe = sdk(g, KEY), clocks = stripe.testHelpers.testClocks;
  const clock = await clocks.create({ frozen_time: START });
  const on = { test_clock: clock.id };
  const someone = async (more = {}) => {
    const c = await stripe.customers.create({ name: "Bo", ...more });
    const pm = await stripe.paymentMethods.attach("pm_card_visa", { customer: c.id });
    return stripe.customers.update(c.id, { invoice_settings: { default_payment_method: pm.id } });
  };
  const price = await stripe.prices.create({ currency: "usd", unit_amount: 900,
    recurring: { interval: "month" }, product_data: { name: "Coffee" } });

  const coupon = await stripe.coupons.create({ percent_off: 25, duration: "once" });
  const code = await stripe.promotionCodes.create({ promotion: { type: "coupon",
    coupon: coupon.id }, code: "SPRING" });
  await stripe.taxRates.create({ display_name: "VAT", percentage: 20, inclusive: false });
  const cut = await someone(on);
  await stripe.subscriptions.create({ customer: cut.id, items: [{ price: price.id }],
                                      discounts: [{ promotion_code: code.id }] });
  await stripe.customers.createTaxId(cut.id, { type: "eu_vat", value: "DE123456789" });

  const planned = await someone(on);
  await stripe.subscriptionSchedules.create({ customer: planned.id, start_date: START + DAY,
    end_behavior: "cancel", phases: [{ items: [{ price: price.id }], duration: {
      interval: "month", interval_count: 1 } }] });

  const asked = await someone();
  const quote = await stripe.quotes.create({ customer: asked.id,
                                             line_items: [{ price: price.id, quantity: 3 }] });
  await stripe.quotes.finalizeQuote(quote.id);
  await stripe.quotes.accept(quote.id);

  const bill = async (customer, more) => {
    await stripe.invoiceItems.create({ customer: customer.id, amount: 5000, currency: "usd" });
    const i = await stripe.invoices.create({ customer: customer.id,
      pending_invoice_items_behavior: "include", ...more });
    return stripe.invoices.finalizeInvoice(i.id);
  };
  const owes = await someone(), send = { collection_method: "send_invoice", days_until_due: 7 };
  const dropped = await bill(owes, send);
  assert.deepEqual((await stripe.invoices.voidInvoice(dropped.id,
    { expand: ["payments"] })).payments.data, []);
  await stripe.invoices.markUncollectible((await bill(owes, send)).id);
  const note = await stripe.creditNotes.create({ invoice: (await bill(owes, send)).id,
                                                 amount: 1200 });
  await stripe.creditNotes.update(note.id, { memo: "spilled" });
  const paid = await stripe.invoices.pay((await bill(owes)).id);
  await stripe.customers.update(owes.id, { balance: -700 });
  await stripe.invoices.pay((await bill(owes)).id);
  assert.equal(paid.status, "paid");

  const pay = (payment_method, more) => stripe.paymentIntents.create({ amount: 2000,
    currency: "usd", payment_method, confirm: true, payment_method_types: ["card"], ...more });
  const bought = await pay("pm_card_visa", { metadata: { order: "7" } });
  await stripe.refunds.create({ payment_intent: bought.id, amount: 500 });
  await stripe.refunds.create({ payment_intent: bought.id });
  await pay("pm_card_createDispute");
  const held = await pay("pm_card_visa", { capture_method: "manual" });
  await stripe.paymentIntents.capture(held.id, { amount_to_capture: 1500 });
  const unsure = await pay("pm_card_threeDSecure2Required");
  assert.equal(unsure.status, "requires_action");
  await stripe.paymentIntents.cancel(unsure.id);
  const declined = await pay("pm_card_chargeDeclined").catch((x) => x);
  assert.equal(declined.code, "card_declined");
  await stripe.setupIntents.create({ customer: owes.id, payment_method: "pm_card_mastercard",
                                     confirm: true, payment_method_types: ["card"] });
  await stripe.checkout.sessions.create({ mode: "payment", success_url: "https://x.example",
    line_items: [{ price_data: { currency: "usd", unit_amount: 400,
      product_data: { name: "Cup" } }, quantity: 2 }] });
  const gone = await stripe.customers.create({ email: "gone@example.com" });
  await stripe.customers.del(gone.id);

  for (const to of [2 * DAY, 33 * DAY, 70 * DAY]) {
    await clocks.advance(clock.id, { frozen_time: START + to });
    await waitFor(async () => (await clocks.retrieve(clock.id)).status === "ready", "the clock");
  }
  assert.equal((await g.cli(["twin", "clock", "--advance", "2h"])).code, 0);
  await settled(g);
  const counts = await rowsEqual(g, asker(g));
  for (const table of ["coupons", "promotion_codes", "discounts", "tax_rates", "tax_ids", "quotes",
                       "subscription_schedules", "credit_notes", "refunds", "disputes",
                       "setup_intents", "balance_transactions", "plans"])
    assert.ok(counts[table] > 0, `${table}: ${JSON.stringify(counts)}`);
  assert.equal(await g.count("stripe_customers", "deleted"), 1);
  // The comparison can fail: by a column, by the whole, by what is deleted.
  const [row] = await g.sql("SELECT id, data FROM stripe_coupons LIMIT 1");
  const write = (set) => must("sqlite3", ["-cmd", ".timeout 5000", g.path("hookkeep.db"),
                                          `UPDATE stripe_coupons SET ${set}`]);
  for (const [change, back] of [["percent_off = '7'", "percent_off = '25'"],
                                ["data = json_set(data, '$.name', 'x')", `data = '${row.data}'`],
                                ["deleted = 1", "deleted = 0"],
                                ["undecided = 1", "undecided = 0"]]) {
    await write(change);
    await assert.rejects(rowsEqual(g, asker(g), "coupons"), new RegExp(row.id), change);
    await write(back);
  }
  await rowsEqual(g, asker(g), "coupons");
});
