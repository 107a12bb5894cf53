// SPDX-License-Identifier: MIT
// The gateway under test: one process in a folder of its own, on ports that the system chose.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Canaries } from "./canaries.mjs";
import { request } from "./http.mjs";
import { cleanEnvironment, HOOKKEEP, must, run } from "./process.mjs";
import { SECRET, sign } from "./stripe.mjs";
import { waitFor } from "./wait.mjs";

export const SOURCE = { path: "/webhook", secrets: [{ label: "main", key: SECRET }] };

const BASE = {
  listen: ["http://127.0.0.1:0"],
  desk: { listen: ["unix:desk.sock"] },
  ledger: "sqlite:hookkeep.db",
  journal: { path: "hookkeep.journal", size: "16MiB" },
  log: { format: "json", level: "info" },
  sources: [SOURCE],
  destinations: [],
};

// What ends a test. Hooks of `after` run in the order in which they were made, so a folder's own
// would take it away before the gateway's end has searched it: folders go last, by one hook.
const endings = new WeakMap();

function endingOf(t) {
  if (!endings.has(t)) {
    const ending = { gateways: [], folders: [] };
    endings.set(t, ending);
    t.after(async () => {
      const ends = await Promise.allSettled(ending.gateways.map((g) => g.end()));
      for (const folder of ending.folders) fs.rmSync(folder, { recursive: true, force: true });
      for (const { reason } of ends) if (reason) throw reason;
    });
  }
  return endings.get(t);
}

export function tempFolder(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "hookkeep-e2e-"));
  endingOf(t).folders.push(folder);
  return folder;
}

