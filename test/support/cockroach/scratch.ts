import pg from "pg";
import { onTestFinished } from "vitest";
import type { Connection } from "../../../src/config.ts";
import { toClientConfig } from "../../../src/db/engine/connection.ts";
import { startScratch } from "../scratch.ts";
import { startCluster, type Cluster, type ClusterOptions } from "./cluster.ts";

/** Starts clusters on empty databases of a PostgreSQL of their own, for tests of what is below a service. */
export async function startScratchClusters() {
  const scratch = await startScratch();
  return {
    /** Starts a cluster for one test. */
    async start(options: Omit<ClusterOptions, "upstream"> = {}): Promise<Cluster> {
      const cluster = await startCluster({ upstream: await scratch.createDatabase(), ...options });
      onTestFinished(() => cluster[Symbol.asyncDispose]());
      return cluster;
    },
    writeMigrations: scratch.writeMigrations,
    [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
  };
}

/** A node of a cluster; they are numbered from 1. */
export function nodeOf({ nodes }: Cluster, node: number): Connection {
  return nodes[node - 1]!;
}

/** Connects for one test. */
export async function connect(connection: Connection, settings = {}): Promise<pg.Client> {
  const client = new pg.Client({ ...toClientConfig(connection, settings), application_name: "test" });
  client.on("error", () => {});
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** The rows of an answer as arrays, or what was refused. */
export type Answer = { readonly rows: unknown[] } | { readonly code: string; readonly severity: string };

/** Asks, and takes an error for an answer. */
export function ask(client: pg.Client, text: string, values?: readonly unknown[]): Promise<Answer> {
  return client.query({ text, ...(values && { values: [...values] }), rowMode: "array" }).then(
    ({ rows }) => ({ rows }),
    ({ code, severity }: pg.DatabaseError) => ({ code: code!, severity: severity! }),
  );
}
