import type pg from "pg";
import type { Engine } from "../../config.ts";
import type { Work } from "./attempt.ts";
import type { Progress } from "./judge.ts";
import { DecodeError, toParameter } from "./pg-types.ts";
import { runStatements } from "./query.ts";
import type { Statement } from "./statement.ts";
import { begin, commit, rollback } from "./transaction.ts";

/** A statement that reads, and its values. */
export type Read = { readonly statement: Statement<unknown>; readonly values: readonly unknown[] };

/** The work of one attempt to run a statement. */
export function workOf<Row>(
  statement: Statement<Row>,
  values: readonly unknown[],
  engine: Engine,
  signal: AbortSignal,
): Work<Row[]> {
  const parts = [{ statement, parameters: values.map(toParameter) }];
  const isolation = engine === "postgresql" ? statement.isolation : undefined;
  return async (client, progress) => {
    const run = async () => (await runStatements(client, parts))[0]!;
    progress.wasPrepared = isPrepared(client, statement.name);
    // A write outside of a transaction commits by itself, and a read has nothing to commit.
    progress.phase = statement.readsOnly ? "executing" : "committing";
    return isolation === undefined ? run() : inTransaction(client, progress, { isolation, run, signal });
  };
}

/** The work of one attempt to run statements that read. */
export function workOfAll(reads: readonly Read[]): Work<unknown[][]> {
  const parts = reads.map(({ statement, values }) => ({ statement, parameters: values.map(toParameter) }));
  return async (client, progress) => {
    progress.wasPrepared = parts.some(({ statement }) => isPrepared(client, statement.name));
    progress.phase = "executing";
    return runStatements(client, parts);
  };
}

/** Whether a connection has prepared a statement; node-postgres knows and does not declare it. */
function isPrepared(client: pg.PoolClient, name: string): boolean {
  type Internals = { readonly connection: { readonly parsedStatements: Readonly<Record<string, string>> } };
  return (client as unknown as Internals).connection.parsedStatements[name] !== undefined;
}

async function inTransaction<T>(
  client: pg.PoolClient,
  progress: Progress,
  {
    isolation,
    run,
    signal,
  }: {
    readonly isolation: NonNullable<Statement<unknown>["isolation"]>;
    readonly run: () => Promise<T>;
    readonly signal: AbortSignal;
  },
): Promise<T> {
  progress.phase = "executing";
  await client.query(begin[isolation]);
  progress.phase = "inside";
  let result: T;
  try {
    // A cancellation ends the step that runs, and not those that follow.
    signal.throwIfAborted();
    result = await run();
    signal.throwIfAborted();
  } catch (error) {
    // The connection is sound when the rollback succeeds; its own failure must not hide the first error.
    await client.query(rollback).catch(() => {});
    throw error;
  }
  progress.phase = "committing";
  const { command } = await client.query(commit);
  // The server answers a commit of a failed transaction with ROLLBACK and without an error.
  if (command !== "COMMIT") throw new DecodeError(new Error(`COMMIT was answered ${command}`));
  return result;
}

/** What statements that are sent together are called: as each of them, or "reads". */
export function nameOf(reads: readonly Read[]): string {
  const [first] = reads;
  const isSame = first && reads.every(({ statement }) => statement === first.statement);
  return isSame ? first.statement.name : "reads";
}
