import pg, { type ClientConfig } from "pg";
import type { Connection, Engine } from "../config.ts";

/**
 * What node-postgres takes, from the configuration. A copy: node-postgres hides the key inside `ssl`, ours is
 * frozen.
 */
export function toClientConfig(connection: Connection): ClientConfig {
  return { ...connection, ssl: connection.ssl && { ...connection.ssl } };
}

/**
 * The engine that answered `select version()` with `version`; fails for one that the service does not run on.
 */
export function detectEngine(version: string): Engine {
  if (version.startsWith("CockroachDB ")) return "cockroachdb";
  if (version.startsWith("PostgreSQL ")) return "postgresql";
  throw new Error(`unknown database engine: ${version}`);
}

/** What a database says that it is. */
export type ServerVersion = {
  readonly engine: Engine;
  /** "PostgreSQL 18.4" or "CockroachDB CCL v26.2.1". */
  readonly text: string;
};

/** A name that is looked up, a handshake and an answer take less, unless there is nobody. */
const connectMsMax = 10_000;

/** Asks the database what it is; fails in one line where it is away, or not the `expected` engine. */
export async function readVersion(connection: Connection, expected?: Engine): Promise<ServerVersion> {
  const client = new pg.Client({ ...toClientConfig(connection), connectionTimeoutMillis: connectMsMax });
  client.on("error", () => {});
  let version: string;
  try {
    await client.connect();
    version = (await client.query<{ version: string }>("select version() as version")).rows[0]!.version;
  } catch (error) {
    const { host, port } = connection;
    throw new Error(`the database at ${host}:${port} cannot be reached: ${describe(error)}`, {
      cause: error,
    });
  } finally {
    await client.end().catch(() => {});
  }
  const engine = detectEngine(version);
  const text = /^\S+( CCL)? \S+/.exec(version)![0];
  if (expected !== undefined && engine !== expected)
    throw new Error(`the database is ${text}, and the configuration says ${expected}`);
  return { engine, text };
}

/** Connecting to a name with several addresses fails with an error for each and no message of its own. */
function describe(error: unknown): string {
  const { message, code } = error as Error & { code?: string };
  return message || code || String(error);
}
