// SPDX-License-Identifier: MIT
// Destinations of kind command: the real binary runs real programs, well-behaved and not.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { suite, test } from "node:test";
import { Gateway } from "./lib/gateway.mjs";
import { idOf, secret, snapshot } from "./lib/stripe.mjs";
import { neverWithin, waitFor } from "./lib/wait.mjs";

const oneshot = (script, more = {}) => ({
  name: "books", kind: "command", run: ["sh", "-c", script], retry: [], ...more,
});

const isAlive = (pid) => {
  try {
    return !/^\d+ \(.*\) Z/s.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
};
const waitGone = (pids) =>
  waitFor(() => !pids.some(isAlive), () => `the end of ${pids.filter(isAlive)}`);

// The numbers that a handler wrote into a file, once there are n.
const pidsIn = (g, file, n) => waitFor(() => {
  const all = fs.readFileSync(g.path(file), "utf8").split("\n").filter(Boolean).map(Number);
  return all.length >= n && all;
}, `${n} processes in ${file}`);

const says = (g) => g.log.filter((l) => l.event === "handler_says");

async function deadOf(g, body) {
  await g.accept(body);
  await g.waitCount(1, "deliveries", `state = 'dead' AND event_id = '${idOf(body)}'`);
  const [d] = await g.deliveries(`event_id = '${idOf(body)}'`);
  const attempts = await g.sql(`SELECT * FROM attempts WHERE delivery = ${d.seq} ORDER BY number`);
  return { delivery: d, attempts };
}

suite("a command of mode oneshot", { concurrency: 3 }, () => {
  test("gets the stored bytes and the facts", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [oneshot("cat >body; env | grep ^HOOKKEEP_ | sort >facts")],
    });
    const body = snapshot({ account: "acct_1", type: "invoice.paid" });
    await g.accept(body);
    await g.waitCount(1, "deliveries", "state = 'done'");
    assert.equal(fs.readFileSync(g.path("body"), "utf8"), body);
    const [d] = await g.deliveries();
    assert.deepEqual(fs.readFileSync(g.path("facts"), "utf8").trim().split("\n"), [
      "HOOKKEEP_ACCOUNT=acct_1", "HOOKKEEP_ATTEMPT=1", `HOOKKEEP_DELIVERY=${d.seq}`,
      "HOOKKEEP_DESTINATION=books", `HOOKKEEP_EVENT=${idOf(body)}`, "HOOKKEEP_LIVEMODE=false",
      "HOOKKEEP_TYPE=invoice.paid",
    ]);
    const [a] = await g.sql("SELECT * FROM attempts");
    assert.equal(a.outcome, "done");
    assert.ok(a.micros > 0);
  });

  test("inherits no descriptor, and of the environment what is named", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [oneshot("ls -m /proc/$$/fd; env | sort; umask; pwd", {
        environment: ["PATH", "PASSED", "ABSENT", "OWN=${SITE}", "SAID=as is"],
        directory: "/usr",
      })],
    }, { env: { PASSED: "on", NOT_PASSED: "no", SITE: "said by us", OTHER: "x" } });
    await g.accept(snapshot());
    await g.waitCount(1, "deliveries", "state = 'done'");
    await g.waitLogged("handler_says", 4);
    const lines = says(g).filter((l) => l.stream === "stdout").map((l) => l.line);
    assert.equal(lines[0], "0, 1, 2");
    const names = lines.filter((l) => /^[A-Z_]+=/i.test(l) && !/^(HOOKKEEP_|_=)/.test(l))
      .filter((l) => !/^PATH=/.test(l));
    assert.deepEqual(names, ["OWN=said by us", "PASSED=on", "PWD=/usr", "SAID=as is"]);
    assert.deepEqual(lines.slice(-2), ["0077", "/usr"]);
    assert.equal(says(g)[0].destination, "books");
    assert.ok(says(g)[0].pid > 1);
  });

  test("runs as another user, with our HOME or the one that is named", {
    skip: process.getuid() !== 0 && "only root runs programs as others",
  }, async (t) => {
    const script = "id -un; id -Gn; echo $HOME; test -r /etc/shadow || echo shut";
    const g = await Gateway.start(t, {
      destinations: [
        oneshot(script, { name: "ours", user: "nobody", directory: "/" }),
        oneshot(script, { name: "own", user: "nobody", directory: "/",
                          environment: ["PATH", "HOME=/nonexistent"] }),
      ],
    }, { env: { HOME: "/root" } });
    await g.accept(snapshot());
    await g.waitCount(2, "deliveries", "state = 'done'");
    await g.waitLogged("handler_says", 8);
    const lines = (name) => says(g).filter((l) => l.destination === name).map((l) => l.line);
    assert.deepEqual(lines("ours"), ["nobody", "nogroup", "/root", "shut"]);
    assert.deepEqual(lines("own"), ["nobody", "nogroup", "/nonexistent", "shut"]);
  });

  test("fails with how it ended and what it wrote last", async (t) => {
    const cases = {
      a: ["echo first >&2; echo why >&2; exit 3", "exited with 3", "first\nwhy\n"],
      b: ["kill -SEGV $$", "killed by SIGSEGV", ""],
      c: ["head -c 100000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1", "exited with 1",
          "x".repeat(2044) + "end\n"],
    };
    const g = await Gateway.start(t, {
      destinations: [...Object.entries(cases).map(([name, [script]]) => oneshot(script, { name })),
                     oneshot("", { name: "d", run: ["./no-such-handler"] })],
    });
    await g.accept(snapshot());
    await g.waitCount(4, "deliveries", "state = 'dead'");
    const rows = await g.sql("SELECT d.destination, a.* FROM attempts a " +
                             "JOIN deliveries d ON d.seq = a.delivery ORDER BY d.destination");
    for (const r of rows.slice(0, 3)) {
      assert.equal(r.error, cases[r.destination][1]);
      assert.equal(r.answer, cases[r.destination][2]);
      assert.equal(r.outcome, "failed");
    }
    assert.equal(rows[3].error, "not run: ./no-such-handler: No such file or directory");
  });

  test("says not yet by 75, and is asked again soon", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [oneshot("test -e ready || { touch ready; exit 75; }")],
    });
    await g.accept(snapshot());
    await g.waitCount(1, "deliveries", "state = 'done'");
    const [first, second] = await g.sql("SELECT * FROM attempts ORDER BY number");
    assert.equal(first.outcome, "not_yet");
    assert.equal(first.error, "exited with 75: not yet");
    assert.equal(second.outcome, "done");
  });

  test("need not read its input", async (t) => {
    const g = await Gateway.start(t, { destinations: [oneshot("exec <&-; exit 0")] });
    await g.accept(snapshot({ object: { name: "x".repeat(500000) } }));
    await g.waitCount(1, "deliveries", "state = 'done'");
  });

  test("that hangs is ended with all its children", async (t) => {
    const family = "trap '' TERM; echo $$ >>pids; (setsid sleep 1000 & echo $! >>pids);" +
      "sleep 1000 & echo $! >>pids; sleep 1000; sleep 1000";
    const g = await Gateway.start(t, {
      destinations: [oneshot(family, { timeout: "1s", grace: "200ms" })],
    });
    const { delivery } = await deadOf(g, snapshot());
    assert.equal(delivery.last_error, "no end within 1s: killed by SIGKILL");
    await waitGone(await pidsIn(g, "pids", 3));
  });

  test("may end in order when it is asked to", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [oneshot("trap 'echo bye >&2; exit 0' TERM; while :; do sleep 0.05; done",
                             { timeout: "1s" })],
    });
    const { delivery, attempts } = await deadOf(g, snapshot());
    assert.equal(delivery.last_error, "no end within 1s: exited with 0");
    assert.match(attempts[0].answer, /bye\n$/);
  });

  test("that leaves children behind holds nothing up, and they end", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [oneshot("sleep 1000 & echo $! >>pids; exit 0", { grace: "200ms" })],
    });
    await g.accept(snapshot());
    await g.waitCount(1, "deliveries", "state = 'done'");
    const [a] = await g.sql("SELECT * FROM attempts");
    assert.ok(a.micros < 10e6);
    await waitGone(await pidsIn(g, "pids", 1));
  });

  test("is held to its limits", async (t) => {
    const python = (program) => ["python3", "-c", program];
    const more = { retry: [], environment: ["PATH"] };
    const g = await Gateway.start(t, {
      destinations: [
        oneshot("", { name: "memory", run: python("x = bytearray(1 << 30)"), ...more,
                      limits: { memory: "128MiB" } }),
        oneshot("", { name: "cpu", run: python("while True: pass"), ...more,
                      limits: { cpu: "1s" } }),
        oneshot("", { name: "files", run: python("x = [open('/dev/null') for i in range(99)]"),
                      ...more, limits: { files: 20 } }),
      ],
    });
    await g.accept(snapshot());
    await g.waitCount(3, "deliveries", "state = 'dead'");
    const rows = await g.sql("SELECT d.destination, a.error, a.answer FROM attempts a " +
                             "JOIN deliveries d ON d.seq = a.delivery ORDER BY d.destination");
    assert.equal(rows[0].error, "killed by SIGXCPU");
    assert.match(rows[1].answer, /Too many open files/);
    assert.match(rows[2].answer, /MemoryError/);
  });

  test("that fills its output is heard at its rate", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [oneshot("yes some line 1>&2", { timeout: "1s", log_rate: 10 })],
    });
    await deadOf(g, snapshot());
    await g.waitLogged("handler_loud");
    assert.ok(says(g).length <= 40, `${says(g).length} lines`);
    const m = await g.metrics();
    assert.ok(m.hookkeep_handler_lines_dropped_total > 1000);
    assert.equal(m.hookkeep_handler_starts_total, 1);
  });

  test("cannot forge a line of the log", async (t) => {
    const g = await Gateway.start(t, {
      log: { format: "text", level: "info" },
      destinations: [oneshot("printf 'a\\033[2Jb\\377\\r\\n%04000d\\nlast' 7 >&2")],
    });
    await g.accept(snapshot());
    await g.waitCount(1, "deliveries", "state = 'done'");
    const lines = g.text.split("\n").filter((l) => l.includes("handler_says"));
    assert.equal(lines.length, 3);
    assert.match(lines[0], /line="a\\x1b\[2Jb\\xff"$/);
    assert.ok(lines[1].length < 1300);
    assert.match(lines[2], /line=last$/);
  });

  test("ends before the gateway that is stopped, and with one that is killed", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [oneshot("echo $$ >>pids; (setsid sleep 1000 & echo $! >>pids); sleep 2.5")],
    });
    await g.accept(snapshot());
    await pidsIn(g, "pids", 2);
    const { code } = await g.stop().then(() => g.child.gone);
    assert.equal(code, 0);
    await waitGone(await pidsIn(g, "pids", 2));
    await g.start();
    await g.waitCount(1, "deliveries", "state = 'done'");
    fs.rmSync(g.path("pids"));
    g.write({ destinations: [oneshot("echo $$ >>pids; trap '' TERM;" +
      "(setsid sleep 1000 & echo $! >>pids); sleep 1000 & echo $! >>pids; wait")] });
    await g.reload();
    await g.accept(snapshot());
    const pids = await pidsIn(g, "pids", 3);
    assert.ok(pids.every(isAlive));
    await g.kill();
    await waitGone(pids);
  });

  test("is cut when the gateway may not wait for it any longer", async (t) => {
    const g = await Gateway.start(t, {
      limits: { drain_timeout: "300ms" },
      destinations: [oneshot("echo $$ >>pids; sleep 1000")],
    });
    await g.accept(snapshot());
    const pids = await pidsIn(g, "pids", 1);
    await g.stop();
    await waitGone(pids);
    assert.equal(await g.count("deliveries", "state = 'due'"), 1);
  });

  test("goes on as it was begun when a reload changes or removes it", async (t) => {
    const wait = "echo $$ >>pids; while ! test -e go; do sleep 0.05; done; echo old >>ran";
    const g = await Gateway.start(t, { destinations: [oneshot(wait)] });
    await g.accept(snapshot());
    await pidsIn(g, "pids", 1);
    await g.reload({ destinations: [oneshot("echo new >>ran")] });
    await g.accept(snapshot());
    await waitFor(() => fs.readFileSync(g.path("ran"), "utf8") === "new\n", "the new one");
    await g.reload({ destinations: [] });
    fs.writeFileSync(g.path("go"), "");
    await g.waitCount(2, "deliveries", "state = 'done'");
    assert.equal(fs.readFileSync(g.path("ran"), "utf8"), "new\nold\n");
  });

  test("gets a test event only if it may", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [oneshot("echo ran >>ran", { livemode: "live" })],
    });
    await g.accept(snapshot({ livemode: false }));
    await g.accept(snapshot({ livemode: true }));
    await g.waitCount(1, "deliveries", "state = 'done'");
    assert.equal(await g.count("deliveries"), 1);
  });

  test("keeps its secrets to itself", async (t) => {
    const token = secret("token");
    const g = await Gateway.start(t, {
      destinations: [oneshot("test \"$TOKEN\" = \"$(cat token)\" && cat /proc/$PPID/environ >env",
                             { environment: ["PATH", "TOKEN=${THEIRS}"] })],
    }, { env: { THEIRS: token, OURS: secret("ours") }, files: { token } });
    await g.accept(snapshot());
    await g.waitCount(1, "deliveries", "state = 'done'");
    assert.ok(!fs.readFileSync(g.path("env"), "utf8").includes(secret("ours")));
    const plans = await g.sql("SELECT json FROM plan");
    assert.ok(!JSON.stringify(plans).includes("canary_token"));
    for (const file of fs.readdirSync(g.folder).filter((f) => /^hookkeep\./.test(f)))
      assert.ok(!fs.readFileSync(path.join(g.folder, file)).includes("canary_token"), file);
  });
});

