import pg from "pg";
import { afterAll, beforeEach, expect, onTestFinished } from "vitest";
import type { Connection } from "../../src/config.ts";
import { toClientConfig } from "../../src/db/engine/connection.ts";
import { createDatabase, within } from "../../src/db/engine/database.ts";
import type { Run } from "../../src/db/engine/statement.ts";
import { createTestDatabase, execute } from "./databases.ts";
import { deadline, limits } from "./pools.ts";

/** A replica's way to the database: what it runs, and why it had to run it again, by SQLSTATE. */
export type Actor = { readonly run: Run; readonly retries: readonly string[] };

/**
 * A database for the tests of a file, and as many ways to it as there are actors in a test. The tests are
 * skipped on CockroachDB, which aborts what meets.
 */
export async function openStage() {
  const { connection, engine, ...database } = await createTestDatabase();
  afterAll(() => database[Symbol.asyncDispose]());
  beforeEach(({ skip }) => skip(engine === "cockroachdb", "it aborts what meets"));
  return { connection, openActor: createActors(connection) };
}

function createActors(connection: Connection) {
  return (): Actor => {
    const retries: string[] = [];
    const observer = { retried: (_: string, code: string) => void retries.push(code) };
    const db = createDatabase(connection, "postgresql", limits, { observer });
    onTestFinished(() => db[Symbol.asyncDispose]());
    return { run: (...query) => within(db, deadline())(...query), retries };
  };
}

/** A transaction of another one, which has done something and is not committed. */
export type Held = { end(how?: "commit" | "rollback"): Promise<void> };

/** Begins a transaction, and what it does: its locks are kept until its end. */
export async function hold(connection: Connection, text: string, values: unknown[] = []): Promise<Held> {
  const client = new pg.Client(toClientConfig(connection));
  await client.connect();
  await client.query("begin");
  await client.query(text, values);
  return {
    async end(how = "commit") {
      await client.query(how);
      await client.end();
    },
  };
}

/** Locks a row until the end. */
export function holdRow(connection: Connection, table: string, id: string): Promise<Held> {
  return hold(connection, `select id from ${table} where id = $1 for update`, [id]);
}

/** Resolves when as many sessions of a database wait for locks: their snapshots have been taken. */
export async function untilWaiting({ database, ...server }: Connection, count: number): Promise<void> {
  const text = `select pid from pg_stat_activity
    where wait_event_type = 'Lock' and wait_event <> 'advisory' and datname = $1`;
  const waiting = async () => (await execute({ database, ...server }, text, [database])).length;
  await expect.poll(waiting, { timeout: 10_000 }).toBe(count);
}

/**
 * Sends calls one after the other, each as soon as the one before waits for what `held` holds, then lets go
 * of it, and returns what became of the calls.
 */
export async function queueBehind<Answers extends readonly unknown[]>(
  connection: Connection,
  held: Held,
  calls: { readonly [N in keyof Answers]: () => Promise<Answers[N]> },
): Promise<Answers> {
  const answers: Promise<unknown>[] = [];
  for (const call of calls) {
    answers.push(call().catch((error: unknown) => error));
    await untilWaiting(connection, answers.length);
  }
  await held.end();
  return (await Promise.all(answers)) as unknown as Answers;
}
