import { SingleBar } from "cli-progress";
import type { State } from "./resume.ts";

/** Says how far an import is. */
export type Progress = {
  readonly update: (state: State, bytesRead: number) => void;
  readonly stop: () => void;
};

// Elsewhere than on a terminal: often enough to see that it goes on, seldom enough for a log.
const linesMs = 5_000;

/** A bar on a terminal, a line every few seconds elsewhere. `bytes` is the size of the input, if known. */
export function startProgress(bytes: number | undefined, output: NodeJS.WriteStream): Progress {
  const counts = "{rows} rows, {rate}/s, {refused} refused";
  const bar = new SingleBar({
    format: bytes === undefined ? counts : `{bar} {percentage}% · ${counts} · {eta_formatted} left`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    stream: output,
    noTTYOutput: true,
    notTTYSchedule: linesMs,
    hideCursor: true,
    etaBuffer: 100,
  });
  const startMs = performance.now();
  let first: number | undefined;
  bar.start(bytes ?? 0, 0, { rows: 0, rate: 0, refused: 0 });
  return {
    update({ nextIndex, refused }, bytesRead) {
      first ??= nextIndex;
      const seconds = (performance.now() - startMs) / 1_000;
      const rate = Math.round((nextIndex - first) / seconds);
      bar.update(bytesRead, { rows: nextIndex, rate, refused });
    },
    stop: () => bar.stop(),
  };
}
