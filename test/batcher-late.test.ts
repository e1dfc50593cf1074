import { expect, test, vi } from "vitest";
import { DomainError } from "../src/errors.ts";
import { createTestBatcher, lateMs, settle, useBatcherClock } from "./support/batchers.ts";

useBatcherClock();

test("a batch that is not back in time gives up its place and its locks", async () => {
  const { departed, ask } = createTestBatcher({ locksOf: () => ["row"] });
  const answers = [ask(1)];
  await settle();

  answers.push(ask(2));
  vi.advanceTimersByTime(lateMs);
  await settle();
  departed.forEach((set) => set.answer());

  expect(await Promise.all(answers)).toEqual(["answer 1", "answer 2"]);
});

test("a batch of writes that is late is stopped, and its requests are sent one by one", async () => {
  const { departed, ask } = createTestBatcher({ writes: true });
  const answers = [2, 3, 4].map((request) => ask(request));
  await settle();

  const before = departed[0]!.deadline.signal.aborted;
  vi.advanceTimersByTime(lateMs);
  const { aborted, reason } = departed[0]!.deadline.signal;
  departed[0]!.fail(reason);
  await settle();
  const alone = departed.slice(1);
  alone.forEach((set) => set.answer());

  expect([before, aborted]).toEqual([false, true]);
  expect(await Promise.all(answers)).toEqual(["answer 2", "answer 3", "answer 4"]);
  expect(alone.map(({ requests }) => requests)).toEqual([[2], [3], [4]]);
});

test("a request that was in a batch which was stopped stays in doubt until it is answered", async () => {
  const { departed, ask } = createTestBatcher({ writes: true });
  const answers = Promise.allSettled([ask(2), ask(3)]);
  await settle();
  vi.advanceTimersByTime(lateMs);
  departed[0]!.fail(departed[0]!.deadline.signal.reason);
  await settle();

  departed[1]!.fail(new DomainError("DATABASE_UNAVAILABLE", "away"));
  departed[2]!.fail(new DomainError("USER_NOT_FOUND", "no user"));

  expect(await answers).toMatchObject([
    { reason: { reason: "COMMIT_OUTCOME_UNKNOWN" } },
    { reason: { reason: "USER_NOT_FOUND" } },
  ]);
});

test("while a request is late, those that need its locks go alone, and the others do not wait", async () => {
  const locksOf = (request: number): string[] => [`${request % 10}`];
  const { departed, ask } = createTestBatcher({ writes: true, batches: 2, locksOf });
  const answers = [ask(1)];
  await settle();
  vi.advanceTimersByTime(lateMs / 2);

  answers.push(...[11, 21, 31, 2, 12, 3].map((request) => ask(request)));
  await settle();
  vi.advanceTimersByTime(lateMs / 2);
  await settle();
  const before = departed.map(({ requests }) => requests);
  for (let n = 0; n < departed.length; n++) {
    departed[n]!.answer();
    await settle();
  }
  await Promise.all(answers);

  expect(new Set(before.map(String))).toEqual(new Set(["1", "11", "2,12,3"]));
  expect(departed.map(({ requests }) => requests).slice(3)).toEqual([[21, 31]]);
});

test("while two requests are late, a third one that needs their locks waits", async () => {
  const { departed, ask } = createTestBatcher({ writes: true, locksOf: () => ["row"] });

  for (const request of [1, 2, 3, 4]) {
    void ask(request);
    await settle();
    vi.advanceTimersByTime(lateMs);
  }

  expect(departed.map(({ requests }) => requests)).toEqual([[1], [2]]);
});

test("those of a batch that was stopped come first, and share batches again when one of them is back in time", async () => {
  const { departed, ask } = createTestBatcher({ writes: true, locksOf: () => ["row"] });
  const answers = [2, 3].map((request) => ask(request));
  await settle();
  answers.push(ask(4), ask(5));
  vi.advanceTimersByTime(lateMs);

  departed[0]!.fail(departed[0]!.deadline.signal.reason);
  await settle();
  for (let n = 1; n < departed.length; n++) {
    departed[n]!.answer();
    await settle();
  }
  await Promise.all(answers);

  expect(departed.map(({ requests }) => requests)).toEqual([[2, 3], [2], [3, 4, 5]]);
});
