import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import { createDeadline, toTimeoutMs, type Deadline } from "./deadline.ts";
import { judge, type Judgement, type Phase, type Progress } from "./judge.ts";
import type { Checkout, Pool } from "./pool.ts";
import { endSession, type Session } from "./session.ts";

/** How an attempt ended: with what its work returned, or why it failed and what that means. */
export type Attempted<T> = { readonly ok: true; readonly value: T } | Failure;

export type Failure = {
  readonly ok: false;
  readonly phase: Phase;
  readonly cause: unknown;
  readonly judgement: Judgement;
  /** The session that it ran in, if it got a connection. */
  readonly session: Session | undefined;
};

/** What runs on a connection; it says in `progress` how far it has come. */
export type Work<T> = (client: pg.PoolClient, progress: Progress) => Promise<T>;

export type AttemptOptions = {
  /** Whether it is the first one of its call. */
  readonly isFirst?: boolean;
  /**
   * Is told of the end of work that was sent: since when it ran, by performance.now(), and the SQLSTATE or
   * errno it failed with, or "cancelled" if its caller left.
   */
  readonly onEnd?: ((beginMs: number, code?: string) => void) | undefined;
};

/** An attempt gets half of the time left, but at least this: a statement that waits for locks needs some. */
const attemptMsMin = 1_000;
/** How long a cancelled statement may take to end; past it the connection is destroyed. */
const stopMsMax = 250;
/** How long the service tries to end the session of a call that is over. */
const terminateMsMax = 10_000;
/** How long it waits before it tries again. */
const terminatePauseMs = 100;

/**
 * Runs work once on a connection of the pool. The connection goes back when the work has ended and not
 * before, or is destroyed; where the attempt is stale by the time that there is a connection, it goes back
 * unused. Throws only the reason of the signal, or what `throwIfStale` throws: the caller has left, and the
 * server is asked to stop. An attempt that is not answered in half of the time left is given up on.
 */
export async function attempt<T>(
  pool: Pool,
  deadline: Deadline,
  work: Work<T>,
  { isFirst = false, onEnd }: AttemptOptions = {},
): Promise<Attempted<T>> {
  let checkout: Checkout;
  try {
    checkout = await pool.checkOut(deadline, isFirst);
  } catch (cause) {
    deadline.signal.throwIfAborted();
    const judgement = judge(pool.engine, beginProgress(), cause);
    return { ok: false, phase: "connecting", cause, judgement, session: undefined };
  }
  giveBackIfOver(deadline, checkout);
  const progress = beginProgress();
  const running = work(checkout.client, progress);
  return settle(pool, deadline, { checkout, progress, running, onEnd });
}

function beginProgress(): Progress {
  return { phase: "connecting", wasPrepared: false, beginMs: performance.now() };
}

/** Gives a connection back unused, and throws, where the attempt is not to be sent any more. */
function giveBackIfOver({ signal, throwIfStale }: Deadline, checkout: Checkout): void {
  try {
    throwIfStale?.();
    signal.throwIfAborted();
  } catch (error) {
    checkout.release(true);
    throw error;
  }
}

/** Work that runs on a connection. */
type Running<T> = {
  readonly checkout: Checkout;
  readonly progress: Progress;
  readonly running: Promise<T>;
} & Pick<AttemptOptions, "onEnd">;

