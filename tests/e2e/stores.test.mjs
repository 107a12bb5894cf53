// SPDX-License-Identifier: MIT
// Journal and ledger: who may open them, what is refused with which advice, full disks, backups.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import { lockBooks } from "./lib/books.mjs";
import { smallDisk } from "./lib/disk.mjs";
import { Gateway, tempFolder } from "./lib/gateway.mjs";
import { must } from "./lib/process.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, snapshot } from "./lib/stripe.mjs";
import { neverWithin, waitFor } from "./lib/wait.mjs";

const padded = (n) => snapshot({ object: { description: "x".repeat(n) } });

// A gateway that has booked a few events and stopped in order.
async function stopped(t, n = 3) {
  const g = await Gateway.start(t);
  for (let i = 0; i < n; i++) await g.accept(snapshot());
  await g.waitCount(n, "events");
  assert.equal((await g.stop()).code, 0);
  return g;
}

function edit(file, change) {
  const bytes = fs.readFileSync(file);
  change(bytes);
  fs.writeFileSync(file, bytes);
}

async function refusesToStart(g, why) {
  const r = await g.startRefused();
  assert.equal(r.code, 1, r.text);
  assert.match(r.why, why);
  return r;
}

suite("what is refused at start", { concurrency: 6 }, () => {
  test("a second gateway on one ledger, or on one journal", async (t) => {
    const g = await Gateway.start(t);
    const same = new Gateway(t, { ledger: `sqlite:${g.path("hookkeep.db")}` });
    await refusesToStart(same, /another gateway holds this ledger .*hookkeep\.db\.lock.*stop it/);
    const journal = new Gateway(t,
      { journal: { path: g.path("hookkeep.journal"), size: "16MiB" } });
    await refusesToStart(journal, /another gateway holds this journal; stop that one/);
    await g.accept(snapshot());
    await g.waitCount(1, "events");
    const verified = await g.cli(["ledger", "restore", "hookkeep.db"]);
    assert.equal(verified.code, 1, "no restore under a running gateway");
    await g.kill();
    await g.start();
    assert.equal(await g.count("events"), 1, "a dead gateway's lock is no lock");
  });

  test("an address that is taken", async (t) => {
    const g = await Gateway.start(t);
    const other = new Gateway(t, { desk: { listen: [`http://127.0.0.1:${g.port}`] } });
    const r = await other.startRefused();
    assert.equal(r.code, 1);
    assert.match(r.why, new RegExp(`${g.port}`));
  });

  test("a journal that is missing, and it goes on once it is back", async (t) => {
    const g = await stopped(t);
    const file = g.path("hookkeep.journal");
    fs.renameSync(file, `${file}.moved`);
    await refusesToStart(g, /there is none at hookkeep\.journal\. If it was moved, put it back/);
    assert.ok(!fs.existsSync(file), "no new one was begun in its place");
    fs.renameSync(`${file}.moved`, file);
    await g.start();
    await g.accept(snapshot());
    await g.waitCount(4, "events");
  });

  test("a journal of another ledger", async (t) => {
    const g = await stopped(t), other = await stopped(t);
    fs.copyFileSync(other.path("hookkeep.journal"), g.path("hookkeep.journal"));
    await refusesToStart(g, /belongs to another ledger; .*side by side/);
  });

  test("an older copy of the journal, and an older copy of the ledger", async (t) => {
    const g = await stopped(t);
    const journal = fs.readFileSync(g.path("hookkeep.journal"));
    await g.start();
    await g.accept(snapshot());
    await g.waitCount(4, "events");
    await g.stop();
    const newer = fs.readFileSync(g.path("hookkeep.journal"));
    fs.writeFileSync(g.path("hookkeep.journal"), journal);
    await refusesToStart(g, /older copy of the journal.*Restore journal and ledger together/);
    fs.writeFileSync(g.path("hookkeep.journal"), newer);
    await g.start();
  });

  test("a byte changed below the journal's end", async (t) => {
    const g = await Gateway.start(t);
    const bodies = Array.from({ length: 6 }, () => snapshot());
    for (const b of bodies) await g.accept(b);
    await g.waitCount(6, "events");
    await g.stop();
    const file = g.path("hookkeep.journal");
    const sound = fs.readFileSync(file);
    const at = sound.indexOf(idOf(bodies[2]));
    assert.ok(at > 4096);
    edit(file, (b) => (b[at + 6] ^= 1));
    const r = await refusesToStart(g, /damaged at offset \d+: position \d+ was durable and cannot/);
    assert.match(r.why, /keep this file.*ledger verify.*restore/);
    const verified = await g.cli(["ledger", "verify"]);
    assert.equal(verified.code, 1, verified.stdout);
    assert.match(verified.stdout + verified.stderr, /damaged|corrupt/i);
    fs.writeFileSync(file, sound);
    const again = await g.cli(["ledger", "verify"]);
    assert.equal(again.code, 0, again.stdout + again.stderr);
    await g.start();
  });

  test("a torn end is set aside, and what was acknowledged is there", async (t) => {
    const g = await Gateway.start(t);
    const lock = await lockBooks(t, g.path("hookkeep.db"));
    const kept = snapshot(), torn = snapshot();
    await g.accept(kept);
    await g.accept(torn);
    await g.kill();
    await lock.release();
    // As if power had failed while the last one was written: it was never acknowledged then.
    edit(g.path("hookkeep.journal"), (b) =>
      b.fill(0, b.indexOf(idOf(torn)), b.indexOf(idOf(torn)) + 600));
    await g.start();
    await g.waitCount(1, "events");
    assert.equal((await g.sql("SELECT payload FROM events"))[0].payload, kept);
    await g.accept(torn);
    await g.waitCount(2, "events");
  });

  test("newer formats, damaged heads, and files that are none of ours", async (t) => {
    const g = await stopped(t);
    const journal = g.path("hookkeep.journal"), ledger = g.path("hookkeep.db");
    const sound = fs.readFileSync(journal), books = fs.readFileSync(ledger);
    const newer = (b) => {
      b.writeUInt32LE(3, 16);
      createHash("sha256").update(b.subarray(0, 4064)).digest().copy(b, 4064);
    };
    const journals = [
      [newer, /format 3.*knows formats 1 to 2; use a newer Hookkeep/],
      [(b) => (b[24] ^= 1), /offset 0/],
      [(b) => b.fill(120, 0, 4096), /journal/],
    ];
    for (const [change, why] of journals) {
      edit(journal, change);
      await refusesToStart(g, why);
      fs.writeFileSync(journal, sound);
    }
    fs.truncateSync(journal, 10000000);
    await refusesToStart(g, /cut short/);
    fs.truncateSync(journal, 100);
    await refusesToStart(g, /not a journal: it has 100 bytes/);
    fs.writeFileSync(journal, sound);

    const ledgers = [
      ["PRAGMA user_version = 99", /has version 99, this program knows 1 to \d+; use a newer/],
      ["PRAGMA application_id = 1", /no ledger of Hookkeep.*name another path/],
      ["UPDATE migrations SET sha256 = 'feed' WHERE version = 1",
        /checksum feed.*restore a backup/],
    ];
    for (const [sql, why] of ledgers) {
      await must("sqlite3", [ledger, sql]);
      await refusesToStart(g, why);
      fs.writeFileSync(ledger, books);
    }
    fs.writeFileSync(ledger, "this is no database at all\n".repeat(1000));
    await refusesToStart(g, /damaged or no SQLite database.*restore a backup/);
    fs.writeFileSync(ledger, books);
    await g.start();
    assert.equal(await g.count("events"), 3);
  });

  test("a disk without room for a new journal", async (t) => {
    const folder = tempFolder(t);
    const disk = await smallDisk(t, folder, "8m");
    const g = new Gateway(t, {}, { folder, ...disk });
    const r = await refusesToStart(g, /cannot write a new journal of 16777216 bytes/);
    assert.match(r.text, /room|full/);
    assert.ok(!fs.existsSync(g.path("hookkeep.journal.new")), "no half of one is left");
  });
});

