// SPDX-License-Identifier: MIT
// The command against a desk that this test plays, so that every answer a desk may give can be
// given; the real gateway answers in the other files.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import Stripe from "stripe";

const HOOKKEEP = process.env.HOOKKEEP ?? path.resolve("build/hookkeep");
const SECRET = "whsec_0123456789abcdef";
const KEY = "hk_operator_0123456789";
const CONFIG = `desk: {listen: [http://192.0.2.1:1, "unix:desk.sock"]}
ledger: sqlite:books.db
sources:
  - path: /webhook
    secrets: [{label: main, key: "\${NOT_SET_HERE}"}]
destinations:
  - {name: shop, url: "http://127.0.0.1:5001/", secret: "file:secrets/unreadable"}
`;

let folder, desk, answers, asked;

// Runs the command in the test's folder; resolves with what it wrote and its exit code.
function run(args, { env = {}, input = "", cwd = folder, until } = {}) {
  const clean = Object.fromEntries(
    Object.entries(process.env).filter(([k]) => !/^(HOOKKEEP|STRIPE)_|_proxy$/i.test(k)));
  const child = spawn(HOOKKEEP, args, { cwd, env: { ...clean, ...env } });
  const out = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"])
    child[name].on("data", (piece) => {
      out[name] += piece;
      if (until?.(out)) child.kill("SIGTERM");
    });
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return once(child, "close").then(([code]) => ({ ...out, code }));
}

async function ok(args, options) {
  const r = await run(args, options);
  assert.equal(r.code, 0, `${args.join(" ")}: ${r.stderr}`);
  return r;
}

function event(seq, more = {}) {
  return { seq, id: `evt_${seq}`, type: "charge.refunded", owner: "main", account: "",
           livemode: true, api_version: "2025-03-31.basil", created: 1700000000,
           received_at: 1700000000123 + seq, object_id: "ch_1", status: "done",
             error: "", ...more };
}

// What the desk answers: "METHOD path" without parameters → an object, or a function of the
// request.
function take(request, response) {
  const pieces = [];
  request.on("data", (p) => pieces.push(p));
  request.on("end", () => {
    const url = new URL(request.url, "http://desk");
    const body = Buffer.concat(pieces).toString();
    const one = { method: request.method, path: url.pathname, params: url.searchParams,
                  headers: request.headers, body: body === "" ? null : JSON.parse(body),
                  at: Date.now() };
    asked.push(one);
    let answer = answers[`${request.method} ${url.pathname}`];
    if (typeof answer === "function") answer = answer(one, response);
    if (answer === undefined && response.headersSent) return;
    const status = answer?.http ?? (answer === undefined ? 404 : 200);
    const { http: _, raw, ...rest } = answer ?? { error: "there is no such path" };
    response.writeHead(status, { "content-type": "application/json" });
    response.end(raw ?? JSON.stringify(rest));
  });
}

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "hookkeep-cli-"));
  fs.writeFileSync(path.join(folder, "hookkeep.yaml"), CONFIG);
  fs.writeFileSync(path.join(folder, "books.db.key"), KEY + "\n", { mode: 0o600 });
  desk = http.createServer(take).listen(path.join(folder, "desk.sock"));
  await once(desk, "listening");
});

beforeEach(() => {
  answers = {};
  asked = [];
});

after(() => {
  desk.closeAllConnections();
  desk.close();
  fs.rmSync(folder, { recursive: true });
});

// A letter that stands for two options would be heard as the first of them.
function assertOnce(help) {
  const options = [...help.split("\n\n")[0].matchAll(/^ {2,}(?:(-\w), +|)(--[\w-]+)/gm)]
    .flatMap(([, letter, name]) => letter ? [letter, name] : [name]);
  assert.ok(options.includes("--help"));
  assert.deepEqual(options, [...new Set(options)], help);
}

test("help names every command, and each tells how to call it", async () => {
  const all = await ok(["help"]);
  assert.match((await ok(["--help"])).stdout, /^Usage: hookkeep COMMAND/);
  const names = [...all.stdout.matchAll(/^ {2}(\w+) +\S/gm)].map((m) => m[1]);
  assert.deepEqual(names, [
    "serve", "dev", "check", "status", "doctor", "accounts", "events", "deliveries", "destinations",
    "explain", "match", "sites", "tables", "suspense", "secrets", "ledger", "keys", "listen",
    "trigger", "twin", "sign", "verify", "plugin", "version", "help"
  ]);
  for (const name of names) {
    const one = await ok([name, "--help"]);
    assert.match(one.stdout, new RegExp(`^Usage: hookkeep ${name}`));
    assert.equal((await ok(["help", name])).stdout, one.stdout);
    for (const line of one.stdout.split("\n")) assert.ok(line.length <= 100, line);
    if (!one.stdout.includes(" ACTION")) {
      assertOnce(one.stdout);
      continue;
    }
    for (const [, action] of one.stdout.matchAll(/^ {2}(\w+)( |$)/gm)) {
      const two = await ok([name, action, "--help"]);
      assert.match(two.stdout, new RegExp(`^Usage: hookkeep ${name} ${action} `));
      assertOnce(two.stdout);
    }
  }
  assert.match((await ok(["help", "configuration"])).stdout, /sources\[\]\.secrets\[\]\.key/);
});

