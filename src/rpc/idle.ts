/** Watches a stream for idleness: neither side moves. */
export type IdleWatch = {
  /** A wait for the caller begins: for its next request, or until it takes an answer. */
  readonly wait: () => void;
  /** The caller has moved, which ends the wait. */
  readonly waited: () => void;
  /** Awaits `work`; the stream does not count as idle until it settles, whatever else it waits for. */
  readonly working: <T>(work: Promise<T>) => Promise<T>;
  readonly stop: () => void;
};

/**
 * Calls `onIdle` once, after `msMax` milliseconds in which there were only waits for the caller and none
 * ended.
 */
export function startIdleWatch(msMax: number, onIdle: () => void): IdleWatch {
  let [waits, works] = [0, 0];
  let sinceMs = performance.now();
  const count = (waitsMore: number, worksMore: number): void => {
    waits += waitsMore;
    works += worksMore;
    sinceMs = performance.now();
  };
  // A move only records the time; the timer checks again when the last move may be too long ago.
  const look = (): void => {
    const isIdle = waits > 0 && works === 0;
    const leftMs = isIdle ? sinceMs + msMax - performance.now() : msMax;
    if (leftMs > 0) timer = setTimeout(look, leftMs);
    else onIdle();
  };
  let timer = setTimeout(look, msMax);
  return {
    wait: () => count(1, 0),
    waited: () => count(-1, 0),
    async working(work) {
      count(0, 1);
      try {
        return await work;
      } finally {
        count(0, -1);
      }
    },
    stop: () => clearTimeout(timer),
  };
}
