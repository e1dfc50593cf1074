import { randomUUID } from "node:crypto";
import { afterAll, expect, inject, test } from "vitest";
import { countFailures, reserveAttempts, sweepAttempts } from "../../src/db/users/attempts.ts";
import { within, type Database } from "../../src/db/engine/database.ts";
import { createTestDatabase, execute } from "../support/databases.ts";
import { deadline, openDatabase } from "../support/pools.ts";

const { connection, ...database } = await createTestDatabase();
afterAll(() => database[Symbol.asyncDispose]());

const hourMs = 3_600_000;

/** Two attempts are free, then there are a minute and an hour to wait. */
const rule = { delaysMs: [0, 0, 60_000, hourMs], forgetMs: 24 * hourMs };

/** How long one attempt of an account has to wait, rounded up to a second. */
async function reserve(db: Database, accountId: string, callerId?: string): Promise<number> {
  const [waitMs] = await reserveAttempts(within(db, deadline()), [{ accountId, callerId, ...rule }]);
  return Math.ceil(waitMs! / 1_000);
}

/** Lets a time pass for all rows. */
async function pass(ms: number): Promise<void> {
  const shift = `update login_attempts set retry_time = retry_time - $1::int8 * interval '1 millisecond',
    expire_time = expire_time - $1::int8 * interval '1 millisecond'`;
  await execute(connection, shift, [ms]);
}

test("the attempts of an account wait for one delay after the other, and then for the last one", async () => {
  const db = openDatabase(connection);
  const account = randomUUID();

  const waits = [];
  for (const ms of [0, 0, 0, 60_000, 0, hourMs, 0]) {
    await pass(ms);
    waits.push(await reserve(db, account));
  }

  expect(waits).toEqual([0, 0, 0, 0, 3_600, 0, 3_600]);
});

test("an attempt of a caller who has to wait is refused, whatever its account", async () => {
  const db = openDatabase(connection);
  const [account, caller] = [randomUUID(), randomUUID()];
  await countFailures(within(db, deadline()), [{ callerId: caller, failuresMax: 1, windowMs: 60_000 }]);

  const waits = [await reserve(db, account, caller), await reserve(db, account)];

  expect(waits).toEqual([60, 0]);
});

test("what has expired counts no more", async () => {
  const db = openDatabase(connection);
  const account = randomUUID();
  for (let n = 0; n < 3; n++) await reserve(db, account);

  await pass(60_000 + rule.forgetMs);
  await reserve(db, account);
  await reserve(db, account);

  const failures = "select failures from login_attempts where id = $1";
  expect(await execute(connection, failures, [account])).toEqual([{ failures: 2 }]);
});

test("the failures of a caller are counted each, also at once, and the last that it may have holds it up", async () => {
  const db = openDatabase(connection);
  const caller = randomUUID();
  const failure = { callerId: caller, failuresMax: 3, windowMs: 60_000 };

  await countFailures(within(db, deadline()), [failure, failure]);
  const before = await reserve(db, randomUUID(), caller);
  await countFailures(within(db, deadline()), [failure]);
  const after = await reserve(db, randomUUID(), caller);

  expect([before, after]).toEqual([0, 60]);
});

test("the window of a caller begins with its first failure and ends its failures", async () => {
  const db = openDatabase(connection);
  const caller = randomUUID();
  const failure = { callerId: caller, failuresMax: 2, windowMs: 60_000 };
  await countFailures(within(db, deadline()), [failure]);

  await pass(45_000);
  await countFailures(within(db, deadline()), [failure]);
  const inWindow = await reserve(db, randomUUID(), caller);
  await pass(15_000);
  await countFailures(within(db, deadline()), [failure]);
  const behind = await reserve(db, randomUUID(), caller);
  await countFailures(within(db, deadline()), [failure]);
  const again = await reserve(db, randomUUID(), caller);

  expect([inWindow, behind, again]).toEqual([15, 0, 60]);
});

test("the sweep deletes what counts no more, and nothing else", async ({ skip }) => {
  skip(inject("engine").engine === "cockroachdb", "it deletes by itself");
  const db = openDatabase(connection);
  const [old, young] = [randomUUID(), randomUUID()];
  await execute(connection, "delete from login_attempts");
  await reserve(db, old);
  await pass(rule.forgetMs);
  await reserve(db, young);

  await sweepAttempts(db, deadline());

  expect(await execute(connection, "select id from login_attempts")).toEqual([{ id: young }]);
});
