import { expect, test } from "vitest";
import type { DomainError } from "../src/errors.ts";
import { attemptsMax, databaseOf } from "../src/db/engine/database.ts";
import { createDeadline } from "../src/db/engine/deadline.ts";
import { forever, openFailingPool, sent, write, type End } from "./support/attempts.ts";
import { serverError, wireError } from "./support/failures.ts";

const aborted = sent(serverError("40001"));
const ambiguous = sent(wireError("ECONNRESET"));
const standby = sent(serverError("25006"));

/** Has attempts end in this order, the last one for ever, for a caller that asks for eight. */
async function play(ends: readonly End[]) {
  const { pool, count } = openFailingPool(ends);
  const db = databaseOf(pool, { sleep: async () => {} });
  const deadline = { signal: forever, deadlineMs: Infinity, attemptsMax: 8 };
  const { reason } = await db.query(write, [], deadline).then(
    () => ({ reason: "none" }),
    (thrown: DomainError) => thrown,
  );
  return { attempts: count(), reason };
}

test("one who has something better to do than the same again says after how many attempts", async () => {
  expect(await play([aborted])).toEqual({ attempts: 8, reason: "CONTENTION" });
});

test.each([
  ["only what is in doubt follows", [ambiguous]],
  ["only aborts follow", [ambiguous, aborted]],
  ["the server takes no writes any more", [ambiguous, standby]],
])("doubt is not given up before the attempts run out, when %s", async (_, failures) => {
  expect(await play(failures)).toEqual({ attempts: attemptsMax, reason: "COMMIT_OUTCOME_UNKNOWN" });
});

test("the deadline of the service itself ends when its time is over", async () => {
  const before = Date.now();
  const { signal, deadlineMs } = createDeadline(20);

  await expect.poll(() => signal.aborted).toBe(true);

  expect(deadlineMs - before).toBeGreaterThanOrEqual(20);
  expect(deadlineMs - before).toBeLessThan(1_000);
});
