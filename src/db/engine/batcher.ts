import { afterwards, DomainError } from "../../errors.ts";
import type { Deadline } from "./deadline.ts";
import {
  type BatchBounds,
  chooseBatch,
  createRoom,
  rejoin,
  type Room,
  takeBack,
  toNeeds,
} from "./departures.ts";
import { createHoldings } from "./holdings.ts";
import type { Pace } from "./pace.ts";
import { createWaiter, type Waiter } from "./waiters.ts";

/** What a batcher runs: one answer for each request, in their order. */
export type BatchOperation<Q, A> = (requests: readonly Q[], deadline: Deadline) => Promise<readonly A[]>;

/** Bounds of a batcher; see `createBatcher`. */
export type BatcherOptions<Q> = BatchBounds<Q> & {
  /** Batches under way at once. */
  readonly batches: number;
  /** Whether requests change something; default: they read. */
  readonly writes?: boolean;
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

/** Why a batch is cut short of which some callers go on waiting. */
const split = new Error("the batch was split");

type Run = {
  readonly writes: boolean;
  readonly pace: Pace;
  /** Told once when the batch is late, and whether it goes on all the same. */
  readonly onLate: (goesOn: boolean) => void;
};

/**
 * Answers waiters with what `operation` returns for their requests, and returns those who are to be sent
 * again: of a batch that was late, or that failed for a reason which may lie in one of them, and of one that
 * a caller has left before it was sent. A batch that waits for a connection is not late: its requests would
 * wait as long one by one, and for as many connections.
 */
async function runBatch<Q, A>(
  batch: readonly Waiter<Q, A>[],
  operation: (requests: readonly Q[], deadline: Deadline) => Promise<readonly A[]>,
  { writes, pace, onLate }: Run,
): Promise<readonly Waiter<Q, A>[]> {
  const isSplit = writes && batch.length > 1;
  let since = performance.now();
  let lateAt = Infinity;
  let timer: NodeJS.Timeout | undefined;
  let isLate = false;
  const beLate = (): void => {
    isLate = true;
    if (isSplit) shared.split();
    onLate(!isSplit);
  };
  const watch = (ms: number): void => {
    clearTimeout(timer);
    // Node.js warns of a time that is over.
    if (!isLate) timer = setTimeout(beLate, Math.max(0, Math.min(ms, lateAt - performance.now())));
  };
  const begin = (): void => {
    if (lateAt < Infinity) return;
    since = performance.now();
    lateAt = since + pace.overdueMs();
    watch(Infinity);
  };
  const onLeave = (): void => void (lateAt < Infinity && watch(pace.leftMs()));
  const shared = shareDeadline(batch, { writes, begin, onLeave });
  const requests = batch.map(({ request }) => request);
  const again = await operation(requests, shared.deadline).then(
    (answers) => {
      batch.forEach((waiter, n) => settle(waiter).resolve(answers[n]!));
      return [];
    },
    (error: unknown) => fail(batch, error, { writes, wasSent: lateAt < Infinity }),
  );
  clearTimeout(timer);
  if (lateAt < Infinity) pace.note(performance.now() - since);
  return again;
}

function fail<Q, A>(
  batch: readonly Waiter<Q, A>[],
  error: unknown,
  { writes, wasSent }: { readonly writes: boolean; readonly wasSent: boolean },
): readonly Waiter<Q, A>[] {
  if (batch.length > 1 && !(error instanceof DomainError)) {
    const staying = batch.filter(({ left }) => !left);
    for (const waiter of staying) {
      waiter.inDoubt ||= writes && wasSent;
      if (error !== split) waiter.alone = "suspect";
      else if (wasSent || waiter.isBack) waiter.alone = "late";
      waiter.isBack = !wasSent;
    }
    return staying;
  }
  for (const waiter of batch) settle(waiter).reject(waiter.inDoubt ? afterwards(error) : error);
  return [];
}

/** A waiter who is about to be answered and cannot leave any more. */
function settle<Q, A>(waiter: Waiter<Q, A>): Waiter<Q, A> {
  waiter.deadline.signal.removeEventListener("abort", waiter.leave);
  return waiter;
}

/** The deadline of a batch. */
type SharedDeadline = {
  readonly deadline: Deadline;
  /** Ends what runs on the deadline, for the sake of those who go on waiting. */
  readonly split: () => void;
};

type Watch = {
  readonly writes: boolean;
  /** Told whenever an attempt is about to be sent. */
  readonly begin: () => void;
  /** Told when a caller leaves and others stay. */
  readonly onLeave: () => void;
};

/**
 * The deadline of a batch: it ends when the last of its callers has left, or would stop waiting. A caller who
 * has left may be back at another replica: of writes, no attempt begins any more that has its request.
 */
function shareDeadline<Q, A>(
  batch: readonly Waiter<Q, A>[],
  { writes, begin, onLeave }: Watch,
): SharedDeadline {
  if (batch.length === 1)
    return { deadline: { ...batch[0]!.deadline, throwIfStale: begin }, split: () => {} };
  const all = new AbortController();
  let staying = batch.length;
  const leave = ({ deadline }: Waiter<Q, A>): void => {
    if (--staying === 0) all.abort(deadline.signal.reason);
    else onLeave();
  };
  for (const waiter of batch) waiter.onLeave = leave;
  const throwIfStale = (): void => {
    if (writes && staying < batch.length) all.abort(split);
    all.signal.throwIfAborted();
    begin();
  };
  const deadlineMs = Math.max(...batch.map((waiter) => waiter.deadline.deadlineMs));
  return { deadline: { signal: all.signal, deadlineMs, throwIfStale }, split: () => all.abort(split) };
}
