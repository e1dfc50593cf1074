import type pg from "pg";
import type { Config, Connection, Engine } from "../config.ts";
import { endSession } from "./fence.ts";
import { createPool, type Lease, type PoolStats, type Session } from "./pool.ts";
import { AttemptError, fateOf, retrying, type Budget, type Fate, type Phase } from "./retry.ts";
import type { Statement } from "./statement.ts";

/** An open transaction. */
export type Tx = {
  query<Row>(statement: Statement<Row>, values: readonly unknown[]): Promise<Row[]>;
};

/** The database as the rest of the service sees it: statements and transactions that are retried where that is safe. */
export type Database = {
  readonly engine: Engine;
  /**
   * Runs one statement, a transaction by itself, in one round trip, and again as `retrying` allows. Throws a DomainError
   * for what a caller may be told. When the signal aborts, it throws the signal's reason at once and the server is asked
   * to stop.
   */
  query<Row>(statement: Statement<Row>, values: readonly unknown[], budget: Budget): Promise<Row[]>;
  /**
   * Runs `work` in a serializable transaction, commits it and returns its result. `work` may run many times: it changes
   * nothing but the database, asks it again for all it knows, and its writes are keyed by ids derived from the call.
   */
  transaction<T>(budget: Budget, work: (tx: Tx) => Promise<T>): Promise<T>;
  stats(): PoolStats;
  [Symbol.asyncDispose](): Promise<void>;
};

/** What the database tells whoever counts. */
export type DatabaseObserver = { retried(fate: Fate, code: string): void };

/** Opens the database. It owns its connections; nothing is connected yet. */
export function createDatabase(
  connection: Connection,
  engine: Engine,
  limits: Config["pool"],
  observer: DatabaseObserver = { retried: () => {} },
): Database {
  const pool = createPool(connection, engine, limits);

  return {
    engine,
    query: (statement, values, budget) =>
      attempts(budget, (lease) => run(lease, statement, values, "committing", budget.signal)),
    transaction: (budget, work) => attempts(budget, (lease) => runTransaction(lease, work, budget.signal)),
    stats: () => pool.stats(),
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };

  /** Runs `use` until it succeeds, each time on a connection of its own. */
  function attempts<T>(budget: Budget, use: (lease: Lease) => Promise<T>): Promise<T> {
    // The session of an attempt that may or may not have happened. It is ended before the next one begins: a refusal
    // then is final, because nothing can come true after it, and no lock that it holds is waited for.
    let doubtful: Session | undefined;
    return retrying(
      budget,
      async () => {
        if (doubtful) await withLease(budget, fence(doubtful));
        doubtful = undefined;
        return withLease(budget, use, (session) => (doubtful = session));
      },
      { onRetry: observer.retried },
    );
  }

  function fence(session: Session): (lease: Lease) => Promise<void> {
    return async ({ client }) => {
      try {
        await endSession(client, engine, session);
      } catch (error) {
        // Ending a session twice does no harm.
        throw new AttemptError("executing", error);
      }
    };
  }

  /** Runs `use` on a connection, which goes back to the pool when it has ended and not before, or is destroyed. */
  async function withLease<T>(
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
    await retrying(budget, () => withLease(budget, fence(lease.session))).catch(() => {});
  }
}

/** How long a cancelled statement may take to end; past it the connection is destroyed. */
const stopMsMax = 1_000;
/** How long it is tried to end the session of a call that nobody waits for any more. */
const endMsMax = 10_000;

function isDoubtful(error: unknown): boolean {
  return error instanceof AttemptError && fateOf(error.phase, error.cause) === "ambiguous";
}

/** After an error that the server sent the connection goes on, unless the server says that it ends it. */
function isSound(error: unknown): boolean {
  if (!(error instanceof AttemptError)) return true;
  const { code, severity } = (error.cause ?? {}) as { code?: string; severity?: string };
  return severity === "ERROR" && code !== "0A000" && code !== "26000" && code !== "25006";
}

async function run<Row>(
  { client }: Lease,
  { name, text }: Statement<Row>,
  values: readonly unknown[],
  phase: Phase,
  signal: AbortSignal,
): Promise<Row[]> {
  signal.throwIfAborted();
  try {
    const { rows } = await client.query<Row & pg.QueryResultRow>({ name, text, values: values as unknown[] });
    return rows;
  } catch (error) {
    throw new AttemptError(phase, error);
  }
}

async function runTransaction<T>(lease: Lease, work: (tx: Tx) => Promise<T>, signal: AbortSignal): Promise<T> {
  await control(lease, "begin", "executing");
  let result: T;
  try {
    result = await work({ query: (statement, values) => run(lease, statement, values, "executing", signal) });
  } catch (error) {
    // The connection is sound when the rollback succeeds; its own failure must not hide the first error.
    await control(lease, "rollback", "executing").catch(() => {});
    throw error;
  }
  // The server answers a commit of a failed transaction with ROLLBACK and without an error.
  const command = await control(lease, "commit", "committing");
  if (command !== "COMMIT") throw new Error(`COMMIT was answered ${command}`);
  return result;
}

async function control({ client }: Lease, command: string, phase: Phase): Promise<string> {
  try {
    return (await client.query(command)).command;
  } catch (error) {
    throw new AttemptError(phase, error);
  }
}
