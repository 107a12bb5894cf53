// SPDX-License-Identifier: MIT
// A restore that ended before it was done.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { snapshot } from "./lib/stripe.mjs";

test("a restore that died before the journal was set aside does not take it up", async (t) => {
  const g = await Gateway.start(t);
  await g.accept(snapshot());
  assert.equal((await g.cli(["ledger", "backup", "backup.db"])).code, 0);
  await g.accept(snapshot());
  await g.stop();
  assert.equal((await g.cli(["ledger", "restore", "backup.db"])).code, 0);
  const aside = () => fs.readdirSync(g.folder).filter((n) => /journal\.before-restore/.test(n));
  fs.renameSync(g.path(aside()[0]), g.path("hookkeep.journal"));
  await g.start();
  assert.ok(g.logged("journal_set_aside"));
  assert.equal(aside().length, 1);
  const [{ n }] = await g.sql("SELECT count(*) AS n FROM events");
  assert.equal(n, 1);
  assert.equal((await g.stop()).code, 0);
});
