import fc from "fast-check";
import { expect, test } from "vitest";
import { createBatcher } from "../src/db/engine/batcher.ts";
import { createTestBatcher, patient, settle, useBatcherClock } from "./support/batchers.ts";

useBatcherClock();

test("requests leave when nothing is under way, all of one turn of the event loop together", async () => {
  const { departed, ask } = createTestBatcher();

  const answers = [ask(1), ask(2)];
  await settle();
  departed[0]!.answer();

  expect(departed.map(({ requests }) => requests)).toEqual([[1, 2]]);
  expect(await Promise.all(answers)).toEqual(["answer 1", "answer 2"]);
});

test("a second batch leaves when it is at least half as large as the one under way", async () => {
  const { departed, ask } = createTestBatcher({ batches: 2 });
  const answers = [1, 2, 3, 4, 5].map((request) => ask(request));
  await settle();

  answers.push(ask(6), ask(7));
  await settle();
  const before = departed.map(({ requests }) => requests);
  answers.push(ask(8));
  await settle();
  departed.forEach((set) => set.answer());
  await Promise.all(answers);

  expect(before).toEqual([[1, 2, 3, 4, 5]]);
  expect(departed.map(({ requests }) => requests)).toEqual([
    [1, 2, 3, 4, 5],
    [6, 7, 8],
  ]);
});

test("a request whose locks are under way waits, and those behind it do not get them first", async () => {
  const locksOf = (request: number): string[] => String(request).split("");
  const { departed, ask } = createTestBatcher({ batches: 3, locksOf });
  const answers = [ask(1), ask(12)];
  await settle();
  answers.push(ask(3));
  await settle();

  // 23 waits for both, and 33 and 42 for 23; 5 shares nothing with those who wait.
  answers.push(ask(23), ask(33), ask(42), ask(5));
  await settle();
  const before = departed.map(({ requests }) => requests);
  departed[0]!.answer();
  await settle();
  departed[1]!.answer();
  await settle();
  departed[2]!.answer();
  departed[3]!.answer();
  await Promise.all(answers);

  expect(before).toEqual([[1, 12], [3], [5]]);
  expect(departed.map(({ requests }) => requests)).toEqual([[1, 12], [3], [5], [23, 33, 42]]);
});

test("the deadline of a batch is the latest of its callers'", async () => {
  const { departed, ask } = createTestBatcher();
  const { signal } = new AbortController();
  void ask(2, { signal, deadlineMs: 1_000 });
  void ask(3, { signal, deadlineMs: 3_000 });
  void ask(4, { signal, deadlineMs: 2_000 });
  await settle();

  expect(departed[0]!.deadline.deadlineMs).toBe(3_000);
});

test("requests that arrive while a batch is under way leave together, in the order of their arrival", async () => {
  const { departed, ask } = createTestBatcher();
  const first = ask(1);
  await settle();
  const answers = [first, ...[2, 3, 4].map((request) => ask(request))];

  departed[0]!.answer();
  await settle();
  departed[1]!.answer();

  expect(departed.map(({ requests }) => requests)).toEqual([[1], [2, 3, 4]]);
  expect(await Promise.all(answers)).toEqual(["answer 1", "answer 2", "answer 3", "answer 4"]);
});

test("a batch is bounded in requests and in weight, and one request may weigh more by itself", async () => {
  const { departed, ask } = createTestBatcher({ requestsMax: 3, weigh: (request) => request, weightMax: 10 });
  const answers = [1, 2, 3, 4, 5, 6, 50, 1].map((request) => ask(request));
  await settle();

  for (let n = 0; n < departed.length; n++) {
    departed[n]!.answer();
    await settle();
  }
  await Promise.all(answers);

  expect(departed.map(({ requests }) => requests)).toEqual([[1, 2, 3], [4, 5], [6], [50], [1]]);
});

test("a request waits while one of its key is under way, also if that one's caller has left", async () => {
  const { departed, ask } = createTestBatcher({ batches: 2, keysOf: (request) => [`${request}`] });
  const leaver = new AbortController();
  const first = ask(1, patient(leaver.signal)).catch((reason: unknown) => reason);
  await settle();
  leaver.abort("gone");

  const again = ask(1);
  const other = ask(2);
  await settle();
  departed[1]!.answer();
  await settle();
  const before = departed.map(({ requests }) => requests);
  departed[0]!.answer();
  await settle();
  departed[2]!.answer();

  expect([await first, await again, await other]).toEqual(["gone", "answer 1", "answer 2"]);
  expect(before).toEqual([[1], [2]]);
});

test("requests of one key never share a batch", async () => {
  const { departed, ask } = createTestBatcher({ keysOf: (request) => [`${request % 2}`] });
  const answers = [1, 2, 3, 4, 5].map((request) => ask(request));
  await settle();

  for (let n = 0; n < departed.length; n++) {
    departed[n]!.answer();
    await settle();
  }
  await Promise.all(answers);

  expect(departed.map(({ requests }) => requests)).toEqual([[1, 2], [3, 4], [5]]);
});

test("a read that starts after an acknowledged write sees it, in any order of calls", async () => {
  const step = fc.record({
    kind: fc.constantFrom("write", "read"),
    waitTicks: fc.nat(3),
    takesTicks: fc.nat(3),
  });
  const tick = async (ticks: number): Promise<void> => {
    for (let n = 0; n < ticks; n++) await settle();
  };

  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 30 }),
      fc.integer({ min: 1, max: 3 }),
      async (steps, sets) => {
        let stored = 0;
        let acknowledged = 0;
        const delays = steps.map(({ takesTicks }) => takesTicks);
        const write = createBatcher<null, null>(
          async (requests) => {
            await tick(delays.pop() ?? 0);
            stored += requests.length;
            return requests.map(() => null);
          },
          { batches: sets, requestsMax: 4 },
        );
        const read = createBatcher<null, number>(
          async (requests) => {
            const seen = stored;
            await tick(delays.pop() ?? 0);
            return requests.map(() => seen);
          },
          { batches: sets, requestsMax: 4 },
        );

        const calls = [];
        const stale: number[] = [];
        for (const { kind, waitTicks } of steps) {
          await tick(waitTicks);
          const before = acknowledged;
          if (kind === "write") calls.push(write(null, patient()).then(() => acknowledged++));
          else calls.push(read(null, patient()).then((seen) => stale.push(...(seen < before ? [seen] : []))));
        }
        await Promise.all(calls);

        expect(stale).toEqual([]);
        expect([stored, acknowledged]).toEqual(
          Array(2).fill(steps.filter(({ kind }) => kind === "write").length),
        );
      },
    ),
    { numRuns: 200 },
  );
});
