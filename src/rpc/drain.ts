import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config.ts";
import type { Health } from "./health.ts";
import type { Listener } from "./listen.ts";
import type { Pipeline } from "./pipeline.ts";

/**
 * When no call has run for this long, the connections that are still open belong to requests that do not
 * arrive or to peers that ignore GOAWAY. Most do either within milliseconds.
 */
const quietMs = 1_000;
const lookEveryMs = 50;

/**
 * Takes the process out of service without a failed call: NOT_SERVING, a wait in which load balancers notice,
 * GOAWAY, and the calls in flight finish. True if all of them did within the grace. Requests that have not
 * arrived by then, and silent peers, do not count as calls in flight: they are cut off when nothing else
 * runs. The database may be closed only after this.
 */
export async function drainListeners(
  parts: {
    readonly health: Health;
    readonly pipeline: Pick<Pipeline, "drain" | "inFlight">;
    readonly listeners: readonly Listener[];
  },
  { drainMs, graceMs }: Config["shutdown"],
): Promise<boolean> {
  const { health, pipeline, listeners } = parts;
  health.shutdown();
  for (const listener of listeners) listener.sendAway?.(drainMs);
  await sleep(drainMs);
  pipeline.drain();
  const cut = (): void => listeners.forEach((listener) => void listener[Symbol.asyncDispose]());
  let quietSince = Infinity;
  const watch = setInterval(() => {
    const isBusy = pipeline.inFlight() > 0 || listeners.some((listener) => listener.waiting() > 0);
    quietSince = isBusy ? Infinity : Math.min(quietSince, performance.now());
    if (performance.now() - quietSince <= quietMs) return;
    clearInterval(watch);
    cut();
  }, lookEveryMs);
  const finished = await Promise.all(listeners.map((listener) => listener.drain(graceMs)));
  clearInterval(watch);
  return finished.every(Boolean);
}