suite("full disks", { concurrency: 2 }, () => {
  test("the ledger's: events are answered while the journal has room, then 503, then on",
    async (t) => {
      const folder = tempFolder(t), journals = tempFolder(t);
      const disk = await smallDisk(t, folder, "64m");
      const site = await startSite(t);
      const g = await Gateway.start(t, { destinations: [site.as("shop")],
        journal: { path: path.join(journals, "hookkeep.journal"), size: "16MiB" } },
      { folder, ...disk });
      await g.accept(snapshot());
      await g.waitCount(1, "deliveries", "state = 'done'");
      disk.fill();
      const acked = [];
      let answer;
      for (let i = 0; i < 60 && answer?.status !== 503; i++) {
        const body = padded(500000);
        answer = await g.post(body);
        if (answer.status === 200) acked.push(idOf(body));
      }
      assert.equal(answer.status, 503, "with no room left nothing is promised");
      assert.ok(Number(answer.headers["retry-after"]) > 0);
      assert.match(answer.body.error, /no room/);
      assert.ok(acked.length >= 5, `${acked.length} were taken while the ledger was full`);
      await g.waitLogged("booking_waits");
      await g.waitLogged("journal_no_room");
      const m = await g.metrics();
      assert.ok(m['hookkeep_answers_total{reason="no_journal_room"}'] >= 1);
      assert.ok(m.hookkeep_booking_waits_total >= 1);
      const found = async () => (await g.get("/api/doctor")).findings.map((f) => f.check);
      assert.ok((await found()).includes("booking_waits"), "the doctor says what is wrong");
      disk.free();
      await g.waitCount(acked.length + 1, "events");
      await waitFor(async () => (await g.post(snapshot())).status === 200, "room again");
      await g.waitLogged("booking_goes_on");
      assert.ok(!(await found()).includes("booking_waits"));
      const ids = new Set((await g.sql("SELECT id FROM events")).map((r) => r.id));
      for (const id of acked) assert.ok(ids.has(id), "what was acknowledged is booked");
      await g.waitCount(acked.length + 2, "deliveries", "state = 'done'");
      assert.equal(await g.count("suspense"), 0, "a full disk is not the records' fault");
      assert.equal((await g.ask("/api/ledger/verify")).ok, true);
      assert.equal((await g.stop()).code, 0);
    });

  test("the ledger's, with tables: a rebuild waits for room, and all rows come right",
    async (t) => {
      const folder = tempFolder(t), journals = tempFolder(t);
      const disk = await smallDisk(t, folder, "64m");
      const g = await Gateway.start(t, { destinations: [{ name: "tables", kind: "tables" }],
        journal: { path: path.join(journals, "hookkeep.journal"), size: "16MiB" } },
      { folder, ...disk });
      const customer = (i) => snapshot({ type: "customer.updated", created: 1_790_000_000 + i,
        data: { object: { id: `cus_${i}`, object: "customer", description: "x".repeat(9000) },
          previous_attributes: { description: null } } });
      for (let i = 0; i < 200; i++) await g.accept(customer(i));
      await g.waitCount(200, "stripe_customers");
      disk.fill();
      for (let i = 200; i < 600; i++) await g.accept(customer(i));
      await g.waitLogged("booking_waits");
      const rebuilt = g.cli(["tables", "rebuild", "customers"], { cwd: disk.seen });
      await neverWithin(300, async () => (await g.count("events")) === 600, "booked without room");
      disk.free();
      assert.equal((await rebuilt).code, 0, (await rebuilt).stderr);
      await g.waitCount(600, "stripe_customers", "NOT undecided");
      assert.equal(await g.count("deliveries", "state = 'done'"), 600);
      assert.equal(await g.count("suspense"), 0, "a full disk is not the records' fault");
      assert.equal((await g.ask("/api/ledger/verify")).ok, true);
      assert.equal((await g.stop()).code, 0);
    });

  test("the journal's: 503 and nothing kept, then on without a restart", async (t) => {
    const folder = tempFolder(t), books = tempFolder(t);
    const disk = await smallDisk(t, folder, "24m");
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] },
      { folder, books, ...disk });
    await g.accept(snapshot());
    await g.waitCount(1, "deliveries", "state = 'done'");
    await g.stop();
    // A journal whose room was never written, so that the disk can be too full to write it.
    const file = g.path("hookkeep.journal");
    await must("cp", ["--sparse=always", file, `${file}.sparse`]);
    fs.renameSync(`${file}.sparse`, file);
    disk.fill();
    await g.start();
    const refused = [];
    for (let i = 0; i < 3; i++) {
      const body = padded(60000);
      const answer = await g.post(body);
      assert.equal(answer.status, 503, answer.text);
      assert.ok(Number(answer.headers["retry-after"]) > 0);
      refused.push(body);
    }
    assert.equal((await g.metrics())['hookkeep_answers_total{reason="not_durable"}'], 3);
    await neverWithin(200, async () => (await g.count("events")) > 1, "a refused event was booked");
    disk.free();
    for (const body of refused) await g.accept(body);
    await g.waitCount(4, "deliveries", "state = 'done'");
    assert.equal(site.got.length, 4);
    assert.equal((await g.ask("/api/ledger/verify")).ok, true);
    await g.kill();
    await g.start();
    assert.equal(await g.count("events"), 4);
    await g.stop();
  });
});

