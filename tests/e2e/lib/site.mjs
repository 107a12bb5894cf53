// SPDX-License-Identifier: MIT
// A site behind a destination: it verifies what it gets with the official SDK.
import http from "node:http";
import https from "node:https";
import { once } from "node:events";
import { SITE_SECRET, stripe } from "./stripe.mjs";
import { waitFor } from "./wait.mjs";

function verify(got, secret) {
  const header = got.headers["stripe-signature"];
  const thin = got.body.includes('"v2.core.event"');
  const open = thin ? stripe.parseEventNotification.bind(stripe) : stripe.webhooks.constructEvent
    .bind(stripe.webhooks);
  try {
    got.event = open(got.body, header, secret);
  } catch (e) {
    got.error = e;
  }
}

// `answer(got, n)` returns {status, headers, body}, null to close the connection without an answer,
// or a promise of one of them; n counts from 1. Without it: 200.
export async function startSite(t, { secret = SITE_SECRET, tls, answer, port = 0 } = {}) {
  const site = { secret, got: [], answer: answer ?? (() => ({})), open: 0 };
  const take = (asked, reply) => {
    const pieces = [];
    asked.on("data", (p) => pieces.push(p));
    asked.on("error", () => {});
    asked.on("end", async () => {
      const got = { method: asked.method, url: asked.url, headers: asked.headers,
                    raw: asked.rawHeaders, body: Buffer.concat(pieces), at: Date.now() };
      verify(got, site.secret);
      site.got.push(got);
      site.open++;
      reply.on("close", () => site.open--);
      reply.on("error", () => {});
      const say = await site.answer(got, site.got.length);
      if (say === null) return asked.socket.destroy();
      reply.writeHead(say.status ?? 200, say.headers);
      reply.end(say.body ?? "");
    });
  };
  const server = tls ? https.createServer(tls, take) : http.createServer(take);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  site.server = server;
  site.port = server.address().port;
  site.url = `http${tls ? "s" : ""}://127.0.0.1:${site.port}/stripe`;
  // As a destination of the configuration.
  site.as = (name, more = {}) => ({ name, url: site.url, secret, ...more });
  site.waitGot = (n, limit) => waitFor(() => site.got.length >= n && site.got,
    () => `${n} deliveries, of which ${site.got.length} came`, limit);
  site.ids = () => site.got.map((g) => g.event?.id);
  site.close = () => {
    server.closeAllConnections();
    server.close();
  };
  t.after(site.close);
  return site;
}
