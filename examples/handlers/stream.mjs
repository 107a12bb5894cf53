// SPDX-License-Identifier: MIT
// What the handlers in Node have in common: Hookkeep's lines in, an answer for each out
// (hookkeep-handler(7)), and a file of records that is only ever added to.
import fs from "node:fs/promises";
import readline from "node:readline";

// Calls work(event, job) for each event, several at a time; what it throws is a failed attempt.
export async function serve(work) {
  const working = new Set();
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const job = JSON.parse(line);
    const { delivery, attempt } = job;
    const answer = (more) => console.log(JSON.stringify({ delivery, attempt, ...more }));
    const one = Promise.resolve().then(() => work(JSON.parse(job.payload), job))
      .then(() => answer({ outcome: "done" }),
            (e) => answer({ outcome: "failed", error: e.message }))
      .finally(() => working.delete(one));
    working.add(one);
  }
  await Promise.all(working); // the input was closed: end in order
}

// A line of JSON for each record. `add` returns once it is on the disk.
export async function records(name) {
  const text = await fs.readFile(name, "utf8").catch(() => "");
  const file = await fs.open(name, "a");
  return {
    all: text.split("\n").filter(Boolean).map((line) => JSON.parse(line)),
    async add(record) {
      await file.write(JSON.stringify(record) + "\n");
      await file.datasync();
    },
  };
}
