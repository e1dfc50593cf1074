import type { State } from "./resume.ts";

/** Shows the progress of an import. */
export type Progress = {
  readonly update: (state: State) => void;
  readonly stop: () => void;
};

/** The output: the parts of process.stderr that are needed. */
export type Output = Pick<NodeJS.WriteStream, "write"> & {
  readonly isTTY?: boolean;
  readonly columns?: number;
};

// On a terminal as often as the eye can follow; elsewhere often enough to show progress, and seldom enough
// for a log.
const [liveMs, lineMs] = [100, 5_000];
const barWidth = 30;

/**
 * Shows progress in one line that is overwritten on a terminal, and in lines elsewhere. It uses no control
 * sequences, so that nothing has to be undone however the import ends. `bytes` is the size of the input, if
 * known.
 */
export function startProgress(
  bytes: number | undefined,
  initial: State,
  output: Output,
  term = process.env["TERM"],
): Progress {
  const isLive = output.isTTY === true && term !== "dumb";
  const startMs = performance.now();
  let [text, shown] = ["", ""];

  const update = ({ nextIndex, refused, checkpoint }: State): void => {
    const seconds = (performance.now() - startMs) / 1_000;
    const rate = Math.round((nextIndex - initial.nextIndex) / Math.max(seconds, 0.001));
    const counts = `${nextIndex} rows, ${rate}/s, ${refused} refused`;
    const bytesRead = checkpoint?.bytes ?? 0;
    if (bytes === undefined) text = counts;
    else {
      // A file may grow while it is read.
      const part = bytesRead < bytes ? bytesRead / bytes : 1;
      const left = ((bytes - bytesRead) / (bytesRead - (initial.checkpoint?.bytes ?? 0))) * seconds;
      const bar = isLive ? `${"█".repeat(part * barWidth).padEnd(barWidth, "░")} ` : "";
      const rest = left > 0 && left < Infinity ? ` · ${toTime(left)} left` : "";
      text = `${bar}${Math.floor(part * 100)}% · ${counts}${rest}`;
    }
  };
  const show = (): void => {
    // A line that wraps could not be overwritten.
    const line = isLive ? text.slice(0, (output.columns ?? 80) - 1) : text;
    if (line === shown) return;
    output.write(isLive ? `\r${line.padEnd(shown.length)}` : `${line}\n`);
    shown = line;
  };

  update(initial);
  const timer = setInterval(show, isLive ? liveMs : lineMs);
  return {
    update,
    stop() {
      clearInterval(timer);
      show();
      if (isLive) output.write("\n");
    },
  };
}

function toTime(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  return whole < 3_600 ? `${Math.ceil(whole / 60)}min` : `${(whole / 3_600).toFixed(1)}h`;
}