test("version", async () => {
  assert.match((await ok(["version"])).stdout, /^hookkeep \d+\.\d+\.\d+\n$/);
  assert.match((await ok(["--version"])).stdout, /^hookkeep \d/);
});

test("what is misused is told, with exit code 2", async () => {
  const cases = [
    [[], /^$/],
    [["event"], /did you mean `hookkeep events`\?/],
    [["zzzzzzzzzz"], /there is no command `zzzzzzzzzz`; `hookkeep help` lists them/],
    [["events"], /^$/],
    [["events", "lst"], /did you mean `hookkeep events list`\?/],
    [["events", "show"], /something is missing: hookkeep events show EVENT/],
    [["events", "show", "a", "b"], /nothing is known to do with `b`/],
    [["events", "list", "--nope=whsec_secret"], /--nope: unknown option\n/],
    [["events", "list", "--limit", "many"], /invalid numeric value/],
    [["events", "list", "--since", "yesterday"], /--since `yesterday` is no time; expected/],
    [["events", "list", "--api", "ftp://x"], /--api `ftp:\/\/x` is no address of a desk/],
    [["events", "replay"], /which events\?/],
    [["events", "replay", "evt_1", "--type", "x"], /named and filtered at once/],
    [["events", "replay", "--all", "--rate", "-1"], /--rate takes/],
    [["events", "show", "evt_1", "--receipt", "1"], /add --body/],
    [["keys", "create"], /--mode is missing; expected operator, viewer, test or live/],
    [["keys", "create", "--mode", "root"], /--mode is root; expected operator/],
    [["keys", "create", "--mode", "viewer", "--read-only"], /--read-only goes with --mode test/],
    [["help", "nothing"], /there is no command `nothing`/],
    [["help", "events", "shw"], /did you mean `hookkeep events show`/],
  ];
  for (const [args, message] of cases) {
    const r = await run(args);
    assert.equal(r.code, 2, `${args.join(" ")}: ${r.stderr}`);
    assert.match(r.stderr, message);
    assert.ok(!r.stderr.includes("whsec_"), "what stands behind = may be a secret");
  }
  assert.deepEqual(asked, []);
});

test("check says what is wrong with 78, and what there is with 0", async () => {
  const good = await ok(["check", "-c", "good.yaml"], {
    cwd: (fs.writeFileSync(path.join(folder, "good.yaml"), `sources:
  - {path: /a, secrets: [{label: m, key: "${SECRET}"}]}
  - {path: /b, secrets: [{label: m, key: "${SECRET}x"}]}
destinations:
  - {name: shop, url: "http://127.0.0.1:1/", secret: "${SECRET}"}
`), folder) });
  assert.equal(good.stdout, "ok: 2 sources, 1 destination (good.yaml)\n");
  const bad = await run(["check"]);
  assert.equal(bad.code, 78);
  assert.equal(bad.stdout, "");
  assert.match(bad.stderr, /hookkeep\.yaml:\d+: .*NOT_SET_HERE is not set/);
  const none = await run(["check", "-c", "nowhere.yaml"]);
  assert.equal(none.code, 78);
  assert.match(none.stderr, /nowhere\.yaml: there is no such file/);
});

test("the desk and the key are found without the configuration's secrets", async () => {
  answers["GET /api/events"] = { data: [], has_more: false };
  const r = await ok(["events", "list"]);
  assert.equal(asked[0].headers.authorization, `Bearer ${KEY}`);
  assert.equal(r.stdout, "");
  assert.match(r.stderr, /no event fits/);
  await ok(["events", "list"], { env: { HOOKKEEP_KEY: "hk_viewer_1" } });
  assert.equal(asked[1].headers.authorization, "Bearer hk_viewer_1");
});

test("an address that is asked for, by TCP, and no key for another machine", async () => {
  const tcp = http.createServer(take).listen(0, "127.0.0.1");
  await once(tcp, "listening");
  const { port } = tcp.address();
  answers["GET /api/keys"] = { data: [] };
  await ok(["keys", "list", "--api", `http://127.0.0.1:${port}/`]);
  await ok(["keys", "list"], { env: { HOOKKEEP_API: `http://127.0.0.1:${port}`,
                                      HOOKKEEP_KEY: "hk_x" }, cwd: os.tmpdir() });
  assert.deepEqual(asked.map((a) => a.headers.authorization), [`Bearer ${KEY}`, "Bearer hk_x"]);
  asked = [];
  // A name that means this machine, but not one that says so.
  answers["GET /api/keys"] = { http: 401, error: "no key" };
  const r = await run(["keys", "list", "--api", `http://127.0.0.2:${port}`]);
  tcp.close();
  tcp.closeAllConnections();
  assert.equal(r.code, 1);
  for (const one of asked) assert.equal(one.headers.authorization, undefined);
});

