// SPDX-License-Identifier: MIT
// A stream handler: a notice for the connected account whose payout is on its way; who sends
// letters takes them from the file.
import { records, serve } from "./stream.mjs";

const file = await records("notices.jsonl");
const told = new Set(file.all.map((n) => n.payout));

await serve(async (event, job) => {
  const payout = event.data.object;
  if (!job.livemode) return; // of test money nobody is told
  if (!event.account) return; // our own payout
  if (told.has(payout.id)) return; // it came again
  told.add(payout.id);
  try {
    await file.add({ payout: payout.id, account: event.account, amount: payout.amount,
                     currency: payout.currency, arrival: payout.arrival_date });
  } catch (e) {
    told.delete(payout.id);
    throw e;
  }
});
