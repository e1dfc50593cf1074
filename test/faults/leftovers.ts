import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import process from "node:process";

/** What ends, at once, what this process has made beside itself. */
const ends = new Set<() => void>();

/** Has nothing stay behind when a signal ends this process. */
export function endWithSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  process.once("exit", () => ends.forEach((end) => end()));
}

/** Calls `end` where a signal ends this process before it was disposed of. */
export function onExit(end: () => void): Disposable {
  ends.add(end);
  return { [Symbol.dispose]: () => void ends.delete(end) };
}

/** Makes a temporary directory that goes with its disposal, or with a signal that ends this process. */
export async function makeDirectory(prefix: string): Promise<AsyncDisposable & { readonly path: string }> {
  const directory = await mkdtemp(path.join(tmpdir(), prefix));
  const exiting = onExit(() => rmSync(directory, { recursive: true, force: true }));
  return {
    path: directory,
    async [Symbol.asyncDispose]() {
      exiting[Symbol.dispose]();
      await rm(directory, { recursive: true });
    },
  };
}
