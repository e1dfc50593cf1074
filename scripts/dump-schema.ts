// Writes schema.sql: the result of all migrations on PostgreSQL, for review as a diff.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type pg from "pg";
import { connect } from "../src/db/engine/connection.ts";
import { startEmbedded } from "../src/db/embedded/embedded.ts";
import { migrate } from "../src/db/migrate/migrate.ts";

const header =
  "-- The schema after all migrations, on PostgreSQL; generated from them by `npm run generate`.\n";

/**
 * Tables in the order of their creation, so that foreign keys name earlier ones; without the runner's own
 * tables.
 */
const selectTables = `
  select c.oid::int8 as oid, quote_ident(c.relname) as name
  from pg_class as c
  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
    and c.relname not like 'schema\\_migrations%'
  order by c.oid`;

const selectColumns = `
  select concat_ws(' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
    case when a.attnotnull then 'not null' end,
    case when a.attgenerated = 's' then 'generated always as (' || x.expression || ') stored'
         else 'default ' || x.expression end) as line
  from pg_attribute as a
  left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
  cross join lateral (select pg_get_expr(d.adbin, d.adrelid) as expression) as x
  where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
  order by a.attnum`;

/** Not null is written at the column. */
const selectConstraints = `
  select 'constraint ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid, true) as line
  from pg_constraint
  where conrelid = $1 and contype <> 'n'
  order by position(contype in 'pufcx'), conname`;

const selectIndexes = `
  select pg_get_indexdef(i.indexrelid, 0, true) || ';' as line
  from pg_index as i
  join pg_class as c on c.oid = i.indexrelid
  where i.indrelid = $1
    and not exists (select from pg_constraint as k where k.conindid = i.indexrelid and k.conrelid = $1)
  order by c.relname`;

const directory = await mkdtemp(path.join(tmpdir(), "commerce-schema-"));
try {
  await using embedded = await startEmbedded(directory, { settings: ["fsync=off"] });
  await migrate(embedded.connection, { engine: "postgresql" });
  const client = await connect(embedded.connection, { purpose: "dump" });
  try {
    await writeFile(path.join(import.meta.dirname, "../schema.sql"), await dump(client));
  } finally {
    await client.end();
  }
} finally {
  await rm(directory, { recursive: true });
}

async function dump(client: pg.Client): Promise<string> {
  const { rows: tables } = await client.query<{ oid: string; name: string }>(selectTables);
  const blocks = [header];
  for (const { oid, name } of tables) {
    const lines = async (sql: string) =>
      (await client.query<{ line: string }>(sql, [oid])).rows.map(({ line }) => line);
    const parts = [...(await lines(selectColumns)), ...(await lines(selectConstraints))];
    const indexes = await lines(selectIndexes);
    blocks.push(`create table ${name} (\n${parts.map((part) => `  ${part}`).join(",\n")}\n);\n`);
    if (indexes.length > 0) blocks.push(`${indexes.join("\n")}\n`);
  }
  return blocks.join("\n");
}
