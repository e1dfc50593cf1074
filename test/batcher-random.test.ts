import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { createBatcher } from "../src/db/engine/batcher.ts";
import { DomainError } from "../src/errors.ts";
import { lateMs, patient, settle, useBatcherClock } from "./support/batchers.ts";

useBatcherClock();

type Departed = {
  readonly requests: readonly number[];
  readonly atMs: number;
  readonly answer: () => void;
  readonly fail: (error: unknown) => void;
};

/** Requests that share nothing with others begin here. */
const freeFrom = 1_000;
const keysOf = (request: number): string[] => [`${request < freeFrom ? request % 7 : request}`];
const locksOf = (request: number): string[] =>
  request < freeFrom ? [`${request % 3} of 3`, `${request % 4} of 4`] : [];

/** A batcher of writes whose database obeys the signal, and what it has not answered. */
function openBatcher() {
  const open = new Set<Departed>();
  const departures: (readonly number[])[] = [];
  const left = new Set<number>();
  const wrong: string[] = [];
  const shared = (requests: readonly number[], toNames: (request: number) => string[], sinceMs: number) => {
    const names = new Set(requests.flatMap(toNames));
    return [...open].some(
      (set) => set.atMs > sinceMs && set.requests.flatMap(toNames).some((n) => names.has(n)),
    );
  };
  const batcher = createBatcher<number, number>(
    (requests, { signal, throwIfStale }) =>
      new Promise((resolve, reject) => {
        throwIfStale?.();
        const end = (): void => void open.delete(set);
        const answer = (): void => (end(), resolve(requests));
        const fail = (error: unknown): void => (end(), reject(error));
        const set = { requests, atMs: performance.now(), answer, fail };
        if (shared(requests, keysOf, -Infinity)) wrong.push(`a key twice under way: ${requests.join()}`);
        if (shared(requests, locksOf, performance.now() - lateMs))
          wrong.push(`a lock twice: ${requests.join()}`);
        if (requests.some((request) => left.has(request)))
          wrong.push(`sent after leaving: ${requests.join()}`);
        if (requests.length > 5) wrong.push(`too many: ${requests.join()}`);
        open.add(set);
        departures.push(requests);
        signal.addEventListener("abort", () => fail(signal.reason));
      }),
    { batches: 2, requestsMax: 5, writes: true, keysOf, locksOf },
  );
  return { batcher, open, departures, left, wrong };
}

const step = fc.record({
  kind: fc.constantFrom("ask", "ask", "ask", "ask", "leave", "answer", "answer", "refuse", "break", "wait"),
  which: fc.nat(1_000),
});

test("whatever arrives, leaves, comes late or fails, each caller is answered and nothing stays taken", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: "max" }), async (steps) => {
      vi.clearAllTimers();
      const opened = openBatcher();
      const { batcher, open, left, wrong } = opened;
      const callers: AbortController[] = [];
      const answers: Promise<number>[] = [];
      const ask = (request: number, signal?: AbortSignal): void => {
        const answer = batcher(request, patient(signal));
        answer.catch(() => {});
        answers.push(answer);
      };
      const play = ({ kind, which }: { kind: string; which: number }): void => {
        const set = [...open][which % open.size];
        if (kind === "ask") {
          const caller = new AbortController();
          ask(callers.push(caller) - 1, caller.signal);
        } else if (kind === "leave") {
          const request = which % callers.length;
          callers[request]?.abort(new Error("left"));
          left.add(request);
        } else if (kind === "answer") set?.answer();
        else if (kind === "refuse") set?.fail(new DomainError("DATABASE_UNAVAILABLE", "away"));
        else if (kind === "break") set?.fail(new Error("broken"));
        else vi.advanceTimersByTime(which);
      };

      for (const each of steps) {
        play(each);
        if (each.which % 3 > 0) await settle();
      }
      await settle();
      while (open.size > 0) {
        for (const set of open) set.answer();
        await settle();
      }
      const outcomes = await Promise.allSettled(answers);

      expect(wrong).toEqual([]);
      expect(
        outcomes.map((outcome, n) => outcome.status === "rejected" || outcome.value === n),
      ).not.toContain(false);
      expect(vi.getTimerCount()).toBe(0);
      await expectAtRest((request) => ask(request), opened);
    }),
    { numRuns: 200 },
  );
});

/** Every lock and both places of batches can be had at once, and then every place of those who go alone. */
async function expectAtRest(
  ask: (request: number) => void,
  { open, departures }: ReturnType<typeof openBatcher>,
) {
  departures.length = 0;
  const [locking, free] = [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4].map((n) => freeFrom + n)];
  locking.forEach(ask);
  await settle();
  free.forEach(ask);
  await settle();
  const [first, second] = open;
  first?.answer();
  second?.fail(new Error("broken"));
  await settle();
  expect(departures).toEqual([locking, free, ...free.slice(0, 4).map((request) => [request])]);
}
