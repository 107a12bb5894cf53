// SPDX-License-Identifier: MIT
// What guides teach: the official SDK checks the signature, Bull keeps the event in Redis, and then
// it is answered 200. No worker takes jobs out while it is measured.
//
//     node express.mjs PORT REDIS_PORT      the secret stands in STRIPE_WEBHOOK_SECRET
import Queue from 'bull';
import express from 'express';
import Stripe from 'stripe';

const [port, redisPort] = process.argv.slice(2).map(Number);
const secret = process.env.STRIPE_WEBHOOK_SECRET;
const stripe = new Stripe('sk_test_unused');
const queue = new Queue('events', { redis: { host: '127.0.0.1', port: redisPort } });
const app = express();

app.post('/webhook', express.raw({ type: 'application/json' }), async (req, res) => {
  let event;
  try {
    event = stripe.webhooks.constructEvent(req.body, req.headers['stripe-signature'], secret);
  } catch (error) {
    res.status(400).json({ error: error.message });
    return;
  }
  await queue.add(event, { jobId: event.id }); // once per event
  res.json({ received: true });
});

await queue.isReady();
app.listen(port, '127.0.0.1');
