import { constants } from "node:os";

/** Signals that end a script. */
export const endings = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export type Ending = (typeof endings)[number];

/** The exit code after a signal, as in shells. */
export const toExitCode = (signal: Ending): number => 128 + constants.signals[signal];

/**
 * Runs what can be aborted, and resolves with its exit code: that of the signal if one has ended it. Signals
 * after the first change nothing until it has cleaned up.
 */
export async function runUntilEnded(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const stopping = new AbortController();
  let ending: Ending | undefined;
  const end = (name: Ending): void => {
    if (ending !== undefined) return;
    ending = name;
    console.error(`ended by ${name}`);
    stopping.abort();
  };
  for (const name of endings) process.on(name, end);
  try {
    return await work(stopping.signal);
  } catch (error) {
    // TypeScript does not see that handlers have set it.
    if (!stopping.signal.aborted) throw error;
    return toExitCode(ending!);
  } finally {
    for (const name of endings) process.off(name, end);
  }
}
