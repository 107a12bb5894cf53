// SPDX-License-Identifier: MIT
// Payments by the official SDK against the twin: its classes of errors, what a declined card
// leaves, banks that take their time, checkout, connected accounts; and the tables of the events.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { request } from "./lib/http.mjs";
import { deskPort, sdk } from "./lib/official.mjs";
import { rowsEqual } from "./lib/rows.mjs";
import { startSite } from "./lib/site.mjs";
import { SECRET, secret } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const KEY = "sk_test_hk0123456789abcdefghijABCDEFGHIJ12";
const CONFIG = {
  desk: { listen: ["unix:desk.sock", "http://127.0.0.1:0"] },
  sources: [{ path: "/webhook", livemode: "test", secrets: [
    { label: "main", key: SECRET, scope: "account" },
    { label: "connect", key: secret("connect"), scope: "connect" }] }],
  twin: { enabled: true, key: KEY, seed: 1 },
};
const headers = { authorization: `Bearer ${KEY}`,
                  "content-type": "application/x-www-form-urlencoded" };

async function settled(g) {
  await waitFor(async () => (await g.get("/api/twin")).waiting === 0, () => g.text);
  await g.waitBooked();
  await g.waitCount(0, "deliveries", "state <> 'done'");
}

test("payments by the official SDK", async (t) => {
  const site = await startSite(t);
  const g = await Gateway.start(t, { ...CONFIG,
    destinations: [site.as("shop"), { name: "rows", kind: "tables" }] });
  const stripe = sdk(g, KEY);
  const advance = async (by) =>
    assert.equal((await g.cli(["twin", "clock", "--advance", by])).code, 0);
  const pay = (payment_method, more = {}, how = {}) => stripe.paymentIntents.create({
    amount: 2000, currency: "usd", confirm: true, payment_method,
    payment_method_types: ["card"], ...more }, how);

  // A declined card: the SDK's own class, with what happened in it, which stays, and is told again.
  const customer = await stripe.customers.create({ email: "ada@example.com" });
  const once = { idempotencyKey: "one" };
  const declined = await pay("pm_card_chargeDeclinedInsufficientFunds",
                             { customer: customer.id }, once).catch((x) => x);
  assert.equal(declined.constructor.name, "StripeCardError");
  assert.deepEqual([declined.statusCode, declined.code, declined.decline_code],
                   [402, "card_declined", "insufficient_funds"]);
  const again = await pay("pm_card_chargeDeclinedInsufficientFunds",
                          { customer: customer.id }, once).catch((x) => x);
  assert.equal(again.payment_intent.id, declined.payment_intent.id);
  const failed = await stripe.charges.retrieve(declined.charge);
  assert.deepEqual([failed.status, failed.outcome.reason], ["failed", "insufficient_funds"]);
  const paid = await stripe.paymentIntents.confirm(declined.payment_intent.id, {
    payment_method: "pm_card_visa", expand: ["latest_charge"] });
  assert.deepEqual([paid.status, paid.latest_charge.payment_method_details.card.last4],
                   ["succeeded", "4242"]);
  const late = await stripe.paymentIntents.cancel(paid.id).catch((x) => x);
  assert.deepEqual([late.constructor.name, late.code],
                   ["StripeInvalidRequestError", "payment_intent_unexpected_state"]);

  // Back it goes, and no further.
  const refund = await stripe.refunds.create({ payment_intent: paid.id, amount: 500 });
  assert.equal(refund.status, "succeeded");
  const over = await stripe.refunds.create({ payment_intent: paid.id, amount: 1501 })
    .catch((x) => x);
  assert.equal(over.param, "amount");

  // Checkout, by a bank debit that fails in the end.
  const session = await stripe.checkout.sessions.create({ mode: "payment",
    success_url: "https://shop.example/", payment_method_types: ["sepa_debit"],
    line_items: [{ quantity: 2, price_data: { currency: "eur", unit_amount: 700,
                                              product_data: { name: "Tea" } } }] });
  const body = new URLSearchParams({ "payment_method_data[type]": "sepa_debit",
    "payment_method_data[sepa_debit][iban]": "DE62370400440532013001" }).toString();
  const page = await request({ port: deskPort(g), path: `/v1/payment_pages/${session.id}/confirm`,
                               method: "POST", headers, body });
  assert.equal(page.status, 200);
  await advance("3s");
  const ended = await stripe.checkout.sessions.retrieve(session.id,
    { expand: ["line_items", "payment_intent"] });
  assert.deepEqual([ended.status, ended.payment_status, ended.payment_intent.status,
                    ended.line_items.data[0].description],
                   ["complete", "unpaid", "requires_payment_method", "Tea"]);

  // A connected account has a balance of its own; the fee is the platform's.
  const there = { stripeAccount: "acct_1234567890" };
  await pay("pm_card_bypassPending", { application_fee_amount: 300 }, there);
  assert.equal((await stripe.balance.retrieve({}, there)).available[0].amount, 1700);
  const poor = await stripe.payouts.create({ amount: 5000, currency: "usd" }, there)
    .catch((x) => x);
  assert.equal(poor.code, "balance_insufficient");
  const payout = await stripe.payouts.create({ amount: 1700, currency: "usd" }, there);
  await advance("3d");
  assert.equal((await stripe.payouts.retrieve(payout.id, {}, there)).status, "paid");

  await settled(g);
  assert.deepEqual(site.got.map((x) => x.error).filter(Boolean), []);
  const told = site.got.map((x) => `${x.event.account ?? ""} ${x.event.type}`);
  for (const one of [" charge.failed", " payment_intent.payment_failed", " charge.refunded",
                     " refund.created", " checkout.session.completed", " application_fee.created",
                     " checkout.session.async_payment_failed", "acct_1234567890 payout.paid",
                     "acct_1234567890 payment_intent.succeeded"])
    assert.ok(told.includes(one), `${one} of ${told}`);
  // Rows of the platform's own: what it asks for without Stripe-Account.
  const ask = (path) => request({ port: deskPort(g), path, method: "GET", headers });
  const counts = await rowsEqual(g, ask, null, (row) => row.account !== "");
  for (const table of ["charges", "payment_intents", "refunds", "checkout_sessions"])
    assert.ok(counts[table] > 0, `${table}: ${JSON.stringify(counts)}`);
});
