// SPDX-License-Identifier: MIT
// `hookkeep events replay` while things go wrong around it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { cleanEnvironment, HOOKKEEP, must } from "./lib/process.mjs";
import { startSite } from "./lib/site.mjs";
import { snapshot } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const REPLAYED = "replay AND state = 'done'";

// A gateway whose site has got `n` events.
async function withEvents(t, n, config = {}) {
  const site = await startSite(t);
  const g = await Gateway.start(t, { destinations: [site.as("shop")], ...config });
  for (let i = 0; i < n; i += 20)
    await Promise.all(Array.from({ length: Math.min(20, n - i) }, () => g.accept(snapshot())));
  await g.waitCount(n, "deliveries", "state = 'done'");
  return { g, site };
}

// The command under way, with what it has said so far.
function begin(g, args) {
  const child = spawn(HOOKKEEP, ["events", "replay", ...args],
    { cwd: g.folder, env: cleanEnvironment() });
  const run = { child, stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"])
    child[name].setEncoding("utf8").on("data", (piece) => (run[name] += piece));
  run.said = (pattern) => waitFor(() => pattern.test(run.stderr),
    () => `${pattern} in: ${run.stderr}`);
  run.end = once(child, "close").then(([code]) => code);
  return run;
}

// Each event has one more delivery, done, and none more.
async function assertOnceMore(g, n) {
  await g.waitCount(n, "deliveries", REPLAYED);
  const rows = await g.sql("SELECT event_seq, count(*) AS n FROM deliveries WHERE replay "
    + "GROUP BY event_seq HAVING n <> 1");
  assert.deepEqual(rows, []);
  assert.equal(await g.count("deliveries"), 2 * n);
}

suite("replaying", { concurrency: 2 }, () => {
  for (const signal of ["SIGKILL", "SIGTERM"])
    test(`a replay outlives its gateway's ${signal}`, async (t) => {
      const { g } = await withEvents(t, 120);
      const run = begin(g, ["--all", "--rate", "40"]);
      for (const seen of [20, 60]) {
        await waitFor(async () => await g.count("deliveries", "replay") >= seen,
          `${seen} replayed`);
        g.signal(signal);
        await g.exit;
        await run.said(new RegExp(`(went away[^]*){${seen === 20 ? 1 : 2}}`));
        await g.start();
      }
      assert.equal(await run.end, 0, run.stderr);
      assert.match(run.stderr, /is back/);
      assert.equal(run.stdout, "120 events replayed, 120 deliveries made, 0 refused\n");
      await assertOnceMore(g, 120);
    });

  test("Ctrl-C ends a replay and says how it goes on", async (t) => {
    const { g } = await withEvents(t, 60);
    const run = begin(g, ["--all", "--rate", "30"]);
    await waitFor(async () => await g.count("deliveries", "replay") >= 10, "some replayed");
    run.child.kill("SIGINT");
    assert.equal(await run.end, 1);
    const [, after, until] = /with --after (\d+) --until (\d+) goes on behind/.exec(run.stderr);
    await g.accept(snapshot()); // no part of what was asked for
    const rest = begin(g, ["--all", "--after", after, "--until", until]);
    assert.equal(await rest.end, 0, rest.stderr);
    await g.waitCount(121, "deliveries", "state = 'done'");
    assert.equal(await g.count("deliveries", "replay"), 60);
    assert.equal(await g.count("(SELECT DISTINCT event_seq FROM deliveries WHERE replay)"), 60);
  });

  test("a gateway that stays away ends the replay after --wait", async (t) => {
    const { g } = await withEvents(t, 40);
    const run = begin(g, ["--all", "--rate", "20", "--wait", "1s"]);
    await waitFor(async () => await g.count("deliveries", "replay") >= 5, "some replayed");
    await g.kill();
    assert.equal(await run.end, 1);
    assert.match(run.stderr, /went away .*at most 1 s/);
    assert.match(run.stderr, /the answer to the last batch was lost/);
    const none = begin(g, ["--all"]); // never seen: not waited for
    assert.equal(await none.end, 1);
    assert.match(none.stderr, /no gateway answers/);
  });

  test("a rate is kept, evenly", async (t) => {
    const { g } = await withEvents(t, 60);
    const began = Date.now();
    const run = begin(g, ["--all", "--rate", "20"]);
    assert.equal(await run.end, 0, run.stderr);
    const took = (Date.now() - began) / 1000;
    assert.ok(took > 2.8 && took < 6, `60 events at 20 a second took ${took} s`);
    const [{ most }] = await g.sql("SELECT max(n) AS most FROM (SELECT count(*) AS n FROM "
      + "deliveries WHERE replay GROUP BY created_at / 500)");
    assert.ok(most <= 13, `${most} in half a second`);
  });

  test("what is replayed to a held destination waits", async (t) => {
    const { g, site } = await withEvents(t, 5);
    await g.ask("/api/destinations/shop/hold");
    assert.equal(await begin(g, ["--all"]).end, 0);
    await g.waitCount(5, "deliveries", "replay AND state = 'held'");
    assert.equal(site.got.length, 5);
    await g.ask("/api/destinations/shop/release");
    await assertOnceMore(g, 5);
  });

  test("a dry run tells what would go where, sends nothing and changes nothing", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [
      site.as("shop", { match: [{ types: ["customer.*", "invoice.paid"] }] }),
      site.as("books", { match: [{ types: "invoice.paid" }] })] });
    for (const type of ["customer.created", "invoice.paid", "invoice.paid", "charge.refunded"])
      await g.accept(snapshot({ type }));
    await g.waitCount(5, "deliveries", "state = 'done'");
    const books = () => Promise.all(["events", "receipts", "deliveries", "attempts", "suspense"]
      .map((table) => g.sql(`SELECT * FROM ${table}`)));
    const [before, sent] = [await books(), site.got.length];
    const position = async () =>
      (await g.metrics())['hookkeep_booked_total{result="booked"}'];
    const booked = await position();
    assert.ok(booked > 0);
    const all = begin(g, ["--all", "--dry-run"]);
    assert.equal(await all.end, 0, all.stderr);
    assert.match(all.stderr, /4 events: 3 to shop, 2 to books, 1 to nobody; nothing was sent/);
    const one = begin(g, ["--type", "charge.refunded", "--to", "books", "--dry-run"]);
    assert.equal(await one.end, 0, one.stderr);
    assert.match(one.stderr, /1 event: 1 to books; nothing was sent/);
    assert.deepEqual(await books(), before);
    assert.equal(await position(), booked); // no record either
    assert.equal(site.got.length, sent);
  });

  test("progress is shown on a terminal, and only there", async (t) => {
    const { g } = await withEvents(t, 10);
    const quiet = begin(g, ["--all", "--rate", "20"]);
    assert.equal(await quiet.end, 0);
    assert.equal(quiet.stderr, "");
    const command = `${HOOKKEEP} events replay --all --rate 10`;
    const run = await must("script", ["-qec", command, "/dev/null"], { cwd: g.folder });
    assert.match(run.stdout, /\r\x1b\[K\d+ replayed, \d+\.\d a second/);
    assert.match(run.stdout, /\r\x1b\[K10 events replayed, 10 deliveries made, 0 refused/);
    const seqs = (await g.sql("SELECT seq FROM events")).map((row) => row.seq).join(" ");
    const named = await must("script", ["-qec", `${HOOKKEEP} events replay ${seqs} --rate 10`,
                                        "/dev/null"], { cwd: g.folder });
    assert.match(named.stdout, /[1-9] replayed, \d+\.\d a second, \d to go, about 1s/);
  });
});