test("failures say what, where and what to do", async () => {
  const away = await run(["events", "list", "--api", "unix:nobody.sock"]);
  assert.equal(away.code, 1);
  assert.match(away.stderr, /no gateway answers at unix:nobody\.sock .*hookkeep serve.*--api/s);
  answers["GET /api/events"] = { http: 401, error: "no key" };
  const unknown = await run(["events", "list"]);
  assert.equal(unknown.code, 1);
  assert.match(unknown.stderr, /does not know the key from books\.db\.key.*HOOKKEEP_KEY/s);
  const other = fs.mkdtempSync(path.join(folder, "other-"));
  fs.writeFileSync(path.join(other, "hookkeep.yaml"), CONFIG.replace("desk.sock", "../desk.sock"));
  const keyless = await run(["events", "list"], { cwd: other });
  assert.equal(keyless.code, 1);
  assert.match(keyless.stderr,
               /wants a key, and the operator's key in books\.db\.key is not there/);
  answers["GET /api/events"] = { http: 403, error: "a viewer's key \u001b[31m" };
  const viewer = await run(["events", "list"]);
  assert.equal(viewer.stderr, "hookkeep: a viewer's key \\x1b[31m\n");
  answers["GET /api/events"] = { http: 404, raw: "<html>" };
  assert.match((await run(["events", "list"])).stderr, /answered 404, and not as a desk does/);
  answers["GET /api/events"] = { raw: "<html>" };
  assert.match((await run(["events", "list"])).stderr, /no JSON/);
  const key = await run(["events", "list"], { env: { HOOKKEEP_KEY: "a b" } });
  assert.equal(key.code, 2);
  assert.ok(!key.stderr.includes("a b"));
  fs.writeFileSync(path.join(other, "hookkeep.yaml"), "nonsense: 1\n");
  const bad = await run(["events", "list"], { cwd: other });
  assert.equal(bad.code, 78);
  assert.match(bad.stderr, /hookkeep\.yaml:1: nonsense.*HOOKKEEP_API/s);
});

test("events list: a table of at most 100 columns, filters, JSON lines", async () => {
  answers["GET /api/events"] = {
    data: [event(2, { type: "x".repeat(300), id: "evt_é\u202e", account: "acct_1234567890" }),
           event(1, { livemode: false })],
    has_more: true };
  const r = await ok(["events", "list", "-n", "2", "--type", "charge.*", "--account", "platform",
                      "--owner", "a&b", "--object", "ch_1", "--id", "evt_1", "--status", "failed",
                      "--livemode", "true", "--since", "2023-11-14T22:13:20Z", "--until", "2h",
                      "--after", "7"]);
  const lines = r.stdout.trimEnd().split("\n");
  assert.match(lines[0], /^seq +received +type +id +account +mode +status$/);
  assert.match(lines[1],
               /^2 +2023-11-14 22:13:20 +x+… +evt_é\\xe2\\x80\\xae +acct_1234567890 +live/);
  assert.match(lines[2], /^1 .* charge\.refunded +evt_1 +- +test +done$/);
  for (const line of lines) assert.ok([...line].length <= 100, line);
  assert.match(r.stderr, /there are more: --before 1/);
  const p = asked[0].params;
  assert.equal(p.get("type"), "charge.*");
  assert.equal(p.get("owner"), "a&b");
  assert.equal(p.get("since"), "1700000000000");
  assert.ok(Math.abs(Number(p.get("until")) - (Date.now() - 7200000)) < 60000);
  assert.equal(p.get("limit"), "2");
  assert.equal(p.get("after"), "7");
  const json = await ok(["events", "list", "--json", "-n", "2"]);
  const rows = json.stdout.trimEnd().split("\n").map((l) => JSON.parse(l));
  assert.deepEqual(rows, answers["GET /api/events"].data);
});

// A desk with this many events, which pages as the real one does.
function pages(count) {
  return ({ params }) => {
    const oldest = params.get("order") === "oldest";
    let rows = Array.from({ length: count }, (_, i) => event(i + 1));
    rows = rows.filter((r) => r.seq > Number(params.get("after") ?? 0) &&
                              r.seq < Number(params.get("before") ?? Infinity));
    if (!oldest) rows.reverse();
    const limit = Number(params.get("limit") ?? 100);
    return { data: rows.slice(0, limit), has_more: rows.length > limit };
  };
}

test("lists go on from page to page", async () => {
  answers["GET /api/events"] = pages(2500);
  const r = await ok(["events", "list", "--limit", "2400", "--json"]);
  const seqs = r.stdout.trimEnd().split("\n").map((l) => JSON.parse(l).seq);
  assert.deepEqual(seqs, Array.from({ length: 2400 }, (_, i) => 2500 - i));
  assert.deepEqual(asked.map((a) => a.params.get("limit")), ["1000", "1000", "400"]);
  asked = [];
  const old = await ok(["events", "list", "--oldest", "--after", "10", "--before", "13", "--json"]);
  assert.deepEqual(old.stdout.trimEnd().split("\n").map((l) => JSON.parse(l).seq), [11, 12]);
});

test("events show: the whole, its body, and what an ambiguous id stands for", async () => {
  answers["GET /api/events/evt_1"] = {
    ...event(1), twin: null, error: "bad \u0007",
    receipts: [{ seq: 1, source: "/webhook", received_at: 1700000000123, secret_label: "main",
                 api_version: "v", scope_misfit: 1, livemode_misfit: 0 }],
    deliveries: [{ seq: 9, destination: "shop", state: "waiting", attempts: 1,
                   next_at: 1700000005123, replay: false, last_error: "answered 500" }] };
  const r = await ok(["events", "show", "evt_1"]);
  assert.match(r.stdout, /^id +evt_1$/m);
  assert.match(r.stdout, /^error +bad \\x07$/m);
  assert.match(r.stdout, /\nreceipts\n.*\n1 .*\/webhook +main +v +yes/);
  assert.match(r.stdout, /\ndeliveries\n.*\n9 +shop +waiting +1 +2023-11-14 22:13:25 +- +answered/);
  assert.deepEqual(JSON.parse((await ok(["events", "show", "evt_1", "--json"])).stdout),
                   answers["GET /api/events/evt_1"]);
  answers["GET /api/events/evt_1/body"] = { raw: "{ \"id\": 1 }\n" };
  const body = await ok(["events", "show", "evt_1", "--body", "--receipt", "4"]);
  assert.equal(body.stdout, "{ \"id\": 1 }\n");
  assert.equal(asked.at(-1).params.get("receipt"), "4");
  answers["GET /api/events/evt_1"] = { http: 409, error: "several", events: [
    event(1), event(5, { account: "acct_2", livemode: false })] };
  const many = await run(["events", "show", "evt_1"]);
  assert.equal(many.code, 1);
  assert.match(many.stderr,
               /several\n.*1: owner main, account platform, live\n.*5: .*acct_2, test/);
});

test("ids cannot leave their place in the path", async () => {
  const r = await run(["events", "show", "../keys?x=1#%"]);
  assert.equal(r.code, 1);
  assert.equal(asked.length, 1);
  assert.equal(asked[0].path, "/api/events/..%2Fkeys%3Fx%3D1%23%25");
});

test("events tail: rows as they come, cut anywhere, and how to go on", async () => {
  const rows = [event(1), event(2, { account: "acct_9" })];
  answers["GET /api/events/tail"] = ({ params }, response) => {
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    const text = rows.map((r) => JSON.stringify(r) + "\n").join("\n");
    response.write(text.slice(0, 50));
    setImmediate(() => response.end(text.slice(50)));
  };
  const r = await run(["events", "tail", "--type", "charge.*", "--after", "4"]);
  assert.equal(r.code, 1);
  assert.equal(r.stdout.trimEnd().split("\n").length, 2);
  assert.match(r.stdout, /^1 +2023-11-14 22:13:20 +charge\.refunded +live +evt_1\n2 .*acct_9\n$/);
  assert.match(r.stderr, /`hookkeep events tail --after 2` goes on/);
  assert.equal(asked[0].params.get("after"), "4");
  assert.equal(asked[0].params.get("type"), "charge.*");
  const json = await run(["events", "tail", "--json"]);
  assert.deepEqual(json.stdout.trimEnd().split("\n").map((l) => JSON.parse(l)), rows);
  answers["GET /api/events/tail"] = { http: 400, error: "unknown type" };
  const bad = await run(["events", "tail"]);
  assert.equal(bad.code, 1);
  assert.equal(bad.stderr, "hookkeep: unknown type\n");
});

test("events tail shows a row while the stream is open", async () => {
  answers["GET /api/events/tail"] = (_, response) => {
    response.writeHead(200);
    response.write(JSON.stringify(event(1)) + "\n");
  };
  const r = await run(["events", "tail"], { until: (out) => out.stdout.includes("evt_1\n") });
  assert.match(r.stdout, /^1 /);
});

test("events replay: named ones in batches of 500", async () => {
  answers["POST /api/replay"] = ({ body }) => ({
    ok: true, deliveries: body.events.map((_, i) => i),
    refused: body.events.includes("evt_3")
      ? [{ event: 3, destination: "shop", why: "live only" }] : [] });
  const ids = Array.from({ length: 501 }, (_, i) => `evt_${i}`);
  const r = await ok(["events", "replay", "--to", "shop", ...ids]);
  assert.deepEqual(asked.map((a) => a.body.events.length), [500, 1]);
  assert.deepEqual(asked.flatMap((a) => a.body.events), ids);
  assert.equal(asked[0].body.to, "shop");
  assert.match(r.stdout, /^501 events replayed, 501 deliveries made, 1 refused\n/);
  assert.match(r.stdout, /\n3 +shop +live only\n/);
  const json = await ok(["events", "replay", "--json", "evt_9"]);
  assert.deepEqual(JSON.parse(json.stdout), { ok: true, deliveries: [0], refused: [] });
  assert.equal("to" in asked.at(-1).body, false);
});

test("events replay: by filter, oldest first, page by page, until now", async () => {
  answers["GET /api/events"] = pages(1200);
  answers["POST /api/replay"] = ({ body }) => ({ ok: true, deliveries: body.events, refused: [] });
  const r = await ok(["events", "replay", "--type", "charge.*"]);
  const sent = asked.filter((a) => a.method === "POST").flatMap((a) => a.body.events);
  assert.deepEqual(sent.map(Number), Array.from({ length: 1200 }, (_, i) => i + 1));
  const listed = asked.filter((a) => a.method === "GET");
  assert.deepEqual(listed.map((a) => a.params.get("after")), [null, "1000"]);
  for (const one of listed) {
    assert.equal(one.params.get("order"), "oldest");
    assert.ok(Math.abs(Number(one.params.get("until")) - Date.now()) < 60000);
  }
  assert.match(r.stdout, /^1200 events replayed, 1200 deliveries made, 0 refused\n$/);
});

test("events replay: stops at a failure and tells how to go on", async () => {
  answers["GET /api/events"] = pages(1200);
  answers["POST /api/replay"] = ({ body }) => (Number(body.events[0]) > 500
    ? { http: 503, error: "no room in the journal" } : { ok: true, deliveries: [], refused: [] });
  const r = await run(["events", "replay", "--all", "--wait", "0s"]);
  assert.equal(r.code, 1);
  assert.match(r.stderr, /no room in the journal\n.*--after 500 --until \d+ goes on/s);
});

test("events replay: a rate is kept", async () => {
  answers["POST /api/replay"] = () => ({ ok: true, deliveries: [], refused: [] });
  const ids = Array.from({ length: 30 }, (_, i) => `evt_${i}`);
  await ok(["events", "replay", "--rate", "50", ...ids]);
  assert.deepEqual(asked.map((a) => a.body.events.length), [5, 5, 5, 5, 5, 5]);
  const took = asked.at(-1).at - asked[0].at;
  assert.ok(took >= 450, `25 events at 50 a second took ${took} ms`);
});

test("events replay --dry-run sends nothing and says where each would go", async () => {
  answers["GET /api/events"] = pages(2);
  const planned = (event, to) => ({ event, id: `evt_${event}`, type: "charge.refunded", to });
  answers["POST /api/replay/plan"] = { data: [planned(1, ["shop", "books"]), planned(2, [])] };
  const r = await ok(["events", "replay", "--all", "--dry-run"]);
  assert.match(r.stdout,
               /\n1 .*evt_1 +shop, books\n2 .*evt_2 +nobody: it matches no destination\n$/);
  assert.match(r.stderr, /2 events: 1 to shop, 1 to books, 1 to nobody; nothing was sent/);
  answers["POST /api/replay/plan"] = { data: [planned(2, ["shop"])] };
  const to = await ok(["events", "replay", "2", "--to", "shop", "--dry-run", "--json"]);
  assert.deepEqual(JSON.parse(to.stdout),
                   { seq: 2, type: "charge.refunded", id: "evt_2", to: "shop" });
  const posted = asked.filter((a) => a.method !== "GET");
  assert.ok(posted.every((a) => a.path === "/api/replay/plan"));
  assert.deepEqual(posted.map((a) => a.body.events), [["1", "2"], ["2"]]);
});

test("sites learn: batches of 500, oldest first, each with a key; how to go on", async () => {
  answers["GET /api/events"] = pages(1200);
  answers["POST /api/sites/learn"] = ({ body }) => ({ ok: true, learnt: body.events.length,
                                                      routed: 1 });
  const r = await ok(["sites", "learn", "--since", "30d"]);
  assert.equal(r.stdout, "1200 events read, 3 that waited routed\n");
  const sent = asked.filter((a) => a.method === "POST");
  assert.deepEqual(sent.map((a) => a.body.events.length), [500, 500, 200]);
  assert.deepEqual(sent.flatMap((a) => a.body.events),
                   Array.from({ length: 1200 }, (_, i) => i + 1));
  assert.equal(new Set(sent.map((a) => a.headers["idempotency-key"])).size, 3);
  for (const one of asked.filter((a) => a.method === "GET")) {
    assert.equal(one.params.get("order"), "oldest");
    assert.ok(Math.abs(Number(one.params.get("until")) - Date.now()) < 60000);
  }
  answers["POST /api/sites/learn"] = ({ body }) => (body.events[0] > 500
    ? { http: 409, error: "the configuration has no sites" }
    : { ok: true, learnt: 500, routed: 0 });
  const stopped = await run(["sites", "learn"]);
  assert.equal(stopped.code, 1);
  assert.equal(stopped.stdout, "500 events read, 0 that waited routed\n");
  assert.match(stopped.stderr, /has no sites\n.*the same command with --after 500 goes on/s);
});

test("sites assign and show: where they ask, and what several of one id are", async () => {
  answers["POST /api/objects/acct_1%2Fproduct%3Ap/assign"] = { ok: true, routed: 0 };
  const r = await ok(["sites", "assign", "acct_1/product:p", "shop", "--livemode", "true"]);
  assert.equal(r.stdout, "acct_1/product:p: belongs to shop now\n");
  assert.deepEqual(asked[0].body, { site: "shop" });
  assert.equal(asked[0].params.get("livemode"), "true");
  await ok(["sites", "assign", "acct_1/product:p", "--undo"]);
  assert.deepEqual(asked[1].body, { site: null });
  answers["GET /api/objects/p"] = { http: 409, error: "several", objects: [
    { number: 3, key: "product:p", type: "product", owner: "main", livemode: true },
    { number: 9, key: "acct_1/product:p", type: "product", owner: "main", livemode: false }] };
  const several = await run(["sites", "show", "p"]);
  assert.equal(several.code, 1);
  assert.match(several.stderr, new RegExp("several\n.*3: product product:p, owner main, live\n"
    + ".*9: product acct_1/product:p, owner main, test\n"));
});

test("events types needs no gateway", async () => {
  const r = await ok(["events", "types", "charge.*"], { cwd: os.tmpdir() });
  assert.match(r.stdout, /^charge\.refunded +charge +charges\S* +a charge is refunded, in part/m);
  assert.ok(r.stdout.trimEnd().split("\n").every((l) => l.startsWith("charge.")));
  const json = await ok(["events", "types", "product.created", "--json"]);
  assert.deepEqual(JSON.parse(json.stdout), { type: "product.created", object: "product",
    description: "a product is created", tables: ["products"] });
  const none = await run(["events", "types", "charge.refunde_"]);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /did you mean `charge\.refunded`/);
});

