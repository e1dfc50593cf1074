import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config.ts";
import type { Health } from "./health.ts";
import type { Listener } from "./listen.ts";
import type { Pipeline } from "./pipeline.ts";

/**
 * When nothing has run for so long, what is still open is a request that does not arrive, or a peer that was
 * told to go and does not close its connection. Most do either within milliseconds.
 */
const quietMs = 1_000;
const lookEveryMs = 50;

/**
 * Takes the process out of service without a failed call: NOT_SERVING, a wait in which balancers notice,
 * GOAWAY, and the calls in flight finish. True if all of them did within the grace. An abort of `force` cuts
 * every wait short. Requests that have not arrived by then, and silent peers, are no calls in flight, and are
 * cut off when nothing else runs. The database may be closed after this, not before.
 */
export async function drainListeners(
  parts: {
    readonly health: Health;
    readonly pipeline: Pick<Pipeline, "drain" | "inFlight">;
    readonly listeners: readonly Listener[];
  },
  { drainMs, graceMs }: Config["shutdown"],
  force?: AbortSignal,
): Promise<boolean> {
  const { health, pipeline, listeners } = parts;
  health.shutdown();
  for (const listener of listeners) listener.sendAway?.(drainMs);
  await sleep(drainMs, undefined, force && { signal: force }).catch(() => {});
  pipeline.drain();
  const cut = (): void => listeners.forEach((listener) => void listener[Symbol.asyncDispose]());
  force?.addEventListener("abort", cut, { once: true });
  if (force?.aborted) cut();
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
  force?.removeEventListener("abort", cut);
  return finished.every(Boolean) && !force?.aborted;
}
