import { afterwards, DomainError } from "../../errors.ts";
import type { Needs } from "./holdings.ts";
import type { Pace } from "./pace.ts";
import type { Deadline } from "./deadline.ts";

/** A request of a batcher that has not been answered. */
export type Waiter<Q, A> = Needs & {
  readonly request: Q;
  readonly deadline: Deadline;
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
  /** Listens to the signal until there is an answer. */
  readonly leave: () => void;
  /** What is done when the caller leaves: it is out of the queue, and later out of its batch. */
  onLeave: (waiter: Waiter<Q, A>) => void;
  left: boolean;
  /** It was in a batch that was cut short, and may have happened there. */
  inDoubt: boolean;
  /** Why it goes alone: its batch was late, or failed for a reason which may lie in it. */
  alone: "late" | "suspect" | undefined;
  /**
   * It was in a batch that was not sent because a caller had left; another time it goes alone, to be sent at
   * all.
   */
  isBack: boolean;
};

/** Why a batch is cut short of which some callers go on waiting. */
const split = new Error("the batch was split");

const unsent = { left: false, inDoubt: false, alone: undefined, isBack: false };

/** A waiter who leaves, and is told so at once, when the signal aborts. */
export function createWaiter<Q, A>(about: Omit<Waiter<Q, A>, "leave" | keyof typeof unsent>): Waiter<Q, A> {
  const { signal } = about.deadline;
  const leave = (): void => {
    waiter.left = true;
    waiter.onLeave(waiter);
    waiter.reject(signal.reason);
  };
  const waiter: Waiter<Q, A> = { ...about, ...unsent, leave };
  signal.addEventListener("abort", leave, { once: true });
  return waiter;
}

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
export async function runBatch<Q, A>(
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
