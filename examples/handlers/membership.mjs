// SPDX-License-Identifier: MIT
// A stream handler: who is a member, from the events of subscriptions. Of a subscription's lines
// the latest says what it is.
import { records, serve } from "./stream.mjs";

const file = await records("members.jsonl");
const members = new Map();

// Events come in no order, and may come again: only a newer one says something.
function isNews(member) {
  const known = members.get(member.subscription);
  return !known || member.as_of > known.as_of ||
    (member.as_of === known.as_of && member.status !== known.status);
}

for (const member of file.all) if (isNews(member)) members.set(member.subscription, member);

await serve(async (event) => {
  const { id, customer, status } = event.data.object;
  if (!customer || !status) throw new Error(`${id} has no customer or no status`);
  const member = { subscription: id, customer, status, as_of: event.created };
  if (!isNews(member)) return;
  await file.add(member);
  if (isNews(member)) members.set(id, member);
});
