// SPDX-License-Identifier: MIT
// Every example is run: the sites with the official libraries, the unit as systemd would start it,
// the proxy by a real nginx on loopback.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, afterEach, before, test } from "node:test";
import Stripe from "stripe";

const HOOKKEEP = path.resolve(process.env.HOOKKEEP ?? "build/hookkeep");
const EXAMPLES = path.resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname,
                              "../../examples");
const WEBHOOK_SECRET = "whsec_example_of_the_account";
const SHOP_SECRET = "whsec_example_of_the_shop";
const WAIT_MS = 20000;

// Debian's Python has Debian's packages; another one may come first in PATH.
const PYTHON = ["/usr/bin/python3", "python3"].find(
  (p) => spawnSync(p, ["-c", "import flask, stripe"]).status === 0);

let folder;
const children = [];

before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "hookkeep-examples-"));
});
afterEach(async () => {
  for (const child of children.splice(0).reverse()) await child.stop();
});
after(() => fs.rmSync(folder, { recursive: true }));

const example = (...names) => fs.readFileSync(path.join(EXAMPLES, ...names), "utf8");

// Starts a program; `saw` waits for its output.
function start(program, args, { env = {}, cwd = folder } = {}) {
  const clean = Object.fromEntries(Object.entries(process.env).filter(
    ([k]) => !/^(HOOKKEEP|STRIPE|SHOP|AUDIT|NOTIFY)_|_proxy$/i.test(k)));
  const child = spawn(program, args, { cwd, env: { ...clean, ...env } });
  const ended = new Promise((resolve) => child.on("close", (code, signal) => {
    one.code = code ?? signal;
    resolve(one.code);
    child.emit("more");
  }));
  const one = { out: "", pid: child.pid, code: undefined, ended };
  child.on("error", (e) => { one.out += e.message; });
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (piece) => {
      one.out += piece;
      child.emit("more");
    });
  one.kill = (signal) => child.kill(signal);
  one.saw = async (pattern, times = 1) => {
    const end = Date.now() + WAIT_MS;
    const all = new RegExp(pattern, "g");
    for (;;) {
      const found = [...one.out.matchAll(all)];
      if (found.length >= times) return found[times - 1];
      assert.ok(one.code === undefined && Date.now() < end,
                `${program} did not say ${pattern}; it said:\n${one.out}`);
      await Promise.race([once(child, "more"), new Promise((r) => setTimeout(r, 200))]);
    }
  };
  one.stop = async () => {
    if (one.code === undefined) child.kill("SIGTERM");
    const hard = setTimeout(() => child.kill("SIGKILL"), WAIT_MS);
    await ended;
    clearTimeout(hard);
  };
  children.push(one);
  return one;
}

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

// A folder with a gateway whose one destination is `url`; resolves when it answers.
async function gateway(url, listen = "http://127.0.0.1:0") {
  const home = fs.mkdtempSync(path.join(folder, "gateway-"));
  const address = listen.replace("HOME", home);
  fs.writeFileSync(path.join(home, "hookkeep.yaml"), `
listen: ["${address}"]
desk: {listen: ["unix:desk.sock"]}
journal: {size: 16MiB}
sources:
  - path: /webhook
    secrets: [{label: default, key: "${WEBHOOK_SECRET}"}]
destinations:
  - {name: shop, url: "${url}", secret: "${SHOP_SECRET}", retry: [1s, 1s, 1s]}
`);
  const one = start(HOOKKEEP, ["serve"], { cwd: home });
  const port = Number((await one.saw("for=stripe address=\\S+ port=(\\d+)"))[1]);
  await one.saw("the gateway answers");
  return { ...one, home, port, address };
}

function body(more = {}) {
  return JSON.stringify({
    id: "evt_example_1", object: "event", api_version: "2025-03-31.basil", created: 1763900090,
    type: "checkout.session.completed", livemode: false, pending_webhooks: 1,
    request: { id: null, idempotency_key: null },
    data: { object: { id: "cs_example_1", object: "checkout.session", amount_total: 4200,
                      metadata: { site: "shop", text: "Grüße ☃" } } },
    ...more,
  }, null, 2);
}

