// SPDX-License-Identifier: MIT
// Node's own WebSocket client at the endpoint of `stripe listen`, by TCP and by TLS. The official
// CLI comes in listen.test.mjs, by the unix socket too.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Gateway, tempFolder } from "./lib/gateway.mjs";
import { request } from "./lib/http.mjs";
import { deskPort, makeKey } from "./lib/official.mjs";
import { idOf, snapshot } from "./lib/stripe.mjs";
import { makeCertificate } from "./lib/tls.mjs";
import { waitFor } from "./lib/wait.mjs";
import { Socket } from "./lib/websocket.mjs";

const PROTOCOL = "stripecli-devproxy-v1";

async function start(t, tls) {
  const folder = tempFolder(t);
  const cert = tls && await makeCertificate(folder, "desk");
  const g = await Gateway.start(t, {
    desk: { listen: ["unix:desk.sock", `${tls ? "https" : "http"}://127.0.0.1:0`] },
    ...(tls && { tls: { certificate: cert.file, key: cert.keyFile } }),
  }, { folder });
  const key = await makeKey(g, "test");
  const made = await request({
    port: deskPort(g), tls, ca: cert?.cert, method: "POST", path: "/v1/stripecli/sessions",
    headers: { authorization: `Bearer ${key}`,
               "content-type": "application/x-www-form-urlencoded" },
    body: "websocket_features%5B%5D=webhooks" });
  assert.equal(made.status, 200, made.text);
  g.canaries.add("a secret of who listens", made.body.secret);
  return { g, ca: cert?.file, session: made.body };
}

const connect = (t, { ca, session }, more = {}) => Socket.open(t,
  `${session.websocket_url}?websocket_feature=webhook-payloads`,
  { protocol: PROTOCOL, ca, headers: { "Websocket-Id": session.websocket_id, ...more } });

const ack = (m) => ({ type: "event_ack", event_id: JSON.parse(m.event_payload).id,
                      webhook_id: m.webhook_id,
                      webhook_conversation_id: m.webhook_conversation_id });

for (const tls of [false, true])
  test(`small and large events, there and back, by ${tls ? "TLS" : "TCP"}`, async (t) => {
    const here = await start(t, tls), { g } = here;
    assert.match(here.session.websocket_url, tls ? /^wss:\/\/127/ : /^ws:\/\/127/);
    const first = await connect(t, here);
    assert.equal(first.opened, PROTOCOL);
    const bodies = [snapshot(), snapshot({ object: { description: "é".repeat(200_000) } })];
    for (const body of bodies) await g.accept(body);
    // Each comes in two flavours, without and with a version (`--latest`).
    await first.waitMessages(2 * bodies.length);
    for (const m of first.messages) first.send(ack(m));
    assert.deepEqual(first.messages.map((m) => m.event_payload),
                     bodies.flatMap((b) => [b, b]));
    // An answer as long as an event.
    first.send({ type: "webhook_response", webhook_id: first.messages[0].webhook_id,
                 webhook_conversation_id: first.messages[0].webhook_conversation_id,
                 forward_url: "http://127.0.0.1/", status: 200, http_headers: {}, body: "ok",
                 request_headers: {}, request_body: bodies[1], notification_id: idOf(bodies[0]) });
    await waitFor(async () => (await g.get(`/api/events/${idOf(bodies[0])}`)).listened.length > 0,
      "the answer to be booked");
    await waitFor(async () => (await g.get("/api/listen")).data[0].unacknowledged === 0,
      "all to be acknowledged");
    first.close();
    assert.deepEqual(await first.waitClosed(), { code: 1000, wasClean: true });
    await waitFor(async () => (await g.get("/api/listen")).data[0].connected === false, "the gap");
    const missed = snapshot();
    await g.accept(missed);
    const second = await connect(t, here);
    await second.waitMessages(1);
    assert.equal(second.messages[0].event_payload, missed);
  });

test("bytes that are no message close it, and nothing else", async (t) => {
  const here = await start(t, false), { g } = here;
  const socket = await connect(t, here);
  socket.send("a text that is no message");
  socket.send({ type: "event_ack", event_id: "x".repeat(8_000_000) });
  assert.deepEqual(await socket.waitClosed(), { code: 1009, wasClean: true });
  const refused = 'hookkeep_websockets_refused_total{reason="message_too_large"}';
  assert.equal((await g.metrics())[refused], 1);
  assert.equal((await connect(t, here)).opened, PROTOCOL);
});

test("a handshake that is none is told why", async (t) => {
  const { g, session } = await start(t, false);
  const path = new URL(session.websocket_url).pathname;
  const ask = (headers) => request({ port: deskPort(g), path,
    headers: { "websocket-id": session.websocket_id, ...headers } });
  const plain = await ask({});
  assert.equal(plain.status, 400);
  assert.match(plain.text, /Upgrade: websocket/);
  const old = await ask({ upgrade: "websocket", connection: "upgrade", "sec-websocket-version": "8",
                          "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==" });
  assert.equal(old.status, 400);
  assert.match(old.text, /version 13/);
});
