// SPDX-License-Identifier: MIT
// Destinations that are queues: a real redis-server, unmodified BullMQ and Bull workers, files.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import { smallDisk } from "./lib/disk.mjs";
import { Gateway, tempFolder } from "./lib/gateway.mjs";
import { RedisServer } from "./lib/redis.mjs";
import { idOf, secret, snapshot } from "./lib/stripe.mjs";
import { makeCertificate } from "./lib/tls.mjs";
import { waitFor } from "./lib/wait.mjs";
import Bull from "bull";
import { Queue, QueueEvents, Worker } from "bullmq";

const RETRY = ["1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s"];
const kind = (kind, more) => ({ name: "q", kind, retry: RETRY, timeout: "5s", ...more });
const fields = (entry) => {
  const out = {};
  for (let i = 0; i < entry[1].length; i += 2) out[entry[1][i]] = entry[1][i + 1];
  return out;
};
const done = (g, n) => g.waitCount(n, "deliveries", "state='done'");

suite("redis", () => {
  test("a stream holds the facts and the very bytes, about maxlen of them", async (t) => {
    const redis = await RedisServer.start(t);
    const g = await Gateway.start(t, { destinations: [kind("redis",
      { url: redis.url, stream: "stripe", maxlen: 100 })] });
    const bodies = [snapshot({ account: "acct_1", livemode: true }), snapshot()];
    for (const b of bodies) await g.accept(b);
    await done(g, 2);
    const entries = (await redis.client().xrange("stripe", "-", "+")).map(fields);
    assert.equal(entries.length, 2);
    for (const b of bodies) {
      const e = entries.find((x) => x.event === idOf(b)), event = JSON.parse(b);
      assert.equal(e.payload, b);
      assert.equal(e.type, event.type);
      assert.equal(e.account, event.account ?? "");
      assert.equal(e.livemode, String(event.livemode));
      assert.equal(e.created, String(event.created));
      assert.equal(e.attempt, "1");
    }
    for (let i = 0; i < 500; i++) await g.accept(snapshot());
    await done(g, 502);
    assert.ok(await redis.client().xlen("stripe") < 300, "old entries are trimmed");
    assert.match(await g.metrics().then((m) => JSON.stringify(m)), /hookkeep_queue_rounds_total/);
  });

  test("a list gets lines of JSON, over TLS, with a password that nobody sees", async (t) => {
    const tls = await makeCertificate(tempFolder(t), "redis");
    const password = secret("redis");
    const redis = await RedisServer.start(t, { tls, password });
    const g = await Gateway.start(t, { trust: { ca_file: tls.file }, destinations: [kind("redis",
      { url: redis.url, list: "events", password: "${REDIS_PASSWORD}" })] },
      { env: { REDIS_PASSWORD: password } });
    const body = snapshot();
    await g.accept(body);
    await done(g, 1);
    const line = JSON.parse((await redis.client().lrange("events", 0, -1))[0]);
    assert.equal(line.payload, body);
    assert.equal(line.event, idOf(body));
    const checked = await g.cli(["check"]);
    assert.equal(checked.code, 0, checked.stderr);
    g.write({ trust: {} });
    const untrusted = await g.cli(["check"]);
    assert.equal(untrusted.code, 1);
    assert.match(untrusted.stderr, /certificate is not accepted: self-signed/);
  });

  test("over a Unix socket, in another database", async (t) => {
    const redis = await RedisServer.start(t);
    const g = await Gateway.start(t, { destinations: [
      kind("redis", { url: `unix:${redis.folder}/redis.sock`, stream: "s" }),
      { ...kind("redis", { url: `${redis.url}/3`, stream: "s" }), name: "three" }] });
    await g.accept(snapshot());
    await done(g, 2);
    const c = redis.client();
    assert.equal(await c.xlen("s"), 1);
    await c.select(3);
    assert.equal(await c.xlen("s"), 1);
  });

  test("check says what is wrong, and what the server refuses is the reason kept", async (t) => {
    const redis = await RedisServer.start(t, { password: secret("right") });
    const c = redis.client();
    await c.set("taken", "text");
    const d = kind("redis", { url: redis.url, stream: "taken", password: secret("right") });
    const g = new Gateway(t, { destinations: [d] });
    const wrong = async (more, said) => {
      g.write({ destinations: [{ ...d, ...more }] });
      const r = await g.cli(["check"]);
      assert.equal(r.code, 1, r.stderr + r.stdout);
      assert.match(r.stderr, said);
    };
    await wrong({ url: "redis://127.0.0.1:1" }, /destination q: cannot connect: nobody listens/);
    await wrong({ url: "unix:/nowhere/redis.sock" }, /cannot connect: there is no such socket/);
    await wrong({ password: secret("wrong") }, /refuses the password: WRONGPASS/);
    await wrong({}, /the key taken is there already and is a string, not a stream/);
    await wrong({ url: `${redis.url}/99` }, /refuses the database: ERR DB index is out of range/);
    const replica = await RedisServer.start(t, { args: ["--replicaof", "127.0.0.1", redis.port,
      "--masterauth", secret("right")] });
    await wrong({ url: replica.url, password: undefined, stream: "x" }, /is a replica/);
    g.write({ destinations: [d] });
    await g.start();
    await g.accept(snapshot());
    const reason = async (said) => waitFor(async () =>
      said.test((await g.sql("SELECT group_concat(error,'|') e FROM attempts"))[0]?.e ?? ""),
      async () => `${said}: ${JSON.stringify(await g.sql("SELECT error FROM attempts"))}`);
    await reason(/the server refuses it: WRONGTYPE/);
    await c.del("taken");
    await done(g, 1);
    await c.config("SET", "maxmemory", "1");
    await g.accept(snapshot());
    await reason(/the server refuses it: OOM/);
    await c.config("SET", "maxmemory", "0");
    await done(g, 2);
    await c.replicaof("127.0.0.1", 1);
    await g.accept(snapshot());
    await reason(/the server refuses it: READONLY/);
    await c.replicaof("NO", "ONE");
    await done(g, 3);
  });

  test("a server that is down fails, and gets all once it is back", async (t) => {
    const redis = await RedisServer.start(t, { fsync: "always" });
    const g = await Gateway.start(t, { destinations: [kind("redis",
      { url: redis.url, stream: "stripe" })] });
    await redis.kill();
    const bodies = Array.from({ length: 20 }, () => snapshot());
    for (const b of bodies) await g.accept(b);
    await waitFor(async () => await g.count("attempts", "outcome='failed'") > 0, "a failure");
    await redis.up();
    await done(g, 20);
    const got = (await redis.client().xrange("stripe", "-", "+")).map((e) => fields(e).event);
    assert.deepEqual(got.sort(), bodies.map(idOf).sort());
  });
});

