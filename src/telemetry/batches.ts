import type { ObserveBatches } from "../db/batchers.ts";
import { secondsBuckets } from "./metrics.ts";
import type { Telemetry } from "./telemetry.ts";

/** Up to the largest batch; see `requestsMax` of the batchers. */
const callsBuckets = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** Counts and traces what calls do in batches. */
export function createBatchObservers({ histogram, tracing }: Telemetry): ObserveBatches {
  const labels = ["batch"] as const;
  const calls = histogram({
    name: "commerce_batch_calls",
    help: "Calls that have shared a round trip to the database.",
    labels,
    buckets: callsBuckets,
  });
  const waits = histogram({
    name: "commerce_batch_wait_seconds",
    help: "How long a call has waited for its batch to leave.",
    labels,
    buckets: secondsBuckets,
  });
  return (batch) => {
    const [observeCalls, observeWait] = [calls({ batch }), waits({ batch })];
    return {
      wait: () => ({ sinceMs: performance.now(), caller: tracing?.caller() }),
      run(all, work) {
        const nowMs = performance.now();
        observeCalls(all.length);
        for (const { sinceMs } of all) observeWait((nowMs - sinceMs) / 1000);
        return tracing ? tracing.runBatch(batch, all, work) : work();
      },
    };
  };
}