test("events types: what came, and who takes it", async () => {
  const taker = (name) => ({ name, destination: name.split("/")[0], handler: null });
  const row = { type: "charge.refunded", receipts: 7, first_at: 1700000000123,
                last_at: 1700000005123, takers: [taker("shop"), taker("books/paid")] };
  answers["GET /api/types"] = { data: [row, { ...row, type: "odd", takers: [], receipts: 1 }],
                                has_more: false };
  const r = await ok(["events", "types", "charge.*", "--seen", "--taken"]);
  assert.match(r.stdout, new RegExp("^type +receipts +first +last +taken by\n" +
    "charge.refunded +7 +2023-11-14 22:13:20 +2023-11-14 22:13:25 +shop, books/paid\n" +
    "odd +1 .* -\n$"));
  assert.deepEqual(Object.fromEntries(asked[0].params),
                   { type: "charge.", seen: "true", taken: "true" });
  const json = await ok(["events", "types", "--seen", "--json"]);
  assert.deepEqual(JSON.parse(json.stdout.split("\n")[0]), row);
  assert.deepEqual(Object.fromEntries(asked[1].params), { seen: "true" });
});

test("deliveries: list, show, retry, cancel", async () => {
  const row = { seq: 9, event_seq: 17, event_id: "evt_1", receipt_seq: 17, destination: "shop",
                state: "waiting", attempts: 1, failures: 1, created_at: 1700000000123,
                next_at: 1700000005123, ended_at: 0, replay: false, last_error: "answered 500" };
  answers["GET /api/deliveries"] = { data: [row], has_more: false };
  const r = await ok(["deliveries", "list", "-s", "waiting", "-d", "shop", "-e", "evt_1"]);
  assert.match(r.stdout, /\n9 +evt_1 +shop +waiting +1 +2023-11-14 22:13:25 +answered 500\n$/);
  assert.equal(asked[0].params.get("state"), "waiting");
  assert.equal(asked[0].params.get("destination"), "shop");
  assert.equal(asked[0].params.get("event"), "evt_1");
  answers["GET /api/deliveries/9"] = { ...row, attempts_made: [
    { number: 1, started_at: 1700000000123, micros: 12345, outcome: "failed", status: 500,
      error: "answered 500", answer: "oops" }] };
  const one = await ok(["deliveries", "show", "9"]);
  assert.match(one.stdout,
               /\nattempts\n.*\n1 +2023-11-14 22:13:20 +12ms +failed +500 +answered 500/);
  answers["POST /api/deliveries/9/retry"] = { ok: true };
  answers["POST /api/deliveries/10/retry"] = { http: 409, error: "this delivery is done" };
  answers["POST /api/deliveries/11/retry"] = { ok: true };
  const retry = await run(["deliveries", "retry", "9", "10", "11"]);
  assert.equal(retry.code, 1);
  assert.equal(retry.stdout, "delivery 9: due now\ndelivery 11: due now\n");
  assert.equal(retry.stderr, "hookkeep: this delivery is done\n");
  answers["POST /api/deliveries/9/cancel"] = { ok: true };
  assert.equal((await ok(["deliveries", "cancel", "9"])).stdout, "delivery 9: cancelled\n");
});

