import { styleText } from "node:util";
import { quantile } from "../meter.ts";
import type { Backend } from "./balancer.ts";
import type { Load, Stream } from "./load.ts";

/** What a replica is doing. */
type Phase = "serving" | "draining" | "starting";

/** Shows a rolling restart to people. Disposal leaves the last state there. */
export type Board = Disposable & {
  /** Says what a replica begins to do. */
  readonly set: (replica: number, phase: Phase) => void;
};

const drawMs = 200;
const colours = { serving: "green", draining: "yellow", starting: "cyan" } as const;

/**
 * On a terminal the state of all replicas changes in its place; elsewhere each change is a line, with the
 * calls until then.
 */
export function openBoard(
  parts: { readonly backends: readonly Backend[]; readonly load: Load; readonly stream: Stream },
  output: NodeJS.WriteStream,
): Board {
  const { backends } = parts;
  const startMs = performance.now();
  const phases = backends.map((): Phase => "serving");
  let drawn = 0;
  const draw = (): void => {
    if (drawn > 0) output.moveCursor(0, -drawn);
    const lines = [...phases.map((phase, n) => toRow(n, phase, backends[n]!)), "", toCounts(parts, startMs)];
    for (const line of lines) {
      output.write(line);
      output.clearLine(1);
      output.write("\n");
    }
    drawn = lines.length;
  };
  const timer = output.isTTY && setInterval(draw, drawMs);
  return {
    set(replica, phase) {
      phases[replica] = phase;
      if (output.isTTY) return draw();
      output.write(`replica ${replica + 1} is ${phase}; ${toCounts(parts, startMs)}\n`);
    },
    [Symbol.dispose]() {
      if (!timer) return;
      clearInterval(timer);
      draw();
    },
  };
}

function toRow(n: number, phase: Phase, { connections, isReady }: Backend): string {
  const name = styleText(colours[phase], phase.padEnd(9));
  const counted = `${connections} connections`.padStart(15);
  return `  replica ${n + 1}  ${name} ${counted}  ${isReady ? "gets new ones" : "gets no new ones"}`;
}

function toCounts(
  { load, stream }: { readonly load: Load; readonly stream: Stream },
  startMs: number,
): string {
  const { durations, failures } = load;
  const seconds = (performance.now() - startMs) / 1000;
  const p99 = quantile(
    durations.slice(-1_000).toSorted((one, other) => one - other),
    0.99,
  );
  const failed = failures.length === 0 ? "0 failed" : styleText("red", `${failures.length} failed`);
  const speed = `${(durations.length / seconds).toFixed(0)} a second`;
  const streamed = `${stream.acknowledged()} orders streamed`;
  return `${durations.length} calls answered, ${speed}, p99 ${p99.toFixed(0)} ms, ${failed}; ${streamed}`;
}
