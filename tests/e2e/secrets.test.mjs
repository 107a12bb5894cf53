// SPDX-License-Identifier: MIT
// Secrets that rotate: of sources and of destinations, by reload, by time and by command, under
// load, with the official SDK signing and verifying.
import assert from "node:assert/strict";
import fs from "node:fs";
import http from "node:http";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Gateway } from "./lib/gateway.mjs";
import { startSite } from "./lib/site.mjs";
import { now, secret, sign, signAll, snapshot } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const [OLD, NEW, OTHER] = ["old", "new", "other"].map(secret);
const at = (seconds) => new Date((now() + seconds) * 1000).toISOString().replace(/\.\d+/, "");
const source = (...secrets) => ({ sources: [{ path: "/webhook", secrets }] });
const ring = (label, key, more) => ({ label, key, ...more });
const candidates = (got) => got.headers["stripe-signature"].match(/v1=/g).length;

const roll = async (g, name, ...more) =>
  (await did(g, ["destinations", "roll", name, ...more])).stdout.trim();

async function did(g, args) {
  const r = await g.cli(args);
  assert.equal(r.code, 0, `${args.join(" ")}: ${r.stderr}`);
  return r;
}

const PAUSE_MS = 10; // of a worker between two posts

// Posts events, `workers` at a time, until it is stopped; at most `most`.
function load(g, { workers = 6, most = 6000, secrets }) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: workers });
  const run = { secrets, answers: [], most };
  const work = async () => {
    while (!run.stopped && run.answers.length < run.most) {
      const body = snapshot();
      const answer = await g.post(body, { agent, signature: signAll(body, run.secrets) });
      run.answers.push(answer.status);
      await sleep(PAUSE_MS); // on a fast machine, too, `most` has to outlast the test
    }
  };
  const all = Promise.all(Array.from({ length: workers }, work));
  run.more = async (n) => {
    const wanted = run.answers.length + n;
    await waitFor(() => run.answers.length >= wanted, `${n} more answers`);
  };
  run.stop = async () => {
    run.stopped = true;
    await all;
    agent.destroy();
    assert.deepEqual([...new Set(run.answers)], [200]);
    return run.answers.length;
  };
  return run;
}

