// SPDX-License-Identifier: MIT
// hookkeep dev: from its start to whatever ends it, and what it leaves.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import Stripe from "stripe";
import { tempFolder } from "./lib/gateway.mjs";
import { cleanEnvironment, HOOKKEEP, run } from "./lib/process.mjs";
import { startSite } from "./lib/site.mjs";
import { waitFor } from "./lib/wait.mjs";

const CLI = fileURLToPath(new URL("./node_modules/.bin/stripe", import.meta.url));

// Processes that have this folder among their arguments or in their environment.
function processesOf(folder) {
  return fs.readdirSync("/proc").filter((pid) => /^\d+$/.test(pid)).filter((pid) => {
    try {
      return ["cmdline", "environ"].some((name) =>
        fs.readFileSync(`/proc/${pid}/${name}`, "utf8").includes(folder));
    } catch {
      return false;
    }
  });
}

class Dev {
  static async start(t, args = [], { env = {}, tmp = tempFolder(t), wrap = [] } = {}) {
    const d = new Dev();
    Object.assign(d, { tmp, out: "", err: "" });
    const [program, ...rest] = [...wrap, HOOKKEEP, "dev", ...args];
    d.child = spawn(program, rest, { cwd: tmp, env: cleanEnvironment({ TMPDIR: tmp, ...env }),
                                     stdio: ["ignore", "pipe", "pipe"] });
    d.exit = once(d.child, "close").then(([code, signal]) => (d.gone = { code, signal }));
    d.child.stdout.setEncoding("utf8").on("data", (piece) => (d.out += piece));
    d.child.stderr.setEncoding("utf8").on("data", (piece) => (d.err += piece));
    t.after(async () => {
      if (!d.gone) d.child.kill("SIGTERM");
      await Promise.race([d.exit, sleep(5000)]);
      for (const pid of processesOf(tmp)) process.kill(Number(pid), "SIGKILL");
    });
    await waitFor(() => d.out.includes("\n") || d.gone, () => `its first line: ${d.err}`);
    if (args.includes("--json") && !d.gone) d.told = JSON.parse(d.out.split("\n")[0]);
    return d;
  }
  stripe() {
    const { hostname, port } = new URL(this.told.api_base);
    return new Stripe(this.told.api_key, { host: hostname, port, protocol: "http",
                                           maxNetworkRetries: 0 });
  }
  events() {
    return this.out.trim().split("\n").slice(1).map((line) => JSON.parse(line));
  }
  // Nothing of it is there any more.
  leavesNothing() {
    return waitFor(() => fs.readdirSync(this.tmp).length === 0 &&
                         processesOf(this.tmp).length === 0,
      () => `nothing in ${this.tmp}: ${fs.readdirSync(this.tmp)}, ${processesOf(this.tmp)}`);
  }
}

test("an app develops against it, and ^C leaves nothing", async (t) => {
  const site = await startSite(t);
  const d = await Dev.start(t, ["--json", "--forward-to", site.url]);
  site.secret = d.told.webhook_secret;
  const folder = path.dirname(d.told.unix_socket);
  assert.equal(fs.statSync(folder).mode & 0o777, 0o700);
  const made = await d.stripe().customers.create({ name: "Ada" });
  await site.waitGot(1);
  assert.equal(site.got[0].error, undefined);
  assert.equal(site.got[0].event.data.object.id, made.id);
  await d.stripe().customers.create({ name: "Bo" }, { stripeAccount: "acct_1Harbor" });
  await site.waitGot(2);
  assert.equal(site.got[1].event.account, "acct_1Harbor");
  await waitFor(() => d.events().length === 2, () => d.out);
  assert.deepEqual(d.events().map((e) => e.type), ["customer.created", "customer.created"]);
  await waitFor(() => /<-- {2}\[200\] POST/.test(d.err), () => d.err);

  const cli = await run(CLI, ["trigger", "product.created"], { cwd: d.tmp,
    env: { HOME: folder, XDG_CONFIG_HOME: folder, STRIPE_API_KEY: d.told.api_key,
           STRIPE_CLI_UNIX_SOCKET: d.told.unix_socket, STRIPE_CLI_TELEMETRY_OPTOUT: "1" } });
  assert.equal(cli.code, 0, cli.stderr);
  await site.waitGot(3);
  const env = { HOOKKEEP_CONFIG: d.told.config };
  const status = await run(HOOKKEEP, ["twin", "status"], { cwd: "/", env });
  assert.equal(status.code, 0, status.stderr);
  assert.match(status.stdout, /objects +3\n/);
  // No secret among the arguments, which every user of the machine sees.
  for (const pid of processesOf(folder)) {
    const said = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8");
    assert.ok(!/sk_test|whsec/.test(said), said);
  }
  for (const e of fs.readdirSync(folder)) {
    if (e !== "hookkeep.sock" && !e.startsWith("hookkeep.db") && e !== "lock" && e[0] === "h")
      assert.equal(fs.statSync(path.join(folder, e)).mode & 0o077, 0, e);
  }
  // The CLI leaves its folders where HOME was.
  for (const e of fs.readdirSync(folder, { withFileTypes: true }))
    if (e.isDirectory()) fs.rmSync(path.join(folder, e.name), { recursive: true });
  const began = Date.now();
  d.child.kill("SIGINT");
  assert.deepEqual(await d.exit, { code: 0, signal: null });
  assert.ok(Date.now() - began < 2500, "it ends soon");
  await d.leavesNothing();
});

