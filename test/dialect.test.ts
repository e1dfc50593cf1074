import { expect, test } from "vitest";
import { readTexts } from "../src/db/texts.ts";
// Loading it declares all SQL.
import "../src/server.ts";

/** SQL that only one engine takes, or that CockroachDB takes and does something else with. */
type Rule = {
  readonly name: string;
  readonly why: string;
  readonly refuses: (statement: string) => boolean;
  /** A statement that breaks this rule and no other. */
  readonly example: string;
};

const rules: readonly Rule[] = [
  {
    name: "advisory lock",
    why: "CockroachDB up to 26.2 answers true and locks nothing",
    refuses: matches(/\bpg_(try_)?advisory_\w+/),
    example: "select pg_try_advisory_lock(42)",
  },
  {
    name: "listen/notify",
    why: "CockroachDB has none",
    refuses: matches(/^(un)?listen\b|^notify\b|\bpg_notify\b/),
    example: "listen order_events",
  },
  {
    name: "deferrable constraint",
    why: "CockroachDB checks constraints at the end of each statement",
    refuses: matches(/\bdeferrable\b|\binitially deferred\b/),
    example: "alter table a add constraint b unique (c) deferrable initially deferred",
  },
  {
    name: "domain",
    why: "CockroachDB has none",
    refuses: matches(/\bcreate domain\b/),
    example: "create domain d as text",
  },
  {
    name: "exclusion constraint",
    why: "CockroachDB has none",
    refuses: matches(/\bexclude (using|\()/),
    example: "alter table a add constraint b exclude using gist (c with &&)",
  },
  {
    name: "range type",
    why: "CockroachDB has none",
    refuses: matches(/\b(int4|int8|num|ts|tstz|date)range\b/),
    example: "select tstzrange(a, b) from c",
  },
  {
    name: "star",
    why: "a prepared statement breaks on CockroachDB when a column is added",
    refuses: matches(/(\bselect( distinct)?|\breturning|,) (\w+\.)?\*/),
    example: "select o.* from orders as o",
  },
  {
    name: "offset",
    why: "it reads all that it skips; pages are keyset pages",
    refuses: matches(/\boffset [\d$(]/),
    example: "select id from orders order by id limit 10 offset 20",
  },
  {
    name: "copy",
    why: "it has no `on conflict`, and CockroachDB falls back to small inserts where there are foreign keys",
    refuses: matches(/^copy\b/),
    example: "copy orders (id) from stdin",
  },
  {
    name: "serial",
    why: "its keys are ordered, so that all inserts meet in one range, and CockroachDB makes other values",
    refuses: matches(/\b(small|big)?serial[248]?\b|\bas identity\b/),
    example: "create table if not exists a (id bigserial primary key)",
  },
  {
    name: "int without a size",
    why: "it is int8, a string to the driver, on CockroachDB and int4 on PostgreSQL: say which",
    refuses: matches(/\b(int|integer)\b/),
    example: "select count(a)::int from b",
  },
  {
    name: "division",
    why: "the quotient of two integers is a decimal on CockroachDB",
    refuses: matches(/\//),
    example: "select quantity / 2 from order_items",
  },
  {
    name: "skip locked",
    why: "CockroachDB refuses it on tables with several column families",
    refuses: matches(/\bskip locked\b/),
    example: "select id from orders limit 1 for update skip locked",
  },
  {
    name: "shared row lock",
    why: "CockroachDB takes no lock under SERIALIZABLE",
    refuses: matches(/\bfor (key )?share\b/),
    example: "select id from users where id = a for share",
  },
  {
    name: "table lock",
    why: "CockroachDB has none",
    refuses: matches(/\block table\b/),
    example: "lock table orders in exclusive mode",
  },
  {
    name: "merge",
    why: "CockroachDB has none",
    refuses: matches(/\bmerge into\b/),
    example: "merge into a using b on a.id = b.id when matched then do nothing",
  },
  {
    name: "temporary table",
    why: "CockroachDB wants a session setting for it",
    refuses: matches(/\bcreate temp(orary)?\b/),
    example: "create temporary table a (b text)",
  },
  {
    name: "system column",
    why: "PostgreSQL's row versions are not CockroachDB's",
    refuses: matches(/\b(ctid|xmin|xmax)\b/),
    example: "insert into a (b) values (1) on conflict (b) do update set b = 1 returning xmax = 0",
  },
  {
    name: "definition that cannot be repeated",
    why: "a migration is not atomic on CockroachDB, so that it may have to run again from its start",
    refuses: matches(/\bcreate (table|(unique )?index) (?!if not exists\b)/),
    example: "create unique index a_b_key on a (b)",
  },
  {
    name: "nested write",
    why: "CockroachDB takes insert, update and delete at the top level of `with` only",
    refuses: hasNestedWrite,
    example:
      "with a as (with b as (insert into c (d) values (1) returning d) select d from b) select d from a",
  },
  {
    name: "table written twice",
    why: "CockroachDB refuses two modifications of a table in one statement",
    refuses: writesTableTwice,
    example: "with a as (update b set c = 1) delete from b where d = 2",
  },
  {
    name: "uncast placeholder",
    why: "CockroachDB infers a type from what stands beside it: an interval of a number of milliseconds",
    refuses: hasUncastPlaceholder,
    example: "select now() + $1 * interval '1 millisecond' from a where b = $2::uuid",
  },
  {
    name: "any of a subquery",
    why: "CockroachDB reads the whole table, and locks it where there is `for update`; a join reads an index",
    refuses: matches(/\b(any|some|all) ?\( ?array ?\( ?(select|with)\b/),
    example: "select id from products where id = any(array(select product_id from order_items)) for update",
  },
  {
    name: "lateral with a limit",
    why: "CockroachDB may lose the index that the limit is for; let a plain subquery take the key",
    refuses: hasLateralLimit,
    example: "select e.version from orders o, lateral (select version from a where b in (c, o.id) limit 1) e",
  },
];

test.each(rules)("refuses: $name", ({ name, example }) => {
  expect(findRefused(example)).toEqual([name]);
});

test.each([
  "select count(*) from orders -- never select *",
  "select id from orders where note = 'select * from a / b' for update",
  "insert into a (b) values (cast($1 as text)) on conflict (b) do update set b = excluded.b returning b",
  `with locked as (select id from products where id = any($1::uuid[]) order by id for update),
    taken as (update products as p set on_hand = 0 from locked as l where p.id = l.id returning p.id),
    moved as (insert into stock_movements (product_id) select id from taken returning product_id)
    select l.id, (select count(*) from moved) from locked as l`,
])("takes what both engines run (%#)", (statement) => {
  expect(findRefused(statement)).toEqual([]);
});

/** What breaks a rule all the same, and why it may. */
const allowed: readonly string[] = [
  // Not sent to CockroachDB, which deletes rows that have expired by itself.
  "login_attempts.sweep: skip locked",
  "order_events.sweep: skip locked",
  "user_changes.sweep: skip locked",
  "stock_movements.sweep: skip locked",
  "imports.sweep: skip locked",
  // For PostgreSQL: on CockroachDB the transaction is serializable, and needs no lock (see `attemptOf`).
  "orders.create: shared row lock",
  "orders.add_items: shared row lock",
];

test("no SQL text that CockroachDB is sent breaks a rule", async () => {
  const texts = await readTexts("cockroachdb");

  const refused = [...texts].flatMap(([name, text]) => findRefused(text).map((rule) => `${name}: ${rule}`));

  expect(refused.toSorted()).toEqual(allowed.toSorted());
});

/** The names of the rules that some statement of an SQL text breaks. */
function findRefused(sql: string): string[] {
  const statements = toLine(sql).split(";");
  const broken = rules.filter(({ refuses }) => statements.some((statement) => refuses(statement.trim())));
  return broken.map(({ name }) => name);
}

/** An SQL text in lower case on one line, without its comments and without what its string literals say. */
function toLine(sql: string): string {
  const bare = sql.replaceAll(/--.*|\/\*[^]*?\*\//g, " ").replaceAll(/'(?:[^']|'')*'/g, "''");
  return bare.replaceAll(/\s+/g, " ").trim().toLowerCase();
}

function matches(pattern: RegExp): Rule["refuses"] {
  return (statement) => pattern.test(statement);
}

/** Directly, as all of ours are, or by `cast($1 as text)`. */
function hasUncastPlaceholder(statement: string): boolean {
  return /\$\d+(?!\d|::)/.test(statement.replaceAll(/\bcast ?\( ?\$\d+ as\b/g, "cast("));
}

function hasLateralLimit(statement: string): boolean {
  return Array.from(statement.matchAll(/\blateral ?\(/g)).some(({ index, 0: { length } }) => {
    const inside = statement.slice(index + length);
    let depth = 1;
    for (const [token] of inside.matchAll(/[()]|\blimit\b/g)) {
      if (token === "limit") return true;
      depth += token === "(" ? 1 : -1;
      if (depth === 0) return false;
    }
    return false;
  });
}

function hasNestedWrite(statement: string): boolean {
  let depth = 0;
  for (const [token] of statement.matchAll(/\( ?(?:insert|update|delete)\b|\(|\)/g)) {
    depth += token === ")" ? -1 : 1;
    if (depth > 1 && token.length > 1) return true;
  }
  return false;
}

function writesTableTwice(statement: string): boolean {
  // "for update", "do update" and "on update" write to no other table than the one that is named before them.
  const write = /\b(?:insert into|delete from|(?<!\b(?:for|key|do|on) )update) (\w+)/g;
  const tables = Array.from(statement.matchAll(write), ([, table]) => table);
  return new Set(tables).size < tables.length;
}
