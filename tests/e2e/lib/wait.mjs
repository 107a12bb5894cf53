// SPDX-License-Identifier: MIT
import { setTimeout as sleep } from "node:timers/promises";

export const PATIENCE_MS = Number(process.env.PATIENCE_MS ?? 20000); // more where all is slow

// Resolves with what `look` returns as soon as that is truthy; `look` may fail meanwhile.
// `what` may be a function: it is asked when the wait was in vain.
export async function waitFor(look, what, limit = PATIENCE_MS) {
  const end = Date.now() + limit;
  let last;
  for (;;) {
    try {
      const found = await look();
      if (found) return found;
      last = undefined;
    } catch (e) {
      last = e;
    }
    if (Date.now() > end) break;
    await sleep(15);
  }
  const told = typeof what === "function" ? await what() : what;
  throw new Error(`waited ${limit} ms for ${told}${last ? `: ${last.message}` : ""}`);
}

// For what must not happen: fails as soon as it does, and looks for so long.
export async function neverWithin(ms, look, what) {
  const end = Date.now() + ms;
  while (Date.now() < end) {
    if (await look()) throw new Error(`it happened: ${what}`);
    await sleep(15);
  }
}
