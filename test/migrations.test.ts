import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Connection } from "../src/config.ts";
import { migrate } from "../src/db/migrate/migrate.ts";
import {
  findPending,
  migrationsDirectory,
  readMigrations,
  splitStatements,
} from "../src/db/migrate/migration-files.ts";
import { detectEngine, reachDatabase } from "../src/db/engine/reach.ts";
import { execute } from "./support/databases.ts";
import { root } from "./support/embedded.ts";
import { startScratch } from "./support/scratch.ts";

const engine = "postgresql";

const scratch = await startScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

test("reads the variant of a version that is for the engine", async () => {
  const directory = await scratch.writeMigrations({
    "0001_a.sql": "select 1;",
    "0002_b.postgres.sql": "select 2;",
    "0002_b.cockroachdb.sql": "select 3;",
  });

  const migrations = await readMigrations(directory, "cockroachdb");

  expect(migrations.map(({ version, sql }) => ({ version, sql }))).toEqual([
    { version: "0001_a", sql: "select 1;" },
    { version: "0002_b", sql: "select 3;" },
  ]);
});

test.each([
  [
    ["0001_a.postgres.sql"],
    "migration 0001 needs one file for all engines or one for each, and has 0001_a.postgres.sql",
  ],
  [["0001_a.sql", "0001_a.postgres.sql"], "has 0001_a.postgres.sql, 0001_a.sql"],
  [["0001_a.sql", "0001_b.sql"], "has 0001_a.sql, 0001_b.sql"],
  [["0001_a.postgres.sql", "0001_b.cockroachdb.sql"], "has 0001_a.postgres.sql, 0001_b.cockroachdb.sql"],
  [["0001_a.mysql.sql"], "0001_a.mysql.sql is not named like 0001_users.sql"],
  [["schema.sql"], "schema.sql is not named like 0001_users.sql"],
])("refuses the files %j", async (files, reason) => {
  const directory = await scratch.writeMigrations(
    Object.fromEntries(files.map((file) => [file, "select 1;"])),
  );

  const read = readMigrations(directory, engine);

  await expect(read).rejects.toThrow(reason);
});

test("finds what is pending, and lets be what a newer release has applied", async () => {
  const directory = await scratch.writeMigrations({ "0001_a.sql": "select 1;", "0002_b.sql": "select 2;" });
  const migrations = await readMigrations(directory, engine);
  const rows = [
    { version: "0001_a", checksum: migrations[0]?.checksum ?? "" },
    { version: "0003_c", checksum: "of a file that this release does not have" },
  ];

  const pending = findPending(migrations, rows);

  expect(pending.map(({ version }) => version)).toEqual(["0002_b"]);
});

test("splits statements at semicolons that end a line", () => {
  const sql = "-- one; two;\nselect ';' as a;\n\nselect b\n  -- and c;\n  , c;  \n";

  const statements = splitStatements(sql);

  expect(statements).toEqual(["select ';' as a", "select b\n\n  , c"]);
});

test("schema.sql makes what the migrations make", async () => {
  const [migrated, loaded] = [await scratch.createDatabase(), await scratch.createDatabase()];
  await migrate(migrated, { engine });
  await execute(migrated, "drop table schema_migrations, schema_migrations_lock");

  await execute(loaded, await readFile(path.join(root, "schema.sql"), "utf8"));

  expect(await describe(loaded)).toEqual(await describe(migrated));
});

test("the migrations can be repeated, as CockroachDB needs", async () => {
  const database = await scratch.createDatabase();
  await migrate(database, { engine });
  const before = await describe(database);

  for (const { sql } of await readMigrations(migrationsDirectory, engine)) await execute(database, sql);

  expect(await describe(database)).toEqual(before);
});

test.each([
  ["PostgreSQL 18.4 on x86_64-pc-linux-gnu, compiled by gcc", "postgresql"],
  ["CockroachDB CCL v25.2.0 (x86_64-pc-linux-gnu, built 2025/05/09)", "cockroachdb"],
])("detects the engine of %s", (version, expected) => {
  expect(detectEngine(version)).toBe(expected);
});

test("refuses a database of another engine than the configuration says", async () => {
  const read = reachDatabase(await scratch.createDatabase(), { expected: "cockroachdb" });

  await expect(read).rejects.toThrow(
    /^the database is PostgreSQL \S+, and the configuration says cockroachdb$/,
  );
});

/** Columns, constraints and indexes of all tables. */
async function describe(database: Connection) {
  return {
    columns: await execute(
      database,
      `select table_name, column_name, data_type, numeric_precision, numeric_scale,
         is_nullable, column_default
       from information_schema.columns where table_schema = 'public' and table_name not like 'schema%'
       order by table_name, ordinal_position`,
    ),
    constraints: await execute(
      database,
      `select conrelid::regclass::text as name, conname, pg_get_constraintdef(oid) as definition
       from pg_constraint where connamespace = 'public'::regnamespace 
         and conrelid::regclass::text not like 'schema%'
       order by 1, 2`,
    ),
    indexes: await execute(
      database,
      `select indexdef from pg_indexes
       where schemaname = 'public' and tablename not like 'schema%' order by indexname`,
    ),
  };
}
