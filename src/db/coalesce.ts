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
   * Requests of one key are never under way together: the later one waits until the set of the earlier one is
   * back, also if its caller has left. So the repetition of a call meets what the call has done.
   */
  readonly keyOf?: (request: Q) => unknown;
};

type Waiter<Q, A> = {
  readonly request: Q;
  readonly budget: Budget;
  readonly key: unknown;
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
  { sets, requestsMax, weigh = () => 1, weightMax = Infinity, keyOf }: LaneOptions<Q>,
): (request: Q, budget: Budget) => Promise<A> {
  const queue = new Set<Waiter<Q, A>>();
  const keysUnderWay = new Set<unknown>();
  let underWay = 0;

  return (request, budget) =>
    new Promise<A>((resolve, reject) => {
      if (budget.signal.aborted) return reject(budget.signal.reason as Error);
      const leave = (): void => {
        waiter.left = true;
        queue.delete(waiter);
        reject(budget.signal.reason as Error);
      };
      budget.signal.addEventListener("abort", leave, { once: true });
      const settled = (): void => budget.signal.removeEventListener("abort", leave);
      const waiter: Waiter<Q, A> = {
        request,
        budget,
        key: keyOf?.(request),
        left: false,
        resolve(answer) {
          settled();
          resolve(answer);
        },
        reject(error) {
          settled();
          reject(error);
        },
      };
      queue.add(waiter);
      if (underWay < sets) void depart();
    });

  /** Runs sets, one after the other, until nobody waits but for keys that are under way in another one. */
  async function depart(): Promise<void> {
    underWay++;
    for (let set = takeSet(); set.length > 0; set = takeSet()) {
      await runSet(operation, set);
      for (const { key } of set) keysUnderWay.delete(key);
    }
    underWay--;
  }

  function takeSet(): Waiter<Q, A>[] {
    const set: Waiter<Q, A>[] = [];
    let weight = 0;
    for (const waiter of queue) {
      if (set.length >= requestsMax) break;
      if (keysUnderWay.has(waiter.key)) continue;
      weight += weigh(waiter.request);
      if (set.length > 0 && weight > weightMax) break;
      if (waiter.key !== undefined) keysUnderWay.add(waiter.key);
      queue.delete(waiter);
      set.push(waiter);
    }
    return set;
  }
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
