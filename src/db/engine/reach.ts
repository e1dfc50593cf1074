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
  { expected, waitMs = 0, warn = () => {}, signal }: ReachOptions = {},
): Promise<ServerVersion> {
  const end = Date.now() + waitMs;
  for (let told = -Infinity; ;) {
    try {
      return await ask(connection, expected, signal);
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

/** Given to the session to be found again in it; every session of the pool has it, too. */
const settings = { default_transaction_isolation: "serializable" };

const describeServer = command(
  "start.describe",
  `select version() as version, current_setting('server_encoding') as encoding,
    current_setting('default_transaction_isolation') as isolation`,
);
const selectBackend = command("start.backend", "select pg_backend_pid() as pid", "postgresql");

type Described = {
  readonly version: string;
  readonly encoding: string;
  readonly isolation: string;
};

async function ask(
  connection: Connection,
  expected: Engine | undefined,
  signal: AbortSignal | undefined,
): Promise<ServerVersion> {
  const client = await connect(connection, { purpose: "start", settings, signal });
  try {
    const described = (await client.query<Described>(describeServer)).rows[0]!;
    const engine = detectEngine(described.version);
    const text = /^\S+( CCL)? \S+/.exec(described.version)![0];
    if (expected !== undefined && engine !== expected)
      throw new Unsuitable(`the database is ${text}, and the configuration says ${expected}`);
    expectEncoding(connection, described);
    await expectNoPooler(connection, engine, described, client);
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
async function expectNoPooler(
  connection: Connection,
  engine: Engine,
  { isolation }: Described,
  client: pg.Client,
): Promise<void> {
  const remedy = "name the database itself, the service has a pool of its own";
  const refuse = (found: string): never => {
    throw new Unsuitable(`a connection pooler stands at ${toPlace(connection)}, which ${found}: ${remedy}`);
  };
  if (isolation !== "serializable")
    refuse(`does not pass on the settings of a session (its isolation is ${isolation})`);
  // CockroachDB's sessions are found by their ids.
  if (engine === "cockroachdb") return;
  const { rows } = await client.query<{ pid: number }>(selectBackend);
  // node-postgres does not declare it.
  const { processID } = client as unknown as { readonly processID: number };
  if (rows[0]?.pid !== processID) refuse("hides the numbers of sessions");
}
