/**
 * Interval between checks, and the least between collections: a collection stops the process for some 30 ms.
 */
const LOOK_MS = 2_000;

/** Garbage tolerated outside of V8's heap: four of V8's usual steps. */
const LITTER_BYTES_MAX = 32 * 2 ** 20;

/** Growth between two checks that small requests cause; V8 collects it in passing. */
const STIR_BYTES_MAX = 2 ** 20;

/** After a collection that freed nothing the next wait doubles, up to this. */
const PAUSE_MS_MAX = 64_000;

/**
 * Collects the memory outside of V8's heap that large requests leave behind. V8 does so only when its own
 * heap grows, so that an idle process would keep hundreds of MiB. Does nothing without --expose-gc, which
 * `npm start` sets.
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
      // The rest is in use now and may become garbage later.
      pauseMs = lastBytes < external - STIR_BYTES_MAX ? LOOK_MS : Math.min(2 * pauseMs, PAUSE_MS_MAX);
    }
  };
  const timer = setInterval(() => void look(), LOOK_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
