// SPDX-License-Identifier: MIT
// The gateway without a file: everything by variables, as a container has it.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { startSite } from "./lib/site.mjs";
import { idOf, SECRET, snapshot } from "./lib/stripe.mjs";

const variables = (site) => {
  const { url, secret } = site.as("shop");
  return {
    HOOKKEEP_LISTEN: "http://127.0.0.1:0", HOOKKEEP_DESK_LISTEN: "unix:desk.sock",
    HOOKKEEP_LOG: "{format: json, level: debug}", HOOKKEEP_JOURNAL_SIZE: "16MiB",
    HOOKKEEP_SOURCES_0_PATH: "/webhook", HOOKKEEP_SOURCES_0_SECRETS_0_LABEL: "main",
    HOOKKEEP_SOURCES_0_SECRETS_0_KEY: "file:${SECRETS}/stripe",
    HOOKKEEP_DESTINATIONS_0_NAME: "shop", HOOKKEEP_DESTINATIONS_0_URL: url,
    HOOKKEEP_DESTINATIONS_0_SECRET: secret, HOOKKEEP_DESTINATIONS_0_RETRY: "1s, 1s",
    HOOKKEEP_DESTINATIONS_0_MATCH_0_TYPES: "invoice.*,customer.*",
    HOOKKEEP_DESTINATIONS_0_MATCH_0_WHERE: "{data.object.metadata.site: [shop, outlet]}",
  };
};

suite("environment", { concurrency: 2 }, () => {
  test("variables alone receive, match and deliver, and the client finds the desk", async (t) => {
    const site = await startSite(t);
    const g = new Gateway(t, {}, { bare: true, env: variables(site), files: { stripe: SECRET } });
    g.env.SECRETS = g.folder;
    await g.start();
    assert.ok(!fs.existsSync(path.join(g.folder, "hookkeep.yaml")));
    const wanted = snapshot({ type: "invoice.paid", object: { metadata: { site: "outlet" } } });
    const other = snapshot({ type: "invoice.paid", object: { metadata: { site: "books" } } });
    await g.accept(wanted);
    await g.accept(other);
    await g.waitCount(1, "deliveries", "state = 'done'");
    const told = await g.cli(["explain", idOf(other)], { env: g.env });
    assert.equal(told.code, 0, told.stderr);
    assert.match(told.stdout, /shop +no +no rule matches/);
    assert.equal(await g.count("deliveries"), 1);
    assert.ok(!g.text.includes(SECRET));
    // The container's health check.
    const health = await g.cli(["status"], { env: g.env });
    assert.equal(health.code, 0, health.stderr);
    assert.match(health.stdout, /^ready +yes$/m);
    // As a handler that the gateway runs would ask, with variables that are no keys.
    const handler = await g.cli(["events", "show", idOf(wanted)],
                                { env: { ...g.env, HOOKKEEP_EVENT_TYPE: "invoice.paid" } });
    assert.equal(handler.code, 0, handler.stderr);
    await g.stop();
    assert.equal((await g.cli(["status"], { env: g.env })).code, 1);
  });

  test("a slip is refused with the name that was meant, by serve and by check", async (t) => {
    const site = await startSite(t);
    const g = new Gateway(t, {}, { bare: true, files: { stripe: SECRET },
                                   env: { ...variables(site), HOOKKEEP_JOURNAL_SIZ: "1GiB" } });
    g.env.SECRETS = g.folder;
    for (const args of [["serve"], ["check"]]) {
      const r = await g.cli(args, { env: g.env });
      assert.equal(r.code, 78);
      assert.match(r.stderr, /HOOKKEEP_JOURNAL_SIZ: .*did you mean HOOKKEEP_JOURNAL_SIZE\?/);
    }
    delete g.env.HOOKKEEP_JOURNAL_SIZ;
    const r = await g.cli(["check"], { env: g.env });
    assert.equal(r.code, 0, r.stderr);
    assert.equal(r.stdout, "ok: 1 source, 1 destination (the environment alone)\n");
  });
});
