// SPDX-License-Identifier: MIT
// A disk of a few MiB: a tmpfs in a mount namespace of its own, so that nothing is left behind
// whatever happens to the test.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { waitFor } from "./wait.mjs";

export async function smallDisk(t, folder, size) {
  const user = process.getuid() === 0 ? [] : ["--user", "--map-root-user"];
  const script = `mount -t tmpfs -o size=${size} tmpfs "$1" && cd "$1" && echo ready && `
    + "exec sleep 600";
  const holder = spawn("unshare", [...user, "--mount", "sh", "-c", script, "sh", folder],
    { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [holder.stdout, holder.stderr]) stream.on("data", (p) => (said += p));
  t.after(() => holder.kill("SIGKILL"));
  await waitFor(() => said.includes("ready") || holder.exitCode !== null, "a small disk");
  if (!said.includes("ready"))
    throw new Error(`this test mounts a tmpfs in a namespace of its own, and could not: ${said}`);
  const join = user.length > 0 ? ["--user", "--preserve-credentials"] : [];
  const seen = `/proc/${holder.pid}/root${folder}`;
  const filler = path.join(seen, "filler");
  return {
    seen, // the folder as we see it
    wrap: ["nsenter", `--target=${holder.pid}`, ...join, "--mount", "--wd"],
    fill() {
      const f = fs.openSync(filler, "a");
      for (const piece of [1 << 20, 4096])
        try {
          for (;;) fs.writeSync(f, Buffer.alloc(piece, 1));
        } catch (e) {
          if (e.code !== "ENOSPC") throw e;
        }
      fs.closeSync(f);
    },
    free: () => fs.rmSync(filler),
  };
}