test("destinations: list, show, hold, release", async () => {
  const row = { name: "shop", present: true, held: true, hold_reason: "moving",
    held_at: 1700000000123,
                oldest_due_at: 0, deliveries: { due: 0, waiting: 0, done: 7, dead: 1, held: 3,
                                                cancelled: 0 },
                made_by: "file", status: "configured", kind: "http", endpoint: null,
                pace: { under_way: 0, level: 3, level_least: 1, level_most: 16, rate: 20.5,
                        rate_learnt: null, paused_until: null, breaker: "open",
                        breaker_since: 1700000000123, breaker_why: "answered 500",
                        next_probe_at: 1700000004000 } };
  const made = { ...row, name: "we_1", held: false, hold_reason: "", made_by: "api",
                 status: "disabled", pace: null,
                 endpoint: { livemode: "live", url: "https://shop.example/hook", scope: "account",
                             because: "failed", enabled_events: ["charge.failed", "payout.paid"],
                             payload: "snapshot", created: 1700000000, failing_since: 0 } };
  answers["GET /api/destinations"] = { data: [row, made], has_more: false };
  answers["GET /api/destinations/we_1"] = made;
  answers["GET /api/destinations/shop"] = row;
  assert.match((await ok(["destinations", "list"])).stdout,
               /\nshop +configured +yes +open +0 +0 +7 +1 +- +moving +-\nwe_1 +disabled .*https:/);
  const shown = (await ok(["destinations", "show", "we_1"])).stdout;
  for (const line of [/^made by +api$/m, /^status +disabled$/m, /^why +failed$/m,
                      /^url +https:\/\/shop.example\/hook$/m, /^livemode +live$/m,
                      /^events +charge.failed, payout.paid$/m, /^made at +2023-11-14 22:13:20$/m])
    assert.match(shown, line);
  const paced = (await ok(["destinations", "show", "shop"])).stdout;
  for (const line of [/^open, held +3$/m, /^breaker +open$/m, /^open because +answered 500$/m,
                      /^open since +2023-11-14 22:13:20/m, /^next probe +2023-11-14 22:13:24/m,
                      /^at once +3$/m, /^at once, most +16$/m, /^rate, a second +20.5$/m])
    assert.match(paced, line);
  answers["POST /api/destinations/shop/hold"] = { ok: true };
  answers["POST /api/destinations/shop/release"] = { ok: true };
  assert.match((await ok(["destinations", "hold", "shop", "-r", "to \"mend\""])).stdout, /held/);
  assert.deepEqual(asked.at(-1).body, { reason: "to \"mend\"" });
  assert.match((await ok(["destinations", "release", "shop"])).stdout,
               /^destination shop: released/);
  assert.equal(asked.at(-1).body, null);
});

