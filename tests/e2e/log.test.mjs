// SPDX-License-Identifier: MIT
// The log in a file, rotated by a real logrotate with the example while events come in.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Gateway } from "./lib/gateway.mjs";
import { must } from "./lib/process.mjs";
import { snapshot } from "./lib/stripe.mjs";
import { waitFor } from "./lib/wait.mjs";

const EXAMPLE = fileURLToPath(new URL("../../examples/logrotate/hookkeep", import.meta.url));

async function start(t, file) {
  const g = new Gateway(t, { log: { format: "json", level: "debug", file } });
  g.spawn();
  await waitFor(() => g.child.gone || fs.existsSync(g.path("hookkeep.db.key")), () => g.text);
  return g;
}

const lines = (...files) => files.flatMap((f) => fs.readFileSync(f, "utf8").split("\n"))
  .filter((l) => l !== "").map((l) => JSON.parse(l));

suite("log", { concurrency: 2 }, () => {
  test("no line is lost around rotations", async (t) => {
    const g = await start(t, "hookkeep.log");
    const file = g.path("hookkeep.log");
    const answering = () => lines(file).find((l) => l.event === "listening" && l.for === "stripe");
    g.port = (await waitFor(answering, "its start")).port;
    assert.equal(fs.statSync(file).mode & 0o777 & ~0o640, 0);
    const conf = g.path("logrotate.conf");
    fs.writeFileSync(conf, fs.readFileSync(EXAMPLE, "utf8")
      .replaceAll("/var/log/hookkeep/hookkeep.log", file).replace(/^ +(delay)?compress\n/gm, "")
      .replace(/systemctl kill .*/, `kill -USR1 ${g.child.pid}`));
    fs.chmodSync(conf, 0o644);
    let refused = 0;
    for (let round = 0; round < 4; round++) {
      const posts = Array.from({ length: 40 }, () => g.post(snapshot(), { secret: "whsec_wrong" }));
      const rotated = must("logrotate", ["-f", "-s", g.path("state"), conf]);
      for (const answer of await Promise.all(posts)) refused += answer.status === 400;
      await rotated;
      await waitFor(() => fs.existsSync(file)
        && lines(file).some((l) => l.event === "log_reopened"), "the new file");
    }
    const files = fs.readdirSync(g.folder).filter((f) => /^hookkeep\.log/.test(f));
    assert.equal(files.length, 5);
    const all = lines(...files.map((f) => g.path(f)));
    assert.equal(refused, 160);
    assert.equal(all.filter((l) => l.event === "refused").length, 160);
    assert.equal(all.filter((l) => l.event === "log_reopened").length, 4);
    assert.equal(g.text, "", "standard error stays silent");
    const { code } = await g.stop();
    assert.equal(code, 0);
    assert.ok(lines(file).some((l) => l.event === "stopped"));
  });

  test("a file that cannot be written stops nothing, and is counted", async (t) => {
    const g = await Gateway.start(t, { log: { format: "json", level: "info",
                                              file: path.join("none", "hookkeep.log") } });
    await g.accept(snapshot());
    assert.ok(g.logged("log_unwritable"));
    assert.ok((await g.metrics()).hookkeep_log_failures_total >= 1);
    fs.mkdirSync(g.path("none"));
    await g.signal("SIGHUP"); // a reload opens it too
    await waitFor(() => fs.existsSync(g.path("none/hookkeep.log"))
      && lines(g.path("none/hookkeep.log")).some((l) => l.event === "reloaded"), "the reload");
  });
});
