import { readFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const sources = path.join(import.meta.dirname, "../../src");
const prefix = `${pathToFileURL(sources).href}/`;

/** A function of src/ that has begun, so many times. */
export type Begun = {
  /** Tells it from others in all walks. */
  readonly id: string;
  /** Relative to src/. */
  readonly file: string;
  readonly line: number;
  readonly name: string;
  readonly count: number;
};

/** Counts from now on which functions of src/ begin. */
export async function startCoverage(): Promise<Disposable & { readonly take: () => Promise<Begun[]> }> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  // Whatever V8 has counted before.
  await session.post("Profiler.takePreciseCoverage");
  return {
    async take() {
      const { result } = await session.post("Profiler.takePreciseCoverage");
      return result
        .filter(({ url }) => url.startsWith(prefix) && !url.startsWith(`${prefix}gen/`))
        .flatMap(({ url, functions }) => {
          const at = fileURLToPath(url);
          const file = path.relative(sources, at).replaceAll(path.sep, "/");
          const text = readFileSync(at, "utf8");
          return functions.flatMap(({ functionName, ranges: [range] }) => {
            if (range === undefined || range.count === 0) return [];
            const line = text.slice(0, range.startOffset).split("\n").length;
            const name = functionName || "(anonymous)";
            return {
              id: `${file}:${line} ${name} ${range.startOffset}`,
              file,
              line,
              name,
              count: range.count,
            };
          });
        });
    },
    [Symbol.dispose]: () => session.disconnect(),
  };
}
