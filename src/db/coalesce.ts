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
};

/** Far above what a set takes that nothing holds up, and far below what a caller would call an outage. */
const slowMs = 100;

type Waiter<Q, A> = {
  readonly request: Q;
  readonly budget: Budget;
  readonly keys: readonly string[];
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
  left: boolean;
};

/**
 * Turns an operation on sets into one for single requests. While few are under way a request is a set of one
 * and leaves at once. Those that arrive when all `sets` are under way wait and leave together, first come,
 * first served, when one comes back: the more there are, the more share a round trip.
 *
 * A caller keeps its own signal: when it leaves before its set does, its request is not sent; when all
 * callers of a set have left, the set is stopped. A set that fails for a reason which may lie in one request
 * is run again request by request, so that one cannot harm its neighbours. A set begins after each of its
 * requests has arrived: a read sees every write that was answered before it was asked.
 */
export function createLane<Q, A>(
  operation: SetOperation<Q, A>,
  { sets, requestsMax, weigh = () => 1, weightMax = Infinity, keysOf = () => [] }: LaneOptions<Q>,
): (request: Q, budget: Budget) => Promise<A> {
  const queue = new Set<Waiter<Q, A>>();
  const keysUnderWay = new Set<string>();
  let underWay = 0;

  return (request, budget) =>
    new Promise<A>((resolve, reject) => {
      const promised = { request, budget, keys: keysOf(request), resolve, reject };
      const waiter = createWaiter(promised, () => queue.delete(waiter));
      if (waiter.left) return;
      queue.add(waiter);
      if (underWay < sets) void depart();
    });

  /**
   * Runs sets, one after the other, until nobody waits but for keys that are under way in another one. A set
   * that is not back in time, because a row is locked or a connection dead, stops counting, so that it holds
   * up no one else.
   */
  async function depart(): Promise<void> {
    for (let set = takeSet(); set.length > 0; set = takeSet()) {
      let counted = true;
      const discount = (): void => {
        counted = false;
        underWay--;
        if (queue.size > 0) void depart();
      };
      underWay++;
      const timer = setTimeout(discount, slowMs);
      await runSet(operation, set);
      clearTimeout(timer);
      for (const { keys } of set) for (const key of keys) keysUnderWay.delete(key);
      if (counted) underWay--;
      if (underWay >= sets) return;
    }
  }

  function takeSet(): Waiter<Q, A>[] {
    const set: Waiter<Q, A>[] = [];
    let weight = 0;
    for (const waiter of queue) {
      if (set.length >= requestsMax) break;
      if (waiter.keys.some((key) => keysUnderWay.has(key))) continue;
      weight += weigh(waiter.request);
      if (set.length > 0 && weight > weightMax) break;
      for (const key of waiter.keys) keysUnderWay.add(key);
      queue.delete(waiter);
      set.push(waiter);
    }
    return set;
  }
}

/** A waiter who leaves, and is told so at once, when the signal aborts. */
function createWaiter<Q, A>(promised: Omit<Waiter<Q, A>, "left">, onLeave: () => void): Waiter<Q, A> {
  const { signal } = promised.budget;
  const leave = (): void => {
    waiter.left = true;
    onLeave();
    promised.reject(signal.reason);
  };
  const stay =
    <T>(settle: (value: T) => void) =>
    (value: T): void => {
      signal.removeEventListener("abort", leave);
      settle(value);
    };
  const waiter = {
    ...promised,
    left: false,
    resolve: stay(promised.resolve),
    reject: stay(promised.reject),
  };
  if (signal.aborted) leave();
  else signal.addEventListener("abort", leave, { once: true });
  return waiter;
}

async function runSet<Q, A>(operation: SetOperation<Q, A>, set: readonly Waiter<Q, A>[]): Promise<void> {
  const [only] = set;
  try {
    const budget = set.length === 1 ? only!.budget : shareBudget(set);
    const answers = await operation(
      set.map(({ request }) => request),
      budget,
    );
    for (const [n, waiter] of set.entries()) waiter.resolve(answers[n]!);
  } catch (error) {
    if (set.length === 1 || error instanceof DomainError) for (const waiter of set) waiter.reject(error);
    // The reason may lie in one of the requests.
    else for (const waiter of set) if (!waiter.left) await runSet(operation, [waiter]);
  }
}

/** The budget of a set: it ends when the last of its callers has left, or would stop waiting. */
function shareBudget(set: readonly { readonly budget: Budget }[]): Budget {
  const all = new AbortController();
  let staying = set.length;
  const leave = (event: Event): void => {
    if (--staying === 0) all.abort((event.target as AbortSignal).reason);
  };
  for (const { budget } of set) budget.signal.addEventListener("abort", leave, { once: true });
  return { signal: all.signal, deadlineMs: Math.max(...set.map(({ budget }) => budget.deadlineMs)) };
}
