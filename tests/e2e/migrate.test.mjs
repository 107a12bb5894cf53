// SPDX-License-Identifier: MIT
// A start on a ledger that an older version wrote: Stripe is answered while it is copied and
// migrated.
import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { must } from "./lib/process.mjs";
import { snapshot } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

// What takes each migration back, newest first.
const BACK = {
  14: "DROP TABLE lane;",
  13: `DROP VIEW destinations; ALTER TABLE destination DROP COLUMN failing_since;
      CREATE VIEW destinations AS SELECT number FROM destination;`,
  12: `DROP VIEW deliveries; DROP INDEX delivery_due; ALTER TABLE delivery DROP COLUMN priority;
       CREATE INDEX delivery_due ON delivery (destination, next_at) WHERE state IN (0, 2);
       CREATE VIEW deliveries AS SELECT seq FROM delivery;`,
  11: "DROP TABLE event_block; DROP TABLE event_whose; DROP INDEX event_pending;",
  10: "DROP VIEW endpoints; DROP TABLE endpoint;",
  9: "DROP VIEW listen_attempts; DROP TABLE listen_attempt;",
  8: "UPDATE event SET status = 1 WHERE status = 3;",
  7: "DROP TABLE rebuild;",
  6: "ALTER TABLE link DROP COLUMN more;",
  5: `DROP VIEW events; DROP VIEW sites; DROP VIEW objects;
      DROP INDEX event_unclaimed; DROP INDEX event_waiting; ALTER TABLE event DROP COLUMN site;
      ALTER TABLE event DROP COLUMN object; DROP TABLE link; DROP TABLE link_new;
      DROP TABLE object; DROP TABLE site;
      CREATE VIEW events AS SELECT seq FROM event;`,
  4: `DROP VIEW accounts; DROP VIEW secret_uses; DROP VIEW event_types; DROP VIEW api_versions;
      DROP TABLE sighting;`,
  3: `DROP INDEX answer_key; ALTER TABLE answer DROP COLUMN sha256;
      ALTER TABLE answer DROP COLUMN idempotency_key; ALTER TABLE answer DROP COLUMN time_ms;`,
  2: `DROP VIEW events; DROP VIEW receipts; DROP VIEW deliveries; DROP VIEW attempts;
      DROP VIEW destinations; DROP VIEW suspense;`,
};
// Of the ledger, so that its copy takes a moment.
const BALLAST_MIB = 300;

async function sqlite(g, sql) {
  return (await must("sqlite3", ["-bail", g.path("hookkeep.db"), sql])).stdout.trim();
}

async function makeOld(g) {
  const newest = Number(await sqlite(g, "PRAGMA user_version"));
  for (let version = newest; version > 1; version--) {
    assert.ok(BACK[version], `BACK knows how to take migration ${version} back`);
    await sqlite(g, `${BACK[version]} DELETE FROM migrations WHERE version = ${version};
      PRAGMA user_version = ${version - 1};`);
  }
  await sqlite(g, `CREATE TABLE ballast (x); INSERT INTO ballast
    SELECT randomblob(1048576) FROM json_each('[${Array(BALLAST_MIB).fill(0)}]')`);
  return newest;
}

const started = (g) => g.logged("started");

test("events are answered while the ledger is migrated, and booked afterwards", async (t) => {
  const g = await Gateway.start(t);
  await g.accept(snapshot());
  await g.stop();
  const newest = await makeOld(g);
  g.spawn();
  const listening = await g.waitLogged("listening");
  g.port = listening.port;
  assert.ok(g.logged("migrating"));
  let answered = 0;
  while (!started(g) && !g.child.gone) {
    await g.accept(snapshot());
    if (!started(g)) answered++;
  }
  assert.ok(answered > 0, "at least one was answered before the ledger was migrated");
  await waitFor(async () => (await g.sql("SELECT count(*) AS n FROM events"))[0].n > answered,
    () => "all to be booked");
  assert.equal(await sqlite(g, "PRAGMA user_version"), String(newest));
  assert.ok(fs.existsSync(g.path(`hookkeep.db.before-v${newest}`)));
  // Nobody gets them: the one of before was said to be done.
  assert.equal(await sqlite(g, "SELECT count(*) FROM events WHERE status <> 'ignored'"), "0");
  assert.equal((await g.stop()).code, 0);
});