export class Gateway {
  // JSON is YAML, so the configuration is written as an object; its keys replace those of BASE.
  constructor(t, config = {}, { folder, books, env = {}, wrap = [], seen, files = {},
                                 bare = false, socket = "desk.sock" } = {}) {
    this.folder = folder ?? tempFolder(t);
    this.seen = seen ?? this.folder; // the folder as this process sees it
    this.books = books ?? this.seen; // where the ledger lies
    this.booksInside = books ?? this.folder; // as the gateway sees it
    this.env = env;
    this.wrap = wrap;
    this.log = [];
    this.text = ""; // standard error, of this life
    this.canaries = new Canaries(this);
    this.config = { ...BASE, ...(books && { ledger: `sqlite:${books}/hookkeep.db` }), ...config };
    for (const [name, text] of Object.entries(files)) fs.writeFileSync(this.path(name), text);
    if (!bare) this.write();
    this.socket = socket;
    endingOf(t).gateways.push(this);
  }
  static async start(t, config, options) {
    return new Gateway(t, config, options).start();
  }
  path(name) {
    return path.join(this.seen, name);
  }
  write(more = {}) {
    Object.assign(this.config, more);
    this.canaries.addConfig(this.config);
    fs.writeFileSync(this.path("hookkeep.yaml"), JSON.stringify(this.config, null, 1));
  }
  spawn() {
    const [program, ...args] = [...this.wrap, HOOKKEEP, "serve"];
    const child = spawn(program, args, { cwd: this.folder, env: cleanEnvironment(this.env),
                                         stdio: ["ignore", "inherit", "pipe"] });
    this.child = child;
    this.exit = once(child, "close").then(([code, signal]) => (child.gone = { code, signal }));
    if (this.text) this.canaries.said.push(["the log of a life before", this.text]);
    this.log = [];
    this.text = "";
    let rest = "";
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (piece) => {
      this.text += piece;
      const lines = (rest + piece).split("\n");
      rest = lines.pop();
      for (const line of lines) this.log.push(parseLine(line));
    });
  }
  async start() {
    this.spawn();
    await waitFor(() => this.text.includes("the gateway answers") || this.child.gone,
      () => `its start: ${this.text}`);
    if (this.child.gone) throw new Error(`it did not start: ${this.text}`);
    this.canaries.cmdline(this.child.pid);
    this.ports = this.log.filter((l) => l.event === "listening");
    this.port = this.ports.find((l) => l.for === "stripe" && l.port > 0)?.port
      ?? Number(/for=stripe.*port=([1-9]\d*)/.exec(this.text)?.[1]); // log.format: text
    return this;
  }
  // A start that is refused: {code, text, why}.
  async startRefused() {
    this.spawn();
    const { code } = await this.exit;
    const why = this.log.find((l) => l.event === "start_failed")?.why;
    return { code, text: this.text, why };
  }
  logged(event) {
    return this.log.find((l) => l.event === event);
  }
  waitLogged(event, n = 1) {
    const those = () => this.log.filter((l) => l.event === event);
    return waitFor(() => those().length >= n && those()[n - 1],
      () => `${event} in the log:\n${this.text}`);
  }
  signal(name) {
    process.kill(this.child.pid, name);
  }
  async stop() {
    this.signal("SIGTERM");
    return this.exit;
  }
  async kill() {
    this.signal("SIGKILL");
    return this.exit;
  }
  async reload(more) {
    if (more) this.write(more);
    const ended = () => this.log.filter((l) => /^(reloaded|reload_refused)$/.test(l.event));
    const before = ended().length;
    this.signal("SIGHUP");
    return waitFor(() => ended()[before], () => `its reload:\n${this.text}`);
  }
  // What every test proves beside its own point: nothing aborted, and no secret stands in what was
  // logged, answered, printed or written, nor in an argument.
  async end() {
    if (this.child && !this.child.gone) {
      this.signal("SIGKILL");
      await this.exit;
    }
    assert.ok(!/canary|(Address|Thread)Sanitizer|runtime error/.test(this.text), this.text);
    assert.notEqual(this.child?.gone?.signal, "SIGABRT", this.text);
    this.canaries.search();
  }

  // --- Stripe's side

  to(more = {}) {
    return { port: this.port, path: "/webhook", method: "POST", ...more };
  }
  post(body, { secret = SECRET, timestamp, signature, headers, ...to } = {}) {
    const header = signature ?? sign(body, { secret, timestamp });
    return request({ ...this.to(to), body, headers: { "content-type": "application/json",
      "content-length": Buffer.byteLength(body), "stripe-signature": header, ...headers } });
  }
  async accept(body, options) {
    const answer = await this.post(body, options);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.text, '{"received":true}');
    return answer;
  }

  // --- the desk's side

  async desk(method, to, body, { key } = {}) {
    const bearer = key ?? fs.readFileSync(path.join(this.books, "hookkeep.db.key"), "utf8").trim();
    const headers = { authorization: `Bearer ${bearer}` };
    const answer = await request({ socketPath: this.path(this.socket), method, path: to, headers,
      body: body === undefined ? undefined : JSON.stringify(body) });
    this.canaries.answer(method, to, answer);
    return answer;
  }
  async get(to) {
    const r = await this.desk("GET", to);
    assert.equal(r.status, 200, `${to}: ${r.text}`);
    return r.body;
  }
  async ask(to, body = {}) {
    const r = await this.desk("POST", to, body);
    assert.equal(r.status, 200, `${to}: ${r.text}`);
    return r.body;
  }
  async metrics() {
    const r = await this.desk("GET", "/metrics");
    assert.equal(r.status, 200);
    const rows = r.text.split("\n").filter((l) => l !== "" && l[0] !== "#");
    return Object.fromEntries(rows.map((l) => {
      const at = l.lastIndexOf(" ");
      return [l.slice(0, at), Number(l.slice(at + 1))];
    }));
  }
  async answered(reason) {
    return (await this.metrics())[`hookkeep_answers_total{reason="${reason}"}`];
  }
  async cli(args, options = {}) {
    const r = await run(HOOKKEEP, args, { cwd: this.folder, ...options,
      env: { ...this.env, ...options.env } });
    this.canaries.addEnvironment(options.env);
    this.canaries.command(args, r);
    return r;
  }
  // The books, read by the sqlite3 shell beside the gateway.
  async sql(query, file = "hookkeep.db") {
    const [program, ...args] = [...this.wrap, "sqlite3", "-readonly", "-json", "-cmd",
      ".timeout 5000", path.join(this.booksInside, file), query];
    const { stdout } = await must(program, args);
    return stdout.trim() === "" ? [] : JSON.parse(stdout);
  }
  async count(table, where = "1") {
    return (await this.sql(`SELECT count(*) AS n FROM ${table} WHERE ${where}`))[0].n;
  }
  waitCount(n, table, where) {
    const there = () => this.count(table, where);
    return waitFor(async () => (await there()) === n,
      async () => `${n} ${table} where ${where ?? "1"}; there are ${await there()}`);
  }
  // Until everything that was acknowledged is booked.
  waitBooked() {
    return waitFor(async () => {
      const s = await this.get("/api/status");
      return s.ledger.booked >= s.journal.durable;
    }, "booking");
  }
  deliveries(where = "1") {
    return this.sql(`SELECT * FROM deliveries WHERE ${where} ORDER BY seq`);
  }
}

function parseLine(line) {
  try {
    return JSON.parse(line);
  } catch {
    return { event: "no JSON", line };
  }
}
