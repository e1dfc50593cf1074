import { unlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { migrate } from "../src/db/migrate/migrate.ts";
import { startScratch } from "./support/scratch.ts";

// What was applied by another release than the one that runs.
const engine = "postgresql";

const scratch = await startScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

test("fails for a migration that was changed after it was applied", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({ "0001_a.sql": "create table a ();" });
  await migrate(database, { engine, directory });
  await writeFile(path.join(directory, "0001_a.sql"), "create table a (b text);");

  const again = migrate(database, { engine, directory });

  await expect(again).rejects.toThrow(
    /^migration 0001_a was changed after it was applied: 0001_a\.sql has .+$/,
  );
});

test("fails for an applied migration that has no file, though later ones have", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({
    "0001_a.sql": "create table a ();",
    "0002_b.sql": "create table b ();",
  });
  await migrate(database, { engine, directory });
  await unlink(path.join(directory, "0001_a.sql"));

  const again = migrate(database, { engine, directory });

  await expect(again).rejects.toThrow("migration 0001_a was applied and has no file");
});

test("goes on beside the migrations of a newer release, and names them", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({
    "0001_a.sql": "create table a ();",
    "0002_b.sql": "create table b ();",
    "0003_c.sql": "create table c ();",
  });
  await migrate(database, { engine, directory });
  await unlink(path.join(directory, "0002_b.sql"));
  await unlink(path.join(directory, "0003_c.sql"));
  const warnings: string[] = [];

  const applied = await migrate(database, { engine, directory, warn: (line) => warnings.push(line) });

  expect(applied).toEqual([]);
  expect(warnings).toEqual([
    "the database has migrations of a newer release, 0002_b, 0003_c: this one goes on without them",
  ]);
});

test("takes a migration of another name under its newest number for none of a newer release", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({ "0001_b.sql": "create table b ();" });
  await migrate(database, { engine, directory });
  await unlink(path.join(directory, "0001_b.sql"));
  await writeFile(path.join(directory, "0001_a.sql"), "create table a ();");

  const again = migrate(database, { engine, directory });

  await expect(again).rejects.toThrow("migration 0001_b was applied and has no file");
});

test("only reads where nothing is lacking", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({ "0001_a.sql": "create table a ();" });
  await migrate(database, { engine, directory });
  const options = "-c default_transaction_read_only=on";

  const again = await migrate({ ...database, options }, { engine, directory });

  expect(again).toEqual([]);
});

test("fails for a new migration that comes before an applied one", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({ "0002_b.sql": "create table b ();" });
  await migrate(database, { engine, directory });
  await writeFile(path.join(directory, "0001_a.sql"), "create table a ();");

  const again = migrate(database, { engine, directory });

  const reason = "migration 0001_a comes before 0002_b, which is applied already: give it a higher number";
  await expect(again).rejects.toThrow(reason);
});
