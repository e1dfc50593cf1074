import { DomainError } from "./errors.ts";
import type { Budget } from "./retry.ts";

/** What a lane runs: one answer for each request, in their order. */
export type SetOperation<Q, A> = (requests: readonly Q[], budget: Budget) => Promise<readonly A[]>;

/** Bounds of a lane; see `createLane`. */
export type LaneOptions<Q> = {
  /** Sets under way at once. */
  readonly sets: number;
  /** Requests of one set. */
  readonly requestsMax: number;
  /**
   * What a request weighs, such as its lines, and what a set may weigh; one request may weigh more by itself.
   */
  readonly weigh?: (request: Q) => number;
  readonly weightMax?: number;
  /**
   * Requests that share a key are never under way together: the later one waits until the set of the earlier
   * one is back, also if its caller has left. So the repetition of a call meets what the call has done.
   */
  readonly keysOf?: (request: Q) => readonly string[];
  /**
   * What the database locks for a request. Requests that share a lock leave in one set or one after the
   * other, never in two sets at once: the second set would wait for the first one only to be aborted.
   */
  readonly locksOf?: (request: Q) => readonly string[];
};

/** Far above what a set takes that nothing holds up, and far below what a caller would call an outage. */
const slowMs = 100;

type Waiter<Q, A> = {
  readonly request: Q;
  readonly budget: Budget;
  readonly keys: readonly string[];
  readonly locks: readonly string[];
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
  /** Listens to the signal until there is an answer. */
  readonly leave: () => void;
  /** What is done when the caller leaves: he is out of the queue, and later out of his set. */
  onLeave: (waiter: Waiter<Q, A>) => void;
  left: boolean;
};

/**
 * Turns an operation on sets into one for single requests. While nothing is under way a request leaves at
 * the end of the event loop's turn, together with all that arrived in the same turn. Those that arrive when
 * a set is under way leave in a second one when they are at least half as many, since a set costs about as
 * much as some ten requests; the others wait until one comes back, first come, first served: the more there
 * are, the more share a round trip.
 *
 * A caller keeps its own signal: when it leaves before its set does, its request is not sent; when all
 * callers of a set have left, the set is stopped. A set that fails for a reason which may lie in one request
 * is run again request by request, so that one cannot harm its neighbours. A set begins after each of its
 * requests has arrived: a read sees every write that was answered before it was asked.
 */
export function createLane<Q, A>(
  operation: SetOperation<Q, A>,
  options: LaneOptions<Q>,
): (request: Q, budget: Budget) => Promise<A> {
  const { sets, keysOf = () => [], locksOf = () => [] } = options;
  const queue = new Set<Waiter<Q, A>>();
  const keysUnderWay = new Set<string>();
  const locksUnderWay = new Set<string>();
  let [setsUnderWay, requestsUnderWay, scheduled] = [0, 0, false];

  const leaveQueue = (waiter: Waiter<Q, A>): void => void queue.delete(waiter);

  return (request, budget) =>
    new Promise<A>((resolve, reject) => {
      if (budget.signal.aborted) return reject(budget.signal.reason);
      const about = { request, budget, keys: keysOf(request), locks: locksOf(request) };
      const waiter = createWaiter<Q, A>({ ...about, resolve, reject, onLeave: leaveQueue });
      queue.add(waiter);
      schedule();
    });

  function schedule(): void {
    if (scheduled || queue.size === 0 || setsUnderWay >= sets) return;
    scheduled = true;
    setImmediate(depart);
  }

  function depart(): void {
    scheduled = false;
    while (setsUnderWay < sets) {
      const set = chooseSet(queue, options, keysUnderWay, locksUnderWay);
      if (set.length === 0 || 2 * set.length * setsUnderWay < requestsUnderWay) return;
      for (const waiter of set) {
        queue.delete(waiter);
        for (const key of waiter.keys) keysUnderWay.add(key);
        for (const lock of waiter.locks) locksUnderWay.add(lock);
      }
      void send(set);
    }
  }

  /**
   * Runs a set. One that is not back in time, because a row is locked or a connection dead, stops counting
   * and gives up its locks, so that it holds up no one else.
   */
  async function send(set: readonly Waiter<Q, A>[]): Promise<void> {
    let counted = true;
    const discount = (): void => {
      if (counted) {
        setsUnderWay--;
        requestsUnderWay -= set.length;
        for (const lock of set.flatMap(({ locks }) => locks)) locksUnderWay.delete(lock);
      }
      counted = false;
      schedule();
    };
    setsUnderWay++;
    requestsUnderWay += set.length;
    const timer = setTimeout(discount, slowMs);
    await runSet(operation, set);
    clearTimeout(timer);
    for (const { keys } of set) for (const key of keys) keysUnderWay.delete(key);
    discount();
  }
}

