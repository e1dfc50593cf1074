/** Looks are as far apart as this, and collections too, at least: one stops the process for some 30 ms. */
const LOOK_MS = 2_000;

/** What may lie about outside of V8's heap: four of its usual steps. */
const LITTER_BYTES_MAX = 32 * 2 ** 20;

/** What small requests add between two looks; V8 takes it up in passing. */
const STIR_BYTES_MAX = 2 ** 20;

/**
 * Collects what large requests have left outside of V8's heap when they are over. V8 does so when its own
 * heap grows, which in a process that has come to rest it does not: hundreds of MiB would stay. Without
 * --expose-gc, as `npm start` has it, nothing is done.
 */
export function collectGarbage(): Disposable {
  const { gc } = globalThis;
  if (!gc) return { [Symbol.dispose]() {} };
  let [keptBytes, lastBytes] = [Infinity, 0];
  const look = async (): Promise<void> => {
    const { external } = process.memoryUsage();
    const isQuiet = external <= lastBytes + STIR_BYTES_MAX;
    lastBytes = external;
    keptBytes = Math.min(keptBytes, external);
    if (!isQuiet || external < keptBytes + LITTER_BYTES_MAX) return;
    await gc({ execution: "async", type: "major" });
    // What is left is in use.
    keptBytes = lastBytes = process.memoryUsage().external;
  };
  const timer = setInterval(() => void look(), LOOK_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
