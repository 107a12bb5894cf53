// SPDX-License-Identifier: MIT
// What operators see and use: health, metrics, logs, streams, the service manager, the environment.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import http from "node:http";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Gateway, SOURCE, tempFolder } from "./lib/gateway.mjs";
import { Raw, request } from "./lib/http.mjs";
import { cleanEnvironment, HOOKKEEP, must, run } from "./lib/process.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, SECRET, sign, snapshot } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const source = (name) =>
  fs.readFileSync(fileURLToPath(new URL(`../../src/${name}`, import.meta.url)), "utf8");

// Prometheus's text format 0.0.4, as strictly as its own parser reads it, and a little more.
function parsePrometheus(text) {
  assert.ok(text.endsWith("\n"));
  const families = new Map(), series = new Map();
  let now = null;
  const label = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"';
  const sample = new RegExp(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\\{(?:${label}(?:,${label})*,?)?\\})? `
    + "(NaN|[+-]?Inf|[+-]?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)$");
  for (const line of text.slice(0, -1).split("\n")) {
    const about = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (about) {
      const [, what, name, rest] = about;
      if (what === "HELP") {
        assert.ok(!families.has(name), `${name} stands in two places`);
        families.set(name, (now = { name, help: rest }));
      } else {
        assert.equal(now?.name, name, "TYPE follows HELP");
        assert.match(rest, /^(counter|gauge|histogram)$/);
        now.type = rest;
      }
      continue;
    }
    const [, name, labels = "", value] = sample.exec(line) ?? assert.fail(`no sample: ${line}`);
    const base = now.type === "histogram" ? name.replace(/_(bucket|sum|count)$/, "") : name;
    assert.equal(base, now.name, "samples stand with their family");
    if (now.type === "counter") assert.match(name, /_total$/);
    assert.ok(!series.has(name + labels), `${name}${labels} twice`);
    series.set(name + labels, Number(value));
  }
  return { families, series };
}

suite("what the desk shows", { concurrency: 6 }, () => {
  test("health and readiness need no key, and nothing else is told there", async (t) => {
    const g = await Gateway.start(t);
    const to = { socketPath: g.path("desk.sock"), method: "GET" };
    const health = await request({ ...to, path: "/healthz" });
    assert.deepEqual([health.status, health.body], [200, { ok: true }]);
    const ready = await request({ ...to, path: "/readyz" });
    assert.deepEqual([ready.status, ready.body], [200, { ready: true }]);
    for (const path of ["/metrics", "/api/status", "/api/events"])
      assert.equal((await request({ ...to, path })).status, 401, path);
  });

  test("/metrics is Prometheus text and has every refusal and stage", async (t) => {
    const site = await startSite(t);
    const away = await startSite(t, { answer: () => ({ status: 500 }) });
    const g = await Gateway.start(t, { destinations: [site.as("shop"), away.as("away")] });
    await g.accept(snapshot());
    await g.post(snapshot(), { path: "/nowhere" });
    await g.waitCount(2, "deliveries", "attempts = 1");
    const r = await g.desk("GET", "/metrics");
    assert.match(r.headers["content-type"], /^text\/plain; version=0\.0\.4/);
    const { families, series } = parsePrometheus(r.text);
    for (const [, , name, labels] of source("base/metrics.def").matchAll(
      /^(COUNTER|GAUGE|HISTOGRAM)\(\w+, "(\w+)", "(.*?)", "/gm)) {
      const set = labels.replaceAll('\\"', '"');
      assert.ok(families.has(name), name);
      const full = families.get(name).type === "histogram" ? `${name}_count` : name;
      assert.ok(series.has(full + (set && `{${set}}`)), `${full} ${set}`);
    }
    for (const [key, count] of series) {
      const [, name, labels] = /^(\w+)_count\{(.*)\}$/.exec(key) ?? [];
      if (!name) continue;
      const buckets = [...series].filter(([k]) => k.startsWith(`${name}_bucket{${labels},`));
      const values = buckets.map(([, v]) => v);
      assert.deepEqual(values, values.toSorted((a, b) => a - b), "buckets add up");
      assert.match(buckets.at(-1)[0], /le="\+Inf"/);
      assert.equal(values.at(-1), count);
    }
    assert.equal(series.get('hookkeep_answers_total{reason="received"}'), 1);
    assert.equal(series.get('hookkeep_answers_total{reason="unknown_path"}'), 1);
    for (const stage of ["answer", "append", "sync", "book", "attempt"])
      assert.ok(series.get(`hookkeep_stage_seconds_count{stage="${stage}"}`) > 0, stage);
    const of = (name) => [...series].filter(([k]) => k.includes(`destination="${name}"`));
    const [backlog, oldest] = [/backlog|open|owed/, /oldest/].map((re) => (name) =>
      of(name).find(([k]) => re.test(k))?.[1]);
    assert.equal(backlog("away"), 1, JSON.stringify(of("away")));
    assert.equal(backlog("shop"), 0, JSON.stringify(of("shop")));
    assert.notEqual(oldest("away"), undefined);
  });

  test("events tail streams what is booked, in order, once, as it comes", async (t) => {
    const g = await Gateway.start(t);
    const before = snapshot();
    await g.accept(before);
    await g.waitCount(1, "events");
    const wanted = Array.from({ length: 12 }, (_, i) =>
      snapshot({ type: i % 3 === 2 ? "charge.refunded" : "customer.created" }));
    const customers = wanted.filter((b) => b.includes("customer.created")).map(idOf);
    const lines = (out) => out.stdout.split("\n").filter(Boolean);
    const child = spawn(HOOKKEEP, ["events", "tail", "--json", "--type", "customer.*"],
      { cwd: g.folder, env: cleanEnvironment() });
    t.after(() => child.kill("SIGKILL"));
    const out = { stdout: "" };
    child.stdout.on("data", (p) => (out.stdout += p));
    // The stream begins with what comes after it began; until then what is posted may be missed.
    const probe = async () => {
      await g.accept(snapshot({ type: "customer.probe" }));
      return waitFor(() => lines(out).length > 0, "a line", 300).catch(() => false);
    };
    await waitFor(probe, "the stream to begin");
    for (const b of wanted) await g.accept(b);
    const shown = () => lines(out).map((l) => JSON.parse(l))
      .filter((e) => e.type !== "customer.probe");
    await waitFor(() => shown().length === customers.length, "all of the lines");
    assert.deepEqual(shown().map((e) => e.id), customers);
    assert.ok(!out.stdout.includes(idOf(before)), "it begins now");
    await g.stop();
    await waitFor(() => child.exitCode !== null, "the end of the stream with the gateway's");

    await g.start();
    const key = fs.readFileSync(g.path("hookkeep.db.key"), "utf8").trim();
    const all = (await g.sql("SELECT seq FROM events ORDER BY seq")).map((r) => r.seq);
    const none = await g.desk("GET", "/api/events/tail?after=0");
    assert.equal(none.status, 400, "there is no event 0");
    let text = "";
    const asked = http.get({ socketPath: g.path("desk.sock"),
      path: `/api/events/tail?after=${all[0]}`,
                             headers: { authorization: `Bearer ${key}` } }, (answer) => {
      answer.on("data", (p) => (text += p)).on("error", () => {});
    });
    asked.on("error", () => {});
    t.after(() => asked.destroy());
    const rows = () => text.split("\n").filter((l) => l.endsWith("}"));
    await waitFor(() => rows().length >= all.length - 1, "what came behind the first event");
    assert.deepEqual(rows().map((l) => JSON.parse(l).seq), all.slice(1));
  });

  test("every command that looks has something to show, as a table and as JSON", async (t) => {
    const site = await startSite(t, { answer: () => ({ status: 500, body: "broken" }) });
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    const body = snapshot();
    await g.accept(body);
    await g.waitCount(1, "deliveries", "state = 'waiting'");
    const rows = [
      [["events", "list"], idOf(body)], [["events", "show", idOf(body)], "customer.created"],
      [["deliveries", "list"], "shop"], [["deliveries", "show", "1"], "answered 500"],
      [["destinations", "list"], "shop"], [["destinations", "show", "shop"], "shop"],
      [["explain", idOf(body)], "no match list"], [["keys", "list"], "operator"],
      [["ledger", "verify"], "ok"],
    ];
    for (const [args, what] of rows) {
      const table = await g.cli(args);
      assert.equal(table.code, 0, `${args}: ${table.stderr}`);
      if (what !== "no match list") assert.ok(table.stdout.includes(what),
        `${args}: ${table.stdout}`);
      for (const line of table.stdout.split("\n")) assert.ok(line.length <= 140, line);
      const plain = await g.cli([...args, "--json"]);
      assert.equal(plain.code, 0, `${args} --json: ${plain.stderr}`);
      for (const line of plain.stdout.trim().split("\n")) JSON.parse(line);
    }
    assert.equal((await g.cli(["events", "show", "evt_none"])).code, 1);
    await g.stop();
    const off = await g.cli(["events", "list"]);
    assert.equal(off.code, 1);
    assert.match(off.stderr, /desk\.sock/, "it says where it looked");
  });
});

suite("logs", { concurrency: 4 }, () => {
  test("JSON is a line an event, and nothing from outside forges one", async (t) => {
    const g = await Gateway.start(t, { log: { format: "json", level: "debug" } });
    const raw = await Raw.connect(g.port);
    await raw.send('POST /x","event":"forged","y":"\\ HTTP/1.1\r\nHost: x\r\n'
      + "Content-Length: 0\r\n\r\n");
    await raw.answer().catch(() => {});
    raw.drop();
    await g.post(snapshot(), { path: '/q?"}' });
    await g.waitLogged("refused");
    await g.stop();
    assert.ok(g.log.length >= 5);
    for (const l of g.log) {
      assert.notEqual(l.event, "no JSON", l.line);
      assert.notEqual(l.event, "forged");
      assert.match(l.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      assert.match(l.level, /^(debug|info|warning|error)$/);
      assert.ok(l.message.length > 0);
    }
  });

  test("healthy load is silent, at the level that is the default", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { log: { format: "text" }, destinations: [site.as("shop")] });
    await waitFor(() => g.text.includes("the gateway answers"), "its start");
    const before = g.text;
    for (let i = 0; i < 50; i++) await g.accept(snapshot());
    for (let i = 0; i < 10; i++) await g.post(snapshot(), { path: "/nowhere" });
    await g.waitCount(50, "deliveries", "state = 'done'");
    assert.equal(g.text, before);
    await g.stop();
    assert.match(g.text, /stopped/);
  });
});

suite("starting", { concurrency: 6 }, () => {
  test("the service manager is told: READY, RELOADING, STOPPING", async (t) => {
    const folder = tempFolder(t);
    const socket = `${folder}/notify.sock`;
    const listener = spawn("python3", ["-uc", "import socket, sys\n"
      + "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\ns.bind(sys.argv[1])\n"
      + "print('bound')\n"
      + "while True: print(s.recv(4096).decode())", socket]);
    t.after(() => listener.kill("SIGKILL"));
    let said = "";
    listener.stdout.on("data", (p) => (said += p));
    await waitFor(() => said.includes("bound"), "the manager's socket");
    const g = new Gateway(t, {}, { env: { NOTIFY_SOCKET: socket } });
    await g.start();
    const states = () => said.split("\n").filter((l) => l.includes("="));
    await waitFor(() => states().length === 1, "READY");
    await g.accept(snapshot());
    await g.reload();
    await waitFor(() => states().length >= 3, "the reload");
    await g.stop();
    await waitFor(() => states().includes("STOPPING=1"), "STOPPING");
    const words = states().map((s) => s.split("=")[0]).filter((s) => s !== "MONOTONIC_USEC");
    assert.deepEqual(words, ["READY", "RELOADING", "READY", "STOPPING"]);
  });

  test("with no file but STRIPE_WEBHOOK_SECRET it receives on /webhook and keeps every event",
    async (t) => {
      // The addresses are the default ones, so it gets a network of its own.
      const user = process.getuid() === 0 ? [] : ["--user", "--map-root-user"];
      const up = "import fcntl, socket, struct\n"
        + "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 0x41))";
      const g = new Gateway(t, {}, {
        bare: true, socket: "hookkeep.sock", env: { STRIPE_WEBHOOK_SECRET: SECRET },
        wrap: ["unshare", ...user, "--net", "sh", "-c", `python3 -c "${up}" && exec "$@"`, "sh"],
      });
      await g.start();
      const body = snapshot();
      const join = user.length > 0 ? ["--user", "--preserve-credentials"] : [];
      const script = `const r = await fetch("http://127.0.0.1:4242/webhook", { method: "POST",
        headers: { "stripe-signature": process.env.SIGNATURE }, body: process.env.BODY });
        console.log(r.status, await r.text());`;
      const posted = await must("nsenter", [`--target=${g.child.pid}`, ...join, "--net",
        process.execPath, "--input-type=module", "-e", script],
      { env: { SIGNATURE: sign(body), BODY: body } });
      assert.equal(posted.stdout, '200 {"received":true}\n');
      await g.waitCount(1, "events");
      assert.equal((await g.sql("SELECT payload FROM events"))[0].payload, body);
      const status = await g.get("/api/status");
      assert.deepEqual(status.sources.map((s) => s.path), ["/webhook"]);
      assert.ok(fs.existsSync(g.path("hookkeep.journal")));
      assert.equal((await g.stop()).code, 0);
    });

  test("with neither file nor secret it says what to do, with 78", async (t) => {
    const folder = tempFolder(t);
    for (const command of ["serve", "check"]) {
      const r = await run(HOOKKEEP, [command], { cwd: folder });
      assert.equal(r.code, 78);
      assert.match(r.stderr, /STRIPE_WEBHOOK_SECRET/);
    }
    assert.deepEqual(fs.readdirSync(folder), [], "nothing was made");
  });

  test("a wrong file: check and serve say all that is wrong, where, and what is near, with 78",
    async (t) => {
      const g = new Gateway(t);
      fs.writeFileSync(g.path("hookkeep.yaml"), [
        "listen: http://127.0.0.1:4242", "sorces: []", "journal: {size: 1KiB}", "sources:",
        "  - path: /webhook", "    tolerance: soon", "    secrets: [{label: a, key: whsec_short}]",
        "  - path: /webhook", "    secrets: [{label: a, key: \"${NOT_SET}\"}]", "destinations:",
        "  - {url: \"http://127.0.0.1/\", secret: whsec_0123456789abcdef}", ""].join("\n"));
      const check = await g.cli(["check"]);
      assert.equal(check.code, 78);
      const problems = (r) => r.stderr.split("\n").map((l) => l.trim())
        .filter((l) => l.startsWith("hookkeep.yaml:"));
      const expected = [[2, /sorces.*sources/], [3, /1KiB.*16MiB/], [6, /tolerance|soon/],
        [7, /16/],
        [8, /line 5 has the same path/], [9, /NOT_SET/], [11, /name/]];
      for (const [line, why] of expected) {
        const told = problems(check).find((l) => l.startsWith(`hookkeep.yaml:${line}:`));
        assert.ok(told, `line ${line} in:\n${check.stderr}`);
        assert.match(told, why);
      }
      const serve = await g.cli(["serve"]);
      assert.equal(serve.code, 78);
      assert.deepEqual(problems(serve), problems(check));
      assert.deepEqual(fs.readdirSync(g.folder), ["hookkeep.yaml"], "nothing was made");
    });

  test("plain HTTP on an address that is not loopback gets a warning", async (t) => {
    const g = new Gateway(t, { listen: ["http://0.0.0.0:0"] });
    const check = await g.cli(["check"]);
    assert.equal(check.code, 0, check.stderr);
    assert.match(check.stderr, /https/i);
    const quiet = new Gateway(t, {});
    assert.equal((await quiet.cli(["check"])).stderr, "");
  });

  test("IPv6, two addresses at once, and the desk by TCP", async (t) => {
    const g = await Gateway.start(t, { listen: ["http://127.0.0.1:0", "http://[::1]:0"],
      desk: { listen: ["unix:desk.sock", "http://127.0.0.1:0"] }, sources: [SOURCE] });
    const [four, six] = g.ports.filter((l) => l.for === "stripe").map((l) => l.port);
    await g.accept(snapshot(), { port: four });
    await g.accept(snapshot(), { port: six, host: "::1" });
    await g.waitCount(2, "events");
    const tcp = g.ports.filter((l) => l.for === "desk").map((l) => l.port).find((p) => p > 0);
    assert.equal((await request({ port: tcp, path: "/readyz", method: "GET" })).status, 200);
    const listed = await g.cli(["events", "list", "--api", `http://127.0.0.1:${tcp}`]);
    assert.equal(listed.code, 0, listed.stderr);
  });
});

test("files are kept for who listens and for endpoints, before strangers have some", async (t) => {
  const few = async (desk, limits = {}) => {
    const g = await Gateway.start(t, { desk: { listen: ["unix:desk.sock"], ...desk }, limits },
      { wrap: ["sh", "-c", 'ulimit -n 240; exec "$0" "$@"'] });
    await g.stop();
    const { wanted, connections } = g.log.find((l) => l.event === "files_few");
    assert.equal(connections, 120); // half of what there is
    return wanted;
  };
  const wanted = await few({ endpoints_max: 0, listeners_max: 1 });
  assert.equal(await few({ endpoints_max: 0, listeners_max: 71 }), wanted + 70);
  assert.equal(await few({ endpoints_max: 3, listeners_max: 1 }), wanted + 3 * 2 * 16);
  assert.equal(await few({ endpoints_max: 0, listeners_max: 1 }, { connections: 4000 }),
               wanted - 96);
});
