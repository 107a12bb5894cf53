// SPDX-License-Identifier: MIT
// A stream handler: an accounting record for each invoice that was paid. invoice.paid and
// invoice.payment_succeeded both say so of the same invoice, so it is booked by its own id.
import { records, serve } from "./stream.mjs";

const file = await records("accounting.jsonl");
const booked = new Set(file.all.map((r) => r.invoice));

await serve(async (event) => {
  const invoice = event.data.object;
  if (booked.has(invoice.id)) return; // it came again
  if (!Number.isInteger(invoice.amount_paid)) throw new Error(`${invoice.id} has no amount_paid`);
  booked.add(invoice.id);
  try {
    await file.add({ invoice: invoice.id, customer: invoice.customer, paid: true,
                     amount: invoice.amount_paid, currency: invoice.currency });
  } catch (e) {
    booked.delete(invoice.id);
    throw e;
  }
});
