import { expect, test } from "vitest";
import { allStatements } from "../src/db/engine/statement.ts";
import { readTexts } from "../src/db/texts.ts";
import { createCatalog, type Catalog } from "./support/cockroach/catalog.ts";
import { findProblems } from "./support/cockroach/scans.ts";
import { translate } from "./support/cockroach/translate.ts";
// Loading it declares all SQL.
import "../src/server.ts";

const texts = await readTexts("cockroachdb");

/** The tables and indexes that the migrations make on CockroachDB. */
const catalog = createCatalog();
for (const text of texts.values()) for (const each of translate(text).statements) catalog.learn(each);

/** What may be read so, and why. */
const allowed: Readonly<Record<string, string>> = {
  // Not sent to CockroachDB, which deletes rows that have expired by itself.
  "login_attempts.sweep": "login_attempts: locks by no key",
  "order_events.sweep": "order_events: locks by no key",
  "user_changes.sweep": "user_changes: locks by no key",
  "stock_movements.sweep": "stock_movements: locks by no key",
  "imports.sweep": "imports: locks by no key",
};

test("CockroachDB would read no table from end to end, and lock by keys alone", () => {
  const problems = [...texts].flatMap(([name, text]) => problemsOf(text).map((each) => [name, each]));

  expect(Object.fromEntries(problems)).toEqual(allowed);
});

test("every statement is judged", () => {
  const unread = allStatements().filter(({ text }) => translate(text).statements.length !== 1);

  expect(unread).toEqual([]);
});

test.each<[why: string, text: string, problems: readonly string[]]>([
  ["no condition", "select id from users", ["users: full scan"]],
  ["a column without an index", "select id from users where name = $1::text", ["users: full scan"]],
  ["not the first column", "select id from order_items where id = $1::uuid", ["order_items: full scan"]],
  ["a key", "select id from users where id = $1::uuid", []],
  ["a set of keys", "select id from users where id = any($1::uuid[])", []],
  [
    "keys of a subquery",
    "select id from users where id in (select user_id from orders where id = $1::uuid)",
    [],
  ],
  [
    "an array of a subquery",
    "select id from products where id = any(array(select id from order_items where order_id = $1::uuid))",
    ["products: full scan"],
  ],
  ["either of two columns", "select id from users where id = $1::uuid or name = 'a'", ["users: full scan"]],
  [
    "a page",
    `select id from orders o where (o.create_time, o.id) < ($1::timestamptz, $2::uuid)
    order by o.create_time desc, o.id desc limit $3::int4`,
    [],
  ],
  ["a page without a cursor", "select id from users order by create_time desc limit 10", []],
  [
    "a page in an order without an index",
    "select id from users order by name limit 10",
    ["users: full scan"],
  ],
  [
    "a join from known rows",
    "with k as (select $1::uuid as id) select u.id from k join users u on u.id = k.id",
    [],
  ],
  [
    "a join of two tables that nothing leads to",
    "select o.id from users u join orders o on o.user_id = u.id",
    ["users: full scan", "orders: full scan"],
  ],
  [
    "the outer side of a join",
    "with k as (select $1::uuid as id) select u.id from users u left join k on u.id = k.id",
    ["users: full scan"],
  ],
  ["a write without a key", "update users set name = 'a' where email like 'b%'", ["users: full scan"]],
  ["a write by a known key", "delete from orders using users u where u.id = $1::uuid and user_id = u.id", []],
  [
    "locks by a part of a key",
    "select id from order_items where order_id = $1::uuid for update",
    ["order_items: locks by no key"],
  ],
  [
    "locks of one of two tables",
    `select p.id from order_items i join products p on p.id = i.product_id where i.order_id = $1::uuid
    for update of p`,
    [],
  ],
  [
    "a limit in a lateral subquery",
    `select e.version from orders o, lateral (
      select version from order_events where order_id = o.id limit 1
    ) e where o.id = $1::uuid`,
    ["order_events: lateral limit"],
  ],
])("what is read by %s is judged", (_, text, problems) => {
  expect(problemsOf(text)).toEqual(problems);
});

test("a foreign key whose rows are looked for from its other side has an index", () => {
  const references = [...texts.values()].flatMap((text) =>
    Array.from(
      text.matchAll(/foreign key \((\w+)\) references (\w+) \(\w+\) on delete cascade/g),
      ([, column]) => [/create table if not exists (\w+)/.exec(text)![1]!, column!] as const,
    ),
  );

  expect(references.length).toBeGreaterThan(0);
  expect(references.filter(([table, column]) => !isLed(catalog, table, column))).toEqual([]);
});

function isLed({ find }: Catalog, table: string, column: string): boolean {
  return find(table)!.indexes.some(({ columns }) => columns[0] === column);
}

function problemsOf(text: string): string[] {
  return translate(text)
    .statements.flatMap((each) => findProblems(each, catalog))
    .map(({ table, problem }) => `${table}: ${problem}`);
}
