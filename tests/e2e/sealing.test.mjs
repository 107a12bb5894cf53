// SPDX-License-Identifier: MIT
// The key that endpoints' secrets are sealed with: made once, refused where it is not safe or not
// right.
import assert from "node:assert/strict";
import fs from "node:fs";
import { suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";

const FILE = "hookkeep.db.sealing-key";
const FORM = /^[0-9a-f]{64}\n$/;

suite("the sealing key", { concurrency: 4 }, () => {
  test("is made at the first start and stays", async (t) => {
    const g = await Gateway.start(t);
    const key = fs.readFileSync(g.path(FILE), "utf8");
    assert.match(key, FORM);
    assert.equal(fs.statSync(g.path(FILE)).mode & 0o777, 0o600);
    assert.equal(g.logged("sealing_key_written").path, FILE);
    await g.kill();
    await g.start();
    assert.equal(fs.readFileSync(g.path(FILE), "utf8"), key);
    assert.equal(g.logged("sealing_key_written"), undefined);
    assert.equal(g.logged("endpoints_sealed"), undefined);
    assert.equal((await g.metrics()).hookkeep_endpoints_sealed, 0);
    await g.stop();
    fs.rmSync(g.path(FILE)); // nothing was sealed with it, so nothing is missed
    await g.start();
    assert.match(fs.readFileSync(g.path(FILE), "utf8"), FORM);
    assert.equal(g.logged("endpoints_sealed"), undefined);
  });

  test("that everybody may read, or that is none, is refused", async (t) => {
    const g = await Gateway.start(t);
    const key = fs.readFileSync(g.path(FILE), "utf8");
    await g.stop();
    fs.chmodSync(g.path(FILE), 0o644);
    let { code, text, why } = await g.startRefused();
    assert.equal(code, 1);
    assert.match(why, /hookkeep\.db\.sealing-key: every user .* chmod 600 it/);
    fs.chmodSync(g.path(FILE), 0o600);
    for (const wrong of ["", key.toUpperCase(), key.slice(1), `${key}${key}`]) {
      if (wrong === key) continue; // of digits alone
      fs.writeFileSync(g.path(FILE), wrong);
      ({ code, text, why } = await g.startRefused());
      assert.equal(code, 1);
      assert.match(why, /does not hold a sealing key, which is 64 hexadecimal digits/);
      assert.ok(!text.includes(key.trim()));
      assert.equal(fs.readFileSync(g.path(FILE), "utf8"), wrong); // it is not ours to replace
    }
    fs.writeFileSync(g.path(FILE), key);
    fs.chmodSync(g.path(FILE), 0o660); // a group may, as some platforms have it
    await g.start();
  });
});
