/** How long a caller waits: what bounds every use of the database. A `Call` is one. */
export type Deadline = {
  readonly signal: AbortSignal;
  readonly deadlineMs: number;
  /** Whose work it is, of the holders that take turns for connections; work without one is shared by all. */
  readonly holder?: unknown;
  /**
   * Asked before each attempt is sent. Throws where the attempt must not be sent any more: it has the row of
   * a caller that has left, and may be back at another replica.
   */
  readonly throwIfStale?: () => void;
  /** Attempts, where there is something better to do than to run the same again; default: `attemptsMax`. */
  readonly attemptsMax?: number;
};

/** The deadline of the service itself, where it asks the database for no caller. */
export function createDeadline(ms: number): Deadline {
  return { signal: AbortSignal.timeout(ms), deadlineMs: Date.now() + ms };
}

/** A caller's own deadline aborts its signal at that time, which is to come first. */
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
  { signal, deadlineMs }: Deadline,
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
