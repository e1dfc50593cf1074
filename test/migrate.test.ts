import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Connection } from "../src/config.ts";
import { detectEngine, readEngine, toClientConfig } from "../src/db/connection.ts";
import { startEmbedded, type Embedded } from "../src/db/embedded.ts";
import { migrate } from "../src/db/migrate.ts";
import { acquireLease } from "../src/db/migration-lease.ts";
import { findPending, migrationsDirectory, readMigrations, splitStatements } from "../src/db/migrations.ts";

const root = path.join(import.meta.dirname, "..");
const engine = "postgresql";

let base: string;
let embedded: Embedded;

beforeAll(async () => {
  base = await mkdtemp(path.join(tmpdir(), "commerce-migrate-"));
  embedded = await startEmbedded(path.join(base, "data"), { settings: ["fsync=off"] });
});

afterAll(async () => {
  await embedded[Symbol.asyncDispose]();
  await rm(base, { recursive: true });
});

test("applies the migrations in order, each once", async () => {
  const database = await createDatabase();
  const directory = await write({
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
  const database = await createDatabase();
  // Not repeatable: a second application fails.
  const directory = await write({ "0001_a.sql": "create table a ();", "0002_b.sql": "create table b ();" });

  const runs = await Promise.all(Array.from({ length: 8 }, () => migrate(database, { engine, directory })));

  expect(runs.flat().map(({ version }) => version)).toEqual(["0001_a", "0002_b"]);
});

test("fails for a migration that was changed after it was applied", async () => {
  const database = await createDatabase();
  const directory = await write({ "0001_a.sql": "create table a ();" });
  await migrate(database, { engine, directory });
  await writeFile(path.join(directory, "0001_a.sql"), "create table a (b text);");

  const again = migrate(database, { engine, directory });

  await expect(again).rejects.toThrow(
    /^migration 0001_a was changed after it was applied: 0001_a\.sql has .+$/,
  );
});

test("takes a migration for the same whatever its line ends", async () => {
  const database = await createDatabase();
  const directory = await write({ "0001_a.sql": "create table a (\n);\n" });
  await migrate(database, { engine, directory });
  await writeFile(path.join(directory, "0001_a.sql"), "create table a (\r\n);\r\n");

  const again = await migrate(database, { engine, directory });

  expect(again).toEqual([]);
});

test("fails for an applied migration that has no file", async () => {
  const database = await createDatabase();
  const directory = await write({ "0001_a.sql": "create table a ();", "0002_b.sql": "create table b ();" });
  await migrate(database, { engine, directory });
  await unlink(path.join(directory, "0002_b.sql"));

  const again = migrate(database, { engine, directory });

  await expect(again).rejects.toThrow(
    "migration 0002_b was applied and has no file: is this an older release?",
  );
});

test("fails for a new migration that comes before an applied one", async () => {
  const database = await createDatabase();
  const directory = await write({ "0002_b.sql": "create table b ();" });
  await migrate(database, { engine, directory });
  await writeFile(path.join(directory, "0001_a.sql"), "create table a ();");

  const again = migrate(database, { engine, directory });

  const reason = "migration 0001_a comes before 0002_b, which is applied already: give it a higher number";
  await expect(again).rejects.toThrow(reason);
});

test("leaves nothing of a migration that fails on PostgreSQL, and says where it failed", async () => {
  const database = await createDatabase();
  const directory = await write({
    "0001_a.sql": "create table a ();",
    "0002_b.sql": "create table b ();\n\nalter table c\n  add d text;\n",
  });

  const failed = migrate(database, { engine, directory });

  await expect(failed).rejects.toThrow('migration 0002_b failed: relation "c" does not exist (0002_b.sql)');
  expect(await listTables(database)).toEqual(["a"]);
});

test("names the line that a syntax error is in", async () => {
  const database = await createDatabase();
  const directory = await write({ "0001_a.sql": "create table a ();\ncreate tabel b ();\n" });

  const failed = migrate(database, { engine, directory });

  const reason =
    'migration 0001_a failed: syntax error at or near "tabel" (0001_a.sql, at "create tabel b ();")';
  await expect(failed).rejects.toThrow(reason);
});

test("fails for a migration that ends the transaction it runs in", async () => {
  const database = await createDatabase();
  const directory = await write({ "0001_a.sql": "create table a (); commit;" });

  const failed = migrate(database, { engine, directory });

  const reason = "migration 0001_a ends the transaction that it runs in: leave begin and commit out";
  await expect(failed).rejects.toThrow(reason);
});

test("applies one statement at a time for CockroachDB, and repeats the file after a failure", async () => {
  const database = await createDatabase();
  const directory = await write({
    "0001_a.sql": "create table if not exists a ();\n\ncreate table if not exists b (c missing);\n",
  });
  await expect(migrate(database, { engine: "cockroachdb", directory })).rejects.toThrow(
    'migration 0001_a failed: type "missing" does not exist (0001_a.sql, at "create table if not exists b (c missing)")',
  );
  expect(await listTables(database)).toEqual(["a"]);
  await query(database, "create domain missing as text");

  const applied = await migrate(database, { engine: "cockroachdb", directory });

  expect(applied.map(({ version }) => version)).toEqual(["0001_a"]);
  expect(await listTables(database)).toEqual(["a", "b"]);
});

test("stops waiting for another process after waitMs, and names it", async () => {
  const database = await createDatabase();
  const directory = await write({ "0001_a.sql": "create table a ();" });
  await migrate(database, { engine, directory });
  await using _lease = await acquireLease(database, 0);

  const waited = migrate(database, { engine, directory, waitMs: 0 });

  await expect(waited).rejects.toThrow(
    new RegExp(
      `^migrations are being run by process ${process.pid} on \\S+ since \\S+Z; waited 0 s for it to end$`,
    ),
  );
});

test("takes over the lease of a process that is gone", async () => {
  const database = await createDatabase();
  const directory = await write({});
  await migrate(database, { engine, directory });
  await query(
    database,
    `insert into schema_migrations_lock (id, owner, holder, acquire_time, expire_time)
     values (1, gen_random_uuid(), 'gone', now() - interval '1 minute', now() - interval '1 second')`,
  );

  const taken = await migrate(database, { engine, directory, waitMs: 0 });

  expect(taken).toEqual([]);
  expect(await query(database, "select holder from schema_migrations_lock")).toEqual([]);
});

test.each(["postgresql", "cockroachdb"] as const)(
  "does not record a migration once its lease is lost (%s)",
  async (each) => {
    const database = await createDatabase();
    // As if another process had taken the lease while the migration ran.
    const directory = await write({
      "0001_a.sql": "update schema_migrations_lock set owner = gen_random_uuid();",
    });

    const stopped = migrate(database, { engine: each, directory });

    await expect(stopped).rejects.toThrow("the migration lease was lost");
    expect(await query(database, "select version from schema_migrations")).toEqual([]);
  },
);

test("reads the variant of a version that is for the engine", async () => {
  const directory = await write({
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
  const directory = await write(Object.fromEntries(files.map((file) => [file, "select 1;"])));

  const read = readMigrations(directory, engine);

  await expect(read).rejects.toThrow(reason);
});

test("finds what is pending, and lets be what a newer release has applied", async () => {
  const directory = await write({ "0001_a.sql": "select 1;", "0002_b.sql": "select 2;" });
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
  const [migrated, loaded] = [await createDatabase(), await createDatabase()];
  await migrate(migrated, { engine });
  await query(migrated, "drop table schema_migrations, schema_migrations_lock");

  await query(loaded, await readFile(path.join(root, "schema.sql"), "utf8"));

  expect(await describe(loaded)).toEqual(await describe(migrated));
});

test("the migrations can be repeated, as CockroachDB needs", async () => {
  const database = await createDatabase();
  await migrate(database, { engine });
  const before = await describe(database);

  for (const { sql } of await readMigrations(migrationsDirectory, engine)) await query(database, sql);

  expect(await describe(database)).toEqual(before);
});

test.each([
  ["PostgreSQL 18.4 on x86_64-pc-linux-gnu, compiled by gcc", "postgresql"],
  ["CockroachDB CCL v25.2.0 (x86_64-pc-linux-gnu, built 2025/05/09)", "cockroachdb"],
])("detects the engine of %s", (version, expected) => {
  expect(detectEngine(version)).toBe(expected);
});

test("refuses a database of another engine than the configuration says", async () => {
  const read = readEngine(embedded.connection, "cockroachdb");

  await expect(read).rejects.toThrow("the database is postgresql, and the configuration says cockroachdb");
});

test("npm run migrate says what it applied, and then that nothing is left", async () => {
  const env = { DATABASE_URL: toUrl(await createDatabase()) };

  const status = await runScript(["--status"], env);
  const first = await runScript([], env);
  const second = await runScript([], env);

  expect(status.stdout).toMatch(/^pending {2}0001_users\n/);
  expect(first.stdout.replaceAll(/\d+ ms/g, "N ms")).toMatch(/^applied 0001_users in N ms\n/);
  expect(second).toEqual({ code: 0, stdout: "nothing to apply\n", stderr: "" });
});

test.each([
  ["an argument that it does not know", ["--force"], {}, 2, /^Unknown option '--force'[^\n]*\n$/],
  [
    "a bad environment",
    [],
    { DATABASE_URL: "mysql://a" },
    2,
    /^The configuration is wrong:\n {2}DATABASE_URL[^\n]*\n$/,
  ],
  [
    "a database that is away",
    [],
    { DATABASE_URL: "postgres://a@127.0.0.1:1/a" },
    1,
    /^connect ECONNREFUSED [^\n]*\n$/,
  ],
])("npm run migrate fails for %s without a stack", async (_, args, env, code, stderr) => {
  const result = await runScript(args, env);

  expect(result).toEqual({ code, stdout: "", stderr: expect.stringMatching(stderr) });
});

async function runScript(args: readonly string[], env: Record<string, string>) {
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      [path.join(root, "scripts/migrate.ts"), ...args],
      { env },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

function toUrl({ user, password, host, port, database }: Connection): string {
  return `postgres://${user}:${password}@${host}:${port}/${database}`;
}

let databases = 0;

async function createDatabase(): Promise<Connection> {
  const database = `migrate_${++databases}`;
  await query(embedded.connection, `create database ${database}`);
  return { ...embedded.connection, database };
}

/** A directory of migrations. */
async function write(files: Record<string, string>): Promise<string> {
  const directory = await mkdtemp(path.join(base, "migrations-"));
  await mkdir(directory, { recursive: true });
  for (const [name, sql] of Object.entries(files)) await writeFile(path.join(directory, name), sql);
  return directory;
}

/** The tables that the migrations made. */
async function listTables(database: Connection): Promise<unknown[]> {
  const sql = `select tablename from pg_tables
    where schemaname = 'public' and tablename not like 'schema%' order by tablename`;
  return (await query(database, sql)).map(({ tablename }) => tablename);
}

/** Columns, constraints and indexes of all tables. */
async function describe(database: Connection) {
  return {
    columns: await query(
      database,
      `select table_name, column_name, data_type, numeric_precision, numeric_scale, is_nullable, column_default
       from information_schema.columns where table_schema = 'public' and table_name not like 'schema%'
       order by table_name, ordinal_position`,
    ),
    constraints: await query(
      database,
      `select conrelid::regclass::text as name, conname, pg_get_constraintdef(oid) as definition
       from pg_constraint where connamespace = 'public'::regnamespace and conrelid::regclass::text not like 'schema%'
       order by 1, 2`,
    ),
    indexes: await query(
      database,
      "select indexdef from pg_indexes where schemaname = 'public' and tablename not like 'schema%' order by indexname",
    ),
  };
}

async function query(connection: Connection, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(toClientConfig(connection));
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}