test("explain: each destination with its rule", async () => {
  answers["GET /api/events/evt_1/explain"] = {
    event: 17, id: "evt_1", type: "charge.refunded", generation: 3, receipts_left_out: 2,
    receipts: [{ seq: 17, source: "/webhook", secret_label: "main", received_at: 1700000000123,
                 generation: 1, livemode_misfit: false, destinations: [
      { name: "shop", gets: true, why: "rule 1: types charge.* matches charge.refunded",
        then: { gets: false, why: "no rule" },
        deliveries: [{ seq: 9, state: "done", replay: true }] },
      { name: "books", gets: false, why: "rule 1: types invoice.* does not", then: null,
        deliveries: [] }] }] };
  const r = await ok(["explain", "evt_1"]);
  assert.match(r.stdout, /^charge\.refunded {2}evt_1 {2}\(event 17, .*generation 3\)\n/);
  assert.match(r.stdout, /\n {2}shop +yes +rule 1: types charge\.\* matches charge\.refunded\n/);
  assert.match(r.stdout, /when it came: no, no rule\n.*delivery 9 \(a replay\): done\n/);
  assert.match(r.stdout, /\n {2}books +no +rule 1: types invoice\.\* does not\n/);
  assert.match(r.stdout, /2 later receipts are not shown/);
  assert.equal(JSON.parse((await ok(["explain", "--json", "evt_1"])).stdout).event, 17);
});