function signed(payload, secret = WEBHOOK_SECRET) {
  return { "content-type": "application/json; charset=utf-8",
           "stripe-signature": Stripe.webhooks.generateTestHeaderString({ payload, secret }) };
}

// Posts as Stripe does; resolves with status and body.
async function post(where, payload, headers = signed(payload)) {
  const client = where.protocol === "https:" ? https : http;
  const request = client.request({ method: "POST", path: "/webhook", agent: false, ...where,
                                   headers });
  request.end(payload);
  const [response] = await once(request, "response");
  const pieces = [];
  for await (const piece of response) pieces.push(piece);
  return { status: response.statusCode, text: Buffer.concat(pieces).toString() };
}

async function cli(home, ...args) {
  const one = start(HOOKKEEP, args, { cwd: home });
  assert.equal(await one.ended, 0, `${args.join(" ")}: ${one.out}`);
  return one.out;
}

async function delivered(home, event, count = 1) {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const out = await cli(home, "deliveries", "list", "--event", event, "--json");
    const rows = out.split("\n").filter((l) => l.startsWith("{")).map((l) => JSON.parse(l));
    if (rows.length === count && rows.every((r) => r.state === "done")) return rows;
    assert.ok(Date.now() < end, `not delivered: ${out}`);
    await new Promise((r) => setTimeout(r, 50));
  }
}

// What every site must do: take what Hookkeep signed, do the work once, refuse a stranger's.
async function tryShop(site, port) {
  const g = await gateway(`http://127.0.0.1:${port}/stripe`);
  const payload = body();
  const answer = await post({ host: "127.0.0.1", port: g.port }, payload);
  assert.deepEqual(answer, { status: 200, text: '{"received":true}' });
  await site.saw("paid: cs_example_1");
  await delivered(g.home, "evt_example_1");
  await cli(g.home, "events", "replay", "evt_example_1");
  await delivered(g.home, "evt_example_1", 2);
  assert.equal(site.out.match(/paid: /g).length, 1, "a replay repeats the work");
  const other = { host: "127.0.0.1", port, path: "/stripe" };
  assert.equal((await post(other, payload)).status, 400, "signed with Stripe's secret, not ours");
  assert.equal((await post(other, payload + " ", signed(payload, SHOP_SECRET))).status, 400);
  assert.equal((await post(other, payload, {})).status, 400);
}

test("express/: a site with the official SDK takes what is delivered, and does the work once",
     async () => {
  const home = fs.mkdtempSync(path.join(folder, "express-"));
  fs.copyFileSync(path.join(EXAMPLES, "express/shop.mjs"), path.join(home, "shop.mjs"));
  fs.symlinkSync(new URL("node_modules", import.meta.url).pathname,
                 path.join(home, "node_modules"));
  const wanted = JSON.parse(example("express/package.json")).dependencies;
  const used = JSON.parse(fs.readFileSync(new URL("package.json", import.meta.url))).dependencies;
  for (const [name, range] of Object.entries(wanted))
    assert.equal(range.slice(1).split(".")[0], used[name].split(".")[0], `${name}'s version`);
  const site = start(process.execPath, ["shop.mjs"],
                     { cwd: home, env: { SHOP_SECRET, PORT: "0" } });
  await tryShop(site, Number((await site.saw("listening on (\\d+)"))[1]));
});

test("flask/: a site with the official SDK takes what is delivered, and does the work once",
     async () => {
  assert.ok(PYTHON, "no python3 here has flask and stripe: make deps");
  const home = fs.mkdtempSync(path.join(folder, "flask-"));
  fs.copyFileSync(path.join(EXAMPLES, "flask/shop.py"), path.join(home, "shop.py"));
  const port = await freePort();
  const site = start(PYTHON, ["-m", "flask", "--app", "shop", "run", "--port", `${port}`],
                     { cwd: home, env: { SHOP_SECRET, PYTHONDONTWRITEBYTECODE: "1" } });
  await site.saw("Running on http");
  await tryShop(site, port);
});

