/** Watches over a stream on which for some time neither side moves. */
export type IdleWatch = {
  /** A wait for the caller begins: for its next request, or until it has taken an answer. */
  readonly wait: () => void;
  /** A wait is over: the caller has moved. */
  readonly waited: () => void;
  /** Time until the promise settles is the service's own, whatever it waits for at the same time. */
  readonly working: <T>(work: Promise<T>) => Promise<T>;
  readonly stop: () => void;
};

/** Calls `onIdle` once, when for `msMax` there was nothing but waits for the caller, of which none ended. */
export function startIdleWatch(msMax: number, onIdle: () => void): IdleWatch {
  let [waits, works] = [0, 0];
  let sinceMs = performance.now();
  const count = (waitsMore: number, worksMore: number): void => {
    waits += waitsMore;
    works += worksMore;
    sinceMs = performance.now();
  };
  // Each move only notes the time; the timer looks again when the last one can have been too long ago.
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