suite("workers", () => {
  for (const priority of [0, 7])
    test(`an unmodified BullMQ worker: done, retries, failed, events; priority ${priority}`,
         async (t) => {
      const redis = await RedisServer.start(t), { connection } = redis;
      const queue = new Queue("stripe", { connection });
      const events = new QueueEvents("stripe", { connection });
      const tries = new Map(), jobs = new Map();
      const heard = { completed: [], failed: [], waiting: [] };
      for (const name of Object.keys(heard)) events.on(name, (e) => heard[name].push(e.jobId));
      await events.waitUntilReady();
      const worker = new Worker("stripe", async (job) => {
        const times = tries.get(job.id) ?? [];
        tries.set(job.id, [...times, Date.now()]);
        jobs.set(job.id, { name: job.name, data: job.data, opts: job.opts });
        const { fails = 0 } = job.data.data.object;
        if (times.length < fails) throw new Error("not now");
        return "good";
      }, { connection });
      for (const one of [queue, events, worker]) redis.before(() => one.close());
      await worker.waitUntilReady();
      const g = await Gateway.start(t, { destinations: [kind("bullmq", { url: redis.url,
        queue: "stripe", job: { attempts: 3, delay: "100ms", priority } })] });
      const good = snapshot(), again = snapshot({ object: { fails: 2 } });
      const bad = snapshot({ object: { fails: 9 } });
      for (const b of [good, again, bad]) await g.accept(b);
      await waitFor(() => heard.completed.length === 2 && heard.failed.length === 1,
                    () => JSON.stringify(heard));
      assert.deepEqual(heard.completed.toSorted(), [good, again].map(idOf).toSorted());
      assert.deepEqual(heard.failed, [idOf(bad)]);
      assert.ok([good, again, bad].every((b) => heard.waiting.includes(idOf(b))));
      assert.deepEqual(jobs.get(idOf(good)).data, JSON.parse(good));
      assert.equal(jobs.get(idOf(good)).name, JSON.parse(good).type);
      assert.equal(tries.get(idOf(again)).length, 3);
      assert.equal(tries.get(idOf(bad)).length, 3);
      const [first, second, third] = tries.get(idOf(again));
      assert.ok(second - first >= 95 && third - second >= 190, "the wait doubles");
      const counts = await queue.getJobCounts("completed", "failed", "wait", "prioritized");
      const { completed, failed, waiting, wait = waiting, prioritized } = counts;
      assert.deepEqual([completed, failed, wait, prioritized],
                       [2, 1, 0, 0]);
      assert.equal((await queue.getJob(idOf(bad))).failedReason, "not now");
      assert.equal(await redis.client().hget(`bull:stripe:${idOf(good)}`, "data"), good);
      // A replay finds the job there and leaves it alone.
      await g.cli(["events", "replay", idOf(good)]);
      await waitFor(async () => await g.count("attempts", "outcome='done'") === 4, "the replay");
      assert.equal(tries.get(idOf(good)).length, 1);
    });

  test("BullMQ: paused, with a limit of active jobs, and by priority", async (t) => {
    const redis = await RedisServer.start(t), { connection } = redis;
    const queue = new Queue("stripe", { connection });
    redis.before(() => queue.close());
    await queue.pause();
    const q = (name, job, match) => ({ ...kind("bullmq", { url: redis.url, queue: "stripe", job }),
      name, match: [{ types: [match] }] });
    const g = await Gateway.start(t, { destinations: [q("late", { priority: 9 }, "a.late"),
      q("soon", { priority: 2 }, "a.soon"), q("plain", {}, "a.plain")] });
    const order = ["a.late", "a.soon", "a.plain", "a.late", "a.soon"];
    for (const [i, type] of order.entries()) {
      await g.accept(snapshot({ type }));
      await done(g, i + 1);
    }
    assert.equal((await queue.getJobCounts("paused")).paused, 1);
    const seen = [];
    const worker = new Worker("stripe", async (job) => seen.push(job.name), { connection });
    redis.before(() => worker.close());
    await queue.setGlobalConcurrency(1);
    await queue.resume();
    await waitFor(() => seen.length === 5, () => seen.join());
    assert.deepEqual(seen, ["a.plain", "a.soon", "a.soon", "a.late", "a.late"]);
    await g.accept(snapshot({ type: "a.soon" })); // wakes a worker that sleeps
    await waitFor(() => seen.length === 6, () => seen.join());
  });

  test("an unmodified Bull worker: done, retries, failed, paused, priority", async (t) => {
    const redis = await RedisServer.start(t);
    const queue = new Bull("stripe", { redis: redis.connection });
    redis.before(() => queue.close());
    await queue.isReady();
    await queue.pause();
    const q = (name, job, match) => ({ ...kind("bull", { url: redis.url, queue: "stripe", job }),
      name, match: [{ types: [match] }] });
    const fast = { attempts: 3, delay: "100ms" };
    const g = await Gateway.start(t, { destinations: [q("late", { ...fast, priority: 9 }, "a.late"),
      q("soon", { ...fast, priority: 2 }, "a.soon"), q("plain", fast, "a.plain")] });
    const bodies = [snapshot({ type: "a.plain" }), snapshot({ type: "a.late" }),
      snapshot({ type: "a.soon" }), snapshot({ type: "a.late" }), snapshot({ type: "a.soon" })];
    for (const [i, b] of bodies.entries()) {
      await g.accept(b);
      await done(g, i + 1);
    }
    const seen = [], tries = new Map(), ends = { completed: [], failed: [] };
    queue.on("completed", (job) => ends.completed.push(job.id));
    queue.on("failed", (job) => job.attemptsMade >= job.opts.attempts && ends.failed.push(job.id));
    queue.process("*", async (job) => {
      seen.push(job.name);
      const before = tries.get(job.id) ?? 0;
      tries.set(job.id, before + 1);
      if (before < (job.data.data.object.fails ?? 0)) throw new Error("not now");
    });
    await queue.resume();
    await waitFor(() => ends.completed.length === 5, () => JSON.stringify(ends));
    assert.deepEqual(seen, ["a.soon", "a.soon", "a.late", "a.late", "a.plain"]);
    const again = snapshot({ type: "a.plain", object: { fails: 2 } });
    const bad = snapshot({ type: "a.soon", object: { fails: 9 } });
    await g.accept(again);
    await g.accept(bad);
    await waitFor(() => ends.completed.includes(idOf(again)) && ends.failed.includes(idOf(bad)),
                  () => JSON.stringify([ends, [...tries]]));
    assert.equal(tries.get(idOf(again)), 3);
    assert.equal(tries.get(idOf(bad)), 3);
    const counts = await queue.getJobCounts();
    assert.deepEqual([counts.completed, counts.failed, counts.waiting], [6, 1, 0]);
    assert.equal(await redis.client().hget(`bull:stripe:${idOf(again)}`, "data"), again);
  });

  test("the example's configuration is right, and its worker works", async (t) => {
    const password = secret("example"), redis = await RedisServer.start(t, { password });
    const here = path.resolve(import.meta.dirname, "../../examples/queues");
    const env = { STRIPE_WEBHOOK_SECRET: secret("stripe"), REDIS_PASSWORD: password };
    const g = new Gateway(t, { destinations: [kind("bullmq", { url: redis.url, queue: "stripe",
      password: "${REDIS_PASSWORD}" })] }, { env });
    fs.writeFileSync(g.path("example.yaml"), fs.readFileSync(`${here}/hookkeep.yaml`, "utf8")
      .replace("rediss://redis.example.com:6380", redis.url).replace(":6379", `:${redis.port}`));
    const checked = await g.cli(["check", "-c", "example.yaml"]);
    assert.equal(checked.code, 0, checked.stderr);
    fs.copyFileSync(`${here}/worker.mjs`, g.path("worker.mjs"));
    fs.symlinkSync(path.resolve(import.meta.dirname, "node_modules"), g.path("node_modules"));
    const worker = spawn(process.execPath, ["worker.mjs"], { cwd: g.folder,
      env: { ...process.env, REDIS_PORT: redis.port, REDIS_PASSWORD: password } });
    redis.before(() => worker.kill("SIGKILL"));
    let said = "";
    worker.stdout.on("data", (p) => (said += p));
    await g.start();
    const body = snapshot();
    await g.accept(body);
    await waitFor(() => said.includes(`${idOf(body)} customer.created cus_`), () => said);
  });

  test("an event whose id is no job's fails with the reason", async (t) => {
    const redis = await RedisServer.start(t);
    const g = await Gateway.start(t, { destinations: [kind("bullmq",
      { url: redis.url, queue: "stripe", retry: [] })] });
    for (const id of ["wait", "12", "evt_a:lock", "meta"]) await g.accept(snapshot({ id }));
    await g.accept(snapshot());
    await done(g, 1);
    await waitFor(async () => await g.count("deliveries", "state='dead'") === 4, "four dead");
    assert.match((await g.sql("SELECT error FROM attempts WHERE outcome='failed'"))[0].error,
                 /the event's id cannot be a job's/);
    assert.equal(await redis.client().llen("bull:stripe:wait"), 1);
  });
});

