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
import { Line } from "../../line.ts";
import type { Pace } from "./pace.ts";
import { shareDeadline, split } from "./shared-deadline.ts";
import { createWaiter, type Wait, type Waiter } from "./waiters.ts";

/** What a batcher runs: one answer for each request, in their order. */
export type BatchOperation<Q, A> = (requests: readonly Q[], deadline: Deadline) => Promise<readonly A[]>;

/** Is told of the batches of a batcher, for metrics and traces. */
export type BatchObserver = {
  /** A request begins to wait for its batch. */
  readonly wait: () => Wait;
  /** Runs a batch, whose requests have waited until now. */
  readonly run: <T>(waits: readonly Wait[], work: () => Promise<T>) => Promise<T>;
};

const unobserved: BatchObserver = { wait: () => noWait, run: (_, work) => work() };
const noWait: Wait = { sinceMs: 0 };

/** Bounds of a batcher; see `createBatcher`. */
export type BatcherOptions<Q> = BatchBounds<Q> & {
  /** Batches in flight at once. */
  readonly batches: number;
  /** Whether requests change something; default: they read. */
  readonly writes?: boolean;
  /**
   * Requests that share a key are never in flight together: the later one waits until the batch of the
   * earlier one is back, even if its caller has left. So a repeated call meets what the first one did.
   */
  readonly keysOf?: (request: Q) => readonly string[];
  /**
   * What the database locks for a request. Requests that share a lock leave in one batch or one after the
   * other, never in two batches at once: the second batch would wait for the first one only to be aborted.
   */
  readonly locksOf?: (request: Q) => readonly string[];
  /**
   * What is sent again for a request whose batch was stopped: that batch may still arrive, even after the
   * answer. By default the request itself.
   */
  readonly toRepeated?: (request: Q) => Q;
  readonly observer?: BatchObserver | undefined;
};

/** Requests in flight at once that go alone, because their batch was late or failed. */
const singlesMax = 4;

/**
 * Turns an operation on batches into one for single requests. With nothing in flight, a request leaves at the
 * end of the event loop's turn, together with all that arrived in that turn. With a batch in flight, the
 * requests that have arrived since leave as a second batch once they are at least half as many: a batch costs
 * about as much as ten requests. The others wait until a batch comes back, first come, first served; the more
 * there are, the more share a round trip.
 *
 * Each caller keeps its own signal: the request of a caller that leaves before its batch is not sent, and a
 * batch whose callers have all left is stopped. A batch begins after its requests have arrived, so a read
 * sees every write that was answered before the read was asked for.
 *
 * A late batch gives up its place, so that it holds up no others. A late batch of writes is also stopped, and
 * its requests are sent one by one: a locked row holds up its own request only, and a caller that has left
 * does not find its request done later at another replica. The requests of a batch that failed for a reason
 * which may lie in one of them are sent one by one as well. While a request is late, other requests that need
 * its locks go alone, too, so that they hold up no batch. Requests that go alone leave before batches that
 * need the same locks. When one comes back in time, the others that waited for its locks share batches again:
 * their batch had been slow, and one by one they would never catch up.
 */
export function createBatcher<Q, A>(
  operation: BatchOperation<Q, A>,
  options: BatcherOptions<Q>,
): (request: Q, deadline: Deadline) => Promise<A> {
  const { batches, writes = false, keysOf = () => [], locksOf = () => [], toRepeated } = options;
  const { observer = unobserved } = options;
  const [queue, singles] = [new Line<Waiter<Q, A>>(), new Line<Waiter<Q, A>>()];
  const [inBatches, alone, holdings] = [createRoom(batches), createRoom(singlesMax), createHoldings()];
  let scheduled = false;
  const onLeave = (waiter: Waiter<Q, A>): void => void (queue.delete(waiter) || singles.delete(waiter));

  return (request, deadline) =>
    new Promise<A>((resolve, reject) => {
      if (deadline.signal.aborted) return reject(deadline.signal.reason);
      const about = { request, deadline, keys: keysOf(request), locks: locksOf(request) };
      queue.add(createWaiter<Q, A>({ ...about, resolve, reject, onLeave, wait: observer.wait() }));
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
    const how = { writes, pace: room.pace, onLate, toRepeated, observer };
    const again = await runObserved(batch, operation, how);
    for (const waiter of again) waiter.onLeave = onLeave;
    takeBack(queue, singles, again);
    holdings.release(needs, isHeldUp);
    if (room === alone && !isHeldUp && !batch[0]!.left) holdings.clear(needs);
    if (room === alone && !holdings.isHeldUp(needs)) rejoin(queue, singles, needs);
    leave();
    schedule();
  }
}

type Run<Q> = {
  readonly writes: boolean;
  readonly pace: Pace;
  /** Called once when the batch is late, with whether it goes on. */
  readonly onLate: (goesOn: boolean) => void;
  readonly toRepeated: ((request: Q) => Q) | undefined;
};

/** Runs a batch as `runBatch` does, and tells its observer. */
async function runObserved<Q, A>(
  batch: readonly Waiter<Q, A>[],
  operation: BatchOperation<Q, A>,
  { observer, ...how }: Run<Q> & { readonly observer: BatchObserver },
): Promise<readonly Waiter<Q, A>[]> {
  const waits = batch.map(({ wait }) => wait);
  const again = await observer.run(waits, () => runBatch(batch, operation, how));
  for (const waiter of again) waiter.wait = { ...waiter.wait, sinceMs: performance.now() };
  return again;
}

/**
 * Answers waiters with what `operation` returns for their requests, and returns the waiters to send again:
 * those of a batch that was late, that failed for a reason which may lie in one request, or that a caller
 * left before it was sent. A batch that waits for a connection is not late: one by one its requests would
 * wait as long, and for as many connections.
 */
async function runBatch<Q, A>(
  batch: readonly Waiter<Q, A>[],
  operation: BatchOperation<Q, A>,
  { writes, pace, onLate, toRepeated = (request) => request }: Run<Q>,
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
    // Node.js warns of a negative time.
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
  const requests = batch.map(({ request, inDoubt }) => (inDoubt ? toRepeated(request) : request));
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

/** A waiter that is about to be answered: its signal does not count any more. */
function settle<Q, A>(waiter: Waiter<Q, A>): Waiter<Q, A> {
  waiter.deadline.signal.removeEventListener("abort", waiter.leave);
  return waiter;
}
