// SPDX-License-Identifier: MIT
// A destination of kind tables: Stripe's objects as rows, queried by the sqlite3 shell while the
// gateway runs.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { cleanEnvironment, HOOKKEEP, must } from "./lib/process.mjs";
import { snapshot, thin } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const TABLES = { name: "tables", kind: "tables" };
const T0 = 1_790_000_000; // Stripe's second of the first event

let numbers = 1;
const event = (type, created, object, previous) => snapshot({ type, created,
  id: `evt_t${String(numbers++).padStart(6, "0")}`, data: { object,
    ...(previous && { previous_attributes: previous }) } });

// A small generator of numbers, so that a failure can be repeated.
function random(seed) {
  let s = seed;
  return (n) => {
    s = (Math.imul(s, 1103515245) + 12345) & 0x7fffffff;
    return s % n;
  };
}

function shuffled(list, seed) {
  const next = random(seed), out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const k = next(i + 1);
    [out[i], out[k]] = [out[k], out[i]];
  }
  return out;
}

// The histories of n customers, each with a subscription, and what is true in the end.
function histories(n) {
  const events = [], expected = [];
  for (let i = 0; i < n; i++) {
    const id = `cus_${String(i).padStart(4, "0")}`, at = T0 + i * 100;
    const customer = (more) => ({ id, object: "customer", created: at, livemode: false,
      email: null, balance: 0, metadata: {}, ...more });
    events.push(event("customer.created", at, customer()));
    events.push(event("customer.updated", at + 10, customer({ balance: 5 }), { balance: 0 }));
    // Two changes of one second, which only their previous values put in order.
    events.push(event("customer.updated", at + 20, customer({ balance: 7 }), { balance: 5 }));
    events.push(event("customer.updated", at + 20, customer({ balance: 7, email: `${i}@x.org` }),
                      { email: null }));
    const gone = i % 4 === 3;
    if (gone) events.push(event("customer.deleted", at + 30, customer({ balance: 7 })));
    const subscription = (status, items) => ({ id: `sub_${id}`, object: "subscription",
      customer: id, status, created: at, metadata: {}, items: { object: "list", has_more: false,
        data: items.map((k) => ({ id: `si_${id}_${k}`, object: "subscription_item", quantity: k,
          subscription: `sub_${id}`, price: { id: `price_${k}`, object: "price", active: true,
            currency: "eur", unit_amount: 100 * k } })) } });
    events.push(event("customer.subscription.created", at + 1, subscription("incomplete", [1])));
    events.push(event("customer.subscription.updated", at + 2, subscription("active", [1, 2]),
                      { status: "incomplete" }));
    expected.push({ id, balance: 7, email: gone ? null : `${i}@x.org`, deleted: gone ? 1 : 0 });
  }
  return { events, expected };
}

async function acceptAll(g, events) {
  for (let i = 0; i < events.length; i += 20)
    await Promise.all(events.slice(i, i + 20).map((body) => g.accept(body)));
}

// The rows of every table, as SQL that inserts them, in one order.
async function rowsOf(g) {
  const { stdout } = await must("sqlite3", ["-readonly", "-cmd", ".timeout 5000",
    g.path("hookkeep.db"), ".dump 'stripe_%'"]);
  return stdout.split("\n").filter((line) => line.startsWith("INSERT")).sort();
}

const of = (rows, table) => rows.filter((line) => line.startsWith(`INSERT INTO ${table} `));

// Until all is booked and applied.
async function applied(g) {
  await g.waitBooked();
  await waitFor(async () => await g.count("deliveries", "state <> 'done'") === 0,
    async () => `deliveries done; there are ${JSON.stringify(
      await g.sql("SELECT state, count(*) FROM deliveries GROUP BY 1"))}`);
}

async function status(g) {
  const r = await g.cli(["tables", "status", "--json"]);
  assert.equal(r.code, 0, r.stderr);
  return JSON.parse(r.stdout);
}

