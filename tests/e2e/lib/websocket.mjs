// SPDX-License-Identifier: MIT
// Node's own WebSocket client, in a process of its own since Node 20 wants a flag for it:
//     node [--experimental-websocket] websocket.mjs URL PROTOCOL HEADERS
// Each line that it prints is what happened, each line that it reads is sent; the end of its input
// closes. Certificates: NODE_EXTRA_CA_CERTS.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { cleanEnvironment } from "./process.mjs";
import { waitFor } from "./wait.mjs";

const self = fileURLToPath(import.meta.url);

// `messages`, parsed; `closed` {code, wasClean} at the end.
export class Socket {
  messages = [];
  constructor(t, url, { protocol, headers = {}, ca }) {
    const flag = globalThis.WebSocket ? [] : ["--experimental-websocket"];
    this.child = spawn(process.execPath,
      [...flag, self, url, protocol, JSON.stringify(headers)],
      { env: cleanEnvironment(ca ? { NODE_EXTRA_CA_CERTS: ca } : {}),
        stdio: ["pipe", "pipe", "inherit"] });
    this.child.stdin.on("error", () => {});
    t.after(() => this.child.kill());
    createInterface(this.child.stdout).on("line", (line) => {
      const { message, ...rest } = JSON.parse(line);
      Object.assign(this, rest);
      if (message !== undefined) this.messages.push(JSON.parse(message));
    });
  }
  static async open(t, url, options) {
    const s = new Socket(t, url, options);
    await waitFor(() => s.opened ?? s.closed, `${url} to open`);
    return s;
  }
  send = (message) => this.child.stdin.write(`${JSON.stringify(message)}\n`);
  close = () => this.child.stdin.end();
  waitMessages = (n) => waitFor(() => this.messages.length >= n,
    () => `${n} messages; there are ${this.messages.length}, ${JSON.stringify(this.closed)}`);
  waitClosed = () => waitFor(() => this.closed, "the socket to be closed");
}

if (process.argv[1] === self) {
  const [url, protocol, headers] = process.argv.slice(2);
  const say = (what) => console.log(JSON.stringify(what));
  const ws = new WebSocket(url, { protocols: protocol, headers: JSON.parse(headers) });
  ws.onopen = () => say({ opened: ws.protocol });
  ws.onmessage = ({ data }) => say({ message: data });
  ws.onclose = ({ code, wasClean }) => {
    say({ closed: { code, wasClean } });
    process.exit();
  };
  createInterface(process.stdin).on("line", (line) => ws.send(line))
    .on("close", () => ws.close(1000));
}
