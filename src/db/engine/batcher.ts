import { createHoldings, type Holdings, type Needs } from "./holdings.ts";
import { createPace, type Pace } from "./pace.ts";
import type { Deadline } from "./deadline.ts";
import { createWaiter, runBatch, type Waiter } from "./waiters.ts";

/** What a batcher runs: one answer for each request, in their order. */
export type BatchOperation<Q, A> = (requests: readonly Q[], deadline: Deadline) => Promise<readonly A[]>;

/** Bounds of a batcher; see `createBatcher`. */
export type BatcherOptions<Q> = {
  /** Batches under way at once. */
  readonly batches: number;
  /** Whether requests change something; default: they read. */
  readonly writes?: boolean;
  /** Requests of one batch. */
  readonly requestsMax: number;
  /**
   * What a request weighs, such as its lines, and what a batch may weigh; one request may weigh more by
   * itself.
   */
  readonly weigh?: (request: Q) => number;
  readonly weightMax?: number;
  /**
   * Requests that share a key are never under way together: the later one waits until the batch of the
   * earlier one is back, also if its caller has left. So the repetition of a call meets what the call has
   * done.
   */
  readonly keysOf?: (request: Q) => readonly string[];
  /**
   * What the database locks for a request. Requests that share a lock leave in one batch or one after the
   * other, never in two batches at once: the second batch would wait for the first one only to be aborted.
   */
  readonly locksOf?: (request: Q) => readonly string[];
};

/** Requests under way at once that go alone, because what they were part of was late or failed. */
const singlesMax = 4;

/**
 * Turns an operation on batches into one for single requests. While nothing is under way a request leaves at
 * the end of the event loop's turn, together with all that arrived in the same turn. Those that arrive when a
 * batch is under way leave in a second one when they are at least half as many, since a batch costs about as
 * much as some ten requests; the others wait until one comes back, first come, first served: the more there
 * are, the more share a round trip.
 *
 * A caller keeps its own signal: when it leaves before its batch does, its request is not sent; when all
 * callers of a batch have left, the batch is stopped. A batch begins after each of its requests has arrived:
 * a read sees every write that was answered before it was asked.
 *
 * A batch that is late stops counting, so that it holds up no others. One of writes is stopped, and its
 * requests are sent one by one: what holds up one of them, such as a locked row, does not hold up the others,
 * and a caller who has left does not find its request done later at another replica. So are those of a batch
 * that fails for a reason which may lie in one of them. While a request is late, others that need its locks
 * go alone, too, and not in batches whose others they would hold up. Those who go alone leave before batches
 * that need the same locks, which might always be ahead of them. When one is back in time, others that were
 * late for its locks share batches again: their batch had been slow, and one by one they would never catch
 * up.
 */
