// SPDX-License-Identifier: MIT
// libhookkeep beside Stripe's Node SDK: where constructEvent throws, so does the library's example
// refuse, and as libhookkeep(3) says.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import Stripe from "stripe";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BUILD = path.dirname(process.env.HOOKKEEP ?? path.join(ROOT, "build/hookkeep"));
const SECRET = "whsec_of_the_library_test";
const stripe = new Stripe("sk_test_x");
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "hookkeep-library-"));
const program = path.join(folder, "webhook");
const body = JSON.stringify({ id: "evt_1", object: "event", type: "invoice.paid", created: 1,
                              livemode: false, data: { object: { amount_paid: 1999 } } });

before(() => {
  const libs = spawnSync("pkg-config", ["--libs", "libcrypto", "yyjson"], { encoding: "utf8" });
  const done = spawnSync("cc", ["-o", program, path.join(ROOT, "examples/embed/webhook.c"),
    "-I", path.join(ROOT, "include"), path.join(BUILD, "include/libhookkeep.a"),
    ...libs.stdout.split(/\s+/).filter(Boolean)], { encoding: "utf8" });
  assert.equal(done.status, 0, done.stderr);
});
after(() => fs.rmSync(folder, { recursive: true }));

function header(payload, more) {
  return stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET, ...more });
}

// What each of them says to the same.
function both(sent, signature, secret) {
  const env = { CONTENT_LENGTH: String(Buffer.byteLength(sent)), STRIPE_WEBHOOK_SECRET: secret };
  if (signature !== null) env.HTTP_STRIPE_SIGNATURE = signature;
  const { stdout } = spawnSync(program, { input: sent, env, encoding: "utf8" });
  const ours = stdout.split("\r\n\r\n")[1].trim();
  try {
    stripe.webhooks.constructEvent(sent, signature, secret);
    return [ours, "received"];
  } catch (error) {
    return [ours, `${error.name ?? error.type}: ${error.message}`];
  }
}

const now = Math.floor(Date.now() / 1000);
const thin = JSON.stringify({ id: "evt_1", object: "v2.core.event", type: "v1.a.b",
                              created: "2026-11-23T18:57:26Z", livemode: false });
const rows = [
  ["received", /^received$/, body, header(body)],
  ["no Stripe-Signature header", /No stripe-signature header value/, body, null],
  ["no Stripe-Signature header", /No stripe-signature header value/, body, ""],
  ["the Stripe-Signature header has no timestamp", /Unable to extract timestamp/, body, "garbage"],
  ["the Stripe-Signature header has no timestamp", /Unable to extract timestamp/, body,
    " " + header(body)],
  ["the Stripe-Signature header has no v1 item", /No signatures found with expected scheme/, body,
    header(body, { scheme: "v0" })],
  ["the Stripe-Signature header has no v1 item", /No signatures found with expected scheme/, body,
    header(body).replace(",", ", ")],
  ["the Stripe-Signature header is malformed", /secureCompare must receive two/, body,
    `t=${now},v1=`],
  ["no v1 item matches a secret: ", /No signatures found matching/, body + " ", header(body)],
  ["no v1 item matches a secret, and a secret has white space in it",
    /No signatures found matching[^]*contains whitespace/, body, header(body), SECRET + "\n"],
  ["there is no secret", /No webhook secret value/, body, header(body), "  "],
  ["the timestamp is older", /Timestamp outside the tolerance/, body,
    header(body, { timestamp: now - 400 })],
  ["the body is empty", /No webhook payload/, "", header("")],
  ["the body is no JSON", /^SyntaxError/, "{", header("{")],
  ["this is a thin event", /You passed a thin event notification/, thin, header(thin)],
  // Where we are stricter, as the manual says.
  ["the Stripe-Signature header is malformed", /^received$/, body,
    header(body).replace(/t=\d+/, "$&abc")],
  ["the timestamp lies further in the future", /^received$/, body,
    header(body, { timestamp: now + 4000 })],
  ["the body is no Stripe event", /^received$/, "{}", header("{}")],
];

for (const [ours, theirs, sent, signature, secret = SECRET] of rows) {
  test(`${ours.trim()} / ${theirs}`, () => {
    const [said, threw] = both(sent, signature, secret);
    assert.ok(said.startsWith(ours), `we say: ${said}`);
    assert.match(threw, theirs);
  });
}

test("a header of the library's holds for the SDK", () => {
  const done = spawnSync(process.env.HOOKKEEP ?? path.join(BUILD, "hookkeep"), ["sign"],
    { input: body, env: { HOOKKEEP_SECRET: SECRET }, encoding: "utf8" });
  assert.equal(stripe.webhooks.constructEvent(body, done.stdout.trim(), SECRET).id, "evt_1");
});
