import { createLane, type LaneOptions } from "../../src/db/coalesce.ts";
import type { Budget } from "../../src/db/retry.ts";

/** A set that has left and waits to be answered. */
type Departed = {
  readonly requests: readonly number[];
  readonly budget: Budget;
  answer(): void;
  fail(error: unknown): void;
};

/** A lane whose sets a test answers, in the order in which they left. */
export function createTestLane(options: Partial<LaneOptions<number>> = {}): {
  readonly departed: Departed[];
  readonly ask: (request: number, budget?: Budget) => Promise<string>;
} {
  const departed: Departed[] = [];
  const ask = createLane<number, string>(
    (requests, budget) =>
      new Promise((resolve, reject) => {
        const answer = (): void => resolve(requests.map((request) => `answer ${request}`));
        budget.throwIfStale?.();
        departed.push({ requests, budget, answer, fail: reject });
      }),
    { sets: 1, requestsMax: 100, ...options },
  );
  return { departed, ask: (request, budget = patient()) => ask(request, budget) };
}

export function patient(signal = new AbortController().signal): Budget {
  return { signal, deadlineMs: Date.now() + 60_000 };
}

/** Lets all happen that needs no timer: answers come in one turn of the event loop, sets leave in another. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
};
