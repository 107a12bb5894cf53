// SPDX-License-Identifier: MIT
// Destinations of kind plugin: shared objects that are built here against hookkeep/handler.h, and
// that behave or do not.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { HOOKKEEP } from "./lib/process.mjs";
import { idOf, snapshot, thin } from "./lib/stripe.mjs";
import { TRICKS } from "./lib/tricks.mjs";
import { neverWithin, waitFor } from "./lib/wait.mjs";

const ROOT = path.resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");

let folder;
before(() => { folder = fs.mkdtempSync(path.join(os.tmpdir(), "hookkeep-plugin-")); });
after(() => fs.rmSync(folder, { recursive: true, force: true }));

// A shared object from C; its path.
function build(name, source, how = ["-std=c89", "-pedantic", "-Wall", "-Wextra", "-Werror"]) {
  const out = path.join(folder, name);
  const file = `${out}.c`;
  fs.writeFileSync(file, source);
  const cc = spawnSync("cc", [...how, "-shared", "-fPIC", "-I", path.join(ROOT, "include"), "-o",
                              out, file], { encoding: "utf8" });
  assert.equal(cc.status, 0, cc.stderr);
  return out;
}

const tricksOnce = {};
const tricks = () => tricksOnce.path ??= build("tricks.so", TRICKS, ["-std=gnu11", "-O0", "-w"]);

// One handler of a table, in C89.
const handler = (types, body) => `
#include <hookkeep/handler.h>
#include <stdio.h>
#include <string.h>
static int process(const hk_handler_event *event, hk_handler_answer *answer) {
    (void)event; (void)answer;
    {
        ${body}
    }
}
static const char *const types[] = {${types.map((t) => `"${t}", `).join("")}NULL};
static const hk_handler handlers[] = {{"one", "what it does", types, process}};
HK_HANDLER_TABLE(handlers);
`;

const plugin = (file, more = {}) => ({ name: "p", kind: "plugin", path: file, retry: [], ...more });
const named = (name, more = {}) => snapshot({ object: { name }, ...more });
const lines = (g, file) => fs.existsSync(g.path(file))
  ? fs.readFileSync(g.path(file), "utf8").split("\n").filter(Boolean) : [];
const attemptsOf = (g, body) => g.sql(
  "SELECT a.* FROM attempts a JOIN deliveries d ON d.seq = a.delivery " +
  `WHERE d.event_id = '${idOf(body)}' AND d.destination = 'p' ORDER BY a.number`);
