/** Looks are as far apart as this, and collections too, at least: one stops the process for some 30 ms. */
const LOOK_MS = 2_000;

/** What may lie about outside of V8's heap: four of its usual steps. */
const LITTER_BYTES_MAX = 32 * 2 ** 20;

/** What small requests add between two looks; V8 takes it up in passing. */
const STIR_BYTES_MAX = 2 ** 20;

/** Where a collection has found nothing, the next one waits for twice as long, up to this. */
const PAUSE_MS_MAX = 64_000;

/**
 * Collects what large requests have left outside of V8's heap when they are over. V8 does so when its own
 * heap grows, which in a process that has come to rest it does not: hundreds of MiB would stay. Without
 * --expose-gc, as `npm start` has it, nothing is done.
 */
export function collectGarbage(): Disposable {
  const { gc } = globalThis;
  if (!gc) return { [Symbol.dispose]() {} };
  let [leastBytes, lastBytes] = [Infinity, 0];
  let [pauseMs, waitedMs] = [LOOK_MS, 0];
  const look = async (): Promise<void> => {
    const { external } = process.memoryUsage();
    const isQuiet = external <= lastBytes + STIR_BYTES_MAX;
    lastBytes = external;
    leastBytes = Math.min(leastBytes, external);
    waitedMs += LOOK_MS;
    if (external < leastBytes + LITTER_BYTES_MAX) pauseMs = LOOK_MS;
    else if (isQuiet && waitedMs >= pauseMs) {
      waitedMs = 0;
      await gc({ execution: "async", type: "major" });
      lastBytes = process.memoryUsage().external;
      // What is left is in use, and may be litter later.
      pauseMs = lastBytes < external - STIR_BYTES_MAX ? LOOK_MS : Math.min(2 * pauseMs, PAUSE_MS_MAX);
    }
  };
  const timer = setInterval(() => void look(), LOOK_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
