// SPDX-License-Identifier: MIT
// The command against the real gateway: what an operator does in a day.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Gateway, tempFolder } from "./lib/gateway.mjs";
import { cleanEnvironment, HOOKKEEP } from "./lib/process.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, snapshot, thin } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

async function did(g, args, options) {
  const r = await g.cli(args, options);
  assert.equal(r.code, 0, `${args.join(" ")}: ${r.stderr}`);
  return r;
}

const lines = (r) => r.stdout.split("\n").filter((l) => l !== "").map((l) => JSON.parse(l));

suite("operating", { concurrency: 4 }, () => {
  test("what was received and what became of it is listed, shown, explained", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [
      site.as("shop"), { ...site.as("books"), match: [{ types: "invoice.*" }] }] });
    const bodies = [snapshot(), snapshot({ type: "invoice.paid", account: "acct_1" }), thin()];
    for (const body of bodies) await g.accept(body);
    await g.waitCount(4, "deliveries", "state = 'done'");
    const ids = bodies.map(idOf);
    assert.deepEqual(lines(await did(g, ["events", "list", "--oldest", "--json"])).map((e) => e.id),
                     ids);
    const table = await did(g, ["events", "list"]);
    for (const id of ids.slice(0, 2)) assert.match(table.stdout, new RegExp(` ${id} `));
    for (const [filter, wanted] of [
      [["--type", "invoice.*"], [ids[1]]], [["--account", "platform"], [ids[2], ids[0]]],
      [["--account", "acct_1"], [ids[1]]], [["--since", "1h"], [...ids].reverse()],
      [["--until", "1h"], []], [["--livemode", "true"], []], [["--limit", "1"], [ids[2]]],
      [["--id", ids[0]], [ids[0]]], [["--object", JSON.parse(bodies[0]).data.object.id], [ids[0]]],
    ]) {
      const listed = lines(await did(g, ["events", "list", "--json", ...filter]));
      assert.deepEqual(listed.map((e) => e.id), wanted, filter.join(" "));
    }
    assert.equal((await g.cli(["events", "list", "--status", "nonsense"])).code, 1);
    assert.match((await did(g, ["events", "show", ids[1]])).stdout, /^account +acct_1$/m);
    assert.equal((await g.cli(["events", "show", "evt_none"])).code, 1);
    const [delivery] = lines(await did(g, ["deliveries", "list", "-d", "books", "--json"]));
    assert.equal(delivery.event_id, ids[1]);
    const shown = await did(g, ["deliveries", "show", String(delivery.seq)]);
    assert.match(shown.stdout, /\nattempts\nnumber .*\n1 .* done +200/);
    const told = await did(g, ["explain", ids[0]]);
    assert.match(told.stdout, /\n {2}shop +yes .*\n/);
    assert.match(told.stdout, /\n {2}books +no +no rule matches/);
    assert.match((await did(g, ["destinations", "list"])).stdout, /\nbooks .* 1 /);
    assert.match((await did(g, ["suspense", "list"])).stderr, /nothing is in suspense/);
  });

  test("a held destination waits, a dead delivery is retried, another cancelled", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    await did(g, ["destinations", "hold", "shop", "--reason", "moving"]);
    assert.match((await did(g, ["destinations", "show", "shop"])).stdout, /^hold reason +moving$/m);
    await g.accept(snapshot());
    await g.accept(snapshot());
    await g.waitCount(2, "deliveries", "state = 'held'");
    const [second, first] = lines(await did(g, ["deliveries", "list", "-s", "held", "--json"]));
    await did(g, ["deliveries", "cancel", String(second.seq)]);
    assert.equal((await g.cli(["destinations", "hold", "shop"])).code, 1);
    await did(g, ["destinations", "release", "shop"]);
    await g.waitCount(1, "deliveries", "state = 'done'");
    await did(g, ["deliveries", "retry", String(second.seq)]);
    await g.waitCount(2, "deliveries", "state = 'done'");
    const refused = await g.cli(["deliveries", "retry", String(first.seq)]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /done/);
  });

  test("dead deliveries are listed, and retried by filter, oldest first", async (t) => {
    let well = false;
    const answer = () => ({ status: well ? 200 : 404 });
    const site = await startSite(t, { answer }), other = await startSite(t, { answer });
    const g = await Gateway.start(t, { destinations: [
      site.as("shop", { retry: [], concurrency: 1 }), other.as("other", { retry: [] })] });
    for (let i = 0; i < 5; i++) await g.accept(snapshot());
    await g.waitCount(10, "deliveries", "state = 'dead'");
    const dead = lines(await did(g, ["deliveries", "list", "--dead", "-d", "shop", "--json"]));
    assert.equal(dead.length, 5);
    assert.equal((await g.cli(["deliveries", "list", "--dead", "-s", "done"])).code, 2);
    const dry = await did(g, ["deliveries", "retry", "--dead", "--dry-run"]);
    assert.match(dry.stderr, /10 dead/);
    well = true;
    const past = ["--until", String(Date.now() - 3600e3)];
    assert.match((await did(g, ["deliveries", "retry", "--dead", ...past])).stdout, /^0 of 0 /);
    const made = await did(g, ["deliveries", "retry", "--dead", "--to", "shop", "--since", "1h",
                               "--rate", "100"]);
    assert.equal(made.stdout, "5 of 5 due now\n");
    await g.waitCount(5, "deliveries", "state = 'done' AND destination = 'shop'");
    assert.equal(await g.count("deliveries", "state = 'dead' AND destination = 'other'"), 5);
    const [first] = dead.slice(-1);
    assert.equal(site.got[5].headers["hookkeep-event"], first.event_id);
    const seqs = (await g.deliveries("destination = 'other'")).map((d) => d.seq);
    const rest = await did(g, ["deliveries", "retry", "--dead", "--after", String(seqs[1]),
                               "--json"]);
    assert.deepEqual(lines(rest).map((d) => d.seq), seqs.slice(2));
    for (const wrong of [[], ["1", "--dead"], ["--to", "shop"], ["--dead", "--rate", "-1"]])
      assert.equal((await g.cli(["deliveries", "retry", ...wrong])).code, 2, wrong.join(" "));
  });

  test("tail shows what is booked, replay sends it again", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop"), site.as("spare", {
      match: [{ types: "never.happens" }] })] });
    const bodies = [snapshot(), snapshot({ type: "invoice.paid" })];
    const seen = (out) => bodies.every((b) => out.stdout.includes(idOf(b)));
    const tail = g.cli(["events", "tail", "--json"], { until: seen });
    // The tail has begun once its line shows an event; the first may come before it.
    await g.accept(bodies[0]);
    const again = setInterval(() => g.accept(snapshot()).catch(() => {}), 50);
    await waitFor(async () => (await g.count("deliveries", "state = 'done'")) > 1, "deliveries");
    clearInterval(again);
    await g.accept(bodies[1]);
    const late = g.cli(["events", "tail", "--json", "--after", "1", "--type", "invoice.*"], {
      until: (out) => out.stdout.includes(idOf(bodies[1])) });
    assert.deepEqual(lines(await late).map((e) => e.id), [idOf(bodies[1])]);
    g.signal("SIGTERM");
    const ended = await tail;
    assert.ok(ended.signal === "SIGTERM" || /goes on|ended the stream/.test(ended.stderr));
    await g.exit;
    await g.start();
    const before = await g.count("deliveries");
    const plan = await did(g, ["events", "replay", "--type", "invoice.*", "--dry-run"]);
    assert.match(plan.stdout, new RegExp(`${idOf(bodies[1])} +shop\n$`));
    assert.equal(await g.count("deliveries"), before);
    const made = await did(g, ["events", "replay", "--type", "invoice.*", "--to", "spare"]);
    assert.equal(made.stdout, "1 event replayed, 1 delivery made, 0 refused\n");
    await g.waitCount(1, "deliveries", "destination = 'spare' AND state = 'done' AND replay");
    const all = await did(g, ["events", "replay", "--all", "--rate", "1000"]);
    const events = await g.count("events");
    assert.match(all.stdout, new RegExp(`^${events} events replayed, ${events} deliveries made`));
    const unknown = await g.cli(["events", "replay", idOf(bodies[0]), "evt_none"]);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /evt_none/);
  });

  test("keys are made, used, and revoked", async (t) => {
    const g = await Gateway.start(t);
    const made = await did(g, ["keys", "create", "--mode", "viewer", "--name", "ci"]);
    const viewer = made.stdout.trim();
    assert.match(viewer, /^hk_viewer_/);
    const env = { HOOKKEEP_KEY: viewer };
    await did(g, ["events", "list"], { env });
    assert.equal((await g.cli(["keys", "list"], { env })).code, 1);
    assert.equal((await g.cli(["destinations", "hold", "x"], { env })).code, 1);
    const key = lines(await did(g, ["keys", "list", "--json"])).find((k) => k.name === "ci");
    await did(g, ["keys", "revoke", key.id]);
    const refused = await g.cli(["events", "list"], { env });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /the key from HOOKKEEP_KEY, or it was revoked/);
    assert.ok(!g.text.includes(viewer));
  });

  test("the books are checked, copied, and put back", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    const kept = snapshot();
    await g.accept(kept);
    await g.waitCount(1, "deliveries", "state = 'done'");
    assert.match((await did(g, ["ledger", "verify"])).stdout, /^ledger: ok\n[^]*journal: ok\n/);
    await did(g, ["ledger", "backup", "copy.db"]);
    assert.equal((await g.sql("SELECT id FROM events", "copy.db"))[0].id, idOf(kept));
    const twice = await g.cli(["ledger", "backup", "copy.db"]);
    assert.equal(twice.code, 1);
    assert.match(twice.stderr, /exists/);
    await g.accept(snapshot());
    await g.waitCount(2, "events");
    const running = await g.cli(["ledger", "restore", "copy.db"]);
    assert.equal(running.code, 1);
    assert.match(running.stderr, /a gateway is running on this ledger.*stop it/);
    await g.stop();
    const files = await did(g, ["ledger", "verify"]);
    assert.notEqual(files.stdout, "");
    const away = await g.cli(["events", "list"]);
    assert.equal(away.code, 1);
    assert.match(away.stderr, /no gateway answers at unix:desk\.sock/);
    const none = await g.cli(["ledger", "restore", "nowhere.db"]);
    assert.equal(none.code, 1);
    await did(g, ["ledger", "restore", "copy.db"]);
    await g.start();
    assert.equal(await g.count("events"), 1);
    assert.match((await did(g, ["destinations", "show", "shop"])).stdout,
                 /^hold reason +restored from a backup$/m);
  });

  test("what is wrong on the disk is found", async (t) => {
    const g = await Gateway.start(t);
    await g.accept(snapshot());
    await g.waitCount(1, "events");
    await g.stop();
    const file = fs.openSync(g.path("hookkeep.db"), "r+");
    const two = 2 * 16384; // pages, the last ones
    fs.writeSync(file, Buffer.alloc(two, 0x5a), 0, two, fs.fstatSync(file).size - two);
    fs.closeSync(file);
    const r = await g.cli(["ledger", "verify"]);
    assert.equal(r.code, 1, r.stdout);
  });
});

