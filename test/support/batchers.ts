import { afterAll, beforeAll, vi } from "vitest";
import { createBatcher, type BatcherOptions } from "../../src/db/engine/batcher.ts";
import type { Deadline } from "../../src/db/engine/deadline.ts";

/** A batch that has left and waits to be answered. */
type Departed = {
  readonly requests: readonly number[];
  readonly deadline: Deadline;
  answer(): void;
  fail(error: unknown): void;
};

/** A batcher whose batches a test answers, in the order in which they left. */
export function createTestBatcher(options: Partial<BatcherOptions<number>> = {}): {
  readonly departed: Departed[];
  readonly ask: (request: number, deadline?: Deadline) => Promise<string>;
} {
  const departed: Departed[] = [];
  const ask = createBatcher<number, string>(
    (requests, deadline) =>
      new Promise((resolve, reject) => {
        const answer = (): void => resolve(requests.map((request) => `answer ${request}`));
        deadline.throwIfStale?.();
        departed.push({ requests, deadline, answer, fail: reject });
      }),
    { batches: 1, requestsMax: 100, ...options },
  );
  return { departed, ask: (request, deadline = patient()) => ask(request, deadline) };
}

/** Has the timers of batchers wait for `vi.advanceTimersByTime`: a busy machine makes no batch late. */
export function useBatcherClock(): void {
  beforeAll(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] }));
  afterAll(() => void vi.useRealTimers());
}

/** A batch that is not back after this, the first of its batcher, is late. */
export const lateMs = 100;

export function patient(signal = new AbortController().signal): Deadline {
  return { signal, deadlineMs: Date.now() + 60_000 };
}

/**
 * Lets all happen that needs no timer: answers come in one turn of the event loop, batches leave in another.
 */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
};
