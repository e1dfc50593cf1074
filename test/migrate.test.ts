import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Connection } from "../src/config.ts";
import { migrate } from "../src/db/migrate/migrate.ts";
import { acquireLease } from "../src/db/migrate/lease.ts";
import { execute } from "./support/databases.ts";
import { startScratch } from "./support/scratch.ts";

const engine = "postgresql";

const scratch = await startScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

test("applies the migrations in order, each once", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({
    "0002_b.sql": "alter table a add b text;",
    "0001_a.sql": "create table a ();",
  });
  const log: string[] = [];

  const first = await migrate(database, { engine, directory, log: (line) => log.push(line) });
  const second = await migrate(database, { engine, directory });

  expect(first.map(({ version }) => version)).toEqual(["0001_a", "0002_b"]);
  expect(log.map((line) => line.replace(/\d+ ms/, "N ms"))).toEqual([
    "applied 0001_a in N ms",
    "applied 0002_b in N ms",
  ]);
  expect(second).toEqual([]);
});

test("applies each migration once when eight run at the same moment", async () => {
  const database = await scratch.createDatabase();
  // Not repeatable: a second application fails.
  const directory = await scratch.writeMigrations({
    "0001_a.sql": "create table a ();",
    "0002_b.sql": "create table b ();",
  });

  const runs = await Promise.all(Array.from({ length: 8 }, () => migrate(database, { engine, directory })));

  expect(runs.flat().map(({ version }) => version)).toEqual(["0001_a", "0002_b"]);
});

test("takes a migration for the same whatever its line ends", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({ "0001_a.sql": "create table a (\n);\n" });
  await migrate(database, { engine, directory });
  await writeFile(path.join(directory, "0001_a.sql"), "create table a (\r\n);\r\n");

  const again = await migrate(database, { engine, directory });

  expect(again).toEqual([]);
});

test("leaves nothing of a migration that fails on PostgreSQL, and says where it failed", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({
    "0001_a.sql": "create table a ();",
    "0002_b.sql": "create table b ();\n\nalter table c\n  add d text;\n",
  });

  const failed = migrate(database, { engine, directory });

  await expect(failed).rejects.toThrow('migration 0002_b failed: relation "c" does not exist (0002_b.sql)');
  expect(await listTables(database)).toEqual(["a"]);
});

test("names the line that a syntax error is in", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({
    "0001_a.sql": "create table a ();\ncreate tabel b ();\n",
  });

  const failed = migrate(database, { engine, directory });

  const reason =
    'migration 0001_a failed: syntax error at or near "tabel" (0001_a.sql, at "create tabel b ();")';
  await expect(failed).rejects.toThrow(reason);
});

test("fails for a migration that ends the transaction it runs in", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({ "0001_a.sql": "create table a (); commit;" });

  const failed = migrate(database, { engine, directory });

  const reason = "migration 0001_a ends the transaction that it runs in: leave begin and commit out";
  await expect(failed).rejects.toThrow(reason);
});

test("applies one statement at a time for CockroachDB, and repeats the file after a failure", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({
    "0001_a.sql": "create table if not exists a ();\n\ncreate table if not exists b (c missing);\n",
  });
  await expect(migrate(database, { engine: "cockroachdb", directory })).rejects.toThrow(
    /^migration 0001_a failed: type "missing" does not exist \(0001_a\.sql, at "create .+ \(c missing\)"\)$/,
  );
  expect(await listTables(database)).toEqual(["a"]);
  await execute(database, "create domain missing as text");

  const applied = await migrate(database, { engine: "cockroachdb", directory });

  expect(applied.map(({ version }) => version)).toEqual(["0001_a"]);
  expect(await listTables(database)).toEqual(["a", "b"]);
});

test("stops waiting for another process after waitMs, and names it", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({ "0001_a.sql": "create table a ();" });
  await migrate(database, { engine, directory });
  await writeFile(path.join(directory, "0002_b.sql"), "create table b ();");
  await using lease = await acquireLease(database, 0);

  const waited = migrate(database, { engine, directory, waitMs: 0 });

  await expect(waited).rejects.toThrow(
    new RegExp(
      `^migrations are being run by process ${process.pid} on \\S+ since \\S+Z; waited 0 s for it to end$`,
    ),
  );
  expect(lease.signal.aborted).toBe(false);
});

test("takes over the lease of a process that is gone", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({ "0001_a.sql": "create table a ();" });
  await migrate(database, { engine, directory });
  await writeFile(path.join(directory, "0002_b.sql"), "create table b ();");
  await execute(
    database,
    `insert into schema_migrations_lock (id, owner, holder, acquire_time, expire_time)
     values (1, gen_random_uuid(), 'gone', now() - interval '1 minute', now() - interval '1 second')`,
  );

  const taken = await migrate(database, { engine, directory, waitMs: 0 });

  expect(taken.map(({ version }) => version)).toEqual(["0002_b"]);
  expect(await execute(database, "select holder from schema_migrations_lock")).toEqual([]);
});

test.each([
  { engine: "postgresql", left: [] },
  { engine: "cockroachdb", left: ["a"] },
] as const)(
  "does not record a migration once its lease is lost ($engine)",
  async ({ engine: each, left }) => {
    const database = await scratch.createDatabase();
    // As if another process had taken the lease while the migration ran.
    const directory = await scratch.writeMigrations({
      "0001_a.sql": "create table a ();\nupdate schema_migrations_lock set owner = gen_random_uuid();",
    });

    const stopped = migrate(database, { engine: each, directory });

    await expect(stopped).rejects.toThrow("the migration lease was lost");
    expect(await execute(database, "select version from schema_migrations")).toEqual([]);
    expect(await listTables(database)).toEqual(left);
  },
);

/** The tables that the migrations made. */
async function listTables(database: Connection): Promise<unknown[]> {
  const sql = `select tablename from pg_tables
    where schemaname = 'public' and tablename not like 'schema%' order by tablename`;
  return (await execute(database, sql)).map(({ tablename }) => tablename);
}
