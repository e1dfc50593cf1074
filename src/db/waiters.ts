import { afterwards, DomainError } from "./errors.ts";
import type { Needs } from "./holdings.ts";
import type { Pace } from "./pace.ts";
import type { Budget } from "./retry.ts";

/** A request of a lane that has not been answered. */
export type Waiter<Q, A> = Needs & {
  readonly request: Q;
  readonly budget: Budget;
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
  /** Listens to the signal until there is an answer. */
  readonly leave: () => void;
  /** What is done when the caller leaves: it is out of the queue, and later out of its set. */
  onLeave: (waiter: Waiter<Q, A>) => void;
  left: boolean;
  /** It was in a set that was cut short, and may have happened there. */
  inDoubt: boolean;
  /** It was in a set that failed for a reason which may lie in it. */
  isSuspect: boolean;
};

/** Why a set is cut short of which some callers go on waiting. */
const split = new Error("the set was split");

/** A waiter who leaves, and is told so at once, when the signal aborts. */
export function createWaiter<Q, A>(
  about: Omit<Waiter<Q, A>, "leave" | "left" | "inDoubt" | "isSuspect">,
): Waiter<Q, A> {
  const { signal } = about.budget;
  const leave = (): void => {
    waiter.left = true;
    waiter.onLeave(waiter);
    waiter.reject(signal.reason);
  };
  const waiter: Waiter<Q, A> = { ...about, leave, left: false, inDoubt: false, isSuspect: false };
  signal.addEventListener("abort", leave, { once: true });
  return waiter;
}

type Run = {
  readonly writes: boolean;
  readonly pace: Pace;
  /** Told once when the set is late, and whether it goes on all the same. */
  readonly onLate: (goesOn: boolean) => void;
};

/**
 * Answers waiters with what `operation` returns for their requests, and returns those who are to be sent
 * again, one by one: of a set that was late, or that failed for a reason which may lie in one of them.
 */
export async function runSet<Q, A>(
  set: readonly Waiter<Q, A>[],
  operation: (requests: readonly Q[], budget: Budget) => Promise<readonly A[]>,
  { writes, pace, onLate }: Run,
): Promise<readonly Waiter<Q, A>[]> {
  const since = performance.now();
  const lateAt = since + pace.overdueMs();
  const isSplit = writes && set.length > 1;
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
  const shared = shareBudget(set, { writes, onLeave: () => watch(pace.leftMs()) });
  watch(Infinity);
  const requests = set.map(({ request }) => request);
  const again = await operation(requests, shared.budget).then(
    (answers) => {
      set.forEach((waiter, n) => settle(waiter).resolve(answers[n]!));
      return [];
    },
    (error: unknown) => fail(set, error, writes),
  );
  clearTimeout(timer);
  pace.note(performance.now() - since);
  return again;
}

function fail<Q, A>(set: readonly Waiter<Q, A>[], error: unknown, writes: boolean): readonly Waiter<Q, A>[] {
  // The reason may lie in one of the requests.
  if (set.length > 1 && !(error instanceof DomainError)) {
    const staying = set.filter(({ left }) => !left);
    for (const waiter of staying) {
      waiter.inDoubt = writes;
      waiter.isSuspect = error !== split;
    }
    return staying;
  }
  for (const waiter of set) settle(waiter).reject(waiter.inDoubt ? afterwards(error) : error);
  return [];
}

/** A waiter who is about to be answered and cannot leave any more. */
function settle<Q, A>(waiter: Waiter<Q, A>): Waiter<Q, A> {
  waiter.budget.signal.removeEventListener("abort", waiter.leave);
  return waiter;
}

/** The budget of a set. */
type SharedBudget = {
  readonly budget: Budget;
  /** Ends what runs on the budget, for the sake of those who go on waiting. */
  readonly split: () => void;
};

/**
 * The budget of a set: it ends when the last of its callers has left, or would stop waiting. A caller who has
 * left may be back at another replica: of writes, no attempt begins any more that has its request.
 */
function shareBudget<Q, A>(
  set: readonly Waiter<Q, A>[],
  { writes, onLeave }: { readonly writes: boolean; readonly onLeave: () => void },
): SharedBudget {
  if (set.length === 1) return { budget: set[0]!.budget, split: () => {} };
  const all = new AbortController();
  let staying = set.length;
  const leave = ({ budget }: Waiter<Q, A>): void => {
    if (--staying === 0) all.abort(budget.signal.reason);
    else onLeave();
  };
  for (const waiter of set) waiter.onLeave = leave;
  const throwIfStale = (): void => {
    if (staying === set.length) return;
    all.abort(split);
    all.signal.throwIfAborted();
  };
  const budget = {
    signal: all.signal,
    deadlineMs: Math.max(...set.map((waiter) => waiter.budget.deadlineMs)),
    ...(writes && { throwIfStale }),
  };
  return { budget, split: () => all.abort(split) };
}
