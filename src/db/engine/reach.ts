import { setTimeout as sleep } from "node:timers/promises";
import type pg from "pg";
import type { Connection, Engine } from "../../config.ts";
import { explainConnectFailure, toPlace } from "./connect-failures.ts";
import { connect } from "./connection.ts";
import { command } from "./statement.ts";

/** What a database says that it is. */
export type ServerVersion = {
  readonly engine: Engine;
  /** "PostgreSQL 18.4" or "CockroachDB CCL v26.2.1". */
  readonly text: string;
};

export type ReachOptions = {
  /** The engine that it must be. */
  readonly expected?: Engine | undefined;
  /** Whether it is a replica, which need not take writes. */
  readonly isReplica?: boolean;
  /** How long to wait for a database that is away. Default: not at all. */
  readonly waitMs?: number;
  /** Called with the reason for waiting, at once and every few seconds. */
  readonly warn?: (line: string) => void;
  /** Ends the waiting: the reason is thrown. */
  readonly signal?: AbortSignal | undefined;
};

/** Soon enough that a start is not held up, seldom enough for a server that is starting. */
const pauseMs = 250;
const toldEveryMs = 5_000;

/** The database is there, and the service cannot work with it: waiting does not help. */
class Unsuitable extends Error {}

/**
 * Asks a database what it is, waiting for one that is away. Fails in one line where it stays away, refuses
 * the service, or is none that the service can work with.
 */
export async function reachDatabase(
  connection: Connection,
  { expected, isReplica = false, waitMs = 0, warn = () => {}, signal }: ReachOptions = {},
): Promise<ServerVersion> {
  const end = Date.now() + waitMs;
  for (let told = -Infinity; ;) {
    try {
      return await ask(connection, { expected, isReplica, signal });
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof Unsuitable) throw error;
      const { line, passing } = explainConnectFailure(error, connection);
      const leftMs = end - Date.now();
      if (!passing || leftMs <= 0) throw new Error(line, { cause: error });
      if (Date.now() - told >= toldEveryMs) {
        warn(`${line}; waiting for it, ${Math.ceil(leftMs / 1000)} s at most`);
        told = Date.now();
      }
      await sleep(Math.min(pauseMs, leftMs), undefined, signal && { signal }).catch(() => {
        throw signal?.reason;
      });
    }
  }
}

/**
 * Given to the session to be found again in it: what a server gives to nobody who has not asked for it. A
 * standby takes no serializable transactions, and CockroachDB may make serializable ones of others.
 */
const settings = { default_transaction_isolation: "serializable" };
const settingsOfReplica = {
  default_transaction_isolation: "repeatable read",
  default_transaction_read_only: "on",
};

const describeServer = command(
  "start.describe",
  `select version() as version, current_setting('server_encoding') as encoding,
    current_setting('default_transaction_isolation') as isolation,
    current_setting('default_transaction_read_only') as "readOnly"`,
);
const selectBackend = command("start.backend", "select pg_backend_pid() as pid", "postgresql");

type Described = {
  readonly version: string;
  readonly encoding: string;
  readonly isolation: string;
  readonly readOnly: string;
};

async function ask(
  connection: Connection,
  { expected, isReplica = false, signal }: ReachOptions,
): Promise<ServerVersion> {
  const own = isReplica ? settingsOfReplica : settings;
  const client = await connect(connection, { purpose: "start", settings: own, signal });
  try {
    const described = (await client.query<Described>(describeServer)).rows[0]!;
    const engine = detectEngine(described.version);
    const text = /^\S+( CCL)? \S+/.exec(described.version)![0];
    if (expected !== undefined && engine !== expected)
      throw new Unsuitable(`the database is ${text}, and the configuration says ${expected}`);
    expectEncoding(connection, described);
    const told = isReplica
      ? `read-only mode is ${described.readOnly}`
      : `isolation is ${described.isolation}`;
    if (told !== (isReplica ? "read-only mode is on" : "isolation is serializable"))
      refusePooler(connection, `does not pass on the settings of a session (its ${told})`);
    // CockroachDB's sessions are found by their ids.
    if (engine === "postgresql") await expectOwnSession(connection, client);
    return { engine, text };
  } finally {
    await client.end().catch(() => {});
  }
}

/** The engine that answered `select version()`; fails for one that the service does not run on. */
export function detectEngine(version: string): Engine {
  if (version.startsWith("CockroachDB ")) return "cockroachdb";
  if (version.startsWith("PostgreSQL ")) return "postgresql";
  throw new Unsuitable(`unknown database engine: ${version}`);
}

function expectEncoding(connection: Connection, { encoding }: Described): void {
  if (encoding.toUpperCase() === "UTF8") return;
  const remedy = `make one by: create database … encoding 'UTF8' template template0`;
  const { database } = connection;
  throw new Unsuitable(
    `database "${database}" at ${toPlace(connection)} is encoded in ${encoding}, not UTF8; ${remedy}`,
  );
}

/**
 * A pooler shows itself by settings that do not arrive, or by a session that is not the one that we were
 * told: a session in doubt could then not be ended (see session.ts), and a refusal would not be final.
 */
function refusePooler(connection: Connection, found: string): never {
  const remedy = "name the database itself, the service has a pool of its own";
  throw new Unsuitable(`a connection pooler stands at ${toPlace(connection)}, which ${found}: ${remedy}`);
}

async function expectOwnSession(connection: Connection, client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ pid: number }>(selectBackend);
  // node-postgres does not declare it.
  const { processID } = client as unknown as { readonly processID: number };
  if (rows[0]?.pid !== processID) refusePooler(connection, "hides the numbers of sessions");
}
