import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "../../config.ts";
import { endSession } from "./fence.ts";
import type { Lease, Pool, Session } from "./pool.ts";
import { AttemptError, createBudget, retrying, stalenessOf, type Budget, type Phase } from "./retry.ts";
import { toTimeoutMs } from "./timeouts.ts";

/** Lends connections for one attempt each. */
export type Lender = {
  /**
   * Runs `use` on a connection, which goes back to the pool when it has ended and not before, or is
   * destroyed; where the attempt is stale by the time that there is one, it goes back unused. When the signal
   * aborts it throws the signal's reason at once, and the server is asked to stop.
   * An attempt that is not answered in half of the time left is given up on, and judged by `phase`.
   */
  lend<T>(budget: Budget, phase: Phase, use: (lease: Lease) => Promise<T>, options?: LendOptions): Promise<T>;
  /** Ends a session on the server, see `endSession`. */
  fence(budget: Budget, session: Session): Promise<void>;
  /** Ends a session that its call leaves behind in doubt, in its own time. */
  leave(session: Session): void;
  /**
   * Resolves when nothing can happen any more of what the callers that are gone by now have left behind, and
   * rejects where that could not be brought about; undefined if nothing is left.
   */
  leftBehind(): Promise<unknown> | undefined;
};

type LendOptions = {
  /** Told the session of an attempt that may still come true, or hold locks. */
  readonly onUnsettled?: (session: Session) => void;
  /** See `Pool.acquire`. */
  readonly isFirst?: boolean;
};

/**
 * An attempt is given half of the time left, but at least this: a statement that waits for locks needs some.
 */
const attemptMsMin = 1_000;
/** How long a cancelled statement may take to end; past it the connection is destroyed. */
const stopMsMax = 250;
/** How long it is tried to end the session of a call that is over, and how often. */
const endMsMax = 10_000;
const endPauseMs = 100;

/** Lends the connections of a pool. */
export function createLender(pool: Pool, engine: Engine): Lender {
  const stopping = new Set<Promise<void>>();
  return {
    lend,
    fence,
    leave: (session) => remember(endLater(session)),
    leftBehind() {
      if (stopping.size === 0) return undefined;
      const all = Promise.all(stopping);
      // The caller that asked may have left before it fails.
      all.catch(() => {});
      return all;
    },
  };

  function remember(ending: Promise<void>): void {
    stopping.add(ending);
    // A failure is heard where it is waited for.
    ending.finally(() => stopping.delete(ending)).catch(() => {});
  }

  async function lend<T>(
    budget: Budget,
    phase: Phase,
    use: (lease: Lease) => Promise<T>,
    { onUnsettled = () => {}, isFirst = false }: LendOptions = {},
  ): Promise<T> {
    const lease = await pool.acquire(budget, isFirst).catch((error: unknown) => {
      throw budget.signal.aborted ? error : new AttemptError(engine, "connecting", error);
    });
    giveBackIfOver(budget, lease);
    const abandoned = (used: Promise<unknown>): void => remember(stop(lease, phase, used));
    const failed = ({ cause }: AttemptError): void => pool.renew(stalenessOf(cause));
    return useOnce(lease, budget, phase, use, { abandoned, failed, unsettled: onUnsettled });
  }

  /**
   * Stops what runs on a connection whose caller has left, then gives the connection back. If that takes too
   * long the session is ended: the caller may repeat the call, and what it left behind must not come true
   * later.
   */
  async function stop(lease: Lease, phase: Phase, used: Promise<unknown>): Promise<void> {
    const ended = used.then(() => true, isSound);
    const late = new Promise<false>((resolve) => setTimeout(resolve, stopMsMax, false).unref());
    // The request must have arrived before the connection is used again, else it would hit the next
    // statement.
    await lease.cancel();
    // CockroachDB cancels some time after it has taken the request: the connection must not be used again.
    const sound = (await Promise.race([ended, late])) && engine === "postgresql";
    lease.release(sound);
    // What reads leaves nothing behind.
    if (!sound && phase === "committing") await endLater(lease.session);
  }

  /** Tries until it succeeds, or rejects after `endMsMax`. */
  async function endLater(session: Session): Promise<void> {
    const budget = createBudget(endMsMax);
    for (;;) {
      try {
        return await retrying(budget, () => fence(budget, session));
      } catch (error) {
        // A pool that is full, or a database that is away for longer than one call would try.
        if (budget.signal.aborted) throw error;
        await sleep(endPauseMs, undefined, { ref: false });
      }
    }
  }

  function fence(budget: Budget, session: Session): Promise<void> {
    return lend(budget, "executing", async ({ client }) => {
      try {
        await endSession(client, engine, session);
      } catch (error) {
        // Ending a session twice does no harm.
        throw new AttemptError(engine, "executing", error);
      }
    });
  }
}