// A handler that stays, in Python: `each` is what it does with the event e; `answer` answers.
const HANDLER = `
import json, os, sys, time, subprocess
def answer(e, outcome="done", **more):
    facts = {"delivery": e["delivery"], "attempt": e["attempt"], "outcome": outcome, **more}
    print(json.dumps(facts), flush=True)
def note(file, what):
    with open(file, "a") as f: print(what, file=f)
note("pids", os.getpid())
held = []
for line in sys.stdin:
    e = json.loads(line)
    name = json.loads(e["payload"])["data"]["object"]["name"]
EACH
note("ended", os.getpid())
`;
const stream = (each, more = {}) => ({
  name: "books", kind: "command", mode: "stream", retry: [],
  run: ["python3", "-c", HANDLER.replace("EACH", each.replace(/^/gm, "    "))], ...more,
});
const named = (name, more = {}) => snapshot({ object: { name }, ...more });

suite("a command of mode stream", { concurrency: 3 }, () => {
  test("gets a line for each event, with the stored bytes, and stays", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [stream('note("lines", line.strip()); answer(e)')],
    });
    const invoice = { account: "acct_1", type: "invoice.paid" };
    const bodies = [named("a"), named("b", invoice), named("c")];
    for (const body of bodies) await g.accept(body);
    await g.waitCount(3, "deliveries", "state = 'done'");
    const lines = fs.readFileSync(g.path("lines"), "utf8").trim().split("\n").map(JSON.parse);
    const [d] = await g.deliveries(`event_id = '${idOf(bodies[1])}'`);
    const { payload, ...facts } = lines.find((l) => l.event === idOf(bodies[1]));
    assert.equal(payload, bodies[1]);
    assert.deepEqual(facts, { delivery: d.seq, attempt: 1, destination: "books",
      event: idOf(bodies[1]), type: "invoice.paid", account: "acct_1", livemode: false });
    assert.equal(lines.find((l) => l.event === idOf(bodies[0])).account, null);
    assert.equal((await pidsIn(g, "pids", 1)).length, 1);
    assert.equal((await g.metrics()).hookkeep_handler_starts_total, 1);
    const [pid] = await pidsIn(g, "pids", 1);
    await g.stop();
    assert.ok(!isAlive(pid));
    assert.equal(fs.readFileSync(g.path("ended"), "utf8"), `${pid}\n`, "it ended in order");
    assert.equal(g.logged("handler_died"), undefined);
  });

  test("may answer out of order, and every outcome", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [stream(`held.append(e)
if len(held) == 4:
    for h in reversed(held):
        n = json.loads(h["payload"])["data"]["object"]["name"]
        answer(h, n, error="because of " + n, retry_after=1 if n == "not_yet" else None)
    held = []`)],
    });
    for (const name of ["done", "failed", "not_yet", "done"]) await g.accept(named(name));
    await g.waitCount(4, "attempts");
    const rows = await g.sql("SELECT outcome, error, count(*) n FROM attempts " +
                             "GROUP BY 1, 2 ORDER BY 1");
    assert.deepEqual(rows, [
      { outcome: "done", error: "", n: 2 },
      { outcome: "failed", error: "answered failed: because of failed", n: 1 },
      { outcome: "not_yet", error: "answered not_yet: because of not_yet", n: 1 },
    ]);
  });

  test("is shared among its workers, as many at once as concurrency says", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [stream(`held.append(e); note("held", len(held))
while os.path.exists("go") and held: answer(held.pop())`, { workers: 3, concurrency: 6 })],
    });
    for (let i = 0; i < 8; i++) await g.accept(named("x"));
    await waitFor(() => fs.readFileSync(g.path("held"), "utf8") .length === 12, "six in hand");
    assert.equal((await pidsIn(g, "pids", 3)).length, 3);
    assert.deepEqual(fs.readFileSync(g.path("held"), "utf8").trim().split("\n").sort(),
                     ["1", "1", "1", "2", "2", "2"]);
    await neverWithin(200, () => fs.readFileSync(g.path("held"), "utf8").length > 12,
                      "more at once than concurrency");
  });

  test("that dies fails what it had and is started again", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [stream(`held.append(e)
if name == "die":
    print("a traceback", file=sys.stderr, flush=True)
    os.kill(os.getpid(), 11)
if name == "go": answer(e)`, { restart: ["100ms"], retry: ["1h"] })],
    });
    await g.accept(named("waits"));
    await pidsIn(g, "pids", 1);
    await g.accept(named("die"));
    await g.waitCount(2, "attempts", "outcome = 'failed'");
    for (const a of await g.sql("SELECT * FROM attempts")) {
      assert.equal(a.error, "its worker ended: killed by SIGSEGV");
      assert.equal(a.answer, "a traceback\n");
    }
    await g.accept(named("go"));
    await g.waitCount(1, "deliveries", "state = 'done'");
    assert.equal((await pidsIn(g, "pids", 2)).length, 2);
    assert.equal(g.logged("handler_died").owed, 2);
    assert.equal((await g.metrics()).hookkeep_handler_deaths_total, 1);
  });

  test("that cannot start is tried ever more rarely, and no event is stuck", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [stream("", { run: ["./none"], restart: ["100ms", "300ms", "1h"],
                                  concurrency: 1 })],
    });
    for (let i = 0; i < 5; i++) await g.accept(named("x"));
    await g.waitCount(3, "deliveries", "state = 'dead'");
    const [d] = await g.deliveries("state = 'dead'");
    assert.equal(d.last_error, "not run: ./none: No such file or directory");
    await neverWithin(500, async () => await g.count("deliveries", "state = 'dead'") > 3,
                      "a start before its wait was over");
    fs.writeFileSync(g.path("none"), "#!/bin/sh\nsed -u 's/,.*/,\"outcome\":\"done\"}/'\n",
                     { mode: 0o755 });
    await g.reload();
    await g.waitCount(2, "deliveries", "state = 'done'");
  });

  test("that does not answer is replaced and ended", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [stream(`if name != "never": answer(e)`, { timeout: "5s" })],
    });
    await g.accept(named("never"));
    await g.waitCount(1, "deliveries", "state = 'dead'");
    const [d] = await g.deliveries();
    assert.equal(d.last_error, "no answer within 5s");
    const [first] = await pidsIn(g, "pids", 1);
    await waitGone([first]);
    await g.accept(named("ok"));
    await g.waitCount(1, "deliveries", "state = 'done'");
    assert.equal((await pidsIn(g, "pids", 2)).length, 2);
    assert.equal((await g.metrics()).hookkeep_handler_timeouts_total, 1);
    assert.equal(g.logged("handler_died"), undefined);
  });

  test("that hangs is killed with all its children", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [stream(`import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
note("pids", subprocess.Popen(["setsid", "sleep", "1000"]).pid)
time.sleep(1000)`, { timeout: "5s", grace: "200ms" })],
    });
    await g.accept(named("x"));
    await g.waitCount(1, "deliveries", "state = 'dead'");
    await waitGone(await pidsIn(g, "pids", 2));
  });

  test("cannot do harm by what it says", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [stream(`if name == "bad":
    print("hello"); print('{"delivery":1}'); print("\\xff\\x00"); print("x" * 70000)
    answer({"delivery": 99999, "attempt": 1}); answer({**e, "attempt": 7})
    answer(e); answer(e); answer(e, "failed")
else: answer(e)`)],
    });
    await g.accept(named("bad"));
    await g.waitCount(1, "deliveries", "state = 'done'");
    await g.accept(named("good"));
    await g.waitCount(2, "deliveries", "state = 'done'");
    assert.equal(await g.count("attempts"), 2);
    const m = await g.metrics();
    const ignored = (reason) => m[`hookkeep_handler_lines_ignored_total{reason="${reason}"}`];
    assert.equal(ignored("no_answer"), 3);
    assert.equal(ignored("too_long"), 1);
    assert.equal(ignored("unknown_delivery"), 4);
    assert.equal(m.hookkeep_handler_starts_total, 1);
    const lines = g.log.filter((l) => l.event === "handler_line_ignored");
    assert.equal(lines.length, 8);
    assert.ok(lines.every((l) => l.line.length < 1100 && l.why));
  });

  test("that closes its output but lives on is ended and started again", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [stream(`if name == "close":
    os.close(1); time.sleep(1000)
answer(e)`, { grace: "200ms", restart: ["100ms"] })],
    });
    await g.accept(named("close"));
    await g.waitCount(1, "deliveries", "state = 'dead'");
    const [d] = await g.deliveries();
    assert.equal(d.last_error, "its worker ended: killed by SIGTERM");
    await g.accept(named("ok"));
    await g.waitCount(1, "deliveries", "state = 'done'");
  });

  test("may ask to be replaced while it is sent more: that fails nothing", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [stream("answer(e); time.sleep(0.1); sys.exit(0)", { restart: ["1h"] })],
    });
    for (let i = 0; i < 4; i++) await g.accept(named("x"));
    await g.waitCount(4, "deliveries", "state = 'done'");
    assert.deepEqual(await g.sql("SELECT * FROM attempts WHERE outcome = 'failed'"), []);
    assert.notDeepEqual(await g.sql("SELECT * FROM attempts WHERE outcome = 'not_yet'"), []);
    assert.equal(g.logged("handler_died"), undefined);
  });

  test("may ask to be replaced by ending when it owes nothing", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [stream("answer(e); sys.exit(0)", { restart: ["1h"], concurrency: 1 })],
    });
    for (let i = 0; i < 3; i++) {
      await g.accept(named("x"));
      await g.waitCount(i + 1, "deliveries", "state = 'done'");
      await waitGone(await pidsIn(g, "pids", i + 1));
    }
    assert.equal(g.logged("handler_died"), undefined);
  });

  test("is exchanged by a reload: the old one answers what it has", async (t) => {
    const handler = (name) => stream(`note("ran", "${name}")
while not os.path.exists("go") and "${name}" == "old": time.sleep(0.02)
answer(e)`);
    const g = await Gateway.start(t, { destinations: [handler("old")] });
    await g.accept(named("x"));
    await waitFor(() => fs.readFileSync(g.path("ran"), "utf8") === "old\n", "the old one");
    await g.reload({ destinations: [handler("new")] });
    await g.accept(named("y"));
    await g.waitCount(1, "deliveries", "state = 'done'");
    await g.reload({ destinations: [] });
    fs.writeFileSync(g.path("go"), "");
    await g.waitCount(2, "deliveries", "state = 'done'");
    await waitGone(await pidsIn(g, "pids", 2));
    assert.equal(fs.readFileSync(g.path("ended"), "utf8").trim().split("\n").length, 2);
  });

  test("goes with a gateway that is killed, and its event comes again", async (t) => {
    const g = await Gateway.start(t, {
      destinations: [stream(`note("pids", subprocess.Popen(["setsid", "sleep", "1000"]).pid)
while not os.path.exists("go"): time.sleep(0.02)
answer(e)`, { workers: 2 })],
    });
    await g.accept(named("x"));
    await g.accept(named("y"));
    const pids = await pidsIn(g, "pids", 4);
    await g.kill();
    await waitGone(pids);
    fs.writeFileSync(g.path("go"), "");
    await g.start();
    await g.waitCount(2, "deliveries", "state = 'done'");
  });

  test("takes thousands of events", async (t) => {
    const g = await Gateway.start(t, { destinations: [stream("answer(e)", { workers: 2 })] });
    const bodies = Array.from({ length: 2000 }, () => named("x"));
    for (let i = 0; i < bodies.length; i += 50)
      await Promise.all(bodies.slice(i, i + 50).map((b) => g.accept(b)));
    await g.waitCount(2000, "deliveries", "state = 'done'");
    assert.equal(await g.count("attempts"), 2000);
  });
});
