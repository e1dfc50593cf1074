import type { Order } from "../../client/src/index.ts";
import { quantile } from "./meter.ts";

/** The outcomes of a crowd's calls so far. */
export type Tally = {
  readonly callers: number;
  /** The initial stock, and the calls that are made for it. */
  readonly pieces: number;
  readonly calls: number;
  readonly accepted: Order[];
  refused: number;
  /** The errors of failed calls. */
  readonly failures: string[];
  /** Durations of ended calls, in milliseconds. */
  readonly durations: number[];
  readonly startMs: number;
};

export function startTally(callers: number, pieces: number, calls: number): Tally {
  const startMs = performance.now();
  return { callers, pieces, calls, accepted: [], refused: 0, failures: [], durations: [], startMs };
}

const widths = [7, 7, 7, 7, 7, 7, 10, 10];

/** The heading of the rows. */
export const heading = toLine("callers", "sold", "refused", "failed", "left", "calls/s", "p50", "p99");

/** With a row it fills a terminal of 80 columns. */
const barColumns = 8;
const drawMs = 100;

/**
 * Shows the row of a crowd until it is disposed of. On a terminal the row changes as calls end, with a bar
 * after it; elsewhere only its last state is printed.
 */
export function showRow(tally: Tally, output: NodeJS.WriteStream): Disposable {
  const draw = (text: string): void => {
    output.cursorTo(0);
    // A row that wraps could not be overwritten.
    output.write(text.slice(0, output.columns - 1));
    output.clearLine(1);
  };
  const timer = output.isTTY && setInterval(() => draw(`${toRow(tally)}  ${toBar(tally)}`), drawMs);
  return {
    [Symbol.dispose]() {
      if (timer) {
        clearInterval(timer);
        draw("");
      }
      output.write(`${toRow(tally)}\n`);
    },
  };
}

function toRow({ callers, pieces, accepted, refused, failures, durations, startMs }: Tally): string {
  const counts = [callers, accepted.length, refused, failures.length, pieces - accepted.length];
  const perSecond = (durations.length / (performance.now() - startMs)) * 1000;
  const sorted = durations.toSorted((a, b) => a - b);
  const toMs = (share: number) => `${quantile(sorted, share).toFixed(1)} ms`;
  return toLine(...counts.map(String), perSecond.toFixed(0), toMs(0.5), toMs(0.99));
}

function toLine(...cells: string[]): string {
  return cells.map((cell, n) => cell.padStart(widths[n]!)).join(" ");
}

function toBar({ durations, calls }: Tally): string {
  const done = Math.floor((durations.length / calls) * barColumns);
  return "█".repeat(done).padEnd(barColumns, "░");
}
