import type { Config, Connection } from "./config.ts";
import { createDatabase, type Database } from "./db/engine/database.ts";
import { startEmbedded } from "./db/embedded/embedded.ts";
import { reachDatabase, type ServerVersion } from "./db/engine/reach.ts";
import { watchDatabases } from "./telemetry/databases.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";

/** What all steps of a start need. */
export type Beginning = {
  readonly telemetry: Telemetry;
  readonly resources: AsyncDisposableStack;
  readonly signal: AbortSignal | undefined;
  /** Says what a start is doing, in a line. */
  readonly progress: (line: string) => void;
};

/** What a start begins with. Without `progress` what it is doing is said in the log. */
export function toBeginning(
  telemetry: Telemetry,
  resources: AsyncDisposableStack,
  {
    signal,
    progress,
  }: {
    readonly signal?: AbortSignal | undefined;
    readonly progress?: Beginning["progress"] | undefined;
  } = {},
): Beginning {
  const log = (line: string): void => telemetry.logger.info(line);
  return { telemetry, resources, signal, progress: progress ?? log };
}

/** What a start has reached; plain data. */
export type Reached = {
  readonly connection: Connection;
  readonly replica?: Connection | undefined;
  readonly version: ServerVersion;
};

/** Connects to the configured database, or starts an embedded one, and detects its engine. */
export async function openEngine(
  { database, start }: Config,
  { telemetry, resources, signal, progress }: Beginning,
  onFailure: (error: Error) => void,
): Promise<Reached> {
  if (database.kind === "remote") {
    const { connection, engine, replica } = database;
    const warn = (line: string): void => telemetry.logger.warn(line);
    const options = { waitMs: start.waitMsMax, warn, signal };
    const version = await reachDatabase(connection, { expected: engine, ...options });
    if (replica) await reachDatabase(replica, { expected: version.engine, isReplica: true, ...options });
    return { connection, replica, version };
  }
  const embedded = resources.use(await startEmbedded(database.dataDir, { progress }));
  signal?.throwIfAborted();
  void embedded.exited.then((error) => error && onFailure(error));
  const { connection } = embedded;
  return { connection, version: await reachDatabase(connection, { signal }) };
}

/** Who is told of the SQLSTATEs that attempts fail with. */
export type Observer = { readonly note: (code: string) => void };

export type Databases = {
  readonly db: Database;
  /** Where stale reads go, if that is another place. */
  readonly stale: Database | undefined;
  /** See `Database.suspect`. A replica is another database: it may be there when this one is not. */
  readonly suspect: Database["suspect"];
  /** How many connections they may have in all. */
  readonly connsMax: number;
};

/**
 * Opens the pools of what a start has reached. Stale reads have one of their own where a replica is
 * configured, and on CockroachDB, whose nearest copies are read by sessions that are told to. As long as
 * nothing reads there it has no connections.
 */
export function openDatabases(
  { connection, replica, version: { engine } }: Reached,
  limits: Config["pool"],
  { telemetry, resources, note }: Beginning & Observer,
): Databases {
  const watch = watchDatabases(telemetry, engine, note);
  const open = (place: Connection, isStale: boolean): Database => {
    const own = isStale ? { ...limits, connsMin: 0 } : limits;
    const { observer, follow } = watch(isStale ? "stale" : "primary");
    const opened = resources.use(createDatabase(place, engine, own, { observer, isStale }));
    follow(opened);
    return opened;
  };
  const db = open(connection, false);
  const isApart = replica !== undefined || engine === "cockroachdb";
  const stale = isApart ? open(replica ?? connection, true) : undefined;
  const suspect = (isAway: boolean): void => {
    db.suspect(isAway);
    if (!replica) stale?.suspect(isAway);
  };
  return { db, stale, suspect, connsMax: limits.connsMax * (stale ? 2 : 1) };
}
