// SPDX-License-Identifier: MIT
// A site behind Hookkeep: Express and Stripe's official library, as it would stand behind Stripe.
//
//     npm install express stripe
//     SHOP_SECRET=whsec_... PORT=5001 node shop.mjs
import express from "express";
import Stripe from "stripe";

const secret = process.env.SHOP_SECRET; // the destination's secret in hookkeep.yaml
const seen = new Set(); // in a real site a table with a unique key, in the transaction of the work

function handle(event) {
  switch (event.type) {
    case "checkout.session.completed":
      console.log(`paid: ${event.data.object.id} of ${event.account ?? "our own account"}`);
      break;
    default:
      console.log(`not for us: ${event.type}`);
  }
}

const app = express();
// The signature is over the bytes as they came, so no JSON parser may stand before this route.
app.post("/stripe", express.raw({ type: "*/*", limit: "1mb" }), (request, response) => {
  let event;
  try {
    event = Stripe.webhooks.constructEvent(request.body, request.get("Stripe-Signature"), secret);
  } catch (error) {
    response.status(400).send(error.message);
    return;
  }
  // An event comes again when the outcome of an attempt could not be recorded, or by a replay.
  if (!seen.has(event.id)) {
    handle(event); // what throws here is answered 500, and the event comes again later
    seen.add(event.id);
  }
  response.sendStatus(204);
});

const server = app.listen(Number(process.env.PORT ?? 5001), "127.0.0.1", () =>
  console.log(`listening on ${server.address().port}`));
