import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config.ts";
import type { Health } from "./health.ts";
import type { Door } from "./listen.ts";
import type { Pipeline } from "./pipeline.ts";

/**
 * Takes the process out of service without a failed call: NOT_SERVING, a wait in which balancers notice,
 * GOAWAY, and the calls in flight finish. True if all of them did within the grace. An abort of `force` cuts
 * every wait short. The database may be closed after this, not before.
 */
export async function drainDoors(
  parts: { readonly health: Health; readonly pipeline: Pipeline; readonly doors: readonly Door[] },
  { drainMs, graceMs }: Config["shutdown"],
  force?: AbortSignal,
): Promise<boolean> {
  const { health, pipeline, doors } = parts;
  health.shutdown();
  await sleep(drainMs, undefined, force && { signal: force }).catch(() => {});
  pipeline.drain();
  const cut = (): void => doors.forEach((door) => void door[Symbol.asyncDispose]());
  force?.addEventListener("abort", cut, { once: true });
  if (force?.aborted) cut();
  const finished = await Promise.all(doors.map((door) => door.drain(graceMs)));
  force?.removeEventListener("abort", cut);
  return finished.every(Boolean) && !force?.aborted;
}
