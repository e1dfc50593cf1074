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

/** Asks the database what it is; fails where that is not the `expected` engine. */
export async function readEngine(connection: Connection, expected?: Engine): Promise<Engine> {
  const client = new pg.Client(toClientConfig(connection));
  await client.connect();
  try {
    const { rows } = await client.query<{ version: string }>("select version() as version");
    const engine = detectEngine(rows[0]?.version ?? "");
    if (expected !== undefined && engine !== expected) {
      throw new Error(`the database is ${engine}, and the configuration says ${expected}`);
    }
    return engine;
  } finally {
    await client.end();
  }
}
