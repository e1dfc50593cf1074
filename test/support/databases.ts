import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { inject } from "vitest";
import type { Connection, Engine } from "../../src/config.ts";
import { toClientConfig } from "../../src/db/engine/connection.ts";
import { migrate } from "../../src/db/migrate/migrate.ts";

/** The database server that the tests of a project use. */
export type TestEngine = {
  readonly connection: Connection;
  readonly engine: Engine;
  /** A migrated database to clone; where the engine cannot clone, each new database is migrated. */
  readonly template: string | undefined;
  /** The PostgreSQL behind an emulation, past which a test looks and acts as an operator of PostgreSQL. */
  readonly operator: Connection | undefined;
};

declare module "vitest" {
  interface ProvidedContext {
    engine: TestEngine;
  }
}

/** Makes the database that others are cloned from. */
export async function prepareEngine(
  connection: Connection,
  engine: Engine,
  operator?: Connection,
): Promise<TestEngine> {
  if (engine === "cockroachdb" && !operator) return { connection, engine, template: undefined, operator };
  const template = `template_${randomBytes(6).toString("hex")}`;
  await execute(connection, `create database ${template}`);
  await migrate({ ...connection, database: template }, { engine });
  return { connection, engine, template, operator };
}

/** A database for a test, and how it is reached. */
export type TestDatabase = AsyncDisposable & {
  readonly connection: Connection;
  readonly engine: Engine;
  /** To the PostgreSQL that holds it, past an emulation before it; to none on CockroachDB itself. */
  readonly operator: Connection;
};

/** An empty, migrated database of its own for a test. Disposal drops it. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { connection, engine, template, operator = connection } = inject("engine");
  const database = `test_${randomBytes(6).toString("hex")}`;
  await execute(operator, `create database ${database}${template ? ` template ${template}` : ""}`);
  const own = { ...connection, database };
  if (!template) await migrate(own, { engine });
  return {
    connection: own,
    engine,
    operator: { ...operator, database },
    async [Symbol.asyncDispose]() {
      if (template) await dropDatabase(operator, database);
      else await execute(connection, `drop database ${database} cascade`);
    },
  };
}

/** Longer than the server looks after the tables of a test. */
const dropMsMax = 10_000;

/** Drops a database together with its sessions, but for those of the server's own, which are waited for. */
export async function dropDatabase(connection: Connection, database: string): Promise<void> {
  for (const end = Date.now() + dropMsMax; ;) {
    try {
      return void (await execute(connection, `drop database ${database} with (force)`));
    } catch (error) {
      // Autovacuum works there, whose sessions only a superuser may end.
      if ((error as pg.DatabaseError).code !== "42501" || Date.now() > end) throw error;
      await sleep(20);
    }
  }
}

/** Runs one statement on a connection of its own. */
export async function execute<Row extends pg.QueryResultRow>(
  connection: Connection,
  text: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client(toClientConfig(connection));
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}
