import pg from "pg";
import type { Config, Connection, Engine } from "../../config.ts";
import { bounds } from "../../bounds.ts";
import { createQueue, type Queue } from "../../queue.ts";
import { cancel } from "./cancel-request.ts";
import { toClientClass, toClientConfig, type Settings } from "./connection.ts";
import { createConnector } from "./connector.ts";
import { databaseAway, DomainError, poolExhausted } from "../../errors.ts";
import type { Deadline } from "./deadline.ts";
import { statementMsMax, type Stale } from "./judge.ts";
import { createNodes, noNodes, type NodeFault, type NodesObserver, type NodeState } from "./nodes.ts";
import type { Session } from "./session.ts";

/** A connection that is in use by one attempt. */
export type Checkout = {
  readonly client: pg.PoolClient;
  readonly session: Session;
  /** Asks the server to stop what the connection executes. */
  cancel(): Promise<void>;
  /**
   * Gives the connection back; destroys it if it is not sound or a transaction is open on it, with what was
   * sent and has not left this machine yet. `nodeFault` is what the attempt says of the connection's node.
   */
  release(sound: boolean, nodeFault?: NodeFault): void;
};

/** The state of the pool: connections, and the calls that wait for one. */
export type PoolStats = {
  readonly total: number;
  readonly idle: number;
  readonly used: number;
  readonly max: number;
  readonly waiting: number;
  /** Nodes of a cluster that connections lead to, or have led to; there are none on PostgreSQL. */
  readonly nodes: ReadonlyMap<string, NodeState>;
};

/** Connections that are shared by all calls. */
export type Pool = {
  readonly engine: Engine;
  /**
   * Waits for a connection as long as the queue and the deadline allow. Throws as `Queue.enter`, or what
   * failed. While the database is suspected to be away, a call's first attempt gets a connection that has
   * just answered, or DATABASE_UNAVAILABLE within a tenth of a second; later attempts go on waiting.
   */
  checkOut(deadline: Deadline, isFirst?: boolean): Promise<Checkout>;
  /** Says whether the database is suspected to be away. */
  suspect(isAway: boolean): void;
  /** See `Connector.renew`. */
  renew(stale: Stale | undefined): void;
  stats(): PoolStats;
  [Symbol.asyncDispose](): Promise<void>;
};

/** How long a call waits for a database that is known to be away: it may be back. */
const awayMsMax = 100;
/** A transaction that does nothing for so long belongs to a service that died: its locks must go. */
const idleInTransactionMsMax = 10_000;

export type PoolObserver = NodesObserver & {
  /** An attempt got its connection after so many milliseconds. */
  waited(ms: number): void;
};

export type PoolOptions = {
  readonly observer?: Partial<PoolObserver> | undefined;
  /** Whether it only reads, and may read what is a little behind; see `serviceSettings`. */
  readonly isStale?: boolean | undefined;
};

/** Opens a pool. Connections are made when they are needed. */
export function createPool(
  connection: Connection,
  engine: Engine,
  limits: Config["pool"],
  { observer, isStale = false }: PoolOptions = {},
): Pool {
  const queue = createPlaces(limits);
  const nodes = engine === "cockroachdb" ? createNodes({ observer }) : noNodes;
  const pool = openConnections(connection, serviceSettings(engine, isStale), limits);
  const connections = createConnector(pool, engine, nodes);
  let isSuspected = false;

  async function checkOut(deadline: Deadline, verify: boolean): Promise<Checkout> {
    const leave = await queue.enter(deadline);
    try {
      const connected = await connections.connect(deadline, verify);
      return {
        ...connected,
        cancel: () => cancel(connection, connected.client),
        release(sound, nodeFault) {
          connections.giveBack(connected, sound, nodeFault);
          leave();
        },
      };
    } catch (error) {
      leave();
      throw error;
    }
  }

  return {
    engine,
    async checkOut(deadline, isFirst = false) {
      const since = performance.now();
      const checkout = await (isSuspected && isFirst
        ? checkOutSoon(checkOut, deadline)
        : checkOut(deadline, false));
      observer?.waited?.(performance.now() - since);
      return checkout;
    },
    suspect: (isAway) => void (isSuspected = isAway),
    renew: connections.renew,
    stats: () => ({
      total: pool.totalCount,
      idle: pool.idleCount,
      used: pool.totalCount - pool.idleCount,
      max: limits.connsMax,
      waiting: queue.waiting,
      nodes: nodes.states(),
    }),
    async [Symbol.asyncDispose]() {
      await pool.end();
    },
  };
}

