import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { countFailures, reserveAttempts, sweepAttempts } from "../../src/db/users/attempts.ts";
import { execute } from "../support/databases.ts";
import { hold, holdRow, openStage, queueBehind, untilWaiting } from "../support/interleavings.ts";
import { deadline, openDatabase } from "../support/pools.ts";

// Statements about logins that have begun, and then wait for a row.

const { connection, openActor } = await openStage();

/** One attempt is free. */
const rule = { delaysMs: [0, 60_000], forgetMs: 3_600_000, callerId: undefined };

test("of attempts to log in that waited for each other no more are judged than are left", async () => {
  const [ada, eve] = [openActor(), openActor()];
  const accountId = randomUUID();
  const first = `insert into login_attempts (id, failures, retry_time, expire_time)
    values ($1, 1, now() - interval '1 second', now() + interval '1 hour')`;
  const attempt = { ...rule, accountId };

  const waits = await queueBehind(connection, await hold(connection, first, [accountId]), [
    () => reserveAttempts(ada.run, [attempt]),
    () => reserveAttempts(eve.run, [attempt]),
  ]);

  expect(
    waits
      .flat()
      .map((ms) => Math.round(ms / 10_000))
      .toSorted((a, b) => a - b),
  ).toEqual([0, 6]);
});

test("failures of a caller that waited for each other are all counted", async () => {
  const [ada, eve] = [openActor(), openActor()];
  const failure = { callerId: randomUUID(), failuresMax: 100, windowMs: 60_000 };
  await countFailures(ada.run, [failure]);

  await queueBehind(connection, await holdRow(connection, "login_attempts", failure.callerId), [
    () => countFailures(ada.run, [failure, failure]),
    () => countFailures(eve.run, [failure]),
  ]);

  const failures = "select failures from login_attempts where id = $1";
  expect(await execute(connection, failures, [failure.callerId])).toEqual([{ failures: 4 }]);
});

test("the sweep leaves an attempt to log in that counts again before the sweep gets to it", async () => {
  const id = randomUUID();
  const expired = `insert into login_attempts (id, failures, retry_time, expire_time)
    values ($1, 1, now() - interval '2 hours', now() - interval '1 hour')`;
  await execute(connection, expired, [id]);
  const renewal = "update login_attempts set expire_time = now() + interval '1 hour' where id = $1";
  const held = await hold(connection, renewal, [id]);

  const swept = sweepAttempts(openDatabase(connection), deadline());
  await Promise.race([swept, untilWaiting(connection, 1)]);
  await held.end();
  await swept;

  expect(await execute(connection, "select id from login_attempts where id = $1", [id])).toEqual([{ id }]);
});
