// SPDX-License-Identifier: MIT
// Stripe's objects in PostgreSQL by @supabase/stripe-sync-engine, as its README shows: an event is
// answered 200 once its object is in its table. The event itself is not kept.
//
//     node sync-engine.mjs PORT DATABASE_URL      the secret stands in STRIPE_WEBHOOK_SECRET
import { createRequire } from 'node:module';

import express from 'express';

// As an ES module it does not find its own migrations.
const require = createRequire(import.meta.url);
const { runMigrations, StripeSync } = require('@supabase/stripe-sync-engine');

const [port, databaseUrl] = process.argv.slice(2);
await runMigrations({ databaseUrl, schema: 'stripe', logger: { info() {}, error: console.error } });
const sync = new StripeSync({
  poolConfig: { connectionString: databaseUrl, max: 10 },
  stripeSecretKey: 'sk_test_unused',
  stripeWebhookSecret: process.env.STRIPE_WEBHOOK_SECRET,
});
const app = express();

app.post('/webhook', express.raw({ type: 'application/json' }), async (req, res) => {
  try {
    await sync.processWebhook(req.body, req.headers['stripe-signature']);
  } catch (error) {
    res.status(400).json({ error: error.message });
    return;
  }
  res.json({ received: true });
});

app.listen(Number(port), '127.0.0.1');
