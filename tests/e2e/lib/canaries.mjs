// SPDX-License-Identifier: MIT
// Every secret that a gateway under test was given or made, and everything that it and its commands
// said or wrote: the two must not meet. What is told once and on purpose (a new key, a rolled
// secret) is registered, and that one answer is not searched.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

const SHORTEST = 16; // shorter ones are refused by the gateway, and words would look like them
const TELLS = /^POST \/(api\/(keys|destinations\/[^/]+\/roll)|v1\/webhook_endpoints)$/;
const TELLS_V2 = /^POST \/v2\/core\/event_destinations\b/;
const TELLS_COMMAND = /^(keys create|destinations roll)\b/;
// What the gateway writes, but for the files that are there to hold secrets.
const WRITTEN = /\.(db|journal|log)\b|^core\b/;
const HOLDS = /\.db\.(key|secrets|sealing-key)$|\.sock$/;

export class Canaries {
  constructor(gateway) {
    this.gateway = gateway;
    this.secrets = new Map(); // secret → what it is
    this.said = []; // [where, text]
  }
  add(what, secret) {
    if (typeof secret === "string" && secret.trim().length >= SHORTEST)
      this.secrets.set(secret.trim(), what);
  }
  // One that the gateway keeps sealed is not to stand there in hexadecimal either.
  addMade(what, secret) {
    if (typeof secret !== "string") return;
    this.add(what, secret);
    this.add(`${what}, in hexadecimal`, Buffer.from(secret).toString("hex"));
  }
  // A value of the configuration: the text itself, ${VAR} or file:PATH.
  addValue(what, value) {
    const { env, seen } = this.gateway;
    const from = /^\$\{(\w+)(?::-(.*))?\}$/.exec(value);
    if (from) return this.add(what, env[from[1]] ?? from[2]);
    if (!/^file:/.test(value)) return this.add(what, value);
    const file = path.resolve(seen, value.slice(5));
    if (fs.existsSync(file)) this.add(what, fs.readFileSync(file, "utf8"));
  }
  addConfig({ sources, destinations, twin } = {}) {
    if (typeof twin?.key === "string") this.addValue("twin.key", twin.key);
    for (const s of Array.isArray(sources) ? sources : [])
      for (const one of Array.isArray(s?.secrets) ? s.secrets : [])
        this.addValue(`source ${s.path}: ${one?.label}`, one?.key);
    for (const d of Array.isArray(destinations) ? destinations : []) {
      this.addValue(`destination ${d?.name}`, d?.secret);
      for (const set of [d?.environment ?? []].flat()) {
        const [name, ...value] = String(set).split("=");
        if (/SECRET|TOKEN|KEY/i.test(name))
          this.add(`environment of ${d.name}: ${name}`,
                   value.length > 0 ? value.join("=") : this.gateway.env[name]);
      }
    }
  }
  addEnvironment(env) {
    for (const [name, value] of Object.entries(env ?? {}))
      if (/SECRET|TOKEN|KEY|PASSWORD/i.test(name)) this.add(`variable ${name}`, value);
  }
  answer(method, to, answer) {
    if (TELLS_V2.test(`${method} ${to}`) && answer.status === 200) {
      this.addMade("an event destination's secret", answer.body?.webhook_endpoint?.signing_secret);
    } else if (TELLS.test(`${method} ${to}`) && answer.status === 200) {
      this.add("a key that was made", answer.body?.key);
      this.addMade("a secret that was rolled, or an endpoint's", answer.body?.secret);
    } else {
      this.said.push([`${method} ${to}`, answer.text]);
    }
  }
  command(args, { stdout, stderr, cmdline }) {
    const words = args.join(" ");
    this.said.push([`the arguments of: hookkeep ${args[0]}`, `${words} ${cmdline ?? ""}`]);
    this.said.push([`standard error of: hookkeep ${words}`, stderr]);
    const told = TELLS_COMMAND.exec(words);
    if (!told) return this.said.push([`standard output of: hookkeep ${words}`, stdout]);
    const forms = /\b((hk_(operator|viewer)|whsec)_|[sr]k_(test|live)_hk)\w+/g;
    for (const found of stdout.match(forms) ?? [])
      this.add(`what hookkeep ${told[0]} told`, found);
  }
  cmdline(pid) {
    try {
      this.said.push(["the gateway's arguments", fs.readFileSync(`/proc/${pid}/cmdline`, "utf8")]);
    } catch {
      // it is gone
    }
  }
  files() {
    const { folder, books, seen } = this.gateway;
    const found = [];
    for (const where of new Set([seen ?? folder, books])) {
      if (!fs.existsSync(where)) continue;
      for (const name of fs.readdirSync(where))
        if (WRITTEN.test(name) && !HOLDS.test(name) &&
            fs.statSync(path.join(where, name)).isFile()) found.push(path.join(where, name));
    }
    return found;
  }
  // Throws when a secret stands where none may.
  search() {
    const key = path.join(this.gateway.books, "hookkeep.db.key");
    if (fs.existsSync(key)) this.add("the operator's key", fs.readFileSync(key, "utf8"));
    const sealing = path.join(this.gateway.books, "hookkeep.db.sealing-key");
    if (fs.existsSync(sealing)) this.add("the sealing key", fs.readFileSync(sealing, "utf8"));
    this.addConfig(this.gateway.config);
    this.addEnvironment(this.gateway.env);
    const places = [["the log", this.gateway.text], ...this.said,
                    ...this.files().map((f) => [f, fs.readFileSync(f)])];
    for (const [where, content] of places)
      for (const [secret, what] of this.secrets)
        assert.ok(!content.includes(secret), `${where} holds a secret: ${what}`);
    return { secrets: this.secrets.size, places: places.length };
  }
}
