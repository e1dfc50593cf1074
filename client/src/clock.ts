/** Time and chance, which a test owns. */
export type Clock = {
  /** Milliseconds since some moment; never goes back. */
  readonly nowMs: () => number;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** Waits so many milliseconds, or until the signal is aborted, whichever comes first. */
  readonly sleep: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
};

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  random: () => Math.random(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      if (signal?.aborted) end();
      else signal?.addEventListener("abort", end);
    }),
};

/** Waits for something, or rejects as soon as the signal is aborted, with `toError()`. */
export function orAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  toError: (signal: AbortSignal) => unknown,
): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(toError(signal));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** A time by which a call has to end. */
export type Deadline = {
  /** Milliseconds until then, not below zero; undefined if the call may last for ever. */
  readonly leftMs: () => number | undefined;
};

/** The deadline of a call that begins now. As in Connect, a time-out of zero or less is none. */
export function startDeadline(clock: Clock, timeoutMs: number | undefined): Deadline {
  if (timeoutMs === undefined || timeoutMs <= 0) return { leftMs: () => undefined };
  const endMs = clock.nowMs() + timeoutMs;
  return { leftMs: () => Math.max(0, endMs - clock.nowMs()) };
}
