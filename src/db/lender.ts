import type { Engine } from "../config.ts";
import { endSession } from "./fence.ts";
import type { Lease, Pool, Session } from "./pool.ts";
import { AttemptError, fateOf, retrying, type Budget } from "./retry.ts";

/** Lends connections for one attempt each. */
export type Lender = {
  /**
   * Runs `use` on a connection, which goes back to the pool when it has ended and not before, or is destroyed. When the
   * signal aborts it throws the signal's reason at once, and the server is asked to stop. `onDoubt` is told the session
   * of an attempt of which nobody knows whether it happened.
   */
  lend<T>(
    budget: Budget,
    use: (lease: Lease) => Promise<T>,
    onDoubt?: (session: Session) => void,
  ): Promise<T>;
  /** Ends a session on the server, see `endSession`. */
  fence(budget: Budget, session: Session): Promise<void>;
};

/** How long a cancelled statement may take to end; past it the connection is destroyed. */
const stopMsMax = 1_000;
/** How long it is tried to end the session of a call that nobody waits for any more. */
const endMsMax = 10_000;

/** Lends the connections of a pool. */
export function createLender(pool: Pool, engine: Engine): Lender {
  return { lend, fence };

  async function lend<T>(
    budget: Budget,
    use: (lease: Lease) => Promise<T>,
    onDoubt: (session: Session) => void = () => {},
  ): Promise<T> {
    const { signal } = budget;
    const lease = await pool.acquire(budget).catch((error: unknown) => {
      throw signal.aborted ? error : new AttemptError("connecting", error);
    });
    const used = use(lease);
    const abandoned = Promise.withResolvers<never>();
    const abandon = (): void => {
      abandoned.reject(signal.reason);
      void stop(lease, used);
    };
    if (signal.aborted) abandon();
    else signal.addEventListener("abort", abandon, { once: true });
    used.then(
      () => signal.aborted || lease.release(true),
      (error: unknown) => {
        if (signal.aborted) return;
        if (isDoubtful(error)) onDoubt(lease.session);
        lease.release(isSound(error));
      },
    );
    try {
      return await Promise.race([used, abandoned.promise]);
    } finally {
      signal.removeEventListener("abort", abandon);
    }
  }

  /**
   * Stops what runs on a connection whose caller has left, then gives the connection back. If that takes too long the
   * session is ended: the caller may repeat the call, and what it left behind must not come true later.
   */
  async function stop(lease: Lease, used: Promise<unknown>): Promise<void> {
    const ended = used.then(() => true, isSound);
    const late = new Promise<false>((resolve) => setTimeout(resolve, stopMsMax, false).unref());
    // The request must have arrived before the connection is used again, else it would hit the next statement.
    await lease.cancel();
    const sound = await Promise.race([ended, late]);
    lease.release(sound);
    if (sound) return;
    const budget = { signal: AbortSignal.timeout(endMsMax), deadlineMs: Date.now() + endMsMax };
    await retrying(budget, () => fence(budget, lease.session)).catch(() => {});
  }

  function fence(budget: Budget, session: Session): Promise<void> {
    return lend(budget, async ({ client }) => {
      try {
        await endSession(client, engine, session);
      } catch (error) {
        // Ending a session twice does no harm.
        throw new AttemptError("executing", error);
      }
    });
  }
}

function isDoubtful(error: unknown): boolean {
  return error instanceof AttemptError && fateOf(error.phase, error.cause) === "ambiguous";
}

/** After an error that the server sent the connection goes on, unless the server says that it ends it. */
function isSound(error: unknown): boolean {
  if (!(error instanceof AttemptError)) return true;
  const { code, severity } = (error.cause ?? {}) as { code?: string; severity?: string };
  return severity === "ERROR" && code !== "0A000" && code !== "26000" && code !== "25006";
}
