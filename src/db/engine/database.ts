import type pg from "pg";
import type { Config, Connection, Engine } from "../../config.ts";
import { createLender } from "./lender.ts";
import { tooSlow, toServerError } from "../../errors.ts";
import { createPool, statementMsMax, type Lease, type PoolStats, type Session } from "./pool.ts";
import { AttemptError, retrying, stalenessOf, type Budget, type Fate, type Phase } from "./retry.ts";
import type { Statement } from "./statement.ts";
import { begin, commit, rollback } from "./transaction.ts";
import { DecodeError, toParameter } from "./pg-types.ts";

/** An open transaction. */
type Tx = {
  query<Row>(statement: Statement<Row>, values: readonly unknown[]): Promise<Row[]>;
};

/**
 * The database as the rest of the service sees it: statements and transactions that are retried where that is
 * safe.
 */
export type Database = {
  readonly engine: Engine;
  /**
   * Runs one statement, a transaction by itself, in one round trip unless it asks for another isolation, and
   * again as `retrying` allows. Throws a DomainError for what a caller may be told. When the signal aborts,
   * it throws the signal's reason at once and the server is asked to stop.
   */
  query<Row>(statement: Statement<Row>, values: readonly unknown[], budget: Budget): Promise<Row[]>;
  /**
   * Runs `work` in a serializable transaction, commits it and returns its result. `work` may run many times:
   * it changes nothing but the database, asks it again for all it knows, and its writes are keyed by ids
   * derived from the call.
   */
  transaction<T>(budget: Budget, work: (tx: Tx) => Promise<T>): Promise<T>;
  /** See `Lender.leftBehind`. */
  leftBehind(): Promise<unknown> | undefined;
  /** See `Pool.suspect`. */
  suspect(isAway: boolean): void;
  stats(): PoolStats;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Is told of attempts that are run again. */
export type DatabaseObserver = { retried(fate: Fate, code: string): void };

/** Opens the database. It owns its connections; nothing is connected yet. */
export function createDatabase(
  connection: Connection,
  engine: Engine,
  limits: Config["pool"],
  observer: DatabaseObserver = { retried: () => {} },
): Database {
  const pool = createPool(connection, engine, limits);
  const { lend, fence, leave, leftBehind } = createLender(pool, engine);

  return {
    engine,
    query: (statement, values, budget) =>
      attempts(budget, phaseOf(statement), (lease, phase) =>
        statement.isolation && engine === "postgresql"
          ? runTransaction(lease, (tx) => tx.query(statement, values), budget.signal, statement.isolation)
          : run(lease, statement, values, phase, budget.signal),
      ),
    transaction: (budget, work) =>
      attempts(budget, "committing", (lease) => runTransaction(lease, work, budget.signal)),
    leftBehind,
    suspect: (isAway) => pool.suspect(isAway),
    stats: () => pool.stats(),
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };

  /** Runs `use` until it succeeds, each time on a connection of its own. */
  async function attempts<T>(
    budget: Budget,
    phase: Phase,
    use: (lease: Lease, phase: Phase) => Promise<T>,
  ): Promise<T> {
    // The session of an attempt that may or may not have happened. It is ended before the next one begins: a
    // refusal then is final, because nothing can come true after it, and no lock that it holds is waited for.
    let unsettled: Session | undefined;
    let isFirst = true;
    const attempt = async (): Promise<T> => {
      if (unsettled) await fence(budget, unsettled);
      unsettled = undefined;
      const options = { onUnsettled: (session: Session) => void (unsettled = session), isFirst };
      isFirst = false;
      return lend(budget, phase, (lease) => use(lease, phase), options);
    };
    try {
      return await retrying(budget, attempt, { onRetry: observer.retried });
    } catch (error) {
      // Its caller may be back before it has happened.
      if (unsettled) leave(unsettled);
      throw error;
    }
  }
}

/** A write outside of a transaction commits by itself, and a read has nothing to commit. */
function phaseOf({ readsOnly }: Statement<unknown>): Phase {
  return readsOnly ? "executing" : "committing";
}

async function run<Row>(
  { client, engine }: Lease,
  { name, text }: Statement<Row>,
  values: readonly unknown[],
  phase: Phase,
  signal: AbortSignal,
): Promise<Row[]> {
  signal.throwIfAborted();
  const sinceMs = performance.now();
  const wasPrepared = isPrepared(client, name);
  try {
    const parameters = values.map(toParameter);
    const { rows } = await client.query<Row & pg.QueryResultRow>({ name, text, values: parameters });
    return rows;
  } catch (error) {
    // Of an answer that came to its end: nothing was lost, and the same again would end in the same.
    if (error instanceof DecodeError) throw error;
    // On PostgreSQL it has been undone.
    const isTooSlow =
      engine === "postgresql" &&
      toServerError(error)?.code === "57014" &&
      performance.now() - sinceMs >= statementMsMax;
    const cause = isTooSlow ? tooSlow(error) : error;
    // What nothing was prepared for is not mended by preparing it again.
    const isHopeless = stalenessOf(error) === "plan" && !wasPrepared;
    throw new AttemptError(engine, phase, cause, isHopeless ? "final" : undefined);
  }
}

/** Whether a connection has prepared a statement; node-postgres knows and does not declare it. */
function isPrepared(client: pg.PoolClient, name: string): boolean {
  type Internals = { readonly connection: { readonly parsedStatements: Readonly<Record<string, string>> } };
  return (client as unknown as Internals).connection.parsedStatements[name] !== undefined;
}

async function runTransaction<T>(
  lease: Lease,
  work: (tx: Tx) => Promise<T>,
  signal: AbortSignal,
  isolation?: "repeatable read",
): Promise<T> {
  await control(lease, begin[isolation ?? "default"], "executing");
  let result: T;
  try {
    result = await work({ query: (statement, values) => run(lease, statement, values, "inside", signal) });
    signal.throwIfAborted();
  } catch (error) {
    // The connection is sound when the rollback succeeds; its own failure must not hide the first error.
    await control(lease, rollback, "inside").catch(() => {});
    throw error;
  }
  // The server answers a commit of a failed transaction with ROLLBACK and without an error.
  const answer = await control(lease, commit, "committing");
  if (answer !== "COMMIT") throw new Error(`COMMIT was answered ${answer}`);
  return result;
}

async function control({ client, engine }: Lease, text: string, phase: Phase): Promise<string> {
  try {
    return (await client.query(text)).command;
  } catch (error) {
    throw new AttemptError(engine, phase, error);
  }
}
