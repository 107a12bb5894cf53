// SPDX-License-Identifier: MIT
// A redis-server of the test's own: in a folder of its own, on a port of its own, ended by its pid.
import { spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import Redis from "ioredis";
import { tempFolder } from "./gateway.mjs";
import { waitFor } from "./wait.mjs";

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

export class RedisServer {
  // `fsync`: always, everysec, or no for a server without a file.
  static async start(t, { fsync = "no", args = [], port, password, tls } = {}) {
    const s = new RedisServer();
    Object.assign(s, { t, password, tls, folder: tempFolder(t), port: port ?? await freePort(),
                       clients: [], closers: [] });
    const where = tls ? ["--port", "0", "--tls-port", s.port, "--tls-cert-file", tls.file,
      "--tls-key-file", tls.keyFile, "--tls-ca-cert-file", tls.file, "--tls-auth-clients", "no"]
      : ["--port", s.port];
    const kept = fsync === "no" ? ["--save", ""]
      : ["--appendonly", "yes", "--appendfsync", fsync, "--save", ""];
    s.args = ["--bind", "127.0.0.1", "--dir", s.folder, "--unixsocket", `${s.folder}/redis.sock`,
      ...where, ...kept, ...(password ? ["--requirepass", password] : []), ...args].map(String);
    await s.up();
    t.after(() => s.end());
    return s;
  }
  get url() {
    return `${this.tls ? "rediss" : "redis"}://127.0.0.1:${this.port}`;
  }
  get connection() {
    return { host: "127.0.0.1", port: this.port, password: this.password,
             maxRetriesPerRequest: null, ...(this.tls && { tls: { ca: this.tls.cert } }) };
  }
  async up() {
    this.child = spawn("redis-server", this.args, { stdio: ["ignore", "pipe", "inherit"] });
    this.said = "";
    this.child.stdout.on("data", (p) => (this.said += p));
    this.closed = once(this.child, "close");
    await waitFor(() => this.said.includes("Ready to accept connections"),
                  () => `redis-server: ${this.said}`);
  }
  // A client of its own, which goes with the test.
  client() {
    const c = new Redis(this.connection);
    c.on("error", () => {});
    this.clients.push(c);
    return c;
  }
  async kill() {
    this.child.kill("SIGKILL");
    await this.closed;
  }
  // What works with the server ends before it does: it would wait for it.
  before(close) {
    this.closers.push(close);
  }
  async end() {
    for (const close of this.closers.toReversed()) await close();
    for (const c of this.clients) c.disconnect();
    this.child.kill("SIGKILL");
    await this.closed;
  }
}
