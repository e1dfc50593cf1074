import process from "node:process";
import { median } from "./results.ts";

/** Does something so many times. */
export type Repeat = (times: number) => void | Promise<void>;

/** Kept, so that nothing is left out because it has no use. */
export const kept: { last: unknown } = { last: undefined };

/** Calls a function that answers at once. */
export function repeat(call: () => unknown): Repeat {
  return (times) => {
    for (let n = 0; n < times; n++) kept.last = call();
  };
}

/** Calls a function that answers later, one call after the other. */
export function repeatLater(call: () => Promise<unknown>): Repeat {
  return async (times) => {
    for (let n = 0; n < times; n++) kept.last = await call();
  };
}

/** Calls a function that answers later, so many at once. */
export function repeatInCrowds(size: number, call: (n: number) => Promise<unknown>): Repeat {
  return async (times) => {
    for (let left = times; left > 0; left -= size)
      await Promise.all(Array.from({ length: Math.min(size, left) }, (_, n) => call(n)));
  };
}

/**
 * What one time takes, in microseconds of processor time of this process, collections beside the thread
 * included: the median of rounds of so many milliseconds, after as much time to be compiled.
 */
export async function measureMicros(work: Repeat, ms: number, rounds: number): Promise<number> {
  const spend = async (times: number): Promise<number> => {
    const before = process.cpuUsage();
    await work(times);
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  let times = 64;
  while ((await spend(times)) < ms * 1_000) times *= 2;
  const took: number[] = [];
  while (took.length < rounds) took.push((await spend(times)) / times);
  return median(took);
}