test("suspense: list, show, book, drop", async () => {
  const row = { position: 40, kind: "event", state: "waiting", reason: "no such plan",
                received_at: 1700000000123, generation: 1 };
  answers["GET /api/suspense"] = ({ params }) => (
    params.get("before") ? { data: [], has_more: false } : { data: [row], has_more: true });
  const r = await ok(["suspense", "list", "--state", "waiting"]);
  assert.match(r.stdout, /\n40 +2023-11-14 22:13:20 +event +waiting +no such plan\n$/);
  assert.equal(asked[1].params.get("before"), "40");
  answers["GET /api/suspense/40"] = { ...row, payload: "AAA=" };
  assert.match((await ok(["suspense", "show", "40"])).stdout, /^payload +AAA=$/m);
  answers["POST /api/suspense/40/book"] = { ok: true };
  answers["POST /api/suspense/40/drop"] = { http: 409, error: "it is booked already" };
  assert.equal((await ok(["suspense", "book", "40"])).stdout, "record 40: booked\n");
  assert.equal((await run(["suspense", "drop", "40"])).code, 1);
});

test("keys: the new key alone on standard output", async () => {
  answers["POST /api/keys"] = { ok: true, id: "key_1", name: "ci", mode: "viewer",
                                key: "hk_viewer_abc" };
  const r = await ok(["keys", "create", "--mode", "viewer", "--name", "ci"]);
  assert.equal(r.stdout, "hk_viewer_abc\n");
  assert.match(r.stderr, /made key_1.*not shown again/);
  assert.deepEqual(asked[0].body, { mode: "viewer", name: "ci" });
  answers["GET /api/keys"] = { data: [{ id: "key_1", name: "ci", mode: "viewer",
                                        created_at: 1700000000123, revoked_at: 0 }] };
  assert.match((await ok(["keys", "list"])).stdout,
               /\nkey_1 +ci +viewer +2023-11-14 22:13:20 +-\n$/);
  answers["POST /api/keys/key_1/revoke"] = { ok: true };
  assert.equal((await ok(["keys", "revoke", "key_1"])).stdout, "key key_1: revoked\n");
});

