/** Statements whose callers have left, and sessions in doubt, until nothing of them can happen any more. */
export type Orphans = {
  add(ending: Promise<void>): void;
  /**
   * Resolves when nothing can happen any more of what is orphaned by now, and rejects where that could not be
   * brought about; undefined if nothing is orphaned.
   */
  ended(): Promise<unknown> | undefined;
};

/** Keeps account of what is orphaned. */
export function createOrphans(): Orphans {
  const endings = new Set<Promise<void>>();
  return {
    add(ending) {
      endings.add(ending);
      // A failure is heard where it is waited for.
      ending.finally(() => endings.delete(ending)).catch(() => {});
    },
    ended() {
      if (endings.size === 0) return undefined;
      const all = Promise.all(endings);
      // The caller that asked may have left before it fails.
      all.catch(() => {});
      return all;
    },
  };
}
