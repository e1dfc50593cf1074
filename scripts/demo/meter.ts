import type { OnAttempt } from "../../client/src/index.ts";

type Timing = { start: number; end: number; readonly durations: number[] };

/** Times every attempt of a client's calls, by method. */
export type Meter = {
  readonly onAttempt: OnAttempt;
  /**
   * Lines with a heading, one per method in the order of their first calls: calls, time, calls per second,
   * p50, p99.
   */
  readonly lines: () => string[];
};

export function createMeter(): Meter {
  const timings = new Map<string, Timing>();
  const onAttempt: OnAttempt = ({ method: { name } }) => {
    const start = performance.now();
    const timing = timings.get(name) ?? { start, end: start, durations: [] };
    timings.set(name, timing);
    return ({ durationMs }) => {
      timing.end = performance.now();
      timing.durations.push(durationMs);
    };
  };
  return {
    onAttempt,
    lines: () => [heading, ...Array.from(timings, ([name, timing]) => toLine(name, timing))],
  };
}

const heading = `${"".padEnd(20)}   calls       time   calls/s        p50        p99`;

function toLine(name: string, { start, end, durations }: Timing): string {
  const sorted = durations.toSorted((a, b) => a - b);
  const seconds = (end - start) / 1000;
  return [
    name.padEnd(20),
    String(durations.length).padStart(7),
    `${seconds.toFixed(2)} s`.padStart(10),
    (durations.length / seconds).toFixed(0).padStart(9),
    `${quantile(sorted, 0.5).toFixed(1)} ms`.padStart(10),
    `${quantile(sorted, 0.99).toFixed(1)} ms`.padStart(10),
  ].join(" ");
}

/** The quantile of sorted numbers; 0 if there are none. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
}
