import { createShares } from "./shares.ts";

/**
 * A fair queue for a fixed number of places, bounded in length and in time. Holders take turns, and of each
 * holder the first that came is served first: a crowd of one caller's does not hold up the others.
 */
export type Queue = {
  /**
   * Waits for a place and returns the function that gives it back. Throws what `refuse` answers when the
   * queue is full, the holder has its share of it, or the wait is over, and the signal's reason when the
   * caller leaves, who then leaves the queue as well.
   */
  enter(caller: { readonly signal: AbortSignal; readonly holder?: unknown }): Promise<() => void>;
  readonly waiting: number;
  readonly taken: number;
};

/** Those who wait, by holder in the order of their turns. */
function createLines() {
  // No line is empty.
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
    /** Whose turn it is: what else waits of this holder does so behind the others' turns. */
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
  /** How many wait at most. */
  readonly lengthMax: number;
  /** How many of one holder may wait while others are the most of the queue. */
  readonly lengthFloor: number;
  /** For how long each waits at most; Infinity where callers have deadlines of their own. */
  readonly waitMsMax: number;
  /** The error for one that finds no room, or no place in time. */
  readonly refuse: (why: "full" | "late") => Error;
};

/** Makes a queue. */
export function createQueue({ places, lengthMax, lengthFloor, waitMsMax, refuse }: QueueLimits): Queue {
  const lines = createLines();
  const shares = createShares<unknown>({ max: lengthMax, floor: lengthFloor });
  let taken = 0;

  function leave(): void {
    const next = lines.next();
    if (next) next();
    else taken--;
  }

  /** A place is given back once, however often it is asked for. */
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
    get taken() {
      return taken;
    },
    async enter({ signal, holder }) {
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
        const isBounded = waitMsMax < Infinity;
        const timer = isBounded
          ? setTimeout(() => settle(() => reject(refuse("late"))), waitMsMax)
          : undefined;
        signal.addEventListener("abort", abandon, { once: true });
        lines.add(holder, admit);
      });
    },
  };
}
