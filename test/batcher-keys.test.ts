import { expect, test, vi } from "vitest";
import { DomainError } from "../src/errors.ts";
import { createTestBatcher, lateMs, patient, settle, useBatcherClock } from "./support/batchers.ts";

useBatcherClock();

const away = new DomainError("DATABASE_UNAVAILABLE", "away");

test("a repetition does not pass the request of its key that waits for a lock", async () => {
  // 12 and 32 have one key; only 12 needs the lock that is taken.
  const keysOf = (request: number): string[] => [`${request % 10}`];
  const locksOf = (request: number): string[] => (request < 30 ? ["row"] : []);
  const { departed, ask } = createTestBatcher({ batches: 3, keysOf, locksOf });
  const answers = [ask(11)];
  await settle();

  answers.push(ask(12), ask(32));
  await settle();
  const before = departed.map(({ requests }) => requests);
  for (let n = 0; n < departed.length; n++) {
    departed[n]!.answer();
    await settle();
  }
  await Promise.all(answers);

  expect(before).toEqual([[11]]);
  expect(departed.map(({ requests }) => requests)).toEqual([[11], [12], [32]]);
});

test("a caller who leaves while its request waits to go alone is not sent", async () => {
  const { departed, ask } = createTestBatcher({ writes: true, locksOf: () => ["row"] });
  const leaver = new AbortController();
  const answers = Promise.allSettled([ask(1), ask(2, patient(leaver.signal)), ask(3)]);
  await settle();
  vi.advanceTimersByTime(lateMs);
  departed[0]!.fail(departed[0]!.deadline.signal.reason);
  await settle();

  leaver.abort("gone");
  for (let n = 1; n < departed.length; n++) {
    departed[n]!.answer();
    await settle();
  }

  expect(await answers).toMatchObject([{ value: "answer 1" }, { reason: "gone" }, { value: "answer 3" }]);
  expect(departed.map(({ requests }) => requests)).toEqual([[1, 2, 3], [1], [3]]);
});

test("a batch that a caller has left is late after a fifth of the time", async () => {
  const { departed, ask } = createTestBatcher({ writes: true });
  const leaver = new AbortController();
  const answers = Promise.allSettled([ask(1, patient(leaver.signal)), ask(2)]);
  await settle();

  leaver.abort("gone");
  vi.advanceTimersByTime(lateMs / 5 - 1);
  const before = departed[0]!.deadline.signal.aborted;
  vi.advanceTimersByTime(1);
  const after = departed[0]!.deadline.signal.aborted;
  departed[0]!.fail(departed[0]!.deadline.signal.reason ?? away);
  await settle();
  departed[1]?.answer();

  expect([before, after]).toEqual([false, true]);
  expect(await answers).toMatchObject([{ reason: "gone" }, { value: "answer 2" }]);
});

test("a batch of reads that fails leaves none of its requests in doubt", async () => {
  const { departed, ask } = createTestBatcher();
  const answers = Promise.allSettled([ask(1), ask(2)]);
  await settle();
  departed[0]!.fail("one of them is bad");
  await settle();

  for (let n = 1; n < 3; n++) {
    departed[n]!.fail(away);
    await settle();
  }

  expect(await answers).toMatchObject([{ reason: away }, { reason: away }]);
});

test("when what was late is back, others share batches for its locks again", async () => {
  const { departed, ask } = createTestBatcher({ writes: true, locksOf: () => ["row"] });
  const answers = [ask(1)];
  await settle();
  vi.advanceTimersByTime(lateMs);
  departed[0]!.answer();
  await settle();

  answers.push(ask(2), ask(3));
  await settle();
  for (const set of departed.slice(1)) set.answer();
  await settle();
  for (const set of departed.slice(2)) set.answer();
  await Promise.all(answers);

  expect(departed.map(({ requests }) => requests)).toEqual([[1], [2, 3]]);
});