suite("file", () => {
  const lines = (file) => fs.readFileSync(file, "utf8").split("\n").slice(0, -1)
    .map((l) => JSON.parse(l));

  test("a line an event; a torn one is cut, and the file set aside when it is large", async (t) => {
    const g = new Gateway(t, { destinations: [kind("file",
      { path: "events.ndjson", rotate: { size: "4KiB" } })] });
    fs.writeFileSync(g.path("events.ndjson"), '{"whole":1}\n{"torn":"');
    await g.start();
    const bodies = Array.from({ length: 30 }, () => snapshot());
    for (const [i, b] of bodies.entries()) {
      await g.accept(b);
      if (i === 0) await done(g, 1);
    }
    await done(g, 30);
    const files = fs.readdirSync(g.folder).filter((f) => f.startsWith("events.ndjson")).sort();
    assert.ok(files.length >= 2, files.join());
    assert.match(files[1], /^events\.ndjson\.\d{8}T\d{6}Z(-\d+)?$/);
    const all = files.flatMap((f) => lines(g.path(f)));
    assert.deepEqual(all.find((l) => l.whole), { whole: 1 });
    assert.deepEqual(all.filter((l) => l.event).map((l) => l.payload).sort(), bodies.sort());
    fs.rmSync(g.path("events.ndjson")); // whoever moves it away gets a new one
    const late = snapshot();
    await g.accept(late);
    await done(g, 31);
    assert.equal(lines(g.path("events.ndjson"))[0].payload, late);
    await g.reload({ sources: g.config.sources, destinations: [kind("file",
      { path: "events.ndjson" })] });
    await g.accept(snapshot());
    await done(g, 32);
    assert.equal(lines(g.path("events.ndjson")).length, 2);
  });

  test("check says what is wrong with its place", async (t) => {
    const g = new Gateway(t, { destinations: [kind("file", { path: "no/where/events" })] });
    const r = await g.cli(["check"]);
    assert.equal(r.code, 1);
    assert.match(r.stderr, /destination q: the file cannot be written: there is no such file/);
    g.write({ destinations: [kind("file", { path: "." })] });
    assert.match((await g.cli(["check"])).stderr, /something that is no file/);
  });

  test("a full disk is a failure, and all is there once there is room", async (t) => {
    const folder = tempFolder(t);
    const disk = await smallDisk(t, folder, "1m"), file = `${disk.seen}/events.ndjson`;
    const g = await Gateway.start(t, { destinations: [kind("file", { path: file })] });
    await g.accept(snapshot());
    await done(g, 1);
    disk.fill();
    const bodies = Array.from({ length: 10 }, () => snapshot());
    for (const b of bodies) await g.accept(b);
    await waitFor(async () => await g.count("attempts", "outcome='failed'") > 0, "a failure");
    assert.match((await g.sql("SELECT error FROM attempts WHERE outcome='failed'"))[0].error,
                 /the file cannot be written: the disk has no room/);
    disk.free();
    await done(g, 11);
    const there = lines(file).map((l) => l.payload).slice(1);
    assert.deepEqual(there.sort(), bodies.sort());
  });
});

