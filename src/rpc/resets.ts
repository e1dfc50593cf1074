import { bounds } from "../bounds.ts";

/** Counts how the calls of one connection end. */
export type Resets = {
  readonly finished: () => void;
  /** Counts a reset; true if there are too many. */
  readonly reset: () => boolean;
};

/** Half of the window in which resets are counted; it slides by halves. */
const HALF_MS = 5_000;

/**
 * Compares resets with calls that finish, over the last five to ten seconds. A call that is reset costs as
 * much as one that is answered, and frees its stream at once.
 */
export function createResets(now: () => number = () => performance.now()): Resets {
  let halfMs = now();
  let past = { finished: 0, reset: 0 };
  let current = { finished: 0, reset: 0 };
  const turn = (): void => {
    const sinceMs = now() - halfMs;
    if (sinceMs < HALF_MS) return;
    past = sinceMs < 2 * HALF_MS ? current : { finished: 0, reset: 0 };
    current = { finished: 0, reset: 0 };
    halfMs = now();
  };
  return {
    finished() {
      turn();
      current.finished += 1;
    },
    reset() {
      turn();
      current.reset += 1;
      return past.reset + current.reset > bounds.resets.max + 2 * (past.finished + current.finished);
    },
  };
}
