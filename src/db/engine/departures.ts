import type { Holdings, Needs } from "./holdings.ts";
import type { Line } from "../../line.ts";
import { createPace, type Pace } from "./pace.ts";
import type { Waiter } from "./waiters.ts";

/** Bounds of a batch. */
export type BatchBounds<Q> = {
  /** Requests of one batch. */
  readonly requestsMax: number;
  /**
   * What a request weighs, such as its lines, and what a batch may weigh; one request may weigh more by
   * itself.
   */
  readonly weigh?: (request: Q) => number;
  readonly weightMax?: number;
};

/** Puts requests back: in front of the queue or, where they must go alone, among the single ones. */
export function takeBack<Q, A>(
  queue: Line<Waiter<Q, A>>,
  singles: Line<Waiter<Q, A>>,
  waiters: readonly Waiter<Q, A>[],
): void {
  const together = waiters.filter(({ alone }) => !alone);
  for (const waiter of waiters) if (waiter.alone) singles.add(waiter);
  if (together.length === 0) return;
  const later = [...queue];
  for (const waiter of later) queue.delete(waiter);
  for (const waiter of [...together, ...later]) queue.add(waiter);
}

/**
 * Lets the requests that wait to go alone for one of these locks share batches again, in front of the queue:
 * the database does not hold up these locks after all.
 */
export function rejoin<Q, A>(queue: Line<Waiter<Q, A>>, singles: Line<Waiter<Q, A>>, { locks }: Needs): void {
  const waiting = [...singles].filter(
    (waiter) => waiter.alone !== "suspect" && waiter.locks.some((lock) => locks.includes(lock)),
  );
  for (const waiter of waiting) {
    singles.delete(waiter);
    waiter.alone = undefined;
  }
  takeBack(queue, singles, waiting);
}

/** Places for what is in flight: batches, or requests that go alone. */
export type Room = {
  readonly pace: Pace;
  hasPlace(): boolean;
  /** Whether a batch of so many requests is large enough to leave beside those in flight. */
  isWorth(requests: number): boolean;
  /** Takes a place for so many requests and returns what gives it back, once. */
  enter(requests: number): () => void;
};

export function createRoom(batchesMax: number): Room {
  let [batches, requestsUnderWay] = [0, 0];
  return {
    pace: createPace(),
    hasPlace: () => batches < batchesMax,
    isWorth: (requests) => 2 * requests * batches >= requestsUnderWay,
    enter(requests) {
      let isIn = true;
      batches++;
      requestsUnderWay += requests;
      return () => {
        if (!isIn) return;
        isIn = false;
        batches--;
        requestsUnderWay -= requests;
      };
    },
  };
}

export function toNeeds(batch: readonly Needs[]): Needs {
  const locks = batch.flatMap((each) => each.locks);
  return { keys: batch.flatMap((each) => each.keys), locks: [...new Set(locks)] };
}

/**
 * The first requests that may leave together: within bounds, and without keys or locks that are in flight.
 */
export function chooseBatch<Q, A>(
  queue: Iterable<Waiter<Q, A>>,
  { requestsMax, weigh = () => 1, weightMax = Infinity }: BatchBounds<Q>,
  holdings: Holdings,
): Waiter<Q, A>[] {
  const batch: Waiter<Q, A>[] = [];
  const keys = new Set<string>();
  // The locks of requests that must wait: a later request does not get them first.
  const awaited = new Set<string>();
  let weight = 0;
  for (const waiter of queue) {
    if (batch.length >= requestsMax) break;
    if (waiter.keys.some((key) => holdings.hasKey(key) || keys.has(key))) continue;
    if (waiter.locks.some((lock) => holdings.hasLock(lock) || awaited.has(lock))) {
      for (const lock of waiter.locks) awaited.add(lock);
      for (const key of waiter.keys) keys.add(key);
      continue;
    }
    weight += weigh(waiter.request);
    if (batch.length > 0 && weight > weightMax) break;
    for (const key of waiter.keys) keys.add(key);
    batch.push(waiter);
  }
  return batch;
}