suite("a source's secrets", { concurrency: 4 }, () => {
  test("are rolled under load without one refusal", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { ...source(ring("old", OLD)), destinations: [site.as("s")] });
    const posted = load(g, { secrets: [OLD] });
    await posted.more(200);
    await g.reload(source(ring("old", OLD), ring("new", NEW)));
    await posted.more(100);
    posted.secrets = [NEW, OLD]; // rolled at Stripe, with an overlap
    await posted.more(200);
    await g.reload(source(ring("new", NEW), ring("old", OLD, { not_after: at(3600) })));
    await posted.more(100);
    posted.secrets = [NEW]; // the overlap has ended
    await posted.more(100); // also those that were under way
    await g.reload(source(ring("new", NEW)));
    await posted.more(200);
    const n = await posted.stop();
    await g.waitCount(n, "deliveries", "state = 'done'");
    assert.equal(await g.count("events"), n);
    assert.deepEqual(site.got.filter((got) => got.error), []);
    const used = await g.sql("SELECT DISTINCT secret_label AS l FROM receipts ORDER BY 1");
    assert.deepEqual(used.map((r) => r.l), ["new", "old"]);
  });

  test("are in force for a time, without a reload", async (t) => {
    const g = await Gateway.start(t, source(ring("old", OLD, { not_after: at(3) }),
      ring("other", OTHER, { not_before: at(3600) }), ring("new", NEW, { not_before: at(3) })));
    await g.accept(snapshot(), { secret: OLD });
    for (const early of [NEW, OTHER])
      assert.equal((await g.post(snapshot(), { secret: early })).status, 400);
    await waitFor(async () => (await g.post(snapshot(), { secret: NEW })).status === 200,
                  "its time");
    const late = await g.post(snapshot(), { secret: OLD });
    const stranger = await g.post(snapshot(), { secret: secret("stranger") });
    assert.deepEqual([late.status, late.text], [400, stranger.text]);
    const m = await g.metrics();
    assert.ok(m['hookkeep_answers_total{reason="retired_secret"}'] >= 3);
    assert.equal(m['hookkeep_answers_total{reason="no_match"}'], 1);
    assert.equal(m['hookkeep_retired_secret_total{source="/webhook",secret="old"}'], 1);
    assert.equal(m['hookkeep_retired_secret_total{source="/webhook",secret="other"}'], 1);
    assert.equal(m['hookkeep_secret_matches_total{source="/webhook",secret="old"}'], 1);
    await g.waitLogged("retired_secret", 3);
    const told = g.log.filter((l) => l.event === "retired_secret");
    assert.deepEqual(told.map((l) => [l.secret, l.in_force]),
                     [["new", "not yet"], ["other", "not yet"], ["old", "no more"]]);
    assert.equal(g.logged("secret_expires").secret, "old");
  });

  test("sign the livemode that they say; what does not fit is kept, ignored and answered 200",
    async (t) => {
      const site = await startSite(t);
      const g = await Gateway.start(t, { ...source(ring("live", OLD, { livemode: "live" }),
        ring("test", NEW, { livemode: "test" })), destinations: [site.as("s")] });
      for (const [key, livemode] of [[OLD, true], [OLD, false], [NEW, true], [NEW, false]])
        await g.accept(snapshot({ livemode }), { secret: key });
      await g.waitCount(2, "deliveries", "state = 'done'");
      assert.equal(await g.count("events", "status = 'ignored'"), 2);
      assert.equal((await g.metrics()).hookkeep_livemode_misfits_total, 2);
      assert.deepEqual(site.got.map((got) => got.event.livemode).sort(), [false, true]);
      const refused = await g.reload(
        { sources: [{ path: "/webhook", livemode: "live",
                      secrets: [ring("t", NEW, { livemode: "test" })] }] });
      assert.equal(refused.event, "reload_refused");
      assert.match(refused.problem, /found test, and its source takes live events alone/);
    });

  test("that are all retired are warned of, and the gateway starts", async (t) => {
    const g = new Gateway(t, source(ring("old", OLD, { not_after: at(-5) })));
    const checked = await did(g, ["check"]);
    assert.match(checked.stdout + checked.stderr, /none of these secrets is in force now/);
    await g.start();
    assert.ok(g.log.some((l) => l.event === "config_warning" && /is retired/.test(l.problem)));
    assert.equal((await g.post(snapshot(), { secret: OLD })).status, 400);
    const refused = await g.cli(["trigger", "customer.created"]);
    assert.match(refused.stderr, /no secret in force/);
    await g.reload(source(ring("old", OLD, { not_after: at(-5) }), ring("new", NEW)));
    await g.accept(snapshot(), { secret: NEW });
  });
});

test("secrets are listed with their state and use, and never their text", async (t) => {
  const site = await startSite(t);
  const g = await Gateway.start(t, { ...source(ring("gone", OLD, { not_after: at(-5) }),
    ring("soon", NEW, { not_after: at(3600), scope: "account" }),
    ring("later", OTHER, { not_before: at(3600), livemode: "live" }),
    ring("main", secret("main"))), destinations: [site.as("shop"), site.as("books")] });
  for (let i = 0; i < 3; i++) await g.accept(snapshot({ livemode: i > 0 }), { secret: NEW });
  await g.post(snapshot(), { secret: OLD });
  await g.waitBooked();
  const rolled = JSON.parse((await did(g, ["destinations", "roll", "shop", "--json"])).stdout);
  const adopted = () => g.get("/api/secrets");
  await waitFor(async () => (await adopted()).data.some((r) => r.label === "rolled"), "the plan");
  const listed = await did(g, ["secrets", "--json"]);
  const rows = listed.stdout.trim().split("\n").map((l) => JSON.parse(l));
  const brief = (r) => [r.of, r.label, r.state, r.receipts ?? null, r.refused ?? null, r.warning];
  assert.deepEqual(rows.map(brief), [
    ["/webhook", "gone", "retired", 0, 1, "it was used while it was not in force"],
    ["/webhook", "soon", "ends soon", 3, 0, "it ends within a week and still signs"],
    ["/webhook", "later", "not yet", 0, 0, null], ["/webhook", "main", "in force", 0, 0, null],
    ["shop", "rolled", "in force", null, null, undefined],
    ["shop", "older", "ends soon", null, null, undefined],
    ["books", "configured", "in force", null, null, undefined]]);
  assert.equal(rows[4].fingerprint, rolled.fingerprint);
  assert.equal(rows[5].fingerprint, rows[6].fingerprint); // the site's own
  assert.ok(Math.abs(rows[1].last_at - Date.now()) < 60000 && rows[0].refused_at > 0);
  const table = (await did(g, ["secrets"])).stdout;
  assert.match(table, /^\/webhook +soon +account +both +[0-9a-f]{12} +ends soon .* 3 +0$/m);
  for (const text of [listed.stdout, table]) assert.doesNotMatch(text, /whsec_/);
});