/** The first who may leave together, within bounds and without the keys and locks that are under way. */
function chooseSet<Q, A>(
  queue: Iterable<Waiter<Q, A>>,
  { requestsMax, weigh = () => 1, weightMax = Infinity }: LaneOptions<Q>,
  keysUnderWay: ReadonlySet<string>,
  locksUnderWay: ReadonlySet<string>,
): Waiter<Q, A>[] {
  const set: Waiter<Q, A>[] = [];
  const keys = new Set<string>();
  // The locks of those who wait for one: who came later does not get them before.
  const awaited = new Set<string>();
  let weight = 0;
  for (const waiter of queue) {
    if (set.length >= requestsMax) break;
    if (waiter.keys.some((key) => keysUnderWay.has(key) || keys.has(key))) continue;
    if (waiter.locks.some((lock) => locksUnderWay.has(lock) || awaited.has(lock))) {
      for (const lock of waiter.locks) awaited.add(lock);
      for (const key of waiter.keys) keys.add(key);
      continue;
    }
    weight += weigh(waiter.request);
    if (set.length > 0 && weight > weightMax) break;
    for (const key of waiter.keys) keys.add(key);
    set.push(waiter);
  }
  return set;
}

async function runSet<Q, A>(operation: SetOperation<Q, A>, set: readonly Waiter<Q, A>[]): Promise<void> {
  const [only] = set;
  try {
    const budget = set.length === 1 ? only!.budget : shareBudget(set);
    const answers = await operation(
      set.map(({ request }) => request),
      budget,
    );
    set.forEach((waiter, n) => settle(waiter).resolve(answers[n]!));
  } catch (error) {
    if (set.length === 1 || error instanceof DomainError)
      for (const waiter of set) settle(waiter).reject(error);
    // The reason may lie in one of the requests.
    else for (const waiter of set) if (!waiter.left) await runSet(operation, [waiter]);
  }
}

/** A waiter who leaves, and is told so at once, when the signal aborts. */
function createWaiter<Q, A>(about: Omit<Waiter<Q, A>, "leave" | "left">): Waiter<Q, A> {
  const { signal } = about.budget;
  const leave = (): void => {
    waiter.left = true;
    waiter.onLeave(waiter);
    waiter.reject(signal.reason);
  };
  const waiter: Waiter<Q, A> = { ...about, leave, left: false };
  signal.addEventListener("abort", leave, { once: true });
  return waiter;
}

/** A waiter who is about to be answered and cannot leave any more. */
function settle<Q, A>(waiter: Waiter<Q, A>): Waiter<Q, A> {
  waiter.budget.signal.removeEventListener("abort", waiter.leave);
  return waiter;
}

/** The budget of a set: it ends when the last of its callers has left, or would stop waiting. */
function shareBudget<Q, A>(set: readonly Waiter<Q, A>[]): Budget {
  const all = new AbortController();
  let staying = set.length;
  const onLeave = ({ budget }: Waiter<Q, A>): void => {
    if (--staying === 0) all.abort(budget.signal.reason);
  };
  for (const waiter of set) waiter.onLeave = onLeave;
  return { signal: all.signal, deadlineMs: Math.max(...set.map(({ budget }) => budget.deadlineMs)) };
}
