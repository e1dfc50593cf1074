import { onTestFinished } from "vitest";
import type { Connection } from "../../../src/config.ts";
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
    [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
  };
}

/** A node of a cluster; they are numbered from 1. */
export function nodeOf({ nodes }: Cluster, node: number): Connection {
  return nodes[node - 1]!;
}
