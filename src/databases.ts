import type { Config, Connection } from "./config.ts";
import { createDatabase, type Database, type DatabaseObserver } from "./db/engine/database.ts";
import { startEmbedded } from "./db/embedded/embedded.ts";
import type { NodeState } from "./db/engine/nodes.ts";
import { reachDatabase, type ServerVersion } from "./db/engine/reach.ts";
import type { Telemetry } from "./rpc/telemetry.ts";
import { keysOf } from "./lists.ts";

/** What all steps of a start need. */
export type Beginning = {
  readonly telemetry: Telemetry;
  readonly resources: AsyncDisposableStack;
  readonly signal: AbortSignal | undefined;
};

/** What a start has reached; plain data. */
export type Reached = {
  readonly connection: Connection;
  readonly replica?: Connection | undefined;
  readonly version: ServerVersion;
};

/** Connects to the configured database, or starts an embedded one, and detects its engine. */
export async function openEngine(
  { database, start }: Config,
  { telemetry, resources, signal }: Beginning,
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
  const embedded = resources.use(await startEmbedded(database.dataDir));
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
  const observer = observeDatabase(telemetry, note);
  const open = (prefix: "db" | "db_stale", place: Connection, isStale: boolean): Database => {
    const own = isStale ? { ...limits, connsMin: 0 } : limits;
    const opened = resources.use(createDatabase(place, engine, own, { observer, isStale }));
    observePool(telemetry, prefix, opened);
    return opened;
  };
  const db = open("db", connection, false);
  const isApart = replica !== undefined || engine === "cockroachdb";
  const stale = isApart ? open("db_stale", replica ?? connection, true) : undefined;
  const suspect = (isAway: boolean): void => {
    db.suspect(isAway);
    if (!replica) stale?.suspect(isAway);
  };
  return { db, stale, suspect, connsMax: limits.connsMax * (stale ? 2 : 1) };
}

function observeDatabase(telemetry: Telemetry, note: Observer["note"]): DatabaseObserver {
  const { logger } = telemetry;
  const count = telemetry.counter("db_retries_total", "Attempts that were run again, by cause.", "cause");
  return {
    retried(disposition, code) {
      count(`${disposition}:${code}`);
      note(code);
    },
    nodeFailed: (node, fault) =>
      logger.warn({ node, fault }, "a database node fails: it is avoided while there are others"),
    nodeIsBack: (node) => logger.info({ node }, "a database node is back"),
  };
}

function observePool(telemetry: Telemetry, prefix: "db" | "db_stale", db: Database): void {
  const gauges = {
    total: "Connections that are open.",
    idle: "Connections that are not in use.",
    used: "Connections in use.",
    max: "The largest number of connections.",
    waiting: "Calls that wait for a connection.",
    acquired: "Connections handed out since the start.",
    waitedMs: "Milliseconds that calls have waited for connections since the start.",
  } as const;
  for (const name of keysOf(gauges))
    telemetry.gauge(`${prefix}_pool_${name.replace("Ms", "_ms")}`, gauges[name], () => db.stats()[name]);
  const readNodes = (read: (state: NodeState) => number) => (): Record<string, number> =>
    Object.fromEntries(Array.from(db.stats().nodes, ([node, state]) => [node, read(state)]));
  const connections = readNodes((state) => state.connections);
  telemetry.gauge(`${prefix}_node_connections`, "Connections to a node of CockroachDB.", connections, "node");
  const healthy = readNodes(({ isHealthy }) => (isHealthy ? 1 : 0));
  telemetry.gauge(
    `${prefix}_node_healthy`,
    "Whether a node of CockroachDB is used: 1, or 0.",
    healthy,
    "node",
  );
}
