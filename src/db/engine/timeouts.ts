import type { Budget } from "./retry.ts";

/** Where the deadline is the caller's, its signal aborts at that time: it is to come first. */
const signalSlackMs = 20;

/**
 * How long a step may take that must not outlast a deadline, in milliseconds, for setTimeout, which takes no
 * more than 2^31 - 1.
 */
export function toTimeoutMs(deadlineMs: number): number {
  return Math.min(Math.max(deadlineMs - Date.now(), 0) + signalSlackMs, 2 ** 31 - 1);
}

/**
 * Waits for a promise until the signal aborts or the deadline has passed; what comes too late is given to
 * `onLate`.
 */
export async function abandonable<T>(
  promise: Promise<T>,
  { signal, deadlineMs }: Budget,
  onLate: (value: T) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abandon);
    };
    const giveUp = (reason: unknown): void => {
      end();
      reject(reason);
      promise.then(onLate, () => {});
    };
    const abandon = (): void => giveUp(signal.reason);
    const late = (): void => giveUp(new Error("no connection was made in time"));
    const timer = setTimeout(late, toTimeoutMs(deadlineMs));
    if (signal.aborted) return abandon();
    signal.addEventListener("abort", abandon, { once: true });
    // First of all: what is handed out must not be given away as late.
    promise.finally(end).then(resolve, reject);
  });
}