const isAlive = (pid) => {
  try {
    return !/^\d+ \(.*\) Z/s.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
};

suite("a plugin", { concurrency: 3 }, () => {
  test("sees the event, and nothing of the gateway", async (t) => {
    const seen = build("seen.so", handler(["*"], `
      FILE *f = fopen("seen", "w");
      size_t size = 0;
      long n = -1;
      int fits = event->integer(event, "data.object.items.1.n", &n);
      fprintf(f, "%s\\n%s\\n%s\\n%d\\n%ld\\n%s\\n%u\\n%s\\n%lu\\n", event->id, event->type,
              event->account, event->livemode, (long)event->created, event->api_version,
              event->attempt, event->destination, (unsigned long)event->payload_size);
      fprintf(f, "%s\\n", event->text(event, "data.object.name", &size));
      fprintf(f, "%lu %d %ld\\n", (unsigned long)size, fits, n);
      fprintf(f, "%s\\n", event->json(event, "data.object.items", NULL));
      fprintf(f, "%s\\n", event->json(event, "data.object.balance", NULL));
      fprintf(f, "%d%d%d%d\\n", event->is_true(event, "data.object.yes"),
              event->is_true(event, "data.object.name"), event->text(event, "id.x", NULL) == NULL,
              event->integer(event, "data.object.balance", &n));
      fprintf(f, "%d\\n", strlen(event->json(event, "", NULL)) > 100);
      fwrite(event->payload, 1, event->payload_size, f);
      fclose(f);
      return HK_DONE;`));
    const g = await Gateway.start(t, { destinations: [plugin(seen)] });
    const body = snapshot({ account: "acct_1", type: "invoice.paid", livemode: true,
                            object: { name: "Zoë", items: [{ n: 1 }, { n: 42 }], yes: true } });
    await g.accept(body);
    await g.waitCount(1, "deliveries", "state = 'done'");
    const e = JSON.parse(body);
    const got = fs.readFileSync(g.path("seen"), "utf8");
    const head = got.slice(0, got.indexOf("{\n"));
    assert.equal(got.slice(head.length), body);
    assert.deepEqual(head.trim().split("\n"), [
      e.id, "invoice.paid", "acct_1", "1", `${e.created}`, e.api_version, "1", "p",
      `${Buffer.byteLength(body)}`, "Zoë", "4 1 42", '[{"n":1},{"n":42}]',
      "12345678901234567890.10", "1010", "1",
    ]);
  });

  test("sees a thin event, which has neither account nor version", async (t) => {
    const bare = build("bare.so", handler(["*"], `
      return event->account == NULL && event->api_version == NULL && event->created > 1700000000 &&
             event->text(event, "related_object.type", NULL) != NULL ? HK_DONE : HK_FAILED;`));
    const g = await Gateway.start(t, { destinations: [plugin(bare)] });
    await g.accept(thin());
    await g.waitCount(1, "deliveries", "state = 'done'");
  });

  test("says later, failed and nonsense, and why", async (t) => {
    const g = await Gateway.start(t, { destinations: [plugin(tricks(), { retry: ["1s"] })] });
    const said = {
      later: ["not_yet", /^answered not_yet: tricks: the shop is shut$/],
      fail: ["failed", /^answered failed: tricks: x{300,}/],
      garbage: ["failed", /^answered failed: tricks returned 77, which is no outcome$/],
    };
    const bodies = Object.fromEntries(Object.keys(said).map((name) => [name, named(name)]));
    for (const body of Object.values(bodies)) await g.accept(body);
    await g.waitCount(3, "deliveries", "state = 'done'");
    for (const [name, [outcome, error]] of Object.entries(said)) {
      const [first, second] = await attemptsOf(g, bodies[name]);
      assert.equal(first.outcome, outcome);
      assert.match(first.error, error);
      assert.equal(second.outcome, "done");
    }
    assert.equal((await g.metrics()).hookkeep_handler_starts_total, 1);
  });

  const deaths = {
    crash: "its worker ended: killed by SIGSEGV", overflow: "its worker ended: killed by SIGSEGV",
    closed: "its worker ended: killed by SIGSEGV", leak: "its worker ended: killed by SIGSEGV",
    abort: "its worker ended: killed by SIGABRT", exit: "its worker ended: exited with 0",
    _exit: "its worker ended: exited with 0", "exit 3": "its worker ended: exited with 3",
    close: null, hang: "no answer within 2s", stop: "no answer within 2s",
  };
  test("that dies or hangs costs one attempt of one event", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [
        plugin(tricks(), { retry: ["1s", "1s"], restart: ["100ms"], timeout: "2s", grace: "200ms",
                           limits: { memory: "256MiB" } }),
        { name: "books", kind: "command", mode: "stream", run: ["sed", "-u",
          's/,.*/,"outcome":"done"}/'] },
      ],
    });
    const bad = Object.keys(deaths).map((name) => named(name));
    const good = Array.from({ length: 2 * bad.length }, () => named("good"));
    for (let i = 0; i < bad.length; i++)
      for (const body of [good[2 * i], bad[i], good[2 * i + 1]]) await g.accept(body);
    await g.waitCount(3 * bad.length, "deliveries", "destination = 'p' AND state = 'done'");
    await g.waitCount(3 * bad.length, "deliveries", "destination = 'books' AND state = 'done'");
    for (const [i, error] of Object.values(deaths).entries()) {
      const all = await attemptsOf(g, bad[i]);
      assert.deepEqual(all.map((a) => a.outcome), ["failed", "done"], Object.keys(deaths)[i]);
      if (error) assert.equal(all[0].error, error, Object.keys(deaths)[i]);
    }
    for (const body of good)
      assert.deepEqual((await attemptsOf(g, body)).map((a) => a.outcome), ["done"]);
    // Who closed everything had done its work, but could not say so.
    assert.equal(lines(g, "done").length, 3 * bad.length + 1);
  });

  test("that forks, prints, reads or forges says nothing in our name", async (t) => {
    const names = ["fork", "child", "shout", "forge", "swallow"];
    const g = await Gateway.start(t, {
      destinations: [plugin(tricks(), { log_rate: 20, grace: "200ms" })],
    });
    const bodies = [...names, "good", "good"].map((name) => named(name));
    for (const body of bodies) await g.accept(body);
    await g.waitCount(bodies.length, "deliveries", "state = 'done'");
    assert.equal(await g.count("attempts"), bodies.length);
    const m = await g.metrics();
    assert.equal(m.hookkeep_handler_starts_total, 1);
    for (const reason of ["no_answer", "too_long", "unknown_delivery"])
      assert.equal(m[`hookkeep_handler_lines_ignored_total{reason="${reason}"}`], 0);
    assert.ok(m.hookkeep_handler_lines_dropped_total > 50000);
    const pids = new Set(lines(g, "done").map((l) => Number(l.split(" ")[2])));
    const children = fs.readdirSync("/proc").filter((p) => /^\d+$/.test(p)).filter((p) => {
      try {
        return fs.readlinkSync(`/proc/${p}/cwd`) === g.folder && isAlive(p);
      } catch {
        return false;
      }
    }).map(Number);
    assert.ok(pids.size >= 1);
    await g.reload({ destinations: [] });
    await waitFor(() => children.filter((p) => p !== g.child.pid).every((p) => !isAlive(p)),
                  "the end of the worker's family");
  });

  test("has as many workers as it may, each with one event", async (t) => {
    const g = await Gateway.start(t, { destinations: [plugin(tricks(), { workers: 3 })] });
    for (let i = 0; i < 7; i++) await g.accept(named("wait"));
    await waitFor(() => lines(g, "began").length === 3, "three at work");
    await neverWithin(300, () => lines(g, "began").length > 3, "a fourth at work");
    const pids = new Set(lines(g, "began").map((l) => l.split(" ")[2]));
    assert.equal(pids.size, 3);
    fs.writeFileSync(g.path("go"), "");
    await g.waitCount(7, "deliveries", "state = 'done'");
    assert.ok(new Set(lines(g, "began").map((l) => l.split(" ")[2])).size === 3);
  });

  test("gets what its handlers process, each the first that does", async (t) => {
    const two = build("two.so", `
#include <hookkeep/handler.h>
#include <stdio.h>
static void note(const char *who, const hk_handler_event *event) {
    FILE *f = fopen("who", "a");
    fprintf(f, "%s %s\\n", who, event->type);
    fclose(f);
}
static int paid(const hk_handler_event *event, hk_handler_answer *answer) {
    (void)answer;
    note("paid", event);
    return HK_DONE;
}
static int any(const hk_handler_event *event, hk_handler_answer *answer) {
    (void)answer;
    note("any", event);
    return HK_DONE;
}
static const char *const paid_types[] = {"invoice.paid", NULL};
static const char *const any_types[] = {"invoice.*", "customer.deleted", NULL};
static const hk_handler handlers[] = {{"paid", "paid ones", paid_types, paid},
                                      {"any", "the others", any_types, any}};
HK_HANDLER_TABLE(handlers);
`);
    const g = await Gateway.start(t, {
      destinations: [plugin(two), plugin(two, { name: "all", match: [{ types: "*" }] })],
    });
    const types = ["invoice.paid", "invoice.created", "customer.deleted", "customer.created"];
    for (const type of types) await g.accept(snapshot({ type }));
    await g.waitCount(7, "deliveries", "state = 'done'");
    assert.equal(await g.count("deliveries", "destination = 'p'"), 3);
    assert.deepEqual(lines(g, "who").sort(), [
      "any customer.deleted", "any customer.deleted", "any invoice.created", "any invoice.created",
      "paid invoice.paid", "paid invoice.paid"]);
    await g.reload({ destinations: [plugin(two)] });
    const other = snapshot({ type: "customer.created" });
    await g.accept(other);
    await g.waitCount(1, "events", `id = '${idOf(other)}' AND status = 'ignored'`);
    assert.equal(await g.count("events", "status = 'ignored'"), 1);
    assert.equal(await g.count("deliveries", `event_id = '${idOf(other)}'`), 0);
    const [row] = await g.sql("SELECT json FROM plan ORDER BY generation DESC LIMIT 1");
    assert.deepEqual(JSON.parse(row.json).destinations[0].handlers, [
      { name: "paid", description: "paid ones", types: ["invoice.paid"] },
      { name: "any", description: "the others", types: ["invoice.*", "customer.deleted"] }]);
  });

  test("stands in the catalogue with its handlers", async (t) => {
    const one = build("listed.so", handler(["invoice.*"], "return HK_DONE;"));
    const g = await Gateway.start(t, {
      destinations: [
        plugin(one, { match: [{ types: ["invoice.*", "payout.paid"] }], description: "all of it" }),
        { name: "shop", kind: "command", run: ["true"], match: [{ types: "invoice.paid" }],
          description: "tells the shop" }],
    });
    await g.accept(snapshot({ type: "invoice.paid" }));
    await g.accept(snapshot({ type: "odd.one" }));
    await g.waitCount(2, "events");
    const list = async (...args) => (await g.cli(["events", "types", "--json", ...args])).stdout
      .split("\n").filter(Boolean).map((l) => JSON.parse(l));
    const [paid, odd, ...rest] = await list("--seen");
    assert.deepEqual(rest, []);
    assert.deepEqual([odd.type, odd.object, odd.receipts, odd.takers], ["odd.one", null, 1, []]);
    assert.equal(paid.receipts, 1);
    assert.ok(paid.first_at > 1.7e12 && paid.last_at === paid.first_at);
    assert.ok(paid.tables.includes("invoices"));
    const mine = { name: "p/one", destination: "p", handler: "one", description: "what it does" };
    const shop = { name: "shop", destination: "shop", handler: null,
                   description: "tells the shop" };
    assert.deepEqual(paid.takers, [mine, shop]);
    const taken = await list("--taken");
    assert.ok(taken.length > 10);
    assert.ok(taken.every((r) => r.type.startsWith("invoice.") || r.type === "payout.paid"));
    assert.deepEqual(taken.find((r) => r.type === "payout.paid").takers,
                     [{ ...mine, name: "p", handler: null, description: "all of it" }]);
    const table = await g.cli(["events", "types", "--seen", "--taken"]);
    assert.match(table.stdout, /^invoice\.paid +1 .* p\/one, shop$/m);
  });

  const wrong = {
    "no table": ["int x;", /^it exports no hk_handlers; define one by HK_HANDLER_TABLE/],
    "another version": [`#include <stddef.h>
struct { unsigned v; size_t n; void *p; } hk_handlers = {7, 1, NULL};`,
      /^its table says version 7, and this Hookkeep knows 1; build it with this Hookkeep's/],
    "no handlers": [`#include <hookkeep/handler.h>
const hk_handler_table hk_handlers = {1, 0, NULL};`,
      /^its table has 0 handlers; expected 1 to 256/],
    "a pattern that is none": [handler(["Invoice.Paid"], "return 0;"),
      /^handler 0 of its table, one, names `Invoice.Paid`, which is no pattern/],
    "no types": [handler([], "return 0;"), /^handler 0 of its table, one, has no types/],
    "a crash": ["__attribute__((constructor)) static void f(void) { *(volatile int *)0 = 1; }",
      /^loading it ended so: killed by SIGSEGV/],
    "no end": ["__attribute__((constructor)) static void f(void) { for (;;) {} }",
      /^loading it ended so: no end within 5s/],
    "an exit": ["#include <stdlib.h>\n#include <stdio.h>\n__attribute__((constructor)) " +
                "static void f(void) { fprintf(stderr, \"no licence\\n\"); exit(0); }",
      /^loading it ended so: exited with 0; it said: no licence/],
    "what it lacks": ["int none(void); int x(void) { return none(); }",
      /^it cannot be loaded: .*undefined symbol: none; build it for this machine/],
  };
  test("that cannot be used is told by check with what to do, and stops no gateway", async (t) => {
    const all = Object.entries(wrong).map(([name, [source]], i) =>
      plugin(build(`wrong${i}.so`, source, ["-w"]),
             { name: `w${i}`, timeout: "2s", grace: "200ms" }));
    const g = await Gateway.start(t, {
      destinations: [...all, plugin("./missing.so", { retry: Array(20).fill("1s"),
                                                      restart: ["100ms"] })],
    });
    const check = await g.cli(["check"]);
    const told = check.stderr.split("\n");
    for (const [i, [name, [, expected]]] of Object.entries(wrong).entries()) {
      const line = told.find((l) => l.includes(`destinations[${i}].path: `)) ?? "";
      assert.match(line.split("to it fails: ")[1] ?? check.stderr, expected, name);
    }
    assert.match(check.stderr, /destinations\[9\]\.path: .*: there is no such file; a path that/);
    assert.equal(check.code, 0);
    const warned = g.log.filter((l) => l.event === "config_warning" && /plugin/.test(l.problem));
    assert.equal(warned.length, 10);
    await g.accept(named("good"));
    await g.waitCount(9, "deliveries", "state = 'dead'");
    const [d] = await g.sql("SELECT a.error, a.answer FROM attempts a JOIN deliveries d " +
                            "ON d.seq = a.delivery WHERE d.destination = 'w0'");
    assert.equal(d.error, "its worker ended: exited with 78");
    assert.match(d.answer, /it exports no hk_handlers/);
    fs.copyFileSync(tricks(), g.path("missing.so"));
    await g.waitCount(1, "deliveries", "state = 'done'");
  });

  test("is changed by a reload, and the old one ends what it has", async (t) => {
    const g = new Gateway(t, { destinations: [plugin("./it.so")] });
    fs.copyFileSync(tricks(), g.path("it.so"));
    await g.start();
    await g.accept(named("wait"));
    await waitFor(() => lines(g, "began").length === 1, "the old one at work");
    const next = build("next.so", handler(["*"], 'fclose(fopen("next", "w")); return HK_DONE;'));
    fs.copyFileSync(next, g.path("it.so.new"));
    fs.renameSync(g.path("it.so.new"), g.path("it.so"));
    await g.reload();
    await g.accept(named("x"));
    await neverWithin(200, () => fs.existsSync(g.path("next")), "more at once than workers");
    fs.writeFileSync(g.path("go"), "");
    await g.waitCount(2, "deliveries", "state = 'done'");
    assert.ok(fs.existsSync(g.path("next")));
    assert.equal(lines(g, "done").length, 1);
    const old = Number(lines(g, "began")[0].split(" ")[2]);
    await waitFor(() => !isAlive(old), "the old one's end");
  });

  test("goes with a gateway that is killed, and its event comes again", async (t) => {
    const g = await Gateway.start(t, { destinations: [plugin(tricks(), { workers: 2 })] });
    for (let i = 0; i < 2; i++) await g.accept(named("wait"));
    await waitFor(() => lines(g, "began").length === 2, "two at work");
    const pids = lines(g, "began").map((l) => Number(l.split(" ")[2]));
    await g.kill();
    await waitFor(() => !pids.some(isAlive), "the workers' end");
    fs.writeFileSync(g.path("go"), "");
    await g.start();
    await g.waitCount(2, "deliveries", "state = 'done'");
  });

  test("has a user, a folder and an environment of its own", {
    skip: process.getuid() !== 0 && "only root runs programs as others",
  }, async (t) => {
    const who = build("who.so", `#include <hookkeep/handler.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static int process(const hk_handler_event *event, hk_handler_answer *answer) {
    char at[4096];
    (void)answer;
    printf("%d %s %s %s %s %d\\n", getuid() == 0, getcwd(at, sizeof at), getenv("SAID"),
           getenv("OTHER") == NULL ? "-" : "leaked", getenv("HOOKKEEP_DESTINATION"),
           getenv("HOME") == NULL);
    return event->attempt == 1 ? HK_DONE : HK_FAILED;
}
static const char *const types[] = {"*", NULL};
static const hk_handler handlers[] = {{"who", "who it is", types, process}};
HK_HANDLER_TABLE(handlers);
`, ["-w"]);
    fs.chmodSync(folder, 0o755);
    const g = await Gateway.start(t, {
      destinations: [plugin(who, { user: "nobody", directory: "/usr",
                                   environment: ["SAID=yes"] })],
    }, { env: { OTHER: "x" } });
    assert.equal(g.log.filter((l) => l.event === "config_warning").length, 0);
    await g.accept(snapshot());
    await g.waitCount(1, "deliveries", "state = 'done'");
    const said = (await g.waitLogged("handler_says")).line;
    assert.equal(said, "0 /usr yes - p 1");
  });

  test("takes thousands of events", async (t) => {
    const quick = build("quick.so", handler(["*"], "return HK_DONE;"));
    const g = await Gateway.start(t, { destinations: [plugin(quick, { workers: 2 })] });
    const bodies = Array.from({ length: 2000 }, () => named("x"));
    for (let i = 0; i < bodies.length; i += 50)
      await Promise.all(bodies.slice(i, i + 50).map((b) => g.accept(b)));
    await g.waitCount(2000, "deliveries", "state = 'done'");
    assert.equal(await g.count("attempts"), 2000);
  });

  test("can be looked at and tried by hand", () => {
    const one = build("one.so", handler(["invoice.paid"], 'puts("hello"); return HK_DONE;'));
    const run = (args, input = "") => spawnSync(HOOKKEEP, ["plugin", ...args],
                                                { input, encoding: "utf8" });
    assert.equal(run(["show", one]).stdout, "one: what it does\n  invoice.paid\n");
    assert.deepEqual(JSON.parse(run(["show", "--json", one]).stdout), {
      version: 1, handlers: [{ name: "one", description: "what it does", types: ["invoice.paid"] }],
    });
    const payload = snapshot({ type: "invoice.paid" });
    const line = JSON.stringify({ delivery: 7, attempt: 2, destination: "p", event: "evt_1",
                                  type: "invoice.paid", account: null, livemode: true, payload });
    const tried = run(["run", one], `${line}\nnonsense\n`);
    assert.equal(tried.stdout, '{"delivery":7,"attempt":2,"outcome":"done"}\n');
    assert.match(tried.stderr, /^hello\nhookkeep: a line that is no event is passed over: /);
    assert.equal(tried.status, 0);
    const none = run(["show", "/none.so"]);
    assert.equal(none.status, 78);
    assert.match(none.stderr, /^hookkeep: the plugin \/none\.so: there is no such file; /);
  });

  test("that dies or hangs as it is loaded is told of when it is looked at", () => {
    const loaded = (name, body) => build(name, `#include <stdlib.h>
#include <unistd.h>
__attribute__((constructor)) static void loaded(void) { ${body} }`, ["-std=gnu11", "-w"]);
    for (const [name, body, why] of [
      ["dies.so", 'write(2, "no licence\\n", 11); abort();',
       "loading it ended so: killed by SIGABRT; it said: no licence"],
      ["hangs.so", "for (;;) pause();", "loading it ended so: no end within 5s"],
    ]) {
      const file = loaded(name, body);
      const shown = spawnSync(HOOKKEEP, ["plugin", "show", file], { encoding: "utf8" });
      assert.equal(shown.stderr, `hookkeep: the plugin ${file}: ${why}\n`);
      assert.equal(shown.status, 78);
    }
  });
});