// Does a process handle this signal?
function catches(pid, signal) {
  const [, mask] = /SigCgt:\s*([0-9a-f]+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"));
  return (BigInt(`0x${mask}`) >> BigInt(signal - 1)) % 2n === 1n;
}

const write = (g, sql) => must("sqlite3", ["-bail", "-cmd", ".timeout 5000",
  g.path("hookkeep.db"), sql]);

suite("tables", { concurrency: 2 }, () => {
  test("rows are what events say in whatever order they come", async (t) => {
    const { events, expected } = histories(8);
    let before;
    for (const seed of [0, 1, 2]) {
      const g = await Gateway.start(t, { destinations: [TABLES] });
      const order = seed === 0 ? events : shuffled([...events, ...shuffled(events, 9).slice(20)],
                                                   seed);
      await acceptAll(g, order);
      await applied(g);
      const rows = await g.sql("SELECT id, balance, CASE WHEN deleted THEN NULL ELSE email END AS "
        + "email, deleted FROM stripe_customers ORDER BY id");
      assert.deepEqual(rows, expected);
      assert.equal(await g.count("stripe_customers", "undecided"), 0);
      assert.deepEqual(await g.sql("SELECT status, count(*) AS n FROM stripe_subscriptions "
        + "GROUP BY 1"), [{ status: "active", n: 8 }]);
      assert.equal(await g.count("stripe_subscription_items"), 16);
      assert.deepEqual(
        await g.sql("SELECT id, unit_amount, embedded FROM stripe_prices ORDER BY id"),
        [{ id: "price_1", unit_amount: 100, embedded: 1 },
         { id: "price_2", unit_amount: 200, embedded: 1 }]);
      const all = await rowsOf(g);
      assert.deepEqual(all, before ?? all);
      before = all;
      assert.equal(await g.count("events", "status <> 'done'"), 0);
      const verified = await g.cli(["ledger", "verify"]);
      assert.equal(verified.code, 0, verified.stdout);
      await g.stop();
    }
  });

  test("an event from hookkeep trigger is a row", async (t) => {
    const g = await Gateway.start(t, { destinations: [TABLES] });
    // It answers before the configuration is booked.
    await waitFor(async () => (await status(g)).destination !== null, "the destination");
    const before = await g.cli(["tables", "status"]);
    assert.match(before.stdout, /no table has a row; .* `hookkeep tables rebuild`\n/);
    const r = await g.cli(["trigger", "customer.subscription.created", "--set",
                           "id=sub_mine"]);
    assert.equal(r.code, 0, r.stderr);
    await g.waitCount(1, "stripe_subscriptions", "id = 'sub_mine' AND data <> ''");
    const s = await status(g);
    assert.deepEqual(s.destination, { name: "tables", held: false });
    const row = s.data.find((one) => one.table === "subscriptions");
    assert.equal(row.rows, 1);
    assert.ok(row.last_created > T0);
    assert.ok(Math.abs(row.last_at - Date.now()) < 60000);
    const said = (await g.cli(["tables", "status"])).stdout;
    assert.match(said, /all that it was owed is applied/);
    assert.match(said, /\nsubscriptions  /);
    assert.match(said, /incomplete  last event  /);
    assert.doesNotMatch(said, /no table has a row/);
  });

  test("what is excepted, and what is thin, does not come, and explain says why", async (t) => {
    const g = await Gateway.start(t, { destinations: [
      { ...TABLES, tables: { except: ["price"] } }] });
    const { events } = histories(1);
    const price = event("price.created", T0, { id: "price_9", object: "price" });
    const small = thin();
    await acceptAll(g, [...events, price, small]);
    await applied(g);
    assert.equal(await g.count("stripe_prices"), 0);
    assert.equal(await g.count("deliveries"), events.length);
    for (const [body, why] of [[price, "tables: except names price"],
                               [small, "a thin event holds no object for tables"]]) {
      const said = await g.cli(["explain", JSON.parse(body).id]);
      assert.match(said.stdout, new RegExp(why));
    }
  });

  test("what is held waits, status tells how much, and a release applies it", async (t) => {
    const g = await Gateway.start(t, { destinations: [TABLES] });
    const { events } = histories(3);
    await g.ask("/api/destinations/tables/hold");
    await acceptAll(g, events);
    await g.waitBooked();
    const s = await status(g);
    assert.equal(s.lag.events, events.length);
    assert.ok(Math.abs(s.lag.since - Date.now()) < 60000);
    assert.deepEqual(s.data, []);
    const said = await g.cli(["tables", "status"]);
    assert.match(said.stdout, new RegExp(`${events.length} events not applied yet.*it is held`));
    assert.equal((await g.cli(["tables", "rebuild"])).code, 1); // would bring what is held back
    await g.ask("/api/destinations/tables/release");
    await applied(g);
    assert.equal(await g.count("stripe_customers"), 3);
    assert.equal((await status(g)).lag.events, 0);
  });

  test("what cannot be applied is dead with its reason, blocks nothing, and can be tried again",
       async (t) => {
    const g = await Gateway.start(t, { destinations: [TABLES] });
    await acceptAll(g, [event("product.created", T0, { id: "prod_1", object: "product" })]);
    await applied(g);
    await write(g, "DROP TABLE stripe_products");
    const { events } = histories(2);
    await acceptAll(g, [event("product.created", T0, { id: "prod_2", object: "product" }),
                        ...events]);
    await g.waitCount(events.length + 1, "deliveries", "state = 'done'");
    const [dead] = await g.deliveries("state = 'dead'");
    assert.match(dead.last_error, /table/);
    const s = await status(g);
    assert.equal(s.errors.length, 1);
    assert.equal(s.errors[0].table, "products");
    assert.equal(s.errors[0].why, dead.last_error);
    assert.match((await g.cli(["tables", "status"])).stdout, /what could not be applied/);
    const again = await g.cli(["tables", "rebuild", "stripe_products"]); // makes what is missing
    assert.equal(again.code, 0, again.stderr);
    await g.waitCount(2, "stripe_products");
    await g.ask(`/api/deliveries/${dead.seq}/retry`);
    await g.waitCount(0, "deliveries", "state <> 'done'");
    assert.deepEqual((await status(g)).errors, []);
    await write(g, "DELETE FROM stripe_products");
    const replay = await g.cli(["events", "replay", "--all", "--type", "product.*", "--to",
                                "tables"]);
    assert.equal(replay.code, 0, replay.stderr);
    await g.waitCount(2, "stripe_products");
  });

  test("a trigger that ends the transaction costs its own event, and no other", async (t) => {
    const g = await Gateway.start(t, { destinations: [TABLES] });
    await g.waitBooked();
    await write(g, "CREATE TRIGGER no BEFORE INSERT ON stripe_products WHEN new.id = 'prod_1' "
      + "BEGIN SELECT RAISE(ROLLBACK, 'no such product'); END");
    const { events } = histories(2);
    await acceptAll(g, [...events.slice(0, 5),
                        event("product.created", T0, { id: "prod_1", object: "product" }),
                        ...events.slice(5)]);
    await g.waitCount(events.length, "deliveries", "state = 'done'");
    await g.waitCount(1, "deliveries", "state = 'dead'");
    assert.equal(await g.count("stripe_customers"), 2);
    const verified = await g.cli(["ledger", "verify"]);
    assert.equal(verified.code, 0, verified.stdout);
  });

  test("a rebuild ends in the same rows, whatever was done to them", async (t) => {
    const g = await Gateway.start(t, { destinations: [TABLES] });
    const { events } = histories(20);
    await acceptAll(g, shuffled(events, 5));
    await applied(g);
    const before = await rowsOf(g);
    await write(g, "DELETE FROM stripe_customers WHERE id < 'cus_0010'; DELETE FROM "
      + "stripe_subscription_items; UPDATE stripe_subscriptions SET status = 'wrong'");
    const some = await g.cli(["tables", "rebuild", "customers"]);
    assert.equal(some.code, 0, some.stderr);
    const half = await rowsOf(g);
    assert.equal(of(half, "stripe_customers").length, 20);
    assert.deepEqual(of(half, "stripe_customers"), of(before, "stripe_customers"));
    assert.notDeepEqual(half, before);
    const all = await g.cli(["tables", "rebuild"]);
    assert.equal(all.code, 0, all.stderr);
    assert.equal(all.stdout, `rebuilt from ${events.length} events, ${events.length} of them `
      + "applied\n");
    assert.deepEqual(await rowsOf(g), before);
    assert.equal((await status(g)).rebuild, null);
    await g.waitLogged("tables_rebuilt", 2);
    assert.deepEqual(await g.sql("SELECT name FROM sqlite_schema WHERE name LIKE '% beside'"), []);
  });

  test("a rebuild goes on after kill -9, with events coming in meanwhile", async (t) => {
    const g = await Gateway.start(t, { destinations: [TABLES] });
    const { events } = histories(20);
    const order = shuffled(events, 6), late = order.splice(100);
    await acceptAll(g, order);
    await applied(g);
    await write(g, "DELETE FROM stripe_customers");
    const start = await g.ask("/api/tables/rebuild", { tables: ["customers", "subscriptions"] });
    assert.deepEqual(start, { ok: true, resumed: false, after: 0 });
    await g.ask("/api/tables/rebuild/step", { count: 30 });
    await g.kill();
    await g.start();
    const after = (await status(g)).rebuild.after;
    assert.ok(after > 0);
    await acceptAll(g, late.slice(0, 15));
    const other = await g.cli(["tables", "rebuild", "prices"]);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /a rebuild of other tables is under way/);
    const step = await g.ask("/api/tables/rebuild/step", { count: 10 });
    assert.equal(step.read, 10);
    await acceptAll(g, late.slice(15));
    const r = await g.cli(["tables", "rebuild"]);
    assert.equal(r.code, 0, r.stderr);
    assert.match(r.stderr, /goes on with the rebuild that was under way/);
    await applied(g);
    const fresh = await Gateway.start(t, { destinations: [TABLES] });
    await acceptAll(fresh, events);
    await applied(fresh);
    assert.deepEqual(await rowsOf(g), await rowsOf(fresh));
  });

  test("a rebuild is refused with what is wrong", async (t) => {
    const g = await Gateway.start(t, { destinations: [TABLES] });
    const near = await g.cli(["tables", "rebuild", "custmers"]);
    assert.equal(near.code, 1);
    assert.match(near.stderr, /there is no table custmers; did you mean customers\?/);
    const step = await g.desk("POST", "/api/tables/rebuild/step", { count: 5 });
    assert.equal(step.status, 409);
    assert.match(step.text, /no rebuild is under way/);
    for (const count of [0, 2001, "5", undefined])
      assert.equal((await g.desk("POST", "/api/tables/rebuild/step", { count })).status, 400);
    await g.reload({ destinations: [] });
    const none = await g.cli(["tables", "rebuild"]);
    assert.match(none.stderr, /no destination of kind tables is in the configuration/);
    assert.match((await g.cli(["tables", "status"])).stdout, /nothing is applied/);
  });

  test("Ctrl-C ends a rebuild, which goes on where it was", async (t) => {
    const g = await Gateway.start(t, { destinations: [TABLES] });
    const { events } = histories(10);
    await acceptAll(g, events);
    await applied(g);
    const before = await rowsOf(g);
    g.signal("SIGSTOP"); // so that its first question is under way for as long as we like
    const child = spawn(HOOKKEEP, ["tables", "rebuild"],
      { cwd: g.folder, env: cleanEnvironment() });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (piece) => (said += piece));
    const end = once(child, "close");
    await waitFor(() => catches(child.pid, 2), "its handler of SIGINT");
    child.kill("SIGINT");
    g.signal("SIGCONT");
    assert.equal((await end)[0], 1);
    assert.match(said, /stopped; the tables are as they were, and `hookkeep tables rebuild` goes/);
    const command = `${HOOKKEEP} tables rebuild`;
    const run = await must("script", ["-qec", command, "/dev/null"], { cwd: g.folder });
    assert.match(run.stdout, /goes on with the rebuild that was under way/);
    assert.match(run.stdout, /\r\x1b\[K\d+ events read, \d+ a second/);
    assert.match(run.stdout, new RegExp(`rebuilt from ${events.length} events`));
    assert.deepEqual(await rowsOf(g), before);
  });
});
