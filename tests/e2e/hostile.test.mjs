// SPDX-License-Identifier: MIT
// Bad input, as bytes on a socket. Each is answered as documented, counted once under its reason,
// and leaves nothing behind.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import fs from "node:fs";
import { suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { Raw } from "./lib/http.mjs";
import { must } from "./lib/process.mjs";
import { startSite } from "./lib/site.mjs";
import { now, secret, SECRET, sign, snapshot, thin } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

// The SDK signs text alone.
function signBytes(bytes, key = SECRET, t = now()) {
  return `t=${t},v1=${createHmac("sha256", key).update(`${t}.`).update(bytes).digest("hex")}`;
}

// A request in bytes; a header that is null is left out, a list stands there more than once.
function compose(body, { method = "POST", target = "/webhook", version = "HTTP/1.1", headers = {},
                         framed } = {}) {
  const all = { Host: "hooks.example", "Content-Type": "application/json; charset=utf-8",
                "Stripe-Signature": signBytes(body), "Content-Length": body.length, ...headers };
  const lines = Object.entries(all).flatMap(([k, v]) =>
    (v === null ? [] : [v].flat()).map((one) => `${k}: ${one}\r\n`));
  return Buffer.concat([Buffer.from(`${method} ${target} ${version}\r\n${lines.join("")}\r\n`),
                        framed ?? Buffer.from(body)]);
}

const chunk = (data, size = data.length.toString(16)) =>
  Buffer.concat([Buffer.from(`${size}\r\n`), Buffer.from(data), Buffer.from("\r\n")]);
const LAST = Buffer.from("0\r\n\r\n");
const CHUNKED = { "Content-Length": null, "Transfer-Encoding": "chunked" };
const chunked = (body, framed, headers) =>
  compose(body, { headers: { ...CHUNKED, ...headers }, framed });

const good = () => Buffer.from(snapshot());
const event = (change) => {
  const e = JSON.parse(snapshot());
  change(e);
  return Buffer.from(JSON.stringify(e));
};
const swap = (from, to) => Buffer.from(snapshot().replace(from, to));
const nested = (depth) => event((e) => {
  e.data.object.deep = JSON.parse("[".repeat(depth) + "]".repeat(depth));
});
const many = (n, f) => Array.from({ length: n }, (_, i) => f(i));
const v1 = "0".repeat(64);
const signed = (header) => compose(good(), { headers: { "Stripe-Signature": header } });

// [what, bytes, status, reason that is counted]
const REFUSED = [
  ["no JSON", () => compose(Buffer.from("hello")), 400, "not_an_event"],
  ["nothing, but signed", () => compose(Buffer.alloc(0)), 400, "not_an_event"],
  ["JSON cut in the middle", () => compose(good().subarray(0, 200)), 400, "not_an_event"],
  ["text behind the JSON", () => compose(Buffer.from(`${snapshot()} {}`)), 400, "not_an_event"],
  ["a list", () => compose(Buffer.from(`[${snapshot()}]`)), 400, "not_an_event"],
  ["an object that is no event", () => compose(event((e) => (e.object = "customer"))), 400,
    "not_an_event"],
  ["no id", () => compose(event((e) => delete e.id)), 400, "not_an_event"],
  ["an empty id", () => compose(event((e) => (e.id = ""))), 400, "not_an_event"],
  ["an id of 256 bytes", () => compose(event((e) => (e.id = "e".repeat(256)))), 400,
    "not_an_event"],
  ["a line end in the id", () => compose(event((e) => (e.id = "evt_1\r\nX: y"))), 400,
    "not_an_event"],
  ["NUL in the account", () => compose(event((e) => (e.account = "acct\0"))), 400, "not_an_event"],
  ["created as text", () => compose(event((e) => (e.created = "1700000000"))), 400, "not_an_event"],
  ["created as a fraction", () => compose(event((e) => (e.created = 1.5))), 400, "not_an_event"],
  ["created beyond 64 bits", () =>
    compose(swap(/"created": \d+/, '"created": 99999999999999999999')),
    400, "not_an_event"],
  ["livemode as text", () => compose(event((e) => (e.livemode = "false"))), 400, "not_an_event"],
  ["thin: created as a number", () => compose(Buffer.from(thin({ created: now() }))), 400,
    "not_an_event"],
  ["id twice", () => compose(swap("{", '{"id": "evt_other",')), 400, "not_an_event"],
  ["livemode twice", () => compose(swap("{", '{"livemode": true,')), 400, "not_an_event"],
  ["nested 1,000 deep", () => compose(nested(1000)), 400, "not_an_event"],
  ["nested 100,000 deep", () => compose(Buffer.from("[".repeat(100000))), 400, "not_an_event"],
  ["a NUL byte", () => compose(swap("12345", "\0")), 400, "not_an_event"],
  ["a NUL byte behind", () => compose(Buffer.from(snapshot() + "\0")), 400, "not_an_event"],
  ["wrong UTF-8: a lone byte", () => compose(Buffer.from(
    snapshot().replace("Zoë", "Zo\u00eb"), "latin1")), 400, "not_an_event"],
  ["wrong UTF-8: overlong", () => compose(Buffer.concat([good().subarray(0, -2),
    Buffer.from(',"x":"'), Buffer.from([0xc0, 0xaf]), Buffer.from('"}')])), 400, "not_an_event"],
  ["wrong UTF-8: a surrogate", () => compose(Buffer.concat([good().subarray(0, -2),
    Buffer.from(',"x":"'), Buffer.from([0xed, 0xa0, 0x80]), Buffer.from('"}')])), 400,
    "not_an_event"],

  ["no signature", () => signed(null), 400, "no_signature"],
  ["an empty signature", () => signed(""), 400, "no_signature"],
  ["two signature headers", () => signed([sign("x"), sign("y")]), 400, "malformed_signature"],
  ["no t", () => signed(`v1=${v1}`), 400, "malformed_signature"],
  ["t twice", () => signed(`t=${now()},t=${now()},v1=${v1}`), 400, "malformed_signature"],
  ["t with a leading zero", () => signed(`t=0${now()},v1=${v1}`), 400, "malformed_signature"],
  ["t with a sign", () => signed(`t=+${now()},v1=${v1}`), 400, "malformed_signature"],
  ["t beyond 64 bits", () => signed(`t=${"9".repeat(30)},v1=${v1}`), 400, "malformed_signature"],
  ["no v1", () => signed(`t=${now()},v0=${v1}`), 400, "malformed_signature"],
  ["a v1 of 63 digits", () => signed(`t=${now()},v1=${v1.slice(1)}`), 400, "malformed_signature"],
  ["a space behind the comma", () => signed(`t=${now()}, v1=${v1}`), 400, "malformed_signature"],
  ["garbage", () => signed("%s%n'; DROP TABLE event; --"), 400, "malformed_signature"],
  ["17 v1 items", () => signed(`t=${now()},${many(17, () => `v1=${v1}`).join(",")}`), 400,
    "malformed_signature"],
  ["200 v1 items", () => signed(`t=${now()},${many(200, () => `v1=${v1}`).join(",")}`), 400,
    "malformed_signature"],
  ["thousands of v1 items", () => signed(`t=${now()},${many(5000, () => `v1=${v1}`).join(",")}`),
    431, "head_too_large"],
  ["another secret", () => signed(signBytes(good(), secret("other"))), 400, "no_match"],
  ["the digest in capitals", () => {
    const body = good();
    return compose(body, { headers: { "Stripe-Signature":
      signBytes(body).replace(/v1=(.*)/, (_, d) => `v1=${d.toUpperCase()}`) } });
  }, 400, "malformed_signature"],
  ["the fake scheme v0", () => {
    const body = good(), right = signBytes(body).replace("v1=", "v0=");
    return compose(body, { headers: { "Stripe-Signature": `${right},v1=${v1}` } });
  }, 400, "no_match"],
  ["a changed body", () => {
    const body = good(), header = signBytes(body);
    body[50] ^= 1;
    return compose(body, { headers: { "Stripe-Signature": header } });
  }, 400, "no_match"],
  ["a changed time", () => {
    const body = good(), header = signBytes(body, SECRET, now() - 10);
    const changed = header.replace(/t=\d+/, `t=${now()}`);
    return compose(body, { headers: { "Stripe-Signature": changed } });
  }, 400, "no_match"],
  ["an old signature, replayed", () => {
    const body = good();
    return compose(body, { headers: { "Stripe-Signature": signBytes(body, SECRET, now() - 302) } });
  }, 400, "too_old"],
  ["a signature of 1970", () => {
    const body = good();
    return compose(body, { headers: { "Stripe-Signature": signBytes(body, SECRET, 0) } });
  }, 400, "too_old"],
  ["a signature from the future", () => {
    const body = good();
    return compose(body, { headers: { "Stripe-Signature": signBytes(body, SECRET, now() + 310) } });
  }, 400, "in_future"],

  ["another path", () => compose(good(), { target: "/webhook/" }), 404, "unknown_path"],
  ["the path in other letters", () => compose(good(), { target: "/Webhook" }), 404, "unknown_path"],
  ["the path encoded", () => compose(good(), { target: "/%77ebhook" }), 404, "unknown_path"],
  ["GET", () => compose(Buffer.alloc(0), { method: "GET" }), 405, "method"],
  ["PUT", () => compose(good(), { method: "PUT" }), 405, "method"],
  ["DELETE with a body", () => compose(good(), { method: "DELETE" }), 405, "method"],

  ["two Content-Lengths that differ", () => {
    const body = good();
    return compose(body, { headers: { "Content-Length": [body.length, body.length + 1] } });
  }, 400, "malformed_http"],
  ["two Content-Lengths that agree", () => {
    const body = good();
    return compose(body, { headers: { "Content-Length": [body.length, body.length] } });
  }, 400, "malformed_http"],
  ["a list of Content-Lengths", () => compose(good(), { headers: { "Content-Length": "5, 5" } }),
    400, "malformed_http"],
  ["a negative Content-Length", () => compose(good(), { headers: { "Content-Length": -1 } }), 400,
    "malformed_http"],
  ["a Content-Length with a plus", () => compose(good(), { headers: { "Content-Length": "+5" } }),
    400, "malformed_http"],
  ["a Content-Length beyond 64 bits", () =>
    compose(good(), { headers: { "Content-Length": "9".repeat(40) } }), 400, "malformed_http"],
  ["Transfer-Encoding with Content-Length", () => {
    const body = good();
    return chunked(body, Buffer.concat([chunk(body), LAST]), { "Content-Length": body.length });
  }, 400, "malformed_http"],
  ["Transfer-Encoding: gzip, chunked", () => {
    const body = good();
    return chunked(body, Buffer.concat([chunk(body), LAST]),
      { "Transfer-Encoding": "gzip, chunked" });
  }, 400, "malformed_http"],
  ["Transfer-Encoding: identity", () => {
    const body = good();
    return chunked(body, body, { "Transfer-Encoding": "identity" });
  }, 400, "malformed_http"],
  ["Transfer-Encoding twice", () => {
    const body = good();
    return chunked(body, Buffer.concat([chunk(body), LAST]),
      { "Transfer-Encoding": ["chunked", "chunked"] });
  }, 400, "malformed_http"],
  ["a chunk longer than it says", () => {
    const body = good();
    return chunked(body, Buffer.concat([chunk(body, "10"), LAST]));
  }, 400, "malformed_http"],
  ["a chunk size that is none", () => chunked(good(), Buffer.from("xyz\r\n")), 400,
    "malformed_http"],
  ["a chunk size with a sign", () => chunked(good(), Buffer.from("-5\r\nhello\r\n")), 400,
    "malformed_http"],
  ["a chunk size beyond 64 bits", () => chunked(good(), Buffer.from(`${"f".repeat(17)}\r\n`)), 400,
    "malformed_http"],
  ["a chunk size that wraps", () => chunked(good(), Buffer.from("fffffffffffffff0\r\n")), 413,
    "body_too_large"],
  ["a chunk ended by a bare line feed", () => chunked(good(), Buffer.from("5\nhello\n0\n\n")), 400,
    "malformed_http"],
  ["chunk extensions without end", () => chunked(good(), Buffer.from(`5;${"x".repeat(70000)}`)),
    431, "head_too_large"],
  ["trailers without end", () => {
    const body = good();
    return chunked(body, Buffer.concat([chunk(body), Buffer.from("0\r\n"),
      Buffer.from(many(3000, (i) => `X-${i}: ${"y".repeat(20)}\r\n`).join(""))]));
  }, 431, "head_too_large"],
  ["a line folded", () => compose(good(), { headers: { "X-A": "1\r\n 2" } }), 400,
    "malformed_http"],
  ["a space before the colon", () => compose(good(), { headers: { "X-A ": "1" } }), 400,
    "malformed_http"],
  ["a NUL in a header", () => compose(good(), { headers: { "X-A": "a\0b" } }), 400,
    "malformed_http"],
  ["a bare line feed in the head", () => compose(good(), { headers: { "X-A": "1\nX-B: 2" } }), 400,
    "malformed_http"],
  ["no Host", () => compose(good(), { headers: { Host: null } }), 400, "malformed_http"],
  ["two Hosts", () => compose(good(), { headers: { Host: ["a", "b"] } }), 400, "malformed_http"],
  ["no HTTP", () => Buffer.from("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "latin1"), 400,
    "malformed_http"],
  ["HTTP/2", () => Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, "malformed_http"],
  ["HTTP/1.2", () => compose(good(), { version: "HTTP/1.2" }), 505, "malformed_http"],
  ["an unknown method", () => compose(good(), { method: "STRIPE" }), 400, "malformed_http"],
  ["another expectation", () => compose(good(), { headers: { Expect: "200-ok" } }), 417,
    "expectation"],

  ["a body over the cap, said", () => compose(Buffer.alloc((1 << 20) + 1, "x")), 413,
    "body_too_large"],
  ["a body over the cap, only said", () =>
    compose(good(), { headers: { "Content-Length": 1 << 30 } }), 413, "body_too_large"],
  ["a body over the cap, in chunks", () => {
    const piece = Buffer.alloc(1 << 18, "x");
    return chunked(piece, Buffer.concat([...many(5, () => chunk(piece)), LAST]));
  }, 413, "body_too_large"],
  ["one header of 20 KiB", () => compose(good(), { headers: { "X-A": "a".repeat(20480) } }), 431,
    "head_too_large"],
  ["a header without end", () => Buffer.from(`POST /webhook HTTP/1.1\r\nX: ${"a".repeat(200000)}`),
    431, "head_too_large"],
  ["a target of 20 KiB", () => compose(good(), { target: `/${"a".repeat(20480)}` }), 431,
    "head_too_large"],
  ["1,000 short headers", () => compose(good(), { headers:
    Object.fromEntries(many(1000, (i) => [`X-${i}`, "1"])) }), 431, "head_too_large"],
];

const reasons = async (g) => Object.fromEntries(Object.entries(await g.metrics())
  .filter(([k]) => k.startsWith("hookkeep_answers_total"))
  .map(([k, v]) => [/reason="(\w+)"/.exec(k)[1], v]));

function moved(before, after) {
  return Object.keys(after).filter((k) => after[k] !== before[k])
    .map((k) => [k, after[k] - before[k]]);
}

suite("bad input", { concurrency: 6 }, () => {
  suite("is refused, counted and forgotten", () => {
    test("by one gateway, which goes on", async (t) => {
      const g = await Gateway.start(t, { log: { format: "json", level: "debug" } });
      const { durable } = (await g.get("/api/status")).journal;
      for (const [what, bytes, status, reason] of REFUSED)
        await t.test(`${what}: ${status}`, async () => {
          const before = await reasons(g);
          const raw = await Raw.connect(g.port);
          raw.send(bytes());
          const answer = await raw.answer();
          assert.equal(answer.status, status, answer.text);
          assert.deepEqual(moved(before, await reasons(g)), [[reason, 1]]);
          const { error } = JSON.parse(answer.text);
          assert.ok(error.length > 5 && error.length < 120, error);
          assert.doesNotMatch(answer.text, /canary|whsec/);
          if (status === 405) assert.equal(answer.headers.allow, "POST");
          raw.drop();
        });
      assert.equal((await g.get("/api/status")).journal.durable, durable, "nothing was kept");
      assert.equal(await g.count("receipts"), 0);
      assert.equal(await g.count("suspense"), 0);
      await g.accept(snapshot());
      await g.waitCount(1, "events");
      await waitFor(async () => (await g.metrics()).hookkeep_unverified_bytes < 20000,
        "the memory of strangers to come back");
    });
  });

  test("what looks odd and is right is taken", async (t) => {
    const site = await startSite(t);
    const g = await Gateway.start(t, { destinations: [site.as("shop")] });
    const bodies = {
      unknown: event((e) => Object.assign(e, { type: "moon.landed", new_field: [{ a: null }] })),
      doubled: swap("{", '{"x": 1, "x": 2,'),
      deep: nested(100),
      nul: event((e) => (e.data.object.name = "a\0b")),
      long_id: event((e) => (e.id = "e".repeat(255))),
      utf8_id: event((e) => (e.id = "evt_☃")),
      no_data: event((e) => delete e.data),
      old_request: event((e) => (e.request = "req_1")),
      big: event((e) => (e.data.object.name = "n".repeat((1 << 20) - 2000))),
      spaces: Buffer.from(`\r\n\t ${snapshot()} \n`),
      negative: event((e) => (e.created = -1)),
    };
    for (const [name, body] of Object.entries(bodies)) {
      const raw = await Raw.connect(g.port);
      raw.send(compose(body));
      assert.equal((await raw.answer()).status, 200, name);
      raw.drop();
    }
    const framings = [
      (b) => chunked(b, Buffer.concat([chunk(b), LAST])),
      (b) => chunked(b, Buffer.concat([...[...b].map((c) => chunk(Buffer.of(c))), LAST])),
      (b) => chunked(b, Buffer.concat([chunk(b, `${b.length.toString(16)};a=b`),
        Buffer.from("0\r\nX-Trailer: 1\r\n\r\n")])),
      (b) => compose(b, { target: "/webhook?from=stripe" }),
      (b) => compose(b, { target: "http://hooks.example/webhook" }),
      (b) => compose(b, { version: "HTTP/1.0", headers: { Host: null } }),
      (b) => compose(b, { headers: { "Stripe-Signature": `${signBytes(b)},v0=abc,v2=def` } }),
      (b) => compose(b, { headers: { "Stripe-Signature":
        `t=${now()},${many(15, () => `v1=${v1}`).join(",")},${signBytes(b).split(",")[1]}` } }),
      (b) => compose(b, { headers: { "Stripe-Signature": signBytes(b, SECRET, now() - 297) } }),
      (b) => compose(b, { headers: { "Stripe-Signature": signBytes(b, SECRET, now() + 290) } }),
    ];
    for (const frame of framings) {
      const raw = await Raw.connect(g.port);
      raw.send(frame(good()));
      assert.equal((await raw.answer()).status, 200, frame.toString());
      raw.drop();
    }
    const n = Object.keys(bodies).length + framings.length;
    await g.waitCount(n, "deliveries", "state = 'done'");
    for (const body of Object.values(bodies))
      assert.ok(site.got.some((x) => x.body.equals(body)), "its bytes came through");
    assert.equal((await g.ask("/api/ledger/verify")).ok, true);
  });

  test("a signature that is replayed within the tolerance is the same event", async (t) => {
    const g = await Gateway.start(t);
    const body = good(), bytes = compose(body);
    for (let i = 0; i < 3; i++) {
      const raw = await Raw.connect(g.port);
      raw.send(bytes);
      assert.equal((await raw.answer()).status, 200);
      raw.drop();
    }
    await g.waitCount(3, "receipts");
    assert.equal(await g.count("events"), 1);
  });

  test("pipelined requests are answered in order, and nothing after a refusal", async (t) => {
    const g = await Gateway.start(t);
    const bodies = many(20, good);
    const raw = await Raw.connect(g.port);
    raw.send(Buffer.concat(bodies.map((b) => compose(b))));
    await raw.answer(20);
    assert.ok(raw.answers.every((a) => a.status === 200));
    raw.drop();

    const mixed = await Raw.connect(g.port);
    const [first, last] = [good(), good()];
    mixed.send(Buffer.concat([compose(first), compose(Buffer.alloc(0), { target: "/nowhere" }),
      Buffer.from("GARBAGE\r\n\r\n"), compose(last)]));
    await mixed.waitClosed();
    assert.deepEqual(mixed.answers.map((a) => a.status), [200, 404, 400]);
    await g.waitCount(21, "events");
    mixed.drop();

    const cut = await Raw.connect(g.port);
    cut.send(Buffer.concat([compose(good(), { target: "/nowhere" }), compose(last)]));
    await cut.waitClosed();
    assert.deepEqual(cut.answers.map((a) => a.status), [404], "a body that nobody read ends it");
    cut.drop();

    // Smuggled: what a lenient reader takes for a second request lies inside the first one's body.
    const inner = compose(last), outer = Buffer.concat([Buffer.from("0\r\n\r\n"), inner]);
    const smuggler = await Raw.connect(g.port);
    smuggler.send(compose(outer,
      { headers: { "Stripe-Signature": signBytes(outer, secret("no")) } }));
    smuggler.send(compose(good(), { target: "/nowhere" }));
    await smuggler.waitClosed();
    assert.deepEqual(smuggler.answers.map((a) => a.status), [400, 404]);
    await g.waitBooked();
    assert.equal(await g.count("events"), 21);
    smuggler.drop();
  });

  test("Expect: 100-continue is answered before the body comes", async (t) => {
    const g = await Gateway.start(t);
    const body = good(), bytes = compose(body, { headers: { Expect: "100-continue" } });
    const at = bytes.indexOf("\r\n\r\n") + 4;
    const raw = await Raw.connect(g.port);
    await raw.send(bytes.subarray(0, at));
    await waitFor(() => raw.answers[0]?.status === 100, "100 Continue");
    await raw.send(bytes.subarray(at));
    assert.equal((await raw.answer()).status, 200);
    raw.drop();
    const refused = await Raw.connect(g.port);
    refused.send(compose(body, { target: "/no", headers: { Expect: "100-continue" } })
      .subarray(0, at - 5));
    assert.equal((await refused.answer()).status, 404, "no body is asked for in vain");
    refused.drop();
  });

  test("half-closed peers, and peers that leave", async (t) => {
    const g = await Gateway.start(t);
    const raw = await Raw.connect(g.port);
    await raw.send(compose(good()));
    raw.end();
    assert.equal((await raw.answer()).status, 200, "a whole request is answered still");
    await raw.waitClosed();

    const before = await g.metrics();
    const half = await Raw.connect(g.port);
    await half.send(compose(good()).subarray(0, -50));
    half.end();
    assert.equal((await half.answer()).status, 400);
    const head = await Raw.connect(g.port);
    await head.send("POST /webhook HTT");
    head.end();
    assert.equal((await head.answer()).status, 400);
    const gone = await Raw.connect(g.port);
    await gone.send(compose(good()).subarray(0, -50));
    await waitFor(async () => (await g.metrics()).hookkeep_unverified_bytes > 5000, "its head");
    gone.drop();
    const left = 'hookkeep_connections_total{result="peer_left_early"}';
    await waitFor(async () => (await g.metrics())[left] - before[left] === 3,
      "three to be counted");
    await waitFor(async () => (await g.metrics()).hookkeep_unverified_bytes < 20000,
      "their memory to come back");
    await g.waitBooked();
    assert.equal(await g.count("events"), 1);
  });

  test("slow senders are cut off: head, body, rate and idleness", async (t) => {
    const g = await Gateway.start(t, { limits: { head_timeout: "300ms", body_timeout: "600ms",
                                                 idle_timeout: "400ms" } });
    const quick = await Gateway.start(t, { limits: { min_rate: "2KiB" } });
    const rate = await Raw.connect(quick.port);
    const dribble = compose(good());
    await rate.send(dribble.subarray(0, -200));

    const head = await Raw.connect(g.port);
    await head.send("POST /webhook HTTP/1.1\r\nHost: x\r\n");
    const drip = setInterval(() => head.send("X-A: 1\r\n"), 50);
    t.after(() => clearInterval(drip));
    assert.equal((await head.answer()).status, 408, "bytes that keep coming do not extend it");
    clearInterval(drip);
    const body = await Raw.connect(g.port);
    await body.send(compose(good()).subarray(0, -5));
    assert.equal((await body.answer()).status, 408);
    const idle = await Raw.connect(g.port);
    await idle.waitClosed();
    assert.equal(idle.answers.length, 0, "an idle connection is closed without a word");
    const kept = await Raw.connect(g.port);
    await kept.send(compose(good()));
    assert.equal((await kept.answer()).status, 200);
    await kept.waitClosed();
    assert.equal((await reasons(g)).too_slow, 2);
    assert.equal((await rate.answer()).status, 408, "under the least rate");
    assert.equal((await reasons(quick)).too_slow, 1);
    for (const raw of [head, body, idle, kept, rate]) raw.drop();
    await g.waitBooked();
    assert.equal(await g.count("events"), 1);
  });

  test("connections are limited for each address, and in all", async (t) => {
    const g = await Gateway.start(t, { listen: ["http://127.0.0.1:0", "unix:in.sock"],
      limits: { loops: 1, connections: 6, connections_per_address: 4 } });
    const open = [];
    for (let i = 0; i < 4; i++) open.push(await Raw.connect(g.port));
    await open[3].send(compose(good()));
    assert.equal((await open[3].answer()).status, 200);
    const fifth = await Raw.connect(g.port);
    await fifth.waitClosed();
    assert.equal(fifth.answers.length, 0);
    const other = await Raw.connect({ port: g.port, host: "127.0.0.1", localAddress: "127.0.0.2" });
    await other.send(compose(good()));
    assert.equal((await other.answer()).status, 200, "another address has its own share");
    const unix = await Raw.connect({ path: g.path("in.sock") });
    await unix.send(compose(good()));
    assert.equal((await unix.answer()).status, 200,
      "a unix socket has no address to be limited by");
    const over = await Raw.connect({ path: g.path("in.sock") });
    await over.waitClosed();
    const m = await g.metrics();
    assert.equal(m['hookkeep_connections_total{result="refused_address_limit"}'], 1);
    assert.equal(m['hookkeep_connections_total{result="refused_limit"}'], 1);
    open[0].drop();
    await waitFor(async () => {
      const again = await Raw.connect(g.port);
      await again.send(compose(good()));
      const answer = await again.answer(1, 1000).catch(() => null);
      again.drop();
      return answer?.status === 200;
    }, "a free place");
    for (const raw of [...open, other, unix]) raw.drop();
  });

  test("strangers hold no more memory than the cap; the rest is told to come again", async (t) => {
    const g = await Gateway.start(t, { limits: { unverified: "2MiB", body: "1MiB",
                                                 body_timeout: "3s", loops: 1 } });
    const memory = () => {
      const status = fs.readFileSync(`/proc/${g.child.pid}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+)/.exec(status)[1]);
    };
    const before = memory();
    const big = Buffer.alloc((1 << 20) - 10, "x");
    const forged = compose(big, { headers: { "Stripe-Signature": `t=${now()},v1=${v1}` } });
    const strangers = [];
    for (let i = 0; i < 20; i++) {
      const raw = await Raw.connect(g.port);
      raw.send(forged.subarray(0, -100));
      strangers.push(raw);
    }
    await waitFor(() => strangers.filter((r) => r.answers.length > 0).length >= 17, "the refusals");
    const statuses = strangers.flatMap((r) => r.answers.map((a) => a.status));
    assert.ok(statuses.every((s) => s === 503), `${statuses}`);
    const told = strangers.find((r) => r.answers.length > 0).answers[0];
    assert.ok(Number(told.headers["retry-after"]) >= 1, "503 says when to come again");
    const m = await g.metrics();
    assert.ok(m.hookkeep_unverified_bytes <= 2 << 20, `${m.hookkeep_unverified_bytes}`);
    assert.ok(m['hookkeep_answers_total{reason="unverified_memory_full"}'] >= 17);
    assert.ok(memory() - before < 16 << 10, `${memory() - before} KiB more than before`);
    await waitFor(async () => (await g.post(snapshot())).status === 200,
      "real events to be taken once the slow ones are cut off");
    for (const raw of strangers) raw.drop();
    await g.waitCount(1, "events");
  });
});

suite("secrets", { concurrency: 4 }, () => {
  test("are found in nothing that the gateway says or keeps", async (t) => {
    const site = await startSite(t, { answer: (_, n) => ({ status: n === 1 ? 500 : 200 }) });
    const g = await Gateway.start(t, {
      log: { format: "text", level: "debug" },
      sources: [{ path: "/webhook", secrets: [{ label: "main", key: "${CANARY}" },
        { label: "file", key: "file:secret.txt" }] }],
      destinations: [site.as("shop", { retry: ["1s"] })],
    }, { env: { CANARY: SECRET }, files: { "secret.txt": `${secret("file")}\n` } });
    await g.accept(snapshot());
    await g.accept(snapshot(), { secret: secret("file") });
    assert.equal((await g.post(snapshot(), { secret: secret("wrong") })).status, 400);
    await g.waitCount(2, "deliveries", "state = 'done'");
    const said = [g.text];
    for (const to of ["/metrics", "/api/status", "/api/events", "/api/deliveries", "/api/keys",
                      "/api/destinations", "/api/suspense", "/api/deliveries/1", "/nowhere"])
      said.push((await g.desk("GET", to)).text);
    for (const args of [["check"], ["keys", "list"], ["destinations", "list"], ["help"]])
      said.push(JSON.stringify(await g.cli(args)));
    said.push((await must("ps", ["-ww", "-o", "args=", "-p", String(g.child.pid)])).stdout);
    const key = fs.readFileSync(g.path("hookkeep.db.key"), "utf8").trim();
    const status = JSON.parse(said[2]);
    assert.match(status.sources[0].secrets[0].fingerprint, /^[0-9a-f]{12}$/);
    await g.stop();
    said.push(g.text);
    for (const text of said) {
      assert.doesNotMatch(text, /canary/);
      assert.ok(!text.includes(key));
    }
    for (const file of fs.readdirSync(g.folder)) {
      if (/^(secret\.txt|hookkeep\.yaml|.*\.sock)$/.test(file)) continue;
      const bytes = fs.readFileSync(g.path(file));
      assert.ok(!bytes.includes("canary"), `${file} holds a secret`);
      if (file !== "hookkeep.db.key") assert.ok(!bytes.includes(key), `${file} holds the key`);
    }
    assert.equal(fs.statSync(g.path("hookkeep.db.key")).mode & 0o777, 0o600);
  });

  test("are not told when they are wrong", async (t) => {
    const g = new Gateway(t);
    const long = "whsec_canary_0123456789";
    for (const bad of ["whsec_canary", ` ${long}`, `${long}\n`, ""]) {
      g.write({ sources: [{ path: "/webhook", secrets: [{ label: "main", key: bad }] }] });
      const r = await g.cli(["check"]);
      assert.equal(r.code, 78, `taken: ${JSON.stringify(bad)}`);
      assert.doesNotMatch(r.stdout + r.stderr, /canary/);
      assert.match(r.stderr, /hookkeep\.yaml:\d+/);
    }
    const signed = await g.cli(["sign"], { input: "x", env: { HOOKKEEP_SECRET: SECRET } });
    assert.match(signed.stdout, /^t=\d+,v1=[0-9a-f]{64}\n$/);
  });

  test("a desk without a key, with a wrong one and with a viewer's", async (t) => {
    const g = await Gateway.start(t);
    assert.equal((await g.desk("GET", "/healthz", undefined, { key: "x" })).status, 200);
    for (const to of ["/api/events", "/metrics", "/api/status"])
      for (const key of ["", "hk_operator_0123456789abcdef", "null"]) {
        const r = await g.desk("GET", to, undefined, { key });
        assert.equal(r.status, 401, to);
        assert.ok(r.headers["www-authenticate"]);
      }
    const made = await g.ask("/api/keys", { mode: "viewer", name: "wall" });
    assert.equal((await g.desk("GET", "/api/events", undefined, { key: made.key })).status, 200);
    const r = await g.desk("POST", "/api/replay", { events: [1] }, { key: made.key });
    assert.equal(r.status, 403);
    await g.ask(`/api/keys/${made.id}/revoke`);
    assert.equal((await g.desk("GET", "/api/events", undefined, { key: made.key })).status, 401);
  });
});