test("hookkeep.yaml, events/ and receiver.py: what is posted arrives where the rules say",
     async () => {
  const home = fs.mkdtempSync(path.join(folder, "sample-"));
  const [shop, audit] = [await freePort(), await freePort()];
  const env = { STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET, SHOP_SECRET,
                AUDIT_URL: `http://127.0.0.1:${audit}/stripe` };
  fs.writeFileSync(path.join(home, "hookkeep.yaml"), example("hookkeep.yaml")
    .replace(/:4242|:4243/g, ":0").replace(":5001", `:${shop}`).replace("64MiB", "16MiB"));
  const check = start(HOOKKEEP, ["check", "-c", path.join(EXAMPLES, "hookkeep.yaml")], { env });
  assert.equal(await check.ended, 0, check.out);
  const sites = start(PYTHON ?? "python3",
                      [path.join(EXAMPLES, "receiver.py"), `${shop}`, `${audit}`], { env });
  const g = start(HOOKKEEP, ["serve"], { cwd: home, env });
  const port = Number((await g.saw("for=stripe address=\\S+ port=(\\d+)"))[1]);
  await g.saw("the gateway answers");
  const files = fs.readdirSync(path.join(EXAMPLES, "events"));
  assert.ok(files.length > 0);
  for (const file of files) {
    const payload = example("events", file);
    const answer = await post({ host: "127.0.0.1", port }, payload);
    assert.equal(answer.status, 200, `${file}: ${answer.text}`);
    const { id, type, data } = JSON.parse(payload);
    await sites.saw(`port ${audit}: ${type} ${id}`);
    const wanted = type === "charge.refunded" ||
      (/^(checkout\.session|customer)\./.test(type) && data.object.metadata?.site === "shop");
    if (wanted) await sites.saw(`port ${shop}: ${type} ${id}`);
    else assert.ok(!sites.out.includes(`port ${shop}: ${type}`), `${type} went to the shop`);
  }
});

// What a manager is told, one message a line.
const NOTIFIED = `
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(os.environ["AT"])
print("bound", flush=True)
while True: print(s.recv(4096).decode(), flush=True)`;

test("systemd/: the unit's commands start, reload and stop the gateway, which tells its manager",
     async () => {
  const home = fs.mkdtempSync(path.join(folder, "unit-"));
  const unit = example("systemd/hookkeep.service");
  const line = (key) => unit.match(new RegExp(`^${key}=(.*)$`, "m"))?.[1];
  assert.equal(line("Type"), "notify");
  const file = path.join(home, "hookkeep.yaml");
  const config = example("systemd/hookkeep.yaml").replace(/:424\d/g, ":0")
    .replace("hookkeep.journal}", "hookkeep.journal, size: 16MiB}");
  assert.ok(config.includes("/var/lib/hookkeep/") && config.includes("/run/hookkeep/"));
  assert.equal(line("StateDirectory"), "hookkeep");
  assert.equal(line("RuntimeDirectory"), "hookkeep");
  fs.writeFileSync(file, config.replace(/\/(var\/lib|run)\/hookkeep/g, home));
  const at = path.join(home, "notify");
  const manager = start(PYTHON ?? "python3", ["-c", NOTIFIED], { env: { AT: at } });
  await manager.saw("bound");
  const [program, ...args] = line("ExecStart").split(" ");
  assert.equal(path.basename(program), "hookkeep");
  // As systemd does for each LoadCredential=.
  const credentials = [...unit.matchAll(/^LoadCredential=(\w+):/gm)].map((m) => m[1]);
  assert.deepEqual([...config.matchAll(/file:\$\{CREDENTIALS_DIRECTORY\}\/(\w+)/g)]
    .map((m) => m[1]).sort(), credentials.sort());
  const secret = { stripe: WEBHOOK_SECRET, shop: SHOP_SECRET };
  for (const name of credentials) fs.writeFileSync(path.join(home, name), `${secret[name]}\n`);
  const env = { NOTIFY_SOCKET: at, CREDENTIALS_DIRECTORY: home };
  const g = start(HOOKKEEP, args.map((a) => a.startsWith("/") ? file : a), { cwd: home, env });
  await manager.saw("READY=1");
  const [kill, ...how] = line("ExecReload").split(" ");
  assert.ok(fs.existsSync(kill));
  assert.equal(spawnSync(kill, how.map((a) => a.replace("$MAINPID", g.pid))).status, 0);
  await manager.saw("RELOADING=1");
  await manager.saw("READY=1", 2);
  await g.saw("the configuration was read again");
  g.kill("SIGTERM");
  assert.equal(await g.ended, 0, g.out);
  await manager.saw("STOPPING=1");
});

