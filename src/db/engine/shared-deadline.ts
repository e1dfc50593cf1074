import type { Deadline } from "./deadline.ts";
import type { Waiter } from "./waiters.ts";

/** The reason with which a batch is stopped although some of its callers go on waiting. */
export const split = new Error("the batch was split");

/** The deadline of a batch. */
type SharedDeadline = {
  readonly deadline: Deadline;
  /** Stops the batch, for the sake of the callers that go on waiting. */
  readonly split: () => void;
};

type Watch = {
  readonly writes: boolean;
  /** Called before each attempt is sent. */
  readonly begin: () => void;
  /** Called when a caller leaves and others stay. */
  readonly onLeave: () => void;
};

/**
 * The deadline of a batch: it ends when its last caller leaves or stops waiting. A caller that has left may
 * be back at another replica: no attempt to write its request begins any more.
 */
export function shareDeadline<Q, A>(
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