export function createBatcher<Q, A>(
  operation: BatchOperation<Q, A>,
  options: BatcherOptions<Q>,
): (request: Q, deadline: Deadline) => Promise<A> {
  const { batches, writes = false, keysOf = () => [], locksOf = () => [] } = options;
  const [queue, singles] = [new Set<Waiter<Q, A>>(), new Set<Waiter<Q, A>>()];
  const [inBatches, alone, holdings] = [createRoom(batches), createRoom(singlesMax), createHoldings()];
  let scheduled = false;

  const onLeave = (waiter: Waiter<Q, A>): void => void (queue.delete(waiter) || singles.delete(waiter));

  return (request, deadline) =>
    new Promise<A>((resolve, reject) => {
      if (deadline.signal.aborted) return reject(deadline.signal.reason);
      const about = { request, deadline, keys: keysOf(request), locks: locksOf(request) };
      queue.add(createWaiter<Q, A>({ ...about, resolve, reject, onLeave }));
      schedule();
    });

  function schedule(): void {
    const mayDepart = (queue.size > 0 && inBatches.hasPlace()) || (singles.size > 0 && alone.hasPlace());
    if (!scheduled && mayDepart) setImmediate(depart);
    scheduled ||= mayDepart;
  }

  function depart(): void {
    scheduled = false;
    for (const waiter of queue) if (holdings.isHeldUp(waiter) && queue.delete(waiter)) singles.add(waiter);
    for (const waiter of singles) {
      if (!alone.hasPlace()) break;
      if (waiter.keys.some(holdings.hasKey) || waiter.locks.some(holdings.hasLock)) continue;
      singles.delete(waiter);
      void send([waiter], alone);
    }
    while (inBatches.hasPlace()) {
      const batch = chooseBatch(queue, options, holdings);
      if (batch.length === 0 || !inBatches.isWorth(batch.length)) break;
      for (const waiter of batch) queue.delete(waiter);
      void send(batch, inBatches);
    }
  }

  async function send(batch: readonly Waiter<Q, A>[], room: Room): Promise<void> {
    const needs = toNeeds(batch);
    let isHeldUp = false;
    holdings.take(needs);
    const leave = room.enter(batch.length);
    const onLate = (goesOn: boolean): void => {
      leave();
      isHeldUp = goesOn;
      if (isHeldUp) holdings.holdUp(needs);
      schedule();
    };
    const again = await runBatch(batch, operation, { writes, pace: room.pace, onLate });
    for (const waiter of again) waiter.onLeave = onLeave;
    takeBack(queue, singles, again);
    holdings.release(needs, isHeldUp);
    if (room === alone && !isHeldUp && !batch[0]!.left) holdings.clear(needs);
    if (room === alone && !holdings.isHeldUp(needs)) rejoin(queue, singles, needs);
    leave();
    schedule();
  }
}

/** Has requests wait again: before all others, where nothing says that they must go alone. */
function takeBack<Q, A>(
  queue: Set<Waiter<Q, A>>,
  singles: Set<Waiter<Q, A>>,
  waiters: readonly Waiter<Q, A>[],
): void {
  const together = waiters.filter(({ alone }) => !alone);
  for (const waiter of waiters) if (waiter.alone) singles.add(waiter);
  if (together.length === 0) return;
  const later = [...queue];
  queue.clear();
  for (const waiter of [...together, ...later]) queue.add(waiter);
}

/**
 * Has those who wait to go alone for one of these locks, which the database does not hold up after all, share
 * batches again, before all others.
 */
function rejoin<Q, A>(queue: Set<Waiter<Q, A>>, singles: Set<Waiter<Q, A>>, { locks }: Needs): void {
  const waiting = [...singles].filter(
    (waiter) => waiter.alone !== "suspect" && waiter.locks.some((lock) => locks.includes(lock)),
  );
  for (const waiter of waiting) {
    singles.delete(waiter);
    waiter.alone = undefined;
  }
  takeBack(queue, singles, waiting);
}

/** Places for what is under way: batches, or requests that go alone. */
type Room = {
  readonly pace: Pace;
  hasPlace(): boolean;
  /** Whether a batch of so many requests is large enough to go beside those under way. */
  isWorth(requests: number): boolean;
  /** Takes a place for so many requests and returns what gives it back, once. */
  enter(requests: number): () => void;
};

function createRoom(batchesMax: number): Room {
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

function toNeeds(batch: readonly Needs[]): Needs {
  const locks = batch.flatMap((each) => each.locks);
  return { keys: batch.flatMap((each) => each.keys), locks: [...new Set(locks)] };
}

/** The first who may leave together, within bounds and without the keys and locks that are under way. */
function chooseBatch<Q, A>(
  queue: Iterable<Waiter<Q, A>>,
  { requestsMax, weigh = () => 1, weightMax = Infinity }: BatcherOptions<Q>,
  holdings: Holdings,
): Waiter<Q, A>[] {
  const batch: Waiter<Q, A>[] = [];
  const keys = new Set<string>();
  // The locks of those who wait for one: who came later does not get them before.
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