/** Waits for the end of an attempt, as long as the deadline allows, and gives its connection back once. */
function settle<T>(pool: Pool, deadline: Deadline, attempted: Running<T>): Promise<Attempted<T>> {
  const { signal } = deadline;
  const { checkout, progress, running, onEnd } = attempted;
  return new Promise((resolve, reject) => {
    let isOver = false;
    const end = (): boolean => {
      if (isOver) return false;
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener("abort", leave);
      return true;
    };
    const succeed = (value: T): void => {
      checkout.release(true);
      onEnd?.(progress.beginMs);
      resolve({ ok: true, value });
    };
    const fail = (cause: unknown): void => {
      const judgement = judge(pool.engine, progress, cause);
      pool.renew(judgement.stale);
      // The session is ended before the next attempt: no other call may have it then.
      checkout.release(judgement.reusable && !judgement.mayStillAct, judgement.nodeFault);
      onEnd?.(progress.beginMs, judgement.code);
      resolve({ ok: false, phase: progress.phase, cause, judgement, session: checkout.session });
    };
    const leave = (): void => {
      if (!end()) return;
      onEnd?.(progress.beginMs, "cancelled");
      reject(signal.reason as Error);
      // Where it cannot be ended in time, the server ends it some time.
      stop(pool, attempted, signal).catch(() => {});
    };
    const giveUp = (): void => {
      if (!end()) return;
      void checkout.cancel();
      fail(new Error("the database does not answer"));
    };
    const timer = setTimeout(giveUp, toAttemptMs(deadline));
    signal.addEventListener("abort", leave, { once: true });
    running.then(
      (value) => end() && succeed(value),
      (error: unknown) => end() && fail(error),
    );
  });
}

/** A connection can be dead without a word: half of the time must be left to find out on another one. */
function toAttemptMs({ deadlineMs }: Deadline): number {
  const leftMs = toTimeoutMs(deadlineMs);
  return Math.min(Math.max(leftMs / 2, attemptMsMin), leftMs);
}

/**
 * Stops what runs on a connection whose caller has left, then gives the connection back. If that takes too
 * long the session is ended: it may hold locks, for which a repetition of the call would wait.
 */
async function stop<T>(
  pool: Pool,
  { checkout, progress, running }: Running<T>,
  signal: AbortSignal,
): Promise<void> {
  const ended = running.then(
    () => undone,
    // A transaction that was rolled back because its caller has left ends with the reason of the signal.
    (error: unknown) => (error === signal.reason ? undone : judge(pool.engine, progress, error)),
  );
  const late = new Promise<undefined>((resolve) => setTimeout(resolve, stopMsMax, undefined).unref());
  // The request must have arrived before the connection is used again, else it would hit the next statement.
  await checkout.cancel();
  const { reusable, mayStillAct, nodeFault } = (await Promise.race([ended, late])) ?? toUnended(progress);
  // CockroachDB cancels some time after it has taken the request: the connection must not be used again.
  checkout.release(reusable && !mayStillAct && pool.engine === "postgresql", nodeFault);
  if (mayStillAct) await terminateLater(pool, checkout.session);
}

type Stopped = Pick<Judgement, "reusable" | "mayStillAct" | "nodeFault">;

/** What has ended and leaves nothing behind. */
const undone: Stopped = { reusable: true, mayStillAct: false };

/** What a statement means that has not ended. One that only reads leaves nothing behind. */
function toUnended({ phase, asksOthers }: Progress): Stopped {
  const mayStillAct = phase === "inside" || phase === "committing";
  return { reusable: false, mayStillAct, nodeFault: asksOthers ? undefined : "silent" };
}

/** Ends a session on the server; returns why that failed, or undefined once it has ended. */
export async function terminate(
  pool: Pool,
  session: Session,
  deadline: Deadline,
): Promise<Failure | undefined> {
  const ended = await attempt(pool, deadline, (client, progress) => {
    // Ending a session twice does no harm. On CockroachDB its own node is asked, which may be what hangs.
    progress.phase = "executing";
    progress.asksOthers = true;
    return endSession(client, pool.engine, session);
  });
  if (ended.ok && ended.value) return undefined;
  if (!ended.ok && ended.phase === "connecting") return ended;
  // Whatever the server says of it, it may be otherwise a moment later: a node that cannot be asked comes
  // back.
  const cause = ended.ok ? new Error("a session whose outcome is unknown did not end in time") : ended.cause;
  const progress = { ...beginProgress(), phase: "executing" } as const;
  const judgement = judge(pool.engine, progress, new Error("not ended", { cause }));
  return { ok: false, phase: "executing", cause, judgement, session };
}

/** Ends the session of a call that is over: tries until it succeeds, or rejects after `terminateMsMax`. */
export async function terminateLater(pool: Pool, session: Session): Promise<void> {
  const deadline = createDeadline(terminateMsMax);
  while ((await terminate(pool, session, deadline)) !== undefined)
    await sleep(terminatePauseMs, undefined, { ref: false });
}