test("it says what to paste, and the same key stays right", async (t) => {
  const d = await Dev.start(t);
  await waitFor(() => /--api-base/.test(d.out) && /cli /.test(d.out), () => d.out);
  const key = /export STRIPE_API_KEY=(sk_test_hk\w{32})\n/.exec(d.out)[1];
  const secret = /export STRIPE_WEBHOOK_SECRET=(whsec_\w+)\n/.exec(d.out)[1];
  for (const form of [/port: \d+, protocol: 'http'/,
                      /stripe\.api_base = 'http:\/\/127\.0\.0\.1:\d+'/,
                      /STRIPE_CLI_UNIX_SOCKET=\/\S+hookkeep\.sock/, /HOOKKEEP_CONFIG=\/\S+yaml/])
    assert.match(d.out, form);
  d.child.kill("SIGTERM");
  assert.deepEqual(await d.exit, { code: 0, signal: null });
  await d.leavesNothing();
  const again = await Dev.start(t, ["--json"], { env: { STRIPE_API_KEY: key } });
  assert.equal(again.told.api_key, key);
  assert.equal(again.told.webhook_secret, secret);
  await again.stripe().customers.create({});
  again.child.kill("SIGHUP");
  assert.equal((await again.exit).code, 0);
  await again.leavesNothing();
  // One of Stripe's own is not taken.
  const other = await Dev.start(t, ["--json"], { env: { STRIPE_API_KEY: "sk_test_51abcdefgh" } });
  assert.match(other.told.api_key, /^sk_test_hk/);
});

test("it needs no network", async (t) => {
  const up = "import fcntl, socket, struct\n"
    + "fcntl.ioctl(socket.socket(), 0x8914, struct.pack('16sH14x', b'lo', 0x41))";
  const user = process.getuid() === 0 ? [] : ["--user", "--map-root-user"];
  const d = await Dev.start(t, ["--json"], {
    wrap: ["unshare", ...user, "--net", "sh", "-c", `python3 -c "${up}" && exec "$@"`, "sh"] });
  const home = tempFolder(t);
  const cli = await run(CLI, ["trigger", "customer.created"], { cwd: home,
    env: { HOME: home, XDG_CONFIG_HOME: home, STRIPE_API_KEY: d.told.api_key,
           STRIPE_CLI_UNIX_SOCKET: d.told.unix_socket, STRIPE_CLI_TELEMETRY_OPTOUT: "1" } });
  assert.equal(cli.code, 0, cli.stderr);
  await waitFor(() => d.events().length === 1, () => d.out + d.err);
  assert.equal(d.events()[0].type, "customer.created");
});

test("it ends when what started it ends", async (t) => {
  const d = await Dev.start(t, ["--json"], { wrap: ["sh", "-c", '"$@" & wait', "sh"] });
  assert.ok(processesOf(d.tmp).length > 0);
  process.kill(d.child.pid, "SIGKILL");
  await d.leavesNothing();
});

test("killed, its gateway ends too, and the next one takes away what it left", async (t) => {
  const d = await Dev.start(t, ["--json"]);
  const running = await Dev.start(t, ["--json"], { tmp: d.tmp }); // beside it, and not disturbed
  d.child.kill("SIGKILL");
  await d.exit;
  const left = path.dirname(d.told.config);
  await waitFor(() => processesOf(left).length === 0, () => `${processesOf(left)}`);
  assert.ok(fs.existsSync(left));
  const next = await Dev.start(t, ["--json"], { tmp: d.tmp });
  assert.ok(!fs.existsSync(left));
  await running.stripe().customers.create({});
  for (const one of [next, running]) {
    one.child.kill("SIGTERM");
    await one.exit;
  }
  await next.leavesNothing();
});

test("a gateway that dies, a port that is taken, and what is misused is said", async (t) => {
  const d = await Dev.start(t, ["--json"]);
  const gateway = processesOf(path.dirname(d.told.config)).map(Number).find((pid) =>
    /serve/.test(fs.readFileSync(`/proc/${pid}/cmdline`, "utf8")) &&
    !/keeper/.test(fs.readFileSync(`/proc/${pid}/cmdline`, "utf8")));
  process.kill(gateway, "SIGKILL");
  assert.equal((await d.exit).code, 1);
  assert.match(d.err, /the gateway has ended: killed by SIGKILL/);
  await d.leavesNothing();

  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const taken = await Dev.start(t, ["--port", String(server.address().port)]);
  assert.equal((await taken.exit).code, 1);
  assert.match(taken.err, /the gateway cannot start: .*in use/);
  await taken.leavesNothing();
  server.close();

  for (const [args, why] of [[["--port", "70000"], /--port is a number from 1 to 65535/],
                             [["--forward-to", "ftp://x"], /is no URL to bring events to/]]) {
    const r = await run(HOOKKEEP, ["dev", ...args], { cwd: d.tmp, env: { TMPDIR: d.tmp } });
    assert.equal(r.code, 2);
    assert.match(r.stderr, why);
  }
  const nowhere = await run(HOOKKEEP, ["dev"], { cwd: d.tmp, env: { TMPDIR: "/absent" } });
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.stderr, /no temporary folder in \$TMPDIR or \/tmp/);
});

test("it starts soon", async (t) => {
  const took = [];
  for (let i = 0; i < 5; i++) {
    const d = await Dev.start(t, ["--json"]);
    took.push(d.told.started_ms);
    d.child.kill("SIGTERM");
    await d.exit;
  }
  took.sort((a, b) => a - b);
  t.diagnostic(`started within ${took.join(", ")} ms`);
  assert.ok(took[2] < 2000, `${took}`); // 100 ms where nothing else runs
});