test("ledger verify and backup ask the gateway that runs", async () => {
  answers["POST /api/ledger/verify"] = {
    ok: false, ledger: { ok: true, report: "12 events\n" },
    journal: { ok: false, report: "segment 2: torn\n1 problem" } };
  const r = await run(["ledger", "verify"]);
  assert.equal(r.code, 1);
  assert.equal(r.stdout,
               "ledger: ok\n  12 events\njournal: NOT OK\n  segment 2: torn\n  1 problem\n");
  assert.equal((await run(["ledger", "verify", "--json"])).code, 1);
  answers["POST /api/ledger/verify"].ok = true;
  assert.equal((await run(["ledger", "verify", "--json"])).code, 0);
  answers["POST /api/ledger/backup"] = ({ body }) => ({ ok: true, file: body.file, position: 20 });
  const backup = await ok(["ledger", "backup", "copy.db"]);
  assert.equal(fs.realpathSync(path.dirname(asked.at(-1).body.file)), fs.realpathSync(folder));
  assert.match(backup.stdout, /copy\.db, all up to position 20 is in it/);
  await ok(["ledger", "backup", "/var/x.db"]);
  assert.equal(asked.at(-1).body.file, "/var/x.db");
  const away = await run(["ledger", "verify", "--api", "unix:nobody.sock"]);
  assert.equal(away.code, 1);
  assert.match(away.stderr, /no gateway answers at unix:nobody\.sock/);
});

test("sign and verify agree with the official SDK", async () => {
  const stripe = new Stripe("sk_test_unused");
  const body = JSON.stringify({ id: "evt_é", object: "event" }) + "\n";
  const env = { HOOKKEEP_SECRET: SECRET };
  const mine = (await ok(["sign"], { env, input: body })).stdout.trim();
  assert.equal(stripe.webhooks.constructEvent(body, mine, SECRET).id, "evt_é");
  const at = (await ok(["sign", "--time", "1700000000"], { env, input: body })).stdout.trim();
  assert.equal(at, stripe.webhooks.generateTestHeaderString(
    { payload: body, secret: SECRET, timestamp: 1700000000 }));
  fs.writeFileSync(path.join(folder, "body.json"), body);
  fs.writeFileSync(path.join(folder, "ring"), `whsec_another_one_here\n${SECRET}\n`);
  fs.writeFileSync(path.join(folder, "secret"), SECRET + "\n");
  const filed = await ok(["sign", "--time", "2023-11-14T22:13:20Z", "--secret-file", "secret",
                          "body.json"]);
  assert.equal(filed.stdout.trim(), at);
  fs.writeFileSync(path.join(folder, "header"), `Stripe-Signature: ${mine}\r\n`);
  for (const args of [[mine], ["--header-file", "header"]]) {
    const r = await ok(["verify", "--secret-file", "ring", ...args], { input: body });
    assert.notEqual(r.stdout, "");
  }
  const stripe_env = { STRIPE_WEBHOOK_SECRET: SECRET };
  const cases = [
    [[at], body, stripe_env, 1],
    [[at, "--time", "1700000301"], body, env, 1],
    [[at, "--time", "1700000301", "--tolerance", "10m"], body, env, 0],
    [[at, "--time", "1699999000"], body, env, 1],
    [[mine], body + " ", env, 1],
    [[mine], body, { HOOKKEEP_SECRET: "whsec_another_one_here" }, 1],
    [["t=1,v1=zz"], body, env, 1],
    [[""], body, env, 1],
    [[], body, env, 2],
    [[mine, "--header-file", "header"], body, env, 2],
    [[mine], body, {}, 2],
    [[mine], body, { HOOKKEEP_SECRET: "" }, 2],
    [[mine], body, { HOOKKEEP_SECRET: " whsec_0123456789" }, 2],
    [[mine, "--tolerance", "soon"], body, env, 2],
    [[mine, "--secret-file", "nowhere"], body, env, 1],
  ];
  for (const [args, input, variables, code] of cases) {
    const r = await run(["verify", ...args], { env: variables, input });
    assert.equal(r.code, code, `${args.join(" ")}: ${r.stdout}${r.stderr}`);
    assert.ok(!(r.stdout + r.stderr).includes(SECRET));
  }
  assert.equal((await run(["sign", "--secret-file", "ring"], { input: body })).code, 2);
  assert.equal((await run(["sign", "nowhere.json"], { env })).code, 1);
  assert.equal((await run(["sign", "--time", "never"], { env })).code, 2);
});

test("a full pipe's end is told", async () => {
  const full = fs.openSync("/dev/full", "w");
  const child = spawn(HOOKKEEP, ["version"], { stdio: ["ignore", full, "pipe"] });
  let stderr = "";
  child.stderr.on("data", (p) => { stderr += p; });
  const [code] = await once(child, "close");
  fs.closeSync(full);
  assert.equal(code, 1);
  assert.match(stderr, /standard output could not be written/);
});
