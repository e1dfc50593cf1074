import type { Engine } from "../config.ts";
import type { Database, DatabaseObserver } from "../db/engine/database.ts";
import type { NodeState } from "../db/engine/nodes.ts";
import { type Metrics, type Sample, secondsBuckets } from "./metrics.ts";
import type { Telemetry } from "./telemetry.ts";

/** The pools of a service: that of all calls, and that of reads that may be stale. */
type PoolName = "primary" | "stale";

/** What watches one database. */
export type DatabaseWatch = {
  readonly observer: DatabaseObserver;
  /** Tells the state of its pool from now on. */
  readonly follow: (db: Database) => void;
};

const poolLabel = "db_client_connection_pool_name";

/** Creates what counts, traces and logs what happens at databases; `note` is told of failures' SQLSTATEs. */
export function watchDatabases(
  telemetry: Telemetry,
  engine: Engine,
  note: (code: string) => void,
): (pool: PoolName) => DatabaseWatch {
  const { logger, tracing } = telemetry;
  const pools = new Map<PoolName, Database>();
  followPools(telemetry, pools);
  const operations = countOperations(telemetry);
  const waits = telemetry.histogram({
    name: "db_client_connection_wait_time_seconds",
    help: "How long attempts have waited for a connection.",
    labels: [poolLabel],
    buckets: secondsBuckets,
  });
  const countRetry = telemetry.counter({
    name: "db_client_retries_total",
    help: "Attempts that were followed by another, by what their failure means and its SQLSTATE or errno.",
    labels: ["disposition", "error_type"],
  });
  return (pool) => {
    const observeWait = waits({ [poolLabel]: pool });
    return {
      follow: (db) => void pools.set(pool, db),
      observer: {
        retried(disposition, code) {
          countRetry({ disposition, error_type: code });
          note(code);
        },
        attempted(operation, beginMs, code) {
          operations(operation, code ?? "", (performance.now() - beginMs) / 1000);
          tracing?.statement(engine, operation, beginMs, code);
        },
        waited: (ms) => observeWait(ms / 1000),
        nodeFailed: (node, fault) =>
          logger.warn({ node, fault }, "a database node fails: it is avoided while there are others"),
        nodeIsBack: (node) => logger.info({ node }, "a database node is back"),
      },
    };
  };
}

/** Observes the durations of attempts; the functions of those that succeed are kept. */
function countOperations({ histogram }: Metrics): (operation: string, code: string, seconds: number) => void {
  const durations = histogram({
    name: "db_client_operation_duration_seconds",
    help: "From sending a statement to its answer, for each attempt; with a failure's SQLSTATE or errno.",
    labels: ["db_operation_name", "error_type"],
    buckets: secondsBuckets,
  });
  const succeeded = new Map<string, (seconds: number) => void>();
  return (operation, code, seconds) => {
    if (code !== "") return durations({ db_operation_name: operation, error_type: code })(seconds);
    let observe = succeeded.get(operation);
    if (!observe)
      succeeded.set(operation, (observe = durations({ db_operation_name: operation, error_type: "" })));
    observe(seconds);
  };
}

function followPools({ gauge }: Metrics, pools: ReadonlyMap<PoolName, Database>): void {
  const tell = (name: string, help: string, read: (db: Database) => number): void =>
    gauge({ name, help, labels: [poolLabel] }, () =>
      Array.from(pools, ([pool, db]) => [{ [poolLabel]: pool }, read(db)]),
    );
  tell("db_client_connection_max", "The largest number of connections.", (db) => db.stats().max);
  tell(
    "db_client_connection_pending_requests",
    "Attempts that wait for a connection.",
    (db) => db.stats().waiting,
  );
  const stateLabel = "db_client_connection_state";
  gauge({ name: "db_client_connections", help: "Open connections.", labels: [poolLabel, stateLabel] }, () =>
    Array.from(pools, ([pool, db]) => {
      const { idle, used } = db.stats();
      return Object.entries({ idle, used }).map(
        ([state, count]) => [{ [poolLabel]: pool, [stateLabel]: state }, count] as const,
      );
    }).flat(),
  );
  followNodes({ gauge }, pools);
}

/** Nodes of a cluster; there are none on PostgreSQL. */
function followNodes({ gauge }: Pick<Metrics, "gauge">, pools: ReadonlyMap<PoolName, Database>): void {
  const tell = (name: string, help: string, read: (state: NodeState) => number): void =>
    gauge({ name, help, labels: [poolLabel, "node"] }, () =>
      Array.from(pools, ([pool, db]) =>
        Array.from(db.stats().nodes, ([node, state]): Sample<typeof poolLabel | "node"> => [
          { [poolLabel]: pool, node },
          read(state),
        ]),
      ).flat(),
    );
  tell("db_client_node_connections", "Connections to a node of CockroachDB.", (state) => state.connections);
  tell("db_client_node_healthy", "Whether a node of CockroachDB is used: 1, or 0.", ({ isHealthy }) =>
    isHealthy ? 1 : 0,
  );
}