// Killed at once, in turns and together, while events come: whatever a worker or reader may find
// afterwards, nothing that was answered is missing where Redis keeps what it said it has.
suite("killed under load", () => {
  for (const fsync of ["always", "everysec"])
    test(`gateway and Redis, appendfsync ${fsync}`, async (t) => {
      const redis = await RedisServer.start(t, { fsync });
      const q = (name, k, more) => ({ ...kind(k, { url: redis.url, ...more }), name });
      const g = await Gateway.start(t, { destinations: [q("s", "redis", { stream: "stripe" }),
        q("j", "bullmq", { queue: "stripe" }),
        { ...kind("file", { path: "events.ndjson" }), name: "f" }] });
      const accepted = new Set();
      let going = true;
      const load = Array.from({ length: 8 }, async () => {
        while (going && accepted.size < 20000) {
          const body = snapshot();
          try {
            if ((await g.post(body)).status === 200) accepted.add(idOf(body));
          } catch {
            await new Promise((r) => setTimeout(r, 20)); // it is down
          }
        }
      });
      const pause = (ms) => new Promise((r) => setTimeout(r, ms));
      for (const what of ["redis", "gateway", "both", "redis"]) {
        await pause(1200);
        if (what !== "gateway") await redis.kill();
        if (what !== "redis") await g.kill();
        await pause(200);
        if (what !== "gateway") await redis.up();
        if (what !== "redis") await g.start();
      }
      going = false;
      await Promise.all(load);
      await waitFor(async () => await g.count("deliveries", "state NOT IN ('done')") === 0
        && await g.count("events") >= accepted.size,
        async () => JSON.stringify(await g.sql(
          "SELECT destination, state, count(*) FROM deliveries GROUP BY 1, 2")), 60000);
      const c = redis.client();
      const stream = (await c.xrange("stripe", "-", "+")).map((e) => fields(e).event);
      const jobs = await c.lrange("bull:stripe:wait", 0, -1);
      const file = fs.readFileSync(g.path("events.ndjson"), "utf8").trimEnd().split("\n")
        .map((l) => JSON.parse(l).event);
      const missing = (list) => {
        const there = new Set(list);
        return [...accepted].filter((id) => !there.has(id));
      };
      const twice = (list) => list.length - new Set(list).size;
      const attempts = await g.count("attempts");
      t.diagnostic(`${accepted.size} accepted; stream ${stream.length} (${twice(stream)} twice, `
        + `${missing(stream).length} missing), jobs ${jobs.length} (${missing(jobs).length} `
        + `missing), file ${file.length} (${twice(file)} twice); ${attempts} attempts`);
      assert.ok(accepted.size > 100);
      assert.deepEqual(missing(file), []);
      assert.equal(twice(jobs), 0, "a job is there once");
      // What was pushed and not recorded: at most what is under way at once, at each of the kills.
      assert.ok(twice(stream) <= 4 * 256 && twice(file) <= 2 * 256);
      if (fsync === "always") {
        assert.deepEqual(missing(stream), []);
        assert.deepEqual(missing(jobs), []);
      } else {
        // kill -9 of the process alone loses nothing the kernel has; a power cut may, of a second.
        assert.ok(missing(stream).length <= accepted.size / 4);
      }
    });
});