suite("a destination's secret", { concurrency: 4 }, () => {
  test("is rolled under load, and no verification fails", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { ...source(ring("new", NEW)), destinations: [site.as("s")] });
    const posted = load(g, { secrets: [NEW], workers: 4 });
    await site.waitGot(100);
    const first = site.secret;
    const rolled = await did(g, ["destinations", "roll", "s"]);
    const second = rolled.stdout.trim();
    assert.match(second, /^whsec_[A-Za-z0-9]{32}$/);
    assert.doesNotMatch(rolled.stderr, new RegExp(second));
    await waitFor(() => candidates(site.got.at(-1)) === 2, "two signatures");
    await site.waitGot(site.got.length + 100);
    site.secret = second; // the operator has put it into the site
    await site.waitGot(site.got.length + 100);
    const again = JSON.parse((await did(g, ["destinations", "roll", "s", "--overlap", "4s",
                                            "--json"])).stdout);
    assert.equal(again.destination, "s");
    await waitFor(() => candidates(site.got.at(-1)) === 3, "three signatures");
    site.secret = again.secret;
    await waitFor(() => candidates(site.got.at(-1)) === 1, "the overlap's end, without a restart");
    await site.waitGot(site.got.length + 100);
    const n = await posted.stop();
    await g.waitCount(n, "deliveries", "state = 'done'");
    assert.equal(await g.count("attempts", "outcome <> 'done'"), 0);
    assert.deepEqual(site.got.filter((got) => got.error).map((got) => got.error.message), []);
    assert.equal(new Set([first, second, again.secret]).size, 3);
    await g.waitLogged("secret_rolled", 2);
  });

  test("survives restarts, reloads and a restored ledger; the configuration stays its owner",
    async (t) => {
      const site = await startSite(t);
      const g = await Gateway.start(t, { destinations: [site.as("shop")] });
      const configured = site.secret;
      const file = g.path("hookkeep.db.secrets");
      const signers = async (...keys) => {
        const body = snapshot();
        await g.accept(body);
        const got = await waitFor(() => site.got.find((one) => one.body.toString() === body),
                                  "its delivery");
        assert.equal(candidates(got), keys.length);
        for (const key of keys)
          assert.equal(sign(got.body, { secret: key, timestamp:
            Number(/t=(\d+)/.exec(got.headers["stripe-signature"])[1]) }).split(",")[1],
            got.headers["stripe-signature"].split(",")[1 + keys.indexOf(key)]);
      };
      await did(g, ["ledger", "backup", g.path("before.db")]);
      const fresh = await roll(g, "shop", "--overlap", "1h");
      assert.equal(fs.statSync(file).mode & 0o777, 0o600);
      await signers(fresh, configured);
      await g.reload();
      await signers(fresh, configured);
      await g.kill();
      await g.start();
      await signers(fresh, configured);
      assert.ok(g.log.some((l) => /shop: its secret was rolled/.test(l.problem)));
      await g.stop();
      await did(g, ["ledger", "restore", g.path("before.db")]);
      await g.start();
      await did(g, ["destinations", "release", "shop"]);
      await signers(fresh, configured);
      // The new one is written into the configuration: nothing changes.
      await g.reload({ destinations: [site.as("shop", { secret: fresh })] });
      await signers(fresh, configured);
      // A secret of the operator's own ends it, and a slip is no loss.
      await g.reload({ destinations: [site.as("shop", { secret: OTHER })] });
      await signers(OTHER);
      await g.reload({ destinations: [site.as("shop")] });
      await signers(fresh, configured);
      // It leaked: nothing older signs.
      const last = await roll(g, "shop", "--overlap", "0s");
      await signers(last);
      assert.ok(!fs.readFileSync(file, "utf8").includes(fresh), "what signs no more is not kept");
      await g.stop();
      // The file is gone: an older one signs, and that is said.
      fs.renameSync(file, `${file}.away`);
      await g.start();
      assert.equal(g.logged("rolled_secret_gone").destination, "shop");
      await signers(configured);
      await g.stop();
      fs.writeFileSync(file, "{}");
      const refused = await g.startRefused();
      assert.match(refused.why, /hookkeep\.db\.secrets: the file of rolled secrets is damaged/);
      fs.renameSync(`${file}.away`, file);
      await g.start();
      await signers(last);
    });

  test("is rolled by an operator's key alone; what cannot be rolled is refused", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop"),
      { name: "books", kind: "command", run: ["cat"] }] });
    const viewer = (await did(g, ["keys", "create", "--mode", "viewer"])).stdout.trim();
    const ask = (body, options) => g.desk("POST", "/api/destinations/shop/roll", body, options);
    assert.equal((await ask({ overlap: "1h" }, { key: viewer })).status, 403);
    for (const overlap of [undefined, "", "1", "31d", "1500ms", "-1s", 5])
      assert.equal((await ask({ overlap })).status, 400, String(overlap));
    for (const name of ["books", "nobody"]) {
      const r = await g.cli(["destinations", "roll", name]);
      assert.equal(r.code, 1);
      assert.match(r.stderr, /no destination of kind http with this name; there are: shop/);
    }
    const made = await g.cli(["destinations", "roll", "we_1"]);
    assert.equal(made.code, 1);
    assert.match(made.stderr, /made through the API cannot be rolled: make another one there/);
    for (let i = 0; i < 3; i++) await did(g, ["destinations", "roll", "shop"]);
    const many = await g.cli(["destinations", "roll", "shop"]);
    assert.match(many.stderr, /four of its secrets sign already/);
    // Where the file cannot be written nothing is changed.
    const before = fs.readFileSync(g.path("hookkeep.db.secrets"), "utf8");
    fs.mkdirSync(g.path("hookkeep.db.secrets.new"));
    const failed = await ask({ overlap: "0s" });
    assert.equal(failed.status, 503);
    assert.match(failed.body.error, /nothing was changed/);
    await g.waitLogged("roll_failed");
    assert.equal(fs.readFileSync(g.path("hookkeep.db.secrets"), "utf8"), before);
    await g.accept(snapshot());
    assert.equal(candidates((await site.waitGot(1))[0]), 4);
  });
});

