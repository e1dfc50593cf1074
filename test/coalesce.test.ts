import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { createLane, type LaneOptions } from "../src/db/coalesce.ts";
import { DomainError } from "../src/db/errors.ts";
import type { Budget } from "../src/db/retry.ts";

/** A set that has left and waits to be answered. */
type Departed = {
  readonly requests: readonly number[];
  readonly budget: Budget;
  answer(): void;
  fail(error: unknown): void;
};

/** A lane whose sets a test answers, in the order in which they left. */
function createTestLane(options: Partial<LaneOptions<number>> = {}): {
  readonly departed: Departed[];
  readonly ask: (request: number, budget?: Budget) => Promise<string>;
} {
  const departed: Departed[] = [];
  const ask = createLane<number, string>(
    (requests, budget) =>
      new Promise((resolve, reject) => {
        const answer = (): void => resolve(requests.map((request) => `answer ${request}`));
        departed.push({ requests, budget, answer, fail: reject });
      }),
    { sets: 1, requestsMax: 100, ...options },
  );
  return { departed, ask: (request, budget = patient()) => ask(request, budget) };
}

function patient(signal = new AbortController().signal): Budget {
  return { signal, deadlineMs: Date.now() + 60_000 };
}

/** Lets everything happen that needs no timer: answers in one turn of the event loop, sets leave in the next. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test("requests leave when nothing is under way, all of one turn of the event loop together", async () => {
  const { departed, ask } = createTestLane();

  const answers = [ask(1), ask(2)];
  await settle();
  departed[0]!.answer();

  expect(departed.map(({ requests }) => requests)).toEqual([[1, 2]]);
  expect(await Promise.all(answers)).toEqual(["answer 1", "answer 2"]);
});

test("a second set leaves when it is at least half as large as the one under way", async () => {
  const { departed, ask } = createTestLane({ sets: 2 });
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
  const locksOf = (request: number): string[] => [...String(request)];
  const { departed, ask } = createTestLane({ sets: 3, locksOf });
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

test("a set that is not back in time gives up its place and its locks", async () => {
  const { departed, ask } = createTestLane({ locksOf: () => ["row"] });
  const answers = [ask(1)];
  await settle();

  answers.push(ask(2));
  await vi.waitFor(() => expect(departed).toHaveLength(2));
  departed.forEach((set) => set.answer());

  expect(await Promise.all(answers)).toEqual(["answer 1", "answer 2"]);
});

test("requests that arrive while a set is under way leave together, in the order of their arrival", async () => {
  const { departed, ask } = createTestLane();
  const first = ask(1);
  await settle();
  const answers = [first, ...[2, 3, 4].map((request) => ask(request))];

  departed[0]!.answer();
  await settle();
  departed[1]!.answer();

  expect(departed.map(({ requests }) => requests)).toEqual([[1], [2, 3, 4]]);
  expect(await Promise.all(answers)).toEqual(["answer 1", "answer 2", "answer 3", "answer 4"]);
});

test("a set is bounded in requests and in weight, and one request may weigh more by itself", async () => {
  const { departed, ask } = createTestLane({ requestsMax: 3, weigh: (request) => request, weightMax: 10 });
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
  const { departed, ask } = createTestLane({ sets: 2, keysOf: (request) => [`${request}`] });
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

test("requests of one key never share a set", async () => {
  const { departed, ask } = createTestLane({ keysOf: (request) => [`${request % 2}`] });
  const answers = [1, 2, 3, 4, 5].map((request) => ask(request));
  await settle();

  for (let n = 0; n < departed.length; n++) {
    departed[n]!.answer();
    await settle();
  }
  await Promise.all(answers);

  expect(departed.map(({ requests }) => requests)).toEqual([[1, 2], [3, 4], [5]]);
});

test("a caller who has left before its set is not sent", async () => {
  const { departed, ask } = createTestLane();
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

test("a set is stopped when all its callers have left, and not before", async () => {
  const { departed, ask } = createTestLane();
  const [first, second] = [new AbortController(), new AbortController()];
  const answers = [ask(2, patient(first.signal)), ask(3, patient(second.signal))];
  await settle();
  const { signal } = departed[0]!.budget;

  first.abort(new Error("gone"));
  const before = signal.aborted;
  second.abort(new Error("gone too"));

  expect([before, signal.aborted]).toEqual([false, true]);
  await expect(answers[0]).rejects.toThrow("gone");
  await expect(answers[1]).rejects.toThrow("gone too");
});

test("the deadline of a set is the latest of its callers'", async () => {
  const { departed, ask } = createTestLane();
  const { signal } = new AbortController();
  void ask(2, { signal, deadlineMs: 1_000 });
  void ask(3, { signal, deadlineMs: 3_000 });
  void ask(4, { signal, deadlineMs: 2_000 });
  await settle();

  expect(departed[0]!.budget.deadlineMs).toBe(3_000);
});

test("a set that fails for an unknown reason is run again request by request", async () => {
  const { departed, ask } = createTestLane();
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

test("what the database says of a whole set is said to all of its callers", async () => {
  const { departed, ask } = createTestLane();
  const answers = [2, 3].map((request) => ask(request));
  await settle();

  departed[0]!.fail(new DomainError("unavailable", "DATABASE_UNAVAILABLE", "away"));

  await expect(answers[0]).rejects.toThrow("away");
  await expect(answers[1]).rejects.toThrow("away");
  expect(departed).toHaveLength(1);
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
        const write = createLane<null, null>(
          async (requests) => {
            await tick(delays.pop() ?? 0);
            stored += requests.length;
            return requests.map(() => null);
          },
          { sets, requestsMax: 4 },
        );
        const read = createLane<null, number>(
          async (requests) => {
            const seen = stored;
            await tick(delays.pop() ?? 0);
            return requests.map(() => seen);
          },
          { sets, requestsMax: 4 },
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

        expect([stored, acknowledged]).toEqual(
          Array(2).fill(steps.filter(({ kind }) => kind === "write").length),
        );
      },
    ),
    { numRuns: 200 },
  );
});