const analyze = spawnSync("systemd-analyze", ["--version"]).status === 0;
test("systemd/: systemd finds nothing wrong with the unit, and it is well confined",
     { skip: analyze ? false : "no systemd-analyze here" }, () => {
  const home = fs.mkdtempSync(path.join(folder, "verify-"));
  const file = path.join(home, "hookkeep.service");
  fs.writeFileSync(file, example("systemd/hookkeep.service")
    .replace("/usr/local/bin/hookkeep", HOOKKEEP));
  const verify = spawnSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" });
  const ours = (verify.stdout + verify.stderr).split("\n").filter((l) => l.includes("hookkeep"));
  assert.deepEqual(ours, []);
  const security = spawnSync("systemd-analyze",
                             ["security", "--offline=yes", "--threshold=14", file],
                             { encoding: "utf8" });
  assert.equal(security.status, 0, security.stdout + security.stderr);
});

test("container/: what the compose file says in variables starts the gateway, and it is healthy",
     async () => {
  const home = fs.mkdtempSync(path.join(folder, "container-"));
  const image = example("container/Dockerfile"), compose = example("container/compose.yaml");
  const said = [...image.match(/^ENV (.*)$/m)[1].matchAll(/(HOOKKEEP_\w+)=(\S+)/g),
                ...compose.matchAll(/^ +(HOOKKEEP_\w+): (.*)$/gm)];
  assert.ok(said.length > 8);
  const env = { HOOKKEEP_JOURNAL_SIZE: "16MiB" };
  for (const [, name, value] of said)
    env[name] = value.replaceAll("/data/", `${home}/`).replaceAll("/run/secrets", home)
      .replace("0.0.0.0:4242", "0.0.0.0:0");
  fs.writeFileSync(path.join(home, "stripe"), `${WEBHOOK_SECRET}\n`);
  fs.writeFileSync(path.join(home, "shop"), `${SHOP_SECRET}\n`);
  const g = start(HOOKKEEP, JSON.parse(image.match(/^CMD (.*)$/m)[1]), { cwd: home, env });
  await g.saw('"the gateway answers"');
  const [program, ...args] = JSON.parse(image.match(/^HEALTHCHECK .* CMD (.*)$/m)[1]);
  assert.equal(program, "hookkeep");
  const health = start(HOOKKEEP, args, { cwd: home, env });
  assert.equal(await health.ended, 0, health.out);
  g.kill(image.match(/^STOPSIGNAL (\w+)$/m)[1]);
  assert.equal(await g.ended, 0, g.out);
  const gone = start(HOOKKEEP, args, { cwd: home, env });
  assert.equal(await gone.ended, 1, gone.out);
});

