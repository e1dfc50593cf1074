import { randomBytes } from "node:crypto";
import pg from "pg";
import type { Config, Connection, Engine } from "../config.ts";
import { cancel } from "./cancel.ts";
import { toClientConfig } from "./connection.ts";
import { createQueue } from "./queue.ts";
import type { Budget } from "./retry.ts";
import { types } from "./values.ts";

/**
 * What the server knows a connection by: the process and, since numbers of processes come again, a name of
 * its own.
 */
export type Session = { readonly processId: number; readonly applicationName: string };

/** A connection that is in use by one attempt. */
export type Lease = {
  readonly client: pg.PoolClient;
  readonly session: Session;
  /** Asks the server to stop what the connection executes. */
  cancel(): Promise<void>;
  /** Gives the connection back; destroys it if it is not sound or a transaction is open on it. */
  release(sound: boolean): void;
};

/** The state of the pool: connections, and the calls that wait for one. */
export type PoolStats = {
  readonly total: number;
  readonly idle: number;
  readonly used: number;
  readonly max: number;
  readonly waiting: number;
  /**
   * Connections handed out since the start, and the time that calls waited for them in all, in milliseconds.
   */
  readonly acquired: number;
  readonly waitedMs: number;
};

/** Connections that are shared by all calls. */
export type Pool = {
  /**
   * Waits for a connection as long as the queue and the budget allow. Throws as `Queue.enter`, or what
   * failed.
   */
  acquire(budget: Budget): Promise<Lease>;
  stats(): PoolStats;
  [Symbol.asyncDispose](): Promise<void>;
};

/**
 * A connection idle for longer is asked for a sign of life before it is used: a balancer may have dropped it.
 */
const unverifiedMsMax = 10_000;
/** A sound server answers within this; else the connection is destroyed and another one taken. */
const verifyMsMax = 500;
/**
 * Connecting, TLS and authentication included; less than half of the default deadline, so that there is a
 * second try.
 */
const connectMsMax = 2_000;
/** Longer than any call may take: what ends a statement whose service died. */
const statementMsMax = 120_000;
/** A transaction that does nothing for so long belongs to a service that died: its locks must go. */
const idleInTransactionMsMax = 10_000;

/** Opens a pool. Connections are made when they are needed. */
export function createPool(connection: Connection, engine: Engine, limits: Config["pool"]): Pool {
  const queue = createQueue(limits.connsMax, limits.queueMax, limits.waitMsMax);
  const pool = openConnections(connection, engine, limits);
  const usedAt = new WeakMap<pg.PoolClient, number>();
  let acquired = 0;
  let waitedMs = 0;

  async function connect(signal: AbortSignal): Promise<pg.PoolClient> {
    for (;;) {
      const client = await abandonable(pool.connect(), signal, (late) => late.release());
      const idleMs = performance.now() - (usedAt.get(client) ?? performance.now());
      if (idleMs < unverifiedMsMax || (await isAlive(client))) return client;
      client.release(true);
    }
  }

  return {
    async acquire({ signal, deadlineMs }) {
      const since = performance.now();
      const leave = await queue.enter({ signal, deadlineMs });
      try {
        const client = await connect(signal);
        acquired++;
        waitedMs += performance.now() - since;
        return {
          client,
          session: toSession(client),
          cancel: () => cancel(connection, client),
          release(sound) {
            usedAt.set(client, performance.now());
            client.release(!sound || client.getTransactionStatus() !== "I");
            leave();
          },
        };
      } catch (error) {
        leave();
        throw error;
      }
    },
    stats: () => ({
      total: pool.totalCount,
      idle: pool.idleCount,
      used: pool.totalCount - pool.idleCount,
      max: limits.connsMax,
      waiting: queue.waiting,
      acquired,
      waitedMs,
    }),
    async [Symbol.asyncDispose]() {
      await pool.end();
    },
  };
}

function openConnections(connection: Connection, engine: Engine, limits: Config["pool"]): pg.Pool {
  const pool = new pg.Pool({
    ...toClientConfig(connection),
    options: startupOptions(engine),
    types,
    max: limits.connsMax,
    min: limits.connsMin,
    idleTimeoutMillis: limits.idleMsMax,
    connectionTimeoutMillis: connectMsMax,
    keepAlive: true,
  });
  // Read by the pool for each connection that it makes.
  Object.defineProperties(pool.options, {
    application_name: { get: () => `commerce-core ${randomBytes(6).toString("hex")}` },
    // Without jitter, connections made together would all be renewed together.
    maxLifetimeSeconds: { get: () => Math.ceil((limits.lifetimeMs / 1000) * (0.9 + 0.2 * Math.random())) },
  });
  // Errors of idle connections, and those of connections in use that no query is waiting to hear of. The pool
  // removes the connection; whoever uses it next hears of it.
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

/** node-postgres keeps both on the client without declaring them. */
function toSession(client: pg.PoolClient): Session {
  const { processID, connectionParameters } = client as unknown as {
    processID: number;
    connectionParameters: { application_name: string };
  };
  return { processId: processID, applicationName: connectionParameters.application_name };
}

function startupOptions(engine: Engine): string {
  const settings: Record<string, string | number> = {
    default_transaction_isolation: "serializable",
    statement_timeout: statementMsMax,
    idle_in_transaction_session_timeout: idleInTransactionMsMax,
    timezone: "UTC",
  };
  if (engine === "postgresql") {
    // A sequential scan locks the whole table against serializable writers, so that on small tables calls
    // that have nothing to do with each other would conflict. Every statement has an index to use (see the
    // plan gate).
    settings["enable_seqscan"] = "off";
    // A bitmap loses the order of its index: the first page of a user's orders would read and sort them all.
    settings["enable_bitmapscan"] = "off";
    // The text alone decides on the plan (see the plan gate). Left to itself the server plans the sets again
    // each time, because they are arrays, which costs a set of one as much as running it.
    settings["plan_cache_mode"] = "force_generic_plan";
  }
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(" ");
}

async function isAlive(client: pg.PoolClient): Promise<boolean> {
  const timeout = new Promise<false>((resolve) => setTimeout(resolve, verifyMsMax, false).unref());
  const answer = client.query("select 1").then(
    () => true,
    () => false,
  );
  return Promise.race([answer, timeout]);
}

/** Waits for a promise until the signal aborts; what comes too late is given to `onLate`. */
async function abandonable<T>(
  promise: Promise<T>,
  signal: AbortSignal,
  onLate: (value: T) => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const abandon = (): void => {
      reject(signal.reason);
      promise.then(onLate, () => {});
    };
    if (signal.aborted) return abandon();
    signal.addEventListener("abort", abandon, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abandon));
  });
}
