// SPDX-License-Identifier: MIT
// Stripe's side: events as it writes them, and signatures as the official SDK makes them.
import { randomBytes } from "node:crypto";
import Stripe from "stripe";

export const stripe = new Stripe("sk_test_never_used");

// Secrets that can be found again wherever they should not be.
export const secret = (name) => `whsec_canary_${name}_0123456789`;
export const SECRET = secret("source");
export const SITE_SECRET = secret("site");

const fresh = (prefix) => `${prefix}_${randomBytes(12).toString("hex")}`;
export const now = () => Math.floor(Date.now() / 1000);

// Pretty-printed, as Stripe does it, with what a reader that writes the JSON anew would change.
export function snapshot(more = {}) {
  const { object, ...rest } = more;
  const event = {
    id: fresh("evt"), object: "event", api_version: "2026-10-28.endive", created: now(),
    data: { object: { id: fresh("cus"), object: "customer", name: "Zoë ☃ 🚀", metadata: {},
                      balance: 0, ...object } },
    livemode: false, pending_webhooks: 2, request: { id: fresh("req"), idempotency_key: null },
    type: "customer.created", ...rest,
  };
  return JSON.stringify(event, null, 2)
    .replace('"metadata": {}', '"metadata": {\n      }')
    .replace('"balance": 0', '"balance": 12345678901234567890.10,\n      "path": "a\\u0026b\\/c"');
}

export function thin(more = {}) {
  return JSON.stringify({
    id: fresh("evt_thin"), object: "v2.core.event", type: "v1.customer.created",
    created: new Date().toISOString(), livemode: false,
    related_object: { id: fresh("cus"), type: "customer", url: "/v1/customers/x" }, ...more,
  }, null, 2);
}

export const idOf = (body) => JSON.parse(body).id;

export function sign(body, { secret: key = SECRET, timestamp = now() } = {}) {
  return stripe.webhooks.generateTestHeaderString({ payload: body.toString(), secret: key,
                                                    timestamp });
}

// Several secrets over one body, as while one is rolled: t=…,v1=…,v1=…
export function signAll(body, secrets, timestamp = now()) {
  const items = secrets.map((key) => sign(body, { secret: key, timestamp }).split(",")[1]);
  return [`t=${timestamp}`, ...items].join(",");
}
