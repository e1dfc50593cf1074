import { setTimeout as delay } from "node:timers/promises";
import type { Config, Connection, Engine } from "../../config.ts";
import {
  contention,
  databaseAway,
  databaseOverloaded,
  databaseReadOnly,
  outcomeUnknown,
} from "../../errors.ts";
import { attempt, terminate, terminateLater, type Failure, type Work } from "./attempt.ts";
import type { Deadline } from "./deadline.ts";
import type { Disposition } from "./judge.ts";
import { createPool, type Pool, type PoolObserver, type PoolStats } from "./pool.ts";
import type { Session } from "./session.ts";
import { sqlstate } from "./sqlstate.ts";
import type { Run, Statement } from "./statement.ts";
import { nameOf, type Read, workOf, workOfAll } from "./work.ts";

/** The database as the rest of the service sees it: statements that are retried where that is safe. */
export type Database = {
  readonly engine: Engine;
  /**
   * Runs one statement, a transaction by itself, in one round trip unless it asks for another isolation. A
   * failed attempt is followed by another, with full jitter between them, unless its failure is final, the
   * next wait would end after the deadline, or it was the last of `attemptsMax`. Throws a DomainError for
   * what a caller may be told, "outcome_unknown" where it is not known in the end whether an attempt
   * happened. When the signal aborts, it throws the signal's reason at once and the server is asked to stop.
   */
  query<Row>(statement: Statement<Row>, values: readonly unknown[], deadline: Deadline): Promise<Row[]>;
  /**
   * Runs statements that read, in one round trip, as `query` runs one; returns the rows of each. All of them
   * fail if one does.
   */
  queryAll(reads: readonly Read[], deadline: Deadline): Promise<unknown[][]>;
  /** See `Pool.suspect`. */
  suspect(isAway: boolean): void;
  stats(): PoolStats;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Runs statements that read within one deadline; `mutate` runs those that write. */
export function within(db: Database, deadline: Deadline): Run {
  return (statement, values) => db.query(statement, values, deadline);
}

/** Is told what happens at the database, for metrics and traces. */
export type DatabaseObserver = Partial<PoolObserver> & {
  /** A failed attempt is followed by another; with its SQLSTATE or errno. */
  retried(disposition: Disposition, code: string): void;
  /** An attempt to run an operation, a statement by its name, has ended; see `AttemptOptions`. */
  attempted?(operation: string, beginMs: number, code?: string): void;
};

export type DatabaseOptions = {
  readonly observer?: DatabaseObserver | undefined;
  /** See `PoolOptions`. */
  readonly isStale?: boolean | undefined;
};

/** What retrying depends on; tests own time and chance. */
export type RetryOptions = {
  readonly observer?: DatabaseObserver;
  readonly now?: () => number;
  readonly random?: () => number;
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
};

/** Opens the database. It owns its connections; nothing is connected yet. */
export function createDatabase(
  connection: Connection,
  engine: Engine,
  limits: Config["pool"],
  { observer, isStale }: DatabaseOptions = {},
): Database {
  const pool = createPool(connection, engine, limits, { observer, isStale });
  return databaseOf(pool, observer && { observer });
}

/** Attempts of one call. With the waits below they take some four seconds, most of the default deadline. */
export const attemptsMax = 64;
/**
 * The first wait is up to 2 ms, about what a conflicting statement needs to finish; each next one up to twice
 * that.
 */
const backoffMsBase = 2;
/** A wait is never longer: the call that waited longest must not be the last to find a hot row free. */
const backoffMsMax = 128;
/** A database without room is left alone for longer. */
const overloadedMsMax = 1_000;

/** The database behind a pool, which it owns. */
export function databaseOf(pool: Pool, options: RetryOptions = {}): Database {
  const { observer, now = Date.now, random = Math.random, sleep = interruptibleSleep } = options;

  async function run<T>(operation: string, work: Work<T>, deadline: Deadline): Promise<T> {
    const onEnd =
      observer?.attempted &&
      ((beginMs: number, code?: string): void => observer.attempted?.(operation, beginMs, code));
    // The session of an attempt that may have happened, or may hold locks. It is ended before the next one
    // begins, which then finds out what has become of it, and waits for no lock of it.
    let inDoubt: Session | undefined;
    let isAmbiguous = false;
    try {
      for (let attempts = 1; ; attempts++) {
        let failure = inDoubt && (await terminate(pool, inDoubt, deadline));
        if (failure === undefined) {
          inDoubt = undefined;
          const result = await attempt(pool, deadline, work, { isFirst: attempts === 1, onEnd });
          if (result.ok) return result.value;
          failure = result;
          if (failure.judgement.mayStillAct) inDoubt = failure.session;
        }
        deadline.signal.throwIfAborted();
        const { disposition, code } = failure.judgement;
        isAmbiguous ||= disposition === "ambiguous";
        const waitMs = toWaitMs(failure, attempts, isAmbiguous, deadline);
        if (waitMs === undefined) throw toAnswer(failure, isAmbiguous);
        observer?.retried(disposition, code);
        await sleep(waitMs, deadline.signal);
      }
    } finally {
      // It may hold locks that others wait for.
      if (inDoubt) void terminateLater(pool, inDoubt).catch(() => {});
    }
  }

  /** How long to wait before the next attempt; undefined where there is to be none. */
  function toWaitMs(
    { judgement }: Failure,
    attempts: number,
    isAmbiguous: boolean,
    deadline: Deadline,
  ): number | undefined {
    if (judgement.disposition === "final") return undefined;
    const ceiling = Math.min(backoffMsMax, backoffMsBase * 2 ** (attempts - 1));
    const waitMs = random() * (judgement.disposition === "overloaded" ? overloadedMsMax : ceiling);
    const sensible = Math.min(deadline.attemptsMax ?? attemptsMax, judgement.attemptsMax ?? attemptsMax);
    // Only running it again resolves an ambiguous attempt.
    const enough = isAmbiguous ? attemptsMax : sensible;
    return attempts >= enough || now() + waitMs >= deadline.deadlineMs ? undefined : waitMs;
  }

  return {
    engine: pool.engine,
    query: (statement, values, deadline) =>
      run(statement.name, workOf(statement, values, pool.engine, deadline.signal), deadline),
    queryAll: (reads, deadline) => run(nameOf(reads), workOfAll(reads), deadline),
    suspect: (isAway) => pool.suspect(isAway),
    stats: () => pool.stats(),
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}

/** What a caller is told of a statement that has failed for good. */
function toAnswer({ phase, cause, judgement }: Failure, isAmbiguous: boolean): unknown {
  const { disposition, code, answer } = judgement;
  if (disposition === "final") {
    // An attempt without a connection has asked nothing, and a failure that means nothing to the caller says
    // nothing of an attempt before.
    if (isAmbiguous && (phase === "connecting" || answer === undefined)) return outcomeUnknown(cause);
    return answer ?? cause;
  }
  // A definite abort after an ambiguous attempt says nothing of the ambiguous one.
  if (isAmbiguous) return outcomeUnknown(cause);
  if (disposition === "overloaded") return databaseOverloaded(cause);
  if (disposition === "aborted") return contention(cause);
  return code === sqlstate.readOnly ? databaseReadOnly(cause) : databaseAway(cause);
}

async function interruptibleSleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => {
    throw signal.reason;
  });
}