async function isFree(port) {
  const server = net.createServer().listen(port, "127.0.0.1");
  const [event] = await Promise.race([
    once(server, "listening").then(() => ["free"]), once(server, "error").then(() => ["taken"])]);
  if (event === "free") await new Promise((done) => server.close(done));
  return event === "free";
}

test("tools/run: sample events, what became of each, and an end by Ctrl-C", async (t) => {
  for (const port of [4242, 4243, 5001, 5002])
    if (!await isFree(port)) return t.skip(`port ${port} is taken`);
  const folder = tempFolder(t);
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const child = spawn(path.join(root, "tools/run"), [folder], {
    cwd: root, stdio: ["ignore", "pipe", "pipe"],
    env: cleanEnvironment({ HOOKKEEP_BUILD: path.relative(root, path.dirname(HOOKKEEP)) }) });
  let out = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (piece) => { out += piece; });
  const gone = once(child, "close");
  t.after(() => child.exitCode === null && child.kill("SIGTERM"));
  await waitFor(() => out.includes("The example's destinations print") || child.exitCode !== null,
                () => out, 60000);
  const count = 6; // five that were triggered, and a thin one, which is posted twice
  assert.equal(out.match(/: 200 \{"received":true\}/g)?.length, count + 1, out);
  const [, customer] = /(evt_1\w{23}) customer\.created: 200/.exec(out);
  assert.match(out, new RegExp(`${customer} +shop +done`));
  child.kill("SIGINT");
  assert.deepEqual(await gone, [0, null], out);
  const received = fs.readFileSync(path.join(folder, "received.log"), "utf8");
  assert.equal(received.match(/^port 5002: /gm).length, count,
               "each once to the one that gets all");
  assert.ok(!received.includes("does not hold"));
  for (const port of [4242, 4243, 5001, 5002]) assert.ok(await isFree(port), `port ${port}`);
});