suite("the books", { concurrency: 4 }, () => {
  test("a backup under load holds all that was acknowledged, and a restore begins anew",
    async (t) => {
      const site = await startSite(t);
      const g = await Gateway.start(t, { destinations: [site.as("shop", { retry: ["1h"] })] });
      const acked = [];
      let on = true;
      const load = Promise.all(Array.from({ length: 4 }, async () => {
        while (on) {
          const b = snapshot();
          await g.accept(b);
          acked.push(b);
        }
      }));
      await waitFor(() => acked.length > 100, "some load");
      const before = acked.slice();
      const made = await g.cli(["ledger", "backup", "backup.db"]);
      assert.equal(made.code, 0, made.stderr);
      on = false;
      await load;
      const inside = new Set((await g.sql("SELECT payload FROM events", "backup.db"))
        .map((r) => r.payload));
      for (const b of before) assert.ok(inside.has(b));
      const twice = await g.cli(["ledger", "backup", "backup.db"]);
      assert.equal(twice.code, 1);
      assert.match(twice.stderr, /exists already/);

      await g.waitCount(acked.length, "deliveries", "state = 'done'");
      // Owed at the time of the second backup: one that its site refuses.
      site.answer = () => ({ status: 500 });
      const owed = snapshot(), lost = snapshot();
      await g.accept(owed);
      await g.waitCount(1, "deliveries", "state = 'waiting'");
      assert.equal((await g.cli(["ledger", "backup", "second.db"])).code, 0);
      await g.accept(lost);
      await g.waitCount(2, "deliveries", "state = 'waiting'");
      const refused = await g.cli(["ledger", "restore", "second.db"]);
      assert.equal(refused.code, 1);
      assert.match(refused.stdout + refused.stderr, /a gateway is running on this ledger.*stop it/);
      await g.stop();
      const restored = await g.cli(["ledger", "restore", "second.db"]);
      assert.equal(restored.code, 0, restored.stdout + restored.stderr);
      assert.match(restored.stdout, /set aside as/);
      const aside = fs.readdirSync(g.folder).filter((f) => f.includes(".before-restore-"));
      assert.ok(aside.some((f) => f.startsWith("hookkeep.db")), `${aside}`);
      assert.ok(aside.some((f) => f.startsWith("hookkeep.journal")), `${aside}`);

      site.answer = () => ({});
      site.got.length = 0;
      await g.start();
      assert.equal(await g.count("events"), acked.length + 1);
      const fresh = snapshot();
      await g.accept(fresh);
      await g.accept(lost); // Stripe sends it again
      await g.accept(before[0]); // and one that is known
      await g.waitCount(acked.length + 3, "events");
      await g.waitCount(3, "deliveries", "state = 'held'");
      assert.equal(site.got.length, 0, "nothing is delivered before a person says so");
      const shop = await g.get("/api/destinations/shop");
      assert.equal(shop.hold_reason, "restored from a backup");
      assert.equal((await g.cli(["destinations", "release", "shop"])).code, 0);
      const [tried] = await g.deliveries("attempts = 1 AND state <> 'done'");
      await g.ask(`/api/deliveries/${tried.seq}/retry`);
      await site.waitGot(3);
      assert.deepEqual(site.ids().sort(), [owed, lost, fresh].map(idOf).sort());
      await g.waitCount(acked.length + 3, "deliveries", "state = 'done'");
      assert.equal((await g.ask("/api/ledger/verify")).ok, true);
    });

  test("verify finds a byte that was flipped in a body, running or not", async (t) => {
    const g = await Gateway.start(t);
    const body = snapshot();
    await g.accept(snapshot());
    await g.accept(body);
    await g.waitCount(2, "events");
    const sound = await g.cli(["ledger", "verify"]);
    assert.equal(sound.code, 0, sound.stdout + sound.stderr);
    await g.stop();
    assert.equal((await g.cli(["ledger", "verify"])).code, 0);
    const file = g.path("hookkeep.db");
    edit(file, (b) => {
      const at = b.indexOf(`"id": "${idOf(body)}"`);
      assert.ok(at > 0);
      b[b.indexOf("customer.created", at)] ^= 1;
    });
    const still = await g.cli(["ledger", "verify"]);
    assert.equal(still.code, 1);
    assert.match(still.stdout, /receipt|body|hash|sha256/i);
    await g.start();
    const { ok, ledger, journal } = await g.ask("/api/ledger/verify");
    assert.equal(ok, false);
    assert.equal(ledger.ok, false);
    assert.equal(journal.ok, true);
    const asked = await g.cli(["ledger", "verify"]);
    assert.equal(asked.code, 1);
    assert.match(asked.stdout, /ledger: NOT OK/);
  });

  test("the documented tables can be read by the sqlite3 shell under load", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    let on = true, n = 0;
    const load = (async () => {
      for (; on; n++) await g.accept(snapshot({ account: "acct_1" }));
    })();
    await waitFor(() => n > 20, "some load");
    const columns = {
      events: "seq, id, type, owner, account, livemode, api_version, created, received_at, "
        + "object_id, status, error, payload",
      receipts: "event_seq, source, received_at, secret_label, api_version, sha256",
      deliveries: "seq, event_id, destination, state, attempts, next_at, last_error",
      attempts: "delivery, number, started_at, micros, outcome, status, error, answer",
      suspense: "position, kind, state, reason",
    };
    for (const [table, names] of Object.entries(columns)) {
      const rows = await g.sql(`SELECT ${names} FROM ${table} LIMIT 5`);
      assert.equal(rows.length, table === "suspense" ? 0 : 5, table);
    }
    const [row] = await g.sql("SELECT e.*, r.sha256 FROM events e JOIN receipts r ON r.seq = e.seq "
      + "LIMIT 1");
    assert.equal(createHash("sha256").update(row.payload).digest("hex"), row.sha256);
    assert.ok(Math.abs(row.received_at - Date.now()) < 60000, "milliseconds, UTC");
    on = false;
    await load;
    await g.waitCount(n, "deliveries", "state = 'done'");
  });

  test("a record at which the gateway died twice goes to suspense and stops nothing", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    const lock = await lockBooks(t, g.path("hookkeep.db"));
    const poison = snapshot(), behind = snapshot();
    await g.accept(poison);
    await g.accept(behind);
    await g.kill();
    await lock.release();
    // What two starts that ended at this record have noted.
    await must("sqlite3", [g.path("hookkeep.db"),
      "UPDATE state SET start_booked = booked, start_count = 2"]);
    await g.start();
    await site.waitGot(1);
    assert.deepEqual(site.ids(), [idOf(behind)]);
    await g.waitLogged("suspended");
    const [row] = await g.sql("SELECT *, CAST(payload AS TEXT) AS bytes FROM suspense");
    assert.equal(row.state, "waiting");
    assert.equal(row.kind, "event");
    assert.equal((await g.metrics())['hookkeep_booked_total{result="suspense"}'], 1);
    const shown = await g.get(`/api/suspense/${row.position}`);
    assert.ok(Buffer.from(shown.payload, "hex").includes(poison), "with its bytes");
    assert.match((await g.cli(["suspense", "list"])).stdout, /waiting/);
    const booked = await g.cli(["suspense", "book", String(row.position)]);
    assert.equal(booked.code, 0, booked.stderr);
    await site.waitGot(2);
    assert.equal(site.got[1].event.id, idOf(poison));
    assert.ok(site.got[1].body.equals(Buffer.from(poison)));
    assert.equal(await g.count("suspense", "state = 'booked'"), 1);
  });
});