/** A connection for the first attempt of a call whose database is probably away. */
async function checkOutSoon(
  checkOut: (deadline: Deadline, verify: boolean) => Promise<Checkout>,
  { signal, holder }: Deadline,
): Promise<Checkout> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(awayMsMax)]);
  try {
    return await checkOut({ signal: soon, deadlineMs: Date.now() + awayMsMax, holder }, true);
  } catch (error) {
    throw signal.aborted || error instanceof DomainError ? error : databaseAway(error);
  }
}

function createPlaces({ connsMax, queueMax, waitMsMax }: Config["pool"]): Queue {
  return createQueue({
    places: connsMax,
    lengthMax: queueMax,
    lengthFloor: bounds.queueFloor.max,
    waitMsMax,
    refuse: poolExhausted,
  });
}

function openConnections(connection: Connection, settings: Settings, limits: Config["pool"]): pg.Pool {
  const pool = new pg.Pool({
    ...toClientConfig(connection, settings),
    Client: toClientClass(connection),
    // One for all: CockroachDB keeps statistics of statements by it.
    application_name: "commerce-core",
    max: limits.connsMax,
    min: limits.connsMin,
    idleTimeoutMillis: limits.idleMsMax,
    keepAlive: true,
  });
  // Read by the pool for each connection that it makes: without jitter, those made together would all be
  // renewed together.
  Object.defineProperty(pool.options, "maxLifetimeSeconds", {
    get: () => Math.ceil((limits.lifetimeMs / 1000) * (0.9 + 0.2 * Math.random())),
  });
  // Errors of idle connections, and those of connections in use that no query is waiting to hear of. The pool
  // removes the connection; the next query on it fails.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

/**
 * What the sessions of stale reads need instead. A standby takes no serializable transactions. On CockroachDB
 * each statement reads as of some seconds ago, from the nearest replica: "as of system time" takes no
 * placeholders, so that statements cannot say it themselves.
 */
const staleSettings = {
  postgresql: { default_transaction_isolation: "repeatable read", default_transaction_read_only: "on" },
  cockroachdb: { default_transaction_use_follower_reads: "on", default_transaction_read_only: "on" },
};

/** What the sessions of calls need, whatever the role or the database has been given. */
export function serviceSettings(engine: Engine, isStale = false): Settings {
  const shared = {
    // Serializable transactions of PostgreSQL abort each other by pages of indexes, which crowds of calls at
    // several replicas share whatever their rows are. Each statement says why it needs no more than this, or
    // what it does need.
    default_transaction_isolation: engine === "postgresql" ? "read committed" : "serializable",
    statement_timeout: statementMsMax,
    // The caller's deadline decides how long a statement waits.
    lock_timeout: 0,
    idle_in_transaction_session_timeout: idleInTransactionMsMax,
    ...(isStale && staleSettings[engine]),
  };
  // A generic plan knows neither how many keys nor how many rows it is for, and may lock a whole table.
  if (engine === "cockroachdb") return { ...shared, plan_cache_mode: "force_custom_plan" };
  return {
    ...shared,
    // A plan that was made while a table was small would read it from end to end when it has grown. Every
    // statement has an index to use (see the plan gate).
    enable_seqscan: "off",
    // A bitmap loses the order of its index: the first page of a user's orders would read and sort them all.
    enable_bitmapscan: "off",
    // The plan gate's plans use these.
    enable_indexscan: "on",
    enable_indexonlyscan: "on",
    enable_nestloop: "on",
    // The text alone decides on the plan (see the plan gate). Left to itself the server plans the batches
    // again each time, because they are arrays, which costs a batch of one as much as running it.
    plan_cache_mode: "force_generic_plan",
    // Optional columns of a batch are sent as nulls in arrays.
    array_nulls: "on",
  };
}
