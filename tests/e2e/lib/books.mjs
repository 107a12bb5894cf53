// SPDX-License-Identifier: MIT
// Another program that keeps the ledger's file to itself, so that booking has to wait.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { waitFor } from "./wait.mjs";

export async function lockBooks(t, file) {
  const shell = spawn("sqlite3", [file], { stdio: ["pipe", "pipe", "inherit"] });
  let said = "";
  shell.stdout.on("data", (p) => (said += p));
  shell.stdin.on("error", () => {});
  const closed = once(shell, "close");
  t.after(() => shell.kill("SIGKILL"));
  shell.stdin.write(".timeout 5000\nBEGIN IMMEDIATE;\nSELECT 'locked';\n");
  await waitFor(() => said.includes("locked"), "the lock on the ledger");
  return {
    async release() {
      shell.stdin.end("ROLLBACK;\n");
      await closed;
    },
  };
}