/** Gives a connection back unused, and throws, where the attempt is not to be sent any more. */
function giveBackIfOver({ signal, throwIfStale }: Budget, lease: Lease): void {
  try {
    throwIfStale?.();
    signal.throwIfAborted();
  } catch (error) {
    lease.release(true);
    throw error;
  }
}

/** What becomes of a connection that cannot simply be given back. */
type Ends = {
  /** The caller has left: this gives the connection back when what runs on it has ended. */
  readonly abandoned: (used: Promise<unknown>) => void;
  readonly failed: (error: AttemptError) => void;
  readonly unsettled: (session: Session) => void;
};

/** Runs `use` on a connection and gives it back, or leaves that to `abandoned`: exactly one of the two. */
function useOnce<T>(
  lease: Lease,
  budget: Budget,
  phase: Phase,
  use: (lease: Lease) => Promise<T>,
  { abandoned, failed, unsettled }: Ends,
): Promise<T> {
  const { signal } = budget;
  return new Promise<T>((resolve, reject) => {
    let over = false;
    const end = (): boolean => {
      if (over) return false;
      over = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", abandon);
      return true;
    };
    const fail = (error: unknown): void => {
      if (error instanceof AttemptError) failed(error);
      const mustEnd = mayStillAct(error);
      if (mustEnd) unsettled(lease.session);
      // The session is ended before the next attempt: no other call may have it then.
      lease.release(!mustEnd && isSound(error));
      reject(error);
    };
    const succeed = (result: T): void => {
      lease.release(true);
      resolve(result);
    };
    const abandon = (): void => {
      if (!end()) return;
      reject(signal.reason as Error);
      abandoned(used);
    };
    const giveUp = (): void => {
      if (!end()) return;
      void lease.cancel();
      fail(new AttemptError(lease.engine, phase, new Error("the database does not answer")));
    };
    const timer = setTimeout(giveUp, toAttemptMs(budget));
    const used = use(lease);
    used.then(
      (result) => end() && succeed(result),
      (error: unknown) => end() && fail(error),
    );
    signal.addEventListener("abort", abandon, { once: true });
  });
}

/**
 * How long an attempt may go without an answer. A connection can be dead without a word, and half of the time
 * must be left to find out on another one.
 */
function toAttemptMs({ deadlineMs }: Budget): number {
  const leftMs = toTimeoutMs(deadlineMs);
  return Math.min(Math.max(leftMs / 2, attemptMsMin), leftMs);
}

/** Whether the session of a failed attempt may still commit what it did, or hold the locks of it. */
function mayStillAct(error: unknown): boolean {
  if (!(error instanceof AttemptError)) return false;
  const { fate, phase } = error;
  return fate === "ambiguous" || (phase === "inside" && fate === "disconnected");
}

/**
 * After an error that the server sent the connection goes on, unless it is one that ends connections: a
 * CockroachDB node that drains says that (57P01) with the severity of an error of the statement.
 */
function isSound(error: unknown): boolean {
  if (!(error instanceof AttemptError)) return true;
  const { severity } = (error.cause ?? {}) as { severity?: string };
  return severity === "ERROR" && error.fate !== "disconnected" && error.fate !== "ambiguous";
}
