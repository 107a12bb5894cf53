// SPDX-License-Identifier: MIT
// Stripe's own SDK and CLI, told to talk to the desk.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import Stripe from "stripe";
import { request } from "./http.mjs";
import { cleanEnvironment, run } from "./process.mjs";
import { waitFor } from "./wait.mjs";

const CLI = fileURLToPath(new URL("../node_modules/.bin/stripe", import.meta.url));

// Where the desk listens on TCP: the configuration has to say so.
export const deskPort = (g) => g.ports.find((l) => l.for === "desk" && l.port > 0).port;

export function sdk(g, key, more = {}) {
  return new Stripe(key, { host: "127.0.0.1", port: deskPort(g), protocol: "http",
                           maxNetworkRetries: 0, ...more });
}

export async function makeKey(g, mode, ...more) {
  const r = await g.cli(["keys", "create", "--mode", mode, ...more]);
  if (r.code !== 0) throw new Error(r.stderr);
  return r.stdout.trim();
}

// An endpoint made by Stripe's API, as curl would. Its secret is told here alone.
export async function createEndpoint(g, key, url, more = {}) {
  const to = "/v1/webhook_endpoints";
  const headers = { authorization: `Bearer ${key}`,
                    "content-type": "application/x-www-form-urlencoded" };
  const body = new URLSearchParams({ url, "enabled_events[]": "*", ...more }).toString();
  const answer = await request({ socketPath: g.path(g.socket), method: "POST", path: to, headers,
                                 body });
  g.canaries.answer("POST", to, answer);
  return answer;
}

// `unix`: by STRIPE_CLI_UNIX_SOCKET instead of --api-base. The key is in the environment, where
// not every user of the machine sees it.
function how(g, key, args, unix) {
  const env = { HOME: g.folder, XDG_CONFIG_HOME: g.folder, STRIPE_API_KEY: key,
                STRIPE_CLI_TELEMETRY_OPTOUT: "1" };
  if (unix) env.STRIPE_CLI_UNIX_SOCKET = g.path(g.socket);
  const base = unix ? [] : ["--api-base", `http://127.0.0.1:${deskPort(g)}`];
  return { env, args: [...args, ...base] };
}

export function stripeCli(g, key, args, { unix = false } = {}) {
  const { env, args: all } = how(g, key, args, unix);
  return run(CLI, all, { cwd: g.folder, env });
}

// One that stays: `stripe listen`, or `stripe logs tail`, until the test ends.
export class Listening {
  constructor(t, g, key, args, { unix = false } = {}) {
    const { env, args: all } = how(g, key, args, unix);
    this.g = g;
    this.out = this.err = "";
    // A script starts the program: signals go to both.
    this.child = spawn(CLI, all, { cwd: g.folder, env: cleanEnvironment(env), detached: true,
                                   stdio: ["ignore", "pipe", "pipe"] });
    this.exit = once(this.child, "close").then(([code]) => (this.gone = { code }));
    this.child.stdout.setEncoding("utf8").on("data", (piece) => (this.out += piece));
    this.child.stderr.setEncoding("utf8").on("data", (piece) => (this.err += piece));
    t.after(() => this.stop());
  }
  static async start(t, g, key, args, options) {
    const l = new Listening(t, g, key, args, options);
    await l.waitSaid(/Ready!/, "err");
    l.secret = /whsec_\w+/.exec(l.err)?.[0];
    g.canaries.add("a secret of who listens", l.secret);
    await waitFor(async () => (await g.get("/api/listen")).data.some((s) => s.connected),
      () => `its connection: ${l.err}`);
    return l;
  }
  waitSaid(form, where = "out", limit) {
    return waitFor(() => form.exec(this[where]),
      () => `${form} of the CLI, which said:\n${this.out}${this.err}`, limit);
  }
  async stop(signal = "SIGINT") {
    if (!this.gone) process.kill(-this.child.pid, signal);
    return this.exit;
  }
}
