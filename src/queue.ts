import { createShares } from "./shares.ts";

/**
 * A fair queue for a fixed number of places, bounded in length and in time. Holders take turns, and each
 * holder's callers are served first in, first out, so that one holder's crowd does not hold up the others.
 */
export type Queue = {
  /**
   * Waits for a place and returns the function that gives it back. Throws what `refuse` returns when the
   * queue is full, the holder has its share of it, or the wait is over: that of the queue, or the caller's,
   * which ends at `deadlineMs`, in milliseconds since the epoch. Throws the signal's reason when the signal
   * aborts; the caller has then left the queue.
   */
  enter(caller: {
    readonly signal: AbortSignal;
    readonly deadlineMs: number;
    readonly holder?: unknown;
  }): Promise<() => void>;
  /** Callers that wait for a place. */
  readonly waiting: number;
};

/** The waiting callers of each holder; holders stand in the order of their turns. */
function createLines() {
  // Lines are removed when they are empty.
  const lines = new Map<unknown, Set<() => void>>();
  let waiting = 0;
  return {
    waiting: (): number => waiting,
    add(holder: unknown, admit: () => void): void {
      const line = lines.get(holder) ?? new Set();
      lines.set(holder, line.add(admit));
      waiting++;
    },
    remove(holder: unknown, admit: () => void): void {
      const line = lines.get(holder)!;
      waiting--;
      line.delete(admit);
      if (line.size === 0) lines.delete(holder);
    },
    /** The caller whose turn it is. Its holder moves behind all other holders. */
    next(): (() => void) | undefined {
      const [turn] = lines;
      if (!turn) return undefined;
      const [holder, line] = turn;
      lines.delete(holder);
      lines.set(holder, line);
      const [first] = line;
      return first;
    },
  };
}

export type QueueLimits = {
  readonly places: number;
  /** Callers that may wait. */
  readonly lengthMax: number;
  /** Callers of one holder that may wait even when others fill most of the queue. */
  readonly lengthFloor: number;
  /** The longest wait in milliseconds; Infinity where callers have deadlines of their own. */
  readonly waitMsMax: number;
  /** The error for a full queue or share, or for a wait that is over. */
  readonly refuse: (why: "full" | "late") => Error;
};

/** A caller's own deadline aborts its signal at that time, which is to come first. */
const signalSlackMs = 20;
/** setTimeout takes no more. */
const timerMsMax = 2 ** 31 - 1;

/** Creates an empty queue. */
export function createQueue({ places, lengthMax, lengthFloor, waitMsMax, refuse }: QueueLimits): Queue {
  const lines = createLines();
  const shares = createShares<unknown>({ max: lengthMax, floor: lengthFloor });
  let taken = 0;

  function leave(): void {
    const next = lines.next();
    if (next) next();
    else taken--;
  }

  /** Calling the returned function again has no effect. */
  function place(): () => void {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      leave();
    };
  }

  return {
    get waiting() {
      return lines.waiting();
    },
    async enter({ signal, deadlineMs, holder }) {
      signal.throwIfAborted();
      if (taken < places) {
        taken++;
        return place();
      }
      if (!shares.take(holder)) throw refuse("full");
      return new Promise((resolve, reject) => {
        const settle = (done: () => void): void => {
          lines.remove(holder, admit);
          shares.release(holder);
          clearTimeout(timer);
          signal.removeEventListener("abort", abandon);
          done();
        };
        const admit = (): void => settle(() => resolve(place()));
        const abandon = (): void => settle(() => reject(signal.reason));
        const waitMs = Math.min(waitMsMax, Math.max(0, deadlineMs - Date.now()) + signalSlackMs);
        const giveUp = (): void => settle(() => reject(refuse("late")));
        const timer = waitMs > timerMsMax ? undefined : setTimeout(giveUp, waitMs);
        signal.addEventListener("abort", abandon, { once: true });
        lines.add(holder, admit);
      });
    },
  };
}