test("a secret that stands where none may is found", async (t) => {
  const site = await startSite(t);
  const g = await Gateway.start(t, { ...source(ring("old", OLD), ring("env", "${HOOK_SECRET}"),
    ring("file", "file:hook.secret")), destinations: [site.as("shop"),
    { name: "books", kind: "command", run: ["cat"],
      environment: ["PATH", `API_TOKEN=${secret("token")}`] }] },
    { env: { HOOK_SECRET: secret("env") }, files: { "hook.secret": `${secret("file")}\n` } });
  await g.accept(snapshot(), { secret: secret("env") });
  await g.accept(snapshot(), { secret: secret("file") });
  await g.waitCount(4, "deliveries", "state = 'done'");
  await g.metrics();
  const viewer = (await did(g, ["keys", "create", "--mode", "viewer"])).stdout.trim();
  const rolled = await roll(g, "shop");
  const made = (await g.ask("/api/keys", { mode: "viewer" })).key;
  await did(g, ["events", "list", "--json"]);
  await did(g, ["secrets", "--json"]);
  const { secrets, places } = g.canaries.search();
  assert.ok(secrets >= 9 && places >= 10, `${secrets} secrets, ${places} places`);
  const operator = fs.readFileSync(g.path("hookkeep.db.key"), "utf8").trim();
  const all = [OLD, ...["env", "file", "token"].map(secret), site.secret, viewer, rolled, made,
               operator];
  const file = g.path("hookkeep.log"), { said } = g.canaries;
  for (const one of all) {
    const found = () => assert.throws(() => g.canaries.search(), /holds a secret/, one);
    fs.writeFileSync(file, `a line ${one} of a log\n`);
    found();
    fs.rmSync(file);
    g.canaries.answer("GET", "/api/status", { status: 200, text: `{"x":"${one}"}` });
    found();
    said.pop();
    g.canaries.command(["sign", "--secret", one], { stdout: "", stderr: "" });
    found();
    said.splice(-3);
    const text = g.text;
    g.text += one;
    found();
    g.text = text;
    g.canaries.search();
  }
});

test("what a gateway wrote is searched at its end, before its folder goes", async () => {
  const hooks = [];
  const g = await Gateway.start({ after: (hook) => hooks.push(hook) }, source(ring("old", OLD)));
  fs.writeFileSync(g.path("hookkeep.log"), `a line ${OLD} of a log\n`);
  await assert.rejects(async () => {
    for (const hook of hooks) await hook();
  }, /hookkeep\.log holds a secret/);
  assert.ok(!fs.existsSync(g.folder));
  assert.ok(g.child.gone);
});
