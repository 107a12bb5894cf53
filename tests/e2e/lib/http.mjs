// SPDX-License-Identifier: MIT
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { once } from "node:events";
import { waitFor } from "./wait.mjs";

// One request; resolves with {status, headers, text, body}, body parsed if it is JSON. `to` holds
// what http.request takes: port, or socketPath; tls asks for https.
export function request({ tls = false, body, ...to }) {
  return new Promise((resolve, reject) => {
    const agent = to.agent ?? false;
    const asked = (tls ? https : http).request({ host: "127.0.0.1", agent, ...to }, (answer) => {
      const pieces = [];
      answer.on("data", (p) => pieces.push(p));
      answer.on("error", reject);
      answer.on("end", () => {
        const text = Buffer.concat(pieces).toString();
        let parsed;
        try {
          parsed = JSON.parse(text);
        } catch {
          parsed = undefined;
        }
        resolve({ status: answer.statusCode, headers: answer.headers, text, body: parsed });
      });
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

function cutAnswer(data) {
  const end = data.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const [line, ...rest] = data.toString("latin1", 0, end).split("\r\n");
  const headers = Object.fromEntries(rest.map((h) => {
    const at = h.indexOf(":");
    return [h.slice(0, at).toLowerCase(), h.slice(at + 1).trim()];
  }));
  const length = Number(headers["content-length"] ?? 0);
  if (data.length < end + 4 + length) return null;
  const text = data.toString("utf8", end + 4, end + 4 + length);
  return [{ status: Number(line.split(" ")[1]), headers, text }, data.subarray(end + 4 + length)];
}

// A socket that says exactly what it is told to.
export class Raw {
  static async connect(to) {
    const raw = new Raw();
    const options = typeof to === "number" ? { port: to, host: "127.0.0.1" } : to;
    raw.socket = net.connect({ ...options, allowHalfOpen: true });
    raw.rest = Buffer.alloc(0);
    raw.answers = [];
    raw.closed = false; // by the other side
    raw.socket.on("error", () => (raw.closed = true));
    raw.socket.on("close", () => (raw.closed = true));
    raw.socket.on("end", () => (raw.closed = true));
    raw.socket.on("data", (piece) => {
      raw.rest = Buffer.concat([raw.rest, piece]);
      for (let cut; (cut = cutAnswer(raw.rest)) !== null; raw.rest = cut[1])
        raw.answers.push(cut[0]);
    });
    await once(raw.socket, "connect").catch(() => {});
    return raw;
  }
  // Resolves when it is handed to the kernel, or when the peer would not have it.
  send(data) {
    if (this.socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.socket.write(data, () => resolve());
      this.socket.once("close", resolve);
    });
  }
  end() {
    this.socket.end();
  }
  // The first n final answers.
  async answer(n = 1, limit) {
    const final = () => this.answers.filter((a) => a.status >= 200);
    await waitFor(() => final().length >= n || this.closed, `${n} answers`, limit);
    if (final().length < n) throw new Error(`closed after ${final().length} of ${n} answers`);
    return final()[n - 1];
  }
  waitClosed(limit) {
    return waitFor(() => this.closed, "the gateway to close the connection", limit);
  }
  drop() {
    this.socket.destroy();
  }
}

export async function freePort() {
  const s = net.createServer().listen(0, "127.0.0.1");
  await once(s, "listening");
  const { port } = s.address();
  s.close();
  await once(s, "close");
  return port;
}