test("migrations that fail lose nothing that was answered meanwhile", async (t) => {
  const g = await Gateway.start(t);
  await g.stop();
  await makeOld(g);
  await sqlite(g, "CREATE VIEW events AS SELECT 1"); // in the migration's way
  for (let times = 0; times < 3; times++) {
    g.spawn();
    g.port = (await g.waitLogged("listening")).port;
    await g.accept(snapshot());
    await g.exit;
    assert.equal(g.child.gone.code, 1);
    assert.match(g.logged("start_failed").why, /migration to version 2 failed/);
  }
  await sqlite(g, "DROP VIEW events");
  await g.start();
  await waitFor(async () => (await g.sql("SELECT count(*) AS n FROM events"))[0].n === 3,
    () => "them to be booked");
  // The plan was the same all the time, and is not adopted again for each try.
  assert.equal(await sqlite(g, "SELECT count(*) FROM plan WHERE generation < " +
    "(SELECT max(seq) FROM events)"), "1");
  assert.equal((await g.stop()).code, 0);
});

test("a migration ends when the gateway is to", async (t) => {
  const g = await Gateway.start(t);
  await g.stop();
  const newest = await makeOld(g);
  g.spawn();
  g.port = (await g.waitLogged("listening")).port;
  await g.accept(snapshot());
  g.signal("SIGHUP"); // not before the start is through, and no harm until then
  const began = Date.now();
  g.signal("SIGTERM");
  await g.exit;
  assert.equal(g.child.gone.code, 0);
  assert.ok(Date.now() - began < 5000, `heard after ${Date.now() - began} ms`);
  assert.ok(g.logged("stopped") && !started(g) && !g.logged("start_failed"));
  assert.notEqual(await sqlite(g, "PRAGMA user_version"), String(newest));
  const left = fs.readdirSync(g.folder).filter((name) => name.includes(".before-"));
  assert.deepEqual(left, []);
  await g.start();
  await waitFor(async () => (await g.sql("SELECT count(*) AS n FROM events"))[0].n === 1,
    () => "it to be booked");
  assert.equal(await sqlite(g, "PRAGMA user_version"), String(newest));
  assert.equal((await g.stop()).code, 0);
});

test("events are answered while another program's tables get this one's columns", async (t) => {
  const g = await Gateway.start(t, { destinations: [{ name: "tables", kind: "tables" }] });
  const product = (i) => snapshot({ type: "product.created",
    data: { object: { id: `prod_${i}`, object: "product", name: `boat ${i}`, active: true } } });
  for (let i = 0; i < 20; i++) await g.accept(product(i));
  await g.waitCount(20, "stripe_products");
  await g.stop();
  await sqlite(g, `ALTER TABLE stripe_products DROP COLUMN name;
    UPDATE object_table SET sha256 = 'another' WHERE name = 'products';
    WITH RECURSIVE n(i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
    INSERT INTO stripe_products (id, account, livemode, owner, deleted, event_id, event_created,
      undecided, incomplete, embedded, versions, data) SELECT 'prod_' || i, '', 0, 'main', 0, 'evt_'
      || i, 1, 0, 0, 0, '1 c evt_' || i || char(10), '{"name":"boat ' || i || '"}' FROM n`);
  g.spawn();
  g.port = (await g.waitLogged("listening")).port;
  assert.ok(g.logged("migrating"));
  let answered = 0;
  while (!started(g) && !g.child.gone) {
    await g.accept(product(20 + answered));
    if (!started(g)) answered++;
  }
  assert.ok(answered > 0, "at least one was answered before the tables had their columns");
  await g.waitCount(1, "stripe_products", `id = 'prod_${19 + answered}'`);
  assert.equal(await sqlite(g, "SELECT count(*) FROM stripe_products WHERE name IS NOT " +
    "'boat ' || substr(id, 6)"), "0");
  assert.equal((await g.stop()).code, 0);
  await g.start(); // there is nothing to do any more
  assert.equal((await g.stop()).code, 0);
});
