import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import { migrationsDirectory } from "../../src/db/migrate/migration-files.ts";
import { createReadiness } from "../../src/db/migrate/readiness.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { openProxy } from "../support/pools.ts";

const { connection, engine, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

test("a database is ready while it answers, and no longer", async () => {
  const proxy = await openProxy(connection);
  await using readiness = await createReadiness(proxy.connection, engine, migrationsDirectory);

  const before = await readiness.check();
  proxy.decide = () => ({ kind: "hang" });
  proxy.refuse("silence");
  const silent = await readiness.check();
  proxy.decide = () => undefined;
  proxy.refuse(undefined);
  const after = await readiness.check();

  expect([before, silent, after]).toEqual([
    undefined,
    { reason: "the database does not answer", isAway: true },
    undefined,
  ]);
});

test("a database that lacks a migration is there and not ready, and says which", async () => {
  await using readiness = await createReadiness(connection, engine, migrationsDirectory);
  const take = "delete from schema_migrations where version = '0005_secrets' returning checksum";
  const [row] = await execute<{ checksum: string }>(connection, take);

  const lacking = await readiness.check();
  const give = "insert into schema_migrations (version, checksum) values ('0005_secrets', $1)";
  await execute(connection, give, [row!.checksum]);
  const after = await readiness.check();

  expect([lacking, after]).toEqual([
    { reason: "migration 0005_secrets is not applied", isAway: false },
    undefined,
  ]);
});

test("a full disk is remembered for five seconds, and other errors are not", async () => {
  await using readiness = await createReadiness(connection, engine, migrationsDirectory);
  vi.useFakeTimers({ toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());

  readiness.note("40001");
  const other = await readiness.check();
  readiness.note("53100");
  vi.setSystemTime(Date.now() + 4_900);
  const full = await readiness.check();
  vi.setSystemTime(Date.now() + 200);
  const after = await readiness.check();

  expect([other, full, after]).toEqual([
    undefined,
    { reason: "the database's disk is full", isAway: false },
    undefined,
  ]);
});