// A real nginx with the example, its addresses and certificate exchanged for the test's.
async function proxy(upstream) {
  const home = fs.mkdtempSync(path.join(folder, "nginx-"));
  const made = spawnSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt",
    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=hooks.example.com",
    "-addext", "subjectAltName=DNS:hooks.example.com", "-keyout", "key.pem", "-out", "cert.pem"],
    { cwd: home, encoding: "utf8" });
  assert.equal(made.status, 0, made.stderr);
  const port = await freePort();
  const swap = (text, from, to) => {
    assert.ok(text.includes(from), `the example lacks ${from}`);
    return text.replace(from, to);
  };
  let server = example("nginx/hookkeep.conf");
  server = swap(server, "listen 443 ssl;", `listen 127.0.0.1:${port} ssl;`);
  server = swap(server, "listen [::]:443 ssl;", "");
  server = swap(server, "/etc/ssl/hooks.example.com.pem", `${home}/cert.pem`);
  server = swap(server, "/etc/ssl/private/hooks.example.com.key", `${home}/key.pem`);
  server = swap(server, "server 127.0.0.1:4242;", `server ${upstream};`);
  fs.writeFileSync(path.join(home, "hookkeep.conf"), server);
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${home}/${name};`).join(" ");
  fs.writeFileSync(path.join(home, "nginx.conf"), `
${process.getuid() === 0 ? "user root;" : ""}
daemon off; pid ${home}/pid; error_log stderr; worker_processes 1;
events {}
http { access_log off; ${temp} include ${home}/hookkeep.conf; }
`);
  const nginx = ["/usr/sbin/nginx", "nginx"].find((n) => spawnSync(n, ["-v"]).status === 0);
  assert.ok(nginx, "no nginx here: make deps");
  const whole = ["-p", home, "-e", "stderr", "-c", path.join(home, "nginx.conf")];
  const tried = spawnSync(nginx, [...whole, "-t"], { encoding: "utf8" });
  assert.equal(tried.status, 0, tried.stderr);
  assert.doesNotMatch(tried.stderr, /\[warn\]/);
  start(nginx, whole);
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const socket = net.connect(port, "127.0.0.1");
    const up = await Promise.race([once(socket, "connect").then(() => true, () => false)]);
    socket.destroy();
    if (up) break;
    assert.ok(Date.now() < end, "nginx does not listen");
    await new Promise((r) => setTimeout(r, 50));
  }
  return { protocol: "https:", host: "127.0.0.1", port, servername: "hooks.example.com",
           ca: fs.readFileSync(path.join(home, "cert.pem")) };
}

for (const [name, listen] of [["a loopback address", "http://127.0.0.1:0"],
                              ["a unix socket", "unix:HOME/stripe.sock"]])
  test(`nginx/: signatures hold through TLS and the proxy in front of ${name}`, async () => {
    const sink = http.createServer((request, response) => {
      request.resume().on("end", () => response.writeHead(204).end());
    }).listen(0, "127.0.0.1");
    await once(sink, "listening");
    try {
      const g = await gateway(`http://127.0.0.1:${sink.address().port}/`, listen);
      const where = await proxy(listen.startsWith("unix:") ? g.address : `127.0.0.1:${g.port}`);
      const payload = body();
      assert.equal((await post(where, payload)).status, 200);
      const chunked = { ...signed(payload), "transfer-encoding": "chunked" };
      assert.equal((await post(where, payload, chunked)).status, 200);
      await delivered(g.home, "evt_example_1"); // so it is booked
      assert.equal(await cli(g.home, "events", "show", "evt_example_1", "--body"), payload);
      const large = body({ id: "evt_example_2", pad: "x".repeat(1000000) });
      assert.equal((await post(where, large)).status, 200, "what the gateway takes, nginx takes");
      const over = body({ pad: "x".repeat(1 << 20) });
      assert.equal((await post(where, over)).status, 413);
      assert.equal((await post(where, payload + " ", signed(payload))).status, 400);
      assert.equal((await post({ ...where, path: "/api/events" }, payload)).status, 404);
    } finally {
      sink.closeAllConnections();
      sink.close();
    }
  });
