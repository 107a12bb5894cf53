// SPDX-License-Identifier: MIT
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
export const HOOKKEEP = path.resolve(root, process.env.HOOKKEEP ?? "build/hookkeep");

// The environment without what would change how the command behaves.
export function cleanEnvironment(more = {}) {
  const ours = /^(HOOKKEEP|STRIPE|NOTIFY|NODE_TEST)|_proxy$/i;
  const kept = Object.entries(process.env).filter(([k]) => !ours.test(k));
  return { ...Object.fromEntries(kept), ...more };
}

// Its arguments as every user of the machine sees them; null when it is gone already.
function cmdlineOf(child) {
  try {
    return fs.readFileSync(`/proc/${child.pid}/cmdline`, "utf8");
  } catch {
    return null;
  }
}

// Runs a program to its end.
export async function run(program, args, { cwd, env, input = "", until } = {}) {
  const child = spawn(program, args, { cwd, env: cleanEnvironment(env) });
  const out = { stdout: "", stderr: "", cmdline: cmdlineOf(child) };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8");
    child[name].on("data", (piece) => {
      out[name] += piece;
      if (until?.(out)) child.kill("SIGTERM");
    });
  }
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const [code, signal] = await once(child, "close");
  return { ...out, code, signal };
}

export async function must(program, args, options) {
  const r = await run(program, args, options);
  if (r.code !== 0)
    throw new Error(`${program} ${args.join(" ")}: exit ${r.code ?? r.signal}: ${r.stderr}`);
  return r;
}
