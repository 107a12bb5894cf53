// SPDX-License-Identifier: MIT
// A stream handler: an accounting record for each invoice that was paid, in a ledger of its own
// (a file to which lines are added). Several events are worked at a time.
import fs from "node:fs/promises";
import readline from "node:readline";

const FILE = "accounting.jsonl";
const booked = new Set(); // event ids
for (const line of (await fs.readFile(FILE, "utf8").catch(() => "")).split("\n").filter(Boolean))
  booked.add(JSON.parse(line).event);
const file = await fs.open(FILE, "a");

async function book(job) {
  if (booked.has(job.event)) return; // it came again
  const invoice = JSON.parse(job.payload).data.object;
  if (!Number.isInteger(invoice.amount_paid)) throw new Error(`${invoice.id} has no amount_paid`);
  const record = { event: job.event, invoice: invoice.id, customer: invoice.customer,
                   amount: invoice.amount_paid, currency: invoice.currency };
  booked.add(job.event);
  try {
    await file.write(JSON.stringify(record) + "\n");
    await file.datasync();
  } catch (e) {
    booked.delete(job.event);
    throw e;
  }
}

const working = new Set();
for await (const line of readline.createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  const { delivery, attempt } = job;
  const answer = (more) => console.log(JSON.stringify({ delivery, attempt, ...more }));
  const work = book(job).then(() => answer({ outcome: "done" }),
                              (e) => answer({ outcome: "failed", error: e.message }));
  working.add(work);
  work.finally(() => working.delete(work));
}
await Promise.all(working); // the input was closed: end in order
