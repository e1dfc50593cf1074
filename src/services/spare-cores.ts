import { availableParallelism } from "node:os";
import { type EventLoopUtilization, performance } from "node:perf_hooks";

/** How many threads one worker may keep busy beside its event loop. */
export type SpareCores = {
  /** While the event loop is busy, which keeps a core for itself. At least one. */
  readonly beside: number;
  /** Now: without load, the event loop leaves its core as well. */
  readonly now: () => number;
};

/** One of libuv's four pool threads is left to files and name resolution. */
const threadsMax = 3;
/** The event loop is busy if it has worked for a larger part of the time. */
const busyShare = 0.5;
/** The shortest time that says something of it, in milliseconds. */
const windowMs = 100;

/** What tells of the event loop; see `performance.eventLoopUtilization`. */
type Loop = (since?: EventLoopUtilization) => EventLoopUtilization;

/** The share of one of a number of workers. */
export function createSpareCores(
  workers: number,
  cores = availableParallelism(),
  loop: Loop = (since) => performance.eventLoopUtilization(since),
): SpareCores {
  const share = (of: number): number => Math.min(Math.max(Math.floor(of / workers), 1), threadsMax);
  const [beside, all] = [share(cores - 1), share(cores)];
  let since = loop();
  let isBusy = true;
  const now = (): number => {
    const { active, idle, utilization } = loop(since);
    if (active + idle >= windowMs) {
      isBusy = utilization > busyShare;
      since = loop();
    }
    return isBusy ? beside : all;
  };
  return { beside, now };
}
