/** What requests need for themselves while they are in flight. */
export type Needs = { readonly keys: readonly string[]; readonly locks: readonly string[] };

/** What the requests in flight hold; others that need it wait. */
export type Holdings = {
  take(needs: Needs): void;
  /** Lets others ask for the locks again, one by one, to see whether the database holds them up as well. */
  holdUp(needs: Needs): void;
  release(needs: Needs, wasHeldUp: boolean): void;
  /** A request for these locks was not held up: those that still are have another reason. */
  clear(needs: Needs): void;
  hasKey(key: string): boolean;
  /** Whether a lock is taken. */
  hasLock(lock: string): boolean;
  /** Whether a request for one of these locks is held up in the database. */
  isHeldUp(needs: Needs): boolean;
};

/**
 * Requests that may be held up for one lock at once. If a row is locked in the database, the next request for
 * it is held up as well, and each takes a connection; if only a connection broke, the next one succeeds.
 */
const heldUpMax = 2;

/** Keeps account of what a batcher has in flight. */
export function createHoldings(): Holdings {
  const keys = new Set<string>();
  const locks = new Set<string>();
  const heldUp = new Map<string, Set<Needs>>();
  return {
    take(needs) {
      for (const key of needs.keys) keys.add(key);
      for (const lock of needs.locks) locks.add(lock);
    },
    holdUp(needs) {
      for (const lock of needs.locks) {
        locks.delete(lock);
        heldUp.set(lock, (heldUp.get(lock) ?? new Set()).add(needs));
      }
    },
    release(needs, wasHeldUp) {
      for (const key of needs.keys) keys.delete(key);
      for (const lock of needs.locks) {
        const late = heldUp.get(lock);
        if (!wasHeldUp) locks.delete(lock);
        else if (late?.delete(needs) && late.size === 0) heldUp.delete(lock);
      }
    },
    clear(needs) {
      for (const lock of needs.locks) heldUp.delete(lock);
    },
    hasKey: (key) => keys.has(key),
    hasLock: (lock) => locks.has(lock) || (heldUp.get(lock)?.size ?? 0) >= heldUpMax,
    isHeldUp: (needs) => heldUp.size > 0 && needs.locks.some((lock) => heldUp.has(lock)),
  };
}
