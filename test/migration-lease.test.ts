import { afterAll, expect, onTestFinished, test, vi } from "vitest";
import type { Connection } from "../src/config.ts";
import { expectMigrated, migrate } from "../src/db/migrate/migrate.ts";
import { acquireLease } from "../src/db/migrate/lease.ts";
import { execute } from "./support/databases.ts";
import { failureOf } from "./support/embedded.ts";
import { startScratch } from "./support/scratch.ts";

const engine = "postgresql";
const renewalMs = 5_000;
const leaseMs = 20_000;

const scratch = await startScratch();
afterAll(() => scratch[Symbol.asyncDispose]());

/** A database with the tables of the runner, and a lease on it whose clock only the test moves. */
async function givenLease() {
  const database = await scratch.createDatabase();
  await migrate(database, {
    engine,
    directory: await scratch.writeMigrations({ "0001_a.sql": "select 1;" }),
  });
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "Date"] });
  onTestFinished(() => void vi.useRealTimers());
  return { database, lease: await acquireLease(database, 0) };
}

async function expireTime(database: Connection): Promise<number> {
  const [row] = await execute<{ at: number }>(
    database,
    "select extract(epoch from expire_time)::float8 as at from schema_migrations_lock",
  );
  return row!.at;
}

test("a lease is renewed for as long as it is held", async () => {
  const { database, lease } = await givenLease();
  const before = await expireTime(database);

  vi.advanceTimersByTime(renewalMs);

  await expect.poll(() => expireTime(database)).toBeGreaterThan(before);
  expect(lease.signal.aborted).toBe(false);
  await lease[Symbol.asyncDispose]();
  expect(await execute(database, "select holder from schema_migrations_lock")).toEqual([]);
});

test.each([
  ["that another process has taken", "owner = gen_random_uuid()"],
  ["that has run out", "expire_time = now() - interval '1 second'"],
])("a lease %s is lost with its next renewal, and stays whose it is", async (_, change) => {
  const { database, lease } = await givenLease();
  await execute(database, `update schema_migrations_lock set ${change}`);

  vi.advanceTimersByTime(renewalMs);

  await expect.poll(() => lease.signal.aborted).toBe(true);
  expect(lease.signal.reason).toMatchObject({
    message: expect.stringMatching(/^the migration lease was lost/) as string,
  });
  await lease[Symbol.asyncDispose]();
  const left = change.startsWith("owner") ? 1 : 0;
  expect(await execute(database, "select holder from schema_migrations_lock")).toHaveLength(left);
});

test("a lease whose connection is dead is lost when it has run out, and not before", async () => {
  const { database, lease } = await givenLease();
  await execute(
    database,
    `select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where application_name = 'commerce-core migration lease' and datname = current_database()`,
  );

  vi.advanceTimersByTime(leaseMs);
  await new Promise((resolve) => setImmediate(resolve));
  const before = lease.signal.aborted;
  vi.advanceTimersByTime(renewalMs);

  expect([before, lease.signal.aborted]).toEqual([false, true]);
  await lease[Symbol.asyncDispose]().catch(() => {});
});

test("a migration takes as long as it takes, and runs in read committed, whatever the database says", async () => {
  const database = await scratch.createDatabase();
  const set = `alter database ${database.database} set`;
  await execute(database, `${set} statement_timeout = '500ms'`);
  await execute(database, `${set} default_transaction_isolation = 'serializable'`);
  const sql =
    "create table a as select pg_sleep(0.8)::text, current_setting('transaction_isolation') as level;";
  const directory = await scratch.writeMigrations({ "0001_a.sql": sql });

  await migrate(database, { engine, directory });

  expect(await execute(database, "select level from a")).toEqual([{ level: "read committed" }]);
});

test("a run that is ended applies no other migration", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({ "0001_a.sql": "select 1;", "0002_b.sql": "select 2;" });
  const ending = new AbortController();
  const log = (): void => ending.abort(new Error("ended"));

  const failed = await failureOf(migrate(database, { engine, directory, log, signal: ending.signal }));

  expect(failed).toBe("ended");
  expect(await execute(database, "select version from schema_migrations")).toEqual([{ version: "0001_a" }]);
});

test("one who only checks is told what is lacking", async () => {
  const database = await scratch.createDatabase();
  const directory = await scratch.writeMigrations({ "0001_a.sql": "select 1;", "0002_b.sql": "select 2;" });

  const failed = await failureOf(expectMigrated(database, { engine, directory }));

  expect(failed).toBe(
    "the database lacks 0001_a, 0002_b: run `npm run migrate`, or start with MIGRATE=apply",
  );
});
