import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { Connection, Engine } from "../../config.ts";
import { connect, type Settings } from "../engine/connection.ts";
import { sqlstate } from "../engine/sqlstate.ts";
import { acquireLease, expectLease, type MigrationLease } from "./lease.ts";
import {
  compareMigrations,
  describeNewer,
  migrationsDirectory,
  readMigrations,
  selectApplied,
  splitStatements,
  type AppliedRow,
  type Comparison,
  type Migration,
} from "./migration-files.ts";
import { command } from "../engine/statement.ts";
import { begin, commit, rollback } from "../engine/transaction.ts";
import { messageOf } from "../../system-errors.ts";

/** A migration that this run applied. */
export type Applied = { readonly version: string; readonly elapsedMs: number };

export type MigrateOptions = {
  readonly engine: Engine;
  readonly directory?: string;
  /**
   * How long to wait while another process migrates. Default: a minute, which most migrations take less than.
   */
  readonly waitMs?: number;
  /** Told of each migration, in a line. */
  readonly log?: (line: string) => void;
  /** Told of what a newer release has applied, in a line. */
  readonly warn?: (line: string) => void;
  /** Ends the waiting, and the run before its next migration: the reason is thrown. */
  readonly signal?: AbortSignal | undefined;
};

/** An index may take long to build, whatever the role is given for the statements of calls. */
const settings: Settings = { statement_timeout: 0 };

const createTables = [
  command(
    "migrations.create_table",
    `create table if not exists schema_migrations (
    version text not null,
    checksum text not null,
    apply_time timestamptz not null default now(),
    constraint schema_migrations_pkey primary key (version)
  )`,
  ),
  command(
    "migrations.create_lock_table",
    `create table if not exists schema_migrations_lock (
    id int4 not null,
    owner uuid not null,
    holder text not null,
    acquire_time timestamptz not null,
    expire_time timestamptz not null,
    constraint schema_migrations_lock_pkey primary key (id)
  )`,
  ),
];

const insertApplied = command(
  "migrations.insert",
  "insert into schema_migrations (version, checksum) values ($1::text, $2::text)",
);

/**
 * Applies the migrations that the database lacks, in order, each once however many processes run this;
 * returns those that this one applied. Fails with an Error of one line naming the migration. Where nothing is
 * lacking it only reads: a role that may not change the schema is enough.
 *
 * On PostgreSQL a migration and its row are one transaction. CockroachDB commits before each change of the
 * schema, so there each statement runs by itself and the row comes last: after a failure the next run repeats
 * the file from its start, and every statement must allow that.
 */
export async function migrate(connection: Connection, options: MigrateOptions): Promise<Applied[]> {
  const { engine, directory = migrationsDirectory, waitMs = 60_000, signal } = options;
  const { log = () => {}, warn = () => {} } = options;
  const migrations = await readMigrations(directory, engine);
  const client = await connect(connection, { purpose: "migrations", settings, signal });
  try {
    const before = compareMigrations(migrations, await readApplied(client));
    if (before.newer.length > 0) warn(describeNewer(before.newer));
    if (before.pending.length === 0) return [];
    for (const statement of createTables) await createTable(client, statement);
    await using lease = await acquireLease(connection, waitMs, signal);
    // Read again under the lease: what another process applied meanwhile is applied.
    const { pending } = compareMigrations(migrations, await readApplied(client));
    const applied: Applied[] = [];
    for (const migration of pending) {
      signal?.throwIfAborted();
      const start = performance.now();
      await (engine === "postgresql" ? applyAsOne : applyByStatement)(client, lease, migration);
      const elapsedMs = Math.round(performance.now() - start);
      applied.push({ version: migration.version, elapsedMs });
      log(`applied ${migration.version} in ${elapsedMs} ms`);
    }
    return applied;
  } finally {
    await client.end();
  }
}

/** What the database lacks and what it has beyond this release. Only reads. */
export async function readStatus(
  connection: Connection,
  { engine, directory = migrationsDirectory, signal }: MigrateOptions,
): Promise<Comparison & { readonly migrations: readonly Migration[] }> {
  const migrations = await readMigrations(directory, engine);
  const client = await connect(connection, { purpose: "migrations", settings, signal });
  try {
    return { migrations, ...compareMigrations(migrations, await readApplied(client)) };
  } finally {
    await client.end();
  }
}

/** Fails in one line that says what to do where the database lacks a migration. Only reads. */
export async function expectMigrated(connection: Connection, options: MigrateOptions): Promise<void> {
  const { pending, newer } = await readStatus(connection, options);
  if (newer.length > 0) options.warn?.(describeNewer(newer));
  if (pending.length === 0) return;
  const lacking = pending.map(({ version }) => version).join(", ");
  throw new Error(`the database lacks ${lacking}: run \`npm run migrate\`, or start with MIGRATE=apply`);
}

/** The rows of schema_migrations; none where the table does not exist yet. */
async function readApplied(client: pg.Client): Promise<readonly AppliedRow[]> {
  try {
    return (await client.query<AppliedRow>(selectApplied)).rows;
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === sqlstate.undefinedTable) return [];
    throw error;
  }
}

async function applyAsOne(client: pg.Client, lease: MigrationLease, migration: Migration): Promise<void> {
  const { version, checksum, sql } = migration;
  lease.signal.throwIfAborted();
  // Not serializable: the renewals of the lease, which the end of this transaction reads, would make it fail.
  await client.query(begin["read committed"]);
  try {
    await client.query(sql).catch((error: unknown) => fail(migration, error, sql));
    if (client.getTransactionStatus() !== "T") {
      throw new Error(
        `migration ${version} ends the transaction that it runs in: leave begin and commit out`,
      );
    }
    await expectLease(client, lease);
    await client.query(insertApplied, [version, checksum]);
    await client.query(commit);
  } catch (error) {
    // Nothing to undo where the connection is what failed.
    await client.query(rollback).catch(() => {});
    throw error;
  }
}

async function applyByStatement(
  client: pg.Client,
  lease: MigrationLease,
  migration: Migration,
): Promise<void> {
  for (const statement of splitStatements(migration.sql)) {
    await expectLease(client, lease);
    await client.query(statement).catch((error: unknown) => fail(migration, error, statement));
  }
  await expectLease(client, lease);
  await client.query(insertApplied, [migration.version, migration.checksum]);
}

/** Throws what the database said of `sql`, with the line it points at. */
function fail({ version, file }: Migration, error: unknown, sql: string): never {
  const position = error instanceof pg.DatabaseError ? error.position : undefined;
  const before = position === undefined ? undefined : sql.slice(0, Number(position) - 1).split("\n");
  const at = before === undefined ? "" : `, at "${sql.split("\n")[before.length - 1]?.trim()}"`;
  throw new Error(`migration ${version} failed: ${messageOf(error)} (${file}${at})`, { cause: error });
}

/**
 * On PostgreSQL `if not exists` does not look at what another session is about to commit: the loser looks
 * again.
 */
async function createTable(client: pg.Client, statement: string): Promise<void> {
  const { duplicateObject, uniqueViolation, duplicateTable, serializationFailure } = sqlstate;
  const races: readonly string[] = [duplicateObject, uniqueViolation, duplicateTable, serializationFailure];
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query(statement);
      return;
    } catch (error) {
      // The second attempt sees the table; more are for CockroachDB, which may ask for several.
      const raced = error instanceof pg.DatabaseError && races.includes(error.code ?? "");
      if (!raced || attempt === 5) throw error;
      await sleep(20 * attempt);
    }
  }
}
