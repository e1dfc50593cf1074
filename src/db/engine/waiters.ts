import type { Needs } from "./holdings.ts";
import type { Deadline } from "./deadline.ts";
import { nowhere, type Place } from "../../line.ts";

/** A request's wait for its batch: since when, by performance.now(), and what its observer knows it by. */
export type Wait = { readonly sinceMs: number; readonly caller?: unknown };

/** A request of a batcher that has not been answered. */
export type Waiter<Q, A> = Needs &
  Place & {
    readonly request: Q;
    readonly deadline: Deadline;
    readonly resolve: (answer: A) => void;
    readonly reject: (error: unknown) => void;
    /** Listens to the signal until there is an answer. */
    readonly leave: () => void;
    wait: Wait;
    /** Called when the caller leaves: takes the request out of the queue or, later, out of its batch. */
    onLeave: (waiter: Waiter<Q, A>) => void;
    left: boolean;
    /** It was in a batch that was stopped, and may have happened there. */
    inDoubt: boolean;
    /** Why it goes alone: its batch was late, or failed for a reason that may lie in it. */
    alone: "late" | "suspect" | undefined;
    /**
     * It was in a batch that was not sent because a caller had left; the next time it goes alone, so that it
     * is sent at all.
     */
    isBack: boolean;
  };

const unsent = { left: false, inDoubt: false, alone: undefined, isBack: false, ...nowhere };

/** Creates a waiter. When its signal aborts it leaves, and is rejected at once. */
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
