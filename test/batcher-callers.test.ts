import { expect, test, vi } from "vitest";
import { createBatcher } from "../src/db/engine/batcher.ts";
import { DomainError } from "../src/errors.ts";
import { createTestBatcher, patient, settle, useBatcherClock } from "./support/batchers.ts";

useBatcherClock();

const away = new DomainError("DATABASE_UNAVAILABLE", "away");

test("a caller who has left before its batch is not sent", async () => {
  const { departed, ask } = createTestBatcher();
  const leaver = new AbortController();
  const first = ask(1);
  await settle();
  const answers = Promise.allSettled([first, ask(2, patient(leaver.signal)), ask(3)]);

  leaver.abort("gone");
  departed[0]!.answer();
  await settle();
  departed[1]!.answer();

  expect(await answers).toEqual([
    { status: "fulfilled", value: "answer 1" },
    { status: "rejected", reason: "gone" },
    { status: "fulfilled", value: "answer 3" },
  ]);
  expect(departed.map(({ requests }) => requests)).toEqual([[1], [3]]);
});

test("a batch is stopped when all its callers have left, and not before", async () => {
  const { departed, ask } = createTestBatcher();
  const [first, second] = [new AbortController(), new AbortController()];
  const answers = [ask(2, patient(first.signal)), ask(3, patient(second.signal))];
  await settle();
  const { signal } = departed[0]!.deadline;

  first.abort(new Error("gone"));
  const before = signal.aborted;
  second.abort(new Error("gone too"));

  expect([before, signal.aborted]).toEqual([false, true]);
  await expect(answers[0]).rejects.toThrow("gone");
  await expect(answers[1]).rejects.toThrow("gone too");
});

test("no attempt of a batch of writes begins when a caller has left it, who is not sent again", async () => {
  const { departed, ask } = createTestBatcher({ writes: true });
  const leaver = new AbortController();
  const answers = Promise.allSettled([ask(2, patient(leaver.signal)), ask(3)]);
  await settle();
  const [set] = departed;

  set!.deadline.throwIfStale!();
  leaver.abort("gone");
  const stale = (): void => set!.deadline.throwIfStale!();
  expect(stale).toThrow("the batch was split");
  set!.fail(set!.deadline.signal.reason);
  await settle();
  departed[1]!.answer();

  expect(await answers).toEqual([
    { status: "rejected", reason: "gone" },
    { status: "fulfilled", value: "answer 3" },
  ]);
  expect(departed.map(({ requests }) => requests)).toEqual([[2, 3], [3]]);
});

/** A batcher of writes whose batches wait for a connection until they get one, and how they were sent. */
function openWaitingBatcher() {
  const waiting: (() => void)[] = [];
  const sent: (readonly number[])[] = [];
  const batcher = createBatcher<number, number>(
    async (requests, { throwIfStale }) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      throwIfStale!();
      sent.push(requests);
      throw away;
    },
    { batches: 1, requestsMax: 10, writes: true },
  );
  const connect = async (): Promise<void> => {
    waiting.shift()!();
    await settle();
  };
  return { batcher, sent, connect };
}

test("a batch of writes that waits for a connection is not late, and not in doubt", async () => {
  const { batcher, sent, connect } = openWaitingBatcher();
  const answers = Promise.allSettled([batcher(1, patient()), batcher(2, patient())]);
  await settle();

  vi.advanceTimersByTime(5_000);
  await connect();

  expect(await answers).toMatchObject([{ reason: away }, { reason: away }]);
  expect(sent).toEqual([[1, 2]]);
});

test("those of a batch that a caller has left before it was sent share another one, and go alone the next time", async () => {
  const { batcher, sent, connect } = openWaitingBatcher();
  const [first, second] = [new AbortController(), new AbortController()];
  const answers = Promise.allSettled([
    batcher(1, patient(first.signal)),
    batcher(2, patient(second.signal)),
    batcher(3, patient()),
    batcher(4, patient()),
  ]);
  await settle();

  first.abort("gone");
  await connect();
  second.abort("gone");
  await connect();
  await connect();
  await connect();

  const reason = away;
  expect(await answers).toMatchObject([{ reason: "gone" }, { reason: "gone" }, { reason }, { reason }]);
  expect(sent).toEqual([[3], [4]]);
});

test("a batch that fails for an unknown reason is run again request by request", async () => {
  const { departed, ask } = createTestBatcher();
  const answers = Promise.allSettled([2, 3].map((request) => ask(request)));
  await settle();

  departed[0]!.fail("one of them is bad");
  await settle();
  departed[1]!.fail("this one");
  await settle();
  departed[2]!.answer();

  expect(await answers).toEqual([
    { status: "rejected", reason: "this one" },
    { status: "fulfilled", value: "answer 3" },
  ]);
  expect(departed.map(({ requests }) => requests)).toEqual([[2, 3], [2], [3]]);
});

test("the requests of a batch that failed share no batch again, although they need the same locks", async () => {
  const { departed, ask } = createTestBatcher({ writes: true, locksOf: () => ["row"] });
  const answers = Promise.allSettled([2, 3, 4].map((request) => ask(request)));
  await settle();

  departed[0]!.fail("one of them is bad");
  await settle();
  departed[1]!.answer();
  await settle();
  departed[2]!.answer();
  await settle();
  departed[3]!.fail("this one");
  await answers;

  expect(departed.map(({ requests }) => requests)).toEqual([[2, 3, 4], [2], [3], [4]]);
});

test("what the database says of a whole batch is said to all of its callers", async () => {
  const { departed, ask } = createTestBatcher();
  const answers = [2, 3].map((request) => ask(request));
  await settle();

  departed[0]!.fail(away);

  await expect(answers[0]).rejects.toThrow("away");
  await expect(answers[1]).rejects.toThrow("away");
  expect(departed).toHaveLength(1);
});
