// SPDX-License-Identifier: MIT
// A worker of BullMQ (npm install bullmq) for the destination `billing`. The job's data is the
// event as Stripe sent it. A job is there once, but it may be tried again: do the work once per
// event, as by a unique key on job.id.
import { Worker } from "bullmq";

const connection = { host: "127.0.0.1", port: Number(process.env.REDIS_PORT ?? 6379),
                     password: process.env.REDIS_PASSWORD, maxRetriesPerRequest: null };

const worker = new Worker("stripe", async (job) => {
  console.log(job.id, job.name, job.data.data.object.id);
}, { connection, removeOnComplete: { age: 30 * 24 * 3600 }, concurrency: 8 });

process.on("SIGTERM", () => worker.close());
