// SPDX-License-Identifier: MIT
// The tables of Stripe's objects against the twin: every row is what the API answers for its
// object, whole (`data`) and column by column, as stripe/objects.def says where each stands.
import assert from "node:assert/strict";
import fs from "node:fs";
import { fileURLToPath } from "node:url";

const source = (path) => fileURLToPath(new URL(`../../../src/${path}`, import.meta.url));

// object type → its path in the API, with {parent} where it lies under another
const paths = new Map();
for (const file of fs.readdirSync(source("twin/resources"))) {
  const name = /^(.+)\.json$/.exec(file)?.[1];
  const found = name && JSON.parse(fs.readFileSync(source(`twin/resources/${file}`), "utf8")).path;
  if (found) paths.set(name, `/${found}`);
}

// [{name, object, columns: [{name, paths, type}], parent, list, by}]
const tables = [];
for (const line of fs.readFileSync(source("stripe/objects.def"), "utf8").split("\n")) {
  const row = /^(TABLE|TABLE_BY|LIST|COLUMN|MOVED)\((.*)\)$/.exec(line);
  if (!row) continue;
  const [, kind, said] = row, words = said.match(/"(?:[^"\\]|\\.)*"|[^,\s]+/g);
  const [a, b, c, d, e] = words.map((w) => w.replace(/^"|"$/g, ""));
  if (kind === "COLUMN") tables.at(-1).columns.push({ name: a, paths: [b], type: c });
  else if (kind === "MOVED")
    tables.at(-1).columns.push({ name: a, paths: [b, ...c.split("|")], type: d });
  else tables.push({ name: b, object: a, columns: [], ...(kind === "TABLE_BY" && { id: c }),
                     ...(kind === "LIST" && { parent: c, list: d, by: e }) });
}

const at = (object, path) => path.split(".").reduce((o, step) => o?.[step] ?? undefined, object);

// As SQL has it: null, a number or a text; maps and arrays as what their text reads as.
function expected(object, column) {
  const v = column.paths.map((p) => at(object, p)).find((x) => x !== undefined) ?? null;
  if (v === null) return null;
  if (column.type === "ID" && typeof v === "object" && v.id) return v.id;
  if (typeof v === "boolean") return Number(v);
  if (typeof v === "number" && (column.type === "DECIMAL" || !Number.isInteger(v)))
    return String(v);
  return v;
}

function checkColumns(table, row, object, what) {
  for (const column of table.columns) {
    const wanted = expected(object, column), is = row[column.name];
    const seen = wanted !== null && typeof wanted === "object" ? JSON.parse(is) : is;
    assert.deepEqual(seen, wanted, `${what}: column ${column.name}`);
  }
}

// A price comes along as a plan too, which the twin does not answer for: it is the price in other
// words.
const planOf = (price) => ({ id: price.id, object: "plan", active: price.active,
  amount: price.unit_amount, amount_decimal: price.unit_amount_decimal,
  billing_scheme: price.billing_scheme, created: price.created, currency: price.currency,
  interval: price.recurring.interval, interval_count: price.recurring.interval_count,
  livemode: price.livemode, metadata: price.metadata, meter: price.recurring.meter,
  nickname: price.nickname, product: price.product, tiers_mode: price.tiers_mode,
  transform_usage: null, trial_period_days: price.recurring.trial_period_days,
  usage_type: price.recurring.usage_type });

// A discount is looked at in what it is for.
async function discountFor(ask, id, { subscription, customer }) {
  const { body } = await ask(subscription
    ? `/v1/subscriptions/${subscription}?expand[]=discounts`
    : `/v1/customers/${customer}?expand[]=discount`);
  const found = [body.discount ?? [], body.discounts ?? []].flat().find((d) => d.id === id);
  return found ? { status: 200, body: found } : { status: 404, body };
}

async function answerFor(ask, id, data) {
  if (data.object === "discount") return discountFor(ask, id, data);
  const plan = data.object === "plan" && id.startsWith("price_");
  const path = paths.get(plan ? "price" : data.object);
  assert.ok(path, `the twin has no path for ${data.object}`);
  const parent = data.customer ?? data.account ?? data.transfer;
  const { status, body } = await ask(`${path.replace("{parent}", parent)}/${id}`);
  return { status, body: plan && status === 200 ? planOf(body) : body };
}

// Of a test clock no event says what was before, so what happens to it within one second, as an
// advance here does, is decided by none.
const UNDECIDED = new Set(["test_helpers_test_clocks"]);

// What changes without an event of the object, at Stripe too: which invoice took an item up.
const UNTOLD = { invoiceitems: ["invoice"] };

async function checkMembers(g, table, parent, object) {
  const members = at(object, table.list) ?? [];
  const rows = await g.sql(`SELECT * FROM stripe_${table.name} WHERE "${table.by}" = '${parent}' `
    + "ORDER BY position");
  assert.deepEqual(rows.map((r) => JSON.parse(r.data)), members, `${table.name} of ${parent}`);
  rows.forEach((r, i) => checkColumns(table, r, members[i], `${table.name} ${r.id}`));
  return rows.length;
}

const made = async (g) => new Set((await g.sql("SELECT name FROM sqlite_master "
  + "WHERE name LIKE 'stripe#_%' ESCAPE '#' AND type = 'table'")).map((r) => r.name));

// ask(path) resolves with {status, body}. One table, or all but the rows that `skip(row)` names.
// Resolves with the number of rows of each table that has some.
export async function rowsEqual(g, ask, only = null, skip = () => false) {
  const counts = {}, there = await made(g);
  for (const table of tables.filter((x) => !x.parent && there.has(`stripe_${x.name}`) &&
                                              (only === null || only === x.name))) {
    const rows = await g.sql(`SELECT * FROM stripe_${table.name} ORDER BY id`);
    for (const row of rows.filter((r) => !skip(r))) {
      const what = `${table.name} ${row.id}`, data = JSON.parse(row.data);
      if (row.undecided && UNDECIDED.has(table.name)) continue;
      assert.equal(row.undecided, 0, `${what} is undecided: ${row.versions}`);
      assert.equal(row.incomplete, 0, `${what} is incomplete`);
      counts[table.name] = (counts[table.name] ?? 0) + 1;
      const answer = await answerFor(ask, row.id, data);
      if (row.deleted) {
        assert.ok(answer.status === 404 || answer.body.deleted === true, `${what} is not deleted`);
        continue;
      }
      assert.equal(answer.status, 200, `${what}: ${JSON.stringify(answer.body)}`);
      checkColumns(table, row, data, what);
      for (const untold of UNTOLD[table.name] ?? []) data[untold] = answer.body[untold];
      assert.deepEqual(data, answer.body, what);
      for (const list of tables.filter((x) => x.parent === table.name &&
                                              there.has(`stripe_${x.name}`)))
        counts[list.name] = (counts[list.name] ?? 0) + await checkMembers(g, list, row.id, data);
    }
  }
  return counts;
}
